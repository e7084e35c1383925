"""A bell that another thread rings and the engine's selector hears.

A descriptor that was closed is somebody else's a moment later: a late ring would then
write into a file, or into a socket to the exchange. So ringing and closing exclude each
other, and a bell that is closed stays silent.
Layer 3.
"""

import contextlib
import os
import threading

__all__ = ["Doorbell"]


class Doorbell:
    """An eventfd: readable from a ring until it is answered.

    Owned by the thread of the selector; `ring` alone may be called by others, and at any
    time, the bell's end included.
    """

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """Return the descriptor to select on, for reading; -1 once closed."""
        return self._descriptor

    def ring(self) -> None:
        """Make the descriptor readable; nothing happens when it is closed."""
        with self._lock:
            if self._descriptor >= 0:
                with contextlib.suppress(BlockingIOError):  # rung 2**64 times already
                    os.eventfd_write(self._descriptor, 1)

    def answer(self) -> None:
        """Make the descriptor quiet again."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)

    def close(self) -> None:
        """Give the descriptor back; closing twice is fine."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
