"""An exchange in a thread, for code that has no event loop.

Layer 4.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from livekit.okxsim.exchange import Exchange

__all__ = ["RunningExchange", "running_exchange"]


class RunningExchange:
    """An exchange that runs in a thread of its own; its methods may be called from any.

    Attributes
    ----------
    exchange : Exchange
        Touched by its own thread only; see `call`.
    urls : dict
    url : str
    """

    def __init__(self, data: str, **options: Any) -> None:
        self.exchange = Exchange(data, **options)
        self.urls: dict[str, Any] = {}
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="okx-sim", daemon=True)

    def start(self) -> None:
        """Listen; returns once it does.

        Raises
        ------
        ConfigError
            The port cannot be listened on.
        """
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Close everything and end the thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30.0)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        try:
            async with self.exchange as exchange:
                self.urls, self.url = exchange.urls, exchange.urls["url"]
                self._ready.set()
                await self._stop.wait()
        except Exception as error:  # noqa: BLE001 - it is raised in the thread that started it
            self._error = error
        finally:
            self._ready.set()

    def call(self, function: Any, *args: Any, **options: Any) -> Any:
        """Run a function in the exchange's thread and return what it returns."""

        async def work() -> Any:
            return function(*args, **options)

        return asyncio.run_coroutine_threadsafe(work(), self._loop).result(30.0)

    def misbehave(self, kind: str, **options: Any) -> None:
        """Arm a fault. See `Exchange.misbehave`."""
        self.call(self.exchange.misbehave, kind, **options)


@contextmanager
def running_exchange(data: str, **options: Any) -> Iterator[RunningExchange]:
    """Run an exchange for a block of code.

    Parameters
    ----------
    data : str
        Folder of the catalog that moves the market.
    **options
        Of `Exchange`.
    """
    running = RunningExchange(data, **options)
    running.start()
    try:
        yield running
    finally:
        running.stop()
