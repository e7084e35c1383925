"""What a user writes: `Strategy`, its parameters, its state and its callbacks.

One text runs two ways. Interpreted, an instance is a plain Python object: parameters
and state are ordinary attributes, set before the user's `__init__` runs, and any other
attribute works too. Compiled, the same methods see `self` as the records in memory.
Nothing here knows which: an instance asks its `_host`, which the runner sets, and
without one (in a test, in a notebook) it may be made and called but sends no orders.

A strategy is subscribed to what it defines: the kinds of event whose callback it
overrides, for the instruments in `symbols`, or for all when it names none.
Layer 2. Imports no Numba.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import ClassVar, Final, Protocol, Self

from livekit.errors import StrategyError
from livekit.events import OrderStatus, Reject, Side, TimeInForce
from livekit.instruments import Instrument
from livekit.strategy.declaration import ArrayField, Param, array, declare
from livekit.strategy.flyweight import (
    BarEvent,
    BookEvent,
    ConnectionEvent,
    GapEvent,
    OrderEvent,
    ParamsEvent,
    QuoteEvent,
    TickerEvent,
    TimerEvent,
    TradeEvent,
)

__all__ = [
    "BUY",
    "FOK",
    "GTC",
    "GTX",
    "IOC",
    "SELL",
    "ArrayField",
    "BaseStrategy",
    "Host",
    "OrderStatus",
    "Param",
    "Reject",
    "Side",
    "Strategy",
    "TimeInForce",
    "array",
]

BUY: Final = Side.BUY
SELL: Final = Side.SELL
GTC: Final = TimeInForce.GTC
IOC: Final = TimeInForce.IOC
FOK: Final = TimeInForce.FOK
GTX: Final = TimeInForce.GTX


class Host(Protocol):
    """What runs a strategy, as the strategy sees it."""

    def now(self) -> int:
        """Return the event time, ns since the epoch; 0 before the first event."""

    def position(self, symbol: str) -> float:
        """Return the position in units of the base currency, or in contracts."""

    def book(self, symbol: str) -> BookEvent:
        """Return the last book of an instrument."""

    def open_orders(self) -> Sequence[OrderEvent]:
        """Return copies of the open orders, oldest first."""

    def instrument(self, symbol: str) -> Instrument:
        """Return the steps of an instrument."""

    def new(
        self, symbol: str, side: int, quantity: float, price: float | None, tif: int, options: int
    ) -> int:
        """Send a new order and return its id; 0 when the ring is full."""

    def modify(self, order_id: int, quantity: float | None, price: float | None) -> int:
        """Ask to change an order."""

    def cancel(self, order_id: int) -> int:
        """Ask to cancel an order."""

    def cancel_all(self, symbol: str | None) -> int:
        """Ask to cancel all orders."""

    def close(self, symbol: str) -> int:
        """Send a reduce-only market order over the whole position."""

    def log(self, text: str, values: tuple[float, ...]) -> None:
        """Write a line to the strategy's log."""


class Strategy:
    """Base of every strategy.

    Subclass it, name the instruments, declare parameters and state, define the
    callbacks you want, and attach the class (``livekit attach FILE``, ``lk.attach``, or
    ``strategy.run()`` in a script).

    Parameters
    ----------
    name : str, optional
        The name to attach under; the file's by default.

    Attributes
    ----------
    symbols : tuple of str
        Instruments to subscribe to; empty for all that the engine has.
    jit : bool
        Run compiled unless told otherwise.
    timer : float
        Seconds of event time between two `on_timer`; 0 for none.
    """

    symbols: ClassVar[tuple[str, ...]] = ()
    jit: ClassVar[bool] = False
    timer: ClassVar[float] = 0.0

    strategy_id: str = ""
    _host: Host | None = None

    def __new__(cls, *_args: object, **_options: object) -> Self:
        """Make an instance with its parameters and state set to their defaults."""
        self = super().__new__(cls)
        vars(self).update(declare(cls).initial_values())
        return self

    def __init__(self, name: str = "") -> None:
        self.strategy_id = name

    # Callbacks, all optional.

    def on_start(self) -> None:
        """Run once, before the first event."""

    def on_stop(self) -> None:
        """Run once, after the last event."""

    def on_ticker(self, ticker: TickerEvent) -> None:
        """Take a ticker."""

    def on_quote(self, quote: QuoteEvent) -> None:
        """Take a change of the best bid or ask."""

    def on_trade(self, trade: TradeEvent) -> None:
        """Take a public print."""

    def on_book(self, book: BookEvent) -> None:
        """Take a five-level book."""

    def on_bar(self, bar: BarEvent) -> None:
        """Take a finished bar."""

    def on_timer(self, timer: TimerEvent) -> None:
        """Take a tick of the timer."""

    def on_order(self, order: OrderEvent) -> None:
        """Take any report on an own order: accepted, filled, cancelled, refused."""

    def on_fill(self, order: OrderEvent) -> None:
        """Take a fill of an own order, after `on_order` had it."""

    def on_gap(self, gap: GapEvent) -> None:
        """Learn that events were lost because this strategy was too slow."""

    def on_connection(self, connection: ConnectionEvent) -> None:
        """Learn that the exchange's feed was lost or is back."""

    def on_params(self, params: ParamsEvent) -> None:
        """Learn that hot parameters have changed; the attributes have the new values."""

    # Orders. Each returns an order id, or 0 when the request could not be sent; what
    # the engine or the exchange refuses comes back through `on_order`.

    def buy(
        self,
        symbol: str,
        quantity: float,
        price: float | None = None,
        *,
        tif: int = GTC,
        post_only: bool = False,
        reduce_only: bool = False,
    ) -> int:
        """Send a buy order: at `price` or better, or at the market when that is None."""
        tif = GTX if post_only else tif
        return self._attached().new(symbol, 0, quantity, price, tif, int(reduce_only))

    def sell(
        self,
        symbol: str,
        quantity: float,
        price: float | None = None,
        *,
        tif: int = GTC,
        post_only: bool = False,
        reduce_only: bool = False,
    ) -> int:
        """Send a sell order: at `price` or better, or at the market when that is None."""
        tif = GTX if post_only else tif
        return self._attached().new(symbol, 1, quantity, price, tif, int(reduce_only))

    def send_order(
        self, symbol: str, side: int, quantity: float, price: float | None = None
    ) -> int:
        """Send a limit order (a market order without a price); `side` is BUY or SELL."""
        return self._attached().new(symbol, side, quantity, price, GTC, 0)

    def modify(
        self, order_id: int, quantity: float | None = None, price: float | None = None
    ) -> int:
        """Ask for another quantity or price of an open order; None leaves one as it is."""
        return self._attached().modify(order_id, quantity, price)

    def cancel(self, order_id: int) -> int:
        """Ask for the end of an open order."""
        return self._attached().cancel(order_id)

    def cancel_all(self, symbol: str | None = None) -> int:
        """Ask for the end of all own open orders, of one instrument or of all."""
        return self._attached().cancel_all(symbol)

    def close(self, symbol: str) -> int:
        """Bring the position in an instrument to zero by a market order; 0 when flat."""
        return self._attached().close(symbol)

    # What a strategy may know.

    @property
    def now(self) -> int:
        """Time of the event being handled, ns since the epoch; never the wall clock."""
        return self._host.now() if self._host is not None else 0

    def position(self, symbol: str) -> float:
        """Return the position: above zero long, below zero short."""
        return self._attached().position(symbol)

    def book(self, symbol: str) -> BookEvent:
        """Return the last five-level book; its prices are NaN before the first one."""
        return self._attached().book(symbol)

    @property
    def open_orders(self) -> Sequence[OrderEvent]:
        """The own orders that are not final, oldest first, those just sent included."""
        return self._host.open_orders() if self._host is not None else ()

    def instrument(self, symbol: str) -> Instrument:
        """Return an instrument's tick, lot and smallest quantity."""
        return self._attached().instrument(symbol)

    def log(self, text: str, *values: float) -> None:
        """Write a text and up to four numbers to the strategy's log."""
        if self._host is not None:
            self._host.log(text, values)

    def run(self) -> None:
        """Attach this instance to the running engine and trade until stopped.

        For a script (``python momentum_strategy.py``). Ctrl-C stops it cleanly.

        Raises
        ------
        NotRunningError
            No engine is running.
        """
        # By name: the process stands above this module, and it loads Numba.
        import_module("livekit.strategy.main").run_instance(self)

    def _attached(self) -> Host:
        if self._host is None:
            raise StrategyError(
                f"strategy {type(self).__name__!r} is not attached: it can trade only from its "
                "callbacks, while an engine runs it; use 'livekit attach' or strategy.run()"
            )
        return self._host


BaseStrategy = Strategy
