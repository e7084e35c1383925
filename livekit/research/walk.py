"""Walk-forward: choose parameters on one stretch of data, trade them on the next.

    walk = lk.walk_forward(EmaCross, data, train="6h", test="2h", fast=[...], slow=[...])
    walk.frame; walk.equity; walk.runs[0]

For each window the sets are swept over `train`, and the best is run over `test`, which
begins where `train` ends: nothing that chose it saw what it trades. All other sets are
run over `test` as well, to say whether the order found in training means anything: the
rank correlation of both scores, and how many sets would have done better. A strategy
begins every stretch anew and flat.
Layer 3.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.errors import ConfigError, NotFoundError
from livekit.research.data import Data
from livekit.research.report.run import Run
from livekit.research.scores import Score
from livekit.research.settings import to_duration_ns
from livekit.research.simulation import Settings
from livekit.research.sweep import Plan, make_plan
from livekit.research.sweep_result import Sweep
from livekit.research.sweep_space import Where
from livekit.research.walk_result import Fold, WalkForward
from livekit.research.workers_crew import Crew
from livekit.strategy.api import Strategy

__all__ = ["walk_forward"]

_MAX_WINDOWS: Final = 10_000


@dataclass(frozen=True, slots=True)
class _Window:
    """Begin of the training and of the test, and the test's end; ns."""

    train_ns: int
    test_ns: int
    end_ns: int


def walk_forward(
    strategy: type[Strategy] | str | Path,
    data: Data,
    train: float | str,
    test: float | str,
    step: float | str | None = None,
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
) -> WalkForward:
    """Choose parameters on each stretch of data, and trade them on the one after it.

    Parameters
    ----------
    strategy, data
        See `sweep`.
    train, test : str or float
        How long to choose and to trade, such as ``"6h"``; seconds when a number.
    step : str or float, optional
        From one window to the next, at least `test`, which is the default. The last test
        may be cut by the end of the data, down to half.
    where, score, method, n, stats, executor, workers, jit, seed, progress, params, settings
        See `sweep`.
    **settings_and_params
        See `sweep`.

    Returns
    -------
    WalkForward
        Partial when it was interrupted: with the windows that were done by then.

    Raises
    ------
    ConfigError
        The data is too short for one window, or what `sweep` raises.
    """
    windows = _windows(data, train, test, step)
    plan = make_plan(
        strategy,
        data,
        {**settings_and_params, **(params or {})},
        where=where,
        score=score,
        method=method,
        n=n,
        stats=stats,
        jit=jit,
        seed=seed,
        settings=settings,
    )
    folds: list[Fold] = []
    with Crew(executor, workers, len(plan.space.sets), is_compiled=plan.is_compiled) as crew:
        parts = list(_parts(data, windows))
        for number, (window, train_data, test_data) in enumerate(parts):
            label = f"window {number + 1} of {len(parts)}"
            fold = _fold(plan, crew, window, (train_data, test_data), label, progress=progress)
            if fold is None:
                break
            folds.append(fold)
    return WalkForward(folds, n_windows=len(parts))


def _windows(
    data: Data, train: float | str, test: float | str, step: float | str | None
) -> list[_Window]:
    train_ns, test_ns = to_duration_ns(train, "train"), to_duration_ns(test, "test")
    step_ns = test_ns if step is None else to_duration_ns(step, "step")
    if step_ns < test_ns:
        raise ConfigError(
            f"step is {step!r}, expected at least test ({test!r}): tests that overlap would count "
            "the same profit twice"
        )
    first = data.first_ts
    last_begin = data.last_ts + 1 - train_ns - test_ns // 2
    if last_begin < first:
        hours = (data.last_ts - first) / 3_600e9
        raise ConfigError(
            f"the data covers {hours:.3g} h, too little for train={train!r} and test={test!r}; "
            "load more, or give shorter ones"
        )
    count = (last_begin - first) // step_ns + 1
    if count > _MAX_WINDOWS:
        raise ConfigError(f"there are {count:,} windows, expected at most {_MAX_WINDOWS:,}")
    begins = [first + k * step_ns for k in range(count)]
    return [_Window(one, one + train_ns, one + train_ns + test_ns) for one in begins]


def _parts(data: Data, windows: list[_Window]) -> Iterator[tuple[_Window, Data, Data]]:
    """Yield the windows that have data on both sides."""
    n_found = 0
    for window in windows:
        try:
            train = data[window.train_ns : window.test_ns]
            test = data[window.test_ns : window.end_ns]
        except NotFoundError:
            continue  # a hole in the recording
        n_found += 1
        yield window, train, test
    if not n_found:
        raise ConfigError("no window has data in both its stretches; give longer ones")


def _fold(
    plan: Plan,
    crew: Crew,
    window: _Window,
    parts: tuple[Data, Data],
    label: str,
    *,
    progress: bool | None,
) -> Fold | None:
    """Choose on the first part and trade on the second; None when interrupted."""
    train, test = parts
    # One grid of the equity for both, so that their scores are of one kind.
    sample_ns = plan.settings(test).sample_ns
    sweeps: list[Sweep] = []
    for name, part in (("train", train), ("test", test)):
        settings = replace(plan.settings(part), sample_ns=sample_ns)
        found = plan.run(crew, part, progress=progress, label=f"{label}, {name}", settings=settings)
        if found.is_partial:
            return None
        sweeps.append(found)
    trained, tested = sweeps
    number = _best(trained)
    run: Run | None = None
    if number >= 0 and number not in tested.failures.index:
        run = tested.run(number, progress=False)
        if run.meta["is_partial"]:
            return None
    return Fold(window.train_ns, window.test_ns, window.end_ns, trained, tested, number, run)


def _best(trained: Sweep) -> int:
    """Return the best set, -1 where no score is finite (nothing was traded)."""
    if not np.isfinite(trained.frame[trained.score].to_numpy(float)).any():
        return -1
    return int(str(trained.best.name))
