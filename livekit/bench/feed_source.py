"""An exchange that does nothing but send: public market data at a rate, over real sockets.

It lists its instruments, tells the time, answers subscriptions with acknowledgement and
snapshot, and then sends frames made beforehand (bench/feed_frames.py), a millisecond's
worth at a time, whether or not the reader keeps up: what the socket does not take waits.
The simulator (`livekit okx-sim`) is a whole exchange and carries a quarter of this.
Layer 5.
"""

import json
import logging
import mmap
import select
import socket
import time
from typing import Any, Final

import numpy as np
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from livekit.bench.feed_frames import Frames, make_frames, snapshot_frame, stamp, symbols_of
from livekit.bench.processes import Child, cores, fork

__all__ = ["FeedSource"]

_silent: Final = logging.getLogger("livekit.bench.source")
_silent.setLevel(logging.CRITICAL)
_TICK_S: Final = 0.001
_SETTLE_S: Final = 0.3
_N_FRAMES: Final = 20_000
_SENT, _BYTES, _STOP, _LATE_NS, _RATE = range(5)


class FeedSource:
    """A source in a process of its own.

    Parameters
    ----------
    n_instruments : int
    rate : int
        Messages a second over all connections.

    Attributes
    ----------
    url : str
    symbols : list of str
    """

    def __init__(self, n_instruments: int, rate: int) -> None:
        self.symbols = symbols_of(n_instruments)
        self._words = np.frombuffer(mmap.mmap(-1, 4096), np.int64)
        self._words[_RATE] = rate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        stamp(0, 0, 0, 0, 0, 0)  # compiled here, for the child
        self._child: Child = fork("source", self._serve, cores()[-1])
        self._listener.close()

    @property
    def n_sent(self) -> int:
        """Messages sent so far."""
        return int(self._words[_SENT])

    @property
    def late_ns(self) -> int:
        """The longest time that messages waited for the reader's socket."""
        return int(self._words[_LATE_NS])

    @property
    def rate(self) -> int:
        """Messages a second."""
        return int(self._words[_RATE])

    @rate.setter
    def rate(self, rate: int) -> None:
        self._words[_RATE] = rate

    def close(self) -> None:
        """End the process."""
        self._words[_STOP] = 1
        self._child.result()

    def _serve(self) -> dict[str, Any]:
        peers: list[_Peer] = []
        self._listener.setblocking(False)
        began = time.monotonic()
        while not self._words[_STOP]:
            began += _TICK_S
            waiting = [self._listener, *(peer.socket for peer in peers)]
            ready = select.select(waiting, [], [], max(0.0, began - time.monotonic()))[0]
            began = max(began, time.monotonic() - 1.0)
            if self._listener in ready:
                peers.append(_Peer(self._listener.accept()[0], self.symbols))
            for peer in peers:
                if peer.socket in ready:
                    peer.hear()
            streaming = [peer for peer in peers if peer.is_streaming]
            for peer in streaming:
                sent = peer.send(int(self._words[_RATE]) / len(streaming))
                self._words[_SENT] += sent
                self._words[_LATE_NS] = max(int(self._words[_LATE_NS]), peer.late_ns)
            for peer in [peer for peer in peers if peer.is_over]:
                peer.socket.close()
                peers.remove(peer)
        return {"sent": int(self._words[_SENT])}


class _Peer:
    """One connection: a call of REST, or a WebSocket that is sent to."""

    def __init__(self, accepted: socket.socket, symbols: list[str]) -> None:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket, self._symbols = accepted, symbols
        self._protocol = ServerProtocol(max_size=1 << 20, logger=_silent)
        self._asked: dict[str, set[str]] = {}
        self._asked_at = 0.0
        self._frames: Frames | None = None
        self._next, self._due, self._last = 0, 0.0, 0.0
        self._unsent = memoryview(b"")
        self._blocked_ns = self.late_ns = 0
        self.is_over = False

    @property
    def is_streaming(self) -> bool:
        """Whether its subscriptions are complete."""
        if self._frames is None and self._asked and time.monotonic() - self._asked_at > _SETTLE_S:
            self._frames = make_frames(list(self._asked), _N_FRAMES, asked=self._asked)
            self._last = time.monotonic()
        return self._frames is not None and not self.is_over

    def hear(self) -> None:
        """Take what the peer sent."""
        try:
            data = self.socket.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.is_over = True
            return
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._answer(event)
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._take(bytes(event.data))
        self._flush()

    def _flush(self) -> None:
        for part in self._protocol.data_to_send():
            if part:
                self._push(part)

    def _push(self, data: bytes) -> None:
        self.socket.setblocking(True)
        try:
            if self._unsent:
                self.socket.sendall(self._unsent)
                self._unsent = memoryview(b"")
            self.socket.sendall(data)
        except OSError:
            self.is_over = True

    def _answer(self, request: Request) -> None:
        if request.path.startswith("/ws/"):
            self._protocol.send_response(self._protocol.accept(request))
            return
        if "public/time" in request.path:
            rows: list[dict[str, str]] = [{"ts": str(time.time_ns() // 1_000_000)}]
        else:
            steps = {"tickSz": "0.1", "lotSz": "0.000001", "minSz": "0.0001"}
            what = {"instType": "SPOT", "state": "live", **steps}
            rows = []
            if "instType=SPOT" in request.path:
                for symbol in self._symbols:
                    base, _, quote = symbol.partition("-")
                    names = {"instId": symbol, "baseCcy": base, "quoteCcy": quote}
                    rows.append({**names, **what})
        body = json.dumps({"code": "0", "msg": "", "data": rows}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self._push(head.encode() + body)
        self.is_over = True

    def _take(self, text: bytes) -> None:
        if text == b"ping":
            self._protocol.send_text(b"pong")
            return
        request = json.loads(text)
        for arg in request["args"]:
            names = {"id": request.get("id", ""), "connId": "bench"}
            ack = {"event": request["op"], "arg": arg, **names}
            self._protocol.send_text(json.dumps(ack).encode())
            symbol = arg.get("instId")
            if symbol is None or request["op"] != "subscribe":
                continue
            self._asked.setdefault(symbol, set()).add(arg["channel"])
            self._asked_at = time.monotonic()
            if arg["channel"] == "books":
                self._flush()
                self._push(snapshot_frame(symbol, self._seq_of(symbol), time.time_ns() // 10**6))

    def _seq_of(self, symbol: str) -> int:
        if self._frames is None:
            return int(make_frames([symbol], 0).counters[0, 0])
        return int(self._frames.counters[list(self._asked).index(symbol), 0])

    def send(self, rate: float) -> int:
        """Send what is due at a rate; return how many messages that were."""
        frames = self._frames
        assert frames is not None
        now = time.monotonic()
        self._due = min(self._due + (now - self._last) * rate, len(frames.table) / 2)
        self._last = now
        self.socket.setblocking(False)
        if not self._send_rest():
            return 0
        n_sent = 0
        while self._due >= 1.0 and not self._unsent and not self.is_over:
            n = min(int(self._due), len(frames.table) - self._next)
            start = int(frames.table[self._next]["start"])
            end = stamp(
                frames.data.ctypes.data,
                frames.table.ctypes.data,
                self._next,
                n,
                frames.counters.ctypes.data,
                time.time_ns() // 1_000_000,
            )
            self._unsent = memoryview(frames.data[start:end].tobytes())
            self._next = (self._next + n) % len(frames.table)
            self._due -= n
            n_sent += n
            self._send_rest()
        return n_sent

    def _send_rest(self) -> bool:
        """Send what waits; False while the socket does not take all of it."""
        try:
            while self._unsent:
                self._unsent = self._unsent[self.socket.send(self._unsent) :]
        except BlockingIOError:
            self._blocked_ns = self._blocked_ns or time.monotonic_ns()
            self.late_ns = time.monotonic_ns() - self._blocked_ns
            return False
        except OSError:
            self.is_over = True
            return False
        if self._blocked_ns:
            self.late_ns = time.monotonic_ns() - self._blocked_ns
        self._blocked_ns = 0
        return True
