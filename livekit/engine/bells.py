"""What wakes the engine from outside: its doorbell, and the end of the process that owns it.

Layer 4.
"""

import contextlib
import os
import selectors
from collections.abc import Callable
from pathlib import Path

__all__ = ["open_doorbell", "watch_owner"]


def open_doorbell(path: Path, selector: selectors.BaseSelector) -> int:
    """Make the fifo that a strategy writes to when the engine sleeps; return its descriptor."""
    os.mkfifo(path, 0o600)
    # Opened for reading and writing, so that it never reads as closed.
    bell = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def hear() -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(bell, 4096)

    selector.register(bell, selectors.EVENT_READ, hear)
    return bell


def watch_owner(pid: int, selector: selectors.BaseSelector, on_gone: Callable[[], None]) -> None:
    """Call `on_gone` once, when a process (a demo, a test) is gone; 0 is nobody."""
    if pid == 0:
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        on_gone()
        return

    def gone() -> None:
        selector.unregister(descriptor)
        on_gone()

    selector.register(descriptor, selectors.EVENT_READ, gone)
