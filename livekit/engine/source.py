"""Where the engine's market data comes from, and when each event is due.

A source fills 256-byte slots with the next events and says how many of them may go
out now. Replay has three paces: `x k` of recorded time, as fast as the strategies
take it, and lock-step, one event in flight. A live source has no next event: it is
given the engine's selector, and puts what a socket brings through the engine at once.
Layer 4.
"""

import enum
import selectors
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from livekit import clock
from livekit.engine.pump import count_due
from livekit.errors import ConfigError
from livekit.events import SLOT_BYTES
from livekit.instruments import Instrument
from livekit.ring.layout import aligned_zeros
from livekit.store.replay import Replay

__all__ = ["Direct", "Pace", "PaceKind", "Publish", "ReplaySource", "Source", "parse_pace"]

Publish = Callable[[int, int], None]
"""Puts `n` slots at an address through the engine."""


@dataclass(frozen=True, slots=True)
class Direct:
    """The same for compiled callers.

    Attributes
    ----------
    entry, context : int
        Address of a function of (context, address of slots, how many) and its context; it
        returns 1, or 0 when `settle` is to be called next.
    settle : callable
        Does what the entry left of these events: what found no room, orders to send.
    """

    entry: int
    context: int
    settle: Publish


_STAGED: Final = 512
_JUMP_NS: Final = 3_600_000_000_000
"""A pause of the recording that a paced replay does not sit through: an hour."""


class PaceKind(enum.Enum):
    """How a replay goes through time."""

    SCALED = "scaled"
    FAST = "max"
    LOCKSTEP = "lockstep"


@dataclass(frozen=True, slots=True)
class Pace:
    """A pace and, when SCALED, its multiple of recorded time."""

    kind: PaceKind
    factor: float = 1.0

    @property
    def is_lossless(self) -> bool:
        """Whether the replay waits for its strategies instead of dropping events."""
        return self.kind is not PaceKind.SCALED

    def __str__(self) -> str:
        """Return the pace as it is written on the command line."""
        return f"x{self.factor:g}" if self.kind is PaceKind.SCALED else self.kind.value


def parse_pace(text: str) -> Pace:
    """Return the pace for a number, ``max`` or ``lockstep``.

    Raises
    ------
    ConfigError
        The text is none of them, or the number is not positive.
    """
    for kind in (PaceKind.FAST, PaceKind.LOCKSTEP):
        if text == kind.value:
            return Pace(kind)
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise ConfigError(
            f"speed {text!r} is not a pace; give a positive number such as 10 for ten times "
            "recorded time, 'max' for as fast as the strategies take it, or 'lockstep'"
        )
    return Pace(PaceKind.SCALED, factor)


class Source(Protocol):
    """What the engine needs of a source."""

    @property
    def is_live(self) -> bool:
        """Whether events come when they come; then `due` never gives any."""
        ...

    @property
    def pace(self) -> Pace:
        """How it goes through time."""
        ...

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """What it has, numbered as in the events."""
        ...

    @property
    def n_events(self) -> int:
        """Events of the whole source, 0 where nobody knows."""
        ...

    @property
    def position(self) -> int:
        """Events that went out."""
        ...

    @property
    def is_finished(self) -> bool:
        """Whether there will be no more."""
        ...

    @property
    def last_ts(self) -> int:
        """Time of the last event, ns; 0 while live."""
        ...

    def begin(
        self, selector: selectors.BaseSelector, publish: Publish, direct: Direct | None = None
    ) -> None:
        """Let events flow; callbacks in `selector` take no argument."""
        ...

    def due(self) -> tuple[int, int]:
        """Return (address, count) of the slots that may go out now."""
        ...

    def advance(self, n: int) -> None:
        """Note that the first `n` of them went out."""
        ...

    def wait_ns(self) -> int:
        """Return how long until the next event is due; 0 for now, -1 for never or unknown."""
        ...

    def now_ts(self) -> int:
        """Return the time that the source has come to, ns since the epoch."""
        ...

    def look_after(self, now_ns: int) -> None:
        """Do what is not urgent, about every millisecond; CLOCK_MONOTONIC."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return what ``livekit status`` shows."""
        ...

    def describe_data(self) -> dict[str, Any]:
        """Return what a recorded run says of its kind and its data."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class ReplaySource:
    """Recorded data as a source.

    Attributes
    ----------
    instruments : tuple of Instrument
        Numbered as in the events.
    n_events, position : int
        Events of the recording, and how many went out.
    is_finished : bool
    """

    is_live = False

    def __init__(self, data: Path, pace: Pace, symbols: list[str] | None = None) -> None:
        self.replay = Replay(data, symbols=symbols)
        self.pace = pace
        self.instruments: tuple[Instrument, ...] = self.replay.instruments
        self.n_events: int = self.replay.n_events
        self._slots = aligned_zeros(_STAGED * SLOT_BYTES).reshape(_STAGED, SLOT_BYTES)
        self._next = self._staged = 0
        self._start_ts = self._start_ns = self._last_ts = 0
        self.position = 0

    @property
    def is_finished(self) -> bool:
        """Whether all events went out."""
        return self.position >= self.n_events

    @property
    def last_ts(self) -> int:
        """Receive time of the last event of the recording, ns."""
        return int(self.replay.last_ts)

    def begin(
        self, selector: selectors.BaseSelector, publish: Publish, direct: Direct | None = None
    ) -> None:
        """Do nothing: what is due is asked for."""

    def look_after(self, _now_ns: int) -> None:
        """Do nothing: files need no looking after."""

    def close(self) -> None:
        """Do nothing: the files are mapped read-only."""

    def describe_data(self) -> dict[str, Any]:
        """Return what a recorded run says of its kind and its data."""
        return {
            "kind": "lockstep" if self.pace.kind is PaceKind.LOCKSTEP else "replay",
            "data": {
                "start_ns": int(self.replay.first_ts),
                "stop_ns": int(self.replay.last_ts),
                "n_events": self.n_events,
                "hash": self.replay.hash,
                "gaps": self.replay.gaps(),
            },
        }

    def describe(self) -> dict[str, Any]:
        """Return what ``livekit status`` shows."""
        return {
            "source": "replay",
            "speed": str(self.pace),
            "position": self.position,
            "n_events": self.n_events,
            "first_ts": int(self.replay.first_ts),
            "last_ts": int(self.replay.last_ts),
        }

    def _stage(self) -> None:
        if self._next < self._staged or self.is_finished:
            return
        self._staged, self._next = self.replay.next_batch(self._slots, _STAGED), 0

    def _first_ts(self) -> int:
        return self._ts_at(self._next)

    def _ts_at(self, index: int) -> int:
        return int(self._slots[index, 24:32].view(np.int64)[0])

    def due(self) -> tuple[int, int]:
        """Return (address, count) of the staged events that may go out now."""
        self._stage()
        waiting = self._staged - self._next
        address = int(self._slots.ctypes.data) + self._next * SLOT_BYTES
        if waiting == 0 or self.pace.is_lossless:
            return address, waiting
        first_ts = self._first_ts()
        if self._start_ns == 0 or first_ts - self._last_ts > _JUMP_NS:
            # The first event, or one after hours of nothing recorded, defines the start.
            self._start_ns, self._start_ts = clock.monotonic_ns(), first_ts
        elapsed = (clock.monotonic_ns() - self._start_ns) * self.pace.factor
        return address, count_due(address, SLOT_BYTES, waiting, self._start_ts + int(elapsed))

    def now_ts(self) -> int:
        """Return the event time that a scaled replay has come to, ns; 0 before its start."""
        if self._start_ns == 0:
            return 0
        elapsed = (clock.monotonic_ns() - self._start_ns) * self.pace.factor
        return self._start_ts + int(elapsed)

    def wait_ns(self) -> int:
        """Return how long until the next event is due; 0 for now, -1 for never."""
        self._stage()
        if self._next >= self._staged:
            return -1
        if self.pace.is_lossless or self._start_ns == 0:
            return 0
        first_ts = self._first_ts()
        if first_ts - self._last_ts > _JUMP_NS:
            return 0
        due_ns = self._start_ns + int((first_ts - self._start_ts) / self.pace.factor)
        return max(0, due_ns - clock.monotonic_ns())

    def advance(self, n: int) -> None:
        """Note that the first `n` staged events went out."""
        if n:
            self._last_ts = self._ts_at(self._next + n - 1)
        self._next += n
        self.position += n
