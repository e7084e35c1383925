"""Events, symbols, open orders and instruments in compiled code.

An attribute of an event is one load at a constant distance from the event's address.
Layer 2.
"""

# mypy: disable-error-code="no-untyped-def, misc"
# Numba calls the code generators below with its own, untyped objects.

import operator
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, imputils
from numba.core.typing import templates
from numba.extending import (
    infer_getattr,
    intrinsic,
    lower_builtin,
    lower_getattr_generic,
    overload,
)
from numba.np import numpy_support

from livekit.events import DTYPES, HEAD, Kind
from livekit.ring.memory import load_i64
from livekit.strategy.compiled.kinds import (
    EventType,
    OrdersIterator,
    OrdersType,
    StepsType,
    SymbolType,
    ViewArray,
    constant_load,
    context_of,
    load_field,
    make_view,
    order_at,
)
from livekit.strategy.compiled.refusal import Refusal, did_you_mean, noun
from livekit.strategy.compiled.views import NOT_COMPILED
from livekit.strategy.layout import CONTEXT, STEPS

__all__ = ["symbol_constant"]

_ROW_BYTES: Final = DTYPES[Kind.ORDER].itemsize
_OPEN: Final = int(CONTEXT.fields["open_orders"][1])  # type: ignore[index]
_COUNT: Final = int(CONTEXT.fields["n_open"][1])  # type: ignore[index]
_SYMBOLS: Final = int(CONTEXT.fields["symbols"][1])  # type: ignore[index]
_INSTRUMENT: Final = int(HEAD.fields["instrument"][1])  # type: ignore[index]
_TIME: Final = int(HEAD.fields["ts_event"][1])  # type: ignore[index]
_STEPS: Final = ("tick", "lot", "min_quantity", "contract_value")


@infer_getattr
class _EventAttributes(templates.AttributeTemplate):
    key = EventType

    def generic_resolve(self, kind, attribute):
        """Return the type of an event's attribute, or say which there are."""
        view = kind.view
        if attribute == "symbol":
            return SymbolType(kind.layout)
        if attribute == "timestamp" or (attribute == "sign" and view.side):
            return types.int64
        found = view.attributes.get(attribute)
        if found is None:
            reason = (
                "is text, which compiled code does not have"
                if attribute in NOT_COMPILED
                else f"does not exist{did_you_mean(attribute, view.names())}"
            )
            raise Refusal(f"attribute {attribute!r} of {view.called} {reason}")
        if found.length and found.code == "f8":
            return ViewArray(found.length, readonly=True)
        if found.length:
            return types.UniTuple(types.int64, found.length)
        return types.float64 if found.code == "f8" else types.int64


@lower_getattr_generic(EventType)
def _read(context, builder, kind, value, attribute):
    event = builder.extract_value(value, 0)
    if attribute == "symbol":
        number = _load_whole(context, builder, event, "u2", _INSTRUMENT)
        return cgutils.pack_struct(builder, [number, builder.extract_value(value, 1)])
    if attribute == "timestamp":
        time = load_field(context, builder, types.int64, event, _TIME)
        # Floor, as Python's // does; times before 1970 are still times.
        million = ir.Constant(time.type, 1_000_000)
        rest = builder.srem(time, million)
        floor = builder.sdiv(builder.sub(time, rest), million)
        is_below = builder.icmp_signed("<", rest, ir.Constant(time.type, 0))
        return builder.sub(floor, builder.zext(is_below, time.type))
    view = kind.view
    if attribute == "sign":
        side = _read_attribute(context, builder, event, view.attributes[view.side])
        return builder.sub(ir.Constant(side.type, 1), builder.shl(side, ir.Constant(side.type, 1)))
    return _read_attribute(context, builder, event, view.attributes[attribute])


def _read_attribute(context, builder, event, found):
    if found.length and found.code == "f8":
        address = builder.add(event, ir.Constant(event.type, found.offset))
        return make_view(context, builder, ViewArray(found.length, readonly=True), address)
    if found.length:
        width = np.dtype(found.code).itemsize
        parts = [
            _load_whole(context, builder, event, found.code, found.offset + i * width)
            for i in range(found.length)
        ]
        return context.make_tuple(builder, types.UniTuple(types.int64, found.length), parts)
    if found.code == "f8":
        return load_field(context, builder, types.float64, event, found.offset)
    whole = _load_whole(context, builder, event, found.code, found.offset)
    return whole if found.mask < 0 else builder.and_(whole, ir.Constant(whole.type, found.mask))


def _load_whole(context, builder, address, code, offset):
    """Load a whole number of any width as an int64."""
    kind = numpy_support.from_dtype(np.dtype(code))
    return context.cast(
        builder, load_field(context, builder, kind, address, offset), kind, types.int64
    )


def symbol_constant(layout: Any, name: str) -> int:
    """Return the place of a name in the class's `symbols`, or raise a Refusal.

    A class without `symbols` takes every instrument and knows none by name.
    """
    if name in layout.symbols:
        return int(layout.symbols.index(name))
    if not layout.symbols:
        raise Refusal(
            f"symbol {name!r} is not known: compiled code knows the names in the class's symbols, "
            f"and it declares none; add symbols = ({name!r},)"
        )
    raise Refusal(
        f"symbol {name!r} is not one of the class's symbols "
        f"{layout.symbols!r}{did_you_mean(name, layout.symbols) or '; add it there'}"
    )


@intrinsic
def _is_same(_typing, one, other):
    """Compare two symbols, or a symbol and a name in the text."""
    layout = (one if isinstance(one, SymbolType) else other).layout
    places = [
        symbol_constant(layout, kind.literal_value) if isinstance(kind, types.StringLiteral) else -1
        for kind in (one, other)
    ]

    def codegen(_context, builder, _signature, args):
        known = args[0] if places[0] < 0 else args[1]
        table = constant_load(builder, builder.extract_value(known, 1), _SYMBOLS)
        numbers = [
            builder.extract_value(arg, 0) if place < 0 else constant_load(builder, table, place * 8)
            for arg, place in zip(args, places, strict=True)
        ]
        return builder.icmp_signed("==", *numbers)

    return types.boolean(one, other), codegen


def _are_symbols(one: Any, other: Any) -> bool:
    """Tell whether two operands are symbols, at least one of them not a literal name."""
    kinds = (one, other)
    if not any(isinstance(kind, SymbolType) for kind in kinds):
        return False
    for kind in kinds:
        if not isinstance(kind, SymbolType | types.StringLiteral):
            raise Refusal(
                f"a symbol is compared with {noun(kind)}, expected a name in the text or a symbol"
            )
    return True


@overload(operator.eq, prefer_literal=True)
def _equal(one, other):
    if _are_symbols(one, other):
        return lambda one, other: _is_same(one, other)
    return None


@overload(operator.ne, prefer_literal=True)
def _unequal(one, other):
    if _are_symbols(one, other):
        return lambda one, other: not _is_same(one, other)
    return None


@lower_builtin("getiter", OrdersType)
def _iterate(context, builder, signature, args):
    iterator = context.make_helper(builder, signature.return_type)
    zero = context.get_constant(types.int64, 0)
    iterator.index = cgutils.alloca_once_value(builder, zero)
    iterator.count = load_field(context, builder, types.int64, args[0], _COUNT)
    iterator.rows = constant_load(builder, args[0], _OPEN)
    iterator.context = args[0]
    return iterator._getvalue()  # noqa: SLF001 - Numba's name for it


@lower_builtin("iternext", OrdersIterator)
@imputils.iternext_impl(imputils.RefType.UNTRACKED)
def _next(context, builder, signature, args, result):
    iterator = context.make_helper(builder, signature.args[0], value=args[0])
    index = builder.load(iterator.index)
    is_valid = builder.icmp_signed("<", index, iterator.count)
    result.set_valid(is_valid)
    with builder.if_then(is_valid):
        width = ir.Constant(index.type, _ROW_BYTES)
        row = builder.add(iterator.rows, builder.mul(index, width))
        result.yield_(cgutils.pack_struct(builder, [row, iterator.context]))
        builder.store(builder.add(index, ir.Constant(index.type, 1)), iterator.index)


@overload(len)
def _count(orders):
    if not isinstance(orders, OrdersType):
        return None
    return lambda orders: load_i64(context_of(orders) + _COUNT)


@overload(bool)
def _has_any(orders):
    if not isinstance(orders, OrdersType):
        return None
    return lambda orders: load_i64(context_of(orders) + _COUNT) > 0


@overload(operator.getitem)
def _pick(orders, index):
    if not isinstance(orders, OrdersType) or not isinstance(index, types.Integer):
        return None

    def pick(orders, index):
        context = context_of(orders)
        count = load_i64(context + _COUNT)
        place = index + count if index < 0 else index
        if place < 0 or place >= count:
            raise IndexError("tuple index out of range")
        return order_at(orders, load_i64(context + _OPEN) + place * _ROW_BYTES)

    return pick


@infer_getattr
class _StepsAttributes(templates.AttributeTemplate):
    key = StepsType

    def generic_resolve(self, _kind, attribute):
        """Return the type of an instrument's attribute, or say which there are."""
        if attribute in _STEPS:
            return types.float64
        raise Refusal(
            f"attribute {attribute!r} of an instrument is not there in compiled code, which has "
            f"{', '.join(_STEPS)}{did_you_mean(attribute, _STEPS)}"
        )


@lower_getattr_generic(StepsType)
def _read_steps(context, builder, _kind, value, attribute):
    offset = int(STEPS.fields[attribute][1])  # type: ignore[index]
    return load_field(context, builder, types.float64, value, offset)
