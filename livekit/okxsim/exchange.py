"""The exchange as one object: its parts, its tasks, and the port it is served on.

``async with Exchange(data) as exchange`` listens on loopback; `exchange.urls` says
where, `exchange.faults` misbehaves. `running_exchange` does the same in a thread for
code that has no event loop.
Layer 4.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import asdict
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from livekit.errors import ConfigError
from livekit.okxsim.accounts import Account, Key, default_accounts
from livekit.okxsim.channels import Channels
from livekit.okxsim.desk import Desk
from livekit.okxsim.faults import Fault, Faults
from livekit.okxsim.feed import Feed
from livekit.okxsim.hub import Hub
from livekit.okxsim.pushes import Pushes
from livekit.okxsim.rates import Rates
from livekit.okxsim.server import make_app
from livekit.okxsim.session import Connection
from livekit.okxsim.trading import Trading
from livekit.okxsim.world import World

__all__ = ["Exchange"]

_TICK_S: Final = 0.01
_REPEAT_S: Final = 5.0
_TIMER_S: Final = 0.1
_UPGRADE_S: Final = 60.0
_ENVIRONMENTS: Final = {"both": None, "demo": True, "live": False}


class Exchange:
    """An OKX v5 exchange on loopback.

    Parameters
    ----------
    data : str
        Folder of a catalog whose quotes and trades move the market.
    port : int
        0 takes a free one.
    speed : float
        Multiple of recorded time; 0 leaves the market where the history ends.
    history_s : float
        Seconds of the data that have passed when it starts: candles and the day's figures.
    is_looped : bool
        Whether the data starts again at its end.
    environment : str
        Keys that WebSocket logins take: both, demo or live. REST goes by the header.
    has_limits : bool
        Whether rate limits are kept.
    is_quirky : bool
        Whether what OKX does now and then is done: data before its acknowledgement,
        pushes before the reply.
    idle_s : float
        After so long without a frame a connection is closed (4004).
    members : tuple of lists, optional
        Accounts, numbered from 0, and their keys; `default_accounts` otherwise.

    Attributes
    ----------
    world, desk, trading, hub, pushes, channels, rates, faults
        Its parts; see their modules.
    n_operations : int
        Order operations on WebSockets so far.

    Raises
    ------
    ConfigError
        The speed or the environment is none.
    NotFoundError
        No data there.
    """

    def __init__(
        self,
        data: str = "replay_data",
        *,
        port: int = 0,
        speed: float = 1.0,
        history_s: float = 1800.0,
        is_looped: bool = True,
        environment: str = "both",
        has_limits: bool = True,
        is_quirky: bool = True,
        idle_s: float = 30.0,
        members: tuple[list[Account], list[Key]] | None = None,
    ) -> None:
        if environment not in _ENVIRONMENTS:
            raise ConfigError(f"environment {environment!r} is none of {', '.join(_ENVIRONMENTS)}")
        self.environment = _ENVIRONMENTS[environment]
        self.is_quirky, self.idle_s = is_quirky, idle_s
        self.rates, self.faults, self.hub = Rates(is_on=has_limits), Faults(), Hub()
        self.feed = Feed(data, speed or 1.0, is_looped=is_looped)
        self._is_moving = speed > 0
        self.desk = Desk()
        accounts, keys = members or default_accounts()
        self.world = World(self.feed.instruments, accounts, keys, self.desk.on_fill)
        self.world.is_demo = environment != "live"
        self.pushes = Pushes(self.world, self.hub, self._later)
        self.desk.world, self.desk.pushes = self.world, self.pushes
        self.trading = Trading(self.world, self.desk, self.rates, self.faults)
        self.world.matching.warm_up()
        self.feed.load_history(self.world, history_s)
        self.channels = Channels(self.world, self.hub)
        self.n_operations = 0
        self.connections: set[Connection] = set()
        self._n_connections = 0
        self._port = port
        self._tasks: set[asyncio.Task[Any]] = set()
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """Port it listens on, once it does."""
        return self._port

    @property
    def urls(self) -> dict[str, Any]:
        """Where it is and whom it knows: url, rest, public, private, business, keys."""
        rest = f"http://127.0.0.1:{self._port}"
        base = f"ws://127.0.0.1:{self._port}/ws/v5"
        keys = [
            {name: value for name, value in asdict(key).items() if name in _KEY_FIELDS}
            for key in self.world.keys.values()
        ]
        sockets = {kind: f"{base}/{kind}" for kind in ("public", "private", "business")}
        return {"url": rest, "rest": rest, **sockets, "keys": keys}

    async def __aenter__(self) -> Self:
        """Listen, and let the market move."""
        self._runner = web.AppRunner(make_app(self), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(
                f"port {self._port} cannot be listened on: {error.strerror}; "
                "use another, or 0 for any"
            ) from error
        self._port = self._runner.addresses[0][1]
        if self._is_moving:
            self.spawn(self.feed.run(self.world))
        self.spawn(self._pace())
        self.spawn(self._repeat())
        self.spawn(self._watch_timers())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close every connection and stop."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self.connections):
            connection.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run something beside, until it ends or the exchange does."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Forget a task; what it raised is said at once, or the market would stop unheard."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            about = {"message": "a task of the exchange failed", "exception": error, "task": task}
            task.get_loop().call_exception_handler(about)

    def next_connection(self) -> int:
        """Return the number of a new connection."""
        self._n_connections += 1
        return self._n_connections

    @staticmethod
    def _later(seconds: float, function: Any, argument: Any) -> None:
        asyncio.get_running_loop().call_later(seconds, function, argument)

    async def _pace(self) -> None:
        """Publish what is due, every 10 ms."""
        while True:
            await asyncio.sleep(_TICK_S)
            self.channels.tick()

    async def _repeat(self) -> None:
        """Repeat account and positions, every five seconds."""
        while True:
            await asyncio.sleep(_REPEAT_S)
            self.pushes.repeat()

    async def _watch_timers(self) -> None:
        """Cancel the orders of whoever let a dead man's switch run out."""
        while True:
            await asyncio.sleep(_TIMER_S)
            now_ms = self.world.now_ms()
            for account in self.world.accounts.values():
                for tag in [tag for tag, due in account.timers.items() if due <= now_ms]:
                    del account.timers[tag]
                    self.desk.cancel_all(account, tag)

    def misbehave(self, kind: str, **options: Any) -> Fault:
        """Arm a fault (see `faults.KINDS`), or do at once what is no fault of a message.

        Raises
        ------
        ConfigError
            No such kind or option.
        """
        fault = self.faults.arm(kind, **options)
        if kind == "clock":
            self.faults.clear(kind)
            self.world.clock_error_s = fault.seconds
        elif kind == "reset":
            self.faults.clear(kind)
            self.world.reset_sequences()
        elif kind in {"cut", "half-open", "notice", "junk"}:
            self.faults.clear(kind)
            for connection in list(self.connections):
                if fault.connection in {"", connection.kind}:
                    self._strike(connection, fault)
        return fault

    def relist(self, symbol: str, *, state: str = "", min_size: str = "") -> None:
        """Change a listing, and say so on the instruments channel.

        Raises
        ------
        ConfigError
            No such instrument.
        """
        listing = self.world.by_symbol.get(symbol)
        if listing is None:
            raise ConfigError(f"{symbol!r} is not listed here")
        listing.state = state or listing.state
        listing.min_size = Decimal(min_size) if min_size else listing.min_size
        self.channels.relisted(listing)

    def _strike(self, connection: Connection, fault: Fault) -> None:
        """Cut a connection, let it fall silent, send it junk, or announce its end."""
        if fault.kind == "cut":
            connection.cut()
        elif fault.kind == "junk":
            self.spawn(connection.send_junk(fault.code))
        elif fault.kind == "half-open":
            connection.fall_silent()
        else:
            self.spawn(connection.upgrade(fault.seconds or _UPGRADE_S))


_KEY_FIELDS: Final = frozenset({"key", "secret", "passphrase", "account", "is_demo"})
