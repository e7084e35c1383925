"""Compile, or load from the cache, every jitted function before the first event.

A function called for the first time in a callback would cost that event milliseconds.
So each is called once on a context of its own, whose rings lead nowhere.
Layer 4.
"""

from typing import Any

import numpy as np
from numba import types

from livekit.config import ORDERS_CAPACITY
from livekit.events import ORDER, TICKER, Kind
from livekit.instruments import Instrument
from livekit.ring.layout import CONTROL_BYTES, ORDER_SLOT_BYTES, aligned_zeros, private_ring
from livekit.ring.seqlock import SEQLOCK_HEAD, publish
from livekit.strategy.context import Context, fetch, position
from livekit.strategy.pool import Pool, poll, settle
from livekit.strategy.reports import apply_report
from livekit.strategy.requests import (
    send_cancel,
    send_cancel_all,
    send_close,
    send_modify,
    send_new,
)

__all__ = ["warm_up"]


def warm_up(*, is_compiled: bool) -> None:
    """Call every jitted function that the process will call from Python."""
    empty = np.dtype([("nothing", "<f8")])
    context = Context(empty, empty, 0)
    context.add_instruments([Instrument("WARM-UP", 0.1, 0.1, 0.1)])
    rings = [
        private_ring(context.events_side, 64, 256, is_producer=False),
        private_ring(context.orders_side, ORDERS_CAPACITY, ORDER_SLOT_BYTES, is_producer=True),
    ]
    ctx = context.address
    publish_to = aligned_zeros(SEQLOCK_HEAD + 64)
    publish(int(publish_to.ctypes.data), int(context.view["state"]), 1)
    send_cancel_all(ctx, 0)
    if is_compiled:
        _warm_driver(ctx)
    else:
        event = rings[0][CONTROL_BYTES:].view(TICKER)
        event[0]["kind"] = Kind.TICKER
        rings[0].view(np.int64)[0] = 1
        pool = Pool(context, {}, [Kind.TICKER])
        poll(pool.address)
        settle(pool.address)
        order_id = send_new(ctx, 0, 0, 0, 1.0, 1.0, 0, 0)
        send_modify(ctx, order_id, 1.0, 1.0, 0)
        send_cancel(ctx, order_id)
        report = rings[1][CONTROL_BYTES:].view(ORDER)
        apply_report(ctx, int(report[1:].ctypes.data))
        position(ctx, 0)
        send_close(ctx, 0)
        fetch(ctx)


def _warm_driver(ctx: int) -> None:
    """Load the compiled way's loop; its ring is empty, and its waits are none."""
    # Only who asks for it pays for loading Numba's extensions.
    from livekit.strategy.compiled import driver  # noqa: PLC0415

    memory = aligned_zeros(driver.DRIVER.itemsize)
    address = int(memory.ctypes.data)
    memory.view(driver.DRIVER)[0]["ctx"] = ctx
    driver.turn(address)
    driver.abandon(address)
    call: Any = driver.call
    call.compile((types.int64, types.int64))
