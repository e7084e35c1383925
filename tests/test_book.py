"""The order book against a dictionary."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.book import CAPACITY, OrderBook, level_price, level_size, write_book, write_quote
from livekit.events import BOOK, QUOTE, Side
from livekit.ring.layout import aligned_zeros

LEVELS = st.lists(
    st.tuples(
        st.sampled_from(list(Side)),
        st.integers(1, 60).map(lambda tick: tick / 10),
        st.integers(0, 5).map(float),
    ),
    max_size=120,
)


def fill(changes):
    book, model = OrderBook(), {Side.BUY: {}, Side.SELL: {}}
    n_absent = 0
    for side, price, size in changes:
        book.apply(side, np.array([[price, size]]))
        if size:
            model[side][price] = size
        elif model[side].pop(price, None) is None:
            n_absent += 1
    return book, model, n_absent


def best_first(model, side):
    return sorted(model[side].items(), reverse=side is Side.BUY)


@given(LEVELS)
def test_book_holds_what_a_dictionary_holds(changes):
    book, model, n_absent = fill(changes)
    for side in Side:
        assert book.levels(side).tolist() == [list(level) for level in best_first(model, side)]
    assert book.n_absent == n_absent


@given(LEVELS)
def test_events_show_the_best_levels_and_whether_they_changed(changes):
    book, model, _ = fill(changes)
    quote, whole = aligned_zeros(QUOTE.itemsize), aligned_zeros(BOOK.itemsize)
    bids, asks = best_first(model, Side.BUY), best_first(model, Side.SELL)
    assert write_quote(book.address, quote.ctypes.data) == bool(bids or asks)
    assert write_book(book.address, whole.ctypes.data) == bool(bids or asks)
    row, touch = whole.view(BOOK)[0], quote.view(QUOTE)[0]
    for name, levels in (("bid", bids), ("ask", asks)):
        expected = [*levels[:5], *[(math.nan, 0.0)] * (5 - min(5, len(levels)))]
        np.testing.assert_array_equal(row[f"{name}_price"], [price for price, _ in expected])
        np.testing.assert_array_equal(row[f"{name}_size"], [size for _, size in expected])
        np.testing.assert_array_equal(touch[f"{name}_price"], expected[0][0])
        assert touch[f"{name}_size"] == expected[0][1]
    assert write_quote(book.address, quote.ctypes.data) == 0
    assert write_book(book.address, whole.ctypes.data) == 0


@given(LEVELS, st.lists(st.tuples(st.integers(1, 60), st.integers(0, 5)), max_size=40))
def test_levels_applied_at_once_equal_levels_applied_one_by_one(changes, rows):
    one, _, _ = fill(changes)
    many, _, _ = fill(changes)
    levels = np.array([[tick / 10, size] for tick, size in rows], np.float64).reshape(-1, 2)
    many.apply(Side.SELL, levels)
    for level in levels:
        one.apply(Side.SELL, level[None])
    assert one.levels(Side.SELL).tolist() == many.levels(Side.SELL).tolist()


def test_empty_side_has_no_price():
    book = OrderBook()
    book.apply(Side.BUY, np.array([[99.5, 2.0]]))
    assert math.isnan(level_price(book.address, Side.SELL, 0))
    assert level_size(book.address, Side.SELL, 0) == 0.0
    assert level_price(book.address, Side.BUY, 0) == 99.5
    assert math.isnan(level_price(book.address, Side.BUY, 1))


@pytest.mark.parametrize("side", list(Side))
def test_full_side_loses_its_worst_level_and_counts_it(side):
    book = OrderBook()
    prices = np.arange(1.0, CAPACITY + 1)
    book.apply(side, np.stack([prices, np.ones(CAPACITY)], axis=1))
    worst, best = (1.0, CAPACITY) if side is Side.BUY else (float(CAPACITY), 1)
    assert book.n_overflow == 0
    book.apply(side, np.array([[500.5, 7.0]]))
    held = book.levels(side)
    assert (len(held), book.n_overflow) == (CAPACITY, 1)
    assert worst not in held[:, 0]
    assert held[0, 0] == best
    outside = 0.5 if side is Side.BUY else CAPACITY + 0.5
    book.apply(side, np.array([[outside, 7.0]]))
    assert book.levels(side).tolist() == held.tolist()
    assert book.n_overflow == 2


def test_cleared_book_is_empty():
    book, _, _ = fill([(Side.BUY, 1.0, 1.0), (Side.SELL, 2.0, 1.0)])
    book.clear()
    assert [len(book.levels(side)) for side in Side] == [0, 0]
