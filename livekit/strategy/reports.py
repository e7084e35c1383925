"""What the engine answers: reports applied to the strategy's own position and orders.

A report states an order as it is now; one with a `last_quantity` above zero is a fill,
also one that comes after the order's cancellation. Positions are kept in whole lots,
so that what was bought and sold again is exactly zero.
Layer 2. `ctx` is the address of a CONTEXT.
"""

from typing import Final

import numpy as np

from livekit.events import ORDER, Action, OrderStatus, Reject
from livekit.ring.jit import hot
from livekit.ring.memory import copy_lines, load_i64, record, store_i64
from livekit.strategy.context import CONTEXT, STEPS, find_open, i64

__all__ = ["apply_report"]

_FILLED: Final = int(OrderStatus.FILLED)
_REJECTED: Final = int(OrderStatus.REJECTED)
_NEW: Final = int(Action.NEW)
_UNKNOWN_ORDER: Final = int(Reject.UNKNOWN_ORDER)


@hot
def _remove(ctx: int, row: int) -> None:
    """Close the gap that an order leaves; the others keep their order."""
    view = record(CONTEXT, ctx)
    last = view.open_orders + (view.n_open - 1) * 128
    while row < last:
        copy_lines(row, row + 128, 2)
        row += 128
    view.n_open -= 1


@hot
def _book_fill(ctx: int, event: int) -> None:
    view = record(CONTEXT, ctx)
    report = record(ORDER, event)
    instrument = i64(report.instrument)
    if instrument >= view.n_instruments:
        return
    steps = record(STEPS, view.steps + instrument * 64)
    lots = i64(np.rint(report.last_quantity * steps.lot_denominator / steps.lot_numerator))
    word = view.positions + instrument * 8
    store_i64(word, load_i64(word) + (lots if report.side == 0 else -lots))


@hot
def apply_report(ctx: int, event: int) -> int:
    """Apply one ORDER report to the open orders and the position; 1 when it is a fill.

    A refused MODIFY or CANCEL leaves the order as it is, unless the engine knows no
    such order.
    """
    report = record(ORDER, event)
    row = find_open(ctx, i64(report.order_id))
    if row:
        status = i64(report.status)
        is_refused_change = status == _REJECTED and report.action != _NEW
        if is_refused_change and report.reject != _UNKNOWN_ORDER:
            pass
        elif status >= _FILLED:
            _remove(ctx, row)
        else:
            copy_lines(row, event, 2)
    if report.last_quantity > 0.0:
        _book_fill(ctx, event)
        return 1
    return 0
