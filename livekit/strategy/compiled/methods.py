"""The methods every strategy has, in compiled code.

Each is an overload of a method of StrategyType with the parameters of api.Strategy,
and calls the same jitted function as the interpreted host does, so the two ways to run
send the same bytes. The rewritten text passes the keyword-only arguments by keyword.
Layer 2.
"""

# mypy: disable-error-code="no-untyped-def"
# Numba calls the overloads below with its own, untyped objects.

from typing import Any, Final

import numpy as np
from numba import types
from numba.extending import intrinsic, overload, overload_method

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
from livekit.strategy.context import book_row, position
from livekit.strategy.context import log as write_log
from livekit.strategy.layout import CONTEXT, STEPS, i64
from livekit.strategy.requests import (
    GIVEN_PRICE,
    GIVEN_QUANTITY,
    send_cancel,
    send_cancel_all,
    send_close,
    send_modify,
    send_new,
)

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


def _check_whole(kind: Any, what: str) -> None:
    if isinstance(kind, int | types.Omitted):  # a default, not given
        return
    if not isinstance(types.unliteral(kind), types.Integer | types.Boolean):
        raise Refusal(f"{what} is {noun(kind)}, expected a whole number")


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


def _given(_value: Any) -> Any:
    """Stand for 'is it given', decided by type where that can be (see below)."""


@overload(_given)
def _is_given(_value):
    if isinstance(_value, types.NoneType | types.Omitted):
        return lambda _value: False
    if isinstance(_value, types.Optional):
        return lambda _value: _value is not None
    return lambda _value: True


@intrinsic
def _present(_typing, value):
    """Return the value of one that may be None, and is not."""

    def codegen(context, builder, signature, args):
        return context.cast(builder, args[0], signature.args[0], signature.return_type)

    return value.type(value), codegen


def _float_or_nan(_value: Any) -> Any:
    """Stand for a float, NaN where there is no value."""


@overload(_float_or_nan)
def _as_float(_value):
    if isinstance(_value, types.NoneType | types.Omitted):
        return lambda _value: np.nan
    if isinstance(_value, types.Optional):
        _check_number(_value.type, "price or quantity")
        return lambda _value: np.nan if _value is None else float(_present(_value))
    _check_number(_value, "price or quantity")
    return lambda _value: float(_value)


def _order_method(side: int) -> Any:
    """Return the overload of buy (0) or sell (1)."""

    def method(self, symbol, quantity, price=None, tif=_GTC, post_only=False, reduce_only=False):
        _check_number(quantity, "quantity")
        _check_whole(tif, "tif")

        def send(self, symbol, quantity, price=None, tif=_GTC, post_only=False, reduce_only=False):
            return send_new(
                context_of(self),
                _number(self, symbol),
                side,
                _LIMIT if _given(price) else _MARKET,
                float(quantity),
                _float_or_nan(price),
                _GTX if post_only else i64(tif),
                1 if reduce_only else 0,
            )

        return send

    return method


overload_method(StrategyType, "buy", prefer_literal=True)(_order_method(0))
overload_method(StrategyType, "sell", prefer_literal=True)(_order_method(1))


@overload_method(StrategyType, "send_order", prefer_literal=True)
def _send_order(self, symbol, side, quantity, price=None):
    _check_whole(side, "side")
    _check_number(quantity, "quantity")

    def send(self, symbol, side, quantity, price=None):
        return send_new(
            context_of(self),
            _number(self, symbol),
            i64(side),
            _LIMIT if _given(price) else _MARKET,
            float(quantity),
            _float_or_nan(price),
            _GTC,
            0,
        )

    return send


@overload_method(StrategyType, "modify")
def _modify(self, order_id, quantity=None, price=None):
    _check_whole(order_id, "order_id")

    def send(self, order_id, quantity=None, price=None):
        given = GIVEN_QUANTITY if _given(quantity) else 0
        if _given(price):
            given |= GIVEN_PRICE
        return send_modify(
            context_of(self), i64(order_id), _float_or_nan(quantity), _float_or_nan(price), given
        )

    return send


@overload_method(StrategyType, "cancel")
def _cancel(self, order_id):
    _check_whole(order_id, "order_id")
    return lambda self, order_id: send_cancel(context_of(self), i64(order_id))


@overload_method(StrategyType, "cancel_all", prefer_literal=True)
def _cancel_all(self, symbol=None):
    if symbol is None or isinstance(symbol, types.NoneType | types.Omitted):
        return lambda self, symbol=None: send_cancel_all(context_of(self), _ANY)
    return lambda self, symbol=None: send_cancel_all(context_of(self), _number(self, symbol))


@overload_method(StrategyType, "close", prefer_literal=True)
def _close(self, symbol):
    return lambda self, symbol: send_close(context_of(self), _number(self, symbol))


@overload_method(StrategyType, "position", prefer_literal=True)
def _position(self, symbol):
    return lambda self, symbol: position(context_of(self), _number(self, symbol))


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
