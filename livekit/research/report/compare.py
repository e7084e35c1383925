"""Runs side by side.

Ratios of different sampling intervals are not comparable, so all runs are measured over
the longest interval among them.
Layer 3.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from livekit.errors import ConfigError
from livekit.research.report import statistics
from livekit.research.report.rows import duration_name
from livekit.research.report.run import Run
from livekit.research.report.values import to_series

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COMPARED", "compare"]

COMPARED: Final = (
    *("kind", "strategy", "params", "start", "end", "code_hash", "data_hash", "models"),
    *("net_pnl", "gross_pnl", "total_return_pct", "annual_return_pct", "volatility_pct"),
    *("sharpe", "sharpe_low", "sharpe_high", "sortino", "calmar", "max_drawdown_pct"),
    *("under_water_pct", "n_trades", "win_rate_pct", "profit_factor", "expectancy"),
    *("n_orders", "n_fills", "volume", "turnover_ratio", "fees_net", "funding"),
    *("time_in_market_pct", "max_leverage", "fill_ratio_quantity_pct", "maker_ratio_pct"),
    *("cancel_to_fill", "time_to_fill_p50_s", "edge_bps", "markout_1s_bps", "markout_60s_bps"),
    *("pnl_spread", "pnl_slippage", "pnl_inventory", "pnl_fees", "pnl_rebates", "pnl_funding"),
)
"""Keys of the statistics that are compared when nothing else is asked for."""


def compare(
    *runs: Run | Iterable[Run], keys: Sequence[str] = COMPARED, interval: str | None = None
) -> "pd.DataFrame":
    """Return a frame with one column per run and one row per statistic.

    Parameters
    ----------
    *runs : Run, or iterables of them
    keys : sequence of str
        Of the statistics; by default those of COMPARED.
    interval : str, optional
        What returns are taken over; by default the longest that a run would take.

    Raises
    ------
    ConfigError
        There is no run to compare.
    NotFoundError
        A key names no statistic.
    """
    import pandas as pd  # noqa: PLC0415 - pandas is imported by what needs it

    flat = [run for one in runs for run in ([one] if isinstance(one, Run) else one)]
    if not flat:
        raise ConfigError("there is no run to compare; give at least one")
    longest = max(run.rows.interval_ns for run in flat)
    chosen = interval or duration_name(longest)
    columns = []
    for run in flat:
        values = {
            statistics.label(statistics.find(key), run.interval_ns(chosen)): run.stat(key, chosen)
            for key in keys
        }
        columns.append(to_series(values, run.name))
    return pd.concat(columns, axis=1)
