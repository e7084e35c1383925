"""The merge of recorded streams, jitted: a heap with one entry per file.

A stream is the mapped rows of one kind of one instrument on one day. The heap holds the
addresses of the streams that have rows left, ordered by their next row's (ts_recv,
sequence). Taking an event is a look at the top and an `advance`.
Layer 3. All memory is the caller's.
"""

from typing import Final

import numpy as np

from livekit.events import HEAD
from livekit.ring.jit import hot
from livekit.ring.memory import copy_lines, load_i64, record, store_i64

__all__ = ["HEAP", "STREAM", "advance", "build", "fill", "look", "skip"]

STREAM: Final = np.dtype(
    [
        ("row", "<i8"),  # address of the next row
        ("end", "<i8"),  # address past the last row
        ("n_bytes", "<i8"),
        ("instrument", "<i8"),
        ("ts", "<i8"),  # key of the next row
        ("sequence", "<i8"),
        ("tag", "<i8"),  # the caller's
        ("reserved", "<i8"),
    ]
)
HEAP: Final = np.dtype([("entries", "<i8"), ("n", "<i8")])


@hot
def look(stream: int) -> None:
    """Read the key of a stream's next row."""
    own = record(STREAM, stream)
    head = record(HEAD, own.row)
    own.ts = head.ts_recv
    own.sequence = np.int64(head.sequence)


@hot
def _is_before(a: int, b: int) -> bool:
    """Order streams by their next row; by their address where two rows are equal."""
    first, second = record(STREAM, a), record(STREAM, b)
    if first.ts != second.ts:
        return first.ts < second.ts
    if first.sequence != second.sequence:
        return first.sequence < second.sequence
    return a < b


@hot
def _sift_down(entries: int, n: int, i: int) -> None:
    """Bring entry `i` of a heap of stream addresses to its place."""
    entry = load_i64(entries + i * 8)
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        smaller = load_i64(entries + child * 8)
        if child + 1 < n:
            other = load_i64(entries + child * 8 + 8)
            if _is_before(other, smaller):
                child += 1
                smaller = other
        if not _is_before(smaller, entry):
            break
        store_i64(entries + i * 8, smaller)
        i = child
    store_i64(entries + i * 8, entry)


@hot
def build(heap: int) -> None:
    """Make a heap of the streams, all of which have a next row."""
    view = record(HEAP, heap)
    for i in range(view.n):
        look(load_i64(view.entries + i * 8))
    for i in range(view.n // 2 - 1, -1, -1):
        _sift_down(view.entries, view.n, i)


@hot
def advance(heap: int, stream: int) -> None:
    """Take the top stream's row and restore the heap."""
    view = record(HEAP, heap)
    own = record(STREAM, stream)
    own.row += own.n_bytes
    if own.row < own.end:
        look(stream)
    else:
        view.n -= 1
        store_i64(view.entries, load_i64(view.entries + view.n * 8))
    if view.n > 1:
        _sift_down(view.entries, view.n, 0)


@hot
def fill(heap: int, slots: int, stride: int, n: int) -> int:
    """Copy up to `n` events into slots `stride` bytes apart; return how many there were."""
    view = record(HEAP, heap)
    done = 0
    while done < n and view.n > 0:
        stream = load_i64(view.entries)
        own = record(STREAM, stream)
        slot = slots + done * stride
        copy_lines(slot, own.row, own.n_bytes >> 6)
        record(HEAD, slot).instrument = own.instrument
        advance(heap, stream)
        done += 1
    return done


@hot
def skip(heap: int, n: int) -> int:
    """Pass over up to `n` events; return how many there were."""
    view = record(HEAP, heap)
    done = 0
    while done < n and view.n > 0:
        advance(heap, load_i64(view.entries))
        done += 1
    return done
