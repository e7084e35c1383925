"""The panel: an engine's account, orders, prints and last minutes, for anybody who looks.

It lies behind the market board in the engine's segment, is written by the engine and
read by mapping; nobody has to be asked and nobody is kept waiting.

    head       the account, behind a seqlock together with the two tables that follow
    positions  PANEL_POSITION rows: what every strategy holds and earned
    orders     PANEL_ORDER rows: what is open
    prints     the last TRADE events of all instruments, a ring
    reports    the last order reports of all strategies, a ring
    history    frames of all that and of the strategies' states, a ring of bytes

The rings of prints and reports never wait for a reader: `tail` counts the rows ever
written, a row lies at its number modulo the ring's size, and a reader drops what was
overwritten while it copied. A frame of the history is found through an index of the same
kind; `reserved` says how far its bytes have been given away before they are written.
Layer 1. One writer, the engine.
"""

from typing import Any, Final

import numpy as np

from livekit.config import MAX_INSTRUMENTS
from livekit.events import ORDER, TRADE
from livekit.ring.jit import hot
from livekit.ring.memory import copy_lines, fence, load_acquire, load_i64, store_release

__all__ = [
    "BOARD_BYTES",
    "FRAME",
    "FRAME_BOOK",
    "FRAME_STATE",
    "HISTORY_AT",
    "HISTORY_BYTES",
    "HISTORY_FRAMES",
    "HISTORY_INDEX",
    "MAX_PANEL_ORDERS",
    "MAX_PANEL_POSITIONS",
    "ORDERS_AT",
    "PANEL",
    "PANEL_BYTES",
    "PANEL_ORDER",
    "PANEL_POSITION",
    "POSITIONS_AT",
    "PRINTS_AT",
    "REPORTS_AT",
    "REPORT_ROW",
    "push_print",
    "push_report",
    "read_table",
    "read_tape",
]

MAX_PANEL_POSITIONS: Final = 512
MAX_PANEL_ORDERS: Final = 1024
_N_PRINTS: Final = 4096
_N_REPORTS: Final = 4096
HISTORY_FRAMES: Final = 4096
HISTORY_BYTES: Final = 8 << 20
BOARD_BYTES: Final = MAX_INSTRUMENTS * 512

PANEL: Final = np.dtype(
    {
        "names": [
            "version",
            "shown",  # CLOCK_MONOTONIC ns of this look
            "now",  # event time, ns since the epoch
            "state",  # TradingState
            "n_positions",  # rows below
            "n_orders",
            "n_open",  # open orders; more than n_orders when the table is too small
            "is_flattening",
            "n_faults",
            "cash",
            "initial_cash",
            "equity",
            "gross_exposure",
            "realized_pnl",
            "unrealized_pnl",
            "fees",
            "funding",
            "cost_ns",  # what the last look cost the engine
        ],
        "formats": ["<i8"] * 9 + ["<f8"] * 8 + ["<i8"],
        "offsets": [0, *range(64, 64 + 17 * 8, 8)],
        "itemsize": 256,
    }
)
"""Account and counts; quote currency."""

PANEL_POSITION: Final = np.dtype(
    {
        "names": [
            "strategy",  # slot, as `ring` in the strategy's segment
            "instrument",
            "position",
            "average_price",
            "mark",
            "realized_pnl",
            "unrealized_pnl",
            "fees",
            "funding",
            "net_pnl",
            "volume",
            "open_buy",
            "open_sell",
            "n_fills",
            "n_orders",
            "last_fill_ns",
        ],
        "formats": ["<i4", "<i4"] + ["<f8"] * 11 + ["<i8"] * 3,
        "offsets": [0, 4, *range(8, 120, 8)],
        "itemsize": 128,
    }
)
"""One strategy in one instrument: units of the instrument, quote currency."""

PANEL_ORDER: Final = np.dtype(
    {
        "names": [
            "order_id",
            "strategy",
            "instrument",
            "side",
            "order_type",
            "tif",
            "options",
            "status",
            "is_canceling",
            "price",
            "quantity",
            "filled_quantity",
            "average_price",
            "created_ns",
            "updated_ns",
            "queue_front",
            "client_order_id",
        ],
        "formats": ["<i8", "<i4", "<i4"] + ["u1"] * 6 + ["<f8"] * 4 + ["<i8"] * 2 + ["<f8", "S24"],
        "offsets": [0, 8, 12, 16, 17, 18, 19, 20, 21, *range(24, 80, 8), 80],
        "itemsize": 128,
    }
)
"""One open order."""

REPORT_ROW: Final = np.dtype(
    {
        "names": ["strategy", "liquidity", "bid", "ask", "ts_venue", "report"],
        "formats": ["<i8", "<i8", "<f8", "<f8", "<i8", ORDER],
        "offsets": [0, 16, 32, 40, 48, 64],
        "itemsize": 192,
    }
)
"""One report with the strategy it went to: a row of the trading core's outbox as it lies."""

HISTORY_INDEX: Final = np.dtype(
    [("at", "<i8"), ("n_bytes", "<i8"), ("now", "<i8"), ("shown", "<i8")]
)
"""A frame: its place in all bytes ever written, event time, CLOCK_MONOTONIC ns."""

FRAME: Final = np.dtype(
    {
        "names": ["n_positions", "n_orders", "n_books", "n_states", "state", "cash", "equity"],
        "formats": ["<i8"] * 5 + ["<f8"] * 2,
        "offsets": [*range(0, 56, 8)],
        "itemsize": 64,
    }
)
"""Head of a frame; behind it rows of the four tables, in this order."""

FRAME_BOOK: Final = 512
"""Bytes of an instrument in a frame: its row of the board, its number for a version."""

FRAME_STATE: Final = np.dtype(
    {
        "names": ["strategy", "sequence", "n_bytes", "queued"],
        "formats": ["<i8"] * 4,
        "offsets": [0, 8, 16, 24],
        "itemsize": 64,
    }
)
"""A strategy in a frame: number of its last event, events it had before it; then its state."""

_TAIL_BYTES: Final = 64
POSITIONS_AT: Final = PANEL.itemsize
ORDERS_AT: Final = POSITIONS_AT + MAX_PANEL_POSITIONS * PANEL_POSITION.itemsize
PRINTS_AT: Final = ORDERS_AT + MAX_PANEL_ORDERS * PANEL_ORDER.itemsize
REPORTS_AT: Final = PRINTS_AT + _TAIL_BYTES + _N_PRINTS * TRADE.itemsize
HISTORY_AT: Final = REPORTS_AT + _TAIL_BYTES + _N_REPORTS * REPORT_ROW.itemsize
"""Places in the panel. The history: words `frames` and `reserved`, the index, the bytes."""

PANEL_BYTES: Final = (
    HISTORY_AT + _TAIL_BYTES + HISTORY_FRAMES * HISTORY_INDEX.itemsize + HISTORY_BYTES
)

_PRINTS: Final = BOARD_BYTES + PRINTS_AT
_REPORTS: Final = BOARD_BYTES + REPORTS_AT


@hot
def push_print(board: int, event: int) -> None:
    """Append a TRADE to the prints; `board` is the address of the board, not of the panel."""
    tape = board + _PRINTS
    tail = load_i64(tape)
    copy_lines(tape + 64 + (tail & 4095) * 64, event, 1)
    store_release(tape, tail + 1)


@hot
def push_report(board: int, row: int) -> None:
    """Append a row of the outbox to the reports; `board` as for `push_print`."""
    tape = board + _REPORTS
    tail = load_i64(tape)
    copy_lines(tape + 64 + (tail & 4095) * 192, row, 3)
    store_release(tape, tail + 1)


@hot
def _copy_tape(tape: int, row_lines: int, since: int, target: int, limit: int) -> int:
    """Copy the rows numbered from `since` on, the last `limit` at most; the tail then."""
    tail = load_acquire(tape)
    first = max(since, tail - limit, 0)
    for number in range(first, tail):
        place = tape + 64 + (number & 4095) * row_lines * 64
        copy_lines(target + (number - first) * row_lines * 64, place, row_lines)
    fence()
    return tail


def read_tape(address: int, dtype: np.dtype, since: int, limit: int = 4096) -> tuple[Any, int, int]:
    """Return the rows of a tape from number `since` on.

    Parameters
    ----------
    address : int
        Of the tape: the panel's address and PRINTS_AT or REPORTS_AT.
    dtype : numpy.dtype
        TRADE or REPORT_ROW.
    since : int
        Number of the first row wanted; older ones are left out.
    limit : int
        Return the last so many rows at most.

    Returns
    -------
    tuple
        The rows, a copy; the number of the first one; the tail, which is the next `since`.
    """
    memory = np.zeros(max(0, min(limit, 4096)), dtype)
    lines = dtype.itemsize // 64
    tail = int(_copy_tape(address, lines, since, memory.ctypes.data, len(memory)))
    first = max(since, tail - len(memory), 0)
    # The slot that the writer fills now is that of row `last - 4096`.
    last = int(_tail(address))
    kept = min(max(first, last - 4095), tail)
    return memory[kept - first : tail - first], kept, tail


@hot
def _tail(tape: int) -> int:
    return load_acquire(tape)


@hot
def _copy_panel(panel: int, target: int, tries: int) -> int:
    """Copy head and used rows of the panel, consistent; 0 when the engine was faster."""
    for _ in range(tries):
        version = load_acquire(panel)
        if version & 1 == 0:
            copy_lines(target, panel, 4)
            n_positions = min(max(load_i64(target + 88), 0), 512)
            n_orders = min(max(load_i64(target + 96), 0), 1024)
            copy_lines(target + 256, panel + 256, n_positions * 2)
            copy_lines(target + 65792, panel + 65792, n_orders * 2)
            fence()
            if load_acquire(panel) == version:
                return 1
    return 0


assert ORDERS_AT == 65792
assert PANEL.fields["n_positions"][1] == 88  # type: ignore[index]
assert PANEL.fields["n_orders"][1] == 96  # type: ignore[index]


def read_table(
    address: int, scratch: np.ndarray, tries: int = 1000
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return (head, positions, orders) as they stood at one moment; None if they never stood.

    Parameters
    ----------
    address : int
        Of the panel.
    scratch : uint8[PRINTS_AT]
        Memory to copy into. What is returned are views of it, good until the next call.
    """
    if not _copy_panel(address, scratch.ctypes.data, tries):
        return None
    head = scratch[: PANEL.itemsize].view(PANEL)[0]
    n_positions, n_orders = int(head["n_positions"]), int(head["n_orders"])
    positions = scratch[POSITIONS_AT:ORDERS_AT].view(PANEL_POSITION)[:n_positions]
    orders = scratch[ORDERS_AT:PRINTS_AT].view(PANEL_ORDER)[:n_orders]
    return head, positions, orders
