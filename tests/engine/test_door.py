"""The door: who holds the token commands, everybody else is told no, and nobody is waited for."""

import contextlib
import http.client
import json
import selectors
import socket
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit import clock
from livekit.engine import door as door_module
from livekit.engine.door import Door, read_door
from livekit.engine.door_http import HttpError, parse
from livekit.errors import ConfigError

JUPYTER = "http://localhost:8888"


def _refuse(_request, _by):
    raise ConfigError("not now")


@pytest.fixture
def door(tmp_path):
    """Serve three commands from a thread, as an engine's loop would."""
    selector = selectors.DefaultSelector()
    asked = []
    commands = {
        "kill": lambda request, by: asked.append((request, by)) or {"trading": "HALTED"},
        "pause": _refuse,
        "cancel": lambda request, _by: {"name": request["name"]},
    }
    one = Door(tmp_path, "main", commands, selector)
    one.asked, one.folder = asked, tmp_path
    stop = threading.Event()

    def loop():
        while not stop.is_set():
            for key, _ in selector.select(0.01):
                key.data()
            one.poll(clock.monotonic_ns())

    thread = threading.Thread(target=loop)
    thread.start()
    yield one
    stop.set()
    thread.join()
    one.close()
    selector.close()


def connect(door):
    return http.client.HTTPConnection(door.url.removeprefix("http://"), timeout=10)


def ask(door, verb="kill", body=b"{}", method="POST", **headers):
    """Send one request; return status, the answer's JSON and its headers."""
    _, token = read_door(door.folder)
    sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = connect(door)
    connection.request(method, f"/v1/{verb}", body, {k: v for k, v in sent.items() if v})
    answer = connection.getresponse()
    content = answer.read()
    return answer.status, json.loads(content) if content else None, dict(answer.getheaders())


def test_holder_of_the_token_commands_and_is_named(door):
    status, answer, headers = ask(door, body=b'{"a":1}', Origin=JUPYTER)
    assert (status, answer) == (200, {"ok": {"trading": "HALTED"}})
    assert door.asked == [({"a": 1}, f"page {JUPYTER}")]
    assert headers["Access-Control-Allow-Origin"] == JUPYTER
    assert headers["Cache-Control"] == "no-store"
    assert ask(door, "ping")[1] == {"ok": {"engine": "main"}}


def test_token_lies_in_a_file_of_the_users_alone(door):
    assert (door.folder / "_door").stat().st_mode & 0o777 == 0o600
    assert door.url.startswith("http://127.0.0.1:")
    assert len(read_door(door.folder)[1]) >= 43  # 256 bits


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer x", "Basic x", "Bearer ä".encode()])
def test_without_the_token_nothing_is_done(door, token):
    assert ask(door, Authorization=token)[0] in {403, 400}
    assert door.asked == []


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "https://127.0.0.1.evil.example",
        "http://localhost.evil.example:8888",
        "null",
        "file://",
        "http://desk.example:8888",
    ],
)
def test_page_from_elsewhere_gets_nothing_with_the_token(door, origin):
    status, _, headers = ask(door, Origin=origin)
    assert status == 403
    assert "Access-Control-Allow-Origin" not in headers
    assert ask(door, method="OPTIONS", Origin=origin)[0] == 403
    assert door.asked == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1", "localhost:1"])
def test_name_that_was_made_to_point_here_is_turned_away(door, host):
    assert ask(door, Host=host)[0] == 421
    assert door.asked == []


def test_preflight_of_a_page_of_this_machine_is_granted_and_does_nothing(door):
    status, answer, headers = ask(door, method="OPTIONS", Origin=JUPYTER, Authorization="")
    assert (status, answer) == (204, None)
    assert headers["Access-Control-Allow-Headers"] == "authorization, content-type"
    assert headers["Access-Control-Allow-Methods"] == "POST"
    assert door.asked == []


@pytest.mark.parametrize(
    ("verb", "options", "status"),
    [
        ("kill", {"method": "GET"}, 405),
        ("kill", {"Content_Type": "text/plain"}, 415),
        ("kill", {"body": b"[1]"}, 400),
        ("kill", {"body": b"{" * 4000}, 400),
        ("kill", {"body": b" " * 5000}, 413),
        ("stop", {}, 404),
        ("../kill", {}, 400),
        ("cancel", {}, 400),
        ("pause", {}, 409),
        ("kill", {"X_Long": "x" * 8000}, 431),
    ],
)
def test_wrong_request_has_its_status(door, verb, options, status):
    assert ask(door, verb, **options)[0] == status
    assert door.asked == []


def test_refusal_of_the_engine_comes_as_its_words(door):
    answer = ask(door, "pause")[1]
    assert answer == {"error": {"class": "ConfigError", "message": "not now"}}


def test_who_dawdles_is_dropped_and_the_others_are_served(door, monkeypatch):
    monkeypatch.setattr(door_module, "_PATIENCE_NS", 200_000_000)
    port = int(door.url.rpartition(":")[2])
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]
    for peer in slow:
        peer.sendall(b"POST /v1/kill HTTP/1.1\r\nHost: ")
    assert ask(door, "ping")[0] == 200
    deadline = time.monotonic() + 10
    for peer in slow:
        peer.settimeout(deadline - time.monotonic())
        assert peer.recv(1) == b""
        peer.close()


def test_more_than_sixteen_are_turned_away_at_once(door):
    port = int(door.url.rpartition(":")[2])
    peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(17)]
    peers[-1].settimeout(10)
    assert peers[-1].recv(1) == b""
    for peer in peers:
        peer.close()


HEAD = b"POST /v1/kill HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: +1\r\n\r\na",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n",
        HEAD + b" folded: x\r\n\r\n",
        HEAD + b"Bad Name: x\r\n\r\n",
        HEAD + b"x: \x00\r\n\r\n",
        HEAD + b"Content-Length: 1\r\n\r\nab",
        b"POST http://evil/ HTTP/1.1\r\n\r\n",
        b"POST /a?b HTTP/1.1\r\n\r\n",
        b"POST  / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/2\r\n\r\n",
        "POST /ä HTTP/1.1\r\n\r\n".encode(),
        b"x" * 5000,
    ],
)
def test_laxity_that_was_a_hole_elsewhere_is_refused(text):
    with pytest.raises(HttpError):
        parse(text)


@given(st.binary(max_size=6000) | st.builds(lambda tail: HEAD + tail, st.binary(max_size=200)))
def test_parser_lets_only_its_own_error_out(data):
    with contextlib.suppress(HttpError):
        request = parse(data)
        assert request is None or len(request.body) <= 4096


def test_request_in_pieces_is_whole_only_at_its_end():
    whole = HEAD + b"Content-Length: 2\r\n\r\n{}"
    for end in range(len(whole)):
        assert parse(whole[:end]) is None
    assert parse(whole).body == b"{}"
