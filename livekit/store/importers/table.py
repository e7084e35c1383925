"""Any table of trades, quotes, books or bars: a DataFrame, Parquet, or CSV.

Columns are found by name (roles.py). Times are timestamps, with a zone or, without, in UTC;
whole numbers whose unit is given or told from their digits; or ISO 8601 text. Floats are
taken only where they are whole and below 2**53: a double has no room for nanoseconds. Trades,
quotes and bars may come in any order; books must be in order of time.
Layer 3.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from livekit.errors import ConfigError, DataError
from livekit.events import BOOK_LEVELS, Kind
from livekit.store.files import open_parquet
from livekit.store.importers import csvtext
from livekit.store.importers.block import Block
from livekit.store.importers.intake import Intake, rows_of
from livekit.store.importers.roles import kind_of_roles, needed_roles, roles_of
from livekit.store.importers.rows import (
    NO_SIDE,
    SIDES,
    Touches,
    TradeIds,
    bar_rows,
    by_symbol,
    count_crossed,
    level,
    quote_rows,
    sides_by_tick,
)
from livekit.store.importers.source import Text, magic, open_texts
from livekit.store.importers.times import Clock
from livekit.store.schema import KIND_NAMES

__all__ = ["TableImporter"]

_BATCH_ROWS: Final = 1 << 17
_WHOLE: Final = re.compile(rb"[+-]?\d+")
_ZONED: Final = re.compile(rb".*(?:Z|[+-]\d\d:?\d\d)")
_FLOAT: Final = re.compile(rb"[+-]?\d+\.\d*(?:[eE][+-]?\d+)?")


class TableImporter:
    """Reads tables of one kind into one intake.

    Parameters
    ----------
    intake : Intake
    kind : Kind, optional
        Told from the columns by default.
    columns : mapping, optional
        Role to column.
    unit : str, optional
        Of times that are numbers: ``s``, ``ms``, ``us`` or ``ns``.
    period_ns : int, optional
        Of bars; by default the least time between two.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        kind: Kind | None = None,
        columns: Mapping[str, str] | None = None,
        unit: str | None = None,
        period_ns: int | None = None,
    ) -> None:
        self._intake, self._kind, self._columns = intake, kind, columns
        self._clock = Clock(intake.report, unit)
        self._period = period_ns
        self._ids: dict[str, TradeIds] = {}
        self._touches: dict[str, Touches] = {}
        self._last: dict[str, tuple[float, int]] = {}
        self._last_ts: dict[str, int] = {}
        if kind is not None and kind not in {Kind.TRADE, Kind.QUOTE, Kind.BOOK, Kind.BAR}:
            raise ConfigError(
                f"kind {KIND_NAMES.get(kind, kind)!r} is not imported from tables; use trade, "
                "quote, book or bar"
            )

    def read(self, path: Path) -> None:
        """Read a file: Parquet, or CSV in whatever compression."""
        if magic(path) == "parquet":
            self._read_parquet(path)
            return
        for text in open_texts(path):
            self._read_csv(text)

    def read_frame(self, frame: Any) -> None:
        """Read a pandas DataFrame, a pyarrow table, or what speaks Arrow's stream protocol."""
        table = _to_table(frame)
        batches = table.to_batches(_BATCH_ROWS)
        self._read_tables((pa.Table.from_batches([one]) for one in batches), table, "the frame")

    def _read_parquet(self, path: Path) -> None:
        with open_parquet(path) as file:
            empty = file.schema_arrow.empty_table()
            roles, _ = self._roles(empty.column_names)
            names = list(dict.fromkeys(roles.values()))
            batches = file.iter_batches(_BATCH_ROWS, columns=names)
            tables = (pa.Table.from_batches([one]) for one in batches)
            total, size = max(1, file.metadata.num_rows), path.stat().st_size
            self._read_tables(tables, empty, repr(str(path)), lambda n: size * n // total)

    def _read_tables(
        self,
        tables: Iterable[pa.Table],
        example: pa.Table,
        what: str,
        position: Callable[[int], int] = lambda _: 0,
    ) -> None:
        roles, kind = self._roles(example.column_names)
        done = 0
        for table in tables:
            block = Block(table, _describe(table, done, what))
            self._take(block, roles, kind, what)
            done += len(block)
            self._intake.told(position(done), len(block))

    def _read_csv(self, text: Text) -> None:
        names = csvtext.header(text)
        roles, kind = self._roles(names)
        text.skip_line()
        for block in _csv_blocks(text, names, roles):
            self._take(block, roles, kind, repr(text.name))
            self._intake.told(text.position(), len(block))

    def _roles(self, names: list[str]) -> tuple[dict[str, str], Kind]:
        roles = roles_of(names, self._columns)
        kind = self._kind or kind_of_roles(roles, names)
        missing = [role for role in needed_roles(kind) if role not in roles]
        if missing:
            raise ConfigError(
                f"no column for {missing[0]!r}, which {KIND_NAMES[kind]} rows need, among "
                f"{', '.join(map(repr, names))}; name it with columns={{{missing[0]!r}: …}}, or "
                f"--columns {missing[0]}=NAME"
            )
        optional = {"received", "symbol", "side", "is_buyer_maker", "trade_id", "count"}
        return {k: v for k, v in roles.items() if k in {*needed_roles(kind), *optional}}, kind

    def _take(self, block: Block, roles: dict[str, str], kind: Kind, what: str) -> None:
        if not len(block):
            return
        if "symbol" in roles:
            found = by_symbol(block, roles["symbol"], self._intake.symbol)
        else:
            found = [(self._intake.name(what), None)]
        happened = self._clock.times(block, roles["time"])
        received = happened
        if "received" in roles:
            received = self._clock.times(block, roles["received"])
        take = {
            Kind.TRADE: self._trades,
            Kind.QUOTE: self._quotes,
            Kind.BOOK: self._books,
            Kind.BAR: self._bars,
        }[kind]
        for symbol, rows in found:
            part = block if rows is None else block.part(rows)
            index = slice(None) if rows is None else rows
            take(part, roles, symbol, happened[index], received[index])

    def _trades(
        self,
        block: Block,
        roles: dict[str, str],
        symbol: str,
        happened: np.ndarray,
        received: np.ndarray,
    ) -> None:
        rows = rows_of(Kind.TRADE, len(block))
        rows["ts_event"], rows["ts_recv"] = happened, received
        rows["price"], rows["size"] = block.prices(roles["price"]), block.sizes(roles["size"])
        ids = self._ids.setdefault(symbol, TradeIds(self._intake, symbol))
        has_ids = "trade_id" in roles
        rows["trade_id"] = ids.of(block, roles["trade_id"]) if has_ids else ids.numbered(len(block))
        sides = self._sides(block, roles)
        if sides is None:
            self._intake.report.note("the table has no sides: told by the tick test")
            sides = np.full(len(rows), NO_SIDE)
        block.check()
        last = self._last.get(symbol, (np.nan, 0))
        rows["aux"] = sides_by_tick(rows["price"], sides, last)
        self._last[symbol] = (float(rows["price"][-1]), int(rows["aux"][-1]))
        self._intake.put(symbol, Kind.TRADE, rows, has_ids=ids.has_ids)

    def _sides(self, block: Block, roles: dict[str, str]) -> np.ndarray | None:
        if "side" in roles:
            return block.mapped(roles["side"], SIDES, "'buy' or 'sell'")
        if "is_buyer_maker" in roles:
            # The maker bought, so who traded with him sold.
            words = {"true": 1, "false": 0, "1": 1, "0": 0}
            return block.mapped(roles["is_buyer_maker"], words, "true or false")
        return None

    def _quotes(
        self,
        block: Block,
        roles: dict[str, str],
        symbol: str,
        happened: np.ndarray,
        received: np.ndarray,
    ) -> None:
        names = (roles["bid_price"], roles["bid_size"], roles["ask_price"], roles["ask_size"])
        rows = quote_rows(block, names)
        rows["ts_event"], rows["ts_recv"] = happened, received
        block.check()
        self._intake.report.crossed += count_crossed(rows)
        self._intake.put(symbol, Kind.QUOTE, rows)

    def _books(
        self,
        block: Block,
        roles: dict[str, str],
        symbol: str,
        happened: np.ndarray,
        received: np.ndarray,
    ) -> None:
        before = np.concatenate(([self._last_ts.get(symbol, 0)], received[:-1]))
        name = roles.get("received", roles["time"])
        block.require(received >= before, name, "a time not before that of the row above")
        self._last_ts[symbol] = int(received[-1])
        rows = rows_of(Kind.BOOK, len(block))
        rows["ts_event"], rows["ts_recv"], rows["sequence_id"] = happened, received, -1
        for depth in range(BOOK_LEVELS):
            for side in ("bid", "ask"):
                names = (roles[f"{side}_price_{depth}"], roles[f"{side}_size_{depth}"])
                prices, sizes = level(block, *names)
                rows[f"{side}_price"][:, depth], rows[f"{side}_size"][:, depth] = prices, sizes
        block.check()
        self._intake.report.crossed += count_crossed(rows)
        quotes = self._touches.setdefault(symbol, Touches()).of(rows)
        self._intake.put(symbol, Kind.BOOK, rows)
        self._intake.put(symbol, Kind.QUOTE, quotes)

    def _bars(
        self,
        block: Block,
        roles: dict[str, str],
        symbol: str,
        happened: np.ndarray,
        received: np.ndarray,
    ) -> None:
        del received  # a bar is known when it is complete
        if self._period is None:
            steps = np.diff(np.unique(happened))
            if not len(steps):
                raise ConfigError(
                    "one bar has no period to be told from; say it with period, or --period 1m"
                )
            self._period = int(steps.min())
            self._intake.report.note(f"the period of the bars was told: {self._period / 1e9:g} s")
        names = {name: roles[name] for name in ("open", "high", "low", "close")}
        names["volume"] = roles["size"]
        names |= {"count": roles["count"]} if "count" in roles else {}
        rows = bar_rows(block, happened, self._period, names)
        opened = np.sort(happened)
        first = self._last_ts.setdefault(symbol, int(opened[0]))
        is_on_grid = (happened - first) % self._period == 0
        block.require(is_on_grid, roles["time"], f"a time on the grid of {self._period} ns")
        block.check()
        self._intake.report.gaps += int((np.diff(opened) > self._period).sum())
        self._intake.put(symbol, Kind.BAR, rows)


def _to_table(frame: Any) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    try:
        if type(frame).__module__.startswith("pandas"):
            has_times = type(frame.index).__name__ == "DatetimeIndex"
            if has_times:
                frame = frame.rename_axis(index=frame.index.name or "time").reset_index()
            return pa.Table.from_pandas(frame, preserve_index=False)
        if hasattr(frame, "__arrow_c_stream__"):
            return pa.table(frame)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise DataError(
            f"the frame does not become an Arrow table: {error}; nothing was imported; give every "
            "column one type"
        ) from error
    raise ConfigError(
        f"frame is a {type(frame).__name__}, expected a pandas DataFrame, a pyarrow table, or the "
        "path of a Parquet or CSV file"
    )


def _describe(table: pa.Table, done: int, what: str) -> Callable[[int, str], str]:
    def describe(row: int, column: str) -> str:
        value = table.column(column)[row].as_py()
        return f"row {done + row} of {what}, column {column!r}, is {value!r}"

    return describe


def _csv_blocks(text: Text, names: list[str], roles: dict[str, str]) -> Iterator[Block]:
    """Yield blocks; the form of the first line's times is that of all."""
    first = text.first_line().split(b",")
    types: dict[str, pa.DataType] = {}
    for role, name in roles.items():
        if role in {"time", "received"}:
            cell = first[names.index(name)] if len(first) == len(names) else b""
            types[name] = _time_type(cell.strip(b'" '), name)
        elif role in {"symbol", "side", "is_buyer_maker"}:
            types[name] = csvtext.DICTIONARY
        elif role == "trade_id":
            types[name] = pa.string()
        else:
            types[name] = pa.int64() if role == "count" else pa.float64()
    yield from csvtext.blocks(text, names, types)


def _time_type(cell: bytes, name: str) -> pa.DataType:
    if _WHOLE.fullmatch(cell) or not cell:
        return pa.int64()
    if _FLOAT.fullmatch(cell):
        raise ConfigError(
            f"times in column {name!r} are decimals such as {cell.decode()!r}, expected whole "
            "numbers or ISO 8601 text: a double has no room for nanoseconds; nothing was imported"
        )
    return pa.timestamp("ns", tz="UTC" if _ZONED.fullmatch(cell[10:]) else None)
