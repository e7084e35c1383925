"""Where an import's rows go: files beside the catalog, put in place together at the end.

Rows are given in any order of symbols, kinds and days, and lie in a folder of the import's
own until `commit` renames its files into the catalog. An import that fails or is
interrupted removes that folder, so it leaves nothing; what a killed process left is
removed by the next import.

Memory is bounded: rows are buffered by file and flushed as row groups when a file has 16
MB, or all have 256 MB. Only a day whose rows came out of order, or with trades that may
repeat, is read back and put right, one day of one kind at a time.
Layer 3.
"""

import contextlib
import itertools
import os
import secrets
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from livekit.clock import process_start
from livekit.errors import ConfigError, DataError
from livekit.events import DTYPES, Kind
from livekit.store.catalog import Catalog
from livekit.store.files import open_parquet
from livekit.store.importers.report import utc
from livekit.store.schema import columns, fill_rows, join, to_table, write_options

__all__ = ["Part", "Sink"]

_DAY_NS: Final = 86_400 * 1_000_000_000
_FLUSH_BYTES: Final = 16 << 20
_TOTAL_BYTES: Final = 256 << 20
_MAX_OPEN: Final = 32
_MAX_QUEUED: Final = 2
_ZSTD_LEVEL: Final = 3  # a million trades take 0.25 s; 15, for bundled data, 2.3 s for 20 % less
_FOLDER: Final = ".importing-"


class Part:
    """The rows of one symbol, kind and day while they come.

    Attributes
    ----------
    symbol, day : str
    kind : Kind
    rows, duplicates : int
    first_ts, last_ts : int
    is_sorted, may_repeat : bool
        Whether ts_recv never fell; whether a trade number did not rise.
    segments : list of Path
        Files written so far; more than one only when the part was closed in between.
    """

    __slots__ = (
        *("buffer", "day", "duplicates", "first_ts", "is_sorted", "key", "kind", "last_id"),
        *("last_key", "last_ts", "may_repeat", "n_bytes", "rows", "segments", "symbol", "writer"),
    )

    def __init__(self, symbol: str, kind: Kind, day: str) -> None:
        self.symbol, self.kind, self.day = symbol, kind, day
        self.key = (symbol, kind, day)
        self.buffer: list[np.ndarray] = []
        self.n_bytes = self.rows = self.duplicates = 0
        self.first_ts = self.last_ts = 0
        self.last_key = (0, 0)
        self.last_id = np.iinfo(np.int64).min
        self.is_sorted, self.may_repeat = True, False
        self.segments: list[Path] = []
        self.writer: parquet.ParquetWriter | None = None

    def take(self, rows: np.ndarray, *, has_ids: bool) -> None:
        """Keep rows of this part; the caller does not change them any more."""
        ts, sequence = rows["ts_recv"], rows["sequence"]
        first = (int(ts[0]), int(sequence[0]))
        steps = np.diff(ts)
        falls = (steps < 0) | ((steps == 0) & (sequence[1:] < sequence[:-1]))
        if falls.any() or first < self.last_key:
            self.is_sorted = False
        if self.kind == Kind.BAR:
            self.may_repeat |= bool((steps <= 0).any() or ts[0] <= self.last_key[0])
        low, high = int(ts.min()), int(ts.max())
        self.first_ts = low if not self.rows else min(low, self.first_ts)
        self.last_ts = max(high, self.last_ts)
        self.last_key = max(self.last_key, (int(ts[-1]), int(sequence[-1])))
        if has_ids:
            ids = rows["trade_id"]
            self.may_repeat |= bool(ids[0] <= self.last_id or (np.diff(ids) <= 0).any())
            self.last_id = max(self.last_id, int(ids.max()))
        self.buffer.append(rows)
        self.n_bytes += rows.nbytes
        self.rows += len(rows)

    def empty(self) -> list[np.ndarray]:
        """Return what is buffered, and forget it."""
        rows, self.buffer, self.n_bytes = self.buffer, [], 0
        return rows


class Sink:
    """A writer of many files that appear together.

    Parameters
    ----------
    catalog : Catalog
    venue : str
    replace : bool
        Overwrite days that exist; otherwise the first row of such a day is refused.

    Attributes
    ----------
    parts : dict of (symbol, kind, day) to Part
    """

    def __init__(self, catalog: Catalog, venue: str, *, replace: bool = False) -> None:
        self.catalog, self.venue, self.replace = catalog, venue, replace
        self.parts: dict[tuple[str, Kind, str], Part] = {}
        self._has_root = catalog.root.exists()
        self._folder = catalog.root / f"{_FOLDER}{os.getpid()}-{secrets.token_hex(8)}"
        self._open: dict[tuple[str, Kind, str], Part] = {}
        self._buffered = 0
        # Compressing takes as long as reading text: the two go on at the same time.
        self._thread = ThreadPoolExecutor(1, "livekit-import")
        self._queued: list[Future[None]] = []

    def __enter__(self) -> Self:
        try:
            self.catalog.root.mkdir(parents=True, exist_ok=True)
            _remove_abandoned(self.catalog.root)
            self._folder.mkdir()
        except OSError as error:
            raise _unwritable(self.catalog.root, error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)
        for part in self.parts.values():
            if part.writer is not None:
                with contextlib.suppress(OSError, pa.ArrowException):  # the file goes anyway
                    part.writer.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        if not self._has_root:
            with contextlib.suppress(OSError):  # not empty: the import was committed
                self.catalog.root.rmdir()

    def add(self, symbol: str, kind: Kind, rows: np.ndarray, *, has_ids: bool = False) -> None:
        """Take rows of one symbol and kind, of any days.

        Parameters
        ----------
        symbol : str
        kind : Kind
        rows : structured array [n] of the kind's dtype
            Owned by the sink from now on.
        has_ids : bool
            Trades whose numbers are the exchange's: equal ones are repetitions.

        Raises
        ------
        ConfigError
            The symbol cannot name a folder, or a day is there already.
        """
        if not len(rows):
            return
        days = rows["ts_recv"] // _DAY_NS
        if days[0] == days[-1] and days.min() == days.max():
            self._part(symbol, kind, int(days[0])).take(rows, has_ids=has_ids)
        else:
            for day, some in _by_day(days, rows):
                self._part(symbol, kind, day).take(some, has_ids=has_ids)
        self._buffered += rows.nbytes
        if self._buffered > _FLUSH_BYTES:
            self._flush_large()

    def _part(self, symbol: str, kind: Kind, day_number: int) -> Part:
        day = str(np.datetime64(day_number, "D"))
        part = self.parts.get((symbol, kind, day))
        if part is None:
            path = self.catalog.path(symbol, kind, day, self.venue)
            if path.exists() and not self.replace:
                raise ConfigError(
                    f"{str(path)!r} exists already; nothing was imported; overwrite it with "
                    "--replace, choose another folder with --into, or leave the kind out with "
                    "--kinds"
                )
            part = self.parts[symbol, kind, day] = Part(symbol, kind, day)
        return part

    def _flush_large(self) -> None:
        total = sum(part.n_bytes for part in self.parts.values())
        for part in sorted(self.parts.values(), key=lambda one: -one.n_bytes):
            if part.n_bytes < _FLUSH_BYTES and total < _TOTAL_BYTES:
                break
            total -= part.n_bytes
            self._flush(part)
        self._buffered = 0

    def _flush(self, part: Part) -> None:
        if not part.buffer:
            return
        if part.writer is None and len(self._open) >= _MAX_OPEN:
            oldest = next(iter(self._open.values()))
            self._run(lambda: _close(oldest))
            del self._open[oldest.key]
        self._open.pop(part.key, None)
        self._open[part.key] = part
        rows = part.empty()
        self._run(lambda: self._append(part, rows))

    def _run(self, work: Callable[[], None]) -> None:
        """Give the thread work, and wait when it has enough; its errors are raised here."""
        while len(self._queued) >= _MAX_QUEUED:
            self._queued.pop(0).result()
        self._queued.append(self._thread.submit(work))

    def _wait(self) -> None:
        while self._queued:
            self._queued.pop(0).result()

    def _append(self, part: Part, rows: list[np.ndarray]) -> None:
        try:
            # Joined as columns: joining padded records copies field by field.
            table = pa.concat_tables([to_table(part.kind, some) for some in rows])
            if part.writer is None:
                part.segments.append(self._folder / f"{secrets.token_hex(8)}.parquet")
                part.writer = _writer(part.segments[-1], part.kind, table.schema)
            part.writer.write_table(table)
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    def finish(self) -> None:
        """Write what is buffered, and put days right that came out of order or repeat.

        Raises
        ------
        DataError
            The folder cannot be written, or two bars of one time differ.
        """
        for part in self.parts.values():
            self._flush(part)
        self._wait()
        for part in self.parts.values():
            if part.writer is not None:
                _close(part)
            if not part.is_sorted or part.may_repeat or len(part.segments) > 1:
                self._rewrite(part)

    def _rewrite(self, part: Part) -> None:
        rows = join(DTYPES[part.kind], (r for one in part.segments for r in _read(one, part.kind)))
        rows = rows[np.lexsort((rows["sequence"], rows["ts_recv"]))]  # stable
        if part.may_repeat or part.kind == Kind.BAR:
            kept = rows[~_repeats(rows, part.kind)]
            part.duplicates = len(rows) - len(kept)
            rows = kept
        part.rows = len(rows)
        old, part.segments = part.segments, []
        self._append(part, [rows])
        _close(part)
        for path in old:
            path.unlink()

    def commit(self) -> list[Path]:
        """Put every file into its place; `finish` was called before.

        An interrupt in here waits until the last file is in place.
        """
        moves = []
        for part in self.parts.values():
            target = self.catalog.path(part.symbol, part.kind, part.day, self.venue)
            moves.append((part.segments[0], target))
        try:
            for source, _ in moves:
                _sync(source)
            with _uninterrupted():
                for source, target in moves:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    source.replace(target)
        except OSError as error:
            raise _unwritable(self.catalog.root, error) from error
        return [target for _, target in moves]


def _by_day(days: np.ndarray, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the rows of each day: views where days follow each other, otherwise copies."""
    if (days[1:] >= days[:-1]).all():
        edges = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(days)]
        for first, last in itertools.pairwise(edges):
            yield int(days[first]), rows[first:last]
        return
    for day in np.unique(days):
        yield int(day), rows[days == day]


def _writer(path: Path, kind: Kind, schema: pa.Schema) -> parquet.ParquetWriter:
    options = write_options(kind) | {"compression_level": _ZSTD_LEVEL}
    del options["row_group_size"]  # of write_table: here each flush is a group
    return parquet.ParquetWriter(path, schema, **options)


def _close(part: Part) -> None:
    if part.writer is not None:
        writer, part.writer = part.writer, None
        writer.close()


def _read(path: Path, kind: Kind) -> Iterator[np.ndarray]:
    names = [column.name for column in columns(kind)]
    with open_parquet(path) as file:
        for batch in file.iter_batches(1 << 17, columns=names):
            rows = np.zeros(batch.num_rows, DTYPES[kind])
            fill_rows(kind, batch, rows, repr(str(path)))
            yield rows


def _repeats(rows: np.ndarray, kind: Kind) -> np.ndarray:
    """Mark the rows that say again what an earlier one said."""
    if kind == Kind.BAR:
        return _repeated_bars(rows)
    names = ("trade_id", "ts_event", "price", "size", "aux")
    # Stable, so of equal rows the first in the file comes first.
    order = np.lexsort([rows[name] for name in names])
    is_same = np.ones(len(rows) - 1, bool)
    for name in names:
        values = rows[name][order]
        is_same &= values[1:] == values[:-1]
    repeats = np.zeros(len(rows), bool)
    repeats[order[1:]] = is_same
    return repeats


def _repeated_bars(rows: np.ndarray) -> np.ndarray:
    repeats = np.zeros(len(rows), bool)
    repeats[1:] = np.diff(rows["ts_recv"]) == 0
    for name in ("open", "high", "low", "close", "volume"):
        differs = repeats[1:] & (rows[name][1:] != rows[name][:-1])
        if differs.any():
            row = int(np.argmax(differs))
            raise DataError(
                f"two bars that close at {utc(rows['ts_recv'][row])} differ in {name!r}: "
                f"{rows[name][row]} and {rows[name][row + 1]}; nothing was imported; remove one of "
                "them"
            )
    return repeats


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put Ctrl-C off until the block is done; only the main thread is ever interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if asked:
        raise KeyboardInterrupt


def _remove_abandoned(root: Path) -> None:
    for folder in root.glob(f"{_FOLDER}*"):
        pid = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if not (pid.isdigit() and process_start(int(pid))):
            shutil.rmtree(folder, ignore_errors=True)


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{str(path)!r} cannot be written ({error.strerror or error}); nothing was imported; free "
        "space or permit writing, or choose another folder"
    )
