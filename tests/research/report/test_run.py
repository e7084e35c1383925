"""The Run: statistics by name and key, JSON, comparison, and how it shows itself."""

import json
import math
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hand_made_run import BUY, NAN, SELL, fill, make, orders_of, rows, sample, samples_of
from hypothesis import given, settings
from random_runs import runs

from livekit.errors import ConfigError, DataError, NotFoundError
from livekit.research.report.card import KEY_FIGURES, format_value
from livekit.research.report.compare import COMPARED, compare
from livekit.research.report.run import Run
from livekit.research.report.statistics import GROUPS, STATISTICS, find, label
from livekit.research.report.values import iso_time, to_json
from livekit.trading.ledger_layout import FILL_LOG


@pytest.fixture
def run():
    fills = [fill(1, BUY, 2, 100.0, fee=0.5), fill(50, SELL, 2, 103.0)]
    marks = [(at, [100.0 + at % 7]) for at in range(0, 101, 2)]
    return make(fills, orders_of(fills), samples_of(fills, marks), end_marks={"BTC-USDT": 102.0})


def test_table_of_statistics_is_complete_and_unique():
    keys = [one.key for one in STATISTICS]
    labels = [label(one, 10**9) for one in STATISTICS]
    assert len(keys) == len(set(keys)) >= 150
    assert len(labels) == len(set(labels))
    for one in STATISTICS:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", one.key)
        assert one.formula
        assert one.name[0].isupper()
        assert one.unit in {"", "%", "bps", "s", "ms", "quote", "time", "text"}


@pytest.mark.parametrize("group", GROUPS)
def test_every_group_computes_exactly_its_table(group, run):
    table, compute = GROUPS[group]
    assert set(compute(run.rows)) == {one.key for one in table}
    assert set(compute(make().rows)) == {one.key for one in table}


def test_stats_are_a_series_by_name_and_unit(run):
    stats = run.stats
    assert isinstance(stats, pd.Series)
    assert stats.name == "hand"
    assert len(stats) == len(STATISTICS)
    assert stats["Net profit [quote]"] == pytest.approx(5.5)
    assert stats["Start"] == pd.Timestamp("2026-01-05", tz="UTC")
    assert stats["Drawdown end"] is pd.NaT or isinstance(stats["Drawdown end"], pd.Timestamp)


def test_stats_by_group_are_the_same_values(run):
    groups = run.stats_by_group()
    assert list(groups) == list(GROUPS)
    merged = pd.concat(groups.values())
    assert merged.index.tolist() == run.stats.index.tolist()
    assert groups["Trades"]["Round trips"] == run.stat("n_trades") == 1


def test_unknown_statistic_is_not_found_with_the_nearest_name(run):
    with pytest.raises(NotFoundError, match="did you mean 'sharpe'"):
        run.stat("sharp")
    with pytest.raises(NotFoundError, match="there is no statistic"):
        find("zzzzzzz")


@pytest.mark.parametrize("interval", ["", "h", "0s", "1 week", "-1h"])
def test_interval_that_is_no_duration_is_refused(run, interval):
    with pytest.raises(ConfigError, match="is no duration"):
        run.statistics(interval)


def test_dictionary_is_json_with_null_for_what_is_not_defined(run):
    found = run.to_dict()
    text = json.dumps(found, allow_nan=False)
    stats = json.loads(text)["stats"]
    assert stats["Return"]["market_return_pct"] is None
    assert stats["Risk"]["drawdown_end"] is None or stats["Risk"]["drawdown_end"].endswith("Z")
    assert stats["Run"]["start"] == "2026-01-05T00:00:00.000000000Z"
    assert found["hash"] == run.hash
    assert [key for one in stats.values() for key in one] == [one.key for one in STATISTICS]


@settings(max_examples=40)
@given(runs())
def test_no_run_breaks_the_statistics(run):
    for value in run.stats:
        assert not isinstance(value, float) or not math.isinf(value)
    json.dumps(run.to_dict(), allow_nan=False)
    assert run._repr_html_()
    assert repr(run)


def test_run_without_anything_says_so_without_zeros_that_were_not_measured():
    run = make(stop_s=0)
    for key in ("sharpe", "win_rate_pct", "maker_ratio_pct", "fill_ratio_orders_pct", "edge_bps"):
        assert math.isnan(run.stat(key))
    assert run.stat("n_fills") == 0
    assert run.stat("net_pnl") == 0
    assert run.check() == []


def test_run_of_one_fill_has_statistics():
    fills = [fill(1, BUY, 1, 100.0, fee=0.5)]
    run = make(fills, orders_of(fills), samples_of(fills, [(0, [100.0]), (2, [101.0])]))
    assert run.stat("net_pnl") == 0.5
    assert run.stat("n_open_trades") == 1
    assert math.isnan(run.stat("expectancy"))


def test_nothing_is_computed_before_it_is_asked_for(run, monkeypatch):
    from livekit.research.report import statistics

    asked = []
    measure = statistics.measure
    monkeypatch.setattr(
        statistics, "measure", lambda rows, group: asked.append(group) or measure(rows, group)
    )
    fresh = Run(run.meta, run.order_rows, run.fill_rows, run.equity_rows)
    assert asked == []
    fresh.stat("sharpe")
    fresh.stat("sortino")
    assert asked == ["Ratios"]


def test_statistics_need_neither_pandas_nor_pyarrow_nor_numba():
    script = (
        "import sys\n"
        "from hand_made_run import make, sample\n"
        "run = make(equity=[sample(i, 1000.0 + i) for i in range(50)])\n"
        "run.to_dict(); repr(run); run._repr_html_(); run.check()\n"
        "print([name for name in ('pandas', 'pyarrow', 'numba') if name in sys.modules])\n"
    )
    code = f"import sys; sys.path.insert(0, {str(sys.path[0])!r})\n"
    paths = [path for path in sys.path if path]
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}\n{code}{script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_rows_of_another_layout_are_refused(run):
    with pytest.raises(DataError, match="another version"):
        Run(run.meta, run.fill_rows, run.fill_rows, run.equity_rows)


def test_fills_of_unknown_instruments_are_refused():
    with pytest.raises(DataError, match="rows and meta are of different runs"):
        make([fill(1, BUY, 1, 1.0, instrument=3)])


def test_marks_of_another_shape_are_refused():
    with pytest.raises(DataError, match="have the shape"):
        make(equity=[sample(0, 1.0)], marks=np.zeros((3, 1)))


def test_compared_runs_stand_side_by_side(run):
    other = make(equity=[sample(i, 1000.0 + i % 3) for i in range(100)], name="other")
    frame = compare(run, [other])
    assert frame.columns.tolist() == ["hand", "other"]
    assert len(frame) == len(COMPARED)
    assert frame.loc["Net profit [quote]", "hand"] == pytest.approx(5.5)
    assert compare(run, keys=["sharpe"]).index.tolist() == ["Sharpe ratio (365d, 1s)"]


def test_compared_ratios_are_over_one_interval():
    short = make(equity=[sample(i, 1000.0 + i % 3) for i in range(100)])
    equity = [sample(60 * i, 1000.0 + i % 5) for i in range(60)]
    long = make(equity=equity, stop_s=3600)
    assert (short.stat("returns_interval"), long.stat("returns_interval")) == ("1s", "1min")
    frame = compare(short, long, keys=["sharpe"])
    assert frame.index.tolist() == ["Sharpe ratio (365d, 1min)"]
    assert frame.iloc[0, 1] == long.stat("sharpe")


def test_nothing_to_compare_is_refused():
    with pytest.raises(ConfigError, match="no run to compare"):
        compare([])


def test_text_names_the_run_and_its_key_figures(run):
    text = repr(run)
    assert text.startswith("<Run hand · backtest of Hand>")
    assert "BTC-USDT · 2026-01-05 00:00:00 to 2026-01-05 00:01:40 UTC" in text
    for key in KEY_FIGURES:
        assert label(find(key), run.interval_ns()) in text


def test_partial_run_says_so():
    assert "partial" in repr(make(is_partial=True))


def test_card_is_plain_escaped_html_in_the_colours_of_its_page():
    text = make(name="<b>&", strategy="</table>")._repr_html_()
    assert "&lt;b&gt;&amp;" in text
    assert "</table></div>" in text
    assert text.count("<table") == text.count("</table>") == 1
    for word in ("script", "http", "background:#", "color:#"):
        assert word not in text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1234567, "1,234,567"),
        (1234567.891, "1,234,568"),
        (12.3456, "12.35"),
        (0.0123456, "0.01235"),
        (-0.5, "-0.5000"),
        (0.0, "0"),
        (NAN, "\N{EN DASH}"),
        (None, "\N{EN DASH}"),
        (True, "yes"),
        ({"a": 1}, "a 1"),
        ({}, "\N{EN DASH}"),
        (["x", "y"], "x, y"),
        (np.datetime64("2026-01-05T00:00:01.5", "ns"), "2026-01-05 00:00:01"),
        (np.datetime64("NaT"), "\N{EN DASH}"),
        ("text", "text"),
    ],
)
def test_values_are_formatted_for_people(value, expected):
    assert format_value(value) == expected


def test_values_are_json_to_the_last_digit():
    assert to_json({1: np.int64(2), "a": [NAN, np.float32(0.5), None, True]}) == {
        "1": 2,
        "a": [None, 0.5, None, True],
    }
    assert iso_time(1_767_571_200_000_000_001) == "2026-01-05T00:00:00.000000001Z"


def test_arrays_are_those_that_were_given(run):
    given_rows = rows(FILL_LOG, [fill(1, BUY, 1, 1.0)])
    assert Run(run.meta, run.order_rows, given_rows, run.equity_rows).fill_rows is given_rows
