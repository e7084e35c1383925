"""``livekit bench attach``: what a strategy costs: per event, to an order, to start.

Everything measured is what a user runs: segments, the real runners, real processes, the
command line. Only the engine's side of the rings is a loop of the benchmark's own.
Layer 5.
"""

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.bench.attach_kernels import ping_orders, push_quotes
from livekit.bench.processes import Child, cores, fork
from livekit.bench.report import Row, make_row
from livekit.bench.ring import private_memory
from livekit.bench.stalled import stalled_row
from livekit.engine.attach import AttachRequest, attach, detach
from livekit.engine.client import call
from livekit.engine.folder import DOORBELL
from livekit.engine.launch import start_engine, stop_engine
from livekit.engine.settings import EngineSettings
from livekit.errors import LivekitError
from livekit.events import ANY_INSTRUMENT, ORDER, QUOTE, STOP, Kind
from livekit.instruments import Instrument
from livekit.ring.broadcast import Hub, deliver
from livekit.ring.counters import HISTOGRAM_WORDS, percentile
from livekit.ring.directory import EngineSegment
from livekit.ring.layout import SIDE, SIDE_BYTES, aligned_zeros
from livekit.ring.segment import Phase, RunState, Segment, SegmentPlan
from livekit.strategy.declaration import declare
from livekit.strategy.flyweight import QuoteEvent, bind
from livekit.strategy.loader import load_class, make_instance
from livekit.strategy.process import Job, claim_segment, prepare, run_job
from livekit.strategy.spec import describe

__all__ = ["ORDERING", "StrategyDesk", "attach_rows"]

_SYMBOL: Final = "BTC-USDT"
_EVENTS: Final = 2048
_READING: Final = """
import livekit as lk

class Reading(lk.Strategy):
    symbols = ("BTC-USDT",)

    def on_quote(self, quote):
        quote.bid_price, quote.ask_price, quote.bid_size
"""
ORDERING: Final = """
import livekit as lk

class Ordering(lk.Strategy):
    symbols = ("BTC-USDT",)
    size = lk.Param(0.01, 0.001, 1.0)

    def on_quote(self, quote):
        self.buy("BTC-USDT", self.size, quote.bid_price)
"""
"""A strategy that answers every quote with an order."""


class StrategyDesk:
    """The engine's side of one strategy, in this process."""

    def __init__(self, folder: Path, source: str, name: str, *, is_compiled: bool) -> None:
        self.folder = folder
        file = folder / f"_{name}.py"
        file.write_text(source)
        strategy_class = load_class(file, None)
        declaration = declare(strategy_class)
        values = {key: float(param.default) for key, param in declaration.params.items()}
        strategy = make_instance(strategy_class, values)
        self.job = Job(strategy, declaration, values, "spin", is_compiled)
        spec = describe(declaration, values, file=file, is_compiled=is_compiled)
        self.segment = Segment.create(
            folder / name,
            SegmentPlan(
                name,
                folder.name,
                1,
                0,
                1,
                spec,
                params_bytes=int(spec["params_bytes"]),
                state_bytes=int(spec["state_bytes"]),
            ),
        )
        self.hub = Hub()
        self.segment.fill_events_side(self.hub.side(0), is_producer=True)
        self.orders = aligned_zeros(SIDE_BYTES).view(SIDE)
        self.segment.fill_orders_side(self.orders, is_producer=False)
        self.hub.route(0, 0, 1 << Kind.QUOTE)
        self.hub.open(0)
        self.segment.header["run_state"] = RunState.RUNNING
        self.quote = aligned_zeros(QUOTE.itemsize).view(QUOTE)
        self.quote["kind"] = Kind.QUOTE
        self.quote["bid_price"], self.quote["ask_price"] = 90_000.0, 90_000.1
        self.quote["bid_size"] = self.quote["ask_size"] = 1.0

    def start(self, core: int) -> Child:
        """Fork the strategy's process and wait until it has started."""
        child = fork(self.segment.name, partial(self._run), core)
        deadline = time.monotonic() + 120
        while int(self.segment.header["phase"]) < Phase.STARTED:
            if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                raise LivekitError("the measured strategy ended before it had started")
            if time.monotonic() > deadline:
                raise LivekitError("the measured strategy did not start within 120 s")
            time.sleep(0.001)
        return child

    def _run(self) -> int:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        return run_job(self.job, self.segment.file.path, self.folder)

    def stop(self, child: Child) -> None:
        """End the strategy's process as the engine would."""
        event = aligned_zeros(STOP.itemsize).view(STOP)
        event["kind"], event["instrument"] = Kind.STOP, ANY_INSTRUMENT
        deliver(self.hub.address, 0, event.ctypes.data)
        child.result()
        self.segment.file.unlink()


def _interpreted_run(desk: StrategyDesk, runs: int) -> dict[str, list[float]]:
    """Measure in this process, turn by turn: the bare callback, then the same delivered."""
    _, body = prepare(desk.job, claim_segment(desk.segment.file.path), desk.folder)
    body.start()
    event = bind(QuoteEvent, {0: _SYMBOL}).from_buffer_copy(bytes(desk.quote).ljust(256, b"\0"))
    callback: Callable[[Any], object] = desk.job.strategy.on_quote
    bare, delivered = [], []
    for _ in range(runs):
        start = time.perf_counter_ns()
        for _ in range(_EVENTS):
            callback(event)
        bare.append((time.perf_counter_ns() - start) / _EVENTS)
        push_quotes(desk.hub.address, desk.quote.ctypes.data, _EVENTS)
        handled, start = 0, time.perf_counter_ns()
        while handled < _EVENTS:
            handled += body.turn()
        delivered.append((time.perf_counter_ns() - start) / _EVENTS)
    return {"bare": bare, "delivered": delivered}


def _interpreted(folder: Path, runs: int) -> Row:
    desk = StrategyDesk(folder, _READING, "reading", is_compiled=False)
    child = fork("reading", partial(_interpreted_run, desk, runs), cores()[-1])
    measured = child.result()
    desk.segment.file.unlink()
    return make_row(
        "interpreted callback, per delivered event",
        measured["delivered"],
        "ns",
        peer="the bare call of it",
        peer_values=measured["bare"],
        target=("<=", 2.0),
    )


def _tick_to_order(folder: Path, runs: int, n: int) -> list[Row]:
    desk = StrategyDesk(folder, ORDERING, "ordering", is_compiled=True)
    own, strategy_core = cores()[0], cores()[-1]
    before = os.sched_getaffinity(0)
    child = desk.start(strategy_core)
    os.sched_setaffinity(0, {own})
    report = aligned_zeros(ORDER.itemsize)
    medians, tails = [], []
    try:
        for _ in range(runs):
            histogram = np.zeros(HISTOGRAM_WORDS, np.int64)
            done = ping_orders(
                desk.hub.address,
                desk.orders.ctypes.data,
                desk.quote.ctypes.data,
                n,
                histogram.ctypes.data,
                report.ctypes.data,
            )
            if done != n:
                raise LivekitError(f"only {done} of {n} quotes were answered by an order")
            medians.append(percentile(histogram, 0.5))
            tails.append(percentile(histogram, 0.99))
    finally:
        os.sched_setaffinity(0, before)
        desk.stop(child)
    is_free = len(cores()) > 1
    return [
        make_row(
            "tick→order, compiled, spin wait, p50",
            medians,
            "ns",
            target=("<=", 1000.0) if is_free else None,
        ),
        make_row("tick→order, compiled, spin wait, p99", tails, "ns"),
    ]


def _command_times(arguments: list[str], runs: int) -> list[float]:
    times = []
    for _ in range(runs + 1):  # the first one warms the file cache
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, timeout=60
        )
        times.append(time.perf_counter() - start)
    return times[1:]


def _starts(runs: int) -> list[Row]:
    bare = _command_times(["-c", "pass"], runs)
    imported = _command_times(["-c", "import livekit"], runs)
    # The interpreter's own start is not livekit's, and it is half of the whole.
    base = statistics.median(bare)
    return [
        make_row("import livekit", [t - base for t in imported], "s", target=("<=", 0.15)),
        make_row(
            "livekit --help, whole process",
            _command_times(["-m", "livekit.cli.main", "--help"], runs),
            "s",
            target=("<=", 0.3),
        ),
    ]


def _attach_times(data: Path, runs: int) -> list[Row]:
    """Attach to a real engine until the first event, warm."""
    rows = []
    settings = EngineSettings(name="bench-attach", data=str(data), speed="50")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ordering.py"
        file.write_text(ORDERING)
        start_engine(settings)
        try:
            for is_jit in (True, False):
                times = []
                for _ in range(runs + 1):  # the first one compiles
                    start = time.perf_counter()
                    request = AttachRequest(file, jit=is_jit)
                    facts = attach(settings.name, request, until=Phase.RUNNING)
                    times.append(time.perf_counter() - start)
                    detach(settings.name, facts["name"])
                mode = "compiled" if is_jit else "interpreted"
                rows.append(
                    make_row(
                        f"attach to first event, {mode}, second time",
                        times[1:],
                        "s",
                        target=("<=", 2.0),
                    )
                )
            rows += _detection(settings.name, file, runs)
        finally:
            stop_engine(settings.name, force=True)
    return rows


def _detection(engine: str, file: Path, runs: int) -> list[Row]:
    """Kill and stop strategies, and see how long the engine takes to notice."""
    times: dict[int, list[float]] = {signal.SIGKILL: [], signal.SIGSTOP: []}
    for number, seen in times.items():
        for _ in range(runs):
            facts = attach(engine, AttachRequest(file), until=Phase.RUNNING)
            start = time.perf_counter()
            os.kill(facts["pid"], number)
            while any(row["state"] == "running" for row in call(engine, "ps")["strategies"]):
                pass
            seen.append(time.perf_counter() - start)
            if number == signal.SIGSTOP:
                os.kill(facts["pid"], signal.SIGKILL)
            while call(engine, "ps")["strategies"]:
                time.sleep(0.002)
    return [
        make_row(
            "strategy killed, seen by the engine", times[signal.SIGKILL], "s", target=("<=", 0.05)
        ),
        make_row(
            "strategy stopped, seen by the engine", times[signal.SIGSTOP], "s", target=("<=", 1.0)
        ),
    ]


def attach_rows(data: Path, *, quick: bool = False) -> list[Row]:
    """Run the whole benchmark on recorded data; `quick` makes it short and rough."""
    runs, n = (3, 20_000) if quick else (21, 200_000)
    with private_memory() as folder:
        os.mkfifo(folder / DOORBELL, 0o600)
        doorbell = os.open(folder / DOORBELL, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        engine = EngineSegment.create(folder, generation=1, engine=folder.name)
        engine.append(Instrument(_SYMBOL, 0.1, 1e-5, 1e-5))
        rows = [_interpreted(folder, runs), *_tick_to_order(folder, min(runs, 7), n)]
        rows.append(stalled_row(folder, min(runs, 9), n // 4))
        plan = SegmentPlan("size", folder.name, 1, 2, 1, {})
        size = Segment.create(folder / "size", plan).n_bytes
        os.close(doorbell)
    rows.append(make_row("memory per strategy", [size / 2**20], "MiB", target=("<=", 2.0)))
    return rows + _starts(min(runs, 11)) + _attach_times(data, min(runs, 5))
