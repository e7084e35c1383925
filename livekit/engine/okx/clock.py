"""The engine's wall clock while it is live, and how far the exchange's is from it.

Durations come from a clock that nobody sets and that counts a suspended machine's sleep;
what the operating system's wall clock says is only approached, at a thousandth of the
time that passes. So a step of it by an hour moves no timer. The exchange's clock is
compared by its own answers: half-way between question and answer it said so.
Layer 4.
"""

import time
from collections import deque
from typing import Final

import numpy as np

__all__ = ["ClockOffset", "LiveClock"]

_SLEW: Final = 1000
_SAMPLES: Final = 8
_MOST_NS: Final = 1_000_000_000
_FRESH_NS: Final = 300_000_000_000


class LiveClock:
    """Nanoseconds since the epoch that never step.

    Attributes
    ----------
    base_at : int
        Address of what `now` is ahead of CLOCK_BOOTTIME, int64, ns, for compiled readers.
    """

    def __init__(self) -> None:
        self._base_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._base = np.array([self._base_ns])
        self.base_at = int(self._base.ctypes.data)
        self._looked_ns = self.now()

    def now(self) -> int:
        """Return the time, ns since the epoch, UTC."""
        return self._base_ns + time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def approach(self, wall_ns: int) -> int:
        """Go towards a wall clock's time; return how far behind it this one is, ns."""
        now = self.now()
        behind = wall_ns - now
        step = max(0, now - self._looked_ns) // _SLEW
        self._base_ns += max(-step, min(step, behind))
        self._base[0] = self._base_ns
        self._looked_ns = now
        return behind


class ClockOffset:
    """How far the exchange's clock is ahead of ours, ns, from the quickest of the last answers.

    An answer says when the exchange wrote it, in whole milliseconds; it was written
    some time between question and answer, so half of that is the uncertainty.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[int, int, int]] = deque(maxlen=_SAMPLES)

    def note(self, sent_ns: int, received_ns: int, exchange_ms: int) -> None:
        """Take one answer; our times as LiveClock tells them."""
        if received_ns < sent_ns:
            return
        middle = (sent_ns + received_ns) // 2
        self._samples.append(
            (received_ns - sent_ns, exchange_ms * 1_000_000 + 500_000 - middle, received_ns)
        )

    def best(self, now_ns: int) -> tuple[int, int] | None:
        """Return (offset, uncertainty) in ns; None without an answer of the last 5 minutes."""
        fresh = [one for one in self._samples if now_ns - one[2] < _FRESH_NS]
        if not fresh:
            return None
        round_trip, offset, _ = min(fresh)
        return offset, round_trip // 2 + 500_000

    def problem(self, now_ns: int) -> str:
        """Return why nothing that carries a time may be sent, "" when it may."""
        best = self.best(now_ns)
        if best is None:
            return "distance to the exchange's clock is unknown"
        if abs(best[0]) > _MOST_NS:
            return (
                f"clock is {-best[0] / 1e9:+.1f} s from the exchange's, at most 1 s is allowed; "
                "set it by NTP"
            )
        return ""
