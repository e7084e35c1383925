"""The newest request wins: a slider's values, worked off in a thread of their own.

A slider that is dragged asks faster than a backtest can answer. Only the newest request
counts: one that is overtaken before it begins is dropped, and one that has worked for
long is told to stop. Short work is finished, or a slow hand would see nothing until it
rests. Widgets' callbacks, in whatever thread they come, only leave a request here.

Not asyncio: the kernel's loop belongs to the user's cells. The thread prints nothing, is
a daemon, and ends when nothing was asked for a while.
Layer 5.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

__all__ = ["Latest"]

_PATIENCE_S: Final = 0.25
_IDLE_S: Final = 2.0


class Latest:
    """Does the newest of the requests.

    Parameters
    ----------
    work : callable of (request, is_overtaken)
        Called in the thread. It may look at ``is_overtaken()`` now and then, and return
        early when that is true. What it raises is its own to show; here it is kept.

    Attributes
    ----------
    n_done, n_dropped : int
        Requests that were worked off, and those that a newer one overtook.
    fault : BaseException or None
        What the last work raised.
    """

    def __init__(self, work: Callable[[Any, Callable[[], bool]], None]) -> None:
        self._work = work
        self._changed = threading.Condition()
        self._asked: list[Any] = []
        self._thread: threading.Thread | None = None
        self._is_busy = False
        self._began_s = 0.0
        self.n_done = self.n_dropped = 0
        self.fault: BaseException | None = None

    def ask(self, request: Any) -> None:
        """Ask for something; returns at once."""
        with self._changed:
            self.n_dropped += len(self._asked)
            self._asked[:] = [request]
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="livekit-explore", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing is asked or worked at; False at the deadline."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        with self._changed:
            while self._asked or self._is_busy:
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return False
                # In slices: an interrupt of the cell is heard between two.
                self._changed.wait(0.1 if left is None else min(left, 0.1))
        return True

    def is_overtaken(self) -> bool:
        """Tell whether a newer request waits, and the work has had its time."""
        return bool(self._asked) and time.monotonic() - self._began_s > _PATIENCE_S

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._asked:
                    if not self._changed.wait(_IDLE_S) and not self._asked:
                        self._thread = None
                        return
                request = self._asked.pop()
                self._is_busy, self._began_s = True, time.monotonic()
            try:
                self.fault = None
                self._work(request, self.is_overtaken)
            except Exception as error:  # noqa: BLE001 - a thread that dies would take the sliders along
                self.fault = error
            finally:
                with self._changed:
                    self._is_busy = False
                    self.n_done += 1
                    self._changed.notify_all()
