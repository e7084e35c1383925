"""Where a WebSocket frame ends, how a text becomes one, and what a socket's error says.

Source: RFC 6455, sections 5.2 and 5.3. Layer 3. Pure.
"""

import os
import ssl
from typing import Final

import numpy as np

from livekit.ring.jit import hot
from livekit.ring.layout import aligned_zeros
from livekit.ring.memory import load_i64, record, store_i64

__all__ = ["FrameBuffer", "explain", "measure"]

_HEAD_BYTES: Final = 8
_SHORT: Final = 126
_LONG_FORM: Final = 0x10000
_KEY_BYTES: Final = 4096
_BYTE: Final = np.dtype([("byte", "u1")])


def measure(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return (bytes of header, bytes of payload) of the frame at `start`; (0, 0) if cut."""
    if end - start < 2:
        return 0, 0
    size = data[start + 1] & 0x7F
    if size < 126:
        return 2, size
    header = 4 if size == 126 else 10
    if end - start < header:
        return 0, 0
    return header, int.from_bytes(data[start + 2 : start + header], "big")


def explain(error: OSError) -> str:
    """Return what went wrong, in the words of the system."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted ({error.verify_message})"
    return (error.strerror or str(error)).lower()


@hot
def _wrap(text: int, n: int, key: int) -> int:
    """Mask a text in place and write its header before it; return the header's length."""
    both = key | (key << 32)
    for i in range((n + 7) >> 3):
        store_i64(text + 8 * i, load_i64(text + 8 * i) ^ both)
    for i in range(4):
        record(_BYTE, text - 4 + i).byte = (key >> (8 * i)) & 0xFF
    if n < _SHORT:
        record(_BYTE, text - 5).byte = 0x80 | n
        record(_BYTE, text - 6).byte = 0x81
        return 6
    record(_BYTE, text - 5).byte = n & 0xFF
    record(_BYTE, text - 6).byte = n >> 8
    record(_BYTE, text - 7).byte = 0x80 | _SHORT
    record(_BYTE, text - 8).byte = 0x81
    return 8


class FrameBuffer:
    """Memory in which a text is written and becomes a client's frame where it lies.

    Parameters
    ----------
    size : int
        The longest text, bytes, below 64 KiB.

    Attributes
    ----------
    address : int
        Where the text begins, a multiple of 8; up to 7 bytes behind `size` are ours, too.
    size : int
    """

    def __init__(self, size: int) -> None:
        assert 0 < size < _LONG_FORM
        self.size = size
        self._memory = aligned_zeros(_HEAD_BYTES + (size + 7) // 8 * 8)
        self._view = self._memory.data
        self.address = int(self._memory.ctypes.data) + _HEAD_BYTES
        self._keys: list[int] = []

    def frame(self, n: int) -> memoryview:
        """Make the frame of the first `n` bytes; what was written there is gone afterwards."""
        assert 0 < n <= self.size
        if not self._keys:
            # Keys may not be foreseeable; one call of the system for a thousand of them.
            self._keys = np.frombuffer(os.urandom(_KEY_BYTES), np.uint32).tolist()
        head: int = _wrap(self.address, n, self._keys.pop())
        return self._view[_HEAD_BYTES - head : _HEAD_BYTES + n]
