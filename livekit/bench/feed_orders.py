"""``livekit bench feed``, the way back: from a frame's bytes to an order's frame at the socket.

A compiled strategy in a process of its own answers every quote with an order; the core
admits it, the venue's code writes it and hands it to a socket. The exchange refuses each
order, so that the tables stay as full as they are in trading.
Layer 5.
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np

from livekit import clock
from livekit.bench.attach import ORDERING, StrategyDesk
from livekit.bench.feed_frames import make_frames
from livekit.bench.feed_kernels import answer, await_request
from livekit.bench.feed_rig import INSTRUMENT, SYMBOL, FeedRig, make_core, pinned, stamped
from livekit.bench.processes import cores
from livekit.bench.report import Row, make_row
from livekit.engine.okx.desk import OrderDesk
from livekit.engine.okx.outgoing import Outbound
from livekit.engine.okx.pace import Pace
from livekit.engine.okx.phrasing import Ticket
from livekit.events import ORDER
from livekit.net.framing import FrameBuffer
from livekit.net.websocket import WebSocket
from livekit.okx.replies import Reply
from livekit.ring.layout import aligned_zeros
from livekit.trading.sending import on_request_live

__all__ = ["way_back"]

_GIVE_UP_NS: Final = 2_000_000_000
_FIRST_NS: Final = 100_000_000
_REFUSED: Final = "51008"
_WAIT_NS: Final = 20_000


class _Unpaced(Pace):
    """Lets every request go: the exchange would take 60 in two seconds."""

    def take(self, operation: str, instrument: int, now_ns: int) -> bool:  # noqa: ARG002
        """Permit everything."""
        return True


class _Line:
    """Hands texts to a socket, and notes when it has them."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self.sent_ns = 0

    def send(self, frame: bytes) -> None:
        """Send what is not usual; no order here is."""
        raise AssertionError(f"an order was phrased in Python: {frame!r}")

    def send_in_place(self, text: FrameBuffer, n: int) -> None:
        """Send an order."""
        self._websocket.send_in_place(text, n)
        self.sent_ns = clock.monotonic_ns()


class _Bench:
    """Feed, core, strategy and socket, and one order after another through them."""

    def __init__(self, desk: StrategyDesk) -> None:
        self.core = make_core()
        self.hub, self.orders = desk.hub.address, desk.orders.ctypes.data
        self.frames = make_frames([SYMBOL], 64, channels=("bbo-tbt",))
        self._request = aligned_zeros(ORDER.itemsize)
        self.rig = FeedRig(self.hub, self.core.address, int(self.frames.counters[0, 0]))
        self.line = _Line(self.rig.connect_private())
        tickets = [Ticket(INSTRUMENT, 7, "cash")]
        venue_desk = OrderDesk(self.core)
        self.outbound = Outbound(self.core, venue_desk, tickets, self.line, lambda *_: False)
        self.outbound.pace = _Unpaced()
        self.n = 0
        # The snapshot's quote was answered, too.
        await_request(self.orders, self._request.ctypes.data, clock.monotonic_ns() + _FIRST_NS)

    def order(self) -> tuple[int, int, int]:
        """Return how long an order took to the socket, noting it, and a wait of 20 µs, ns."""
        request = self._request.ctypes.data
        spent = self.rig.time(stamped(self.frames, self.n % 64))
        start = clock.monotonic_ns()
        if not await_request(self.orders, request, start + _GIVE_UP_NS):
            raise AssertionError("a quote was not answered by an order")
        now = clock.now_ns()
        on_request_live(self.core.address, 0, request, now)
        self.outbound.send(now, is_line_up=True)
        noted = clock.monotonic_ns() - self.line.sent_ns
        self.n += 1
        answer(self.hub, request)
        self.outbound.hear(Reply(f"r{self.n}", "order", _REFUSED, "", [], 0, 0), now)
        self.core.drain()
        self.rig.forget_orders()
        return spent + self.line.sent_ns - start, noted, _wait()


def _wait() -> int:
    """Do nothing for 20 µs, and return how long it was: what the machine takes for itself."""
    start = clock.monotonic_ns()
    while (now := clock.monotonic_ns()) - start < _WAIT_NS:
        pass
    return now - start


def way_back(folder: Any, runs: int, n: int) -> list[Row]:
    """Time from a readable frame to the order's frame at a socket."""
    desk = StrategyDesk(folder, ORDERING.replace("BTC-USDT", SYMBOL), "bench", is_compiled=True)
    own, theirs = cores()[0], cores()[-1]
    child = desk.start(theirs)
    try:
        bench = _Bench(desk)
        try:
            with pinned(own):
                times = np.array([[bench.order() for _ in range(n)] for _ in range(runs)]) / 1000
            assert bench.outbound.describe()["frames"] == runs * n
        finally:
            bench.rig.close()
    finally:
        desk.stop(child)
    what = "bytes in → order frame at the socket, compiled, spin"
    is_free = own != theirs
    rows = []
    for percent, most in ((50, 25.0), (99, 80.0)):
        values = np.percentile(times[:, :, 0], percent, axis=1).tolist()
        row = make_row(f"{what}: p{percent}", values, "µs", target=("<=", most))
        rows.append(row if is_free else replace(row, target=None, ok=None))
    noted = np.median(times[:, :, 1], axis=1).tolist()
    waits = np.percentile(times[:, :, 2], 99, axis=1).tolist()
    return [
        *rows,
        make_row("  a wait of 20 µs in turns with it, p99: the machine's own", waits, "µs"),
        make_row("  noting the order, afterwards: p50", noted, "µs"),
    ]
