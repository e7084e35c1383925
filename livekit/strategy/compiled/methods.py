"""The methods every strategy has, in compiled code.

Each is an overload of a method of StrategyType with the parameters of api.Strategy,
and calls the same jitted function as the interpreted host does, so the two ways to run
send the same bytes. The rewritten text passes the keyword-only arguments by keyword.
Layer 2.
"""

# mypy: disable-error-code="no-untyped-def"
# Numba calls the overloads below with its own, untyped objects.

from typing import Any, Final

from numba import types
from numba.extending import intrinsic, overload_method

from livekit.errors import NotFoundError
from livekit.events import ANY_INSTRUMENT, OrderType, TimeInForce
from livekit.ring.memory import load_i64
from livekit.strategy.compiled.events import symbol_constant
from livekit.strategy.compiled.kinds import (
    StrategyType,
    SymbolType,
    book_at,
    constant_load,
    context_of,
    steps_at,
)
from livekit.strategy.compiled.refusal import Refusal, noun
from livekit.strategy.context import book_row
from livekit.strategy.context import log as write_log
from livekit.strategy.layout import CONTEXT, STEPS

__all__: list[str] = []

_LIMIT: Final = int(OrderType.LIMIT)
_MARKET: Final = int(OrderType.MARKET)
_GTC: Final = int(TimeInForce.GTC)
_GTX: Final = int(TimeInForce.GTX)
_ANY: Final = ANY_INSTRUMENT
_STEPS: Final = int(CONTEXT.fields["steps"][1])  # type: ignore[index]
_N_INSTRUMENTS: Final = int(CONTEXT.fields["n_instruments"][1])  # type: ignore[index]
_STEPS_BYTES: Final = STEPS.itemsize
_SYMBOLS: Final = int(CONTEXT.fields["symbols"][1])  # type: ignore[index]


def _check_number(kind: Any, what: str) -> None:
    if not isinstance(types.unliteral(kind), types.Number | types.Boolean):
        raise Refusal(f"{what} is {noun(kind)}, expected a number")


@intrinsic(prefer_literal=True)
def _number(_typing, own, symbol):
    """Return the instrument number of a symbol, or of a name in the text."""
    if isinstance(symbol, SymbolType):
        return types.int64(own, symbol), lambda _c, builder, _s, args: builder.extract_value(
            args[1], 0
        )
    if not isinstance(symbol, types.StringLiteral):
        raise Refusal(
            f"symbol is {noun(symbol)}, expected a name in the text, event.symbol or one of "
            "self.symbols"
        )
    place = symbol_constant(own.layout, symbol.literal_value)

    def codegen(_context, builder, _signature, args):
        return constant_load(builder, constant_load(builder, args[0], _SYMBOLS), place * 8)

    return types.int64(own, symbol), codegen


@overload_method(StrategyType, "book", prefer_literal=True)
def _book(self, symbol):
    return lambda self, symbol: book_at(self, book_row(context_of(self), _number(self, symbol)))


@overload_method(StrategyType, "instrument", prefer_literal=True)
def _instrument(self, symbol):
    def steps(self, symbol):
        number = _number(self, symbol)
        if number < 0 or number >= load_i64(context_of(self) + _N_INSTRUMENTS):
            raise NotFoundError("the instrument is not in the engine's directory")
        return steps_at(load_i64(context_of(self) + _STEPS) + number * _STEPS_BYTES)

    return steps


@overload_method(StrategyType, "log")
def _log(self, text, *values):
    if len(values) == 1 and isinstance(values[0], types.BaseTuple):
        values = tuple(values[0])
    for value in values:
        _check_number(value, "a logged value")
    n = len(values)

    def write(self, text, *values):
        x0 = x1 = x2 = x3 = 0.0
        if n > 0:
            x0 = float(values[0])
        if n > 1:
            x1 = float(values[1])
        if n > 2:
            x2 = float(values[2])
        if n > 3:
            x3 = float(values[3])
        write_log(context_of(self), text, n, x0, x1, x2, x3)

    return write
