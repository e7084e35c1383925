"""The control socket: how commands reach the engine.

A Unix socket in the engine's private folder, mode 0600; the kernel tells the peer's
uid, and another user's is turned away. A request is one line of JSON with a verb from
a fixed list, a reply one line with either `ok` or `error`. Frames are bounded. The
engine looks at the socket once per turn of its loop and never waits for a peer.
Layer 4.
"""

import logging
import os
import selectors
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from livekit.config import CONTROL_FRAME_BYTES
from livekit.errors import LivekitError

__all__ = ["ControlServer", "Handler", "Peer"]

Handler = Callable[[dict[str, Any], "Peer"], dict[str, Any]]

_log: Final = logging.getLogger(__name__)
_CREDENTIALS: Final = struct.Struct("3i")
_MAX_PEERS: Final = 64


class Peer:
    """One connected client: its process, and what it has sent so far."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        self.pid, self.uid, _ = _CREDENTIALS.unpack(raw)
        self.received = bytearray()


class ControlServer:
    """Serves the verbs of a table on a socket, from the engine's own loop.

    Parameters
    ----------
    path : Path
        Where the socket is made.
    verbs : dict
        Verb to function of (request, peer); what it returns is the reply's `ok`.
    selector : selectors.BaseSelector
        The loop's; entries carry a callback as their data.
    """

    def __init__(
        self, path: Path, verbs: dict[str, Handler], selector: selectors.BaseSelector
    ) -> None:
        self._verbs, self._selector, self.path = verbs, selector, path
        self._peers: set[Peer] = set()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        mask = os.umask(0o177)
        try:
            self._socket.bind(str(path))
        finally:
            os.umask(mask)
        self._socket.listen(_MAX_PEERS)
        selector.register(self._socket, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Drop all peers and remove the socket."""
        for peer in list(self._peers):
            self._drop(peer)
        self._selector.unregister(self._socket)
        self._socket.close()
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        connection, _ = self._socket.accept()
        connection.setblocking(False)
        peer = Peer(connection)
        if peer.uid != os.getuid() or len(self._peers) >= _MAX_PEERS:
            _log.warning("control peer refused pid=%d uid=%d", peer.pid, peer.uid)
            connection.close()
            return
        self._peers.add(peer)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._read(peer))

    def _drop(self, peer: Peer) -> None:
        self._peers.discard(peer)
        self._selector.unregister(peer.connection)
        peer.connection.close()

    def _read(self, peer: Peer) -> None:
        try:
            data = peer.connection.recv(CONTROL_FRAME_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        peer.received += data
        if not data or len(peer.received) > CONTROL_FRAME_BYTES:
            self._drop(peer)
            return
        while (end := peer.received.find(b"\n")) >= 0:
            line = bytes(peer.received[:end])
            del peer.received[: end + 1]
            self._answer(peer, line)

    def _answer(self, peer: Peer, line: bytes) -> None:
        reply = msgspec.json.encode(self.handle(line, peer)) + b"\n"
        try:
            peer.connection.sendall(reply)
        except (BlockingIOError, ConnectionError):
            self._drop(peer)  # it does not read: it must ask again

    def handle(self, line: bytes, peer: Peer) -> dict[str, Any]:
        """Return the reply to one request."""
        try:
            request = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError as error:
            return _error("ConfigError", f"request is not a JSON object: {error}", 4)
        verb = request.pop("verb", None)
        handler = self._verbs.get(verb) if isinstance(verb, str) else None
        if handler is None:
            known = ", ".join(sorted(self._verbs))
            return _error("ConfigError", f"verb {verb!r} is unknown; known are {known}", 4)
        try:
            return {"ok": handler(request, peer)}
        except LivekitError as error:
            return _error(type(error).__name__, str(error), error.exit_code)
        except (KeyError, TypeError, ValueError) as error:
            # A request with missing or wrong fields must not end the engine.
            _log.exception("control request failed verb=%s pid=%d", verb, peer.pid)
            return _error("ConfigError", f"request {verb!r} is malformed: {error!r}", 4)


def _error(name: str, message: str, exit_code: int) -> dict[str, Any]:
    return {"error": {"class": name, "message": message, "exit_code": exit_code}}
