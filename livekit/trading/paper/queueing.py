"""The place of a resting order in its queue, from the sizes and prints that are shown.

The rules are hftbacktest's (RiskAdverseQueueModel, ProbQueueModel). Ahead of a new
order is all its level shows. A print at its price takes from what is ahead, and what
is left of the print, rounded to lots, fills the order. When the size of its level is
shown anew, what it lost beyond the prints since then was cancelled, ahead of the order
or behind it; whatever the model says, no more is ahead than the level shows. What is
ahead may be less than nothing for a while: then the next print reaches the order whole.

What a level shows: a quote shows the touch, a book its five levels. A price better
than the touch, or between or within the levels shown, has nothing. Beyond them nothing
is known: a queue there stays as it is, and what is ahead of an order that comes to
rest there is only known (all that is shown) once it is. With `is_hidden_empty` a level
that is not shown is empty.
Layer 2.
"""

import math

import numpy as np

from livekit.ring.jit import hot, i64, inlined, inner
from livekit.ring.memory import record
from livekit.trading.codes import BUY
from livekit.trading.layout import CORE, MARKET, ORDER_ROW, market_at, order_at
from livekit.trading.market import N_LEVELS, book_price, book_size, is_book_fresh
from livekit.trading.models import call_probability
from livekit.trading.queue_model import KINDS

__all__ = ["FRONT", "RISK_AVERSE", "TOUCH", "enter_queue", "see_level", "see_print", "shown_size"]

TOUCH = KINDS["touch"]
FRONT = KINDS["front"]
RISK_AVERSE = KINDS["risk_averse"]
_POWER = KINDS["power_prob"]
_LOG = KINDS["log_prob"]


@inlined
def shown_size(core: int, instrument: int, side: int, price: float, has_book: int) -> float:
    """Size shown at a price of a resting side, units; NaN where nothing is known of it.

    Parameters
    ----------
    side : int
        Of the resting orders: BUY looks at the bids.
    has_book : int
        Whether the last book counts too, or only the touch.
    """
    market = record(MARKET, market_at(core, instrument))
    touch = market.bid_price if side == BUY else market.ask_price
    ahead = price - touch if side == BUY else touch - price  # above 0: better than the touch
    if ahead > market.slack:
        return 0.0
    if ahead >= -market.slack:
        return market.bid_size if side == BUY else market.ask_size
    if not touch > 0.0:
        return 0.0
    if has_book:
        return _shown_deeper(core, instrument, side, price)
    return 0.0 if record(CORE, core).is_hidden_empty else np.nan


@hot
def _shown_deeper(core: int, instrument: int, side: int, price: float) -> float:
    """Size that the last book shows at a price; as `shown_size`."""
    slack = record(MARKET, market_at(core, instrument)).slack
    for level in range(N_LEVELS - 1):
        shown = book_price(core, instrument, side, level)
        ahead = price - shown if side == BUY else shown - price
        if ahead > slack:
            return 0.0
        if ahead >= -slack:
            return book_size(core, instrument, side, level)
    return 0.0 if record(CORE, core).is_hidden_empty else np.nan


@inner
def enter_queue(core: int, row: int, now_ns: int) -> None:
    """Put an order that comes to rest behind all that its price shows."""
    order = record(ORDER_ROW, order_at(core, row))
    instrument = i64(order.instrument)
    order.queue_traded = 0.0
    ahead = 0.0
    if record(CORE, core).queue_kind != FRONT:
        has_book = is_book_fresh(core, instrument, now_ns)
        ahead = shown_size(core, instrument, i64(order.side), order.venue_price, has_book)
    order.queue_ahead = ahead
    if np.isnan(ahead):
        ahead = np.inf
    order.queue_front = ahead
    order.queue_level = ahead


@inner
def _probability(core: int, front: float, back: float) -> float:
    """Probability that what was cancelled at a level was behind the order."""
    top = record(CORE, core)
    if top.queue_kind == _POWER:
        if top.queue_exponent == 2.0:
            return back * back / (back * back + front * front)
        ahead, behind = front**top.queue_exponent, back**top.queue_exponent
        if np.isnan(ahead):  # an odd root of less than nothing: the order is at the front
            ahead = 0.0
        return behind / (behind + ahead)
    if top.queue_kind == _LOG:
        behind = math.log(1.0 + back)
        return behind / (behind + math.log(1.0 + front))
    return call_probability(top.queue_function, front, back)


@hot
def _without_canceled(core: int, row: int, size: float) -> float:
    """Return what is ahead of an order less the part of it that was cancelled."""
    order = record(ORDER_ROW, order_at(core, row))
    front = order.queue_front
    canceled = order.queue_level - size - order.queue_traded
    order.queue_traded = 0.0
    if not canceled >= 0.0:
        return front
    back = order.queue_level - front
    chance = _probability(core, front, back)
    if np.isinf(chance):
        chance = 1.0
    return front - (1.0 - chance) * canceled + min(back - chance * canceled, 0.0)


@inlined
def see_level(core: int, row: int, size: float) -> None:
    """Reckon an order's place when its level shows a size; nothing for a size of NaN."""
    order = record(ORDER_ROW, order_at(core, row))
    if not size >= 0.0:
        return
    front = order.queue_front
    if record(CORE, core).queue_kind > RISK_AVERSE:
        front = _without_canceled(core, row, size)
    order.queue_level = size
    order.queue_front = np.fmin(front, size)  # a front of NaN says nothing


@inner
def see_print(core: int, row: int, left: float, size: float) -> int:
    """Let a print of `size` units at an order's price pass it by; the lots that reach it.

    `left` is what orders of one's own before this one in the queue have not taken of it.
    """
    order = record(ORDER_ROW, order_at(core, row))
    market = record(MARKET, market_at(core, i64(order.instrument)))
    order.queue_traded += size
    order.queue_front -= left
    lots = np.floor(-order.queue_front * market.lot_denominator / market.lot_numerator + 0.5)
    if not lots >= 1.0:
        return 0
    order.queue_front = 0.0
    most = left * market.lot_denominator / market.lot_numerator + 1e-6
    return i64(min(lots, np.floor(most)))
