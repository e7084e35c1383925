"""The book at one moment of a run: what was shown, what rested, what had traded.

The way back to a fill that looks odd: the last book or quote before it, the own orders
that rested then, and the prints around it.
Layer 3.
"""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from livekit.errors import NotFoundError
from livekit.events import Kind
from livekit.research.report.figures_plot import Spec, plain_layout, titled
from livekit.research.report.theme import LIGHT, band
from livekit.research.report.values import iso_time

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["ladder_spec"]

_AROUND_NS: Final = 1_000_000_000
_MOST_PRINTS: Final = 200


class _Side(NamedTuple):
    """Levels of one side of a book."""

    price: np.ndarray
    size: np.ndarray


def ladder_spec(run: "Run", data: Any, fill: int) -> Spec:
    """Return the book just before fill number `fill`, with own orders and prints.

    Raises
    ------
    NotFoundError
        The run has no such fill, or the data has no book or quote before it.
    """
    rows = run.rows
    n_fills = len(rows.fills)
    if not -n_fills <= fill < n_fills:
        raise NotFoundError(f"the run has no fill {fill}; it has {n_fills}, counted from 0")
    row = rows.fills[fill]
    symbol = rows.symbols[int(row["instrument"])]
    ts = int(row["ts_venue"])
    bids, asks, seen_ns = _book(data, symbol, ts)
    side = "bought" if row["side"] == 0 else "sold"
    role = "maker" if row["is_maker"] else "taker"
    text = (
        f"{symbol}, fill {fill % n_fills}: {side} {row['quantity']:g} at {row['price']:,.10g} as "
        f"{role}, {iso_time(ts)}; book of {(ts - seen_ns) / 1e6:,.3g} ms before"
    )
    layout = plain_layout(
        520,
        barmode="overlay",
        title={"text": text, "font": {"size": 13}, "x": 0, "xanchor": "left"},
        xaxis=titled("Size (bids to the left)", tickformat=",.6~g"),
        yaxis=titled("Price", type="category"),
        hovermode="closest",
        margin={"l": 80, "r": 18, "t": 60, "b": 44},
    )
    traces = [
        _levels(bids, "Bids", "buy", -1.0),
        _levels(asks, "Asks", "sell", 1.0),
        _own(run, symbol, ts),
        _prints(data, symbol, ts),
        {
            "type": "scatter",
            "mode": "markers",
            "name": "This fill",
            "x": [0.0],
            "y": [float(row["price"])],
            "marker": {"symbol": "star", "size": 15, "color": LIGHT["price"]},
            "hovertemplate": "fill at %{y}",
        },
    ]
    # A row a price, as on a trader's ladder: between far levels there is nothing to see.
    prices = sorted({float(one) for trace in traces for one in trace["y"]})
    layout["yaxis"]["categoryorder"] = "array"
    layout["yaxis"]["categoryarray"] = [_row(one) for one in prices]
    for trace in traces:
        trace["y"] = [_row(one) for one in trace["y"]]
    return {"data": traces, "layout": layout}


def _row(price: float) -> str:
    """Return the name of a price's row."""
    return f"{float(price):,.12g}"


def _latest(data: Any, symbol: str, kind: Kind, ts: int) -> Any:
    """Return the last row of a kind received before a time, or None."""
    number = data.symbols.index(symbol) if symbol in data.symbols else -1
    found = None
    for day in range(data.n_days):
        for stream in data.streams(day):
            if stream.instrument != number or stream.kind != kind:
                continue
            index = int(np.searchsorted(stream.rows["ts_recv"], ts)) - 1
            if index >= 0:
                found = stream.rows[index]
    return found


def _book(data: Any, symbol: str, ts: int) -> tuple[_Side, _Side, int]:
    """Return bids, asks and their time: of the newest quote or book before `ts`."""
    book, quote = (_latest(data, symbol, kind, ts) for kind in (Kind.BOOK, Kind.QUOTE))
    if book is None and quote is None:
        raise NotFoundError(
            f"the data has neither book nor quote of {symbol!r} before {iso_time(ts)}; give the "
            "data that the run was made of"
        )
    is_quote = book is None or (quote is not None and quote["ts_recv"] > book["ts_recv"])
    if book is None or quote is None or not is_quote:
        chosen = quote if is_quote else book
        sides = [
            _Side(np.atleast_1d(chosen[f"{name}_price"]), np.atleast_1d(chosen[f"{name}_size"]))
            for name in ("bid", "ask")
        ]
        return sides[0], sides[1], int(chosen["ts_recv"])
    bids = _under(quote["bid_price"], quote["bid_size"], book["bid_price"], book["bid_size"], 1.0)
    asks = _under(quote["ask_price"], quote["ask_size"], book["ask_price"], book["ask_size"], -1.0)
    return bids, asks, int(quote["ts_recv"])


def _under(price: float, size: float, prices: np.ndarray, sizes: np.ndarray, sign: float) -> _Side:
    """Put a newer touch above what of an older book is worse than it."""
    worse = sign * prices < sign * price
    return _Side(np.concatenate(([price], prices[worse])), np.concatenate(([size], sizes[worse])))


def _levels(side: _Side, name: str, color: str, sign: float) -> Spec:
    kept = np.isfinite(side.price) & (side.size > 0)
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": sign * side.size[kept],
        "y": side.price[kept],
        "customdata": side.size[kept],
        "marker": {"color": band(LIGHT[color], 0.55)},
        "hovertemplate": "%{customdata:,.8~g} at %{y}",
    }


def _own(run: "Run", symbol: str, ts: int) -> Spec:
    """Return the own limit orders that were open at a time."""
    orders = run.rows.orders
    number = run.rows.symbols.index(symbol)
    is_open = (orders["acked_ns"] > 0) & (orders["acked_ns"] <= ts)
    is_open &= (orders["final_ns"] == 0) | (orders["final_ns"] >= ts)
    of = orders[is_open & (orders["instrument"] == number) & np.isfinite(orders["price"])]
    left = of["quantity"]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"Own orders ({len(of)})",
        "x": np.where(of["side"] == 0, -left, left),
        "y": of["price"].copy(),
        "customdata": of["queue_ahead"].copy(),
        "marker": {"symbol": "diamond-open", "size": 11, "color": LIGHT["position"]},
        "hovertemplate": "own order at %{y}, %{customdata:,.6~g} ahead when it came",
    }


def _prints(data: Any, symbol: str, ts: int) -> Spec:
    """Return the prints within a second of a time."""
    number = data.symbols.index(symbol)
    price, size, side = [], [], []
    for day in range(data.n_days):
        for stream in data.streams(day):
            if stream.instrument != number or stream.kind != Kind.TRADE:
                continue
            times = stream.rows["ts_recv"]
            first, last = np.searchsorted(times, [ts - _AROUND_NS, ts + _AROUND_NS])
            near = stream.rows[first:last]
            near = near[np.argsort(np.abs(near["ts_recv"] - ts), kind="stable")[:_MOST_PRINTS]]
            price += near["price"].tolist()
            size += near["size"].tolist()
            side += near["aux"].tolist()
    signed = [-one if by else one for one, by in zip(size, side, strict=True)]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"Prints within 1 s ({len(price)})",
        "x": signed,
        "y": price,
        "marker": {"symbol": "circle-open", "size": 8, "color": LIGHT["muted"]},
        "hovertemplate": "print of %{x:,.6~g} at %{y}; sellers to the left",
    }
