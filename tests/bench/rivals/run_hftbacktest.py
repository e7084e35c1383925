"""The works in hftbacktest: ROI-vector depth, exchange without partial fills.

A quote becomes depth rows: the old price with quantity 0 where the touch moved, then the
new price with its size, so that the book has one level a side and the queue models see
a level vanish. `wait_next_feed` does not say what woke the strategy, so the strategy
walks the kinds of the events beside it; stamps are strictly increasing, so every event
wakes it once, but for the last, which is never delivered. What is timed is the strategy's
loop alone, not the building of the backtest.
"""

import time

import hftbacktest as hft
import numpy as np
from hftbacktest.order import BUY, FILLED, GTC, GTX, IOC, LIMIT, MARKET, NEW, NONE
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)
from numba import njit
from protocol import EVERY, FAST, FILL, SIZE, SLOW, TAKER, last_mid, serve
from protocol import LIMIT as POSITION_LIMIT

TICK, LOT = 0.1, 0.001
BOTH = EXCH_EVENT | LOCAL_EVENT
BID, ASK = BOTH | DEPTH_EVENT | BUY_EVENT, BOTH | DEPTH_EVENT | SELL_EVENT
BUYER, SELLER = BOTH | TRADE_EVENT | BUY_EVENT, BOTH | TRADE_EVENT | SELL_EVENT
ROOM = POSITION_LIMIT - 1e-9  # a sum of sizes may be off by an ulp
FOREVER = 10**18


@njit
def put(rows, n, ts, kind, price, quantity):
    """Write row n and return n + 1."""
    rows[n].ev, rows[n].exch_ts, rows[n].local_ts = kind, ts, ts
    rows[n].px, rows[n].qty = price, quantity
    return n + 1


@njit
def convert(market, rows):
    """Write the market as hftbacktest's events and return their number."""
    n = 0
    bid = ask = 0.0
    for event in market:
        if event.kind == 0:
            if bid not in (0.0, event.a):
                n = put(rows, n, event.ts, BID, bid, 0.0)
            if ask not in (0.0, event.b):
                n = put(rows, n, event.ts, ASK, ask, 0.0)
            bid, ask = event.a, event.b
            n = put(rows, n, event.ts, BID, bid, event.c)
            n = put(rows, n, event.ts, ASK, ask, event.d)
        else:
            n = put(rows, n, event.ts, BUYER if event.kind == 1 else SELLER, event.a, event.c)
    return n


@njit
def ema_cross(hbt, kinds, order_type, tif, fast, slow):
    """Trade the crossing of two averages; return the number of orders sent."""
    n_orders = n_quotes = side = 0
    ema_fast = ema_slow = 0.0
    at = -1
    while hbt.wait_next_feed(False, FOREVER) != 1:
        at += 1
        if kinds[at] != 0:
            continue
        depth = hbt.depth(0)
        bid, ask = depth.best_bid, depth.best_ask
        mid = (bid + ask) / 2
        n_quotes += 1
        if n_quotes == 1:
            ema_fast = ema_slow = mid
        ema_fast += 2 / (fast + 1) * (mid - ema_fast)
        ema_slow += 2 / (slow + 1) * (mid - ema_slow)
        if n_quotes < slow:
            continue
        if ema_fast > ema_slow and side <= 0:
            quantity = SIZE if side == 0 else 2 * SIZE
            side = 1
            n_orders += 1
            hbt.submit_buy_order(0, n_orders, ask, quantity, tif, order_type, False)
        elif ema_fast < ema_slow and side >= 0:
            quantity = SIZE if side == 0 else 2 * SIZE
            side = -1
            n_orders += 1
            hbt.submit_sell_order(0, n_orders, bid, quantity, tif, order_type, False)
    return n_orders, 0


@njit
def is_live(hbt, order_id):
    """Return whether an order is on its way or rests."""
    if order_id not in hbt.orders(0):
        return False
    status = hbt.orders(0).get(order_id).status
    return status in (NONE, NEW)


@njit
def market_maker(hbt, kinds, keeps_orders):
    """Keep an order a side at the touch; return the numbers of orders and cancels sent."""
    n_orders = n_cancels = n_quotes = 0
    bid_id = ask_id = bid_tick = ask_tick = 0
    at = -1
    while hbt.wait_next_feed(False, FOREVER) != 1:
        at += 1
        if kinds[at] != 0:
            continue
        n_quotes += 1
        if n_quotes % EVERY != 0:
            continue
        depth = hbt.depth(0)
        best_bid, best_ask = depth.best_bid_tick, depth.best_ask_tick
        position = hbt.position(0)
        if not keeps_orders:
            hbt.clear_inactive_orders(0)
        has_bid, has_ask = is_live(hbt, bid_id), is_live(hbt, ask_id)
        if has_bid and bid_tick != best_bid:
            hbt.cancel(0, bid_id, False)
            n_cancels += 1
            has_bid = False
        if has_ask and ask_tick != best_ask:
            hbt.cancel(0, ask_id, False)
            n_cancels += 1
            has_ask = False
        if not has_bid and position < ROOM:
            n_orders += 1
            bid_id, bid_tick = n_orders, best_bid
            hbt.submit_buy_order(0, bid_id, best_bid * TICK, SIZE, GTX, LIMIT, False)
        if not has_ask and position > -ROOM:
            n_orders += 1
            ask_id, ask_tick = n_orders, best_ask
            hbt.submit_sell_order(0, ask_id, best_ask * TICK, SIZE, GTX, LIMIT, False)
    return n_orders, n_cancels


@njit
def filled(hbt, n_orders, fills):
    """Write the filled orders of 1..n_orders, in the order of their ids; return how many."""
    n = 0
    for order_id in range(1, n_orders + 1):
        if order_id not in hbt.orders(0):
            continue
        order = hbt.orders(0).get(order_id)
        if order.status == FILLED:
            fills[n].ts, fills[n].side = order.exch_timestamp, 0 if order.side == BUY else 1
            fills[n].price, fills[n].quantity = order.exec_price, order.exec_qty
            n += 1
    return n


class State:
    """The market in hftbacktest's form."""

    def __init__(self, market):
        n_quotes = int((market["kind"] == 0).sum())
        rows = np.zeros(len(market) + 3 * n_quotes, event_dtype)
        n = convert(market, rows)
        rows.resize(n, refcheck=False)
        self.rows = rows
        self.kinds = market["kind"].astype(np.int8)
        self.mid = last_mid(market)
        prices = market["a"]
        self.low, self.high = float(prices.min()) - 100, float(prices.max()) + 100


def build(state, request):
    """Return a fresh backtest with the models asked for."""
    entry, response = request.get("entry_ns", 0), request.get("response_ns", 0)
    asset = (
        hft.BacktestAsset()
        .data(state.rows)
        .linear_asset(1.0)
        .tick_size(TICK)
        .lot_size(LOT)
        .roi_lb(state.low)
        .roi_ub(state.high)
        .constant_order_latency(entry, response)
        .trading_value_fee_model(0.0, TAKER)
        .no_partial_fill_exchange()
    )
    if request.get("queue", "risk_averse") == "risk_averse":
        asset.risk_adverse_queue_model()
    else:
        asset.power_prob_queue_model(2.0)
    return hft.ROIVectorMarketDepthBacktest([asset])


def finish(state, hbt, request, n_orders, n_cancels):
    """Return the result of a run and its fills, in time order, and close it."""
    values = hbt.state_values(0)
    result = {
        "n_orders": n_orders,
        "n_cancels": n_cancels,
        "n_fills": int(values.num_trades),
        "pnl": float(values.balance + values.position * state.mid - values.fee),
        "fees": float(values.fee),
        "position": round(float(values.position), 9),
    }
    fills = None
    if request.get("fills"):
        fills = np.zeros(n_orders, FILL)
        fills = fills[: filled(hbt, n_orders, fills)]
        fills = fills[np.argsort(fills["ts"], kind="stable")]
    hbt.close()
    return result, fills


def run_ema_cross(state, request):
    """Run work 2, with orders of the kind asked for."""
    is_ioc = request.get("order") == "ioc"
    hbt = build(state, request)
    kind = (LIMIT, IOC) if is_ioc else (MARKET, GTC)
    start = time.perf_counter()
    sent = ema_cross(hbt, state.kinds, *kind, request.get("fast", FAST), request.get("slow", SLOW))
    seconds = time.perf_counter() - start
    return seconds, *finish(state, hbt, request, *sent)


def run_market_maker(state, request):
    """Run work 3; its orders are kept to the end only where their fills are asked for."""
    hbt = build(state, request)
    start = time.perf_counter()
    sent = market_maker(hbt, state.kinds, bool(request.get("fills")))
    seconds = time.perf_counter() - start
    return seconds, *finish(state, hbt, request, *sent)


if __name__ == "__main__":
    works = {"ema_cross": run_ema_cross, "market_maker": run_market_maker}
    serve(["hftbacktest", "numba"], State, works)
