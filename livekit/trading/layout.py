"""The memory of one trading core: one block, its sections, and where each row lies.

A core is one contiguous, 128-byte aligned block without a pointer in it but those to
jitted functions: the header holds offsets, rows refer to each other by number,
and row 0 of the order table means "none", so a zeroed block is an empty core and a
byte-wise copy is a second, equal core. Jitted functions take the block's address and
reach a row through the accessors below, each of which is one load and one multiply-add.
Layer 2. One writer, the owner of the core; anyone may read.
"""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from livekit.events import BOOK
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import record
from livekit.trading.limits import LIMITS
from livekit.trading.rows import (
    CORE,
    ENTRY,
    FLOAT,
    LINE,
    MARKET,
    ORDER_ROW,
    OUTBOX,
    POSITION,
    SEND,
    STRATEGY,
    UNLIMITED_LOTS,
    WIRE,
    Gate,
    TouchSource,
    TradingState,
)

__all__ = [
    "CORE",
    "ENTRY",
    "FLOAT",
    "LINE",
    "MARKET",
    "ORDER_ROW",
    "OUTBOX",
    "POSITION",
    "SEND",
    "STRATEGY",
    "UNLIMITED_LOTS",
    "WIRE",
    "Gate",
    "TouchSource",
    "TradingState",
    "book_at",
    "entry_at",
    "from_lots",
    "limits_at",
    "line_at",
    "market_at",
    "order_at",
    "outbox_at",
    "position_at",
    "send_at",
    "strategy_at",
    "to_steps",
    "wire_at",
]

_I64: Final = ir.IntType(64)


def _section(name: str, row_bytes: int) -> Any:
    """Return an intrinsic: core, index → address of a row of a section.

    An intrinsic and not a jitted function, because it is used everywhere: the core
    compiles in half the time without a call to inline at each use.
    """
    offset = int(CORE.fields[name][1])  # type: ignore[index]

    @intrinsic
    def row_at(_context: Any, core: Any, index: Any) -> Any:  # noqa: ARG001 - its signature
        def codegen(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            word = builder.add(args[0], ir.Constant(_I64, offset))
            start = builder.load(builder.inttoptr(word, _I64.as_pointer()), align=8)
            row = builder.mul(args[1], ir.Constant(_I64, row_bytes))
            return builder.add(args[0], builder.add(start, row))

        return types.int64(types.int64, types.int64), codegen

    return row_at


market_at = _section("markets", MARKET.itemsize)
"""Address of an instrument's MARKET row, from the core and the instrument."""

book_at = _section("books", BOOK.itemsize)
"""Address of the last BOOK event of an instrument."""

strategy_at = _section("strategies", STRATEGY.itemsize)
"""Address of a strategy's STRATEGY row, from the core and the slot."""

limits_at = _section("limits", LIMITS.itemsize)
"""Address of a strategy's LIMITS row."""

order_at = _section("orders", ORDER_ROW.itemsize)
"""Address of a row of the order table; row 0 stands for none."""

outbox_at = _section("outbox", OUTBOX.itemsize)
"""Address of a row of the outbox."""

line_at = _section("lines", LINE.itemsize)
"""Address of a LINE row: 0 requests on their way to the venue, 1 its answers."""

wire_at = _section("wire", WIRE.itemsize)
"""Address of a message in flight; slot 0 stands for none."""

entry_at = _section("index", ENTRY.itemsize)
"""Address of a slot of the index by order id."""

send_at = _section("sends", SEND.itemsize)
"""Address of a request that waits to be sent."""

_position_at = _section("positions", POSITION.itemsize)


@inner
def position_at(core: int, strategy: int, instrument: int) -> int:
    """Address of the POSITION row of a strategy in an instrument."""
    row: int = _position_at(core, strategy * record(CORE, core).max_instruments + instrument)
    return row


@hot
def from_lots(core: int, instrument: int, lots: int) -> float:
    """Quantity of a number of lots, the float64 nearest to the decimal value."""
    market = record(MARKET, market_at(core, instrument))
    return np.float64(lots) * market.lot_numerator / market.lot_denominator


@hot
def to_steps(value: float, numerator: float, denominator: float) -> int:
    """Count the steps in a positive value: -1 when it is no multiple, -2 beyond 2**50 steps.

    A value may be off by a millionth of a step, and by the rounding of its own digits.
    """
    steps = value * denominator / numerator
    if not steps <= 1125899906842624.0:
        return -2
    nearest = np.rint(steps)
    if nearest < 1.0 or abs(steps - nearest) > 1e-6 + steps * 1e-15:
        return -1
    return i64(nearest)
