"""One thread that beats ten times a second for every dashboard of a kernel.

Not asyncio: the kernel's loop belongs to the user's cells, and stands still while one
runs. Not a signal: those are the user's too. A daemon thread sends a dashboard's frame
while the kernel works, prints nothing, and ends with the kernel. What it calls is
bounded, and a fault of one listener is kept for it and does not reach the others.

When nobody watches it goes to sleep: pages say that they are there every two seconds,
and frames to a page that is gone would pile up in the notebook server. While a cell
runs their word does not get through, so the time of a running cell does not count.
Layer 5.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Final

from livekit.notebook.feeding import BEAT_S

__all__ = ["Beat", "beat", "idle_clock", "is_busy", "watch_cells"]

_IDLE_S: Final = 1.0


class Beat:
    """Calls its listeners ten times a second, while there are any.

    Attributes
    ----------
    late_s : float
        How late the last beat was.
    """

    def __init__(self) -> None:
        self._listeners: dict[int, Callable[[], bool]] = {}
        self._lock = threading.Lock()
        self._rung = threading.Event()
        self._thread: threading.Thread | None = None
        self.late_s = 0.0

    def add(self, key: int, listener: Callable[[], bool]) -> None:
        """Call `listener` on every beat; it tells whether somebody watches."""
        with self._lock:
            self._listeners[key] = listener
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="livekit-beat", daemon=True)
                self._thread.start()
        self._rung.set()

    def remove(self, key: int) -> None:
        """Call it no more."""
        with self._lock:
            self._listeners.pop(key, None)

    def wake(self) -> None:
        """Beat now: somebody watches again."""
        self._rung.set()

    def _run(self) -> None:
        due = time.monotonic()
        while True:
            with self._lock:
                listeners = list(self._listeners.values())
                if not listeners:
                    self._thread = None
                    return
            is_watched = False
            for listener in listeners:
                is_watched |= listener()
            due += BEAT_S if is_watched else _IDLE_S
            now = time.monotonic()
            self.late_s = max(0.0, now - due)
            if due < now:
                due = now + BEAT_S / 2  # late: no beat is made up for
            if self._rung.wait(due - now):
                self._rung.clear()
                due = time.monotonic()


beat: Final = Beat()
"""The kernel's."""


def is_busy() -> bool:
    """Tell whether the kernel runs a cell; False outside of one."""
    return _cells["running"] > 0


_cells: Final[dict[str, Any]] = {"running": 0, "since": 0.0, "spent": 0.0, "shell": None}


def watch_cells() -> None:
    """Count running cells, once for each shell."""
    try:
        from IPython import get_ipython  # noqa: PLC0415 - plain Python has none
    except ImportError:
        return
    shell = get_ipython()
    if shell is None or _cells["shell"] is shell:
        return
    _cells["shell"] = shell
    shell.events.register("pre_run_cell", _cell_begins)
    shell.events.register("post_run_cell", _cell_ends)
    _cell_begins()  # the cell that asks for this is running


def _cell_begins(*_info: Any) -> None:
    _cells["running"], _cells["since"] = 1, time.monotonic()


def _cell_ends(*_info: Any) -> None:
    if _cells["running"]:
        _cells["running"] = 0
        _cells["spent"] += time.monotonic() - _cells["since"]


def idle_clock() -> float:
    """Return seconds of a clock that stands still while a cell runs."""
    spent = _cells["spent"]
    if _cells["running"]:
        spent += time.monotonic() - _cells["since"]
    return time.monotonic() - spent
