"""What was run, latencies and data quality, from meta and rows."""

import math

import numpy as np
import pytest
from hand_made_run import BUY, NAN, SECOND, START, fill, make, order, sample

MS = 1_000_000


def near(value):
    return pytest.approx(value, rel=1e-12, abs=1e-12, nan_ok=True)


def test_run_says_what_it_was():
    run = make([fill(1, BUY, 1, 100.0)], [order(1, BUY, 1, 100.0)], is_partial=True, seed=7)
    assert run.stat("kind") == "backtest"
    assert run.stat("start") == np.datetime64(START, "ns")
    assert run.stat("end") == np.datetime64(START + 100 * SECOND, "ns")
    assert run.stat("duration_s") == 100
    assert run.stat("n_events") == 50
    assert (run.stat("n_orders"), run.stat("n_fills")) == (1, 1)
    assert run.stat("is_partial") is True
    assert run.stat("seed") == 7
    assert run.stat("params") == {"size": 2}
    assert run.stats["Parameters"] == "size=2"
    assert run.stat("symbols") == ["BTC-USDT"]
    assert run.stat("data_hash") == "feed"
    assert run.stat("cash") == 1000


def test_run_without_times_takes_those_of_its_equity():
    run = make(equity=[sample(3, 1.0), sample(9, 1.0)], data={}, stopped_ns=None)
    assert run.stat("duration_s") == 6


def test_latencies_of_the_meta_are_given_in_ms():
    latency = {"order_ns": [1 * MS, 2 * MS, 3 * MS], "feed_ns": []}
    run = make(latency=latency)
    assert run.stat("order_p50_ms") == 2
    assert run.stat("order_p99_ms") == near(2.98)
    assert run.stat("order_max_ms") == 3
    assert math.isnan(run.stat("feed_p50_ms"))
    assert math.isnan(run.stat("decision_max_ms"))


def test_acknowledgements_leave_out_what_never_left():
    denied = {"status": 7, "acked_ns": START, "client_order_id": b""}
    orders = [
        order(1, BUY, 1, 100.0, acked_ns=START + 4 * MS),
        order(2, BUY, 1, 100.0, acked_ns=START + 6 * MS),
        order(3, BUY, 1, 100.0, acked_ns=0),
        order(4, BUY, 1, 100.0) | denied,
    ]
    run = make(orders=orders)
    assert run.stat("ack_p50_ms") == 5
    assert run.stat("ack_max_ms") == 6


def test_fill_reports_are_late_by_booking_less_venue_time():
    late = fill(1, BUY, 1, 100.0)
    late["ts_venue"] -= 3 * MS
    run = make([late])
    assert run.stat("fill_report_p50_ms") == 3


def test_events_per_second_are_of_the_wall_clock():
    assert make().stat("events_per_s") == 100  # 50 in 0.5 s
    assert math.isnan(make(wall_s=0.0).stat("events_per_s"))


def test_gaps_are_counted_with_what_they_lost():
    gaps = [
        {"ts": START, "symbol": "A", "lost": {"QUOTE": 3, "TRADE": 1}},
        {"ts": START, "symbol": "A", "lost": {"QUOTE": 2}},
    ]
    data = {"start_ns": START, "gaps": gaps, "stale_share": 0.25, "n_out_of_order": 4}
    run = make(data=data)
    assert run.stat("n_gaps") == 2
    assert run.stat("n_lost") == 6
    assert run.stat("stale_pct") == 25
    assert run.stat("n_out_of_order") == 4
    assert math.isnan(run.stat("invalid_pct"))


def test_data_that_is_not_known_is_not_clean():
    run = make(data={"start_ns": START})
    assert math.isnan(run.stat("n_gaps"))


def test_samples_without_equity_are_counted():
    run = make(equity=[sample(0, 1000.0), sample(1, NAN)])
    assert run.stat("unmarked_pct") == 50
