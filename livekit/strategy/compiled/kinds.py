"""The Numba types of compiled strategies, and how each lowers to integers.

`self` is one address, the CONTEXT's: parameters and state lie behind it at distances
that are constants of the class, so reading or writing an attribute is one load or store
and there is no reference to count (counting makes callbacks six times slower). What
needs the context as well as a place of its own is a pair of integers:

    StrategyType    context                 self
    EventType       event, context          an event, also a book or an open order
    SymbolType      number, context         event.symbol, a member of self.symbols
    OrdersType      context                 self.open_orders
    StepsType       address                 self.instrument(symbol)
    ViewArray       an array without owner  lk.array(n), the levels of a book

A symbol carries the context because a name in the text means an entry of the class's
`symbols`, whose number in the running engine stands in the context: machine code knows
no numbers of instruments and is valid in any engine.
Layer 2.
"""

# mypy: disable-error-code="no-untyped-def, misc"
# Numba calls the code generators below with its own, untyped objects.

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

__all__ = [
    "EventType",
    "OrdersIterator",
    "OrdersType",
    "StepsType",
    "StrategyType",
    "SymbolType",
    "ViewArray",
    "as_event",
    "as_self",
    "book_at",
    "constant_load",
    "context_of",
    "field_pointer",
    "load_field",
    "make_view",
    "number_of",
    "order_at",
    "steps_at",
]

_I64 = ir.IntType(64)


class _Bound(types.Type):
    """A type that knows the class it belongs to."""

    def __init__(self, layout: Any, name: str) -> None:
        self.layout = layout
        super().__init__(f"{name}<{layout.identity}>")


class StrategyType(_Bound):
    """`self` of one class."""

    called = "self"

    def __init__(self, layout: Any) -> None:
        super().__init__(layout, "strategy")


class SymbolType(_Bound):
    """An instrument as the text sees it: by name."""

    called = "a symbol"

    def __init__(self, layout: Any) -> None:
        super().__init__(layout, "symbol")


class EventType(_Bound):
    """An event of one kind; `view` describes its attributes (events.py)."""

    def __init__(self, layout: Any, view: Any) -> None:
        self.view = view
        self.called = view.called
        super().__init__(layout, f"event.{view.name}")


class OrdersType(types.IterableType):
    """The open orders of `self`: `order` is the EventType of each."""

    called = "the open orders"

    def __init__(self, layout: Any, order: EventType) -> None:
        self.layout, self.order = layout, order
        super().__init__(f"orders<{layout.identity}>")

    @property
    def iterator_type(self) -> "OrdersIterator":
        """Type of what a for loop runs over."""
        return OrdersIterator(self)


class OrdersIterator(types.SimpleIteratorType):
    """The open orders as they are when a loop over them begins."""

    def __init__(self, orders: OrdersType) -> None:
        super().__init__(f"iter({orders.name})", orders.order)


class StepsType(types.Type):
    """Tick, lot and smallest quantity of an instrument."""

    called = "an instrument"

    def __init__(self) -> None:
        super().__init__("instrument")


class ViewArray(types.Array):
    """A float64 array of fixed length over memory that nobody counts references to."""

    def __init__(self, length: int, *, readonly: bool = False) -> None:
        self.length = length
        what = "readonly_view" if readonly else "view"
        super().__init__(types.float64, 1, "C", readonly=readonly, name=f"{what}({length})")

    @property
    def key(self) -> tuple[int, bool]:
        """What makes two of them the same type."""
        return (self.length, self.mutable)

    @property
    def mangling_args(self) -> tuple[str, list[Any]]:
        """Parts of the name in a symbol of the object code."""
        return "view", [self.length, "mutable" if self.mutable else "readonly"]

    def unify(self, typingctx: Any, other: Any) -> Any:
        """Two views of different length meet in a plain array."""
        plain = types.Array(types.float64, 1, "C", readonly=not self.mutable)
        return plain.unify(typingctx, other)


class _Address(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, _I64)


class _Pair(models.StructModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, [("value", types.int64), ("context", types.int64)])


@register_model(OrdersIterator)
class _OrdersIteratorModel(models.StructModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        members = [
            ("index", types.EphemeralPointer(types.int64)),
            ("count", types.int64),
            ("rows", types.int64),
            ("context", types.int64),
        ]
        super().__init__(dmm, fe_type, members)


class _ViewModel(models.ArrayModel):
    def traverse(self, builder: Any) -> list[Any]:
        """Hide the owner, which is always null, from reference counting."""
        parts = super().traverse(builder)
        return [part for part in parts if not isinstance(part[0], types.MemInfoPointer)]


for _address in (StrategyType, OrdersType, StepsType):
    register_model(_address)(_Address)
for _pair in (EventType, SymbolType):
    register_model(_pair)(_Pair)
register_model(ViewArray)(_ViewModel)


def field_pointer(builder: Any, address: Any, offset: int, kind: Any) -> Any:
    """Return a pointer of LLVM type `kind` to `address + offset`."""
    place = builder.add(address, ir.Constant(_I64, offset)) if offset else address
    return builder.inttoptr(place, kind.as_pointer())


def load_field(context: Any, builder: Any, kind: Any, address: Any, offset: int) -> Any:
    """Load a number of Numba type `kind` from memory."""
    model = context.data_model_manager[kind]
    pointer = field_pointer(builder, address, offset, model.get_data_type())
    return model.from_data(builder, builder.load(pointer))


def constant_load(builder: Any, address: Any, offset: int) -> Any:
    """Load an int64 that never changes while a strategy runs, so that one load will do."""
    loaded = builder.load(field_pointer(builder, address, offset, _I64), align=8)
    loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
    return loaded


def make_view(context: Any, builder: Any, kind: ViewArray, address: Any) -> Any:
    """Return an array value over the memory at `address`."""
    array = context.make_array(kind)(context, builder)
    width = context.get_constant(types.intp, 8)
    context.populate_array(
        array,
        data=builder.inttoptr(address, ir.DoubleType().as_pointer()),
        shape=[context.get_constant(types.intp, kind.length)],
        strides=[width],
        itemsize=width,
        meminfo=None,
    )
    return array._getvalue()  # noqa: SLF001 - Numba's name for it


def as_self(layout: Any) -> Any:
    """Return a jitted function that makes `self` of a context's address."""
    kind = StrategyType(layout)

    @intrinsic
    def view(_typing, context):
        def codegen(_context, _builder, _signature, args):
            return args[0]

        return kind(types.int64), codegen

    return view


def as_event(layout: Any, fields: Any) -> Any:
    """Return a jitted function that makes an event of its address and the context's."""
    kind = EventType(layout, fields)

    @intrinsic
    def view(_typing, event, context):
        def codegen(context, builder, _signature, args):
            return cgutils.pack_struct(builder, args)

        return kind(types.int64, types.int64), codegen

    return view


@intrinsic
def context_of(_typing, own):
    """Return the address of the context of `self`, an event, a symbol or the open orders."""
    is_pair = isinstance(own, EventType | SymbolType)
    if not is_pair and not isinstance(own, StrategyType | OrdersType):
        return None

    def codegen(_context, builder, _signature, args):
        return builder.extract_value(args[0], 1) if is_pair else args[0]

    return types.int64(own), codegen


@intrinsic
def number_of(_typing, symbol):
    """Return the instrument number of a symbol."""
    if not isinstance(symbol, SymbolType):
        return None

    def codegen(_context, builder, _signature, args):
        return builder.extract_value(args[0], 0)

    return types.int64(symbol), codegen


@intrinsic
def order_at(_typing, orders, address):
    """Make an event of the row of an open order."""
    if not isinstance(orders, OrdersType):
        return None

    def codegen(_context, builder, _signature, args):
        return cgutils.pack_struct(builder, [args[1], args[0]])

    return orders.order(orders, types.int64), codegen


@intrinsic
def book_at(_typing, own, address):
    """Make an event of the last book of an instrument."""
    if not isinstance(own, StrategyType):
        return None

    def codegen(_context, builder, _signature, args):
        return cgutils.pack_struct(builder, [args[1], args[0]])

    return EventType(own.layout, own.layout.views["book"])(own, types.int64), codegen


@intrinsic
def steps_at(_typing, address):
    """Make an instrument of the address of its steps."""

    def codegen(_context, _builder, _signature, args):
        return args[0]

    return StepsType()(types.int64), codegen
