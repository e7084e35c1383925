"""Trades and books of the usual form, from a frame's bytes to its events in one compiled call.

Nearly every frame is one trade, one whole book or one update that extends a book, its
fields in whatever order, as text without escapes or spaces. Such a frame is read token by
token, held to the same bounds and rules as in messages.py, books.py and market.py, and
written as events. The first byte of anything else (another channel, several rows, an
unknown field, more digits than a double holds for sure, a snapshot, a gap, a checksum)
ends the attempt with nothing changed, and the decoder proper takes the frame.

Which channel and instrument a frame is of is known by its first bytes, ``{"arg":{...}``,
in a table that learns them from the frames that the decoder took.
Layer 2. Allocates nothing, keeps no reference.
"""

from typing import Final

import numpy as np

from livekit.okx.layout import ENTRY, OF_TRADES, OF_UPDATES, OF_WHOLE_BOOKS, PREFIX_BYTES, STATE
from livekit.okx.scan_apply import ASKS, MAX_LEVELS, take_trade, take_update, take_whole
from livekit.okx.tokens import (
    byte_at,
    key,
    pack,
    read_decimal,
    read_integer,
    skip_string,
    skip_text,
)
from livekit.ring.jit import hot, inner
from livekit.ring.memory import record

__all__ = ["insert", "scan", "scan_wire"]

_DATA: Final = np.frombuffer(b',"data":[{', np.uint8).copy()
_UPDATE: Final = np.frombuffer(b',"action":"update","data":[{', np.uint8).copy()
_END: Final = np.frombuffer(b"]}", np.uint8).copy()
_BUY: Final = np.frombuffer(b'"buy"', np.uint8).copy()
_SELL: Final = np.frombuffer(b'"sell"', np.uint8).copy()
_ENTRY_BYTES: Final = ENTRY.itemsize
_PLAIN_TEXT: Final = 0x81  # a whole text frame, unmasked (RFC 6455, 5.2)
_SHORT_HEADER: Final = 2
_LONG_HEADER: Final = 4
_TWO_BYTES: Final = 126  # the length stands in the next two
_MAX_PRICE: Final = 1e12
_MAX_SIZE: Final = 1e18
_MAX_MS: Final = 9_000_000_000_000
_MAX_COUNT: Final = 2**31
_LEVEL: Final = np.dtype([("price", "<f8"), ("size", "<f8")])

# How a field's value is written.
_DECIMAL, _QUOTED, _BARE, _TEXT, _SYMBOL, _SIDE, _LEVELS = range(7)


def _fields(*fields: tuple[str, int]) -> np.ndarray:
    """Return int64[n, 2]: each field's name as `key` gives it, and how its value is written."""
    return np.array([(pack(name), kind) for name, kind in fields], np.int64)


# In the usual order of the frames: a field is looked for from the one before it on.
_TRADE_FIELDS: Final = _fields(
    ("instId", _SYMBOL),
    ("tradeId", _QUOTED),
    ("px", _DECIMAL),
    ("sz", _DECIMAL),
    ("side", _SIDE),
    ("ts", _QUOTED),
    ("count", _QUOTED),
    ("source", _TEXT),
    ("seqId", _BARE),
)
_TRADE_NEEDS: Final = 0b000111111
_ID, _PX, _SZ, _SIDE_AT, _TRADE_TS, _COUNT = 1, 2, 3, 4, 5, 6
_BOOK_FIELDS: Final = _fields(
    ("asks", _LEVELS),
    ("bids", _LEVELS),
    ("instId", _TEXT),
    ("ts", _QUOTED),
    ("checksum", _BARE),
    ("seqId", _BARE),
    ("prevSeqId", _BARE),
)
_BOOK_NEEDS: Final = 0b0101011
_N_ASKS, _N_BIDS, _BOOK_TS, _CHECKSUM, _SEQ, _PREV = 0, 1, 3, 4, 5, 6


@inner
def _prefix_end(frame: int) -> tuple[int, int]:
    """Return (length of ``{"arg":{...}``, a hash of it); length 0 without one."""
    mixed, i = 0, 0
    c = byte_at(frame)
    while c != 125:
        if c < 32 or i >= PREFIX_BYTES - 1:
            return 0, 0
        mixed += c * (i * i + 31)
        i += 1
        c = byte_at(frame + i)
    return i + 1, mixed ^ (mixed >> 9)


@inner
def _find(state: int, frame: int, n_bytes: int, mixed: int) -> int:
    """Return the address of the entry of a prefix, or of the free one where it would be."""
    view = record(STATE, state)
    while True:
        entry = view.entries + (mixed & view.mask) * _ENTRY_BYTES
        own = record(ENTRY, entry)
        if own.n_bytes == 0:
            return entry
        if own.n_bytes == n_bytes:
            i = 0
            while i < n_bytes and np.int64(own.prefix[i]) == byte_at(frame + i):
                i += 1
            if i == n_bytes:
                return entry
        mixed += 1


@hot
def insert(
    state: int, prefix: int, frames: int, instrument: int, feed: int, symbol_at: int, n: int
) -> int:
    """Learn a prefix; 1, or 0 when it is known or too long. The table must have room."""
    n_bytes, mixed = _prefix_end(prefix)
    if n_bytes == 0:
        return 0
    own = record(ENTRY, _find(state, prefix, n_bytes, mixed))
    if own.n_bytes:
        return 0
    for i in range(n_bytes):
        own.prefix[i] = byte_at(prefix + i)
    own.n_bytes, own.frames = n_bytes, frames
    own.instrument, own.feed = instrument, feed
    own.symbol_at, own.symbol_bytes = symbol_at, n
    return 1


@hot
def scan(state: int, frame: int, n_bytes: int, ts_recv: int) -> int:
    """Take one frame; return how many events it gave, in the slots, or -1: not taken.

    Parameters
    ----------
    state : int
        Address of a STATE.
    frame : int
        Address of the frame's bytes, with a NUL behind them.
    n_bytes : int
    ts_recv : int
        When it was received, ns since the epoch.

    Returns
    -------
    int
        After -1 nothing has changed.
    """
    n_prefix, mixed = _prefix_end(frame)
    if n_prefix == 0:
        return -1
    entry = _find(state, frame, n_prefix, mixed)
    kind = record(ENTRY, entry).frames
    if kind == 0:
        return -1
    at = skip_text(frame + n_prefix, _UPDATE if kind == OF_UPDATES else _DATA)
    if at == 0:
        return -1
    if kind == OF_TRADES:
        done = _scan_trade(state, entry, at, frame + n_bytes, ts_recv)
    else:
        done = _scan_book(state, entry, at, frame + n_bytes, ts_recv)
    if done >= 0:
        record(STATE, state).frames += 1
    return done


@hot
def scan_wire(state: int, at: int, end: int, ts_recv: int) -> int:
    """Take the WebSocket frame that begins at `at`, if it is whole, plain text and usual.

    Parameters
    ----------
    at, end : int
        Addresses in what was read from the socket, with a NUL behind it.

    Returns
    -------
    int
        Bytes of the whole frame times 2**16 plus the events it gave; -1: not taken, and
        nothing has changed.
    """
    if end - at < _SHORT_HEADER or byte_at(at) != _PLAIN_TEXT:
        return -1
    size, payload = byte_at(at + 1), at + _SHORT_HEADER
    if size == _TWO_BYTES:
        if end - at < _LONG_HEADER:
            return -1
        size, payload = byte_at(at + 2) * 256 + byte_at(at + 3), at + _LONG_HEADER
    elif size > _TWO_BYTES:
        return -1
    if payload + size > end:
        return -1
    # What lies behind the frame is no NUL, but nothing is done before its end is found.
    done = scan(state, payload, size, ts_recv)
    return done if done < 0 else ((payload + size - at) << 16) + done


@inner
def _quoted_integer(at: int) -> tuple[int, int]:
    if byte_at(at) != 34:
        return 0, 0
    value, at = read_integer(at + 1)
    return (value, at + 1) if at and byte_at(at) == 34 else (0, 0)


@inner
def _read_symbol(entry: int, at: int) -> int:
    """Pass over the entry's symbol as a string; 0 when it is another."""
    own = record(ENTRY, entry)
    if byte_at(at) != 34:
        return 0
    at += 1
    for i in range(own.symbol_bytes):
        if byte_at(at + i) != np.int64(own.prefix[own.symbol_at + i]):
            return 0
    at += own.symbol_bytes
    return at + 1 if byte_at(at) == 34 else 0


@inner
def _read_level(at: int, target: int) -> int:
    """Read ``["price","size",...]`` to (price, size); return the address behind it, or 0."""
    if byte_at(at) != 91 or byte_at(at + 1) != 34:
        return 0
    price, at = read_decimal(at + 2)
    if at == 0 or byte_at(at) != 44 or byte_at(at + 1) != 34:
        return 0
    size, at = read_decimal(at + 2)
    if at == 0 or not (0.0 < price < _MAX_PRICE and size < _MAX_SIZE):
        return 0
    level = record(_LEVEL, target)
    level.price, level.size = price, size
    while at and byte_at(at) == 44 and byte_at(at + 1) == 34:
        at = skip_string(at + 2)
    return at + 1 if at and byte_at(at) == 93 else 0


@inner
def _read_levels(at: int, target: int) -> tuple[int, int]:
    """Read a list of levels into (price, size) pairs; return (how many, behind it)."""
    if byte_at(at) != 91:
        return 0, 0
    if byte_at(at + 1) == 93:
        return 0, at + 2
    n, c = 0, 44
    while c == 44 and n < MAX_LEVELS:
        at = _read_level(at + 1, target + n * 16)
        if at == 0:
            return 0, 0
        n += 1
        c = byte_at(at)
    return (n, at + 1) if c == 93 else (0, 0)


@inner
def _read_value(state: int, entry: int, kind: int, index: int, at: int) -> int:
    """Read one field's value to its place in the STATE; return the address behind it, or 0."""
    view = record(STATE, state)
    if kind == _DECIMAL:
        view.decimals[index], at = read_decimal(at + 1) if byte_at(at) == 34 else (0.0, 0)
    elif kind == _QUOTED:
        view.integers[index], at = _quoted_integer(at)
    elif kind == _BARE:
        view.integers[index], at = read_integer(at)
    elif kind == _TEXT:
        at = skip_string(at + 1) if byte_at(at) == 34 else 0
    elif kind == _SYMBOL:
        at = _read_symbol(entry, at)
    elif kind == _SIDE:
        after = skip_text(at, _BUY)
        view.integers[index] = 0 if after else 1
        at = after or skip_text(at, _SELL)
    else:
        view.integers[index], at = _read_levels(at, view.levels + (ASKS if index == 0 else 0))
    return at


@inner
def _read_row(state: int, entry: int, fields: np.ndarray, at: int, end: int) -> int:
    """Read the fields of the one row, from behind its brace on; return which, 0 if not all plain.

    Bit k stands for field k; none may come twice.
    """
    n = len(fields)
    seen, index = 0, -1
    while True:
        name, at = key(at)
        tries = 0
        while tries < n:
            index = index + 1 if index + 1 < n else 0
            if fields[index, 0] == name:
                break
            tries += 1
        if at == 0 or tries == n or seen >> index & 1:
            return 0
        at = _read_value(state, entry, fields[index, 1], index, at)
        if at == 0:
            return 0
        seen |= 1 << index
        c = byte_at(at)
        at += 1
        if c == 125:
            return seen if skip_text(at, _END) == end else 0
        if c != 44:
            return 0


@inner
def _scan_trade(state: int, entry: int, at: int, end: int, ts_recv: int) -> int:
    """Take the one row of a ``trades`` frame, from behind its brace on."""
    view = record(STATE, state)
    view.integers[_COUNT] = 1
    seen = _read_row(state, entry, _TRADE_FIELDS, at, end)
    if seen & _TRADE_NEEDS != _TRADE_NEEDS or not 1 <= view.integers[_COUNT] <= _MAX_COUNT:
        return -1
    price, size, ts = view.decimals[_PX], view.decimals[_SZ], view.integers[_TRADE_TS]
    if not (0.0 < price < _MAX_PRICE and size < _MAX_SIZE and ts < _MAX_MS):
        return -1
    trade_id, side = view.integers[_ID], view.integers[_SIDE_AT]
    instrument = record(ENTRY, entry).instrument
    return take_trade(state, instrument, price, size, trade_id, side, ts, ts_recv)


@inner
def _scan_book(state: int, entry: int, at: int, end: int, ts_recv: int) -> int:
    """Take the one row of a book's frame, from behind its brace on."""
    view = record(STATE, state)
    view.integers[_CHECKSUM] = 0
    seen = _read_row(state, entry, _BOOK_FIELDS, at, end)
    ts, seq, prev = view.integers[_BOOK_TS], view.integers[_SEQ], view.integers[_PREV]
    if seen & _BOOK_NEEDS != _BOOK_NEEDS or view.integers[_CHECKSUM] or ts >= _MAX_MS:
        return -1
    n_bids, n_asks = view.integers[_N_BIDS], view.integers[_N_ASKS]
    if record(ENTRY, entry).frames == OF_WHOLE_BOOKS:
        return take_whole(state, entry, n_bids, n_asks, ts, seq, ts_recv)
    if seen >> _PREV & 1 == 0:
        return -1
    return take_update(state, entry, n_bids, n_asks, ts, seq, prev, ts_recv)
