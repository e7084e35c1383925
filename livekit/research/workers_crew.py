"""Who works on a sweep: threads, processes of our own, or anybody's executor.

Compiled strategies run without the GIL, so threads of this process are the default:
they start in no time and share everything. Interpreted ones get processes, spawned,
which import livekit and neither the user's script nor notebook. Any other
`concurrent.futures.Executor` takes the same tasks, Dask's among them.

The main thread hands out tasks and waits, never longer than a tenth of a second, for
the first answer; so Ctrl-C and a notebook's stop reach it at once. The workers read the
stop on the board with their next step, and own processes that have not ended a quarter
of a second later are killed.
Layer 3. One thread; no signal handler is installed.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from livekit.clock import process_start
from livekit.errors import ConfigError
from livekit.research.board import Board
from livekit.research.data import Data
from livekit.research.workers import Bench, Job, Outcome, Values, map_data, run_task

__all__ = ["Crew", "Look"]

_AHEAD: Final = 10_000  # tasks handed out at a time
_LOOK_S: Final = 0.1
_GRACE_S: Final = 0.2
_MAX_BREAKS: Final = 3  # of a pool that lost its processes while they did nothing
_PREFIX: Final = "livekit-sweep-"

Look = Callable[[Board, dict[int, Outcome]], None]


class Crew:
    """The workers of one or more sweeps.

    A context manager: at its end own threads and processes have ended, and the folder
    they shared is gone.

    Parameters
    ----------
    executor : None, "threads", "processes" or Executor
        None takes threads for compiled strategies and processes for others.
    workers : int, optional
        How many threads or processes; one for each processor by default.
    n_tasks : int
        More workers than tasks are not started.
    is_compiled : bool

    Raises
    ------
    ConfigError
        `executor` or `workers` is none of these.
    """

    def __init__(
        self, executor: Any, workers: int | None, n_tasks: int, *, is_compiled: bool
    ) -> None:
        if executor is not None and hasattr(executor, "get_executor"):
            executor = executor.get_executor()  # a Dask client
        if not (executor in (None, "threads", "processes") or isinstance(executor, Executor)):
            raise ConfigError(
                f"executor is {executor!r}, expected 'threads', 'processes' or an Executor of "
                "concurrent.futures, such as client.get_executor() of a Dask client"
            )
        if workers is not None and (not isinstance(workers, int) or workers < 1):
            raise ConfigError(f"workers is {workers!r}, expected a whole number above 0")
        if workers is not None and isinstance(executor, Executor):
            raise ConfigError("workers is given with an executor, which has its own; leave it out")
        self.n_workers = max(1, min(workers or _n_processors(), n_tasks))
        if executor is None:
            executor = "threads" if is_compiled or self.n_workers == 1 else "processes"
        self._kind: Any = executor
        self._folder: Path | None = None
        self._pool: Executor | None = None

    @property
    def shares_memory(self) -> bool:
        """Whether the workers are threads of this process."""
        return self._kind == "threads" or isinstance(self._kind, ThreadPoolExecutor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close(is_urgent=error is not None)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # Working.

    def work(
        self, job: Job, data: Data, sets: Sequence[Values], look: Look
    ) -> tuple[dict[int, Outcome], bool]:
        """Run all parameter sets; return their outcomes by number, and whether it was stopped.

        Parameters
        ----------
        job : Job
            Without opener and board.
        data : Data
        sets : sequence of dict
        look : callable
            Called about ten times a second with the board and the outcomes so far.
        """
        if self.shares_memory:
            board = Board(len(sets))
            bench = Bench(job, data, board)
            bench.warm(sets[0])
            return self._work(_Shift(lambda i: (bench.run, i, sets[i]), board, look), len(sets))
        folder = self._make_folder()
        path = folder / f"{job.key}.board"
        board = Board(len(sets), path)
        job = replace(job, opener=map_data(data, folder), board=str(path))
        if self._kind == "processes":
            _check_travels(job)
        Bench(job, data, board).warm(sets[0])
        return self._work(_Shift(lambda i: (run_task, job, i, sets[i]), board, look), len(sets))

    def _work(self, shift: "_Shift", n: int) -> tuple[dict[int, Outcome], bool]:
        todo, suspects, n_breaks = list(range(n)), deque[int](), 0
        try:
            while todo or suspects:
                if suspects:
                    self._try_alone(shift, suspects.popleft())
                    continue
                todo = shift.hand_out(self._open(), todo, is_own=self._kind == "processes")
                if todo:
                    # A process that died took the pool along. What it may have been at is
                    # tried once more, with nobody beside it.
                    self._close(is_urgent=True)
                    suspects.extend(i for i in todo if shift.board.has_begun(i))
                    todo = [i for i in todo if not shift.board.has_begun(i)]
                    n_breaks += 0 if suspects else 1
                    if isinstance(self._kind, Executor) or n_breaks == _MAX_BREAKS:
                        shift.give_up([*suspects, *todo])
                        break
        except KeyboardInterrupt:
            shift.stop()
            self._close(is_urgent=True)
            return shift.outcomes, True
        shift.look(shift.board, shift.outcomes)
        return shift.outcomes, False

    def _try_alone(self, shift: "_Shift", task: int) -> None:
        self._close(is_urgent=False)
        self._pool = _start_pool(1)
        lost = shift.hand_out(self._pool, [task], is_own=True)
        self._close(is_urgent=bool(lost))
        shift.give_up(lost)

    # The pool.

    def _open(self) -> Executor:
        if isinstance(self._kind, Executor):
            return self._kind
        if self._pool is None and self._kind == "threads":
            self._pool = ThreadPoolExecutor(self.n_workers, thread_name_prefix="livekit-sweep")
        elif self._pool is None:
            self._pool = _start_pool(self.n_workers)
        return self._pool

    def _close(self, *, is_urgent: bool) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if not is_urgent:
            pool.shutdown()
            return
        # Python 3.14 has a method for this, which does the same.
        processes = list((getattr(pool, "_processes", None) or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        for process in processes:
            process.join(1.0)

    def _make_folder(self) -> Path:
        if self._folder is None:
            _sweep_leftovers()
            pid = os.getpid()
            self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{pid}-{process_start(pid)}-"))
        return self._folder


class _Shift:
    """The tasks of one job: what is handed out, and what has come back."""

    def __init__(self, call: Callable[[int], tuple[Any, ...]], board: Board, look: Look) -> None:
        self._call, self.board, self.look = call, board, look
        self.outcomes: dict[int, Outcome] = {}
        self._answers: queue.SimpleQueue[tuple[int, Future[Outcome]]] = queue.SimpleQueue()
        self._futures: dict[int, Future[Outcome]] = {}

    def hand_out(self, pool: Executor, tasks: Sequence[int], *, is_own: bool) -> list[int]:
        """Have some tasks done; return those that were lost with their process."""
        waiting, lost = deque(tasks), list[int]()
        looked_s = time.monotonic()
        while waiting or self._futures:
            while waiting and len(self._futures) < _AHEAD:
                task = waiting.popleft()
                try:
                    self._submit(pool, task, is_own=is_own)
                except BrokenExecutor:
                    lost += [task, *waiting]
                    waiting.clear()
            with contextlib.suppress(queue.Empty):
                task, done = self._answers.get(timeout=_LOOK_S)
                del self._futures[task]
                if not self._take(task, done):
                    lost.append(task)
            if time.monotonic() - looked_s >= _LOOK_S:
                looked_s = time.monotonic()
                self.look(self.board, self.outcomes)
        return sorted(lost)

    def _submit(self, pool: Executor, task: int, *, is_own: bool) -> None:
        with _starting() if is_own else contextlib.nullcontext():
            future = pool.submit(*self._call(task))
        self._futures[task] = future
        future.add_done_callback(lambda done: self._answers.put((task, done)))

    def _take(self, task: int, done: "Future[Outcome]") -> bool:
        """Take the answer of a task; False if the process that worked on it is lost."""
        try:
            self.outcomes[task] = done.result()
        except BrokenExecutor:
            return False
        except CancelledError:
            self.outcomes[task] = Outcome({}, is_stopped=True)
        except Exception as error:  # noqa: BLE001 - what an executor reports is this task's
            self.outcomes[task] = Outcome({}, f"{type(error).__name__}: {error}")
        return True

    def give_up(self, tasks: Sequence[int]) -> None:
        """Write down that the process of some tasks was lost."""
        text = "its process died: killed, out of memory, or ended by the strategy"
        self.outcomes |= {task: Outcome({}, text) for task in tasks}

    def stop(self) -> None:
        """Ask all workers to stop, and keep what comes back whole in a moment."""
        self.board.stop()
        for future in list(self._futures.values()):
            future.cancel()
        end_s = time.monotonic() + _GRACE_S
        while self._futures and (left := end_s - time.monotonic()) > 0:
            try:
                task, done = self._answers.get(timeout=left)
            except queue.Empty:
                break
            del self._futures[task]
            self._take(task, done)
        self.outcomes = {i: one for i, one in self.outcomes.items() if not one.is_stopped}


def _start_pool(n_workers: int) -> Executor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(n_workers, context, _begin_process)


def _n_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check_travels(job: Job) -> None:
    """Refuse what cannot be sent to another process, before anything is started."""
    score = job.score
    what = "the settings"
    if callable(score):
        what = "score"
        if getattr(score, "__module__", "") == "__main__":
            raise ConfigError(
                "score is a function of the script or notebook, which worker processes do not "
                "import; write it in a module, or give executor='threads'"
            )
    try:
        ForkingPickler.dumps(job)
    except Exception as error:  # what it raises is the affair of the object
        raise ConfigError(
            f"{what} cannot be sent to worker processes: {error}; give executor='threads', or a "
            "function that stands in a module"
        ) from error


@contextlib.contextmanager
def _starting() -> Iterator[None]:
    """Let processes start without Ctrl-C, and without the user's script.

    A process being born would answer Ctrl-C with a traceback; it inherits the mask, and
    ignores the signal later. And it would run the script again, which has no use for it:
    workers get everything by the job.
    """
    main = vars(sys.modules["__main__"])
    hidden: dict[str, Any] = {name: main[name] for name in ("__file__", "__spec__") if name in main}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    main.pop("__file__", None)
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(hidden)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_process() -> None:
    """Make this process a worker: Ctrl-C is its parent's, and it does not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _sweep_leftovers() -> None:
    """Remove the folders of sweeps whose process was killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        parts = folder.name.removeprefix(_PREFIX).split("-")
        if len(parts) < 3 or not (parts[0].isdigit() and parts[1].isdigit()):
            continue
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            continue
        if process_start(int(parts[0])) != int(parts[1]):
            shutil.rmtree(folder, ignore_errors=True)
