"""What a sweep found: a frame with a row a parameter set, and the runs behind it.

The frame's columns are the parameters that were given, the score if it was a function,
`plateau` (mean of the score over a set's neighbours in the grid and itself: a peak that
stands alone is luck), the statistics by their keys, and `error`, empty where all went
well. A statistic named like a parameter has an underscore behind its name.
Layer 3.
"""

import functools
import html
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.errors import ConfigError, NotFoundError
from livekit.research.backtest import Target
from livekit.research.data import Data
from livekit.research.report.card import format_value
from livekit.research.report.run import Run
from livekit.research.scores import name_of_score, plateau
from livekit.research.simulation import Settings
from livekit.research.sweep_space import Space
from livekit.research.workers import Bench, Job, Outcome

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Sweep"]

_SHOWN: Final = 10
_SHOWN_FIGURES: Final = ("net_pnl", "total_return_pct", "sharpe", "max_drawdown_pct", "n_fills")


class Sweep:
    """The rows of a sweep.

    Attributes
    ----------
    params : dict of str to list
        The parameters that were varied, and their values.
    score : str
        The column that ranks the rows, higher is better.
    settings : Settings
        Of all runs; ``backtest(..., settings=sweep.settings)`` gives a row's figures.
    is_partial : bool
        Whether it was interrupted: sets without an outcome have no row.
    n_sets : int
        Parameter sets there were to run.
    wall_s : float
        How long it took.
    """

    def __init__(
        self,
        job: Job,
        data: Data,
        space: Space,
        outcomes: dict[int, Outcome],
        *,
        is_partial: bool,
        wall_s: float,
    ) -> None:
        self._job, self._data, self._space = job, data, space
        self._outcomes = {i: outcomes[i] for i in sorted(outcomes)}
        self.score = self._column_of(name_of_score(job.score))
        self.is_partial, self.wall_s = is_partial, wall_s

    @property
    def params(self) -> dict[str, list[float]]:
        """The parameters that were varied, and their values."""
        return {name: list(values) for name, values in self._space.varied.items()}

    @property
    def n_sets(self) -> int:
        """Parameter sets there were to run."""
        return len(self._space.sets)

    @property
    def settings(self) -> Settings:
        """Of all runs."""
        return self._job.settings

    @property
    def target(self) -> Target:
        """File and hash of the strategy."""
        return self._job.target

    @property
    def _given(self) -> list[str]:
        return [*self._space.varied, *self._space.fixed]

    def _column_of(self, key: str) -> str:
        return f"{key}_" if key in self._given else key

    @functools.cached_property
    def frame(self) -> "pd.DataFrame":
        """One row a parameter set that was run, in the order of the grid; see the module.

        The index is the number of the set, which `run` takes.
        """
        import pandas as pd  # noqa: PLC0415 - pandas is imported by what needs it

        numbers = list(self._outcomes)
        columns: dict[str, Any] = {
            name: [self._space.sets[i][name] for i in numbers] for name in self._given
        }
        keys = [*(["score"] if callable(self._job.score) else []), *self._job.keys]
        for key in keys:
            name = self._column_of(key)
            columns[name] = _column([one.figures.get(key) for one in self._outcomes.values()])
            if name == self.score:
                columns[self._column_of("plateau")] = self._plateau(numbers, columns[name])
        columns[self._column_of("error")] = [one.error for one in self._outcomes.values()]
        return pd.DataFrame(columns, index=pd.Index(numbers, name="set"))

    def _plateau(self, numbers: list[int], scores: Any) -> np.ndarray:
        shape = [len(values) for values in self._space.varied.values()]
        return plateau(np.asarray(scores, float), self._space.places[numbers], shape)

    @property
    def failures(self) -> "pd.DataFrame":
        """The rows whose run failed, with their error."""
        frame = self.frame
        error = self._column_of("error")
        return frame.loc[frame[error] != "", [*self._given, error]]

    @property
    def best(self) -> "pd.Series[Any]":
        """The row with the highest score; its name is the number of the set.

        Raises
        ------
        NotFoundError
            No row has a finite score.
        """
        scores = self.frame[self.score].to_numpy(float)
        if not np.isfinite(scores).any():
            raise NotFoundError(
                f"none of {len(scores)} rows has a finite {self.score!r}; see sweep.frame, or rank "
                "by another score"
            )
        row: pd.Series[Any] = self.frame.iloc[int(np.nanargmax(_finite(scores)))]
        return row

    @property
    def best_params(self) -> dict[str, float]:
        """All parameters of the best row, as `backtest` and `attach` take them."""
        return dict(self._space.sets[int(str(self.best.name))])

    def run(self, number: int | None = None, *, progress: bool | None = None) -> Run:
        """Return the whole run of a row, made anew.

        Parameters
        ----------
        number : int, optional
            Of the set, the frame's index; the best by default.
        progress : bool, optional

        Raises
        ------
        NotFoundError
            There is no such set.
        StrategyError
            Its run fails, or the strategy's file has changed since.
        """
        chosen = int(str(self.best.name)) if number is None else int(number)
        if not 0 <= chosen < self.n_sets:
            raise NotFoundError(
                f"there is no parameter set {number!r}, expected the index of a row of the frame"
            )
        values = self._space.sets[chosen]
        said = ", ".join(f"{name}={values[name]:.6g}" for name in self._space.varied)
        name = f"{self._bench.name} {said}".strip()
        return self._bench.full_run(values, name=name, progress=progress)

    @functools.cached_property
    def _bench(self) -> Bench:
        return Bench(self._job, self._data)

    # Views.

    def heatmap(
        self, x: str | None = None, y: str | None = None, value: str | None = None, **options: Any
    ) -> Any:
        """Return a heatmap of a column over two parameters, a figure of plotly.

        Parameters
        ----------
        x, y : str, optional
            The first two varied parameters by default. Further ones become a slider.
        value : str, optional
            The score by default.
        **options
            Of `livekit.research.report.figures.heatmap`.

        Raises
        ------
        ConfigError
            Fewer than two parameters were varied, or a column is none.
        """
        from livekit.research.report.figures import heatmap  # noqa: PLC0415 - imports plotly

        names = [name for name in self._space.varied if name not in {x, y}]
        if len(names) < (x is None) + (y is None):
            raise ConfigError(
                f"a heatmap needs two varied parameters, the sweep varied "
                f"{', '.join(self._space.varied) or 'none'}; see sweep.plot()"
            )
        x = names.pop(0) if x is None else x
        y = names.pop(0) if y is None else y
        options = {"by": names} | options
        return heatmap(self._done, x, y, value or self.score, **options)

    def plot(self, **options: Any) -> Any:
        """Return parallel coordinates of all rows, coloured by score, a figure of plotly.

        Parameters
        ----------
        **options
            Of `livekit.research.report.figures.parallel`.
        """
        from livekit.research.report.figures import parallel  # noqa: PLC0415 - imports plotly

        return parallel(self._done, list(self._space.varied), self.score, **options)

    @property
    def _done(self) -> "pd.DataFrame":
        """The rows that have figures."""
        return self.frame[self.frame[self._column_of("error")] == ""]

    def _top(self) -> "pd.DataFrame":
        shown = [name for name in _SHOWN_FIGURES if name in self.frame and name != self.score]
        names = [*self._space.varied, self.score, self._column_of("plateau"), *shown]
        ranked = self._done.sort_values(self.score, ascending=False, kind="stable")
        return ranked[list(dict.fromkeys(names))].head(_SHOWN)

    def _title(self) -> str:
        n_failed = sum(bool(one.error) for one in self._outcomes.values())
        parts = [f"{self._job.target.class_name or self._job.target.path.stem} · sweep"]
        parts.append(f"{len(self._outcomes):,} of {self.n_sets:,} parameter sets")
        parts.append(f"{self._data.n_events:,} events each in {self.wall_s:.1f} s")
        parts += [f"{n_failed} failed"] * bool(n_failed) + ["partial"] * self.is_partial
        return " · ".join(parts)

    def __len__(self) -> int:
        return len(self._outcomes)

    def __repr__(self) -> str:
        return f"<Sweep {self._title()}>\n{self._top().to_string()}"

    def _repr_html_(self) -> str:
        top = self._top()
        head = "".join(
            f'<th style="text-align:right;padding:2px 8px">{html.escape(str(name))}</th>'
            for name in ("set", *top.columns)
        )
        rows = ""
        for number, row in zip(top.index, top.itertuples(index=False), strict=True):
            cells = "".join(
                f'<td style="text-align:right;padding:2px 8px;font-variant-numeric:tabular-nums">'
                f"{html.escape(text)}</td>"
                for text in (str(number), *map(format_value, row))
            )
            rows += f'<tr style="background:none">{cells}</tr>'
        return (
            '<div style="display:inline-block;border:1px solid rgba(128,128,128,.4);'
            'border-radius:6px;padding:8px 12px;color:inherit;background:none">'
            f"<div><b>{html.escape(self._title())}</b></div>"
            '<table style="border-collapse:collapse;color:inherit;margin:4px 0 0">'
            f'<thead><tr style="background:none">{head}</tr></thead><tbody>{rows}</tbody></table>'
            "</div>"
        )


def _finite(scores: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(scores), scores, np.nan)


def _column(values: list[Any]) -> Any:
    """Return values as a column: times in UTC, numbers, NaN where a run has none."""
    import pandas as pd  # noqa: PLC0415

    if any(isinstance(value, np.datetime64) for value in values):
        ns = [np.datetime64("NaT") if value is None else value for value in values]
        return pd.to_datetime(np.array(ns, "datetime64[ns]"), utc=True)
    if any(isinstance(value, str | dict | list) for value in values):
        return [None if value is None else value for value in values]
    if any(value is None for value in values):
        return [math.nan if value is None else value for value in values]
    return values
