"""hftbacktest's ``.npz`` and ``.npy``: trades, and a book built from its depth events.

What reaches the local side is imported: `ts_recv` is ``local_ts``, `ts_event` is ``exch_ts``;
rows for the exchange's side alone are the second half of a row that was split, and are counted.
Rows of equal times make one message, unless ``ival`` tells them apart (the exporter numbers
its events there). A depth clear while the book has levels is a GAP, except in a file's first
message. Once a best-bid-and-offer event was seen, quotes come from those alone.

The array of version 1, six columns of float64 (event, exchange and local time, side, price,
size), is read as well; its times are in µs or ms, and -1 where a row is not for that side.
Layer 3.
"""

import contextlib
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, NoReturn

import numpy as np

from livekit.errors import DataError
from livekit.events import Kind
from livekit.store.importers.depth import Depth
from livekit.store.importers.hft_layout import (
    BUY,
    CLEAR_DEPTH,
    DEPTH,
    DEPTH_BBO,
    EXCH,
    HFT_EVENT,
    KIND_MASK,
    LOCAL,
    ORDER_KINDS,
    SELL,
    SNAPSHOT,
    TRADE_KIND,
)
from livekit.store.importers.intake import Intake, place, rows_of
from livekit.store.importers.ladder import CLEAR, DELTA, SET, TOUCH
from livekit.store.importers.rows import NO_SIDE, sides_by_tick
from livekit.store.importers.source import magic
from livekit.store.schema import IMPORTED

__all__ = ["HftImporter"]

_CHUNK: Final = 1 << 18
_ORDER_BITS: Final = 40
_FIELDS: Final = ("ev", "exch_ts", "local_ts", "px", "qty")
_MIN_NS: Final = 10**17


class HftImporter:
    """Reads any number of hftbacktest's files, in the order of their times, into one intake."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._depth: Depth | None = None
        self._message = 0
        self._last_key = (0, 0, 0, 0)
        self._first_message = 0  # of those received at the last row's time
        self._last_trade = (math.nan, 0)
        self._next_id = 1
        self._last_ts = 0

    def read(self, path: Path) -> None:
        """Read one file.

        Raises
        ------
        DataError
            The file is no array of hftbacktest's, or a row is broken.
        ConfigError
            The user did not say of which symbol it is.
        """
        symbol = self._intake.name(repr(str(path)))
        if self._depth is None:
            self._depth = Depth(self._intake, symbol, needs_snapshot=False)
        self._depth.start()
        n_done = 0
        for chunk, position in _chunks(path):
            rows = chunk if chunk.dtype.names else self._from_version_1(path, chunk, n_done)
            self._check(path, rows, n_done)
            is_local = (rows["ev"] & LOCAL) != 0
            is_exch = (rows["ev"] & EXCH) != 0
            report = self._intake.report
            report.ignore("rows for the exchange's side only", int((is_exch & ~is_local).sum()))
            report.ignore("rows for neither side", int((~is_exch & ~is_local).sum()))
            self._take(symbol, rows[is_local])
            n_done += len(chunk)
            self._intake.told(position, len(chunk))
        self._depth.finish()

    def _check(self, path: Path, rows: np.ndarray, n_done: int) -> None:
        """Refuse the first row that is not of the format."""
        kind = rows["ev"] & KIND_MASK
        is_local = (rows["ev"] & LOCAL) != 0
        has_price = (rows["px"] > 0) & np.isfinite(rows["px"])
        has_size = (rows["qty"] > 0) & np.isfinite(rows["qty"])
        may_delete = (rows["qty"] >= 0) & np.isfinite(rows["qty"])
        sided = ((rows["ev"] & BUY) != 0) ^ ((rows["ev"] & SELL) != 0)
        is_depth = (kind == DEPTH) | (kind == SNAPSHOT)
        ts = np.where(is_local, rows["local_ts"], 0)
        before = np.concatenate(([self._last_ts], np.maximum.accumulate(ts)[:-1]))
        for is_bad, column, expected in (
            (np.isin(kind, ORDER_KINDS), "ev", "depth and trades: orders are not imported"),
            (is_depth & ~sided, "ev", "either the buy or the sell flag on a depth event"),
            ((kind == DEPTH_BBO) & ~sided, "ev", "either the buy or the sell flag"),
            (is_depth & ~has_price, "px", "a price greater than 0"),
            ((kind == TRADE_KIND) & ~has_price, "px", "a price greater than 0"),
            (is_depth & ~may_delete, "qty", "a size of 0 or more"),
            ((kind == TRADE_KIND) & ~has_size, "qty", "a size greater than 0"),
            (is_local & (ts < _MIN_NS), "local_ts", "nanoseconds since 1970, after 1973"),
            (is_local & (ts < before), "local_ts", "a time not before that of the row above"),
        ):
            if is_bad.any():
                row = int(np.argmax(is_bad))
                _fail(path, n_done + row, column, rows[column][row].item(), expected)
        self._last_ts = max(self._last_ts, int(ts.max(initial=0)))

    def _from_version_1(self, path: Path, chunk: np.ndarray, n_done: int) -> np.ndarray:
        """Return rows of version 1 as those of version 2."""
        stamps = chunk[:, 1:3]
        known = stamps[stamps > 0]
        unit = _unit_of_version_1(known)
        for is_bad, column, expected in (
            (np.full(len(chunk), unit == 0), 1, "times in ms or µs: a float holds no ns exactly"),
            ((stamps != np.rint(stamps)).any(axis=1), 1, "whole times"),
            (~np.isin(chunk[:, 3], (-1, 0, 1)), 3, "1 for buy or bid, -1 for sell or ask"),
            ((chunk[:, 0] < 0) | (chunk[:, 0] != np.rint(chunk[:, 0])), 0, "the number of a kind"),
        ):
            if is_bad.any():
                row = int(np.argmax(is_bad))
                _fail(path, n_done + row, str(column), float(chunk[row, column]), expected)
        self._intake.report.note(
            f"an array of version 1: times read as {'µs' if unit == 1000 else 'ms'}, told from "
            "their size"
        )
        rows = np.zeros(len(chunk), HFT_EVENT)
        rows["ev"] = chunk[:, 0].astype(np.uint64)
        rows["ev"] |= np.where(chunk[:, 3] == 1, BUY, 0).astype(np.uint64)
        rows["ev"] |= np.where(chunk[:, 3] == -1, SELL, 0).astype(np.uint64)
        rows["ev"] |= np.where(chunk[:, 1] > 0, EXCH, 0).astype(np.uint64)
        rows["ev"] |= np.where(chunk[:, 2] > 0, LOCAL, 0).astype(np.uint64)
        rows["local_ts"] = chunk[:, 2].astype(np.int64) * unit
        rows["exch_ts"] = chunk[:, 1].astype(np.int64) * unit
        # Version 1 says -1 for the exchange's time of a row split in two: it is lost.
        is_lost = chunk[:, 1] <= 0
        rows["exch_ts"][is_lost] = rows["local_ts"][is_lost]
        self._intake.report.ignore(
            "rows without an exchange time, which is taken to be the local one",
            int((is_lost & (chunk[:, 2] > 0)).sum()),
        )
        rows["px"], rows["qty"] = chunk[:, 4], chunk[:, 5]
        return rows

    def _take(self, symbol: str, rows: np.ndarray) -> None:
        if not len(rows):
            return
        kind = rows["ev"] & KIND_MASK
        is_trade = kind == TRADE_KIND
        is_depth = np.isin(kind, (DEPTH, SNAPSHOT, CLEAR_DEPTH, DEPTH_BBO))
        self._intake.report.ignore("rows of other kinds", int((~is_trade & ~is_depth).sum()))
        messages, order = self._messages(rows, is_trade)
        sequence = IMPORTED | order << _ORDER_BITS
        trades = self._trades(symbol, rows[is_trade])
        trades["sequence"] = sequence[is_trade] | (
            place(symbol, Kind.TRADE) & ((1 << _ORDER_BITS) - 1)
        )
        has_ids = bool(rows["ival"][is_trade].any())
        self._intake.put_ordered(symbol, Kind.TRADE, trades, has_ids=has_ids)
        deltas = _deltas(rows[is_depth], messages[is_depth], sequence[is_depth])
        assert self._depth is not None
        self._depth.take(deltas)

    def _messages(self, rows: np.ndarray, is_trade: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of each row's message, and its order among those of its time."""
        columns = [rows["exch_ts"], rows["local_ts"], rows["ival"], is_trade.astype(np.int64)]
        is_new = np.zeros(len(rows), bool)
        for column, last in zip(columns, self._last_key, strict=True):
            is_new |= np.concatenate(([last], column[:-1])) != column
        is_new |= is_trade  # each trade is an event of its own
        messages = self._message + np.cumsum(is_new)
        local = rows["local_ts"]
        is_later = np.concatenate(([self._last_key[1]], local[:-1])) != local
        firsts = np.where(is_later, messages, self._first_message)
        firsts = np.maximum.accumulate(firsts)
        self._message, self._first_message = int(messages[-1]), int(firsts[-1])
        self._last_key = tuple(int(column[-1]) for column in columns)  # type: ignore[assignment]
        return messages, messages - firsts

    def _trades(self, symbol: str, rows: np.ndarray) -> np.ndarray:
        events = rows_of(Kind.TRADE, len(rows))
        if not len(rows):
            return events
        events["ts_event"], events["ts_recv"] = rows["exch_ts"], rows["local_ts"]
        events["price"], events["size"] = rows["px"], rows["qty"]
        is_buy, is_sell = (rows["ev"] & BUY) != 0, (rows["ev"] & SELL) != 0
        sides = np.where(is_buy == is_sell, NO_SIDE, is_sell.astype(np.int64))
        missing = int((sides == NO_SIDE).sum())
        if missing:
            sides = sides_by_tick(events["price"], sides, self._last_trade)
            self._intake.report.ignore(
                "sides unknown to the source, told by the tick test", missing
            )
        events["aux"] = sides
        self._last_trade = (float(events["price"][-1]), int(sides[-1]))
        if rows["ival"].any():
            events["trade_id"] = rows["ival"]
        else:
            self._intake.report.note(f"trades of {symbol} have no numbers: counted from 1")
            events["trade_id"] = self._next_id + np.arange(len(rows))
            self._next_id += len(rows)
        return events


def _deltas(rows: np.ndarray, messages: np.ndarray, sequence: np.ndarray) -> np.ndarray:
    """Return depth rows as DELTA rows; a clear of neither side is one of both."""
    kind = rows["ev"] & KIND_MASK
    is_ask = (rows["ev"] & SELL) != 0
    deltas = np.zeros(len(rows), DELTA)
    deltas["ts_event"], deltas["ts_recv"] = rows["exch_ts"], rows["local_ts"]
    deltas["group"], deltas["order"] = messages, sequence
    deltas["sequence_id"] = rows["order_id"].astype(np.int64) - 1
    deltas["price"], deltas["size"] = rows["px"], rows["qty"]
    action = np.full(len(rows), SET)
    action[kind == CLEAR_DEPTH] = CLEAR
    action[kind == DEPTH_BBO] = TOUCH
    deltas["action"] = action + is_ask
    both = np.flatnonzero((kind == CLEAR_DEPTH) & ~is_ask & ((rows["ev"] & BUY) == 0))
    if len(both):
        deltas["price"][both] = np.nan
        asks = deltas[both].copy()
        asks["action"] = CLEAR + 1
        deltas = np.ascontiguousarray(np.insert(deltas, both + 1, asks))
    return deltas


def _unit_of_version_1(stamps: np.ndarray) -> int:
    """Return the ns of the unit of times; 0 when they are neither ms nor µs."""
    if not len(stamps):
        return 1000
    for digits, unit in ((13, 1_000_000), (16, 1000)):
        if 10.0 ** (digits - 1) <= stamps.min() and stamps.max() < 10.0**digits:
            return unit
    return 0


def _chunks(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """Yield the rows of a file with the position in it, one chunk at a time."""
    try:
        with path.open("rb") as raw, contextlib.ExitStack() as stack:
            if magic(path) == "npy":
                yield from _array_chunks(path, raw, raw)
                return
            archive = stack.enter_context(zipfile.ZipFile(raw))
            name = _member(path, archive)
            yield from _array_chunks(path, stack.enter_context(archive.open(name)), raw)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise DataError(
            f"{str(path)!r} is truncated, corrupt, or no .npz of hftbacktest: {error}; nothing was "
            "imported; copy or save the file again"
        ) from error


def _member(path: Path, archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if name.endswith(".npy")]
    if "data.npy" in names:
        return "data.npy"
    if len(names) == 1:
        return names[0]
    raise DataError(
        f"{str(path)!r} holds {', '.join(archive.namelist()) or 'nothing'}, expected one array, or "
        "one named 'data'; save it with numpy.savez_compressed(file, data=events)"
    )


def _array_chunks(
    path: Path, stream: IO[bytes], raw: IO[bytes]
) -> Iterator[tuple[np.ndarray, int]]:
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"an .npy of version {version}")
    shape, is_fortran, dtype = read(stream)
    n_columns = _check_layout(path, shape, dtype, is_fortran=is_fortran)
    n_bytes = dtype.itemsize * n_columns
    left = shape[0]
    while left:
        n = min(left, _CHUNK)
        data = stream.read(n * n_bytes)
        if len(data) != n * n_bytes:
            raise EOFError(f"the file ends {left * n_bytes - len(data)} bytes early")
        rows = np.frombuffer(data, dtype)
        if n_columns > 1:
            yield rows.reshape(n, n_columns).astype(np.float64), raw.tell()
        else:
            yield rows.astype(HFT_EVENT) if _has_all(dtype) else _widened(rows), raw.tell()
        left -= n


def _has_all(dtype: np.dtype) -> bool:
    return dtype.names == HFT_EVENT.names


def _widened(rows: np.ndarray) -> np.ndarray:
    wide = np.zeros(len(rows), HFT_EVENT)
    for name in set(HFT_EVENT.names or ()) & set(rows.dtype.names or ()):
        wide[name] = rows[name]
    return wide


def _check_layout(path: Path, shape: tuple[int, ...], dtype: Any, *, is_fortran: bool) -> int:
    """Return how many columns a row has; 1 for a record. Refuse other arrays."""
    if dtype.names is not None:
        fields = {name: dtype[name] for name in _FIELDS if name in dtype.names}
        is_known = len(shape) == 1 and len(fields) == len(_FIELDS)
        is_exact = is_known and all(
            fields[name] == HFT_EVENT[name] or (name == "ev" and fields[name].kind in "iu")
            for name in _FIELDS
        )
        if is_exact:
            return 1
    elif len(shape) == 2 and shape[1] == 6 and dtype == np.dtype("<f8") and not is_fortran:
        return 6
    raise DataError(
        f"the array in {str(path)!r} has shape {shape} and dtype {dtype}, expected hftbacktest's "
        f"{', '.join(f'{name} {HFT_EVENT[name]}' for name in _FIELDS)}, …, or six columns of "
        "float64 (version 1); nothing was imported; convert it with hftbacktest's own tools"
    )


def _fail(path: Path, row: int, column: str, value: object, expected: str) -> NoReturn:
    raise DataError(
        f"row {row} of {str(path)!r}, column {column!r}, is {value!r}, expected {expected}; "
        "nothing was imported; correct or remove that row"
    )
