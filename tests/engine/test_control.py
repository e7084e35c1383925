"""The control socket: replies, refusals, bounds, and peers that misbehave."""

import json
import os
import selectors
import socket
import threading

import pytest

from livekit.config import CONTROL_FRAME_BYTES
from livekit.engine.control import ControlServer
from livekit.errors import NotFoundError


def _missing(_request, _peer):
    raise NotFoundError("nothing is here")


@pytest.fixture
def server(tmp_path):
    """Serve three verbs from a thread, as an engine's loop would."""
    selector = selectors.DefaultSelector()
    verbs = {
        "echo": lambda request, peer: {"got": request, "uid": peer.uid},
        "missing": _missing,
        "needs": lambda request, _peer: {"name": request["name"]},
    }
    control = ControlServer(tmp_path / "_control", verbs, selector)
    stop = threading.Event()

    def loop():
        while not stop.is_set():
            for key, _ in selector.select(0.01):
                key.data()

    thread = threading.Thread(target=loop)
    thread.start()
    yield control
    stop.set()
    thread.join()
    control.close()
    selector.close()
    assert not control.path.exists()


def ask(server, *lines):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(10)
        peer.connect(str(server.path))
        peer.sendall(b"".join(lines))
        stream = peer.makefile("rb")
        return [json.loads(stream.readline()) for _ in lines]


def test_request_is_answered_with_what_its_verb_returns(server):
    (answer,) = ask(server, b'{"verb":"echo","a":1}\n')
    assert answer == {"ok": {"got": {"a": 1}, "uid": os.getuid()}}


def test_several_requests_in_one_frame_are_answered_in_order(server):
    answers = ask(server, *(b'{"verb":"echo","a":%d}\n' % k for k in range(5)))
    assert [answer["ok"]["got"]["a"] for answer in answers] == [0, 1, 2, 3, 4]


def test_error_of_a_verb_keeps_its_class_and_exit_code(server):
    (answer,) = ask(server, b'{"verb":"missing"}\n')
    assert answer["error"] == {
        "class": "NotFoundError",
        "message": "nothing is here",
        "exit_code": 2,
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"\n", "request is not a JSON object"),
        (b"\xff\xfe\n", "request is not a JSON object"),
        (b"[1]\n", "request is not a JSON object"),
        (b'{"verb":"launch"}\n', "verb 'launch' is unknown; known are echo, missing, needs"),
        (b'{"verb":7}\n', "verb 7 is unknown"),
        (b'{"verb":"needs"}\n', "request 'needs' is malformed: KeyError"),
    ],
)
def test_wrong_request_gets_an_error_and_the_next_one_an_answer(server, line, message):
    wrong, right = ask(server, line, b'{"verb":"echo"}\n')
    assert message in wrong["error"]["message"]
    assert wrong["error"]["exit_code"] == 4
    assert "ok" in right


def test_frame_beyond_the_bound_is_cut_off(server):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        peer.settimeout(10)
        peer.connect(str(server.path))
        try:
            peer.sendall(b"x" * (2 * CONTROL_FRAME_BYTES))
            assert peer.recv(1) == b""
        except (ConnectionResetError, BrokenPipeError):
            pass  # cut off while still sending: the same refusal
    assert "ok" in ask(server, b'{"verb":"echo"}\n')[0]


def test_socket_is_the_users_alone(server):
    assert server.path.stat().st_mode & 0o777 == 0o600
