"""One session of the feed with its sockets: does what the session says.

Layer 4.
"""

import logging
import selectors
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final, Protocol

from livekit import clock
from livekit.net.framing import FrameBuffer
from livekit.net.websocket import WebSocket, WebSocketState
from livekit.okx.messages import BOOK_CHANNELS, BookPush, CandlePush, TickerPush, TradePush
from livekit.okx.phases import Action, Alarm, Close, Down, Link, Open, Phase, Send, Swap, Up
from livekit.okx.session import Session
from livekit.store.recorder_raw import RawLog

__all__ = ["Connection", "MarketPush", "Owner"]

_log: Final = logging.getLogger(__name__)

MarketPush = BookPush | TradePush | TickerPush | CandlePush


class Owner(Protocol):
    """Who a connection is for: the feed, or an account's private line."""

    def stamp(self, age_ns: int = 0) -> int:
        """Return the wall clock's time so long ago, ns since the epoch."""

    def take(
        self, connection: "Connection", link: Link, frame: bytes, read_ns: int, ts_recv: int
    ) -> None:
        """Take one frame of a link."""

    def take_bytes(self, at: int, n: int, read_ns: int) -> tuple[int, int]:
        """Take what it can of the front of `n` bytes read; return how many bytes, and frames."""

    def announce(self, connection: "Connection") -> None:
        """Take note that the session is live."""

    def lose(self, connection: "Connection", keys: set[tuple[str, str]]) -> None:
        """Take note that the session is not live any more."""


class Connection:
    """A session and the sockets of its links.

    Parameters
    ----------
    number : int
    name : str
        Of its raw frames' files.
    url : str
    session : Session
    feed : Owner
        Gets the frames.
    raw : RawLog, optional
        Keeps them as they came.

    Attributes
    ----------
    up_ns : int
        CLOCK_MONOTONIC of when the session was last live from nothing.
    last_problem : str
        Why it was last not live.
    symbols : set of str
        Instruments that it carries something of.
    """

    def __init__(
        self,
        number: int,
        name: str,
        url: str,
        session: Session,
        feed: "Owner",
        raw: RawLog | None = None,
    ) -> None:
        self.number, self.name, self.url = number, name, url
        self.session, self._feed, self._raw = session, feed, raw
        self._selector: selectors.BaseSelector | None = None
        self._sockets: dict[int, WebSocket] = {}
        self._registered: dict[int, tuple[int, int]] = {}
        self._taken_over: set[tuple[str, str]] = set()
        self._keys = {(one.channel, one.symbol) for one in session.arguments}
        self._arguments = {(one.channel, one.symbol): one for one in session.arguments}
        self.symbols = {one.symbol for one in session.arguments}
        self.up_ns = 0
        self.last_problem = ""
        self.n_frames = self.n_bytes = 0

    def begin(self, selector: selectors.BaseSelector) -> None:
        """Let the session connect."""
        self._selector = selector
        self.tick(clock.monotonic_ns())

    def end(self) -> None:
        """Close every socket at once."""
        for number in list(self._sockets):
            self._forget(number)
        if self._raw is not None:
            self._raw.close()

    def keep(self, ts_recv: int, frame: bytes, *, is_spare: bool = False) -> None:
        """Keep a frame as it came, where raw frames are kept."""
        if self._raw is not None:
            self._raw.append(ts_recv, frame, is_spare=is_spare)

    def mark(self, ts: int, what: dict[str, Any]) -> None:
        """Note beside the raw frames what the feed did without one."""
        if self._raw is not None:
            self._raw.mark(ts, what)

    def tick(self, now: int) -> None:
        """Look at the time; CLOCK_MONOTONIC."""
        for number, websocket in list(self._sockets.items()):
            websocket.check(now)
            if websocket.state is WebSocketState.CLOSED:
                self._ended(number, websocket)
        self.act(self.session.tick(now))

    # Sockets.

    def _open(self, number: int) -> None:
        if self.session.spare is not None and number == self.session.spare.number:
            self._taken_over.clear()
        websocket = WebSocket(self.url)
        self._sockets[number] = websocket
        self._watch(number, websocket)

    def _watch(self, number: int, websocket: WebSocket) -> None:
        """Keep the selector up to date: descriptor and mask change while a socket opens."""
        assert self._selector is not None
        if websocket.state is WebSocketState.CLOSED:  # a closed descriptor breaks the selector
            self._unwatch(number)
            return
        wanted = (websocket.fileno(), websocket.events)
        known = self._registered.get(number)
        if known == wanted:
            return
        if known is not None and known[0] != wanted[0]:
            self._selector.unregister(known[0])
            known = None
        put = self._selector.register if known is None else self._selector.modify
        put(wanted[0], wanted[1], partial(self._ready, number))
        self._registered[number] = wanted

    def _unwatch(self, number: int) -> None:
        known = self._registered.pop(number, None)
        if known is not None and self._selector is not None:
            self._selector.unregister(known[0])

    def _forget(self, number: int) -> None:
        websocket = self._sockets.pop(number, None)
        if websocket is None:
            return
        self._unwatch(number)
        self.n_frames += websocket.n_frames
        self.n_bytes += websocket.n_bytes
        websocket.close()
        websocket.abort()

    def _ready(self, number: int) -> None:
        """Do what a socket allows: the way from the wire to the rings begins here."""
        websocket = self._sockets.get(number)
        if websocket is None:
            return
        session = self.session
        link = session.primary
        if (
            link.number == number
            and self._raw is None
            and session.spare is None
            and link.phase is not Phase.SUBSCRIBING
            and websocket.is_plain
        ):
            frames = self._read_direct(websocket, link)
            if frames is None:
                return
        else:
            frames = websocket.handle()
        self._go_on(number, websocket, frames)

    def _read_direct(self, websocket: WebSocket, link: Link) -> list[bytes] | None:
        """Let the feed take usual frames where they were read; return the others.

        None when there was nothing else, which is nearly always.
        """
        frames: list[bytes] = []
        while n := websocket.read():
            at, n_frames = 0, 0
            if not frames:  # frames are taken in their order
                read_ns = websocket.received_ns
                self.session.heard(link, read_ns)
                at, n_frames = self._feed.take_bytes(websocket.inbox.address, n, read_ns)
            frames += websocket.take(n, at, n_frames)
            if at == n and not websocket.is_holding:
                return frames or None
            if not websocket.is_plain or not websocket.is_holding:
                break
        return frames

    def _go_on(self, number: int, websocket: WebSocket, frames: list[bytes]) -> None:
        """Give frames to the feed, and see what became of the socket."""
        link = self.session.find(number)
        if link is not None and link.phase is Phase.CONNECTING and self._is_open(websocket):
            self.act(self.session.opened(number, clock.monotonic_ns()))
        if frames and link is not None:
            self._take(number, websocket, link, frames)
        if self._sockets.get(number) is not websocket:
            return
        if websocket.state is WebSocketState.CLOSED:
            self._ended(number, websocket)
        elif self._registered[number] != (websocket.fileno(), websocket.events):
            self._watch(number, websocket)

    def _take(self, number: int, websocket: WebSocket, link: Link, frames: list[bytes]) -> None:
        """Give frames to the feed, until one of them ends the socket they came on."""
        read_ns = websocket.received_ns
        self.session.heard(link, read_ns)
        ts_recv = self._feed.stamp(clock.monotonic_ns() - read_ns)
        for frame in frames:
            self._feed.take(self, link, frame, read_ns, ts_recv)
            if self._sockets.get(number) is not websocket:
                return

    @staticmethod
    def _is_open(websocket: WebSocket) -> bool:
        return websocket.state is WebSocketState.OPEN

    def _ended(self, number: int, websocket: WebSocket) -> None:
        code, reason = websocket.close_code, websocket.close_reason
        self._forget(number)
        self.act(self.session.closed(number, code, reason, clock.monotonic_ns()))

    # The session.

    def act(self, actions: Iterable[Action]) -> None:
        """Do what the session says, in order."""
        for action in actions:
            if isinstance(action, Send):
                websocket = self._sockets.get(action.link)
                if websocket is not None:
                    websocket.send(action.frame)
                    self._watch(action.link, websocket)
            elif isinstance(action, Open):
                self._open(action.link)
            elif isinstance(action, Close):
                _log.info("connection %d closed: %s", self.number, action.reason)
                self._forget(action.link)
                if self.session.spare is not None and action.link == self.session.spare.number:
                    self._taken_over.clear()
                self.last_problem = action.reason
            else:
                self._tell(action)

    def send_in_place(self, number: int, text: FrameBuffer, n: int) -> None:
        """Send the first `n` bytes of a buffer's text over a link's socket, if there is one."""
        websocket = self._sockets.get(number)
        if websocket is not None:
            websocket.send_in_place(text, n)
            if websocket.state is WebSocketState.CLOSED or websocket.wants_write:
                self._watch(number, websocket)

    def _tell(self, action: Up | Down | Swap | Alarm) -> None:
        if isinstance(action, Alarm):
            _log.error("connection %d: %s", self.number, action.text)
        elif isinstance(action, Swap):
            self._taken_over.clear()
            _log.info("connection %d replaced", self.number)
        elif isinstance(action, Up):
            self.up_ns = clock.monotonic_ns()
            _log.info("connection %d live url=%s", self.number, self.url)
            self._feed.announce(self)
        else:
            _log.warning("connection %d down: %s", self.number, action.reason)
            kept, self._taken_over = self._taken_over, set()
            self._feed.lose(self, self._keys - kept)

    def drop(self, link: Link, reason: str) -> None:
        """End a link's connection; the session will make another."""
        self._forget(link.number)
        self.act(self.session.closed(link.number, 1006, reason, clock.monotonic_ns()))

    def is_settled(self, link: Link) -> bool:
        """Tell whether a link's frames concern nothing but the market."""
        return link.phase is not Phase.SUBSCRIBING and self.session.spare is None

    def is_superseded(self, link: Link, message: MarketPush) -> bool:
        """Tell whether another link's data count in place of this message.

        While a spare link is subscribing, both bring everything. A full book belongs to
        the spare from its snapshot on; prints and whole books are told apart by their
        numbers; tickers of the spare wait until it is in use.
        """
        if self.session.spare is None:
            return False
        is_spare = link is self.session.spare
        if isinstance(message, BookPush) and message.channel in BOOK_CHANNELS:
            key = (message.channel, message.symbol)
            if is_spare and message.is_snapshot:
                self._taken_over.add(key)
            return is_spare != (key in self._taken_over)
        return is_spare and isinstance(message, TickerPush)

    def note_push(
        self, link: Link, message: MarketPush, broken: Sequence[tuple[str, str]], now: int
    ) -> None:
        """Take note of market data: acknowledgements, books that broke or came back."""
        session = self.session
        if session.resyncing and isinstance(message, BookPush) and message.is_snapshot:
            session.restored(self._arguments[message.channel, message.symbol])
        if link.phase is Phase.SUBSCRIBING:
            channel = _channel_of(message)
            argument = self._arguments.get((channel, message.symbol))
            if argument is not None:
                self.act(session.seen(link.number, argument, now))
        for key in broken:
            _log.warning("book broken channel=%s symbol=%s", *key)
            if key in self._arguments:
                self.act(session.resync(self._arguments[key], now))

    def note_kind(self, link: Link, now: int) -> None:
        """Take an instruments push for the acknowledgement of its subscription."""
        if link.phase is Phase.SUBSCRIBING:
            for argument in list(link.pending.values()):
                if argument.channel == "instruments":
                    self.act(self.session.seen(link.number, argument, now))

    def describe(self, now: int) -> dict[str, Any]:
        """Return what ``livekit status`` shows of the connection."""
        link = self.session.primary
        websocket = self._sockets.get(link.number)
        n_frames = self.n_frames + (websocket.n_frames if websocket is not None else 0)
        n_bytes = self.n_bytes + (websocket.n_bytes if websocket is not None else 0)
        refused = {
            f"{one.channel} {one.symbol}".strip(): text for one, text in link.refused.items()
        }
        n_asked = len(self.session.arguments)
        is_live = link.is_live
        return {
            "url": self.url,
            "state": link.phase.name.lower(),
            "is_replacing": self.session.spare is not None,
            "subscribed": n_asked - len(refused) - len(link.pending) if is_live else 0,
            "subscriptions": n_asked,
            "refused": refused,
            "heard_ago_s": (now - link.heard_ns) / 1e9 if link.heard_ns else None,
            "connects": self.session.n_connects,
            "resyncs": self.session.n_resyncs,
            "frames": n_frames,
            "bytes": n_bytes,
            "problem": "" if is_live else self.last_problem,
            "raw": None if self._raw is None else self._raw.describe(),
        }


def _channel_of(message: MarketPush) -> str:
    if isinstance(message, BookPush | CandlePush):
        return message.channel
    return "trades" if isinstance(message, TradePush) else "tickers"
