"""Every feature of a strategy does the same interpreted and compiled, to the bit."""

import math

import numpy as np
import pytest
from compiled_rig import (
    INSTRUMENTS,
    START_NS,
    Rig,
    assert_same,
    event,
    market,
    quote,
    run,
    slots,
    write_class,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livekit.events import ANY_INSTRUMENT, BAR, DTYPES, ORDER, STOP, Kind
from livekit.strategy.compiled import Compiled
from livekit.strategy.compiled.views import NOT_COMPILED, VIEWS
from livekit.strategy.flyweight import EVENT_CLASSES

EVERY_FEATURE = '''
from livekit import BUY, GTX, IOC, OrderStatus, Side

LEVEL = 1.5
STEPS = (1, 2, 3)
LEG = "ETH-USDT"


def middle(bid, ask, weight=0.5):
    """Module-level helper with a default."""
    return bid * weight + ask * (1 - weight)


def limit_of(event, sign):
    return event.ask_price if sign > 0 else event.bid_price


class Base(lk.Strategy):
    n_seen: int = 0

    def count(self, by=1):
        self.n_seen += by
        return self.n_seen

    def on_trade(self, trade):
        self.count(2)


class Mine(Base):
    symbols = ("BTC-USDT", "ETH-USDT")
    weight = lk.Param(0.1, 0.001, 0.9)
    window = lk.Param(8, 2, 32)
    is_eager = lk.Param(True)
    FACTOR = 3
    WEIGHTS = (0.5, 0.25, 0.125)
    LEG_NAME = "BTC-USDT"

    mean: float = math.nan
    total: float = 0.0
    side: int = 0
    last_id: int = 0
    n_fills: int = 0
    is_up: bool = False
    prices: lk.array(32)
    marks: lk.array(4, fill=math.nan)

    def on_start(self):
        self.log("starts: weight, window", self.weight, self.window)
        self.marks[0] = self.FACTOR

    @property
    def spread(self):
        return self.total - self.mean

    @staticmethod
    def double(x):
        return 2 * x

    def on_quote(self, quote):
        n = self.count()
        price = middle(quote.bid_price, quote.ask_price)
        if not price > 0:
            return
        self.prices[n % self.window] = price
        if math.isnan(self.mean):
            self.mean = price
        self.mean += self.weight * (price - self.mean)
        self.total = round(price, 2) ** 2 / self.FACTOR + self.double(self.WEIGHTS[1])
        self.is_up = price > self.mean
        sign = 1 if self.is_up else -1
        if quote.symbol == "BTC-USDT" and sign != self.side:
            self.side = sign
            if self.is_up:
                self.last_id = self.buy(quote.symbol, 0.01 * n, limit_of(quote, sign), tif=IOC)
            else:
                self.last_id = self.sell(self.LEG_NAME, 0.02)
        elif quote.symbol in (LEG, self.LEG_NAME) and n % 7 == 0:
            self.send_order(LEG, Side.SELL, STEPS[n % 3], quote.bid_price - self.spread / 1e6)
        elif quote.symbol == self.symbols[1] and n % 11 == 0:
            self.buy(self.symbols[n % 2], 0.5, None, post_only=self.is_eager)
        if n % 40 == 0:
            self.close("BTC-USDT")
        if n % 23 == 0:
            for order in self.open_orders:
                if order.side == BUY and order.symbol != "ETH-USDT":
                    self.cancel(order.order_id)
                elif order.price > 0:
                    self.modify(order.order_id, price=order.price + 0.01)
        if n % 97 == 0:
            self.cancel_all(LEG)

    def on_trade(self, trade):
        super().on_trade(trade)
        self.total += trade.sign * trade.size * (1 if trade.side == Side.BUY else 2)
        tick = self.instrument(trade.symbol).tick if trade.symbol in self.symbols else 0.5
        self.marks[1] = tick
        self.marks[-1] = trade.trade_id % 10

    def on_book(self, book):
        depth = 0.0
        for i in range(len(book.bid_size)):
            depth += book.bid_size[i] - book.ask_size[i]
        for size in book.bid_size:
            depth += size
        known = self.book(LEG)
        self.marks[2] = known.bid_price[0]
        self.total += depth + book.bid_price[-1] * 1e-9
        if known.symbol != "ETH-USDT":
            self.log("wrong book")

    def on_ticker(self, ticker):
        self.mean = max(min(self.mean, ticker.last_price), ticker.volume, 0.0)

    def on_bar(self, bar):
        self.total = bar.open + bar.high - bar.low + bar.close + bar.count + bar.period

    def on_timer(self, timer):
        self.log("timer", timer.timer_id, self.now / 1e9, timer.timestamp, len(self.open_orders))

    def on_gap(self, gap):
        lost = 0
        for n in gap.lost:
            lost += n
        self.log("lost", lost, gap.lost[Kind.QUOTE])

    def on_connection(self, connection):
        if connection.connected:
            self.cancel_all()

    def on_params(self, params):
        self.log("params", params.version)

    def on_order(self, order):
        if order.order_id == self.last_id and order.status >= OrderStatus.FILLED:
            self.last_id = 0
        if order.status == OrderStatus.REJECTED:
            self.log("rejected", order.reject, order.tif, order.action)

    def on_fill(self, order):
        self.n_fills += 1
        self.total += order.last_quantity * order.sign * self.position(order.symbol)

    def on_stop(self):
        self.log("stops", self.n_fills, self.position("BTC-USDT"))
        if self.open_orders:
            self.cancel_all()
'''
HEADER = "import math\nimport livekit as lk\nfrom livekit.events import Kind\n"


@pytest.fixture(scope="module")
def every_feature(tmp_path_factory):
    return write_class(tmp_path_factory.mktemp("every"), EVERY_FEATURE, header=HEADER)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    weight=st.floats(0.001, 0.9),
    window=st.integers(2, 32),
    is_eager=st.booleans(),
)
def test_every_feature_is_the_same_both_ways(every_feature, seed, weight, window, is_eager):
    params = {"weight": weight, "window": window, "is_eager": is_eager}
    assert_same(every_feature, market(1200, seed), seed=seed, params=params)


def test_every_feature_is_used(every_feature):
    rig, lines = assert_same(every_feature, market(3000, 11), seed=2)
    orders = np.frombuffer(b"".join(rig.orders), ORDER)
    assert set(orders["action"].tolist()) == {0, 1, 2, 3}
    assert set(orders["side"].tolist()) == {0, 1}
    assert set(orders["tif"].tolist()) >= {0, 1, 3}
    assert set(orders["order_type"].tolist()) == {0, 1}
    assert 1 in orders["options"]
    texts = {line.split("'")[1] for line in lines}
    assert texts == {"starts: weight, window", "timer", "lost", "params", "rejected", "stops"}


def mine(folder, body, **more):
    """Return a class with some fields and the methods given."""
    text = (
        "class Mine(lk.Strategy):\n"
        '    symbols = ("BTC-USDT", "ETH-USDT")\n'
        "    x: float = 0.0\n    y: float = 0.0\n    n: int = 0\n    flag: bool = False\n"
        "    a: lk.array(8)\n\n"
    )
    body = "\n".join("    " + line for line in body.strip("\n").splitlines())
    return write_class(folder, text + body + "\n", **more)


def both(folder, body, events=None, **more):
    """Run a class both ways; return the state and the lines."""
    events = slots(quote(), quote(99.0, 99.5)) if events is None else events
    rig, lines = assert_same(mine(folder, body, **more), events)
    return rig.state, lines


CASES = {
    "chained assignment": "self.x = self.y = q.bid_price",
    "swap": "self.x, self.y = self.y + 1.0, self.x + 2",
    "unpacking to locals": "a, b = q.bid_price, 2\n    self.x = a + b",
    "in-place on an array": "self.a[1] += q.bid_price\n    self.a[:] = self.a[1]",
    "slices": "self.a[:4] = 1.5\n    self.x = self.a[2:6].sum()",
    "array arithmetic": "self.a[0] = 3.0\n    self.x = (self.a * 2 + 1).mean()",
    "mean and deviation": "self.a[self.n % 8] = q.ask_price\n    self.x = self.a.std()\n"
    "    self.y = np.mean(self.a) + np.var(self.a)",
    "loop over an array": "for v in self.a:\n        self.x += v + 1",
    "enumerate and zip": "for i, v in enumerate(self.a):\n        self.x += i * v\n"
    "    for u, v in zip(q_levels(q), (1.0, 2.0)):\n        self.y += u * v",
    "while, break, continue": "i = 0\n    while True:\n        i += 1\n        if i == 3:\n"
    "            continue\n        if i > 7:\n            break\n        self.n += i",
    "for else": "for i in range(3):\n        if i > q.bid_price:\n            break\n"
    "    else:\n        self.flag = True",
    "conditional expression": "self.x = 1 if q.bid_price > 99.5 else -1",
    "boolean arithmetic": "self.n += q.bid_price > 99.5\n    self.flag = not self.flag",
    "local becomes float": "s = 0\n    for i in range(3):\n        s += 0.5\n    self.x = s",
    "whole division": "self.n = -7 // 2 + -7 % 3\n    self.x = -7.5 // 2 + -7.5 % 2",
    "powers": "self.x = q.bid_price ** 2\n    self.y = 2 ** 10 + 2 ** -1 + q.bid_price ** 0.5",
    "power in place": "self.x = 3.0\n    self.x **= 2\n    k = 1.1\n    k **= 3\n    self.y = k",
    "rounding": "self.x = round(q.bid_price, 1)\n    self.n = round(q.ask_price * 3)",
    "whole numbers of floats": "self.n = int(q.bid_price) + math.floor(-1.5) + math.ceil(1.2)",
    "constants by text": "self.x = float('inf')\n    self.y = math.pi * math.e",
    "try and except": "try:\n        self.x = 1 / (self.n - self.n)\n    except Exception:\n"
    "        self.x = -1.0",
    "bits": "self.n = (self.n ^ 5) << 2 | 1\n    self.n &= ~4",
    "comparison chain": "self.flag = 0 < q.bid_price < 1000 and not q.ask_price != q.ask_price",
    "min and max": "self.x = max(q.bid_price, 3, 2.5)\n    self.y = min(1, q.ask_price)",
    "tuple from helper": "low, high = bounds(q.bid_price)\n    self.x = low\n    self.y = high",
    "constant table": "self.x = TABLE[self.n % 4]\n    self.n += 1",
    "nested constants": "self.x = NESTED[1][0] + len(NESTED)",
    "symbol in a variable": "leg = 'BTC-USDT' if q.bid_price > 99.5 else 'ETH-USDT'\n"
    "    self.n = self.buy(leg, 1)",
    "symbol of an event kept": "s = q.symbol\n    self.n = self.sell(s, 1.0, q.bid_price)",
    "symbols in a loop": "for s in self.symbols:\n        self.n = self.buy(s, 1)",
    "symbol to a helper": "self.n = both_legs(self, q.symbol, 'ETH-USDT')",
    "sign of a constant": "self.n = lk.Side.SELL.sign + lk.BUY.sign",
    "price that may be None": "p = None if self.n else q.bid_price\n"
    "    self.n = self.buy('BTC-USDT', 1, p)",
    "modify what is unknown": "self.n = self.modify(5, quantity=2) + self.cancel(6)",
    "nan compares": "v = math.nan\n    self.flag = v == v or v < 1 or v > 1",
    "first open order": "self.buy('BTC-USDT', 1)\n    self.x = self.open_orders[-1].quantity\n"
    "    self.n = self.open_orders[0].order_id",
    "helper of numpy": "self.x = np.sqrt(q.bid_price) + np.abs(-1.5) + np.maximum(1.0, 2.0)",
    "local array": "t = np.zeros(4)\n    t[1] = q.bid_price\n    self.x = t.sum()",
    "local list": "t = [1.0, q.bid_price]\n    t.append(3.0)\n    self.x = sum(t) + len(t)",
    "annotated local": "v: float = q.bid_price\n    self.x = v",
    "integer into float field": "self.x = 3\n    self.y = self.n",
    "return value of order": "if not self.buy('BTC-USDT', 1):\n        self.flag = True",
    "logical values": "self.x = q.bid_price or 1.0\n    self.y = self.x and 2.0",
}
HELPERS = """
import math
import numpy as np
import livekit as lk

TABLE = np.array([1.5, 2.5, 3.5, 4.5])
NESTED = ((1, 2), (3.5, 4))


def q_levels(q):
    return (q.bid_price, q.ask_price)


def bounds(x):
    return x - 1, x + 1.5


def both_legs(strategy, one, other):
    return strategy.buy(one, 1) + strategy.sell(other, strategy.x + 1)

"""


@pytest.mark.parametrize("name", CASES)
def test_construct_is_the_same_both_ways(tmp_path, name):
    body = f"def on_quote(self, q):\n    {CASES[name]}"
    state, lines = both(tmp_path, body, header=HELPERS)
    # Neither way may have failed: an exception on both sides would be equal too.
    assert not [line for line in lines if line.startswith("failed")]
    assert state is not None


RAISES = {
    "division of floats": ("self.x = q.bid_price / (self.x - self.x)", "ZeroDivisionError"),
    "division of an element": ("self.x = 1.0 / self.a[0]", "ZeroDivisionError"),
    "remainder": ("self.x = 1 % (self.n - self.n)", "ZeroDivisionError"),
    "index behind the array": ("self.a[8] = 1", "IndexError"),
    "index before the array": ("self.x = self.a[-9]", "IndexError"),
    "square root": ("self.x = math.sqrt(-1.0)", "ValueError"),
    "logarithm": ("self.x = math.log(0.0)", "ValueError"),
    "overflow": ("self.x = math.exp(1000)", "OverflowError"),
    "not a number to int": ("self.n = int(math.nan)", "ValueError"),
    "raise": ("raise ValueError('no', 3)", "ValueError"),
    "raise with a number": ("raise RuntimeError(self.n)", "RuntimeError"),
    "assert": ("assert self.x > 1, 'too small'", "AssertionError"),
    "order that is not there": ("self.x = self.open_orders[0].price", "IndexError"),
    "zero to a negative power": ("self.x = self.x ** -1", "ZeroDivisionError"),
}


@pytest.mark.parametrize("name", RAISES)
def test_exception_is_the_same_both_ways_and_ends_nothing(tmp_path, name):
    code, kind = RAISES[name]
    body = f"def on_quote(self, q):\n    if q.bid_price < 99.5:\n        {code}\n    self.y += 1"
    events = slots(quote(), quote(99.0), quote(), quote(99.0), quote())
    state, lines = both(tmp_path, body, events)
    assert [line.split()[1] for line in lines] == [kind, kind]
    assert float(state["y"]) == 3.0


def test_exception_carries_the_users_file_and_line(tmp_path, caplog):
    cls = mine(tmp_path, "def on_quote(self, q):\n    raise ValueError('odd', 3)")
    run(cls, Compiled, slots(quote()))
    message = next(r.getMessage() for r in caplog.records if "callback_failed" in r.getMessage())
    assert "callback=on_quote (" in message
    assert f"{cls.__module__.removeprefix('livekit_strategy_')}.py:12)" in message
    assert "ValueError: ('odd', 3)" in message
    assert "QuoteEvent(symbol='BTC-USDT'" in message


def test_ten_exceptions_in_a_row_end_the_strategy_both_ways(tmp_path):
    cls = mine(tmp_path, "def on_quote(self, q):\n    self.n += 1\n    1 / (self.n - self.n)")
    rig, _ = assert_same(cls, slots(*[quote()] * 40))
    assert int(rig.state["n"]) == 10
    assert "10 exceptions in a row" in rig.body.failure


def test_success_between_exceptions_starts_the_row_anew(tmp_path):
    body = "def on_quote(self, q):\n    self.n += 1\n    assert self.n % 10 == 0"
    rig, lines = assert_same(mine(tmp_path, body), slots(*[quote()] * 60))
    assert int(rig.state["n"]) == 60
    assert len(lines) == 54
    assert rig.body.failure == ""


def test_fill_reaches_on_fill_when_on_order_raised(tmp_path):
    body = """
def on_quote(self, q):
    self.buy("BTC-USDT", 1, q.ask_price)

def on_order(self, order):
    assert order.last_quantity == 0.0

def on_fill(self, order):
    self.n += 1
    assert self.n != 2
"""
    # Interpreted, the second exception carries the first; compiled, both are logged.
    events = slots(*[quote()] * 400)
    rig, _ = assert_same(mine(tmp_path, body), events, seed=4, with_lines=False)
    assert int(rig.state["n"]) > 2
    assert rig.counters()["errors"] >= int(rig.state["n"])


def test_every_line_reaches_the_log_in_order(tmp_path):
    body = "def on_quote(self, q):\n    self.n += 1\n    self.log('seen', self.n, q.bid_price)"
    rig, lines = assert_same(mine(tmp_path, body), market(1000, 3, kinds={Kind.QUOTE}))
    assert len(lines) == 1000
    assert int(rig.context.view["log_lost"]) == 0


def test_stop_is_the_last_event_handled(tmp_path):
    cls = mine(tmp_path, "def on_quote(self, q):\n    self.n += 1")
    rig = Rig(cls, Compiled)
    rig.feed(slots(quote(), event(STOP, Kind.STOP), quote()))
    assert int(rig.state["n"]) == 1
    assert rig.body.is_stopped


def test_full_orders_ring_returns_zero_both_ways(tmp_path):
    body = "def on_quote(self, q):\n    if self.cancel(1) == 0:\n        self.n += 1"
    rig, _ = assert_same(mine(tmp_path, body), slots(*[quote()] * 600))
    assert int(rig.state["n"]) == 0
    cls = mine(tmp_path, body.replace("    if", "    for _ in range(100):\n      if"))
    rig, _ = assert_same(cls, slots(*[quote()] * 64))
    assert int(rig.state["n"]) > 0
    assert rig.counters()["orders_refused"] == int(rig.state["n"])


def test_time_is_the_events(tmp_path):
    events = slots(quote(ts=START_NS), quote(ts=START_NS + 5_000_007), event(BAR, Kind.BAR))
    state, _ = both(tmp_path, "def on_quote(self, q):\n    self.n = self.now", events)
    assert int(state["n"]) == START_NS + 5_000_007
    state, _ = both(tmp_path, "def on_bar(self, bar):\n    self.n = self.now", events)
    assert int(state["n"]) == START_NS + 5_000_007
    state, _ = both(tmp_path, "def on_start(self):\n    self.n = self.now + 5", events)
    assert int(state["n"]) == 5


def test_state_starts_as_init_left_it(tmp_path):
    body = """
def __init__(self):
    super().__init__("mine")
    self.x = 2.5
    self.a[3] = 7.0
    self.cache = {}

def on_quote(self, q):
    self.x += self.a[3]
"""
    state, _ = both(tmp_path, body)
    assert float(state["x"]) == 2.5 + 7.0 + 7.0


def test_unknown_instrument_raises_both_ways(tmp_path):
    body = "def on_quote(self, q):\n    self.x = self.instrument('NEW-USDT').tick"
    cls = write_class(
        tmp_path,
        'class Mine(lk.Strategy):\n    symbols = ("NEW-USDT",)\n    x: float = 1.0\n'
        + "\n".join("    " + line for line in body.splitlines()),
    )
    _, lines = assert_same(cls, slots(quote()))
    assert lines[0].startswith("failed NotFoundError")


def test_views_have_the_attributes_of_the_event_objects():
    for kind, cls in EVENT_CLASSES.items():
        view = VIEWS[kind.name.lower()]
        public = {
            name
            for name in (*DTYPES[kind].names, "symbol", "timestamp", "side", "sign")
            if hasattr(cls, name)
        }
        assert set(view.names()) == public - NOT_COMPILED, kind


@pytest.mark.parametrize("kind", list(EVENT_CLASSES), ids=lambda kind: kind.name)
def test_every_attribute_of_every_event_is_the_same(tmp_path, kind):
    callback = f"on_{kind.name.lower()}"
    if kind in (Kind.STOP, Kind.ORDER):
        pytest.skip("STOP has no callback; orders are compared with every feature")
    view = VIEWS[kind.name.lower()]
    lines = [f"def {callback}(self, e):"]
    for name in view.names():
        found = view.attributes.get(name)
        if name == "symbol":
            lines.append("    self.flag = e.symbol == 'ETH-USDT'")
        elif found is not None and found.length:
            lines.append(f"    for v in e.{name}:\n        self.x += v")
        else:
            lines.append(f"    self.x += e.{name} * 1e-12")
    events = market(400, 9)
    assert (events[:, 0] == kind).any()
    state, failed = both(tmp_path, "\n".join(lines), events)
    assert not failed
    assert math.isnan(float(state["x"])) or float(state["x"]) != 0.0


def test_instrument_that_appears_later_is_found(tmp_path, monkeypatch):
    known = INSTRUMENTS[:1]
    cls = mine(tmp_path, "def on_quote(self, q):\n    self.n = self.buy('BTC-USDT', 1)")
    monkeypatch.setattr("compiled_rig.INSTRUMENTS", known)
    rig = Rig(cls, Compiled)
    rig.feed(slots(quote(symbol="ETH-USDT")))
    known.append(INSTRUMENTS[1])
    rig.body._look_again = 0
    rig.feed(slots(quote(symbol="ETH-USDT")))
    orders = np.frombuffer(b"".join(rig.orders), ORDER)
    assert orders["instrument"].tolist() == [ANY_INSTRUMENT, 1]
