"""One WebSocket over real sockets: opening, frames in every cut, limits, endings."""

import contextlib
import ctypes
import selectors
import socket
import threading
import time

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.sync.server import serve

from livekit import clock
from livekit.errors import ConfigError
from livekit.net.framing import FrameBuffer
from livekit.net.websocket import MAX_FRAME_BYTES, WebSocket, WebSocketState


@pytest.fixture
def served():
    """Give a function that serves WebSockets with a handler and returns the address."""
    servers = []

    def start(handler):
        server = serve(handler, "127.0.0.1", 0, compression=None, max_size=None, close_timeout=0.2)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()


OPENED = []


def connect(url, **options):
    """Return a WebSocket that is ended with its test."""
    OPENED.append(WebSocket(url, **options))
    return OPENED[-1]


@pytest.fixture(autouse=True)
def _ended():
    yield
    while OPENED:
        OPENED.pop().abort()


def run(websocket, until, timeout_s=10.0):
    """Turn a selector until `until(messages)`; return the messages."""
    messages = []
    deadline = time.monotonic() + timeout_s
    while not until(messages):
        assert time.monotonic() < deadline, (websocket.state, websocket.close_reason)
        if websocket.state is WebSocketState.CLOSED:
            break
        with selectors.SelectSelector() as selector:
            selector.register(websocket.fileno(), websocket.events)
            selector.select(0.01)
        websocket.check(clock.monotonic_ns())
        messages += websocket.handle()
    return messages


def is_open(websocket):
    return lambda _messages: websocket.state is WebSocketState.OPEN


def is_closed(websocket):
    return lambda _messages: websocket.state is WebSocketState.CLOSED


def test_messages_arrive_whole_and_in_order(served):
    websocket = connect(served(lambda peer: [peer.send(f"m{k}") for k in range(300)]))
    messages = run(websocket, lambda got: len(got) == 300)
    assert messages == [b"m%d" % k for k in range(300)]
    assert websocket.received_ns > 0


def test_frames_of_every_length_field_arrive(served):
    sizes = (0, 1, 125, 126, 65535, 65536, MAX_FRAME_BYTES)
    websocket = connect(served(lambda peer: [peer.send("x" * size) for size in sizes]))
    assert [len(one) for one in run(websocket, lambda got: len(got) == len(sizes))] == list(sizes)


def test_message_in_fragments_is_put_together_between_whole_ones(served):
    def handler(peer):
        peer.send("first")
        peer.send(["a", "b", "c"])
        peer.send("last")

    websocket = connect(served(handler))
    assert run(websocket, lambda got: len(got) == 3) == [b"first", b"abc", b"last"]


def test_sent_text_reaches_the_peer_and_pings_are_answered(served):
    heard = []

    def handler(peer):
        peer.ping().wait(5)
        heard.append(peer.recv())
        peer.send("done")

    websocket = connect(served(handler))
    run(websocket, is_open(websocket))
    websocket.send(b"hello")
    assert run(websocket, lambda got: got) == [b"done"]
    assert heard == ["hello"]


def test_close_code_and_reason_of_the_peer_are_told(served):
    websocket = connect(served(lambda peer: peer.close(4001, "login failed")))
    run(websocket, is_closed(websocket))
    assert (websocket.close_code, websocket.close_reason) == (4001, "login failed")


def test_frame_beyond_the_limit_ends_the_connection(served):
    def handler(peer):
        with contextlib.suppress(Exception):
            peer.send("x" * (MAX_FRAME_BYTES * 2))

    websocket = connect(served(handler))
    assert run(websocket, is_closed(websocket)) == []
    assert websocket.close_code == 1009


def test_own_close_waits_for_the_peers(served):
    websocket = connect(served(list))
    run(websocket, is_open(websocket))
    websocket.close()
    run(websocket, is_closed(websocket))
    assert websocket.close_code == 1000


def test_refused_connection_says_so():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    websocket = connect(f"ws://127.0.0.1:{port}/")
    run(websocket, is_closed(websocket))
    assert websocket.close_code == 1006
    assert websocket.close_reason == "connecting: connection refused"


def test_name_is_resolved_off_the_loop(served):
    websocket = connect(served(lambda peer: peer.send("hi")).replace("127.0.0.1", "localhost"))
    assert run(websocket, lambda got: got) == [b"hi"]


def test_unknown_name_says_so():
    websocket = connect("ws://no-such-host.invalid/")
    run(websocket, is_closed(websocket), timeout_s=60)
    assert websocket.close_reason.startswith("resolving its name: ")


def listen():
    """Return a socket that accepts and says nothing."""
    silent = socket.socket()
    silent.bind(("127.0.0.1", 0))
    silent.listen()
    return silent, f"//127.0.0.1:{silent.getsockname()[1]}/"


@pytest.mark.parametrize(
    ("scheme", "stage"), [("ws:", "waiting for the answer"), ("wss:", "agreeing on TLS")]
)
def test_slow_handshake_is_given_up(scheme, stage):
    silent, rest = listen()
    with silent:
        websocket = connect(scheme + rest, connect_timeout_s=0.2)
        run(websocket, is_closed(websocket))
    assert websocket.close_reason.startswith(f"timed out {stage}")


def test_answer_that_is_no_http_is_refused():
    silent, rest = listen()
    with silent:
        websocket = connect(f"ws:{rest}")
        run(websocket, lambda _got: websocket.wants_write or websocket.fileno() > 0)
        threading.Thread(target=answer, args=(silent, b"SSH-2.0-none\r\n\r\n")).start()
        run(websocket, is_closed(websocket))
    assert websocket.close_code == 1006


def answer(silent, data):
    peer, _ = silent.accept()
    with peer:
        peer.recv(65536)
        peer.sendall(data)


@pytest.fixture
def opened():
    """Give an open connection whose wire is in the test's hand: (websocket, its peer)."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    websocket = connect("ws://127.0.0.1:1/")
    websocket._socket = ours
    websocket.state = WebSocketState.OPEN
    websocket._stage = type(websocket._stage).OPEN
    yield websocket, theirs
    theirs.close()


def read_directly(websocket):
    """Read as a feed does that takes every frame of 3 bytes itself."""
    n = websocket.read()
    data = ctypes.string_at(websocket.inbox.address, n)
    at = 5 if data.startswith(b"\x81\x03") and n >= 5 else 0
    return [data[2:at]] * (at > 0) + websocket.take(n, at, int(at > 0))


@pytest.mark.parametrize("way", [WebSocket.handle, read_directly])
@pytest.mark.parametrize("cut", range(1, 12))
def test_frames_cut_anywhere_are_the_same_frames(opened, cut, way):
    websocket, peer = opened
    wire = b"".join(
        Frame(Opcode.TEXT, b"y" * size).serialize(mask=False) for size in (3, 200, 0, 70_000)
    )
    messages = []
    for start in range(0, 700, cut):
        peer.sendall(wire[start : min(700, start + cut)])
        messages += way(websocket)
    peer.sendall(wire[700:])
    while len(messages) < 4:
        messages += way(websocket)
    assert [len(one) for one in messages] == [3, 200, 0, 70_000]
    assert websocket.n_frames == 4
    assert websocket.n_bytes == len(wire)


def test_read_of_a_connection_that_ended_ends_it(opened):
    websocket, peer = opened
    peer.close()
    assert websocket.read() == 0
    assert (websocket.state, websocket.close_code) == (WebSocketState.CLOSED, 1006)


def unmask(wire):
    """Return the texts in a client's frames, as `websockets` reads them."""
    server = ServerProtocol(state=State.OPEN)
    server.receive_data(wire)
    return [bytes(frame.data) for frame in server.events_received()]


def say(websocket, buffer, text):
    ctypes.memmove(buffer.address, text, len(text))
    websocket.send_in_place(buffer, len(text))


def test_text_sent_in_place_is_the_text_that_arrives(opened):
    websocket, peer = opened
    buffer = FrameBuffer(512)
    texts = [b"z" * n for n in (1, 7, 8, 125, 126, 127, 512)]
    for text in texts:
        say(websocket, buffer, text)
    assert unmask(peer.recv(65536)) == texts


def test_text_sent_in_place_waits_behind_what_the_peer_did_not_read(opened):
    websocket, peer = opened
    buffer, sent = FrameBuffer(4096), []
    websocket._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    while not websocket.wants_write:
        sent.append(b"%d" % len(sent) * 1000)
        say(websocket, buffer, sent[-1])
    sent.append(b"last")
    say(websocket, buffer, b"last")
    wire, peer_done = b"", False
    peer.setblocking(False)
    while not peer_done:
        with contextlib.suppress(BlockingIOError):
            wire += peer.recv(65536)
        websocket.handle()
        peer_done = unmask(wire)[-1:] == [b"last"]
    assert unmask(wire) == sent


def test_text_sent_in_place_to_a_peer_that_is_gone_ends_the_connection(opened):
    websocket, peer = opened
    peer.close()
    say(websocket, FrameBuffer(64), b"x")
    assert websocket.state is WebSocketState.CLOSED
    assert "pipe" in websocket.close_reason
    say(websocket, FrameBuffer(64), b"x")  # into nothing, without an error


@pytest.mark.parametrize("url", ["http://x/", "x", "ws://", ""])
def test_address_that_is_no_websocket_is_refused(url):
    with pytest.raises(ConfigError, match="begins with ws:// or wss://"):
        WebSocket(url)
