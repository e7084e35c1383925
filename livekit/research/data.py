"""Data for research: recorded events, mapped and lazy, sliced by time.

    data = lk.load("replay_data", symbols=["BTC-USDT"])
    data["2026-01-05T09:30":"10:00"]       the same, from half past nine to ten
    data.frame("BTC-USDT", "trade")        a pandas frame of one kind

A Data is a description: which recordings, which range. It pickles in a few hundred bytes
and is mapped again wherever it arrives, so worker processes share one copy of the rows.
Arrays already in memory may stand in its place (`Data.from_arrays`).
Layer 3.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.bundled import recording_folder
from livekit.errors import ConfigError, NotFoundError
from livekit.events import DTYPES, Kind
from livekit.instruments import Instrument
from livekit.store.schema import KIND_NAMES, kind_of
from livekit.store.selection import Selection, Stream, gaps_of, name_of, to_ns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Data", "check_data", "load"]

_TIME_OF_DAY: Final = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")


def check_data(data: Any) -> None:
    """Refuse what is no data, such as the name of a folder.

    Raises
    ------
    ConfigError
        It is none.
    """
    if not isinstance(data, Data):
        raise ConfigError(
            f"data is {data!r:.60}, expected recorded data such as lk.load('replay_data')"
        )


def load(
    root: str | Path,
    symbols: Iterable[str] | str | None = None,
    start: int | str | None = None,
    stop: int | str | None = None,
    kinds: Iterable[Kind | str] | None = None,
    venue: str = "okx",
) -> "Data":
    """Open recorded data; nothing is read but the files' footers.

    Parameters
    ----------
    root : path
        Folder of a catalog. ``replay_data`` is the bundled synthetic day where no folder
        of that name lies.
    symbols : str or iterable of str, optional
        Instruments to take, numbered in this order; all by default.
    start, stop : int or str, optional
        Take events with start <= ts_recv < stop: ns since the epoch, or a UTC time such
        as ``2026-01-05T09:30``.
    kinds : iterable, optional
        Kinds to take, such as ``["quote", "trade"]``; all by default.
    venue : str

    Raises
    ------
    NotFoundError
        No such folder, symbol, kind or range is recorded.
    DataError
        A file is corrupt, or an instrument has no steps.
    """
    names = (symbols,) if isinstance(symbols, str) else symbols
    options = {
        "root": str(recording_folder(root)),
        "symbols": None if names is None else tuple(names),
        "kinds": None if kinds is None else tuple(KIND_NAMES[kind_of(kind)] for kind in kinds),
        "start": to_ns(start, "start"),
        "stop": to_ns(stop, "stop"),
        "venue": venue,
    }
    return Data(Selection(**options), options)  # type: ignore[arg-type]


class Data:
    """Recorded events of some instruments over a range of time.

    Made by `load` or `from_arrays`.

    Attributes
    ----------
    instruments : tuple of Instrument
        The index is the number that events carry in a run.
    n_events : int
    first_ts, last_ts : int
        ts_recv of the first and last event, ns since the epoch; 0 when there are none.
    """

    def __init__(self, source: "Selection | _Arrays", options: dict[str, Any] | None) -> None:
        self._source, self._options = source, options
        self.instruments: tuple[Instrument, ...] = source.instruments
        self.n_events, self.first_ts, self.last_ts = (
            source.n_events,
            source.first_ts,
            source.last_ts,
        )
        self._hash = ""
        if self.n_events == 0:
            raise NotFoundError(
                f"no event of {', '.join(self.symbols) or 'anything'} lies in the range asked for; "
                "'livekit data list' shows what is recorded"
            )

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[tuple[str, str | Kind], np.ndarray],
        instruments: Sequence[Instrument],
    ) -> "Data":
        """Use arrays in memory as data.

        Parameters
        ----------
        arrays : mapping of (symbol, kind) to structured array of the kind's dtype
            In the order of (ts_recv, sequence). Kept, not copied, unless its rows carry a
            number of instrument of their own, which does not count. Of events with equal
            times and sequence numbers those of the array that stands first come first.
        instruments : sequence of Instrument
            Of all symbols in `arrays`; their order numbers them.

        Raises
        ------
        ConfigError
            An array has another dtype or is not in order, or a symbol has no instrument.
        """
        return cls(_Arrays(arrays, tuple(instruments)), None)

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the instruments."""
        return tuple(one.symbol for one in self.instruments)

    @property
    def root(self) -> str:
        """Folder of the catalog; empty for arrays in memory."""
        return str(self._options["root"]) if self._options else ""

    @property
    def venue(self) -> str:
        """Venue of the recordings."""
        return str(self._options["venue"]) if self._options else "okx"

    @property
    def n_days(self) -> int:
        """Number of days with events."""
        return len(self._source.days)

    def streams(self, day: int) -> list[Stream]:
        """Return the mapped rows of one day, one stream an instrument and kind."""
        return self._source.streams(day)

    @property
    def hash(self) -> str:
        """Name of what the data is, 16 hex digits: equal data has an equal hash.

        Of recordings, their names, ranges, sizes, counts and times; of arrays, the bytes.
        """
        if not self._hash:
            self._hash = self._source.hash
        return self._hash

    def gaps(self) -> list[dict[str, Any]]:
        """Return the gaps that the recorder noticed: time, symbol and what was lost, by kind."""
        return self._source.gaps()

    def __getitem__(self, part: slice) -> "Data":
        """Return the part between two times; a time of day belongs to the first day."""
        if not isinstance(part, slice) or part.step is not None:
            raise ConfigError(
                f"data[{part!r}] is not a range of time; write data['09:30':'10:00'] or "
                "data['2026-01-05T09:30':'2026-01-05T10:00']"
            )
        day = str(np.datetime64(self.first_ts, "ns").astype("datetime64[D]"))
        start = to_ns(_whole(part.start, day), "start")
        stop = to_ns(_whole(part.stop, day), "stop")
        if self._options is None:
            assert isinstance(self._source, _Arrays)
            return Data(self._source.cut(start, stop), None)
        old_start, old_stop = self._options["start"], self._options["stop"]
        start = old_start if start is None else max(start, old_start or start)
        stop = old_stop if stop is None else min(stop, old_stop or stop)
        options = self._options | {"start": start, "stop": stop}
        return Data(Selection(**options), options)

    def frame(self, symbol: str, kind: Kind | str) -> "pd.DataFrame":
        """Return one kind of one instrument as a frame, indexed by `ts_recv` in UTC.

        Raises
        ------
        NotFoundError
            The data has no such symbol or kind.
        """
        import pandas as pd  # noqa: PLC0415 - `lk.load` works without it

        number = self._number(symbol)
        wanted = kind_of(kind)
        found = [
            stream.rows
            for day in range(self.n_days)
            for stream in self.streams(day)
            if stream.instrument == number and stream.kind == wanted
        ]
        if not found:
            raise NotFoundError(f"the data has no {KIND_NAMES[wanted]} of {symbol!r}")
        rows = np.concatenate(found) if len(found) > 1 else found[0]
        columns: dict[str, Any] = {"ts_event": pd.to_datetime(rows["ts_event"], utc=True)}
        for name in rows.dtype.names or ():
            if name in _HIDDEN:
                continue
            values = rows[name]
            if values.ndim > 1:
                columns |= {f"{name}_{i}": values[:, i] for i in range(values.shape[1])}
            else:
                columns[name] = values
        if wanted == Kind.TRADE:
            columns["side"] = np.where(rows["aux"] == 0, "buy", "sell")
        index = pd.DatetimeIndex(pd.to_datetime(rows["ts_recv"], utc=True), name="ts_recv")
        return pd.DataFrame(columns).set_index(index)

    def _number(self, symbol: str) -> int:
        if symbol not in self.symbols:
            raise NotFoundError(
                f"the data has no symbol {symbol!r}; it has {', '.join(self.symbols)}"
            )
        return self.symbols.index(symbol)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._options is None:
            source = self._source
            assert isinstance(source, _Arrays)
            return Data.from_arrays, (source.arrays, source.instruments)
        return _reload, (self._options,)

    def __repr__(self) -> str:
        first, last = (
            str(np.datetime64(ts, "ns").astype("datetime64[s]"))
            for ts in (self.first_ts, self.last_ts)
        )
        return (
            f"<Data {', '.join(self.symbols)}: {self.n_events:,} events, {first} to {last} UTC"
            f"{', ' + self.root if self.root else ''}>"
        )


_HIDDEN: Final = frozenset({"kind", "instrument", "aux", "ts_event", "ts_recv", "published"})


def _reload(options: dict[str, Any]) -> Data:
    return Data(Selection(**options), options)


def _whole(time: int | str | None, day: str) -> int | str | None:
    """Return a time with its day."""
    if isinstance(time, str) and _TIME_OF_DAY.fullmatch(time):
        return f"{day}T{time.zfill(5) if len(time) == 4 else time}"
    return time


class _Arrays:
    """Arrays in memory with the face of a Selection: one day that holds everything."""

    def __init__(
        self,
        arrays: Mapping[tuple[str, str | Kind], np.ndarray],
        instruments: tuple[Instrument, ...],
    ) -> None:
        self.instruments = instruments
        self.arrays = {(symbol, kind_of(kind)): rows for (symbol, kind), rows in arrays.items()}
        numbers = {one.symbol: i for i, one in enumerate(instruments)}
        self._streams = []
        for (symbol, kind), rows in self.arrays.items():
            if symbol not in numbers:
                raise ConfigError(
                    f"array {(symbol, KIND_NAMES[kind])!r} has no instrument; the instruments are "
                    f"{', '.join(numbers) or 'none'}"
                )
            _check(symbol, kind, rows)
            if len(rows):
                self._streams.append(Stream(numbers[symbol], kind, _unnumbered(rows)))
        self.n_events = sum(len(one.rows) for one in self._streams)
        self.days = [None] if self.n_events else []
        edges = [(int(r.rows["ts_recv"][0]), int(r.rows["ts_recv"][-1])) for r in self._streams]
        self.first_ts = min((first for first, _ in edges), default=0)
        self.last_ts = max((last for _, last in edges), default=0)

    def streams(self, index: int) -> list[Stream]:
        """Return all streams; `index` is 0."""
        assert index == 0
        return self._streams

    def gaps(self) -> list[dict[str, Any]]:
        """Return the gaps among the arrays."""
        return gaps_of(self._streams, self.instruments)

    def cut(self, start: int | None, stop: int | None) -> "_Arrays":
        """Return the part with start <= ts_recv < stop; views, no copies."""
        parts: dict[tuple[str, str | Kind], np.ndarray] = {}
        for key, rows in self.arrays.items():
            ts = rows["ts_recv"]
            low = 0 if start is None else int(np.searchsorted(ts, start))
            high = len(rows) if stop is None else int(np.searchsorted(ts, stop))
            parts[key] = rows[low : max(low, high)]
        return _Arrays(parts, self.instruments)

    @property
    def hash(self) -> str:
        """Name of the arrays: of the bytes of their fields."""
        symbols = tuple(one.symbol for one in self.instruments)
        return name_of((symbols, self.first_ts, self.last_ts), self._fingerprints())

    def _fingerprints(self) -> Iterable[bytes]:
        yield repr(self.instruments).encode()
        for stream in self._streams:  # in the order that decides between equal times
            yield f"{stream.instrument} {stream.kind.name} {len(stream.rows)}".encode()
            yield _digest(stream.rows)


def _digest(rows: np.ndarray) -> bytes:
    """Return a hash of the fields of rows: what lies between them is anybody's."""
    digest = hashlib.blake2b()
    for name in rows.dtype.names or ():
        digest.update(np.ascontiguousarray(rows[name]).data)
    return digest.digest()


def _unnumbered(rows: np.ndarray) -> np.ndarray:
    """Return rows whose number of instrument is 0, as in a recording; the same if they are."""
    if not rows["instrument"].any():
        return rows
    copied = rows.view(np.uint8).copy().view(rows.dtype)
    copied["instrument"] = 0
    return copied


def _check(symbol: str, kind: Kind, rows: np.ndarray) -> None:
    """Refuse rows that cannot be replayed as they are."""
    name = f"array {(symbol, KIND_NAMES[kind])!r}"
    if rows.dtype != DTYPES[kind] or rows.ndim != 1 or not rows.flags.c_contiguous:
        raise ConfigError(
            f"{name} has dtype {rows.dtype} with {rows.dtype.itemsize} bytes a row and shape "
            f"{rows.shape}, expected a contiguous one-dimensional array of livekit.events."
            f"{kind.name}, {DTYPES[kind].itemsize} bytes a row; numpy.concatenate drops padding"
        )
    if len(rows) and not (rows["kind"] == int(kind)).all():
        raise ConfigError(f"{name} has rows whose field 'kind' is not {int(kind)} ({kind.name})")
    ts, sequence = rows["ts_recv"], rows["sequence"]
    later = (ts[1:] > ts[:-1]) | ((ts[1:] == ts[:-1]) & (sequence[1:] >= sequence[:-1]))
    if not later.all():
        row = int(np.argmin(later)) + 1
        raise ConfigError(f"row {row} of {name} is earlier than the row before; sort by ts_recv")
