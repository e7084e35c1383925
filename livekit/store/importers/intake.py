"""What every importer has in common: where rows go, and what is kept of them.

Sources have no common count of what arrived, so rows are ordered by `ts_recv`, and at equal
times by a place that depends on nothing but the kind and the symbol: bars, tickers, trades,
quotes, books. Trades come before the book that they changed; which file was imported first
does not matter.
Layer 3.
"""

import zlib
from collections.abc import Callable
from typing import Final

import numpy as np

from livekit.errors import ConfigError
from livekit.events import DTYPES, Kind
from livekit.store.catalog import check_folder_name
from livekit.store.importers.report import ImportReport, KindReport
from livekit.store.importers.sink import Sink
from livekit.store.importers.steps import Steps
from livekit.store.schema import IMPORTED, KIND_NAMES

__all__ = ["PLACE", "Intake", "place", "rows_of"]

PLACE: Final = {
    Kind.NONE: 0,
    Kind.GAP: 0,
    Kind.BAR: 1,
    Kind.TICKER: 2,
    Kind.TRADE: 3,
    Kind.QUOTE: 4,
    Kind.BOOK: 5,
}
"""Order of kinds at equal times."""

_PRICES: Final = {
    Kind.TRADE: ("price",),
    Kind.QUOTE: ("bid_price", "ask_price"),
    Kind.BOOK: ("bid_price", "ask_price"),
    Kind.BAR: ("open", "high", "low", "close"),
}
_SIZES: Final = {
    Kind.TRADE: ("size",),
    Kind.QUOTE: ("bid_size", "ask_size"),
    Kind.BOOK: ("bid_size", "ask_size"),
    Kind.BAR: ("volume",),
}


def place(symbol: str, kind: Kind, order: int = 0) -> int:
    """Return the sequence of imported rows: their order at equal times, kind and symbol."""
    return IMPORTED | order << 40 | PLACE[kind] << 32 | zlib.crc32(symbol.encode())


def rows_of(kind: Kind, n: int) -> np.ndarray:
    """Return `n` rows of a kind, zero but for the kind."""
    rows = np.zeros(n, DTYPES[kind])
    rows["kind"] = int(kind)
    return rows


class Intake:
    """Takes the rows of one import.

    Parameters
    ----------
    sink : Sink
    steps : Steps
    report : ImportReport
    symbol : str, optional
        The only symbol wanted, or the name of one that the source does not name.
    kinds : frozenset of Kind, optional
        The kinds wanted; all by default.
    venue : str, optional
        What the user says; otherwise the source may.
    tick : callable, optional
        Told how many bytes of the file on disk were read, and rows.
    """

    def __init__(
        self,
        sink: Sink,
        steps: Steps,
        report: ImportReport,
        *,
        symbol: str | None = None,
        kinds: frozenset[Kind] | None = None,
        venue: str | None = None,
        tick: Callable[[int, int], None] | None = None,
    ) -> None:
        self.sink, self.steps, self.report = sink, steps, report
        self.symbol, self.kinds = symbol, kinds
        self.has_quotes = False
        self._tick, self._venue, self._is_venue_given = tick, venue, venue is not None
        self._symbols: set[str] = set()

    def wants(self, kind: Kind) -> bool:
        """Tell whether rows of a kind are to be kept."""
        return self.kinds is None or kind in self.kinds

    def name(self, what: str) -> str:
        """Return the symbol of a source that names none; ConfigError without --symbol."""
        if self.symbol is None:
            raise ConfigError(f"{what} does not say of which symbol it is; name it with --symbol")
        return self.symbol

    def at_venue(self, venue: str) -> None:
        """Take the venue that a source names, unless the user did.

        Raises
        ------
        ConfigError
            Another file of this import came from another venue.
        """
        if self._is_venue_given or self._venue == venue:
            return
        if self._venue is None:
            self._venue = self.sink.venue = self.report.venue = venue
        else:
            raise ConfigError(
                f"the files are of {self._venue!r} and {venue!r}; import one venue at a time, or "
                "say with --venue where they belong"
            )

    def told(self, position: int, rows: int) -> None:
        """Count rows of the source, and move the bar."""
        self.report.rows_read += rows
        if self._tick is not None:
            self._tick(position, self.report.rows_read)

    def put(self, symbol: str, kind: Kind, rows: np.ndarray, *, has_ids: bool = False) -> None:
        """Take rows without an order of their own at equal times; they are not changed later."""
        rows["sequence"] = place(symbol, kind, 1 if PLACE[kind] < PLACE[Kind.QUOTE] else 2)
        self.put_ordered(symbol, kind, rows, has_ids=has_ids)

    def put_ordered(
        self, symbol: str, kind: Kind, rows: np.ndarray, *, has_ids: bool = False
    ) -> None:
        """Take rows whose sequence is set."""
        if kind == Kind.GAP:
            self.report.gaps += len(rows)
        if not self.wants(kind) or not len(rows):
            self.report.ignore(f"{KIND_NAMES[kind]} rows, not asked for", len(rows))
            return
        if symbol not in self._symbols:
            self._symbols.add(check_folder_name(symbol, "symbol"))
        if kind in _PRICES and self.steps.needs(symbol):
            for price, size in zip(_PRICES[kind], _SIZES[kind] * 4, strict=False):
                self.steps.look(symbol, rows[price], rows[size])
        self.sink.add(symbol, kind, rows, has_ids=has_ids)

    def summarize(self) -> None:
        """Write what the sink took into the report."""
        found: dict[tuple[str, Kind], KindReport] = {}
        for part in self.sink.parts.values():
            one = found.setdefault(
                (part.symbol, part.kind), KindReport(part.symbol, KIND_NAMES[part.kind])
            )
            one.first_ts = min(one.first_ts or part.first_ts, part.first_ts)
            one.last_ts = max(one.last_ts, part.last_ts)
            one.rows += part.rows
            one.duplicates += part.duplicates
            one.days = sorted([*one.days, part.day])
        self.report.kinds = [found[key] for key in sorted(found)]
