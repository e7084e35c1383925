"""The exchange's own historical downloads as CSV: trades and candles.

Trades have five columns (no instrument, size before price), six or seven; the oldest have
Chinese names beside the English ones. Candles have the instrument, prices, three volumes and
the time of opening. A file covers a day of UTC+8, so a UTC day needs two files; give them to
one import. Files of option and futures chains mix instruments and are not in order; they are
sorted by time. None has a time of receipt: `ts_recv` is `ts_event`.
Source: okx.com/historical-data, headers of files from 2021 to 2026.
Layer 3.
"""

import re
from typing import Final

import numpy as np
import pyarrow as pa

from livekit.errors import DataError
from livekit.events import Kind
from livekit.store.importers.block import Block
from livekit.store.importers.csvtext import DICTIONARY, blocks, header
from livekit.store.importers.intake import Intake, rows_of
from livekit.store.importers.rows import SIDES, bar_rows, by_symbol
from livekit.store.importers.source import Text
from livekit.store.importers.units import UNITS, unit_of

__all__ = ["OkxCsvImporter", "kind_of_header"]

_TRADES: Final = ("trade_id", "side", "size", "price", "created_time")
_CANDLES: Final = ("instrument_name", "open", "high", "low", "close", "vol", "open_time")
_TYPES: Final = {
    "instrument_name": DICTIONARY,
    "side": DICTIONARY,
    "trade_id": pa.int64(),
    "created_time": pa.int64(),
    "open_time": pa.int64(),
    "confirm": pa.int64(),
    "source": pa.int64(),
}
_SYMBOL: Final = re.compile(r"([A-Z0-9]+(?:-[A-Z0-9]+)+)-(?:agg)?trades-\d{4}-\d{2}")
_MINUTE_NS: Final = 60 * 1_000_000_000
_BAR_NAMES: Final = {
    **{name: name for name in ("open", "high", "low", "close")},
    "volume": "vol",
}
_NO_RECEIPT: Final = "the source has no time of receipt: ts_recv is the exchange's own time"


def _plain(names: list[str]) -> list[str]:
    """Return the English half of headers such as ``trade_id/交易id``."""
    return [name.partition("/")[0].strip().lower() for name in names]


def kind_of_header(names: list[str]) -> str | None:
    """Return which of the exchange's files has this header: trades or candles."""
    plain = set(_plain(names))
    if set(_TRADES) <= plain:
        return "trades"
    return "candles" if set(_CANDLES) <= plain else None


class OkxCsvImporter:
    """Reads any number of the exchange's CSV files into one intake."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._opened: dict[str, int] = {}
        self._unit: str | None = None

    def read(self, text: Text) -> None:
        """Read one file.

        Raises
        ------
        DataError
            The header is not one of the exchange's, or a row is broken.
        ConfigError
            The file names no instrument, nor does its name, and the user did not.
        """
        names = _plain(header(text))
        kind = kind_of_header(names)
        if kind is None:
            raise DataError(
                f"{text.name!r} has the columns {','.join(names[:8])}, expected those of the "
                "exchange's trades or candles; nothing was imported; 'livekit data import "
                "--format table' reads other columns"
            )
        needed = _TRADES if kind == "trades" else _CANDLES
        more = [name for name in ("instrument_name", "confirm") if name in names]
        types = {name: _TYPES.get(name, pa.float64()) for name in dict.fromkeys((*needed, *more))}
        take = self._trades if kind == "trades" else self._candles
        self._intake.at_venue("okx")
        self._intake.report.note(_NO_RECEIPT)
        self._unit = None
        for block in blocks(text, names, types):
            if "instrument_name" in types:
                symbols = by_symbol(block, "instrument_name", self._intake.symbol)
            else:
                symbols = [(self._symbol_of(text), None)]
            for symbol, rows in symbols:
                take(block, symbol, rows)
            self._intake.told(text.position(), len(block))

    def _symbol_of(self, text: Text) -> str:
        found = _SYMBOL.search(text.label) or _SYMBOL.search(text.file.name)
        if self._intake.symbol is None and found:
            return found[1]
        return self._intake.name(repr(text.name))

    def _times(self, block: Block, name: str) -> np.ndarray:
        if self._unit is None:
            values = block.integers(name)
            block.check()
            self._unit = unit_of(values, name)
        return block.times(name, *UNITS[self._unit])

    def _trades(self, block: Block, symbol: str, rows: np.ndarray | None) -> None:
        events = rows_of(Kind.TRADE, len(block))
        events["ts_event"] = events["ts_recv"] = self._times(block, "created_time")
        events["price"], events["size"] = block.prices("price"), block.sizes("size")
        events["aux"] = block.mapped("side", SIDES, "'buy' or 'sell'")
        events["trade_id"] = block.integers("trade_id")
        block.check()
        events = events if rows is None else events[rows]
        self._intake.put(symbol, Kind.TRADE, events, has_ids=True)

    def _candles(self, block: Block, symbol: str, rows: np.ndarray | None) -> None:
        opened = self._times(block, "open_time")
        events = bar_rows(block, opened, _MINUTE_NS, _BAR_NAMES)
        block.require(opened % _MINUTE_NS == 0, "open_time", "the beginning of a minute")
        block.check()
        if rows is not None:
            events, opened = events[rows], opened[rows]
        if "confirm" in block:
            confirmed = block.integers("confirm")
            is_whole = (confirmed if rows is None else confirmed[rows]) != 0
            self._intake.report.ignore("bars that were not complete", int((~is_whole).sum()))
            events, opened = events[is_whole], opened[is_whole]
        self._count_holes(symbol, opened)
        self._intake.put(symbol, Kind.BAR, events)

    def _count_holes(self, symbol: str, opened: np.ndarray) -> None:
        if not len(opened):
            return
        minutes = np.sort(opened)
        last = self._opened.get(symbol)
        steps = np.diff(minutes if last is None else np.concatenate(([last], minutes)))
        self._intake.report.gaps += int((steps > _MINUTE_NS).sum())
        self._opened[symbol] = int(minutes[-1])
