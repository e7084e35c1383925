"""The recorded data as the market: every event at its time, faster or slower.

History first: some of the recording before the start is put onto the tapes without
waiting, so that candles and a day's figures exist. Then events come at their recorded
pace times `speed`, by the wall clock, and at the end the data starts again or stays.
Layer 4.
"""

import asyncio
from typing import Any, Final

import numpy as np

from livekit.clock import monotonic_ns
from livekit.errors import ConfigError
from livekit.events import BOOK, EVENT_BYTES, HEAD, QUOTE, SLOT_BYTES, TRADE, Kind
from livekit.okxsim.world import World
from livekit.store.replay import Replay

__all__ = ["Feed"]

_BATCH: Final = 256
_NAP_S: Final = 0.25
_WORK_NS: Final = 4_000_000
"""Longest time for which the connections wait for the market."""


class Feed:
    """Moves a world's markets by a recording.

    Parameters
    ----------
    data : str
        Folder of the catalog.
    speed : float
        Multiple of recorded time.
    is_looped : bool
        Whether the data starts again at its end.
    """

    def __init__(self, data: str, speed: float, *, is_looped: bool) -> None:
        if not 0.0 < speed <= 10_000.0:
            raise ConfigError(f"speed is {speed!r}, expected a number above 0, at most 10000")
        self._replay = Replay(data, kinds=[Kind.QUOTE, Kind.TRADE, Kind.BOOK])
        self._speed, self._is_looped = speed, is_looped
        self._slots = np.zeros((_BATCH, SLOT_BYTES), np.uint8)
        self._start = 0
        self.instruments = self._replay.instruments
        self.n_events = 0

    def load_history(self, world: World, seconds: float) -> None:
        """Put the first part of the data onto the tapes, as if it had just passed.

        Of the touches only the last ones are shown.
        """
        replay = self._replay
        until = min(replay.first_ts + round(seconds * 1e9), replay.last_ts)
        now_ms = world.now_ms()
        touches: dict[int, np.ndarray] = {}
        while -1 < replay.peek_ts() < until:
            replay.next_batch(self._slots, 1)
            slot = self._slots[0]
            head = slot[: HEAD.itemsize].view(HEAD)[0]
            if head["kind"] == Kind.TRADE:
                self._apply(world, slot, now_ms - (until - int(head["ts_recv"])) // 1_000_000)
            else:
                touches[int(head["instrument"])] = slot.copy()
        for slot in touches.values():
            self._apply(world, slot, None)
        self._start = replay.position

    async def run(self, world: World) -> None:
        """Apply every event at its time, until cancelled."""
        replay = self._replay
        while True:
            first_ts, began = replay.peek_ts(), monotonic_ns()
            pause_ns = began + _WORK_NS
            while replay.peek_ts() >= 0:
                due = began + round((replay.peek_ts() - first_ts) / self._speed)
                wait = (due - monotonic_ns()) / 1e9
                if wait > 0.001:
                    await asyncio.sleep(min(wait, _NAP_S))
                    continue
                replay.next_batch(self._slots, 1)
                self._apply(world, self._slots[0], None)
                self.n_events += 1
                if monotonic_ns() > pause_ns:
                    await asyncio.sleep(0)
                    pause_ns = monotonic_ns() + _WORK_NS
            if not self._is_looped or self._start >= replay.n_events:
                return
            replay.seek(self._start)

    @staticmethod
    def _apply(world: World, slot: np.ndarray, time_ms: int | None) -> None:
        """Apply one event."""
        kind = Kind(int(slot[0]))
        dtype = {Kind.QUOTE: QUOTE, Kind.TRADE: TRADE, Kind.BOOK: BOOK}[kind]
        event: Any = slot[: int(EVENT_BYTES[kind])].view(dtype)[0]
        number = int(event["instrument"])
        if kind is Kind.TRADE:
            world.trade(
                number, float(event["price"]), float(event["size"]), int(event["aux"]), time_ms
            )
        elif kind is Kind.QUOTE:
            names = ("bid_price", "bid_size", "ask_price", "ask_size")
            world.quote(number, *(float(event[name]) for name in names))
        else:
            names = ("bid_price", "bid_size", "ask_price", "ask_size")
            world.quote(number, *(float(event[name][0]) for name in names))
