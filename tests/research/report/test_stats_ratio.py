"""Ratios of returns of +10 %, -10 %, +10 %, 0 % a day."""

import math

import numpy as np
import pytest
from hand_made_run import DAY, make, sample

from livekit.research.report.stats_ratio import sharpe

YEAR = math.sqrt(365)


def near(value):
    return pytest.approx(value, rel=1e-12, abs=1e-12, nan_ok=True)


@pytest.fixture
def run():
    path = (100.0, 110.0, 99.0, 108.9, 108.9)
    equity = [sample(86_400 * day, worth) for day, worth in enumerate(path)]
    # Buy and hold: +20 %, 0, +10 %, -10 %.
    marks = np.array([[50.0], [60.0], [60.0], [66.0], [59.4]])
    return make(equity=equity, marks=marks, stop_s=4 * 86_400, cash=100.0, sample_ns=DAY)


def test_sharpe_ratio_is_mean_over_deviation_of_a_year(run):
    # Mean 2.5 %; squared deviations sum to 275, / 3.
    assert run.stat("sharpe") == near(2.5 / math.sqrt(275 / 3) * YEAR)
    assert run.stat("sharpe_gross") == near(2.5 / math.sqrt(275 / 3) * YEAR)


def test_sharpe_ratio_says_what_it_is_annualised_by(run):
    assert run.stats["Sharpe ratio (365d, 1d)"] == run.stat("sharpe")


def test_sharpe_ratio_over_another_interval_takes_its_returns(run):
    # Over two days: 99 / 100 - 1 = -1 %, 108.9 / 99 - 1 = 10 %; mean 4.5, deviation
    # 5.5 * sqrt(2).
    expected = 4.5 / (5.5 * math.sqrt(2)) * math.sqrt(365 / 2)
    assert run.stat("sharpe", "2d") == near(expected)
    assert "Sharpe ratio (365d, 2d)" in run.statistics("2d").index


def test_gross_sharpe_ratio_is_before_fees():
    # Net 100, 99, 98; each day a fee of 2: gross 100, 101, 102.
    equity = [sample(86_400 * day, 100.0 - day, fees=2.0 * day) for day in range(3)]
    run = make(equity=equity, stop_s=2 * 86_400, cash=100.0, sample_ns=DAY)
    a, b = 1 / 100, 1 / 101
    deviation = math.sqrt(2 * ((a - b) / 2) ** 2)
    assert run.stat("sharpe_gross") == pytest.approx((a + b) / 2 / deviation * YEAR, rel=1e-9)
    assert run.stat("sharpe") < 0


def test_sortino_ratio_divides_by_the_downside_of_all_returns(run):
    # min(r, 0)^2: 0, 100, 0, 0; mean 25, root 5.
    assert run.stat("sortino") == near(2.5 / 5 * YEAR)


def test_calmar_ratio_is_annual_return_over_drawdown(run):
    assert run.stat("calmar") == near((1.089 ** (365 / 4) - 1) / 0.1)
    assert run.stat("return_over_drawdown") == near(0.089 / 0.1)


def test_omega_ratio_is_gains_over_losses(run):
    assert run.stat("omega") == near(20 / 10)


def test_tail_ratio_is_of_the_outer_quantiles(run):
    # Sorted -10, 0, 10, 10: 95 % at 2.85 gives 10, 5 % at 0.15 gives -8.5.
    assert run.stat("tail_ratio") == near(10 / 8.5)


def test_probabilistic_sharpe_ratio_follows_its_formula(run):
    s = 2.5 / math.sqrt(275 / 3)
    skew = -1125 / 4 / (275 / 4) ** 1.5
    kurtosis = 30781.25 / 4 / (275 / 4) ** 2
    z = s * math.sqrt(3) / math.sqrt(1 - skew * s + (kurtosis - 1) / 4 * s**2)
    expected = 0.5 * (1 + math.erf(z / math.sqrt(2)))
    assert run.stat("probabilistic_sharpe_pct") == near(100 * expected)


def test_market_ratios_compare_with_buy_and_hold(run):
    # Market: mean 5, deviations 15, -5, 5, -15; own 7.5, -12.5, 7.5, -2.5.
    # Products 112.5 + 62.5 + 37.5 + 37.5 = 250; market's squares 500: beta 0.5.
    assert run.stat("beta") == near(0.5)
    assert run.stat("alpha_pct") == near((2.5 - 0.5 * 5) * 365)
    # Excess: -10, -10, 0, 10; mean -2.5; deviations -7.5, -7.5, 2.5, 12.5: 275 / 3.
    assert run.stat("tracking_error_pct") == near(math.sqrt(275 / 3) * YEAR)
    assert run.stat("information_ratio") == near(-2.5 / math.sqrt(275 / 3) * YEAR)


def test_market_ratios_without_marks_are_not_defined():
    equity = [sample(i, 1000.0 + i % 2) for i in range(40)]
    run = make(equity=equity, stop_s=39)
    for key in ("beta", "alpha_pct", "information_ratio", "tracking_error_pct"):
        assert math.isnan(run.stat(key))


def test_market_of_two_instruments_is_their_mean():
    from hand_made_run import SPOT, SWAP

    # 100 -> 110 -> 121 and 10 -> 10 -> 10: worth 2, 2.1, 2.21.
    marks = np.array([[100.0, 10.0], [110.0, 10.0], [121.0, np.nan]])
    equity = [sample(86_400 * day, 100.0 + day) for day in range(3)]
    run = make(
        equity=equity,
        marks=marks,
        stop_s=2 * 86_400,
        cash=100.0,
        sample_ns=DAY,
        instruments=(SPOT, SWAP),
    )
    from livekit.research.report.stats_ratio import benchmark_returns

    assert benchmark_returns(run.rows) == near([0.1 / 2, 0.11 / 2.1])
    assert run.stat("market_return_pct") == near((21 + 0) / 2)


@pytest.mark.parametrize("values", [[], [0.1], [0.1, 0.1, 0.1], [0.0, 0.0]])
def test_sharpe_ratio_of_nothing_that_varies_is_not_defined(values):
    assert math.isnan(sharpe(np.array(values), 365))


def test_ratios_without_losses_are_not_defined():
    run = make(equity=[sample(i, 1000.0 + i) for i in range(40)], stop_s=39)
    for key in ("sortino", "omega", "calmar", "return_over_drawdown", "tail_ratio"):
        assert math.isnan(run.stat(key)), key


def test_returns_after_ruin_are_not_defined():
    equity = [sample(i, worth) for i, worth in enumerate((100.0, 50.0, -10.0, 20.0))]
    run = make(equity=equity, cash=100.0, stop_s=3)
    assert run.rows.returns == near([-0.5, -1.2, float("nan")])
