"""Runs made by hand, and a plain account that turns fills into equity rows.

A few rows with round numbers, so that every statistic can be worked out on paper. The
account is written the slow way on purpose: a second opinion, not a copy.
"""

import numpy as np

from livekit.research.report.run import Run
from livekit.trading.ledger_layout import EQUITY_LOG, FILL_LOG, ORDER_LOG

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
START = 1_767_571_200 * SECOND  # 2026-01-05T00:00:00Z, a Monday
NAN = float("nan")

BUY, SELL = 0, 1
SPOT = {"symbol": "BTC-USDT", "tick": 0.1, "lot": 1.0, "contract_value": 1.0, "kind": "spot"}
SWAP = {
    "symbol": "ETH-USDT-SWAP",
    "tick": 0.01,
    "lot": 0.1,
    "contract_value": 0.01,
    "kind": "swap",
}


def fill(at, side, quantity, price, **changes):
    """Return a fill as a dict: `at` seconds after START, a maker's at the venue at once."""
    ts = START + round(at * SECOND)
    values = {
        "ts": ts,
        "ts_venue": ts,
        "order_id": 1,
        "side": side,
        "is_maker": 1,
        "price": price,
        "quantity": quantity,
        "bid": NAN,
        "ask": NAN,
        "queue_ahead": NAN,
        "created_ns": ts - SECOND,
        "mid_100ms": NAN,
        "mid_1s": NAN,
        "mid_10s": NAN,
        "mid_60s": NAN,
    }
    return {**values, **changes}


def order(order_id, side, quantity, price, **changes):
    """Return an order as a dict: created at START, acknowledged 2 ms later."""
    values = {
        "order_id": order_id,
        "side": side,
        "status": 2,
        "price": price,
        "quantity": quantity,
        "average_price": NAN,
        "created_ns": START,
        "acked_ns": START + 2_000_000,
        "arrival_bid": NAN,
        "arrival_ask": NAN,
        "queue_ahead": NAN,
        "client_order_id": b"L%d" % order_id,
    }
    return {**values, **changes}


def sample(at, equity, **changes):
    """Return an equity row as a dict: `at` seconds after START."""
    return {"ts": START + round(at * SECOND), "equity": equity, **changes}


def rows(kind, items):
    """Return dicts as rows of a layout."""
    found = np.zeros(len(items), kind)
    for index, item in enumerate(items):
        for name, value in item.items():
            found[name][index] = value
    return found


def meta(*, stop_s=100.0, instruments=(SPOT,), **changes):
    """Return a run's meta; the run ends `stop_s` seconds after START."""
    return {
        "kind": "backtest",
        "name": "hand",
        "strategy": "Hand",
        "params": {"size": 2},
        "data": {
            "symbols": [one["symbol"] for one in instruments],
            "start_ns": START,
            "stop_ns": START + round(stop_s * SECOND),
            "hash": "feed",
            "gaps": [],
        },
        "instruments": list(instruments),
        "models": {"queue": "risk_averse"},
        "cash": 1000.0,
        "sample_ns": SECOND,
        "marks": {},
        "counts": {"events": 50, "rejects": {}},
        "latency": {},
        "wall_s": 0.5,
        "stopped_ns": START + round(stop_s * SECOND),
        **changes,
    }


def make(fills=(), orders=(), equity=(), marks=None, end_marks=None, **said):
    """Return a Run of dicts; `end_marks` are the meta's, by symbol."""
    said["marks"] = end_marks or {}
    return Run(
        meta(**said),
        rows(ORDER_LOG, orders),
        rows(FILL_LOG, fills),
        rows(EQUITY_LOG, equity),
        marks,
    )


def orders_of(fills):
    """Return an order for every fill, filled whole by it; numbers the fills."""
    made = []
    for number, one in enumerate(fills, start=1):
        one["order_id"] = number
        made.append(
            order(
                number,
                one["side"],
                one["quantity"],
                one["price"],
                instrument=one.get("instrument", 0),
                status=5,
                n_fills=1,
                filled_quantity=one["quantity"],
                average_price=one["price"],
                fee=one.get("fee", 0.0),
                final_ns=one["ts"],
            )
        )
    return made


def samples_of(fills, marks, *, cash=1000.0, instruments=(SPOT,), funding=()):
    """Return equity rows by replaying fills one by one.

    Parameters
    ----------
    marks : list of (seconds, [mark by instrument])
        One sample each; fills up to and at its time are in it.
    funding : list of (seconds, amount)
        Received then.
    """
    made = []
    for at, mark in marks:
        ts = START + round(at * SECOND)
        past = [one for one in fills if one["ts"] <= ts]
        held, average = [0.0] * len(instruments), [0.0] * len(instruments)
        realized = fees = volume = 0.0
        for one in past:
            index = one.get("instrument", 0)
            value = instruments[index]["contract_value"]
            signed = one["quantity"] * (1 if one["side"] == BUY else -1)
            realized += value * _book(held, average, index, signed, one["price"])
            fees += one.get("fee", 0.0)
            volume += one["price"] * one["quantity"] * value
        paid = sum(amount for when, amount in funding if when <= at)
        sizes = [h * one["contract_value"] for h, one in zip(held, instruments, strict=True)]
        values = [s * m for s, m in zip(sizes, mark, strict=True) if s]
        unrealized = sum(s * (m - a) for s, m, a in zip(sizes, mark, average, strict=True) if s)
        made.append(
            sample(
                at,
                cash + realized + unrealized - fees + paid,
                realized=realized,
                unrealized=unrealized,
                fees=fees,
                funding=paid,
                volume=volume,
                net_exposure=sum(values),
                gross_exposure=sum(map(abs, values)),
                n_fills=len(past),
                n_orders=len(past),
            )
        )
    return made


def _book(held, average, index, signed, price):
    """Book one fill into a position by average price; return what it realises per unit value."""
    old, new = held[index], round(held[index] + signed, 9)
    held[index] = new
    if old == 0:
        average[index] = price
        return 0.0
    if (old > 0) == (signed > 0):
        average[index] = (average[index] * old + price * signed) / new
        return 0.0
    closed = min(abs(old), abs(signed))
    gained = (price - average[index]) * closed * (1 if old > 0 else -1)
    if new and (new > 0) != (old > 0):
        average[index] = price
    return gained
