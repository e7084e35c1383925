import mmap
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.events import ORDER
from livekit.ring import memory
from livekit.ring.jit import hot
from livekit.ring.layout import aligned_zeros
from livekit.ring.memory import (
    clock_ns,
    copy_fresh,
    copy_lines,
    count_leading_zeros,
    count_trailing_zeros,
    fence,
    futex,
    load_acquire,
    load_i64,
    load_u32,
    pause,
    record,
    sched_yield,
    store_i64,
    store_line,
    store_release,
    store_u32,
    write_byte,
)

INT64 = st.integers(-(2**63), 2**63 - 1)


@hot
def bounce(address: int, value: int) -> int:
    """Write a word every way and read it every way; 1 when all agree."""
    store_i64(address, value)
    good = load_i64(address) == value and load_acquire(address) == value
    store_release(address + 8, value)
    fence()
    pause()
    sched_yield()
    return np.int64(good and load_i64(address + 8) == value)


@hot
def bounce_u32(address: int, value: int) -> int:
    store_u32(address, np.uint32(value))
    return np.int64(load_u32(address))


@hot
def bits(value: int) -> int:
    return count_leading_zeros(value) * 100 + count_trailing_zeros(value)


@hot
def copy(target: int, source: int, n_lines: int, is_fresh: int) -> None:
    if is_fresh:
        copy_fresh(target, source, n_lines)
    else:
        copy_lines(target, source, n_lines)


@hot
def fill_order(order: int, quantity: float) -> float:
    view = record(ORDER, order)
    view.kind = 3
    view.filled_quantity += quantity
    view.reject = 7
    return view.filled_quantity


@hot
def clock() -> int:
    return clock_ns()


@hot
def write_one(descriptor: int, address: int) -> int:
    return write_byte(descriptor, address)


@hot
def futex_wait(word: int, value: int, timeout: int) -> int:
    return futex(word, 0, value, timeout)


@given(value=INT64)
def test_words_are_read_as_they_were_written(value):
    words = np.zeros(2, np.int64)
    assert bounce(words.ctypes.data, value) == 1
    assert words.tolist() == [value, value]


@given(value=st.integers(0, 2**32 - 1))
def test_u32_store_touches_four_bytes_only(value):
    words = np.full(2, -1, np.int64)
    assert bounce_u32(words.ctypes.data + 4, value) == value
    assert words.view(np.uint32).tolist() == [2**32 - 1, value, 2**32 - 1, 2**32 - 1]


@given(value=INT64)
def test_zeros_are_counted_from_both_ends(value):
    word = value % 2**64
    leading = 64 - word.bit_length()
    trailing = 64 if word == 0 else (word & -word).bit_length() - 1
    assert bits(value) == leading * 100 + trailing


@pytest.mark.parametrize("is_fresh", [0, 1])
@pytest.mark.parametrize("n_lines", [0, 1, 2, 4])
@pytest.mark.parametrize("shift", [0, 8])
def test_copy_moves_whole_lines_and_nothing_more(n_lines, is_fresh, shift):
    source = aligned_zeros(512)
    source[:] = np.arange(512) % 251 + 1
    target = aligned_zeros(512)
    copy(target.ctypes.data + shift, source.ctypes.data + shift, n_lines, is_fresh)
    end = shift + n_lines * 64
    assert np.array_equal(target[shift:end], source[shift:end])
    assert not target[:shift].any()
    assert not target[end:].any()


def test_record_writes_the_very_memory_of_the_numpy_view():
    order = np.zeros(2, ORDER)
    address = order.ctypes.data + ORDER.itemsize
    assert fill_order(address, 1.5) == 1.5
    assert fill_order(address, 1.0) == 2.5
    assert order[1]["filled_quantity"] == 2.5
    assert (order[1]["kind"], order[1]["reject"]) == (3, 7)
    assert order[0].tobytes() == bytes(ORDER.itemsize)


def test_clock_is_the_monotonic_clock_of_python():
    before = time.monotonic_ns()
    now = clock()
    assert before <= now <= time.monotonic_ns()


def test_write_byte_rings_a_pipe():
    import os

    reader, writer = os.pipe()
    byte = np.array([7], np.uint8)
    assert write_one(writer, byte.ctypes.data) == 1
    assert os.read(reader, 10) == b"\x07"
    os.close(reader)
    assert write_one(10_000, byte.ctypes.data) == -1
    os.close(writer)


def test_futex_returns_at_once_when_the_word_has_changed_and_by_its_timeout_otherwise():
    words = np.frombuffer(mmap.mmap(-1, 4096), np.int64).copy()
    timeout = np.array([0, 1_000_000], np.int64)
    assert futex_wait(words.ctypes.data, 1, timeout.ctypes.data) == -1
    start = time.monotonic_ns()
    assert futex_wait(words.ctypes.data, 0, timeout.ctypes.data) == -1
    assert time.monotonic_ns() - start >= 1_000_000


def test_every_public_name_is_an_intrinsic_or_made_of_one():
    for name in memory.__all__:
        assert type(getattr(memory, name)).__name__ == "_Intrinsic"


@hot
def _line(address):
    store_line(address, 1, -2, 3, 4, 5, 6, 7, 1 << 62)


def test_store_line_writes_its_eight_words_and_nothing_else():
    memory = aligned_zeros(192).view(np.int64)
    _line(memory[8:].ctypes.data)
    assert memory.tolist() == [0] * 8 + [1, -2, 3, 4, 5, 6, 7, 1 << 62] + [0] * 8
