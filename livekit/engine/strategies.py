"""The engine's strategies: their segments, rings, routes, reports and endings.

A strategy keeps its number for as long as the engine lives, so that one which is
detached and attached again under the same name finds its position where it left it.
Events flow into its ring from the moment it says that it has started: nothing is
lost, and nothing is counted as lost, while it still compiles.
Layer 4.
"""

import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit import clock
from livekit.config import (
    EVENTS_CAPACITY,
    MAX_BACKLOG,
    MAX_INSTRUMENTS,
    MAX_STRATEGIES,
    check_name,
)
from livekit.engine.intake import take_orders
from livekit.errors import ConfigError, NotRunningError
from livekit.events import ANY_INSTRUMENT, STOP, Kind
from livekit.instruments import Instrument
from livekit.ring.broadcast import Hub, broadcast, broadcast_batch, deliver, ring_bells
from livekit.ring.layout import (
    POLICY_ALERT,
    POLICY_BLOCK,
    POLICY_DROP,
    SIDE,
    SIDE_BYTES,
    aligned_zeros,
)
from livekit.ring.segment import Phase, RunState, Segment, SegmentPlan

__all__ = ["POLICIES", "StrategyManager", "StrategySlot"]

_log: Final = logging.getLogger(__name__)

POLICIES: Final = {"drop": POLICY_DROP, "alert": POLICY_ALERT, "block": POLICY_BLOCK}

_ALERT_EVERY_NS: Final = 1_000_000_000


@dataclass(slots=True)
class StrategySlot:
    """One attached strategy, as its engine sees it.

    Attributes
    ----------
    ring : int
        Its number; also its row in the trading core.
    pidfd : int
        Becomes readable when the process is gone.
    backlog : deque of bytes
        Reports that found its ring full, oldest first.
    is_open, is_hung, is_stopping : bool
    stop_by_ns : int
        When a stopping strategy is ended by force.
    """

    name: str
    ring: int
    segment: Segment
    pid: int
    start: int
    pidfd: int
    policy: str
    attached_ns: int
    is_open: bool = False
    is_hung: bool = False
    is_stopping: bool = False
    is_fenced: bool = False
    stop_by_ns: int = 0
    alerts_seen: int = 0
    alerted_ns: int = 0
    backlog: deque[bytes] = field(default_factory=deque)

    @property
    def state(self) -> str:
        """What ``livekit ps`` shows."""
        if self.is_fenced:
            return "fenced"
        if self.is_stopping:
            return "stopping"
        if self.is_hung:
            return "hung"
        return "running" if self.is_open else "starting"


class StrategyManager:
    """Registers strategies, broadcasts to them and receives their orders.

    Parameters
    ----------
    folder : Path
        The engine's, where segments are made.
    engine : str
    generation : int
        Of this start of the engine.
    pump : numpy.ndarray
        PUMP[1], shared with the engine's loop.
    on_gone : callable
        Called with a slot and a reason once it can send no more orders; cancels what
        it has open.
    on_open : callable
        Called with a slot before its first event.
    """

    def __init__(
        self,
        folder: Path,
        engine: str,
        generation: int,
        pump: np.ndarray,
        on_gone: Callable[[StrategySlot, str], None],
        on_open: Callable[[StrategySlot], None],
    ) -> None:
        self.folder, self.engine, self.generation = folder, engine, generation
        self.hub = Hub()
        self.slots: dict[str, StrategySlot] = {}
        self.instruments: list[Instrument] = []
        self.positions: Callable[[int], np.ndarray] = lambda _ring: np.zeros(MAX_INSTRUMENTS)
        self._on_gone, self._on_open = on_gone, on_open
        self._numbers: dict[str, int] = {}
        self._epochs: dict[str, int] = {}
        self._orders = aligned_zeros(MAX_STRATEGIES * SIDE_BYTES)
        self.order_sides = self._orders.view(SIDE)
        self._pump_array = pump
        self._pump = pump[0]
        self._pump["hub"] = self.hub.address
        self._pump["orders"] = self._orders.ctypes.data
        self.timers = np.zeros((MAX_STRATEGIES, 2), np.int64)
        self._pump["timers"] = self.timers.ctypes.data

    # Registering and unregistering.

    def register_strategy(
        self, name: str, spec: dict[str, Any], pid: int, start: int, policy: str
    ) -> StrategySlot:
        """Make a strategy's segment and watch its process; its events begin when it starts.

        Raises
        ------
        ConfigError
            The name is taken, a symbol or the policy is unknown, or there are too many.
        """
        check_name(name, "strategy")
        if name in self.slots:
            raise ConfigError(
                f"strategy {name!r} is attached already (pid {self.slots[name].pid}); detach it "
                f"with 'livekit detach {name}', or attach this one under another name with --name"
            )
        if policy not in POLICIES:
            raise ConfigError(f"policy {policy!r} is unknown; use drop, alert or block")
        self._instrument_numbers(spec)
        ring = self._number(name)
        pidfd = _open_process(pid, start)
        self._epochs[name] = self._epochs.get(name, 0) + 1
        plan = SegmentPlan(
            name=name,
            engine=self.engine,
            generation=self.generation,
            ring=ring,
            epoch=self._epochs[name],
            spec=spec,
            params_bytes=int(spec["params_bytes"]),
            state_bytes=int(spec["state_bytes"]),
            events_capacity=int(spec.get("events_capacity", EVENTS_CAPACITY)),
        )
        try:
            segment = Segment.create(self.folder / name, plan)
        except BaseException:
            os.close(pidfd)
            raise
        segment.positions[:] = self.positions(ring)
        slot = StrategySlot(
            name, ring, segment, pid, start, pidfd, policy, attached_ns=clock.monotonic_ns()
        )
        self.slots[name] = slot
        _log.info("strategy registered name=%s ring=%d pid=%d", name, ring, pid)
        return slot

    def _number(self, name: str) -> int:
        """Return the strategy's number: its old one, a free one, or one given up flat."""
        if name in self._numbers:
            return self._numbers[name]
        used = set(self._numbers.values())
        number = next((k for k in range(MAX_STRATEGIES) if k not in used), None)
        if number is None:
            old = next(
                (
                    n
                    for n, k in self._numbers.items()
                    if n not in self.slots and not self.positions(k).any()
                ),
                None,
            )
            if old is None:
                raise ConfigError(
                    f"engine {self.engine!r} has {MAX_STRATEGIES} strategies, the most it takes; "
                    "detach one that is flat first"
                )
            number = self._numbers.pop(old)
        self._numbers[name] = number
        return number

    def _instrument_numbers(self, spec: dict[str, Any]) -> list[int]:
        numbers = {instrument.symbol: k for k, instrument in enumerate(self.instruments)}
        symbols = [str(symbol) for symbol in spec["symbols"]]
        unknown = [symbol for symbol in symbols if symbol not in numbers]
        if unknown:
            raise ConfigError(
                f"symbol {unknown[0]!r} is not served by engine {self.engine!r}; it serves "
                f"{', '.join(numbers)}"
            )
        return [numbers[symbol] for symbol in symbols] or list(numbers.values())

    def open(self, slot: StrategySlot) -> None:
        """Let events and orders of a strategy flow."""
        slot.segment.fill_events_side(
            self.hub.side(slot.ring), is_producer=True, policy=POLICIES[slot.policy]
        )
        slot.segment.fill_orders_side(
            self.order_sides[slot.ring : slot.ring + 1], is_producer=False
        )
        for number in self._instrument_numbers(slot.segment.spec):
            self.hub.route(slot.ring, number, int(slot.segment.spec["kinds"]))
        self.timers[slot.ring] = int(slot.segment.spec.get("timer_ns", 0)), 0
        if self.timers[slot.ring, 0] > 0:
            self._pump["timed"] |= _bit(slot.ring)
        slot.segment.header["run_state"] = RunState.RUNNING
        self._on_open(slot)
        self.hub.open(slot.ring)
        self._pump["open"] |= _bit(slot.ring)
        slot.is_open = True

    def close(self, slot: StrategySlot, reason: str) -> None:
        """Stop a strategy's events and orders and cancel what it has open.

        Requests it had pushed before are taken first: they were its intent.
        """
        if slot.is_open:
            take_orders(self._pump_array.ctypes.data)
        self._pump["open"] &= ~_bit(slot.ring)
        self._pump["backlogged"] &= ~_bit(slot.ring)
        self._pump["timed"] &= ~_bit(slot.ring)
        slot.backlog.clear()
        self.hub.close(slot.ring)
        slot.is_open = False
        self._on_gone(slot, reason)

    def unregister_strategy(self, slot: StrategySlot, reason: str) -> None:
        """Forget a strategy whose process is gone, and remove its segment."""
        self.close(slot, reason)
        # Reports may still come, of orders on a venue: they are not counted in memory that goes.
        self.order_sides[slot.ring : slot.ring + 1] = 0
        os.close(slot.pidfd)
        slot.segment.file.unlink()
        del self.slots[slot.name]
        _log.info("strategy gone name=%s reason=%s", slot.name, reason)

    def fence(self, slot: StrategySlot, reason: str) -> None:
        """Cut a strategy off at once; its process is told and, if need be, ended."""
        if slot.is_fenced:
            return
        _log.warning("strategy fenced name=%s reason=%s", slot.name, reason)
        slot.is_fenced = True
        slot.stop_by_ns = clock.monotonic_ns() + 2_000_000_000
        self.close(slot, reason)
        slot.segment.header["run_state"] = RunState.FENCED

    def request_stop(self, slot: StrategySlot) -> None:
        """Ask a strategy to stop: it handles what it has, then `on_stop`, then leaves."""
        if slot.is_stopping:
            return
        slot.is_stopping = True
        slot.stop_by_ns = clock.monotonic_ns() + 3_000_000_000
        slot.segment.header["run_state"] = RunState.STOPPING
        if slot.is_open:
            event = np.zeros(1, STOP)
            event["kind"], event["instrument"] = Kind.STOP, ANY_INSTRUMENT
            self._deliver(slot, event.tobytes())

    def find(self, name: str) -> StrategySlot:
        """Return the slot of an attached strategy."""
        if name not in self.slots:
            names = ", ".join(self.slots) or "none"
            raise NotRunningError(
                f"strategy {name!r} is not attached to engine {self.engine!r}; attached: {names}"
            )
        return self.slots[name]

    def list_strategies(self) -> list[str]:
        """Return the names of the attached strategies."""
        return list(self.slots)

    # Events out, orders in.

    def broadcast_event(self, event: np.ndarray) -> bool:
        """Give one market event to every strategy that wants it; False if a ring blocks."""
        done = broadcast(self.hub.address, event.ctypes.data) == 1
        ring_bells(self.hub.address)
        return done

    def broadcast_events(self, slots: np.ndarray) -> int:
        """Broadcast uint8[n, 256] market events; return how many before a ring blocked."""
        return broadcast_batch(self.hub.address, slots.ctypes.data, slots.strides[0], len(slots))

    def receive_orders(self) -> int:
        """Take the requests that have arrived; return how many."""
        return take_orders(self._pump_array.ctypes.data)

    def _deliver(self, slot: StrategySlot, event: bytes) -> None:
        """Deliver a report or control event, behind what already waits for room."""
        buffer = np.frombuffer(bytearray(event.ljust(256, b"\0")), np.uint8)
        if slot.backlog or deliver(self.hub.address, slot.ring, buffer.ctypes.data) == 0:
            slot.backlog.append(event)
            self._pump["backlogged"] |= _bit(slot.ring)
        ring_bells(self.hub.address)

    def deliver_params(self, slot: StrategySlot, event: np.ndarray) -> None:
        """Deliver a control event that another part of the engine made."""
        self._deliver(slot, event.tobytes())

    def keep_undelivered(self, outbox: np.ndarray) -> int:
        """Move the reports kept at the outbox's front into their backlogs; return how many."""
        count = int(self._pump["n_kept"])
        if count == 0:
            return 0
        by_ring = {slot.ring: slot for slot in self.slots.values()}
        for row in outbox[:count]:
            slot = by_ring.get(int(row["strategy"]))
            if slot is not None and slot.is_open:
                slot.backlog.append(row["report"].tobytes())
        self._pump["n_kept"] = 0
        return count

    def poll(self, now_ns: int) -> None:
        """Look after every strategy once: starts, backlogs, broken rings, alerts."""
        broken = int(self._pump["broken"]) | int(self.hub.view["broken"])
        self._pump["broken"] = self.hub.view["broken"] = 0
        for slot in list(self.slots.values()):
            if broken >> slot.ring & 1:
                self.fence(slot, "it wrote an impossible cursor into its ring")
            if slot.state == "starting" and int(slot.segment.header["phase"]) >= Phase.STARTED:
                self.open(slot)
            if slot.backlog:
                self._flush(slot)
            slot.segment.engine_counters["backlog"] = len(slot.backlog)
            self._alert(slot, now_ns)

    def _flush(self, slot: StrategySlot) -> None:
        buffer = np.zeros(256, np.uint8)
        while slot.backlog:
            event = slot.backlog[0]
            buffer[: len(event)] = np.frombuffer(event, np.uint8)
            if deliver(self.hub.address, slot.ring, buffer.ctypes.data) != 1:
                break
            slot.backlog.popleft()
        ring_bells(self.hub.address)
        if not slot.backlog:
            self._pump["backlogged"] &= ~_bit(slot.ring)
        elif len(slot.backlog) > MAX_BACKLOG:
            self.fence(slot, f"it left {MAX_BACKLOG} reports unread behind a full ring")

    def _alert(self, slot: StrategySlot, now_ns: int) -> None:
        alerts = int(slot.segment.engine_counters["alerts"])
        if slot.policy != "alert" or alerts == slot.alerts_seen:
            return
        if now_ns - slot.alerted_ns > _ALERT_EVERY_NS:
            dropped = int(slot.segment.engine_counters["dropped"].sum())
            _log.warning("ring full name=%s alerts=%d dropped=%d", slot.name, alerts, dropped)
            slot.alerts_seen, slot.alerted_ns = alerts, now_ns


def _bit(ring: int) -> np.int64:
    return np.int64(np.uint64(1 << ring).astype(np.int64))


def _open_process(pid: int, start: int) -> int:
    """Return a pidfd of a process of ours that started when it says."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        raise ConfigError(f"strategy process {pid} is gone already") from None
    owner = Path(f"/proc/{pid}").stat().st_uid if clock.is_alive(pid, start) else -1
    if owner != os.getuid():
        os.close(pidfd)
        raise ConfigError(f"process {pid} is not the strategy that asked, or not of this user")
    return pidfd
