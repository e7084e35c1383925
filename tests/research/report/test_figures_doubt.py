"""The figures that doubt a run: against another run, under other fills, the book at a fill."""

import backtests
import numpy as np
import pytest

import livekit as lk
from livekit.errors import ConfigError, NotFoundError
from livekit.events import Kind
from livekit.research.backtest import backtest
from livekit.research.data import Data
from livekit.research.fan import ASSUMPTIONS, fan
from livekit.research.report.figures_doubt import worst_fill
from livekit.research.report.identity import first_parting
from livekit.trading.ledger_layout import FILL_LOG

pytest.importorskip("plotly", reason="plotly is in the report extra")

QUIET = backtests.FOLDER / "quiet.py"
KINDS = (Kind.QUOTE, Kind.TRADE, Kind.BOOK)
OPTIONS = {"jit": False, "progress": False}


@pytest.fixture(scope="module")
def data():
    return backtests.random_data(11, 3_000, 1, KINDS)


@pytest.fixture(scope="module")
def run(data):
    return backtest(QUIET, data, **OPTIONS)


def traces(figure):
    return {trace.name: trace for trace in figure.data if trace.name}


# The overlay.


def test_overlay_of_equal_runs_says_equal_and_differs_by_nothing(run, data):
    again = backtest(QUIET, data, name="again", **OPTIONS)
    figure = run.overlay(again)
    assert first_parting(run.rows, again.rows) == (0, "")
    assert [note.text for note in figure.layout.annotations] == ["the same decisions and fills"]
    assert not figure.layout.shapes
    assert np.abs(np.array(traces(figure)["Difference"].y)).max() == 0.0


def test_overlay_marks_the_moment_of_the_first_order_that_differs(run, data):
    other = backtest(QUIET, data, name="slow", pace=9, **OPTIONS)
    ts, sentence = first_parting(run.rows, other.rows)
    figure = run.overlay(other)
    (shape,) = figure.layout.shapes
    assert sentence.startswith("order 0 ")
    assert "acked_ns" not in sentence
    assert ts == min(run.order_rows["created_ns"][0], other.order_rows["created_ns"][0])
    assert np.datetime64(shape.x0).astype("datetime64[ms]") == np.datetime64(int(ts), "ns").astype(
        "datetime64[ms]"
    )
    assert np.abs(np.array(traces(figure)["Difference"].y)).max() > 0.0


def test_runs_of_different_instruments_are_not_laid_over_each_other(run):
    with pytest.raises(ConfigError, match=r"do not both have 'DOGE-USDT'; in common they have BTC"):
        run.overlay(run, symbol="DOGE-USDT")


# The ladder.


def price(row):
    return float(row.replace(",", ""))


def prices(trace):
    return [price(row) for row in trace.y]


def test_ladder_shows_the_newest_touch_above_the_older_book(run, data):
    fill = worst_fill(run)
    row = run.fill_rows[fill]
    figure = run.ladder(data, fill)
    shown = traces(figure)
    streams = {stream.kind: stream.rows for stream in data.streams(0) if stream.instrument == 0}
    before = {
        kind: streams[kind][np.searchsorted(streams[kind]["ts_recv"], row["ts_venue"]) - 1]
        for kind in (Kind.QUOTE, Kind.BOOK)
    }
    newest = max(before.values(), key=lambda one: one["ts_recv"])
    best = np.atleast_1d(newest["bid_price"])[0]
    assert max(prices(shown["Bids"])) == best
    assert min(prices(shown["Asks"])) == np.atleast_1d(newest["ask_price"])[0]
    assert list(figure.layout.yaxis.categoryarray) == sorted(
        {row for trace in figure.data for row in trace.y}, key=price
    )
    assert all(x < 0 for x in shown["Bids"].x)
    assert prices(shown["This fill"]) == [row["price"]]


def test_ladder_of_a_resting_fill_has_the_own_order_at_its_price(run, data):
    fill = int(np.flatnonzero(run.fill_rows["is_maker"])[0])
    (own,) = [t for t in run.ladder(data, fill).data if t.name.startswith("Own orders")]
    assert run.fill_rows[fill]["price"] in prices(own)


def test_ladder_without_the_fill_or_the_data_says_what_is_missing(run, data):
    with pytest.raises(NotFoundError, match=r"no fill 99999; it has \d+, counted from 0"):
        run.ladder(data, 99_999)
    other = Data.from_arrays({("ETH-USDT", "quote"): quotes()}, backtests.INSTRUMENTS)
    with pytest.raises(NotFoundError, match=r"neither book nor quote of 'BTC-USDT' before"):
        run.ladder(other, 0)


def quotes():
    return backtests.Market(1, 1).arrays(5, (Kind.QUOTE,))["BTC-USDT", Kind.QUOTE]


def test_worst_fill_is_the_one_the_mid_left_furthest(run):
    fills = run.fill_rows
    sign = np.where(fills["side"] == 0, 1.0, -1.0)
    moved = (fills["mid_1s"] - fills["price"]) * sign
    assert moved[worst_fill(run)] == np.nanmin(moved)


def test_worst_fill_of_a_run_without_markouts_is_none(run):
    bare = lk.Run(run.meta, run.order_rows, np.zeros(0, FILL_LOG), run.equity_rows)
    assert worst_fill(bare) == -1


# The fan.


def test_fan_runs_every_assumption_and_spans_their_profits(data):
    found = fan(QUIET, data, **OPTIONS)
    assert list(found.runs) == list(ASSUMPTIONS)
    assert [run.meta["models"]["queue"].split()[0] for run in found.runs.values()] == [
        change["queue"] for change in ASSUMPTIONS.values()
    ]
    profits = [float(run.stat("net_pnl")) for run in found.runs.values()]
    assert found.band == (min(profits), max(profits))
    assert list(found.frame.index) == list(ASSUMPTIONS)
    assert len([t for t in found.plot().data if t.name in ASSUMPTIONS]) == len(ASSUMPTIONS)


def test_fan_of_given_assumptions_takes_any_option_of_a_backtest(data):
    found = fan(
        QUIET,
        data,
        assumptions={"now": {}, "late": {"latency": lk.Latency(order="40ms")}},
        queue="front",
        **OPTIONS,
    )
    now, late = found.runs.values()
    assert now.meta["models"]["queue"] == late.meta["models"]["queue"]
    assert now.hash != late.hash


def test_fan_without_an_assumption_is_refused(data):
    with pytest.raises(ConfigError, match="a fan needs an assumption"):
        fan(QUIET, data, assumptions={})


# In a report.


def test_report_shows_doubts_where_it_is_given_what_they_need(run, data, tmp_path):
    plain = run.report(tmp_path / "plain.html").read_text()
    assert "<h2>Doubts</h2>" not in plain
    band = fan(QUIET, data, assumptions={"a": {}, "b": {"queue": "front"}}, **OPTIONS)
    text = run.report(tmp_path / "full.html", fan=band, against=run, data=data).read_text()
    for name in ("fan", "overlay", "ladder"):
        assert f'<figure id="{name}">' in text or f'<figure class=all id="{name}">' in text


def test_ladder_of_a_run_without_markouts_gives_its_reason(run, data, tmp_path):
    bare = lk.Run(run.meta, run.order_rows, np.zeros(0, FILL_LOG), run.equity_rows)
    text = bare.report(tmp_path / "bare.html", data=data).read_text()
    assert "No fill has a mid one second later." in text
