"""Market events on their way: the order is kept, the ring grows, recorded clocks never go back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.events import QUOTE, SLOT_BYTES, Kind
from livekit.trading.feed import (
    RECORDED,
    Feed,
    arrival_time,
    feed_due,
    feed_event,
    pop_feed,
    push_feed,
    venue_time,
)

FOREVER = 1 << 62


def event(number, ts_recv, ts_event=0):
    slot = np.zeros(SLOT_BYTES, np.uint8)
    row = slot[: QUOTE.itemsize].view(QUOTE)
    row["kind"], row["sequence"] = Kind.QUOTE, number
    row["ts_recv"], row["ts_event"] = ts_recv, ts_event
    return slot


def taken(feed):
    """Take the next event out; return (sequence, ts_recv)."""
    address = int(feed_event(feed.address))
    offset = (address - feed._slots.ctypes.data) // SLOT_BYTES
    row = feed._slots.reshape(-1, SLOT_BYTES)[offset, : QUOTE.itemsize].view(QUOTE)[0]
    pop_feed(feed.address)
    return int(row["sequence"]), int(row["ts_recv"])


@given(steps=st.lists(st.booleans(), max_size=200), latency=st.integers(1, 1000))
def test_feed_keeps_the_order_whatever_its_ring_and_however_it_grows(steps, latency):
    feed = Feed(latency, capacity=1)
    waiting, number = [], 0
    for is_push in steps:
        if is_push:
            number += 1
            while push_feed(feed.address, event(number, 10 * number).ctypes.data) == 0:
                feed.grow()
            waiting.append((number, 10 * number + latency))
        elif waiting:
            assert feed_due(feed.address) == waiting[0][1]
            assert taken(feed) == waiting.pop(0)
    assert feed_due(feed.address) == (waiting[0][1] if waiting else FOREVER)
    assert [taken(feed) for _ in waiting] == waiting


def test_full_feed_refuses_and_changes_nothing_until_it_grows():
    feed = Feed(5, capacity=2)
    assert [push_feed(feed.address, event(k, k).ctypes.data) for k in range(3)] == [1, 1, 0]
    feed.grow()
    feed.grow()  # not full: nothing to do
    assert int(feed._view["mask"]) == 3
    assert push_feed(feed.address, event(2, 2).ctypes.data) == 1
    assert [taken(feed)[0] for _ in range(3)] == [0, 1, 2]


def test_constant_latency_lets_the_venue_see_an_event_when_it_was_received():
    feed = Feed(7)
    row = event(1, 100, ts_event=50)
    assert venue_time(feed.address, row.ctypes.data) == 100
    assert arrival_time(feed.address, row.ctypes.data) == 107
    push_feed(feed.address, row.ctypes.data)
    assert feed_due(feed.address) == 107
    assert row[24:32].view(np.int64)[0] == 100  # the event itself is as it was


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(-30, 30)), min_size=1, max_size=50))
def test_recorded_latency_has_a_venue_whose_clock_never_goes_back(steps):
    feed, ts, last = Feed(RECORDED), 1000, 0
    for number, (step, lead) in enumerate(steps):
        ts += step
        row = event(number, ts, ts_event=ts + lead)
        seen = venue_time(feed.address, row.ctypes.data)
        assert seen == max(last, min(ts, ts + lead))
        assert seen <= ts
        assert arrival_time(feed.address, row.ctypes.data) == ts
        last = seen


@pytest.mark.parametrize(("latency", "is_zero"), [(0, True), (1, False), (RECORDED, False)])
def test_only_no_latency_is_zero(latency, is_zero):
    feed = Feed(latency)
    assert feed.is_zero is is_zero
    feed.grow()
    assert feed_due(feed.address) == FOREVER
