"""R2: a side is killed (SIGKILL) at a random instant; the survivor sees nothing wrong.

One long-lived counterpart; the other side is forked from a warmed parent, killed after a
random number of events, and forked again, 400 times each way. Required: 0 torn, 0 lost,
0 reordered events; the survivor never blocks; at most one event is delivered twice per
killed consumer, and none is visible twice once the reader drops what it has acted on.
"""

import mmap
import os
import random
import signal
import time

import numpy as np
import pytest
from rings import Ring, check_mixed, fork, stall, wait_for, write_mixed

from livekit.ring.jit import hot
from livekit.ring.layout import BROKEN
from livekit.ring.memory import load_acquire, load_i64, pause, sched_yield, store_i64, store_release
from livekit.ring.spsc import claim, commit, peek, release

KILLS = 400
STOP, ACTED, DOUBLED, FAULT = range(0, 32, 8)
TORN, LOST = 1, 2


@hot
def produce_until(side: int, first: int, words: int) -> int:
    """Send events whose sequence is their cursor, until STOP; 0 or BROKEN."""
    sequence = first
    while load_acquire(words + STOP) == 0:
        stall(sequence, 512)
        slot = claim(side)
        if slot < 0:
            return BROKEN
        if slot == 0:
            sched_yield()
            continue
        write_mixed(slot, sequence)
        commit(side)
        sequence += 1
    return 0


@hot
def consume_until(side: int, words: int) -> int:
    """Act on every event, then release it, until STOP and empty; 0, or what was wrong.

    ACTED is the number of events acted on, written after the act and before the release,
    as a strategy's journal would be. An event below it was acted on before a kill.
    """
    while True:
        slot = peek(side)
        if slot < 0:
            return 3
        if slot == 0:
            if load_acquire(words + STOP) != 0 and peek(side) == 0:
                return 0
            pause()
            sched_yield()
            continue
        sequence = load_i64(slot + 8)
        if check_mixed(slot, sequence) == 0:
            store_i64(words + FAULT, TORN)
            return TORN
        acted = load_acquire(words + ACTED)
        if sequence == acted - 1:
            store_i64(words + DOUBLED, load_i64(words + DOUBLED) + 1)
        elif sequence != acted:
            store_i64(words + FAULT, LOST)
            return LOST
        else:
            stall(sequence, 512)
            store_release(words + ACTED, acted + 1)
        release(side)


@pytest.fixture
def shared():
    return np.frombuffer(mmap.mmap(-1, 1 << 20), np.uint8)


def make(shared, capacity):
    words = shared[-4096:].view(np.int64)
    ring = Ring(capacity, memory=shared)
    words[STOP] = 1
    produce_until(ring.producer, 0, words.ctypes.data)
    consume_until(ring.consumer, words.ctypes.data)
    words[:] = 0
    return ring, words


def reach(read, target, alive):
    """Wait until a word reaches a value; the side that must bring it there is alive."""
    deadline = time.monotonic() + 60
    while read() < target:
        assert os.waitpid(alive, os.WNOHANG) == (0, 0), "the survivor ended early"
        assert time.monotonic() < deadline, "the survivor is blocked"
        os.sched_yield()


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


@pytest.mark.process
@pytest.mark.parametrize("capacity", [4, 1024])
def test_killed_producer_leaves_no_torn_event_and_no_hole(shared, capacity, scale):
    ring, words = make(shared, capacity)
    draw, address = random.Random(capacity), words.ctypes.data
    consumer = fork(lambda: consume_until(ring.consumer, address))
    for _ in range(int(KILLS * scale) // 2):
        ring.open(is_producer=True)
        producer = fork(lambda: produce_until(ring.producer, ring.tail, address))
        reach(lambda: ring.tail, ring.tail + draw.randrange(min(3000, capacity * 25)), producer)
        kill(producer)
        reach(lambda: ring.head, ring.tail, consumer)
    words[STOP] = 1
    assert wait_for(consumer) == 0
    assert words[ACTED // 8] == ring.tail == ring.head
    assert (words[DOUBLED // 8], words[FAULT // 8]) == (0, 0)


@pytest.mark.process
@pytest.mark.parametrize("capacity", [4, 1024])
def test_killed_consumer_costs_at_most_one_redelivery(shared, capacity, scale):
    ring, words = make(shared, capacity)
    draw, address = random.Random(capacity), words.ctypes.data
    producer = fork(lambda: produce_until(ring.producer, 0, address))
    for _ in range(int(KILLS * scale) // 2):
        ring.open(is_producer=False)
        doubled = int(words[DOUBLED // 8])
        consumer = fork(lambda: consume_until(ring.consumer, address))
        reach(lambda: ring.head, ring.head + draw.randrange(min(3000, capacity * 25)), consumer)
        kill(consumer)
        assert words[DOUBLED // 8] - doubled <= 1
        assert words[FAULT // 8] == 0
        # The producer goes on until the ring is full, and not further.
        reach(lambda: ring.tail, ring.head + capacity, producer)
        assert ring.queued == capacity
    words[STOP] = 1
    assert wait_for(producer) == 0
    ring.open(is_producer=False)
    last = fork(lambda: consume_until(ring.consumer, address))
    assert wait_for(last) == 0
    assert words[ACTED // 8] == ring.tail == ring.head
    assert words[FAULT // 8] == 0
