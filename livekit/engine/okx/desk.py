"""The order desk: what was sent to the venue, what it said, and what nobody knows yet.

A pure state machine between the trading core and a venue over a network. Time is an
argument and nothing is sent here: `take` gives the requests that may go, and the caller
says what became of each. Every request ends in one of three ways, accepted, refused or
unknown, and unknown is never guessed: the order counts at its full size, is asked for by
its client order id, and is given up only on proof: the venue does not know it although
the time until which it would have taken it is over (RELIABILITY §3; PROTOCOL §11.1).

What the venue says comes late, twice and in any order (applying.py).
Layer 4. Pure.
"""

from typing import Final

from livekit.engine.okx.applying import FINAL_STATES, CoreOrders
from livekit.engine.okx.words import (
    MARGIN_NS,
    KnownOrder,
    Outcome,
    Outgoing,
    PendingRequest,
    Query,
    Word,
)
from livekit.events import Action, OrderStatus, Reject
from livekit.okx.codes import CANCEL_REASONS
from livekit.okx.rows import ORDER_STATES
from livekit.trading.core import TradingCore
from livekit.trading.sending import end_send
from livekit.trading.venue import (
    apply_accepted,
    apply_canceled,
    apply_lost,
    apply_modified,
    apply_modify_refused,
    apply_rejected,
    refuse_request,
)

__all__ = ["EXPIRE_NS", "OrderDesk"]

_ACTIONS: Final = tuple(Action)
_MS: Final = 1_000_000
EXPIRE_NS: Final = 2_000 * _MS
"""How long after it is sent the venue may still take a request."""

_ANSWER_NS: Final = 2_500 * _MS  # without an answer by then a request is unknown
_AUDIT_NS: Final = 30_000 * _MS  # an open order of which nothing was heard for so long is looked up


class OrderDesk:
    """The state machine; see the module.

    Parameters
    ----------
    core : TradingCore
        Whose requests wait (`sending.on_request_live`).

    Attributes
    ----------
    counts : dict of str to int
        Words of orders that are not ours, unknown outcomes, requests proven never to have
        arrived, words of orders that were done.
    serial : int
        Number of the last request that was taken; the next one has the next.
    """

    def __init__(self, core: TradingCore) -> None:
        self._core = core
        self._applied = CoreOrders(core)
        self._orders: dict[str, KnownOrder] = {}
        self._open: dict[str, KnownOrder] = {}  # those of them that are not done
        self._pending: dict[str, PendingRequest] = {}
        self._waiting: list[Outgoing] = []
        self._lost: dict[str, set[Action]] = {}  # requests of unknown outcome, by order
        self.serial = 0
        self.counts = dict.fromkeys(("foreign", "unknown", "expired", "late"), 0)

    # What goes out.

    def take(self, now_ns: int) -> list[Outgoing]:
        """Return the requests that wait, cancellations first; each is then on its way.

        The caller answers for each of them with `hear_outcome`, now or later.
        """
        core = self._core
        n = int(core.header["n_sends"])
        for row, number, *_ in core.sends[:n].tolist():
            action = _ACTIONS[number]
            order = self._order(row)
            self._waiting.append(one := self._outgoing(order, action, now_ns))
            if action is Action.NEW:
                order.expire_ns = one.expire_ns
            elif action is Action.MODIFY:
                order.amend_expire_ns, order.amend_id = one.expire_ns, one.request_id
        core.header["n_sends"] = 0
        going, self._waiting = self._waiting, []
        if len(going) > 1:
            going.sort(key=lambda one: one.action is not Action.CANCEL)
        for one in going:
            order = self._orders[one.client_id]
            self._pending[one.request_id] = PendingRequest(order, one.action, now_ns)
        return going

    def put_back(self, requests: list[Outgoing]) -> None:
        """Let requests wait on: the pace does not let them go yet."""
        for one in requests:
            self._pending.pop(one.request_id, None)
        self._waiting += requests

    @property
    def is_clear(self) -> bool:
        """Whether no request waits that could not go before."""
        return not self._waiting

    @property
    def n_pending(self) -> int:
        """Requests without a final answer."""
        return len(self._pending)

    @property
    def n_open(self) -> int:
        """Orders that are not known to have ended."""
        return len(self._open)

    @property
    def n_asked(self) -> int:
        """Orders that are to be looked up."""
        return sum(one.next_query_ns > 0 or one.is_asked for one in self._open.values())

    def open_ids(self) -> list[str]:
        """Return the client order ids of `n_open`."""
        return list(self._open)

    @property
    def n_unknown(self) -> int:
        """Orders of which nobody knows what became."""
        return sum(self._applied.status(one) == OrderStatus.UNKNOWN for one in self._open.values())

    def _order(self, row: int) -> KnownOrder:
        client_id = self._core.orders[row]["client_order_id"].decode()
        known = self._orders.get(client_id)
        if known is None:
            known = KnownOrder(row, client_id, int(self._core.orders[row]["instrument"]))
            self._orders[client_id] = self._open[client_id] = known
        return known

    def _outgoing(self, order: KnownOrder, action: Action, now_ns: int) -> Outgoing:
        self.serial += 1
        expire_ns = 0 if action is Action.CANCEL else now_ns + EXPIRE_NS
        return order.request(self.serial, action, expire_ns)

    # What the venue answers to a request.

    def hear_outcome(
        self, request_id: str, outcome: Outcome, now_ns: int, reject: Reject = Reject.VENUE
    ) -> None:
        """Take the answer to a request; one nobody waits for is passed over."""
        pending = self._pending.get(request_id)
        if pending is None:
            return
        order, action = pending.order, pending.action
        if outcome is Outcome.UNKNOWN:
            self._pending.pop(request_id)
            self._lose(order, action, now_ns)
        elif outcome is Outcome.ACCEPTED:
            pending.is_acked = True
            if action is Action.NEW:
                self._finish_request(request_id, order, action)
                order.is_known, order.heard_ns = True, now_ns
                self._apply_live(order, now_ns)
        elif outcome is Outcome.NOT_SENT and action is Action.CANCEL:
            self._pending.pop(request_id)  # a cancellation is tried until it is answered
            self._waiting.append(self._outgoing(order, action, now_ns))
        else:
            self._refuse(request_id, pending, reject, now_ns)

    def _refuse(
        self, request_id: str, pending: PendingRequest, reject: Reject, now_ns: int
    ) -> None:
        order, action = pending.order, pending.action
        self._finish_request(request_id, order, action)
        address = self._core.address
        if action is Action.NEW:
            if order.is_known:
                # A refusal of an order that the venue has told of: ask which is true.
                order.ask(now_ns)
            else:
                apply_rejected(address, order.row, int(reject), now_ns)
                self._forget(order)
        elif action is Action.MODIFY:
            apply_modify_refused(address, order.row, int(reject), now_ns)
            order.ask(now_ns)
        else:
            refuse_request(address, order.row, int(Action.CANCEL), int(reject), now_ns)
            order.ask(now_ns)

    def lose(self, now_ns: int) -> None:
        """Take the loss of the connection: nobody knows what became of what was sent."""
        for request_id, pending in list(self._pending.items()):
            del self._pending[request_id]
            self._lose(pending.order, pending.action, now_ns)
        self.ask_all(now_ns)  # pushes are not repeated

    def ask(self, client_id: str, now_ns: int) -> None:
        """Have an order looked up soon, if it is open."""
        if client_id in self._open:
            self._open[client_id].ask(now_ns)

    def ask_all(self, now_ns: int) -> None:
        """Have every order looked up that the venue has: nobody says what becomes of them."""
        for order in self._open.values():
            if order.is_known:
                order.ask(now_ns)

    def _lose(self, order: KnownOrder, action: Action, now_ns: int) -> None:
        """Note that the outcome of a request is unknown, and ask for its order."""
        self.counts["unknown"] += 1
        if action is Action.NEW and not order.is_known:
            apply_lost(self._core.address, order.row, now_ns)
            self._lost.setdefault(order.client_id, set()).add(action)
        elif action is Action.NEW:
            end_send(self._core.address, order.row, int(action))
        else:
            self._lost.setdefault(order.client_id, set()).add(action)
        order.ask(now_ns)

    # What the venue says of an order.

    def hear(self, word: Word, now_ns: int) -> None:
        """Take what a push or a look-up says of an order."""
        order = self._orders.get(word.client_id)
        if order is None:
            self.counts["foreign"] += 1
            return
        if order.is_done or not self._applied.is_ours(order):
            self.counts["late"] += 1
            self._forget(order)
            return
        word = order.note(word, now_ns)
        if word.state not in ORDER_STATES:  # only its fills are certain, all else is asked for
            self._applied.apply_fill(order, word, now_ns)
            order.ask_again(now_ns) if word.is_lookup else order.ask(now_ns)
            return
        self._settle_lost(order, word, now_ns)
        self._apply_amendment(order, word, now_ns)
        if not self._applied.apply_fill(order, word, now_ns):
            order.ask(now_ns)  # a push is missing
        final = word if word.state in FINAL_STATES else order.last_word
        if final is not None:
            self._apply_end(order, final, now_ns)
        else:
            self._apply_live(order, now_ns)

    def hear_nothing(self, client_id: str, now_ns: int) -> None:
        """Take the answer of a look-up that the venue does not know the order."""
        order = self._orders.get(client_id)
        if order is None or order.is_done:
            return
        order.is_asked = False
        is_over = order.expire_ns and now_ns > order.expire_ns + MARGIN_NS
        if order.is_known or not is_over:
            order.ask_again(now_ns)
            return
        self.counts["expired"] += 1
        apply_rejected(self._core.address, order.row, int(Reject.EXPIRED), now_ns)
        self._forget(order)

    def fail_lookup(self, client_id: str, now_ns: int) -> None:
        """Take a look-up that was not answered."""
        order = self._orders.get(client_id)
        if order is not None and not order.is_done:
            order.is_asked = False
            order.ask_again(now_ns)

    def _settle_lost(self, order: KnownOrder, word: Word, now_ns: int) -> None:
        """End requests of unknown outcome, now that the venue has said how the order is."""
        for action in self._lost.pop(order.client_id, set()):
            if not self._applied.proves(order, action, word, now_ns - MARGIN_NS):
                self._lost.setdefault(order.client_id, set()).add(action)
                continue
            end_send(self._core.address, order.row, int(action))
            if word.state in FINAL_STATES:
                continue
            if action is Action.MODIFY and word.amend_result == "":
                self._applied.compare_amendment(order, word, now_ns)
            elif action is Action.CANCEL:
                code = int(Reject.EXPIRED)
                refuse_request(self._core.address, order.row, int(Action.CANCEL), code, now_ns)

    def _apply_live(self, order: KnownOrder, now_ns: int) -> None:
        if self._applied.status(order) in (OrderStatus.SENT, OrderStatus.UNKNOWN):
            apply_accepted(self._core.address, order.row, now_ns)
        if not self._lost.get(order.client_id) and order.applied_lots == order.said_lots:
            order.next_query_ns = 0

    def _apply_amendment(self, order: KnownOrder, word: Word, now_ns: int) -> None:
        """Take the end of a modification: said, or seen in the order as the venue has it."""
        row = self._core.orders[order.row]
        if not row["is_modifying"]:
            return
        is_new = self._applied.shows(order, word, "new_price", "new_lots")
        is_seen = is_new and not self._applied.shows(order, word, "price", "lots")
        if word.amend_result == "" and not is_seen:
            return
        self._end_pending(order, Action.MODIFY)
        if is_seen or word.amend_result == "0":
            apply_modified(self._core.address, order.row, now_ns)
        else:
            apply_modify_refused(self._core.address, order.row, int(Reject.VENUE), now_ns)

    def _apply_end(self, order: KnownOrder, word: Word, now_ns: int) -> None:
        """Take a final state, once all fills that it includes are booked."""
        if order.applied_lots < order.said_lots:
            order.last_word = word
            return
        was_asked = self._end_pending(order, Action.CANCEL)
        if self._applied.status(order) < OrderStatus.FILLED:
            # The venue calls filled what it cut to what had filled (an amendment below it).
            if word.state != "filled" and (was_asked or word.cancel_source == "1"):
                action, reason = Action.CANCEL, Reject.NONE
            else:
                action, reason = Action.NEW, CANCEL_REASONS.get(word.cancel_source, Reject.VENUE)
            apply_canceled(self._core.address, order.row, int(action), int(reason), now_ns)
        self._forget(order)

    # Look-ups.

    def queries(self, now_ns: int) -> list[Query]:
        """Return the look-ups that are due; each is then under way.

        Requests without an answer for too long become unknown first.
        """
        for request_id, pending in list(self._pending.items()):
            if now_ns - pending.sent_ns > _ANSWER_NS:
                del self._pending[request_id]
                self._lose(pending.order, pending.action, now_ns)
        due = []
        for order in self._open.values():
            if order.heard_ns and now_ns - order.heard_ns > _AUDIT_NS:
                order.ask(now_ns)  # pushes carry no number that would show a lost one
            if order.next_query_ns and not order.is_asked and now_ns >= order.next_query_ns:
                order.is_asked = True
                due.append(Query(order.client_id, order.instrument))
        return due

    def hear_lookup(self, word: Word, now_ns: int) -> None:
        """Take a look-up's answer; see `hear`."""
        order = self._orders.get(word.client_id)
        if order is not None:
            order.is_asked = False
            order.next_query_ns = 0
        self.hear(word, now_ns)
        if order is not None and self._lost.get(order.client_id):
            order.ask_again(now_ns)

    # Small things.

    def _end_pending(self, order: KnownOrder, action: Action) -> bool:
        """End a request of an order, on its way or of unknown outcome; whether there was one."""
        found = [
            request_id
            for request_id, one in self._pending.items()
            if one.order is order and one.action is action
        ]
        lost = self._lost.get(order.client_id, set())
        was_lost = action in lost
        lost.discard(action)
        for request_id in found:
            del self._pending[request_id]
        for _ in range(len(found) + was_lost):
            end_send(self._core.address, order.row, int(action))
        self._waiting = [one for one in self._waiting if not self._drops(one, order, action)]
        return bool(found) or was_lost

    def _drops(self, waiting: Outgoing, order: KnownOrder, action: Action) -> bool:
        """Drop a request that waits and has become pointless; tell whether it was one."""
        if waiting.client_id != order.client_id or waiting.action is not action:
            return False
        end_send(self._core.address, order.row, int(action))
        return True

    def _finish_request(self, request_id: str, order: KnownOrder, action: Action) -> None:
        del self._pending[request_id]
        end_send(self._core.address, order.row, int(action))

    def _forget(self, order: KnownOrder) -> None:
        """Keep nothing of a final order but its name, so that a late word finds it done."""
        order.is_done = True
        order.next_query_ns = 0
        self._open.pop(order.client_id, None)
        for action in (Action.NEW, Action.MODIFY, Action.CANCEL):
            self._end_pending(order, action)
        self._lost.pop(order.client_id, None)
        if len(self._orders) > 4 * self._core.max_orders:
            done = [key for key, one in self._orders.items() if one.is_done]
            for key in done[: len(done) // 2]:
                del self._orders[key]
