"""The history of an engine's panel, read by mapping: frames of its last minutes.

Frames are overwritten from the oldest on while a reader copies; what was overtaken is
left out, never shown half.
Layer 1. Reads only.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from livekit.ring.directory import BOARD_ROW
from livekit.ring.jit import hot
from livekit.ring.memory import copy_lines, fence, load_acquire
from livekit.ring.panel import (
    FRAME,
    FRAME_BOOK,
    FRAME_STATE,
    HISTORY_AT,
    HISTORY_BYTES,
    HISTORY_FRAMES,
    HISTORY_INDEX,
    PANEL_ORDER,
    PANEL_POSITION,
)

__all__ = ["Frame", "FrameState", "read_frame", "read_index"]

_INDEX_AT: Final = HISTORY_AT + 64
_BYTES_AT: Final = _INDEX_AT + HISTORY_FRAMES * HISTORY_INDEX.itemsize


@dataclass(frozen=True, slots=True)
class FrameState:
    """One strategy in a frame.

    Attributes
    ----------
    strategy : int
        Its slot.
    sequence : int
        Number of the last event it had handled.
    queued : int
        Events that lay before it then.
    state : bytes
        Its state record; empty where it has none, or was too busy to be copied.
    """

    strategy: int
    sequence: int
    queued: int
    state: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """The engine's account, orders, books and states at one moment.

    Attributes
    ----------
    number : int
        Counts the frames since the engine started.
    now : int
        Event time, ns since the epoch.
    state : int
        TradingState.
    cash, equity : float
    positions : PANEL_POSITION[n]
    orders : PANEL_ORDER[n]
    books : dict of int to BOARD_ROW record
        By instrument number.
    states : tuple of FrameState
    """

    number: int
    now: int
    state: int
    cash: float
    equity: float
    positions: np.ndarray
    orders: np.ndarray
    books: dict[int, np.void]
    states: tuple[FrameState, ...]


@hot
def _copy(panel: int, offset: int, target: int, n_lines: int) -> int:
    """Copy lines of the panel; the bytes of the history given away by then."""
    copy_lines(target, panel + offset, n_lines)
    fence()
    return load_acquire(panel + HISTORY_AT + 8)


@hot
def _n_frames(panel: int) -> int:
    return load_acquire(panel + HISTORY_AT)


def read_index(panel: int) -> tuple[np.ndarray, int]:
    """Return the index of the frames that can still be read, oldest first.

    Returns
    -------
    tuple
        HISTORY_INDEX[n], a copy, and the number of its first frame.
    """
    count = int(_n_frames(panel))
    rows = np.zeros(HISTORY_FRAMES, HISTORY_INDEX)
    reserved = int(_copy(panel, _INDEX_AT, rows.ctypes.data, rows.nbytes // 64))
    # The engine may have begun with the row of the frame after the last by now.
    first = max(0, int(_n_frames(panel)) - HISTORY_FRAMES + 1)
    if first >= count:
        return rows[:0], count
    found = rows[np.arange(first, count) % HISTORY_FRAMES]
    alive = reserved - found["at"] <= HISTORY_BYTES
    skip = int(np.argmax(alive)) if alive.any() else len(found)
    return found[skip:], first + skip


def read_frame(panel: int, row: np.void, number: int) -> Frame | None:
    """Return the frame of a row of the index; None when it was overwritten meanwhile."""
    at, n_bytes = int(row["at"]), int(row["n_bytes"])
    start = at % HISTORY_BYTES
    if not 64 <= n_bytes <= HISTORY_BYTES - start:
        return None
    memory = np.zeros((n_bytes + 63) // 64 * 64, np.uint8)
    offset = _BYTES_AT + start
    reserved = int(_copy(panel, offset, memory.ctypes.data, memory.size // 64))
    if reserved - at > HISTORY_BYTES:
        return None
    return _parse(memory, number, int(row["now"]))


def _parse(memory: np.ndarray, number: int, now: int) -> Frame:
    head = memory[:64].view(FRAME)[0]
    place = 64

    def table(dtype: np.dtype, count: int) -> np.ndarray:
        nonlocal place
        part = memory[place : place + count * dtype.itemsize].view(dtype)
        place += count * dtype.itemsize
        return part

    positions = table(PANEL_POSITION, int(head["n_positions"]))
    orders = table(PANEL_ORDER, int(head["n_orders"]))
    books = table(BOARD_ROW, int(head["n_books"]))
    states = []
    for _ in range(int(head["n_states"])):
        one = table(FRAME_STATE, 1)[0]
        size = int(one["n_bytes"])
        raw = memory[place : place + size].tobytes()
        place += (size + 63) // 64 * 64
        states.append(
            FrameState(int(one["strategy"]), int(one["sequence"]), int(one["queued"]), raw)
        )
    return Frame(
        number,
        now,
        int(head["state"]),
        float(head["cash"]),
        float(head["equity"]),
        positions,
        orders,
        {int(book["version"]): book for book in books},
        tuple(states),
    )


assert BOARD_ROW.itemsize == FRAME_BOOK
