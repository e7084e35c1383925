"""The paper exchange: orders matched against the recorded or live market.

Rules of this model, named ``crossed``:

- A market order, or a limit order at or through the opposite touch, takes: the touch
  first, then the levels of a book younger than a second that are worse than the touch,
  each for what it shows. What is taken is gone until the next event shows the level
  anew. A ticker's touch shows no size and is unlimited, and so is every touch when the
  core is made with ``unlimited_depth``.
- What a taker finds no liquidity for: a market or IOC order is cancelled (NO_LIQUIDITY)
  and a limit order rests. FOK fills whole or is cancelled. GTX that would take is
  rejected. Nothing is ever filled at a price nobody showed.
- A resting order fills, whole and at its own price, when the opposite touch comes to
  its price or through it, or when a print lies strictly through it. A print at its
  price fills nothing: the place in the queue is not known.
- A reduce-only order never turns a position: what exceeds the position when it fills
  is cancelled (REDUCE_ONLY).
- Orders match the market only, never each other.

The venue is told to `submit`, `modify` and `cancel`, at whatever time its caller says
they arrive, and answers through the functions of `venue`.
Layer 2.
"""

from typing import Final

import numpy as np

from livekit.events import REDUCE_ONLY
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import record
from livekit.trading.codes import (
    BUY,
    CANCEL,
    FOK,
    GTX,
    INVALID_QUANTITY,
    IOC,
    MARKET_ORDER,
    NEW,
    NO_LIQUIDITY,
    NONE,
    NOT_REDUCING,
    UNKNOWN_ORDER,
    WOULD_TAKE,
)
from livekit.trading.layout import (
    MARKET,
    ORDER_ROW,
    POSITION,
    from_lots,
    market_at,
    order_at,
    position_at,
)
from livekit.trading.market import N_LEVELS, level_lots, level_price, take_level
from livekit.trading.orders import is_final, link_resting, unlink_resting
from livekit.trading.outbox import OUTBOX_FULL, has_room
from livekit.trading.venue import (
    apply_accepted,
    apply_canceled,
    apply_filled,
    apply_modified,
    apply_modify_refused,
    apply_rejected,
    refuse_request,
)

__all__ = ["MAX_REPORTS", "cancel", "match", "modify", "submit"]

MAX_REPORTS: Final = 16
"""Most reports that one `submit`, `modify` or `cancel` causes, and some."""


@inner
def _takes(core: int, row: int, price: float) -> int:
    """Tell whether a limit at `price` (NaN: none) would take from the opposite touch."""
    order = record(ORDER_ROW, order_at(core, row))
    market = record(MARKET, market_at(core, i64(order.instrument)))
    if order.side == BUY:
        return i64(market.ask_price > 0.0 and not market.ask_price > price + market.slack)
    return i64(market.bid_price > 0.0 and not market.bid_price < price - market.slack)


@inner
def _reducible(core: int, row: int, lots: int) -> int:
    """Cap lots at what a reduce-only order may fill now."""
    order = record(ORDER_ROW, order_at(core, row))
    if not order.options & REDUCE_ONLY:
        return lots
    address = position_at(core, i64(order.strategy), i64(order.instrument))
    held = record(POSITION, address).lots
    return min(lots, max(-held if order.side == BUY else held, 0))


@inner
def _fill(core: int, row: int, lots: int, price: float, is_maker: int, now_ns: int) -> None:
    """Fill lots of an order at a price and charge the fee of its instrument."""
    instrument = i64(record(ORDER_ROW, order_at(core, row)).instrument)
    market = record(MARKET, market_at(core, instrument))
    rate = market.maker_fee if is_maker else market.taker_fee
    notional = price * from_lots(core, instrument, lots) * market.contract_value
    apply_filled(core, row, lots, price, notional * rate, now_ns)


@inner
def _reaches(core: int, row: int, level: int, now_ns: int) -> int:
    """Whole lots an order may take at a level; 0 where its limit does not reach."""
    order = record(ORDER_ROW, order_at(core, row))
    instrument, side = i64(order.instrument), i64(order.side)
    slack = record(MARKET, market_at(core, instrument)).slack
    price = level_price(core, instrument, side, level, now_ns)
    if np.isnan(price):
        return 0
    beyond = price > order.price + slack if side == BUY else price < order.price - slack
    return 0 if beyond else level_lots(core, instrument, side, level)


@inner
def _take(core: int, row: int, now_ns: int) -> None:
    """Fill an order from the visible levels, best first, as far as its limit reaches."""
    order = record(ORDER_ROW, order_at(core, row))
    instrument, side = i64(order.instrument), i64(order.side)
    for level in range(N_LEVELS):
        leaves = _reducible(core, row, order.lots - order.filled_lots)
        lots = min(leaves, _reaches(core, row, level, now_ns))
        if lots > 0:
            price = level_price(core, instrument, side, level, now_ns)
            take_level(core, instrument, side, level, from_lots(core, instrument, lots))
            _fill(core, row, lots, price, 0, now_ns)
        if lots == leaves:
            break


@inner
def _fills_whole(core: int, row: int, now_ns: int) -> int:
    """Tell whether the visible levels within its limit fill the whole order."""
    wanted = record(ORDER_ROW, order_at(core, row)).lots
    lots = i64(0)
    for level in range(N_LEVELS):
        lots += _reaches(core, row, level, now_ns)
    return i64(_reducible(core, row, min(lots, wanted)) == wanted)


@inner
def _end_or_rest(core: int, row: int, now_ns: int) -> None:
    """Cancel what is left of an order that may not rest, and let the others rest."""
    order = record(ORDER_ROW, order_at(core, row))
    if is_final(i64(order.status)):
        return
    leaves = order.lots - order.filled_lots
    if _reducible(core, row, leaves) == 0:
        apply_canceled(core, row, NEW, NOT_REDUCING, now_ns)
    elif order.order_type == MARKET_ORDER or IOC <= order.tif <= FOK:
        apply_canceled(core, row, NEW, NO_LIQUIDITY, now_ns)
    elif not order.is_resting:
        link_resting(core, row)


@hot
def submit(core: int, row: int, now_ns: int) -> None:
    """Take an admitted order in: reject it, or accept, fill and let rest what is left."""
    order = record(ORDER_ROW, order_at(core, row))
    if is_final(i64(order.status)):  # cancelled on its way
        return
    takes = _takes(core, row, order.price)
    if takes and order.tif == GTX:
        apply_rejected(core, row, WOULD_TAKE, now_ns)
        return
    if order.order_type == MARKET_ORDER and not takes:
        apply_rejected(core, row, NO_LIQUIDITY, now_ns)
        return
    apply_accepted(core, row, now_ns)
    if takes and (order.tif != FOK or _fills_whole(core, row, now_ns)):
        _take(core, row, now_ns)
    _end_or_rest(core, row, now_ns)


@hot
def modify(core: int, row: int, now_ns: int) -> None:
    """Apply the modification under way; the order goes to the end of its queue."""
    order = record(ORDER_ROW, order_at(core, row))
    if is_final(i64(order.status)):
        apply_modify_refused(core, row, UNKNOWN_ORDER, now_ns)
        return
    if order.new_lots <= order.filled_lots:
        apply_modify_refused(core, row, INVALID_QUANTITY, now_ns)
        return
    takes = _takes(core, row, order.new_price)
    if takes and order.tif == GTX:
        apply_modify_refused(core, row, WOULD_TAKE, now_ns)
        return
    if order.is_resting:
        unlink_resting(core, row)
    apply_modified(core, row, now_ns)
    if takes:
        _take(core, row, now_ns)
    _end_or_rest(core, row, now_ns)


@hot
def cancel(core: int, row: int, now_ns: int) -> None:
    """Cancel what is left of an order; refuse where nothing is."""
    if is_final(i64(record(ORDER_ROW, order_at(core, row)).status)):
        refuse_request(core, row, CANCEL, UNKNOWN_ORDER, now_ns)
    else:
        apply_canceled(core, row, CANCEL, NONE, now_ns)


@inner
def _fill_resting(core: int, row: int, now_ns: int) -> None:
    """Fill a resting order at its price, and cancel what reduce-only forbids."""
    order = record(ORDER_ROW, order_at(core, row))
    lots = _reducible(core, row, order.lots - order.filled_lots)
    if lots > 0:
        _fill(core, row, lots, order.price, 1, now_ns)
    if not is_final(i64(order.status)):
        apply_canceled(core, row, NEW, NOT_REDUCING, now_ns)


@hot
def match(core: int, instrument: int, bid: float, ask: float, now_ns: int) -> int:
    """Fill every resting buy priced at `ask` or above and every sell at `bid` or below.

    Called when a setter of `market` says that it may be so; narrows the bounds that
    said it to what still rests. Orders fill in order of their time.

    Returns
    -------
    int
        Number of reports, or OUTBOX_FULL with nothing done.
    """
    market = record(MARKET, market_at(core, instrument))
    if not has_room(core, 2 * i64(market.n_resting)):
        return OUTBOX_FULL
    buy_bound, sell_bound = -np.inf, np.inf
    row = i64(market.first)
    n_filled = i64(0)
    while row != 0:
        order = record(ORDER_ROW, order_at(core, row))
        following = i64(order.next_resting)
        if order.side == BUY:
            limit = order.price + market.slack
            if ask <= limit:
                _fill_resting(core, row, now_ns)
                n_filled += 1
            else:
                buy_bound = max(buy_bound, limit)
        else:
            limit = order.price - market.slack
            if bid >= limit:
                _fill_resting(core, row, now_ns)
                n_filled += 1
            else:
                sell_bound = min(sell_bound, limit)
        row = following
    market.buy_bound = buy_bound
    market.sell_bound = sell_bound
    return n_filled
