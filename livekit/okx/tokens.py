"""The few tokens of JSON that the exchange's market data are made of, read by compiled code.

Each reader takes the address where its token begins and returns the address behind it,
or 0 for anything that is not plainly that token; whoever calls then leaves the frame to
the decoder proper. Nothing is accepted here that the decoder reads otherwise: a decimal
of at most 15 digits is a whole number divided by a power of ten, both exact, so the
quotient is the double nearest to the text, as the decoder's is.

No length is looked at: bytes of Python end with a NUL, which is part of no token.
Layer 2. Allocates nothing.
"""

from typing import Final

import numpy as np

from livekit.ring.jit import hot, inner
from livekit.ring.memory import record

__all__ = ["byte_at", "key", "pack", "read_decimal", "read_integer", "skip_string", "skip_text"]

_BYTE: Final = np.dtype([("byte", "u1")])
_POWERS: Final = np.array([10.0**n for n in range(16)])
_MAX_DIGITS: Final = 15
_MAX_INTEGER: Final = 18
_QUOTE: Final = 34
_PREV: Final = 1


def pack(name: str) -> int:
    """Return the number that `key` makes of a field's name."""
    return _PREV if name == "prevSeqId" else int.from_bytes(name.encode(), "big")


_PREV_TAIL: Final = pack("revSeqId")


@inner
def byte_at(at: int) -> int:
    """Return the byte at an address."""
    value: int = record(_BYTE, at).byte & 0xFF  # int64, and not the uint8 that it is
    return value


@hot
def read_decimal(at: int) -> tuple[float, int]:
    """Read digits with or without a fraction up to a closing quote; return (value, behind it)."""
    mantissa, n, scale = 0, 0, 0
    first = c = byte_at(at)
    while 48 <= c <= 57:
        mantissa = mantissa * 10 + (c - 48)
        n += 1
        at += 1
        c = byte_at(at)
    if n == 0 or (first == 48 and n > 1):
        return 0.0, 0
    if c == 46:
        at += 1
        c = byte_at(at)
        while 48 <= c <= 57:
            mantissa = mantissa * 10 + (c - 48)
            scale += 1
            at += 1
            c = byte_at(at)
        if scale == 0:
            return 0.0, 0
    if n + scale > _MAX_DIGITS or c != _QUOTE:
        return 0.0, 0
    return mantissa / _POWERS[scale], at + 1


@hot
def read_integer(at: int) -> tuple[int, int]:
    """Read digits; return (value, behind them)."""
    value, n = 0, 0
    first = c = byte_at(at)
    while 48 <= c <= 57:
        value = value * 10 + (c - 48)
        n += 1
        at += 1
        c = byte_at(at)
    if n == 0 or n > _MAX_INTEGER or (first == 48 and n > 1):
        return 0, 0
    return value, at


@inner
def skip_string(at: int) -> int:
    """Pass over plain characters up to a closing quote; return the address behind it."""
    c = byte_at(at)
    while 32 <= c < 127 and c not in (_QUOTE, 92):
        at += 1
        c = byte_at(at)
    return at + 1 if c == _QUOTE else 0


@inner
def skip_text(at: int, text: np.ndarray) -> int:
    """Pass over exactly these bytes, a constant uint8[n]; return the address behind them."""
    for i in range(len(text)):
        if byte_at(at + i) != text[i]:
            return 0
    return at + len(text)


@inner
def key(at: int) -> tuple[int, int]:
    """Read a field's name with its quotes and colon; return (as `pack` gives it, behind it)."""
    if byte_at(at) != _QUOTE:
        return 0, 0
    at += 1
    packed, n = 0, 0
    first = c = byte_at(at)
    while 48 <= c <= 122 and c != 92:
        packed = (packed << 8) | c
        n += 1
        at += 1
        c = byte_at(at)
    if n == 0 or n > 9 or c != _QUOTE or byte_at(at + 1) != 58:
        return 0, 0
    if n == 9:
        if first != 112 or packed != _PREV_TAIL:
            return 0, 0
        packed = _PREV
    return packed, at + 2
