"""A book of any depth, for building recorded books from deltas.

The live book holds 1024 levels a side, more than any channel sends. Archives of whole
books have tens of thousands, and a level dropped far from the touch is missed when the
market gets there. This one grows: `work` stops before a row for which a side has no room,
Python doubles the side, and `work` goes on with that row.

Rows are grouped into messages; an event is written at the end of each message whose best
five levels, or touch, changed. As in livekit.book, a ladder is ascending with the best
last, and asks are kept under their negative price.
Layer 3. The jitted part allocates nothing and raises nothing.
"""

from typing import Final

import numpy as np

from livekit.events import BOOK, BOOK_LEVELS, GAP, HEAD, QUOTE, Kind
from livekit.ring.jit import hot
from livekit.ring.memory import copy_lines, record

__all__ = ["CLEAR", "DELTA", "RESTART", "SET", "STATE", "TOUCH", "work"]

SET: Final = 0
CLEAR: Final = 2
TOUCH: Final = 4
RESTART: Final = 6
"""Actions of a delta; 1 is added for asks."""

DELTA: Final = np.dtype(
    [
        ("ts_event", "<i8"),
        ("ts_recv", "<i8"),
        ("group", "<i8"),  # rows of one message have one number
        ("sequence_id", "<i8"),
        ("order", "<i8"),  # bits of the sequence, in their place
        ("action", "<i8"),
        ("price", "<f8"),
        ("size", "<f8"),
    ]
)
"""A change: SET a level (size 0 deletes), CLEAR a side from the touch to a price (all of it
at NaN), set the TOUCH itself (finer than the levels), or RESTART the whole book."""

_LEVEL: Final = np.dtype([("key", "<f8"), ("size", "<f8")])
_SIDE: Final = [("levels", "<i8"), ("n", "<i8"), ("capacity", "<i8")]

STATE: Final = np.dtype(
    [
        ("bids", _SIDE),
        ("asks", _SIDE),
        ("quote", "<i8"),  # address of the last QUOTE, then BOOK, then GAP
        ("quotes", "<i8"),  # where events go, and how many there are
        ("books", "<i8"),
        ("gaps", "<i8"),
        ("n_quotes", "<i8"),
        ("n_books", "<i8"),
        ("n_gaps", "<i8"),
        ("is_pending", "<i8"),  # a message whose end was not seen
        ("has_snapshot", "<i8"),
        ("has_touch", "<i8"),
        ("is_first", "<i8"),  # the file's first message: its restart is no gap
        ("is_compared", "<i8"),  # a restart is a gap only when it changes the five levels
        ("restarts", "<i8"),  # in this message
        ("last", DELTA),  # of the message
        ("symbol", "<i8"),  # low bits of the sequence
        ("absent", "<i8"),
        ("waiting", "<i8"),
        ("crossed", "<i8"),
        ("messages", "<i8"),
    ]
)
"""What is kept between calls; written by the one builder that owns it."""

_BIDS: Final = 0
_ASKS: Final = 24
_QUOTE_BYTES: Final = QUOTE.itemsize
_BOOK_BYTES: Final = BOOK.itemsize
_GAP_BYTES: Final = GAP.itemsize
_DELTA_BYTES: Final = DELTA.itemsize
_SIDE_TYPE: Final = np.dtype(_SIDE)
_BOOK_KIND: Final = int(Kind.BOOK)
_SYMBOL_SHIFT: Final = 32


@hot
def _find(levels: int, n: int, key: float) -> int:
    """Return the index of the first level whose key is not less than `key`."""
    low, high = 0, n
    while low < high:
        middle = (low + high) >> 1
        if record(_LEVEL, levels + middle * 16).key < key:
            low = middle + 1
        else:
            high = middle
    return low


@hot
def _set(side: int, key: float, size: float) -> int:
    """Set or delete a level; return 1 when there was none to delete."""
    view = record(_SIDE_TYPE, side)
    i = _find(view.levels, view.n, key)
    at = record(_LEVEL, view.levels + i * 16)
    is_held = i < view.n and at.key == key
    if size > 0.0:
        if not is_held:
            for j in range(view.n, i, -1):
                source = record(_LEVEL, view.levels + (j - 1) * 16)
                target = record(_LEVEL, view.levels + j * 16)
                target.key, target.size = source.key, source.size
            view.n += 1
            at.key = key
        at.size = size
        return 0
    if not is_held:
        return 1
    view.n -= 1
    for j in range(i, view.n):
        source = record(_LEVEL, view.levels + (j + 1) * 16)
        target = record(_LEVEL, view.levels + j * 16)
        target.key, target.size = source.key, source.size
    return 0


@hot
def _price(side: int, depth: int) -> float:
    view = record(_SIDE_TYPE, side)
    if depth >= view.n:
        return np.nan
    return record(_LEVEL, view.levels + (view.n - 1 - depth) * 16).key


@hot
def _size(side: int, depth: int) -> float:
    view = record(_SIDE_TYPE, side)
    if depth >= view.n:
        return 0.0
    return record(_LEVEL, view.levels + (view.n - 1 - depth) * 16).size


@hot
def _differs(old: float, old_size: float, price: float, size: float) -> bool:
    """Tell whether a level changed; an absent one is known by its size, for NaN equals nothing."""
    return size != old_size or (size > 0.0 and price != old)


@hot
def _write_quote(state: int, event: int) -> int:
    """Write the touch of the levels; return 1 if that changed the event."""
    quote = record(QUOTE, event)
    bid, bid_size = _price(state + _BIDS, 0), _size(state + _BIDS, 0)
    ask, ask_size = -_price(state + _ASKS, 0), _size(state + _ASKS, 0)
    is_new = _differs(quote.bid_price, quote.bid_size, bid, bid_size) or _differs(
        quote.ask_price, quote.ask_size, ask, ask_size
    )
    quote.bid_price, quote.bid_size, quote.ask_price, quote.ask_size = bid, bid_size, ask, ask_size
    return 1 if is_new else 0


@hot
def _write_book(state: int, event: int) -> int:
    """Write the five best levels; return 1 if that changed the event."""
    book = record(BOOK, event)
    changed = 0
    for depth in range(BOOK_LEVELS):
        bid, bid_size = _price(state + _BIDS, depth), _size(state + _BIDS, depth)
        ask, ask_size = -_price(state + _ASKS, depth), _size(state + _ASKS, depth)
        if _differs(book.bid_price[depth], book.bid_size[depth], bid, bid_size) or _differs(
            book.ask_price[depth], book.ask_size[depth], ask, ask_size
        ):
            changed = 1
        book.bid_price[depth], book.bid_size[depth] = bid, bid_size
        book.ask_price[depth], book.ask_size[depth] = ask, ask_size
    return changed


@hot
def _head(state: int, event: int, rank: int) -> None:
    """Write the head of an event: the times of the message, and its place in the order."""
    view = record(STATE, state)
    head = record(HEAD, event)
    head.sequence = np.uint64(view.last.order | (rank << _SYMBOL_SHIFT) | view.symbol)
    head.ts_event = view.last.ts_event
    head.ts_recv = view.last.ts_recv


@hot
def _end(state: int) -> None:
    """End the pending message: write the events that it makes."""
    view = record(STATE, state)
    book = view.quote + _QUOTE_BYTES
    gap = book + _BOOK_BYTES
    view.is_pending = 0
    view.messages += 1
    has_new_touch = _write_quote(state, view.quote) if view.has_touch == 0 else 0
    has_new_book = _write_book(state, book)
    is_gap = view.restarts == 1 and view.is_first == 0
    if is_gap and view.is_compared == 1:
        is_gap = has_new_book == 1
    if is_gap:
        _head(state, gap, 0)
        copy_lines(view.gaps + view.n_gaps * _GAP_BYTES, gap, 1)
        view.n_gaps += 1
    if has_new_touch == 1 or view.has_touch == 2:
        quote = record(QUOTE, view.quote)
        if quote.bid_price >= quote.ask_price:
            view.crossed += 1
        _head(state, view.quote, 4)
        copy_lines(view.quotes + view.n_quotes * _QUOTE_BYTES, view.quote, 1)
        view.n_quotes += 1
    if has_new_book == 1:
        five = record(BOOK, book)
        if five.bid_price[0] >= five.ask_price[0] and has_new_touch == 0:
            view.crossed += 1
        _head(state, book, 5)
        five.sequence_id = view.last.sequence_id
        copy_lines(view.books + view.n_books * _BOOK_BYTES, book, 4)
        view.n_books += 1
    view.has_touch = min(view.has_touch, 1)
    view.restarts = view.is_first = 0


@hot
def _touch(state: int, is_ask: int, price: float, size: float) -> None:
    """Set one side of the touch itself; from now on it alone makes the quotes, 2 says one is due.

    One is due for every message that gives it, changed or not, as the source has it.
    """
    view = record(STATE, state)
    quote = record(QUOTE, view.quote)
    if not size > 0.0:
        price, size = np.nan, 0.0
    if is_ask:
        quote.ask_price, quote.ask_size = price, size
    else:
        quote.bid_price, quote.bid_size = price, size
    view.has_touch = 2


@hot
def _clear(state: int, is_ask: int, price: float) -> None:
    """Clear one side from its touch to a price, or all of it when the price is not finite."""
    view = record(STATE, state)
    side = record(_SIDE_TYPE, state + is_ask * _ASKS)
    if side.n > 0:
        view.restarts = 1
    if not np.isfinite(price):
        side.n = 0
        return
    key = -price if is_ask else price
    side.n = _find(side.levels, side.n, key)


@hot
def _apply(state: int, row: int) -> None:
    view, delta = record(STATE, state), record(DELTA, row)
    is_ask = delta.action & 1
    action = delta.action - is_ask
    if action == RESTART:
        if view.bids.n + view.asks.n > 0:
            view.restarts = 1
        view.bids.n = 0
        view.asks.n = 0
        view.has_snapshot = 1
    elif view.has_snapshot == 0:
        view.waiting += 1
    elif action == SET:
        key = -delta.price if is_ask else delta.price
        view.absent += _set(state + is_ask * _ASKS, key, delta.size)
    elif action == CLEAR:
        _clear(state, is_ask, delta.price)
    else:
        _touch(state, is_ask, delta.price, delta.size)


@hot
def work(state: int, rows: int, n: int, is_end: int) -> int:
    """Take `n` deltas at an address; return how many were taken before a side was full.

    Parameters
    ----------
    state : int
        Address of a STATE; its three outputs have room for `n` + 1 events each.
    rows : int
        Address of DELTA[n].
    n : int
    is_end : int
        1 to end the last message, as nothing follows it.

    Notes
    -----
    Cost per delta: one binary search, and a move of the levels between it and the touch.
    """
    view = record(STATE, state)
    for i in range(n):
        row = rows + i * _DELTA_BYTES
        delta = record(DELTA, row)
        if view.bids.n >= view.bids.capacity or view.asks.n >= view.asks.capacity:
            return i
        if view.is_pending == 1 and delta.group != view.last.group:
            _end(state)
        _apply(state, row)
        if view.has_snapshot == 1:
            view.is_pending = 1
            view.last.ts_event, view.last.ts_recv = delta.ts_event, delta.ts_recv
            view.last.group, view.last.sequence_id = delta.group, delta.sequence_id
            view.last.order = delta.order
    if is_end == 1 and view.is_pending == 1:
        _end(state)
    return n
