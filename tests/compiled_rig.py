"""One strategy class run both ways over the same events, with an exchange made of dice.

The reports depend only on the orders and the seed, so two runs that send the same
orders get the same reports, and any difference shows in the bytes.
"""

import importlib.util
import itertools
import logging
import sys
import textwrap

import numpy as np

from livekit.events import (
    BAR,
    BOOK,
    CONNECTION,
    GAP,
    ORDER,
    PARAMS,
    QUOTE,
    STOP,
    TICKER,
    TIMER,
    TRADE,
    Action,
    Kind,
    OrderStatus,
    Reject,
)
from livekit.instruments import Instrument
from livekit.ring import spsc
from livekit.ring.layout import CONTROL_BYTES, SIDE, aligned_zeros, fill_side, private_ring
from livekit.strategy.compiled import Compiled
from livekit.strategy.context import Context
from livekit.strategy.declaration import declare
from livekit.strategy.interpreted import Interpreted
from livekit.strategy.loader import make_instance
from livekit.strategy.table import InstrumentTable

INSTRUMENTS = [
    Instrument("ETH-USDT", 0.01, 0.001, 0.001),
    Instrument("BTC-USDT", 0.1, 0.0001, 0.0001),
    Instrument("SOL-USDT", 0.01, 0.01, 0.01),
]
START_NS = 1_700_000_000_000_000_000
_CAPACITY = 1024
_numbers = itertools.count()


def write_class(folder, text, name="Mine", header="import math\nimport livekit as lk\n"):
    """Write a strategy file and return the class it defines."""
    path = folder / f"strategy_{next(_numbers)}.py"
    path.write_text(header + textwrap.dedent(text))
    return load(path, name)


def load(path, name):
    """Import a file and return a class of it."""
    module_name = f"livekit_strategy_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


class Lines(logging.Handler):
    """Collects what a runner logs, without what differs by design."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.lines = []

    def emit(self, record):
        text = record.getMessage()
        if text.startswith("event=strategy_log"):
            self.lines.append(text)
        elif text.startswith("event=callback_failed"):
            kind = record.exc_info[1].__class__.__name__
            self.lines.append(f"failed {kind} of {record.args[2]!r}")


class Rig:
    """A strategy between two private rings."""

    def __init__(self, cls, body, params=None, capacity=_CAPACITY):
        declaration = declare(cls)
        values = {name: param.default for name, param in declaration.params.items()}
        values.update(params or {})
        symbols = declaration.symbols
        self.context = Context(declaration.params_dtype, declaration.state_dtype, len(symbols))
        self.context.view["epoch"] = 7
        table = InstrumentTable(lambda start: INSTRUMENTS[start:])
        table.follow(self.context)
        self.context.symbols[:] = [table.number(symbol) for symbol in symbols]
        for name, value in values.items():
            self.context.params[0][name] = value
        events = private_ring(self.context.events_side, capacity, 256, is_producer=False)
        orders = private_ring(self.context.orders_side, 1024, 128, is_producer=True)
        self._producer = _other_side(events, capacity, 256, is_producer=True)
        self._consumer = _other_side(orders, 1024, 128, is_producer=False)
        self._memory = (events, orders)
        self._out = np.zeros((1024, 128), np.uint8)
        self.orders = []
        self.instance = make_instance(cls, values)
        self.body = body(self.instance, declaration, self.context, table, "spin")

    @property
    def state(self):
        """The state record."""
        self.body.write_state()
        return None if self.context.state is None else self.context.state[0]

    def counters(self):
        """Return the counters that both ways must agree on."""
        counters = self.context.counters
        return {
            name: int(counters[name]) for name in ("errors", "orders", "orders_refused", "lost")
        }

    def feed(self, events):
        """Hand over uint8[n, 256] and run until they are handled; return the new orders."""
        done = spsc.push_batch(self._producer.ctypes.data, events.ctypes.data, 256, len(events))
        assert done == len(events)
        handled = 0
        while handled < len(events) and not self.body.failure and not self.body.is_stopped:
            handled += self.body.turn()
        new = spsc.pop_batch(self._consumer.ctypes.data, self._out.ctypes.data, 128, 1024)
        self.orders += [self._out[i].tobytes() for i in range(new)]
        return self._out[:new].view(ORDER)[:, 0].copy()


def _other_side(memory, capacity, slot_bytes, *, is_producer):
    side = aligned_zeros(256).view(SIDE)
    start = int(memory.ctypes.data)
    fill_side(
        side,
        control=start,
        slots=start + CONTROL_BYTES,
        capacity=capacity,
        slot_bytes=slot_bytes,
        is_producer=is_producer,
    )
    return side


def slots(*records):
    """Return events as uint8[n, 256]; each argument is a structured scalar or array."""
    rows = [row for record in records for row in np.atleast_1d(record)]
    out = np.zeros((len(rows), 256), np.uint8)
    for place, row in zip(out, rows, strict=True):
        place[: row.dtype.itemsize] = np.frombuffer(row.tobytes(), np.uint8)
    return out


def event(dtype, kind, **fields):
    """Return one event; its time and sequence are to be given or stay 0."""
    made = np.zeros(1, dtype)
    made["kind"] = kind
    for name, value in fields.items():
        made[name] = value
    return made[0]


def quote(bid=99.9, ask=100.1, symbol="BTC-USDT", ts=START_NS, **more):
    number = next(i for i, known in enumerate(INSTRUMENTS) if known.symbol == symbol)
    fields = {"bid_size": 1.0, "ask_size": 2.0, "sequence": 1} | more
    return event(
        QUOTE, Kind.QUOTE, instrument=number, ts_event=ts, bid_price=bid, ask_price=ask, **fields
    )


_MARKET = ((TICKER, Kind.TICKER), (QUOTE, Kind.QUOTE), (TRADE, Kind.TRADE), (BOOK, Kind.BOOK))
_RARE = (
    (BAR, Kind.BAR),
    (TIMER, Kind.TIMER),
    (GAP, Kind.GAP),
    (CONNECTION, Kind.CONNECTION),
    (PARAMS, Kind.PARAMS),
)


def market(count, seed, *, kinds=None):
    """Return `count` random events of many kinds, prices on a random walk."""
    dice = np.random.default_rng(seed)
    out = np.zeros((count, 256), np.uint8)
    middle = np.array([30.0, 100.0, 10.0])
    for i in range(count):
        choices = _MARKET if dice.random() < 0.9 else _RARE
        dtype, kind = choices[dice.integers(len(choices))]
        if kinds is not None and kind not in kinds:
            dtype, kind = QUOTE, Kind.QUOTE
        number = int(dice.integers(3))
        middle[number] *= 1.0 + dice.normal() * 1e-3
        row = out[i, : dtype.itemsize].view(dtype)
        row["kind"], row["instrument"], row["sequence"] = kind, number, i
        row["ts_event"], row["ts_recv"] = START_NS + i * 7_000_003, START_NS + i * 7_000_003 + 500
        _fill(row, dtype, middle[number], dice)
    return out


def _fill(row, dtype, price, dice):
    """Fill what the kind has besides the head."""
    for name in dtype.names[7:]:
        kind, shape = row.dtype[name].base.kind, row.dtype[name].shape
        if kind == "f":
            is_price = "price" in name or name in ("open", "high", "low", "close")
            base = round(price, 2) if is_price else 1.0
            row[name] = base * (1.0 + dice.random(shape or 1) * 1e-3)
            if is_price and dice.random() < 0.01:
                row[name] = np.nan
        elif name == "lost":
            row[name] = dice.integers(0, 5, shape)
        elif kind in "iu" and name not in ("aux", "flags"):
            row[name] = dice.integers(0, 1000)
    if "published" not in dtype.names:
        row["aux"] = dice.integers(0, 2**32)
    else:
        row["aux"] = dice.integers(0, 2)


class Dice:
    """An exchange that answers requests at random, the same for the same requests."""

    def __init__(self, seed):
        self._dice = np.random.default_rng(seed)
        self._open = {}

    def answer(self, requests):
        """Return reports, uint8[n, 256], on requests and on what is open."""
        reports = []
        for request in requests:
            key = int(request["order_id"])
            if request["action"] == Action.NEW:
                self._open[key] = request.copy()
                status = OrderStatus.REJECTED if self._dice.random() < 0.1 else OrderStatus.ACCEPTED
                reports.append(self._report(key, status))
            elif key in self._open and request["action"] == Action.CANCEL:
                reports.append(self._report(key, OrderStatus.CANCELED))
            elif request["action"] == Action.CANCEL_ALL:
                reports += [self._report(one, OrderStatus.CANCELED) for one in list(self._open)]
        for key in list(self._open):
            if self._dice.random() < 0.2:
                reports.append(self._fill(key))
        return slots(*reports) if reports else np.zeros((0, 256), np.uint8)

    def _report(self, key, status):
        made = self._open[key].copy()
        made["status"], made["ts_event"] = status, START_NS + 1
        made["last_quantity"] = 0.0
        if status >= OrderStatus.FILLED:
            del self._open[key]
        if status == OrderStatus.REJECTED:
            made["reject"] = Reject.RATE_LIMIT
        return made

    def _fill(self, key):
        order = self._open[key]
        part = order["quantity"] if self._dice.random() < 0.7 else order["quantity"] / 2
        order["filled_quantity"] += part
        order["last_price"] = 100.0 if np.isnan(order["price"]) else order["price"]
        order["average_price"] = order["last_price"]
        is_done = order["filled_quantity"] >= order["quantity"]
        status = OrderStatus.FILLED if is_done else OrderStatus.PARTIALLY_FILLED
        made = self._report(key, status)
        made["last_quantity"] = part
        return made


def run(cls, body, events, *, seed=0, params=None, step=64):
    """Run a class one way over events; return its Rig and what it logged."""
    handler = Lines()
    loggers = [
        logging.getLogger(f"livekit.strategy.{name}")
        for name in ("interpreted", "compiled.runner", "lines")
    ]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        rig = Rig(cls, body, params)
        dice = Dice(seed)
        rig.body.start()
        for start in range(0, len(events), step):
            requests = rig.feed(events[start : start + step])
            reports = dice.answer(requests)
            if rig.body.failure:
                break
            if len(reports):
                rig.feed(reports)
        if not rig.body.failure:
            rig.feed(slots(event(STOP, Kind.STOP, sequence=9)))
        rig.body.stop()
        rig.feed(np.zeros((0, 256), np.uint8))
        rig.body.drain_log()
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
    return rig, handler.lines


def assert_same(cls, events, *, seed=0, params=None, with_lines=True):
    """Run a class both ways and compare every byte; return the compiled Rig and its lines."""
    one, one_lines = run(cls, Interpreted, events, seed=seed, params=params)
    two, two_lines = run(cls, Compiled, events, seed=seed, params=params)
    if with_lines:
        assert two_lines == one_lines
    assert two.orders == one.orders
    if one.context.state is not None:
        assert one.state.dtype == two.state.dtype
        for name in one.state.dtype.names:
            left, right = np.asarray(one.state[name]), np.asarray(two.state[name])
            assert left.tobytes() == right.tobytes(), (name, left, right)
    assert two.counters() == one.counters()
    assert one.context.view["now"] == two.context.view["now"]
    # Numba knows the line of a raise only, so the callback is what both can name.
    assert _start(one.body.failure) == _start(two.body.failure)
    return two, two_lines


def _start(failure):
    return failure.replace(":", " ").split(" (")[0].split("  ")[0][:45]
