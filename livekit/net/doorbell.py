"""A bell that another thread rings and the engine's selector hears.

Layer 3.
"""

import contextlib
import os

__all__ = ["Doorbell"]


class Doorbell:
    """An eventfd: readable from a ring until it is answered.

    Owned by the thread of the selector; `ring` alone may be called by others.
    """

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Return the descriptor to select on, for reading; -1 once closed."""
        return self._descriptor

    def ring(self) -> None:
        """Make the descriptor readable; nothing happens when it is closed."""
        with contextlib.suppress(BlockingIOError, OSError):
            os.eventfd_write(self._descriptor, 1)

    def answer(self) -> None:
        """Make the descriptor quiet again."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)

    def close(self) -> None:
        """Give the descriptor back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
