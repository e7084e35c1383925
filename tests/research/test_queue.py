"""The merge ahead of the loop: any streams, in the order of time, sequence and stream."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from livekit.events import BOOK, QUOTE, Kind
from livekit.research.queue import BLOCK, QUEUE, top_up
from livekit.ring.layout import aligned_zeros
from livekit.store.merge import HEAP, STREAM, build


def merged(streams):
    """Return (stream, row) in the order of the merge, and the sizes of its blocks."""
    heap, rows = np.zeros(1, HEAP), np.zeros(len(streams), STREAM)
    for number, (row, own) in enumerate(zip(rows, streams, strict=True)):
        row["row"], row["end"] = own.ctypes.data, own.ctypes.data + own.nbytes
        row["n_bytes"], row["tag"] = own.dtype.itemsize, number
    entries = rows.ctypes.data + np.arange(len(streams), dtype=np.int64) * STREAM.itemsize
    heap["entries"], heap["n"] = entries.ctypes.data, len(streams)
    build(heap.ctypes.data)
    memory = aligned_zeros(QUEUE.itemsize)
    queue = memory.view(QUEUE)[0]
    found, blocks = [], []
    while n := top_up(heap.ctypes.data, memory.ctypes.data):
        assert (queue["start"], queue["end"]) == (0, n)
        for address, tag in zip(queue["rows"][:n], queue["tags"][:n], strict=True):
            own = streams[tag]
            found.append((int(tag), int(address - own.ctypes.data) // own.dtype.itemsize))
        blocks.append(n)
    return found, blocks


def stream(times, dtype, kind):
    rows = np.zeros(len(times), dtype)
    rows["kind"] = kind
    rows["ts_recv"], rows["sequence"] = np.array(sorted(times), np.int64).reshape(-1, 2).T
    return rows


TIMES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=40)


@given(st.lists(TIMES, min_size=1, max_size=6))
def test_events_come_in_the_order_of_time_then_sequence_then_stream(parts):
    shapes = [(QUOTE, Kind.QUOTE), (BOOK, Kind.BOOK)]
    streams = [stream(times, *shapes[i % 2]) for i, times in enumerate(parts)]
    expected = sorted(
        (int(row["ts_recv"]), int(row["sequence"]), number, index)
        for number, rows in enumerate(streams)
        for index, row in enumerate(rows)
    )
    assert merged(streams)[0] == [(number, index) for *_, number, index in expected]


def test_blocks_are_full_until_streams_end():
    long = stream([(k, 0) for k in range(3 * BLOCK)], QUOTE, Kind.QUOTE)
    assert merged([long])[1] == [BLOCK] * 3
    short = stream([(0, 1), (BLOCK, 1)], QUOTE, Kind.QUOTE)
    found, blocks = merged([long, short])
    assert sum(blocks) == len(found) == 3 * BLOCK + 2
    assert max(blocks) == BLOCK


def test_no_streams_give_nothing():
    heap, memory = np.zeros(1, HEAP), aligned_zeros(QUEUE.itemsize)
    assert top_up(heap.ctypes.data, memory.ctypes.data) == 0
