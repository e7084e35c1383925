"""How much may be asked in a time: the exchange's limits, kept on our side.

Source: OKX API v5, "Connect", read 2026-08. Layer 3.
"""

from collections import deque
from typing import Final

__all__ = ["MAX_ARGUMENT_BYTES", "OperationBudget"]

MAX_ARGUMENT_BYTES: Final = 64 * 1024
"""Length of all subscription arguments of one connection together."""

_HOUR_NS: Final = 3_600_000_000_000
_OPERATIONS_AN_HOUR: Final = 480


class OperationBudget:
    """At most `limit` operations in any `window_ns`: 480 an hour, as one connection has.

    Subscribe, unsubscribe and login requests count alike, however many arguments they hold.
    """

    def __init__(self, limit: int = _OPERATIONS_AN_HOUR, window_ns: int = _HOUR_NS) -> None:
        self._limit, self._window_ns = limit, window_ns
        self._taken: deque[int] = deque()

    def take(self, now_ns: int, n: int = 1) -> bool:
        """Take `n` operations, or none of them and return False."""
        taken = self._taken
        while taken and now_ns - taken[0] >= self._window_ns:
            taken.popleft()
        if len(taken) + n > self._limit:
            return False
        taken.extend([now_ns] * n)
        return True

    @property
    def used(self) -> int:
        """How many operations the last window has seen, as of the last `take`."""
        return len(self._taken)
