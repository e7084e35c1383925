"""What is kept of one instrument, and QUOTE and BOOK out of its books where they changed.

Layer 2. Pure.
"""

from typing import Final

from livekit.book import write_book, write_quote
from livekit.events import BOOK, HEAD, QUOTE, SLOT_BYTES, Kind
from livekit.okx.layout import INSTRUMENT, LAST
from livekit.ring.jit import hot
from livekit.ring.layout import aligned_zeros
from livekit.ring.memory import copy_lines, record

__all__ = ["InstrumentState", "publish"]

_QUOTE_BYTES: Final = QUOTE.itemsize
_KIND_QUOTE: Final = int(Kind.QUOTE)
_KIND_BOOK: Final = int(Kind.BOOK)


class InstrumentState:
    """What is kept of one instrument besides its books: an INSTRUMENT, and its last bars.

    Attributes
    ----------
    number : int
    bars : dict
        When the last final bar of a channel opened, ms.
    row : INSTRUMENT record
    address : int
        Of the record.
    last_address : int
        Of the last QUOTE and BOOK in it.
    """

    __slots__ = ("address", "bars", "last_address", "memory", "number", "row")

    def __init__(self, number: int, connected_ns: int) -> None:
        self.number = number
        self.bars: dict[str, int] = {}
        self.memory = aligned_zeros(INSTRUMENT.itemsize)
        self.row = self.memory.view(INSTRUMENT)[0]
        self.row["number"], self.row["connected_ns"] = number, connected_ns
        self.row["last_trade"] = -1
        self.memory[LAST:][: QUOTE.itemsize].view(QUOTE)["kind"] = _KIND_QUOTE
        self.memory[LAST + QUOTE.itemsize :][: BOOK.itemsize].view(BOOK)["kind"] = _KIND_BOOK
        self.address: int = self.memory.ctypes.data
        self.last_address = self.address + LAST

    def forget_ranks(self) -> None:
        """Let any channel give QUOTE and BOOK again."""
        self.row["quote_rank"] = self.row["book_rank"] = 0

    def connect(self, ts: int) -> None:
        """Begin a new connection: its first print may be an old one."""
        self.row["has_printed"], self.row["connected_ns"] = 0, ts


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
