"""The private connection of an account: what comes in on it, to whoever it is for.

Layer 4.
"""

import logging
import selectors
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

from livekit import clock
from livekit.engine.okx.connection import Connection
from livekit.errors import FeedError
from livekit.net.backoff import Backoff, ConnectLimiter
from livekit.net.framing import FrameBuffer
from livekit.net.limits import OperationBudget
from livekit.okx.messages import Ack, Failure, Ignored, Notice
from livekit.okx.phases import Send
from livekit.okx.private import ChannelCount, LoginDone, OrderPush, parse_private
from livekit.okx.replies import Reply
from livekit.okx.requests import PRIVATE_CHANNELS
from livekit.okx.session import Session
from livekit.okx.subscriptions import Argument

if TYPE_CHECKING:
    from livekit.okx.phases import Link

__all__ = ["Listener", "PrivateLine"]

_log: Final = logging.getLogger(__name__)

_LOOK_NS: Final = 100_000_000
_MAX_BAD_FRAMES: Final = 10
_MAX_SEEN: Final = 256


class Listener(Protocol):
    """Who hears what comes in."""

    def hear_reply(self, reply: Reply, read_ns: int) -> None:
        """Take the answer to a request."""

    def hear_orders(self, push: OrderPush) -> None:
        """Take rows of orders."""

    def hear_account(self, push: Any) -> None:
        """Take any other push."""

    def came_up(self) -> None:
        """Take note that the line is logged in and subscribed."""

    def went_down(self) -> None:
        """Take note that the line is lost, and with it every answer that was to come."""


class PrivateLine:
    """One private session, kept alive.

    Parameters
    ----------
    url : str
    login : callable
        Returns the login frame for now.
    listener : Listener

    Attributes
    ----------
    bad_frames : int
        Frames that were no message of the exchange.
    """

    def __init__(self, url: str, login: Callable[[], bytes], listener: Listener) -> None:
        self._listener = listener
        arguments = [
            Argument(one["channel"], "", one.get("instType", ""), one.get("extraParams", ""))
            for one in PRIVATE_CHANNELS
        ]
        session = Session(
            arguments, Backoff().delay_ns, ConnectLimiter().admit, OperationBudget, login
        )
        self._connection = Connection(0, "private", url, session, self)
        self._session = session
        self._looked_ns = 0
        self.bad_frames = self._bad_in_a_row = 0
        self._seen: set[str] = set()

    @property
    def is_live(self) -> bool:
        """Whether requests may be sent and pushes be believed."""
        return self._session.primary.is_live

    @property
    def problem(self) -> str:
        """Why it is not live."""
        return "" if self.is_live else self._connection.last_problem or "it is being opened"

    def begin(self, selector: selectors.BaseSelector) -> None:
        """Connect, with the socket in `selector`."""
        self._connection.begin(selector)

    def look_after(self, now_ns: int) -> None:
        """Look at the time; CLOCK_MONOTONIC."""
        if now_ns - self._looked_ns >= _LOOK_NS:
            self._looked_ns = now_ns
            self._connection.tick(now_ns)

    def send(self, frame: bytes) -> None:
        """Hand a frame to the socket in use."""
        self._connection.act((Send(self._session.primary.number, frame),))

    def send_in_place(self, text: FrameBuffer, n: int) -> None:
        """Hand the first `n` bytes of a buffer's text to the socket in use."""
        self._connection.send_in_place(self._session.primary.number, text, n)

    def close(self) -> None:
        """End the connection at once."""
        self._connection.end()

    def describe(self) -> dict[str, Any]:
        """Return what ``livekit status`` shows of the connection."""
        return self._connection.describe(clock.monotonic_ns())

    # What the connection says.

    def stamp(self, age_ns: int = 0) -> int:
        """Return the wall clock's time so long ago, ns since the epoch."""
        return clock.now_ns() - age_ns

    def take_bytes(self, at: int, n: int, read_ns: int) -> tuple[int, int]:
        """Take nothing before it is a frame."""
        del at, n, read_ns
        return 0, 0

    def take(
        self, connection: Connection, link: "Link", frame: bytes, read_ns: int, ts_recv: int
    ) -> None:
        """Take one frame; `read_ns` is CLOCK_MONOTONIC of its read."""
        del ts_recv
        try:
            message = parse_private(frame)
        except FeedError as error:
            self._refuse(connection, link, error)
            return
        self._bad_in_a_row = 0
        self._note_strange(getattr(message, "strange", ()))
        now = clock.monotonic_ns()
        if isinstance(message, OrderPush):
            self._listener.hear_orders(message)
        elif isinstance(message, Reply):
            self._listener.hear_reply(message, read_ns)
        elif isinstance(message, LoginDone):
            connection.act(self._session.logged_in(link.number, now))
        elif isinstance(message, Ack | Failure | Notice):
            connection.act(self._session.hear(link.number, message, now))
        elif isinstance(message, ChannelCount):
            if message.is_exceeded:
                _log.error("channel %s has too many connections; close others", message.channel)
        elif isinstance(message, Ignored):
            self._note_strange((message.what,))
        else:
            self._listener.hear_account(message)

    def _note_strange(self, found: tuple[str, ...]) -> None:
        """Log what nobody knows, each once; beyond a bound of them no more."""
        for what in found:
            if what not in self._seen and len(self._seen) < _MAX_SEEN:
                self._seen.add(what)
                _log.warning("ignored from now on: %s", what)

    def announce(self, connection: Connection) -> None:
        """Take note that the session is live."""
        del connection
        self._listener.came_up()

    def lose(self, connection: Connection, keys: set[tuple[str, str]]) -> None:
        """Take note that the session is not live any more."""
        del connection, keys
        self._listener.went_down()

    def _refuse(self, connection: Connection, link: "Link", error: FeedError) -> None:
        self.bad_frames += 1
        self._bad_in_a_row += 1
        if self.bad_frames <= _MAX_BAD_FRAMES:
            _log.error("private frame refused: %s", error)
        if self._bad_in_a_row >= _MAX_BAD_FRAMES:
            self._bad_in_a_row = 0
            connection.drop(link, f"{_MAX_BAD_FRAMES} frames in a row are no messages")
