"""Raw WebSocket recordings become recorded data, through the live feed's own code.

The format is that of cryptofeed's raw recorder: one line per event, UTF-8, gzip or not,

    URL <-> T            a connection was opened at T (seconds, Unix)
    URL <- T: TEXT       a frame the client sent
    T: TEXT              a frame received
    URL -> T: TEXT       a REST reply
    configuration: TEXT  what the recorder was asked for

All or nothing: the whole file is read before anything is written, and a line that is
not of this format, a frame that is no message, or a file that ends early is refused by
the number of its line.
Layer 3.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from livekit.errors import ConfigError, DataError, FeedError, NotFoundError
from livekit.events import DTYPES, Kind
from livekit.instruments import Instrument
from livekit.okx.instruments import kind_of_symbol, parse_instruments
from livekit.okx.market import Counts, Normalizer
from livekit.okx.messages import BookPush, Message, TickerPush, TradePush, parse
from livekit.store.catalog import Catalog, check_folder_name
from livekit.store.schema import KIND_NAMES, to_table

__all__ = ["RawReport", "finer", "import_cryptofeed_raw", "is_recording", "read_instruments_file"]

_MAX_LINE_BYTES: Final = 16 << 20
_PROGRESS_LINES: Final = 1000
_LINE: Final = re.compile(
    rb"(?:(?P<url>\S+) (?P<mark><->|<-|->) )?(?P<time>\d{9,11}(?:\.\d{1,9})?)(?:: (?P<text>.*))?"
)


@dataclass(slots=True)
class RawReport:
    """What an import did.

    Attributes
    ----------
    file : str
    counts : Counts
        What the normaliser saw and gave.
    instruments : list of Instrument
    inferred : list of str
        Symbols whose steps were read off the recording's own prices and sizes.
    written, unchanged : list of Path
        Files written, and files that held the same events already.
    """

    file: str
    counts: Counts
    instruments: list[Instrument]
    inferred: list[str]
    written: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON takes it."""
        counts = self.counts
        return {
            "file": self.file,
            "frames": counts.frames,
            "events": {KIND_NAMES[kind]: n for kind, n in sorted(counts.events.items())},
            "book_messages": counts.books,
            "checksums_verified": counts.checksums_verified,
            "checksums_failed": counts.checksums_failed,
            "gaps": counts.gaps,
            "waiting": counts.waiting,
            "duplicates": counts.duplicates,
            "stale_trades": counts.stale_trades,
            "ignored": dict(sorted(counts.ignored.items())),
            "symbols": [one.symbol for one in self.instruments],
            "inferred": self.inferred,
            "written": [str(path) for path in self.written],
            "unchanged": [str(path) for path in self.unchanged],
        }


class _Numbers(dict[str, int]):
    """Numbers given to symbols as they appear."""

    def get(self, symbol: str, default: Any = None) -> Any:
        """Return the number of a symbol; a name that cannot be stored is a FeedError."""
        del default  # every symbol has a number
        if symbol not in self:
            try:
                check_folder_name(symbol, "symbol")
            except ConfigError as error:
                raise FeedError(str(error)) from error
        return self.setdefault(symbol, len(self))


class _Steps:
    """The finest decimal step seen in the prices and sizes of each symbol."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[set[float], set[float]]] = {}

    def look(self, message: Message) -> None:
        """Take the numbers of a push."""
        if isinstance(message, BookPush):
            prices, sizes = self._seen.setdefault(message.symbol, (set(), set()))
            for book in message.rows:
                for level in (*book.bids, *book.asks):
                    prices.add(level.price)
                    sizes.add(level.size)
        elif isinstance(message, TradePush):
            for trade in message.rows:
                prices, sizes = self._seen.setdefault(trade.instId, (set(), set()))
                prices.add(trade.px)
                sizes.add(trade.sz)
        elif isinstance(message, TickerPush):
            for ticker in message.rows:
                prices, _ = self._seen.setdefault(ticker.instId, (set(), set()))
                prices |= {p for p in (ticker.last, ticker.bidPx, ticker.askPx) if p != ""}

    def instrument(self, symbol: str) -> Instrument:
        """Return an instrument with the steps seen."""
        prices, sizes = self._seen.get(symbol, (set(), set()))
        lot = _step(sizes)
        return Instrument(symbol, _step(prices), lot, lot, kind=kind_of_symbol(symbol))


def _step(values: set[float]) -> float:
    """Return the power of ten, at most 1, of which all values are multiples."""
    # repr gives the shortest decimal of a double, which is the text it was parsed from.
    places = [int(Decimal(repr(value)).normalize().as_tuple().exponent) for value in values]
    return float(Decimal(1).scaleb(min([0, *places])))


def import_cryptofeed_raw(
    path: str | Path,
    catalog: Catalog,
    *,
    instruments: str | Path | None = None,
    venue: str = "okx",
    replace: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> RawReport:
    """Import one raw recording into a catalog, whole or not at all.

    Parameters
    ----------
    path : path
        The recording, gzip or plain.
    catalog : Catalog
    instruments : path, optional
        Replies of ``public/instruments`` with the true steps; without it they are read
        off the recording's own prices and sizes.
    venue : str
    replace : bool
        Overwrite files of the same symbol, kind and day that hold other events.
    progress : callable, optional
        Called now and then with (bytes read, bytes of the file), as they lie on disk.

    Raises
    ------
    NotFoundError
        There is no such file.
    DataError
        A line, a frame or the compression is broken; the message names the line.
    ConfigError
        A file of the catalog would be overwritten and `replace` is False.
    """
    path = Path(path)
    known = read_instruments_file(instruments) if instruments is not None else {}
    numbers, steps, parts = _Numbers(), _Steps(), _Parts()
    normalizer = Normalizer(numbers)
    last_ns = 0
    for number, line in _lines(path, progress):
        mark, time_ns, text = _split(path, number, line)
        # The recorder's clock may step back; the order of arrival is the order of lines.
        last_ns = max(last_ns, time_ns)
        if mark == b"<->":
            parts.take(normalizer, normalizer.connect(last_ns))
        elif mark is None:
            try:
                message = parse(text)
                steps.look(message)
                parts.take(normalizer, normalizer.take(message, last_ns))
            except FeedError as error:
                raise _broken(path, number, str(error)) from error
    if not parts.rows:
        raise DataError(f"{str(path)!r} holds no market data; nothing was imported")
    symbols = [symbol for symbol, n in numbers.items() if n in parts.numbers]
    inferred = [symbol for symbol in symbols if symbol not in known]
    found = [known.get(symbol) or steps.instrument(symbol) for symbol in symbols]
    report = RawReport(str(path), normalizer.counts, found, inferred)
    _write(parts.files(numbers), catalog, venue, report, replace=replace)
    return report


def is_recording(line: bytes) -> bool:
    """Tell whether the first line of a text is one of a raw recording."""
    return line.startswith(b"configuration: ") or _LINE.fullmatch(line) is not None


class _Parts:
    """The events of a recording by instrument and kind, as they come."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, Kind], bytearray] = {}
        self.numbers: set[int] = set()

    def take(self, normalizer: Normalizer, n: int) -> None:
        """Copy the events of one frame out of the normaliser's slots."""
        for i in range(n):
            slot = normalizer.slots[i]
            kind = Kind(int(slot[0]))
            number = int(slot[2]) | int(slot[3]) << 8
            self.numbers.add(number)
            rows = self.rows.setdefault((number, kind), bytearray())
            rows += slot[: DTYPES[kind].itemsize].tobytes()

    def files(self, numbers: dict[str, int]) -> dict[tuple[str, Kind, str], np.ndarray]:
        """Return the rows by symbol, kind and day of receipt."""
        symbols = {number: symbol for symbol, number in numbers.items()}
        found: dict[tuple[str, Kind, str], np.ndarray] = {}
        for (number, kind), data in self.rows.items():
            rows = np.frombuffer(data, DTYPES[kind]).copy()
            rows["instrument"] = 0  # a number belongs to one run, the file's place says it
            days = rows["ts_recv"].view("M8[ns]").astype("M8[D]")
            for day in np.unique(days):
                found[symbols[number], kind, str(day)] = rows[days == day]
        return found


def _write(
    files: dict[tuple[str, Kind, str], np.ndarray],
    catalog: Catalog,
    venue: str,
    report: RawReport,
    *,
    replace: bool,
) -> None:
    changed = {}
    for (symbol, kind, day), rows in files.items():
        path = catalog.path(symbol, kind, day, venue)
        if path.exists() and not replace:
            held = catalog.read(symbol, kind, day, venue, cache=False)
            if not to_table(kind, held).equals(to_table(kind, rows)):
                raise ConfigError(
                    f"{str(path)!r} holds other events already; import into another folder with "
                    "--out, or overwrite it with --replace"
                )
            report.unchanged.append(path)
        else:
            changed[symbol, kind, day] = rows
    held_steps = catalog.instruments(venue)
    report.written += catalog.write_all(changed, venue)
    # Steps read off a recording never replace steps somebody knew.
    catalog.write_instruments(
        [
            finer(one, held_steps.get(one.symbol)) if one.symbol in report.inferred else one
            for one in report.instruments
        ],
        venue,
    )


def finer(inferred: Instrument, held: Instrument | None) -> Instrument:
    """Return the instrument held with steps at least as fine as those inferred."""
    if held is None:
        return inferred
    return Instrument(
        held.symbol,
        min(held.tick, inferred.tick),
        min(held.lot, inferred.lot),
        held.min_quantity,
        held.contract_value,
        held.kind,
    )


def _lines(
    path: Path, progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[int, bytes]]:
    """Yield the numbered lines of a file, gzip or plain; refuse one that ends early."""
    if not path.is_file():
        raise NotFoundError(f"file {str(path)!r} does not exist")
    total, number = path.stat().st_size, 0
    try:
        with path.open("rb") as raw:
            is_gzip = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream: BinaryIO | gzip.GzipFile = gzip.GzipFile(fileobj=raw) if is_gzip else raw
            while line := stream.readline(_MAX_LINE_BYTES):
                number += 1
                if line.startswith(b"configuration: "):
                    continue
                if progress is not None and number % _PROGRESS_LINES == 0:
                    progress(raw.tell(), total)
                yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{str(path)!r} is truncated or corrupt after line {number}: {error}; nothing was "
            "imported; copy the file again"
        ) from error
    if progress is not None:
        progress(total, total)


def _split(path: Path, number: int, line: bytes) -> tuple[bytes | None, int, bytes]:
    """Return what marks a line, its time in ns, and its text."""
    match = _LINE.fullmatch(line.rstrip(b"\r\n"))
    has_text = match is not None and match["text"] is not None
    if match is None or has_text is (match["mark"] == b"<->"):
        raise _broken(path, number, f"{line[:60]!r} is not 'T: TEXT', 'URL <-> T' or 'URL <- T: …'")
    seconds, _, fraction = match["time"].partition(b".")
    return match["mark"], int(seconds) * 1_000_000_000 + int(fraction.ljust(9, b"0")), match["text"]


def _broken(path: Path, number: int, reason: str) -> DataError:
    return DataError(
        f"line {number} of {str(path)!r} is garbled: {reason}; nothing was imported; "
        "copy the file again, or cut it before that line"
    )


def read_instruments_file(path: str | Path) -> dict[str, Instrument]:
    """Return the instruments of a file of ``public/instruments`` replies, by symbol.

    The file is one JSON reply, or a raw recording of REST replies (``URL -> T: TEXT``),
    gzip or plain. Of several replies about one symbol the last counts.

    Raises
    ------
    NotFoundError, DataError
        There is no such file; it is neither of the two; it is broken.
    """
    path = Path(path)
    found: dict[str, Instrument] = {}
    lines = list(_lines(path))
    is_recording = bool(lines) and _LINE.fullmatch(lines[0][1].rstrip(b"\r\n")) is not None
    bodies = lines if is_recording else [(1, b"".join(line for _, line in lines))]
    for number, line in bodies:
        body = _split(path, number, line)[2] if is_recording else line
        try:
            found |= {one.symbol: one for one in parse_instruments(body)}
        except FeedError as error:
            raise _broken(path, number, str(error)) from error
    if not found:
        raise DataError(f"{str(path)!r} holds no instruments; expected public/instruments replies")
    return found
