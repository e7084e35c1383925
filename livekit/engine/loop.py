"""The event engine: one turn after the other, until it is told to stop.

A turn puts the market events that are due through the pump, takes orders, and looks
after everything else (control socket, strategies, deaths) about every millisecond.
Between turns the engine polls for orders for as long as its way of waiting says, and
then sleeps on its doorbell; nothing here waits for a strategy without a bound.
Layer 4.
"""

import contextlib
import gc
import logging
import os
import selectors
import signal
from typing import Any, Final

import numpy as np

from livekit import clock
from livekit.config import MAX_INSTRUMENTS
from livekit.engine.bells import open_doorbell, watch_owner
from livekit.engine.folder import DOORBELL, EngineLock
from livekit.engine.front import Front
from livekit.engine.intake import await_orders, drain_outbox, fall_asleep, take_orders, wake_up
from livekit.engine.layout import PUMP
from livekit.engine.live import LiveTurns
from livekit.engine.pump import connect_core, pump_flight, pump_lockstep, pump_market, pump_rest
from livekit.engine.recording import Recorder, describe_engine, make_core, plan_funding
from livekit.engine.settings import EngineSettings
from livekit.engine.source import PaceKind
from livekit.engine.sources import open_source
from livekit.engine.strategies import POLICIES, StrategyManager, StrategySlot
from livekit.engine.supervisor import Supervisor
from livekit.engine.venue import check_venue, open_venue
from livekit.errors import ConfigError, NotRunningError
from livekit.events import SLOT_BYTES
from livekit.ring.broadcast import ring_bells
from livekit.ring.counters import HISTOGRAM_WORDS, observe
from livekit.ring.directory import ENGINE_HEADER, EngineSegment
from livekit.ring.layout import aligned_zeros
from livekit.ring.wait import WAITS
from livekit.trading.feed import RECORDED, Feed
from livekit.trading.latency import parse_ns
from livekit.trading.layout import Gate
from livekit.trading.risk import open_strategy

__all__ = ["EventEngine"]

_log: Final = logging.getLogger(__name__)

_LOOK_AFTER_NS: Final = 1_000_000
_LOOK_AFTER_LIVE_NS: Final = 5_000_000  # its events come one by one: looks would cost more
_LONGEST_SLEEP_NS: Final = 20_000_000
_REST_NS: Final = 60_000_000_000
_STOP_GRACE_NS: Final = 5_000_000_000
_TICK: Final = int(ENGINE_HEADER.fields["tick"][1])  # type: ignore[index]


class EventEngine:
    """One engine: source, trading core, strategies, control.

    Parameters
    ----------
    settings : EngineSettings
    lock : EngineLock
        Held by the caller; released by `run` when it ends.

    Raises
    ------
    ConfigError
        A setting is impossible.
    NotFoundError, DataError
        The recorded data is missing or corrupt.
    NotRunningError, DeadlineError
        The exchange is not there, or does not answer.
    """

    def __init__(self, settings: EngineSettings, lock: EngineLock) -> None:
        if settings.wait not in WAITS:
            raise ConfigError(f"wait {settings.wait!r} is unknown; use {', '.join(WAITS)}")
        check_venue(settings)
        self.settings, self._lock = settings, lock
        self.source = open_source(settings)
        self.policy = settings.policy or ("block" if self.source.pace.is_lossless else "drop")
        if self.policy not in POLICIES:
            raise ConfigError(f"policy {self.policy!r} is unknown; use drop, alert or block")
        self.generation = clock.now_ns()
        self.started_ns = clock.monotonic_ns()
        self.core = make_core(settings, self.source, self.generation)
        try:
            self.venue = open_venue(settings, self.source, self.core)
        except BaseException:
            self.source.close()
            raise
        self.segment = EngineSegment.create(
            lock.folder, generation=self.generation, engine=settings.name
        )
        for instrument in self.source.instruments:
            self.segment.append(instrument)
        self._pump_memory = aligned_zeros(PUMP.itemsize)
        self.pump = self._pump_memory.view(PUMP)
        connect_core(self.pump, self.core.address, is_live=self.venue.is_remote)
        self.pump["board"] = self.segment.board_address
        self._model_latency()
        self._funding = plan_funding(settings, self.source, self.pump)
        self.recorder = Recorder(
            self.core,
            self.pump,
            describe_engine(settings, self.source, self.core, len(self._funding)),
            parse_ns("sample", settings.sample) if settings.sample else 0,
        )
        self.manager = StrategyManager(
            lock.folder,
            settings.name,
            self.generation,
            self.pump,
            self._strategy_gone,
            self._strategy_opens,
        )
        self.manager.instruments = list(self.source.instruments)
        self.manager.positions = self._positions
        self._selector = selectors.SelectSelector()
        self._doorbell = open_doorbell(lock.folder / DOORBELL, self._selector)
        self.supervisor = Supervisor(self.manager, self._selector, self._strategy_hangs)
        self.front = Front(self, lock.folder, self._selector, self._make_room)
        self.is_stopping = False
        self.finished_ns = 0
        self._stop_by_ns = self._looked_ns = self._first_ns = 0
        self._has_begun, self._is_open = settings.wait_for == 0, False
        self._look_ns = _LOOK_AFTER_LIVE_NS if self.source.is_live else _LOOK_AFTER_NS
        tick = self.segment.file.address + _TICK
        waiting = (settings.wait, self._grow, self._dispatch, self.venue.flush)
        self.live = LiveTurns(self.pump, tick, self.source, self.manager.timers, *waiting)

    def _model_latency(self) -> None:
        """Put the paper exchange's latencies into the pump."""
        latency = self.core.latency
        self._feed = Feed(RECORDED if latency.is_feed_recorded else latency.feed_ns)
        self.pump["feed"], self.pump["delays_feed"] = self._feed.address, not self._feed.is_zero
        self.pump["has_latency"] = not (latency.is_zero and self._feed.is_zero)

    # The loop.

    def catch_signals(self) -> None:
        """Let SIGTERM and SIGINT stop the engine: before anybody is told that it is ready."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())

    def run(self) -> None:
        """Run until stopped; leave nothing behind."""
        watch_owner(self.settings.owner_pid, self._selector, self._owner_gone)
        gc.collect()
        gc.freeze()
        _log.info("engine running name=%s pid=%d", self.settings.name, os.getpid())
        try:
            while not self._may_leave():
                moved = self._turn()
                now_ns = clock.monotonic_ns()
                if now_ns - self._looked_ns >= self._look_ns:
                    self._look_after(now_ns)
                if moved == 0:
                    self._idle()
        finally:
            self._close()

    def stop(self) -> None:
        """Begin to stop: no more market data; strategies are asked to leave."""
        if self.is_stopping:
            return
        self.is_stopping, self.live.is_open = True, False
        self._stop_by_ns = clock.monotonic_ns() + _STOP_GRACE_NS
        self.venue.stop()
        for slot in self.manager.slots.values():
            self.manager.request_stop(slot)

    def begin(self) -> None:
        """Let market data flow although fewer strategies came than were waited for."""
        self._has_begun = True

    def rate(self, now_ns: int) -> float:
        """Return events per second since the first one went out, 0 before."""
        first_ns = self._first_ns or self.live.first_ns
        seconds = (now_ns - first_ns) / 1e9 if first_ns else 0.0
        return int(self.pump[0]["events_in"]) / seconds if seconds > 0 else 0.0

    @property
    def is_held(self) -> bool:
        """Whether market data still waits for strategies to attach."""
        if not self._has_begun:
            n_open = sum(slot.is_open for slot in self.manager.slots.values())
            self._has_begun = n_open >= self.settings.wait_for
        return not self._has_begun

    def _may_leave(self) -> bool:
        if not self.is_stopping:
            return False
        is_over = not self.manager.slots and self.venue.is_quiet
        return is_over or clock.monotonic_ns() > self._stop_by_ns

    def _turn(self) -> int:
        """Put through what is due; return how many events and orders moved."""
        pump = int(self.pump.ctypes.data)
        if self.is_stopping or self.is_held:
            return take_orders(pump)
        if not self._is_open:
            self._is_open = True
            self.source.begin(self._selector, self.live.publish, self.live.direct)
            self.venue.begin(self._selector, self._make_room, self._drain)
        if self.source.is_live:
            return self.live.turn()
        if self.source.is_finished:
            return self._rest(pump)
        address, due = self.source.due()
        if due == 0:
            if self.pump[0]["has_latency"] and not self.source.pace.is_lossless:
                pump_flight(pump, self.source.now_ts())
            return take_orders(pump)
        start_ns = clock.monotonic_ns()
        self._first_ns = self._first_ns or start_ns
        if self.source.pace.kind is PaceKind.LOCKSTEP:
            moved = pump_lockstep(pump, address, SLOT_BYTES, due, start_ns + _LOOK_AFTER_NS)
        else:
            moved = pump_market(pump, address, SLOT_BYTES, due)
        self.source.advance(moved)
        if moved:
            spent = clock.monotonic_ns() - start_ns
            observe(self.segment.file.address + _TICK, spent // moved)
        if self.source.is_finished:
            self.finished_ns = clock.monotonic_ns()
            _log.info("replay finished events=%d", self.source.n_events)
        return moved

    def _rest(self, pump: int) -> int:
        """Behind the last event, let what is under way arrive."""
        if not self.pump[0]["has_latency"]:
            return take_orders(pump)
        limit = self.source.last_ts + _REST_NS
        if self.source.pace.kind is PaceKind.LOCKSTEP:
            pump_rest(pump, limit, clock.monotonic_ns() + _LOOK_AFTER_NS)
            return 0
        return pump_flight(pump, limit) + take_orders(pump)

    def _idle(self) -> None:
        """Wait for an order, the next event or a command, within a bound."""
        if self.source.is_live and not self.is_stopping:
            self.live.idle()
            return
        spin_ns, yield_ns, sleep_ns = WAITS[self.settings.wait]
        now_ns = clock.monotonic_ns()
        may_wait = _LONGEST_SLEEP_NS
        if not (self.is_stopping or self.is_held or self.source.is_finished):
            wait_ns = self.source.wait_ns()
            may_wait = min(may_wait, wait_ns) if wait_ns >= 0 else may_wait
            if self.source.pace.is_lossless:
                may_wait = _LOOK_AFTER_NS  # a strategy is slow; it releases without a bell
        polling_ns = min(spin_ns + yield_ns, may_wait)
        pump = int(self.pump.ctypes.data)
        spin_until = now_ns + min(spin_ns, may_wait)
        if await_orders(pump, spin_until, now_ns + polling_ns) or sleep_ns == 0:
            return
        left_ns = may_wait - polling_ns
        if left_ns <= 0 or (self.source.pace.is_lossless and may_wait == _LOOK_AFTER_NS):
            return
        if not fall_asleep(pump):
            self._dispatch(left_ns / 1e9)
        wake_up(pump)

    def _look_after(self, now_ns: int) -> None:
        """Do everything that is not the inner loop."""
        self._looked_ns = now_ns
        if self.is_stopping or not (self.source.is_live and self._is_open):
            self._dispatch(0)  # a live turn has just done so
        self._grow()
        self.source.look_after(now_ns)
        self.venue.look_after(now_ns)
        self.manager.poll(now_ns)
        self.supervisor.poll(now_ns)
        self.front.poll(now_ns)

    def _dispatch(self, timeout_s: float) -> None:
        for key, _ in self._selector.select(timeout_s):
            key.data()

    # Strategies.

    def register(self, request: dict[str, Any]) -> StrategySlot:
        """Register a strategy for the control socket."""
        if self.is_stopping:
            raise NotRunningError(f"engine {self.settings.name!r} is stopping; start it again")
        slot = self.manager.register_strategy(
            str(request["name"]),
            dict(request["spec"]),
            int(request["pid"]),
            int(request["start"]),
            str(request.get("policy") or self.policy),
        )
        open_strategy(self.core.address, slot.ring)
        self.supervisor.watch(slot)
        return slot

    def _positions(self, ring: int) -> np.ndarray:
        """Return a strategy's positions by instrument number, float64[MAX_INSTRUMENTS]."""
        positions = np.zeros(MAX_INSTRUMENTS)
        for number in np.flatnonzero(self.core.positions[ring]["lots"]):
            positions[number] = self.core.quantity(
                int(number), int(self.core.positions[ring, number]["lots"])
            )
        return positions

    def _cancel(self, ring: int) -> int:
        """Cancel what a strategy has open and report it; return how many."""
        self._make_room()
        canceled = self.venue.cancel_strategy(ring, int(self.pump[0]["now"]))
        self._drain()
        return canceled

    def _strategy_opens(self, slot: StrategySlot) -> None:
        """Record a strategy from its first event on; what only reads has no run."""
        if self.settings.sample and slot.segment.spec["mode"] != "recorder":
            self.recorder.begin(slot.ring)

    def _strategy_gone(self, slot: StrategySlot, reason: str) -> None:
        """Cancel what a strategy has open; it can send nothing more."""
        self.core.risk.set_gate(slot.ring, Gate.FENCED)
        canceled = self._cancel(slot.ring)
        errors = int(slot.segment.strategy_counters["errors"])
        what = (slot.name, slot.segment.spec, self.manager.instruments, errors)
        self.recorder.leave(slot.ring, *what)
        if canceled:
            _log.info("orders canceled name=%s count=%d reason=%s", slot.name, canceled, reason)

    def _strategy_hangs(self, slot: StrategySlot, is_hung: bool) -> None:  # noqa: FBT001 - a callback
        self.core.risk.set_gate(slot.ring, Gate.FENCED if is_hung else Gate.OPEN)
        if is_hung:
            self._cancel(slot.ring)

    def halt(self) -> int:
        """Refuse everything but cancels from now on, and cancel every order; return how many."""
        self.core.router.halt()
        self._make_room()
        canceled = self.venue.cancel_all(int(self.pump[0]["now"]))
        self._drain()
        _log.warning("trading halted orders_canceled=%d", canceled)
        return canceled

    def _make_room(self) -> None:
        """Empty the outbox: what found no room in a ring goes to its strategy's backlog.

        An empty outbox holds whatever one call can cause, so the next call cannot fail.
        """
        if self.manager.keep_undelivered(self.core.outbox):
            self.core.drain()

    def _grow(self) -> None:
        """Make room for what a turn can cause."""
        self._make_room()
        self.recorder.poll()
        self._feed.grow()

    def _drain(self) -> None:
        """Send the reports that a call from Python left in the outbox."""
        drain_outbox(int(self.pump.ctypes.data))
        ring_bells(self.manager.hub.address)

    # Beginning and end.

    def warm_up(self) -> None:
        """Compile what the loop calls, before a strategy can wait for it."""
        pump = int(self.pump.ctypes.data)
        take_orders(pump)
        pump_market(pump, 0, SLOT_BYTES, 0)
        pump_lockstep(pump, 0, SLOT_BYTES, 0, 0)
        pump_flight(pump, 0)
        pump_rest(pump, 0, 0)
        self.live.warm_up()
        await_orders(pump, 0, 0)
        fall_asleep(pump)
        wake_up(pump)
        self._drain()
        scratch = np.zeros(HISTOGRAM_WORDS, np.int64)
        observe(scratch.ctypes.data, 0)
        self.front.warm_up()

    def _owner_gone(self) -> None:
        _log.warning("owner gone pid=%d", self.settings.owner_pid)
        self.stop()

    def _close(self) -> None:
        for slot in list(self.manager.slots.values()):
            _log.warning("strategy killed at stop name=%s", slot.name)
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(slot.pidfd, signal.SIGKILL)
            self.manager.unregister_strategy(slot, "killed at stop")
        self.venue.close()
        self.source.close()
        self.front.close()
        self.recorder.close()
        self._lock.release()
        _log.info("engine stopped name=%s", self.settings.name)
