"""One engine to many strategies: delivered rate, delay, drops and the ceiling.

Real segments, real processes. The engine has the first core, all strategies share the
last one, as on a small machine; with a core for each they only get faster.
Layer 5.
"""

from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.bench import fan_kernels
from livekit.bench.processes import cores, fork
from livekit.bench.report import Row, make_row
from livekit.errors import LivekitError
from livekit.events import MARKET_KINDS, STOP, TICKER, Kind
from livekit.ring.broadcast import Hub
from livekit.ring.counters import HISTOGRAM_WORDS, percentile
from livekit.ring.layout import POLICY_BLOCK, POLICY_DROP, SIDE, aligned_zeros
from livekit.ring.segment import Segment, SegmentPlan
from livekit.ring.wait import WAITS

__all__ = ["DOCUMENT_RATES", "fan_rows"]

DOCUMENT_RATES: Final = {1: 800_000, 3: 600_000, 10: 400_000, 20: 250_000}
"""The source document's events per second to each of so many strategies."""

_OFFERED: Final = 1.05
"""Offered above the rate: delivering it is then not a matter of the run's last milliseconds."""

_BATCH: Final = 64


class _Fan:
    """A hub with `n` segments, and one run of readers on them."""

    def __init__(self, folder: Path, n: int, policy: int) -> None:
        self.n, self.policy = n, policy
        self.segments = [
            Segment.create(
                folder / f"{n}-{ring}",
                SegmentPlan(
                    name=f"s{ring}", engine="bench", generation=1, ring=ring, epoch=1, spec={}
                ),
            )
            for ring in range(n)
        ]
        self.events = aligned_zeros(_BATCH * TICKER.itemsize).view(TICKER)
        self.events["kind"] = Kind.TICKER
        self.stop = aligned_zeros(STOP.itemsize).view(STOP)
        self.stop["kind"] = Kind.STOP

    def remove(self) -> None:
        """Remove the segments' files."""
        for segment in self.segments:
            segment.file.unlink()

    def read(self, ring: int, *, timed: bool) -> dict[str, Any]:
        """Be the strategy of one ring until STOP; return what it saw."""
        side = np.zeros(1, SIDE)
        self.segments[ring].fill_events_side(side, is_producer=False)
        results, scratch = np.zeros(4, np.int64), np.zeros(2, np.int64)
        delays = np.zeros(HISTOGRAM_WORDS, np.int64)
        code = fan_kernels.read_until_stop(
            side.ctypes.data,
            *WAITS["laptop"],
            scratch.ctypes.data,
            results.ctypes.data,
            delays.ctypes.data if timed else 0,
        )
        if code != 0:
            raise LivekitError(f"measured strategy {ring} ended with code {code}")
        received, first, last, lost = results.tolist()
        return {"received": received, "ns": last - first, "lost": lost, "delays": delays.tolist()}

    def send(self, n_events: int, rate: int) -> int:
        """Be the engine: paced at `rate`, or flooding when it is 0; return nanoseconds."""
        hub = Hub()
        for ring, segment in enumerate(self.segments):
            segment.fill_events_side(hub.side(ring), is_producer=True, policy=self.policy)
            hub.open(ring)
            hub.route(ring, 0, sum(1 << kind for kind in MARKET_KINDS))
        events = int(self.events.ctypes.data)
        if rate:
            spent = fan_kernels.pace(hub.address, events, n_events, rate)
        else:
            spent = fan_kernels.flood(hub.address, events, n_events, _BATCH)
        fan_kernels.stop_all(hub.address, self.n, self.stop.ctypes.data)
        return int(spent)

    def run(self, n_events: int, rate: int) -> list[dict[str, Any]]:
        """Run once; return what each strategy saw."""
        places = cores()
        readers = [
            fork(f"strategy {ring}", partial(self.read, ring, timed=rate > 0), places[-1])
            for ring in range(self.n)
        ]
        engine = fork("engine", lambda: self.send(n_events, rate), places[0])
        engine.result()
        return [reader.result() for reader in readers]


def _warm(folder: Path) -> None:
    """Compile everything before the first fork, so that no child has to."""
    fan = _Fan(folder, 1, POLICY_BLOCK)
    fan.send(1, 1_000_000)
    fan.read(0, timed=True)
    fan.send(1, 0)
    fan.read(0, timed=False)
    fan.remove()


def _rates(seen: list[dict[str, Any]]) -> float:
    """Return the slowest strategy's events per second."""
    return min(float(str(one["received"])) * 1e9 / max(1.0, float(str(one["ns"]))) for one in seen)


def fan_rows(folder: Path, seconds: float = 1.0, runs: int = 5) -> list[Row]:
    """Measure broadcast at the document's rates, and its ceiling.

    Parameters
    ----------
    folder : Path
        A private folder in shared memory.
    seconds : float
        Length of one run at a rate.
    runs : int
    """
    _warm(folder)
    rows = []
    for n, rate in DOCUMENT_RATES.items():
        rows += _rows_at(folder, n, rate, seconds, runs)
    size = Segment.create(
        folder / "size",
        SegmentPlan(name="size", engine="bench", generation=1, ring=0, epoch=1, spec={}),
    )
    rows.append(
        make_row("memory of one strategy", [size.n_bytes / 2**20], "MiB", target=("<=", 2.0))
    )
    size.file.unlink()
    return rows


def _rows_at(folder: Path, n: int, rate: int, seconds: float, runs: int) -> list[Row]:
    offered = int(rate * _OFFERED)
    who = f"{n} strateg{'y' if n == 1 else 'ies'}"
    delivered, p50, p99, dropped, ceiling = [], [], [], [], []
    for _ in range(runs):
        fan = _Fan(folder, n, POLICY_DROP)
        seen = fan.run(int(offered * seconds), offered)
        fan.remove()
        delays = np.sum([one["delays"] for one in seen], axis=0)
        delivered.append(_rates(seen) / 1000)
        p50.append(percentile(delays, 0.50) / 1000)
        p99.append(percentile(delays, 0.99) / 1000)
        dropped.append(float(sum(one["lost"] for one in seen)))
        fan = _Fan(folder, n, POLICY_BLOCK)
        ceiling.append(_rates(fan.run(int(4_000_000 * seconds / n), 0)) / 1e6)
        fan.remove()
    return [
        make_row(f"delivered to each of {who}", delivered, "K/s", target=(">=", rate / 1000)),
        make_row(f"  delay at that rate, {who}: p50", p50, "µs"),
        make_row(f"  delay at that rate, {who}: p99", p99, "µs"),
        make_row(f"  dropped at that rate, {who}", dropped, "events", target=("<=", 0.0)),
        make_row(f"  ceiling, each of {who}, lossless", ceiling, "M/s"),
    ]
