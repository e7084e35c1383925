"""What is kept of one instrument, and QUOTE and BOOK out of its books where they changed.

Layer 2. Pure.
"""

from typing import Final

from livekit.book import write_book, write_quote
from livekit.events import BOOK, HEAD, QUOTE, SLOT_BYTES, Kind
from livekit.ring.jit import hot
from livekit.ring.layout import aligned_zeros
from livekit.ring.memory import copy_lines, record

__all__ = ["InstrumentState", "publish"]

_QUOTE_BYTES: Final = QUOTE.itemsize
_KIND_QUOTE: Final = int(Kind.QUOTE)
_KIND_BOOK: Final = int(Kind.BOOK)


class InstrumentState:
    """What is kept of one instrument besides its books."""

    __slots__ = (
        *("address", "bars", "book_rank", "connected_ns", "has_printed", "last", "number"),
        *("quote_rank", "trades"),
    )

    def __init__(self, number: int, connected_ns: int) -> None:
        self.number, self.connected_ns = number, connected_ns
        self.bars: dict[str, int] = {}  # when the last final bar of a channel opened, ms
        self.last = aligned_zeros(QUOTE.itemsize + BOOK.itemsize)  # the last QUOTE and BOOK
        self.last[: QUOTE.itemsize].view(QUOTE)["kind"] = _KIND_QUOTE
        self.last[QUOTE.itemsize :].view(BOOK)["kind"] = _KIND_BOOK
        self.address: int = self.last.ctypes.data
        self.quote_rank = self.book_rank = 0
        self.trades: dict[int, None] = {}
        self.has_printed = False


@hot
def publish(
    book: int,
    last: int,
    slot: int,
    takes: int,
    instrument: int,
    sequence: int,
    sequence_id: int,
    ts_event: int,
    ts_recv: int,
) -> int:
    """Write QUOTE and BOOK into slots where the book changed them; return which, as bits."""
    n = 0
    if takes & 1 and write_quote(book, last):
        _head(last, instrument, sequence, ts_event, ts_recv)
        copy_lines(slot, last, 1)
        n = 1
    if takes & 2 and write_book(book, last + _QUOTE_BYTES):
        _head(last + _QUOTE_BYTES, instrument, sequence + n, ts_event, ts_recv)
        record(BOOK, last + _QUOTE_BYTES).sequence_id = sequence_id
        copy_lines(slot + n * SLOT_BYTES, last + _QUOTE_BYTES, 4)
        return n | 2
    return n


@hot
def _head(event: int, instrument: int, sequence: int, ts_event: int, ts_recv: int) -> None:
    head = record(HEAD, event)
    head.instrument = instrument
    head.sequence = sequence
    head.ts_event = ts_event
    head.ts_recv = ts_recv
