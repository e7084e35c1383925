"""What the measured processes run: jitted loops over the ring's functions.

The loops of the C++ reference, word for word: an event of 64 bytes is filled with
its number, and the other side adds its words up. Each takes the address of its SIDE,
of two words for results (checksum, nanoseconds), and returns 0, or BROKEN.
Layer 5.
"""

from typing import Final

import numpy as np

from livekit.ring.jit import hot
from livekit.ring.layout import BROKEN
from livekit.ring.memory import clock_ns, pause, record, store_i64, store_line
from livekit.ring.spsc import claim, commit, peek, pop, pop_batch, push, push_batch, release

__all__ = [
    "WARM_UP",
    "consume",
    "echo",
    "popper",
    "popper_batch",
    "produce",
    "pusher",
    "pusher_batch",
]

_WORDS: Final = np.dtype([(name, "<i8") for name in ("kind", *"abcdefg")])

_BACK_OFF: Final = 64
"""Pauses between two looks of a reader that has found its ring empty, about 3 µs."""

WARM_UP: Final = 1000
"""Round trips before the clock of `echo` starts."""


@hot
def _fill(slot: int, number: int) -> None:
    n = number
    store_line(slot, 1, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7)


@hot
def _sum(slot: int) -> int:
    words = record(_WORDS, slot)
    return words.a + words.b + words.c + words.d + words.e + words.f + words.g


@hot
def _await_first(side: int) -> int:
    slot = peek(side)
    while slot == 0:
        pause()
        slot = peek(side)
    return slot


@hot
def produce(side: int, n: int, results: int) -> int:
    """Write `n` events straight into their slots."""
    start = clock_ns()
    for number in range(n):
        slot = claim(side)
        while slot == 0:
            pause()
            slot = claim(side)
        if slot < 0:
            return BROKEN
        _fill(slot, number)
        commit(side)
    store_i64(results, n)
    store_i64(results + 8, clock_ns() - start)
    return 0


@hot
def consume(side: int, n: int, results: int) -> int:
    """Read `n` events in place."""
    if _await_first(side) < 0:
        return BROKEN
    start = clock_ns()
    total = 0
    for _ in range(n):
        slot = peek(side)
        while slot == 0:
            # Looking at every pause would fetch the tail's line for each event or two
            # (43 M/s in place of 76); the C++ side backs off the same.
            for _ in range(_BACK_OFF):
                pause()
            slot = peek(side)
        if slot < 0:
            return BROKEN
        total += _sum(slot)
        release(side)
    store_i64(results, total)
    store_i64(results + 8, clock_ns() - start)
    return 0


@hot
def pusher(side: int, n: int, results: int, event: int) -> int:
    """Fill a private event and push a copy of it, `n` times."""
    start = clock_ns()
    for number in range(n):
        _fill(event, number)
        done = push(side, event, 1)
        while done == 0:
            pause()
            done = push(side, event, 1)
        if done < 0:
            return BROKEN
    store_i64(results, n)
    store_i64(results + 8, clock_ns() - start)
    return 0


@hot
def popper(side: int, n: int, results: int, event: int) -> int:
    """Pop `n` events into a private copy."""
    if _await_first(side) < 0:
        return BROKEN
    start = clock_ns()
    total = 0
    for _ in range(n):
        done = pop(side, event)
        while done == 0:
            pause()
            done = pop(side, event)
        if done < 0:
            return BROKEN
        total += _sum(event)
    store_i64(results, total)
    store_i64(results + 8, clock_ns() - start)
    return 0


@hot
def pusher_batch(side: int, n: int, results: int, events: int, batch: int) -> int:
    """Fill private batches and push them."""
    start = clock_ns()
    number = 0
    while number < n:
        size = min(batch, n - number)
        for i in range(size):
            _fill(events + i * 64, number + i)
        sent = 0
        while sent < size:
            done = push_batch(side, events + sent * 64, 64, size - sent)
            if done < 0:
                return BROKEN
            if done == 0:
                pause()
            sent += done
        number += size
    store_i64(results, n)
    store_i64(results + 8, clock_ns() - start)
    return 0


@hot
def popper_batch(side: int, n: int, results: int, events: int, batch: int) -> int:
    """Pop batches into private copies."""
    if _await_first(side) < 0:
        return BROKEN
    start = clock_ns()
    total = 0
    number = 0
    while number < n:
        done = pop_batch(side, events, 64, batch)
        if done < 0:
            return BROKEN
        if done == 0:
            pause()
        for i in range(done):
            total += _sum(events + i * 64)
        number += done
    store_i64(results, total)
    store_i64(results + 8, clock_ns() - start)
    return 0


@hot
def echo(out: int, back: int, n: int, results: int, is_first: int) -> int:
    """Send an event and wait for one back (`is_first`), or the other way round, `n` times."""
    start = np.int64(0)
    total = 0
    for number in range(-WARM_UP, n):
        if number == 0:
            start = clock_ns()
        if is_first:
            _fill(claim(out), number)
            commit(out)
        slot = peek(back)
        while slot == 0:
            pause()
            slot = peek(back)
        if slot < 0:
            return BROKEN
        total += _sum(slot)
        release(back)
        if not is_first:
            _fill(claim(out), number)
            commit(out)
    store_i64(results, total)
    store_i64(results + 8, clock_ns() - start)
    return 0
