"""Frames of the history: account, orders, books and states at one moment, as bytes.

A frame is put together in place, in the ring of bytes behind the panel. Before it is
written its room is given away (`reserved`), so a reader that copied an older frame from
there sees that it was overtaken; when it is whole it gets its row in the index.
Layer 4. Allocates nothing.
"""

from typing import Final

from livekit.ring import seqlock
from livekit.ring.jit import hot
from livekit.ring.layout import HEAD, TAIL
from livekit.ring.memory import (
    copy_lines,
    fence,
    load_acquire,
    load_i64,
    record,
    store_i64,
    store_release,
)
from livekit.ring.panel import (
    FRAME,
    FRAME_BOOK,
    FRAME_STATE,
    HISTORY_AT,
    HISTORY_BYTES,
    HISTORY_FRAMES,
    HISTORY_INDEX,
    ORDERS_AT,
    PANEL,
    POSITIONS_AT,
)

__all__ = ["MAX_FRAME_STATE", "keep_frame"]

MAX_FRAME_STATE: Final = 8192
"""Bytes of a strategy's state that a frame holds; a larger one is left out."""

_POSITIONS: Final = 64
_ORDERS: Final = 128
_TRIES: Final = 8
_INDEX_AT: Final = HISTORY_AT + 64
_BYTES_AT: Final = _INDEX_AT + HISTORY_FRAMES * HISTORY_INDEX.itemsize


@hot
def _add_book(board: int, instrument: int, target: int) -> int:
    """Copy an instrument's row of the board; 1, or 0 when it changed at every try."""
    done = seqlock.snapshot(board + instrument * 512, target + 64, 7, _TRIES)
    store_i64(target, instrument)
    return done


@hot
def _add_state(source: int, target: int) -> int:
    """Copy a strategy's state; return the bytes it takes. `source` is a row of int64[6]."""
    view = record(FRAME_STATE, target)
    n_bytes = load_i64(source + 16)
    lines = (n_bytes + 63) // 64
    queue = load_i64(source + 32)
    view.strategy = load_i64(source)
    view.sequence = load_i64(load_i64(source + 24))
    view.queued = load_acquire(queue + TAIL) - load_acquire(queue + HEAD)
    view.n_bytes = 0
    if n_bytes <= 0 or n_bytes > MAX_FRAME_STATE:
        return 64
    if seqlock.snapshot(load_i64(source + 8), target + 64, lines, _TRIES) == 0:
        return 64
    view.n_bytes = n_bytes
    return 64 + lines * 64


@hot
def _frame_room(n_positions: int, n_orders: int, n_books: int, states: int, n_states: int) -> int:
    """Bytes that a frame may take."""
    room = 64 + (n_positions + n_orders) * 128 + n_books * FRAME_BOOK
    for index in range(n_states):
        size = load_i64(states + index * 48 + 16)
        room += 64 + ((size + 63) // 64 * 64 if 0 < size <= MAX_FRAME_STATE else 0)
    return room


@hot
def keep_frame(
    panel: int, board: int, watch: int, n_books: int, states: int, n_states: int
) -> None:
    """Append a frame of the panel as it stands, the books and the states.

    Parameters
    ----------
    watch : int
        Address of int64[n_books], instrument numbers.
    states : int
        Address of int64[n_states, 6]: strategy slot, address of its state's seqlock, its
        bytes, address of its event number, address of its events ring, spare.
    """
    view = record(PANEL, panel)
    n_positions, n_orders = min(view.n_positions, _POSITIONS), min(view.n_orders, _ORDERS)
    room = _frame_room(n_positions, n_orders, n_books, states, n_states)
    words = panel + HISTORY_AT
    number, at = load_i64(words), load_i64(words + 8)
    if at % HISTORY_BYTES + room > HISTORY_BYTES:
        at += HISTORY_BYTES - at % HISTORY_BYTES  # a frame lies in one piece
    store_release(words + 8, at + room)
    fence()
    start = panel + _BYTES_AT + at % HISTORY_BYTES
    copy_lines(start + 64, panel + POSITIONS_AT, n_positions * 2)
    place = start + 64 + n_positions * 128
    copy_lines(place, panel + ORDERS_AT, n_orders * 2)
    place += n_orders * 128
    shown = 0
    for index in range(n_books):
        shown_now = _add_book(board, load_i64(watch + index * 8), place)
        place += FRAME_BOOK * shown_now
        shown += shown_now
    for index in range(n_states):
        place += _add_state(states + index * 48, place)
    head = record(FRAME, start)
    head.n_positions, head.n_orders = n_positions, n_orders
    head.n_books, head.n_states = shown, n_states
    head.state, head.cash, head.equity = view.state, view.cash, view.equity
    row = record(HISTORY_INDEX, panel + _INDEX_AT + (number & (HISTORY_FRAMES - 1)) * 32)
    row.at, row.n_bytes = at, place - start
    row.now, row.shown = view.now, view.shown
    store_release(words, number + 1)
