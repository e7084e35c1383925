"""Limits at one below, at and one above; rate, age and leverage; and the reasons in words."""

import math

import numpy as np
import pytest

from livekit.errors import ConfigError
from livekit.events import Reject
from livekit.trading.limits import Fees, RiskLimits
from livekit.trading.risk import check_order, gross_exposure


def _code(reports):
    return Reject(int(reports[0]["reject"])).name


def _desk(make_desk, words, **limits):
    """Make a desk with a reference price of exactly 100."""
    desk = make_desk(limits=words.unlimited(**limits))
    desk.quote(99.0, 101.0, 1000.0, 1000.0)
    return desk


@pytest.mark.parametrize(
    ("quantity", "code"), [(1.999, "NONE"), (2.0, "NONE"), (2.001, "MAX_QUANTITY")]
)
def test_order_quantity_limit(make_desk, words, quantity, code):
    desk = _desk(make_desk, words, max_order_quantity=2.0)
    assert _code(desk.limit(1, words.buy, quantity, 100.0)) == code


@pytest.mark.parametrize(
    ("quantity", "code"), [(1.999, "NONE"), (2.0, "NONE"), (2.001, "MAX_NOTIONAL")]
)
def test_order_notional_limit_of_a_limit_order(make_desk, words, quantity, code):
    desk = _desk(make_desk, words, max_order_notional=220.0)
    assert _code(desk.limit(1, words.buy, quantity, 110.0)) == code


@pytest.mark.parametrize(
    ("quantity", "code"), [(1.999, "NONE"), (2.0, "NONE"), (2.001, "MAX_NOTIONAL")]
)
def test_order_notional_of_a_cheap_sell_counts_at_the_reference(make_desk, words, quantity, code):
    desk = _desk(make_desk, words, max_order_notional=200.0)
    assert _code(desk.limit(1, words.sell, quantity, 1.0)) == code


def test_order_notional_of_a_market_buy_counts_at_the_ask(make_desk, words):
    desk = _desk(make_desk, words, max_order_notional=202.0)
    assert _code(desk.market(1, words.buy, 2.001)) == "MAX_NOTIONAL"
    assert _code(desk.market(2, words.buy, 2.0)) == "NONE"


def test_order_notional_counts_the_contract_value(make_desk, words):
    desk = _desk(make_desk, words, max_order_notional=1000.0)
    desk.quote(99.0, 101.0, 1000, 1000, instrument=1)
    assert _code(desk.limit(1, words.buy, 100.0, 100.0, instrument=1)) == "NONE"
    assert _code(desk.limit(2, words.buy, 101.0, 100.0, instrument=1)) == "MAX_NOTIONAL"


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("quantity", "code"), [(1.999, "NONE"), (2.0, "NONE"), (2.001, "MAX_POSITION")]
)
def test_position_limit_counts_position_open_orders_and_this_one(
    make_desk, words, side, quantity, code
):
    desk = _desk(make_desk, words, max_position_notional=500.0)
    desk.market(1, side, 1.0)
    desk.limit(2, side, 2.0, 98.0 if side == words.buy else 102.0)
    assert _code(desk.limit(3, side, quantity, 98.0 if side == words.buy else 102.0)) == code


def test_position_limit_lets_a_position_grown_too_large_be_closed_but_not_turned(make_desk, words):
    desk = _desk(make_desk, words, max_position_notional=500.0)
    desk.market(1, words.buy, 5.0)
    desk.quote(199.0, 201.0, 1000, 1000)
    assert _code(desk.market(2, words.buy, 0.001)) == "MAX_POSITION"
    assert _code(desk.market(3, words.sell, 7.501)) == "MAX_POSITION"
    assert _code(desk.market(4, words.sell, 7.5)) == "NONE"  # 2.5 short at 200 is 500
    assert desk.quantity() == -2.5


def test_position_limit_is_of_one_strategy(make_desk, words):
    desk = _desk(make_desk, words, max_position_notional=500.0)
    assert _code(desk.market(1, words.buy, 5.0)) == "NONE"
    assert _code(desk.market(1, words.buy, 5.0, strategy=1)) == "NONE"


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("price", "code"),
    [
        (99.1, "NONE"),
        (99.0, "NONE"),
        (98.9, "PRICE_BAND"),
        (100.9, "NONE"),
        (101.0, "NONE"),
        (101.1, "PRICE_BAND"),
    ],
)
def test_price_band_holds_on_both_sides(make_desk, words, side, price, code):
    desk = _desk(make_desk, words, price_band_bps=100.0)
    assert _code(desk.limit(1, side, 1.0, price)) == code


def test_order_without_a_reference_price_is_refused(make_desk, words):
    desk = make_desk()
    assert _code(desk.limit(1, words.buy, 1.0, 100.0)) == "NO_REFERENCE_PRICE"
    desk.trade(100.0)
    assert _code(desk.limit(1, words.buy, 1.0, 100.0)) == "NONE"


def test_reference_is_the_last_price_where_a_side_is_missing(make_desk, words):
    desk = _desk(make_desk, words, price_band_bps=100.0)
    desk.trade(200.0)
    desk.quote(99.0, np.nan)
    assert _code(desk.limit(1, words.sell, 1.0, 201.0)) == "NONE"


@pytest.mark.parametrize(("age", "code"), [(0, "NONE"), (1, "NO_REFERENCE_PRICE")])
def test_stale_reference_price_is_none(make_desk, words, age, code):
    desk = _desk(make_desk, words, max_reference_age_s=5.0)
    desk.now += 5 * words.second + age
    assert _code(desk.limit(1, words.buy, 1.0, 100.0)) == code


def test_rate_takes_a_burst_and_then_its_interval(make_desk, words):
    desk = _desk(make_desk, words, orders_per_second=10.0, order_burst=3)
    assert [_code(desk.limit(k, words.buy, 1.0, 98.0)) for k in range(1, 5)] == [
        "NONE",
        "NONE",
        "NONE",
        "RATE_LIMIT",
    ]
    desk.now += words.second // 10 - 1
    assert _code(desk.limit(5, words.buy, 1.0, 98.0)) == "RATE_LIMIT"
    desk.now += 1
    assert _code(desk.modify(1, 2.0, 98.0)) == "NONE"
    assert _code(desk.modify(1, 1.0, 98.0)) == "RATE_LIMIT"
    assert desk.outline(desk.cancel(1)) == [("CANCELED", "NONE")]


def test_rate_is_spent_only_by_orders_that_pass(make_desk, words):
    desk = _desk(make_desk, words, orders_per_second=1.0, order_burst=1, price_band_bps=100.0)
    for order_id in range(1, 20):
        assert _code(desk.limit(order_id, words.buy, 1.0, 90.0)) == "PRICE_BAND"
    assert _code(desk.limit(20, words.buy, 1.0, 99.5)) == "NONE"


def test_rate_never_lets_more_than_burst_and_rate_through_any_window(make_desk, words):
    desk = _desk(make_desk, words, orders_per_second=100.0, order_burst=5)
    rng = np.random.default_rng(7)
    passed = []
    for order_id in range(1, 2001):
        desk.now += int(rng.exponential(4e6))
        if _code(desk.market(order_id, order_id % 2, 0.001)) == "NONE":
            passed.append(desk.now)
    times = np.array(passed)
    for span in (5, 6, 10, 50, 200):
        assert (times[span:] - times[:-span] >= (span - 4) * 10_000_000).all()
    assert len(passed) > 600


def test_open_orders_limit(make_desk, words):
    desk = _desk(make_desk, words, max_open_orders=2)
    assert [_code(desk.limit(k, words.buy, 1.0, 98.0)) for k in (1, 2, 3)] == [
        "NONE",
        "NONE",
        "TOO_MANY_ORDERS",
    ]
    assert _code(desk.modify(1, 2.0, 98.0)) == "NONE"
    desk.cancel(1)
    assert _code(desk.limit(4, words.buy, 1.0, 98.0)) == "NONE"


def test_leverage_counts_every_strategy_and_all_open_orders(make_desk, words):
    desk = make_desk(limits=words.unlimited(max_leverage=2.0), cash=1000.0, fees=Fees(0, 0))
    desk.quote(100.0, 100.0, 1000, 1000)
    assert _code(desk.market(1, words.buy, 10.0)) == "NONE"
    assert _code(desk.limit(1, words.sell, 10.001, 101.0, strategy=1)) == "INSUFFICIENT_BALANCE"
    assert _code(desk.limit(2, words.sell, 10.0, 101.0, strategy=1)) == "NONE"
    # Its other side is no worse than what is already counted.
    assert _code(desk.limit(3, words.buy, 10.0, 99.0, strategy=1)) == "NONE"
    assert _code(desk.limit(4, words.buy, 0.001, 99.0, strategy=1)) == "INSUFFICIENT_BALANCE"
    assert gross_exposure(desk.core.address) == 2000.0


def test_smaller_modification_passes_where_the_limit_is_exceeded(make_desk, words):
    desk = _desk(make_desk, words, max_position_notional=500.0)
    desk.limit(1, words.buy, 5.0, 99.0)
    desk.quote(199.0, 201.0)
    assert _code(desk.modify(1, 4.0, 99.0)) == "NONE"
    assert _code(desk.modify(1, 4.001, 99.0)) == "MAX_POSITION"


@pytest.mark.parametrize(("quantity", "code"), [(5.0, "NONE"), (5.001, "MAX_POSITION")])
def test_larger_modification_does_not_count_its_order_twice(make_desk, words, quantity, code):
    desk = _desk(make_desk, words, max_position_notional=500.0)
    desk.limit(1, words.sell, 3.0, 101.0)
    assert _code(desk.modify(1, quantity, 101.0)) == code


def test_limits_of_one_strategy_leave_the_others(make_desk, words):
    desk = _desk(make_desk, words)
    desk.core.risk.set_limits(words.unlimited(max_order_quantity=1.0), 1)
    assert _code(desk.limit(1, words.buy, 2.0, 100.0, strategy=1)) == "MAX_QUANTITY"
    assert _code(desk.limit(1, words.buy, 2.0, 100.0)) == "NONE"
    desk.core.risk.set_limits(words.unlimited(max_order_quantity=1.0))
    assert _code(desk.limit(2, words.buy, 2.0, 100.0)) == "MAX_QUANTITY"


def test_position_beyond_what_lots_can_count_is_refused(desk):
    position = desk.core.positions[0, 0]
    position["lots"] = (1 << 60) - 5
    desk.core.positions[0, 0] = position
    address = desk.core.address
    assert check_order(address, 0, 0, 0, 100.0, 6, -1, 0, desk.now) == Reject.MAX_POSITION
    assert check_order(address, 0, 0, 0, 100.0, 5, -1, 0, desk.now) == Reject.NONE


@pytest.mark.parametrize(
    "limits",
    [
        RiskLimits(),
        RiskLimits(max_reference_age_s=math.inf, orders_per_second=50.0, order_burst=7),
        RiskLimits(max_order_quantity=3.5, max_leverage=2.0, price_band_bps=math.inf),
    ],
)
def test_limits_survive_the_way_into_memory_and_back(make_desk, limits):
    desk = make_desk(limits=limits)
    assert desk.core.risk.limits(0) == limits


@pytest.mark.parametrize(
    "values",
    [
        {"max_order_notional": 0.0},
        {"price_band_bps": -1.0},
        {"max_leverage": math.nan},
        {"max_open_orders": 1.5},
        {"order_burst": math.inf},
        {"orders_per_second": "fast"},
        {"max_order_quantity": True},
    ],
)
def test_limit_that_is_no_positive_number_is_refused_by_name(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        RiskLimits(**values)


@pytest.mark.parametrize("rate", [0.2, -0.2, math.nan, "free"])
def test_fee_that_no_exchange_charges_is_refused(rate):
    with pytest.raises(ConfigError, match="taker fee"):
        Fees(taker=rate)


def test_price_band_is_explained_in_plain_numbers(make_desk, words):
    desk = make_desk(limits=words.unlimited(price_band_bps=100.0))
    desk.quote(64209.9, 64210.1)
    (report,) = desk.limit(1, words.buy, 0.01, 64990.0)
    assert desk.core.risk.explain(0, report, desk.now) == (
        "PRICE_BAND: side=buy px=64990.0 reference=64210.0 deviation_bps=121.5 limit_bps=100.0"
    )


@pytest.mark.parametrize("code", list(Reject))
def test_every_code_can_be_explained(desk, words, code):
    (report,) = desk.limit(1, words.sell, 1.0, 101.0)
    report = report.copy()
    report["reject"] = code
    text = desk.core.risk.explain(0, report, desk.now)
    assert text.startswith(f"{code.name}: side=sell ")
    report["instrument"] = 99
    assert "instrument=99" in desk.core.risk.explain(0, report, desk.now)
