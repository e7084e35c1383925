"""What the trading core costs: nanoseconds per market event and per request, and its compile time.

Usage: python tests/bench/trading_core.py [--events 2000000] [--repeats 5] [--json]

Every loop is compiled and runs over 1024 events that lie in memory as a ring holds them,
so that the core is measured and not the memory. A cold compile runs in a process of its
own with an empty cache; its second row is the same again, unless a source changed
between the two.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
from numba import njit

from livekit.bench.report import make_row, print_rows, to_json
from livekit.events import BOOK, ORDER, QUOTE, TICKER, TRADE, Action, Kind
from livekit.instruments import Instrument
from livekit.trading.core import TradingCore
from livekit.trading.latency import Latency
from livekit.trading.limits import RiskLimits
from livekit.trading.outbox import clear_outbox
from livekit.trading.router import advance, on_market, on_request, on_touch

COIN = Instrument("BTC-USDT", tick=0.1, lot=1e-5, min_quantity=1e-5)
BIG = 1e18
OPEN = RiskLimits(
    max_order_notional=BIG,
    max_position_notional=BIG,
    price_band_bps=BIG,
    orders_per_second=1e9,
    order_burst=1 << 30,
    max_open_orders=1 << 20,
)
COMPILE = """
import time
begin, cpu = time.perf_counter(), time.process_time()
from livekit.trading.core import TradingCore
from livekit.trading import advance, on_market, on_request, cancel_all, cancel_strategy
import numpy as np
core, slot = TradingCore(), np.zeros(256, np.uint8)
on_market(core.address, slot.ctypes.data, 0)
on_request(core.address, 0, slot.ctypes.data, 0)
cancel_strategy(core.address, 0, 0)
cancel_all(core.address, 0)
advance(core.address, 0)
print(time.perf_counter() - begin, time.process_time() - cpu)
"""


@njit(nogil=True, error_model="numpy")
def feed(core, events, count, start):
    """Send `count` events to the core, out of a ring of 1024 slots of 256 bytes."""
    for i in range(count):
        on_market(core, events + (i & 1023) * 256, start + i)
    clear_outbox(core)


@njit(nogil=True, error_model="numpy")
def feed_scalars(core, bids, asks, count, start):
    """Send quotes as scalars from columns."""
    total = 0
    for i in range(count):
        k = i & 1023
        total += on_touch(core, np.int64(0), bids[k], 5.0, asks[k], 5.0, start + i)
    return total


@njit(nogil=True, error_model="numpy")
def ask(core, requests, count, start):
    """Send `count` requests of 128 bytes, taking the reports out after each."""
    for i in range(count):
        on_request(core, np.int64(0), requests + i * 128, start + i)
        clear_outbox(core)


@njit(nogil=True, error_model="numpy")
def ask_slowly(core, requests, count, start):
    """Send `count` requests a microsecond apart, letting arrive what is due before each."""
    for i in range(count):
        now = start + i * 1000
        while advance(core, now) > 0:
            clear_outbox(core)
        on_request(core, np.int64(0), requests + i * 128, now)
        clear_outbox(core)
    while advance(core, 1 << 62) > 0:
        clear_outbox(core)


def make_core(**options) -> TradingCore:
    """Return a core of one instrument that has seen one quote."""
    core = TradingCore([COIN], limits=OPEN, max_orders=1024, **options)
    events = make_events(Kind.QUOTE, 1)
    feed(core.address, events.ctypes.data, 1, 1)
    return core


def make_events(kind: Kind, count: int) -> np.ndarray:
    """Return slots around a price of 50 000, uint8[count, 256]."""
    rng = np.random.default_rng(1)
    slots = np.zeros((count, 256), np.uint8)
    dtype = {Kind.QUOTE: QUOTE, Kind.TRADE: TRADE, Kind.BOOK: BOOK, Kind.TICKER: TICKER}[kind]
    rows = slots.view(np.uint8)[:, : dtype.itemsize].view(dtype)[:, 0]
    rows["kind"] = kind
    ticks = 500_000 + np.cumsum(rng.integers(-1, 2, count))
    if kind is Kind.TRADE:
        rows["price"], rows["size"] = ticks / 10, 0.5
    elif kind is Kind.BOOK:
        steps = np.arange(5)
        rows["bid_price"], rows["ask_price"] = (
            (ticks[:, None] - steps) / 10,
            (ticks[:, None] + 1 + steps) / 10,
        )
        rows["bid_size"] = rows["ask_size"] = 5.0
    else:
        rows["bid_price"], rows["ask_price"] = ticks / 10, (ticks + 1) / 10
        if kind is Kind.QUOTE:
            rows["bid_size"] = rows["ask_size"] = 5.0
        else:
            rows["last_price"] = ticks / 10
    return slots


def make_requests(count: int, pattern: str) -> np.ndarray:
    """Return requests, ORDER[count]: rest and cancel in turn, market orders, or nonsense."""
    rows = np.zeros(count, ORDER)
    numbers = np.arange(count)
    rows["kind"], rows["quantity"], rows["price"] = Kind.ORDER, 0.001, 49_000.0
    rows["order_id"] = numbers + 1
    if pattern == "rest, cancel":
        rows["action"] = np.where(numbers % 2, Action.CANCEL, Action.NEW)
        rows["order_id"] = numbers // 2 + 1
    elif pattern == "market":
        rows["side"], rows["order_type"], rows["price"] = numbers % 2, 1, np.nan
    elif pattern == "refused":
        rows["price"] = 49_000.05
    return rows


def rest(core: TradingCore, count: int) -> None:
    """Let `count` orders rest on both sides, far from the market."""
    rows = make_requests(count, "rest")
    rows["side"] = np.arange(count) % 2
    rows["price"] = np.where(rows["side"] == 0, 1_000.0, 99_000.0)
    ask(core.address, rows.ctypes.data, count, 2)
    assert core.header["n_open"] == count


def measure(run, count: int, repeats: int) -> list[float]:
    """Return nanoseconds per item of every repeat, after one that is not measured."""
    run()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter_ns()
        run()
        times.append((time.perf_counter_ns() - begin) / count)
    return times


def market_rows(count: int, repeats: int):
    """Yield the cost of market events, by kind and by what rests."""
    for kind in (Kind.QUOTE, Kind.TRADE, Kind.BOOK, Kind.TICKER):
        events = make_events(kind, 1024)
        for resting in (0, 2, 200) if kind is Kind.QUOTE else (0,):
            core = make_core()
            rest(core, resting)
            value = measure(
                lambda core=core, events=events: feed(core.address, events.ctypes.data, count, 9),
                count,
                repeats,
            )
            yield make_row(f"on_market {kind.name}, {resting} resting", value, "ns")
    for name in ("crossed", "risk_averse", "power_prob"):
        core, events = make_core(queue=name), make_events(Kind.QUOTE, 1024)
        rows = make_requests(2, "rest")
        rows["side"], rows["price"] = [0, 1], [49_995.0, 50_010.0]  # no quote comes so far
        ask(core.address, rows.ctypes.data, 2, 2)
        bids = events[:, : QUOTE.itemsize].view(QUOTE)["bid_price"]
        bids[:] = np.where(np.arange(1024)[:, None] % 2, 49_995.0, 49_995.1)
        events[:, : QUOTE.itemsize].view(QUOTE)["ask_price"] = bids + 0.1
        value = measure(
            lambda core=core, events=events: feed(core.address, events.ctypes.data, count, 9),
            count,
            repeats,
        )
        assert core.header["n_open"] == 2
        yield make_row(f"on_market QUOTE, 1 at the touch, {name}", value, "ns")
    core, rng = make_core(), np.random.default_rng(2)
    bids = (500_000 + np.cumsum(rng.integers(-1, 2, 1024))) / 10
    value = measure(lambda: feed_scalars(core.address, bids, bids + 0.1, count, 9), count, repeats)
    yield make_row("on_touch, scalars from columns", value, "ns")


def request_rows(count: int, repeats: int):
    """Yield the cost of requests, by what they ask."""
    for pattern in ("rest, cancel", "market", "refused"):
        rows = make_requests(count, pattern)
        core = TradingCore([COIN], limits=OPEN, max_orders=1024, unlimited_depth=True)
        feed(core.address, make_events(Kind.QUOTE, 1).ctypes.data, 1, 1)

        def run(core=core, rows=rows):
            core.open_strategy(0)  # the same ids again
            ask(core.address, rows.ctypes.data, count, 9)

        yield make_row(f"on_request {pattern}", measure(run, count, repeats), "ns")
    rows = make_requests(count, "rest, cancel")
    core = make_core(latency=Latency(order="10us", response="10us"))

    def run_slowly(core=core, rows=rows):
        core.open_strategy(0)
        core.lines["due_ns"] = 0
        ask_slowly(core.address, rows.ctypes.data, count, 9)

    yield make_row("rest, cancel, 10 us each way", measure(run_slowly, count, repeats), "ns")


def compile_rows():
    """Yield the time to import and compile the core: cold, then from its cache."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("cold", "cached"):
            result = subprocess.run(
                [sys.executable, "-c", COMPILE],
                env={**os.environ, "LIVEKIT_CACHE_DIR": folder},
                check=True,
                capture_output=True,
                text=True,
            )
            wall, cpu = map(float, result.stdout.split())
            yield make_row(f"import and compile, {name}", [wall], "s")
            yield make_row(f"the same, processor time, {name}", [cpu], "s")


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = [
        *market_rows(arguments.events, arguments.repeats),
        *request_rows(arguments.events // 10, arguments.repeats),
        *compile_rows(),
    ]
    if arguments.json:
        sys.stdout.write(json.dumps(to_json(rows)) + "\n")
    else:
        print_rows("trading core", rows)


if __name__ == "__main__":
    main()
