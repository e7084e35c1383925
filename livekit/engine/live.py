"""The engine's turn while its source is live: sockets, the wall clock, orders.

Events do not wait here to become due. A readable socket's callback puts them through
the pump (`LiveTurns.publish`); a turn asks the selector, brings the engine's time up to
the clock, and takes orders. How the engine waits between turns is its way of waiting,
with sockets looked at every few microseconds for as long as it does not sleep. On a
laptop it stays awake for answers only while strategies trade: where they just watch, a
wait for orders at every event is most of what the engine would cost.
Layer 4.
"""

import logging
from collections.abc import Callable
from typing import Final

import numpy as np

from livekit import clock
from livekit.engine.intake import await_orders, fall_asleep, wake_up
from livekit.engine.pump import pump_clock, pump_market
from livekit.engine.source import Direct, Source
from livekit.engine.timers import FOREVER, next_timer
from livekit.events import SLOT_BYTES
from livekit.ring.call import address_of, call4
from livekit.ring.counters import observe
from livekit.ring.jit import hot, i64
from livekit.ring.layout import aligned_zeros
from livekit.ring.memory import clock_ns, record
from livekit.ring.wait import WAITS
from livekit.trading.layout import CORE

__all__ = ["LiveTurns"]

_log: Final = logging.getLogger(__name__)

_LONGEST_SLEEP_NS: Final = 20_000_000
_STEP_NS: Final = 20_000
_TRADING_NS: Final = 100_000_000  # how long after an order the next one is waited for
_SPIN_STEP_NS: Final = 4_000
_TRIES: Final = 3

_LIVE: Final = np.dtype(
    [
        ("pump", "<i8"),  # addresses: of a PUMP,
        ("market", "<i8"),  # of `pump_market`,
        ("core", "<i8"),  # of the CORE,
        ("tick", "<i8"),  # of the histogram of what an event costs
        ("is_open", "<i8"),
        ("first_ns", "<i8"),
        ("moved", "<i8"),  # events since the last turn
        ("done", "<i8"),  # of the last call's events
    ]
)
"""What a frame's events need to go through the engine."""

_OPEN, _FIRST, _MOVED, _DONE = 4, 5, 6, 7  # words of a _LIVE


@hot
def _put(live: int, events: int, n: int) -> int:
    """Put `n` slots through the engine; 0 when some found no room, or orders wait to be sent."""
    view = record(_LIVE, live)
    if view.is_open == 0:
        return 1
    start_ns = clock_ns()
    if view.first_ns == 0:
        view.first_ns = start_ns
    done = call4(view.market, view.pump, events, SLOT_BYTES, n)
    view.done = done
    view.moved += done
    if done > 0:
        observe(view.tick, (clock_ns() - start_ns) // done)
    return i64(done == n and record(CORE, view.core).n_sends == 0)


class LiveTurns:
    """The turns of one live engine.

    Parameters
    ----------
    pump : PUMP[1]
    tick : int
        Address of the histogram of what an event costs.
    source : Source
    timers : int64[MAX_STRATEGIES, 2]
        Period and next time of each strategy's timer, ns.
    wait : str
        One of WAITS.
    make_room : callable
        Empties the outbox and lets ledgers and queues grow.
    dispatch : callable
        Waits for the selector, at most so many seconds, and calls back.
    flush : callable
        Sends the orders that were taken to the venue.

    Attributes
    ----------
    direct : Direct
        `publish`, for compiled callers.
    n_lost : int
        Events that the engine had no room for.
    """

    def __init__(
        self,
        pump: np.ndarray,
        tick: int,
        source: Source,
        timers: np.ndarray,
        wait: str,
        make_room: Callable[[], None],
        dispatch: Callable[[float], None],
        flush: Callable[[], None],
    ) -> None:
        self._pump, self._source = int(pump.ctypes.data), source
        self._timers, self._n_timers = int(timers.ctypes.data), len(timers)
        self._orders, self._n_orders, self._ordered_ns = pump["orders_in"], 0, 0
        self._spin_ns, self._yield_ns, self._sleep_ns = WAITS[wait]
        self._make_room, self._dispatch, self._flush = make_room, dispatch, flush
        self._moved_ns = self.n_lost = 0
        self._has_looked = False  # whether the last wait was for the sockets
        self._memory = aligned_zeros(_LIVE.itemsize)
        self._live, self._words = int(self._memory.ctypes.data), self._memory.data.cast("q")
        own = self._memory.view(_LIVE)
        own["pump"], own["tick"], own["core"] = self._pump, tick, pump["core"]
        own["market"] = address_of(pump_market, 4)
        self.is_open = True
        self.direct = Direct(address_of(_put, 3), self._live, self._settle)

    @property
    def is_open(self) -> bool:
        """Whether events are taken."""
        return bool(self._words[_OPEN])

    @is_open.setter
    def is_open(self, value: bool) -> None:
        self._words[_OPEN] = value

    @property
    def first_ns(self) -> int:
        """CLOCK_MONOTONIC of the first event; 0 before it."""
        return self._words[_FIRST]

    def publish(self, address: int, n: int) -> None:
        """Put `n` slots through the engine now, and the orders they lead to."""
        if not _put(self._live, address, n):
            self._settle(address, n)

    def _settle(self, address: int, n: int) -> None:
        """Put through what of `n` slots found no room, and send the orders."""
        words = self._words
        tries = 0
        while words[_DONE] < n:
            if tries == _TRIES:
                self.n_lost += n - words[_DONE]
                _log.error("events lost count=%d: no room for them", n - words[_DONE])
                break
            tries += 1
            self._make_room()
            left = address + words[_DONE] * SLOT_BYTES
            more = pump_market(self._pump, left, SLOT_BYTES, n - words[_DONE])
            words[_DONE] += more
            words[_MOVED] += more
        self._flush()

    def turn(self) -> int:
        """Look at the sockets and the clock; return how much moved.

        Behind a wait for the sockets they are not looked at again, and what it brought is
        0: the next wait ends at once if there is more.
        """
        words = self._words
        has_looked, self._has_looked = self._has_looked, False
        if not has_looked:
            self._dispatch(0)
        moved = pump_clock(self._pump, self._source.now_ts()) + words[_MOVED]
        if words[_MOVED]:
            self._source.advance(words[_MOVED])
            words[_MOVED] = 0
        if moved:
            self._flush()
            self._moved_ns = clock.monotonic_ns()
        return 0 if has_looked else moved

    def idle(self) -> None:
        """Wait for orders, sockets or a timer, as the engine's way of waiting says."""
        now_ns = clock.monotonic_ns()
        if self._sleep_ns == 0:
            if await_orders(self._pump, now_ns + _SPIN_STEP_NS, now_ns + _SPIN_STEP_NS):
                self._flush()
            return
        idle_ns = now_ns - self._moved_ns
        if idle_ns < self._spin_ns + self._yield_ns and self._may_trade(now_ns):
            spin_until = now_ns + _STEP_NS if idle_ns < self._spin_ns else 0
            if await_orders(self._pump, spin_until, now_ns + _STEP_NS):
                self._flush()
                return
            if idle_ns + _STEP_NS < self._spin_ns + self._yield_ns:
                return
        left_ns = min(_LONGEST_SLEEP_NS, self._until_timer())
        if left_ns <= 0:
            return
        if not fall_asleep(self._pump):
            self._dispatch(left_ns / 1e9)
            self._has_looked = True
        wake_up(self._pump)

    def _until_timer(self) -> int:
        """Return how long until the first timer is due, ns."""
        due = next_timer(self._timers, self._n_timers)
        return _LONGEST_SLEEP_NS if due == FOREVER else due - self._source.now_ts()

    def _may_trade(self, now_ns: int) -> bool:
        """Tell whether it pays to stay awake for orders."""
        if self._spin_ns:
            return True
        n_orders = int(self._orders[0])
        if n_orders != self._n_orders:
            self._n_orders, self._ordered_ns = n_orders, now_ns
        return now_ns - self._ordered_ns < _TRADING_NS

    def warm_up(self) -> None:
        """Compile what a turn calls."""
        pump_clock(self._pump, 0)
        next_timer(self._timers, self._n_timers)
