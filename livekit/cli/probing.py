"""One question over a WebSocket, and how long its answer took.

Layer 5.
"""

import select
from collections.abc import Callable
from typing import NamedTuple

from livekit import clock
from livekit.net.websocket import WebSocket, WebSocketState

__all__ = ["Reply", "ask_socket"]

_TURN_MS = 50


class Reply(NamedTuple):
    """What came of a question.

    Attributes
    ----------
    frame : bytes
        The answer; empty without one.
    problem : str
        Why there is none, "" if there is.
    is_open : bool
        Whether the connection was opened.
    opened_ns, answered_ns : int
        How long opening took, and the answer after that.
    """

    frame: bytes
    problem: str
    is_open: bool
    opened_ns: int
    answered_ns: int


def ask_socket(
    url: str,
    question: Callable[[], bytes],
    is_answer: Callable[[bytes], bool],
    timeout_s: float,
) -> Reply:
    """Connect, send a question once, and return the first frame that answers it.

    Parameters
    ----------
    question : callable
        Makes the frame to send, when the connection is open.
    timeout_s : float
        For opening, and again for the answer.
    """
    began_ns = clock.monotonic_ns()
    opened_ns = 0
    deadline_ns = began_ns + int(timeout_s * 1e9)
    socket = WebSocket(url, connect_timeout_s=timeout_s)
    try:
        while socket.state is not WebSocketState.CLOSED:
            now_ns = clock.monotonic_ns()
            if opened_ns and now_ns > deadline_ns:
                return Reply(b"", "no answer in time", True, opened_ns, 0)
            socket.check(now_ns)
            for frame in _turn(socket):
                if is_answer(frame):
                    answered_ns = clock.monotonic_ns() - began_ns - opened_ns
                    return Reply(frame, "", True, opened_ns, answered_ns)
            if not opened_ns and socket.state is WebSocketState.OPEN:
                opened_ns = clock.monotonic_ns() - began_ns
                deadline_ns = clock.monotonic_ns() + int(timeout_s * 1e9)
                socket.send(question())
        reason = socket.close_reason or f"closed with code {socket.close_code}"
        return Reply(b"", reason, bool(opened_ns), opened_ns, 0)
    finally:
        socket.abort()


def _turn(socket: WebSocket) -> list[bytes]:
    """Wait until there is something to do, or a moment, and do it."""
    if socket.state is WebSocketState.CLOSED:
        return []
    poll = select.poll()
    wanted = select.POLLIN | (select.POLLOUT if socket.wants_write else 0)
    poll.register(socket.fileno(), wanted)
    return socket.handle() if poll.poll(_TURN_MS) else []
