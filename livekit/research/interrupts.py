"""Ctrl-C during long work: heard at once, obeyed where the work can stop.

An exception in the middle of an event would leave the venue, the strategy and the ledger
at three different times. So the first Ctrl-C only says that it came; a second one, for a
callback that does not return, raises KeyboardInterrupt as ever.
Layer 3. Signals reach the main thread only; elsewhere this does nothing.
"""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupts"]


class Interrupts:
    """Puts Ctrl-C off while the block runs, where Python's own handler is in place.

    Parameters
    ----------
    hear : callable
        Called once, in the handler, by the first one.
    """

    def __init__(self, hear: Callable[[], None]) -> None:
        self._hear = hear
        self._previous: Any = None
        self._is_heard = False

    def __enter__(self) -> Self:
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._previous = signal.signal(signal.SIGINT, self._take)
        return self

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_heard:
            raise KeyboardInterrupt
        self._is_heard = True
        self._hear()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
