"""Raw frames of a live feed into its events again, as the feed made them then.

The marks beside the frames (store/recorder_raw.py) say what the feed did without one: a
connection began, or its loss took prices back, or instruments came up or went down. With
them a `Normalizer` that is given the same frames at the same times gives the same events,
in the same order and with the same numbers, to the bit: to look into a day again, or to
read it with rules that were mended since.
Layer 4.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from livekit.errors import DataError, FeedError
from livekit.okx.market import Normalizer
from livekit.store.recorder_raw import RawLine, read_lines

__all__ = ["renormalise"]

_BY_TIME: Final = attrgetter("received_ns")


def renormalise(paths: Iterable[Path], symbols: Sequence[str]) -> Iterator[np.ndarray]:
    """Yield the events of each frame and mark that gave some.

    Parameters
    ----------
    paths : iterable of Path
        Raw files of all connections of one engine and day, or of some.
    symbols : sequence of str
        The engine's instruments, in the order of their numbers.

    Yields
    ------
    uint8[n, 256]
        Slots, owned by the caller.

    Raises
    ------
    DataError
        A file cannot be read, or holds lines of another kind.
    """
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    lines = heapq.merge(*(read_lines(path) for path in paths), key=_BY_TIME)
    normalizer, has_fed = Normalizer(numbers), False
    for line in lines:
        if line.kind == "mark":
            what = _mark_of(line)
            if "began" in what and has_fed:  # another engine, which knew nothing of the first
                normalizer, has_fed = Normalizer(numbers), False
            n = _redo(normalizer, what, line.received_ns)
        else:
            has_fed = True
            n = _take(normalizer, line)
        if n:
            yield normalizer.slots[:n].copy()


def _take(normalizer: Normalizer, line: RawLine) -> int:
    if line.kind == "spare":
        return 0
    try:
        return normalizer.feed(line.data, line.received_ns)
    except FeedError:
        return 0  # the feed refused it as well, and said so


def _mark_of(line: RawLine) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line.data, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise DataError(f"mark {line.data[:80]!r} of raw frames cannot be read: {error}") from error


def _redo(normalizer: Normalizer, what: dict[str, Any], ts: int) -> int:
    """Do again what a mark says; return how many events that gave."""
    if "began" in what:
        return normalizer.connect(ts)
    if "lost" in what:
        return normalizer.connect(ts, {(channel, symbol) for channel, symbol in what["lost"]})
    if "failed" in what:
        channel, symbol = what["failed"]
        return normalizer.fail(symbol, channel, ts)
    return normalizer.announce(ts, what["symbols"], is_connected=what["connected"])
