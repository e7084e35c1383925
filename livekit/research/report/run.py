"""A run: one object for backtest, replay, paper and live.

    run.stats; run.orders; run.fills; run.equity; run.positions; run.trades
    run.plot(); run.report("run.html"); run.save("runs/ema"); Run.load("runs/ema")

Everything follows from three arrays and a dictionary (trading/ledger_layout), so a
live panel and a backtest's report show the same numbers by the same code. Nothing is
computed before it is asked for, and what was is kept.
Layer 3.
"""

import functools
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.errors import ConfigError
from livekit.research.report import statistics
from livekit.research.report.bootstrap import bootstrap
from livekit.research.report.identity import differences, run_hash
from livekit.research.report.rows import Rows
from livekit.research.report.values import to_json, to_series

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run"]

_UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "min": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}


class Run:
    """What came of one strategy over one stretch of time.

    Parameters
    ----------
    meta : dict
        What the run says of itself, as JSON takes it.
    orders : ndarray[ORDER_LOG]
    fills : ndarray[FILL_LOG]
    equity : ndarray[EQUITY_LOG]
    marks : float64[len(equity), n_instruments], optional
        Mark of each instrument at each sample of the equity. With it the run is compared
        with buy and hold.

    Raises
    ------
    DataError
        An array is not of its layout.

    Notes
    -----
    The arrays belong to the run and must not be changed.
    """

    def __init__(
        self,
        meta: dict[str, Any],
        orders: np.ndarray,
        fills: np.ndarray,
        equity: np.ndarray,
        marks: np.ndarray | None = None,
    ) -> None:
        self.meta = meta
        self.rows = Rows(meta, orders, fills, equity, marks)
        self._groups: dict[tuple[str, int], dict[str, Any]] = {}

    # The rows as the ledger wrote them.

    @property
    def order_rows(self) -> np.ndarray:
        """ORDER_LOG rows, one an order."""
        return self.rows.orders

    @property
    def fill_rows(self) -> np.ndarray:
        """FILL_LOG rows, one a fill."""
        return self.rows.fills

    @property
    def equity_rows(self) -> np.ndarray:
        """EQUITY_LOG rows, one a sample."""
        return self.rows.equity

    @property
    def marks(self) -> np.ndarray | None:
        """float64[n_samples, n_instruments], or None where the run kept none."""
        return self.rows.marks

    @property
    def name(self) -> str:
        """Name of the run."""
        return str(self.meta.get("name") or self.meta.get("strategy") or "run")

    # Frames.

    @functools.cached_property
    def orders(self) -> "pd.DataFrame":
        """One row per order, refused ones too, in order of creation."""
        from livekit.research.report.frames import orders_frame  # noqa: PLC0415 - pandas

        return orders_frame(self.rows)

    @functools.cached_property
    def fills(self) -> "pd.DataFrame":
        """One row per fill: position after it, mid, edge, time to fill, markouts in bps."""
        from livekit.research.report.frames import fills_frame  # noqa: PLC0415

        return fills_frame(self.rows)

    @functools.cached_property
    def equity(self) -> "pd.DataFrame":
        """One row per sample: equity, profit net and gross, returns, drawdown, exposure."""
        from livekit.research.report.frames import equity_frame  # noqa: PLC0415

        return equity_frame(self.rows)

    @functools.cached_property
    def positions(self) -> "pd.DataFrame":
        """Position in units, one column per symbol, one row per change."""
        from livekit.research.report.frames import positions_frame  # noqa: PLC0415

        return positions_frame(self.rows)

    @functools.cached_property
    def trades(self) -> "pd.DataFrame":
        """One row per round trip, flat to flat."""
        from livekit.research.report.frames import trades_frame  # noqa: PLC0415

        return trades_frame(self.rows)

    # Statistics.

    @property
    def stats(self) -> "pd.Series[Any]":
        """Every statistic by its name and unit, as ``statistics.STATISTICS`` defines them."""
        return self.statistics()

    def statistics(self, interval: str | None = None) -> "pd.Series[Any]":
        """Return every statistic by its name and unit.

        Parameters
        ----------
        interval : str, optional
            What returns are taken over, such as ``"1h"``. By default the longest of 1 d,
            1 h, 1 min and 1 s that gives at least 30 returns, or the samples' own. Ratios
            are annualised to 365 days of it, and say so in their names.
        """
        groups = self.stats_by_group(interval)
        merged = {label: value for one in groups.values() for label, value in one.items()}
        return to_series(merged, self.name)

    def stats_by_group(self, interval: str | None = None) -> dict[str, "pd.Series[Any]"]:
        """Return the statistics of each group: Run, Return, Risk, Ratios and so on."""
        rows = self._rows_over(interval)
        found = {}
        for group, (table, _) in statistics.GROUPS.items():
            values = self._group(group, rows)
            labels = {statistics.label(one, rows.interval_ns): values[one.key] for one in table}
            found[group] = to_series(labels, group)
        return found

    def stat(self, key: str, interval: str | None = None) -> Any:
        """Return one statistic by its key, such as ``sharpe``; only its group is computed.

        Raises
        ------
        NotFoundError
            There is no such statistic.
        """
        return self._group(statistics.group_of(key), self._rows_over(interval))[key]

    def to_dict(self, interval: str | None = None) -> dict[str, Any]:
        """Return meta and statistics as JSON takes them: values by key, NaN as None."""
        rows = self._rows_over(interval)
        stats = {group: self._group(group, rows) for group in statistics.GROUPS}
        found: dict[str, Any] = to_json({"meta": self.meta, "stats": stats, "hash": self.hash})
        return found

    def bootstrap(
        self,
        n_resamples: int = 1000,
        *,
        confidence: float = 0.95,
        length: float | None = None,
        seed: int = 0,
        interval: str | None = None,
    ) -> dict[str, tuple[float, float]]:
        """Return (low, high) of ``sharpe``, ``return`` and ``drawdown``, fractions.

        Stationary block bootstrap; see `livekit.research.report.bootstrap`.
        """
        rows = self._rows_over(interval)
        values = rows.returns[np.isfinite(rows.returns)]
        return bootstrap(
            values,
            rows.periods_per_year,
            length=length,
            n_resamples=n_resamples,
            confidence=confidence,
            seed=seed,
        )

    def interval_ns(self, interval: str | None = None) -> int:
        """Return the interval of the returns in ns, the run's own or a given one's."""
        if interval is None:
            return self.rows.interval_ns
        match = re.fullmatch(r"(\d+)\s*(ns|us|ms|s|min|h|d)", interval.strip())
        if not match or not int(match[1]):
            raise ConfigError(
                f"interval {interval!r} is no duration; give one such as '1h', '5min' or '1d'"
            )
        return int(match[1]) * _UNITS_NS[match[2]]

    def _rows_over(self, interval: str | None) -> Rows:
        if interval is None:
            return self.rows
        return self.rows.with_interval(self.interval_ns(interval))

    def _group(self, group: str, rows: Rows) -> dict[str, Any]:
        place = (group, rows.interval_ns)
        if place not in self._groups:
            self._groups[place] = statistics.measure(rows, group)
        return self._groups[place]

    # Identity.

    @functools.cached_property
    def hash(self) -> str:
        """16 hex digits over all orders and fills: equal for equal decisions and fills."""
        return run_hash(self.rows)

    def differences(self, other: "Run") -> list[str]:
        """Say where another run first differs, one sentence each for orders, fills, equity.

        Empty when all rows are equal to the bit. What a wall clock or the account's
        history writes (client order ids) is left out.
        """
        return differences(self.rows, other.rows)

    def check(self) -> list[str]:
        """Say what in the rows contradicts itself, one sentence each; empty when nothing does."""
        from livekit.research.report.check import contradictions  # noqa: PLC0415 - rarely asked

        return contradictions(self.rows)

    # Storage.

    def plot(self, prices: Any = None, *, symbol: str | None = None, theme: str = "light") -> Any:
        """Return one figure: equity, drawdown, price with fills, position.

        Parameters
        ----------
        prices : pandas.DataFrame, optional
            Mids to draw: columns ``time`` and ``mid``, and ``symbol`` if there are several.
        symbol : str, optional
            Instrument of the price panel; the most traded one by default.
        theme : str
            ``light`` or ``dark``.

        Returns
        -------
        plotly.graph_objects.Figure

        Raises
        ------
        ConfigError
            plotly is not installed, or the run has no such symbol.
        """
        from livekit.research.report.figures import overview  # noqa: PLC0415 - heavy

        return overview(self, prices, symbol=symbol, theme=theme)

    def overlay(self, other: "Run", *, symbol: str | None = None, theme: str = "light") -> Any:
        """Return one figure of this run and another: equity, difference, position, orders.

        Where the two first decided differently a line says so; of a replay and its backtest
        there should be none.

        Raises
        ------
        ConfigError
            plotly is not installed, or the runs have nothing in common.
        """
        from livekit.research.report.figures_overlay import overlay_spec  # noqa: PLC0415 - heavy
        from livekit.research.report.figures_plot import figure  # noqa: PLC0415

        return figure(overlay_spec(self, other, symbol), theme)

    def ladder(self, data: Any, fill: int = -1, *, theme: str = "light") -> Any:
        """Return a figure of the book just before a fill, with own orders and prints.

        Parameters
        ----------
        data : Data
            What the run was made of.
        fill : int
            Place in `fills`, from the end when negative.

        Raises
        ------
        ConfigError
            plotly is not installed.
        NotFoundError
            There is no such fill, or no book before it.
        """
        from livekit.research.report.figures_ladder import ladder_spec  # noqa: PLC0415 - heavy
        from livekit.research.report.figures_plot import figure  # noqa: PLC0415

        return figure(ladder_spec(self, data, fill), theme)

    def report(
        self,
        path: str | os.PathLike[str],
        prices: Any = None,
        *,
        fan: Any = None,
        against: "Run | None" = None,
        data: Any = None,
    ) -> Path:
        """Write the run's report, one HTML file that loads nothing; return its path.

        Parameters
        ----------
        path : path-like
        prices : pandas.DataFrame, optional
            Mids to draw, as for `plot`.
        fan : Fan, optional
            From `livekit.fan`: how much hangs on the fills.
        against : Run, optional
            The same strategy run elsewhere, to lay over this run.
        data : Data, optional
            What the run was made of: the book at its worst fill is drawn from it.

        Raises
        ------
        ConfigError
            plotly is not installed, or the file cannot be written.
        """
        from livekit.research.report.figures_doubt import doubts  # noqa: PLC0415 - heavy
        from livekit.research.report.html import report  # noqa: PLC0415

        extra = doubts(self, fan=fan, against=against, data=data)
        return report(self, path, prices, extra=extra)

    def save(self, folder: "str | os.PathLike[str]") -> Path:
        """Write the run as a folder, whole or not at all; replace the run there was.

        Raises
        ------
        ConfigError
            The folder holds something that is no run.
        DataError
            It cannot be written.
        """
        from livekit.research.report.storage import save  # noqa: PLC0415 - imports pyarrow

        return save(self.rows, folder)

    @classmethod
    def load(cls, folder: "str | os.PathLike[str]") -> "Run":
        """Read a saved run.

        Raises
        ------
        NotFoundError
            There is no run.
        DataError
            A file of it is broken, or of another version.
        """
        from livekit.research.report.storage import load  # noqa: PLC0415 - imports pyarrow

        return cls(*load(folder))

    # Views.

    def __repr__(self) -> str:
        from livekit.research.report.card import to_text  # noqa: PLC0415 - when shown

        return to_text(self)

    def _repr_html_(self) -> str:
        from livekit.research.report.card import to_html  # noqa: PLC0415 - when shown

        return to_html(self)
