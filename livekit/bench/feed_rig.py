"""The real feed on real sockets, in one thread, so that every step of a frame can be timed.

The exchange's end is a loopback socket of this very thread: a frame is written to it, and
then the feed's selector is called as the engine calls it. What the other end costs is
outside of what is timed.
Layer 5.
"""

import gc
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from livekit import clock
from livekit.bench.feed_frames import Frames, snapshot_frame, stamp
from livekit.bench.feed_kernels import DESK, put_events, put_timed
from livekit.engine.okx.clock import LiveClock
from livekit.engine.okx.feed import Feed
from livekit.engine.source import Direct
from livekit.errors import LivekitError
from livekit.instruments import Instrument
from livekit.net.websocket import WebSocket, WebSocketState
from livekit.okx.hosts import hosts_for
from livekit.okx.subscriptions import make_arguments
from livekit.ring.call import address_of
from livekit.trading.core import TradingCore
from livekit.trading.limits import RiskLimits

__all__ = ["INSTRUMENT", "SYMBOL", "FeedRig", "make_core", "pinned", "stamped", "timed"]

SYMBOL: Final = "C00-USDT"
INSTRUMENT: Final = Instrument(SYMBOL, 0.1, 1e-6, 1e-4)
_PATIENCE_S: Final = 10.0


class _Wire:
    """The exchange's end of WebSocket connections: upgrades, acknowledges, sends a snapshot."""

    def __init__(self, seq: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._seq = seq
        self.peers: list[tuple[socket.socket, ServerProtocol]] = []

    def serve(self) -> None:
        """Do what can be done now."""
        try:
            accepted, _ = self._listener.accept()
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            accepted.setblocking(False)
            self.peers.append((accepted, ServerProtocol()))
        except BlockingIOError:
            pass
        for peer, protocol in self.peers:
            self.read(peer, protocol)

    def read(self, peer: socket.socket, protocol: ServerProtocol) -> None:
        """Take what a client sent, and answer it."""
        try:
            protocol.receive_data(peer.recv(65536, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return
        for event in protocol.events_received():
            if isinstance(event, Request):
                protocol.send_response(protocol.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._take(peer, protocol, bytes(event.data))
        for part in protocol.data_to_send():
            peer.sendall(part)

    def _take(self, peer: socket.socket, protocol: ServerProtocol, text: bytes) -> None:
        if text == b"ping":  # compiling took longer than a quiet connection may be
            protocol.send_text(b"pong")
            return
        request = msgspec.json.decode(text)
        if request["op"] != "subscribe":
            return  # an order: nobody waits for its answer here
        for arg in request["args"]:
            ack = {"id": request["id"], "event": "subscribe", "arg": arg, "connId": "bench"}
            protocol.send_text(msgspec.json.encode(ack))
            for part in protocol.data_to_send():
                peer.sendall(part)
            if arg["channel"] == "books":
                peer.sendall(snapshot_frame(arg["instId"], self._seq, 1))

    def close(self) -> None:
        """Close every socket."""
        for peer, _ in self.peers:
            peer.close()
        self._listener.close()


class FeedRig:
    """A feed of one instrument that is live.

    Parameters
    ----------
    hub, core : int
        Addresses of what events are put through, as the engine does.
    seq : int
        seqId of the book's snapshot.

    Attributes
    ----------
    feed : Feed
    desk : DESK[1]
    """

    def __init__(self, hub: int, core: int, seq: int) -> None:
        self._wire = _Wire(seq)
        url = f"http://127.0.0.1:{self._wire.port}"
        arguments = make_arguments([SYMBOL], ["trades", "bbo-tbt", "books"])
        self._selector = selectors.SelectSelector()
        hosts = hosts_for("sim", "global", url)
        self.feed = Feed(hosts, arguments, {SYMBOL: 0}, LiveClock(), lambda _push: None)
        self.desk = np.zeros(1, DESK)
        self.desk["hub"], self.desk["core"] = hub, core
        put = partial(put_events, hub, core)
        direct = Direct(address_of(put_timed, 3), int(self.desk.ctypes.data), put)
        self.feed.begin(self._selector, put, direct)
        self._until(lambda: self.feed.is_live and not self.feed.stale_symbols())
        self._peer = self._wire.peers[0][0]
        self._peer.setblocking(True)
        self.private: WebSocket | None = None

    def _until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not condition():
            if time.monotonic() > deadline:
                raise LivekitError("the measured feed did not become live within 10 s")
            self._wire.serve()
            self.turn(0.001)
            self.feed.look_after(clock.monotonic_ns())

    def turn(self, timeout_s: float = 0.0) -> None:
        """Call the feed as the engine does."""
        for key, _ in self._selector.select(timeout_s):
            key.data()

    def connect_private(self) -> WebSocket:
        """Open another connection, for orders."""
        websocket = WebSocket(f"ws://127.0.0.1:{self._wire.port}/ws/v5/private")

        def is_open() -> bool:
            websocket.handle()
            return websocket.state is WebSocketState.OPEN

        self._until(is_open)
        self.private = websocket
        return websocket

    def forget_orders(self) -> None:
        """Take the orders out of the exchange's end, unread: it would be another machine."""
        self._wire.peers[1][0].recv(65536)

    def time(self, frame: memoryview) -> int:
        """Send one frame, wait until it is there, and return what taking it cost, ns."""
        self._peer.sendall(frame)
        while not (ready := self._selector.select(0)):
            pass
        start = time.perf_counter_ns()
        for key, _ in ready:
            key.data()
        return time.perf_counter_ns() - start

    def close(self) -> None:
        """Close everything."""
        self.feed.close()
        if self.private is not None:
            self.private.abort()
        self._wire.close()
        self._selector.close()


@contextmanager
def timed(owner: Any, name: str, into: list[int]) -> Iterator[None]:
    """Note how long each call of a method takes, ns, while this holds."""
    original = getattr(owner, name)

    def call(*args: Any) -> Any:
        start = time.perf_counter_ns()
        result = original(*args)
        into.append(time.perf_counter_ns() - start)
        return result

    setattr(owner, name, call)
    try:
        yield
    finally:
        setattr(owner, name, original)


def make_core() -> TradingCore:
    """Return a core of one instrument that refuses nothing, as an engine at a venue has it."""
    free = float("inf")
    limits = RiskLimits(
        max_order_notional=free,
        max_position_notional=free,
        price_band_bps=free,
        max_reference_age_s=free,
        orders_per_second=free,
        order_burst=1,
        max_open_orders=1 << 20,
    )
    core = TradingCore((INSTRUMENT,), n_strategies=1, limits=limits)
    core.touch()
    return core


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Stay on a core, and let the collector pass over what is there, as an engine does."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        os.sched_setaffinity(0, before)


def stamped(frames: Frames, index: int) -> memoryview:
    """Return one frame with the next numbers in it."""
    addresses = (frames.data.ctypes.data, frames.table.ctypes.data)
    now_ms = time.time_ns() // 1_000_000
    stamp(*addresses, index, 1, frames.counters.ctypes.data, now_ms)
    row = frames.table[index]
    return frames.data[row["start"] : row["end"]].data
