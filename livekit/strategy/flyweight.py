"""Event objects: one class per kind over the bytes of the event itself.

A read of an attribute is one C getter on a `ctypes.Structure`, the cheapest way from
shared memory to a Python float that was measured (LOWLATENCY: 118 ns per event with
the callback, a named tuple 282, a record of a structured array over 1,100). Objects
are reused from batch to batch by pool.py, but never while somebody else holds one.

The attributes are the fields of the event's dtype, and besides

    symbol      the exchange's name of the instrument, "" for an event of none
    timestamp   ts_event in milliseconds
    kind, side, status, order_type, tif, reject, action
                members of their enumerations
    sign        +1 for a buy, -1 for a sell

A class is used through `bind`, which ties it to one engine's table of symbols.
Layer 2. Imports no Numba.
"""

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, TypeVar

import numpy as np

from livekit.events import (
    BAR,
    BOOK,
    CONNECTION,
    GAP,
    ORDER,
    PARAMS,
    QUOTE,
    STOP,
    TICKER,
    TIMER,
    TRADE,
    Action,
    Kind,
    OrderStatus,
    OrderType,
    Reject,
    Side,
    TimeInForce,
)

__all__ = [
    "EVENT_CLASSES",
    "BarEvent",
    "BookEvent",
    "ConnectionEvent",
    "Event",
    "GapEvent",
    "OrderEvent",
    "ParamsEvent",
    "QuoteEvent",
    "StopEvent",
    "SymbolTable",
    "TickerEvent",
    "TimerEvent",
    "TradeEvent",
    "bind",
]

_C_TYPES: Final[dict[str, Any]] = {
    "u1": ctypes.c_uint8,
    "u2": ctypes.c_uint16,
    "u4": ctypes.c_uint32,
    "u8": ctypes.c_uint64,
    "i8": ctypes.c_int64,
    "f8": ctypes.c_double,
}
_CODED: Final = frozenset({"kind", "side", "order_type", "tif", "status", "reject", "action"})

_KINDS: Final = tuple(Kind)
_SIDES: Final = tuple(Side)
_TYPES: Final = tuple(OrderType)
_TIFS: Final = tuple(TimeInForce)
_STATUSES: Final = tuple(OrderStatus)
_ACTIONS: Final = tuple(Action)
_REJECTS: Final = tuple(Reject)


def _c_type(dtype: np.dtype) -> Any:
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return _c_type(base) * shape[0]
    if dtype.kind == "S":
        return ctypes.c_char * dtype.itemsize
    return _C_TYPES[dtype.str[1:]]


def _fields(record: np.dtype) -> list[tuple[str, Any]]:
    """Translate a dtype field by field; a coded field is read through a property instead."""
    fields: list[tuple[str, Any]] = []
    end = 0
    assert record.fields is not None
    for name in record.names or ():
        dtype, offset = record.fields[name][:2]
        assert offset == end, f"field {name!r} of an event is not naturally packed"
        fields.append((f"_{name}" if name in _CODED else name, _c_type(dtype)))
        end = offset + dtype.itemsize
    if end < record.itemsize:
        fields.append(("_padding", ctypes.c_uint8 * (record.itemsize - end)))
    return fields


class SymbolTable(dict[int, str]):
    """Names by instrument number; a number that is not in it has the empty name."""

    def __missing__(self, number: int) -> str:
        """Return the name of an instrument that nobody knows."""
        return ""


class Event(ctypes.Structure):
    """What all events have."""

    __slots__ = ()

    instrument: int
    aux: int
    flags: int
    sequence: int
    ts_event: int
    ts_recv: int
    _kind: int

    _symbols: ClassVar[Mapping[int, str] | Sequence[str]] = SymbolTable()
    _shown: ClassVar[tuple[str, ...]] = ()

    @property
    def kind(self) -> Kind:
        """What kind of event this is."""
        return _KINDS[self._kind]

    @property
    def symbol(self) -> str:
        """The exchange's name of the instrument; empty where the event has none."""
        return self._symbols[self.instrument]

    @property
    def timestamp(self) -> int:
        """The exchange's time in milliseconds since the epoch."""
        return self.ts_event // 1_000_000

    def __repr__(self) -> str:
        parts = [f"symbol={self.symbol!r}", f"ts_event={self.ts_event}"]
        for name in self._shown:
            value = getattr(self, name)
            value = list(value) if isinstance(value, ctypes.Array) else value
            parts.append(f"{name}={getattr(value, 'name', value)}")
        return f"{type(self).__name__}({', '.join(parts)})"


class TickerEvent(Event):
    """The last price with the best bid and ask; `volume` of 24 hours in base units."""

    __slots__ = ()
    _fields_ = _fields(TICKER)
    _shown = ("last_price", "bid_price", "ask_price", "volume")

    last_price: float
    bid_price: float
    ask_price: float
    volume: float


class QuoteEvent(Event):
    """The best bid and ask with their sizes."""

    __slots__ = ()
    _fields_ = _fields(QUOTE)
    _shown = ("bid_price", "bid_size", "ask_price", "ask_size")

    bid_price: float
    bid_size: float
    ask_price: float
    ask_size: float


class TradeEvent(Event):
    """A public print; `side` is the aggressor's."""

    __slots__ = ()
    _fields_ = _fields(TRADE)
    _shown = ("side", "price", "size", "trade_id")

    price: float
    size: float
    trade_id: int
    published: int

    @property
    def side(self) -> Side:
        """The side that took."""
        return _SIDES[self.aux & 1]

    @property
    def sign(self) -> int:
        """+1 when a buyer took, -1 when a seller did."""
        return 1 - 2 * (self.aux & 1)


class BookEvent(Event):
    """Five levels a side, best first; each array is indexed 0 to 4, NaN where there is none."""

    __slots__ = ()
    _fields_ = _fields(BOOK)
    _shown = ("bid_price", "bid_size", "ask_price", "ask_size")

    sequence_id: int
    bid_price: "ctypes.Array[ctypes.c_double]"
    bid_size: "ctypes.Array[ctypes.c_double]"
    ask_price: "ctypes.Array[ctypes.c_double]"
    ask_size: "ctypes.Array[ctypes.c_double]"


class BarEvent(Event):
    """A finished bar of `period` nanoseconds; `count` is its number of trades."""

    __slots__ = ()
    _fields_ = _fields(BAR)
    _shown = ("open", "high", "low", "close", "volume", "count", "period")

    open: float
    high: float
    low: float
    close: float
    volume: float
    count: int
    period: int


class OrderEvent(Event):
    """An own order as it is after a report; `last_price`, `last_quantity`, `fee` of its fill."""

    __slots__ = ()
    _fields_ = _fields(ORDER)
    _shown = (
        *("order_id", "side", "order_type", "status", "price", "quantity", "filled_quantity"),
        *("average_price", "last_price", "last_quantity", "reject"),
    )

    order_id: int
    price: float
    quantity: float
    filled_quantity: float
    average_price: float
    last_price: float
    last_quantity: float
    fee: float
    client_order_id: bytes
    options: int
    published: int
    _side: int
    _order_type: int
    _tif: int
    _status: int
    _reject: int
    _action: int

    @property
    def side(self) -> Side:
        """Side of the order."""
        return _SIDES[self._side]

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 - 2 * self._side

    @property
    def order_type(self) -> OrderType:
        """Limit or market."""
        return _TYPES[self._order_type]

    @property
    def tif(self) -> TimeInForce:
        """How long the order works."""
        return _TIFS[self._tif]

    @property
    def status(self) -> OrderStatus:
        """Status of the order; from FILLED on it is final."""
        return _STATUSES[self._status]

    @property
    def reject(self) -> Reject:
        """Why the request was refused; NONE when it was not."""
        return _REJECTS[self._reject]

    @property
    def action(self) -> Action:
        """The request that this report answers; NEW for what happens by itself."""
        return _ACTIONS[self._action]


class TimerEvent(Event):
    """A tick of the timer."""

    __slots__ = ()
    _fields_ = _fields(TIMER)
    _shown = ("timer_id", "period")

    timer_id: int
    period: int


class GapEvent(Event):
    """Events were lost: `lost[kind]` of each kind."""

    __slots__ = ()
    _fields_ = _fields(GAP)
    _shown = ("lost",)

    lost: "ctypes.Array[ctypes.c_uint32]"


class ConnectionEvent(Event):
    """The exchange's feed is `connected`, or is not (0)."""

    __slots__ = ()
    _fields_ = _fields(CONNECTION)
    _shown = ("connected",)

    connected: int


class ParamsEvent(Event):
    """Hot parameters have changed."""

    __slots__ = ()
    _fields_ = _fields(PARAMS)
    _shown = ("version",)

    version: int


class StopEvent(Event):
    """The engine asks the strategy to stop."""

    __slots__ = ()
    _fields_ = _fields(STOP)
    _shown = ("reason",)

    reason: int


EVENT_CLASSES: Final[dict[Kind, type[Event]]] = {
    Kind.TICKER: TickerEvent,
    Kind.TRADE: TradeEvent,
    Kind.ORDER: OrderEvent,
    Kind.BOOK: BookEvent,
    Kind.QUOTE: QuoteEvent,
    Kind.BAR: BarEvent,
    Kind.TIMER: TimerEvent,
    Kind.GAP: GapEvent,
    Kind.CONNECTION: ConnectionEvent,
    Kind.PARAMS: ParamsEvent,
    Kind.STOP: StopEvent,
}
"""Class of each kind of event."""

_Bound = TypeVar("_Bound", bound=Event)


def bind(cls: type[_Bound], symbols: Mapping[int, str] | Sequence[str]) -> type[_Bound]:
    """Return the class with `symbol` looked up in a table of names by instrument number.

    The table is kept, not copied, so instruments may be added to it later.
    """
    return type(
        cls.__name__, (cls,), {"__slots__": (), "_symbols": symbols, "__doc__": cls.__doc__}
    )
