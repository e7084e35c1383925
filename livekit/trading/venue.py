"""What a venue says of an order, applied: the only place where an order's state changes.

The paper exchange and the live one call the same functions, whose names are what the
venue said. Each looks up the life cycle, changes the order, its position and what it
reserves in risk, and appends one report. Said twice, nothing changes and nothing is
reported. A word that the life cycle forbids returns FORBIDDEN (-1), changes nothing,
counts a fault and halts trading.

An order reserves what it may still fill, from admission until it is final; while a
modification is under way, the larger of the old and the new rest.
Layer 2.
"""

import numpy as np

from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import record
from livekit.trading.account import book_fill
from livekit.trading.codes import (
    BUY,
    MODIFY,
    NEW,
    NONE,
    ON_ACCEPT,
    ON_CANCEL,
    ON_FILL,
    ON_FILL_PART,
    ON_LOSE,
    ON_MODIFY,
    ON_REJECT,
)
from livekit.trading.layout import ORDER_ROW, POSITION, STRATEGY, order_at, position_at, strategy_at
from livekit.trading.lifecycle import next_status
from livekit.trading.orders import close_order, is_final
from livekit.trading.outbox import count_fault, report

__all__ = [
    "apply_accepted",
    "apply_canceled",
    "apply_filled",
    "apply_lost",
    "apply_modified",
    "apply_modify_refused",
    "apply_rejected",
    "refuse_request",
    "reserve",
]


@hot
def reserve(core: int, row: int) -> None:
    """Bring what an order reserves in its position's open quantity up to date."""
    order = record(ORDER_ROW, order_at(core, row))
    target = i64(0)
    if not is_final(i64(order.status)):
        target = order.lots - order.filled_lots
        if order.is_modifying:
            target = max(target, order.new_lots - order.filled_lots)
    address = position_at(core, i64(order.strategy), i64(order.instrument))
    position = record(POSITION, address)
    if order.side == BUY:
        position.open_buy_lots += target - order.reserved_lots
    else:
        position.open_sell_lots += target - order.reserved_lots
    order.reserved_lots = target


@inner
def _enter(core: int, row: int, transition: int, now_ns: int) -> int:
    """Move an order along its life cycle: 1 when its status changed, 0 when not, -1 forbidden."""
    order = record(ORDER_ROW, order_at(core, row))
    old = i64(order.status)
    new = next_status(old, transition)
    if new < 0:
        count_fault(core)
        return -1
    if new == old:
        return 0
    order.status = new
    order.updated_ns = now_ns
    if is_final(new):
        order.is_modifying = 0
        if not is_final(old):
            close_order(core, row)
    return 1


@hot
def apply_accepted(core: int, row: int, now_ns: int) -> int:
    """Say that the venue took the order."""
    changed = _enter(core, row, ON_ACCEPT, now_ns)
    if changed > 0:
        report(core, row, NEW, NONE, np.nan, 0, 0.0, now_ns)
    return changed


@hot
def apply_filled(core: int, row: int, lots: int, price: float, fee: float, now_ns: int) -> int:
    """Say that `lots` of the order filled at `price` for `fee` (quote currency, cost above 0).

    More than the order had left is forbidden. The caller passes each fill once.
    """
    order = record(ORDER_ROW, order_at(core, row))
    leaves = order.lots - order.filled_lots
    if lots < 1 or lots > leaves:
        count_fault(core)
        return -1
    if _enter(core, row, ON_FILL if lots == leaves else ON_FILL_PART, now_ns) < 0:
        return -1
    old = order.filled_lots
    if old == 0 or price == order.average_price:
        order.average_price = price
    else:
        cost = order.average_price * np.float64(old) + price * np.float64(lots)
        order.average_price = cost / np.float64(old + lots)
    order.filled_lots = old + lots
    order.updated_ns = now_ns
    strategy, instrument = i64(order.strategy), i64(order.instrument)
    book_fill(core, strategy, instrument, i64(order.side), lots, price, fee, now_ns)
    record(STRATEGY, strategy_at(core, strategy)).n_fills += 1
    reserve(core, row)
    report(core, row, NEW, NONE, price, lots, fee, now_ns)
    return 1


@hot
def apply_canceled(core: int, row: int, action: int, reason: int, now_ns: int) -> int:
    """Say that the rest of the order is gone.

    `action` is CANCEL where a request asked for it, else NEW with the Reject code that
    says why: NO_LIQUIDITY for what an IOC could not fill, REDUCE_ONLY for what would
    have turned the position.
    """
    changed = _enter(core, row, ON_CANCEL, now_ns)
    if changed > 0:
        reserve(core, row)
        report(core, row, action, reason, np.nan, 0, 0.0, now_ns)
    return changed


@hot
def apply_rejected(core: int, row: int, reason: int, now_ns: int) -> int:
    """Say that the venue refused the order, with proof."""
    changed = _enter(core, row, ON_REJECT, now_ns)
    if changed > 0:
        order = record(ORDER_ROW, order_at(core, row))
        strategy, instrument = i64(order.strategy), i64(order.instrument)
        record(STRATEGY, strategy_at(core, strategy)).n_rejects += 1
        record(POSITION, position_at(core, strategy, instrument)).n_rejects += 1
        reserve(core, row)
        report(core, row, NEW, reason, np.nan, 0, 0.0, now_ns)
    return changed


@hot
def apply_modified(core: int, row: int, now_ns: int) -> int:
    """Say that the modification under way took effect, which also says that the order lives."""
    changed = _enter(core, row, ON_MODIFY, now_ns)
    order = record(ORDER_ROW, order_at(core, row))
    if changed >= 0 and order.is_modifying:
        order.is_modifying = 0
        order.price = order.new_price
        order.lots = max(order.new_lots, order.filled_lots)
        order.updated_ns = now_ns
        reserve(core, row)
        changed = 1
    if changed > 0:
        report(core, row, MODIFY, NONE, np.nan, 0, 0.0, now_ns)
    return changed


@hot
def apply_modify_refused(core: int, row: int, reason: int, now_ns: int) -> int:
    """Say that the modification under way was refused; the order stays as it was."""
    order = record(ORDER_ROW, order_at(core, row))
    if order.is_modifying:
        order.is_modifying = 0
        reserve(core, row)
    return refuse_request(core, row, MODIFY, reason, now_ns)


@hot
def refuse_request(core: int, row: int, action: int, reason: int, now_ns: int) -> int:
    """Report that a MODIFY or CANCEL of the order was refused, and count it; nothing else."""
    order = record(ORDER_ROW, order_at(core, row))
    strategy, instrument = i64(order.strategy), i64(order.instrument)
    record(STRATEGY, strategy_at(core, strategy)).n_rejects += 1
    record(POSITION, position_at(core, strategy, instrument)).n_rejects += 1
    report(core, row, action, reason, np.nan, 0, 0.0, now_ns)
    return 1


@hot
def apply_lost(core: int, row: int, now_ns: int) -> int:
    """Say that nobody knows what became of the order; it keeps counting at full size."""
    changed = _enter(core, row, ON_LOSE, now_ns)
    if changed > 0:
        report(core, row, NEW, NONE, np.nan, 0, 0.0, now_ns)
    return changed
