"""Return and risk of five samples of equity, a day apart: 100, 110, 99, 108.9, 108.9.

Returns are +10 %, -10 %, +10 %, 0 %.
"""

import math

import numpy as np
import pytest
from hand_made_run import DAY, NAN, START, fill, make, sample

from livekit.research.report.stats_return import deepest, drawdowns

PATH = (100.0, 110.0, 99.0, 108.9, 108.9)


def near(value, **tolerance):
    return pytest.approx(value, rel=1e-12, abs=1e-12, nan_ok=True, **tolerance)


@pytest.fixture
def run():
    # Fees of 1 and funding of -2 were paid by the end: gross is 3 above net.
    equity = [
        sample(86_400 * day, worth, fees=day / 4, funding=-day / 2)
        for day, worth in enumerate(PATH)
    ]
    marks = np.array([[50.0], [55.0], [55.0], [44.0], [60.0]])
    return make(equity=equity, marks=marks, stop_s=4 * 86_400, cash=100.0, sample_ns=DAY)


def test_interval_without_thirty_returns_is_that_of_the_samples(run):
    assert run.interval_ns() == DAY
    assert run.stat("returns_interval") == "1d"
    assert run.rows.returns == near([0.1, -0.1, 0.1, 0.0])


@pytest.mark.parametrize(
    ("hours", "expected"), [(0.001, "1s"), (0.5, "1min"), (29.9, "1min"), (30, "1h"), (720, "1d")]
)
def test_interval_is_the_longest_that_gives_thirty_returns(hours, expected):
    made = make(equity=[sample(0, 1000.0)], stop_s=hours * 3600)
    assert made.stat("returns_interval") == expected


def test_profit_is_net_of_fees_and_funding_with_gross_beside_it(run):
    assert run.stat("final_equity") == 108.9
    assert run.stat("net_pnl") == near(8.9)
    assert run.stat("gross_pnl") == near(8.9 + 1 + 2)
    assert run.stat("total_return_pct") == near(8.9)
    assert run.stat("gross_return_pct") == near(11.9)


def test_annual_return_is_the_growth_of_365_days(run):
    assert run.stat("annual_return_pct") == near((1.089 ** (365 / 4) - 1) * 100)


def test_annual_return_of_less_than_a_day_is_not_defined():
    made = make(equity=[sample(0, 1000.0), sample(86_399, 1100.0)], stop_s=86_399)
    assert math.isnan(made.stat("annual_return_pct"))
    assert math.isnan(made.stat("calmar"))


def test_days_are_those_of_utc(run):
    assert run.stat("n_days") == 4
    assert run.stat("daily_mean_pct") == near(2.5)  # (10 - 10 + 10 + 0) / 4
    assert run.stat("best_day_pct") == near(10.0)
    assert run.stat("worst_day_pct") == near(-10.0)
    assert run.stat("profitable_days_pct") == near(50.0)


def test_partial_days_count_as_days():
    # From 18:00 to 06:00: 1000 to 1010 before midnight, to 1020.1 after it: 1 % twice.
    start = START - 6 * 3600 * 10**9
    equity = [
        sample(-6 * 3600, 1000.0),
        sample(-1, 1010.0),
        sample(6 * 3600, 1020.1),
    ]
    data = {"start_ns": start, "stop_ns": START + 6 * 3600 * 10**9}
    made = make(equity=equity, data=data, stopped_ns=data["stop_ns"])
    assert made.stat("n_days") == 2
    assert made.stat("daily_mean_pct") == near(1.0)


def test_buy_and_hold_is_last_over_first_mark(run):
    assert run.stat("market_return_pct") == near(20.0)  # 60 / 50


def test_buy_and_hold_without_marks_is_not_defined():
    assert math.isnan(make(equity=[sample(0, 1000.0)]).stat("market_return_pct"))


def test_volatility_is_the_annual_deviation(run):
    # Deviations from 2.5 %: 7.5, -12.5, 7.5, -2.5; squares sum to 275; / 3.
    assert run.stat("volatility_pct") == near(math.sqrt(275 / 3) * math.sqrt(365))


def test_drawdown_is_from_the_highest_to_the_lowest_after_it(run):
    assert run.stat("max_drawdown_pct") == near(-10.0)  # 99 / 110 - 1
    assert run.stat("max_drawdown") == near(-11.0)
    assert run.stat("drawdown_start") == np.datetime64("2026-01-06")
    assert run.stat("drawdown_bottom") == np.datetime64("2026-01-07")


def test_drawdown_that_did_not_end_lasts_to_the_end_of_the_run(run):
    assert np.isnat(run.stat("drawdown_end"))
    assert math.isnan(run.stat("recovery_s"))
    assert run.stat("drawdown_s") == 3 * 86_400
    assert run.stat("longest_drawdown_s") == 3 * 86_400
    assert run.stat("n_drawdowns") == 1
    assert run.stat("mean_drawdown_pct") == near(-10.0)


def test_time_under_water_is_weighted_by_how_long_samples_stood(run):
    # Of four days the third (-10 %) and the fourth (108.9 / 110 - 1 = -1 %) were below.
    assert run.stat("under_water_pct") == near(50.0)
    assert run.stat("ulcer_index_pct") == near(math.sqrt((100 + 1) / 4))


def test_drawdown_that_ended_has_a_recovery():
    # 100, 80 (-20 %), 90 (-10 %), 100, 95 (-5 %), 100; ten seconds each.
    worth = (100.0, 80.0, 90.0, 100.0, 95.0, 100.0)
    equity = [sample(10 * i, one) for i, one in enumerate(worth)]
    made = make(equity=equity, cash=100.0, stop_s=50)
    assert made.stat("drawdown_end") == np.datetime64(START, "ns") + np.timedelta64(30, "s")
    assert made.stat("drawdown_s") == 30
    assert made.stat("recovery_s") == 20
    assert made.stat("n_drawdowns") == 2
    assert made.stat("mean_drawdown_pct") == near((-20 - 5) / 2)
    assert made.stat("longest_drawdown_s") == 30
    assert made.stat("under_water_pct") == near(3 / 5 * 100)


def test_equity_that_only_rises_has_no_drawdown_to_describe():
    made = make(equity=[sample(i, 1000.0 + i) for i in range(5)], stop_s=4)
    assert made.stat("max_drawdown_pct") == 0.0
    assert made.stat("n_drawdowns") == 0
    assert made.stat("under_water_pct") == 0.0
    assert math.isnan(made.stat("mean_drawdown_pct"))
    assert math.isnan(made.stat("calmar"))
    assert np.isnat(made.stat("drawdown_start"))


def test_tail_of_the_returns(run):
    # Sorted: -10, 0, 10, 10. The 5 % quantile lies at 0.05 * 3 = 0.15: -10 + 0.15 * 10.
    assert run.stat("var_95_pct") == near(-8.5)
    assert run.stat("cvar_95_pct") == near(-10.0)


def test_moments_of_the_returns(run):
    # Deviations 7.5, -12.5, 7.5, -2.5: squares 275, cubes 2 * 421.875 - 1953.125 - 15.625
    # = -1125, fourth powers 2 * 3164.0625 + 24414.0625 + 39.0625 = 30781.25; each / 4.
    assert run.stat("skew") == near(-1125 / 4 / (275 / 4) ** 1.5)
    assert run.stat("kurtosis") == near(30781.25 / 4 / (275 / 4) ** 2 - 3)


def test_equal_returns_have_neither_skew_nor_kurtosis():
    made = make(equity=[sample(i, 1000.0) for i in range(5)], stop_s=4)
    assert made.stat("volatility_pct") == 0.0
    assert math.isnan(made.stat("skew"))
    assert math.isnan(made.stat("kurtosis"))


@pytest.mark.parametrize("side", [0, 1])
def test_liquidation_takes_open_positions_at_the_touch(side):
    # 2 units marked at 100: the long sells at 99, the short buys at 101, both lose 2.
    made = make(
        [fill(1, side, 2, 100.0)],
        equity=[sample(10, 1000.0)],
        end_marks={"BTC-USDT": 100.0},
        touch={"BTC-USDT": [99.0, 101.0]},
        stop_s=10,
    )
    assert made.stat("liquidation_equity") == 998.0


def test_liquidation_without_a_touch_is_not_defined():
    made = make([fill(1, 0, 2, 100.0)], equity=[sample(10, 1000.0)], stop_s=10)
    assert math.isnan(made.stat("liquidation_equity"))


def test_samples_without_equity_are_left_out_of_the_path():
    equity = [sample(0, 1000.0), sample(1, NAN), sample(2, 1100.0)]
    made = make(equity=equity, stop_s=2)
    assert made.stat("net_pnl") == 100.0
    assert made.stat("unmarked_pct") == near(100 / 3)


def test_path_begins_with_the_cash_even_if_the_first_sample_is_later():
    made = make(equity=[sample(5, 900.0), sample(10, 1100.0)], stop_s=10)
    assert made.stat("max_drawdown_pct") == near(-10.0)
    assert made.stat("total_return_pct") == near(10.0)


def test_drawdowns_of_an_equity_that_was_never_above_zero_are_not_defined():
    assert np.isnan(drawdowns(np.array([-1.0, -2.0]))).all()


def test_deepest_takes_the_last_peak_before_the_bottom():
    below = drawdowns(np.array([10.0, 9.0, 10.0, 5.0, 10.0]))
    assert deepest(below) == (2, 3, 4)
