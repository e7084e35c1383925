"""A strategy against the paper exchange on recorded data, in the test's process."""

import numpy as np
from wires import Desk

from livekit.events import DTYPES, EVENT_BYTES, SLOT_BYTES, Kind
from livekit.ring.layout import aligned_zeros
from livekit.ring.spsc import push
from livekit.store.replay import Replay
from livekit.trading.core import TradingCore
from livekit.trading.router import on_market, on_request


class Session:
    """One strategy, interpreted, event by event: exchange first, then the strategy."""

    def __init__(self, cls, folder, values=None):
        declared = cls.symbols
        self.replay = Replay(folder, symbols=list(declared) or None)
        instruments = self.replay.instruments
        self.core = TradingCore(instruments, n_strategies=1, max_orders=256)
        self.core.open_strategy(0)
        self.desk = Desk(cls, values, instruments=instruments)
        self.kinds = self.desk.body._declaration.kinds
        self.reports, self.requests = [], []

    def run(self, n_events):
        """Play so many events; return the strategy."""
        slots = aligned_zeros(n_events * SLOT_BYTES).reshape(n_events, SLOT_BYTES)
        self.desk.body.start()
        count = self.replay.next_batch(slots, n_events)
        for slot in slots[:count]:
            self._play(slot)
        self.desk.body.stop()
        assert self.desk.context.counters["errors"] == 0, self.desk.body.failure
        return self.desk.strategy

    def _play(self, slot):
        kind = Kind(slot[0])
        event = slot[: DTYPES[kind].itemsize].view(DTYPES[kind])
        now = int(event["ts_event"][0])
        on_market(self.core.address, slot.ctypes.data, now)
        if self.kinds >> kind & 1:
            self._deliver(slot)
        while self._report() or self.desk.queued or self._ask(now):
            self.desk.run()

    def _deliver(self, slot):
        lines = int(EVENT_BYTES[slot[0]]) // 64
        assert push(self.desk._producer.ctypes.data, slot.ctypes.data, lines) == 1

    def _report(self):
        reports = self.core.drain()["report"]
        for report in reports:
            self.reports.append(report.copy())
            slot = aligned_zeros(SLOT_BYTES)
            slot[:128] = np.frombuffer(report.tobytes(), np.uint8)
            self._deliver(slot)
        return len(reports)

    def _ask(self, now):
        requests = self.desk.requests()
        for request in requests:
            self.requests.append(request)
            on_request(self.core.address, 0, np.atleast_1d(request).ctypes.data, now)
        return len(requests)
