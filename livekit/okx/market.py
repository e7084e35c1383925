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
from struct import Struct
from typing import Final

import numpy as np

from livekit.book import OrderBook
from livekit.events import SLOT_BYTES, Kind, Side
from livekit.okx.books import RANKS, BookFeed, Counts, Outcome
from livekit.okx.checksum import is_provided
from livekit.okx.messages import (
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
    parse_book_text,
)
from livekit.okx.publish import InstrumentState, publish
from livekit.ring.layout import aligned_zeros

__all__ = ["Counts", "Normalizer"]

_NS_PER_MS: Final = 1_000_000
_SLOTS: Final = 1024
_TRADES_REMEMBERED: Final = 4096
_NAN: Final = float("nan")

_TICKER_ROW: Final = Struct("<BBHIQqqdddd")
_TRADE_ROW: Final = Struct("<BBHIQqqddqII")
_BAR_ROW: Final = Struct("<BBHIQqqdddddqq")
_GAP_ROW: Final = Struct("<BBHIQqq8I")
_CONNECTION_ROW: Final = Struct("<BBHIQqqq24x")


class Normalizer:
    """Turns the frames of one connection into events.

    Parameters
    ----------
    numbers : mapping of str to int
        Number of each instrument wanted, by symbol; it may grow between frames. Frames
        of other symbols are counted and passed over.

    Attributes
    ----------
    slots : uint8[m, 256]
        Where the events of the last frame lie; overwritten by the next.
    counts : Counts
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
        self._sequence = 0
        self._n = 0
        self.counts = Counts()
        self.broken: list[tuple[str, str]] = []
        self.funding: dict[str, Funding] = {}
        self.slots = np.zeros((0, SLOT_BYTES), np.uint8)
        self._reserve(_SLOTS)

    def _reserve(self, n: int) -> None:
        memory = aligned_zeros(n * SLOT_BYTES)
        if self._n:
            memory[: self._n * SLOT_BYTES] = self.slots.reshape(-1)[: self._n * SLOT_BYTES]
        self.slots = memory.reshape(n, SLOT_BYTES)
        self._buffer = memory.data
        self._address: int = memory.ctypes.data

    def connect(self, ts_recv: int, only: Container[tuple[str, str]] | None = None) -> int:
        """Begin a new connection; return how many events that gave.

        Every book is empty until its next snapshot: where one had prices, GAP and
        empty QUOTE and BOOK say so. `only` names the channels and symbols that the
        connection carries, where others go on.
        """
        self._n = 0
        if only is None:
            self._connected_ns = ts_recv
        for (channel, symbol), feed in self._feeds.items():
            if only is not None and (channel, symbol) not in only:
                continue
            instrument = self._instruments[symbol]
            if feed.close() is Outcome.BROKEN:
                self._emit_gap(instrument, feed, ts_recv, ts_recv)
            instrument.quote_rank = instrument.book_rank = 0
        for symbol, instrument in self._instruments.items():
            if only is None or ("trades", symbol) in only:
                instrument.has_printed, instrument.connected_ns = False, ts_recv
        return self._n

    def announce(self, ts_recv: int, symbols: Iterable[str], *, is_connected: bool) -> int:
        """Write a CONNECTION for each of some symbols; return how many."""
        self._n = 0
        for symbol in symbols:
            instrument = self._instrument(symbol)
            if instrument is None:
                continue
            offset = self._next(Kind.CONNECTION)
            head = (Kind.CONNECTION, 0, instrument.number, 0, self._sequence - 1, ts_recv, ts_recv)
            _CONNECTION_ROW.pack_into(self._buffer, offset, *head, is_connected)
        return self._n

    @property
    def symbols(self) -> Iterable[str]:
        """The instruments wanted."""
        return self._numbers.keys()

    @property
    def address(self) -> int:
        """Address of `slots`."""
        return self._address

    @property
    def memory(self) -> memoryview:
        """The bytes of `slots`."""
        return self._buffer

    def heard(self, symbol: str, channel: str) -> tuple[bool, int]:
        """Return whether a book may be read, and when its channel was last heard, ns."""
        feed = self._feeds.get((channel, symbol))
        return (False, 0) if feed is None else (feed.is_live, feed.heard_ns)

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
        return self.take(parse(frame), ts_recv)

    def take(self, message: Message, ts_recv: int) -> int:
        """Take one message that is parsed already; as `feed` otherwise."""
        self._n = 0
        if self.broken:
            self.broken.clear()
        self.counts.frames += 1
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
            self.counts.ignore(what)
        return self._n

    def _instrument(self, symbol: str) -> InstrumentState | None:
        instrument = self._instruments.get(symbol)
        if instrument is None:
            number = self._numbers.get(symbol)
            if number is None:
                self.counts.ignore(f"symbol {symbol}")
                return None
            instrument = self._instruments[symbol] = InstrumentState(number, self._connected_ns)
        return instrument

    def _next(self, kind: Kind) -> int:
        """Count an event of a kind and return its offset in the slots."""
        if self._n >= len(self.slots):
            self._reserve(2 * len(self.slots))
        self.counts.events[kind] = self.counts.events.get(kind, 0) + 1
        offset = self._n * SLOT_BYTES
        self._n += 1
        self._sequence += 1
        return offset

    def _take_tickers(self, push: TickerPush, ts_recv: int) -> None:
        for row in push.rows:
            instrument = self._instrument(row.instId)
            if instrument is None:
                continue
            # Base units: vol24h counts contracts except where base units are traded.
            volume = row.vol24h if row.instType in {"SPOT", "MARGIN", ""} else row.volCcy24h
            offset = self._next(Kind.TICKER)
            _TICKER_ROW.pack_into(
                self._buffer,
                offset,
                Kind.TICKER,
                0,
                instrument.number,
                0,
                self._sequence - 1,
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
            if row.tradeId in instrument.trades:
                self.counts.duplicates += 1
                continue
            instrument.trades[row.tradeId] = None
            if len(instrument.trades) > _TRADES_REMEMBERED:
                del instrument.trades[next(iter(instrument.trades))]
            ts_event = row.ts * _NS_PER_MS
            is_first, instrument.has_printed = not instrument.has_printed, True
            if is_first and ts_event < instrument.connected_ns:
                self.counts.stale_trades += 1
                continue
            offset = self._next(Kind.TRADE)
            _TRADE_ROW.pack_into(
                self._buffer,
                offset,
                Kind.TRADE,
                0,
                instrument.number,
                Side.BUY if row.side == "buy" else Side.SELL,
                self._sequence - 1,
                ts_event,
                ts_recv,
                row.px,
                row.sz,
                row.tradeId,
                0,
                0,
            )

    def _take_candles(self, push: CandlePush, ts_recv: int) -> None:
        instrument = self._instrument(push.symbol)
        if instrument is None:
            return
        for row in push.rows:
            if row.confirm != "1" or row.ts <= instrument.bars.get(push.channel, -1):
                continue
            instrument.bars[push.channel] = row.ts
            offset = self._next(Kind.BAR)
            _BAR_ROW.pack_into(
                self._buffer,
                offset,
                Kind.BAR,
                0,
                instrument.number,
                0,
                self._sequence - 1,
                row.ts * _NS_PER_MS + push.period,  # when it could first be known
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
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = BookFeed(push.channel, self.counts)
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
        offset = self._next(Kind.GAP)
        _GAP_ROW.pack_into(
            self._buffer,
            offset,
            Kind.GAP,
            0,
            instrument.number,
            0,
            self._sequence - 1,
            ts_event,
            ts_recv,
            *lost,
        )
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
        takes = 0
        if feed.rank >= instrument.quote_rank:
            instrument.quote_rank = feed.rank
            takes = 1
        if feed.rank < RANKS["bbo-tbt"] and feed.rank >= instrument.book_rank:
            instrument.book_rank = feed.rank
            takes |= 2
        if self._n + 2 > len(self.slots):
            self._reserve(2 * len(self.slots))
        written = publish(
            feed.book.address,
            instrument.address,
            self._address + self._n * SLOT_BYTES,
            takes,
            instrument.number,
            self._sequence,
            -1 if seq is None else seq,
            ts_event,
            ts_recv,
        )
        if written & 1:
            self._next(Kind.QUOTE)
        if written & 2:
            self._next(Kind.BOOK)
