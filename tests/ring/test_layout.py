from itertools import pairwise

import numpy as np
import pytest

from livekit.errors import SegmentError
from livekit.ring.layout import (
    BELL,
    CONTROL_BYTES,
    HEAD,
    SIDE,
    SLEEPING,
    TAIL,
    aligned_zeros,
    check_power_of_two,
    fill_side,
)


def fill(**changes):
    side = np.zeros(1, SIDE)
    fill_side(
        side, **{"control": 1024, "slots": 2048, "capacity": 8, "is_producer": True} | changes
    )
    return side[0]


def test_words_of_the_control_block_are_lines_of_128_bytes_apart():
    assert sorted([TAIL, HEAD, SLEEPING, BELL]) == list(range(0, CONTROL_BYTES, 128))


def test_side_has_only_int64_words_that_do_not_overlap():
    ends = []
    for kind, offset in SIDE.fields.values():
        assert (kind.subdtype or (kind,))[0] == np.dtype("<i8")
        ends.append((offset, offset + kind.itemsize))
    ends.sort()
    assert all(end <= start for (_, end), (start, _) in pairwise(ends))
    assert SIDE.itemsize == 256


@pytest.mark.parametrize("alignment", [64, 128, 4096])
def test_aligned_zeros_start_where_asked(alignment):
    memory = aligned_zeros(200, alignment)
    assert memory.ctypes.data % alignment == 0
    assert memory.size == 200
    assert not memory.any()


def test_sides_start_as_if_full_or_empty_so_that_the_first_look_is_an_acquire():
    producer = fill(tail=10, head=7)
    consumer = fill(tail=10, head=7, is_producer=False)
    assert (producer["cursor"], producer["other"]) == (10, 2)
    assert (consumer["cursor"], consumer["other"]) == (7, 7)


def test_filled_side_holds_what_it_was_given():
    side = fill(slot_bytes=128, reserve=3, policy=2, counters=4096)
    assert (side["mask"], side["shift"], side["capacity"]) == (7, 7, 8)
    assert (side["reserve"], side["policy"], side["counters"]) == (3, 2, 4096)
    assert side["gap"] == 0
    assert not side["lost"].any()


def test_sleep_numbers_of_a_second_consumer_follow_those_of_the_first():
    first = int(fill(is_producer=False)["sleep"])
    assert 0 < first < int(fill(is_producer=False)["sleep"])


@pytest.mark.parametrize("capacity", [0, -1, 3, 12])
def test_capacity_that_is_no_power_of_two_is_refused(capacity):
    with pytest.raises(SegmentError, match=f"capacity of a ring is {capacity}, expected a power"):
        fill(capacity=capacity)


@pytest.mark.parametrize("slot_bytes", [0, 32, 96])
def test_slot_size_that_is_no_power_of_two_from_a_line_on_is_refused(slot_bytes):
    with pytest.raises(SegmentError, match=f"slot size of a ring is {slot_bytes}, expected"):
        fill(slot_bytes=slot_bytes)


@pytest.mark.parametrize(("tail", "head"), [(0, 1), (9, 0), (-1, 0)])
def test_impossible_cursors_are_refused_with_their_numbers(tail, head):
    with pytest.raises(SegmentError, match=f"tail={tail} head={head} capacity=8"):
        fill(tail=tail, head=head)


@pytest.mark.parametrize("value", [1, 2, 1024])
def test_powers_of_two_are_accepted(value):
    check_power_of_two("capacity", value)
