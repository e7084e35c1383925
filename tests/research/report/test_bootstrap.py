"""Intervals of the stationary block bootstrap: its blocks, its rule, its figures."""

import math

import numpy as np
import pytest
from hand_made_run import make, sample

from livekit.research.report.bootstrap import block_length, bootstrap, resample

RNG_SEED = 5


def series(n, *, coefficient=0.0, seed=RNG_SEED):
    noise = np.random.default_rng(seed).normal(0.001, 0.01, n)
    for index in range(1, n):
        noise[index] += coefficient * noise[index - 1]
    return noise


def test_blocks_run_on_and_round_the_end():
    drawn = resample(50, 400, 10.0, np.random.default_rng(0))
    assert drawn.shape == (400, 50)
    assert drawn.min() == 0
    assert drawn.max() == 49
    goes_on = (drawn[:, 1:] - drawn[:, :-1]) % 50 == 1
    # A new block begins with 1/10, and begins by chance where the last went on with 1/50.
    assert goes_on.mean() == pytest.approx(0.9 + 0.1 / 50, abs=0.01)


def test_blocks_of_one_draw_singly():
    drawn = resample(1000, 20, 1.0, np.random.default_rng(0))
    assert ((drawn[:, 1:] - drawn[:, :-1]) % 1000 == 1).mean() < 0.01


def test_every_return_is_drawn_equally_often():
    drawn = resample(20, 20_000, 5.0, np.random.default_rng(0))
    counts = np.bincount(drawn.ravel(), minlength=20) / drawn.size
    assert counts == pytest.approx(np.full(20, 1 / 20), rel=0.03)


def test_block_length_is_short_without_and_long_with_memory():
    assert block_length(series(1000)) < 6
    assert block_length(series(1000, coefficient=0.8)) > 15


def test_block_length_follows_the_rule_of_politis_and_white():
    values = np.array([1.0, 2, 1, 3, 2, 4, 3, 2, 1, 1, 2, 3])
    n = 12
    c = values - values.mean()
    covariance = [float(np.dot(c[k:], c[: n - k])) / n for k in range(10)]
    # sqrt(log10 12 / 12) * 2 = 0.6; no autocorrelation is so large, so M is 2 and the
    # window of the lags -2..2 is 0, 1, 1, 1, 0.
    assert max(abs(one) for one in covariance[1:]) / covariance[0] < 0.6
    tilt = 2 * covariance[1]
    level = covariance[0] + 2 * covariance[1]
    expected = (2 * tilt**2 / (2 * level**2)) ** (1 / 3) * n ** (1 / 3)
    assert block_length(values) == pytest.approx(max(1.0, expected))


def test_block_length_of_too_few_returns_is_not_defined():
    assert math.isnan(block_length(np.ones(9)))
    assert block_length(np.ones(20)) == 1.0


def test_interval_is_that_of_single_resamples_worked_out_one_by_one():
    values = series(30)
    found = bootstrap(values, 365.0, length=4.0, n_resamples=200, seed=3)
    drawn = resample(30, 200, 4.0, np.random.default_rng(3))
    ratios, totals, depths = [], [], []
    for one in values[drawn]:
        worth = np.cumprod(np.append(1.0, 1 + one))
        ratios.append(one.mean() / one.std(ddof=1) * math.sqrt(365))
        totals.append(worth[-1] - 1)
        depths.append((worth / np.maximum.accumulate(worth) - 1).min())
    for name, sampled in (("sharpe", ratios), ("return", totals), ("drawdown", depths)):
        assert found[name] == pytest.approx(tuple(np.quantile(sampled, (0.025, 0.975))))


def test_same_seed_gives_the_same_intervals_and_another_one_others():
    values = series(100)
    assert bootstrap(values, 365.0, seed=1) == bootstrap(values, 365.0, seed=1)
    assert bootstrap(values, 365.0, seed=1) != bootstrap(values, 365.0, seed=2)


def test_interval_of_the_mean_is_as_wide_as_theory_says():
    # 400 returns of deviation 1 %: the sum has a deviation of 20 %, 95 % lie within 1.96.
    values = np.random.default_rng(1).normal(0, 1, 400)
    values = (values - values.mean()) / values.std() * 0.01
    low, high = bootstrap(values, 365.0, length=1.0, n_resamples=4000)["return"]
    assert math.log1p(high) - math.log1p(low) == pytest.approx(2 * 1.96 * 0.2, rel=0.08)


def test_more_confidence_is_a_wider_interval():
    values = series(100)
    narrow = bootstrap(values, 365.0, confidence=0.5)["sharpe"]
    wide = bootstrap(values, 365.0, confidence=0.99)["sharpe"]
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_returns_that_never_vary_have_no_interval_of_sharpe():
    found = bootstrap(np.full(20, 0.01), 365.0)
    assert all(math.isnan(one) for one in found["sharpe"])
    assert found["return"] == pytest.approx((1.01**20 - 1,) * 2)
    assert found["drawdown"] == (0.0, 0.0)


def test_too_few_returns_have_no_intervals():
    for low, high in bootstrap(np.ones(9), 365.0).values():
        assert math.isnan(low)
        assert math.isnan(high)


def test_long_series_in_several_chunks_are_as_in_one(monkeypatch):
    from livekit.research.report import bootstrap as module

    values = series(50)
    found = bootstrap(values, 365.0, length=1.0, n_resamples=30)
    monkeypatch.setattr(module, "_CHUNK", 50 * 7)
    again = bootstrap(values, 365.0, length=1.0, n_resamples=30)
    # Other draws, the same distribution: both contain the value of the series itself.
    for one in (found, again):
        assert one["return"][0] < np.prod(1 + values) - 1 < one["return"][1]


def test_run_has_intervals_around_its_own_figures():
    worth = 1000 * np.cumprod(np.append(1.0, 1 + series(200)))
    run = make(equity=[sample(i, one) for i, one in enumerate(worth)], stop_s=200)
    assert run.stat("n_returns") == 200
    assert run.stat("sharpe_low") < run.stat("sharpe") < run.stat("sharpe_high")
    low, high = run.stat("total_return_pct_low"), run.stat("total_return_pct_high")
    assert low < run.stat("total_return_pct") < high
    assert run.stat("max_drawdown_pct_low") < run.stat("max_drawdown_pct_high") <= 0
    low, high = run.bootstrap()["sharpe"]
    assert (low, high) == (run.stat("sharpe_low"), run.stat("sharpe_high"))
    assert run.bootstrap(seed=9)["sharpe"] != (low, high)
