"""The loop of a compiled strategy: wait, dispatch and release, all in jitted code.

`turn` reads events where they lie in the ring and calls the callbacks through a table
of addresses. It stays in jitted code for about a millisecond, over as many batches as
come, so that an event meets a spinning reader and not a Python loop; a batch is
released after its last callback.

An exception leaves `turn` as itself. The driver has written down where it was, and
called again it goes on behind the callback that failed.
Layer 2.
"""

# mypy: disable-error-code="no-untyped-def"
# Numba calls the code generator below with its own, untyped objects.

from typing import Final

import numpy as np
from numba import types
from numba.extending import intrinsic

from livekit.events import Kind
from livekit.ring.jit import hot
from livekit.ring.layout import SIDE
from livekit.ring.memory import clock_ns, load_i64, record, store_release
from livekit.ring.spsc import available
from livekit.ring.wait import wait
from livekit.strategy.context import begin_event, fetch, finish_batch, remember_book
from livekit.strategy.layout import CONTEXT, LOG_ROWS
from livekit.strategy.reports import apply_report

__all__ = ["BATCH", "DRIVER", "abandon", "call", "conclude", "invoke", "turn"]

BATCH: Final = 256
"""Events released at once, at most."""

DRIVER: Final = np.dtype(
    [
        ("ctx", "<i8"),
        ("limit", "<i8"),  # events of the next batch at most
        ("spin_ns", "<i8"),
        ("yield_ns", "<i8"),
        ("sleep_ns", "<i8"),
        ("turn_ns", "<i8"),  # how long to stay in jitted code
        ("start_ns", "<i8"),  # when the batch in hand was taken
        ("n", "<i8"),  # its events
        ("index", "<i8"),  # the one being handled
        ("is_resumed", "<i8"),  # an exception came out of it
        ("stage", "<i8"),  # of a report being handled: what is still to be called
        ("is_fill", "<i8"),  # on_fill is being called
        ("handled", "<i8"),  # events with a callback, ever
        ("is_stopped", "<i8"),  # a STOP event came
        ("listed", "<i8"),  # bit k: kind k has a callback
        ("uses_book", "<i8"),
        ("on_fill", "<i8"),  # address, 0 for none
        ("callbacks", "<i8", (16,)),  # addresses by kind, 0 for none
    ]
)
"""The driver's memory; addresses are of this process."""

_PLAIN: Final = 0
_ON_ORDER: Final = 1
_ORDER: Final = int(Kind.ORDER)
_BOOK: Final = int(Kind.BOOK)
_PARAMS: Final = int(Kind.PARAMS)
_STOP: Final = int(Kind.STOP)
_SPECIAL: Final = 1 << _ORDER | 1 << _BOOK | 1 << _PARAMS | 1 << _STOP
_CALLBACKS: Final = int(DRIVER.fields["callbacks"][1])  # type: ignore[index]
_SCRATCH: Final = int(CONTEXT.fields["scratch"][1])  # type: ignore[index]
_HALF_LOG: Final = LOG_ROWS // 2


@intrinsic
def invoke(_typing, address, context, event):
    """Call a callback by its address; what it raises is raised here."""
    arguments = (types.int64, types.int64)

    def codegen(context, builder, _signature, args):
        convention = context.call_conv
        kind = convention.get_function_type(types.int64, arguments)
        function = builder.inttoptr(args[0], kind.as_pointer())
        status, result = convention.call_function(
            builder, function, types.int64, arguments, args[1:]
        )
        with builder.if_then(status.is_error, likely=False):
            convention.return_status_propagate(builder, status)
        return result

    return types.int64(types.int64, types.int64, types.int64), codegen


@hot
def call(address: int, ctx: int) -> None:
    """Call `on_start` or `on_stop`."""
    invoke(address, ctx, 0)


@hot
def _take_report(driver: int, slot: int) -> None:
    """Apply a report, then call `on_order` and, for a fill, `on_fill`."""
    view = record(DRIVER, driver)
    is_fill = apply_report(view.ctx, slot)
    on_order = load_i64(driver + _CALLBACKS + _ORDER * 8)
    if on_order:
        view.stage = _ON_ORDER if is_fill else _PLAIN
        invoke(on_order, view.ctx, slot)
        view.stage = _PLAIN
    if is_fill and view.on_fill:
        view.is_fill = 1
        invoke(view.on_fill, view.ctx, slot)
        view.is_fill = 0


@hot
def _take_special(driver: int, slot: int, kind: int) -> None:
    """Handle a kind of event that is more than its callback."""
    view = record(DRIVER, driver)
    if kind == _ORDER:
        _take_report(driver, slot)
        return
    if kind == _STOP:
        view.is_stopped = 1
        return
    if kind == _BOOK and view.uses_book:
        remember_book(view.ctx, slot)
    elif kind == _PARAMS:
        fetch(view.ctx)
    callback = load_i64(driver + _CALLBACKS + kind * 8)
    if callback:
        invoke(callback, view.ctx, slot)


@hot
def conclude(driver: int) -> None:
    """Finish the event whose callback raised: a fill is still owed its `on_fill`."""
    view = record(DRIVER, driver)
    view.is_resumed = 0
    view.is_fill = 0
    if view.stage == _ON_ORDER:
        view.stage = _PLAIN
        if view.on_fill:
            view.is_fill = 1
            invoke(view.on_fill, view.ctx, record(CONTEXT, view.ctx).event)
            view.is_fill = 0


@hot
def _handle(driver: int) -> None:
    """Handle the batch in hand from `index` on, and cut it where handling must pause."""
    view = record(DRIVER, driver)
    ctx = view.ctx
    context = record(CONTEXT, ctx)
    side = record(SIDE, context.events)
    slots, mask, shift, first = side.slots, side.mask, side.shift, side.cursor
    if view.is_resumed:
        conclude(driver)
        view.index += 1
    listed, handled = view.listed, view.handled
    index, n = view.index, view.n
    while index < n:
        slot = slots + (((first + index) & mask) << shift)
        kind = load_i64(slot) & 15
        begin_event(ctx, slot)
        handled += (listed >> kind) & 1
        view.handled = handled
        view.index = index
        if (_SPECIAL >> kind) & 1:
            _take_special(driver, slot, kind)
        else:
            callback = load_i64(driver + _CALLBACKS + kind * 8)
            if callback:
                invoke(callback, ctx, slot)
        index += 1
        if view.is_stopped or context.log_tail - context.log_head >= _HALF_LOG:
            break
    view.n = index


@hot
def _take_batch(driver: int, until: int) -> int:
    """Wait for events; note how many to handle. 0 for none, BROKEN.

    `until` is when the turn ends, 0 for its first batch: only that one may sleep, because
    whoever has just handled events has a state to show.
    """
    view = record(DRIVER, driver)
    context = record(CONTEXT, view.ctx)
    ready = available(context.events)
    if ready == 0:
        now = clock_ns()
        store_release(context.heartbeat, now)
        spin, polite, sleep = view.spin_ns, view.yield_ns, view.sleep_ns
        if until:
            spin = min(spin, max(until - now, 0))
            polite = min(polite, max(until - now - spin, 0))
            sleep = 0
        ready = wait(context.events, spin, polite, sleep, view.ctx + _SCRATCH)
    view.start_ns = clock_ns()
    if ready <= 0:
        store_release(context.heartbeat, view.start_ns)
        return ready
    view.n = min(ready, view.limit)
    view.index = 0
    return view.n


@hot
def _choose_limit(driver: int, end_ns: int) -> None:
    """Cut the next batch to the time a turn may take; grow it step by step."""
    view = record(DRIVER, driver)
    elapsed = end_ns - view.start_ns
    if elapsed > view.turn_ns:
        view.limit = max(1, min(view.limit, view.n * view.turn_ns // elapsed))
    elif view.limit < BATCH and elapsed < view.turn_ns >> 2:
        view.limit = min(BATCH, view.limit * 2)


@hot
def turn(driver: int) -> int:
    """Wait for events and handle batches for about a millisecond.

    Returns how many events were handled, 0 for none, or BROKEN. What a callback raises
    is raised, with `is_resumed` to be set by the caller before the next turn.
    """
    view = record(DRIVER, driver)
    context = record(CONTEXT, view.ctx)
    taken = 0
    until = 0
    while True:
        if view.is_resumed == 0:
            ready = _take_batch(driver, until)
            if ready <= 0:
                return taken if ready == 0 else ready
        if until == 0:
            until = view.start_ns + view.turn_ns
        _handle(driver)
        end_ns = finish_batch(view.ctx, view.n, view.start_ns)
        taken += view.n
        _choose_limit(driver, end_ns)
        if end_ns >= until or view.is_stopped:
            return taken
        if context.log_tail != context.log_head:
            return taken


@hot
def abandon(driver: int) -> int:
    """Release the batch in hand, of which no more is to be handled; return its events."""
    view = record(DRIVER, driver)
    view.is_resumed = 0
    view.is_fill = 0
    view.stage = _PLAIN
    finish_batch(view.ctx, view.n, view.start_ns)
    return view.n
