"""One simulation: a strategy, its trading core and its ledger, wired in one process.

A `Simulation` puts the days of a Data through and can be stopped between two steps of
some milliseconds; what it has by then is a whole, shorter run.
Layer 3. One thread at a time; compiled strategies run without the GIL.
"""

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.config import ORDERS_CAPACITY
from livekit.errors import ConfigError, LivekitError, StrategyError
from livekit.events import SLOT_BYTES
from livekit.research.bodies import Body, CompiledBody, InterpretedBody
from livekit.research.data import Data
from livekit.research.intake import clear_reports, note_new_reports
from livekit.research.layout import SIM, Status
from livekit.research.queue import QUEUE
from livekit.research.quiet import way_past
from livekit.ring.call import address_of
from livekit.ring.layout import (
    CONTROL_BYTES,
    ORDER_SLOT_BYTES,
    SIDE,
    aligned_zeros,
    fill_side,
    private_ring,
)
from livekit.store.merge import HEAP, STREAM, build
from livekit.store.selection import Stream
from livekit.strategy.api import Strategy
from livekit.strategy.context import Context
from livekit.strategy.declaration import Declaration, declare
from livekit.strategy.loader import make_instance, user_line
from livekit.strategy.table import InstrumentTable
from livekit.trading.core import TradingCore
from livekit.trading.feed import RECORDED, Feed
from livekit.trading.funding import funding_rows
from livekit.trading.latency import Latency
from livekit.trading.ledger import close
from livekit.trading.ledger_rows import Ledger
from livekit.trading.limits import Fees, RiskLimits
from livekit.trading.router import advance, on_request

if TYPE_CHECKING:
    from livekit.strategy.compiled import Program

__all__ = ["Settings", "Simulation"]

_STEP_NS: Final = 30_000_000
_FIRST_BUDGET: Final = 1 << 15
_LARGEST_BUDGET: Final = 1 << 24
_EPOCH: Final = 1
_FIRST_ROWS: Final = 1 << 18
"""Of each log; memory that is never written costs nothing, and rows that move cost twice."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a simulation assumes; equal settings, data and strategy give equal runs.

    Attributes
    ----------
    cash : float
        At the start, quote currency.
    fees : Fees
    latency : Latency
    queue : object
        Name of a queue model, or a QueueModel.
    partial_fills : bool
    limits : RiskLimits
    sample_ns : int
        Grid of the equity.
    unlimited_depth : bool
    funding : tuple of (ts, symbol, rate)
        By time.
    """

    cash: float = 100_000.0
    fees: Fees = field(default_factory=Fees)
    latency: Latency = field(default_factory=Latency)
    queue: Any = "risk_averse"
    partial_fills: bool = True
    limits: RiskLimits = field(default_factory=RiskLimits)
    sample_ns: int = 1_000_000_000
    unlimited_depth: bool = False
    funding: tuple[tuple[int, str, float], ...] = ()


class Simulation:
    """A strategy over recorded data.

    Parameters
    ----------
    cls : Strategy class
        From a file, not from a cell.
    values : dict of str to number
        Of every parameter.
    data : Data
    settings : Settings
    is_compiled : bool
    program : Program, optional
        Of the class, built before: many simulations of one class then share it, also in
        several threads, and each is set up in a millisecond.

    Attributes
    ----------
    core : TradingCore
    ledger : Ledger
    position : int
        Events handled.
    now : int
        Time of the last one, ns.
    failure : str
        Why the strategy was stopped; empty if it was not.
    is_interrupted : bool
        Whether somebody wanted it to end early.
    budget : int
        Events of the next step, chosen so that it lasts some 30 ms.

    Raises
    ------
    ConfigError
        The data lacks an instrument of the strategy, or a setting is impossible.
    StrategyError
        The class cannot be compiled or made.
    """

    def __init__(
        self,
        cls: type[Strategy],
        values: dict[str, float],
        data: Data,
        settings: Settings,
        *,
        is_compiled: bool,
        program: "Program | None" = None,
    ) -> None:
        self.declaration = declare(cls)
        self.data, self.settings = data, settings
        _check_symbols(self.declaration, data)
        self.core = _make_core(data, settings)
        self.ledger = Ledger(
            self.core.address,
            self.core.max_orders,
            strategy=0,
            cash=settings.cash,
            n_marks=len(data.instruments),
            sample_ns=settings.sample_ns,
            first_rows=max(2 * self._margin, _FIRST_ROWS),
        )
        self._context = self._make_context(values)
        self._memory = aligned_zeros(SIM.itemsize).view(SIM)
        self.view: Any = self._memory[0]
        strategy = make_instance(cls, values)
        made = {"program": program} if is_compiled else {}
        make: Any = CompiledBody if is_compiled else InterpretedBody
        self.body: Body = make(strategy, self.declaration, self._context, self._table, **made)
        self._fill_view()
        self.body.connect(self._memory)
        self._day = -1
        self.budget = _FIRST_BUDGET
        self._is_started = self.is_finished = self.is_interrupted = False
        self.failure = ""

    @property
    def _margin(self) -> int:
        """Rows of the ledger that one event may need at most."""
        return len(self.core.outbox) + ORDERS_CAPACITY

    @property
    def position(self) -> int:
        """Events handled so far."""
        return int(self.view["position"])

    @property
    def now(self) -> int:
        """Time of the last thing that happened, ns."""
        return int(self.view["now"])

    @property
    def n_errors(self) -> int:
        """Exceptions that came out of callbacks."""
        return int(self._context.counters["errors"])

    @property
    def state(self) -> dict[str, Any]:
        """What the strategy keeps, by name: its state record, and an object's own attributes."""
        kept: dict[str, Any] = {}
        if self._context.state is not None:
            row = self._context.state[0]
            kept = {name: row[name].copy() for name in row.dtype.names or ()}
        return kept | self.body.attributes()

    # Running.

    def step(self) -> bool:
        """Work for some tens of milliseconds; False when the data or the strategy is at its end.

        Raises
        ------
        StrategyError
            `on_start` raised, or the strategy answers its own reports without end.
        """
        if not self._is_started:
            self._start()
        start_ns = time.monotonic_ns()
        before = self.position
        status = self.body.advance(self.budget)
        self._pace(self.position - before, time.monotonic_ns() - start_ns)
        if status == Status.ROOM:
            self._room()  # also of one that failed: the venue has yet to see its last events
        elif self.body.failure:
            self.failure = self.body.failure
            return False
        elif self.is_interrupted or self.body.is_interrupted:
            self.is_interrupted = True
            return False
        elif status == Status.ENDLESS:
            raise StrategyError(
                f"strategy {self.declaration.name!r} answers its own order reports without end at "
                f"{_utc(self.now)}; it must not send a new order for every refusal"
            )
        elif status == Status.END:
            return self._open_next()
        return True

    def _cancel_open(self) -> None:
        """Cancel what the strategy left open, as the engine does when one leaves."""
        self.ledger.grow(self._margin)
        self.core.cancel_strategy(0, self.now)
        note_new_reports(self._memory.ctypes.data)
        clear_reports(self._memory.ctypes.data)

    def finish(self) -> None:
        """Let everything in flight arrive, call `on_stop`, cancel the rest, sample a last time."""
        if not self._is_started or self.is_finished:
            return
        self.is_finished = True
        self._drain()
        self.view["now"] = max(self.now, int(self.view["last_arrival"]))
        self.body.stop()
        self._drain()
        self.failure = self.failure or self.body.failure
        self._cancel_open()
        close(self.ledger.address, self.now)

    def _drain(self) -> None:
        """Let what is in flight arrive; a strategy that failed hears nothing more."""
        if not self.body.failure:
            self.body.drain(self._room)

    def interrupt(self) -> None:
        """Let the step under way end soon, at an event; from a signal's handler."""
        self.is_interrupted = True
        self.body.interrupt()

    def _room(self) -> None:
        """Let grow what a loop found full."""
        self.ledger.grow(self._margin)
        self._feed.grow()

    def _pace(self, done: int, spent_ns: int) -> None:
        """Choose the next budget so that a step lasts about 30 ms."""
        if done and spent_ns:
            wanted = int(done * _STEP_NS / spent_ns)
            self.budget = max(1, min(wanted, 4 * self.budget, _LARGEST_BUDGET))

    def _start(self) -> None:
        self._is_started = True
        try:
            self.body.start()
        except LivekitError:
            raise
        except Exception as error:
            raise StrategyError(
                f"on_start of strategy {self.declaration.name!r} raised {type(error).__name__}: "
                f"{error} ({user_line(error)})"
            ) from error
        self._open_next()

    def _open_next(self) -> bool:
        """Open the next day's streams; False when there is none."""
        self._day += 1
        if self._day >= self.data.n_days:
            return False
        streams = self.data.streams(self._day)
        self._rows = [one.rows for one in streams]
        self._streams = np.zeros(len(streams), STREAM)
        wanted = self._wanted()
        for row, one in zip(self._streams, streams, strict=True):
            row["row"] = one.rows.ctypes.data
            row["end"] = one.rows.ctypes.data + one.rows.nbytes
            row["n_bytes"] = one.rows.dtype.itemsize
            row["instrument"] = one.instrument
            listens = one.instrument in wanted and self.declaration.kinds >> one.kind & 1
            row["tag"] = 2 * one.instrument + bool(listens)
        self._choose_way(streams)
        base = self._streams.ctypes.data
        self._entries = base + np.arange(len(streams), dtype=np.int64) * STREAM.itemsize
        self._heap["entries"], self._heap["n"] = self._entries.ctypes.data, len(streams)
        build(self._heap.ctypes.data)
        return True

    def _choose_way(self, streams: list[Stream]) -> None:
        """Tell the loop whether this day's events may pass the venue."""
        may, keys = way_past([(one.instrument, one.kind) for one in streams], self.data.symbols)
        self.view["is_quiet"], self.view["keys"] = may and not self.view["delays_feed"], keys

    def _wanted(self) -> set[int]:
        """Return the numbers of the instruments the strategy subscribed to."""
        names = self.declaration.symbols or self.data.symbols
        return {self.data.symbols.index(name) for name in names}

    # Wiring.

    def _make_context(self, values: dict[str, float]) -> Context:
        declaration, data = self.declaration, self.data
        symbols = declaration.symbols
        context = Context(declaration.params_dtype, declaration.state_dtype, len(symbols))
        self._table = InstrumentTable(lambda start: data.instruments[start:])
        self._table.follow(context)
        context.symbols[:] = [self._table.number(symbol) for symbol in symbols]
        context.view["epoch"] = _EPOCH
        if context.params is not None:
            for name, value in values.items():
                context.params[0][name] = value
        self._events = private_ring(context.events_side, 64, SLOT_BYTES, is_producer=False)
        self._requests = private_ring(
            context.orders_side, ORDERS_CAPACITY, ORDER_SLOT_BYTES, is_producer=True
        )
        self._consumer = aligned_zeros(SIDE.itemsize).view(SIDE)
        start = int(self._requests.ctypes.data)
        fill_side(
            self._consumer,
            control=start,
            slots=start + CONTROL_BYTES,
            capacity=ORDERS_CAPACITY,
            slot_bytes=ORDER_SLOT_BYTES,
            is_producer=False,
        )
        return context

    def _fill_view(self) -> None:
        view, settings = self.view, self.settings
        self._heap = np.zeros(1, HEAP)
        self._queue = aligned_zeros(QUEUE.itemsize)
        view["queue"] = self._queue.ctypes.data
        self._scratch = aligned_zeros(SLOT_BYTES)
        view["on_request"], view["advance"] = address_of(on_request, 4), address_of(advance, 2)
        view["core"], view["ctx"] = self.core.address, self._context.address
        view["driver"], view["ledger"] = self.body.driver, self.ledger.address
        view["heap"], view["requests"] = self._heap.ctypes.data, self._consumer.ctypes.data
        view["scratch"], view["margin"] = self._scratch.ctypes.data, self._margin
        view["uses_book"], view["logs"] = self.declaration.uses_book, self.body.writes_log
        latency = settings.latency
        self._feed = Feed(RECORDED if latency.is_feed_recorded else latency.feed_ns)
        view["has_latency"] = not (latency.is_zero and self._feed.is_zero)
        view["feed"], view["delays_feed"] = self._feed.address, not self._feed.is_zero
        view["period"] = self.declaration.timer_ns
        view["gate"], view["unseen"] = -1, -1
        self._funding = funding_rows(settings.funding, self.data.symbols)
        view["funding"], view["n_funding"] = self._funding.ctypes.data, len(self._funding)


def _make_core(data: Data, settings: Settings) -> TradingCore:
    if not math.isfinite(settings.cash) or settings.cash <= 0:
        raise ConfigError(f"cash is {settings.cash!r}, expected an amount above 0")
    core = TradingCore(
        data.instruments,
        n_strategies=1,
        max_instruments=len(data.instruments),
        limits=settings.limits,
        fees=settings.fees,
        cash=settings.cash,
        latency=settings.latency,
        queue=settings.queue,
        partial_fills=settings.partial_fills,
        unlimited_depth=settings.unlimited_depth,
    )
    core.open_strategy(0)
    return core


def _check_symbols(declaration: Declaration, data: Data) -> None:
    for symbol in declaration.symbols:
        if symbol not in data.symbols:
            raise ConfigError(
                f"strategy {declaration.name!r} trades {symbol!r}, which the data does not have; "
                f"it has {', '.join(data.symbols)}: load it with symbols={[*declaration.symbols]!r}"
            )


def _utc(ts: int) -> str:
    return f"{np.datetime64(ts, 'ns').astype('datetime64[ms]')} UTC"
