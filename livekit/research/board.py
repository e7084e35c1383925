"""The board of a sweep: what its workers have done so far, and whether they shall stop.

One word says stop, and every task has two: the events it has handled, and the process
that began it. Each word has one writer at a time, is aligned, and only ever read as a
whole, so neither lock nor message is needed: progress costs a worker one store every
30 ms, and a stop reaches it with its next step. Between threads the board is an array,
between processes a small file that all of them map. A worker on another machine does
not find the file and writes on a board of its own: its tasks count when they are done.
Layer 3.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np

__all__ = ["Board"]

_MAGIC: Final = 0x4C4B_5357_4545_5001
_HEAD: Final = 8  # words: magic, stop, 6 spare
_DONE, _PID = 0, 1


class Board:
    """Counters of the tasks of one sweep, int64[8 + 2 n].

    Parameters
    ----------
    n_tasks : int
    path : Path, optional
        Of the file to make; without one the board serves the threads of this process.

    Attributes
    ----------
    path : str
        For `open` in another process; empty if there is none.
    """

    def __init__(self, n_tasks: int, path: Path | None = None) -> None:
        shape = (_HEAD + 2 * n_tasks,)
        self.path = "" if path is None else str(path)
        words: Any = (
            np.zeros(shape, np.int64)
            if path is None
            else np.memmap(path, np.int64, mode="w+", shape=shape)
        )
        words[0] = _MAGIC
        self._take(words)

    def _take(self, words: Any) -> None:
        self._words = words
        self._tasks = words[_HEAD:].reshape(-1, 2)

    @classmethod
    def open(cls, path: str, n_tasks: int) -> "Board":
        """Map the board of another process, or return one that nobody else sees."""
        board = cls(n_tasks)
        try:
            words = np.memmap(path, np.int64, mode="r+")
        except (OSError, ValueError):
            return board  # another machine's
        if len(words) == _HEAD + 2 * n_tasks and words[0] == _MAGIC:
            board._take(words)
        return board

    def stop(self) -> None:
        """Ask all workers to stop with their next step."""
        self._words[1] = 1

    @property
    def is_stopped(self) -> bool:
        """Whether the workers are to stop."""
        return bool(self._words[1])

    def begin(self, task: int, pid: int) -> None:
        """Say that a process has begun a task."""
        self._tasks[task, _PID] = pid

    def has_begun(self, task: int) -> bool:
        """Tell whether a process has begun a task."""
        return bool(self._tasks[task, _PID])

    def note(self, task: int, n_events: int) -> None:
        """Say how many events of a task are handled."""
        self._tasks[task, _DONE] = n_events

    @property
    def n_events(self) -> int:
        """Events handled, of all tasks."""
        return int(self._tasks[:, _DONE].sum())
