"""The compiled way into an engine that keeps the events, and leaves some of them to Python."""

import numpy as np

from livekit.engine.source import Direct
from livekit.events import SLOT_BYTES
from livekit.ring.call import address_of
from livekit.ring.jit import hot, i64
from livekit.ring.memory import copy_lines, record

KEEPER = np.dtype([("slots", "<i8"), ("n", "<i8"), ("room", "<i8"), ("calls", "<i8")])
ROOM = 4096
LINES = SLOT_BYTES // 64


@hot
def keep(keeper: int, events: int, n: int) -> int:
    """Keep events, but of every fifth call, or where there is no room: 0."""
    view = record(KEEPER, keeper)
    view.calls += 1
    if view.calls % 5 == 0 or view.n + n > view.room:
        return i64(0)
    for k in range(n):
        copy_lines(view.slots + (view.n + k) * SLOT_BYTES, events + k * SLOT_BYTES, LINES)
    view.n += n
    return i64(1)


class Keeper:
    """Keeps the events of compiled callers until they are asked for."""

    def __init__(self, publish):
        self._slots = np.zeros((ROOM, SLOT_BYTES), np.uint8)
        self._own = np.zeros(1, KEEPER)
        self._own["slots"], self._own["room"] = self._slots.ctypes.data, ROOM
        self.direct = Direct(address_of(keep, 3), int(self._own.ctypes.data), publish)

    def take(self):
        """Return the events kept, and forget them."""
        n = int(self._own["n"][0])
        self._own["n"] = 0
        return list(self._slots[:n].copy())
