"""Activity and exposure of two instruments over one minute, worked out by hand."""

import math

import numpy as np
import pytest
from hand_made_run import BUY, SELL, SPOT, SWAP, fill, make, order, sample

from livekit.research.report.stats_activity import half_life


def near(value):
    return pytest.approx(value, rel=1e-12, abs=1e-12, nan_ok=True)


def exposed(at, net, gross, equity=1000.0):
    return sample(at, equity, net_exposure=net, gross_exposure=gross)


@pytest.fixture
def run():
    fills = [
        fill(10, BUY, 2, 100.0, fee=0.2, is_maker=0, bid=98.0, ask=100.0),
        # 10 contracts of 0.01 at 3000: 300.
        fill(20, SELL, 10, 3000.0, fee=-0.1, instrument=1),
        fill(30, SELL, 2, 110.0, fee=0.3),
        fill(50, BUY, 10, 2990.0, fee=-0.1, instrument=1),
    ]
    equity = [
        exposed(0, 0, 0),
        exposed(10, 200, 200),
        exposed(20, -100, 500, 500.0),
        exposed(30, -300, 300),
        exposed(50, 0, 0),
    ]
    equity[-1]["funding"] = -0.5
    return make(fills, [order(1, BUY, 2, 100.0)], equity, stop_s=60, instruments=(SPOT, SWAP))


def test_activity_is_by_day_of_the_run(run):
    days = 60 / 86_400
    # 200 + 300 + 220 + 299.
    assert run.stat("volume") == near(1019)
    assert run.stat("turnover_per_day") == near(1019 / days)
    # Equity by time: 500 for 10 s, 1000 for 50 s.
    assert run.stat("turnover_ratio") == near(1019 / days / (5500 / 6))
    assert run.stat("orders_per_day") == near(1 / days)
    assert run.stat("fills_per_day") == near(4 / days)
    assert run.stat("trades_per_day") == near(2 / days)


def test_costs_are_split_into_fees_rebates_funding_and_slippage(run):
    assert run.stat("fees_net") == near(0.3)
    assert run.stat("fees_paid") == near(0.5)
    assert run.stat("rebates") == near(0.2)
    assert run.stat("fees_bps") == near(0.3 / 1019 * 1e4)
    assert run.stat("funding") == -0.5
    assert run.stat("slippage_cost") == near(2)  # 2 at 1 above the mid of 99


def test_time_in_market_is_with_any_position(run):
    # From 10 s (long spot) to 50 s (short swap closed).
    assert run.stat("time_in_market_pct") == near(40 / 60 * 100)
    assert run.stat("time_long_pct") == near(10 / 60 * 100)
    assert run.stat("time_short_pct") == near(30 / 60 * 100)


def test_position_held_to_the_end_counts_to_the_end():
    run = make([fill(40, BUY, 1, 100.0)], stop_s=100)
    assert run.stat("time_in_market_pct") == near(60)


def test_exposure_is_weighted_by_time(run):
    # Gross 0 for 20 s, 200 for 10, 500 for 10, 300 for 20; net 0, 200, -100, -300.
    assert run.stat("mean_gross_exposure") == near((2000 + 5000 + 6000) / 60)
    assert run.stat("median_gross_exposure") == 200  # 30 of 60 s are not above it
    assert run.stat("max_gross_exposure") == 500
    assert run.stat("mean_net_exposure") == near((2000 - 1000 - 6000) / 60)
    assert run.stat("max_long_exposure") == 200
    assert run.stat("max_short_exposure") == -300
    # 0.2 for 10 s, 500 / 500 for 10, 0.3 for 20.
    assert run.stat("mean_leverage") == near((2 + 10 + 6) / 60)
    assert run.stat("max_leverage") == 1


def test_half_life_is_of_the_decay_from_sample_to_sample():
    # 8, 4, 2, 1: each half the one before, so half a life is one sample of a second.
    run = make(equity=[exposed(i, value, value) for i, value in enumerate((8.0, 4, 2, 1))])
    assert run.stat("inventory_half_life_s") == near(1)


@pytest.mark.parametrize("held", [(1.0, 2.0, 4.0), (1.0, -1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 1.0)])
def test_half_life_of_what_does_not_decay_is_not_defined(held):
    run = make(equity=[exposed(i, value, abs(value)) for i, value in enumerate(held)])
    assert math.isnan(half_life(run.rows))


def test_time_at_the_limit_is_of_one_instrument(run):
    assert math.isnan(run.stat("time_at_limit_pct"))
    equity = [exposed(0, 0, 0), exposed(40, 95, 95), exposed(60, 94, 94)]
    limits = {"max_position_notional": 100.0}
    assert make(equity=equity, limits=limits).stat("time_at_limit_pct") == near(20)


def test_nothing_is_defined_of_a_run_without_rows():
    stats = make(stop_s=0).to_dict()["stats"]
    assert set(stats["Exposure"].values()) == {None}
    zeros = {"volume", "fees_net", "fees_paid", "rebates", "slippage_cost"}
    assert {key for key, value in stats["Activity"].items() if value is not None} == zeros
    assert not np.signbit(stats["Activity"]["rebates"])


def test_slippage_of_takers_without_a_mid_is_not_defined():
    assert math.isnan(make([fill(1, BUY, 1, 100.0, is_maker=0)]).stat("slippage_cost"))
