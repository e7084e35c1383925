"""The interpreted way to run a strategy: its own methods, called by a tight loop.

A turn takes a batch of events as objects (pool.py) and calls the callbacks. A batch of
one kind, the usual case, is one `for` over one bound method, so that an event costs
little more than the call itself. Nothing is counted per event: which event is being
handled, for `now` and for orders, shows from how many the loop's iterator has left.

An exception is logged with its event and counted, and the loop goes on with the next;
MAX_ERRORS_IN_A_ROW without a success between them end the strategy, as does leaving
the process by an exception such as SystemExit. A batch is cut to about a millisecond
of work, because the heartbeat is written between batches.
Layer 2. Not for threads: callbacks, and all that they call, run in the main thread.
"""

import ctypes
import logging
from collections.abc import Callable, Iterator, Sequence
from operator import length_hint
from typing import Any, Final

from livekit.config import MAX_ERRORS_IN_A_ROW
from livekit.errors import ConfigError
from livekit.events import ANY_INSTRUMENT, ORDER, Kind, OrderType
from livekit.instruments import Instrument
from livekit.strategy.api import Strategy
from livekit.strategy.arrays import FloatArray
from livekit.strategy.context import Context, fetch
from livekit.strategy.declaration import CALLBACKS, Declaration
from livekit.strategy.flyweight import BookEvent, OrderEvent, ParamsEvent, bind
from livekit.strategy.lines import callback_name, describe_error, format_line, log_failure
from livekit.strategy.pool import BATCH, Pool, poll
from livekit.strategy.reports import apply_report
from livekit.strategy.requests import (
    GIVEN_PRICE,
    GIVEN_QUANTITY,
    send_cancel,
    send_cancel_all,
    send_close,
    send_modify,
    send_new,
)
from livekit.strategy.table import InstrumentTable

__all__ = ["Interpreted"]

_LOG: Final = logging.getLogger(__name__)

_BATCH_NS: Final = 1_000_000
_NAN: Final = float("nan")
_N_OPEN: Final = Context.WORD["n_open"]
_NOW: Final = Context.WORD["now"]
_PUBLISHED: Final = Context.WORD["published"]
_MARKET: Final = int(OrderType.MARKET)
_LIMIT: Final = int(OrderType.LIMIT)

_Callback = Callable[[Any], object]


class Interpreted:
    """Runs a strategy's own Python methods.

    Parameters
    ----------
    strategy : Strategy
        Gets this object as its host.
    declaration : Declaration
        Of its class.
    context : Context
        Sides, instruments and epoch filled in.
    table : InstrumentTable
    wait_name : str
        One of WAITS.
    reads_counts : bool, optional
        Passed to Pool.

    Attributes
    ----------
    failure : str
        Why the strategy must end; empty while it may go on.
    is_stopped : bool
        Whether the engine's STOP has come.
    """

    def __init__(
        self,
        strategy: Strategy,
        declaration: Declaration,
        context: Context,
        table: InstrumentTable,
        wait_name: str = "laptop",
        *,
        reads_counts: bool | None = None,
    ) -> None:
        self.failure = ""
        self.is_stopped = False
        self._strategy, self._declaration = strategy, declaration
        self._context, self._table = context, table
        self._ctx = context.address
        self._words = context.words
        self._numbers, self._lots = table.numbers, context.positions.data
        self._units: dict[int, tuple[float, float]] = {}
        self._takers = self._find_takers()
        kinds = sorted(self._takers)
        self._pool = Pool(context, table.symbols, kinds, wait_name, reads_counts=reads_counts)
        self._by_place = [self._takers[kind] for kind in kinds for _ in range(BATCH)]
        self._order_class = bind(OrderEvent, table.symbols)
        self._empty_book = bind(BookEvent, table.symbols)
        self._books: dict[int, BookEvent] = {}
        self._iterator: Iterator[Any] = iter(())
        self._listed = 1  # between batches `now` is what times[0] says
        self._streak, self._last_error, self._handled = 0, -2, 0
        self._unfit: set[str] = set()
        self._adopt_state()
        strategy._host = self  # noqa: SLF001 - the host and its strategy are one thing

    # What the process calls.

    def start(self) -> None:
        """Run `on_start`; its exceptions are the caller's."""
        self._strategy.on_start()

    def turn(self) -> int:
        """Wait for events and handle a batch; return how many, 0 for none, or BROKEN."""
        pool = self._pool
        words = pool.words
        taken = poll(pool.address)
        if taken <= 0:
            return taken
        listed, kind = words[pool.LISTED], words[pool.KIND]
        if listed:
            self._listed = listed
            if kind:
                base = pool.base(kind)
                self._iterator = iter(pool.flat[base : base + listed])
                self._call_each(self._takers[Kind(kind)])
            else:
                self._iterator = iter(pool.indices[:listed].tolist())
                self._call_mixed()
            self._handled += listed
        pool.settle()
        self._rest()
        self._choose_limit(taken, words[pool.END] - words[pool.START])
        self.is_stopped = words[pool.STOPPED] != 0
        return taken

    def stop(self) -> None:
        """Run `on_stop`; an exception is logged and counted."""
        try:
            self._strategy.on_stop()
        except Exception as error:  # noqa: BLE001 - the process is ending, whatever it says
            self._count_error()
            log_failure("on_stop", error, None)

    def write_state(self) -> None:
        """Bring the state record up to the attributes."""
        if self._context.state is None:
            return
        row, values = self._context.state[0], vars(self._strategy)
        for name in self._declaration.state:
            value = values.get(name)
            if value is self._views.get(name) and value is not None:
                continue  # an array that lies in the record
            try:
                row[name] = value
            except (TypeError, ValueError, OverflowError):
                if name not in self._unfit:
                    self._unfit.add(name)
                    _LOG.warning("event=state_unfit field=%s value=%r", name, value)

    def drain_log(self) -> None:
        """Do nothing: an interpreted strategy writes its log itself."""

    # The loops.

    def _call_each(self, callback: _Callback) -> None:
        """Call one callback for each event the iterator has left."""
        iterator = self._iterator
        while True:
            try:
                for event in iterator:
                    callback(event)
            except BaseException as error:  # noqa: BLE001 - any of them is the strategy's
                event = None
                if self._is_over(error):
                    return
            else:
                return

    def _call_mixed(self) -> None:
        """Call for each place the iterator has left the callback of its kind."""
        iterator, callbacks, events = self._iterator, self._by_place, self._pool.flat
        while True:
            try:
                for place in iterator:
                    callbacks[place](events[place])
            except BaseException as error:  # noqa: BLE001 - any of them is the strategy's
                if self._is_over(error):
                    return
            else:
                return

    def _rest(self) -> None:
        """Let `now` stay at the last event, and answer none, until the next batch."""
        pool = self._pool
        pool.times[0], pool.published[0] = pool.words[pool.NOW], 0
        self._iterator, self._listed = iter(()), 1

    def _choose_limit(self, taken: int, elapsed_ns: int) -> None:
        """Cut the next batch to the time one may take; grow it step by step."""
        words, limit = self._pool.words, self._pool.LIMIT
        if elapsed_ns > _BATCH_NS:
            words[limit] = max(1, min(words[limit], taken * _BATCH_NS // elapsed_ns))
        elif words[limit] < BATCH and elapsed_ns < _BATCH_NS // 4:
            words[limit] = min(BATCH, words[limit] * 2)

    # What goes wrong.

    def _is_over(self, error: BaseException) -> bool:
        """Log an exception of a callback, and tell whether it ends the strategy."""
        index = self._index()
        place = int(self._pool.indices[index])
        event = self._pool.flat[place]
        name = callback_name(error, event)
        self._count_error()
        log_failure(name, error, event)
        if not isinstance(error, Exception):
            self.failure = (
                f"{name} left the process by {describe_error(error)}; a strategy ends by "
                "'livekit detach', or fails by any other exception"
            )
            return True
        number = self._handled + index
        self._streak = self._streak + 1 if number == self._last_error + 1 else 1
        self._last_error = number
        if self._streak >= MAX_ERRORS_IN_A_ROW:
            self.failure = (
                f"{self._streak} exceptions in a row, the last in {name}: {describe_error(error)}; "
                "see its log"
            )
        return bool(self.failure)

    def _count_error(self) -> None:
        self._context.counters["errors"] += 1

    # What the strategy asks, as its host.

    def _index(self) -> int:
        """Return the index of the event being handled in the batch."""
        return self._listed - 1 - length_hint(self._iterator)

    def _mark(self) -> None:
        """Tell the context which event an order answers."""
        index = self._listed - 1 - length_hint(self._iterator)
        pool, words = self._pool, self._words
        words[_NOW] = pool.times[index]
        words[_PUBLISHED] = pool.published[index]

    def now(self) -> int:
        """See Host."""
        return self._pool.times[self._listed - 1 - length_hint(self._iterator)]

    def position(self, symbol: str) -> float:
        """See Host."""
        number = self._numbers.get(symbol, -1)
        if number < 0:
            number = self._table.number(symbol)
            if number < 0:
                return 0.0
        lots = self._lots[number]
        if lots == 0:
            return 0.0
        # As the jitted `position`, to the bit; a call of that costs three times as much.
        units = self._units.get(number)
        if units is None:
            units = self._units[number] = self._context.units(number)
        return lots * units[0] / units[1]

    def book(self, symbol: str) -> BookEvent:
        """See Host."""
        number = self._table.number(symbol)
        book = self._books.get(number)
        if book is None:
            book = self._empty_book()
            book.instrument = number if number >= 0 else ANY_INSTRUMENT
            for side in (book.bid_price, book.ask_price):
                side[:] = [_NAN] * len(side)
        return book

    def open_orders(self) -> Sequence[OrderEvent]:
        """See Host."""
        count = self._words[_N_OPEN]
        if count == 0:
            return ()
        rows = bytearray(self._context.open_orders[:count].tobytes())
        make, size = self._order_class.from_buffer_copy, ORDER.itemsize
        return [make(rows, start) for start in range(0, count * size, size)]

    def instrument(self, symbol: str) -> Instrument:
        """See Host."""
        return self._table.instrument(symbol)

    def new(
        self, symbol: str, side: int, quantity: float, price: float | None, tif: int, options: int
    ) -> int:
        """See Host."""
        self._mark()
        number = self._table.number(symbol)
        kind, limit = (_MARKET, _NAN) if price is None else (_LIMIT, float(price))
        return send_new(
            self._ctx, number, int(side), kind, float(quantity), limit, int(tif), options
        )

    def modify(self, order_id: int, quantity: float | None, price: float | None) -> int:
        """See Host."""
        self._mark()
        given = (quantity is not None) * GIVEN_QUANTITY + (price is not None) * GIVEN_PRICE
        new_quantity = _NAN if quantity is None else float(quantity)
        new_price = _NAN if price is None else float(price)
        return send_modify(self._ctx, int(order_id), new_quantity, new_price, given)

    def cancel(self, order_id: int) -> int:
        """See Host."""
        self._mark()
        return send_cancel(self._ctx, int(order_id))

    def cancel_all(self, symbol: str | None) -> int:
        """See Host."""
        self._mark()
        number = ANY_INSTRUMENT if symbol is None else self._table.number(symbol)
        return send_cancel_all(self._ctx, number)

    def close(self, symbol: str) -> int:
        """See Host."""
        self._mark()
        return send_close(self._ctx, self._table.number(symbol))

    def log(self, text: str, values: tuple[float, ...]) -> None:
        """See Host."""
        if len(values) > 4:
            raise ConfigError(
                f"log({text!r}, ...) has {len(values)} numbers, at most 4 go into a line"
            )
        _LOG.info("%s", format_line(text, values))

    # How events reach callbacks.

    def _find_takers(self) -> dict[Kind, _Callback]:
        """Return the callable that takes the events of each kind listened to."""
        declaration, strategy = self._declaration, self._strategy
        takers: dict[Kind, _Callback] = {}
        for name, kind in CALLBACKS.items():
            if declaration.kinds >> kind & 1:
                takers[kind] = getattr(strategy, name)
        takers[Kind.ORDER] = self._take_report
        takers[Kind.PARAMS] = self._take_params
        if declaration.uses_book:
            takers[Kind.BOOK] = self._take_book
        return takers

    def _take_report(self, order: OrderEvent) -> None:
        is_fill = apply_report(self._ctx, ctypes.addressof(order))
        try:
            self._strategy.on_order(order)
        finally:
            if is_fill:
                self._strategy.on_fill(order)

    def _take_params(self, event: ParamsEvent) -> None:
        if fetch(self._ctx) and self._context.params is not None:
            row = self._context.params[0]
            values = {name: row[name].item() for name in self._declaration.params}
            vars(self._strategy).update(values)
        self._strategy.on_params(event)

    def _take_book(self, book: BookEvent) -> None:
        # Holding the object makes the pool give it away: no copy is needed.
        self._books[book.instrument] = book
        self._strategy.on_book(book)

    def _adopt_state(self) -> None:
        """Move the state's arrays into the record, so that they need no copying."""
        self._views: dict[str, Any] = {}
        if self._context.state is None:
            return
        row = self._context.state[0]
        for name, field in self._declaration.state.items():
            if not field.shape:
                continue
            view = row[name].view(FloatArray)
            view[:] = vars(self._strategy).get(name, field.default)
            self._views[name] = view
            vars(self._strategy)[name] = view
