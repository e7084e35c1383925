"""From the exchange's frames to livekit's events.

A `Normalizer` is fed the frames of one connection in order and writes events into
slots: TICKER; TRADE, each print once; QUOTE when a touch changed, from the finest
channel the instrument has (``bbo-tbt``, then a full book, then ``books5``); BOOK when one
of the five best levels changed; GAP when a book was found broken. It keeps the books,
holds them to the sequence rules (okx/sequence.py) and to the checksum where one was
sent (okx/checksum.py).

A broken book gives no price: the frame that shows it yields GAP, then a QUOTE and a BOOK
without prices, and nothing more until its next snapshot. After subscribing the exchange
repeats the last trade, whatever its age; the first print of an instrument on a
connection that is older than the connection is counted as stale and not passed on,
because nothing traded. (A first ticker is state, not a print, and is passed on.)
Layer 2. Pure: the time of receipt is an argument.
"""

from collections.abc import Container, Iterable, Mapping
from typing import Final

import numpy as np

from livekit.book import OrderBook
from livekit.events import SLOT_BYTES, Kind, Side
from livekit.okx.books import RANKS, BookFeed, Counts, Outcome
from livekit.okx.checksum import is_provided
from livekit.okx.layout import OF_TRADES, OF_UPDATES, OF_WHOLE_BOOKS, PREFIX_BYTES
from livekit.okx.messages import (
    BOOK_CHANNELS,
    SNAPSHOT_CHANNELS,
    BookPush,
    CandlePush,
    Funding,
    FundingPush,
    Ignored,
    Message,
    TickerPush,
    TradePush,
    parse,
    parse_argument,
    parse_book_text,
)
from livekit.okx.prefixes import BYTES_AT, CAN_SCAN, Prefixes
from livekit.okx.publish import InstrumentState, publish
from livekit.okx.scan import scan
from livekit.okx.scan_apply import note_trade
from livekit.okx.slots import EventSlots

__all__ = ["Counts", "Normalizer"]

_NS_PER_MS: Final = 1_000_000
_NAN: Final = float("nan")
_FRAMES: Final = {
    **dict.fromkeys(SNAPSHOT_CHANNELS, OF_WHOLE_BOOKS),
    **dict.fromkeys(BOOK_CHANNELS, OF_UPDATES),
}


class Normalizer:
    """Turns the frames of one connection into events.

    Parameters
    ----------
    numbers : mapping of str to int
        Number of each instrument wanted, by symbol; it may grow between frames. Frames
        of other symbols are counted and passed over.

    Attributes
    ----------
    broken : list of (str, str)
        Channel and symbol of the books that the last frame found broken.
    funding : dict of str to Funding
        Last estimate by symbol.
    """

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers
        self._instruments: dict[str, InstrumentState] = {}
        self._feeds: dict[tuple[str, str], BookFeed] = {}
        self._connected_ns = 0
        self._out = EventSlots()
        self._counts = self._out.own_counts
        self._prefixes = Prefixes(self._out)
        self.broken: list[tuple[str, str]] = []
        self.funding: dict[str, Funding] = {}

    def connect(self, ts_recv: int, only: Container[tuple[str, str]] | None = None) -> int:
        """Begin a new connection; return how many events that gave.

        Every book is empty until its next snapshot: where one had prices, GAP and
        empty QUOTE and BOOK say so. `only` names the channels and symbols that the
        connection carries, where others go on.
        """
        self._out.n = 0
        if only is None:
            self._connected_ns = ts_recv
        for (channel, symbol), feed in self._feeds.items():
            if only is not None and (channel, symbol) not in only:
                continue
            instrument = self._instruments[symbol]
            if feed.close() is Outcome.BROKEN:
                self._emit_gap(instrument, feed, ts_recv, ts_recv)
            instrument.forget_ranks()
        for symbol, instrument in self._instruments.items():
            if only is None or ("trades", symbol) in only:
                instrument.connect(ts_recv)
        return self._out.n

    def announce(self, ts_recv: int, symbols: Iterable[str], *, is_connected: bool) -> int:
        """Write a CONNECTION for each of some symbols; return how many."""
        self._out.n = 0
        for symbol in symbols:
            instrument = self._instrument(symbol)
            if instrument is not None:
                what = (Kind.CONNECTION, instrument.number, ts_recv, ts_recv, is_connected)
                self._out.write(*what)
        return self._out.n

    @property
    def symbols(self) -> Iterable[str]:
        """The instruments wanted."""
        return self._numbers.keys()

    @property
    def slots(self) -> np.ndarray:
        """Where the events of the last frame lie: uint8[m, 256], overwritten by the next."""
        return self._out.slots

    @property
    def address(self) -> int:
        """Address of `slots`."""
        return self._out.address

    @property
    def state(self) -> int:
        """Address of the STATE, for `scan_wire`."""
        return self._out.state

    @property
    def counts(self) -> Counts:
        """What was seen and given since the start."""
        return self._out.counts

    def heard(self, symbol: str, channel: str) -> tuple[bool, int]:
        """Return whether a book may be read, and when its channel was last heard, ns."""
        feed = self._feeds.get((channel, symbol))
        return (False, 0) if feed is None else (feed.is_live, feed.heard_ns)

    def sequence(self, symbol: str, channel: str) -> int | None:
        """Return the last seqId of a book that may be read; None otherwise."""
        feed = self._feeds.get((channel, symbol))
        return None if feed is None else feed.sequence

    def fail(self, symbol: str, channel: str, ts_recv: int) -> int:
        """Take the prices of a book back that was found wrong; return how many events that gave."""
        self._out.n = 0
        feed = self._feeds.get((channel, symbol))
        if feed is not None and feed.fail() is Outcome.BROKEN:
            self._emit_gap(self._instruments[symbol], feed, ts_recv, ts_recv)
        return self._out.n

    def book(self, symbol: str, channel: str) -> OrderBook | None:
        """Return the book kept of a symbol from a channel, to be read only; None without."""
        feed = self._feeds.get((channel, symbol))
        return None if feed is None else feed.book

    def feed(self, frame: bytes, ts_recv: int) -> int:
        """Take one frame and return how many events it gave, in `slots[:n]`.

        Parameters
        ----------
        frame : bytes
            As received.
        ts_recv : int
            When, ns since the epoch.

        Raises
        ------
        FeedError
            The frame is not a message of the exchange, or its text breaks the rules;
            nothing of it was applied.
        """
        n = self.scan(frame, ts_recv)
        if n < 0:
            message = parse(frame)
            n = self.take(message, ts_recv)
            if isinstance(message, BookPush | TradePush):
                self.learn(frame, message)
        return n

    def scan(self, frame: bytes, ts_recv: int) -> int:
        """Take a frame if it is of the usual form; return how many events it gave, else -1.

        Does what `feed` does, or nothing: a frame that gave -1 goes to `parse` and `take`.
        """
        n = scan(self._out.state, id(frame) + BYTES_AT, len(frame), ts_recv) if CAN_SCAN else -1
        if n >= 0:
            self._out.n = n
            if self.broken:
                self.broken.clear()
        return n

    def learn(self, frame: bytes, message: BookPush | TradePush) -> None:
        """Know the first bytes of a frame that was taken, so that `scan` takes the next."""
        end = frame.find(b"}") + 1
        prefix = frame[:end]
        if prefix in self._prefixes or not 0 < end <= PREFIX_BYTES:
            return
        channel = message.channel if isinstance(message, BookPush) else "trades"
        instrument = self._instruments.get(message.symbol)
        if instrument is None or parse_argument(prefix) != (channel, message.symbol):
            return
        feed = self._feeds.get((channel, message.symbol))
        symbol = message.symbol.encode()
        what = _FRAMES.get(channel, OF_TRADES)
        where = (what, instrument.address, 0 if feed is None else feed.address)
        self._prefixes.add(prefix, (*where, prefix.find(b'"%s"' % symbol) + 1, len(symbol)))

    def take(self, message: Message, ts_recv: int) -> int:
        """Take one message that is parsed already; as `feed` otherwise."""
        self._out.n = 0
        if self.broken:
            self.broken.clear()
        self._counts.frames += 1
        if isinstance(message, BookPush):
            self._take_books(message, ts_recv)
        elif isinstance(message, TradePush):
            self._take_trades(message, ts_recv)
        elif isinstance(message, TickerPush):
            self._take_tickers(message, ts_recv)
        elif isinstance(message, CandlePush):
            self._take_candles(message, ts_recv)
        elif isinstance(message, FundingPush):
            self.funding.update((row.instId, row) for row in message.rows)
        else:
            what = message.what if isinstance(message, Ignored) else type(message).__name__.lower()
            self._counts.ignore(what)
        return self._out.n

    def _instrument(self, symbol: str) -> InstrumentState | None:
        instrument = self._instruments.get(symbol)
        if instrument is None:
            number = self._numbers.get(symbol)
            if number is None:
                self._counts.ignore(f"symbol {symbol}")
                return None
            instrument = self._instruments[symbol] = InstrumentState(number, self._connected_ns)
        return instrument

    def _take_tickers(self, push: TickerPush, ts_recv: int) -> None:
        for row in push.rows:
            instrument = self._instrument(row.instId)
            if instrument is None:
                continue
            # Base units: vol24h counts contracts except where base units are traded.
            volume = row.vol24h if row.instType in {"SPOT", "MARGIN", ""} else row.volCcy24h
            self._out.write(
                Kind.TICKER,
                instrument.number,
                row.ts * _NS_PER_MS,
                ts_recv,
                _NAN if row.last == "" else row.last,
                _NAN if row.bidPx == "" else row.bidPx,
                _NAN if row.askPx == "" else row.askPx,
                _NAN if volume == "" else volume,
            )

    def _take_trades(self, push: TradePush, ts_recv: int) -> None:
        for row in push.rows:
            instrument = self._instrument(row.instId)
            if instrument is None:
                continue
            if not note_trade(instrument.address, row.tradeId):
                self._counts.duplicates += 1
                continue
            ts_event = row.ts * _NS_PER_MS
            is_first = not instrument.row["has_printed"]
            instrument.row["has_printed"] = 1
            if is_first and ts_event < instrument.row["connected_ns"]:
                self._counts.stale_trades += 1
                continue
            side = Side.BUY if row.side == "buy" else Side.SELL
            print_ = (row.px, row.sz, row.tradeId, 0, 0)
            self._out.write(Kind.TRADE, instrument.number, ts_event, ts_recv, *print_, aux=side)

    def _take_candles(self, push: CandlePush, ts_recv: int) -> None:
        instrument = self._instrument(push.symbol)
        if instrument is None:
            return
        for row in push.rows:
            if row.confirm != "1" or row.ts <= instrument.bars.get(push.channel, -1):
                continue
            instrument.bars[push.channel] = row.ts
            known_ns = row.ts * _NS_PER_MS + push.period  # when it could first be known
            self._out.write(
                Kind.BAR,
                instrument.number,
                known_ns,
                ts_recv,
                row.open,
                row.high,
                row.low,
                row.close,
                row.vol,
                0,  # the exchange does not count them
                push.period,
            )

    def _take_books(self, push: BookPush, ts_recv: int) -> None:
        instrument = self._instrument(push.symbol)
        if instrument is None:
            return
        key = (push.channel, push.symbol)
        if push.unknown:
            self._counts.ignore(f"book action {push.unknown!r}")
            if self.fail(push.symbol, push.channel, ts_recv):
                self.broken.append(key)
            return
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = BookFeed(push.channel, self._counts)
        feed.heard_ns = ts_recv
        is_whole = push.channel in SNAPSHOT_CHANNELS
        has_text = not is_whole and any(is_provided(row.checksum) for row in push.rows)
        text = parse_book_text(push) if has_text else [None] * len(push.rows)
        for row, text_row in zip(push.rows, text, strict=True):
            if is_whole:
                outcome = feed.take_whole(row)
            else:
                outcome = feed.take_update(row, text_row, is_snapshot=push.is_snapshot)
            ts_event = row.ts * _NS_PER_MS
            if outcome is Outcome.APPLIED:
                self._emit(instrument, feed, row.seqId, ts_event, ts_recv)
            elif outcome is Outcome.BROKEN:
                self.broken.append(key)
                self._emit_gap(instrument, feed, ts_event, ts_recv)

    def _emit_gap(
        self, instrument: InstrumentState, feed: BookFeed, ts_event: int, ts_recv: int
    ) -> None:
        """Say that a book lost something, and take its prices back."""
        lost = [0] * 8
        lost[Kind.BOOK] = 1  # at least: the exchange does not say how many
        self._out.write(Kind.GAP, instrument.number, ts_event, ts_recv, *lost)
        self._emit(instrument, feed, None, ts_event, ts_recv)

    def _emit(
        self,
        instrument: InstrumentState,
        feed: BookFeed,
        seq: int | None,
        ts_event: int,
        ts_recv: int,
    ) -> None:
        """Write QUOTE and BOOK where this feed is the instrument's finest for them."""
        takes, row, out = 0, instrument.row, self._out
        if feed.rank >= row["quote_rank"]:
            row["quote_rank"] = feed.rank
            takes = 1
        if feed.rank < RANKS["bbo-tbt"] and feed.rank >= row["book_rank"]:
            row["book_rank"] = feed.rank
            takes |= 2
        out.reserve(out.n + 2)
        written = publish(
            feed.book.address,
            instrument.last_address,
            out.address + out.n * SLOT_BYTES,
            takes,
            instrument.number,
            out.sequence,
            -1 if seq is None else seq,
            ts_event,
            ts_recv,
        )
        if written & 1:
            out.count(Kind.QUOTE)
        if written & 2:
            out.count(Kind.BOOK)
