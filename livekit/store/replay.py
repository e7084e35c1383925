"""Recorded data as one stream of events, in the order in which it arrived.

A `Replay` merges the files of all instruments and kinds by (ts_recv, sequence), day by
day, into slots that a broadcast can take: the rows are mapped, never loaded, and only
one day is open at a time, so memory stays flat however much was recorded. The merge is
a heap with one entry per file, worked by a jitted function; filling a slot costs a copy
of the event's lines.
Layer 3.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from livekit.errors import ConfigError, DataError, NotFoundError
from livekit.events import HEAD, SLOT_BYTES, Kind
from livekit.instruments import Instrument
from livekit.ring.jit import hot
from livekit.ring.memory import copy_lines, load_i64, record, store_i64
from livekit.store.catalog import Catalog, Recording, day_of
from livekit.store.schema import kind_of

__all__ = ["Replay"]

_STREAM: Final = np.dtype(
    [
        ("row", "<i8"),  # address of the next row
        ("end", "<i8"),  # address past the last row
        ("n_bytes", "<i8"),
        ("instrument", "<i8"),
        ("ts", "<i8"),  # key of the next row
        ("sequence", "<i8"),
        ("reserved", "<i8", (2,)),
    ]
)
_HEAP: Final = np.dtype([("entries", "<i8"), ("n", "<i8")])

_MAX_SKIP: Final = 1 << 24


@hot
def _look(stream: int) -> None:
    """Read the key of a stream's next row."""
    own = record(_STREAM, stream)
    head = record(HEAD, own.row)
    own.ts = head.ts_recv
    own.sequence = np.int64(head.sequence)


@hot
def _is_before(a: int, b: int) -> bool:
    """Order streams by their next row; by their address where two rows are equal."""
    first, second = record(_STREAM, a), record(_STREAM, b)
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
def _build(heap: int) -> None:
    """Make a heap of the streams, all of which have a next row."""
    view = record(_HEAP, heap)
    for i in range(view.n):
        _look(load_i64(view.entries + i * 8))
    for i in range(view.n // 2 - 1, -1, -1):
        _sift_down(view.entries, view.n, i)


@hot
def _advance(heap: int, stream: int) -> None:
    """Take the top stream's row and restore the heap."""
    view = record(_HEAP, heap)
    own = record(_STREAM, stream)
    own.row += own.n_bytes
    if own.row < own.end:
        _look(stream)
    else:
        view.n -= 1
        store_i64(view.entries, load_i64(view.entries + view.n * 8))
    if view.n > 1:
        _sift_down(view.entries, view.n, 0)


@hot
def _fill(heap: int, slots: int, stride: int, n: int) -> int:
    """Copy up to `n` events into slots `stride` bytes apart; return how many there were."""
    view = record(_HEAP, heap)
    done = 0
    while done < n and view.n > 0:
        stream = load_i64(view.entries)
        own = record(_STREAM, stream)
        slot = slots + done * stride
        copy_lines(slot, own.row, own.n_bytes >> 6)
        record(HEAD, slot).instrument = own.instrument
        _advance(heap, stream)
        done += 1
    return done


@hot
def _skip(heap: int, n: int) -> int:
    """Pass over up to `n` events; return how many there were."""
    view = record(_HEAP, heap)
    done = 0
    while done < n and view.n > 0:
        _advance(heap, load_i64(view.entries))
        done += 1
    return done


@dataclass(slots=True)
class _Day:
    """What is replayed of one day."""

    day: str
    recordings: list[Recording]
    n_events: int


class Replay:
    """A stream of recorded events.

    Parameters
    ----------
    root : path
        Folder of the catalog.
    symbols, kinds : iterable, optional
        What to replay; everything by default. A kind is a `Kind` or its name.
    start, stop : int or str, optional
        Replay events with start <= ts_recv < stop: ns since the epoch, or a UTC time
        such as ``2026-01-05T09:30``.
    venue : str

    Attributes
    ----------
    instruments : tuple of Instrument
        The index is the number that the events carry.
    n_events : int
        How many events the whole stream has.
    first_ts, last_ts : int
        ts_recv of the first and last event, ns; 0 when there are none.
    position : int
        How many events were taken.

    Raises
    ------
    NotFoundError
        No such folder, symbol, kind or time is recorded.
    DataError
        A file is corrupt or truncated, or an instrument has no steps.
    """

    def __init__(
        self,
        root: str | Path,
        symbols: Iterable[str] | None = None,
        kinds: Iterable[Kind | str] | None = None,
        start: int | str | None = None,
        stop: int | str | None = None,
        venue: str = "okx",
    ) -> None:
        self._catalog = Catalog(root)
        self._start, self._stop = _time(start, "start"), _time(stop, "stop")
        names = None if symbols is None else tuple(dict.fromkeys(symbols))
        wanted = None if kinds is None else tuple(kinds)
        found = [one for one in self._catalog.list() if one.venue == venue]
        found = _select(found, names, wanted, str(root), venue)
        self.instruments = self._instruments(found, names, venue)
        self._numbers = {one.symbol: i for i, one in enumerate(self.instruments)}
        self._days = self._plan(found)
        self.n_events: int = sum(day.n_events for day in self._days)
        self.first_ts, self.last_ts = self._range()
        self.position = 0
        self._rows: list[np.ndarray] = []
        self._heap = np.zeros(1, _HEAP)
        self._streams = np.zeros(0, _STREAM)
        self._entries = np.zeros(0, np.int64)
        self._day = -1
        self._open_next()

    def _instruments(
        self, found: list[Recording], symbols: tuple[str, ...] | None, venue: str
    ) -> tuple[Instrument, ...]:
        """Return the instruments in the order asked for, or by name."""
        known = self._catalog.instruments(venue)
        present = sorted({one.symbol for one in found})
        names = present if symbols is None else symbols
        missing = [name for name in names if name not in known]
        if missing:
            raise DataError(
                f"the steps of {missing[0]!r} are not in {str(self._catalog.root)!r}/{venue}/"
                "instruments.parquet; import the data with --instruments, or add the row"
            )
        return tuple(known[name] for name in names)

    def _plan(self, found: list[Recording]) -> list[_Day]:
        days: dict[str, _Day] = {}
        for one in sorted(found, key=lambda one: one.day):
            if self._is_outside(one.day):
                continue
            day = days.setdefault(one.day, _Day(one.day, [], 0))
            day.recordings.append(one)
            day.n_events += len(self._read(one)) if self._is_cut(one.day) else one.rows
        return [day for day in days.values() if day.n_events]

    def _is_outside(self, day: str) -> bool:
        return (self._start is not None and day < day_of(self._start)) or (
            self._stop is not None and day > day_of(self._stop)
        )

    def _is_cut(self, day: str) -> bool:
        return any(ts is not None and day == day_of(ts) for ts in (self._start, self._stop))

    def _read(self, one: Recording) -> np.ndarray:
        """Return the rows of one file that lie between start and stop."""
        rows = self._catalog.read(one.symbol, one.kind, one.day, one.venue)
        if self._is_cut(one.day):
            ts = rows["ts_recv"]
            low = 0 if self._start is None else int(np.searchsorted(ts, self._start))
            high = len(rows) if self._stop is None else int(np.searchsorted(ts, self._stop))
            rows = rows[low : max(low, high)]
        return rows

    def _range(self) -> tuple[int, int]:
        if not self._days:
            return 0, 0
        edges = []
        for day in (self._days[0], self._days[-1]):
            rows = [self._read(one) for one in day.recordings]
            edges.append([part for part in rows if len(part)])
        first = min(int(rows["ts_recv"][0]) for rows in edges[0])
        return first, max(int(rows["ts_recv"][-1]) for rows in edges[1])

    def _open_next(self) -> bool:
        """Open the next day; False when there is none."""
        self._day += 1
        if self._day >= len(self._days):
            self._heap["n"] = 0
            self._rows = []
            return False
        day = self._days[self._day]
        parts = [(one, self._read(one)) for one in day.recordings]
        parts = [(one, rows) for one, rows in parts if len(rows)]
        self._rows = [rows for _, rows in parts]
        self._streams = np.zeros(len(parts), _STREAM)
        for stream, (one, rows) in zip(self._streams, parts, strict=True):
            stream["row"] = rows.ctypes.data
            stream["end"] = rows.ctypes.data + rows.nbytes
            stream["n_bytes"] = rows.dtype.itemsize
            stream["instrument"] = self._numbers[one.symbol]
        base = self._streams.ctypes.data
        self._entries = base + np.arange(len(parts), dtype=np.int64) * _STREAM.itemsize
        self._heap["entries"] = self._entries.ctypes.data
        self._heap["n"] = len(parts)
        _build(self._heap.ctypes.data)
        return True

    def next_batch(self, slots: np.ndarray, n: int) -> int:
        """Fill slots with the next events.

        Parameters
        ----------
        slots : uint8[m, 256]
            C-contiguous; only the bytes of each event's kind are written.
        n : int
            Fill at most this many, at most m.

        Returns
        -------
        int
            How many were filled; 0 only at the end of the stream.
        """
        if slots.shape[1:] != (SLOT_BYTES,) or not slots.flags.c_contiguous:
            raise ConfigError(
                f"slots have shape {slots.shape}, expected C-contiguous uint8[n, {SLOT_BYTES}]"
            )
        n = min(n, len(slots))
        address, heap, done = slots.ctypes.data, self._heap.ctypes.data, 0
        while done < n:
            filled = _fill(heap, address + done * SLOT_BYTES, SLOT_BYTES, n - done)
            done += filled
            if done < n and not self._open_next():
                break
        self.position += done
        return done

    def peek_ts(self) -> int:
        """Return ts_recv of the next event, ns; -1 at the end of the stream."""
        while not self._heap["n"][0]:
            if not self._open_next():
                return -1
        top = (int(self._entries[0]) - self._streams.ctypes.data) // _STREAM.itemsize
        return int(self._streams["ts"][top])

    def seek(self, position: int) -> None:
        """Go to an event by its position in the stream.

        Raises
        ------
        ConfigError
            The position is not in 0 to `n_events`.
        """
        if not 0 <= position <= self.n_events:
            raise ConfigError(
                f"position {position!r} is not in the replay, expected 0 to {self.n_events}"
            )
        passed, self._day = 0, -1
        for day in self._days:
            if passed + day.n_events > position:
                break
            passed += day.n_events
            self._day += 1
        self._open_next()
        while passed < position:
            skipped = _skip(self._heap.ctypes.data, min(position - passed, _MAX_SKIP))
            passed += skipped
            if not skipped and not self._open_next():
                raise DataError(
                    f"{str(self._catalog.root)!r} holds fewer events than when the replay was "
                    "opened; open it again"
                )
        self.position = position


def _time(value: int | str | None, name: str) -> int | None:
    if value is None or isinstance(value, int):
        return value
    try:
        return int(np.datetime64(value.removesuffix("Z"), "ns").astype(np.int64))
    except ValueError as error:
        raise ConfigError(
            f"{name} {value!r} is not a time, expected ns since the epoch or '2026-01-05T09:30'"
        ) from error


def _select(
    found: list[Recording],
    symbols: tuple[str, ...] | None,
    kinds: tuple[Kind | str, ...] | None,
    root: str,
    venue: str,
) -> list[Recording]:
    present = sorted({one.symbol for one in found})
    for symbol in symbols or ():
        if symbol not in present:
            raise NotFoundError(
                f"symbol {symbol!r} is not recorded in {root!r} for venue {venue!r}; there is "
                f"{', '.join(present) or 'nothing'}"
            )
    wanted = {kind_of(kind) for kind in kinds} if kinds is not None else None
    chosen = [
        one
        for one in found
        if (symbols is None or one.symbol in set(symbols))
        and (wanted is None or one.kind in wanted)
    ]
    if not chosen:
        raise NotFoundError(f"nothing of what was asked for is recorded in {root!r}")
    return chosen
