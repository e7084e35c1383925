"""The place in the queue, by hand: what a print, a quote and a book do to it under every model."""

import math

import numpy as np
import pytest
from desk import Desk
from numba import njit

from livekit.trading.queue_model import QueueModel

BUYS, SELLS = 0, 1  # side of who took, in a print
BIDS = [(100.0, 3.0), (99.9, 4.0), (99.8, 5.0)]
ASKS = [(100.1, 3.0), (100.2, 4.0), (100.4, 5.0)]


def resting(queue="risk_averse", side=0, price=100.0, quantity=1.0, **options):
    """Return a desk of 3.0 at 100.0 and 100.1, with one order at rest."""
    desk = Desk(queue=queue, **options)
    desk.quote(100.0, 100.1, 3.0, 3.0)
    desk.limit(1, side, quantity, price)
    return desk


def front(desk, row=1):
    """Return what is ahead of an order now."""
    return pytest.approx(float(desk.core.orders[row]["queue_front"]), abs=1e-12)


def test_new_order_stands_behind_all_its_level_shows():
    desk = resting()
    assert front(desk) == 3.0
    assert desk.reports[-1]["queue_ahead"] == 3.0


def test_print_takes_what_is_ahead_first_and_then_the_order():
    desk = resting()
    assert desk.trade(100.0, 2.9, side=SELLS) == 0
    assert front(desk) == 0.1
    assert desk.trade(100.0, 0.3, side=SELLS) == 1
    fill = desk.reports[-1]
    assert fill["report"]["last_quantity"] == 0.2
    assert fill["report"]["last_price"] == 100.0
    assert (fill["liquidity"], fill["bid"], fill["ask"], fill["queue_ahead"]) == (
        1,
        100.0,
        100.1,
        3,
    )
    assert desk.trade(100.0, 0.5, side=SELLS) == 1
    assert desk.quantity() == 0.7
    assert desk.trade(100.0, 0.5, side=SELLS) == 1
    assert desk.quantity() == 1.0
    assert desk.core.markets[0]["n_resting"] == 0


def test_print_that_takes_exactly_what_is_ahead_leaves_the_order_first():
    desk = resting()
    assert desk.trade(100.0, 3.0, side=SELLS) == 0
    assert desk.trade(100.0, 0.001, side=SELLS) == 1
    assert desk.quantity() == 0.001


def test_print_of_the_same_side_moves_nothing():
    desk = resting()
    desk.trade(100.0, 50.0, side=BUYS)
    assert front(desk) == 3.0


def test_sell_is_filled_by_buyers():
    desk = resting(side=1, price=100.1)
    assert desk.trade(100.1, 3.4, side=SELLS) == 0
    assert desk.trade(100.1, 3.4, side=BUYS) == 1
    assert desk.quantity() == -0.4


def test_print_through_the_price_fills_whole_whatever_its_size():
    desk = resting()
    assert desk.trade(99.9, 0.001, side=SELLS) == 1
    assert desk.quantity() == 1.0


def test_without_partial_fills_a_lot_that_reaches_the_order_fills_it_whole():
    desk = resting(partial_fills=False)
    assert desk.trade(100.0, 3.0, side=SELLS) == 0
    assert desk.trade(100.0, 0.001, side=SELLS) == 1
    assert desk.quantity() == 1.0


def test_without_partial_fills_a_taker_fills_whole_at_the_touch(words):
    desk = Desk(partial_fills=False)
    desk.quote(100.0, 100.1, 3.0, 3.0)
    reports = desk.market(1, words.buy, 50.0)
    assert [(r["last_price"], r["last_quantity"]) for r in reports[1:]] == [(100.1, 50.0)]


def test_own_orders_at_one_price_share_a_print_oldest_first():
    desk = resting(quantity=0.2)
    desk.limit(2, 0, 0.5, 100.0)
    assert desk.trade(100.0, 3.3, side=SELLS) == 2
    fills = [row["report"] for row in desk.reports[-2:]]
    assert [(r["order_id"], r["last_quantity"]) for r in fills] == [(1, 0.2), (2, 0.1)]
    assert desk.trade(100.0, 0.1, side=SELLS) == 1
    assert desk.quantity() == pytest.approx(0.4, abs=1e-12)


def test_shrinking_level_caps_what_is_ahead_and_a_growing_one_does_not_add_to_it():
    desk = resting()
    desk.quote(100.0, 100.1, 2.0, 3.0)
    assert front(desk) == 2.0
    desk.quote(100.0, 100.1, 9.0, 3.0)
    assert front(desk) == 2.0


def test_level_that_quotes_no_longer_show_keeps_its_queue():
    desk = resting()
    desk.quote(100.1, 100.3, 7.0, 7.0)  # the touch went up and away
    assert front(desk) == 3.0
    desk.quote(100.0, 100.3, 2.5, 7.0)  # and came back with less
    assert front(desk) == 2.5


def test_level_that_quotes_no_longer_show_is_empty_where_the_model_says_so():
    desk = resting(QueueModel(hidden="empty"))
    desk.quote(100.1, 100.3, 7.0, 7.0)
    assert front(desk) == 0.0
    desk.quote(100.0, 100.3, 2.5, 7.0)
    assert front(desk) == 0.0


def test_order_that_the_touch_has_left_alone_is_first():
    desk = resting()
    desk.quote(99.9, 100.1, 7.0, 3.0)
    assert front(desk) == 0.0


def test_order_inside_the_spread_has_nobody_ahead(words):
    desk = Desk()
    desk.quote(100.0, 100.3, 3.0, 3.0)
    desk.limit(1, words.buy, 1.0, 100.1)
    assert (front(desk), desk.reports[-1]["queue_ahead"]) == (0.0, 0.0)


def test_order_where_nothing_is_shown_waits_for_its_level_to_be_shown(words):
    desk = resting(price=99.5)
    assert np.isnan(desk.reports[-1]["queue_ahead"])
    assert desk.trade(99.5, 1000.0, side=SELLS) == 0
    desk.quote(99.5, 99.7, 6.0, 1.0)
    assert front(desk) == 6.0
    assert desk.trade(99.5, 6.5, side=SELLS) == 1
    assert desk.quantity() == 0.5


def test_book_shows_the_queue_at_its_levels(words):
    desk = Desk()
    desk.book(BIDS, ASKS)
    for order_id, price, ahead in ((1, 99.9, 4.0), (2, 99.8, 5.0)):
        desk.limit(order_id, words.buy, 1.0, price)
        assert desk.reports[-1]["queue_ahead"] == ahead
    desk.limit(3, words.sell, 1.0, 100.3)  # between two levels
    assert desk.reports[-1]["queue_ahead"] == 0.0
    desk.book([(100.0, 3.0), (99.9, 1.5), (99.7, 9.0)], ASKS)
    assert front(desk, 1) == 1.5
    assert front(desk, 2) == 0.0  # its level is gone
    desk.book([(100.3, 3.0), (100.2, 3.0)], [(100.4, 1.0)])  # the third is filled
    assert front(desk, 1) == 1.5  # beyond what is shown
    assert desk.quantity() == -1.0


def test_power_model_places_cancellations_by_the_odds():
    desk = resting("power_prob")
    desk.quote(100.0, 100.1, 5.0, 3.0)  # 2 more behind
    assert front(desk) == 3.0
    desk.quote(100.0, 100.1, 4.0, 3.0)  # 1 cancelled; 3 ahead, 2 behind
    chance = 4 / (4 + 9)
    assert front(desk) == 3 - (1 - chance) * 1
    desk.trade(100.0, 0.5, side=SELLS)
    ahead = 3 - (1 - chance) - 0.5
    assert front(desk) == ahead
    desk.quote(100.0, 100.1, 3.5, 3.0)  # the print's half, nothing cancelled
    assert front(desk) == ahead


def test_exponent_of_the_power_model_counts():
    desk = resting(("power_prob", 3))
    desk.quote(100.0, 100.1, 5.0, 3.0)
    desk.quote(100.0, 100.1, 4.0, 3.0)
    assert front(desk) == 3 - (1 - 8 / (8 + 27))


def test_log_model_places_cancellations_by_logarithms():
    desk = resting("log_prob")
    desk.quote(100.0, 100.1, 5.0, 3.0)
    desk.quote(100.0, 100.1, 4.0, 3.0)
    chance = math.log(3) / (math.log(3) + math.log(4))
    assert front(desk) == 3 - (1 - chance)


def test_more_cancelled_than_was_behind_came_from_ahead():
    desk = resting("power_prob")
    desk.quote(100.0, 100.1, 3.5, 3.0)
    desk.quote(100.0, 100.1, 0.5, 3.0)  # 3 cancelled; 3 ahead, 0.5 behind
    chance = 0.25 / (0.25 + 9)
    assert front(desk) == min(3 - (1 - chance) * 3 + min(0.5 - chance * 3, 0.0), 0.5)


def test_function_of_the_users_own_places_cancellations():
    @njit
    def always_behind(front, back):
        return 1.0

    desk = resting(always_behind)
    desk.quote(100.0, 100.1, 5.0, 3.0)
    desk.quote(100.0, 100.1, 4.0, 3.0)
    assert front(desk) == 3.0


def test_front_model_fills_by_any_print_at_the_price():
    desk = resting("front")
    assert desk.trade(100.0, 0.3, side=SELLS) == 1
    assert desk.quantity() == 0.3


@pytest.mark.parametrize(("name", "fills"), [("crossed", 1), ("touch", 0)])
def test_models_without_a_queue_fill_nothing_at_the_price(name, fills):
    desk = resting(name)
    assert desk.trade(100.0, 50.0, side=SELLS) == 0
    assert desk.trade(99.9, 0.1, side=SELLS) == fills
    assert desk.quote(99.9, 100.0) == 1 - fills


def test_smaller_quantity_at_the_same_price_keeps_the_place():
    desk = resting()
    desk.trade(100.0, 1.0, side=SELLS)
    desk.modify(1, 0.5, 100.0)
    assert front(desk) == 2.0
    desk.trade(100.0, 9.0, side=SELLS)
    assert desk.quantity() == 0.5


@pytest.mark.parametrize(("quantity", "price", "ahead"), [(1.5, 100.0, 3.0), (1.0, 99.9, np.nan)])
def test_larger_quantity_or_another_price_goes_to_the_back(quantity, price, ahead):
    desk = resting()
    desk.trade(100.0, 1.0, side=SELLS)
    desk.modify(1, quantity, price)
    np.testing.assert_equal(float(desk.reports[-1]["queue_ahead"]), ahead)
    assert front(desk) == (3.0 if price == 100.0 else np.inf)


def test_ticker_touch_has_no_size_and_its_queue_never_ends(words):
    desk = Desk()
    desk.ticker(100.0, 99.9, 100.2)
    desk.limit(1, words.buy, 1.0, 99.9)
    assert desk.trade(99.9, 1e9, side=SELLS) == 0
    desk.ticker(99.9, 99.8, 99.9)
    assert desk.quantity() == 1.0


def test_sizes_that_are_not_numbers_change_nothing():
    desk = resting()
    desk.quote(100.0, 100.1, np.nan, np.nan)
    assert front(desk) == 3.0
    assert desk.trade(100.0, np.nan, side=SELLS) == 0
