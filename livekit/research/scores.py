"""The figures of a sweep's rows: which statistics, and the score that ranks them.

The names are the keys of `Run.stat`, and so are the values: a row says of a parameter
set what its backtest would. What takes longer than the backtest itself, such as the
bootstrap, is only computed when it is asked for by name.
Layer 3.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np

from livekit.errors import ConfigError, NotFoundError
from livekit.research.report import statistics
from livekit.research.report.run import Run

__all__ = ["Score", "choose_keys", "figures_of", "name_of_score", "plateau"]

Score = str | Callable[[Run], float]

_COUNTS: Final = ("n_orders", "n_fills", "n_errors")
_ALWAYS: Final = ("Return", "Risk", "Ratios", "Attribution")
_ALL: Final = (*_ALWAYS, "Trades", "Activity", "Exposure", "Execution")
_NO_NUMBER: Final = frozenset({"text", "time"})


def name_of_score(score: Score) -> str:
    """Return the column that the score stands in.

    Raises
    ------
    ConfigError
        It is neither a function nor the name of a statistic that is a number.
    """
    if callable(score):
        return "score"
    try:
        unit = statistics.find(str(score)).unit
    except NotFoundError as error:
        raise ConfigError(
            f"score {score!r} is no statistic: {error}; or give a function of the run, such as "
            "lambda run: run.stat('net_pnl')"
        ) from None
    if unit in _NO_NUMBER:
        raise ConfigError(f"score {score!r} is a {unit}, expected a statistic that is a number")
    return str(score)


def choose_keys(stats: str | Iterable[str] | None, score: Score) -> tuple[str, ...]:
    """Return the keys of all statistics that a row shows, in the order of `Run.stats`.

    Parameters
    ----------
    stats : str or iterable of str, optional
        What to show besides counts, returns, risk, ratios and attribution: keys, names
        of groups, or ``"all"``.
    score : str or callable

    Raises
    ------
    ConfigError
        There is no such statistic or group.
    """
    wanted = set(_COUNTS)
    groups = set(_ALWAYS)
    for one in (stats,) if isinstance(stats, str) else stats or ():
        if one == "all":
            groups |= set(_ALL)
        elif one in statistics.GROUPS:
            groups.add(one)
        else:
            try:
                wanted.add(statistics.find(one).key)
            except NotFoundError as error:
                known = ", ".join(map(repr, statistics.GROUPS))
                raise ConfigError(f"{error}; the groups are {known}, or 'all'") from None
    if not callable(score):
        wanted.add(score)
    for group in groups:
        wanted |= {one.key for one in statistics.GROUPS[group][0]}
    return tuple(one.key for one in statistics.STATISTICS if one.key in wanted)


def figures_of(run: Run, keys: Sequence[str], score: Score) -> dict[str, Any]:
    """Return the figures of a run by key, the score of a function first."""
    found: dict[str, Any] = {}
    if callable(score):
        found["score"] = float(score(run))
    for key in keys:
        found[key] = run.stat(key)
    return found


def plateau(scores: np.ndarray, places: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return how good the surroundings of each row are: a mean over its place in the grid.

    Parameters
    ----------
    scores : float64[n]
    places : int64[n, n_parameters]
        Number of the value of each parameter.
    shape : sequence of int
        Number of values of each parameter.

    Returns
    -------
    float64[n]
        Mean of the row's own score and of those one step away in one parameter, as far
        as they are there and finite; NaN where the own one is not.
    """
    cells = np.ravel_multi_index(tuple(places.T), tuple(shape)) if len(shape) else np.zeros(0, int)
    order = np.argsort(cells)
    known = np.isfinite(scores)
    total, count = np.where(known, scores, 0.0), known.astype(float)
    own, weight = total.copy(), count.copy()
    for axis, length in enumerate(shape):
        step = int(np.prod(shape[axis + 1 :]))
        for way in (-1, 1):
            inside = (places[:, axis] + way >= 0) & (places[:, axis] + way < length)
            found = np.searchsorted(cells[order], cells + way * step)
            row = order[np.minimum(found, len(order) - 1)]
            is_there = inside & (cells[row] == cells + way * step)
            total += np.where(is_there, own[row], 0.0)
            count += np.where(is_there, weight[row], 0.0)
    return np.where(known, total / np.where(count > 0, count, 1.0), np.nan)
