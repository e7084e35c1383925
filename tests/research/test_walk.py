"""Walk-forward: chosen on one stretch, traded on the next, and nothing seen ahead."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sweep_rig import COIN, CROSS, START_NS, make_arrays, make_data, write_strategy

from livekit.errors import ConfigError
from livekit.research.backtest import backtest
from livekit.research.data import Data
from livekit.research.sweep import sweep
from livekit.research.walk import walk_forward
from livekit.research.walk_result import rank_correlation

GRID = {"fast": [5, 10, 20], "slow": [50, 100]}
HOUR_NS = 3_600_000_000_000


@pytest.fixture(scope="module")
def data():
    return make_data()


@pytest.fixture(scope="module")
def cross(tmp_path_factory):
    return write_strategy(tmp_path_factory.mktemp("cross"), CROSS)


@pytest.fixture(scope="module")
def walked(cross, data):
    return walk_forward(cross, data, "1h", "30m", **GRID)


def test_windows_follow_each_other_and_tests_begin_where_training_ends(walked):
    frame = walked.frame
    assert len(walked) == walked.n_windows == 6
    assert not walked.is_partial
    step = pd.Timedelta("30min")
    assert frame["train"].tolist() == [
        pd.Timestamp(START_NS, tz="UTC") + k * step for k in range(6)
    ]
    assert (frame["test"] - frame["train"] == pd.Timedelta("1h")).all()
    assert (frame["end"] - frame["test"] == step).all()


def test_window_holds_what_its_sweep_and_backtest_say(cross, data, walked):
    fold = walked.folds[2]
    begin, middle, end = fold.train_ns, fold.test_ns, fold.end_ns
    trained = sweep(cross, data[begin:middle], **GRID, sample="1s")
    tested = sweep(cross, data[middle:end], **GRID, sample="1s")
    best = trained.best
    row = walked.frame.iloc[2]
    assert (row["fast"], row["slow"]) == (best["fast"], best["slow"])
    assert row["in_sample"] == best["sharpe"]
    assert row["out_of_sample"] == tested.frame.loc[best.name, "sharpe"]
    run = backtest(cross, data[middle:end], fast=best["fast"], slow=best["slow"], sample="1s")
    assert fold.run.hash == run.hash
    assert row["net_pnl"] == run.stat("net_pnl")
    before, after = (one.frame["sharpe"] for one in (trained, tested))
    expected = before.rank().corr(after.rank())
    assert row["rank_correlation"] == pytest.approx(expected)
    assert row["share_better"] == (after > row["out_of_sample"]).mean()


def test_no_event_of_a_test_or_later_changes_what_was_chosen(cross, walked):
    quotes, trades = make_arrays()
    for k in (0, 3):
        moved = quotes.copy()
        late = moved["ts_recv"] >= walked.folds[k].test_ns
        moved["bid_price"][late] = moved["bid_price"][late][::-1] + 500
        moved["ask_price"] = moved["bid_price"] + 0.1
        arrays = {("BTC-USDT", "quote"): moved, ("BTC-USDT", "trade"): trades}
        again = walk_forward(cross, Data.from_arrays(arrays, [COIN]), "1h", "30m", **GRID)
        for name in ("fast", "slow", "in_sample"):
            assert again.frame[name][: k + 1].tolist() == walked.frame[name][: k + 1].tolist()
        assert again.frame["out_of_sample"][k] != walked.frame["out_of_sample"][k]
        assert again.folds[k].trained.frame.equals(walked.folds[k].trained.frame)


def test_no_event_of_a_training_reaches_its_test(cross, walked):
    quotes, trades = make_arrays()
    fold = walked.folds[1]
    early = quotes["ts_recv"] < fold.test_ns
    quotes["bid_price"][early] += 300
    quotes["ask_price"][early] += 300
    arrays = {("BTC-USDT", "quote"): quotes, ("BTC-USDT", "trade"): trades}
    again = walk_forward(cross, Data.from_arrays(arrays, [COIN]), "1h", "30m", **GRID)
    assert again.folds[1].tested.frame.equals(fold.tested.frame)


def test_equity_of_all_tests_adds_up_to_their_profit(walked):
    equity = walked.equity
    assert equity.index.is_monotonic_increasing
    assert equity["equity"].iloc[0] == 100_000
    assert equity["equity"].iloc[-1] - 100_000 == pytest.approx(walked.net_pnl)
    assert walked.net_pnl == pytest.approx(walked.frame["net_pnl"].sum())
    assert equity["window"].unique().tolist() == list(range(6))
    assert equity.index[0] >= pd.Timestamp(START_NS + HOUR_NS, tz="UTC")


def test_last_test_may_be_cut_to_half(cross, data):
    hours = (data.last_ts - data.first_ts) / HOUR_NS
    assert 3.99 < hours < 4
    found = walk_forward(cross, data, "2h", "1h", "2h", fast=[5], slow=[50])
    assert len(found) == 1
    assert len(walk_forward(cross, data, "2h", "4000s", fast=[5], slow=[50])) == 2
    assert len(walk_forward(cross, data, "2h", "4900s", fast=[5], slow=[50])) == 1


def test_window_in_a_hole_of_the_recording_is_left_out(cross):
    quotes, trades = make_arrays()
    hole = (START_NS + HOUR_NS, START_NS + int(1.6 * HOUR_NS))
    kept = [
        rows[(rows["ts_recv"] < hole[0]) | (rows["ts_recv"] >= hole[1])]
        for rows in (quotes, trades)
    ]
    arrays = {("BTC-USDT", "quote"): kept[0], ("BTC-USDT", "trade"): kept[1]}
    found = walk_forward(cross, Data.from_arrays(arrays, [COIN]), "1h", "30m", fast=[5], slow=[50])
    assert len(found) == 5
    assert found.frame["train"].iloc[0] > pd.Timestamp(START_NS, tz="UTC")


def test_window_without_a_finite_score_trades_nothing(cross, data):
    found = walk_forward(cross, data, "1h", "1h", fast=[5], slow=[9000])
    assert found.runs == []
    assert found.frame["fast"].isna().all()
    assert len(found.equity) == 0
    assert math.isnan(found.rank_correlation)
    assert "0 " not in found._repr_html_().split("<table")[0].split("windows")[0][-3:]


@pytest.mark.process
def test_processes_walk_the_same_way(cross, data, walked):
    found = walk_forward(cross, data, "1h", "30m", **GRID, executor="processes", workers=2)
    assert found.frame.equals(walked.frame)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (("10h", "1h"), "too little for train='10h'"),
        (("1h", "1h", "30m"), "at least test"),
        (("soon", "1h"), "train is 'soon'"),
        (("1h", -5), "test is -5"),
        (("1s", "1s", "1s"), "10,000"),
    ],
)
def test_impossible_windows_are_refused_with_what_to_do(cross, data, times, said):
    with pytest.raises(ConfigError, match=said):
        walk_forward(cross, data, *times, **GRID)


def test_views_say_how_much_of_it_held(walked):
    assert repr(walked).startswith("<WalkForward walk-forward · 6 of 6 windows")
    assert "rank correlation" in walked._repr_html_()


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 2, 4], [1, 2, 3, 4], 0.9486832980505138),
        ([1, 2, math.nan, 4, 5], [1, 2, 9, math.inf, 0], -0.5),
        ([1, 2], [1, 2], math.nan),
        ([1, 1, 1], [1, 2, 3], math.nan),
    ],
)
def test_rank_correlation_by_hand(a, b, expected):
    found = rank_correlation(np.array(a, float), np.array(b, float))
    assert found == pytest.approx(expected, nan_ok=True)


SCRIPT = """
import json, sys
from pathlib import Path
sys.path[:0] = {folders!r}
from sweep_rig import make_data
from livekit.research.walk import walk_forward

def score(run):
    with open({mark!r}, "a") as file:
        file.write(".")
    return run.stat("net_pnl")

found = walk_forward({path!r}, make_data(n=40_000), "20m", "10m", fast=range(5, 25),
                     slow=range(50, 60), score=score, progress=False)
print(json.dumps(dict(partial=found.is_partial, windows=len(found), rows=len(found.frame))))
"""


@pytest.mark.process
def test_interrupted_walk_keeps_the_windows_that_are_whole(tmp_path, cross):
    mark = tmp_path / "mark"
    folders = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]
    text = SCRIPT.format(folders=folders, path=str(cross), mark=str(mark))
    command = [sys.executable, "-c", text]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    end = time.monotonic() + 200
    while time.monotonic() < end and not (mark.exists() and mark.stat().st_size > 1500):
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    found = json.loads(out)
    assert found["partial"]
    assert 2 <= found["windows"] == found["rows"] < 22
