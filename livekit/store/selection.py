"""What of a catalog is to be replayed: symbols, kinds and a range of time, by day.

Nothing is opened before it is asked for, and then it is mapped: a day's streams are the
rows of its files, cut to the range.
Layer 3.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.errors import ConfigError, DataError, NotFoundError
from livekit.events import Kind
from livekit.instruments import Instrument
from livekit.store.catalog import Catalog, Recording, day_of
from livekit.store.schema import KIND_NAMES, kind_of

__all__ = ["Day", "Selection", "Stream", "gaps_of", "name_of", "to_ns"]

_GAP_LIMIT: Final = 10_000  # of one file: more of them say nothing more


@dataclass(frozen=True, slots=True)
class Stream:
    """The rows of one kind of one instrument on one day.

    Attributes
    ----------
    instrument : int
        Number of the instrument in the selection.
    kind : Kind
    rows : structured array of the kind's dtype
        In the order of (ts_recv, sequence); mapped, not loaded.
    """

    instrument: int
    kind: Kind
    rows: np.ndarray


@dataclass(slots=True)
class Day:
    """What is selected of one UTC day.

    Attributes
    ----------
    day : str
    recordings : list of Recording
    n_events : int
    """

    day: str
    recordings: list[Recording]
    n_events: int


class Selection:
    """Recordings of one venue, chosen and in order.

    Parameters
    ----------
    root : path
        Folder of the catalog.
    symbols, kinds : iterable, optional
        What to take; everything by default. A kind is a `Kind` or its name.
    start, stop : int or str, optional
        Take events with start <= ts_recv < stop: ns since the epoch, or a UTC time
        such as ``2026-01-05T09:30``.
    venue : str

    Attributes
    ----------
    instruments : tuple of Instrument
    days : list of Day
        Only days with events.
    n_events : int
    first_ts, last_ts : int
        ts_recv of the first and last event, ns; 0 when there are none.

    Raises
    ------
    NotFoundError
        No such folder, symbol or kind is recorded.
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
        self._start, self._stop = to_ns(start, "start"), to_ns(stop, "stop")
        names = None if symbols is None else tuple(dict.fromkeys(symbols))
        wanted = None if kinds is None else tuple(kinds)
        found = [one for one in self._catalog.list() if one.venue == venue]
        found = _select(found, names, wanted, str(root), venue)
        self.instruments = self._instruments(found, names, venue)
        self._numbers = {one.symbol: i for i, one in enumerate(self.instruments)}
        self.days = self._plan(found)
        self.n_events: int = sum(day.n_events for day in self.days)
        self.first_ts, self.last_ts = self._range()

    def streams(self, index: int) -> list[Stream]:
        """Return the streams of one of `days` that have rows."""
        found = [
            Stream(self._numbers[one.symbol], one.kind, self._read(one))
            for one in self.days[index].recordings
        ]
        return [stream for stream in found if len(stream.rows)]

    def gaps(self) -> list[dict[str, Any]]:
        """Return the gaps that the recorder noticed; only their own files are read."""
        found = [
            Stream(self._numbers[one.symbol], one.kind, self._read(one))
            for day in self.days
            for one in day.recordings
            if one.kind == Kind.GAP
        ]
        return gaps_of(found, self.instruments)

    @property
    def hash(self) -> str:
        """Name of what the data is, 16 hex digits: equal recordings have an equal one.

        Of the symbols and the range, and of every file its name, size, count and times.
        """
        symbols = tuple(one.symbol for one in self.instruments)
        return name_of((symbols, self.first_ts, self.last_ts), self._fingerprints())

    def _fingerprints(self) -> Iterable[bytes]:
        for day in self.days:
            for one in day.recordings:
                row = (one.venue, one.symbol, int(one.kind), one.day, one.rows, one.n_bytes)
                yield repr((*row, one.first_ts, one.last_ts)).encode()

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

    def _plan(self, found: list[Recording]) -> list[Day]:
        days: dict[str, Day] = {}
        for one in sorted(found, key=lambda one: one.day):
            if self._is_outside(one.day):
                continue
            day = days.setdefault(one.day, Day(one.day, [], 0))
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
        if not self.days:
            return 0, 0
        edges = []
        for day in (self.days[0], self.days[-1]):
            rows = [self._read(one) for one in day.recordings]
            edges.append([part for part in rows if len(part)])
        first = min(int(rows["ts_recv"][0]) for rows in edges[0])
        return first, max(int(rows["ts_recv"][-1]) for rows in edges[1])


def gaps_of(streams: Iterable[Stream], instruments: tuple[Instrument, ...]) -> list[dict[str, Any]]:
    """Return the gaps of some streams: time, symbol and what was lost, by kind."""
    found = []
    for stream in streams:
        if stream.kind != Kind.GAP:
            continue
        symbol = instruments[stream.instrument].symbol
        for row in stream.rows[:_GAP_LIMIT]:
            lost = {KIND_NAMES[k]: int(row["lost"][k]) for k in KIND_NAMES if k < 8}
            lost = {name: count for name, count in lost.items() if count}
            found.append({"ts": int(row["ts_recv"]), "symbol": symbol, "lost": lost})
    return found


def name_of(range_: tuple[object, ...], parts: Iterable[bytes]) -> str:
    """Return the 16 hex digits that name some data."""
    digest = hashlib.sha256(repr(range_).encode())
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


def to_ns(value: int | str | None, name: str) -> int | None:
    """Return a time as ns since the epoch; an int is one already.

    Raises
    ------
    ConfigError
        The text is no time.
    """
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
