"""A client of an exchange made of livekit's own parts: one socket, one REST client, one key."""

import json
import select
import time

from livekit.credentials import Credentials
from livekit.net.rest import RestClient
from livekit.net.websocket import WebSocket, WebSocketState
from livekit.okx.private import LoginDone, parse_private
from livekit.okx.replies import parse_reply


def credentials_of(name, **changes):
    fields = {"key": f"{name}-key", "secret": f"{name}-secret", "passphrase": f"{name}-pass"}
    return Credentials(**(fields | changes))


class Line:
    """One WebSocket to an address, read by the test; `frames` are those that have come."""

    def __init__(self, url):
        self.socket, self.frames, self._n = WebSocket(url), [], 0
        self.wait(lambda: self.socket.state is not WebSocketState.CONNECTING, "open connection")

    def wait(self, is_done, what, seconds=10.0):
        end = time.monotonic() + seconds
        while not is_done():
            assert time.monotonic() < end, f"no {what} in {seconds} s"
            if self.socket.state is WebSocketState.CLOSED:
                raise ConnectionResetError(self.socket.close_code, self.socket.close_reason)
            poll = select.poll()
            write = select.POLLOUT if self.socket.wants_write else 0
            poll.register(self.socket.fileno(), select.POLLIN | write)
            if poll.poll(50):
                self.frames += self.socket.handle()
            self.socket.check(time.monotonic_ns())

    def send(self, frame):
        self.socket.send(frame if isinstance(frame, bytes) else json.dumps(frame).encode())

    def hear(self, is_wanted, what="frame"):
        """Return the first frame not looked at yet for which `is_wanted` holds."""
        found = []

        def look():
            while self._n < len(self.frames) and not found:
                self._n += 1
                if is_wanted(self.frames[self._n - 1]):
                    found.append(self.frames[self._n - 1])
            return bool(found)

        self.wait(look, what)
        return found[0]

    def message(self, kind):
        """Return the next message of a kind of okx/private.py."""
        frame = self.hear(lambda one: isinstance(parse_private(one), kind), kind.__name__)
        return parse_private(frame)

    def log_in(self, key, now_ms=None):
        self.send(key.login((now_ms or time.time_ns() // 1_000_000) // 1000))

    def ask(self, frame):
        """Send an operation and return its reply."""
        self.send(frame)
        request_id = json.loads(frame)["id"] if isinstance(frame, bytes) else frame["id"]
        answer = self.hear(lambda one: json.loads(one).get("id") == request_id, "reply")
        return parse_reply(answer)

    def close(self):
        self.socket.abort()


def logged_in(url, name):
    line = Line(url)
    line.log_in(credentials_of(name))
    line.message(LoginDone)
    return line


def rest_of(url, name, *, is_demo=True, **changes):
    key = credentials_of(name, **changes)
    return RestClient(
        url, sign=lambda call: key.headers(call, time.time_ns() // 1_000_000, is_demo=is_demo)
    )
