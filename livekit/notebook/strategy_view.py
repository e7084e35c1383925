"""One strategy, read out of its segment: state, heart, counts, latencies, parameters.

Layer 5.
"""

from typing import Any

import numpy as np

from livekit import clock
from livekit.config import HANG_AFTER_NS
from livekit.ring import seqlock
from livekit.ring.counters import percentile
from livekit.ring.segment import Phase, RunState, Segment
from livekit.ring.state import record_dtype

__all__ = ["StrategyView"]


class StrategyView:
    """One strategy's segment, mapped by a reader.

    Attributes
    ----------
    name : str
    segment : Segment
    gone_at : float
        time.monotonic() when its segment was removed; 0 while it is there.
    """

    def __init__(self, segment: Segment, inode: int) -> None:
        self.name, self.segment, self.inode = segment.name, segment, inode
        self.gone_at = 0.0
        self.ring = int(segment.header["ring"])

    @property
    def state(self) -> str:
        """What it does, as ``livekit ps`` says it."""
        header = self.segment.header
        run_state, phase = int(header["run_state"]), int(header["phase"])
        if self.gone_at:
            return "failed" if phase == Phase.FAILED else "gone"
        if run_state == RunState.FENCED:
            return "fenced"
        if run_state == RunState.STOPPING:
            return "stopping"
        if run_state == RunState.CREATED:
            return "starting"
        return "hung" if self.silence_ns > HANG_AFTER_NS else "running"

    @property
    def silence_ns(self) -> int:
        """How long its heart has not beaten."""
        return max(0, clock.monotonic_ns() - int(self.segment.header["heartbeat"]))

    def params(self) -> dict[str, Any]:
        """Return its parameters as they stand."""
        segment = self.segment
        values = {param["name"]: param["value"] for param in segment.spec["params"]}
        dtype = record_dtype(segment.spec["params_dtype"])
        word = int(segment.file.part("<i8", int(segment.header["params_offset"]))[0])
        if dtype.itemsize and word:
            lines = seqlock.round_lines(dtype.itemsize) // 64
            memory = np.zeros(lines * 64, np.uint8)
            seqlock.fetch_params(segment.at("params_offset"), memory.ctypes.data, lines)
            row = memory[: dtype.itemsize].view(dtype)[0]
            values.update({name: row[name].item() for name in dtype.names or ()})
        return values

    def declared(self) -> list[dict[str, Any]]:
        """Return its parameters as declared: name, low, high, step, hot, and the value now."""
        now = self.params()
        return [{**param, "value": now[param["name"]]} for param in self.segment.spec["params"]]

    def row(self) -> dict[str, Any]:
        """Return what a table of strategies shows of it, but for positions and profit."""
        sent, own, spec = (
            self.segment.engine_counters,
            self.segment.strategy_counters,
            self.segment.spec,
        )
        tail, head = self.segment.cursors("events")
        return {
            "name": self.name,
            "state": self.state,
            "mode": spec["mode"],
            "class": spec["class"],
            "hash": spec["hash"],
            "heartbeat_ms": self.silence_ns / 1e6,
            "received": int(own["received"].sum()),
            "sequence": int(self.segment.header["sequence"]),
            "lag": tail - head,
            "dropped": int(sent["dropped"].sum()),
            "orders": int(sent["orders"]),
            "rejects": int(sent["rejects"]),
            "fills": int(sent["fills"]),
            "errors": int(own["errors"]),
        }

    def latency(self) -> dict[str, float]:
        """Return p50 and p99 of event to callback, and of event to order, ns."""
        own, sent = self.segment.strategy_counters, self.segment.engine_counters
        return {
            "p50": percentile(own["delay"], 0.50),
            "p99": percentile(own["delay"], 0.99),
            "order_p50": percentile(sent["tick_to_order"], 0.50),
            "order_p99": percentile(sent["tick_to_order"], 0.99),
        }

    def histogram(self) -> list[int]:
        """Return counts of event to callback by power of two: below 16 ns, 32 ns, and so on."""
        words = self.segment.strategy_counters["delay"]
        return [int(part) for part in words.reshape(-1, 16).sum(axis=1)]
