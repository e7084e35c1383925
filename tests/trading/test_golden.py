"""The published result of an EMA cross over 2 000 000 quotes, through the whole core.

Every quote of the seeded market goes through `on_touch` and every order, as the bytes
a strategy would write, through `on_request`: risk, table, paper exchange, account.
hftbacktest, Nautilus, vectorbt and plain loops agree on the figure to the last digit.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from desk import unlimited
from numba import njit

from livekit.events import ORDER
from livekit.instruments import Instrument
from livekit.ring.memory import record
from livekit.trading.core import TradingCore
from livekit.trading.layout import POSITION, position_at
from livekit.trading.limits import Fees
from livekit.trading.outbox import clear_outbox
from livekit.trading.router import on_request, on_touch, on_trade

_MARKET = Path(__file__).parents[2].parent / "shared" / "bench" / "make_market.py"
_BUY, _SELL = 0, 1


@njit(nogil=True, error_model="numpy")
def _order(core, request, order_id, side, quantity, price, now):
    asked = record(ORDER, request)
    asked.kind = 3
    asked.side = side
    asked.tif = 1
    asked.order_id = order_id
    asked.quantity = quantity
    asked.price = price
    on_request(core, np.int64(0), request, now)
    clear_outbox(core)


@njit(nogil=True, error_model="numpy")
def _ema_cross(core, events, request, fast_alpha, slow_alpha, warm):
    """Trade the crossing of two averages of the mid, as the published work says."""
    fast = slow = 0.0
    n_quotes = n_orders = 0
    for i in range(len(events)):
        row = events[i]
        if row.kind != 0:
            on_trade(core, np.int64(0), row.a, row.c, row.kind - 1, row.ts)
            continue
        on_touch(core, np.int64(0), row.a, row.c, row.b, row.d, row.ts)
        mid = (row.a + row.b) / 2
        if n_quotes == 0:
            fast = slow = mid
        fast += fast_alpha * (mid - fast)
        slow += slow_alpha * (mid - slow)
        n_quotes += 1
        lots = record(POSITION, position_at(core, 0, 0)).lots
        if n_quotes < warm:
            continue
        if fast > slow and lots <= 0:
            n_orders += 1
            _order(core, request, n_orders, _BUY, (10 - lots) / 1000, row.b, row.ts)
        elif fast < slow and lots >= 0:
            n_orders += 1
            _order(core, request, n_orders, _SELL, (10 + lots) / 1000, row.a, row.ts)
    return n_orders


@pytest.mark.skipif(not _MARKET.exists(), reason="needs the published market's generator")
def test_ema_cross_gives_the_published_orders_profit_and_fees(tmp_path):
    path = tmp_path / "market.npy"
    subprocess.run([sys.executable, _MARKET, path], check=True, stdout=subprocess.DEVNULL)
    events = np.load(path)
    coin = Instrument("BTC-USDT", tick=0.1, lot=0.001, min_quantity=0.001)
    core = TradingCore([coin], limits=unlimited(), fees=Fees(maker=0.0, taker=0.0005))
    request = np.zeros(1, ORDER)
    n_orders = _ema_cross(core.address, events, request.ctypes.data, 2 / 101, 2 / 401, 400)
    row = core.account.position(0, 0)
    assert n_orders == 6283
    assert row["n_fills"] == 6283
    assert row["net_pnl"] == pytest.approx(-3151.462882, abs=5e-7)
    assert row["fees"] == pytest.approx(3144.7549, abs=5e-5)
    assert row["realized_pnl"] + row["unrealized_pnl"] == pytest.approx(-6.708, abs=5e-4)
    assert core.account.equity - 100_000.0 == pytest.approx(-3151.462882, abs=5e-7)
