"""What a worker of a sweep does: one parameter set after another, over mapped data.

A `Job` says all that the sets have in common and pickles in a few hundred bytes: the
strategy's file and hash, the description of the data, the settings. A worker makes a
`Bench` of it once (class, program, rows) and keeps it for the sets that follow. Threads
share the bench of the process they are in.
Layer 3. Any thread; a bench may run several sets at a time.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numba import types

from livekit.errors import ConfigError, LivekitError, StrategyError
from livekit.events import DTYPES, Kind
from livekit.instruments import Instrument
from livekit.research import due, intake, staged, steps
from livekit.research.backtest import Target, describe, describe_data, run_through, to_run
from livekit.research.board import Board
from livekit.research.data import Data
from livekit.research.report.run import Run
from livekit.research.scores import Score, figures_of
from livekit.research.simulation import Settings, Simulation
from livekit.store.schema import KIND_NAMES, kind_of
from livekit.strategy.api import Strategy
from livekit.strategy.code_hash import code_hash_of
from livekit.strategy.declaration import declare

if TYPE_CHECKING:
    from livekit.strategy.compiled import Program

__all__ = [
    "Bench",
    "Job",
    "Outcome",
    "Values",
    "map_data",
    "open_arrays",
    "run_task",
    "write_arrays",
]

_STAGED: Final[tuple[tuple[Any, int], ...]] = (
    *((function, 1) for function in (staged.commit, due.count_waiting, intake.take_requests)),
    *((function, 1) for function in (due.next_due_for_strategy, due.next_due_in_flight)),
    *((function, 2) for function in (staged.next_batch, staged.cut, staged.stage_owed)),
    *((function, 2) for function in (staged.stage_reports, staged.stage_timer)),
    *((staged.stage_arrival, 2), (steps.step_flight, 1)),
)
"""The jitted functions of an interpreted run, and how many arguments each takes."""

_KEPT_BENCHES: Final = 4  # a walk-forward has two at a time

Values = dict[str, float]


@dataclass(frozen=True, slots=True)
class Job:
    """What all parameter sets of a sweep have in common.

    Attributes
    ----------
    key : str
        Unique.
    target : Target
    opener : tuple of (callable, arguments)
        Gives the data, in whatever process.
    settings : Settings
    is_compiled : bool
    seed : int
    keys : tuple of str
        Statistics to compute.
    score : str or callable
    n_tasks : int
    board : str
        Path of the board; empty for threads, which have it already.
    """

    key: str
    target: Target
    opener: tuple[Callable[..., Data], tuple[Any, ...]]
    settings: Settings
    is_compiled: bool
    seed: int
    keys: tuple[str, ...]
    score: Score
    n_tasks: int
    board: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one parameter set.

    Attributes
    ----------
    figures : dict
        Statistics by key; empty where there is none.
    error : str
        Why there is none.
    is_stopped : bool
        Whether it was stopped before its end.
    """

    figures: dict[str, Any]
    error: str = ""
    is_stopped: bool = False


class Bench:
    """All that a process needs to run the parameter sets of a job.

    Parameters
    ----------
    job : Job
    data : Data, optional
        By default what the job's opener gives.
    board : Board, optional
        By default the one the job names.

    Raises
    ------
    LivekitError
        The file is another than the sweep began with, or cannot be compiled, or the data
        is not there.
    """

    def __init__(self, job: Job, data: Data | None = None, board: Board | None = None) -> None:
        self.job = job
        self.data = data if data is not None else job.opener[0](*job.opener[1])
        self.board = board or Board.open(job.board, job.n_tasks)
        self._lock = threading.Lock()
        self._budget = 0
        _check_hash(job.target)
        self._class = job.target.load()
        self.program: Program | None = None
        if job.is_compiled:
            # Only who runs compiled pays for Numba's extensions.
            from livekit.strategy.compiled import build  # noqa: PLC0415

            self.program = build(self._class, declare(self._class))
        is_named = callable(job.score) or any(key in {"n_gaps", "n_lost"} for key in job.keys)
        self._source = describe_data(self.data, is_named=is_named)

    @property
    def name(self) -> str:
        """Name of the strategy's class."""
        return self._class.__name__

    def simulation(self, values: Values) -> Simulation:
        """Return a fresh simulation of a parameter set."""
        job = self.job
        cls = self._class if job.is_compiled else self._fresh_class()
        return Simulation(
            cls,
            values,
            self.data,
            job.settings,
            is_compiled=job.is_compiled,
            program=self.program,
        )

    def _fresh_class(self) -> type[Strategy]:
        """Run the file again, as a backtest does: what it keeps in globals starts anew."""
        with self._lock:
            return self.job.target.load()

    def run(self, task: int, values: Values) -> Outcome:
        """Run one parameter set to its end, or until the board says stop."""
        if self.board.is_stopped:
            return Outcome({}, is_stopped=True)
        self.board.begin(task, os.getpid())
        try:
            return self._run(task, values)
        except LivekitError as error:
            return Outcome({}, str(error))
        except Exception as error:  # noqa: BLE001 - one set's failure must not take the others
            return Outcome({}, f"{type(error).__name__}: {error}")

    def _run(self, task: int, values: Values) -> Outcome:
        simulation, board = self.simulation(values), self.board
        # As long a first step as the last set's: threads meet for Python between two steps.
        simulation.budget = self._budget or simulation.budget
        while simulation.step():
            board.note(task, simulation.position)
            if board.is_stopped:
                return Outcome({}, is_stopped=True)
        self._budget = simulation.budget // 2
        simulation.finish()
        board.note(task, simulation.position)
        if simulation.failure:
            name = simulation.declaration.name
            raise StrategyError(f"strategy {name!r} was stopped: {simulation.failure}")
        job = self.job
        identity = {"name": simulation.declaration.name, "seed": job.seed, "is_partial": False}
        meta = describe(simulation, job.target, values, self._source) | identity
        return Outcome(figures_of(to_run(simulation, meta), job.keys, job.score))

    def full_run(self, values: Values, *, name: str, progress: bool | None) -> Run:
        """Return the run of a parameter set with everything, as a backtest gives it."""
        start_s = time.perf_counter()
        identity = {"name": name, "seed": self.job.seed}
        return run_through(
            self.simulation(values),
            self.job.target,
            values,
            identity,
            start_s=start_s,
            progress=progress,
        )

    def warm(self, values: Values) -> None:
        """Compile, or load from the cache, what the runs will need.

        Workers that begin at once would otherwise all compile the same for half a
        minute, the first time that a machine runs a version.
        """
        if not self.job.is_compiled:
            for function, n_arguments in _STAGED:
                function.compile((types.int64,) * n_arguments)
            return
        with contextlib.suppress(StrategyError):  # its own run will say so
            self.simulation(values).step()


def _check_hash(target: Target) -> None:
    found = code_hash_of(target.path)
    if found != target.code_hash:
        raise StrategyError(
            f"strategy file {str(target.path)!r} has changed since the sweep began: its hash is "
            f"{found}, expected {target.code_hash}; run the sweep again"
        )


# In other processes.

_benches: dict[str, Bench] = {}
_benches_lock: Final = threading.Lock()


def run_task(job: Job, task: int, values: Values) -> Outcome:
    """Run one parameter set of a job in this process."""
    with _benches_lock:
        bench = _benches.get(job.key)
        if bench is None:
            try:
                bench = Bench(job)
            except LivekitError as error:
                return Outcome({}, str(error))
            _benches[job.key] = bench
            while len(_benches) > _KEPT_BENCHES:
                del _benches[next(iter(_benches))]
    return bench.run(task, values)


# Data for other processes: described if it is recorded, written down if it is in memory.


def map_data(data: Data, folder: Path) -> tuple[Callable[..., Data], tuple[Any, ...]]:
    """Return a function and its arguments that give the data in another process.

    Recordings are mapped there from where they lie. Arrays in memory are written into
    `folder` once, so that all workers of this machine map one copy.
    """
    if data.root:
        opener, arguments = data.__reduce__()[:2]
        return opener, arguments
    return open_arrays, write_arrays(data, folder)


def write_arrays(
    data: Data, folder: Path
) -> tuple[list[tuple[str, str, str]], tuple[Instrument, ...]]:
    """Write the arrays of a Data into a folder; return the arguments of `open_arrays`."""
    named = []
    for number, stream in enumerate(data.streams(0)):
        path = folder / f"{number}.rows"
        stream.rows.tofile(path)
        symbol = data.instruments[stream.instrument].symbol
        named.append((symbol, KIND_NAMES[stream.kind], str(path)))
    return named, data.instruments


def open_arrays(named: list[tuple[str, str, str]], instruments: tuple[Instrument, ...]) -> Data:
    """Map what `write_arrays` wrote."""
    arrays: dict[tuple[str, str | Kind], np.ndarray] = {}
    for symbol, kind, path in named:
        try:
            mapped = np.memmap(path, DTYPES[kind_of(kind)], mode="r")
        except OSError as error:
            raise ConfigError(
                f"arrays of {symbol!r} were in the memory of another machine ({error}); record "
                "them in a folder that all machines see, and load that"
            ) from None
        arrays[symbol, kind] = np.asarray(mapped)
    return Data.from_arrays(arrays, instruments)
