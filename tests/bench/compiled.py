"""What a compiled strategy costs per event: `python tests/bench/compiled.py [--json]`.

Two exponential averages over quotes (the EMA cross of the works, an order at each
crossing), 4,096 events at a time out of L2, in four forms: through the whole driver (the
ring, the dispatch, counting, the delay histogram), through the address of the callback,
inlined into a loop, and the same lines as a plain jitted loop.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numba
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from compiled_rig import Rig, slots, write_class  # noqa: E402
from compiled_rig import quote as make_quote  # noqa: E402

from livekit.bench.report import make_row, print_rows, to_json  # noqa: E402
from livekit.ring import spsc  # noqa: E402
from livekit.ring.jit import hot  # noqa: E402
from livekit.strategy.compiled import Compiled, build  # noqa: E402
from livekit.strategy.compiled.driver import invoke  # noqa: E402
from livekit.strategy.declaration import declare  # noqa: E402
from livekit.strategy.interpreted import Interpreted  # noqa: E402

EMA = """
class Mine(lk.Strategy):
    symbols = ("BTC-USDT",)
    fast = lk.Param(2 / 101, 0.0001, 1.0)
    slow = lk.Param(2 / 401, 0.0001, 1.0)
    size = lk.Param(0.01, 0.001, 1.0)
    ema_fast: float = math.nan
    ema_slow: float = math.nan
    side: int = 0

    def on_quote(self, quote):
        mid = (quote.bid_price + quote.ask_price) / 2
        if math.isnan(self.ema_fast):
            self.ema_fast = self.ema_slow = mid
        self.ema_fast += self.fast * (mid - self.ema_fast)
        self.ema_slow += self.slow * (mid - self.ema_slow)
        if self.ema_fast > self.ema_slow and self.side <= 0:
            self.side = 1
            self.buy("BTC-USDT", self.size, quote.ask_price)
        elif self.ema_fast < self.ema_slow and self.side >= 0:
            self.side = -1
            self.sell("BTC-USDT", self.size, quote.bid_price)
"""
N = 4096


@numba.njit(nogil=True, error_model="numpy")
def plain(quotes, start, stop, state):
    """Run the same lines over an array of records, without strategy, context or order."""
    fast, slow, side = state[0], state[1], state[2]
    crossings = 0
    for i in range(start, stop):
        mid = (quotes[i].bid_price + quotes[i].ask_price) / 2
        if np.isnan(fast):
            fast = slow = mid
        fast += 2 / 101 * (mid - fast)
        slow += 2 / 401 * (mid - slow)
        if fast > slow and side <= 0:
            side = 1.0
            crossings += 1
        elif fast < slow and side >= 0:
            side = -1.0
            crossings += 1
    state[0], state[1], state[2] = fast, slow, side
    return crossings


@hot
def by_address(address: int, ctx: int, events: int, n: int) -> None:
    """Call a callback through its address for each event."""
    for i in range(n):
        invoke(address, ctx, events + i * 64)


def quotes_of(n, seed=1):
    """Return QUOTE[n], the middle a random walk."""
    dice = np.random.default_rng(seed)
    made = np.repeat(np.atleast_1d(make_quote()), n)
    middle = 60_000 + dice.normal(size=n).cumsum()
    made["bid_price"], made["ask_price"] = middle - 0.05, middle + 0.05
    return made


def timed(function):
    """Return the ns per event of one run over N events."""
    start = time.perf_counter_ns()
    function()
    return (time.perf_counter_ns() - start) / N


def empty(rig):
    """Take the orders out, and forget that they are open."""
    spsc.pop_batch(rig._consumer.ctypes.data, rig._out.ctypes.data, 128, 1024)
    rig.context.view["n_open"] = 0


def driver_run(rig, events):
    """Return the ns per event of the runner's own turns over a full ring."""
    spsc.push_batch(rig._producer.ctypes.data, events.ctypes.data, 256, N)
    view = getattr(rig.body, "_view", None)
    if view is not None:
        view["turn_ns"] = 10**9  # not to stop in the middle
        view["spin_ns"] = view["yield_ns"] = view["sleep_ns"] = 0

    def turns():
        handled = 0
        while handled < N:
            handled += rig.body.turn()

    taken = timed(turns)
    empty(rig)
    return taken


def main():
    """Measure, print, and tell whether the targets are met."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    options.add_argument("--runs", type=int, default=200)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cls = write_class(Path(folder), EMA)
        start = time.perf_counter()
        program = build(cls, declare(cls))
        cold = time.perf_counter() - start
        start = time.perf_counter()
        build(cls, declare(cls))
        warm = time.perf_counter() - start
        rows = measure(cls, program, given.runs)
    rows.append(make_row("compile the class, cold", [cold], "s"))
    rows.append(make_row("load the class, warm", [warm], "s"))
    if given.json:
        sys.stdout.write(json.dumps(to_json(rows)) + "\n")
    else:
        print_rows("compiled strategies", rows)
    return 0 if all(row.ok is not False for row in rows) else 1


def measure(cls, program, runs):
    """Return the rows of the forms, measured in turns."""
    compiled, interpreted = (Rig(cls, body, capacity=N) for body in (Compiled, Interpreted))
    bare = Rig(cls, Compiled)
    quotes = quotes_of(N)
    events = slots(quotes)
    address, on_quote = program.addresses["on_quote"], program.entries["on_quote"]
    ctx, first = bare.context.address, quotes.ctypes.data

    @numba.njit(nogil=True, error_model="numpy")
    def inlined(ctx, events, n):
        for i in range(n):
            on_quote(ctx, events + i * 64)

    records = quotes.view(np.recarray)
    state = np.array([np.nan, np.nan, 0.0])
    forms = {
        "driver": lambda: driver_run(compiled, events),
        "address": lambda: timed(lambda: by_address(address, ctx, first, N)),
        "inlined": lambda: timed(lambda: inlined(ctx, first, N)),
        "plain loop": lambda: timed(lambda: plain(records, 0, N, state)),
        "interpreted": lambda: driver_run(interpreted, events),
    }
    taken = {name: [] for name in forms}
    for _ in range(runs):
        for name, form in forms.items():
            taken[name].append(form())
            empty(bare)
    return [
        make_row(
            f"EMA cross, {name}",
            [1e3 / value for value in values[5:]],
            "M events/s",
            target=(">=", 30) if name == "driver" else None,
        )
        for name, values in taken.items()
    ] + [make_row("EMA cross, driver", [statistics.median(taken["driver"])], "ns/event")]


if __name__ == "__main__":
    sys.exit(main())
