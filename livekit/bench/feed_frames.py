"""The exchange's frames, made beforehand: only their numbers are written when they go out.

A frame of each kind has the shape, the order of fields and the length of the real one.
Time, seqId, prevSeqId and tradeId have a fixed number of digits at known places, which
`stamp` overwrites, so that a source spends a fraction of a microsecond on a message.
Layer 5.
"""

import random
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from livekit.ring.jit import hot
from livekit.ring.memory import record

__all__ = ["FRAME", "N_DEPTH", "Frames", "make_frames", "snapshot_frame", "stamp", "symbols_of"]

FRAME: Final = np.dtype(
    [
        ("start", "<i8"),  # of its bytes, WebSocket header included
        ("end", "<i8"),
        ("instrument", "<i8"),
        ("ts_at", "<i8"),  # places of the digits; 0: has none
        ("seq_at", "<i8"),
        ("prev_at", "<i8"),
        ("trade_at", "<i8"),
    ]
)
"""Where a frame lies in the buffer, and what is to be written into it."""

N_DEPTH: Final = 400
"""Levels of each side of a snapshot."""

_FRAME_BYTES: Final = FRAME.itemsize
_COUNTERS: Final = np.dtype([("seq", "<i8"), ("touch", "<i8")])
_DIGITS: Final = 12
_BYTE: Final = np.dtype([("byte", "u1")])
_FIRST_SEQ: Final = 100_000_000_000
_PRICE: Final = 60_000.0
_MIX: Final = ("bbo-tbt", "books", "bbo-tbt", "trades", "books", "bbo-tbt", "books", "trades")
_TICKER_EVERY: Final = 40


@dataclass(slots=True)
class Frames:
    """Frames one behind the other.

    Attributes
    ----------
    data : uint8[n_bytes]
    table : FRAME[n]
    counters : int64[n_instruments, 2]
        Last seqId of each instrument's book, and last number of its touch and trades.
    """

    data: np.ndarray
    table: np.ndarray
    counters: np.ndarray

    def payload(self, index: int) -> bytes:
        """Return a frame's text as it stands."""
        row = self.table[index]
        raw = self.data[row["start"] : row["end"]].tobytes()
        return raw[raw.index(b"{") :]


def symbols_of(n: int) -> list[str]:
    """Return the names of `n` instruments."""
    return [f"C{k:02d}-USDT" for k in range(n)]


def _level(source: random.Random, price: float, size: float | None = None) -> str:
    amount = f"{source.uniform(0.1, 9):.6f}" if size is None else f"{size:g}"
    return f'["{price:.1f}","{amount}","0","{source.randrange(1, 20)}"]'


def _header(n: int) -> bytes:
    """Return the head of an unmasked text frame; RFC 6455, section 5.2."""
    if n < 126:
        return bytes([0x81, n])
    size = n.to_bytes(2, "big") if n < 65536 else n.to_bytes(8, "big")
    return bytes([0x81, 126 if n < 65536 else 127]) + size


def snapshot_frame(symbol: str, seq: int, ts_ms: int) -> bytes:
    """Return the whole book of an instrument, header included."""
    source = random.Random(symbol)  # noqa: S311 - the same book each time
    asks = ",".join(_level(source, _PRICE + (k + 1) * 0.1) for k in range(N_DEPTH))
    bids = ",".join(_level(source, _PRICE - k * 0.1) for k in range(N_DEPTH))
    text = (
        f'{{"arg":{{"channel":"books","instId":"{symbol}"}},"action":"snapshot","data":[{{'
        f'"asks":[{asks}],"bids":[{bids}],"ts":"{ts_ms}","checksum":0,'
        f'"seqId":{seq},"prevSeqId":-1}}]}}'
    ).encode()
    return _header(len(text)) + text


def _text(channel: str, symbol: str, source: random.Random, n_levels: int) -> str:
    arg = f'{{"arg":{{"channel":"{channel}","instId":"{symbol}"}},'
    ts, number = "1700000000000", str(_FIRST_SEQ)
    if channel == "trades":
        side = source.choice(["buy", "sell"])
        return (
            f'{arg}"data":[{{"instId":"{symbol}","tradeId":"{number}","px":"{_PRICE:.1f}",'
            f'"sz":"{source.uniform(0.001, 2):.6f}","side":"{side}","ts":"{ts}","count":"1",'
            f'"source":"0","seqId":{number}}}]}}'
        )
    if channel == "tickers":
        return (
            f'{arg}"data":[{{"instType":"SPOT","instId":"{symbol}","last":"{_PRICE:.1f}",'
            f'"lastSz":"0.01","askPx":"{_PRICE + 0.1:.1f}","askSz":"1.5","bidPx":"{_PRICE:.1f}",'
            f'"bidSz":"2.5","open24h":"59000","high24h":"61000","low24h":"58000",'
            f'"volCcy24h":"100000000","vol24h":"12345.678","sodUtc0":"59500","sodUtc8":"59600",'
            f'"ts":"{ts}"}}]}}'
        )
    if channel == "bbo-tbt":
        return (
            f'{arg}"data":[{{"asks":[{_level(source, _PRICE + 0.1)}],'
            f'"bids":[{_level(source, _PRICE)}],"ts":"{ts}","seqId":{number}}}]}}'
        )
    near = [source.sample(range(30), n_levels) for _ in range(2)]
    asks = ",".join(_level(source, _PRICE + (k + 1) * 0.1) for k in sorted(near[0]))
    bids = ",".join(_level(source, _PRICE - k * 0.1) for k in sorted(near[1]))
    return (
        f'{arg}"action":"update","data":[{{"asks":[{asks}],"bids":[{bids}],"ts":"{ts}",'
        f'"checksum":0,"seqId":{number},"prevSeqId":{number}}}]}}'
    )


def make_frames(
    symbols: list[str],
    n: int,
    *,
    seed: int = 1,
    n_levels: int = 5,
    channels: tuple[str, ...] = (),
    asked: Mapping[str, Container[str]] | None = None,
) -> Frames:
    """Return `n` frames of some instruments in turn, or fewer.

    Parameters
    ----------
    symbols : list of str
    n : int
    n_levels : int
        Of each side of a book's update.
    channels : tuple of str
        In turn; by default a busy day's mix: 3 of 8 are touches, 3 updates of books, 2
        trades, and every 40th frame is a ticker.
    asked : mapping of str to container of str, optional
        Channels of each instrument; frames of others are left out.
    """
    source = random.Random(seed)  # noqa: S311 - the same frames each time
    table = np.zeros(n, FRAME)
    parts: list[bytes] = []
    at = n_made = 0
    for i in range(n):
        instrument = i % len(symbols)
        turn = i // len(symbols)
        channel = (channels or _MIX)[turn % len(channels or _MIX)]
        if not channels and i % _TICKER_EVERY == _TICKER_EVERY - 1:
            channel = "tickers"
        symbol = symbols[instrument]
        if asked is not None and channel not in asked[symbol]:
            continue
        text = _text(channel, symbol, source, n_levels).encode()
        raw = _header(len(text)) + text
        row = table[n_made]
        n_made += 1
        row["start"], row["end"], row["instrument"] = at, at + len(raw), instrument
        for field, name in (
            ("ts_at", b'"ts":"'),
            ("seq_at", b'"seqId":'),
            ("prev_at", b'"prevSeqId":'),
            ("trade_at", b'"tradeId":"'),
        ):
            where = raw.find(name)
            row[field] = at + where + len(name) if where >= 0 else 0
        parts.append(raw)
        at += len(raw)
    counters = np.full((len(symbols), 2), _FIRST_SEQ, np.int64)
    data = np.frombuffer(b"".join(parts), np.uint8).copy()
    return Frames(data, table[:n_made].copy(), counters)


@hot
def _write_digits(at: int, value: int, n: int) -> None:
    for i in range(n - 1, -1, -1):
        record(_BYTE, at + i).byte = 48 + value % 10
        value //= 10


@hot
def stamp(data: int, table: int, first: int, n: int, counters: int, ts_ms: int) -> int:
    """Write time and numbers into `n` frames from one on; return where the last one ends."""
    end = 0
    for i in range(first, first + n):
        row = record(FRAME, table + i * _FRAME_BYTES)
        own = record(_COUNTERS, counters + row.instrument * 16)
        if row.ts_at:
            _write_digits(data + row.ts_at, ts_ms, 13)
        if row.prev_at:
            _write_digits(data + row.prev_at, own.seq, _DIGITS)
        if row.seq_at and not row.trade_at:
            # A touch shares the book's counter, and moves the chain of nobody else.
            if row.prev_at:
                own.seq += 1
            else:
                own.touch += 1
            _write_digits(data + row.seq_at, own.seq if row.prev_at else own.touch, _DIGITS)
        if row.trade_at:
            own.touch += 1
            _write_digits(data + row.trade_at, own.touch, _DIGITS)
            _write_digits(data + row.seq_at, own.touch, _DIGITS)
        end = row.end
    return end
