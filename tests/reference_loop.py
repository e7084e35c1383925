"""The order of things in a simulation, in plain Python: slow, and meant to be read.

What happens, happens in the order of (time, rank):

    rank 0   funding is paid
    rank 1   the strategy's timer fires, at the last multiple of its period
    rank 2   the venue sees the next market event; the strategy too, unless its feed is slow
    rank 3   a delayed market event reaches the strategy
    rank 4   a request reaches the venue, or an answer comes back

After each of them the strategy hears the reports that it made, then the event itself;
its requests are taken, their reports handled, until nobody has anything more to say.

The trading core and the ledger are the real ones, called from Python one step at a
time; the strategy's host, the merge, the feed, timers and the loop are written anew.
"""

import itertools
from fractions import Fraction

import numpy as np

from livekit.events import (
    ANY_INSTRUMENT,
    DTYPES,
    ORDER,
    REDUCE_ONLY,
    SLOT_BYTES,
    TIMER,
    Action,
    Kind,
    OrderStatus,
    OrderType,
    Reject,
    TimeInForce,
)
from livekit.research.simulation import _make_core
from livekit.strategy.declaration import CALLBACKS, declare
from livekit.strategy.flyweight import EVENT_CLASSES, SymbolTable, bind
from livekit.strategy.loader import make_instance
from livekit.trading import apply_funding, next_due, on_market, on_request
from livekit.trading.ledger import close, note_report, note_request, tick
from livekit.trading.ledger_rows import Ledger
from livekit.trading.router import advance

FUNDING, TIMER_RANK, MARKET, ARRIVAL, WIRE = range(5)
NEVER = 1 << 62
DRAIN_NS = 60_000_000_000
EPOCH = 1


class Host:
    """What a strategy may know and ask, kept in lists and dictionaries."""

    def __init__(self, instruments):
        self.numbers = {one.symbol: i for i, one in enumerate(instruments)}
        self.instruments = instruments
        self.lots = [0] * len(instruments)
        empty = EVENT_CLASSES[Kind.BOOK]()
        empty.bid_price[:] = empty.ask_price[:] = [np.nan] * 5
        self.books = [empty] * len(instruments)
        self.open = {}
        self.requests = []
        self.time = 0
        self.n_orders = 0
        self.sent = 0

    def now(self):
        return self.time

    def position(self, symbol):
        number = self.numbers[symbol]
        return float(self.lots[number] * Fraction(repr(self.instruments[number].lot)))

    def book(self, symbol):
        return self.books[self.numbers[symbol]]

    def open_orders(self):
        return list(self.open.values())

    def instrument(self, symbol):
        return self.instruments[self.numbers[symbol]]

    def log(self, text, values):
        pass

    def new(self, symbol, side, quantity, price, tif, options):
        self.n_orders += 1
        order_id = EPOCH << 32 | self.n_orders
        request = self._request(Action.NEW, self.numbers[symbol], order_id)
        request["side"], request["tif"], request["options"] = side, tif, options
        request["order_type"] = OrderType.MARKET if price is None else OrderType.LIMIT
        request["quantity"], request["price"] = quantity, np.nan if price is None else price
        self.open[order_id] = request.copy()
        return order_id

    def modify(self, order_id, quantity, price):
        known = self.open.get(order_id)
        request = self._about(Action.MODIFY, order_id)
        if known is not None:
            for name in ("side", "order_type", "tif", "options"):
                request[name] = known[name]
            quantity = known["quantity"] if quantity is None else quantity
            price = known["price"] if price is None else price
        request["quantity"] = np.nan if quantity is None else quantity
        request["price"] = np.nan if price is None else price
        return order_id

    def cancel(self, order_id):
        known = self.open.get(order_id)
        request = self._about(Action.CANCEL, order_id)
        if known is not None:
            for name in ("side", "price", "quantity"):
                request[name] = known[name]
        return order_id

    def cancel_all(self, symbol):
        number = ANY_INSTRUMENT if symbol is None else self.numbers[symbol]
        self._request(Action.CANCEL_ALL, number, 0)
        return 1

    def close(self, symbol):
        position = self.position(symbol)
        if position == 0.0:
            return 0
        side = int(position > 0.0)
        return self.new(symbol, side, abs(position), None, TimeInForce.IOC, REDUCE_ONLY)

    def take_report(self, report):
        """Bring orders and positions up to a report; True when it is a fill."""
        key = int(report["order_id"])
        is_refused_change = report["status"] == OrderStatus.REJECTED and report["action"] != 0
        if key in self.open:
            if is_refused_change and report["reject"] != Reject.UNKNOWN_ORDER:
                pass
            elif report["status"] >= OrderStatus.FILLED:
                del self.open[key]
            else:
                self.open[key] = report.copy()
        if report["last_quantity"] <= 0.0:
            return False
        number = int(report["instrument"])
        lots = round(float(report["last_quantity"]) / self.instruments[number].lot)
        self.lots[number] += lots if report["side"] == 0 else -lots
        return True

    def _about(self, action, order_id):
        known = self.open.get(order_id)
        number = ANY_INSTRUMENT if known is None else int(known["instrument"])
        return self._request(action, number, order_id)

    def _request(self, action, number, order_id):
        request = np.zeros(1, ORDER)
        self.sent += 1
        request["kind"], request["action"], request["instrument"] = Kind.ORDER, action, number
        request["order_id"], request["sequence"] = order_id, self.sent
        request["ts_event"] = self.time
        self.requests.append(request)
        return request[0]


class Reference:
    """One simulation, one step at a time; its `ledger` holds what came of it."""

    def __init__(self, cls, data, settings, params):
        self.declaration = declare(cls)
        values = {name: one.default for name, one in self.declaration.params.items()} | params
        self.strategy = make_instance(cls, values)
        self.host = self.strategy._host = Host(data.instruments)
        self.settings = settings
        self.core = _make_core(data, settings)
        self.ledger = Ledger(
            self.core.address,
            self.core.max_orders,
            strategy=0,
            cash=settings.cash,
            n_marks=len(data.instruments),
            sample_ns=settings.sample_ns,
            first_rows=1 << 16,
        )
        self.events = merged(data)
        self.funding = sorted((ts, data.symbols.index(s), rate) for ts, s, rate in settings.funding)
        self.feed = []  # (time of arrival, event), oldest first
        self.last_arrival = 0
        self.now = self.venue_ns = self.timer_due = 0
        names = SymbolTable(enumerate(data.symbols))
        self.classes = {k: bind(c, names) for k, c in EVENT_CLASSES.items()}
        names = self.declaration.symbols or data.symbols
        self.wanted = {data.symbols.index(name) for name in names}
        self.errors = self.noted = 0

    def run(self):
        """Put everything through; return self."""
        self.strategy.on_start()
        while self.events:
            self.step(min(self.candidates()))
        until = self.now + DRAIN_NS
        self.arrive(until)
        self.now = max(self.now, self.last_arrival)
        self.call(self.strategy.on_stop)
        self.settle()
        self.arrive(self.now + DRAIN_NS)
        self.core.cancel_strategy(0, self.now)
        self.take_reports(is_heard=False)
        close(self.ledger.address, self.now)
        return self

    # What may happen next.

    def candidates(self):
        """Yield (time, rank) of everything that may come next."""
        now = self.venue_time(self.events[0])
        yield now, MARKET
        if self.funding:
            yield self.funding[0][0], FUNDING
        period = self.declaration.timer_ns
        if period:
            self.timer_due = self.timer_due or now // period * period + period
            if self.timer_due <= now:
                yield now // period * period, TIMER_RANK
        yield from self.in_flight()

    def in_flight(self):
        """Yield (time, rank) of what is under way."""
        if self.feed:
            yield self.feed[0][0], ARRIVAL
        if next_due(self.core.address) != NEVER:
            yield next_due(self.core.address), WIRE

    def arrive(self, until):
        """Let what is under way arrive, up to a time."""
        while (first := min(self.in_flight(), default=(NEVER, WIRE)))[0] <= until:
            self.step(first)

    def venue_time(self, event):
        """Return when the venue sees an event: a recorded feed's stamps may run backwards."""
        if not self.settings.latency.is_feed_recorded:
            return int(event["ts_recv"])
        return max(self.venue_ns, min(int(event["ts_event"]), int(event["ts_recv"])))

    # What happens.

    def step(self, chosen):
        """Let one thing happen, and everybody answer."""
        ts, rank = chosen
        assert tick(self.ledger.address, ts) == 1
        event = None
        if rank == FUNDING:
            _, number, rate = self.funding.pop(0)
            self.now = max(self.now, ts)
            apply_funding(self.core.address, number, rate, ts)
        elif rank == TIMER_RANK:
            self.now, event = max(self.now, ts), self.timer_event(ts)
        elif rank == MARKET:
            self.now = self.venue_ns = ts
            event = self.show_venue(self.events.pop(0))
        elif rank == ARRIVAL:
            self.now, event = self.feed.pop(0)
        else:
            self.now = ts
            advance(self.core.address, ts + 1)
        self.settle(event)

    def show_venue(self, event):
        """Let the venue see an event; return it if the strategy gets it at once."""
        slot = np.zeros(SLOT_BYTES, np.uint8)
        slot[: event.dtype.itemsize] = np.frombuffer(event.tobytes(), np.uint8)
        assert on_market(self.core.address, slot.ctypes.data, self.now) >= 0
        kind = int(event["kind"])
        is_wanted = int(event["instrument"]) in self.wanted and self.declaration.kinds >> kind & 1
        latency = self.settings.latency
        if latency.feed == 0:
            return event if is_wanted else None
        event["ts_recv"] += latency.feed_ns
        self.last_arrival = int(event["ts_recv"])
        if is_wanted:
            self.feed.append((self.last_arrival, event))
        return None

    def timer_event(self, ts):
        """Return the timer's event, None for a strategy that does not listen."""
        self.timer_due = ts + self.declaration.timer_ns
        event = np.zeros(1, TIMER)[0]
        event["kind"], event["instrument"], event["period"] = Kind.TIMER, ANY_INSTRUMENT, 1
        event["ts_event"] = event["ts_recv"] = ts
        event["period"] = self.declaration.timer_ns
        return event if self.declaration.kinds >> Kind.TIMER & 1 else None

    def settle(self, event=None):
        """Let the strategy hear reports and an event, and answer until it is silent."""
        while True:
            self.take_reports()
            if event is not None:
                self.hear(event)
                event = None
            if not self.host.requests:
                return
            for request in self.take_requests():
                sequence = int(self.core.header["sequence"])
                assert on_request(self.core.address, 0, request.ctypes.data, self.now) >= 0
                is_admitted = int(self.core.header["sequence"]) != sequence
                order_id = int(request["order_id"][0]) if is_admitted else 0
                note_request(self.ledger.address, int(request["action"][0]), order_id)
                self.note_reports()

    def take_requests(self):
        """Take what the strategy asked for."""
        requests, self.host.requests = self.host.requests, []
        return requests

    def take_reports(self, *, is_heard=True):
        """Write the reports down, then let the strategy hear them one by one."""
        self.note_reports()
        self.noted = 0
        reports = [row["report"].copy() for row in self.core.drain()]
        for report in reports if is_heard else ():
            self.hear(report)

    def note_reports(self):
        """Write down the reports that the ledger does not know yet."""
        while self.noted < int(self.core.header["n_reports"]):
            note_report(self.ledger.address, self.core.outbox[self.noted :].ctypes.data)
            self.noted += 1

    def hear(self, event):
        """Call the callbacks of an event."""
        if event["ts_event"] > 0:
            self.host.time = int(event["ts_event"])
        seen = self.classes[Kind(int(event["kind"]))].from_buffer_copy(event.tobytes())
        if event["kind"] == Kind.BOOK:
            self.host.books[int(event["instrument"])] = seen
        if event["kind"] != Kind.ORDER:
            name = next(name for name, kind in CALLBACKS.items() if kind == event["kind"])
            self.call(getattr(self.strategy, name), seen)
            return
        is_fill = self.host.take_report(event)
        failed = self.call(self.strategy.on_order, seen)
        if is_fill:
            failed += self.call(self.strategy.on_fill, seen)
        self.errors -= failed == 2  # over one report: one failure

    def call(self, callback, *arguments):
        """Call a callback; an exception is counted, and the strategy goes on."""
        try:
            callback(*arguments)
        except ValueError:
            self.errors += 1
            return 1
        return 0


def merged(data):
    """Return copies of all events in the order of (ts_recv, sequence, stream)."""
    found = []
    for place, stream in enumerate(itertools.chain(*map(data.streams, range(data.n_days)))):
        for row in stream.rows:
            event = np.zeros(1, DTYPES[Kind(stream.kind)])
            event.view(np.uint8)[:] = np.frombuffer(row.tobytes(), np.uint8)
            event["instrument"] = stream.instrument
            found.append((int(row["ts_recv"]), int(row["sequence"]), place, event[0]))
    return [event for *_, event in sorted(found, key=lambda one: one[:3])]
