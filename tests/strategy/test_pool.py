"""Objects are reused between batches, and never while somebody holds them."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import T0, Wires

from livekit.events import ANY_INSTRUMENT, Kind
from livekit.ring.layout import BROKEN
from livekit.strategy import pool as pool_module
from livekit.strategy.pool import BATCH, Pool, poll

KINDS = [Kind.TICKER, Kind.TRADE, Kind.BOOK, Kind.QUOTE]


class Bench:
    """A pool on private rings, and what a batch brings."""

    def __init__(self, reads_counts):
        self.wires = Wires()
        self.pool = Pool(
            self.wires.context, self.wires.table.symbols, KINDS, "spin", reads_counts=reads_counts
        )
        self.pool.words[2] = 1000  # spin a microsecond, so that an empty ring returns at once

    def quote(self, bid):
        self.wires.send(Kind.QUOTE, bid_price=bid, ts_event=T0)

    def take(self):
        """Return the batch's objects in order."""
        assert poll(self.pool.address) > 0
        listed = self.pool.words[Pool.LISTED]
        return [self.pool.flat[place] for place in self.pool.indices[:listed].tolist()]


@pytest.fixture(params=[True, False], ids=["compiled", "interpreter"])
def bench(request):
    if request.param and not pool_module._can_read_counts():
        pytest.skip("this interpreter keeps its counts elsewhere")
    return Bench(request.param)


def test_object_that_nobody_keeps_is_reused(bench):
    bench.quote(1.0)
    number = id(bench.take()[0])
    bench.pool.settle()
    bench.quote(2.0)
    (again,) = bench.take()
    assert (id(again), again.bid_price) == (number, 2.0)


def frame_of(event):
    """Hold an event in the frame of a generator."""
    yield event
    yield event.bid_price


KEEPERS = {
    "list": lambda event: [event],
    "dict": lambda event: {"last": event},
    "closure": lambda event: lambda: event,
    "bound method": lambda event: event.__repr__,
    "memoryview": memoryview,
    "array": lambda event: np.frombuffer(event, np.uint8),
}


@pytest.mark.parametrize("name", KEEPERS)
def test_kept_event_never_changes(bench, name):
    bench.quote(1.0)
    keep = [KEEPERS[name](event) for event in bench.take()]
    watched = bench.pool.flat[bench.pool.base(Kind.QUOTE)]
    before = bytes(watched)
    del watched
    bench.pool.settle()
    for bid in range(3):
        bench.quote(float(bid + 2))
        bench.take()
        bench.pool.settle()
    assert len(keep) == 1
    kept = {"list": lambda k: k[0], "dict": lambda k: k["last"], "closure": lambda k: k()}
    holder = kept.get(name, lambda k: k)(keep[0])
    data = before if name == "bound method" else bytes(holder)
    assert data == before
    if name == "bound method":
        assert "bid_price=1.0" in holder()


def test_event_held_by_a_generator_never_changes(bench):
    bench.quote(1.0)
    frame = frame_of(bench.take()[0])
    next(frame)
    bench.pool.settle()
    bench.quote(2.0)
    bench.take()
    assert next(frame) == 1.0


def test_levels_kept_without_their_book_never_change(bench):
    bench.wires.send(Kind.BOOK, bid_price=[5, 4, 3, 2, 1])
    levels = bench.take()[0].bid_price
    bench.pool.settle()
    bench.wires.send(Kind.BOOK, bid_price=[9, 9, 9, 9, 9])
    bench.take()
    assert list(levels) == [5.0, 4.0, 3.0, 2.0, 1.0]


def test_only_the_kept_object_is_replaced(bench):
    for bid in (1.0, 2.0, 3.0):
        bench.quote(bid)
    events = bench.take()
    numbers = [id(event) for event in events]
    kept = events[1]
    del events
    bench.pool.settle()
    base = bench.pool.base(Kind.QUOTE)
    assert id(bench.pool.flat[base]) == numbers[0]
    assert id(bench.pool.flat[base + 1]) != numbers[1]
    assert id(bench.pool.flat[base + 2]) == numbers[2]
    assert kept.bid_price == 2.0


def test_object_given_away_dies_with_its_last_holder(bench):
    bench.quote(1.0)
    events = bench.take()
    number = id(events[0])
    kept = events.pop()
    bench.pool.settle()
    assert id(kept) == number
    assert sys.getrefcount(kept) == 2  # the name and the call's argument
    del kept
    bench.quote(2.0)
    assert bench.take()[0].bid_price == 2.0


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=40), max_size=8))
def test_any_choice_of_kept_events_stays_what_it_was(batches):
    for reads_counts in (True, False):
        bench = Bench(reads_counts and pool_module._can_read_counts())
        kept, number = [], 0
        for batch in batches:
            for _ in batch:
                number += 1
                bench.quote(float(number))
            events = bench.take()
            for event, is_kept in zip(events, batch, strict=True):
                if is_kept:
                    kept.append((event, event.bid_price))
            event = events = None
            bench.pool.settle()
        assert all(event.bid_price == bid for event, bid in kept)
        assert len({id(event) for event, _ in kept}) == len(kept)


def test_batch_lists_events_in_order_with_times_and_words(bench):
    for number, kind in enumerate((Kind.QUOTE, Kind.TRADE, Kind.QUOTE, Kind.TICKER)):
        bench.wires.send(kind, number % 2, ts_event=T0 + number)
    events = bench.take()
    assert [event.kind for event in events] == [Kind.QUOTE, Kind.TRADE, Kind.QUOTE, Kind.TICKER]
    assert [event.symbol for event in events] == ["BTC-USDT", "ETH-USDT"] * 2
    assert list(bench.pool.times[:4]) == [T0, T0 + 1, T0 + 2, T0 + 3]
    words = [event.published if event.kind == Kind.TRADE else event.aux for event in events]
    assert list(bench.pool.published[:4]) == words
    assert bench.pool.words[Pool.KIND] == 0


def test_batch_of_one_kind_says_which(bench):
    for _ in range(3):
        bench.wires.send(Kind.TRADE)
    bench.take()
    assert bench.pool.words[Pool.KIND] == Kind.TRADE


def test_event_without_a_time_has_the_time_before_it(bench):
    bench.wires.send(Kind.QUOTE, ts_event=T0)
    bench.wires.send(Kind.QUOTE, ts_event=0)
    bench.take()
    assert list(bench.pool.times[:2]) == [T0, T0]


def test_kinds_nobody_takes_are_counted_and_passed_over(bench):
    bench.wires.send(Kind.BAR)
    bench.wires.send(Kind.GAP, lost=[0, 2, 0, 0, 0, 0, 0, 0])
    bench.quote(1.0)
    assert [event.kind for event in bench.take()] == [Kind.QUOTE]
    bench.pool.settle()
    counters = bench.wires.context.counters
    assert counters["received"][[Kind.BAR, Kind.GAP, Kind.QUOTE]].tolist() == [1, 1, 1]
    assert counters["lost"] == 2


def test_events_stay_in_the_ring_until_they_are_settled(bench):
    bench.quote(1.0)
    bench.quote(2.0)
    bench.take()
    assert bench.wires.queued == 2
    bench.pool.settle()
    assert bench.wires.queued == 0


def test_stop_ends_the_batch(bench):
    bench.quote(1.0)
    bench.wires.send(Kind.STOP, ANY_INSTRUMENT)
    bench.quote(2.0)
    assert [event.bid_price for event in bench.take()] == [1.0]
    assert bench.pool.words[Pool.STOPPED] == 1
    bench.pool.settle()
    assert bench.wires.queued == 1


def test_batch_is_no_longer_than_its_limit(bench):
    for number in range(BATCH + 10):
        bench.quote(float(number))
    assert len(bench.take()) == BATCH
    bench.pool.settle()
    bench.pool.words[Pool.LIMIT] = 3
    assert len(bench.take()) == 3


def test_empty_ring_gives_no_batch(bench):
    assert poll(bench.pool.address) == 0


def test_impossible_cursor_of_the_producer_is_seen(bench):
    bench.wires.events[:8].view(np.int64)[0] = 10**9
    assert poll(bench.pool.address) == BROKEN
