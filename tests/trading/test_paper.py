"""Golden values, worked out by hand, of every rule by which the paper exchange fills."""

import numpy as np
import pytest

ACCEPTED, PARTLY, FILLED = ("ACCEPTED", "NONE"), ("PARTIALLY_FILLED", "NONE"), ("FILLED", "NONE")
NO_LIQUIDITY = ("CANCELED", "NO_LIQUIDITY")


def test_market_buy_fills_at_the_ask_and_pays_the_taker_fee(desk, words):
    reports = desk.market(1, words.buy, 0.5)
    assert desk.outline(reports) == [ACCEPTED, FILLED]
    fill = reports[1]
    assert (fill["last_price"], fill["last_quantity"], fill["average_price"]) == (100.1, 0.5, 100.1)
    assert fill["fee"] == 100.1 * 0.5 * 0.0005
    assert np.isnan(fill["price"])
    assert desk.quantity() == 0.5


def test_market_sell_fills_at_the_bid(desk, words):
    fill = desk.market(1, words.sell, 0.5)[1]
    assert (fill["last_price"], desk.quantity()) == (100.0, -0.5)


def test_limit_through_the_touch_fills_at_the_touch_and_not_at_its_limit(desk, words):
    reports = desk.limit(1, words.buy, 1.0, 105.0)
    assert desk.outline(reports) == [ACCEPTED, FILLED]
    assert reports[1]["last_price"] == 100.1
    assert reports[1]["price"] == 105.0


def test_market_order_beyond_the_visible_size_is_filled_in_part_and_cancelled(desk, words):
    reports = desk.market(1, words.buy, 12.0)
    assert desk.outline(reports) == [ACCEPTED, PARTLY, NO_LIQUIDITY]
    assert reports[1]["last_quantity"] == 10.0
    assert reports[2]["filled_quantity"] == 10.0
    assert desk.position()["open_buy_lots"] == 0


def test_limit_order_beyond_the_visible_size_rests_with_what_is_left(desk, words):
    reports = desk.limit(1, words.buy, 12.0, 100.1)
    assert desk.outline(reports) == [ACCEPTED, PARTLY]
    assert desk.position()["open_buy_lots"] == 2000
    assert desk.core.markets[0]["n_resting"] == 1


def test_size_taken_is_gone_until_the_next_quote(desk, words):
    desk.market(1, words.buy, 7.0)
    assert desk.market(2, words.buy, 7.0)[1]["last_quantity"] == 3.0
    assert desk.outline(desk.market(3, words.buy, 7.0)) == [ACCEPTED, NO_LIQUIDITY]
    desk.quote(100.0, 100.1)
    assert desk.market(4, words.buy, 7.0)[1]["last_quantity"] == 7.0


def test_taker_walks_the_book_level_by_level(desk, words):
    asks = [(100.1, 1.0), (100.2, 2.0), (100.4, 3.0), (100.5, 4.0), (100.9, 5.0)]
    desk.book([(100.0, 1.0)], asks)
    reports = desk.market(1, words.buy, 4.5)
    assert desk.outline(reports) == [ACCEPTED, PARTLY, PARTLY, FILLED]
    assert [(r["last_price"], r["last_quantity"]) for r in reports[1:]] == [
        (100.1, 1.0),
        (100.2, 2.0),
        (100.4, 1.5),
    ]
    assert reports[3]["average_price"] == pytest.approx((100.1 + 200.4 + 150.6) / 4.5, abs=1e-12)
    # 1.5 of the third level are left, and so are the two behind it.
    assert [r["last_quantity"] for r in desk.market(2, words.buy, 20.0)[1:4]] == [1.5, 4.0, 5.0]


def test_taker_walks_no_further_than_its_limit(desk, words):
    desk.book([(100.0, 1.0)], [(100.1, 1.0), (100.2, 1.0), (100.3, 1.0)])
    reports = desk.limit(1, words.buy, 3.0, 100.2, words.ioc)
    assert desk.outline(reports) == [ACCEPTED, PARTLY, PARTLY, NO_LIQUIDITY]
    assert desk.quantity() == 2.0


def test_quote_after_the_book_hides_the_levels_that_are_not_worse(desk, words):
    desk.book([(100.0, 1.0)], [(100.1, 1.0), (100.2, 1.0), (100.3, 1.0)])
    desk.quote(100.0, 100.2, ask_size=0.5)
    prices = [r["last_price"] for r in desk.market(1, words.buy, 9.0)[1:3]]
    assert prices == [100.2, 100.3]
    assert desk.quantity() == 1.5


def test_levels_of_a_book_older_than_a_second_do_not_count(desk, words):
    desk.book([(100.0, 1.0)], [(100.1, 1.0), (100.2, 1.0)])
    desk.now += words.second
    assert desk.market(1, words.buy, 1.5)[-1]["filled_quantity"] == 1.5
    desk.book([(100.0, 1.0)], [(100.1, 1.0), (100.2, 1.0)])
    desk.now += words.second + 1
    assert desk.market(2, words.buy, 1.5)[-1]["filled_quantity"] == 1.0


def test_ticker_touch_has_no_size_and_fills_whole(make_desk, words):
    desk = make_desk()
    desk.ticker(100.0, 99.9, 100.2)
    assert desk.market(1, words.buy, 5000.0)[1]["last_price"] == 100.2


def test_ticker_never_moves_a_touch_that_quotes_have_set(desk, words):
    desk.ticker(200.0, 199.9, 200.1)
    assert desk.market(1, words.buy, 1.0)[1]["last_price"] == 100.1
    assert desk.core.markets[0]["last_price"] == 200.0


def test_unlimited_depth_fills_whole_at_the_touch(make_desk, words):
    desk = make_desk(unlimited_depth=True)
    desk.quote(100.0, 100.1, ask_size=0.001)
    assert desk.outline(desk.market(1, words.buy, 12.0)) == [ACCEPTED, FILLED]


def test_ioc_without_a_fill_is_cancelled(desk, words):
    reports = desk.limit(1, words.buy, 1.0, 100.0, words.ioc)
    assert desk.outline(reports) == [ACCEPTED, NO_LIQUIDITY]


def test_fok_fills_whole(desk, words):
    assert desk.outline(desk.limit(1, words.buy, 10.0, 100.1, words.fok)) == [ACCEPTED, FILLED]


def test_fok_one_lot_too_large_fills_nothing(desk, words):
    reports = desk.limit(1, words.buy, 10.001, 100.1, words.fok)
    assert desk.outline(reports) == [ACCEPTED, NO_LIQUIDITY]
    assert desk.quantity() == 0.0


def test_post_only_that_would_take_is_rejected(desk, words):
    reports = desk.limit(1, words.buy, 1.0, 100.1, words.gtx)
    assert desk.outline(reports) == [("REJECTED", "POST_ONLY_WOULD_TAKE")]
    assert desk.position()["open_buy_lots"] == 0


def test_post_only_inside_the_spread_rests(desk, words):
    desk.quote(100.0, 100.2)
    assert desk.outline(desk.limit(1, words.buy, 1.0, 100.1, words.gtx)) == [ACCEPTED]


def test_market_order_without_an_opposite_side_is_rejected(desk, words):
    desk.trade(100.0)
    desk.quote(100.0, np.nan, ask_size=np.nan)
    assert desk.outline(desk.market(1, words.buy, 1.0)) == [("REJECTED", "NO_LIQUIDITY")]


@pytest.mark.parametrize(
    ("ask", "fills"), [(99.6, False), (99.5, True), (99.4, True)], ids=["above", "at", "through"]
)
def test_resting_buy_fills_when_the_ask_comes_to_its_price(desk, words, ask, fills):
    desk.limit(1, words.buy, 2.0, 99.5)
    assert desk.quote(99.0, ask, ask_size=0.001) == int(fills)
    if fills:
        fill = desk.reports[-1]["report"]
        assert (fill["last_price"], fill["last_quantity"]) == (99.5, 2.0)
        assert fill["fee"] == 99.5 * 2.0 * 0.0002
    assert desk.quantity() == (2.0 if fills else 0.0)


@pytest.mark.parametrize(
    ("bid", "fills"), [(100.4, False), (100.5, True), (100.6, True)], ids=["below", "at", "through"]
)
def test_resting_sell_fills_when_the_bid_comes_to_its_price(desk, words, bid, fills):
    desk.limit(1, words.sell, 2.0, 100.5)
    desk.quote(bid, 101.0)
    assert desk.quantity() == (-2.0 if fills else 0.0)


@pytest.mark.parametrize(("price", "fills"), [(99.6, False), (99.5, False), (99.4, True)])
def test_resting_buy_fills_on_a_print_strictly_through_its_price(desk, words, price, fills):
    desk.limit(1, words.buy, 2.0, 99.5)
    assert desk.trade(price) == int(fills)
    assert desk.quantity() == (2.0 if fills else 0.0)


@pytest.mark.parametrize(("price", "fills"), [(100.4, False), (100.5, False), (100.6, True)])
def test_resting_sell_fills_on_a_print_strictly_through_its_price(desk, words, price, fills):
    desk.limit(1, words.sell, 2.0, 100.5)
    assert desk.trade(price) == int(fills)


def test_prices_with_binary_noise_count_as_equal(desk, words):
    desk.quote(0.1, 1.0)
    desk.limit(1, words.buy, 1.0, 0.3)
    assert desk.trade(0.1 + 0.2) == 0  # 0.30000000000000004, at its price
    assert desk.quote(0.1, 0.1 + 0.2) == 1
    assert desk.reports[-1]["report"]["last_price"] == 0.3


def test_two_orders_crossed_by_one_quote_fill_in_order_of_time(desk, words):
    desk.limit(1, words.buy, 1.0, 99.0)
    desk.limit(2, words.buy, 1.0, 99.5)
    assert desk.quote(98.0, 98.5) == 2
    assert [row["report"]["order_id"] for row in desk.reports[-2:]] == [1, 2]
    assert [row["report"]["last_price"] for row in desk.reports[-2:]] == [99.0, 99.5]


def test_cancelled_order_does_not_fill(desk, words):
    desk.limit(1, words.buy, 1.0, 99.0)
    assert desk.outline(desk.cancel(1)) == [("CANCELED", "NONE")]
    assert desk.quote(98.0, 98.5) == 0
    assert desk.position()["open_buy_lots"] == 0


def test_bounds_narrow_to_what_still_rests(desk, words):
    desk.limit(1, words.buy, 1.0, 99.5)
    desk.limit(2, words.buy, 1.0, 99.0)
    desk.cancel(1)
    assert desk.quote(99.0, 99.3) == 0
    assert desk.core.markets[0]["buy_bound"] == pytest.approx(99.0, abs=1e-6)
    desk.cancel(2)
    assert desk.core.markets[0]["buy_bound"] == -np.inf


def test_order_of_another_instrument_does_not_fill(desk, words):
    desk.quote(2000.0, 2000.01, instrument=1)
    desk.limit(1, words.buy, 1.0, 99.0)
    assert desk.quote(50.0, 50.01, instrument=1) == 0


def test_swap_fee_counts_the_contract_value(desk, words):
    desk.quote(2000.0, 2000.5, instrument=1)
    fill = desk.market(1, words.buy, 3.0, instrument=1)[1]
    assert fill["fee"] == pytest.approx(2000.5 * 3 * 0.1 * 0.0005, abs=1e-12)


def test_modify_of_price_and_quantity_keeps_what_filled(desk, words):
    desk.limit(1, words.buy, 12.0, 100.1)  # 10 filled, 2 rest
    (report,) = desk.modify(1, 15.0, 99.0)
    assert desk.outline([report]) == [PARTLY]
    assert (report["price"], report["quantity"], report["filled_quantity"]) == (99.0, 15.0, 10.0)
    assert desk.position()["open_buy_lots"] == 5000
    desk.quote(98.0, 98.9)
    assert desk.quantity() == 15.0


def test_modify_to_a_marketable_price_takes(desk, words):
    desk.limit(1, words.buy, 1.0, 99.0)
    reports = desk.modify(1, 1.0, 100.1)
    assert desk.outline(reports) == [ACCEPTED, FILLED]
    assert reports[1]["fee"] == 100.1 * 0.0005
    assert desk.core.markets[0]["n_resting"] == 0


def test_modify_of_a_post_only_order_that_would_take_is_refused_and_changes_nothing(desk, words):
    desk.limit(1, words.buy, 1.0, 99.0, words.gtx)
    (report,) = desk.modify(1, 3.0, 100.1)
    assert desk.outline([report]) == [("ACCEPTED", "POST_ONLY_WOULD_TAKE")]
    assert (report["price"], report["quantity"]) == (99.0, 1.0)
    assert desk.position()["open_buy_lots"] == 1000
    assert desk.quote(98.0, 98.9) == 1


def test_modified_order_goes_to_the_end_of_the_queue(desk, words):
    desk.limit(1, words.buy, 1.0, 99.0)
    desk.limit(2, words.buy, 1.0, 99.0)
    desk.modify(1, 2.0, 99.0)
    desk.quote(98.0, 98.5)
    assert [row["report"]["order_id"] for row in desk.reports[-2:]] == [2, 1]


def test_reduce_only_order_never_turns_the_position(desk, words):
    desk.market(1, words.buy, 5.0)
    desk.limit(2, words.sell, 5.0, 101.0, options=words.reduce_only)
    desk.market(3, words.sell, 3.0)
    desk.quote(101.0, 101.1)
    assert desk.outline([row["report"] for row in desk.reports[-2:]]) == [
        PARTLY,
        ("CANCELED", "REDUCE_ONLY"),
    ]
    assert desk.quantity() == 0.0


def test_reduce_only_order_without_a_position_left_is_cancelled_when_it_would_fill(desk, words):
    desk.market(1, words.buy, 5.0)
    desk.limit(2, words.sell, 5.0, 101.0, options=words.reduce_only)
    desk.market(3, words.sell, 5.0)
    desk.quote(101.0, 101.1)
    assert desk.outline([desk.reports[-1]["report"]]) == [("CANCELED", "REDUCE_ONLY")]


def test_reduce_only_order_of_a_position_that_has_turned_is_cancelled(desk, words):
    desk.market(1, words.buy, 5.0)
    desk.limit(2, words.sell, 5.0, 101.0, options=words.reduce_only)
    desk.market(3, words.sell, 8.0)
    desk.quote(101.0, 101.1)
    assert desk.outline([desk.reports[-1]["report"]]) == [("CANCELED", "REDUCE_ONLY")]
    assert desk.quantity() == -3.0


def test_own_orders_do_not_trade_with_each_other(desk, words):
    desk.quote(100.0, 101.0)
    desk.limit(1, words.buy, 1.0, 100.6)
    assert desk.outline(desk.limit(2, words.sell, 1.0, 100.4, strategy=1)) == [ACCEPTED]
    assert desk.core.markets[0]["n_resting"] == 2


def test_empty_sides_fill_nothing(desk, words):
    desk.limit(1, words.buy, 1.0, 99.0)
    desk.limit(2, words.sell, 1.0, 101.0)
    assert desk.quote(np.nan, np.nan, np.nan, np.nan) == 0
    assert desk.trade(np.nan) == 0
