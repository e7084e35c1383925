"""Tardis.dev CSV: trades, quotes, book snapshots and incremental books.

Columns are found by the names in the header. ``timestamp`` and ``local_timestamp`` are in
microseconds; rows are in the order of ``local_timestamp``, which is `ts_recv` here. Rows of
one message of an incremental book share it. When ``is_snapshot`` turns true the book begins
anew: in a file's first message that is the file's beginning, later it is a reconnection of
the recorder, and a GAP is written.
Source: docs.tardis.dev, "Downloadable CSV files".
Layer 3.
"""

from typing import Final

import numpy as np
import pyarrow as pa

from livekit.errors import DataError
from livekit.events import BOOK_LEVELS, Kind
from livekit.store.importers.block import Block
from livekit.store.importers.csvtext import DICTIONARY, blocks, header
from livekit.store.importers.depth import Depth
from livekit.store.importers.intake import Intake, rows_of
from livekit.store.importers.ladder import DELTA, RESTART
from livekit.store.importers.rows import (
    NO_SIDE,
    Touches,
    TradeIds,
    by_symbol,
    count_crossed,
    level,
    quote_rows,
    sides_by_tick,
)
from livekit.store.importers.source import Text
from livekit.store.schema import IMPORTED

__all__ = ["VENUES", "TardisImporter", "is_tardis", "kind_of_header"]

_HEAD: Final = ("exchange", "symbol", "timestamp", "local_timestamp")
_UNIT: Final = 1000
_TRADES: Final = (*_HEAD, "id", "side", "price", "amount")
_QUOTES: Final = (*_HEAD, "ask_amount", "ask_price", "bid_price", "bid_amount")
_DELTAS: Final = (*_HEAD, "is_snapshot", "side", "price", "amount")
_LEVELS: Final = tuple(
    (f"{side}[{i}].price", f"{side}[{i}].amount")
    for i in range(BOOK_LEVELS)
    for side in ("asks", "bids")
)
_BOOKS: Final = (*_HEAD, *(name for pair in _LEVELS for name in pair))
_HEADERS: Final = {"trades": _TRADES, "quotes": _QUOTES, "book": _BOOKS, "deltas": _DELTAS}

VENUES: Final = dict.fromkeys(
    ("okex", "okex-swap", "okex-futures", "okex-options", "okex-spreads"), "okx"
)
"""Names that Tardis has for a venue that livekit calls otherwise."""

_INTEGERS: Final = {"timestamp", "local_timestamp"}
_CODED: Final = {"exchange", "symbol", "side"}
_TRADE_SIDES: Final = {"buy": 0, "sell": 1, "unknown": NO_SIDE, "": NO_SIDE}
_BOOK_SIDES: Final = {"bid": 0, "ask": 1, "buy": 0, "sell": 1}


def kind_of_header(names: list[str]) -> str | None:
    """Return which of Tardis' files has this header: trades, quotes, book or deltas."""
    return next((kind for kind, needed in _HEADERS.items() if set(needed) <= set(names)), None)


def is_tardis(names: list[str]) -> bool:
    """Tell whether a header is one of Tardis', even one that is not imported."""
    return set(_HEAD) <= set(names)


def _type(name: str) -> pa.DataType:
    if name in _INTEGERS:
        return pa.int64()
    if name in _CODED:
        return DICTIONARY
    if name == "is_snapshot":
        return pa.bool_()
    return pa.string() if name == "id" else pa.float64()


class TardisImporter:
    """Reads any number of Tardis' files, in their order, into one intake."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._ids: dict[str, TradeIds] = {}
        self._last_trades: dict[str, tuple[float, int]] = {}
        self._touches: dict[str, Touches] = {}
        self._depths: dict[str, Depth] = {}
        self._last_ts: dict[tuple[str, str], int] = {}
        self._was_snapshot: dict[str, bool] = {}

    def read(self, text: Text) -> None:
        """Read one file.

        Raises
        ------
        DataError
            The header is not one of Tardis' that are imported, or a row is broken.
        """
        names = header(text)
        kind = kind_of_header(names)
        if kind is None:
            raise DataError(
                f"{text.name!r} has the columns {','.join(names[:8])}, expected those of Tardis' "
                "trades, quotes, book_snapshot_5 or _25, or incremental_book_L2; nothing was "
                "imported; 'livekit data import --format table' reads other columns"
            )
        take = {
            "trades": self._trades,
            "quotes": self._quotes,
            "book": self._books,
            "deltas": self._deltas,
        }[kind]
        for depth in self._depths.values():
            depth.start()
        self._was_snapshot.clear()
        types = {name: _type(name) for name in _HEADERS[kind]}
        for block in blocks(text, names, types):
            self._venue(block)
            received = block.times("local_timestamp", _UNIT, "microseconds")
            happened = block.times("timestamp", _UNIT, "microseconds")
            for symbol, rows in by_symbol(block, "symbol", self._intake.symbol):
                if kind != "trades":
                    self._check_order(block, symbol, kind, received, rows)
                take(block, symbol, rows, happened, received)
            self._intake.told(text.position(), len(block))
        for depth in self._depths.values():
            depth.finish()

    def _venue(self, block: Block) -> None:
        codes, names = block.codes("exchange")
        for code in np.flatnonzero(np.bincount(codes)):
            if not names[code]:
                block.fail(int(np.argmax(codes == code)), "exchange", "the name of an exchange")
            self._intake.at_venue(VENUES.get(names[code], names[code]))

    def _check_order(
        self, block: Block, symbol: str, kind: str, received: np.ndarray, rows: np.ndarray | None
    ) -> None:
        """Refuse a row received before the row above it: the state in between is not known."""
        ts = received if rows is None else received[rows]
        before = np.concatenate(([self._last_ts.get((symbol, kind), 0)], ts[:-1]))
        if (ts < before).any():
            row = int(np.argmax(ts < before))
            row = row if rows is None else int(rows[row])
            is_good = np.arange(len(block)) != row
            block.require(is_good, "local_timestamp", "a time not before that of the row above")
        self._last_ts[symbol, kind] = int(ts[-1])

    def _trades(
        self,
        block: Block,
        symbol: str,
        rows: np.ndarray | None,
        happened: np.ndarray,
        received: np.ndarray,
    ) -> None:
        sides = block.mapped("side", _TRADE_SIDES, "'buy', 'sell' or 'unknown'")
        ids = self._ids.setdefault(symbol, TradeIds(self._intake, symbol))
        events = rows_of(Kind.TRADE, len(block))
        events["ts_event"], events["ts_recv"] = happened, received
        events["price"], events["size"] = block.prices("price"), block.sizes("amount")
        events["trade_id"] = ids.of(block, "id")
        block.check()
        if rows is not None:
            events, sides = events[rows], sides[rows]
        missing = int((sides == NO_SIDE).sum())
        last = self._last_trades.get(symbol, (np.nan, 0))
        if missing:
            sides = sides_by_tick(events["price"], sides, last)
            self._intake.report.note(
                f"sides of trades of {symbol} that the source does not know were told from the "
                "price before (tick test)"
            )
            self._intake.report.ignore(
                "sides unknown to the source, told by the tick test", missing
            )
        events["aux"] = sides
        self._last_trades[symbol] = (float(events["price"][-1]), int(sides[-1]))
        self._intake.put(symbol, Kind.TRADE, events, has_ids=ids.has_ids)

    def _quotes(
        self,
        block: Block,
        symbol: str,
        rows: np.ndarray | None,
        happened: np.ndarray,
        received: np.ndarray,
    ) -> None:
        events = quote_rows(block, ("bid_price", "bid_amount", "ask_price", "ask_amount"))
        events["ts_event"], events["ts_recv"] = happened, received
        block.check()
        events = events if rows is None else events[rows]
        self._intake.report.crossed += count_crossed(events)
        self._intake.put(symbol, Kind.QUOTE, events)

    def _books(
        self,
        block: Block,
        symbol: str,
        rows: np.ndarray | None,
        happened: np.ndarray,
        received: np.ndarray,
    ) -> None:
        events = rows_of(Kind.BOOK, len(block))
        events["ts_event"], events["ts_recv"] = happened, received
        events["sequence_id"] = -1
        for i, (price, size) in enumerate(_LEVELS):
            side, depth = ("bid" if i % 2 else "ask"), i // 2
            prices, sizes = level(block, price, size)
            events[f"{side}_price"][:, depth], events[f"{side}_size"][:, depth] = prices, sizes
        block.check()
        events = events if rows is None else events[rows]
        self._intake.report.crossed += count_crossed(events)
        quotes = self._touches.setdefault(symbol, Touches()).of(events)
        self._intake.put(symbol, Kind.BOOK, events)
        if not self._intake.has_quotes:
            self._intake.put(symbol, Kind.QUOTE, quotes)

    def _deltas(
        self,
        block: Block,
        symbol: str,
        rows: np.ndarray | None,
        happened: np.ndarray,
        received: np.ndarray,
    ) -> None:
        index = slice(None) if rows is None else rows
        is_snapshot = block.table.column("is_snapshot")
        block.require(is_snapshot.is_valid().to_numpy(), "is_snapshot", "true or false")
        flags = np.asarray(is_snapshot.fill_null(pa.scalar(False)).to_numpy())[index]
        sides = block.mapped("side", _BOOK_SIDES, "'bid' or 'ask'")
        deltas = np.zeros(len(flags), DELTA)
        deltas["ts_event"], deltas["ts_recv"] = happened[index], received[index]
        deltas["group"], deltas["sequence_id"] = received[index], -1
        deltas["order"] = IMPORTED | 2 << 40
        deltas["action"] = sides[index]  # SET is 0
        deltas["price"] = block.prices("price")[index]
        deltas["size"] = block.amounts("amount")[index]
        block.check()
        depth = self._depths.get(symbol)
        if depth is None:
            depth = self._depths[symbol] = Depth(self._intake, symbol, needs_snapshot=True)
        before = np.concatenate(([self._was_snapshot.get(symbol, False)], flags[:-1]))
        starts = np.flatnonzero(flags & ~before)
        self._was_snapshot[symbol] = bool(flags[-1])
        depth.take(_with_restarts(deltas, starts))


def _with_restarts(deltas: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the deltas with a RESTART before each of the rows given."""
    if not len(starts):
        return deltas
    restarts = deltas[starts].copy()
    restarts["action"] = RESTART
    joined = np.insert(deltas, starts, restarts)
    return np.ascontiguousarray(joined)
