"""What is kept of instruments and book channels, as memory that compiled code works on.

Python's side of the same memory: `InstrumentState` (okx/publish.py), `BookFeed`
(okx/books.py) and `Normalizer` (okx/market.py). All words are int64.
Layer 2.
"""

from typing import Final

import numpy as np

from livekit.events import BOOK, QUOTE

__all__ = [
    "ENTRY",
    "FEED",
    "INSTRUMENT",
    "LAST",
    "NO_SEQUENCE",
    "OF_TRADES",
    "OF_UPDATES",
    "OF_WHOLE_BOOKS",
    "PREFIX_BYTES",
    "STATE",
    "TRADES_REMEMBERED",
]

TRADES_REMEMBERED: Final = 4096
"""How many prints of an instrument are known again."""

NO_SEQUENCE: Final = -(2**63)
"""Stands for a seqId that there is none of."""

OF_TRADES: Final = 1
"""What the frames of an entry carry: trades,"""

OF_WHOLE_BOOKS: Final = 2
"""or books that replace the last one,"""

OF_UPDATES: Final = 3
"""or updates of one."""

PREFIX_BYTES: Final = 96
"""The longest ``{"arg":{...}`` that is known by its bytes."""

INSTRUMENT: Final = np.dtype(
    [
        ("number", "<i8"),
        ("connected_ns", "<i8"),
        ("has_printed", "<i8"),
        ("quote_rank", "<i8"),  # of the feed that gives its QUOTE
        ("book_rank", "<i8"),
        ("last_trade", "<i8"),  # highest tradeId so far
        ("n_trades", "<i8"),
        ("reserved", "<i8"),
        ("last_quote", "u1", (QUOTE.itemsize,)),
        ("last_book", "u1", (BOOK.itemsize,)),
        ("trades", "<i8", (TRADES_REMEMBERED,)),  # the last ids, round and round
    ]
)
LAST: Final = int(INSTRUMENT.fields["last_quote"][1])  # type: ignore[index]
"""Where in an INSTRUMENT its last QUOTE and BOOK lie."""

FEED: Final = np.dtype(
    [
        ("state", "<i8"),  # of okx/sequence.py
        ("last", "<i8"),  # seqId applied last, or NO_SEQUENCE
        ("last_ts", "<i8"),  # its time, ms
        ("heard_ns", "<i8"),
        ("rank", "<i8"),
        ("has_text", "<i8"),  # whether checksums are verified
        ("book", "<i8"),  # address
        ("reserved", "<i8"),
    ]
)

ENTRY: Final = np.dtype(
    [
        ("n_bytes", "<i8"),  # of the prefix; 0: the entry is free
        ("frames", "<i8"),  # OF_TRADES, OF_WHOLE_BOOKS or OF_UPDATES
        ("instrument", "<i8"),  # addresses
        ("feed", "<i8"),
        ("symbol_at", "<i8"),  # in the prefix
        ("symbol_bytes", "<i8"),
        ("reserved", "<i8", (2,)),
        ("prefix", "u1", (PREFIX_BYTES,)),
    ]
)

STATE: Final = np.dtype(
    [
        ("slots", "<i8"),  # address
        ("sequence", "<i8"),  # of the next event
        ("entries", "<i8"),  # address
        ("mask", "<i8"),  # number of entries, a power of 2, less 1
        ("levels", "<i8"),  # address of room for the levels of a message
        ("frames", "<i8"),  # counts, folded into `Counts` when that is read
        ("books", "<i8"),
        ("duplicates", "<i8"),
        ("stale_trades", "<i8"),
        ("absent", "<i8"),
        ("events", "<i8", (16,)),  # by kind
        ("integers", "<i8", (10,)),  # the fields of the row being read, by their number
        ("decimals", "<f8", (10,)),
    ]
)
