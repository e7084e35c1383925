"""A live feed in a selector of the test's own, over real sockets: what it puts through."""

import ctypes
import selectors
import time

import numpy as np
from okx_keeper import Keeper

from livekit import clock
from livekit.engine.okx.adapter import OKXAdapter
from livekit.engine.settings import EngineSettings
from livekit.events import QUOTE, SLOT_BYTES, Kind


class Runner:
    """An adapter in a selector of its own; keeps what it puts through."""

    def __init__(self, url, symbols=("BTC-USDT",), **settings):
        self.adapter = OKXAdapter(
            EngineSettings(source="okx", env="sim", url=url, symbols=list(symbols), **settings)
        )
        self._events, self._selector = [], selectors.SelectSelector()
        self._keeper = Keeper(self._publish)
        self.adapter.begin(self._selector, self._publish, self._keeper.direct)

    @property
    def events(self):
        kept = self._keeper.take()
        self.adapter.advance(len(kept))
        self._events += kept
        return self._events

    def _publish(self, address, n):
        copied = ctypes.string_at(address, n * SLOT_BYTES)
        self.events.extend(np.frombuffer(copied, np.uint8).reshape(n, SLOT_BYTES))
        self.adapter.advance(n)

    def turn(self, timeout_s=0.01):
        for key, _ in self._selector.select(timeout_s):
            key.data()
        self.adapter.look_after(clock.monotonic_ns())

    def until(self, condition, timeout_s=20.0):
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < deadline, self.adapter.describe()
            self.turn()
        return value

    def rows(self, kind, dtype):
        """Return the events of a kind so far."""
        found = [one for one in self.events if one[0] == kind]
        return [one[: dtype.itemsize].view(dtype)[0] for one in found]

    def quotes(self):
        return [(one["bid_price"], one["ask_price"]) for one in self.rows(Kind.QUOTE, QUOTE)]

    @property
    def state(self):
        return self.adapter.describe()["feed"]["state"]

    @property
    def connection(self):
        return self.adapter.describe()["feed"]["connections"][0]

    def close(self):
        self.adapter.close()
        self._selector.close()
