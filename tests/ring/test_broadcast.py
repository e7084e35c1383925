"""The broadcast: who gets what, what a full ring does, and that the sums are exact.

At every checkpoint, for every ring: pushed = popped + dropped + queued; the losses that
GAP events report, and the ring still owes, are the drops, kind by kind; reports are
never dropped; order is kept; a ring under `block` loses nothing.
"""

import mmap

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from rings import Ring, check_mixed, fork, store_word, wait_for, write_mixed

from livekit.config import MAX_INSTRUMENTS, MAX_STRATEGIES
from livekit.events import ANY_INSTRUMENT, DTYPES, GAP, MARKET_KINDS, SLOT_BYTES, Kind
from livekit.ring.broadcast import (
    Hub,
    broadcast,
    broadcast_batch,
    deliver,
    lacks_room,
    ring_bells,
    stamp,
)
from livekit.ring.counters import ENGINE_COUNTERS
from livekit.ring.jit import hot
from livekit.ring.layout import (
    BELL,
    BROKEN,
    HEAD,
    POLICY_ALERT,
    POLICY_BLOCK,
    POLICY_DROP,
    SLEEPING,
    aligned_zeros,
)
from livekit.ring.memory import load_i64, record, sched_yield, store_i64
from livekit.ring.spsc import available, peek, pop, release

KIND_GAP = int(Kind.GAP)
ALL_KINDS = (1 << len(Kind)) - 1


class Reader:
    """One ring of a hub, with its counters and what its reader has seen."""

    def __init__(self, hub, ring, capacity=8, reserve=0, policy=POLICY_DROP, memory=None):
        self.counters = np.zeros(1, ENGINE_COUNTERS)
        self.options = {
            "reserve": reserve,
            "policy": policy,
            "counters": int(self.counters.ctypes.data),
        }
        self.own = Ring(capacity, SLOT_BYTES, memory=memory)
        self.hub, self.number = hub, ring
        place = hub.side(ring)
        place[:] = self.own.sides[0]
        for name, value in self.options.items():
            place[name] = value
        hub.open(ring)
        self.popped, self.lost = [], np.zeros(16, np.int64)
        self._target = aligned_zeros(SLOT_BYTES)

    @property
    def side(self):
        return self.hub.sides[self.number]

    def pop(self):
        """Pop one event; return (kind, sequence), or None."""
        if pop(self.own.consumer, self._target.ctypes.data) != 1:
            return None
        kind = Kind(int(self._target[0]))
        if kind is Kind.GAP:
            self.lost[:8] += self._target[:64].view(GAP)[0]["lost"]
        self.popped.append((kind, int(self._target[8:16].view(np.int64)[0])))
        return self.popped[-1]

    def drain(self):
        """Pop everything; return the (kind, sequence) of it."""
        start = len(self.popped)
        while self.pop() is not None:
            pass
        return self.popped[start:]

    def check(self):
        """Hold the equations of this ring."""
        counters = self.counters[0]
        dropped = counters["dropped"]
        assert counters["pushed"] == len(self.popped) + dropped.sum() + self.own.queued
        assert (self.side["gap"] == 1) == bool(self.side["lost"].any())
        queued_gaps = self.gaps_in_queue()
        assert np.array_equal(dropped, self.lost + self.side["lost"] + queued_gaps)

    def gaps_in_queue(self):
        """Add up the losses in GAP events that are still in the ring."""
        slots = self.own.memory[512:].reshape(-1, SLOT_BYTES)
        total = np.zeros(16, np.int64)
        for cursor in range(self.own.head, self.own.tail):
            slot = slots[cursor & (self.own.capacity - 1)]
            if slot[0] == Kind.GAP:
                total[:8] += slot[:64].view(GAP)[0]["lost"]
        return total


def event(kind=Kind.TICKER, sequence=0, instrument=0):
    memory = aligned_zeros(SLOT_BYTES)
    head = memory[: DTYPES[kind].itemsize].view(DTYPES[kind])
    head["kind"], head["sequence"], head["instrument"] = kind, sequence, instrument
    return memory


def send(hub, kind=Kind.TICKER, sequence=0, instrument=0):
    return broadcast(hub.address, event(kind, sequence, instrument).ctypes.data)


def report(hub, ring, sequence=0):
    return deliver(hub.address, ring, event(Kind.ORDER, sequence).ctypes.data)


@pytest.fixture
def hub():
    return Hub()


@pytest.mark.parametrize("kind", MARKET_KINDS)
@pytest.mark.parametrize("instrument", [0, 1, MAX_INSTRUMENTS - 1])
def test_ring_gets_exactly_the_kinds_and_instruments_it_was_routed(hub, kind, instrument):
    readers = [Reader(hub, ring, 64) for ring in range(3)]
    hub.route(0, instrument, 1 << kind)
    hub.route(1, instrument, ALL_KINDS & ~(1 << kind))
    for number in (0, 1, MAX_INSTRUMENTS - 1):
        for other in MARKET_KINDS:
            assert send(hub, other, 7, number) == 1
    assert readers[0].drain() == [(kind, 7)]
    assert [k for k, _ in readers[1].drain()] == [k for k in MARKET_KINDS if k is not kind]
    assert readers[2].drain() == []
    assert hub.view["events"] == 3 * len(MARKET_KINDS)
    assert hub.view["delivered"] == len(MARKET_KINDS)


def test_event_of_no_instrument_goes_to_every_open_ring(hub):
    readers = [Reader(hub, ring) for ring in (0, 5, MAX_STRATEGIES - 1)]
    assert send(hub, Kind.CONNECTION, 3, ANY_INSTRUMENT) == 1
    assert [reader.drain() for reader in readers] == [[(Kind.CONNECTION, 3)]] * 3


def test_closed_ring_gets_nothing_and_its_routes_are_forgotten(hub):
    reader = Reader(hub, 2)
    hub.route(2, 0, ALL_KINDS)
    hub.close(2)
    send(hub)
    hub.open(2)
    send(hub)
    assert reader.drain() == []
    assert not hub.routes.any()


def test_route_added_while_events_flow_takes_effect_with_the_next_event(hub):
    reader = Reader(hub, 63)
    send(hub, sequence=1)
    hub.route(63, 0, 1 << Kind.TICKER)
    send(hub, sequence=2)
    assert reader.drain() == [(Kind.TICKER, 2)]


@pytest.mark.parametrize("kind", [k for k in Kind if k is not Kind.NONE])
def test_stamp_writes_the_clock_where_the_kind_keeps_it_and_nothing_else(kind):
    memory = event(kind)
    stamp(memory.ctypes.data)
    offset = {Kind.TRADE: 56, Kind.ORDER: 124}.get(kind, 4)
    assert memory[offset : offset + 4].any()
    memory[offset : offset + 4] = 0
    assert np.array_equal(memory, event(kind))


@pytest.mark.parametrize("policy", [POLICY_DROP, POLICY_ALERT])
def test_full_ring_drops_counts_by_kind_and_says_so_before_the_next_event(hub, policy):
    reader = Reader(hub, 0, capacity=4, policy=policy)
    hub.route(0, 0, ALL_KINDS)
    for sequence, kind in enumerate([Kind.TICKER] * 6 + [Kind.TRADE] * 2 + [Kind.BOOK]):
        assert send(hub, kind, sequence) == 1
        reader.check()
    assert hub.view["dropped"] == 5
    assert reader.counters[0]["alerts"] == 1
    assert [reader.pop() for _ in range(3)] == [(Kind.TICKER, n) for n in range(3)]
    send(hub, Kind.QUOTE, 9)
    assert [kind for kind, _ in reader.drain()] == [Kind.TICKER, Kind.GAP, Kind.QUOTE]
    assert reader.lost.tolist()[:5] == [0, 2, 2, 0, 1]
    assert reader.counters[0]["gaps"] == 1
    reader.check()


def test_gap_needs_room_for_itself_and_the_event(hub):
    reader = Reader(hub, 0, capacity=2)
    hub.route(0, 0, ALL_KINDS)
    for sequence in range(3):
        send(hub, sequence=sequence)
    reader.pop()
    send(hub, sequence=3)
    assert reader.drain() == [(Kind.TICKER, 1)]
    send(hub, sequence=4)
    assert [kind for kind, _ in reader.drain()] == [Kind.GAP, Kind.TICKER]
    assert reader.lost[Kind.TICKER] == 2
    reader.check()


def test_reserved_slots_are_for_reports_only(hub):
    reader = Reader(hub, 0, capacity=8, reserve=3)
    hub.route(0, 0, ALL_KINDS)
    for sequence in range(8):
        send(hub, sequence=sequence)
    assert reader.own.queued == 5
    assert [report(hub, 0, sequence) for sequence in range(5)] == [1, 1, 0, 0, 0]
    assert reader.own.queued == 8
    kinds = [kind for kind, _ in reader.drain()]
    assert kinds == [Kind.TICKER] * 5 + [Kind.GAP, Kind.ORDER, Kind.ORDER]
    reader.check()


def test_report_takes_the_last_slot_when_the_gap_does_not_fit_beside_it(hub):
    reader = Reader(hub, 0, capacity=2, reserve=1)
    hub.route(0, 0, ALL_KINDS)
    send(hub, sequence=1)
    send(hub, sequence=2)
    assert report(hub, 0, 3) == 1
    assert report(hub, 0, 4) == 0
    assert reader.drain() == [(Kind.TICKER, 1), (Kind.ORDER, 3)]
    assert reader.side["gap"] == 1
    reader.check()


def test_blocking_ring_stops_the_broadcast_before_the_event_for_everybody(hub):
    slow = Reader(hub, 1, capacity=2, policy=POLICY_BLOCK)
    quick = Reader(hub, 4, capacity=16)
    for ring in (1, 4):
        hub.route(ring, 0, ALL_KINDS)
    batch = np.stack([event(sequence=sequence) for sequence in range(5)])
    assert broadcast_batch(hub.address, batch.ctypes.data, SLOT_BYTES, 5) == 2
    assert hub.view["waiting"] == 1
    assert lacks_room(hub.address, batch.ctypes.data) == 1
    assert quick.own.queued == slow.own.queued == 2
    slow.pop()
    assert lacks_room(hub.address, batch.ctypes.data) == -1
    rest = batch[2:]
    assert broadcast_batch(hub.address, rest.ctypes.data, SLOT_BYTES, 3) == 1
    slow.drain()
    assert broadcast_batch(hub.address, batch[3:].ctypes.data, SLOT_BYTES, 2) == 2
    slow.drain()
    assert hub.view["waiting"] == -1
    assert slow.popped == quick.drain() == [(Kind.TICKER, n) for n in range(5)]
    for reader in (slow, quick):
        assert not reader.counters[0]["dropped"].any()
        reader.check()


def test_blocking_ring_that_does_not_want_the_event_holds_nobody_up(hub):
    slow = Reader(hub, 0, capacity=1, policy=POLICY_BLOCK)
    quick = Reader(hub, 1)
    hub.route(0, 0, 1 << Kind.TRADE)
    hub.route(1, 0, ALL_KINDS)
    send(hub, Kind.TRADE, 1)
    assert send(hub, Kind.TICKER, 2) == 1
    assert send(hub, Kind.TRADE, 3) == 0
    assert quick.drain() == [(Kind.TRADE, 1), (Kind.TICKER, 2)]
    assert slow.own.queued == 1


@pytest.mark.parametrize("policy", [POLICY_DROP, POLICY_BLOCK])
@pytest.mark.parametrize("garbage", [-1, 10**12, -(2**63), 2**63 - 1])
def test_reader_that_writes_garbage_breaks_its_own_ring_only(hub, garbage, policy):
    bad, good = Reader(hub, 0, 4, policy=policy), Reader(hub, 1, 64)
    for ring in (0, 1):
        hub.route(ring, 0, ALL_KINDS)
    store_word(bad.own.memory.ctypes.data + HEAD, garbage)
    for sequence in range(20):
        assert send(hub, sequence=sequence) == 1
    assert hub.view["broken"] == 1
    assert hub.view["active"] == 2
    assert report(hub, 0) == BROKEN
    assert report(hub, 1, 99) == 1
    assert good.drain() == [(Kind.TICKER, n) for n in range(20)] + [(Kind.ORDER, 99)]
    good.check()


def test_reopened_ring_starts_without_the_debts_of_the_old_one(hub):
    old = Reader(hub, 0, capacity=1)
    hub.route(0, 0, ALL_KINDS)
    for sequence in range(3):
        send(hub, sequence=sequence)
    hub.close(0)
    assert old.side["gap"] == 1
    fresh = Reader(hub, 0, capacity=4)
    hub.route(0, 0, ALL_KINDS)
    send(hub, sequence=9)
    assert fresh.drain() == [(Kind.TICKER, 9)]
    fresh.check()


def test_bells_ring_for_sleepers_that_got_something_and_for_no_others(hub):
    readers = [Reader(hub, ring) for ring in range(3)]
    hub.route(0, 0, ALL_KINDS)
    hub.route(1, 0, ALL_KINDS)
    for ring in (1, 2):
        store_word(readers[ring].own.memory.ctypes.data + SLEEPING, 5)
    send(hub)
    ring_bells(hub.address)
    ring_bells(hub.address)
    assert [int(reader.own.words[BELL // 8]) for reader in readers] == [0, 1, 0]


class Accounting(RuleBasedStateMachine):
    """Every order of sends, reports, pops and closings; the equations after each."""

    @initialize(
        capacities=st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1, max_size=4),
        reserve=st.integers(0, 2),
        policies=st.lists(
            st.sampled_from([POLICY_DROP, POLICY_ALERT, POLICY_BLOCK]), min_size=4, max_size=4
        ),
    )
    def make(self, capacities, reserve, policies):
        self.hub, self.sequence = Hub(), 0
        self.readers = [
            Reader(self.hub, ring, capacity, min(reserve, capacity - 1), policy)
            for ring, (capacity, policy) in enumerate(zip(capacities, policies, strict=False))
        ]
        self.blocking = [r for r in self.readers if r.options["policy"] == POLICY_BLOCK]
        self.sent = {ring: [] for ring in range(len(self.readers))}
        self.routed = [0] * len(self.readers)

    @rule(ring=st.integers(0, 3), kinds=st.sampled_from([0b10, 0b110110, ALL_KINDS]))
    def route(self, ring, kinds):
        if ring < len(self.readers):
            self.hub.route(ring, 0, kinds)
            self.routed[ring] |= kinds

    @rule(kind=st.sampled_from(MARKET_KINDS))
    def send(self, kind):
        wanted = [r for r in self.blocking if self.routed[r.number] >> kind & 1]
        has_room = all(r.own.queued < r.own.capacity - r.options["reserve"] for r in wanted)
        assert send(self.hub, kind, self.sequence) == int(has_room)
        if has_room:
            for ring, kinds in enumerate(self.routed):
                if kinds >> kind & 1:
                    self.sent[ring].append((kind, self.sequence))
            self.sequence += 1

    @rule(ring=st.integers(0, 3))
    def report(self, ring):
        if ring < len(self.readers):
            own = self.readers[ring].own
            expected = int(own.queued < own.capacity)
            assert report(self.hub, ring, self.sequence) == expected
            if expected:
                self.sent[ring].append((Kind.ORDER, self.sequence))
                self.sequence += 1

    @rule(ring=st.integers(0, 3), n=st.integers(1, 8))
    def pop(self, ring, n):
        if ring < len(self.readers):
            for _ in range(n):
                self.readers[ring].pop()

    @invariant()
    def sums_are_exact(self):
        for reader in self.readers:
            reader.check()

    @invariant()
    def what_came_is_what_was_sent_in_order_without_the_dropped(self):
        for reader in self.readers:
            came = [one for one in reader.popped if one[0] is not Kind.GAP]
            sent = iter(self.sent[reader.number])
            assert all(one in sent for one in came)

    @invariant()
    def no_report_and_nothing_under_block_was_dropped(self):
        for reader in self.readers:
            assert reader.counters[0]["dropped"][Kind.ORDER] == 0
            if reader in self.blocking:
                assert not reader.counters[0]["dropped"].any()


TestAccounting = Accounting.TestCase
TestAccounting.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)


@hot
def _flood(hub: int, event: int, n: int) -> int:
    for sequence in range(n):
        write_mixed(event, sequence)
        while broadcast(hub, event) == 0:
            sched_yield()
        if sequence % 64 == 0:
            sched_yield()
    return 0


@hot
def _count_until(side: int, stop: int, counts: int) -> int:
    """Pop until `stop` says so and the ring is empty; count events and reported losses.

    Checks that sequences rise by one, plus what the GAP before said. 0 when all is well.
    """
    expected = np.int64(0)
    while True:
        ready = available(side)
        if ready < 0:
            return 2
        if ready == 0:
            if load_i64(stop) != 0 and available(side) == 0:
                store_i64(counts + 16, expected)
                return 0
            sched_yield()
            continue
        slot = peek(side)
        store_i64(counts, load_i64(counts) + 1)
        if load_i64(slot) & 15 == KIND_GAP:
            lost = np.int64(record(GAP, slot).lost[1])
            store_i64(counts + 8, load_i64(counts + 8) + lost)
            expected += lost
        else:
            store_i64(slot, 1)
            if check_mixed(slot, expected) == 0:
                return 3
            expected += 1
        release(side)


@pytest.mark.process
@pytest.mark.parametrize("policy", [POLICY_DROP, POLICY_BLOCK])
def test_sums_are_exact_between_processes(policy, scale):
    # A producer floods two readers in processes of their own, which check every word and
    # that each sequence follows the last, plus what a GAP between them reported.
    n, capacity = int(1_000_000 * scale), 64
    size = 512 + capacity * SLOT_BYTES
    shared = np.frombuffer(mmap.mmap(-1, 2 * size + 4096), np.uint8)
    hub, words = Hub(), shared[2 * size :].view(np.int64)
    readers = [
        Reader(hub, ring, capacity, 8, policy, memory=shared[ring * size : (ring + 1) * size])
        for ring in range(2)
    ]
    for ring in range(2):
        hub.route(ring, 0, 1 << Kind.TICKER)
    words[0] = 1
    for ring, reader in enumerate(readers):
        _count_until(reader.own.consumer, words.ctypes.data, words[8 + ring * 8 :].ctypes.data)
    memory = event()
    _flood(hub.address, memory.ctypes.data, 0)
    words[:] = 0
    children = [
        fork(
            lambda reader=reader, ring=ring: _count_until(
                reader.own.consumer, words.ctypes.data, words[8 + ring * 8 :].ctypes.data
            )
        )
        for ring, reader in enumerate(readers)
    ]
    _flood(hub.address, memory.ctypes.data, n)
    store_word(words.ctypes.data, 1)
    assert [wait_for(child) for child in children] == [0, 0]
    for ring, reader in enumerate(readers):
        popped, lost, last = words[8 + ring * 8 : 11 + ring * 8].tolist()
        counters = reader.counters[0]
        dropped, gaps = int(counters["dropped"].sum()), int(counters["gaps"])
        assert reader.own.queued == 0
        assert counters["pushed"] == popped + dropped == n + gaps
        assert dropped == lost + int(reader.side["lost"].sum())
        assert last == n - int(reader.side["lost"].sum())
        assert policy == POLICY_DROP or dropped == 0
