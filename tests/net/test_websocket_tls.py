"""One WebSocket over TLS, as the exchange has it: a real server, a real chain of certificates."""

import ctypes
import selectors
import ssl
import threading
import time

import pytest
import trustme
from websockets.sync.server import serve

from livekit.net.framing import FrameBuffer
from livekit.net.websocket import WebSocket, WebSocketState

SIZES = (3, 0, 200, 16_384, 70_000, 5)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def served(authority):
    """Give a function that serves a handler under a name's certificate; it returns the port."""
    servers = []

    def start(handler, name="localhost"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(context)
        server = serve(
            handler, "127.0.0.1", 0, ssl=context, compression=None, max_size=None, close_timeout=0.2
        )
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        servers.append((server, thread))
        return server.socket.getsockname()[1]

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()


def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def wait(websocket, until, take, timeout_s=10.0):
    """Turn a selector until `until()`, with `take` on whatever may be read."""
    deadline = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < deadline, (websocket.state, websocket.close_reason)
        if websocket.state is WebSocketState.CLOSED:
            return
        with selectors.SelectSelector() as selector:
            selector.register(websocket.fileno(), websocket.events)
            if selector.select(0.05):
                take()


def read_in_place(websocket):
    """Read as a feed does that leaves every frame to the socket."""
    messages = []
    while n := websocket.read():
        messages += websocket.take(n)
        if not websocket.is_holding:
            break
    return messages


@pytest.mark.parametrize("way", [WebSocket.handle, read_in_place])
def test_messages_of_any_size_arrive_whole_and_in_order(served, authority, way):
    texts = [chr(97 + k) * size for k, size in enumerate(SIZES)]

    def handler(connection):
        for text in texts:
            connection.send(text)
        connection.recv()

    port = served(handler)
    websocket = WebSocket(f"wss://localhost:{port}/ws", tls=trusting(authority))
    messages = []

    def take():
        take_now = way if websocket.is_plain else WebSocket.handle
        messages.extend(take_now(websocket))

    wait(websocket, lambda: len(messages) == len(texts), take)
    assert [one.decode() for one in messages] == texts
    assert websocket.n_frames == len(texts)
    websocket.abort()


def test_text_sent_in_place_arrives(served, authority):
    heard = []

    def handler(connection):
        heard.extend(connection.recv() for _ in range(2))
        connection.send("done")

    port = served(handler)
    websocket = WebSocket(f"wss://localhost:{port}/ws", tls=trusting(authority))
    wait(websocket, lambda: websocket.state is WebSocketState.OPEN, websocket.handle)
    buffer = FrameBuffer(512)
    for text in (b"one", b"x" * 400):
        ctypes.memmove(buffer.address, text, len(text))
        websocket.send_in_place(buffer, len(text))
    answers = []
    wait(websocket, lambda: bool(answers), lambda: answers.extend(websocket.handle()))
    assert heard == ["one", "x" * 400]
    assert answers == [b"done"]
    websocket.abort()


def closed_by(url, tls=None):
    """Return why a connection that is not to be came to nothing."""
    websocket = WebSocket(url, tls=tls)
    wait(websocket, lambda: websocket.state is WebSocketState.CLOSED, websocket.handle)
    return websocket.close_reason


def test_certificate_of_nobody_that_is_trusted_is_refused(served):
    said = closed_by(f"wss://localhost:{served(lambda _connection: None)}/ws")
    assert said.startswith("agreeing on TLS: certificate not trusted (")


def test_certificate_of_another_name_is_refused(served, authority):
    port = served(lambda _connection: None, name="exchange.example")
    said = closed_by(f"wss://localhost:{port}/ws", trusting(authority))
    assert said.startswith("agreeing on TLS: certificate not trusted (Hostname mismatch")


def test_server_without_tls_is_refused(authority):
    with serve(lambda _connection: None, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = server.socket.getsockname()[1]
        said = closed_by(f"wss://localhost:{port}/ws", trusting(authority))
        server.shutdown()
        thread.join()
    assert said.startswith("agreeing on TLS: ")
