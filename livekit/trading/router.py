"""The core for a caller that trades on paper: what the market and the strategies say.

`on_market` takes every event, `on_request` every request, and `cancel_strategy` and
`cancel_all` need nobody's consent; each leaves its reports in the outbox, which the
caller drains before the next call. Another venue than the paper exchange uses the
functions of `admission` and `venue` in their place, and `set_touch` and its like for
the market.
Layer 2.
"""

from typing import TYPE_CHECKING

import numpy as np

from livekit.events import ANY_INSTRUMENT, HEAD, ORDER, QUOTE, TICKER, TRADE
from livekit.ring.jit import hot, i64, inlined, inner
from livekit.ring.memory import record
from livekit.trading.admission import admit, admit_cancel, admit_modify, deny
from livekit.trading.codes import (
    CANCEL,
    CANCEL_ALL,
    KIND_BOOK,
    KIND_ORDER,
    KIND_QUOTE,
    KIND_TICKER,
    KIND_TRADE,
    MALFORMED,
    MODIFY,
    NEW,
    UNKNOWN_INSTRUMENT,
)
from livekit.trading.layout import (
    CORE,
    ORDER_ROW,
    STRATEGY,
    TradingState,
    order_at,
    strategy_at,
)
from livekit.trading.market import set_book, set_ticker, set_touch, set_trade
from livekit.trading.orders import first_open, next_open
from livekit.trading.outbox import OUTBOX_FULL, has_room, outbox_count
from livekit.trading.paper.flight import CANCELS, MODIFIES, SUBMITS, advance, send
from livekit.trading.paper.matching import match_print, match_touch
from livekit.trading.paper.orders import MAX_REPORTS, cancel, modify, submit
from livekit.trading.paper.wire import next_due
from livekit.trading.risk import set_state

if TYPE_CHECKING:
    from livekit.trading.core import TradingCore

__all__ = [
    "OrderRouter",
    "advance",
    "cancel_all",
    "cancel_strategy",
    "next_due",
    "on_market",
    "on_request",
    "on_touch",
    "on_trade",
    "take_market",
]


@inlined
def _take_touch(
    core: int, instrument: int, bid: float, bid_size: float, ask: float, ask_size: float, now: int
) -> int:
    """Take a quote."""
    if set_touch(core, instrument, bid, bid_size, ask, ask_size, now):
        return match_touch(core, instrument, 0, now)
    return 0


@inlined
def _take_print(
    core: int, instrument: int, price: float, size: float, aggressor: int, now: int
) -> int:
    """Take a public print."""
    if set_trade(core, instrument, price, now):
        return match_print(core, instrument, price, size, aggressor, now)
    return 0


@hot
def on_touch(
    core: int, instrument: int, bid: float, bid_size: float, ask: float, ask_size: float, now: int
) -> int:
    """Take a quote as scalars; same as `on_market` of a QUOTE."""
    return _take_touch(core, instrument, bid, bid_size, ask, ask_size, now)


@hot
def on_trade(
    core: int, instrument: int, price: float, size: float, aggressor: int, now: int
) -> int:
    """Take a public print as scalars; same as `on_market` of a TRADE."""
    return _take_print(core, instrument, price, size, aggressor, now)


@inlined
def take_market(core: int, event: int, now_ns: int) -> int:
    """Do what `on_market` does, in the caller's own code: for a loop over events."""
    head = record(HEAD, event)
    instrument = i64(head.instrument)
    if instrument >= record(CORE, core).n_instruments:
        return 0
    if head.kind == KIND_QUOTE:
        quote = record(QUOTE, event)
        return _take_touch(
            core,
            instrument,
            quote.bid_price,
            quote.bid_size,
            quote.ask_price,
            quote.ask_size,
            now_ns,
        )
    if head.kind == KIND_TRADE:
        trade = record(TRADE, event)
        return _take_print(core, instrument, trade.price, trade.size, i64(trade.aux), now_ns)
    if head.kind == KIND_BOOK:
        if set_book(core, instrument, event, now_ns):
            return match_touch(core, instrument, 1, now_ns)
    elif head.kind == KIND_TICKER:
        ticker = record(TICKER, event)
        if set_ticker(
            core, instrument, ticker.last_price, ticker.bid_price, ticker.ask_price, now_ns
        ):
            return match_touch(core, instrument, 0, now_ns)
    return 0


@hot
def on_market(core: int, event: int, now_ns: int) -> int:
    """Take a market event: update its instrument and fill what it crosses on paper.

    Parameters
    ----------
    core, event : int
        Addresses of the core and of an event slot. TICKER, QUOTE, TRADE and BOOK count;
        other kinds and unknown instruments are passed over.
    now_ns : int
        Time at the exchange, on the clock of every other call.

    Returns
    -------
    int
        Number of orders that filled, each with its reports in the outbox or, with
        latency, in flight; or OUTBOX_FULL: drain the outbox and call again with the
        same event.

    Notes
    -----
    Six stores and four comparisons when nothing rests near the market. What is in flight
    and due before `now_ns` has to arrive first: see `advance`.
    """
    return take_market(core, event, now_ns)


@hot
def on_request(core: int, strategy: int, request: int, now_ns: int) -> int:
    """Take an order request of a strategy and send it to the paper exchange.

    It is admitted or refused at once. Without latency it is answered at once too.

    Parameters
    ----------
    core, request : int
        Addresses of the core and of the 128 bytes of an ORDER, which are not trusted.
    strategy : int
        Slot of the strategy whose ring the request came from; one of the core's.
    now_ns : int
        Time at which it leaves the engine.

    Returns
    -------
    int
        Number of reports appended to the outbox; or OUTBOX_FULL with nothing done.

    Notes
    -----
    A cancellation of an order to which one is on its way already is not sent again, and
    has no answer but the first one's.
    """
    owner = record(STRATEGY, strategy_at(core, strategy))
    if not has_room(core, MAX_REPORTS + owner.n_open):
        return OUTBOX_FULL
    before = outbox_count(core)
    owner.n_requests += 1
    asked = record(ORDER, request)
    if asked.kind != KIND_ORDER or asked.action > CANCEL_ALL:
        deny(core, strategy, request, MALFORMED, now_ns)
    elif asked.action == NEW:
        row = admit(core, strategy, request, now_ns)
        if row > 0 and send(core, row, SUBMITS, np.nan, 0, now_ns):
            submit(core, row, now_ns)
    elif asked.action == MODIFY:
        row = admit_modify(core, strategy, request, now_ns)
        if row > 0:
            _modify(core, row, now_ns)
    elif asked.action == CANCEL:
        row = admit_cancel(core, strategy, request, now_ns)
        if row > 0:
            _cancel(core, row, now_ns)
    elif (
        asked.instrument != ANY_INSTRUMENT and asked.instrument >= record(CORE, core).n_instruments
    ):
        deny(core, strategy, request, UNKNOWN_INSTRUMENT, now_ns)
    else:
        _cancel_open(core, strategy, i64(asked.instrument), now_ns)
    return outbox_count(core) - before


@inner
def _modify(core: int, row: int, now_ns: int) -> None:
    """Send the modification under way of an order."""
    order = record(ORDER_ROW, order_at(core, row))
    price, lots = order.new_price, order.new_lots
    if send(core, row, MODIFIES, price, lots, now_ns):
        modify(core, row, price, lots, now_ns)


@inner
def _cancel(core: int, row: int, now_ns: int) -> None:
    """Send the cancellation of an open order, unless one is on its way."""
    if record(ORDER_ROW, order_at(core, row)).is_canceling:
        return
    if send(core, row, CANCELS, np.nan, 0, now_ns):
        cancel(core, row, now_ns)


@inner
def _cancel_open(core: int, strategy: int, instrument: int, now_ns: int) -> int:
    """Cancel a strategy's open orders, oldest first, in one instrument or ANY_INSTRUMENT."""
    n_canceled = i64(0)
    row = first_open(core, strategy)
    while row != 0:
        following = next_open(core, row)
        own = i64(record(ORDER_ROW, order_at(core, row)).instrument)
        if instrument in (ANY_INSTRUMENT, own):
            _cancel(core, row, now_ns)
            n_canceled += 1
        row = following
    return n_canceled


@hot
def cancel_strategy(core: int, strategy: int, now_ns: int) -> int:
    """Cancel every open order of a strategy; how many, or OUTBOX_FULL with nothing done."""
    if not has_room(core, record(STRATEGY, strategy_at(core, strategy)).n_open):
        return OUTBOX_FULL
    return _cancel_open(core, strategy, ANY_INSTRUMENT, now_ns)


@hot
def cancel_all(core: int, now_ns: int) -> int:
    """Cancel every open order of the account; how many, or OUTBOX_FULL with nothing done."""
    top = record(CORE, core)
    if not has_room(core, top.n_open):
        return OUTBOX_FULL
    n_canceled = i64(0)
    for strategy in range(top.n_strategies):
        n_canceled += _cancel_open(core, strategy, ANY_INSTRUMENT, now_ns)
    return n_canceled


class OrderRouter:
    """The orders of a trading core, as Python sees them.

    Reads the core's memory at each call and keeps nothing of its own.
    """

    def __init__(self, core: "TradingCore") -> None:
        self._core = core

    @property
    def state(self) -> TradingState:
        """What the core admits at present."""
        return TradingState(int(self._core.header["state"]))

    def halt(self) -> None:
        """Refuse everything but cancels from now on; what rests stays."""
        set_state(self._core.address, int(TradingState.HALTED))

    def on_request(self, strategy: int, request: np.ndarray, now_ns: int) -> int:
        """Route one request; `request` is an ORDER array of one row. See `on_request`."""
        self._core.check_strategy(strategy)
        assert request.nbytes >= ORDER.itemsize
        assert request.flags.c_contiguous
        return int(on_request(self._core.address, strategy, request.ctypes.data, now_ns))

    def open_orders(self, strategy: int | None = None) -> np.ndarray:
        """Copy the open orders, oldest first: of one strategy, or of all by slot.

        Returns
        -------
        ndarray
            ORDER_ROW rows.
        """
        slots = range(self._core.n_strategies) if strategy is None else (strategy,)
        rows = []
        for slot in slots:
            self._core.check_strategy(slot)
            row = int(self._core.strategies[slot]["first"])
            while row:
                rows.append(row)
                row = int(self._core.orders[row]["next_open"])
        return self._core.orders[rows]
