"""Cost of an event delivered to an interpreted strategy, against the bare call of its callback.

    python tests/bench/interpreted.py [--json] [--rounds N]

In one process: a producer fills the ring with tickers, outside the time taken, then the
runner's turns empty it. The callback reads three attributes. Both figures are medians of
rounds that alternate, so that a slow moment of the machine meets both. The bare call is
made in the same kind of loop, with one constant event object.
"""

# ruff: noqa: E402, T201 - a script that finds its own package, and prints

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parents[1])]

from wires import Desk

import livekit.strategy.api as lk
from livekit.events import SLOT_BYTES, TICKER, TRADE, Kind
from livekit.ring.layout import aligned_zeros
from livekit.ring.spsc import push_batch

EVENTS = 2048
TARGET = 2.0


class Reader(lk.Strategy):
    """Reads three attributes of each event."""

    def on_ticker(self, ticker):
        ticker.last_price, ticker.bid_price, ticker.ask_price  # noqa: B018 - the reads are measured

    def on_trade(self, trade):
        trade.price, trade.size, trade.trade_id  # noqa: B018 - the reads are measured


class Keeper(Reader):
    """Keeps every event of the last batch besides, so that each object is replaced."""

    def __init__(self):
        self.kept = [None] * 256
        self.n = 0

    def on_ticker(self, ticker):
        ticker.last_price, ticker.bid_price, ticker.ask_price  # noqa: B018 - the reads are measured
        self.kept[self.n & 255] = ticker
        self.n += 1


def tickers(is_mixed):
    """Return EVENTS slots of tickers, every second one a trade if asked for."""
    slots = aligned_zeros(EVENTS * SLOT_BYTES).reshape(EVENTS, SLOT_BYTES)
    for number, slot in enumerate(slots):
        kind, dtype = (Kind.TRADE, TRADE) if is_mixed and number % 2 else (Kind.TICKER, TICKER)
        event = slot[:64].view(dtype)
        event["kind"], event["ts_event"] = kind, number + 1
        if kind == Kind.TICKER:
            event["last_price"], event["bid_price"], event["ask_price"] = 3.0, 2.0, 4.0
    return slots


def deliver(desk, slots):
    """Return nanoseconds per event for one ring full of them."""
    pushed = push_batch(desk._producer.ctypes.data, slots.ctypes.data, SLOT_BYTES, EVENTS)
    assert pushed == EVENTS
    turn, left = desk.body.turn, EVENTS
    start = time.perf_counter_ns()
    while left:
        left -= turn()
    return (time.perf_counter_ns() - start) / EVENTS


def call_bare(desk):
    """Return nanoseconds per call of the callback on one constant event."""
    pool = desk.body._pool
    event, callback = pool.flat[pool.base(Kind.TICKER)], desk.strategy.on_ticker
    start = time.perf_counter_ns()
    for _ in range(EVENTS):
        callback(event)
    return (time.perf_counter_ns() - start) / EVENTS


def measure(cls, rounds, *, is_mixed=False, reads_counts=None):
    """Return the two costs of every round: bare, delivered."""
    desk = Desk(cls, capacity=2 * EVENTS, reads_counts=reads_counts)
    slots = tickers(is_mixed)
    for _ in range(20):
        deliver(desk, slots)
        call_bare(desk)
    return np.array([(call_bare(desk), deliver(desk, slots)) for _ in range(rounds)]).T


def main():
    """Measure, print a table or JSON, and tell whether the target is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=300)
    options = parser.parse_args()
    cases = {
        "one kind": measure(Reader, options.rounds),
        "two kinds, alternating": measure(Reader, options.rounds, is_mixed=True),
        "one kind, counts read by the interpreter": measure(
            Reader, options.rounds, reads_counts=False
        ),
        "one kind, all events kept": measure(Keeper, options.rounds),
    }
    rows = []
    for name, (bare, delivered) in cases.items():
        ratio = statistics.median(delivered / bare)
        is_goal = name == "one kind"
        rows.append(
            {
                "name": name,
                "value": round(float(np.median(delivered)), 1),
                "unit": "ns/event",
                "spread": round(float(np.subtract(*np.percentile(delivered, [75, 25]))), 1),
                "peer": round(float(np.median(bare)), 1),
                "ratio": round(float(ratio), 3),
                "target": TARGET if is_goal else None,
                "ok": bool(ratio <= TARGET) if is_goal else None,
            }
        )
    machine = {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
    if options.json:
        print(json.dumps({"machine": machine, "rows": rows}))
    else:
        print(f"{'case':44}{'bare':>8}{'delivered':>11}{'ratio':>8}{'target':>8}")
        for row in rows:
            target = f"≤ {row['target']:g}" if row["target"] else ""
            print(f"{row['name']:44}{row['peer']:>8}{row['value']:>11}{row['ratio']:>8}{target:>8}")
    return 0 if rows[0]["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
