"""Memory that a socket is read into, so that frames can be taken where they lie.

Layer 3.
"""

from typing import Final

from livekit.ring.layout import aligned_zeros

__all__ = ["Inbox"]

_NUL_BYTES: Final = 8


class Inbox:
    """What was read and not taken yet, at the front of memory that grows.

    Parameters
    ----------
    room : int
        Bytes that are always free behind what is kept.

    Attributes
    ----------
    n : int
        Bytes kept.
    free : memoryview
        What lies behind them: read into it. A byte behind its end may be written, too.
    address : int
        Of the first byte; another one after `put`.
    """

    def __init__(self, room: int) -> None:
        self._room, self.n = room, 0
        self._make(room)

    def _make(self, size: int) -> None:
        self._size = size
        memory = aligned_zeros(size + _NUL_BYTES)
        self.address = int(memory.ctypes.data)
        self._view = self.free = memory.data[:size]

    def text(self, start: int, end: int) -> bytes:
        """Return a copy of what lies from `start` to `end`."""
        return self._view[start:end].tobytes()

    def put(self, rest: bytes) -> None:
        """Keep these bytes in place of all there was."""
        self.n = len(rest)
        if self.n + self._room > self._size:
            self._make(2 * self.n + self._room)
        self._view[: self.n] = rest
        self.free = self._view[self.n :]

    def clear(self) -> None:
        """Keep nothing."""
        self.n, self.free = 0, self._view
