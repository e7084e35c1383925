"""A strategy's whole world in shared memory: one file, made by the engine.

    header    PREFIX, then who runs it, where the parts are, and the words of both sides
    spec      the strategy's description as JSON: class, file hash, parameters, state
    events    control block and slots: engine to strategy
    orders    control block and slots: strategy to engine
    counters  ENGINE_COUNTERS and STRATEGY_COUNTERS
    positions float64 per instrument number, by the engine
    params    the parameters as one record, double-buffered, by the engine
    state     the strategy's state as one record behind a seqlock, by the strategy

Every word has one writer. The slots of ring k start k x 128 bytes into their part,
because page-aligned rings would put the same slot of 20 rings into one set of the L1
cache (134 against 29 ns per event at 20 strategies).
Layer 1.
"""

import enum
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit import clock
from livekit.config import (
    EVENTS_CAPACITY,
    EVENTS_RESERVE,
    MAX_EVENTS_CAPACITY,
    MAX_INSTRUMENTS,
    MAX_SPEC_BYTES,
    MAX_STATE_BYTES,
    ORDERS_CAPACITY,
)
from livekit.errors import ConfigError
from livekit.events import SLOT_BYTES
from livekit.ring import mapping, seqlock
from livekit.ring.counters import ENGINE_COUNTERS, STRATEGY_COUNTERS
from livekit.ring.layout import (
    CONTROL_BYTES,
    HEAD,
    ORDER_SLOT_BYTES,
    POLICY_DROP,
    TAIL,
    fill_side,
)

__all__ = ["HEADER", "HEADER_BYTES", "Phase", "RunState", "Segment", "SegmentPlan"]

HEADER_BYTES: Final = 4096

HEADER: Final = np.dtype(
    {
        "names": [
            "ring",  # number of the strategy in its engine
            "epoch",  # how often this name was attached
            "spec_offset",
            "spec_bytes",
            "events_control",
            "events_slots",
            "events_capacity",
            "orders_control",
            "orders_slots",
            "orders_capacity",
            "engine_counters",
            "strategy_counters",
            "positions",
            "params_offset",
            "params_bytes",
            "state_offset",
            "state_bytes",
            "strategy_pid",
            "strategy_start",
            # written by the engine while running
            "run_state",
            "engine_heartbeat",
            # written by the strategy while running
            "phase",
            "heartbeat",
            "sequence",  # of the last event handled
            "message",  # what went wrong, in words
        ],
        "formats": ["<i8"] * 24 + ["S512"],
        "offsets": [*range(256, 256 + 19 * 8, 8), 1024, 1152, 2048, 2176, 2184, 2304],
        "itemsize": HEADER_BYTES,
    }
)
"""The header; offsets of parts are from the start of the file. Times are CLOCK_MONOTONIC ns."""


class RunState(enum.IntEnum):
    """What the engine wants of a strategy: the gate word."""

    CREATED = 0
    RUNNING = 1
    STOPPING = 2
    FENCED = 3


class Phase(enum.IntEnum):
    """How far a strategy has come, in its own words."""

    CREATED = 0
    ATTACHED = 1
    STARTED = 2
    RUNNING = 3
    STOPPED = 4
    FAILED = 5


@dataclass(frozen=True, slots=True)
class SegmentPlan:
    """What a segment is made from.

    Attributes
    ----------
    spec : dict
        The strategy's description; must fit MAX_SPEC_BYTES as JSON.
    params_bytes, state_bytes : int
        Sizes of the two records.
    """

    name: str
    engine: str
    generation: int
    ring: int
    epoch: int
    spec: dict[str, Any]
    params_bytes: int = 0
    state_bytes: int = 0
    events_capacity: int = EVENTS_CAPACITY
    orders_capacity: int = ORDERS_CAPACITY


class Segment:
    """One strategy's segment, mapped.

    Attributes
    ----------
    header : HEADER record
    engine_counters : ENGINE_COUNTERS record
    strategy_counters : STRATEGY_COUNTERS record
    positions : float64[MAX_INSTRUMENTS]
    spec : dict
    """

    def __init__(self, file: mapping.Mapping) -> None:
        self.file = file
        self.header = file.part(HEADER, 0)[0]
        header = self.header
        self.engine_counters = file.part(ENGINE_COUNTERS, int(header["engine_counters"]))[0]
        self.strategy_counters = file.part(STRATEGY_COUNTERS, int(header["strategy_counters"]))[0]
        self.positions = file.part("<f8", int(header["positions"]), MAX_INSTRUMENTS)
        start, size = int(header["spec_offset"]), int(header["spec_bytes"])
        self.spec: dict[str, Any] = json.loads(file.memory[start : start + size].tobytes() or "{}")

    @classmethod
    def create(cls, path: Path, plan: SegmentPlan) -> "Segment":
        """Make the segment's file; the calling process is its engine.

        Raises
        ------
        ConfigError
            The description, the state or the events ring is too large.
        SegmentError
            The name is taken or shared memory is full.
        """
        spec = json.dumps(plan.spec).encode()
        if len(spec) > MAX_SPEC_BYTES:
            raise ConfigError(
                f"description of strategy {plan.name!r} is {len(spec)} bytes, at most "
                f"{MAX_SPEC_BYTES}; declare fewer parameters or state fields"
            )
        if plan.state_bytes > MAX_STATE_BYTES:
            raise ConfigError(
                f"state of strategy {plan.name!r} is {plan.state_bytes} bytes, at most "
                f"{MAX_STATE_BYTES}; keep large arrays outside the annotated state"
            )
        if plan.events_capacity > MAX_EVENTS_CAPACITY:
            raise ConfigError(
                f"ring of {plan.name!r} is to have {plan.events_capacity} slots, at most "
                f"{MAX_EVENTS_CAPACITY}"
            )
        offsets, total = _place(plan, len(spec))
        file = mapping.create(
            path, total, generation=plan.generation, engine=plan.engine, name=plan.name
        )
        header = file.part(HEADER, 0)[0]
        for name, value in offsets.items():
            header[name] = value
        header["ring"], header["epoch"] = plan.ring, plan.epoch
        start = offsets["spec_offset"]
        file.memory[start : start + len(spec)] = np.frombuffer(spec, np.uint8)
        file.prefix["ready"] = 1
        return cls(file)

    @classmethod
    def attach(cls, path: Path, *, allow_dead: bool = False) -> "Segment":
        """Map an existing segment after every check of `mapping`."""
        file = mapping.open_verified(path, allow_dead=allow_dead)
        mapping.require_place(file)
        return cls(file)

    @property
    def name(self) -> str:
        """Name of the strategy."""
        return str(self.file.prefix["name"].decode())

    @property
    def n_bytes(self) -> int:
        """Size of the segment."""
        return self.file.memory.size

    def claim_for_strategy(self) -> None:
        """Write this process into the header as the one that runs the strategy."""
        pid, start = clock.own_identity()
        self.header["strategy_pid"], self.header["strategy_start"] = pid, start

    def engine_is_alive(self) -> bool:
        """Tell whether the engine that made this segment still runs."""
        prefix = self.file.prefix
        return clock.is_alive(int(prefix["engine_pid"]), int(prefix["engine_start"]))

    def strategy_is_alive(self) -> bool:
        """Tell whether the process that claimed this segment still runs."""
        header = self.header
        return clock.is_alive(int(header["strategy_pid"]), int(header["strategy_start"]))

    def at(self, part: str) -> int:
        """Return the address of a part, by the name of its offset in HEADER."""
        return self.file.address + int(self.header[part])

    def cursors(self, ring: str) -> tuple[int, int]:
        """Return (tail, head) of the ``events`` or ``orders`` ring as they stand now."""
        control = int(self.header[f"{ring}_control"])
        words = self.file.part("<i8", control, CONTROL_BYTES // 8)
        return int(words[TAIL // 8]), int(words[HEAD // 8])

    def fill_events_side(
        self, side: np.ndarray, *, is_producer: bool, policy: int = POLICY_DROP
    ) -> None:
        """Fill a SIDE[1] for the events ring: producer is the engine."""
        tail, head = self.cursors("events")
        fill_side(
            side,
            control=self.at("events_control"),
            slots=self.at("events_slots"),
            capacity=int(self.header["events_capacity"]),
            slot_bytes=SLOT_BYTES,
            reserve=EVENTS_RESERVE if is_producer else 0,
            policy=policy,
            counters=self.at("engine_counters") if is_producer else self.at("strategy_counters"),
            tail=tail,
            head=head,
            is_producer=is_producer,
        )

    def fill_orders_side(self, side: np.ndarray, *, is_producer: bool) -> None:
        """Fill a SIDE[1] for the orders ring: producer is the strategy."""
        tail, head = self.cursors("orders")
        fill_side(
            side,
            control=self.at("orders_control"),
            slots=self.at("orders_slots"),
            capacity=int(self.header["orders_capacity"]),
            slot_bytes=ORDER_SLOT_BYTES,
            counters=self.at("strategy_counters") if is_producer else self.at("engine_counters"),
            tail=tail,
            head=head,
            is_producer=is_producer,
        )

    def read_state(self, tries: int = 1000) -> bytes | None:
        """Return a consistent copy of the state record; None if it changed at every try."""
        size = int(self.header["state_bytes"])
        target = np.zeros(seqlock.round_lines(size), np.uint8)
        lines = target.size // 64
        if not seqlock.snapshot(self.at("state_offset"), target.ctypes.data, lines, tries):
            return None
        return target[:size].tobytes()


def _place(plan: SegmentPlan, spec_bytes: int) -> tuple[dict[str, int], int]:
    """Place the parts one after the other; return their offsets and the total size."""
    at: dict[str, int] = {
        "spec_bytes": spec_bytes,
        "params_bytes": plan.params_bytes,
        "state_bytes": plan.state_bytes,
        "events_capacity": plan.events_capacity,
        "orders_capacity": plan.orders_capacity,
    }
    sizes = {
        "spec_offset": spec_bytes,
        "events_control": CONTROL_BYTES,
        "orders_control": CONTROL_BYTES,
        "engine_counters": ENGINE_COUNTERS.itemsize,
        "strategy_counters": STRATEGY_COUNTERS.itemsize,
        "positions": MAX_INSTRUMENTS * 8,
        "params_offset": seqlock.params_bytes(plan.params_bytes),
        "state_offset": seqlock.SEQLOCK_HEAD + seqlock.round_lines(plan.state_bytes),
        "orders_slots": plan.orders_capacity * ORDER_SLOT_BYTES,
        "events_slots": plan.events_capacity * SLOT_BYTES,
    }
    end = HEADER_BYTES
    for name, size in sizes.items():
        at[name] = end
        if name == "events_slots":
            at[name] = _round_page(end) + plan.ring % 16 * 128
        end = (at[name] + size + 127) // 128 * 128
    return at, _round_page(end)


def _round_page(offset: int) -> int:
    return (offset + 4095) // 4096 * 4096
