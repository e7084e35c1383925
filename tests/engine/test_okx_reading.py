"""Frames taken where they were read: all of them, once, in order, wherever reads cut them."""

import ctypes
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from okx_keeper import Keeper
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from livekit.engine.okx.clock import LiveClock
from livekit.engine.okx.feed import Feed
from livekit.events import HEAD, SLOT_BYTES, TRADE, Kind
from livekit.net.websocket import WebSocket, WebSocketState
from livekit.okx.hosts import hosts_for
from livekit.okx.phases import Phase
from livekit.okx.subscriptions import make_arguments

USUAL, SPACED, TWO_ROWS, NOTICE, FRAGMENTS = range(5)


class Line:
    """A feed whose only connection is live, on a socket pair, and what it puts through."""

    def __init__(self, *, is_direct=True, tls=None):
        hosts = hosts_for("sim", "global", "http://127.0.0.1:1")
        self.feed = Feed(hosts, make_arguments(["X"], ["trades"]), {"X": 0}, LiveClock(), print)
        self.events = []
        self.keeper = Keeper(self._publish)
        (self.connection,) = self.feed.connections
        self.feed._publish = self.feed._settle = self._publish
        if is_direct:
            self.feed._put_in(self.keeper.direct.entry, self.keeper.direct.context)
        self.feed.normalizer.connect(1)
        link = self.connection.session.primary
        link.phase = Phase.LIVE
        self.websocket = WebSocket("ws://127.0.0.1:1/")
        ours, self.peer = socket.socketpair()
        if tls is not None:
            self.websocket._tls = tls[0]
            ours, self.peer = agree(ours, self.peer, *tls)
        ours.setblocking(False)
        self.websocket._socket, self.websocket.state = ours, WebSocketState.OPEN
        self.websocket._stage = type(self.websocket._stage).OPEN
        protocol = ClientProtocol(self.websocket._uri, state=State.OPEN)
        self.websocket._protocol = protocol
        self.connection._sockets[link.number] = self.websocket
        watched = (self.websocket.fileno(), self.websocket.events)
        self.connection._registered[link.number] = watched
        self.number = link.number

    def _publish(self, address, n):
        self._collect()
        copied = ctypes.string_at(address, n * SLOT_BYTES)
        self.events += list(np.frombuffer(copied, np.uint8).reshape(n, SLOT_BYTES))

    def _collect(self):
        self.events += self.keeper.take()

    def take(self, wire):
        """Send some bytes and let them be read."""
        self.peer.sendall(wire)
        self.connection._ready(self.number)

    def trades(self):
        """Return the numbers of the prints so far, in order."""
        self._collect()
        rows = [one[: TRADE.itemsize].view(TRADE)[0] for one in self.events if one[0] == Kind.TRADE]
        return [int(one["trade_id"]) for one in rows]

    def close(self):
        self.peer.close()
        self.websocket.abort()


def agree(ours, theirs, client, server):
    """Return both ends of a socket pair once they have agreed on TLS."""
    ours = client.wrap_socket(ours, server_hostname="localhost", do_handshake_on_connect=False)
    with ThreadPoolExecutor(1) as pool:
        wrapped = pool.submit(server.wrap_socket, theirs, server_side=True)
        ours.do_handshake()
        return ours, wrapped.result(timeout=10)


@pytest.fixture(scope="module")
def tls():
    """Give the contexts of a client and of a server it trusts."""
    authority, server = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    authority.issue_cert("localhost").configure_cert(server)
    return client, server


def row(number):
    return (
        f'{{"instId":"X","tradeId":"{number}","px":"100.5","sz":"0.5","side":"buy",'
        '"ts":"9000000","count":"1"}'
    )


def wire_of(style, number):
    """Return the frames of a print or two, as bytes, and the prints' numbers."""
    rows, numbers = row(number), [number]
    if style == TWO_ROWS:
        rows, numbers = f"{rows},{row(number + 1)}", [number, number + 1]
    text = f'{{"arg":{{"channel":"trades","instId":"X"}},"data":[{rows}]}}'
    if style == SPACED:
        text = text.replace(":", ": ")
    if style == NOTICE:
        text, numbers = "pong", []
    if style == FRAGMENTS:
        middle = len(text) // 2
        parts = Frame(Opcode.TEXT, text[:middle].encode(), fin=False).serialize(mask=False)
        return parts + Frame(Opcode.CONT, text[middle:].encode()).serialize(mask=False), numbers
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False), numbers


@pytest.mark.parametrize("how", ["compiled", "python", "tls"])
@given(
    st.lists(st.sampled_from([USUAL, USUAL, USUAL, SPACED, TWO_ROWS, NOTICE, FRAGMENTS])),
    st.lists(st.integers(1, 400), min_size=1),
)
def test_every_print_is_taken_once_and_in_order_wherever_reads_cut(tls, how, styles, cuts):
    line = Line(is_direct=how != "python", tls=tls if how == "tls" else None)
    try:
        first, numbers = wire_of(USUAL, 1)  # its first bytes are known from then on
        line.take(first)
        wire, number = b"", 2
        for style in styles:
            data, added = wire_of(style, number)
            wire += data
            numbers += added
            number += len(added)
        at = k = 0
        while at < len(wire):
            line.take(wire[at : at + cuts[k % len(cuts)]])
            at += cuts[k % len(cuts)]
            k += 1
        assert line.trades() == numbers
        assert line.websocket.n_bytes == len(first) + len(wire)
        assert line.websocket.n_frames == 1 + len(styles)
        assert line.feed.bad_frames == 0
        line._collect()
        stamps = [int(one[: HEAD.itemsize].view(HEAD)[0]["ts_recv"]) for one in line.events]
        assert stamps == sorted(stamps)
    finally:
        line.close()


def test_frames_are_measured_and_stamped_with_the_wall_clock():
    line = Line()
    try:
        for number in range(1, 8):
            line.take(wire_of(USUAL, number)[0])
        assert line.trades() == list(range(1, 8))
        head = line.events[-1][: HEAD.itemsize].view(HEAD)[0]
        assert 0 <= line.feed._clock.now() - int(head["ts_recv"]) < 5_000_000_000
        latency = line.feed.measures.describe()["receive_to_publish_ns"]
        assert 0 < latency["p50"] < 1e9
    finally:
        line.close()
