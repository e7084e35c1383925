"""Recorded data as an ``.npz`` of hftbacktest, from which it comes back the same.

Trades become trades; books become the changes of their five levels; quotes become
best-bid-and-offer events where there are books, which hftbacktest's plain depth ignores, and
otherwise changes of a book of one level. ``ival`` is the trade's number, or counts the events
of a book from 1, so that a reader can tell events of one time apart; ``order_id`` is a book's
`sequence_id` plus 1. After a GAP the book is cleared and given whole.

A row whose exchange time is earlier than that of a row before it is written twice, as
hftbacktest wants it: for the exchange's side in its place, and for the local side.
Source: nkaz001/hftbacktest, ``data/validation.py`` (order of events).
Layer 3.
"""

import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.clock import own_identity
from livekit.errors import ConfigError, DataError
from livekit.events import BOOK, BOOK_LEVELS, HEAD, QUOTE, SLOT_BYTES, TRADE, Kind
from livekit.ring.jit import hot, i64
from livekit.ring.layout import aligned_zeros
from livekit.ring.memory import copy_lines, record
from livekit.store.catalog import Catalog
from livekit.store.importers.hft_layout import (
    BUY,
    CLEAR_DEPTH,
    DEPTH,
    DEPTH_BBO,
    EXCH,
    HFT_EVENT,
    LOCAL,
    SELL,
    SNAPSHOT,
    TRADE_KIND,
)
from livekit.store.replay import Replay
from livekit.store.schema import KIND_NAMES, kind_of

__all__ = ["ExportReport", "export_hftbacktest"]

_BATCH: Final = 4096
_ROWS_PER_EVENT: Final = 4 * BOOK_LEVELS + 1
_BOTH: Final = EXCH | LOCAL
_KINDS: Final = (Kind.TRADE, Kind.QUOTE, Kind.BOOK, Kind.GAP)
_WRITER: Final = np.dtype(
    [
        ("rows", "<i8"),  # where rows go, and how many there are
        ("n", "<i8"),
        ("last", "<i8"),  # address of the last BOOK; of one level when made from quotes
        ("events", "<i8"),  # of books so far
        ("has_books", "<i8"),
        ("is_void", "<i8"),  # the next book is given whole, after a clear
    ]
)


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export did.

    Attributes
    ----------
    path, symbol : str
    events : dict of str to int
        Recorded events by kind.
    rows, n_split : int
        Rows of the array, and how many of them are the second of two.
    """

    path: str
    symbol: str
    events: dict[str, int]
    rows: int
    n_split: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        return {
            "path": self.path,
            "symbol": self.symbol,
            "events": self.events,
            "rows": self.rows,
            "split": self.n_split,
        }


@hot
def _row(writer: int, event: int, kind: int, price: float, size: float, ival: int) -> None:
    """Append one row with the times of an event."""
    view, head = record(_WRITER, writer), record(HEAD, event)
    row = record(HFT_EVENT, view.rows + view.n * 64)
    row.ev = np.uint64(kind | _BOTH)
    row.exch_ts, row.local_ts = head.ts_event, head.ts_recv
    row.px, row.qty, row.ival, row.fval = price, size, ival, 0.0
    row.order_id = np.uint64(0)
    view.n += 1


@hot
def _is_in(book: int, is_ask: int, price: float) -> bool:
    view = record(BOOK, book)
    for depth in range(BOOK_LEVELS):
        held = view.ask_price[depth] if is_ask else view.bid_price[depth]
        size = view.ask_size[depth] if is_ask else view.bid_size[depth]
        if size > 0.0 and held == price:
            return True
    return False


@hot
def _side(writer: int, event: int, book: int, is_ask: int, kind: int) -> None:
    """Append the changes of one side from the last book to this one."""
    view = record(_WRITER, writer)
    old, new = record(BOOK, view.last), record(BOOK, book)
    flag = SELL if is_ask else BUY
    for depth in range(BOOK_LEVELS):
        price = old.ask_price[depth] if is_ask else old.bid_price[depth]
        size = old.ask_size[depth] if is_ask else old.bid_size[depth]
        if size > 0.0 and not _is_in(book, is_ask, price):
            _row(writer, event, DEPTH | flag, price, 0.0, view.events)
    for depth in range(BOOK_LEVELS):
        price = new.ask_price[depth] if is_ask else new.bid_price[depth]
        size = new.ask_size[depth] if is_ask else new.bid_size[depth]
        was = old.ask_price[depth] if is_ask else old.bid_price[depth]
        was_size = old.ask_size[depth] if is_ask else old.bid_size[depth]
        if size > 0.0 and (kind == SNAPSHOT or was != price or was_size != size):
            _row(writer, event, kind | flag, price, size, view.events)


@hot
def _levels(writer: int, event: int, book: int) -> None:
    """Append what leads from the last book to this one."""
    view = record(_WRITER, writer)
    old, new = record(BOOK, view.last), record(BOOK, book)
    first = view.n
    view.events += 1
    is_empty = new.bid_size[0] == 0.0 and new.ask_size[0] == 0.0
    is_void = view.is_void == 1 or is_empty
    if is_void and (old.bid_size[0] > 0.0 or old.ask_size[0] > 0.0):
        _row(writer, event, CLEAR_DEPTH, np.nan, 0.0, view.events)
        for depth in range(BOOK_LEVELS):
            old.bid_size[depth] = old.ask_size[depth] = 0.0
    view.is_void = 0
    kind = DEPTH if old.bid_size[0] > 0.0 or old.ask_size[0] > 0.0 else SNAPSHOT
    _side(writer, event, book, 0, kind)
    _side(writer, event, book, 1, kind)
    for i in range(first, view.n):
        record(HFT_EVENT, view.rows + i * 64).order_id = np.uint64(new.sequence_id + 1)
    copy_lines(view.last, book, SLOT_BYTES >> 6)


@hot
def _quote(writer: int, event: int, scratch: int) -> None:
    view, quote = record(_WRITER, writer), record(QUOTE, event)
    if view.has_books == 1:
        view.events += 1
        _row(writer, event, DEPTH_BBO | BUY, quote.bid_price, quote.bid_size, view.events)
        _row(writer, event, DEPTH_BBO | SELL, quote.ask_price, quote.ask_size, view.events)
        return
    book = record(BOOK, scratch)
    book.bid_price[0], book.bid_size[0] = quote.bid_price, quote.bid_size
    book.ask_price[0], book.ask_size[0] = quote.ask_price, quote.ask_size
    book.sequence_id = -1
    _levels(writer, event, scratch)


@hot
def _convert(writer: int, slots: int, n: int, scratch: int) -> None:
    """Append the rows of `n` events in slots; there is room for them."""
    for i in range(n):
        event = slots + i * SLOT_BYTES
        head = record(HEAD, event)
        if head.kind == 2:
            trade = record(TRADE, event)
            side = SELL if i64(head.aux) == 1 else BUY
            _row(writer, event, TRADE_KIND | side, trade.price, trade.size, trade.trade_id)
        elif head.kind == 4:
            _levels(writer, event, event)
        elif head.kind == 5:
            _quote(writer, event, scratch)
        elif head.kind == 8:
            record(_WRITER, writer).is_void = 1


def export_hftbacktest(
    root: str | Path,
    symbol: str,
    path: str | Path,
    *,
    start: int | str | None = None,
    stop: int | str | None = None,
    kinds: Iterable[Kind | str] | None = None,
    venue: str = "okx",
    replace: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ExportReport:
    """Write recorded data of one symbol as hftbacktest's ``.npz``.

    Parameters
    ----------
    root, symbol, start, stop, venue
        As for `Replay`.
    path : path
        The file, written whole or not at all.
    kinds : iterable, optional
        Of trade, quote, book and gap; all that are recorded by default.
    replace : bool
        Overwrite the file.
    progress : callable, optional
        Called with (events done, events).

    Raises
    ------
    NotFoundError, DataError
        See `Replay`; or the file cannot be written.
    ConfigError
        The file is there already, or a kind has no place in the format.
    """
    path = Path(path)
    if path.exists() and not replace:
        raise ConfigError(f"file {str(path)!r} exists already; overwrite it with --replace")
    wanted = _wanted(kinds)
    temporary = path.parent / f".writing-{own_identity()[0]}-{path.name}"
    raw = temporary.with_suffix(".rows")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replay = Replay(root, [symbol], wanted, start, stop, venue)
        has_books = Kind.BOOK in wanted and any(
            one.parts[-4:-1] == (venue, symbol, KIND_NAMES[Kind.BOOK])
            for one in Catalog(root).paths()
        )
        counts = _write_rows(raw, replay, progress, has_books=has_books)
        n_rows, n_split = _finish(raw, temporary)
        temporary.replace(path)
    except OSError as error:
        raise DataError(
            f"{str(path)!r} cannot be written ({error.strerror or error}); free space, or name "
            "another file"
        ) from error
    finally:
        raw.unlink(missing_ok=True)
        temporary.unlink(missing_ok=True)
    return ExportReport(str(path), symbol, counts, n_rows, n_split)


def _wanted(kinds: Iterable[Kind | str] | None) -> tuple[Kind, ...]:
    wanted = _KINDS if kinds is None else tuple(kind_of(one) for one in kinds)
    if odd := [one for one in wanted if one not in _KINDS]:
        raise ConfigError(
            f"{KIND_NAMES[odd[0]]} rows have no place in hftbacktest's format, expected trade, "
            "quote, book or gap"
        )
    return wanted


def _write_rows(
    raw: Path,
    replay: Replay,
    progress: Callable[[int, int], None] | None,
    *,
    has_books: bool,
) -> dict[str, int]:
    """Write the rows of a replay one after the other; return its events by kind."""
    slots = aligned_zeros(_BATCH * SLOT_BYTES).reshape(_BATCH, SLOT_BYTES)
    rows = aligned_zeros(_BATCH * _ROWS_PER_EVENT * HFT_EVENT.itemsize)
    books = aligned_zeros(2 * SLOT_BYTES)
    writer = np.zeros(1, _WRITER)
    writer["rows"], writer["last"] = rows.ctypes.data, books.ctypes.data
    writer["has_books"] = has_books
    counts: dict[str, int] = {}
    with raw.open("xb") as file:
        while n := replay.next_batch(slots, _BATCH):
            found, times = np.unique(slots[:n, 0], return_counts=True)
            for kind, number in zip(found.tolist(), times.tolist(), strict=True):
                name = KIND_NAMES[Kind(kind)]
                counts[name] = counts.get(name, 0) + number
            writer["n"] = 0
            _convert(writer.ctypes.data, slots.ctypes.data, n, books.ctypes.data + SLOT_BYTES)
            file.write(rows[: int(writer["n"][0]) * HFT_EVENT.itemsize].data)
            if progress is not None:
                progress(replay.position, replay.n_events)
    return counts


def _finish(raw: Path, target: Path) -> tuple[int, int]:
    """Write the archive; return how many rows it has, and how many of them were split off."""
    n = raw.stat().st_size // HFT_EVENT.itemsize
    rows = np.memmap(raw, HFT_EVENT, "r", shape=(n,)) if n else np.zeros(0, HFT_EVENT)
    is_late = rows["exch_ts"] < np.maximum.accumulate(rows["exch_ts"]) if n else np.zeros(0, bool)
    n_split = int(is_late.sum())
    if n_split:
        rows = _split(rows, is_late)
    header = {
        "descr": np.lib.format.dtype_to_descr(HFT_EVENT),
        "fortran_order": False,
        "shape": (len(rows),),
    }
    with (
        zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("data.npy", "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, len(rows), 1 << 18):
            file.write(rows[first : first + (1 << 18)].tobytes())
    return len(rows), n_split


def _split(rows: np.ndarray, is_late: np.ndarray) -> np.ndarray:
    """Return the rows with late ones once for each side, in the order of both sides' times.

    In memory: hftbacktest itself reads such a file whole.
    """
    rows = np.array(rows)
    late = np.flatnonzero(is_late)
    on_time = np.flatnonzero(~is_late)
    late = late[np.argsort(rows["exch_ts"][late], kind="stable")]
    # Before the first row of the exchange's side that is later; equal times keep their order.
    at = np.searchsorted(rows["exch_ts"][on_time], rows["exch_ts"][late], side="right")
    places = np.append(on_time, len(rows))[at]
    copies = rows[late]
    copies["ev"] &= ~np.uint64(LOCAL)
    rows["ev"][late] &= ~np.uint64(EXCH)
    return np.insert(rows, places, copies)
