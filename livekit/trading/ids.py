"""Client order ids: deterministic, decodable, and never the same twice.

``L`` + epoch of the account (6) + strategy (3) + sequence of the intent (10) + check
(2): 22 letters and digits, which OKX takes (at most 32, no hyphen) and the report's
24 bytes hold. The epoch rises at every start of an engine, so an id names one intent
for ever, and whoever reads an open order at the exchange knows whether it is ours,
from which run and of which strategy (RELIABILITY §3).

Digits are base 32 hex (0-9, A-V), which sorts as the numbers do. The check is the
whole number modulo the prime 1021: it finds every wrong digit and every swap of two
neighbours.
Layer 2.
"""

import re
from typing import Final, NamedTuple

import numpy as np

from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import store_i64

__all__ = [
    "MAX_EPOCH",
    "ClientOrderId",
    "client_order_id",
    "parse_client_order_id",
    "write_client_order_id",
]

MAX_EPOCH: Final = 32**6 - 1
_MAX_STRATEGY: Final = 32**3 - 1
_MAX_SEQUENCE: Final = 32**10 - 1
_PRIME: Final = 1021
_SHIFT_STRATEGY: Final = 32**3 % _PRIME
_SHIFT_SEQUENCE: Final = 32**10 % _PRIME
_FORM: Final = re.compile(r"L[0-9A-V]{21}")


class ClientOrderId(NamedTuple):
    """What a client order id says."""

    epoch: int
    strategy: int
    sequence: int


@inner
def _spread(value: int, n_digits: int) -> int:
    """Write the lowest `n_digits` (at most 8) base 32 digits as ASCII, first digit lowest."""
    text = i64(0)
    for _ in range(n_digits):
        digit = value & 31
        text = (text << 8) | (48 + digit + 7 * (digit > 9))
        value >>= 5
    return text


@hot
def write_client_order_id(address: int, epoch: int, strategy: int, sequence: int) -> None:
    """Write the id as 22 ASCII characters and two NUL at `address` (8-byte aligned).

    Little-endian like every event, so each int64 holds eight characters.
    """
    check = (epoch % _PRIME * _SHIFT_STRATEGY + strategy) % _PRIME
    check = (check * _SHIFT_SEQUENCE + sequence) % _PRIME
    store_i64(address, 76 | (_spread(epoch, 6) << 8) | (_spread(strategy >> 10, 1) << 56))
    store_i64(address + 8, _spread(((strategy & 1023) << 30) | (sequence >> 20), 8))
    store_i64(address + 16, _spread(sequence, 4) | (_spread(check, 2) << 32))


def client_order_id(epoch: int, strategy: int, sequence: int) -> str:
    """Return the client order id of an intent.

    Parameters
    ----------
    epoch : int
        Start of the engine, 0 to 32**6 - 1.
    strategy : int
        Slot of the strategy, 0 to 32**3 - 1.
    sequence : int
        Number of the intent in this epoch, 0 to 32**10 - 1.
    """
    assert 0 <= epoch <= MAX_EPOCH
    assert 0 <= strategy <= _MAX_STRATEGY
    assert 0 <= sequence <= _MAX_SEQUENCE
    text = np.zeros(24, np.uint8)
    write_client_order_id(text.ctypes.data, epoch, strategy, sequence)
    return text.tobytes()[:22].decode()


def parse_client_order_id(text: str) -> ClientOrderId | None:
    """Read a client order id back; None when it is not one of ours."""
    if not _FORM.fullmatch(text):
        return None
    epoch, strategy, sequence, check = (
        int(part, 32) for part in (text[1:7], text[7:10], text[10:20], text[20:])
    )
    if ((epoch * 32**3 + strategy) * 32**10 + sequence) % _PRIME != check:
        return None
    return ClientOrderId(epoch, strategy, sequence)
