"""What strategies that have stalled cost the engine: R6, in ``livekit bench attach``.

Nine strategies; either all read, or eight of them have stopped with full rings, so that
every event is a look at their cursors and a drop to be counted.
Layer 5.
"""

from pathlib import Path
from typing import Final

import numpy as np

from livekit.bench.attach_kernels import tick_times
from livekit.bench.report import Row, make_row
from livekit.events import QUOTE, Kind
from livekit.ring.broadcast import Hub
from livekit.ring.layout import SIDE, SIDE_BYTES, aligned_zeros
from livekit.ring.segment import Segment, SegmentPlan

__all__ = ["stalled_row"]

_N_STRATEGIES: Final = 9
_N_STALLED: Final = 8


def stalled_row(folder: Path, runs: int, n: int) -> Row:
    """Measure the 99th percentile of a broadcast with and without stalled readers.

    Parameters
    ----------
    folder : Path
        A private folder in shared memory.
    runs, n : int
        Alternating runs of each kind, and events per run.
    """
    hub, sides = Hub(), aligned_zeros(_N_STRATEGIES * SIDE_BYTES).view(SIDE)
    segments = []
    for ring in range(_N_STRATEGIES):
        plan = SegmentPlan(f"stalled{ring}", folder.name, 1, ring, 1, {})
        segment = Segment.create(folder / plan.name, plan)
        segment.fill_events_side(hub.side(ring), is_producer=True)
        segment.fill_events_side(sides[ring : ring + 1], is_producer=False)
        hub.route(ring, 0, 1 << Kind.QUOTE)
        hub.open(ring)
        segments.append(segment)
    quote = aligned_zeros(QUOTE.itemsize).view(QUOTE)
    quote["kind"] = Kind.QUOTE
    times = np.zeros(n, np.int64)
    seen: dict[int, list[float]] = {_N_STRATEGIES: [], _N_STRATEGIES - _N_STALLED: []}
    for _ in range(runs):
        for n_read, tails in seen.items():
            for _ in range(2):  # the first round fills, or empties, the rings
                tick_times(
                    hub.address,
                    quote.ctypes.data,
                    n,
                    sides.ctypes.data,
                    n_read,
                    times.ctypes.data,
                )
            tails.append(float(np.percentile(times, 99)))
    for segment in segments:
        segment.file.unlink()
    return make_row(
        "engine's broadcast p99, 8 of 9 strategies stalled",
        seen[_N_STRATEGIES - _N_STALLED],
        "ns",
        peer="none stalled",
        peer_values=seen[_N_STRATEGIES],
        target=("<=", 1.05),
    )
