import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from rings import Ring, store_word

from livekit.events import EVENT_BYTES, Kind
from livekit.ring import spsc
from livekit.ring.layout import BROKEN, HEAD, TAIL, aligned_zeros

STARTS = [0, 2**31 - 3, 2**32 - 3, 2**53 - 3, 2**62 - 3]


def event(kind=Kind.TICKER, sequence=0):
    memory = aligned_zeros(256)
    memory[0] = kind
    memory[8:16].view(np.int64)[0] = sequence
    memory[32:64] = sequence & 255
    return memory


def sequence_of(memory):
    return int(memory[8:16].view(np.int64)[0])


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("capacity", [1, 2, 8])
def test_events_come_out_in_order_until_empty(capacity, start):
    ring = Ring(capacity, start=start)
    target = aligned_zeros(256)
    for lap in range(5):
        for i in range(capacity):
            assert spsc.push(ring.producer, event(sequence=lap * 10 + i).ctypes.data, 1) == 1
        assert spsc.push(ring.producer, event().ctypes.data, 1) == 0
        assert ring.queued == capacity
        for i in range(capacity):
            assert spsc.pop(ring.consumer, target.ctypes.data) == 1
            assert sequence_of(target) == lap * 10 + i
        assert spsc.pop(ring.consumer, target.ctypes.data) == 0


def test_push_on_full_ring_leaves_tail_and_slots_alone():
    ring = Ring(2)
    for i in (1, 2):
        spsc.push(ring.producer, event(sequence=i).ctypes.data, 1)
    before = ring.memory.copy()
    assert spsc.push(ring.producer, event(sequence=3).ctypes.data, 1) == 0
    assert spsc.claim(ring.producer) == 0
    assert np.array_equal(ring.memory, before)


def test_claimed_slot_is_invisible_until_committed():
    ring = Ring(4)
    slot = spsc.claim(ring.producer)
    ring.memory[512:520] = 7
    assert slot == ring.memory.ctypes.data + 512
    assert spsc.available(ring.consumer) == 0
    assert spsc.peek(ring.consumer) == 0
    spsc.commit(ring.producer)
    assert spsc.available(ring.consumer) == 1
    assert spsc.peek(ring.consumer) == slot


def test_peeked_slot_is_kept_from_the_producer_until_released():
    ring = Ring(1)
    spsc.push(ring.producer, event(sequence=1).ctypes.data, 1)
    slot = spsc.peek(ring.consumer)
    assert spsc.peek(ring.consumer) == slot
    assert spsc.claim(ring.producer) == 0
    spsc.release(ring.consumer)
    assert spsc.claim(ring.producer) == slot


def test_other_side_is_looked_at_only_when_full_or_empty():
    ring = Ring(4)
    spsc.push(ring.producer, event(sequence=1).ctypes.data, 1)
    assert spsc.available(ring.consumer) == 1
    spsc.push(ring.producer, event(sequence=2).ctypes.data, 1)
    assert spsc.available(ring.consumer) == 1
    spsc.release(ring.consumer)
    assert spsc.available(ring.consumer) == 1
    assert spsc.free(ring.producer, 1) == 2
    assert spsc.free(ring.producer, 4) == 3


@pytest.mark.parametrize("kind", [k for k in Kind if k is not Kind.NONE])
def test_pop_copies_the_bytes_of_its_kind_and_no_more(kind):
    ring = Ring(2, slot_bytes=256)
    source = np.arange(256).astype(np.uint8)
    memory = event(kind)
    memory[1:] = source[1:]
    size = int(EVENT_BYTES[kind])
    spsc.push(ring.producer, memory.ctypes.data, size // 64)
    target = aligned_zeros(256)
    target[:] = 255
    assert spsc.pop(ring.consumer, target.ctypes.data) == 1
    assert np.array_equal(target[:size], memory[:size])
    assert (target[size:] == 255).all()


def test_pop_of_a_kind_larger_than_its_slot_stays_within_the_slot():
    ring = Ring(2, slot_bytes=64)
    spsc.push(ring.producer, event(Kind.BOOK, 9).ctypes.data, 1)
    target = aligned_zeros(256)
    target[64:] = 255
    assert spsc.pop(ring.consumer, target.ctypes.data) == 1
    assert sequence_of(target) == 9
    assert (target[64:] == 255).all()


@pytest.mark.parametrize("kind", [0, 12, 15])
def test_pop_of_an_unknown_kind_hands_out_that_event_and_not_the_one_before(kind):
    ring = Ring(4, slot_bytes=256)
    target = aligned_zeros(256)
    spsc.push(ring.producer, event(Kind.TICKER, 1).ctypes.data, 1)
    spsc.push(ring.producer, event(kind, 2).ctypes.data, 1)
    spsc.pop(ring.consumer, target.ctypes.data)
    assert spsc.pop(ring.consumer, target.ctypes.data) == 1
    assert (target[0], sequence_of(target)) == (kind, 2)


@pytest.mark.parametrize("bad", [-1, 3, 2**62, -(2**63), 2**63 - 1])
def test_impossible_head_breaks_the_ring_for_the_producer(bad):
    ring = Ring(2)
    for i in range(2):
        spsc.push(ring.producer, event(sequence=i).ctypes.data, 1)
    store_word(ring.memory.ctypes.data + HEAD, bad)
    assert spsc.claim(ring.producer) == BROKEN
    assert spsc.free(ring.producer, 1) == BROKEN
    assert spsc.push(ring.producer, event().ctypes.data, 1) == BROKEN
    assert spsc.push_batch(ring.producer, event().ctypes.data, 256, 1) == BROKEN
    assert ring.tail == 2


@pytest.mark.parametrize("bad", [-1, 3, 2**62, -(2**63), 2**63 - 1])
def test_impossible_tail_breaks_the_ring_for_the_consumer(bad):
    ring = Ring(2)
    store_word(ring.memory.ctypes.data + TAIL, bad)
    target = aligned_zeros(512)
    assert spsc.peek(ring.consumer) == BROKEN
    assert spsc.available(ring.consumer) == BROKEN
    assert spsc.pop(ring.consumer, target.ctypes.data) == BROKEN
    assert spsc.pop_batch(ring.consumer, target.ctypes.data, 256, 2) == BROKEN
    assert ring.head == 0


@pytest.mark.parametrize("word", [HEAD, TAIL])
def test_cursor_that_goes_back_breaks_the_ring(word):
    ring = Ring(2, start=100)
    store_word(ring.memory.ctypes.data + word, 99 if word == TAIL else 97)
    result = spsc.peek(ring.consumer) if word == TAIL else spsc.claim(ring.producer)
    assert result == BROKEN


class BoundedList(RuleBasedStateMachine):
    """Every way in and out of a ring, against a list with a bound."""

    @initialize(capacity=st.sampled_from([1, 2, 4, 8]), start=st.sampled_from(STARTS))
    def make(self, capacity, start):
        self.ring, self.start = Ring(capacity, start=start), start
        self.expected, self.pushed = [], 0
        self.batch = aligned_zeros(10 * 64).reshape(10, 64)

    @property
    def room(self):
        return self.ring.capacity - len(self.expected)

    def went_in(self, n):
        self.expected += range(self.pushed, self.pushed + n)
        self.pushed += n

    def came_out(self, n):
        for i in range(n):
            assert sequence_of(self.batch[i]) == self.expected.pop(0)

    def in_place(self, slot):
        offset = slot - self.ring.memory.ctypes.data
        return self.ring.memory[offset : offset + 64]

    @rule()
    def push(self):
        done = spsc.push(self.ring.producer, event(sequence=self.pushed).ctypes.data, 1)
        assert done == min(1, self.room)
        self.went_in(done)

    @rule(n=st.integers(0, 9))
    def push_batch(self, n):
        for i in range(n):
            self.batch[i] = event(sequence=self.pushed + i)[:64]
        done = spsc.push_batch(self.ring.producer, self.batch.ctypes.data, 64, n)
        assert done == min(n, self.room)
        self.went_in(done)

    @rule()
    def claim_and_commit(self):
        slot = spsc.claim(self.ring.producer)
        assert (slot == 0) == (self.room == 0)
        if slot:
            self.in_place(slot)[:] = event(sequence=self.pushed)[:64]
            spsc.commit(self.ring.producer)
            self.went_in(1)

    @rule()
    def pop(self):
        done = spsc.pop(self.ring.consumer, self.batch.ctypes.data)
        assert done == min(1, len(self.expected))
        self.came_out(done)

    @rule(n=st.integers(0, 9))
    def pop_batch(self, n):
        done = spsc.pop_batch(self.ring.consumer, self.batch.ctypes.data, 64, n)
        # Index caching: a batch is what the last look showed, so it may be short.
        assert (done == 0) == (n == 0 or not self.expected)
        self.came_out(done)

    @rule()
    def peek_and_release(self):
        slot = spsc.peek(self.ring.consumer)
        assert (slot == 0) == (not self.expected)
        if slot:
            self.batch[0] = self.in_place(slot)
            spsc.release(self.ring.consumer)
            self.came_out(1)

    @invariant()
    def counts_agree(self):
        assert self.ring.queued == len(self.expected)
        assert self.ring.tail == self.start + self.pushed


TestBoundedList = BoundedList.TestCase
TestBoundedList.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
