"""The fan: one backtest under several assumptions of how orders fill.

A result that only lives under the kindest assumption is none. The fan runs the same
strategy over the same data with four queue models, from the harshest (only the opposite
touch fills) to the kindest (always first in the queue), and shows how far the results lie
apart.
Layer 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livekit.errors import ConfigError
from livekit.research.backtest import backtest
from livekit.research.data import Data
from livekit.research.report.compare import compare
from livekit.research.report.figures_fan import fan_spec
from livekit.research.report.figures_plot import figure
from livekit.research.report.run import Run
from livekit.strategy.api import Strategy

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ASSUMPTIONS", "Fan", "fan"]

ASSUMPTIONS: Final[dict[str, dict[str, Any]]] = {
    "touch only": {"queue": "touch"},
    "risk-averse queue": {"queue": "risk_averse"},
    "probable queue": {"queue": "power_prob"},
    "front of the queue": {"queue": "front"},
}
"""What is assumed of resting orders, from the harshest to the kindest."""

_KEYS: Final = ("net_pnl", "sharpe", "max_drawdown_pct", "n_fills", "maker_ratio_pct", "fees_net")


@dataclass(frozen=True, slots=True)
class Fan:
    """Runs of one strategy over the same data, by what they assume.

    Attributes
    ----------
    runs : mapping of str to Run
    """

    runs: Mapping[str, Run]

    @property
    def frame(self) -> "pd.DataFrame":
        """One row an assumption: profit, Sharpe ratio, drawdown, fills, fees."""
        table: Any = compare(*self.runs.values(), keys=_KEYS)
        table.columns = list(self.runs)
        return table.T

    @property
    def band(self) -> tuple[float, float]:
        """Lowest and highest net profit, quote currency."""
        profits = [float(run.stat("net_pnl")) for run in self.runs.values()]
        return min(profits), max(profits)

    def plot(self, *, theme: str = "light") -> Any:
        """Return the equities as one figure of plotly, the band between them filled."""
        return figure(fan_spec(self.runs), theme)


def fan(
    strategy: type[Strategy] | str | Path,
    data: Data,
    *,
    assumptions: Mapping[str, Mapping[str, Any]] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Fan:
    """Run a backtest under several assumptions.

    Parameters
    ----------
    strategy, data
        As for `backtest`.
    assumptions : mapping, optional
        Name of each, and the options of `backtest` that it changes. Default: ASSUMPTIONS.
    progress : bool, optional
        Whether each run shows its progress.
    **options
        The other options of `backtest`, and the strategy's parameters.

    Raises
    ------
    ConfigError
        There is no assumption, or an option is impossible.
    """
    chosen = ASSUMPTIONS if assumptions is None else assumptions
    if not chosen:
        raise ConfigError("a fan needs an assumption, such as {'kind': {'queue': 'front'}}")
    runs = {}
    for name, change in chosen.items():
        given = {**options, **change}
        runs[name] = backtest(strategy, data, name=name, progress=progress, **given)
        if runs[name].meta["is_partial"]:
            break  # interrupted: what there is, is shown
    return Fan(runs)
