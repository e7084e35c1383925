"""The other end of the control socket: one call, one reply.

Layer 4.
"""

import socket
import time
from typing import Any

import msgspec

from livekit import errors
from livekit.config import CONTROL_FRAME_BYTES
from livekit.engine.folder import CONTROL, require_running
from livekit.errors import DeadlineError, LivekitError, NotRunningError

__all__ = ["call", "raise_error"]


def call(engine: str, verb: str, *, timeout_s: float = 10.0, **fields: Any) -> dict[str, Any]:
    """Send one request to an engine and return its reply.

    Raises
    ------
    NotRunningError
        No engine of that name runs, or it went away.
    DeadlineError
        It did not answer within `timeout_s`.
    LivekitError
        Whatever the engine refused the request with.
    """
    require_running(engine)
    line = msgspec.json.encode({"verb": verb, **fields}) + b"\n"
    deadline = time.monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            _connect(connection, engine, deadline)
            connection.sendall(line)
            reply = _read_line(connection)
        except TimeoutError:
            raise DeadlineError(
                f"engine {engine!r} did not answer {verb!r} within {timeout_s:g} s; look at "
                "'livekit logs _engine', or end it with 'livekit engine stop --force'"
            ) from None
        except ConnectionError:
            raise NotRunningError(f"engine {engine!r} went away while asked to {verb!r}") from None
    answer = msgspec.json.decode(reply, type=dict[str, Any])
    if "error" in answer:
        raise_error(answer["error"])
    return dict(answer["ok"])


def _connect(connection: socket.socket, engine: str, deadline: float) -> None:
    """Connect; an engine that has its lock but not its socket is about to have it, or dying."""
    while True:
        path = require_running(engine) / CONTROL
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > deadline:
                raise TimeoutError from None
            time.sleep(0.005)
        else:
            return


def _read_line(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        data = connection.recv(CONTROL_FRAME_BYTES)
        if not data:
            raise ConnectionResetError
        received += data
    return bytes(received)


def raise_error(error: dict[str, Any]) -> None:
    """Raise the error that another process described, as its own class."""
    kind = getattr(errors, str(error.get("class")), LivekitError)
    if not (isinstance(kind, type) and issubclass(kind, LivekitError)):
        kind = LivekitError
    raise kind(str(error.get("message")))
