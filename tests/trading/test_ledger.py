"""What a run writes down: samples, markouts and counts, by hand and against the fills."""

import backtests
import numpy as np
import pytest
from hypothesis import given, settings

from livekit.events import DTYPES, OrderStatus
from livekit.instruments import Instrument
from livekit.research.data import Data
from livekit.research.simulation import Settings
from livekit.trading.core import TradingCore
from livekit.trading.latency import Latency
from livekit.trading.ledger import close, has_room, tick
from livekit.trading.ledger_layout import HORIZONS_NS
from livekit.trading.ledger_rows import Ledger
from livekit.trading.limits import Fees

BTC = backtests.INSTRUMENTS[0]
START = backtests.START_NS
MS = backtests.MS
MARKS = ("mid_100ms", "mid_1s", "mid_10s", "mid_60s")
ONCE = backtests.strategy("once")
ACTING = backtests.strategy("acting")


def quotes(*rows):
    """Return quotes of BTC-USDT as a Data: (ms from the start, bid, ask)."""
    made = np.zeros(len(rows), DTYPES[5])
    made["kind"], made["sequence"] = 5, np.arange(len(rows))
    made["ts_event"] = made["ts_recv"] = [START + round(ms * MS) for ms, _, _ in rows]
    made["bid_price"], made["ask_price"] = [r[1] for r in rows], [r[2] for r in rows]
    made["bid_size"] = made["ask_size"] = 10.0
    return Data.from_arrays({("BTC-USDT", "quote"): made}, [BTC])


def run(data, *, jit=True, **options):
    chosen = {"fees": Fees(maker=0.0, taker=0.001), "cash": 1000.0, "sample_ns": 100 * MS}
    return backtests.simulate(ONCE, data, Settings(**(chosen | options)), jit=jit)


def test_markouts_are_the_mids_at_the_exact_horizons():
    """The buy fills at 0; a mark sees the quote of its own nanosecond, and none after it."""
    later = 1e-6  # one ns
    data = quotes(
        (0, 99.0, 101.0),
        (100, 100.0, 102.0),
        (100 + later, 200.0, 202.0),
        (999, 103.0, 105.0),
        (1000 + later, 300.0, 302.0),
        (10_000, 110.0, 112.0),
        (60_000 + later, 500.0, 502.0),
    )
    for jit in (True, False):
        (fill,) = run(data, jit=jit).fills
        assert fill["price"] == 101.0
        assert [fill[name] for name in MARKS] == [101.0, 104.0, 111.0, 111.0]


def test_markout_beyond_the_data_is_nan():
    (fill,) = run(quotes((0, 99.0, 101.0), (999, 103.0, 105.0))).fills
    assert fill["mid_100ms"] == 100.0
    assert np.isnan([fill[name] for name in MARKS[1:]]).all()


def test_markout_is_nan_where_the_fill_was_heard_of_too_late():
    """It happens at 0 and is heard of after 500 ms: nobody could look at 100 ms."""
    data = quotes((0, 99.0, 101.0), (50, 100.0, 102.0), (999, 103.0, 105.0), (2000, 1.0, 2.0))
    (fill,) = run(data, latency=Latency(0, 0, "500ms")).fills
    assert (fill["ts_venue"], fill["ts"]) == (START, START + 500 * MS)
    assert np.isnan(fill["mid_100ms"])
    assert fill["mid_1s"] == 104.0


def test_markout_due_as_the_fill_is_heard_of_is_taken():
    data = quotes((0, 99.0, 101.0), (50, 100.0, 102.0), (999, 103.0, 105.0))
    (fill,) = run(data, latency=Latency(0, 0, "100ms")).fills
    assert fill["mid_100ms"] == 101.0


def test_samples_on_the_grid_see_all_up_to_their_time_and_nothing_later():
    """0.1 BTC bought for 101, fee 0.0101 a unit of price; marked at the mid."""
    data = quotes(
        (50, 99.0, 101.0), (100, 109.0, 111.0), (200.000001, 119.0, 121.0), (350, 129.0, 131.0)
    )
    rows = run(data).equity
    assert ((rows["ts"] - START) // MS).tolist() == [50, 100, 200, 300, 350]
    fee = 0.1 * 101.0 * 0.001
    # The first sample is taken as the first event comes, before it.
    expected = [1000.0] + [1000.0 + 0.1 * (mid - 101.0) - fee for mid in (110, 110, 120, 130)]
    assert rows["equity"].tolist() == pytest.approx(expected, abs=1e-12)
    assert rows["n_fills"].tolist() == [0, 1, 1, 1, 1]
    assert rows["volume"].tolist() == pytest.approx([0.0] + [10.1] * 4)
    assert rows["net_exposure"].tolist() == pytest.approx([0.0, 11.0, 11.0, 12.0, 13.0])


def test_more_than_a_day_without_events_has_no_samples_in_between():
    day = 86_400_000
    rows = run(quotes((0, 99.0, 101.0), (2 * day + 50, 109.0, 111.0)), sample_ns=1000 * MS).equity
    assert ((rows["ts"] - START) // MS).tolist() == [0, 2 * day, 2 * day + 50]


@settings(max_examples=40)
@given(world=backtests.worlds(), params=backtests.actions())
def test_equity_is_cash_and_fills_at_the_marks(world, params):
    """Recomputed from nothing but the fills, the funding and the marks of each sample."""
    data, chosen = world
    ran = backtests.simulate(ACTING, data, chosen, jit=True, **params)
    values = np.array([one.contract_value for one in data.instruments])
    for row, marks in zip(ran.equity[1:], ran.marks[1:], strict=True):
        fills = ran.fills[: row["n_fills"]]
        assert (fills["ts"] <= row["ts"]).all()
        assert (ran.fills[row["n_fills"] :]["ts"] >= row["ts"]).all()
        sign = 1 - 2 * fills["side"].astype(int)
        size = fills["quantity"] * values[fills["instrument"]]
        cash = chosen.cash - (sign * size * fills["price"]).sum() - fills["fee"].sum()
        held = np.zeros(len(values))
        np.add.at(held, fills["instrument"], sign * size)
        worth = sum(held[i] * marks[i] for i in range(len(values)) if abs(held[i]) > 1e-12)
        assert row["equity"] == pytest.approx(cash + worth + row["funding"], abs=1e-6)
        assert row["fees"] == pytest.approx(fills["fee"].sum(), abs=1e-9)
        assert row["volume"] == pytest.approx((size * fills["price"]).sum())


@settings(max_examples=40)
@given(world=backtests.worlds(), params=backtests.actions())
def test_orders_and_counts_say_what_the_fills_say(world, params):
    ran = backtests.simulate(ACTING, *world, jit=True, **params)
    by_id = {int(row["order_id"]): row for row in ran.orders}
    filled = dict.fromkeys(by_id, 0.0)
    for fill in ran.fills:
        order = by_id[int(fill["order_id"])]
        filled[int(fill["order_id"])] += fill["quantity"]
        assert (fill["side"], fill["instrument"]) == (order["side"], order["instrument"])
        assert fill["created_ns"] == order["created_ns"] <= fill["ts_venue"] <= fill["ts"]
    for row in ran.orders:
        assert row["filled_quantity"] == pytest.approx(filled[int(row["order_id"])])
        if row["status"] == OrderStatus.FILLED:
            assert row["filled_quantity"] == row["quantity"]
    assert sum(int(n) for n in ran.orders["n_fills"]) == len(ran.fills)
    assert ran.counts["lost"] == 0
    assert ran.counts["n_cancels"] <= ran.counts["n_requests"]
    assert int(ran.orders["n_modifies"].sum()) == ran.counts["n_modifies"]


def made_ledger(first_rows=8, sample_ns=100 * MS):
    core = TradingCore([Instrument("X", 0.1, 0.1, 0.1)], n_strategies=1, max_orders=16)
    ledger = Ledger(
        core.address,
        16,
        strategy=0,
        cash=5.0,
        n_marks=1,
        sample_ns=sample_ns,
        first_rows=first_rows,
    )
    return core, ledger


def test_tick_stops_where_the_samples_are_full_and_goes_on_after_growing():
    _core, ledger = made_ledger(first_rows=4)
    assert tick(ledger.address, START) == 1
    assert tick(ledger.address, START + 1000 * MS) == 0
    assert int(ledger.view["n_equity"]) == 3
    ledger.grow(16)
    assert tick(ledger.address, START + 1000 * MS) == 1
    close(ledger.address, START + 1000 * MS)
    rows = ledger.rows("equity")
    assert ((rows["ts"] - START) // MS).tolist() == list(range(0, 1001, 100))
    assert set(rows["equity"]) == {5.0}
    assert ledger.marks.shape == (11, 1)
    assert np.isnan(ledger.marks).all()


def test_room_is_counted_in_every_log_and_growing_keeps_the_rows():
    _core, ledger = made_ledger(first_rows=8)
    assert has_room(ledger.address, 8) == 1
    assert has_room(ledger.address, 9) == 0
    tick(ledger.address, START)
    assert has_room(ledger.address, 8) == 0
    before = ledger.rows("equity")
    ledger.grow(100)
    assert has_room(ledger.address, 100) == 1
    assert ledger.rows("equity").tobytes() == before.tobytes()


def test_close_replaces_a_sample_of_the_same_time():
    _core, ledger = made_ledger()
    tick(ledger.address, START)
    close(ledger.address, START + 200 * MS)
    assert ((ledger.rows("equity")["ts"] - START) // MS).tolist() == [0, 100, 200]


@settings(max_examples=25)
@given(world=backtests.worlds(), params=backtests.actions())
def test_run_that_was_looked_at_is_the_run_that_nobody_looked_at(world, params):
    data, chosen = world
    left_alone = backtests.simulate(ACTING, data, chosen, jit=True, budget=50, **params)
    seen = []

    def look(simulation):
        simulation.ledger.grow(simulation._margin)
        seen.append(simulation.ledger.snapshot(simulation.now))

    looked_at = backtests.simulate(ACTING, data, chosen, jit=True, budget=50, look=look, **params)
    for name in ("orders", "fills", "equity"):
        assert getattr(looked_at, name).tobytes() == getattr(left_alone, name).tobytes()
    n_fills = [*(len(one["fills"]) for one in seen), len(looked_at.fills)]
    assert n_fills == sorted(n_fills)
    for one in seen:
        assert (np.diff(one["equity"]["ts"]) > 0).all()
        assert len(one["equity"]) == len(one["marks"])


def test_horizons_are_those_of_the_columns():
    assert HORIZONS_NS == (100 * MS, 1000 * MS, 10_000 * MS, 60_000 * MS)
