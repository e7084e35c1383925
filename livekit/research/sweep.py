"""Sweeps: one strategy, many parameter sets, one row of figures each.

    sweep = lk.sweep(EmaCross, data, fast=[50, 100], slow=range(200, 800, 100),
                     where=lambda p: p.fast < p.slow, score="sharpe", taker=0.0005)
    sweep.frame; sweep.best; sweep.heatmap(); sweep.run(3)

Every row says what the backtest of its parameters says, by the same code. The runs
themselves are not kept, which holds memory flat; `Sweep.run` makes one again. The
equity is sampled coarsely, 1,000 to 10,000 times over the data, unless `sample` says
otherwise: at a second a day of samples takes longer than the trading.

`executor` says who works: by default threads for compiled strategies and processes for
interpreted ones ("threads", "processes"), `workers` of them, or one for each processor;
or any `concurrent.futures.Executor`, such as ``client.get_executor()`` of Dask. Data is
mapped by every worker, and never sent to one.
Layer 3.
"""

import math
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from livekit.errors import ConfigError, StrategyError
from livekit.progress import Progress
from livekit.research.backtest import Target, resolve
from livekit.research.board import Board
from livekit.research.data import Data
from livekit.research.scores import Score, choose_keys, name_of_score
from livekit.research.settings import SETTINGS, make_settings
from livekit.research.simulation import Settings
from livekit.research.sweep_result import Sweep
from livekit.research.sweep_space import Space, Where, make_space
from livekit.research.workers import Job, Outcome
from livekit.research.workers_crew import Crew
from livekit.strategy.api import Strategy
from livekit.strategy.declaration import Declaration, declare

__all__ = ["PLANNED", "Plan", "choose_sample_ns", "describe_set", "make_plan", "sweep"]

PLANNED: Final = ("where", "score", "method", "n", "stats", "jit", "seed", "settings")
"""What `make_plan` is asked besides strategy, data, settings and parameters."""


_SAMPLES_NS: Final = tuple(s * 1_000_000_000 for s in (1, 10, 60, 600, 3600))
_MAX_SAMPLES: Final = 10_000


def sweep(
    strategy: type[Strategy] | str | Path,
    data: Data,
    *,
    where: Where | None = None,
    score: Score = "sharpe",
    method: str = "grid",
    n: int | None = None,
    stats: str | Iterable[str] | None = None,
    executor: Any = None,
    workers: int | None = None,
    jit: bool | None = None,
    seed: int = 0,
    progress: bool | None = None,
    params: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    **settings_and_params: Any,
) -> Sweep:
    """Run a strategy with many parameter sets over the same data; see the module's head.

    Parameters
    ----------
    strategy : Strategy class, or path of its file
    data : Data
    where : callable, optional
        Keeps a parameter set if it returns True: ``lambda p: p.fast < p.slow``.
    score : str or callable
        What ranks the sets, higher is better: a key of `Run.stat`, or a function of a Run.
    method, n, seed
        ``"grid"``, or ``"random"`` for `n` different sets drawn by `seed`.
    stats : str or iterable of str, optional
        More columns: keys or groups of statistics, or ``"all"``.
    executor, workers
        See the module's head.
    jit, progress, settings
        See `backtest`.
    params : mapping, optional
        Parameters whose names are also words of this function.
    **settings_and_params
        Settings as of `backtest`, and parameters: numbers, or lists of them to search.

    Returns
    -------
    Sweep
        Partial when it was interrupted: with the rows that were done by then.

    Raises
    ------
    ConfigError, StrategyError
        What is impossible, and what to do; or why every set failed.
    """
    asked = {key: value for key, value in locals().items() if key in PLANNED}
    plan = make_plan(strategy, data, {**settings_and_params, **(params or {})}, **asked)
    with Crew(executor, workers, len(plan.space.sets), is_compiled=plan.is_compiled) as crew:
        return plan.run(crew, data, progress=progress)


@dataclass(frozen=True, slots=True)
class Plan:
    """A sweep that has been checked and can be run over data.

    Attributes
    ----------
    target : Target
    declaration : Declaration
    space : Space
    settings : callable
        Gives the settings for data.
    score : str or callable
    keys : tuple of str
    is_compiled : bool
    seed : int
    """

    target: Target
    declaration: Declaration
    space: Space
    settings: Callable[[Data], Settings]
    score: Score
    keys: tuple[str, ...]
    is_compiled: bool
    seed: int

    def run(
        self,
        crew: Crew,
        data: Data,
        *,
        progress: bool | None,
        label: str = "",
        settings: Settings | None = None,
    ) -> Sweep:
        """Run all parameter sets over data."""
        sets = self.space.sets
        job = Job(
            key=uuid.uuid4().hex,
            target=self.target,
            opener=(_no_data, ()),
            settings=settings or self.settings(data),
            is_compiled=self.is_compiled,
            seed=self.seed,
            keys=self.keys,
            score=self.score,
            n_tasks=len(sets),
        )
        start_s = time.perf_counter()
        total = len(sets) * data.n_events
        with Progress(total, label or f"sweep {self.declaration.name}", is_shown=progress) as bar:
            look = _Look(self, bar, data.n_events)
            outcomes, is_partial = crew.work(job, data, sets, look)
        failed = [i for i, one in outcomes.items() if one.error]
        if failed and len(failed) == len(outcomes) and not is_partial:
            raise StrategyError(
                f"strategy {self.declaration.name!r} failed with all {len(failed)} parameter sets; "
                f"with {describe_set(self.space, failed[0])}: {outcomes[failed[0]].error}"
            )
        wall_s = time.perf_counter() - start_s
        return Sweep(job, data, self.space, outcomes, is_partial=is_partial, wall_s=wall_s)


def _no_data() -> Data:
    raise AssertionError("the crew says where the data is")


class _Look:
    """Shows how far the work is, and the best so far."""

    def __init__(self, plan: Plan, bar: Progress, n_events: int) -> None:
        self._plan, self._bar, self._n_events = plan, bar, n_events
        self._name = name_of_score(plan.score)
        self._seen: set[int] = set()
        self._best, self._best_score = -1, -math.inf

    def __call__(self, board: Board, outcomes: dict[int, Outcome]) -> None:
        for i in outcomes.keys() - self._seen:
            self._seen.add(i)
            value = outcomes[i].figures.get(self._name, math.nan)
            if value > self._best_score:
                self._best, self._best_score = i, value
        n_sets = len(self._plan.space.sets)
        note = f"{len(outcomes)} of {n_sets} sets"
        if self._best >= 0:
            said = describe_set(self._plan.space, self._best)
            note += f" · best {self._name} {self._best_score:.4g} ({said})"
        # Workers on other machines do not write on the board: what they finish counts whole.
        self._bar.update(max(board.n_events, len(outcomes) * self._n_events), note)


def describe_set(space: Space, i: int) -> str:
    """Name a parameter set by what it varies."""
    return ", ".join(f"{name}={space.sets[i][name]:.6g}" for name in space.varied) or "its defaults"


def make_plan(
    strategy: type[Strategy] | str | Path,
    data: Data,
    given: dict[str, Any],
    *,
    where: Where | None,
    score: Score,
    method: str,
    n: int | None,
    stats: str | Iterable[str] | None,
    jit: bool | None,
    seed: int,
    settings: Settings | None,
) -> Plan:
    """Check everything that a sweep is told, before anything is run; see `sweep`."""
    name_of_score(score)
    keys = choose_keys(stats, score)
    target = resolve(strategy)
    cls = target.load()
    declaration = declare(cls)
    params = {name: value for name, value in given.items() if name not in SETTINGS}
    options = {name: value for name, value in given.items() if name in SETTINGS}

    if settings is not None and options:
        raise ConfigError(
            f"settings are given, and {', '.join(options)} as well; put all into one of them"
        )

    def settle(part: Data) -> Settings:
        if settings is not None:
            return settings
        sample = options.get("sample") or choose_sample_ns(part) / 1e9
        return make_settings(part, **(options | {"sample": sample}))

    settle(data)
    space = make_space(declaration, params, where, method, n, seed)
    is_compiled = bool(cls.jit if jit is None else jit)
    return Plan(target, declaration, space, settle, score, keys, is_compiled, seed)


def choose_sample_ns(data: Data) -> int:
    """Return the finest grid of the equity with at most 10,000 samples over the data."""
    span = data.last_ts - data.first_ts
    return next((ns for ns in _SAMPLES_NS if span // ns < _MAX_SAMPLES), _SAMPLES_NS[-1])
