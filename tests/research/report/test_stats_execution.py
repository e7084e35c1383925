"""Execution of seven orders and five fills, worked out by hand."""

import math

import pytest
from hand_made_run import BUY, NAN, SECOND, SELL, SPOT, START, SWAP, fill, make, order

from livekit.events import OrderStatus, Reject
from livekit.research.report.rows import HORIZON_NAMES
from livekit.research.report.stats_execution import reject_name

PARTIAL, FILLED, CANCELED, REJECTED = (
    int(OrderStatus[name]) for name in ("PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED")
)
DENIED = {"status": REJECTED, "reject": 11, "acked_ns": 0, "client_order_id": b""}
TOUCH = {"arrival_bid": 99.0, "arrival_ask": 101.0}


def near(value):
    return pytest.approx(value, rel=1e-12, abs=1e-12, nan_ok=True)


def orders():
    done = {"final_ns": START + 9 * SECOND}
    return [
        # Bought 4 at an average of 101 with a mid of 100: 1 % or 4 lost on arrival.
        order(1, BUY, 4, 101.0, status=FILLED, n_fills=2, filled_quantity=4, average_price=101.0)
        | TOUCH
        | done,
        # Sold 2 of 10 at 102: 2 % or 4 won.
        order(2, SELL, 10, 102.0, status=CANCELED, n_fills=1, filled_quantity=2)
        | {"average_price": 102.0, "n_modifies": 3}
        | TOUCH
        | done,
        # Bought 1 of 2 at 100, still open; no touch when it was created.
        order(3, BUY, 2, 100.0, status=PARTIAL, n_fills=2, filled_quantity=1, average_price=100.0),
        order(4, BUY, 4, 98.0, status=CANCELED) | done,
        order(5, SELL, 5, 99.0, status=REJECTED, reject=16, final_ns=START + 2_000_000),
        order(6, BUY, 100, 99.0) | DENIED,
        order(7, BUY, 100, 99.0) | DENIED | {"reject": 5, "acked_ns": START},
    ]


def fills():
    return [
        # Takers: paid 1 above a mid of 100, twice; weights 303 and 101.
        fill(1, BUY, 3, 101.0, is_maker=0, bid=99.0, ask=101.0, mid_1s=102.01, mid_10s=NAN),
        fill(2, BUY, 1, 101.0, is_maker=0, bid=99.0, ask=101.0, mid_1s=99.99),
        # Makers: sold 2 at 102 above a mid of 100; bought .5 at 100 at a mid of 101 and of 100.
        fill(3, SELL, 2, 102.0, bid=98.0, ask=102.0, mid_1s=100.98, queue_ahead=4.0),
        fill(4, BUY, 0.5, 100.0, bid=100.0, ask=102.0, queue_ahead=1.0),
        fill(9, BUY, 0.5, 100.0, queue_ahead=1.0, created_ns=START),
    ]


@pytest.fixture
def run():
    return make(fills(), orders(), instruments=({**SPOT, "lot": 0.5},))


def test_orders_are_counted_by_how_they_ended(run):
    assert run.stat("n_submitted") == 5
    assert run.stat("n_denied") == 2
    assert run.stat("n_rejected") == 1
    assert run.stat("n_canceled") == 2
    assert run.stat("n_open_orders") == 1
    assert run.stat("n_modifies") == 3


def test_refused_orders_are_counted_by_code(run):
    assert run.stat("rejects") == {"OFF_TICK": 1, "PRICE_BAND": 1, "POST_ONLY_WOULD_TAKE": 1}
    assert run.stats["Refused by code"] == "OFF_TICK=1, PRICE_BAND=1, POST_ONLY_WOULD_TAKE=1"


def test_code_of_the_exchange_is_named_by_its_number():
    assert reject_name(51008) == "51008"
    assert reject_name(Reject.OFF_LOT) == "OFF_LOT"


def test_refused_requests_are_those_of_the_meta(run):
    assert run.stat("n_refused_requests") == 0
    said = make(counts={"rejects": {"UNKNOWN_ORDER": 2, "OFF_TICK": 1}})
    assert said.stat("n_refused_requests") == 3
    assert math.isnan(make(counts={}).stat("n_refused_requests"))


def test_fill_ratios_count_what_was_submitted(run):
    # Quantities 4 + 10 + 2 + 4 + 5 = 25, filled 4 + 2 + 1 = 7; orders 3 of 5, whole 1 of 5.
    assert run.stat("fill_ratio_quantity_pct") == near(28)
    assert run.stat("fill_ratio_orders_pct") == near(60)
    assert run.stat("filled_whole_pct") == near(20)
    assert run.stat("fills_per_order") == near(5 / 3)
    assert run.stat("cancel_to_fill") == near(2 / 3)


def test_fill_ratio_weighs_instruments_by_value():
    # Spot: 1 of 2 at 100, worth 100 of 200. Swap: 30 of 40 contracts of 0.01 at 1000,
    # worth 300 of 400.
    made = [
        order(1, BUY, 2, 100.0, filled_quantity=1.0, n_fills=1, average_price=100.0),
        order(2, BUY, 40, 1000.0, instrument=1, filled_quantity=30.0, average_price=1000.0),
    ]
    run = make(orders=made, instruments=(SPOT, SWAP))
    assert run.stat("fill_ratio_quantity_pct") == near(400 / 600 * 100)


def test_refused_order_of_an_unknown_instrument_is_counted_and_weighs_nothing():
    made = [order(1, BUY, 2, 100.0, instrument=0xFFFF) | DENIED]
    run = make(orders=made)
    assert run.stat("n_denied") == 1
    assert math.isnan(run.stat("fill_ratio_quantity_pct"))
    assert run.orders["symbol"].isna().all()


def test_maker_ratio_is_by_notional_and_by_count(run):
    # Makers 204 + 50 + 50 = 304, takers 303 + 101 = 404.
    assert run.stat("maker_ratio_pct") == near(304 / 708 * 100)
    assert run.stat("maker_fills_pct") == near(60)


def test_time_to_fill_is_from_creation_to_the_venue(run):
    # 1, 1, 1, 1 and 9 s. p90 lies at 3.6 of 0..4: 1 + .6 * 8; p99 at 3.96.
    assert run.stat("time_to_fill_p50_s") == 1
    assert run.stat("time_to_fill_p90_s") == near(5.8)
    assert run.stat("time_to_fill_p99_s") == near(8.68)
    assert run.stat("maker_time_to_fill_p50_s") == 1


def test_queue_ahead_is_of_makers(run):
    assert run.stat("queue_ahead_mean") == 2
    assert run.stat("queue_ahead_p50") == 1


def test_effective_spread_is_twice_the_distance_from_the_mid(run):
    assert run.stat("taker_effective_spread_bps") == near(200)  # 2 * 1 / 100
    # Sold 204: 2 * 2 / 100 = 400 bps; bought 50: 2 * 1 / 101; the last has no mid.
    expected = (400 * 204 + 2e4 / 101 * 50) / 254
    assert run.stat("maker_effective_spread_bps") == near(expected)


def test_realised_spread_is_what_is_left_later(run):
    # Only the sale has a mid 1 s later: 2 * (102 - 100.98) / 100 = 204 bps of 400.
    assert run.stat("maker_realized_spread_1s_bps") == near(204)
    assert math.isnan(run.stat("maker_realized_spread_10s_bps"))


def test_markouts_are_from_the_price_in_favour_of_the_side(run):
    # Bought at 101: 102.01 is +100 bps (303), 99.99 is -100 bps (101). Sold at 102:
    # 100.98 is +100 bps (204).
    assert run.stat("markout_buy_1s_bps") == near((100 * 303 - 100 * 101) / 404)
    assert run.stat("markout_sell_1s_bps") == near(100)
    assert run.stat("markout_1s_bps") == near((100 * 303 - 100 * 101 + 100 * 204) / 608)


def test_markouts_past_the_data_are_not_defined(run):
    for name in ("100ms", "10s", "60s"):
        for side in ("", "buy_", "sell_"):
            assert math.isnan(run.stat(f"markout_{side}{name}_bps"))


def test_slippage_is_against_the_mid_at_creation(run):
    # Cost of 100 bps on 404 and of -200 bps on 204; 1 * 4 - 2 * 2 = 0 in money.
    assert run.stat("arrival_slippage_bps") == near((100 * 404 - 200 * 204) / 608)
    assert run.stat("arrival_slippage") == near(0)


def test_edge_is_what_fills_are_better_than_the_mid(run):
    # -3, -1, +4, +.5 over four fills with a mid, their notional 303 + 101 + 204 + 50.
    assert run.stat("edge_per_fill") == near(0.5 / 4)
    assert run.stat("edge_bps") == near(0.5 / 658 * 1e4)
    assert run.stat("n_fills_without_mid") == 1


def test_nothing_is_defined_of_a_run_without_orders():
    run = make()
    counts = ("n_", "rejects")
    for key, value in run.to_dict()["stats"]["Execution"].items():
        if key.startswith(counts):
            assert value in (0, {}), key
        else:
            assert value is None, key


def test_every_horizon_has_its_statistics(run):
    for name in HORIZON_NAMES:
        assert f"Markout {name} of sells [bps]" in run.stats.index
