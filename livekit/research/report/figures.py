"""The figures a user asks for: of a run, and of a sweep.

They are objects of plotly, which a notebook shows and zooms. All the work is done
here: what goes to the browser is thinned to the extremes of what the screen can show,
so a run of a million fills is drawn as fast as one of a thousand.
Layer 3.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from livekit.errors import ConfigError
from livekit.research.report.figures_plot import Panel, Spec, figure, stack
from livekit.research.report.figures_series import fills_of, main_instrument, mids
from livekit.research.report.figures_sweep import heatmap_spec, parallel_spec
from livekit.research.report.figures_time import (
    drawdown_panel,
    equity_panel,
    position_panel,
    price_panel,
)

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["heatmap", "overview", "overview_spec", "parallel"]


def overview(
    run: "Run", prices: Any = None, *, symbol: str | None = None, theme: str = "light"
) -> Any:
    """Return one figure of a run: equity, drawdown, price with fills, position.

    Parameters
    ----------
    run : Run
        Of any kind; without fills the price and the position stay empty.
    prices : pandas.DataFrame, optional
        Mids to draw: columns ``time`` and ``mid``, and ``symbol`` if there are several.
        Without it the price is the run's marks, or the middle of the touch at each fill.
    symbol : str, optional
        Whose price and fills to show. Default: of the largest traded notional.
    theme : {"light", "dark"}
        Colours of the figure.

    Returns
    -------
    plotly.graph_objects.Figure
        All panels share one axis of time, UTC. A line has at most 4,000 points, the
        extremes of what it stands for.

    Raises
    ------
    ConfigError
        plotly is not installed, the symbol is not of the run, the run has no equity, or
        `prices` lacks a column.
    """
    return figure(overview_spec(run, prices, symbol), theme)


def overview_spec(run: "Run", prices: Any = None, symbol: str | None = None) -> Spec:
    """Return `overview` as the dictionary that plotly.js reads."""
    if not len(run.rows.path[0]):
        raise ConfigError(f"run {run.name!r} has no sample of its equity to draw")
    fills = fills_of(run, _instrument(run, symbol))
    found = mids(run, fills, prices)
    panels: list[Panel] = [
        equity_panel(run, fills, found),
        drawdown_panel(run),
        price_panel(fills, found),
        position_panel(run),
    ]
    return stack(panels, 900, span=(run.rows.start_ns, run.rows.stop_ns))


def _instrument(run: "Run", symbol: str | None) -> int:
    if symbol is None:
        return main_instrument(run)
    symbols = run.rows.symbols
    if symbol not in symbols:
        raise ConfigError(f"the run has no symbol {symbol!r}; it has {', '.join(symbols)}")
    return symbols.index(symbol)


def heatmap(
    frame: Any, x: str, y: str, value: str, *, by: Sequence[str] = (), theme: str = "light"
) -> Any:
    """Return a heatmap of one statistic over two parameters of a sweep.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a run: parameters and statistics.
    x, y : str
        The parameters along the axes.
    value : str
        The statistic that gives the colour; NaN leaves a cell blank.
    by : sequence of str
        Further parameters: a slider goes through their combinations, all on one scale.
        Runs that differ in parameters not named here are averaged.
    theme : {"light", "dark"}
        Colours of the figure.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    ConfigError
        A column is missing or has no finite value, a parameter is named twice, or the
        slider would have more than 200 steps.
    """
    return figure(heatmap_spec(frame, x, y, value, tuple(by)), theme)


def parallel(frame: Any, columns: Sequence[str], color: str, *, theme: str = "light") -> Any:
    """Return parallel coordinates of a sweep: a line a run, through each of its values.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row a run: parameters and statistics; at most 20,000.
    columns : sequence of str
        The upright axes from left to right; `color` comes last.
    color : str
        The statistic that colours the lines; runs where it is NaN are left out.
    theme : {"light", "dark"}
        Colours of the figure.

    Returns
    -------
    plotly.graph_objects.Figure

    Raises
    ------
    ConfigError
        A column is missing, or there is nothing to draw, or too much.
    """
    return figure(parallel_spec(frame, columns, color), theme)
