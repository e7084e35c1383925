"""The exchange's public market data: sockets, sessions and books, in the engine's own loop.

A readable socket is read, its frames are decoded, the books updated and the events put
through the engine's pump in one call: nothing between the socket and the rings is
queued or handed to another task. Connections that share instruments share one
`Normalizer`, so that an instrument has one quote however many channels make it.
Layer 4.
"""

import logging
import selectors
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from livekit import clock
from livekit.engine.okx.clock import LiveClock
from livekit.engine.okx.connection import Connection
from livekit.engine.okx.measures import Measures
from livekit.engine.okx.reading import READING, read_frames
from livekit.engine.source import Direct, Publish
from livekit.errors import FeedError
from livekit.net.backoff import Backoff, ConnectLimiter
from livekit.net.limits import OperationBudget
from livekit.okx.hosts import Hosts
from livekit.okx.market import Normalizer
from livekit.okx.messages import (
    Ack,
    BookPush,
    CandlePush,
    Failure,
    FundingPush,
    InstrumentsPush,
    Message,
    Notice,
    TickerPush,
    TradePush,
    parse,
)
from livekit.okx.phases import Link
from livekit.okx.session import Session
from livekit.okx.subscriptions import Argument, split
from livekit.ring.layout import aligned_zeros
from livekit.store.recorder_raw import RawLog

__all__ = ["Feed"]

_log: Final = logging.getLogger(__name__)

_LOOK_NS: Final = 100_000_000
_SECOND_NS: Final = 1_000_000_000
_SNAPSHOT_NS: Final = 10 * _SECOND_NS
_QUIET_BOOK_NS: Final = 90 * _SECOND_NS  # heartbeats come every 60 s
_MAX_BAD_FRAMES: Final = 10
_TS: Final = int(READING.fields["ts"][1]) // 8  # type: ignore[index]


def _drop(_address: int, _n: int) -> None:
    """Put events nowhere: nobody has begun."""


class Feed:
    """The public connections of one engine.

    Parameters
    ----------
    hosts : Hosts
    arguments : iterable of Argument
        What to subscribe to.
    numbers : mapping of str to int
        Number of each instrument, by symbol.
    now : LiveClock
        Of the events' `ts_recv`.
    on_instruments : callable
        Called with an InstrumentsPush.
    make_raw : callable, optional
        Name of a connection to the log of its raw frames.

    Attributes
    ----------
    normalizer : Normalizer
    connections : list of Connection
    measures : Measures
    bad_frames : int
        Frames that were no message of the exchange.
    listening : list of bytes or None
        Gets every frame while an audit wants them.
    """

    def __init__(
        self,
        hosts: Hosts,
        arguments: Iterable[Argument],
        numbers: Mapping[str, int],
        now: LiveClock,
        on_instruments: Callable[[InstrumentsPush], None],
        make_raw: Callable[[str], RawLog] | None = None,
    ) -> None:
        self.normalizer = Normalizer(numbers)
        self.measures = Measures()
        self.bad_frames = self._bad_in_a_row = 0
        self._clock, self._on_instruments = now, on_instruments
        self._publish: Publish = _drop
        self._settle: Publish = _drop
        self._memory = aligned_zeros(READING.itemsize)
        self._reading = int(self._memory.ctypes.data)
        self._words = self._memory.data.cast("q")
        self._put_in(0, 0)
        self._looked_ns = 0
        self.listening: list[bytes] | None = None
        self._connected: set[str] = set()
        self._seen: set[str] = set()
        limiter, backoff = ConnectLimiter(), Backoff()
        self.connections: list[Connection] = []
        for number, group in enumerate(split(arguments)):
            url = hosts.business if group[0].path == "business" else hosts.public
            session = Session(group, backoff.delay_ns, limiter.admit, OperationBudget)
            path = group[0].path
            n_same = sum(one.name.startswith(path) for one in self.connections)
            name = f"{path}-{n_same + 1}" if n_same else path
            raw = None if make_raw is None else make_raw(name)
            self.connections.append(Connection(number, name, url, session, self, raw))

    def warm_up(self) -> None:
        """Compile what a frame goes through, on books that nobody reads."""
        scratch = Normalizer({"X": 0})
        row = b'"asks":[["2","1"]],"bids":[["1","1"]],"ts":"1","seqId":1,"prevSeqId":-1'
        for channel, action in ((b"books", b'"action":"snapshot",'), (b"bbo-tbt", b"")):
            head = b'{"arg":{"channel":"%s","instId":"X"},%s' % (channel, action)
            scratch.feed(head + b'"data":[{%s}]}' % row, 1)
        trade = b'"instId":"X","tradeId":"1","px":"1","sz":"1","side":"buy","ts":"1"'
        scratch.feed(b'{"arg":{"channel":"trades","instId":"X"},"data":[{%s}]}' % trade, 1)
        read_frames(self._reading, scratch.address, scratch.address, 1)
        Measures().note(scratch.address, 1)
        scratch.connect(2)

    def begin(
        self, selector: selectors.BaseSelector, publish: Publish, direct: Direct | None = None
    ) -> None:
        """Connect, with sockets in `selector`; events go to `publish`, or the short way."""
        self._publish = self._settle = publish
        if direct is not None:
            self._put_in(direct.entry, direct.context)
            self._settle = direct.settle
        ts = self.stamp()
        self.normalizer.connect(ts)
        for connection in self.connections:
            connection.mark(ts, {"began": True})
            connection.begin(selector)

    def look_after(self, now_ns: int) -> None:
        """Look at the time; CLOCK_MONOTONIC."""
        if now_ns - self._looked_ns < _LOOK_NS:
            return
        self._looked_ns = now_ns
        for connection in self.connections:
            connection.tick(now_ns)
            self._look_at_books(connection, now_ns)

    def close(self) -> None:
        """End every connection at once."""
        for connection in self.connections:
            connection.end()

    @property
    def is_live(self) -> bool:
        """Whether every connection is live."""
        return all(one.session.primary.is_live for one in self.connections)

    @property
    def last_heard_ns(self) -> int:
        """CLOCK_MONOTONIC of the last frame; 0 before the first."""
        return max(one.session.primary.heard_ns for one in self.connections)

    def _put_in(self, entry: int, context: int) -> None:
        """Tell `read_frames` where everything is."""
        own = self._memory.view(READING)
        own["state"], own["put"], own["context"] = self.normalizer.state, entry, context
        own["measures"], own["base"] = self.measures.address, self._clock.base_at

    # What connections say.

    def stamp(self, age_ns: int = 0) -> int:
        """Return the wall clock's time so long ago, ns since the epoch; it never goes back.

        Events are recorded by their time, so one that came later must not be earlier.
        """
        ts = self._words[_TS] = max(self._words[_TS], self._clock.now() - age_ns)
        return ts

    def take(
        self, connection: Connection, link: Link, frame: bytes, read_ns: int, ts_recv: int
    ) -> None:
        """Take one frame of a link.

        Parameters
        ----------
        read_ns : int
            When it was read; CLOCK_MONOTONIC.
        ts_recv : int
            The same, ns since the epoch.
        """
        # What an earlier frame of the same read made us say bears a later time already.
        ts_recv = max(ts_recv, self._words[_TS])
        if self.listening is not None:
            self.listening.append(frame)
        if connection.is_settled(link):
            n = self.normalizer.scan(frame, ts_recv)
            if n >= 0:
                self._bad_in_a_row = 0
                if n:
                    self.put(n, read_ns)
                connection.keep(ts_recv, frame)
                return
        self._take_slowly(connection, link, frame, read_ns, ts_recv)

    def take_bytes(self, at: int, n: int, read_ns: int) -> tuple[int, int]:
        """Take the usual frames at the front of what was read from a settled connection.

        Parameters
        ----------
        at, n : int
            Where it lies, and how many bytes; the byte behind them is overwritten.
        read_ns : int
            When it was read; CLOCK_MONOTONIC.

        Returns
        -------
        tuple of int
            Bytes and frames taken.
        """
        if self.listening is not None:
            return 0, 0
        taken = n_frames = 0
        while taken < n:
            done = read_frames(self._reading, at + taken, at + n, read_ns)
            taken += done >> 32
            n_frames += done >> 16 & 0xFFFF
            n_left = done & 0xFFFF
            if not n_left:
                break
            self._settle(self.normalizer.address, n_left)
        if n_frames:
            self._bad_in_a_row = 0
        return taken, n_frames

    def _take_slowly(
        self, connection: Connection, link: Link, frame: bytes, read_ns: int, ts_recv: int
    ) -> None:
        """Take a frame that is not of the usual form, or of a link that is not settled."""
        try:
            message = parse(frame)
            if not isinstance(message, BookPush | TradePush | TickerPush | CandlePush):
                self._bad_in_a_row = 0
                connection.keep(ts_recv, frame)
                self._hear(connection, link, message, read_ns)
                return
            if connection.is_superseded(link, message):
                connection.keep(ts_recv, frame, is_spare=True)
                return
            n = self.normalizer.take(message, ts_recv)
        except FeedError as error:
            connection.keep(ts_recv, frame)
            self._refuse_frame(connection, link, error)
            return
        self._bad_in_a_row = 0
        if n:
            self.put(n, read_ns)
        connection.keep(ts_recv, frame)
        if isinstance(message, BookPush | TradePush):
            self.normalizer.learn(frame, message)
        connection.note_push(link, message, self.normalizer.broken, read_ns)
        if isinstance(message, BookPush) and message.unknown:
            self._note_ignored()

    def put(self, n: int, read_ns: int) -> None:
        """Put the normalizer's first `n` slots through the engine, and measure it."""
        self._publish(self.normalizer.address, n)
        self.measures.note(self.normalizer.address, read_ns)

    def lose(self, connection: Connection, keys: set[tuple[str, str]]) -> None:
        """Take back the prices of the channels and symbols that a lost connection carried."""
        ts = self.stamp()
        connection.mark(ts, {"lost": sorted(keys)})
        n = self.normalizer.connect(ts, keys)
        if n:
            self._publish(self.normalizer.address, n)
        self.announce(connection)

    def announce(self, connection: Connection) -> None:
        """Tell the strategies whose instruments came up or went down with a connection.

        An instrument is connected while every connection that carries it is live.
        """
        connected = set(self.normalizer.symbols)
        for one in self.connections:
            if not one.session.primary.is_live:
                connected -= one.symbols
        was, self._connected = self._connected, connected
        for symbols, is_connected in ((was - connected, False), (connected - was, True)):
            if symbols:
                ts, named = self.stamp(), sorted(symbols)
                connection.mark(ts, {"connected": is_connected, "symbols": named})
                n = self.normalizer.announce(ts, named, is_connected=is_connected)
                self._publish(self.normalizer.address, n)
                text = "live" if is_connected else "STALE: a connection is down"
                _log.warning("feed %s symbols=%s", text, ",".join(named))

    def _hear(self, connection: Connection, link: Link, message: Message, now: int) -> None:
        if isinstance(message, Ack | Failure | Notice):
            connection.act(connection.session.hear(link.number, message, now))
        elif isinstance(message, InstrumentsPush):
            self._on_instruments(message)
            connection.note_kind(link, now)
        else:
            self.normalizer.take(message, 0)
            if isinstance(message, FundingPush):
                argument = Argument("funding-rate", message.symbol)
                connection.act(connection.session.seen(link.number, argument, now))
        self._note_ignored()

    def _note_ignored(self) -> None:
        """Log what is passed over, each kind once."""
        for what in self.normalizer.counts.ignored.keys() - self._seen:
            self._seen.add(what)
            _log.warning("ignored from now on: %s", what)

    def _refuse_frame(self, connection: Connection, link: Link, error: FeedError) -> None:
        self.bad_frames += 1
        self._bad_in_a_row += 1
        if self.bad_frames <= _MAX_BAD_FRAMES:
            _log.error("frame refused: %s", error)
        if self._bad_in_a_row >= _MAX_BAD_FRAMES:
            self._bad_in_a_row = 0
            connection.drop(link, f"{_MAX_BAD_FRAMES} frames in a row are no messages")

    @property
    def live_books(self) -> list[Argument]:
        """The full books that may be read, and are not being subscribed to again."""
        return [
            argument
            for connection in self.connections
            if connection.session.primary.is_live and connection.session.spare is None
            for argument in connection.session.books
            if argument not in connection.session.resyncing
            and self.normalizer.heard(argument.symbol, argument.channel)[0]
        ]

    def fail(self, argument: Argument) -> None:
        """Take back a book that was found wrong, and subscribe to it again."""
        ts, key = self.stamp(), (argument.channel, argument.symbol)
        for connection in self.connections:
            if argument in connection.session.arguments:
                connection.mark(ts, {"failed": key})
                n = self.normalizer.fail(argument.symbol, argument.channel, ts)
                if n:
                    self._publish(self.normalizer.address, n)
                now_ns = clock.monotonic_ns()
                connection.act(connection.session.resync(argument, now_ns))

    def _look_at_books(self, connection: Connection, now: int) -> None:
        """Ask again for a book without a snapshot, or one that is quieter than its heartbeat."""
        session = connection.session
        if not session.primary.is_live:
            return
        ts = self._clock.now()
        for argument in session.books:
            is_live, heard = self.normalizer.heard(argument.symbol, argument.channel)
            is_late = not is_live and now - connection.up_ns > _SNAPSHOT_NS
            if is_late or (is_live and ts - heard > _QUIET_BOOK_NS):
                connection.act(session.resync(argument, now))

    def stale_symbols(self) -> list[str]:
        """Return the symbols with a book that may not be read, or a connection that is down."""
        stale: dict[str, None] = {}
        for connection in self.connections:
            session = connection.session
            is_live = session.primary.is_live
            for argument in session.arguments if not is_live else session.books:
                if not is_live or not self.normalizer.heard(argument.symbol, argument.channel)[0]:
                    stale[argument.symbol] = None
        return [symbol for symbol in stale if symbol]

    def describe(self) -> list[dict[str, Any]]:
        """Return one row for each connection, for ``livekit status``."""
        now = clock.monotonic_ns()
        return [one.describe(now) for one in self.connections]
