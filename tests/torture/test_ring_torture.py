"""R1: no torn, lost, doubled or reordered event, across two processes.

Every event carries its sequence and a 64-bit mix of every word, checked in place by the
consumer before it gives the slot back. Both sides stall at random. All capacities from
2 to 2^20, cursors started near 2^31, 2^32, 2^53 and 2^62. 10^9 events, 0 faults.
"""

import mmap
import os

import numpy as np
import pytest
from rings import Ring, fork, send_mixed, take_mixed, wait_for

EVENTS = 1_000_000_000
STARTS = (0, 2**31, 2**32, 2**53, 2**62)
SMALL = [2**exponent for exponent in range(1, 10)]
LARGE = [2**exponent for exponent in range(10, 21)]
SMALL_EVENTS = 1_000_000
"""Below 1024 slots the two cores pass lines to and fro: slow, and soon exhaustive."""


def exchange(capacity, start, n, seed, one_in):
    """Send `n` events through a ring between two processes; 0 when every one was right."""
    memory = np.frombuffer(mmap.mmap(-1, 512 + capacity * 64), np.uint8)
    ring = Ring(capacity, start=start, memory=memory)
    places = sorted(os.sched_getaffinity(0))

    def take():
        os.sched_setaffinity(0, {places[-1]})
        return take_mixed(ring.consumer, start, n, seed + 1, one_in)

    def send():
        os.sched_setaffinity(0, {places[0]})
        return send_mixed(ring.producer, start, n, seed, one_in)

    children = [fork(take), fork(send)]
    codes = [wait_for(child, 280) for child in children]
    assert (ring.tail, ring.head) == (start + n, start + n)
    return codes


@pytest.fixture(scope="module", autouse=True)
def warm():
    ring = Ring(2)
    assert send_mixed(ring.producer, 0, 1, 0, 1000) == 0
    assert take_mixed(ring.consumer, 0, 1, 0, 1000) == 0


@pytest.mark.torture
@pytest.mark.process
@pytest.mark.parametrize("capacity", SMALL + LARGE)
def test_every_event_arrives_once_whole_and_in_order(capacity, scale):
    total = int((SMALL_EVENTS if capacity in SMALL else EVENTS / len(LARGE)) * scale)
    for index, near in enumerate(STARTS):
        n = max(total // len(STARTS), 2 * capacity + 10)
        # The cursor passes the power in the middle of the run.
        start = max(0, near - n // 2)
        assert exchange(capacity, start, n, capacity + index, 4096) == [0, 0]


@pytest.mark.process
def test_a_torn_word_is_noticed_by_the_check():
    ring = Ring(8)
    assert send_mixed(ring.producer, 0, 4, 0, 1000) == 0
    ring.memory[512 + 2 * 64 + 40] ^= 1
    assert take_mixed(ring.consumer, 0, 4, 0, 1000) == -2
    assert ring.head == 2
