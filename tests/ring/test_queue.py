import os
import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livekit.errors import ConfigError, NotFoundError, SegmentError, SegmentMismatchError
from livekit.events import BOOK, DTYPES, HEAD, TRADE, Kind
from livekit.ring.layout import CONTROL_BYTES, TAIL, aligned_zeros
from livekit.ring.queue import LockFreeQueue


def trade(sequence=0, price=1.5):
    event = np.zeros(1, TRADE)[0]
    event["kind"], event["sequence"], event["price"] = Kind.TRADE, sequence, price
    return event


@pytest.fixture
def queue(runtime_dir):
    with LockFreeQueue.create(runtime_dir / "q", 4) as made:
        yield made


def test_event_comes_back_as_a_scalar_of_its_own_dtype(queue):
    assert queue.try_push(trade(7, 2.25)) is True
    event = queue.try_pop()
    assert event.dtype == TRADE
    assert (event["sequence"], event["price"]) == (7, 2.25)
    assert queue.try_pop() is None


@pytest.mark.parametrize("kind", DTYPES)
def test_every_kind_passes_bit_for_bit(queue, kind):
    event = np.zeros(1, DTYPES[kind])
    event.view(np.uint8)[:] = np.arange(event.nbytes) % 251
    event["kind"] = kind
    queue.try_push(event)
    assert queue.try_pop().tobytes() == event.tobytes()


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview, np.frombuffer])
def test_bytes_like_events_are_taken(queue, form):
    data = trade(3).tobytes()
    assert queue.try_push(np.frombuffer(data, np.uint8) if form is np.frombuffer else form(data))
    assert queue.try_pop()["sequence"] == 3


def test_popped_event_stays_what_it_was(queue):
    queue.try_push(trade(1))
    kept = queue.try_pop()
    for i in range(2, 12):
        queue.try_push(trade(i))
        queue.try_pop()
    assert kept["sequence"] == 1
    kept["sequence"] = 99
    queue.try_push(kept)
    assert queue.try_pop()["sequence"] == 99


def test_full_queue_refuses_and_keeps_what_it_has(queue):
    assert [queue.try_push(trade(i)) for i in range(6)] == [True] * 4 + [False] * 2
    assert len(queue) == 4
    assert [int(e["sequence"]) for e in queue.read_batch()] == [0, 1, 2, 3]
    assert len(queue) == 0


def test_read_batch_takes_at_most_max_count(queue):
    for i in range(4):
        queue.try_push(trade(i))
    assert [int(e["sequence"]) for e in queue.read_batch(3)] == [0, 1, 2]
    assert [int(e["sequence"]) for e in queue.read_batch(max_count=3)] == [3]
    assert queue.read_batch() == []


def test_read_batch_gives_every_event_memory_of_its_own(queue):
    queue.try_push(trade(1))
    first = queue.read_batch()
    queue.try_push(trade(2))
    queue.read_batch()
    assert first[0]["sequence"] == 1


def test_two_objects_on_one_file_are_two_sides(queue):
    with LockFreeQueue.open(queue.path) as other:
        assert (other.capacity, other.event_size) == (4, 256)
        for i in range(10):
            queue.try_push(trade(i))
            assert other.try_pop()["sequence"] == i


def test_reopened_producer_goes_on_where_the_last_one_stopped(queue):
    queue.try_push(trade(0))
    queue.try_pop()
    with LockFreeQueue.open(queue.path) as second:
        second.try_push(trade(1))
    assert queue.try_pop()["sequence"] == 1


def test_queue_over_given_memory_works_like_a_file(queue):
    control = aligned_zeros(CONTROL_BYTES)
    slots = aligned_zeros(8 * 64).reshape(8, 64)
    with LockFreeQueue.over(control, slots) as mine:
        assert (mine.capacity, mine.event_size) == (8, 64)
        mine.try_push(trade(5))
        assert mine.try_pop()["sequence"] == 5


def test_file_is_private_and_unlink_removes_it(queue):
    status = queue.path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_size == 1024 + 4 * 256
    queue.unlink()
    assert not queue.path.exists()
    assert queue.try_push(trade())


def test_creating_over_an_existing_file_is_refused(queue):
    with pytest.raises(SegmentError, match="exists already"):
        LockFreeQueue.create(queue.path)


def test_opening_what_is_not_there_is_refused(runtime_dir):
    with pytest.raises(NotFoundError, match="does not exist"):
        LockFreeQueue.open(runtime_dir / "nothing")


def test_opening_a_foreign_file_is_refused(runtime_dir):
    path = runtime_dir / "foreign"
    path.write_bytes(b"SQLite format 3".ljust(4096, b"\0"))
    path.chmod(0o600)
    with pytest.raises(SegmentMismatchError, match="not livekit's"):
        LockFreeQueue.open(path)


def test_opening_a_file_that_others_may_read_is_refused(queue):
    queue.path.chmod(0o644)
    with pytest.raises(SegmentError, match="mode 644"):
        LockFreeQueue.open(queue.path)


def test_opening_a_truncated_file_is_refused(queue):
    os.truncate(queue.path, 1024 + 3 * 256)
    with pytest.raises(SegmentMismatchError, match="truncated"):
        LockFreeQueue.open(queue.path)


@pytest.mark.parametrize(("field", "value"), [("capacity", 8), ("slot_bytes", -256)])
def test_opening_a_file_whose_sizes_do_not_fit_is_refused(queue, field, value):
    offset = {"capacity": 256, "slot_bytes": 264}[field]
    with queue.path.open("r+b") as file:
        file.seek(offset)
        file.write(value.to_bytes(8, "little", signed=True))
    with pytest.raises(SegmentError, match="is no queue"):
        LockFreeQueue.open(queue.path)


@pytest.mark.parametrize("capacity", [0, 3])
def test_capacity_that_is_no_power_of_two_is_refused(runtime_dir, capacity):
    with pytest.raises(SegmentError, match="power of two"):
        LockFreeQueue.create(runtime_dir / "odd", capacity)
    assert not (runtime_dir / "odd").exists()


@pytest.mark.parametrize("data", [b"", bytes(64), bytes([12]) + bytes(63), bytes([200]) * 64])
def test_event_of_unknown_kind_is_refused(queue, data):
    with pytest.raises(ConfigError, match="has kind"):
        queue.try_push(data)
    assert len(queue) == 0


def test_event_shorter_than_its_kind_is_refused(queue):
    with pytest.raises(ConfigError, match="BOOK has 64 bytes, expected 256"):
        queue.try_push(bytes([Kind.BOOK]) + bytes(63))


def test_event_larger_than_the_slots_is_refused(runtime_dir):
    with LockFreeQueue.create(runtime_dir / "small", 4, 64) as small:
        book = np.zeros(1, BOOK)
        book["kind"] = Kind.BOOK
        with pytest.raises(ConfigError, match="BOOK is 256 bytes, slots of this queue are 64"):
            small.try_push(book)


def test_event_that_claims_more_than_its_slot_comes_as_a_head(runtime_dir):
    with LockFreeQueue.create(runtime_dir / "small", 4, 64) as small:
        small.try_push(trade(4))
        small.memory[1][0, 0] = Kind.BOOK
        event = small.try_pop()
        assert event.dtype == HEAD
        assert event["sequence"] == 4


def test_impossible_cursor_is_reported_with_its_numbers(queue):
    assert queue.try_pop() is None
    queue.memory[0][TAIL : TAIL + 8].view(np.int64)[0] = 77
    with pytest.raises(SegmentError, match="tail=77 head=0 capacity=4"):
        queue.try_pop()
    assert len(queue) == 4


def test_joining_a_queue_with_impossible_cursors_is_refused(queue):
    queue.memory[0][TAIL : TAIL + 8].view(np.int64)[0] = 77
    with pytest.raises(SegmentError, match="tail=77 head=0 capacity=4"):
        queue.try_pop()


def test_closed_queue_refuses_every_call(queue):
    queue.try_push(trade())
    queue.close()
    queue.close()
    for call in (
        queue.try_pop,
        queue.read_batch,
        lambda: queue.try_push(trade()),
        lambda: len(queue),
    ):
        with pytest.raises(SegmentError, match="closed"):
            call()


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(st.one_of(st.none(), st.integers(1, 5)), max_size=50))
def test_queue_behaves_like_a_bounded_list(steps):
    control, slots = aligned_zeros(CONTROL_BYTES), aligned_zeros(4 * 64).reshape(4, 64)
    expected, n = [], 0
    with LockFreeQueue.over(control, slots) as queue:
        for step in steps:
            if step is None:
                assert queue.try_push(trade(n)) == (len(expected) < 4)
                expected += [n] if len(expected) < 4 else []
                n += 1
            else:
                taken = [int(e["sequence"]) for e in queue.read_batch(step)]
                assert taken == expected[: len(taken)]
                assert bool(taken) == bool(expected)
                expected = expected[len(taken) :]
            assert len(queue) == len(expected)
