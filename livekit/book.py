"""The order book of one instrument: two sorted ladders in plain memory.

A ladder keeps its levels sorted with the best at the end, because that is where nearly
every change happens: inserting or deleting next to the touch moves a few levels, far
from it the rest of 400. Asks are kept under their negative price, so both ladders are
ascending and one code serves both. Prices are float64 as parsed from the exchange's
decimal text: equal decimals give equal doubles, so a price is its own key.

A book is one block of memory and is worked by jitted functions on its address; a level
is (price, size), size 0 deletes, an absent best price is NaN with size 0.
Layer 1. Allocates nothing after construction, raises nothing while working.
"""

from typing import Final

import numpy as np

from livekit.events import BOOK, BOOK_LEVELS, QUOTE, Side
from livekit.ring.jit import hot
from livekit.ring.layout import aligned_zeros
from livekit.ring.memory import record

__all__ = [
    "BOOK_STATE",
    "CAPACITY",
    "OrderBook",
    "apply_levels",
    "clear",
    "level_price",
    "level_size",
    "n_levels",
    "set_level",
    "write_book",
    "write_quote",
]

CAPACITY: Final = 1024
"""Levels a side can hold; the deepest channel of the exchange has 400."""

_LADDER: Final = np.dtype(
    [
        ("n", "<i8"),  # levels held
        ("absent", "<i8"),  # deletions of a level that was not there
        ("overflow", "<i8"),  # levels lost because the ladder was full
        ("reserved", "<i8", (5,)),
        ("key", "<f8", (CAPACITY,)),  # ascending, best last: the price, negative for asks
        ("size", "<f8", (CAPACITY,)),
    ]
)
BOOK_STATE: Final = np.dtype([("bids", _LADDER), ("asks", _LADDER)])
"""The memory of a book; written through the functions below by one owner."""

_LADDER_BYTES: Final = _LADDER.itemsize
_LEVEL: Final = np.dtype([("price", "<f8"), ("size", "<f8")])


@hot
def _find(ladder: int, key: float) -> int:
    """Return the index of the first level whose key is not less than `key`."""
    view = record(_LADDER, ladder)
    low, high = 0, view.n
    while low < high:
        middle = (low + high) >> 1
        if view.key[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@hot
def _insert(ladder: int, i: int, key: float, size: float) -> None:
    view = record(_LADDER, ladder)
    n = view.n
    if n == CAPACITY:
        # The worst level makes room; if that is the new one, it is the one lost.
        view.overflow += 1
        if i == 0:
            return
        i -= 1
        for j in range(i):
            view.key[j] = view.key[j + 1]
            view.size[j] = view.size[j + 1]
    else:
        for j in range(n, i, -1):
            view.key[j] = view.key[j - 1]
            view.size[j] = view.size[j - 1]
        view.n = n + 1
    view.key[i] = key
    view.size[i] = size


@hot
def _remove(ladder: int, i: int) -> None:
    view = record(_LADDER, ladder)
    n = view.n - 1
    for j in range(i, n):
        view.key[j] = view.key[j + 1]
        view.size[j] = view.size[j + 1]
    view.n = n


@hot
def set_level(book: int, side: int, price: float, size: float) -> None:
    """Set the size at a price of one side (0 bids, 1 asks); size 0 deletes the level.

    Cost: one binary search, and a move of the levels between this one and the touch.
    """
    ladder = book + side * _LADDER_BYTES
    key = price if side == 0 else -price
    view = record(_LADDER, ladder)
    i = _find(ladder, key)
    is_held = i < view.n and view.key[i] == key
    if size > 0.0:
        if is_held:
            view.size[i] = size
        else:
            _insert(ladder, i, key, size)
    elif is_held:
        _remove(ladder, i)
    else:
        view.absent += 1


@hot
def apply_levels(book: int, levels: int, n_bids: int, n_asks: int) -> int:
    """Set levels of both sides from float64[n_bids + n_asks, 2] (price, size) at an address.

    Returns how many deletions found no level, plus 2**32 times how many levels were lost
    because a side was full.
    """
    bids, asks = record(_LADDER, book), record(_LADDER, book + _LADDER_BYTES)
    absent, overflow = bids.absent + asks.absent, bids.overflow + asks.overflow
    for i in range(n_bids + n_asks):
        level = record(_LEVEL, levels + i * 16)
        set_level(book, 0 if i < n_bids else 1, level.price, level.size)
    absent = bids.absent + asks.absent - absent
    return absent + ((bids.overflow + asks.overflow - overflow) << 32)


@hot
def clear(book: int) -> None:
    """Empty both sides; the counters stay."""
    record(_LADDER, book).n = 0
    record(_LADDER, book + _LADDER_BYTES).n = 0


@hot
def n_levels(book: int, side: int) -> int:
    """Return how many levels one side has."""
    return record(_LADDER, book + side * _LADDER_BYTES).n


@hot
def level_price(book: int, side: int, depth: int) -> float:
    """Return the price at a depth of one side, 0 for the best; NaN where there is none."""
    view = record(_LADDER, book + side * _LADDER_BYTES)
    if depth >= view.n:
        return np.nan
    key = view.key[view.n - 1 - depth]
    return key if side == 0 else -key


@hot
def level_size(book: int, side: int, depth: int) -> float:
    """Return the size at a depth of one side, 0 for the best; 0 where there is none."""
    view = record(_LADDER, book + side * _LADDER_BYTES)
    if depth >= view.n:
        return 0.0
    return view.size[view.n - 1 - depth]


@hot
def write_quote(book: int, event: int) -> int:
    """Write the touch into a QUOTE event; return 1 if that changed the event, else 0."""
    quote = record(QUOTE, event)
    bid_price, bid_size = level_price(book, 0, 0), level_size(book, 0, 0)
    ask_price, ask_size = level_price(book, 1, 0), level_size(book, 1, 0)
    # NaN equals nothing: two absent prices are told apart from a change by their size.
    is_same = (
        quote.bid_size == bid_size
        and quote.ask_size == ask_size
        and (quote.bid_price == bid_price or bid_size == 0.0)
        and (quote.ask_price == ask_price or ask_size == 0.0)
    )
    quote.bid_price, quote.bid_size = bid_price, bid_size
    quote.ask_price, quote.ask_size = ask_price, ask_size
    return 0 if is_same else 1


@hot
def write_book(book: int, event: int) -> int:
    """Write the five best levels into a BOOK event; return 1 if that changed it, else 0."""
    view = record(BOOK, event)
    changed = 0
    for depth in range(BOOK_LEVELS):
        bid_price, bid_size = level_price(book, 0, depth), level_size(book, 0, depth)
        ask_price, ask_size = level_price(book, 1, depth), level_size(book, 1, depth)
        # NaN equals nothing: an absent level is known by its size.
        has_new_bid = bid_size > 0.0 and view.bid_price[depth] != bid_price
        has_new_ask = ask_size > 0.0 and view.ask_price[depth] != ask_price
        has_new_size = view.bid_size[depth] != bid_size or view.ask_size[depth] != ask_size
        if has_new_bid or has_new_ask or has_new_size:
            changed = 1
        view.bid_price[depth], view.bid_size[depth] = bid_price, bid_size
        view.ask_price[depth], view.ask_size[depth] = ask_price, ask_size
    return changed


class OrderBook:
    """The Python side of a book: owns its memory.

    Attributes
    ----------
    address : int
        For the jitted functions.
    state : BOOK_STATE record
    """

    def __init__(self) -> None:
        self._memory = aligned_zeros(BOOK_STATE.itemsize)
        self.state = self._memory.view(BOOK_STATE)[0]
        self.address: int = self._memory.ctypes.data

    def clear(self) -> None:
        """Empty both sides."""
        clear(self.address)

    def apply(self, side: Side | int, levels: np.ndarray) -> None:
        """Set levels of one side: float64[n, 2] of price and size, size 0 deletes."""
        rows = np.ascontiguousarray(levels, np.float64).reshape(-1, 2)
        n_bids = 0 if side else len(rows)
        apply_levels(self.address, rows.ctypes.data, n_bids, len(rows) - n_bids)

    def levels(self, side: Side | int) -> np.ndarray:
        """Return a copy of one side as float64[n, 2] of price and size, best first."""
        ladder = self.state["asks" if side else "bids"]
        n = int(ladder["n"])
        price = ladder["key"][:n][::-1] * (-1.0 if side else 1.0)
        return np.stack([price, ladder["size"][:n][::-1]], axis=1)

    @property
    def n_absent(self) -> int:
        """How many deletions found no level to delete."""
        return int(self.state["bids"]["absent"] + self.state["asks"]["absent"])

    @property
    def n_overflow(self) -> int:
        """How many levels were lost because a side was full."""
        return int(self.state["bids"]["overflow"] + self.state["asks"]["overflow"])
