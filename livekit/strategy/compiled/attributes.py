"""Attributes of `self` in compiled code: loads and stores at constant distances.

State fields, parameters, `symbols`, `now`, `open_orders`, and the class's own helper
methods and properties. Constants of the class have been put into the text by then
(rewrite.py); the methods that every strategy has stand in methods.py.
Layer 2.
"""

# mypy: disable-error-code="no-untyped-def, misc"
# Numba calls the code generators below with its own, untyped objects.

from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils, imputils
from numba.core.typing import templates
from numba.extending import infer_getattr, lower_getattr_generic, lower_setattr_generic

from livekit.strategy.compiled.kinds import (
    EventType,
    OrdersType,
    StrategyType,
    SymbolType,
    ViewArray,
    constant_load,
    field_pointer,
    load_field,
    make_view,
)
from livekit.strategy.compiled.layout import Layout
from livekit.strategy.layout import CONTEXT

__all__ = ["register_method"]

_NOW: Final = int(CONTEXT.fields["now"][1])  # type: ignore[index]
_SYMBOLS: Final = int(CONTEXT.fields["symbols"][1])  # type: ignore[index]
_CALL: Final = "call "
_registered: Final[set[str]] = set()


def _attribute_type(layout: Layout, attribute: str) -> Any:
    """Return the type of what `self.attribute` reads; None for what is no value."""
    if attribute in layout.fields:
        field = layout.fields[attribute]
        return ViewArray(field.length) if field.length else field.kind
    if attribute in layout.params:
        return layout.params[attribute].kind
    if attribute == "now":
        return types.int64
    if attribute == "symbols":
        return types.UniTuple(SymbolType(layout), len(layout.symbols))
    if attribute == "open_orders":
        return OrdersType(layout, EventType(layout, layout.views["order"]))
    return None


def _bound(kind: StrategyType, attribute: str) -> Any:
    """Return the type of the user's own method, called on `self`."""
    dispatcher = types.Dispatcher(kind.layout.methods[attribute])

    class Method(templates.AbstractTemplate):
        key = (StrategyType, _CALL + attribute)

        def generic(self, args: Any, kws: Any) -> Any:
            plain = [_plain(arg) for arg in args]
            named = {name: _plain(arg) for name, arg in kws.items()}
            return dispatcher.get_call_type(self.context, (kind, *plain), named).as_method()

    return types.BoundFunction(Method, kind)


def _plain(kind: Any) -> Any:
    """Forget literal numbers, so that f(1) and f(2) are one machine code; keep literal text."""
    return kind if isinstance(kind, types.StringLiteral) else types.unliteral(kind)


@infer_getattr
class _SelfAttributes(templates.AttributeTemplate):
    key = StrategyType

    def generic_resolve(self, kind, attribute):
        """Say what `self.attribute` is; methods of every strategy are left to methods.py."""
        layout = kind.layout
        found = _attribute_type(layout, attribute)
        if found is not None:
            return found
        if attribute in layout.methods:
            return _bound(kind, attribute)
        if attribute in layout.properties:
            getter = types.Dispatcher(layout.properties[attribute])
            return getter.get_call_type(self.context, (kind,), {}).return_type
        return None


@lower_getattr_generic(StrategyType)
def _read(context, builder, kind, value, attribute):  # noqa: PLR0911 - one per kind of attribute
    layout = kind.layout
    if attribute in layout.fields:
        field = layout.fields[attribute]
        if field.length:
            address = builder.add(value, ir.Constant(ir.IntType(64), field.offset))
            return make_view(context, builder, ViewArray(field.length), address)
        return load_field(context, builder, field.kind, value, field.offset)
    if attribute in layout.params:
        param = layout.params[attribute]
        return load_field(context, builder, param.kind, value, param.offset)
    if attribute == "now":
        return load_field(context, builder, types.int64, value, _NOW)
    if attribute == "symbols":
        return _read_symbols(context, builder, kind, value)
    if attribute == "open_orders":
        return value
    return _read_property(context, builder, kind, value, attribute)


def _read_symbols(context, builder, kind, value):
    count = len(kind.layout.symbols)
    table = constant_load(builder, value, _SYMBOLS)
    pairs = [
        cgutils.pack_struct(builder, [constant_load(builder, table, i * 8), value])
        for i in range(count)
    ]
    return context.make_tuple(builder, types.UniTuple(SymbolType(kind.layout), count), pairs)


def _read_property(context, builder, kind, value, attribute):
    getter = types.Dispatcher(kind.layout.properties[attribute])
    signature = getter.get_call_type(context.typing_context, (kind,), {})
    call = context.get_function(getter, signature)
    result = call(builder, [value])
    context.add_linking_libs(getattr(call, "libs", ()))
    return imputils.impl_ret_new_ref(context, builder, signature.return_type, result)


@lower_setattr_generic(StrategyType)
def _write(context, builder, signature, args, attribute):
    kind, value_kind = signature.args
    field = kind.layout.fields[attribute]
    value = context.cast(builder, args[1], value_kind, field.kind)
    data = context.data_model_manager[field.kind].as_data(builder, value)
    builder.store(data, field_pointer(builder, args[0], field.offset, data.type))


def register_method(name: str) -> None:
    """Teach Numba to call helper methods of one name, once for all classes."""
    if name in _registered:
        return
    _registered.add(name)

    def call_method(context, builder, signature, args):
        dispatcher = types.Dispatcher(signature.args[0].layout.methods[name])
        call = context.get_function(dispatcher, signature)
        result = call(builder, args)
        context.add_linking_libs(getattr(call, "libs", ()))
        return imputils.impl_ret_new_ref(context, builder, signature.return_type, result)

    imputils.lower_builtin((StrategyType, _CALL + name), StrategyType, types.VarArg(types.Any))(
        call_method
    )
