"""One WebSocket connection without a thread or a task of its own.

The socket is non-blocking and stands in the owner's selector; `handle` does what can be
done at once and returns the frames that arrived. Name resolution, which cannot be made
non-blocking, runs in a thread that rings a bell (dialling.py); until then that bell is the
descriptor.
Framing, masking and the closing handshake are those of `websockets`. Whole unmasked text
frames, which is what an exchange sends, are cut out of the buffer here, and only what is
left goes through its parser: at 200 bytes a frame that is 1.3 µs against 3.2.

Whatever goes wrong ends in state CLOSED with a code and a reason; nothing is raised.
Layer 3.
"""

import enum
import selectors
import socket
import ssl
from typing import Final

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.protocol import State as ProtocolState
from websockets.uri import parse_uri

from livekit import clock
from livekit.errors import ConfigError
from livekit.net.dialling import Dialling
from livekit.net.framing import FrameBuffer, explain, measure
from livekit.net.inbox import Inbox

__all__ = ["MAX_FRAME_BYTES", "WebSocket", "WebSocketState"]

MAX_FRAME_BYTES: Final = 1 << 20
"""The longest message accepted, in one frame or several."""

_MAX_UNSENT_BYTES: Final = 256 * 1024
_READ_BYTES: Final = 64 * 1024
_READS: Final = 8  # of one call, so that one busy socket does not keep the others waiting
_CLOSING_NS: Final = 2_000_000_000
_TEXT_FIN: Final = 0x81
_ABNORMAL: Final = 1006
_WANTS: Final = (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError, InterruptedError)


class WebSocketState(enum.Enum):
    """What a connection is doing."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class _Stage(enum.Enum):
    DIALLING = "dialling"
    UPGRADING = "waiting for the answer to its upgrade"
    OPEN = "open"


class WebSocket:
    """A client's end of one connection, owned by the thread of its selector.

    Parameters
    ----------
    url : str
        ``ws://`` or ``wss://``.
    tls : ssl.SSLContext, optional
        For ``wss``; by default one that verifies certificate and host name.
    connect_timeout_s : float
        For everything up to the open connection; looked at by `check`.

    Attributes
    ----------
    state : WebSocketState
    close_code : int
        1006 when the connection ended without a closing frame.
    close_reason : str
    received_ns : int
        CLOCK_MONOTONIC of the last read.
    n_frames, n_bytes : int
        Received.
    inbox : Inbox
        What was read.

    Raises
    ------
    ConfigError
        The address is not one of a WebSocket.
    """

    def __init__(
        self, url: str, *, tls: ssl.SSLContext | None = None, connect_timeout_s: float = 5.0
    ) -> None:
        try:
            self._uri = parse_uri(url)
        except InvalidURI:
            raise ConfigError(
                f"address {url!r} is not one of a WebSocket; it begins with ws:// or wss://"
            ) from None
        self.url = url
        self.state, self._stage = WebSocketState.CONNECTING, _Stage.DIALLING
        self.close_code, self.close_reason = 0, ""
        self.received_ns = self.n_frames = self.n_bytes = 0
        self._tls = (tls or ssl.create_default_context()) if self._uri.secure else None
        self._protocol = ClientProtocol(self._uri, max_size=MAX_FRAME_BYTES)
        self._socket: socket.socket | None = None
        self.inbox, self._unsent = Inbox(_READ_BYTES), bytearray()
        self._parts: list[bytes] = []
        self._deadline_ns = clock.monotonic_ns() + int(connect_timeout_s * 1e9)
        self._dialling = Dialling(self._uri.host, self._uri.port, self._tls)

    # What the selector needs.

    def fileno(self) -> int:
        """Return the descriptor to select on; it changes while the connection opens."""
        return self._dialling.fileno() if self._socket is None else self._socket.fileno()

    @property
    def wants_write(self) -> bool:
        """Whether `handle` has something to do once the descriptor can be written to."""
        return self._dialling.wants_write if self._socket is None else bool(self._unsent)

    @property
    def events(self) -> int:
        """The selector's mask: always readable, writable when there is something to write."""
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self.wants_write else 0)

    def handle(self, _mask: int = selectors.EVENT_READ) -> list[bytes]:
        """Do what the descriptor allows; return the messages that arrived, in order."""
        if self.state is WebSocketState.CLOSED:
            return []
        try:
            return self._handle()
        except _WANTS:
            return []
        except (OSError, ssl.SSLError) as error:
            self._fail(f"{self._doing}: {explain(error)}")
            return []

    @property
    def _doing(self) -> str:
        """What the connection is at, for people."""
        return self._dialling.stage if self._stage is _Stage.DIALLING else self._stage.value

    @property
    def is_plain(self) -> bool:
        """Whether nothing is under way but frames to be read: `read` may take `handle`'s place."""
        return self.state is WebSocketState.OPEN and not self._unsent and not self._parts

    def read(self) -> int:
        """Read once, of a plain connection; return how many bytes lie in the inbox, 0: none new.

        Whoever calls takes whole frames off their front and gives the rest to `take`.
        """
        inbox = self.inbox
        try:
            n = self._socket.recv_into(inbox.free)  # type: ignore[union-attr]
        except _WANTS:
            return 0
        except OSError as error:
            self._fail(explain(error))  # what was read before it is whole
            return 0
        if n == 0:
            self._end()
            return 0
        self.received_ns = clock.monotonic_ns()
        self.n_bytes += n
        return inbox.n + n

    def take(self, n: int, start: int = 0, n_frames: int = 0) -> list[bytes]:
        """Take what `read` said there is from `start` on, `n_frames` having been before it.

        Returns the messages of its whole frames.
        """
        messages: list[bytes] = []
        if start < n:
            self._take(self.inbox.text(start, n), messages)
        elif self.inbox.n:
            self.inbox.clear()
        self.n_frames += n_frames + len(messages)
        return messages

    @property
    def is_holding(self) -> bool:
        """Whether TLS has decrypted more than was read, of which no selector knows."""
        return self._tls is not None and self._socket.pending() > 0  # type: ignore[union-attr]

    def send(self, frame: bytes) -> None:
        """Queue a text message and write as much as the socket takes now.

        A connection that is not open drops it; one whose peer does not read is ended.
        """
        if self.state is not WebSocketState.OPEN:
            return
        self._protocol.send_text(frame)
        self._flush_safely()
        if len(self._unsent) > _MAX_UNSENT_BYTES:
            self._fail("peer does not read")

    def send_in_place(self, text: FrameBuffer, n: int) -> None:
        """Send the first `n` bytes of a buffer's text as `send` does, without a copy."""
        if self.state is not WebSocketState.OPEN:
            return
        frame = text.frame(n)
        n_sent = 0
        if not self._unsent:
            try:
                n_sent = self._socket.send(frame)  # type: ignore[union-attr]
            except _WANTS:
                pass
            except OSError as error:
                self._fail(explain(error))
                return
        if n_sent < len(frame):
            self._unsent += frame[n_sent:]
            self._flush_safely()
            if len(self._unsent) > _MAX_UNSENT_BYTES:
                self._fail("peer does not read")

    def close(self, code: int = 1000) -> None:
        """Begin the closing handshake; before the connection is open, end it at once."""
        if self.state is WebSocketState.OPEN:
            self.state = WebSocketState.CLOSING
            self._deadline_ns = clock.monotonic_ns() + _CLOSING_NS
            self._protocol.send_close(code)
            self._flush_safely()
        elif self.state is WebSocketState.CONNECTING:
            self._fail("closed by us")

    def abort(self) -> None:
        """End the connection now, without a handshake."""
        self._fail("closed by us")

    def check(self, now_ns: int) -> None:
        """End a connection that takes too long to open or to close; CLOCK_MONOTONIC."""
        is_bounded = self.state in {WebSocketState.CONNECTING, WebSocketState.CLOSING}
        if is_bounded and now_ns > self._deadline_ns:
            self._fail(f"timed out {self._doing}" if self._stage is not _Stage.OPEN else "")

    # Opening.

    def _handle(self) -> list[bytes]:
        if self._stage is _Stage.OPEN and not self._unsent:
            return self._read()
        if self._stage is _Stage.DIALLING:
            if not self._dialling.step():
                return []
            self._socket = self._dialling.take()
            self._upgrade()
        self._flush()
        return self._read()

    def _upgrade(self) -> None:
        self._stage = _Stage.UPGRADING
        self._protocol.send_request(self._protocol.connect())
        self._collect()

    # Reading and writing.

    def _read(self) -> list[bytes]:
        messages: list[bytes] = []
        for _ in range(_READS):
            n = self.read()
            if not n:
                break
            messages += self.take(n)
            if self.state is WebSocketState.CLOSED:
                break
            if n < _READ_BYTES and self._tls is None:
                break
        return messages

    def _take(self, data: bytes, messages: list[bytes]) -> None:
        """Cut the whole text frames out of what was read; the parser gets the rest."""
        if self._stage is _Stage.UPGRADING:
            data = self._take_answer(data, messages)
        start, end = 0, len(data)
        while start < end and self._is_open():
            header, size = measure(data, start, end)
            if size > MAX_FRAME_BYTES:
                break
            stop = start + header + size
            if header == 0 or stop > end:
                break
            is_plain = data[start] == _TEXT_FIN and data[start + 1] < 0x80
            if is_plain and not self._parts:
                messages.append(data[start + header : stop])
            else:
                self._parse(data[start:stop], messages)
            start = stop
        if start < end and self._stage is _Stage.OPEN and not self._is_cut(data, start, end):
            self._parse(data[start:], messages)  # a frame that is too long, or what ends us
            start = end
        self.inbox.put(data[start:])

    def _is_cut(self, data: bytes, start: int, end: int) -> bool:
        """Tell whether the rest is the beginning of a frame that will be taken."""
        return self._is_open() and measure(data, start, end)[1] <= MAX_FRAME_BYTES

    def _take_answer(self, data: bytes, messages: list[bytes]) -> bytes:
        """Give the parser the answer to our upgrade alone; return what lies behind it."""
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(data) > _READ_BYTES:
                self._fail("server's answer to the upgrade has no end")
            return data
        is_upgraded = data.startswith(b"HTTP/1.1 101")
        self._parse(data[:end] if is_upgraded else data, messages)
        return data[end:] if is_upgraded else b""

    def _is_open(self) -> bool:
        return self.state is WebSocketState.OPEN

    def _parse(self, data: bytes, messages: list[bytes]) -> None:
        protocol = self._protocol
        protocol.receive_data(data)
        was_upgrading = self._stage is _Stage.UPGRADING
        for event in protocol.events_received():
            if isinstance(event, Frame):
                self._take_frame(event, messages)
        if was_upgrading:
            self._note_answer()
        self._flush()
        if protocol.state is ProtocolState.CLOSED:
            self._end()
        elif protocol.close_expected() and self.state is WebSocketState.OPEN:
            self.state = WebSocketState.CLOSING
            self._deadline_ns = clock.monotonic_ns() + _CLOSING_NS

    def _note_answer(self) -> None:
        error = self._protocol.handshake_exc
        if error is not None:
            is_status = isinstance(error, InvalidStatus)
            status = f"server answered HTTP {error.response.status_code}" if is_status else ""  # type: ignore[attr-defined]
            self._fail(status or f"server refused the upgrade: {error}")
        elif self._protocol.state is ProtocolState.OPEN:
            self._stage, self.state = _Stage.OPEN, WebSocketState.OPEN

    def _take_frame(self, frame: Frame, messages: list[bytes]) -> None:
        if frame.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            self._parts.append(bytes(frame.data))
            if frame.fin:
                messages.append(b"".join(self._parts))
                self._parts.clear()

    def _collect(self) -> None:
        for data in self._protocol.data_to_send():
            self._unsent += data

    def _flush(self) -> None:
        self._collect()
        while self._unsent and self._socket is not None:
            try:
                del self._unsent[: self._socket.send(self._unsent)]
            except _WANTS:
                return

    def _flush_safely(self) -> None:
        try:
            self._flush()
        except OSError as error:
            self._fail(explain(error))

    # Ending.

    def _end(self) -> None:
        """Take the end of the stream."""
        if self.state is WebSocketState.CLOSED:
            return
        if self._stage is not _Stage.OPEN:
            self._fail(f"{self._doing}: server closed the connection")
            return
        if not self._protocol.eof_sent and self._protocol.state is not ProtocolState.CLOSED:
            self._protocol.receive_eof()
        self._fail(self._protocol.close_reason or "")

    def _fail(self, reason: str) -> None:
        """Be closed; the codes are the peer's where it sent some."""
        if self.state is WebSocketState.CLOSED:
            return
        sent = self._protocol.close_rcvd
        # What we refused on the peer's behalf (a frame too long) is in `close_sent`.
        sent = sent or (self._protocol.close_sent if self._protocol.parser_exc else None)
        self.close_code = _ABNORMAL if sent is None else int(sent.code)
        self.close_reason = (sent.reason if sent is not None and sent.reason else "") or reason
        self.close_reason = self.close_reason or "connection ended without a closing frame"
        self.state = WebSocketState.CLOSED
        if self._socket is not None:
            self._socket.close()
        self._dialling.close()
        self._unsent.clear()
