"""The works of the published results, jitted, driving a core directly."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from desk import unlimited
from numba import njit

from livekit.events import ORDER
from livekit.instruments import Instrument
from livekit.ring.memory import record
from livekit.trading.core import TradingCore
from livekit.trading.layout import (
    ORDER_ROW,
    OUTBOX,
    POSITION,
    order_at,
    outbox_at,
    position_at,
)
from livekit.trading.limits import Fees
from livekit.trading.orders import find_order
from livekit.trading.outbox import clear_outbox, outbox_count
from livekit.trading.router import advance, next_due, on_request, on_touch, on_trade

MARKET_MAKER = Path(__file__).parents[1].parent / "shared" / "bench" / "make_market.py"
COIN = Instrument("BTC-USDT", tick=0.1, lot=0.001, min_quantity=0.001)
_BUY, _SELL = 0, 1
_NEW, _CANCEL = 0, 2
_IOC, _GTX = 1, 3
_LIMIT = 0
_FILLED = 5


def make_events(folder):
    """Generate the seeded market: a record array of ts, kind, a, b, c, d."""
    path = folder / "market.npy"
    command = [sys.executable, MARKET_MAKER, path]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return np.load(path)


def make_core(taker=0.0005, **options):
    """Return a core of one coin without limits, with 64 orders."""
    fees = Fees(maker=0.0, taker=taker)
    return TradingCore([COIN], limits=unlimited(), fees=fees, max_orders=64, **options)


@njit(nogil=True, error_model="numpy")
def _send(core, request, action, order_id, side, kind, tif, quantity, price, now):
    asked = record(ORDER, request)
    asked.kind = 3
    asked.action = action
    asked.side = side
    asked.order_type = kind
    asked.tif = tif
    asked.order_id = order_id
    asked.quantity = quantity
    asked.price = price
    on_request(core, np.int64(0), request, now)


@njit(nogil=True, error_model="numpy")
def _arrive(core, until, counts):
    """Let everything due before a time arrive."""
    while advance(core, until) > 0:
        _take_reports(core, counts)


@njit(nogil=True, error_model="numpy")
def _take_reports(core, counts):
    """Clear the outbox; count fills in counts[0], of makers in [1], of takers in [2]."""
    for i in range(outbox_count(core)):
        row = record(OUTBOX, outbox_at(core, i))
        if row.liquidity != 0:
            counts[0] += 1
            counts[row.liquidity] += 1
    clear_outbox(core)


@njit(nogil=True, error_model="numpy")
def market_maker(core, events, request):
    """Keep 0.01 at each touch, looking at every 50th quote; (sent, cancels, fills).

    An order that is no longer at the touch is cancelled and replaced at once. A side
    has an order while the position known is below 0.2 on it. An order counts as live
    until it is known to be final or has been cancelled.
    """
    counts = np.zeros(4, np.int64)
    sent = n_cancels = n_quotes = 0
    ids = np.zeros(2, np.int64)  # of the live order of each side
    prices = np.zeros(2, np.float64)
    for i in range(len(events)):
        event = events[i]
        if next_due(core) < event.ts:
            _arrive(core, event.ts, counts)
        if event.kind != 0:
            on_trade(core, np.int64(0), event.a, event.c, np.int64(event.kind - 1), event.ts)
            _take_reports(core, counts)
            continue
        on_touch(core, np.int64(0), event.a, event.c, event.b, event.d, event.ts)
        _take_reports(core, counts)
        n_quotes += 1
        if n_quotes % 50 != 0:
            continue
        for side in range(2):
            touch = event.a if side == _BUY else event.b
            row = find_order(core, np.int64(0), ids[side]) if ids[side] != 0 else 0
            if row == 0 or record(ORDER_ROW, order_at(core, row)).status >= _FILLED:
                ids[side] = 0
            elif prices[side] != touch:
                _send(core, request, _CANCEL, ids[side], side, 0, 0, 0.0, 0.0, event.ts)
                n_cancels += 1
                ids[side] = 0
        lots = record(POSITION, position_at(core, 0, 0)).lots
        for side in range(2):
            if ids[side] == 0 and (lots if side == _BUY else -lots) < 200:
                touch = event.a if side == _BUY else event.b
                sent += 1
                ids[side] = sent
                prices[side] = touch
                _send(core, request, _NEW, sent, side, _LIMIT, _GTX, 0.01, touch, event.ts)
        _take_reports(core, counts)
    _arrive(core, 1 << 62, counts)
    return sent, n_cancels, counts[0]


@njit(nogil=True, error_model="numpy")
def ema_cross(core, events, request, kind):
    """Trade the crossing of two averages of the mid as if every order filled; (orders, fills).

    What is traded is the position the strategy meant to have, so that latency changes
    prices and fills and not the decisions.
    """
    counts = np.zeros(4, np.int64)
    fast = slow = 0.0
    n_quotes = n_orders = meant = 0
    for i in range(len(events)):
        event = events[i]
        if next_due(core) < event.ts:
            _arrive(core, event.ts, counts)
        if event.kind != 0:
            on_trade(core, np.int64(0), event.a, event.c, np.int64(event.kind - 1), event.ts)
            continue
        on_touch(core, np.int64(0), event.a, event.c, event.b, event.d, event.ts)
        mid = (event.a + event.b) / 2
        if n_quotes == 0:
            fast = slow = mid
        fast += 2 / 101 * (mid - fast)
        slow += 2 / 401 * (mid - slow)
        n_quotes += 1
        if n_quotes < 400 or not ((fast > slow and meant <= 0) or (fast < slow and meant >= 0)):
            continue
        side = _BUY if meant <= 0 and fast > slow else _SELL
        size = (10 + abs(meant)) / 1000
        price = event.b if side == _BUY else event.a
        meant = 10 if side == _BUY else -10
        n_orders += 1
        _send(core, request, _NEW, n_orders, side, kind, _IOC, size, price, event.ts)
        _take_reports(core, counts)
    _arrive(core, 1 << 62, counts)
    return n_orders, counts[0]
