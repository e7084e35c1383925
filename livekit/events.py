"""The events that cross every border of livekit, as NumPy dtypes.

An event is a fixed-size little-endian record, naturally aligned, a multiple of 64
bytes. All start with the same 32-byte head, so a reader that knows only the head
can skip, filter and count any event. The same dtypes describe the slots of a ring,
the rows of a recording and the C header printed by ``livekit abi``.

Times are nanoseconds since the epoch, UTC: `ts_event` is the exchange's stamp and
`ts_recv` ours. `published` (the head's `aux`, or a trade's own field) is the low 32
bits of CLOCK_MONOTONIC when the engine put the event into a ring, so that a reader
measures its delay as a difference modulo 2**32 without a clock in common with a
recording. Prices and sizes are float64; a price that does not exist is NaN.

Changing a layout means a new `ABI`; a test pins the digest of all of them to it.
Layer 0.
"""

import enum
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

__all__ = [
    "ABI",
    "ANY_INSTRUMENT",
    "BAR",
    "BOOK",
    "BOOK_LEVELS",
    "CONNECTION",
    "DTYPES",
    "EVENT_BYTES",
    "GAP",
    "HEAD",
    "MARKET_KINDS",
    "ORDER",
    "PARAMS",
    "QUOTE",
    "REDUCE_ONLY",
    "SLOT_BYTES",
    "STOP",
    "TICKER",
    "TIMER",
    "TRADE",
    "Action",
    "Kind",
    "OrderStatus",
    "OrderType",
    "Reject",
    "Side",
    "TimeInForce",
]

ABI: Final = 2
"""Number of the layouts below and of the segment's; both sides of a ring compare it."""

SLOT_BYTES: Final = 256
"""Size of the largest event, and of a slot of the events ring."""

BOOK_LEVELS: Final = 5

ANY_INSTRUMENT: Final = 0xFFFF
"""Instrument number of an event that concerns no single instrument."""


class Kind(enum.IntEnum):
    """What an event is. 1 to 4 are the numbers of the source document."""

    NONE = 0
    TICKER = 1
    TRADE = 2
    ORDER = 3
    BOOK = 4
    QUOTE = 5
    BAR = 6
    TIMER = 7
    GAP = 8
    CONNECTION = 9
    PARAMS = 10
    STOP = 11


class Side(enum.IntEnum):
    """Side of an order, or of the aggressor of a trade."""

    BUY = 0
    SELL = 1

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 - 2 * self


class OrderType(enum.IntEnum):
    """Type of an order."""

    LIMIT = 0
    MARKET = 1


class TimeInForce(enum.IntEnum):
    """How long an order works. GTX is post-only."""

    GTC = 0
    IOC = 1
    FOK = 2
    GTX = 3


class OrderStatus(enum.IntEnum):
    """Status of an order; from FILLED on it is final."""

    CREATED = 0
    SENT = 1
    ACCEPTED = 2
    PARTIALLY_FILLED = 3
    UNKNOWN = 4
    FILLED = 5
    CANCELED = 6
    REJECTED = 7


class Action(enum.IntEnum):
    """What an order request asks for."""

    NEW = 0
    MODIFY = 1
    CANCEL = 2
    CANCEL_ALL = 3


class Reject(enum.IntEnum):
    """Why a request was refused: a stable number, never an exception."""

    NONE = 0
    MALFORMED = 1
    UNKNOWN_INSTRUMENT = 2
    INVALID_PRICE = 3
    INVALID_QUANTITY = 4
    OFF_TICK = 5
    OFF_LOT = 6
    BELOW_MINIMUM = 7
    MAX_QUANTITY = 8
    MAX_NOTIONAL = 9
    MAX_POSITION = 10
    PRICE_BAND = 11
    RATE_LIMIT = 12
    NO_REFERENCE_PRICE = 13
    TRADING_HALTED = 14
    REDUCE_ONLY = 15
    POST_ONLY_WOULD_TAKE = 16
    NO_LIQUIDITY = 17
    UNKNOWN_ORDER = 18
    DUPLICATE_ORDER = 19
    TOO_MANY_ORDERS = 20
    INSUFFICIENT_BALANCE = 21
    STRATEGY_FENCED = 22
    EXPIRED = 23  # it did not reach the venue in time, with proof
    VENUE = 24  # the venue's own reason, or it cannot be reached; the engine's log says which


REDUCE_ONLY: Final = 1
"""Bit of an order's `options`: the order may only bring the position towards zero."""

_HEAD: Final = [
    ("kind", "u1"),
    ("flags", "u1"),
    ("instrument", "<u2"),
    ("aux", "<u4"),
    ("sequence", "<u8"),
    ("ts_event", "<i8"),
    ("ts_recv", "<i8"),
]
_ORDER_HEAD: Final = [
    *_HEAD[:3],
    ("side", "u1"),
    ("order_type", "u1"),
    ("tif", "u1"),
    ("status", "u1"),
    *_HEAD[4:],
]


def _record(fields: Sequence[tuple[str, str]], size: int) -> np.dtype[np.void]:
    """Lay the fields out one after the other and pad the record to `size` bytes."""
    formats = [np.dtype(kind) for _, kind in fields]
    offsets = np.cumsum([0, *(part.itemsize for part in formats)])[:-1]
    layout: Any = {  # NumPy's stubs do not know this form of a dtype
        "names": [name for name, _ in fields],
        "formats": formats,
        "offsets": offsets.tolist(),
        "itemsize": size,
    }
    return np.dtype(layout)


HEAD: Final = _record([*_HEAD], 32)
TICKER: Final = _record(
    [*_HEAD, ("last_price", "<f8"), ("bid_price", "<f8"), ("ask_price", "<f8"), ("volume", "<f8")],
    64,
)
QUOTE: Final = _record(
    [*_HEAD, ("bid_price", "<f8"), ("bid_size", "<f8"), ("ask_price", "<f8"), ("ask_size", "<f8")],
    64,
)
TRADE: Final = _record(  # aux is the aggressor's side
    [*_HEAD, ("price", "<f8"), ("size", "<f8"), ("trade_id", "<i8"), ("published", "<u4")], 64
)
BOOK: Final = _record(
    [
        *_HEAD,
        ("sequence_id", "<i8"),
        ("bid_price", f"({BOOK_LEVELS},)<f8"),
        ("bid_size", f"({BOOK_LEVELS},)<f8"),
        ("ask_price", f"({BOOK_LEVELS},)<f8"),
        ("ask_size", f"({BOOK_LEVELS},)<f8"),
    ],
    256,
)
BAR: Final = _record(
    [
        *_HEAD,
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("volume", "<f8"),
        ("count", "<i8"),
        ("period", "<i8"),
    ],
    128,
)
ORDER: Final = _record(
    [
        *_ORDER_HEAD,
        ("order_id", "<u8"),
        ("price", "<f8"),
        ("quantity", "<f8"),
        ("filled_quantity", "<f8"),
        ("average_price", "<f8"),
        ("last_price", "<f8"),
        ("last_quantity", "<f8"),
        ("fee", "<f8"),
        ("client_order_id", "S24"),
        ("reject", "<u2"),
        ("action", "u1"),
        ("options", "u1"),
        ("published", "<u4"),  # of the event that a request answers; of a report, its own
    ],
    128,
)
TIMER: Final = _record([*_HEAD, ("timer_id", "<i8"), ("period", "<i8")], 64)
GAP: Final = _record([*_HEAD, ("lost", "(8,)<u4")], 64)  # indexed by Kind
CONNECTION: Final = _record([*_HEAD, ("connected", "<i8")], 64)
PARAMS: Final = _record([*_HEAD, ("version", "<i8")], 64)
STOP: Final = _record([*_HEAD, ("reason", "<i8")], 64)

DTYPES: Final[dict[Kind, np.dtype[np.void]]] = {
    Kind.TICKER: TICKER,
    Kind.TRADE: TRADE,
    Kind.ORDER: ORDER,
    Kind.BOOK: BOOK,
    Kind.QUOTE: QUOTE,
    Kind.BAR: BAR,
    Kind.TIMER: TIMER,
    Kind.GAP: GAP,
    Kind.CONNECTION: CONNECTION,
    Kind.PARAMS: PARAMS,
    Kind.STOP: STOP,
}

MARKET_KINDS: Final = (Kind.TICKER, Kind.TRADE, Kind.BOOK, Kind.QUOTE, Kind.BAR)
"""The kinds that a full ring may drop; all others are always delivered."""

EVENT_BYTES: Final = np.array(
    [DTYPES[Kind(k)].itemsize if Kind(k) in DTYPES else 0 for k in range(len(Kind))] + [0] * 4,
    dtype=np.int64,
)
"""int64[16]: size of an event by kind; 0 where no such kind exists."""
