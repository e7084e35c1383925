"""A venue that loses, doubles, delays and reorders what is said, and what it really did.

One thread, one seed. The venue's own book is plain: an order is live until a dice fills
or cancels it. Between it and the desk every request and every word goes through a wire
that drops, doubles and delays.
"""

import heapq
import itertools
from dataclasses import dataclass, field

import numpy as np

from livekit.engine.okx.desk import OrderDesk
from livekit.engine.okx.words import Fill, Outcome, Word
from livekit.events import Action, OrderStatus, Reject, Side

MS = 1_000_000
LOT = 0.001
_UNKNOWN = int(OrderStatus.UNKNOWN)
FEE = 0.0005


@dataclass
class Truth:
    """An order as the venue has it."""

    client_id: str
    venue_id: str
    price: float
    lots: int
    filled: int = 0
    cost: float = 0.0
    state: str = "live"
    fills: list = field(default_factory=list)

    @property
    def is_open(self):
        return self.state in ("live", "partially_filled")

    def word(self, fill=None, *, is_lookup=False, **more):
        average = self.cost / (self.filled * LOT) if self.filled else 0.0
        return Word(
            self.client_id,
            self.venue_id,
            self.state,
            self.price,
            self.lots * LOT,
            self.filled * LOT,
            average,
            self.cost * FEE,
            fill,
            is_lookup=is_lookup,
            **more,
        )


@dataclass(frozen=True)
class Faults:
    """Probabilities of what goes wrong; each seed draws its own."""

    drop_request: float = 0.0
    drop_reply: float = 0.0
    drop_push: float = 0.0
    double: float = 0.0
    unknown: float = 0.0
    cut: float = 0.0
    reject: float = 0.0
    fill: float = 0.3
    spread_ms: int = 5

    @classmethod
    def drawn(cls, dice):
        """Draw which faults there are, and how many: some far too high, some off."""
        names = ("drop_request", "drop_reply", "drop_push", "double", "unknown", "reject")
        rates = {name: float(dice.choice([0.0, 0.0, 0.05, 0.3, 0.8])) for name in names}
        return cls(
            **rates,
            cut=float(dice.choice([0.0, 0.0, 0.01, 0.05])),
            fill=float(dice.choice([0.0, 0.1, 0.5])),
            spread_ms=int(dice.choice([1, 20, 400, 3000])),
        )


class VenueModel:
    """The venue, the wire and the clock around one desk."""

    def __init__(self, desk, seed, faults=None):
        self.dice = np.random.default_rng(seed)
        self.faults = faults or Faults.drawn(self.dice)
        self.desk = desk  # of tests/desk.py, its requests wait to be sent
        self.orders = OrderDesk(desk.core)
        self.truth = {}
        self.arrived = {}  # how often each client id was placed
        self.events = []
        self.number = itertools.count()
        self.now = desk.now
        self.is_calm = False

    # Wire.

    def later(self, what, *arguments, most_ms=None):
        delay = int(self.dice.integers(0, (most_ms or self.faults.spread_ms) * MS + 1))
        heapq.heappush(self.events, (self.now + delay, next(self.number), what, arguments))

    def happens(self, name):
        return not self.is_calm and self.dice.random() < getattr(self.faults, name)

    def pump(self):
        """Send what waits."""
        for request in self.orders.take(self.now):
            if self.happens("drop_request"):
                continue
            price = float(self.desk.core.orders[request.row]["price"])
            row = self.desk.core.orders[request.row]
            new = float(row["new_price"]), int(row["new_lots"])
            self.later(self.arrive, request, price, int(row["lots"]), new)

    def arrive(self, request, price, lots, new):
        """Let a request reach the venue."""
        if request.expire_ns and self.now > request.expire_ns:
            self.reply(request, Outcome.NOT_SENT, Reject.EXPIRED)
            return
        if request.action is Action.NEW:
            self.place(request, price, lots)
        else:
            self.change(request, new)

    def place(self, request, price, lots):
        self.arrived[request.client_id] = self.arrived.get(request.client_id, 0) + 1
        if self.happens("reject"):
            self.reply(request, Outcome.REJECTED, Reject.INSUFFICIENT_BALANCE)
            return
        order = Truth(request.client_id, f"v{next(self.number)}", price, lots)
        self.truth[request.client_id] = order
        self.reply(request, Outcome.ACCEPTED)
        self.push(order.word())

    def change(self, request, new):
        order = self.truth.get(request.client_id)
        if order is None or not order.is_open:
            self.reply(request, Outcome.REJECTED, Reject.UNKNOWN_ORDER)
        elif request.action is Action.CANCEL:
            order.state = "canceled"
            self.reply(request, Outcome.ACCEPTED)
            self.push(order.word(cancel_source="1"))
        elif new[1] <= order.filled:
            self.reply(request, Outcome.REJECTED, Reject.INVALID_QUANTITY)
        else:
            order.price, order.lots = new
            self.reply(request, Outcome.ACCEPTED)
            self.push(order.word(amend_result="0", amend_id=request.request_id))

    def reply(self, request, outcome, reject=Reject.VENUE):
        if self.happens("drop_reply"):
            return
        if self.happens("unknown"):
            outcome = Outcome.UNKNOWN
        self.later(self.hear_reply, request.request_id, outcome, reject)

    def hear_reply(self, request_id, outcome, reject):
        self.orders.hear_outcome(request_id, outcome, self.now, reject)

    def push(self, word):
        for _ in range(2 if self.happens("double") else 1):
            if not self.happens("drop_push"):
                self.later(self.hear, word)

    def hear(self, word):
        self.orders.hear(word, self.now)

    # The venue's own doing.

    def trade(self):
        """Fill a live order in part or whole, or end it."""
        live = [one for one in self.truth.values() if one.is_open]
        if not live or self.dice.random() >= self.faults.fill:
            return
        order = live[int(self.dice.integers(len(live)))]
        if self.dice.random() < 0.1:
            order.state = "canceled"
            self.push(order.word(cancel_source="0"))
            return
        lots = int(self.dice.integers(1, order.lots - order.filled + 1))
        fill = Fill(next(self.number), order.price, lots * LOT, order.price * lots * LOT * FEE)
        order.fills.append(fill)
        order.filled += lots
        order.cost += order.price * lots * LOT
        order.state = "filled" if order.filled == order.lots else "partially_filled"
        self.push(order.word(fill))

    def look_up(self, query):
        order = self.truth.get(query.client_id)
        if self.happens("drop_reply"):
            self.later(self.orders_fail, query.client_id)
        elif order is None:
            self.later(self.nothing, query.client_id)
        else:
            self.later(self.found, order.word(is_lookup=True))

    def orders_fail(self, client_id):
        self.orders.fail_lookup(client_id, self.now)

    def nothing(self, client_id):
        # The venue's answer of now, not of when it was asked.
        if client_id in self.truth:
            self.found(self.truth[client_id].word(is_lookup=True))
        else:
            self.orders.hear_nothing(client_id, self.now)

    def found(self, word):
        self.orders.hear_lookup(word, self.now)

    # Time.

    def step(self, step_ms):
        """Let time pass, and everything due happen."""
        until = self.now + step_ms * MS
        while self.events and self.events[0][0] <= until:
            self.now, _, what, arguments = heapq.heappop(self.events)
            what(*arguments)
            self.pump()
        self.now = until
        self.desk.now = until
        for query in self.orders.queries(self.now):
            self.look_up(query)
        if self.happens("cut"):
            self.orders.lose(self.now)
        self.pump()

    def rest(self):
        """Let the faults stop and everything be answered; how long it took, ns."""
        self.is_calm = True
        start, asked_ns = self.now, self.now
        while self.now - start < 60_000 * MS:
            self.step(100)
            if self.has_unknown or any(self.orders._lost.values()):
                asked_ns = self.now
        return asked_ns - start

    @property
    def has_unknown(self):
        """Whether the core counts an order as unknown; quicker than asking the desk for each."""
        core = self.desk.core
        return _UNKNOWN in core.orders["status"][1 : int(core.header["n_used"]) + 1].tobytes()

    def open_questions(self):
        return any(not one.is_done and one.next_query_ns for one in self.orders._orders.values())

    def act(self):
        """Let a strategy do something."""
        desk, dice = self.desk, self.dice
        move = dice.random()
        if move < 0.5:
            self.ids = getattr(self, "ids", 0) + 1
            price = round(90.0 + 0.1 * int(dice.integers(0, 90)), 1)
            desk.limit(self.ids, Side.BUY, LOT * int(dice.integers(1, 9)), price)
        elif move < 0.75:
            desk.send(
                action=Action.CANCEL, order_id=int(dice.integers(1, 1 + getattr(self, "ids", 1)))
            )
        elif move < 0.95:
            desk.send(
                action=Action.MODIFY,
                order_id=int(dice.integers(1, 1 + getattr(self, "ids", 1))),
                price=round(90.0 + 0.1 * int(dice.integers(0, 90)), 1),
                quantity=LOT * int(dice.integers(1, 9)),
            )
        self.pump()
        self.trade()
