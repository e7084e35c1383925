"""Risk: the checks every new or modified order passes before anything is sent.

A refusal is a Reject code, never an exception, and a cancellation is never refused.
Exposure is counted at its worst: the position plus every open order of the side
filled, at the reference price, those of unknown outcome included. An order that can
only bring a position nearer to zero passes the position limit, so that a position
grown too large by the market can be closed.

The rate is a token bucket in whole nanoseconds (the generic cell rate algorithm: one
number, the time at which the bucket is full again). Only an order that passed every
other check spends a token, so the bucket bounds what reaches the venue.

Own orders that would cross each other are let through: the paper exchange matches
only against the recorded market, and a live venue has self-trade prevention. Refusing
here would let one strategy block another of the same account.
Layer 2.
"""

import numpy as np

from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import record
from livekit.trading.account import equity
from livekit.trading.codes import (
    BUY,
    INSUFFICIENT_BALANCE,
    MAX_NOTIONAL,
    MAX_POSITION,
    MAX_QUANTITY,
    NO_REFERENCE_PRICE,
    NONE,
    NOT_REDUCING,
    OPEN,
    PRICE_BAND,
    RATE_LIMIT,
    TOO_MANY_ORDERS,
)
from livekit.trading.layout import (
    CORE,
    MARKET,
    POSITION,
    STRATEGY,
    from_lots,
    limits_at,
    market_at,
    position_at,
    strategy_at,
)
from livekit.trading.limits import LIMITS
from livekit.trading.market import reference_ns, reference_price

__all__ = [
    "check_order",
    "gross_exposure",
    "is_reducing",
    "open_strategy",
    "set_gate",
    "set_state",
]

_LARGEST_LOTS: int = 1 << 60


@hot
def check_order(
    core: int,
    strategy: int,
    instrument: int,
    side: int,
    price: float,
    lots: int,
    excluded: int,
    reduce_only: int,
    now_ns: int,
) -> int:
    """Check an order against every limit and spend a token of its rate.

    Parameters
    ----------
    price : float
        NaN for a market order.
    lots : int
        What the order may still fill.
    excluded : int
        What the same order already reserves, when it is modified; -1 for a new one.
    reduce_only : int
        Whether the order may only bring the position towards zero.

    Returns
    -------
    int
        A Reject code; NONE (0) when the order may go.
    """
    reference = reference_price(core, instrument)
    limits = record(LIMITS, limits_at(core, strategy))
    age = now_ns - reference_ns(core, instrument)
    if not reference > 0.0 or age > limits.max_reference_age_ns:  # NaN too
        return NO_REFERENCE_PRICE
    code = _check_size(core, strategy, instrument, side, price, lots, reference)
    if code == NONE:
        code = _check_exposure(
            core, strategy, instrument, side, lots, max(excluded, 0), reduce_only, reference
        )
    n_open = record(STRATEGY, strategy_at(core, strategy)).n_open
    if code == NONE and excluded < 0 and n_open >= limits.max_open_orders:
        code = TOO_MANY_ORDERS
    if code == NONE:
        code = _spend_token(core, strategy, now_ns)
    return code


@inner
def _check_size(
    core: int,
    strategy: int,
    instrument: int,
    side: int,
    price: float,
    lots: int,
    reference: float,
) -> int:
    """Check quantity, notional and price band of one order."""
    limits = record(LIMITS, limits_at(core, strategy))
    market = record(MARKET, market_at(core, instrument))
    quantity = from_lots(core, instrument, lots)
    if quantity > limits.max_order_quantity:
        return MAX_QUANTITY
    worst = reference
    if price > 0.0:
        worst = max(price, reference)
    elif side == BUY and market.ask_price > 0.0:
        worst = max(market.ask_price, reference)
    if quantity * market.contract_value * worst > limits.max_order_notional:
        return MAX_NOTIONAL
    if price > 0.0 and abs(price - reference) * 1e4 > limits.price_band_bps * reference:
        return PRICE_BAND
    return NONE


@inner
def is_reducing(
    core: int, strategy: int, instrument: int, side: int, lots: int, excluded: int
) -> int:
    """Tell whether an order, with all open ones of its side, brings its position nearer to zero."""
    position = record(POSITION, position_at(core, strategy, instrument))
    if side == BUY:
        return i64(position.open_buy_lots - excluded + lots <= -position.lots)
    return i64(position.open_sell_lots - excluded + lots <= position.lots)


@inner
def _check_exposure(
    core: int,
    strategy: int,
    instrument: int,
    side: int,
    lots: int,
    excluded: int,
    reduce_only: int,
    reference: float,
) -> int:
    """Check what the account would hold with the order and all open ones filled."""
    # Less of the same order is always welcome.
    if lots <= excluded or is_reducing(core, strategy, instrument, side, lots, excluded):
        return NONE
    if reduce_only:
        return NOT_REDUCING
    limits = record(LIMITS, limits_at(core, strategy))
    market = record(MARKET, market_at(core, instrument))
    position = record(POSITION, position_at(core, strategy, instrument))
    long = position.lots + position.open_buy_lots
    short = position.open_sell_lots - position.lots
    worst = (long if side == BUY else short) - excluded + lots
    notional = from_lots(core, instrument, worst) * market.contract_value * reference
    if worst > _LARGEST_LOTS or notional > limits.max_position_notional:
        return MAX_POSITION
    if limits.max_leverage < np.inf:
        added = max(worst - max(long, short), 0)  # the other side may be the worse one
        unit = market.contract_value * reference
        gross = gross_exposure(core) + from_lots(core, instrument, added) * unit
        if not gross <= limits.max_leverage * equity(core):  # NaN too
            return INSUFFICIENT_BALANCE
    return NONE


@hot
def gross_exposure(core: int) -> float:
    """Sum of all positions at their worst, quote currency, over every strategy of the account.

    Long and short of one strategy's open orders are not netted with another's.
    """
    top = record(CORE, core)
    total = 0.0
    for strategy in range(top.n_strategies):
        for instrument in range(top.n_instruments):
            row = record(POSITION, position_at(core, strategy, instrument))
            worst = max(row.lots + row.open_buy_lots, row.open_sell_lots - row.lots)
            if worst != 0:
                size = from_lots(core, instrument, worst)
                size *= record(MARKET, market_at(core, instrument)).contract_value
                total += size * reference_price(core, instrument)
    return total


@inner
def _spend_token(core: int, strategy: int, now_ns: int) -> int:
    """Take a token of the strategy's bucket; RATE_LIMIT when it is empty."""
    owner = record(STRATEGY, strategy_at(core, strategy))
    limits = record(LIMITS, limits_at(core, strategy))
    if owner.next_order_ns - now_ns > limits.order_burst_ns:
        return RATE_LIMIT
    owner.next_order_ns = max(owner.next_order_ns, now_ns) + limits.order_interval_ns
    return NONE


@hot
def set_state(core: int, state: int) -> None:
    """Set the TradingState. What rests stays; `cancel_all` takes it away."""
    record(CORE, core).state = state


@hot
def set_gate(core: int, strategy: int, gate: int) -> None:
    """Set a strategy's Gate: fence one that is hung or dead, or let it trade again."""
    record(STRATEGY, strategy_at(core, strategy)).gate = gate


@hot
def open_strategy(core: int, strategy: int) -> None:
    """Begin with a newly attached strategy in a slot.

    Its order ids start anew and its bucket is full; positions, counters and open orders
    of the slot stay, although the latter are no longer found by their ids.
    """
    owner = record(STRATEGY, strategy_at(core, strategy))
    owner.epoch += 1
    owner.next_order_ns = 0
    owner.gate = OPEN
