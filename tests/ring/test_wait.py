"""Waiting: bounded, and no wake-up is lost.

The window that matters is between a consumer's last look and its futex call. Two
processes exchange one event at a time with random pauses around that window, and the
consumer's sleep is set so long that a lost wake-up could not hide.
"""

import mmap
import time

import numpy as np
import pytest
from rings import Ring, fork, mix, store_word, wait_for

from livekit.config import SLEEP_BOUND_NS, WAIT_BOUND_NS
from livekit.ring import spsc
from livekit.ring.jit import hot
from livekit.ring.layout import BELL, BROKEN, SLEEPING, TAIL, aligned_zeros
from livekit.ring.memory import clock_ns, load_acquire, pause, store_i64
from livekit.ring.spsc import claim, commit, release
from livekit.ring.wait import WAITS, notify, ring_bell, wait, wake_sleeper

SECOND = 1_000_000_000


@pytest.fixture
def ring():
    return Ring(8)


@pytest.fixture
def scratch():
    return np.zeros(2, np.int64)


def word(ring, offset):
    return int(ring.words[offset // 8])


def push(ring):
    event = aligned_zeros(64)
    event[0] = 1
    assert spsc.push(ring.producer, event.ctypes.data, 1) == 1


@pytest.mark.parametrize("name", WAITS)
def test_wait_on_an_empty_ring_returns_zero_after_its_time(ring, scratch, name):
    times = WAITS[name]
    start = time.monotonic_ns()
    assert wait(ring.consumer, *times, scratch.ctypes.data) == 0
    assert time.monotonic_ns() - start >= sum(times)
    assert word(ring, SLEEPING) == 0


@pytest.mark.parametrize("name", WAITS)
def test_every_stage_of_every_way_to_wait_is_bounded(name):
    *busy, asleep = WAITS[name]
    assert all(0 <= stage <= WAIT_BOUND_NS for stage in busy)
    assert 0 <= asleep <= SLEEP_BOUND_NS
    assert sum(WAITS[name]) > 0


@pytest.mark.parametrize("name", WAITS)
def test_wait_returns_what_is_ready_without_sleeping(ring, scratch, name):
    push(ring)
    push(ring)
    before = int(ring.sides[1]["sleep"])
    assert wait(ring.consumer, *WAITS[name], scratch.ctypes.data) == 2
    assert ring.sides[1]["sleep"] == before


@pytest.mark.parametrize("stages", [(1000, 0, 0), (0, 1000, 0), (0, 0, 1000), (0, 0, 0)])
def test_each_stage_alone_ends_and_reports_a_broken_ring(ring, scratch, stages):
    assert wait(ring.consumer, *stages, scratch.ctypes.data) == 0
    store_word(ring.memory.ctypes.data + TAIL, 99)
    assert wait(ring.consumer, *stages, scratch.ctypes.data) == BROKEN


def test_bell_is_rung_once_for_each_sleep_and_never_for_a_reader_that_is_awake(ring):
    notify(ring.producer)
    assert word(ring, BELL) == 0
    for sleep in (5, 6, 7):
        store_word(ring.memory.ctypes.data + SLEEPING, sleep)
        notify(ring.producer)
        notify(ring.producer)
        wake_sleeper(ring.producer)
        assert ring.sides[0]["rung"] == sleep
    assert word(ring, BELL) == 3


def test_bell_goes_on_past_the_32_bits_that_the_kernel_compares(ring):
    store_word(ring.memory.ctypes.data + BELL, 2**32 - 1)
    ring_bell(ring.memory.ctypes.data)
    assert word(ring, BELL) == 2**32


def test_sleep_compares_only_the_32_bits_that_the_kernel_sees(ring, scratch):
    ring.words[BELL // 8] = 2**40 + 5
    start = time.monotonic_ns()
    assert wait(ring.consumer, 0, 0, 1_000_000, scratch.ctypes.data) == 0
    assert time.monotonic_ns() - start >= 1_000_000


@pytest.mark.process
def test_sleep_of_more_than_a_second_lasts_until_the_bell(scratch):
    shared = np.frombuffer(mmap.mmap(-1, 1 << 15), np.uint8)
    ring = Ring(8, memory=shared)
    child = fork(lambda: wait(ring.consumer, 0, 0, 60 * SECOND, scratch.ctypes.data) - 1)
    deadline = time.monotonic() + 30
    while word(ring, SLEEPING) == 0:
        assert time.monotonic() < deadline
    push(ring)
    notify(ring.producer)
    assert wait_for(child, 30) == 0


def test_new_consumer_is_woken_although_the_producer_rang_for_the_old_one(ring):
    store_word(ring.memory.ctypes.data + SLEEPING, int(ring.sides[1]["sleep"]) + 1)
    notify(ring.producer)
    ring.open(is_producer=False)
    store_word(ring.memory.ctypes.data + SLEEPING, int(ring.sides[1]["sleep"]) + 1)
    notify(ring.producer)
    assert word(ring, BELL) == 2


@hot
def _hesitate(seed: int) -> None:
    """Pause for 0 to 20 µs, most often not at all, so that all phases of a sleep are met."""
    draw = mix(seed) & 0xFFFFFF
    if draw & 3 == 0:
        until = clock_ns() + (draw >> 8) % 20_000
        while clock_ns() < until:
            pause()


@hot
def _take(side: int, scratch: int) -> int:
    """Sleep until an event comes and pop it; 0 when three seconds brought none."""
    start = clock_ns()
    while wait(side, 0, 0, 3 * SECOND, scratch) == 0:
        if clock_ns() - start > 2 * SECOND:
            return 0
    release(side)
    return 1


@hot
def _ask(out: int, back: int, n: int, seed: int, scratch: int) -> int:
    """Send an event, sleep until one comes back, `n` times; return how many came."""
    for number in range(n):
        store_i64(claim(out), 1)
        commit(out)
        notify(out)
        _hesitate(seed + number)
        if _take(back, scratch) == 0:
            return number
    return n


@hot
def _answer(into: int, out: int, n: int, seed: int, scratch: int) -> int:
    """Sleep until an event comes, send one back, `n` times; return how many were missing."""
    for number in range(n):
        if _take(into, scratch) == 0:
            return 1
        _hesitate(seed + number)
        store_i64(claim(out), 1)
        commit(out)
        notify(out)
    return 0


@pytest.mark.process
def test_no_wake_up_is_lost_between_two_sleepers(scale):
    # A lost wake-up shows as a sleep of 3 s, since nothing else wakes its sleeper.
    n = int(20_000 * scale)
    shared = np.frombuffer(mmap.mmap(-1, 1 << 16), np.uint8)
    there, back = Ring(1, memory=shared[: 1 << 15]), Ring(1, memory=shared[1 << 15 :])
    scratch = np.zeros(2, np.int64)
    _ask(there.producer, back.consumer, 0, 1, scratch.ctypes.data)
    _answer(there.consumer, back.producer, 0, 2, scratch.ctypes.data)
    child = fork(lambda: _answer(there.consumer, back.producer, n, 2, scratch.ctypes.data))
    assert _ask(there.producer, back.consumer, n, 1, scratch.ctypes.data) == n
    assert wait_for(child, 60) == 0
    assert load_words(there) == load_words(back) == (n, n, 0)


def load_words(ring):
    return ring.tail, ring.head, word(ring, SLEEPING)


@hot
def _is_asleep(control: int) -> int:
    return load_acquire(control + SLEEPING)


@pytest.mark.process
def test_sleeper_that_nobody_wakes_returns_by_its_bound():
    shared = np.frombuffer(mmap.mmap(-1, 1 << 15), np.uint8)
    ring, scratch = Ring(8, memory=shared), np.zeros(2, np.int64)
    child = fork(lambda: wait(ring.consumer, 0, 0, WAIT_BOUND_NS, scratch.ctypes.data))
    assert wait_for(child, 30) == 0
    assert _is_asleep(ring.memory.ctypes.data) == 0
