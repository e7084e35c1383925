"""Frames: names, times and what is computed beside the rows."""

import numpy as np
import pandas as pd
import pytest
from hand_made_run import BUY, NAN, SECOND, SELL, SPOT, START, SWAP, fill, make, order, sample
from hypothesis import given
from random_runs import runs


def near(value):
    return pytest.approx(value, rel=1e-12, abs=1e-12, nan_ok=True)


def at(seconds):
    return pd.Timestamp(START + round(seconds * SECOND), tz="UTC")


def test_orders_have_names_and_utc_times():
    orders = [
        order(1, BUY, 2, 100.0, status=5, final_ns=START + SECOND, tif=3, options=1)
        | {"arrival_bid": 99.0, "arrival_ask": 101.0},
        order(2, SELL, 2, NAN, status=7, reject=16, order_type=1, instrument=1),
        order(3, SELL, 2, 5.0, status=7, reject=51008, acked_ns=0),
    ]
    frame = make(orders=orders, instruments=(SPOT, SWAP)).orders
    assert frame["side"].tolist() == ["buy", "sell", "sell"]
    assert frame["type"].tolist() == ["limit", "market", "limit"]
    assert frame["tif"].tolist() == ["GTX", "GTC", "GTC"]
    assert frame["status"].tolist() == ["filled", "rejected", "rejected"]
    assert frame["symbol"].tolist() == ["BTC-USDT", "ETH-USDT-SWAP", "BTC-USDT"]
    assert frame["reject"].tolist()[1:] == ["POST_ONLY_WOULD_TAKE", "51008"]
    assert frame["reject"].isna().tolist() == [True, False, False]
    assert frame["reduce_only"].tolist() == [True, False, False]
    assert frame["arrival_mid"].tolist() == near([100, NAN, NAN])
    assert frame["created"].dtype == "datetime64[ns, UTC]"
    assert frame["final"].tolist()[0] == at(1)
    assert frame["final"].isna().tolist() == [False, True, True]
    assert frame["acked"].isna().tolist() == [False, False, True]
    assert frame["client_order_id"].tolist() == ["L1", "L2", "L3"]


def test_fills_have_position_edge_and_markouts():
    fills = [
        fill(1, BUY, 2, 99.0, fee=0.1, bid=99.0, ask=101.0, mid_1s=99.99, queue_ahead=3.0),
        fill(2, SELL, 10, 3000.0, is_maker=0, instrument=1),
        fill(3, SELL, 3, 102.0),
    ]
    frame = make(fills, instruments=(SPOT, SWAP)).fills
    assert frame["time"].tolist() == [at(1), at(2), at(3)]
    assert frame["liquidity"].tolist() == ["maker", "taker", "maker"]
    assert frame["notional"].tolist() == near([198, 300, 306])
    assert frame["position"].tolist() == near([2, -10, -1])
    assert frame["realized"].tolist() == near([0, 0, 6])
    assert frame["mid"].tolist() == near([100, NAN, NAN])
    assert frame["edge"].tolist() == near([2, NAN, NAN])
    assert frame["markout_1s"].tolist() == near([100, NAN, NAN])
    assert frame["markout_60s"].isna().all()
    assert frame["time_to_fill"].tolist() == [pd.Timedelta(1, "s")] * 3


def test_equity_has_profit_returns_and_drawdown():
    equity = [
        sample(1, 990.0, fees=2.0, funding=-1.0, volume=5.0),
        sample(2, 1089.0, fees=2.0, funding=-1.0),
    ]
    frame = make(equity=equity).equity
    assert frame.index.tolist() == [at(1), at(2)]
    assert frame["gross_equity"].tolist() == [993, 1092]
    assert frame["pnl_net"].tolist() == [-10, 89]
    assert frame["pnl_gross"].tolist() == [-7, 92]
    assert frame["returns"].tolist() == near([-0.01, 0.1])
    assert frame["drawdown"].tolist() == near([-0.01, 0])
    assert frame["volume"].tolist() == [5, 0]


def test_drawdown_goes_on_after_a_sample_without_equity():
    frame = make(equity=[sample(1, 1100.0), sample(2, NAN), sample(3, 990.0)]).equity
    assert frame["drawdown"].tolist() == near([0, NAN, -0.1])


def test_positions_have_a_column_a_symbol_and_a_row_a_change():
    fills = [
        fill(1, BUY, 2, 99.0),
        fill(1, BUY, 1, 99.0),
        fill(2, SELL, 0.5, 3000.0, instrument=1),
        fill(3, SELL, 3, 102.0),
    ]
    frame = make(fills, instruments=(SPOT, SWAP), stop_s=10).positions
    assert frame.index.tolist() == [at(0), at(1), at(2), at(3), at(10)]
    assert frame["BTC-USDT"].tolist() == [0, 3, 3, 0, 0]
    assert frame["ETH-USDT-SWAP"].tolist() == [0, 0, -0.5, -0.5, -0.5]


def test_trades_have_times_and_profit():
    fills = [
        fill(1, BUY, 2, 99.0, fee=1.0),
        fill(3, SELL, 2, 102.0, fee=1.0),
        fill(4, SELL, 1, 9.0),
    ]
    frame = make(fills).trades
    assert frame["side"].tolist() == ["long", "short"]
    assert frame["pnl_gross"].tolist() == near([6, 0])
    assert frame["pnl_net"].tolist() == near([4, 0])
    assert frame["holding"].tolist()[0] == pd.Timedelta(2, "s")
    assert frame["closed"].isna().tolist() == [False, True]


def test_frames_of_an_empty_run_have_their_columns():
    full = make([fill(1, BUY, 1, 1.0)], [order(1, BUY, 1, 1.0)], [sample(1, 1.0)])
    empty = make()
    for name in ("orders", "fills", "equity", "trades"):
        frame = getattr(empty, name)
        assert len(frame) == 0
        assert frame.columns.tolist() == getattr(full, name).columns.tolist()
    assert empty.positions["BTC-USDT"].tolist() == [0, 0]


@given(runs())
def test_equity_follows_from_fills_and_marks(run):
    fills, frame, last = run.fills, run.equity, run.equity_rows[-1]
    scale = max(1.0, float(fills["notional"].sum()))
    held = run.positions.iloc[-1]
    flow = sum(
        -row.notional * (1 if row.side == "buy" else -1) - row.fee for row in fills.itertuples()
    )
    marks = run.meta["marks"]
    worth = sum(
        held[one["symbol"]] * one["contract_value"] * marks[one["symbol"]]
        for one in run.meta["instruments"]
    )
    expected = run.meta["cash"] + flow + worth + last["funding"]
    assert frame["equity"].iloc[-1] == pytest.approx(expected, abs=1e-9 * scale)


@given(runs())
def test_drawdown_is_never_above_zero(run):
    assert (run.equity["drawdown"].dropna() <= 0).all()
    assert not run.stat("max_drawdown_pct") > 0
    assert not run.stat("max_drawdown") > 0


@given(runs(max_size=10))
def test_last_position_is_the_sum_of_the_fills(run):
    signed = run.fills["quantity"] * np.where(run.fills["side"] == "buy", 1, -1)
    for symbol in run.positions.columns:
        mine = run.fills["symbol"] == symbol
        assert run.positions[symbol].iloc[-1] == pytest.approx(signed[mine].sum(), abs=1e-9)
