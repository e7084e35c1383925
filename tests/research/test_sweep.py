"""Sweeps: every row is a backtest, whoever computes it."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sweep_rig import CROSS, FAULTY, make_data, write_strategy

from livekit.errors import ConfigError, NotFoundError, StrategyError
from livekit.research.backtest import backtest
from livekit.research.simulation import Settings
from livekit.research.sweep import choose_sample_ns, sweep

GRID = {"fast": [5, 10, 20], "slow": [50, 100, 200]}


@pytest.fixture(scope="module")
def data():
    return make_data()


@pytest.fixture(scope="module")
def cross(tmp_path_factory):
    return write_strategy(tmp_path_factory.mktemp("cross"), CROSS)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    return write_strategy(tmp_path_factory.mktemp("faulty"), FAULTY, "faulty")


@pytest.fixture(scope="module")
def swept(cross, data):
    return sweep(cross, data, **GRID)


def is_same(a, b):
    if isinstance(a, np.datetime64):
        return pd.isna(b) if np.isnat(a) else pd.Timestamp(a, tz="UTC") == b
    if isinstance(a, float) and math.isnan(a):
        return math.isnan(b)
    return a == b


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    fast=st.lists(st.integers(1, 60), min_size=1, max_size=2, unique=True),
    slow=st.integers(20, 300),
    taker=st.sampled_from([0.0, 0.0005]),
    seed=st.integers(0, 3),
)
def test_every_row_equals_the_backtest_of_its_parameters(cross, fast, slow, taker, seed):
    data = make_data(n=1500, seed=seed, seconds=3600)
    found = sweep(cross, data, fast=fast, slow=slow, taker=taker, stats="all")
    assert len(found) == len(fast)
    for number, row in found.frame.iterrows():
        run = backtest(cross, data, fast=row["fast"], slow=slow, settings=found.settings)
        keys = [key for key in found.frame if key not in {"fast", "slow", "plateau", "error"}]
        assert len(keys) > 100
        said = {key: run.stat(key) for key in keys}
        assert [key for key in keys if not is_same(said[key], row[key])] == []
        assert found.run(number).hash == run.hash


def test_whole_run_of_a_row_has_its_figures_and_parameters(swept):
    run = swept.run(4)
    assert run.meta["params"] == {"fast": 10, "slow": 100, "size": 0.01}
    assert run.stat("net_pnl") == swept.frame.loc[4, "net_pnl"]
    assert run.meta["data"]["hash"] == make_data().hash
    assert run.name == "Cross fast=10, slow=100"


def test_rows_stand_in_the_order_of_the_grid(swept):
    assert swept.frame["fast"].tolist() == [5, 5, 5, 10, 10, 10, 20, 20, 20]
    assert swept.frame["slow"].tolist() == [50, 100, 200] * 3
    assert swept.frame.index.tolist() == list(range(9))
    assert swept.params == GRID
    assert not swept.is_partial


def test_best_row_is_the_one_with_the_highest_score(swept):
    assert swept.best["sharpe"] == swept.frame["sharpe"].max()
    assert swept.run().stat("sharpe") == swept.best["sharpe"]
    assert swept.best_params["fast"] == swept.best["fast"]


def test_plateau_is_the_mean_of_a_set_and_its_neighbours(swept):
    scores = swept.frame["sharpe"].to_numpy().reshape(3, 3)
    found = swept.frame["plateau"].to_numpy().reshape(3, 3)
    assert found[1, 1] == pytest.approx((scores[1].sum() + scores[0, 1] + scores[2, 1]) / 5)
    assert found[0, 0] == pytest.approx((scores[0, 0] + scores[0, 1] + scores[1, 0]) / 3)


@pytest.mark.parametrize("options", [{"workers": 1}, {"workers": 2}, {"workers": 5}])
def test_number_of_threads_changes_nothing(cross, data, swept, options):
    assert sweep(cross, data, **GRID, **options).frame.equals(swept.frame)


def test_interpreted_strategy_gives_the_same_rows(cross, data, swept):
    found = sweep(cross, data, **GRID, jit=False, workers=1)
    assert found.frame.equals(swept.frame)


def test_where_keeps_what_it_returns_true_for(cross, data):
    found = sweep(cross, data, fast=[5, 60], slow=[50, 100], where=lambda p: p.fast < p.slow)
    assert found.frame[["fast", "slow"]].to_numpy().tolist() == [[5, 50], [5, 100], [60, 100]]
    assert found.frame["plateau"].notna().all()


def test_random_sets_are_different_and_follow_the_seed(cross, data):
    ranges = {"fast": range(2, 40), "slow": range(50, 250), "method": "random", "n": 6}
    first, again, other = (sweep(cross, data, **ranges, seed=seed) for seed in (1, 1, 2))
    assert first.frame.equals(again.frame)
    assert len(first.frame[["fast", "slow"]].drop_duplicates()) == 6
    assert not first.frame[["fast", "slow"]].equals(other.frame[["fast", "slow"]])


def test_random_sets_of_a_huge_grid_are_drawn_without_making_it(cross, data):
    many = np.linspace(0.001, 1.0, 100_000)
    ranges = {"fast": range(1, 9000), "slow": range(1, 9000), "size": many}
    found = sweep(
        cross, data, **ranges, method="random", n=3, where=lambda p: p.fast < p.slow < 500
    )
    assert len(found) == 3
    assert (found.frame["fast"] < found.frame["slow"]).all()


def test_values_may_come_as_range_array_series_or_generator(cross, data):
    forms = [range(5, 7), np.array([5, 6]), pd.Series([5, 6]), (one for one in (5, 6)), (5, 6, 5)]
    for form in forms:
        assert sweep(cross, data, fast=form, slow=60).frame["fast"].tolist() == [5, 6]


def test_single_set_is_a_sweep_too(cross, data):
    found = sweep(cross, data, fast=np.int64(7))
    assert found.frame["fast"].tolist() == [7]
    assert found.frame["plateau"].tolist() == found.frame["sharpe"].tolist()


def test_score_may_be_a_function_of_the_run(cross, data, swept):
    found = sweep(cross, data, **GRID, score=lambda run: -abs(run.stat("net_pnl")))
    assert found.score == "score"
    assert found.frame["score"].tolist() == (-swept.frame["net_pnl"].abs()).tolist()


def test_score_of_any_group_gets_its_column(cross, data):
    found = sweep(cross, data, **GRID, score="win_rate_pct", stats=["Execution", "volume"])
    assert found.frame["win_rate_pct"].notna().all()
    assert {"volume", "fill_ratio_orders_pct"} <= set(found.frame)


def test_statistic_named_like_a_parameter_gets_an_underscore(tmp_path, data):
    text = CROSS.replace("size", "omega").replace("fast", "error")
    found = sweep(write_strategy(tmp_path, text, "clash"), data, error=[5, 10], omega=0.01)
    assert found.frame["error"].tolist() == [5, 10]
    assert found.frame["error_"].tolist() == ["", ""]
    assert found.frame["omega"].tolist() == [0.01, 0.01]
    assert "omega_" in found.frame
    assert "Cross" in repr(found)


def test_parameter_named_like_a_word_of_sweep_is_given_in_params(tmp_path, data):
    path = write_strategy(tmp_path, CROSS.replace("slow", "workers"), "words")
    found = sweep(path, data, params={"workers": [50, 100]})
    assert found.frame["workers"].tolist() == [50, 100]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fats": [1]}, "no parameter 'fats'; did you mean 'fast'"),
        ({"fats": []}, "no parameter 'fats'"),
        ({"fast": []}, "'fast' has no values"),
        ({"fast": [0]}, "1 to 10000"),
        ({"fast": ["a"]}, "expected a number"),
        ({"fast": "a"}, "expected a number"),
        ({"score": "sharp"}, "score 'sharp' is no statistic.*'sharpe'"),
        ({"score": "strategy"}, "expected a statistic that is a number"),
        ({"stats": "Everything"}, "the groups are"),
        ({"method": "bayes"}, "expected 'grid' or 'random'"),
        ({"method": "random"}, "how many parameter sets"),
        ({"n": 3}, "method='random'"),
        ({"fast": range(1, 5000), "slow": range(1, 5000)}, "at most 1,000,000"),
        ({"fast": [1, 2], "where": lambda _: False}, "no parameter set is left"),
        ({"fast": [1], "where": lambda p: p.fats}, "where raised AttributeError.*fast=1"),
        ({"executor": "cluster"}, "expected 'threads', 'processes' or an Executor"),
        ({"workers": 0}, "whole number above 0"),
        ({"cash": -1}, "cash is -1"),
        ({"cash": 10, "settings": Settings()}, "settings are given, and cash as well"),
        ({"executor": "processes", "score": lambda _: 0.0}, "cannot be sent"),
    ],
)
def test_impossible_sweep_is_refused_with_what_to_do(cross, data, options, said):
    with pytest.raises(ConfigError, match=said):
        sweep(cross, data, **options)


def test_failing_set_has_its_error_and_the_others_their_figures(faulty, data):
    found = sweep(faulty, data, mode=[0, 1, 3], workers=1)
    assert found.frame["n_orders"].tolist()[::2] == [1, 1]
    assert "ValueError: mode is one" in found.frame["error"][1]
    assert found.failures["mode"].tolist() == [1]
    assert math.isnan(found.frame["sharpe"][1])
    assert "1 failed" in repr(found)


def test_sweep_in_which_every_set_fails_raises_with_the_parameters(faulty, data):
    with pytest.raises(StrategyError, match=r"all 1 parameter sets; with mode=1: .*mode is one"):
        sweep(faulty, data, mode=[1])


def test_score_that_raises_fails_only_its_set(cross, data):
    def score(run):
        return 1 / (run.meta["params"]["fast"] - 5)

    found = sweep(cross, data, fast=[5, 10], score=score)
    assert found.frame["error"].tolist() == ["ZeroDivisionError: division by zero", ""]
    assert found.best["fast"] == 10


def test_sweep_without_a_finite_score_has_no_best(faulty, data):
    found = sweep(faulty, data, mode=[0, 3], score="win_rate_pct", workers=1)
    with pytest.raises(NotFoundError, match="finite 'win_rate_pct'"):
        _ = found.best


def test_run_of_a_changed_file_is_refused(tmp_path, data):
    path = write_strategy(tmp_path, CROSS, "changing")
    found = sweep(path, data, fast=[5, 10])
    path.write_text(CROSS.replace("2 * self.size", "3 * self.size"))
    with pytest.raises(StrategyError, match="has changed since"):
        found.run(0)


def test_unknown_row_is_refused(swept):
    with pytest.raises(NotFoundError, match="no parameter set 9"):
        swept.run(9)


def test_sample_follows_the_length_of_the_data():
    assert choose_sample_ns(make_data(n=100, seconds=3600)) == 1_000_000_000
    assert choose_sample_ns(make_data(n=100, seconds=86_400)) == 10_000_000_000
    assert choose_sample_ns(make_data(n=100, seconds=10 * 86_400)) == 600_000_000_000


def test_given_sample_is_used(cross, data):
    assert sweep(cross, data, fast=[5], sample="5s").settings.sample_ns == 5_000_000_000


def test_views_show_the_best_rows_first(swept):
    shown = swept._repr_html_()
    assert "9 of 9 parameter sets" in shown
    rows = shown.split("<tbody>")[1].split("<tr")
    assert f">{swept.best.name}</td>" in rows[1]
    assert repr(swept).startswith("<Sweep Cross · sweep")


def test_figures_show_the_parameters_and_the_score(swept):
    pytest.importorskip("plotly")
    pytest.importorskip("livekit.research.report.figures")
    figure = swept.heatmap()
    assert figure.layout.xaxis.title.text == "fast"
    assert figure.data[0].z.shape == (3, 3)
    assert [one.label for one in swept.plot().data[0].dimensions][:2] == ["fast", "slow"]


def test_heatmap_of_one_parameter_is_refused(cross, data):
    pytest.importorskip("livekit.research.report.figures")
    with pytest.raises(ConfigError, match="needs two varied parameters"):
        sweep(cross, data, fast=[5, 10]).heatmap()
