"""When to try again: later each time, and not all at once.

Source: OKX API v5, "Connect", read 2026-08: at most three new connections a second from
one address. Layer 3.
"""

import random
from collections import deque
from typing import Final

__all__ = ["Backoff", "ConnectLimiter"]

_SECOND_NS: Final = 1_000_000_000
_MAX_DOUBLINGS: Final = 32


class Backoff:
    """Exponential delays with jitter.

    Parameters
    ----------
    first_ns, most_ns : int
        The n-th delay lies between half of, and the whole of, `first_ns` times 2**n,
        and never exceeds `most_ns`.
    source : random.Random, optional
        Of the jitter.
    """

    def __init__(
        self,
        first_ns: int = 200_000_000,
        most_ns: int = 30_000_000_000,
        source: random.Random | None = None,
    ) -> None:
        self._first_ns, self._most_ns = first_ns, most_ns
        self._source = source or random.Random()  # noqa: S311 - jitter is no secret

    def delay_ns(self, attempt: int) -> int:
        """Return how long to wait before attempt number `attempt`, from 0."""
        whole = min(self._most_ns, self._first_ns << min(attempt, _MAX_DOUBLINGS))
        return whole // 2 + self._source.randrange(whole // 2 + 1)


class ConnectLimiter:
    """Spaces the connections of all sockets of a process.

    Parameters
    ----------
    per_second : int
    """

    def __init__(self, per_second: int = 3) -> None:
        self._taken: deque[int] = deque(maxlen=per_second)

    def admit(self, now_ns: int) -> int:
        """Take a place now, or return when one will be free; `now_ns` or less: it was taken."""
        if len(self._taken) == self._taken.maxlen and now_ns - self._taken[0] < _SECOND_NS:
            return self._taken[0] + _SECOND_NS
        self._taken.append(now_ns)
        return now_ns
