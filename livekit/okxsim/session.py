"""One WebSocket connection: logins, subscriptions, operations, keep-alive, and its faults.

What is sent goes through a bounded queue and one writing task; faults act on the way
into the queue. What is received is handled at once.
Layer 4.
"""

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import WSMsgType, web

from livekit.okxsim.accounts import Account, Key
from livekit.okxsim.auth import check_login
from livekit.okxsim.codes import Refusal, refusal
from livekit.okxsim.hub import encode
from livekit.okxsim.operations import run_operation
from livekit.okxsim.subscribing import subscribe, unsubscribe
from livekit.okxsim.trading import is_plain

if TYPE_CHECKING:
    from livekit.okxsim.exchange import Exchange

__all__ = ["Connection"]

_MAX_QUEUE: Final = 20_000
_REQUESTS: Final = (480, 3_600_000)
_LOGIN_FAILED: Final = 4001
_IDLE: Final = 4004
_BUFFER_FULL: Final = 4005
_TRADING: Final = frozenset(
    {
        *("order", "cancel-order", "amend-order", "batch-orders", "batch-cancel-orders"),
        *("batch-amend-orders", "mass-cancel"),
    }
)
_ID_LENGTH: Final = 32


class Connection:
    """One client.

    Attributes
    ----------
    kind : str
        public, private or business.
    connection_id : str
    key, account
        Once logged in.
    n_args : int
        Args subscribed so far.
    """

    def __init__(
        self, exchange: "Exchange", socket: web.WebSocketResponse, kind: str, number: int
    ) -> None:
        self.exchange, self.kind = exchange, kind
        self.connection_id = f"{0xA5EE0000 + number:08x}"
        self.key: Key | None = None
        self.account: Account | None = None
        self.n_args = 0
        self._socket = socket
        self._queue: asyncio.Queue[tuple[float, str]] = asyncio.Queue(_MAX_QUEUE)
        self._is_silent = False
        self._swapped: str | None = None
        self._last_push = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Serve until the connection ends."""
        writer = asyncio.create_task(self._write())
        watch = asyncio.create_task(self._watch())
        try:
            async for message in self._socket:
                if message.type == WSMsgType.TEXT and not self._is_silent:
                    await self._receive(message.data)
                elif message.type == WSMsgType.BINARY and not self._is_silent:
                    self.fail(refusal("60012", "binary frame"))
        finally:
            self.exchange.hub.remove(self)
            writer.cancel()
            watch.cancel()

    async def _write(self) -> None:
        """Send what is queued, in order."""
        loop = asyncio.get_running_loop()
        while True:
            due, frame = await self._queue.get()
            if due > loop.time():
                await asyncio.sleep(due - loop.time())
            try:
                await self._socket.send_str(frame)
            except (ConnectionError, RuntimeError):
                return

    async def _watch(self) -> None:
        """Close a connection on which nothing was pushed or received for long."""
        loop, idle_s = asyncio.get_running_loop(), self.exchange.idle_s
        while True:
            await asyncio.sleep(min(1.0, idle_s / 4))
            if loop.time() - self._last_push > idle_s and not self._is_silent:
                await self.close(_IDLE, "No data received in 30s.")
                return

    async def close(self, code: int, reason: str = "") -> None:
        """Close with a code."""
        await self._socket.close(code=code, message=reason.encode())

    def cut(self) -> None:
        """Break the connection without a word."""
        transport = self._socket._req.transport if self._socket._req else None  # noqa: SLF001 - aiohttp has no other way
        if transport is not None:
            transport.abort()

    async def upgrade(self, seconds: float) -> None:
        """Announce a service upgrade, and close after so long."""
        told = refusal("64008")
        self.send(
            {
                "event": "notice",
                "code": told.code,
                "msg": told.text,
                "connId": self.connection_id,
            }
        )
        await asyncio.sleep(seconds)
        await self.close(1001, "service upgrade")

    async def send_junk(self, kind: str) -> None:
        """Send a frame that no client expects: 2 MiB, 400 nested arrays, binary, not UTF-8."""
        if kind == "utf8":
            await self._socket.send_frame(b'{"event":"\xff\xfe"}', WSMsgType.TEXT)
        elif kind == "binary":
            await self._socket.send_bytes(b"\x00" * 64)
        else:
            text = "[" * 400 + "]" * 400
            await self._socket.send_str(text if kind == "nested" else '"' + "x" * (2 << 20) + '"')

    def fall_silent(self) -> None:
        """Answer nothing any more, but stay connected."""
        self._is_silent = True

    def send(self, value: dict[str, Any] | str) -> None:
        """Send an answer or event."""
        self._enqueue(value if isinstance(value, str) else encode(value))

    def _enqueue(self, frame: str) -> None:
        if self._is_silent:
            return
        loop, due = asyncio.get_running_loop(), 0.0
        late = self.exchange.faults.strike("delay", connection=self.kind)
        if late is not None:
            due = loop.time() + late.seconds
        self._last_push = loop.time()
        try:
            self._queue.put_nowait((due, frame))
        except asyncio.QueueFull:
            self._is_silent = True
            self.exchange.spawn(self.close(_BUFFER_FULL, "buffer full"))

    def push(self, frame: str, channel: str) -> None:
        """Send a push, through the faults that act on pushes."""
        faults = self.exchange.faults
        where = {"connection": self.kind, "channel": channel}
        if faults.strike("drop", **where) is not None:
            return
        if '"action":"update"' in frame and faults.strike("gap", **where) is not None:
            return
        if self._swapped is None and faults.strike("reorder", **where) is not None:
            self._swapped = frame
            return
        self._enqueue(frame)
        if faults.strike("duplicate", **where) is not None:
            self._enqueue(frame)
        if self._swapped is not None:
            held, self._swapped = self._swapped, None
            self._enqueue(held)

    def fail(self, refused: Refusal, request_id: str = "") -> None:
        """Send an error event; it has no arg."""
        head = {"id": request_id} if request_id else {}
        self.send(
            {
                **head,
                "event": "error",
                "code": refused.code,
                "msg": refused.text,
                "connId": self.connection_id,
            }
        )

    async def _receive(self, text: str) -> None:
        """Handle one frame."""
        self._last_push = asyncio.get_running_loop().time()
        if text == "ping":
            self.send("pong")
            return
        try:
            request = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            request = None
        if not isinstance(request, dict) or not isinstance(request.get("op"), str):
            self.fail(refusal("60012", text[:200]))
            return
        request_id, op = str(request.get("id") or ""), request["op"]
        if request_id and not (request_id.isalnum() and len(request_id) <= _ID_LENGTH):
            self.fail(refusal("60033", "id"))
        elif op in _TRADING:
            await run_operation(self, op, request_id, request)
        elif op in {"login", "subscribe", "unsubscribe"}:
            await self._control(op, request_id, request.get("args"))
        else:
            self.fail(refusal("60019", op), request_id)

    async def _control(self, op: str, request_id: str, args: Any) -> None:
        """Handle a login or a change of subscriptions; both are counted."""
        exchange = self.exchange
        name = ("socket", self.connection_id)
        if not exchange.rates.spend_of(_REQUESTS, name, exchange.world.now_ms()):
            self.fail(refusal("60014"), request_id)
            return
        struck = exchange.faults.strike("refuse", connection=self.kind, path=op)
        if struck is not None:
            self.fail(refusal(struck.code or "60014"), request_id)
        elif op == "login":
            await self._log_in(args)
        elif not isinstance(args, list) or not args or not all(isinstance(a, dict) for a in args):
            self.fail(refusal("60012", f"args of {op}"), request_id)
        else:
            change = subscribe if op == "subscribe" else unsubscribe
            for arg in args:
                if all(is_plain(value) for value in arg.values()):
                    change(self, arg, request_id)
                else:
                    self.fail(refusal("60012", "a value is no text"), request_id)

    async def _log_in(self, args: Any) -> None:
        """Log in, or say why not and close."""
        exchange = self.exchange
        if self.key is not None:
            self.fail(refusal("60031"))
            return
        world = exchange.world
        found = check_login(world.keys, args, world.now_ms(), is_demo=exchange.environment)
        if isinstance(found, Refusal):
            self.fail(found)
            await asyncio.sleep(0.02)
            await self.close(_LOGIN_FAILED, "login failed")
            return
        self.key, self.account = found, world.accounts[found.account]
        self.send({"event": "login", "msg": "", "code": "0", "connId": self.connection_id})
