"""The door: how a page in a browser commands the engine without its notebook's kernel.

A kernel that runs a cell answers a click when the cell ends. A page therefore posts its
commands here: HTTP on 127.0.0.1 at a port that the system chooses, served from the
engine's own selector. What keeps others out, each for a reason:

    token    256 random bits, in a file that only the user can read; compared in constant
             time. Without it nothing is done, whoever asks
    Host     must be this address and port: a foreign name made to point here (DNS
             rebinding) is answered with 421
    Origin   if there is one, must be a page of this machine. The token travels in a header
             that a page may send across origins only after the browser asked (preflight),
             and it asks in vain for any other page
    bounds   8 KiB a request, 16 connections, 5 seconds each; nothing is waited for

Every answer closes its connection. Only POST does anything, and only the commands do.
Layer 4.
"""

import hmac
import json
import logging
import os
import re
import secrets
import selectors
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from livekit import clock
from livekit.engine.commands import Command
from livekit.engine.door_http import HttpError, Request, parse, response
from livekit.errors import LivekitError

__all__ = ["DOOR", "Door", "read_door"]

_log: Final = logging.getLogger(__name__)

DOOR: Final = "_door"
"""File in the engine's folder, mode 0600: where the door is, and its token, as JSON."""

_MAX_CONNECTIONS: Final = 16
_PATIENCE_NS: Final = 5_000_000_000
_WARN_EVERY_NS: Final = 1_000_000_000
_READ_BYTES: Final = 4096
_LOOPBACK: Final = re.compile(r"https?://(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?")


@dataclass(eq=False, slots=True)
class _Visitor:
    """One connection: what it has sent, and until when it may."""

    connection: socket.socket
    until_ns: int
    received: bytearray = field(default_factory=bytearray)


class Door:
    """Serves commands to pages of this machine that hold the token.

    Parameters
    ----------
    folder : Path
        The engine's.
    engine : str
        Its name, which a page may ask for.
    commands : dict of str to Command
    selector : selectors.BaseSelector
        The engine's; entries carry a callback as their data.

    Attributes
    ----------
    url : str
    """

    def __init__(
        self,
        folder: Path,
        engine: str,
        commands: dict[str, Command],
        selector: selectors.BaseSelector,
    ) -> None:
        self._engine, self._selector = engine, selector
        self._commands = commands
        self._visitors: set[_Visitor] = set()
        self._warned_ns = 0
        self._token = secrets.token_urlsafe(32)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(_MAX_CONNECTIONS)
        port = self._socket.getsockname()[1]
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.url = f"http://127.0.0.1:{port}"
        self._write(folder / DOOR)
        selector.register(self._socket, selectors.EVENT_READ, self._accept)

    def _write(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, 0o600), "w") as file:
            json.dump({"url": self.url, "token": self._token}, file)

    def close(self) -> None:
        """Turn everybody away."""
        for visitor in list(self._visitors):
            self._drop(visitor)
        self._selector.unregister(self._socket)
        self._socket.close()

    def poll(self, now_ns: int) -> None:
        """Drop those who take too long."""
        for visitor in [one for one in self._visitors if now_ns > one.until_ns]:
            self._drop(visitor)

    # Connections.

    def _accept(self) -> None:
        try:
            connection, _ = self._socket.accept()
        except OSError:  # gone again already
            return
        connection.setblocking(False)
        if len(self._visitors) >= _MAX_CONNECTIONS:
            connection.close()
            return
        visitor = _Visitor(connection, clock.monotonic_ns() + _PATIENCE_NS)
        self._visitors.add(visitor)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._read(visitor))

    def _drop(self, visitor: _Visitor) -> None:
        self._visitors.discard(visitor)
        self._selector.unregister(visitor.connection)
        visitor.connection.close()

    def _read(self, visitor: _Visitor) -> None:
        try:
            data = visitor.connection.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(visitor)
            return
        visitor.received += data
        origin = ""
        try:
            request = parse(visitor.received)
            if request is None:
                return
            origin = self._check(request)
            answer = self._answer(request, origin)
        except HttpError as error:
            self._warn(error)
            answer = response(error.status, {"error": {"message": str(error)}}, origin)
        self._send(visitor, answer)

    def _send(self, visitor: _Visitor, answer: bytes) -> None:
        """Send an answer, which fits any socket's buffer, and part."""
        try:
            visitor.connection.send(answer)
            visitor.connection.shutdown(socket.SHUT_WR)
        except OSError:
            _log.info("visitor left before the answer")
        self._drop(visitor)

    def _warn(self, error: HttpError) -> None:
        now_ns = clock.monotonic_ns()
        if now_ns - self._warned_ns > _WARN_EVERY_NS:
            self._warned_ns = now_ns
            _log.warning("door refused a request status=%d: %s", error.status, error)

    # Requests.

    def _check(self, request: Request) -> str:
        """Return the origin of a request that may be answered; "" for none."""
        if request.headers.get("host", "").lower() not in self._hosts:
            raise HttpError(421, "host is not this engine's address")
        origin = request.headers.get("origin", "")
        if origin and not _LOOPBACK.fullmatch(origin):
            raise HttpError(403, "origin is not a page of this machine")
        return origin

    def _answer(self, request: Request, origin: str) -> bytes:
        if request.method == "OPTIONS":
            return response(204, None, origin, is_preflight=True)
        if request.method != "POST":
            raise HttpError(405, "method is not POST")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        is_right = hmac.compare_digest(token.encode(), self._token.encode())
        if scheme != "Bearer" or not is_right:
            raise HttpError(403, "token is missing or wrong")
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            raise HttpError(415, "content type is not application/json")
        prefix, _, verb = request.target.rpartition("/")
        if prefix != "/v1" or (verb not in self._commands and verb != "ping"):
            raise HttpError(404, "there is no such command")
        if verb == "ping":
            return response(200, {"ok": {"engine": self._engine}}, origin)
        return self._command(verb, request, origin)

    def _command(self, verb: str, request: Request, origin: str) -> bytes:
        try:
            fields = msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
        except msgspec.DecodeError:
            raise HttpError(400, "body is not a JSON object") from None
        try:
            done = self._commands[verb](fields, f"page {origin or 'without origin'}")
        except LivekitError as error:
            described = {"class": type(error).__name__, "message": str(error)}
            return response(409, {"error": described}, origin)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            # A request with missing or wrong fields must not end the engine.
            raise HttpError(400, f"{verb!r} is malformed: {error!r}") from None
        return response(200, {"ok": done}, origin)


def read_door(folder: Path) -> tuple[str, str] | None:
    """Return (url, token) of a running engine's door; None where it has none."""
    try:
        content = msgspec.json.decode((folder / DOOR).read_bytes(), type=dict[str, str])
        return content["url"], content["token"]
    except (OSError, msgspec.DecodeError, KeyError):
        return None
