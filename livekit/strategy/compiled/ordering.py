"""The methods that trade, in compiled code: each call in the text is one call.

`buy`, `sell`, `send_order`, `modify`, `cancel`, `cancel_all`, `close` and `position`,
with the parameters of api.Strategy. A call is checked while Numba infers types, and
becomes a call of the jitted function that the interpreted host calls too, so the two
ways to run send the same bytes. As overloads, Numba would compile a function for every
place that calls one, and that twice: half of what an edited strategy waited for.
Layer 2.
"""

# mypy: disable-error-code="no-untyped-def, misc"
# Numba calls the code generators below with its own, untyped objects.

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils, imputils, typing
from numba.core.typing import templates
from numba.extending import infer_getattr

from livekit.events import ANY_INSTRUMENT, OrderType, TimeInForce
from livekit.strategy.compiled.events import symbol_constant
from livekit.strategy.compiled.kinds import StrategyType, SymbolType, constant_load
from livekit.strategy.compiled.refusal import Refusal, noun
from livekit.strategy.context import position
from livekit.strategy.layout import CONTEXT
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

_I64: Final = ir.IntType(64)
_DOUBLE: Final = ir.DoubleType()
_GTC: Final = int(TimeInForce.GTC)
_SYMBOLS: Final = int(CONTEXT.fields["symbols"][1])  # type: ignore[index]
_CALL: Final = "trade "
_WHOLE, _REAL = types.int64, types.float64


def _is_none(kind: Any) -> bool:
    return isinstance(kind, types.NoneType) or (
        isinstance(kind, types.Omitted) and kind.value is None
    )


def _check_symbol(own: StrategyType, kind: Any) -> None:
    if isinstance(kind, SymbolType):
        return
    if not isinstance(kind, types.StringLiteral):
        raise Refusal(
            f"symbol is {noun(kind)}, expected a name in the text, event.symbol or one of "
            "self.symbols"
        )
    symbol_constant(own.layout, kind.literal_value)


def _check_number(kind: Any, what: str) -> None:
    if not isinstance(kind, types.Number | types.Boolean):
        raise Refusal(f"{what} is {noun(kind)}, expected a number")


def _check_maybe(kind: Any, what: str) -> None:
    if not _is_none(kind):
        _check_number(kind.type if isinstance(kind, types.Optional) else kind, what)


def _check_whole(kind: Any, what: str) -> None:
    if not isinstance(kind, types.Integer | types.Boolean | types.Omitted):
        raise Refusal(f"{what} is {noun(kind)}, expected a whole number")


def _check_flag(kind: Any, what: str) -> None:
    if not isinstance(kind, types.Number | types.Boolean | types.Omitted | types.NoneType):
        raise Refusal(f"{what} is {noun(kind)}, expected True or False")


_CHECKS: Final[dict[str, Callable[[Any, str], None]]] = {
    "side": _check_whole,
    "quantity": _check_number,
    "price": _check_maybe,
    "tif": _check_whole,
    "post_only": _check_flag,
    "reduce_only": _check_flag,
    "order_id": _check_whole,
}


class _Site:
    """One call in the text, being turned into machine code.

    Every method takes a parameter's name and returns an LLVM value.
    """

    def __init__(self, context, builder, signature, args, names) -> None:
        self._context, self._builder = context, builder
        self.own = args[0]
        self._own_kind = signature.args[0]
        self._kinds = dict(zip(names, signature.args[1:], strict=True))
        self._values = dict(zip(names, args[1:], strict=True))

    @staticmethod
    def constant(value: int) -> Any:
        """Return an int64."""
        return ir.Constant(_I64, value)

    def instrument(self, name: str) -> Any:
        """Return the instrument number of a symbol; of any, where it is None."""
        kind = self._kinds[name]
        if _is_none(kind):
            return self.constant(ANY_INSTRUMENT)
        if isinstance(kind, SymbolType):
            return self._builder.extract_value(self._values[name], 0)
        place = symbol_constant(self._own_kind.layout, kind.literal_value)
        table = constant_load(self._builder, self.own, _SYMBOLS)
        return constant_load(self._builder, table, place * 8)

    def whole(self, name: str) -> Any:
        """Return an int64."""
        kind = self._kinds[name]
        if isinstance(kind, types.Omitted):
            return self.constant(int(kind.value))
        return self._context.cast(self._builder, self._values[name], kind, _WHOLE)

    def real(self, name: str) -> Any:
        """Return a float64; NaN where there is none."""
        kind, value = self._kinds[name], self._values[name]
        nan = ir.Constant(_DOUBLE, math.nan)
        if _is_none(kind):
            return nan
        if not isinstance(kind, types.Optional):
            return self._context.cast(self._builder, value, kind, _REAL)
        pair = self._context.make_helper(self._builder, kind, value)
        number = self._context.cast(self._builder, pair.data, kind.type, _REAL)
        return self._builder.select(self.is_given(name), number, nan)

    def is_given(self, name: str) -> Any:
        """Return a bit: whether a value is there."""
        kind, value = self._kinds[name], self._values[name]
        if isinstance(kind, types.Optional):
            pair = self._context.make_helper(self._builder, kind, value)
            return cgutils.as_bool_bit(self._builder, pair.valid)
        return cgutils.false_bit if _is_none(kind) else cgutils.true_bit

    def is_true(self, name: str) -> Any:
        """Return a bit."""
        kind = self._kinds[name]
        if isinstance(kind, types.Omitted | types.NoneType):
            return cgutils.true_bit if getattr(kind, "value", False) else cgutils.false_bit
        return self._context.is_true(self._builder, kind, self._values[name])

    def choose(self, bit: Any, then: Any, otherwise: Any) -> Any:
        """Return `then` where the bit is set."""
        return self._builder.select(bit, then, otherwise)

    def given(self) -> Any:
        """Return which of quantity and price are given, as `send_modify` takes it."""
        none = self.constant(0)
        quantity = self.choose(self.is_given("quantity"), self.constant(GIVEN_QUANTITY), none)
        price = self.choose(self.is_given("price"), self.constant(GIVEN_PRICE), none)
        return self._builder.or_(quantity, price)


_NEW_KINDS: Final = (_WHOLE, _WHOLE, _WHOLE, _REAL, _REAL, _WHOLE, _WHOLE)


def _pack_new(site: _Site, side: Any, tif: Any, options: Any) -> list[Any]:
    limit, market = site.constant(int(OrderType.LIMIT)), site.constant(int(OrderType.MARKET))
    kind = site.choose(site.is_given("price"), limit, market)
    symbol, quantity = site.instrument("symbol"), site.real("quantity")
    return [symbol, side, kind, quantity, site.real("price"), tif, options]


def _pack_side(side: int) -> Callable[[_Site], list[Any]]:
    def pack(site: _Site) -> list[Any]:
        gtx = site.constant(int(TimeInForce.GTX))
        tif = site.choose(site.is_true("post_only"), gtx, site.whole("tif"))
        options = site.choose(site.is_true("reduce_only"), site.constant(1), site.constant(0))
        return _pack_new(site, site.constant(side), tif, options)

    return pack


def _shape(*names: str, **defaults: Any) -> inspect.Signature:
    """Return the parameters of a method after `self`."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    needed = [inspect.Parameter(name, kind) for name in names]
    return inspect.Signature(
        needed + [inspect.Parameter(name, kind, default=it) for name, it in defaults.items()]
    )


_ORDER: Final = _shape(
    "symbol", "quantity", price=None, tif=_GTC, post_only=False, reduce_only=False
)


@dataclass(frozen=True, slots=True)
class _Method:
    """One method.

    Attributes
    ----------
    shape : Signature
        The parameters after `self`.
    target : jitted function
        What is called, with the context and what `pack` gives.
    kinds : tuple of Numba types
        Of what `pack` gives.
    pack : callable
        Gives the target's arguments after the context.
    """

    shape: inspect.Signature
    target: Any
    kinds: tuple[Any, ...]
    pack: Callable[[_Site], list[Any]]


_METHODS: Final = {
    "buy": _Method(_ORDER, send_new, _NEW_KINDS, _pack_side(0)),
    "sell": _Method(_ORDER, send_new, _NEW_KINDS, _pack_side(1)),
    "send_order": _Method(
        _shape("symbol", "side", "quantity", price=None),
        send_new,
        _NEW_KINDS,
        lambda site: _pack_new(site, site.whole("side"), site.constant(_GTC), site.constant(0)),
    ),
    "modify": _Method(
        _shape("order_id", quantity=None, price=None),
        send_modify,
        (_WHOLE, _REAL, _REAL, _WHOLE),
        lambda site: [
            site.whole("order_id"),
            site.real("quantity"),
            site.real("price"),
            site.given(),
        ],
    ),
    "cancel": _Method(
        _shape("order_id"), send_cancel, (_WHOLE,), lambda site: [site.whole("order_id")]
    ),
    "cancel_all": _Method(
        _shape(symbol=None), send_cancel_all, (_WHOLE,), lambda site: [site.instrument("symbol")]
    ),
    "close": _Method(
        _shape("symbol"), send_close, (_WHOLE,), lambda site: [site.instrument("symbol")]
    ),
    "position": _Method(
        _shape("symbol"), position, (_WHOLE,), lambda site: [site.instrument("symbol")]
    ),
}


def _plain(kind: Any) -> Any:
    return kind if isinstance(kind, types.StringLiteral) else types.unliteral(kind)


def _check(name: str, own: StrategyType, kinds: dict[str, Any]) -> None:
    """Refuse what a method does not take."""
    for parameter, kind in kinds.items():
        if parameter == "symbol":
            if name != "cancel_all" or not _is_none(kind):
                _check_symbol(own, kind)
        elif name == "modify" and parameter == "quantity":
            _check_maybe(kind, "price or quantity")
        else:
            what = "price or quantity" if parameter == "price" else parameter
            _CHECKS[parameter](kind, what)


def _bound(own: StrategyType, name: str) -> Any:
    """Return the type of `self.name`."""
    method = _METHODS[name]

    class Call(templates.AbstractTemplate):
        key = (StrategyType, _CALL + name)
        prefer_literal = True

        def generic(self, args: Any, kws: Any) -> Any:
            folded = typing.fold_arguments(
                method.shape,
                [_plain(kind) for kind in args],
                {word: _plain(kind) for word, kind in kws.items()},
                lambda _index, _parameter, kind: kind,
                lambda _index, _parameter, default: types.Omitted(default),
                lambda _index, _parameter, kinds: kinds,
            )
            _check(name, own, dict(zip(method.shape.parameters, folded, strict=True)))
            target = types.Dispatcher(method.target)
            result = target.get_call_type(self.context, (_WHOLE, *method.kinds), {}).return_type
            return typing.signature(result, *folded, recvr=own).replace(pysig=method.shape)

    return types.BoundFunction(Call, own)


@infer_getattr
class _Methods(templates.AttributeTemplate):
    key = StrategyType

    def generic_resolve(self, kind, attribute):
        """Give the methods above, where the class has none of that name itself."""
        if attribute not in _METHODS or attribute in kind.layout.methods:
            return None
        return _bound(kind, attribute)


def _lower(name: str) -> None:
    """Teach Numba to call one method."""
    method = _METHODS[name]
    names = tuple(method.shape.parameters)
    target = types.Dispatcher(method.target)

    def call_target(context, builder, signature, args):
        site = _Site(context, builder, signature, args, names)
        resolved = target.get_call_type(context.typing_context, (_WHOLE, *method.kinds), {})
        call = context.get_function(target, resolved)
        result = call(builder, [site.own, *method.pack(site)])
        context.add_linking_libs(getattr(call, "libs", ()))
        return imputils.impl_ret_untracked(context, builder, signature.return_type, result)

    imputils.lower_builtin((StrategyType, _CALL + name), StrategyType, types.VarArg(types.Any))(
        call_target
    )


for _name in _METHODS:
    _lower(_name)
