"""What passes between the order desk and the venue, in neither's own format.

Layer 4. Pure.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from livekit.events import Action
from livekit.okx.codes import Outcome

__all__ = [
    "MARGIN_NS",
    "Fill",
    "KnownOrder",
    "Outcome",
    "Outgoing",
    "PendingRequest",
    "Query",
    "Word",
]


_MS: Final = 1_000_000
_QUERIES_NS: Final = (200 * _MS, 500 * _MS, 1_000 * _MS, 2_000 * _MS, 5_000 * _MS)

MARGIN_NS: Final = 3_000 * _MS
"""What is added to a request's last moment: clocks differ, and a look-up may lag behind."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request that may go.

    Attributes
    ----------
    request_id : str
        Names it in the venue's answer.
    action : Action
    row : int
        Of the order in the core's table.
    client_id : str
    venue_id : str
        The venue's own id of the order, empty before it is known.
    instrument : int
    expire_ns : int
        Time on the venue's clock after which it is not taken; 0 for a cancellation.
    """

    request_id: str
    action: Action
    row: int
    client_id: str
    venue_id: str
    instrument: int
    expire_ns: int


@dataclass(frozen=True, slots=True)
class Query:
    """A look-up of an order that is wanted."""

    client_id: str
    instrument: int


@dataclass(frozen=True, slots=True)
class Fill:
    """A fill as the venue says it: units, and the fee in quote currency, a cost above 0."""

    trade_id: int
    price: float
    quantity: float
    fee: float


@dataclass(frozen=True, slots=True)
class Word:
    """What the venue says of an order, whole: a row of a push or of a look-up.

    Attributes
    ----------
    filled, average_price, fee : float
        So far: units, quote currency a unit, quote currency (a cost above 0).
    price, quantity : float
        As the venue has them now; price NaN for a market order.
    fill : Fill or None
        The fill of this event; None in a look-up.
    amend_result : str
        ``""`` none, ``"0"`` done, others refused.
    amend_id : str
        Request id of the modification that `amend_result` is of.
    """

    client_id: str
    venue_id: str
    state: str
    price: float
    quantity: float
    filled: float
    average_price: float
    fee: float
    fill: Fill | None = None
    cancel_source: str = ""
    amend_result: str = ""
    amend_id: str = ""
    is_lookup: bool = False


@dataclass(slots=True)
class KnownOrder:
    """What is kept of an order until nobody can say anything new of it."""

    row: int
    client_id: str
    instrument: int
    expire_ns: int = 0  # after which the venue takes it no more
    amend_expire_ns: int = 0  # the same of its modification
    amend_id: str = ""  # request id of its last modification
    venue_id: str = ""
    applied_lots: int = 0
    applied_cost: float = 0.0
    applied_fee: float = 0.0
    said_lots: int = 0  # the most that the venue ever named
    trades: set[int] = field(default_factory=set)
    last_word: Word | None = None  # a final one, whose fills are not all known yet
    is_known: bool = False  # the venue has, or had, it
    next_query_ns: int = 0  # 0: nothing to ask
    n_queries: int = 0
    heard_ns: int = 0  # when the venue last said something of it
    is_asked: bool = False  # a look-up is under way
    is_done: bool = False

    def request(self, serial: int, action: Action, expire_ns: int) -> Outgoing:
        """Return a request about it."""
        name, ids = f"r{serial}", (self.client_id, self.venue_id)
        return Outgoing(name, action, self.row, *ids, self.instrument, expire_ns)

    def note(self, word: Word, now_ns: int) -> Word:
        """Note that the venue spoke of it; return the word as it concerns the last modification.

        The result of an earlier one may come twice, and late: it says nothing of this one.
        """
        self.venue_id = self.venue_id or word.venue_id
        self.is_known, self.heard_ns = True, now_ns
        is_other = word.amend_result != "" and word.amend_id != self.amend_id
        return replace(word, amend_result="") if is_other else word

    def ask(self, now_ns: int) -> None:
        """Want it looked up soon."""
        if self.next_query_ns == 0:
            self.n_queries = 0
            self.next_query_ns = now_ns + _QUERIES_NS[0]

    def ask_again(self, now_ns: int) -> None:
        """Want it looked up again, later each time, and once it can be proven not to be there."""
        self.n_queries += 1
        wait = _QUERIES_NS[min(self.n_queries, len(_QUERIES_NS) - 1)]
        self.next_query_ns = now_ns + wait
        provable_ns = max(self.expire_ns, self.amend_expire_ns) + MARGIN_NS
        if now_ns < provable_ns < self.next_query_ns:
            self.next_query_ns = provable_ns + 1


@dataclass(slots=True)
class PendingRequest:
    """A request on its way, or answered by the gateway only."""

    order: KnownOrder
    action: Action
    sent_ns: int = 0
    is_acked: bool = False
