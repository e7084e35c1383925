"""Columns of a source become rows of events, checked on the way.

Layer 3.
"""

import hashlib
import re
from typing import Final

import numpy as np
import pyarrow as pa

from livekit.events import Kind, Side
from livekit.store.importers.block import Block
from livekit.store.importers.intake import Intake, rows_of

__all__ = [
    "NO_SIDE",
    "SIDES",
    "Touches",
    "TradeIds",
    "bar_rows",
    "by_symbol",
    "count_crossed",
    "level",
    "quote_rows",
    "sides_by_tick",
]

NO_SIDE: Final = -1

SIDES: Final = dict.fromkeys(("buy", "b", "bid", "1"), int(Side.BUY)) | dict.fromkeys(
    ("sell", "s", "ask", "-1"), int(Side.SELL)
)
"""Words for the side of an aggressor, in small letters."""

_WHOLE: Final = re.compile(r"-?\d{1,18}")


def by_symbol(block: Block, name: str, wanted: str | None) -> list[tuple[str, np.ndarray | None]]:
    """Return the symbols of a block, each with the indices of its rows; None means all."""
    codes, names = block.codes(name)
    found: list[tuple[str, np.ndarray | None]] = []
    present = np.flatnonzero(np.bincount(codes))
    for code in present:
        if not names[code]:
            block.fail(int(np.argmax(codes == code)), name, "the name of an instrument")
        if wanted is None or names[code] == wanted:
            rows = None if len(present) == 1 else np.flatnonzero(codes == code)
            found.append((names[code], rows))
    return found


def sides_by_tick(price: np.ndarray, sides: np.ndarray, last: tuple[float, int]) -> np.ndarray:
    """Return sides with the missing ones told from the prices.

    Parameters
    ----------
    price : float64[n]
    sides : int64[n]
        0 buy, 1 sell, NO_SIDE.
    last : (float, int)
        Price and side of the trade before.

    Notes
    -----
    The tick test: above the last price a buy, below it a sell, at it the side of the trade
    before.
    """
    before = np.concatenate(([last[0]], price[:-1]))
    told = np.where(
        price > before, int(Side.BUY), np.where(price < before, int(Side.SELL), NO_SIDE)
    )
    known = np.where(sides == NO_SIDE, told, sides)
    index = np.where(known == NO_SIDE, -1, np.arange(len(known)))
    index = np.maximum.accumulate(index)
    return np.where(index < 0, last[1], known[index])


class TradeIds:
    """Trade numbers of one symbol as int64, from texts that need not be numbers.

    Attributes
    ----------
    has_ids : bool
        The source numbers its trades, so equal numbers are repetitions.
    """

    def __init__(self, intake: Intake, symbol: str) -> None:
        self._intake, self._symbol = intake, symbol
        self._next = 1
        self.has_ids = True

    def numbered(self, n: int) -> np.ndarray:
        """Return running numbers for trades without one."""
        self.has_ids = False
        self._intake.report.note("the source has no trade numbers: counted from 1")
        numbers = np.arange(self._next, self._next + n, dtype=np.int64)
        self._next += n
        return numbers

    def of(self, block: Block, name: str) -> np.ndarray:
        """Return the numbers of a column: themselves, or 63 bits of the hash of each text."""
        column = block.table.column(name)
        if column.null_count:
            return self.numbered(len(block))
        try:
            return np.ascontiguousarray(column.cast(pa.int64()).to_numpy())
        except pa.ArrowInvalid:
            self._intake.report.note(
                f"trade ids of {self._symbol} are no numbers: kept as 63 bits of their BLAKE2b hash"
            )
            return np.array([_number(text) for text in block.texts(name)], np.int64)


def _number(text: str) -> int:
    if _WHOLE.fullmatch(text):
        return int(text)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def quote_rows(block: Block, names: tuple[str, str, str, str]) -> np.ndarray:
    """Return QUOTE rows without times from the columns of bid price, bid size, ask price and size.

    A side whose price or size is empty, or whose size is 0, is absent.
    """
    rows = rows_of(Kind.QUOTE, len(block))
    for side, (price, size) in (("bid", names[:2]), ("ask", names[2:])):
        rows[f"{side}_price"], rows[f"{side}_size"] = level(block, price, size)
    return rows


def level(block: Block, price: str, size: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the prices and sizes of one level; NaN and 0 where there is none."""
    prices, sizes = block.floats(price), block.floats(size)
    is_absent = np.isnan(prices) | np.isnan(sizes) | (sizes == 0)
    good = is_absent | ((prices > 0) & (prices < np.inf))
    block.require(good, price, "a price greater than 0, or nothing")
    block.require(is_absent | ((sizes > 0) & (sizes < np.inf)), size, "a size of 0 or more")
    prices[is_absent], sizes[is_absent] = np.nan, 0.0
    return prices, sizes


def count_crossed(rows: np.ndarray) -> int:
    """Return how many quotes or books have a best bid that is not below the best ask."""
    bid = rows["bid_price"].reshape(len(rows), -1)[:, 0]
    return int((bid >= rows["ask_price"].reshape(len(rows), -1)[:, 0]).sum())


def bar_rows(block: Block, opened: np.ndarray, period: int, names: dict[str, str]) -> np.ndarray:
    """Return BAR rows, stamped with the time at which they were complete.

    Parameters
    ----------
    block : Block
    opened : int64[n]
        ns since the epoch.
    period : int
        ns.
    names : dict
        Columns of ``open``, ``high``, ``low``, ``close``, ``volume`` and perhaps ``count``.
    """
    rows = rows_of(Kind.BAR, len(block))
    rows["ts_event"] = rows["ts_recv"] = opened + period
    rows["period"] = period
    for name in ("open", "high", "low", "close"):
        rows[name] = block.prices(names[name])
    rows["volume"] = block.amounts(names["volume"])
    if "count" in names:
        rows["count"] = block.integers(names["count"])
    for name in ("open", "close", "low"):
        block.require(rows[name] <= rows["high"], names[name], "a price not above the high")
    for name in ("open", "close"):
        block.require(rows[name] >= rows["low"], names[name], "a price not below the low")
    return rows


class Touches:
    """QUOTE rows where the touch of recorded books changes."""

    def __init__(self) -> None:
        self._last = np.zeros(1, [(name, "f8") for name in _TOUCH])
        for name in ("bid_price", "ask_price"):
            self._last[name] = np.nan

    def of(self, books: np.ndarray) -> np.ndarray:
        """Return the quotes of BOOK rows that follow those of the last call."""
        is_new = np.zeros(len(books), bool)
        values = {name: books[name][:, 0] for name in _TOUCH}
        for name, value in values.items():
            before = np.concatenate((self._last[name], value[:-1]))
            is_new |= (value != before) & ~(np.isnan(value) & np.isnan(before))
        for name, value in values.items():
            self._last[name] = value[-1]
        rows = rows_of(Kind.QUOTE, int(is_new.sum()))
        for name in ("ts_event", "ts_recv"):
            rows[name] = books[name][is_new]
        for name, value in values.items():
            rows[name] = value[is_new]
        return rows


_TOUCH: Final = ("bid_price", "bid_size", "ask_price", "ask_size")
