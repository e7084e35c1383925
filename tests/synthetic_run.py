"""A run made of numbers: rows as the ledger writes them, without a backtest.

A market maker's day by a random walk: fills at either side of a mid, some of them
takers', and an equity that follows from exactly these fills, so what figures and
statistics say of it can be checked against sums.
"""

import numpy as np

from livekit.events import OrderStatus
from livekit.research.report.run import Run
from livekit.trading.ledger_layout import EQUITY_LOG, FILL_LOG, HORIZONS_NS, ORDER_LOG

START_NS = 1_767_571_200_000_000_000  # 2026-01-05T00:00:00Z, a Monday
CASH = 100_000.0


def made_run(n_fills=600, *, marked=False, changes=None, **options):
    """Return a run of such a day; with `marked`, one that kept its marks."""
    orders, fills, equity, marks = rows(n_fills, **options)
    span = int(options.get("hours", 24.0) * 3600e9)
    said = meta(stopped_ns=START_NS + span, **(changes or {}))
    said["data"]["stop_ns"] = START_NS + span
    said["marks"] = {"BTC-USDT": float(marks[-1, 0])}
    return Run(said, orders, fills, equity, marks if marked else None)


def rows(n_fills=600, *, hours=24.0, n_samples=2000, seed=7, taker_share=0.2):
    """Return (orders, fills, equity, marks) of a made-up day."""
    rng = np.random.default_rng(seed)
    span = int(hours * 3600e9)
    grid = START_NS + np.linspace(0, span, 50_001).astype("i8")
    mid = 60_000 + np.cumsum(rng.normal(0, 6, len(grid)))
    mid = np.round(mid / 0.05) * 0.05

    def mid_at(ts):
        found = mid[np.clip(np.searchsorted(grid, ts, side="right") - 1, 0, None)]
        return np.where(ts > grid[-1], np.nan, found)

    fills = np.zeros(n_fills, FILL_LOG)
    fills["ts_venue"] = np.sort(START_NS + rng.integers(1, span - 10_000_000, n_fills))
    fills["ts"] = fills["ts_venue"] + 2_000_000
    fills["order_id"] = np.arange(1, n_fills + 1)
    signs = np.where(rng.random(n_fills) < 0.5, 1, -1)
    fills["side"] = np.where(signs == 1, 0, 1)
    fills["is_maker"] = rng.random(n_fills) >= taker_share
    at = mid_at(fills["ts_venue"])
    fills["bid"], fills["ask"] = at - 0.5, at + 0.5
    fills["price"] = at - np.where(fills["is_maker"] == 1, 0.5, -0.5) * signs
    fills["quantity"] = np.round(rng.uniform(0.001, 0.02, n_fills), 4)
    rate = np.where(fills["is_maker"] == 1, -0.00005, 0.0005)
    fills["fee"] = fills["price"] * fills["quantity"] * rate
    fills["queue_ahead"] = np.where(fills["is_maker"] == 1, rng.uniform(0, 5, n_fills), np.nan)
    fills["created_ns"] = fills["ts"] - (10 ** rng.uniform(6.5, 10.5, n_fills)).astype("i8")
    for name, horizon in zip(
        ("mid_100ms", "mid_1s", "mid_10s", "mid_60s"), HORIZONS_NS, strict=True
    ):
        fills[name] = mid_at(fills["ts_venue"] + horizon)
    orders = _orders(fills, rng)
    ts = START_NS + np.linspace(0, span, n_samples).astype("i8")
    return orders, fills, _equity(fills, ts, mid_at), mid_at(ts)[:, None]


def _orders(fills, rng):
    orders = np.zeros(len(fills), ORDER_LOG)
    for name in ("order_id", "instrument", "side", "price", "quantity", "fee", "created_ns"):
        orders[name] = fills[name]
    orders["filled_quantity"], orders["average_price"] = fills["quantity"], fills["price"]
    orders["n_fills"], orders["status"], orders["final_ns"] = 1, OrderStatus.FILLED, fills["ts"]
    orders["acked_ns"] = orders["created_ns"] + rng.integers(3_000_000, 9_000_000, len(orders))
    orders["arrival_bid"], orders["arrival_ask"] = fills["bid"], fills["ask"]
    orders["queue_ahead"] = fills["queue_ahead"]
    orders["client_order_id"] = np.char.add(b"lk", orders["order_id"].astype("S20"))
    return orders


def _equity(fills, ts, mid_at):
    n = np.searchsorted(fills["ts"], ts, side="right")

    def sums(values):
        return np.concatenate(([0.0], np.cumsum(values)))[n]

    signed = np.where(fills["side"] == 0, 1.0, -1.0) * fills["quantity"]
    held = sums(signed)
    profit = held * mid_at(ts) - sums(signed * fills["price"])
    equity = np.zeros(len(ts), EQUITY_LOG)
    equity["ts"], equity["fees"] = ts, sums(fills["fee"])
    equity["unrealized"] = profit
    equity["equity"] = CASH + profit - equity["fees"]
    equity["volume"] = sums(fills["price"] * fills["quantity"])
    equity["net_exposure"] = held * mid_at(ts)
    equity["gross_exposure"] = np.abs(equity["net_exposure"])
    equity["n_fills"] = equity["n_orders"] = n
    return equity


def meta(**changes):
    """Return what a run says of itself."""
    return {
        "kind": "backtest",
        "name": "maker-1",
        "strategy": "Maker",
        "file": "strategies/maker.py",
        "code_hash": "0123456789abcdef",
        "params": {"half_spread": 0.5, "size": 0.01},
        "jit": True,
        "data": {
            "root": "replay_data",
            "symbols": ["BTC-USDT"],
            "start_ns": START_NS,
            "stop_ns": START_NS + 86_400_000_000_000,
            "n_events": 432_100,
            "hash": "fedcba9876543210",
            "gaps": [
                {"ts": START_NS + 3_600_000_000_000, "symbol": "BTC-USDT", "lost": {"book": 3}}
            ],
        },
        "instruments": [
            {
                "symbol": "BTC-USDT",
                "tick": 0.1,
                "lot": 0.0001,
                "min_quantity": 0.0001,
                "contract_value": 1.0,
                "kind": "spot",
            }
        ],
        "models": {
            "latency": "feed 0, order 2 ms, response 2 ms",
            "queue": "risk_averse",
            "partial_fills": True,
            "maker": -0.00005,
            "taker": 0.0005,
            "funding": "none",
            "unlimited_depth": False,
        },
        "cash": CASH,
        "seed": 0,
        "sample_ns": 1_000_000_000,
        "marks": {"BTC-USDT": 60_000.0},
        "counts": {
            "events": 432_100,
            "requests": 1200,
            "cancels": 300,
            "modifies": 0,
            "errors": 0,
            "rejects": {"POST_ONLY_WOULD_TAKE": 4},
        },
        "latency": {"order_ns": [2_000_000] * 50},
        "started": "2026-01-06T10:00:00+00:00",
        "wall_s": 0.42,
        "version": "0.3.0",
        "is_partial": False,
        "stopped_ns": START_NS + 86_400_000_000_000,
        **changes,
    }
