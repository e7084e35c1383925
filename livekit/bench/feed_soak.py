"""``livekit bench feed --soak``: a real engine under a day's worst rate, for as long as you like.

A source process sends 20,000 messages a second of 50 instruments over real sockets; a
real engine takes them and serves eight real strategies that look at everything. Memory,
descriptors and losses are looked at all along; latencies are the engine's and the
strategies' own histograms.
Layer 5.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.bench.feed_source import FeedSource
from livekit.bench.report import Row, make_row
from livekit.engine.attach import AttachRequest, attach
from livekit.engine.client import call
from livekit.engine.launch import start_engine, stop_engine
from livekit.engine.settings import EngineSettings
from livekit.ring.counters import percentile
from livekit.ring.segment import Segment

__all__ = ["Soak", "soak_rows"]

_N_SAMPLES: Final = 60
_WARM_S: Final = 5.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_CHANNELS: Final = ("trades", "bbo-tbt", "books", "tickers")


@dataclass(frozen=True, slots=True)
class Soak:
    """What to run.

    Attributes
    ----------
    seconds : float
    strategy : Path
        File of the strategy that looks at everything.
    n_instruments, rate, n_strategies : int
        `rate` in messages a second.
    """

    seconds: float
    strategy: Path
    n_instruments: int = 50
    rate: int = 20_000
    n_strategies: int = 8


@dataclass(slots=True)
class _Seen:
    """One look at all processes."""

    at: float
    frames: int
    rss: int
    strategies_rss: int
    descriptors: int
    cpu_s: float


@dataclass(slots=True)
class _Run:
    """The processes of a soak, and what was seen of them."""

    engine: str
    pid: int
    source: FeedSource
    segments: list[Segment] = field(default_factory=list)
    seen: list[_Seen] = field(default_factory=list)

    def look(self) -> dict[str, Any]:
        """Take a look; return the engine's status."""
        status: dict[str, Any] = call(self.engine, "status")
        pids = [int(one.header["strategy_pid"]) for one in self.segments]
        self.seen.append(
            _Seen(
                time.monotonic(),
                sum(one["frames"] for one in status["feed"]["connections"]),
                _rss(self.pid),
                sum(_rss(pid) for pid in pids),
                len(list(Path(f"/proc/{self.pid}/fd").iterdir())),
                _cpu_s(self.pid),
            )
        )
        return status

    def delays(self) -> np.ndarray:
        """Return the histogram of publish to callback, of all strategies together."""
        return np.sum([one.strategy_counters["delay"] for one in self.segments], axis=0)


def _rss(pid: int) -> int:
    words = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE")


def _cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICKS


@contextmanager
def _running(plan: Soak) -> Iterator[_Run]:
    """Give source, engine and strategies, all at work."""
    source = FeedSource(plan.n_instruments, plan.rate)
    name = f"soak-{os.getpid()}"
    settings = EngineSettings(
        name=name,
        source="okx",
        env="sim",
        url=source.url,
        symbols=source.symbols,
        channels=list(_CHANNELS),
        wait_for=plan.n_strategies,
        sample="",
        owner_pid=os.getpid(),
    )
    try:
        run = _Run(name, start_engine(settings)["pid"], source)
        try:
            for k in range(plan.n_strategies):
                request = AttachRequest(plan.strategy, f"watcher-{k}", jit=True)
                run.segments.append(Segment.attach(Path(attach(name, request)["segment"])))
            yield run
        finally:
            stop_engine(name, force=True)
    finally:
        source.close()


def soak_rows(plan: Soak, show: Callable[[str], None] | None = None) -> list[Row]:
    """Run a soak and return its figures; `show` is told how far it has come."""
    with _running(plan) as run:
        deadline = time.monotonic() + 60
        while run.source.n_sent < plan.rate and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(min(_WARM_S, plan.seconds / 4))
        run.look()
        before, sent = run.delays(), run.source.n_sent
        for k in range(_N_SAMPLES):
            time.sleep(
                max(0.0, run.seen[0].at + (k + 1) * plan.seconds / _N_SAMPLES - time.monotonic())
            )
            status = run.look()
            if show is not None:
                now = run.seen[-1]
                rate = (now.frames - run.seen[-2].frames) / (now.at - run.seen[-2].at)
                show(f"{now.at - run.seen[0].at:5.0f} s  {rate:,.0f}/s  {now.rss / 2**20:,.1f} MiB")
        sent = run.source.n_sent - sent
        return _rows(plan, run, status, run.delays() - before, sent)


def _rows(
    plan: Soak, run: _Run, status: dict[str, Any], delays: np.ndarray, sent: int
) -> list[Row]:
    first, last = run.seen[0], run.seen[-1]
    passed = last.at - first.at
    rates = [
        (now.frames - then.frames) / (now.at - then.at)
        for then, now in zip(run.seen, run.seen[1:], strict=False)
    ]
    dropped = sum(int(one.engine_counters["dropped"].sum()) for one in run.segments)
    feed = status["feed"]
    publish = feed["latency"]["receive_to_publish_ns"]
    # A tenth of the run for caches to fill; then memory may not grow.
    settled = run.seen[len(run.seen) // 10 :]
    grown = (settled[-1].rss - settled[0].rss) / 2**20
    others = (settled[-1].strategies_rss - settled[0].strategies_rss) / 2**20
    # Calls of REST and a look's own socket come and go: what grew is there in every late look
    # and in no early one.
    early, late = settled[:6], settled[-6:]
    opened = max(one.descriptors for one in early), min(one.descriptors for one in late)
    broken = feed["gaps"] + feed["bad_frames"]
    us = 1000.0
    return [
        make_row("messages a second, taken in", rates, "/s", target=(">=", plan.rate * 0.98)),
        make_row("  over", [passed], "s"),
        make_row(
            "  not yet taken in at the end", [max(0, sent - last.frames + first.frames)], "messages"
        ),
        make_row(
            f"dropped by {plan.n_strategies} strategies' rings",
            [dropped],
            "events",
            target=("<=", 0),
        ),
        make_row("gaps and refused frames", [broken], "", target=("<=", 0)),
        make_row("read to rings: p50", [publish["p50"] / us], "µs"),
        make_row("read to rings: p99", [publish["p99"] / us], "µs"),
        make_row("read to rings: p99.9", [publish["p999"] / us], "µs"),
        make_row("rings to callback: p50", [percentile(delays, 0.5) / us], "µs"),
        make_row("rings to callback: p99", [percentile(delays, 0.99) / us], "µs"),
        make_row("rings to callback: p99.9", [percentile(delays, 0.999) / us], "µs"),
        make_row("engine's processor time", [(last.cpu_s - first.cpu_s) / passed * 100], "%"),
        make_row(
            "  a message",
            [(last.cpu_s - first.cpu_s) / max(1, last.frames - first.frames) * 1e6],
            "µs",
        ),
        make_row("engine's memory", [last.rss / 2**20], "MiB"),
        make_row("  grown by", [grown], "MiB", target=("<=", 1.0)),
        make_row("strategies' memory grown by", [others], "MiB", target=("<=", 2.0)),
        make_row(
            "descriptors grown by",
            [opened[1] - opened[0]],
            "",
            target=("<=", 0),
        ),
        make_row("longest wait for the engine's sockets", [run.source.late_ns / 1e6], "ms"),
    ]
