"""Figures as numbers: what is drawn equals the rows, and little enough of it is."""

import base64
import json

import numpy as np
import pandas as pd
import pytest
import synthetic_run
from hypothesis import given
from hypothesis import strategies as st

from livekit.errors import ConfigError
from livekit.research.report import downsample, figures, theme
from livekit.research.report.figures_calendar import hours_of_week, months, periods, rolling
from livekit.research.report.figures_fills import duration, latencies, markout
from livekit.research.report.figures_plot import to_json
from livekit.research.report.figures_sections import plots
from livekit.research.report.figures_series import position, profit_parts
from livekit.research.report.figures_time import MAX_MARKERS
from livekit.research.report.run import Run
from livekit.trading.ledger_layout import EQUITY_LOG, FILL_LOG, ORDER_LOG

pytest.importorskip("plotly", reason="plotly is in the report extra")

HOUR_NS = 3_600_000_000_000
MONDAY_NS = synthetic_run.START_NS


@pytest.fixture(scope="module")
def run():
    return synthetic_run.made_run(600, marked=True)


def trace(figure, name):
    (found,) = [one for one in figure.data if one.name and one.name.startswith(name)]
    return found


def flat_run(ts, equity, *, cash=100.0, fees=None, volume=None):
    """Return a run without fills, of samples given by hand."""
    rows = np.zeros(len(ts), EQUITY_LOG)
    rows["ts"], rows["equity"] = ts, equity
    rows["fees"] = 0.0 if fees is None else fees
    rows["volume"] = 0.0 if volume is None else volume
    meta = synthetic_run.meta(cash=cash, stopped_ns=int(ts[-1]), sample_ns=int(ts[1] - ts[0]))
    meta["data"] |= {"start_ns": int(ts[0]), "stop_ns": int(ts[-1])}
    return Run(meta, np.zeros(0, ORDER_LOG), np.zeros(0, FILL_LOG), rows)


# Thinning.


@given(
    st.lists(st.tuples(st.integers(0, 10**18), st.floats(-1e9, 1e9) | st.just(float("nan")))),
    st.integers(4, 60),
)
def test_thinned_line_keeps_ends_and_extremes(points, n_max):
    points.sort(key=lambda one: one[0])
    ts = np.array([at for at, _ in points], "i8")
    values = np.array([value for _, value in points], "f8")
    kept = downsample.line(ts, values, n_max)
    assert len(kept) <= max(n_max, 0)
    assert (np.diff(kept) > 0).all()
    if len(ts):
        assert (kept[0], kept[-1]) == (0, len(ts) - 1)
    if np.isfinite(values).any():
        assert np.nanmax(values[kept]) == np.nanmax(values)
        assert np.nanmin(values[kept]) == np.nanmin(values)
    chosen = downsample.extremes(ts, values, n_max)
    assert len(chosen) <= n_max
    if np.isfinite(values).any():
        assert np.nanmax(values[chosen]) == np.nanmax(values)


def test_one_spike_among_a_million_samples_is_drawn():
    ts = np.arange(1_000_000) * 1_000_000
    values = np.zeros(len(ts))
    values[123_457] = -7.0
    kept = downsample.line(ts, values, 4000)
    assert 123_457 in kept
    assert len(kept) <= 4000


def test_gap_of_unknown_values_breaks_the_line():
    ts = np.arange(100_000)
    values = np.ones(len(ts))
    values[40_000:60_000] = np.nan
    kept = downsample.line(ts, values, 400)
    assert np.isnan(values[kept]).sum() > 10


# Themes.


def test_dark_colours_replace_the_light_ones_without_meeting_them():
    assert set(theme.LIGHT) == set(theme.DARK)
    assert len(set(theme.LIGHT.values())) == len(theme.LIGHT)
    assert set(theme.LIGHT.values()) & set(theme.DARK.values()) == set()
    text = json.dumps([*theme.LIGHT.values(), *map(theme.band, theme.LIGHT.values())])
    for light, dark in theme.replacements():
        text = text.replace(light, dark)
    assert json.loads(text) == [*theme.DARK.values(), *map(theme.band, theme.DARK.values())]
    assert theme.in_theme(list(theme.LIGHT.values()), "dark") == list(theme.DARK.values())


@pytest.mark.parametrize("colors", [theme.LIGHT, theme.DARK])
@pytest.mark.parametrize(
    ("name", "ratio"),
    [("ink", 7), ("muted", 4.5), ("buy", 4), ("sell", 4), ("net", 4.5), ("warn", 4.5)],
)
def test_colours_stand_out_from_their_page(colors, name, ratio):
    page = colors["warn_page" if name == "warn" else "card"]
    assert contrast(colors[name], page) >= ratio


def contrast(a, b):
    """Return the contrast ratio of two colours as WCAG 2 defines it."""

    def light(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(a), light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


# Overview.


def test_overview_draws_the_rows_of_the_run(run):
    made = figures.overview(run)
    assert list(trace(made, "Net").y) == list(run.rows.path[1])
    assert trace(made, "Net").x[0] == "2026-01-05T00:00:00.000"
    assert list(trace(made, "Gross").y) == list(run.rows.path[2])
    assert min(trace(made, "Drawdown").y) * 100 == run.stat("max_drawdown_pct")
    assert trace(made, "Position").y[-1] == pytest.approx(run.positions.iloc[-1, 0])
    fills = run.fill_rows
    for name, side, is_maker in (("Buy, maker", 0, 1), ("Sell, taker", 1, 0)):
        rows = fills[(fills["side"] == side) & (fills["is_maker"] == is_maker)]
        drawn = trace(made, name)
        assert f"of {len(rows)})" in drawn.name or f"({len(rows)})" in drawn.name
        assert set(drawn.y) <= set(rows["price"])
        assert {max(rows["price"]), min(rows["price"])} <= set(drawn.y)


def test_overview_has_one_axis_of_time_for_all_panels(run):
    made = figures.overview(run)
    assert {one.xaxis for one in made.data} == {"x"}
    assert {one.yaxis for one in made.data} == {"y", "y2", "y3", "y4"}
    assert made.layout.hovermode == "x unified"


def test_overview_of_many_fills_is_small():
    run = synthetic_run.made_run(200_000, n_samples=100_000)
    made = figures.overview(run)
    assert len(made.to_json()) < 3_000_000
    assert max(len(one.x) for one in made.data) <= 4000
    assert sum(one.mode == "markers" for one in made.data) == 4
    assert max(len(one.x) for one in made.data if one.mode == "markers") <= MAX_MARKERS


def test_price_comes_from_the_frame_the_marks_or_the_fills(run):
    assert list(trace(figures.overview(run), "Mark").y) == list(run.marks[:, 0])
    bare = Run(run.meta, run.order_rows, run.fill_rows, run.equity_rows)
    assert list(trace(figures.overview(bare), "Mid at fills").y) == list(bare.rows.mid)
    time = pd.to_datetime([MONDAY_NS + HOUR_NS, MONDAY_NS], utc=True)
    prices = pd.DataFrame({"time": time, "mid": [2.0, 1.0]})
    assert list(trace(figures.overview(run, prices), "Mid").y) == [1.0, 2.0]
    numbers = pd.DataFrame({"time": [MONDAY_NS], "mid": [5.0], "symbol": ["BTC-USDT"]})
    assert list(trace(figures.overview(run, numbers), "Mid").y) == [5.0]
    numbers["symbol"] = "OTHER"
    assert trace(figures.overview(run, numbers), "Mark").name == "Mark"
    with pytest.raises(ConfigError, match="no column 'mid'"):
        figures.overview(run, prices[["time"]])


def test_benchmark_is_the_cash_at_the_market(run):
    held = trace(figures.overview(run), "Buy and hold BTC-USDT")
    assert held.y[0] == synthetic_run.CASH
    grown = synthetic_run.CASH * (1 + run.stat("market_return_pct") / 100)
    assert held.y[-1] == pytest.approx(grown)


def test_overview_refuses_what_it_cannot_draw(run):
    with pytest.raises(ConfigError, match="no symbol 'ETH-USDT'; it has BTC-USDT"):
        figures.overview(run, symbol="ETH-USDT")
    with pytest.raises(ConfigError, match="theme 'blue'"):
        figures.overview(run, theme="blue")
    empty = Run(synthetic_run.meta(cash=None), *(rows[:0] for rows in synthetic_run.rows(0)[:3]))
    with pytest.raises(ConfigError, match="no sample"):
        figures.overview(empty)


def test_dark_overview_has_dark_colours_only(run):
    text = figures.overview(run, theme="dark").to_json()
    assert theme.DARK["card"] in text
    assert [color for color in theme.LIGHT.values() if color in text] == []


# Series.


def test_parts_of_the_profit_add_up_at_every_sample(run):
    parts = profit_parts(run)
    total = parts.spread + parts.slippage + parts.inventory + parts.fees + parts.funding
    assert total == pytest.approx(parts.net, abs=1e-9)
    assert parts.spread[-1] == pytest.approx(run.stat("pnl_spread"))
    assert parts.slippage[-1] == pytest.approx(run.stat("pnl_slippage"))
    assert parts.inventory[-1] == pytest.approx(run.stat("pnl_inventory"), abs=1e-6)


def test_position_begins_and_ends_with_the_run(run):
    ts, held = position(run, 0)
    assert (ts[0], ts[-1]) == (run.rows.start_ns, run.rows.stop_ns)
    assert (held[0], len(held)) == (0.0, len(run.fill_rows) + 2)
    signed = np.where(run.fill_rows["side"] == 0, 1, -1) * run.fill_rows["quantity"]
    assert held[-1] == pytest.approx(signed.sum())


# Markouts.


def fills_by_hand(prices, later, *, ts=(0, 1, 2), side=0, quantity=1.0):
    orders, fills, equity, _ = synthetic_run.rows(len(prices))
    fills["side"], fills["is_maker"], fills["quantity"] = side, 1, quantity
    fills["price"], fills["mid_1s"] = prices, later
    fills["ts_venue"] = MONDAY_NS + np.array(ts) * 1_000_000_000
    return Run(synthetic_run.meta(), orders, fills, equity).rows


def test_markout_by_hand():
    # Moves of +10, -20 and +40 bps, one in each second: mean 10, deviations 0, -30 and 30.
    rows = fills_by_hand([100.0] * 3, [100.1, 99.8, 100.4])
    mean, half, n = markout(rows, np.arange(3), 2)
    assert (mean, n) == (pytest.approx(10.0), 3)
    assert half == pytest.approx(1.959964 * np.sqrt((30**2 + 30**2) * 3 / 2 / 9), rel=1e-6)


def test_markout_of_sells_is_good_when_the_price_falls():
    rows = fills_by_hand([100.0] * 3, [99.9] * 3, side=1)
    assert markout(rows, np.arange(3), 2)[0] == pytest.approx(10.0)


def test_fills_of_one_moment_are_one_observation():
    rows = fills_by_hand([100.0] * 3, [100.1, 99.8, 100.4], ts=(0.1, 0.2, 0.3))
    mean, half, n = markout(rows, np.arange(3), 2)
    assert (mean, n) == (pytest.approx(10.0), 3)
    assert np.isnan(half)


def test_markouts_drawn_are_the_statistics(run):
    for side, name in ((1, "buys_"), (-1, "sells_")):
        chosen = np.flatnonzero(run.rows.sign == side)
        keys = [key for key in run.to_dict()["stats"]["Execution"] if key.startswith("markout_")]
        (key,) = [key for key in keys if name.rstrip("_")[:3] in key and "10s" in key]
        assert markout(run.rows, chosen, 3)[0] == pytest.approx(run.stat(key))


# Periods.


def test_periods_by_hand_give_midnight_to_the_day_that_ends():
    ts = MONDAY_NS + HOUR_NS * np.array([0, 12, 24, 36, 96])
    run = flat_run(ts, [100, 101, 103, 102, 110.0], fees=[0, 1, 1, 3, 3], volume=[0, 5, 9, 9, 10])
    found = periods(run)
    assert found.name == "day"
    assert found.start.tolist() == [MONDAY_NS + day * 24 * HOUR_NS for day in range(4)]
    assert found.net.tolist() == [3.0, -1.0, 0.0, 8.0]
    assert found.fees.tolist() == [1.0, 2.0, 0.0, 0.0]
    assert found.volume.tolist() == [9.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(("hours", "name"), [(100, "day"), (24, "hour"), (1, "minute")])
def test_periods_suit_the_length_of_the_run(hours, name):
    ts = MONDAY_NS + np.linspace(0, hours * HOUR_NS, 50).astype("i8")
    assert periods(flat_run(ts, np.full(50, 100.0))).name == name


def test_hours_of_the_week_by_hand():
    ts = MONDAY_NS + HOUR_NS * np.array([0, 1, 2, 24, 25])
    plot = hours_of_week(flat_run(ts, [100, 101, 99, 99, 104.0]))
    cells = plot.spec["data"][0]["z"]
    assert (cells[0, 0], cells[0, 1], cells[0, 23], cells[1, 0]) == (1.0, -2.0, 0.0, 5.0)
    assert np.isfinite(cells).sum() == 4
    assert "best Tue 00 h with 5, worst Mon 01 h with -2" in plot.alt


def test_months_by_hand():
    ts = np.array(["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"], "datetime64[ns]")
    plot = months(flat_run(ts.astype("i8"), [100, 110, 99, 99.0]))
    (row,) = plot.spec["data"][0]["z"]
    assert row[1:4] == pytest.approx([0.1, -0.1, 0.0])
    assert np.isnan(row[4:]).all()


def test_months_of_a_short_run_are_no_figure(run):
    assert months(run) is None


def test_rolling_sharpe_ends_with_that_of_the_last_returns(run):
    plot = rolling(run)
    drawn = plot.spec["data"][0]["y"]
    window = max(12, len(run.rows.returns) // 8)
    last = run.rows.returns[-window:]
    expected = last.mean() / last.std(ddof=1) * np.sqrt(365 * 24 * 60)
    assert drawn[-1] == pytest.approx(expected)


def test_rolling_sharpe_of_an_equity_at_rest_is_not_drawn():
    ts = MONDAY_NS + HOUR_NS * np.arange(40)
    assert "did not change" in rolling(flat_run(ts, np.full(40, 100.0))).reason


# Latencies, words.


def test_latencies_of_nothing_say_so(run):
    rows = run.order_rows.copy()
    rows["acked_ns"] = rows["created_ns"]
    meta = synthetic_run.meta(latency={"order_ns": [0, 0]})
    plot = latencies(Run(meta, rows, run.fill_rows, run.equity_rows))
    assert plot.spec is None
    assert "took no time" in plot.reason


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        *((12, "12 ns"), (2.5e3, "2.5 µs"), (2e6, "2 ms"), (6e10, "60 s")),
        *((6e11, "10 min"), (8.64e13, "24 h"), (8.64e14, "10 d")),
    ],
)
def test_durations_read_well(ns, text):
    assert duration(ns) == text


def test_json_keeps_numbers_exact_and_cannot_end_its_element():
    values = np.array([0.1, np.nan, -1e300])
    text = to_json({"name": "</script><b>", "y": values, "one": float("nan"), "n": np.int64(3)})
    assert "<" not in text
    found = json.loads(text)
    assert (found["name"], found["one"], found["n"]) == ("</script><b>", None, 3)
    assert base64.b64decode(found["y"]["bdata"]) == values.tobytes()


def test_every_section_has_a_figure_or_a_reason(run):
    for plot in plots(run):
        assert bool(plot.spec) != bool(plot.reason), plot.name
        assert plot.title


# Sweeps.


@pytest.fixture
def frame():
    rows = [
        {"fast": fast, "slow": slow, "stop": stop, "mode": mode, "sharpe": fast * slow - stop}
        for fast in (0.1, 0.2)
        for slow in (3, 1, 2)
        for stop in (1, 5)
        for mode in ("a", "b")
    ]
    return pd.DataFrame(rows)


def test_heatmap_has_a_step_for_each_further_parameter(frame):
    made = figures.heatmap(frame, "fast", "slow", "sharpe", by=["stop", "mode"])
    assert [step.label for step in made.layout.sliders[0].steps] == [
        "stop=1, mode=a",
        "stop=1, mode=b",
        "stop=5, mode=a",
        "stop=5, mode=b",
    ]
    assert [one.visible for one in made.data] == [True, False, False, False]
    assert list(made.data[0].x) == ["0.1", "0.2"]
    assert list(made.data[0].y) == ["1", "2", "3"]
    assert made.data[2].z == pytest.approx(np.array([[-4.9, -4.8], [-4.8, -4.6], [-4.7, -4.4]]))
    assert (made.layout.coloraxis.cmin, made.layout.coloraxis.cmax) == pytest.approx((-4.9, -0.4))


def test_heatmap_averages_what_is_not_named_and_leaves_holes(frame):
    kept = frame[~((frame["fast"] == 0.1) & (frame["slow"] == 2))]
    made = figures.heatmap(kept, "fast", "slow", "sharpe")
    assert made.data[0].z[0][0] == pytest.approx(-2.9)
    assert np.isnan(made.data[0].z[1][0])
    assert len(made.layout.sliders) == 0


def test_heatmap_of_gains_and_losses_is_even_around_zero(frame):
    made = figures.heatmap(frame.assign(sharpe=frame["sharpe"] + 2.7), "fast", "slow", "sharpe")
    assert made.layout.coloraxis.cmin == -made.layout.coloraxis.cmax


def test_parallel_coordinates_name_what_is_no_number(frame):
    made = figures.parallel(frame.assign(sharpe=[np.nan, *frame["sharpe"][1:]]), ["mode"], "sharpe")
    mode, score = made.data[0].dimensions
    assert (mode.label, list(mode.ticktext), score.label) == ("mode", ["a", "b"], "sharpe")
    assert len(score["values"]) == len(frame) - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fast", "other", "sharpe"), "no column 'other'; it has 'fast'"),
        (("fast", "fast", "sharpe"), "name one twice"),
        (("fast", "slow", "none"), "no finite value"),
    ],
)
def test_heatmap_refuses_what_it_cannot_draw(frame, arguments, message):
    with pytest.raises(ConfigError, match=message):
        figures.heatmap(frame.assign(none=np.nan), *arguments)


def test_heatmap_refuses_a_slider_without_end(frame):
    many = pd.concat([frame.assign(seed=seed) for seed in range(101)])
    with pytest.raises(ConfigError, match="202 combinations, a slider holds 200"):
        figures.heatmap(many, "fast", "slow", "sharpe", by=["seed", "stop"])
