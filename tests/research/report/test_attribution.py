"""Where the profit came from, by hand and over random runs."""

import math

import numpy as np
import pytest
from hand_made_run import BUY, SELL, SPOT, SWAP, fill, make, samples_of
from hypothesis import given
from random_runs import runs

from livekit.research.report.attribution import ATTRIBUTION


def near(value):
    return pytest.approx(value, rel=1e-12, abs=1e-12, nan_ok=True)


def test_parts_are_edge_inventory_fees_and_funding():
    fills = [
        # A maker buys 2 at 99 with a mid of 100: captures 2; then the mid goes to 104: +8.
        fill(10, BUY, 2, 99.0, fee=-0.1, bid=99.0, ask=101.0),
        # A taker sells 1 at 101 with a mid of 102: loses 1; it misses 104 - 102: -2.
        fill(20, SELL, 1, 101.0, fee=0.5, is_maker=0, bid=101.0, ask=103.0),
    ]
    equity = samples_of(fills, [(0, [100.0]), (100, [104.0])], funding=[(50, -0.25)])
    run = make(fills, equity=equity, end_marks={"BTC-USDT": 104.0})
    assert run.stat("pnl_spread") == 2
    assert run.stat("pnl_slippage") == -1
    assert run.stat("pnl_inventory") == 8 - 2
    assert run.stat("pnl_fees") == -0.5
    assert run.stat("pnl_rebates") == 0.1
    assert run.stat("pnl_funding") == -0.25
    # By the account: sold 1 at 101 bought at 99, +2; holds 1 from 99 at 104, +5; -.4 - .25.
    assert run.stat("net_pnl") == near(2 + 5 - 0.4 - 0.25)
    assert run.stat("pnl_net") == near(run.stat("net_pnl"))
    assert run.stat("pnl_unexplained") == near(0)


def test_fill_without_a_mid_counts_from_its_price():
    fills = [fill(10, BUY, 1, 99.0)]
    equity = samples_of(fills, [(100, [104.0])])
    run = make(fills, equity=equity, end_marks={"BTC-USDT": 104.0})
    assert run.stat("pnl_spread") == 0
    assert run.stat("pnl_inventory") == 5
    assert run.stat("pnl_unexplained") == 0


def test_flat_instrument_needs_no_mark():
    fills = [
        fill(10, BUY, 1, 99.0, bid=99.0, ask=101.0),
        fill(20, SELL, 1, 103.0, bid=101.0, ask=103.0),
    ]
    run = make(fills, equity=samples_of(fills, [(100, [104.0])]))
    assert run.stat("pnl_spread") == 2
    assert run.stat("pnl_inventory") == 2  # the mid went from 100 to 102
    assert run.stat("pnl_unexplained") == 0


def test_marks_of_the_samples_come_before_those_of_the_meta():
    fills = [fill(10, BUY, 1, 99.0)]
    equity = samples_of(fills, [(100, [104.0])])
    run = make(fills, equity=equity, marks=np.array([[104.0]]), end_marks={"BTC-USDT": 7.0})
    assert run.stat("pnl_inventory") == 5
    assert run.check() == ["a fill names an order that has no row"]


def test_open_position_without_a_mark_has_no_inventory_profit():
    run = make([fill(10, BUY, 1, 99.0)], equity=samples_of([], [(100, [104.0])]))
    assert math.isnan(run.stat("pnl_inventory"))
    assert math.isnan(run.stat("pnl_net"))


def test_rows_that_do_not_belong_together_leave_something_unexplained():
    fills = [fill(10, BUY, 1, 99.0), fill(20, SELL, 1, 100.0)]
    run = make(fills, equity=samples_of(fills[:1], [(100, [200.0])]))
    assert run.stat("pnl_unexplained") == 100
    assert run.stat("pnl_net") == run.stat("net_pnl")


def test_swap_is_worth_its_contract_value():
    # 10 contracts of 0.01: edge 1 * .1, mid 3000 to 3020 short: -2.
    fills = [fill(10, SELL, 10, 3001.0, bid=2999.0, ask=3001.0, instrument=1)]
    equity = samples_of(fills, [(100, [0.0, 3020.0])], instruments=(SPOT, SWAP))
    ends = {"ETH-USDT-SWAP": 3020.0}
    run = make(fills, equity=equity, end_marks=ends, instruments=(SPOT, SWAP))
    assert run.stat("pnl_spread") == near(0.1)
    assert run.stat("pnl_inventory") == near(-2)
    assert run.stat("pnl_unexplained") == near(0)


@given(runs())
def test_parts_sum_to_the_net_profit(run):
    scale = max(1.0, run.stat("volume") if len(run.fill_rows) else 0.0)
    parts = [run.stat(one.key) for one in ATTRIBUTION[:-1]]
    assert sum(parts) == pytest.approx(run.stat("net_pnl"), abs=1e-9 * scale)
    assert abs(run.stat("pnl_unexplained")) <= 1e-9 * scale
    assert run.stat("pnl_net") == pytest.approx(run.stat("net_pnl"), abs=1e-9 * scale)
