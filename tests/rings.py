"""Rings for tests: in memory or in a file, with jitted workers that check what they see.

`mix` is splitmix64's finaliser: word k of event s is mix(s * 8 + k), so that one bit
that is torn, old or from another event shows.
"""

import os
import signal
import time
import warnings

import numpy as np

from livekit.ring.jit import hot
from livekit.ring.layout import (
    BROKEN,
    CONTROL_BYTES,
    HEAD,
    SIDE,
    SIDE_BYTES,
    TAIL,
    aligned_zeros,
    fill_side,
)
from livekit.ring.memory import load_i64, pause, sched_yield, store_i64, store_release
from livekit.ring.spsc import claim, commit, peek, release

TORN = -2
KIND = 1


class Ring:
    """A ring over memory of its own, or of a shared mapping, with both sides."""

    def __init__(self, capacity, slot_bytes=64, start=0, memory=None, **producer):
        n_bytes = CONTROL_BYTES + capacity * slot_bytes
        self.memory = aligned_zeros(n_bytes) if memory is None else memory[:n_bytes]
        self.capacity, self.slot_bytes = capacity, slot_bytes
        self.words = self.memory[:CONTROL_BYTES].view(np.int64)
        self.words[[TAIL // 8, HEAD // 8]] = start
        self.sides = aligned_zeros(2 * SIDE_BYTES).view(SIDE)
        self.producer = int(self.sides.ctypes.data)
        self.consumer = self.producer + SIDE_BYTES
        self.open(is_producer=True, **producer)
        self.open(is_producer=False)

    def open(self, *, is_producer, **options):
        """Fill one side from where the cursors stand."""
        place = 0 if is_producer else 1
        fill_side(
            self.sides[place : place + 1],
            control=int(self.memory.ctypes.data),
            slots=int(self.memory.ctypes.data) + CONTROL_BYTES,
            capacity=self.capacity,
            slot_bytes=self.slot_bytes,
            tail=self.tail,
            head=self.head,
            is_producer=is_producer,
            **options,
        )

    @property
    def tail(self):
        return int(self.words[TAIL // 8])

    @property
    def head(self):
        return int(self.words[HEAD // 8])

    @property
    def queued(self):
        return self.tail - self.head


@hot
def mix(value: int) -> int:
    """Scramble 64 bits (splitmix64)."""
    word = np.uint64(value)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64(word ^ (word >> np.uint64(31)))


@hot
def write_mixed(slot: int, sequence: int) -> None:
    """Fill 64 bytes: a head of kind 1 and the sequence, then six mixed words."""
    store_i64(slot, KIND)
    store_i64(slot + 8, sequence)
    for word in range(2, 8):
        store_i64(slot + word * 8, mix(sequence * 8 + word))


@hot
def check_mixed(slot: int, sequence: int) -> int:
    """Return 1 when a slot holds exactly what `write_mixed` wrote for that sequence."""
    good = load_i64(slot) == KIND and load_i64(slot + 8) == sequence
    for word in range(2, 8):
        good = good and load_i64(slot + word * 8) == mix(sequence * 8 + word)
    return np.int64(good)


@hot
def stall(seed: int, one_in: int) -> None:
    """Now and then hesitate, or give the core away."""
    draw = mix(seed) & 0x7FFFFFFFFFFFFFFF
    if draw % one_in == 0:
        if draw & (1 << 40):
            sched_yield()
        else:
            for _ in range((draw >> 48) & 255):
                pause()


@hot
def send_mixed(side: int, first: int, n: int, seed: int, one_in: int) -> int:
    """Push events `first` to `first + n`, hesitating at random; 0, or BROKEN."""
    for sequence in range(first, first + n):
        stall(seed + sequence, one_in)
        slot = claim(side)
        spins = 0
        while slot == 0:
            spins += 1
            if spins & 63 == 0:
                sched_yield()
            pause()
            slot = claim(side)
        if slot < 0:
            return BROKEN
        write_mixed(slot, sequence)
        commit(side)
    return 0


@hot
def take_mixed(side: int, first: int, n: int, seed: int, one_in: int) -> int:
    """Pop events `first` to `first + n` and check every word; 0, BROKEN, or TORN."""
    for sequence in range(first, first + n):
        stall(seed + sequence, one_in)
        slot = peek(side)
        spins = 0
        while slot == 0:
            spins += 1
            if spins & 63 == 0:
                sched_yield()
            pause()
            slot = peek(side)
        if slot < 0:
            return BROKEN
        if check_mixed(slot, sequence) == 0:
            return TORN
        release(side)
    return 0


@hot
def store_word(address: int, value: int) -> None:
    """Store with release, as another process would see it."""
    store_release(address, value)


def fork(function):
    """Run `function` in a child, which ends with its int as exit code; return the pid."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 on idle BLAS threads
        pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = int(function() or 0) & 255
    finally:
        os._exit(code)


def wait_for(pid, seconds=120):
    """Return the exit code of a child; kill it and fail when it takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError(f"child {pid} did not end within {seconds} s")
