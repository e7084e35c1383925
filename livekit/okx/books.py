"""The books of the exchange, kept from its messages.

A `BookFeed` is one book channel of one instrument. It applies messages by the sequence
rules (okx/sequence.py), verifies the checksum where one was sent (okx/checksum.py), and
says what each message did. A broken book is emptied at once: it gives no price until
its next snapshot.
Layer 2. Pure.
"""

import enum
from array import array
from dataclasses import dataclass, field
from typing import Final

from livekit.book import OrderBook, apply_levels, clear
from livekit.events import Kind
from livekit.okx.checksum import TextBook, is_provided
from livekit.okx.layout import FEED
from livekit.okx.messages import BookData, Level, TextBookData
from livekit.okx.sequence import Chain, Link, State
from livekit.ring.layout import aligned_zeros

__all__ = ["RANKS", "BookFeed", "Counts", "Outcome"]

RANKS: Final = {"books5": 1, "books": 2, "books50-l2-tbt": 3, "books-l2-tbt": 4, "bbo-tbt": 5}
"""Book channels from the coarsest to the finest for the touch."""

_MAX_IGNORED: Final = 256


_LAST_TS, _HEARD, _RANK, _HAS_TEXT, _BOOK = (
    [*(FEED.names or ())].index(name)
    for name in ("last_ts", "heard_ns", "rank", "has_text", "book")
)


_LAST_TS, _HEARD, _RANK, _HAS_TEXT, _BOOK = (
    [*(FEED.names or ())].index(name)
    for name in ("last_ts", "heard_ns", "rank", "has_text", "book")
)


@dataclass(slots=True)
class Counts:
    """What was seen and given since the start.

    Attributes
    ----------
    frames : int
    events : dict
        Events written, by kind.
    books : int
        Book messages, whole or incremental, that were applied.
    checksums_verified, checksums_failed : int
    gaps : int
        Times a live book was found broken, or its connection ended.
    waiting : int
        Updates for a book that has no snapshot.
    heartbeats, resets : int
    duplicates : int
        Trades and whole books that had been seen before.
    stale_trades : int
        First prints that are older than the connection.
    absent : int
        Deletions of levels that were not there.
    ignored : dict
        Messages that are not market data, and symbols not asked for, by kind.
    """

    frames: int = 0
    events: dict[Kind, int] = field(default_factory=dict)
    books: int = 0
    checksums_verified: int = 0
    checksums_failed: int = 0
    gaps: int = 0
    waiting: int = 0
    heartbeats: int = 0
    resets: int = 0
    duplicates: int = 0
    stale_trades: int = 0
    absent: int = 0
    ignored: dict[str, int] = field(default_factory=dict)

    def ignore(self, what: str) -> None:
        """Count a message that is passed over; beyond a bound of kinds they are one."""
        if what not in self.ignored and len(self.ignored) >= _MAX_IGNORED:
            what = "others"
        self.ignored[what] = self.ignored.get(what, 0) + 1


class Outcome(enum.IntEnum):
    """What a message did to a book."""

    NOTHING = 0
    APPLIED = 1
    BROKEN = 2


class BookFeed:
    """One book channel of one instrument.

    Parameters
    ----------
    channel : str
    counts : Counts
        Shared with the other feeds of the connection.

    Attributes
    ----------
    book : OrderBook
    rank : int
        Of RANKS.
    address : int
        Of the FEED that it is to compiled code.
    """

    __slots__ = ("_chain", "_counts", "_text", "address", "book", "memory", "rank", "words")

    def __init__(self, channel: str, counts: Counts) -> None:
        self.rank = RANKS[channel]
        self.book = OrderBook()
        self.memory = aligned_zeros(FEED.itemsize)
        self.address: int = self.memory.ctypes.data
        self.words = self.memory.data.cast("q")
        self.words[_RANK], self.words[_BOOK] = self.rank, self.book.address
        self._counts = counts
        self._chain = Chain(self.words)
        self._text: TextBook | None = None

    @property
    def heard_ns(self) -> int:
        """When its last message came."""
        return self.words[_HEARD]

    @heard_ns.setter
    def heard_ns(self, ts: int) -> None:
        self.words[_HEARD] = ts

    def _keep_text(self, text: TextBook | None) -> None:
        self._text = text
        self.words[_HAS_TEXT] = text is not None

    @property
    def is_live(self) -> bool:
        """Whether the book may be read."""
        return self._chain.state is State.LIVE

    def close(self) -> Outcome:
        """Take the prices back, because the connection ended; BROKEN if there were any."""
        was_live = self._chain.state is State.LIVE
        outcome = self._break() if was_live else Outcome.NOTHING
        self._chain.close()
        return outcome

    @property
    def sequence(self) -> int | None:
        """The seqId applied last while the book may be read; None otherwise."""
        return self._chain.last if self.is_live else None

    def fail(self) -> Outcome:
        """Take the prices back, because the book was found wrong."""
        return self._break() if self.is_live else Outcome.NOTHING

    def take_whole(self, row: BookData) -> Outcome:
        """Take a push that replaces the book, unless it repeats or precedes the last."""
        last = self._chain.last
        is_old = row.seqId is not None and last is not None and row.seqId <= last
        # Lower with a later time is the counter's restart after maintenance.
        if is_old and (row.seqId == last or row.ts <= self.words[_LAST_TS]):
            self._counts.duplicates += 1
            return Outcome.NOTHING
        self._chain.step(row.seqId, None, is_snapshot=True)
        self.words[_LAST_TS] = row.ts
        clear(self.book.address)
        self._apply(row)
        return Outcome.APPLIED

    def take_update(
        self, row: BookData, text: TextBookData | None, *, is_snapshot: bool
    ) -> Outcome:
        """Take a snapshot or update of an incremental channel.

        Parameters
        ----------
        row : BookData
        text : TextBookData or None
            The same levels as text where the push has a checksum.
        is_snapshot : bool
        """
        link = self._chain.step(row.seqId, row.prevSeqId, is_snapshot=is_snapshot)
        if link is Link.GAP:
            return self._break()
        if not link.is_applied:
            self._counts.waiting += link is Link.WAITING
            self._counts.heartbeats += link is Link.HEARTBEAT
            return Outcome.NOTHING
        self._counts.resets += link is Link.RESET
        if link is Link.SNAPSHOT:
            clear(self.book.address)
            # An empty book's checksum is 0 as well.
            has_text = text is not None or not (row.asks or row.bids)
            self._keep_text(TextBook() if has_text else None)
        n_lost = self._apply(row)
        if not self._is_verified(row, text) or n_lost:
            return self._break()
        return Outcome.APPLIED

    def _apply(self, row: BookData) -> int:
        """Set all levels of a message; return how many did not fit."""
        flat = array("d", _flatten(row.bids))
        flat.extend(_flatten(row.asks))
        address = flat.buffer_info()[0]
        done = apply_levels(self.book.address, address, len(row.bids), len(row.asks))
        self._counts.absent += done & 0xFFFFFFFF
        self._counts.books += 1
        return done >> 32

    def _is_verified(self, row: BookData, text: TextBookData | None) -> bool:
        """Compare the checksum, where one was provided and the text book is whole."""
        if self._text is None:
            return True
        if text is None:
            # The book goes on without its text: it cannot be verified any more.
            self._keep_text(None if row.asks or row.bids else self._text)
            return True
        self._text.apply(text)
        if not is_provided(row.checksum):
            return True
        if self._text.checksum() != row.checksum:
            self._counts.checksums_failed += 1
            return False
        self._counts.checksums_verified += 1
        return True

    def _break(self) -> Outcome:
        self._chain.break_()
        self._counts.gaps += 1
        self._keep_text(None)
        clear(self.book.address)
        return Outcome.BROKEN


def _flatten(levels: list[Level]) -> list[float]:
    return [number for level in levels for number in (level.price, level.size)]
