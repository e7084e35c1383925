"""What a walk-forward found: a row a window, the runs of its tests, one equity of all.

Layer 3.
"""

import functools
import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from livekit.research.report.card import format_value
from livekit.research.report.run import Run
from livekit.research.sweep_result import Sweep

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Fold", "WalkForward", "rank_correlation"]


@dataclass(frozen=True, slots=True)
class Fold:
    """One window.

    Attributes
    ----------
    train_ns, test_ns, end_ns : int
        Begin of the training and of the test, and the test's end, ns since the epoch.
    trained, tested : Sweep
        All sets over both.
    number : int
        The set that was chosen; -1 where no score was finite, and nothing is traded.
    run : Run or None
        Of the chosen set over the test; None where there is none, or it failed.
    """

    train_ns: int
    test_ns: int
    end_ns: int
    trained: Sweep
    tested: Sweep
    number: int
    run: Run | None


class WalkForward:
    """The windows of a walk-forward.

    Attributes
    ----------
    folds : list of Fold
    n_windows : int
        Windows there were to walk.
    """

    def __init__(self, folds: list[Fold], *, n_windows: int) -> None:
        self.folds, self.n_windows = folds, n_windows

    @property
    def is_partial(self) -> bool:
        """Whether it was interrupted before the last window."""
        return len(self.folds) < self.n_windows

    @property
    def runs(self) -> list[Run]:
        """The test runs of the chosen sets, by time."""
        return [fold.run for fold in self.folds if fold.run is not None]

    @functools.cached_property
    def frame(self) -> "pd.DataFrame":
        """One row a window.

        Columns: begin of training and test and end (UTC), the parameters chosen,
        `in_sample` and `out_of_sample` score of them, `rank_correlation` (Spearman's) of
        both scores over all sets, `share_better` (of the sets, how many scored higher in
        the test), and the test's `net_pnl`, `n_fills` and `max_drawdown_pct`.
        """
        import pandas as pd  # noqa: PLC0415 - pandas is imported by what needs it

        return pd.DataFrame([_row(fold) for fold in self.folds])

    @functools.cached_property
    def equity(self) -> "pd.DataFrame":
        """Equity of all tests one after the other, indexed by time (UTC).

        Columns: `equity`, the cash at the start and all profit since, as if every test
        began with what the one before left and traded the same size; `window`.
        """
        import pandas as pd  # noqa: PLC0415

        times, values, numbers = [np.zeros(0, np.int64)], [np.zeros(0)], [np.zeros(0, np.int64)]
        gained = 0.0
        for number, fold in enumerate(self.folds):
            if fold.run is None:
                continue
            ts, net, _ = fold.run.rows.path
            times.append(ts)
            values.append(net + gained)
            numbers.append(np.full(len(ts), number))
            gained += float(net[-1]) - fold.run.rows.cash if len(net) else 0.0
        index = pd.DatetimeIndex(pd.to_datetime(np.concatenate(times), utc=True), name="time")
        columns = {"equity": np.concatenate(values), "window": np.concatenate(numbers)}
        return pd.DataFrame(columns, index=index)

    @property
    def net_pnl(self) -> float:
        """Profit of all tests."""
        return float(sum(run.stat("net_pnl") for run in self.runs))

    @property
    def rank_correlation(self) -> float:
        """Mean over the windows of the rank correlation of both scores; NaN without any."""
        found = self.frame["rank_correlation"].to_numpy(float) if self.folds else np.zeros(0)
        known = found[np.isfinite(found)]
        return float(known.mean()) if len(known) else float("nan")

    def _title(self) -> str:
        parts = [f"walk-forward · {len(self.folds)} of {self.n_windows} windows"]
        parts.append(f"out-of-sample profit {format_value(self.net_pnl)}")
        parts.append(f"rank correlation {format_value(self.rank_correlation)}")
        parts += ["partial"] * self.is_partial
        return " · ".join(parts)

    def __len__(self) -> int:
        return len(self.folds)

    def __repr__(self) -> str:
        return f"<WalkForward {self._title()}>\n{self.frame.to_string()}"

    def _repr_html_(self) -> str:
        table = self.frame.to_html(border=0, float_format=format_value)
        return f"<div><b>{html.escape(self._title())}</b>{table}</div>"


def _row(fold: Fold) -> dict[str, Any]:
    import pandas as pd  # noqa: PLC0415

    trained, tested = fold.trained, fold.tested
    row: dict[str, Any] = {
        name: pd.Timestamp(ns, tz="UTC")
        for name, ns in (("train", fold.train_ns), ("test", fold.test_ns), ("end", fold.end_ns))
    }
    before = trained.frame[trained.score].to_numpy(float)
    after = tested.frame[tested.score].to_numpy(float)
    is_chosen = fold.number >= 0
    chosen = int(np.flatnonzero(trained.frame.index == fold.number)[0]) if is_chosen else 0
    for name in trained.params:
        row[name] = trained.frame[name].iloc[chosen] if is_chosen else np.nan
    row["in_sample"] = before[chosen] if is_chosen else np.nan
    row["out_of_sample"] = own = after[chosen] if is_chosen else np.nan
    row["rank_correlation"] = rank_correlation(before, after)
    known = after[np.isfinite(after)]
    row["share_better"] = float(np.mean(known > own)) if len(known) and own == own else np.nan  # noqa: PLR0124 - NaN
    for key in ("net_pnl", "n_fills", "max_drawdown_pct"):
        row[key] = np.nan if fold.run is None else fold.run.stat(key)
    return row


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation of what is finite in both; equal values share a rank.

    NaN for fewer than three pairs, or where one side is all equal.
    """
    known = np.isfinite(a) & np.isfinite(b)
    if known.sum() < 3:
        return float("nan")
    ranks = np.stack([_ranks(one[known]) for one in (a, b)])
    if (np.ptp(ranks, axis=1) == 0).any():
        return float("nan")
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    mean_rank: np.ndarray = np.cumsum(counts) - (counts - 1) / 2
    return mean_rank[place]
