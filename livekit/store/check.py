"""What is wrong with recorded data, file by file.

`check` reads the Parquet files themselves, not the cache, and goes on after the first
fault, so one run lists everything: files that cannot be read, rows that are out of
order or on the wrong day, prices and sizes that cannot be, quotes that cross, values off
the instrument's steps, recorded gaps and lost connections, and events missing from a
day's sequence, unless a recorder has noted that it took only some of them.
Layer 3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from livekit.errors import DataError, NotFoundError
from livekit.events import DTYPES, Kind
from livekit.instruments import Instrument
from livekit.store.catalog import Catalog
from livekit.store.partial import partial_days
from livekit.store.schema import IMPORTED, fill_rows, kind_of

__all__ = ["Finding", "check"]

_TOLERANCE: Final = 1e-6  # of a step, as in livekit.instruments
_BAR_PRICES: Final = frozenset({"open", "high", "low", "close"})
_ALWAYS_PRICED: Final = frozenset({Kind.TRADE, Kind.BAR})


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault, with how often it occurs in a file.

    Attributes
    ----------
    path : str
        The file, or the folder of the venue for what concerns a whole day.
    what : str
        ``unreadable``, ``order``, ``day``, ``price``, ``size``, ``crossed``, ``tick``,
        ``lot``, ``duplicate``, ``gap``, ``connection``, ``sequence`` or ``instrument``.
    count : int
        Rows concerned.
    first_row : int
        The first of them; -1 when no row can be named.
    detail : str
        A sentence with the first value.
    """

    path: str
    what: str
    count: int
    first_row: int
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        return {
            "path": self.path,
            "what": self.what,
            "count": self.count,
            "first_row": self.first_row,
            "detail": self.detail,
        }


def check(
    root: str | Path, progress: Callable[[int, int], None] | None = None
) -> tuple[int, list[Finding]]:
    """Check every file of a catalog.

    Parameters
    ----------
    root : path
    progress : callable, optional
        Called with (files done, files) after each file.

    Returns
    -------
    int
        How many files were checked.
    list of Finding
        Empty when all is well.

    Raises
    ------
    NotFoundError
        There is no such folder, or no recording in it.
    """
    catalog = Catalog(root)
    paths = catalog.paths()
    if not paths:
        raise NotFoundError(f"no recorded data in {str(root)!r}; name another folder")
    findings: list[Finding] = []
    steps: dict[str, dict[str, Instrument]] = {}
    sequences: dict[tuple[str, str], list[np.ndarray]] = {}
    for done, path in enumerate(paths):
        venue = path.parts[-4]
        if venue not in steps:
            steps[venue] = _instruments(catalog, venue, findings)
        rows = _read(path, findings)
        if rows is not None:
            findings += _check_rows(path, rows, steps[venue].get(path.parts[-3]))
            sequences.setdefault((venue, path.stem), []).append(rows["sequence"].astype(np.int64))
        if progress is not None:
            progress(done + 1, len(paths))
    for (venue, day), parts in sorted(sequences.items()):
        if day in _partial_days(catalog.root, venue, findings):
            continue
        findings += _check_sequence(str(catalog.root / venue), day, np.concatenate(parts))
    return len(paths), findings


def _instruments(catalog: Catalog, venue: str, findings: list[Finding]) -> dict[str, Instrument]:
    try:
        return catalog.instruments(venue)
    except DataError as error:
        path = catalog.root / venue / "instruments.parquet"
        findings.append(Finding(str(path), "unreadable", 1, -1, str(error)))
        return {}


def _partial_days(root: Path, venue: str, findings: list[Finding]) -> frozenset[str]:
    try:
        return partial_days(root, venue)
    except DataError as error:
        findings.append(Finding(str(root / venue), "unreadable", 1, -1, str(error)))
        return frozenset()


def _read(path: Path, findings: list[Finding]) -> np.ndarray | None:
    """Return the rows of a file whatever their order; a finding and None if it has none."""
    kind = kind_of(path.parts[-2])
    try:
        file = parquet.ParquetFile(path, page_checksum_verification=True)
        table = file.read().combine_chunks()
        rows = np.zeros(table.num_rows, DTYPES[kind])
        done = 0
        for batch in table.to_batches():
            fill_rows(kind, batch, rows[done : done + batch.num_rows], repr(str(path)))
            done += batch.num_rows
    except (pa.ArrowException, OSError, DataError) as error:
        reason = str(error).splitlines()[0]
        findings.append(Finding(str(path), "unreadable", 1, -1, reason))
        return None
    return rows


class _Notes:
    """The findings in one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[Finding] = []

    def note(self, what: str, bad: np.ndarray, name: str, values: np.ndarray) -> None:
        """Note the rows marked bad, naming the first value."""
        if bad.ndim == 2:  # five levels a row
            bad = np.asarray(bad.any(axis=1))
        if bad.any():
            first = int(np.argmax(bad))
            detail = f"{name} is {values[first].tolist()}"
            self.found.append(Finding(str(self.path), what, int(bad.sum()), first, detail))


def _check_rows(path: Path, rows: np.ndarray, instrument: Instrument | None) -> list[Finding]:
    notes, kind = _Notes(path), kind_of(path.parts[-2])
    if not len(rows):
        return []
    ts, sequence = rows["ts_recv"], rows["sequence"]
    earlier = (ts[1:] < ts[:-1]) | ((ts[1:] == ts[:-1]) & (sequence[1:] < sequence[:-1]))
    notes.note("order", np.r_[False, earlier], "ts_recv, less than in the row before,", ts)
    days = ts.view("M8[ns]").astype("M8[D]")
    notes.note("day", days != np.datetime64(path.stem), "the day of ts_recv", days.astype(str))
    if kind == Kind.GAP:
        notes.note("gap", np.ones(len(rows), bool), "ts_recv of a recorded gap", ts)
        return notes.found
    if kind == Kind.CONNECTION:
        notes.note("connection", rows["connected"] == 0, "ts_recv of a lost connection", ts)
        return notes.found
    if kind == Kind.TRADE:
        is_repeated = np.ones(len(rows), bool)
        is_repeated[np.unique(rows["trade_id"], return_index=True)[1]] = False
        notes.note("duplicate", is_repeated, "trade_id, printed before,", rows["trade_id"])
    _check_values(rows, kind, notes)
    if instrument is None:
        detail = f"{path.parts[-3]} has no row in instruments.parquet: ticks and lots unchecked"
        notes.found.append(Finding(str(path), "instrument", len(rows), -1, detail))
    else:
        _check_steps(rows, instrument, notes)
    return notes.found


def _check_values(rows: np.ndarray, kind: Kind, notes: _Notes) -> None:
    names = rows.dtype.names or ()
    for name in _fields(names, "price"):
        values = rows[name]
        # Only trades and bars must have a price; a side of a book may be empty.
        is_bad = ~(values > 0) if kind in _ALWAYS_PRICED else values <= 0
        notes.note("price", is_bad | np.isinf(values), name, values)
    for name in (*_fields(names, "size"), *_fields(names, "volume")):
        values = rows[name]
        is_bad = ~(values > 0) if kind == Kind.TRADE else values < 0
        notes.note("size", is_bad | np.isinf(values), name, values)
    if "bid_price" in names:
        bid, ask = (rows[name].reshape(len(rows), -1)[:, 0] for name in ("bid_price", "ask_price"))
        notes.note("crossed", bid >= ask, "bid_price, not below ask_price,", bid)


def _check_steps(rows: np.ndarray, instrument: Instrument, notes: _Notes) -> None:
    names = rows.dtype.names or ()
    for what, step in (("price", instrument.tick), ("size", instrument.lot)):
        for name in _fields(names, what):
            is_off = _is_off(rows[name], step)
            notes.note("tick" if what == "price" else "lot", is_off, name, rows[name])


def _is_off(values: np.ndarray, step: float) -> np.ndarray:
    steps = values / step
    # A double cannot tell parts of a step once there are 1e9 steps and more.
    tolerance = np.maximum(_TOLERANCE, np.abs(steps) * 4 * np.finfo(np.float64).eps)
    return np.asarray(np.abs(steps - np.round(steps)) > tolerance)


def _fields(names: tuple[str, ...], what: str) -> list[str]:
    """Return the fields of an event that hold prices, sizes or a volume."""
    bar = _BAR_PRICES if what == "price" else ()
    return [name for name in names if name.endswith(what) or name in bar]


def _check_sequence(where: str, day: str, sequence: np.ndarray) -> list[Finding]:
    """Find events missing between the first and the last of a day over all its files."""
    held = np.unique(sequence[sequence < IMPORTED])
    missing = int(held[-1] - held[0]) + 1 - len(held) if len(held) else 0
    if missing <= 0:
        return []
    hole = int(held[np.argmax(np.diff(held) > 1)])
    sentence = f"on {day} {missing} events are missing from the sequence, first after {hole}"
    return [Finding(where, "sequence", missing, -1, sentence)]
