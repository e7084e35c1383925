"""A scripted exchange on loopback: REST and WebSocket on one port, and a test that leads.

It says what the test makes it say, over real sockets; it keeps every frame it was sent.
"""

import json
import threading
import time
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response
from websockets.sync.server import serve

LISTED = {
    "SPOT": [
        {"instId": "BTC-USDT", "tickSz": "0.1", "lotSz": "0.00000001", "minSz": "0.00001"},
        {"instId": "ETH-USDT", "tickSz": "0.01", "lotSz": "0.000001", "minSz": "0.001"},
    ],
    "SWAP": [
        {
            "instId": "BTC-USDT-SWAP",
            "tickSz": "0.1",
            "lotSz": "0.01",
            "minSz": "0.01",
            "ctVal": "0.01",
            "ctMult": "1",
        }
    ],
}


class Exchange:
    """The exchange; `url` is its address, `sockets` the open ones in order of opening."""

    def __init__(self, listed=None):
        self.listed = LISTED if listed is None else listed
        self.sockets, self.received, self.paths = [], [], []
        self.refused_channels = {}
        self.is_mute = self.is_refusing = False
        self.upgrade_delay_s = 0.0
        self.clock_ms = 0
        self.status = 200
        self.seq = {}
        self._server = serve(
            self._serve, "127.0.0.1", 0, process_request=self._request, compression=None
        )
        self.port = self._server.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        for socket in self.sockets:
            socket.close_socket()

    # REST.

    def _request(self, connection, request):
        parts = urlsplit(request.path)
        self.paths.append(request.path)
        if parts.path.startswith("/ws/"):
            time.sleep(self.upgrade_delay_s)
            if self.is_refusing:
                return Response(503, "Service Unavailable", Headers({"Content-Length": "0"}), b"")
            return None
        if parts.path == "/api/v5/public/time":
            rows = [{"ts": str(int(time.time() * 1000) + self.clock_ms)}]
        elif parts.path == "/api/v5/public/instruments":
            kind = parse_qs(parts.query)["instType"][0]
            rows = [{"instType": kind, "state": "live", **row} for row in self.listed.get(kind, [])]
        elif (rows := self.other(parts)) is None:
            return connection.respond(HTTPStatus.NOT_FOUND, "no such path\n")
        body = json.dumps({"code": "0", "msg": "", "data": rows}).encode()
        headers = Headers({"Content-Length": str(len(body)), "Connection": "close"})
        return Response(self.status, "OK", headers, body)

    def other(self, _parts):
        """Return the rows of another path; None when there is no such path."""

    # WebSocket.

    def _serve(self, socket):
        self.sockets.append(socket)
        try:
            for text in socket:
                self.received.append((socket, text))
                if not self.is_mute:
                    self._answer(socket, text)
        except ConnectionClosed:
            pass

    def _answer(self, socket, text):
        if text == "ping":
            socket.send("pong")
            return
        request = json.loads(text)
        for arg in request["args"]:
            code = self.refused_channels.get((arg["channel"], arg.get("instId", "")))
            if code is not None:
                reply = {"event": "error", "code": code, "msg": f"no {arg}", "connId": "c"}
            else:
                reply = {"event": request["op"], "arg": arg, "connId": "c"}
            socket.send(json.dumps({"id": request["id"], **reply}))
            if code is None and request["op"] == "subscribe" and arg["channel"] == "books":
                self.send_snapshot(arg["instId"], socket)

    def sent(self, operation, channel=None):
        """Return the requests of an operation that were received."""
        found = []
        for socket, text in self.received:
            if not text.startswith("{"):
                continue
            request = json.loads(text)
            if request["op"] == operation and channel in {None, request["args"][0]["channel"]}:
                found.append((socket, request))
        return found

    @property
    def socket(self):
        """The newest socket."""
        return self.sockets[-1]

    def push(self, channel, symbol, rows, socket=None, **more):
        frame = {"arg": {"channel": channel, "instId": symbol}, **more, "data": rows}
        (socket or self.socket).send(json.dumps(frame))

    def send_snapshot(self, symbol, socket=None, price=100.0):
        seq = self.seq[symbol] = self.seq.get(symbol, 1000) + 7
        row = {"asks": levels(price + 1, 1), "bids": levels(price, -1), "ts": now_ms()}
        row |= {"checksum": 0, "seqId": seq, "prevSeqId": -1}
        self.push("books", symbol, [row], socket, action="snapshot")

    def send_update(self, symbol, price, size=2.0, socket=None, skip=0):
        last = self.seq[symbol]
        seq = self.seq[symbol] = last + 3 + skip
        row = {"asks": [], "bids": [[str(price), str(size), "0", "1"]], "ts": now_ms()}
        row |= {"checksum": 0, "seqId": seq, "prevSeqId": last + skip}
        self.push("books", symbol, [row], socket, action="update")

    def send_bbo(self, symbol, bid, ask, socket=None):
        seq = self.seq[symbol] = self.seq.get(symbol, 1000) + 1
        row = {"asks": [[str(ask), "1", "0", "1"]], "bids": [[str(bid), "1", "0", "1"]]}
        self.push("bbo-tbt", symbol, [row | {"ts": now_ms(), "seqId": seq}], socket)

    def send_trade(self, symbol, number, price, socket=None, ts=None):
        row = {"instId": symbol, "tradeId": str(number), "px": str(price), "sz": "0.5"}
        row |= {"side": "buy", "ts": ts or now_ms(), "count": "1"}
        self.push("trades", symbol, [row], socket)


def levels(price, step):
    """Return ten levels away from a price."""
    return [[str(price + step * k), "1", "0", "1"] for k in range(10)]


def now_ms():
    return str(int(time.time() * 1000))
