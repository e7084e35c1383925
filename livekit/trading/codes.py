"""The enumerations of events as plain integers, which is what jitted code compares.

Numba gives a member of an enumeration a type of its own, which no int64 unifies with.
Layer 2.
"""

from typing import Final

from livekit.events import Action, Kind, OrderStatus, OrderType, Reject, Side, TimeInForce
from livekit.trading.layout import Gate, TouchSource, TradingState
from livekit.trading.lifecycle import Transition

__all__ = [
    "BELOW_MINIMUM",
    "BUY",
    "CANCEL",
    "CANCEL_ALL",
    "DUPLICATE_ORDER",
    "FILLED",
    "FOK",
    "FROM_QUOTE",
    "FROM_TICKER",
    "GTX",
    "HALTED",
    "INSUFFICIENT_BALANCE",
    "INVALID_PRICE",
    "INVALID_QUANTITY",
    "IOC",
    "KIND_BOOK",
    "KIND_ORDER",
    "KIND_QUOTE",
    "KIND_TICKER",
    "KIND_TRADE",
    "LIMIT_ORDER",
    "MALFORMED",
    "MARKET_ORDER",
    "MAX_NOTIONAL",
    "MAX_POSITION",
    "MAX_QUANTITY",
    "MODIFY",
    "NEW",
    "NONE",
    "NOT_REDUCING",
    "NO_LIQUIDITY",
    "NO_REFERENCE_PRICE",
    "OFF_LOT",
    "OFF_TICK",
    "ON_ACCEPT",
    "ON_CANCEL",
    "ON_FILL",
    "ON_FILL_PART",
    "ON_LOSE",
    "ON_MODIFY",
    "ON_REJECT",
    "OPEN",
    "PRICE_BAND",
    "RATE_LIMIT",
    "REDUCING",
    "REJECTED",
    "SENT",
    "STRATEGY_FENCED",
    "TOO_MANY_ORDERS",
    "TRADING_HALTED",
    "UNKNOWN_INSTRUMENT",
    "UNKNOWN_ORDER",
    "VENUE",
    "WOULD_TAKE",
]

BUY: Final = int(Side.BUY)
MARKET_ORDER: Final = int(OrderType.MARKET)
LIMIT_ORDER: Final = int(OrderType.LIMIT)
IOC: Final = int(TimeInForce.IOC)
FOK: Final = int(TimeInForce.FOK)
GTX: Final = int(TimeInForce.GTX)

NEW: Final = int(Action.NEW)
MODIFY: Final = int(Action.MODIFY)
CANCEL: Final = int(Action.CANCEL)
CANCEL_ALL: Final = int(Action.CANCEL_ALL)

KIND_TICKER: Final = int(Kind.TICKER)
KIND_TRADE: Final = int(Kind.TRADE)
KIND_ORDER: Final = int(Kind.ORDER)
KIND_BOOK: Final = int(Kind.BOOK)
KIND_QUOTE: Final = int(Kind.QUOTE)

SENT: Final = int(OrderStatus.SENT)
FILLED: Final = int(OrderStatus.FILLED)
REJECTED: Final = int(OrderStatus.REJECTED)

ON_ACCEPT: Final = int(Transition.ACCEPT)
ON_FILL_PART: Final = int(Transition.FILL_PART)
ON_FILL: Final = int(Transition.FILL)
ON_MODIFY: Final = int(Transition.MODIFY)
ON_CANCEL: Final = int(Transition.CANCEL)
ON_REJECT: Final = int(Transition.REJECT)
ON_LOSE: Final = int(Transition.LOSE)

NONE: Final = int(Reject.NONE)
MALFORMED: Final = int(Reject.MALFORMED)
UNKNOWN_INSTRUMENT: Final = int(Reject.UNKNOWN_INSTRUMENT)
INVALID_PRICE: Final = int(Reject.INVALID_PRICE)
INVALID_QUANTITY: Final = int(Reject.INVALID_QUANTITY)
OFF_TICK: Final = int(Reject.OFF_TICK)
OFF_LOT: Final = int(Reject.OFF_LOT)
BELOW_MINIMUM: Final = int(Reject.BELOW_MINIMUM)
MAX_QUANTITY: Final = int(Reject.MAX_QUANTITY)
MAX_NOTIONAL: Final = int(Reject.MAX_NOTIONAL)
MAX_POSITION: Final = int(Reject.MAX_POSITION)
PRICE_BAND: Final = int(Reject.PRICE_BAND)
RATE_LIMIT: Final = int(Reject.RATE_LIMIT)
NO_REFERENCE_PRICE: Final = int(Reject.NO_REFERENCE_PRICE)
TRADING_HALTED: Final = int(Reject.TRADING_HALTED)
NOT_REDUCING: Final = int(Reject.REDUCE_ONLY)
WOULD_TAKE: Final = int(Reject.POST_ONLY_WOULD_TAKE)
NO_LIQUIDITY: Final = int(Reject.NO_LIQUIDITY)
UNKNOWN_ORDER: Final = int(Reject.UNKNOWN_ORDER)
DUPLICATE_ORDER: Final = int(Reject.DUPLICATE_ORDER)
TOO_MANY_ORDERS: Final = int(Reject.TOO_MANY_ORDERS)
INSUFFICIENT_BALANCE: Final = int(Reject.INSUFFICIENT_BALANCE)
STRATEGY_FENCED: Final = int(Reject.STRATEGY_FENCED)
VENUE: Final = int(Reject.VENUE)

OPEN: Final = int(Gate.OPEN)
REDUCING: Final = int(TradingState.REDUCING)
HALTED: Final = int(TradingState.HALTED)
FROM_TICKER: Final = int(TouchSource.TICKER)
FROM_QUOTE: Final = int(TouchSource.QUOTE)
