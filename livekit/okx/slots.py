"""Where a normalizer's events are written, and what is counted on the way.

Events of one frame lie in slots, one behind the other, and are overwritten by the next
frame's. Trades and books of the usual form are written there by compiled code
(okx/scan.py), which shares the STATE; what Python writes goes through the methods here.
Layer 2.
"""

from struct import Struct
from typing import Any, Final

import numpy as np

from livekit.events import SLOT_BYTES, Kind
from livekit.okx.books import Counts
from livekit.okx.layout import STATE
from livekit.okx.scan_apply import LEVEL_ROOM
from livekit.ring.layout import aligned_zeros

__all__ = ["EventSlots"]

_SLOTS: Final = 1024
_BODIES: Final = {
    Kind.TICKER: Struct("<BBHIQqqdddd"),
    Kind.TRADE: Struct("<BBHIQqqddqII"),
    Kind.BAR: Struct("<BBHIQqqdddddqq"),
    Kind.GAP: Struct("<BBHIQqq8I"),
    Kind.CONNECTION: Struct("<BBHIQqqq24x"),
}
_WORDS: Final = {name: index for index, name in enumerate(STATE.names or ()) if index < 10}
_EVENTS: Final = int(STATE.fields["events"][1]) // 8  # type: ignore[index]
_COUNTED: Final = ("frames", "books", "duplicates", "stale_trades", "absent")


class EventSlots:
    """Slots that grow, the number of the next event, and the counts.

    Attributes
    ----------
    slots : uint8[m, 256]
    n : int
        Events of the last frame, in `slots[:n]`.
    address, state : int
        Addresses of the slots and of the STATE.
    own_counts : Counts
        What Python counted; `counts` has all.
    """

    def __init__(self) -> None:
        self.own_counts = Counts()
        self._state = aligned_zeros(STATE.itemsize)
        self.state: int = self._state.ctypes.data
        self._words = self._state.data.cast("q")
        self._levels = aligned_zeros(LEVEL_ROOM)
        self.set("levels", self._levels.ctypes.data)
        self.n = 0
        self.slots = np.zeros((0, SLOT_BYTES), np.uint8)
        self.reserve(_SLOTS)

    def set(self, word: str, value: int) -> None:
        """Set one of the STATE's first words."""
        self._words[_WORDS[word]] = value

    def reserve(self, n: int) -> None:
        """Have room for `n` events; those of this frame stay."""
        if n <= len(self.slots):
            return
        n = max(n, 2 * len(self.slots))
        memory = aligned_zeros(n * SLOT_BYTES)
        if self.n:
            memory[: self.n * SLOT_BYTES] = self.slots.reshape(-1)[: self.n * SLOT_BYTES]
        self.slots = memory.reshape(n, SLOT_BYTES)
        self.buffer = memory.data
        self.address: int = memory.ctypes.data
        self.set("slots", self.address)

    @property
    def sequence(self) -> int:
        """Number of the next event."""
        return self._words[_WORDS["sequence"]]

    @property
    def counts(self) -> Counts:
        """What was seen and given since the start, compiled code's share included."""
        counts, words = self.own_counts, self._words
        for name in _COUNTED:
            setattr(counts, name, getattr(counts, name) + words[_WORDS[name]])
            words[_WORDS[name]] = 0
        for kind in Kind:
            if words[_EVENTS + kind]:
                counts.events[kind] = counts.events.get(kind, 0) + words[_EVENTS + kind]
                words[_EVENTS + kind] = 0
        return counts

    def write(
        self, kind: Kind, instrument: int, ts_event: int, ts_recv: int, *body: Any, aux: int = 0
    ) -> None:
        """Write one event behind those of this frame; `body` is what follows its head."""
        self.reserve(self.n + 1)
        head = (kind, 0, instrument, aux, self.sequence, ts_event, ts_recv)
        _BODIES[kind].pack_into(self.buffer, self.n * SLOT_BYTES, *head, *body)
        self.count(kind)

    def count(self, kind: Kind) -> None:
        """Count an event that was written behind those of this frame."""
        self._words[_EVENTS + kind] += 1
        self._words[_WORDS["sequence"]] += 1
        self.n += 1
