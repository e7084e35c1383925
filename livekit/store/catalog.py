"""The catalog: recorded events as Parquet, one file per venue, instrument, kind and day.

    <root>/okx/BTC-USDT/trade/2026-01-05.parquet
    <root>/okx/instruments.parquet

The path is the key, so a catalog needs no index and can be listed, copied and thinned
with ordinary tools. The day is the UTC day of ``ts_recv``: days follow each other in the
order of arrival. A file is written beside its place, synced and renamed, so a reader sees
a whole file or none. Reading gives arrays of the event's dtype; the second time they are
mapped from a cache (store/cache.py).
Layer 3.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from livekit.errors import ConfigError, DataError, NotFoundError
from livekit.events import DTYPES, Kind
from livekit.instruments import Instrument
from livekit.store.cache import cached_rows, store_rows
from livekit.store.files import open_parquet, stage, time_range
from livekit.store.schema import (
    KIND_NAMES,
    columns,
    fill_rows,
    join,
    kind_of,
    to_table,
    write_options,
)

__all__ = ["Catalog", "Recording", "check_folder_name", "day_of"]

_SAFE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_BATCH_ROWS: Final = 1 << 17
_INSTRUMENT_FIELDS: Final = ("symbol", "tick", "lot", "min_quantity", "contract_value", "kind")


@dataclass(frozen=True, slots=True)
class Recording:
    """One file of a catalog.

    Attributes
    ----------
    venue, symbol, day : str
    kind : Kind
    rows : int
    n_bytes : int
        Size of the file.
    first_ts, last_ts : int
        ``ts_recv`` of the first and last row, ns; 0 when there are no rows.
    path : Path
    """

    venue: str
    symbol: str
    kind: Kind
    day: str
    rows: int
    n_bytes: int
    first_ts: int
    last_ts: int
    path: Path

    def to_dict(self) -> dict[str, str | int]:
        """Return the fields as JSON takes them."""
        return {
            "venue": self.venue,
            "symbol": self.symbol,
            "kind": KIND_NAMES[self.kind],
            "day": self.day,
            "rows": self.rows,
            "bytes": self.n_bytes,
            "first_ts": self.first_ts,
            "last_ts": self.last_ts,
        }


def day_of(ts: int) -> str:
    """Return the UTC day of a time in ns, such as ``2026-01-05``."""
    return str(np.datetime64(int(ts), "ns").astype("datetime64[D]"))


def check_folder_name(name: str, what: str) -> str:
    """Return a name that may be a folder of a catalog, otherwise raise ConfigError."""
    if not _SAFE.fullmatch(name):
        raise ConfigError(
            f"{what} {name!r} cannot name a folder; use up to 48 letters, digits, '.', '_' and '-'"
        )
    return name


class Catalog:
    """A folder of recorded data.

    Parameters
    ----------
    root : path
        The folder; it is created by the first write.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def path(self, symbol: str, kind: Kind | str, day: str, venue: str = "okx") -> Path:
        """Return where the file of a symbol, kind and day lies, whether it exists or not.

        Raises
        ------
        ConfigError
            A part could not be a file name, or the day is no date.
        """
        check_folder_name(venue, "venue")
        check_folder_name(symbol, "symbol")
        _check_day(day)
        return self.root / venue / symbol / KIND_NAMES[kind_of(kind)] / f"{day}.parquet"

    def list(self) -> list[Recording]:
        """Return every recording, by venue, symbol, kind and day.

        Raises
        ------
        NotFoundError
            There is no such folder, or no recording in it.
        DataError
            A file is not readable Parquet.
        """
        found = [self._describe(path) for path in self.paths()]
        if not found:
            raise NotFoundError(
                f"no recorded data in {str(self.root)!r}; make some with 'livekit data generate' "
                "or 'livekit data import', or name another folder"
            )
        return found

    def paths(self) -> tuple[Path, ...]:
        """Return the files of all recordings, in the order of their paths.

        Raises
        ------
        NotFoundError
            There is no such folder.
        """
        if not self.root.is_dir():
            what = "is a file, not a folder" if self.root.exists() else "does not exist"
            raise NotFoundError(
                f"folder {str(self.root)!r} {what}; make one with 'livekit data generate' "
                "or name another folder"
            )
        names = set(KIND_NAMES.values())
        return tuple(
            path
            for path in sorted(self.root.glob("*/*/*/*.parquet"))
            # Half-written files start with a dot; what else lies here is not ours.
            if path.parent.name in names and _DAY.fullmatch(path.stem)
        )

    def _describe(self, path: Path) -> Recording:
        with open_parquet(path) as file:
            metadata = file.metadata
            first, last = time_range(file)
        return Recording(
            venue=path.parts[-4],
            symbol=path.parts[-3],
            kind=kind_of(path.parts[-2]),
            day=path.stem,
            rows=metadata.num_rows,
            n_bytes=path.stat().st_size,
            first_ts=first,
            last_ts=last,
            path=path,
        )

    def write(
        self, symbol: str, kind: Kind | str, day: str, events: np.ndarray, venue: str = "okx"
    ) -> Path:
        """Write the events of one file, replacing what was there at once or not at all.

        Parameters
        ----------
        symbol, kind, day, venue : str
            The file; all events must belong to it.
        events : structured array [n] of the kind's dtype
            In the order of (ts_recv, sequence).

        Raises
        ------
        ConfigError
            The events are not of this kind or day, or not in order.
        """
        return self.write_all({(symbol, kind_of(kind), day): events}, venue)[0]

    def write_all(
        self, files: Mapping[tuple[str, Kind, str], np.ndarray], venue: str = "okx"
    ) -> tuple[Path, ...]:
        """Write several files by (symbol, kind, day): all are whole before one is in place.

        Raises
        ------
        ConfigError
            As for `write`; nothing was written.
        """
        staged: list[tuple[Path, Path]] = []
        try:
            for (symbol, kind, day), events in files.items():
                path = self.path(symbol, kind, day, venue)
                if events.dtype != DTYPES[kind]:
                    raise ConfigError(
                        f"events for {str(path)!r} have dtype {events.dtype}, expected that of "
                        f"{KIND_NAMES[kind]} events"
                    )
                _check_order(events, day, repr(str(path)))
                staged.append((stage(to_table(kind, events), path, write_options(kind)), path))
            for temporary, path in staged:
                temporary.replace(path)
        finally:
            for temporary, _ in staged:
                temporary.unlink(missing_ok=True)
        return tuple(path for _, path in staged)

    def read(
        self, symbol: str, kind: Kind | str, day: str, venue: str = "okx", *, cache: bool = True
    ) -> np.ndarray:
        """Return the events of one file.

        Parameters
        ----------
        symbol, kind, day, venue : str
        cache : bool
            Map the rows from the cache, and put them there the first time.

        Returns
        -------
        structured array [n] of the kind's dtype
            Read-only when mapped. `instrument` and `published` are 0: they belong to
            one run of one engine.

        Raises
        ------
        NotFoundError
            There is no such recording.
        DataError
            The file is truncated or corrupt, or its rows are not in order.
        """
        kind = kind_of(kind)
        path = self.path(symbol, kind, day, venue)
        if not path.is_file():
            raise NotFoundError(
                f"no {KIND_NAMES[kind]} recording of {symbol!r} on {day} in {str(self.root)!r}; "
                "'livekit data list' shows what there is"
            )
        rows = cached_rows(path, DTYPES[kind]) if cache else None
        if rows is not None:
            return rows
        with open_parquet(path) as file:
            n_rows = file.metadata.num_rows
        if cache:
            return store_rows(path, DTYPES[kind], n_rows, lambda: _read_chunks(path, kind))
        return join(DTYPES[kind], _read_chunks(path, kind))

    def instruments(self, venue: str = "okx") -> dict[str, Instrument]:
        """Return the instruments of a venue by symbol; empty when none were written.

        Raises
        ------
        DataError
            The file is corrupt, or a row of it is no instrument.
        """
        path = self.root / venue / "instruments.parquet"
        if not path.is_file():
            return {}
        with open_parquet(path) as file:
            known = [name for name in _INSTRUMENT_FIELDS if name in file.schema_arrow.names]
            rows = file.read(columns=known).to_pylist()
        try:
            found = [Instrument(**{name: row[name] for name in _INSTRUMENT_FIELDS}) for row in rows]
        except (KeyError, TypeError, ConfigError) as error:
            raise DataError(
                f"{str(path)!r} is not a table of instruments ({error}); expected the columns "
                f"{', '.join(_INSTRUMENT_FIELDS)}"
            ) from error
        return {instrument.symbol: instrument for instrument in found}

    def write_instruments(self, instruments: Iterable[Instrument], venue: str = "okx") -> Path:
        """Write instruments of a venue; those of other symbols stay as they are."""
        rows = self.instruments(venue) | {one.symbol: one for one in instruments}
        ordered = [rows[symbol] for symbol in sorted(rows)]
        table = pa.table(
            {name: [getattr(one, name) for one in ordered] for name in _INSTRUMENT_FIELDS}
        )
        path = self.root / venue / "instruments.parquet"
        stage(table, path, {"compression": "zstd"}).replace(path)
        return path


def _check_day(day: str) -> None:
    try:
        if _DAY.fullmatch(day):
            dt.date.fromisoformat(day)
            return
    except ValueError:
        pass
    raise ConfigError(f"day {day!r} is not a date, expected one such as '2026-01-05'")


def _check_order(events: np.ndarray, day: str, what: str) -> None:
    """Refuse rows that a replay would have to sort, or that belong to another day."""
    if not len(events):
        return
    ts, sequence = events["ts_recv"], events["sequence"]
    later = (ts[1:] > ts[:-1]) | ((ts[1:] == ts[:-1]) & (sequence[1:] >= sequence[:-1]))
    if not later.all():
        row = int(np.argmin(later)) + 1
        raise ConfigError(f"row {row} of {what} is earlier than the row before; sort by ts_recv")
    for ts_recv in (ts[0], ts[-1]):
        if day_of(ts_recv) != day:
            raise ConfigError(
                f"{what} holds an event received on {day_of(ts_recv)}; write each day to its file"
            )


def _read_chunks(path: Path, kind: Kind) -> Iterator[np.ndarray]:
    """Yield the rows of a file in chunks, checked to be in the order of arrival."""
    names = {column.name for column in columns(kind)}
    last = None
    with open_parquet(path) as file:
        wanted = [name for name in file.schema_arrow.names if name in names]
        n_done = 0
        for batch in file.iter_batches(_BATCH_ROWS, columns=wanted):
            rows = np.zeros(batch.num_rows, DTYPES[kind])
            fill_rows(kind, batch, rows, repr(str(path)))
            joined = rows if last is None else join(rows.dtype, [last, rows])
            try:
                _check_order(joined, path.stem, repr(str(path)))
            except ConfigError as error:
                raise DataError(f"{error} ('livekit data check' lists every such row)") from error
            n_done += len(rows)
            last = rows[-1:] if len(rows) else last
            yield rows
