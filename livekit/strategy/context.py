"""The private memory of one strategy process: all that its jitted functions work on.

A CONTEXT is one block without a Python object in it, named by its address. The
interpreted and the compiled runner work on it through the same functions, so that one
text gives the same orders to the bit both ways. Its layout stands in layout.py.

Who calls what (`ctx` is the block's address throughout):

    here         begin_event finish_batch position book_row remember_book log find_open
                 fetch
    requests.py  send_new send_modify send_cancel send_cancel_all send_close
    reports.py   apply_report

A runner calls `begin_event`, then the callbacks, for each event of a batch that stays
in its ring, and at last `finish_batch`, which counts, measures and releases the batch.
Layer 2. The calling process is the only writer of the block.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np

from livekit.config import MAX_INSTRUMENTS
from livekit.events import ANY_INSTRUMENT, BOOK, GAP, HEAD, ORDER, SLOT_BYTES, TRADE, Kind
from livekit.instruments import Instrument
from livekit.ring.counters import STRATEGY_COUNTERS, observe
from livekit.ring.jit import hot
from livekit.ring.layout import SIDE, SIDE_BYTES, aligned_zeros
from livekit.ring.memory import (
    clock_ns,
    copy_lines,
    load_acquire,
    load_i64,
    record,
    store_i64,
    store_release,
)
from livekit.ring.segment import HEADER, Segment
from livekit.ring.seqlock import fetch_params, round_lines
from livekit.ring.spsc import release_many, slot_at
from livekit.strategy.layout import (
    CONTEXT,
    CONTEXT_BYTES,
    LOG,
    LOG_ROWS,
    MAX_OPEN_ORDERS,
    STEPS,
    i64,
    params_offset,
    state_offset,
)

__all__ = [
    "CONTEXT",
    "CONTEXT_BYTES",
    "LOG",
    "LOG_ROWS",
    "MAX_OPEN_ORDERS",
    "STEPS",
    "Context",
    "begin_event",
    "book_row",
    "fetch",
    "find_open",
    "finish_batch",
    "i64",
    "log",
    "params_offset",
    "position",
    "published_of",
    "remember_book",
    "state_offset",
]

_TRADE: Final = int(Kind.TRADE)
_ORDER: Final = int(Kind.ORDER)
_GAP: Final = int(Kind.GAP)
_MARKET_MASK: Final = 1 << Kind.TICKER | 1 << Kind.TRADE | 1 << Kind.BOOK | 1 << Kind.QUOTE
_DELAY_MASK: Final = _MARKET_MASK | 1 << Kind.BAR
_DELAY: Final = int(STRATEGY_COUNTERS.fields["delay"][1])  # type: ignore[index]
_TRADE_PUBLISHED: Final = int(TRADE.fields["published"][1])  # type: ignore[index]
_ORDER_PUBLISHED: Final = int(ORDER.fields["published"][1])  # type: ignore[index]
_HEARTBEAT: Final = int(HEADER.fields["heartbeat"][1])  # type: ignore[index]
_DONE: Final = int(HEADER.fields["sequence"][1])  # type: ignore[index]
_WORD: Final = 0xFFFFFFFF


@hot
def published_of(event: int) -> int:
    """Return the `published` word of an event: where it lies depends on the kind."""
    kind = load_i64(event) & 15
    if kind == _TRADE:
        return i64(record(TRADE, event).published)
    if kind == _ORDER:
        return i64(record(ORDER, event).published)
    return i64(record(HEAD, event).aux)


@hot
def begin_event(ctx: int, event: int) -> None:
    """Make an event the one being handled: its time is `now`, unless it has none (a gap)."""
    view = record(CONTEXT, ctx)
    view.event = event
    view.published = published_of(event)
    ts_event = record(HEAD, event).ts_event
    if ts_event > 0:
        view.now = ts_event


@hot
def finish_batch(ctx: int, n: int, start_ns: int) -> int:
    """Count, measure and release the next `n` events of the ring; return the time now.

    Their callbacks have run since `start_ns` (CLOCK_MONOTONIC), and what they ordered
    has been pushed. Delays are interpolated between the two times, since a clock read
    per event would cost half as much as a callback. Also writes the heartbeat.
    """
    view = record(CONTEXT, ctx)
    end_ns = clock_ns()
    store_release(view.heartbeat, end_ns)
    view.event = 0
    view.published = 0
    if n <= 0:
        return end_ns
    counters = record(STRATEGY_COUNTERS, view.counters)
    cursor = record(SIDE, view.events).cursor
    step = np.float64(end_ns - start_ns) / np.float64(n)
    slot = 0
    for i in range(n):
        slot = slot_at(view.events, cursor + i)
        kind = load_i64(slot) & 15
        counters.received[kind] += 1
        if _DELAY_MASK >> kind & 1:
            at_ns = start_ns + i64(step * i)
            observe(view.counters + _DELAY, (at_ns - published_of(slot)) & _WORD)
        elif kind == _GAP:
            gap = record(GAP, slot)
            for k in range(8):
                counters.lost += i64(gap.lost[k])
    counters.busy_ns += end_ns - start_ns
    store_i64(view.done, i64(record(HEAD, slot).sequence))
    release_many(view.events, n)
    return end_ns


@hot
def position(ctx: int, instrument: int) -> float:
    """Return the position in an instrument, in units; 0.0 for an unknown one."""
    view = record(CONTEXT, ctx)
    if instrument < 0 or instrument >= view.n_instruments:
        return 0.0
    steps = record(STEPS, view.steps + instrument * 64)
    lots = load_i64(view.positions + instrument * 8)
    return np.float64(lots) * steps.lot_numerator / steps.lot_denominator


@hot
def find_open(ctx: int, order_id: int) -> int:
    """Return the address of an open order's row, 0 when there is none.

    Ids grow in the order of creation, so the table is sorted by them.
    """
    view = record(CONTEXT, ctx)
    low, high = 0, view.n_open
    while low < high:
        middle = (low + high) >> 1
        if i64(record(ORDER, view.open_orders + middle * 128).order_id) < order_id:
            low = middle + 1
        else:
            high = middle
    row = view.open_orders + low * 128
    if low < view.n_open and i64(record(ORDER, row).order_id) == order_id:
        return row
    return 0


@hot
def book_row(ctx: int, instrument: int) -> int:
    """Return the address of the last BOOK event of an instrument; never 0."""
    if instrument < 0 or instrument >= MAX_INSTRUMENTS:
        instrument = MAX_INSTRUMENTS
    return record(CONTEXT, ctx).books + instrument * SLOT_BYTES


@hot
def remember_book(ctx: int, event: int) -> None:
    """Keep a BOOK event as the last one of its instrument."""
    instrument = i64(record(HEAD, event).instrument)
    if instrument < MAX_INSTRUMENTS:
        copy_lines(record(CONTEXT, ctx).books + instrument * SLOT_BYTES, event, 4)


@hot
def fetch(ctx: int) -> int:
    """Copy the newest parameters from the engine; return their version, 0 when it set none."""
    view = record(CONTEXT, ctx)
    if view.params_part == 0 or load_acquire(view.params_part) == 0:
        return 0
    return fetch_params(view.params_part, view.params, view.params_lines)


@hot
def log(ctx: int, text: int, n: int, x0: float, x1: float, x2: float, x3: float) -> None:
    """Write one line to the log ring: text number `text` with the first `n` values.

    A full ring loses the line and counts it in `log_lost`.
    """
    view = record(CONTEXT, ctx)
    if view.log_tail - view.log_head >= LOG_ROWS:
        view.log_lost += 1
        return
    line = record(LOG, view.logs + (view.log_tail & (LOG_ROWS - 1)) * 64)
    line.text = text
    line.n = n
    line.now = view.now
    line.values[0] = x0
    line.values[1] = x1
    line.values[2] = x2
    line.values[3] = x3
    line.sequence = view.log_tail
    view.log_tail += 1


class Context:
    """The Python side of a context: owns the block and fills it.

    Parameters
    ----------
    params, state : np.dtype
        Of the two records; either may have no field.
    n_symbols : int
        Length of the class's `symbols`.

    Attributes
    ----------
    address : int
        For the jitted functions.
    view : CONTEXT record
    words : memoryview of int64
        The same words, faster to read and write from Python; indexed by `WORD`.
    params, state : structured array of shape (1,)
    symbols : int64[n_symbols]
    steps : STEPS[MAX_INSTRUMENTS]
    positions : int64[MAX_INSTRUMENTS]
    open_orders : ORDER[MAX_OPEN_ORDERS]
    logs : LOG[LOG_ROWS]
    books : BOOK[MAX_INSTRUMENTS + 1]
    counters : STRATEGY_COUNTERS record
    events_side, orders_side : SIDE[1]
        To be filled by `Segment.fill_events_side` and `fill_orders_side`, or `fill_side`.
    """

    WORD: Final = {name: i for i, name in enumerate(CONTEXT.names or ())}

    def __init__(self, params: np.dtype, state: np.dtype, n_symbols: int) -> None:
        sizes = {
            "params": round_lines(params.itemsize),
            "state": round_lines(state.itemsize),
            "symbols": round_lines(n_symbols * 8),
            "steps": MAX_INSTRUMENTS * STEPS.itemsize,
            "positions": MAX_INSTRUMENTS * 8,
            "open_orders": MAX_OPEN_ORDERS * ORDER.itemsize,
            "logs": LOG_ROWS * LOG.itemsize,
            "books": (MAX_INSTRUMENTS + 1) * SLOT_BYTES,
            "events": SIDE_BYTES,
            "orders": SIDE_BYTES,
        }
        self._memory = aligned_zeros(CONTEXT_BYTES + sum(sizes.values()))
        self.address = int(self._memory.ctypes.data)
        self.view = self._memory[:CONTEXT_BYTES].view(CONTEXT)[0]
        self.words = self._memory[:CONTEXT_BYTES].view(np.int64).data
        parts: dict[str, np.ndarray] = {}
        end = CONTEXT_BYTES
        for name, size in sizes.items():
            parts[name] = self._memory[end : end + size]
            self.view[name] = self.address + end
            end += size
        self.params = parts["params"][: params.itemsize].view(params) if params.itemsize else None
        self.state = parts["state"][: state.itemsize].view(state) if state.itemsize else None
        self.symbols = parts["symbols"].view(np.int64)[:n_symbols]
        self.symbols[:] = -1
        self.steps = parts["steps"].view(STEPS)
        self.positions = parts["positions"].view(np.int64)
        self.open_orders = parts["open_orders"].view(ORDER)
        self.logs = parts["logs"].view(LOG)
        self.books = parts["books"].view(BOOK)
        self._empty_book(MAX_INSTRUMENTS)
        self.events_side, self.orders_side = parts["events"].view(SIDE), parts["orders"].view(SIDE)
        self.view["n_symbols"], self.view["doorbell"] = n_symbols, -1
        # Words that a segment has; without one (tests, backtests) they go nowhere.
        self._nowhere = np.zeros(2 + STRATEGY_COUNTERS.itemsize // 8, np.int64)
        nowhere = int(self._nowhere.ctypes.data)
        self.view["heartbeat"], self.view["done"] = nowhere, nowhere + 8
        self.view["counters"] = nowhere + 16
        self.counters = self._nowhere[2:].view(STRATEGY_COUNTERS)[0]
        self.view["params_lines"] = sizes["params"] // 64

    def connect(self, segment: Segment) -> None:
        """Work on a strategy's segment from now on: its rings, counters, words and epoch.

        Positions are taken over too, so the instruments must be known already.
        """
        segment.fill_events_side(self.events_side, is_producer=False)
        segment.fill_orders_side(self.orders_side, is_producer=True)
        self.counters = segment.strategy_counters
        self.view["counters"] = segment.at("strategy_counters")
        self.view["heartbeat"] = segment.file.address + _HEARTBEAT
        self.view["done"] = segment.file.address + _DONE
        self.view["epoch"] = segment.header["epoch"]
        self.view["params_part"] = segment.at("params_offset")
        self.set_positions(segment.positions)

    @property
    def state_lines(self) -> int:
        """Size of the state record in lines of 64 bytes, for `seqlock.publish`."""
        return (int(self.view["symbols"]) - int(self.view["state"])) // 64

    def _empty_book(self, number: int) -> None:
        row = self.books[number]
        row["bid_price"] = row["ask_price"] = np.nan
        row["instrument"] = number if number < MAX_INSTRUMENTS else ANY_INSTRUMENT

    def add_instruments(self, instruments: Sequence[Instrument]) -> None:
        """Append instruments under the next numbers."""
        number = int(self.view["n_instruments"])
        for instrument in instruments:
            lot = Fraction(repr(instrument.lot))
            self.steps[number] = (
                instrument.tick,
                instrument.lot,
                instrument.min_quantity,
                instrument.contract_value,
                float(lot.numerator),
                float(lot.denominator),
                (0, 0),
            )
            self._empty_book(number)
            number += 1
        self.view["n_instruments"] = number

    def units(self, number: int) -> tuple[float, float]:
        """Return an instrument's lot as a fraction of two whole numbers."""
        steps = self.steps[number]
        return float(steps["lot_numerator"]), float(steps["lot_denominator"])

    def set_positions(self, positions: np.ndarray) -> None:
        """Take positions in units, float64 by instrument number, as whole lots."""
        count = int(self.view["n_instruments"])
        steps = self.steps[:count]
        lots = positions[:count] * steps["lot_denominator"] / steps["lot_numerator"]
        self.positions[:count] = np.rint(lots).astype(np.int64)
