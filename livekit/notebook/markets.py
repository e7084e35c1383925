"""A row of the market board as plain values, for tables, ladders and frames.

Layer 5.
"""

from typing import Any

import numpy as np

from livekit.events import Side

__all__ = ["market_of"]


def market_of(row: np.void) -> dict[str, Any]:
    """Return a BOARD_ROW as plain values; what was never seen is left out."""
    found: dict[str, Any] = {}
    ticker, quote, trade, book = row["ticker"], row["quote"], row["trade"], row["book"]
    seen = max(int(one["ts_recv"]) for one in (ticker, quote, trade, book))
    found["time"] = seen
    if int(ticker["ts_recv"]):
        found["bid"], found["ask"] = float(ticker["bid_price"]), float(ticker["ask_price"])
        found["last"], found["volume"] = float(ticker["last_price"]), float(ticker["volume"])
    if int(book["ts_recv"]):
        found["bids"] = _levels(book["bid_price"], book["bid_size"])
        found["asks"] = _levels(book["ask_price"], book["ask_size"])
        found["bid"], found["ask"] = float(book["bid_price"][0]), float(book["ask_price"][0])
        found["bid_size"] = float(book["bid_size"][0])
        found["ask_size"] = float(book["ask_size"][0])
    if int(quote["ts_recv"]) and int(quote["ts_recv"]) >= int(book["ts_recv"]):
        for name in ("bid", "ask"):
            found[name] = float(quote[f"{name}_price"])
            found[f"{name}_size"] = float(quote[f"{name}_size"])
        _join_touch(found)
    if int(trade["ts_recv"]):
        found["last"], found["last_size"] = float(trade["price"]), float(trade["size"])
        found["last_side"] = "buy" if int(trade["aux"]) == Side.BUY else "sell"
    return found


def _join_touch(found: dict[str, Any]) -> None:
    """Put a quote that is newer than the book on top of it, and drop what it has overtaken."""
    for side, levels, sign in (("bid", "bids", 1), ("ask", "asks", -1)):
        if levels in found:
            touch = found[side]
            behind = [level for level in found[levels] if sign * (touch - level[0]) > 0]
            found[levels] = [[touch, found[f"{side}_size"]], *behind][:5]


def _levels(prices: np.ndarray, sizes: np.ndarray) -> list[list[float]]:
    return [[float(p), float(s)] for p, s in zip(prices, sizes, strict=True) if s > 0]
