"""What an explorer shows of a run: equity, drawdown, price with fills, and the figures.

Layer 5.
"""

import html
from typing import TYPE_CHECKING, Final

import numpy as np

from livekit.notebook.drawing import Band, Marks, Series, figure
from livekit.research.report import statistics
from livekit.research.report.card import KEY_FIGURES, format_value
from livekit.research.report.figures_series import Fills, fills_of, main_instrument, mids

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["figure_of", "figures_table", "sparkline"]

_BLOCKS: Final = "▁▂▃▄▅▆▇█"
_SPARKS: Final = 48


def figure_of(run: "Run", symbol: str = "") -> str:
    """Return the figure of a run as SVG.

    Parameters
    ----------
    run : Run
    symbol : str
        Whose price and fills to show; by default the most traded one.
    """
    symbols = run.rows.symbols
    fills = fills_of(run, symbols.index(symbol) if symbol else main_instrument(run))
    price = mids(run, fills)
    rows = run.equity_rows
    ts, equity = rows["ts"], rows["equity"]
    peak = np.maximum.accumulate(np.nan_to_num(equity, nan=-np.inf))
    fallen = (equity / peak - 1.0) * 100.0
    net = float(equity[-1] - run.meta["cash"]) if len(equity) else 0.0
    worst = float(np.nanmin(fallen)) if len(fallen) else 0.0
    bands = [
        Band("Equity, quote currency", f"net {net:+,.2f}", [Series(ts, equity, "net")]),
        Band("Drawdown, %", f"worst {worst:.3g} %", [Series(ts, fallen, "drawdown", True)], [], 70),
        Band(
            f"{fills.symbol} and fills",
            f"{len(fills.ts):,} fills: {int(fills.is_buy.sum()):,} ▲ bought, "
            f"{int((~fills.is_buy).sum()):,} ▼ sold",
            [Series(price.ts, price.mid, "price")],
            [_marks(fills, is_buy=True), _marks(fills, is_buy=False)],
            170,
        ),
    ]
    alt = (
        f"Equity of {run.name} ends {net:+,.2f} from its start, its worst drawdown is "
        f"{worst:.3g} percent, with {len(fills.ts):,} fills of {fills.symbol}"
    )
    return figure(bands, (run.rows.start_ns, run.rows.stop_ns), alt)


def _marks(fills: Fills, *, is_buy: bool) -> Marks:
    chosen = fills.is_buy == is_buy
    name, shape = ("buy", "up") if is_buy else ("sell", "down")
    label = f"{int(chosen.sum()):,} fills that {'bought' if is_buy else 'sold'}"
    return Marks(fills.ts[chosen], fills.price[chosen], name, shape, label)


def figures_table(run: "Run") -> str:
    """Return the key figures of a run as HTML."""
    interval = run.rows.interval_ns
    cells = "".join(
        f'<div class="lk-cell" data-key="{key}"><span>'
        f"{html.escape(statistics.label(statistics.find(key), interval))}</span>"
        f"<b>{html.escape(format_value(run.stat(key)))}</b></div>"
        for key in KEY_FIGURES
    )
    return f'<div class="lk-figures">{cells}</div>'


def sparkline(run: "Run") -> str:
    """Return the equity as a line of text."""
    equity = run.equity_rows["equity"]
    equity = equity[np.isfinite(equity)]
    if not len(equity):
        return ""
    chosen = equity[np.linspace(0, len(equity) - 1, min(_SPARKS, len(equity))).astype(int)]
    low, high = float(chosen.min()), float(chosen.max())
    places = (chosen - low) / (high - low or 1.0) * (len(_BLOCKS) - 1)
    return "".join(_BLOCKS[int(place)] for place in np.rint(places))
