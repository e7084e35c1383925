"""The fields of a request, checked: bytes that a strategy wrote may hold anything.

Every field is checked before it is used, and each function returns a Reject code, NONE
(0) when the field is good. A price lies on a tick and a quantity on a lot within a
millionth of one, and both are then replaced by the exact multiple.
Layer 2.
"""

import numpy as np

from livekit.events import ORDER
from livekit.ring.jit import i64, inner
from livekit.ring.memory import record
from livekit.trading.codes import (
    BELOW_MINIMUM,
    DUPLICATE_ORDER,
    GTX,
    HALTED,
    INVALID_PRICE,
    INVALID_QUANTITY,
    LIMIT_ORDER,
    MALFORMED,
    MARKET_ORDER,
    NONE,
    OFF_LOT,
    OFF_TICK,
    OPEN,
    STRATEGY_FENCED,
    TRADING_HALTED,
    UNKNOWN_INSTRUMENT,
    VENUE,
)
from livekit.trading.layout import (
    CORE,
    MARKET,
    ORDER_ROW,
    STRATEGY,
    market_at,
    order_at,
    strategy_at,
    to_steps,
)
from livekit.trading.orders import find_order

__all__ = ["check_gates", "check_modify", "check_new", "in_lots", "on_tick"]


@inner
def _check_shape(request: int) -> int:
    """Refuse bytes that are no NEW or MODIFY request."""
    asked = record(ORDER, request)
    if asked.side > 1 or asked.order_type > 1 or asked.tif > 3 or asked.options > 1:
        return MALFORMED
    if asked.order_id == 0 or (asked.order_type == MARKET_ORDER and asked.tif == GTX):
        return MALFORMED
    return NONE


@inner
def check_gates(core: int, strategy: int) -> int:
    """Refuse what the strategy's gate, the state of trading or an absent venue refuses."""
    if record(STRATEGY, strategy_at(core, strategy)).gate != OPEN:
        return STRATEGY_FENCED
    top = record(CORE, core)
    if top.state >= HALTED:
        return TRADING_HALTED
    return VENUE if top.venue_block else NONE


@inner
def _check_price(core: int, instrument: int, price: float) -> int:
    """Refuse a price that is not finite, positive and on tick."""
    if not 0.0 < price < np.inf:
        return INVALID_PRICE
    market = record(MARKET, market_at(core, instrument))
    steps = to_steps(price, market.tick_numerator, market.tick_denominator)
    if steps > 0:
        return NONE
    return OFF_TICK if steps == -1 else INVALID_PRICE


@inner
def _check_quantity(core: int, instrument: int, quantity: float) -> int:
    """Refuse a quantity that is not finite, positive, in whole lots and large enough."""
    if not 0.0 < quantity < np.inf:
        return INVALID_QUANTITY
    market = record(MARKET, market_at(core, instrument))
    steps = to_steps(quantity, market.lot_numerator, market.lot_denominator)
    if steps > 0:
        return BELOW_MINIMUM if steps < market.min_lots else NONE
    return OFF_LOT if steps == -1 else INVALID_QUANTITY


@inner
def on_tick(core: int, instrument: int, price: float) -> float:
    """Return the float64 nearest to the tick that a checked price stands for."""
    market = record(MARKET, market_at(core, instrument))
    steps = to_steps(price, market.tick_numerator, market.tick_denominator)
    return np.float64(steps) * market.tick_numerator / market.tick_denominator


@inner
def in_lots(core: int, instrument: int, quantity: float) -> int:
    """Return the whole lots of a checked quantity."""
    market = record(MARKET, market_at(core, instrument))
    return to_steps(quantity, market.lot_numerator, market.lot_denominator)


@inner
def check_new(core: int, strategy: int, request: int) -> int:
    """Check all of a NEW request that needs no market."""
    asked = record(ORDER, request)
    instrument = i64(asked.instrument)
    code = _check_shape(request)
    if code == NONE:
        code = check_gates(core, strategy)
    if code == NONE and instrument >= record(CORE, core).n_instruments:
        return UNKNOWN_INSTRUMENT
    if code == NONE and find_order(core, strategy, i64(asked.order_id)) != 0:
        return DUPLICATE_ORDER
    if code == NONE:
        code = _check_quantity(core, instrument, asked.quantity)
    if code == NONE and asked.order_type == LIMIT_ORDER:
        code = _check_price(core, instrument, asked.price)
    return code


@inner
def check_modify(core: int, row: int, price: float, quantity: float) -> int:
    """Check the new price and quantity of an order that may be modified."""
    order = record(ORDER_ROW, order_at(core, row))
    instrument = i64(order.instrument)
    code = check_gates(core, i64(order.strategy))
    if code != NONE:
        return code
    if order.is_modifying:
        return DUPLICATE_ORDER
    if order.order_type == MARKET_ORDER:
        return INVALID_PRICE
    code = _check_quantity(core, instrument, quantity)
    if code == NONE and in_lots(core, instrument, quantity) <= order.filled_lots:
        code = INVALID_QUANTITY
    if code == NONE:
        code = _check_price(core, instrument, price)
    return code
