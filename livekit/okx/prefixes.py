"""The first bytes of frames that are known, in memory that compiled code looks them up in.

Layer 2.
"""

import ctypes
from typing import Final

import numpy as np

from livekit.okx.layout import ENTRY
from livekit.okx.scan import insert
from livekit.okx.slots import EventSlots

__all__ = ["BYTES_AT", "CAN_SCAN", "Prefixes"]

_ENTRIES: Final = 64

BYTES_AT: Final = bytes.__basicsize__ - 1
"""How far behind its `id` a Python object's bytes begin."""

_PROBE: Final = b"livekit"

CAN_SCAN: Final = ctypes.string_at(id(_PROBE) + BYTES_AT, len(_PROBE) + 1) == _PROBE + b"\0"
"""Whether they do, which is looked at: where not, every frame goes through the decoder."""


class Prefixes:
    """A table that grows with what is learned.

    Parameters
    ----------
    out : EventSlots
        Its STATE names the table.
    """

    def __init__(self, out: EventSlots) -> None:
        self._out = out
        self._known: dict[bytes, tuple[int, ...]] = {}
        self._entries = np.zeros(0, ENTRY)
        self._make(_ENTRIES)

    def __contains__(self, prefix: bytes) -> bool:
        return prefix in self._known

    def add(self, prefix: bytes, entry: tuple[int, ...]) -> None:
        """Know a prefix; `entry` as `insert` takes it."""
        self._known[prefix] = entry
        if 2 * len(self._known) > len(self._entries):
            self._make(2 * len(self._entries))
        else:
            self._insert(prefix)

    def _make(self, n: int) -> None:
        """Make a table of `n` entries, a power of 2, of all that was learned."""
        self._entries = np.zeros(n, ENTRY)
        self._out.set("entries", self._entries.ctypes.data)
        self._out.set("mask", n - 1)
        for prefix in self._known:
            self._insert(prefix)

    def _insert(self, prefix: bytes) -> None:
        insert(self._out.state, id(prefix) + BYTES_AT, *self._known[prefix])
