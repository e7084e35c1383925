"""Whether an update extends the book it is sent for: the chain of seqId and prevSeqId.

The number is an identity, not a count: it jumps, it may restart lower after maintenance,
and it stands still in a heartbeat. Only a `prevSeqId` that is not the last `seqId` means
that something was lost; then the book is broken until the next snapshot, and what still
arrives for it before that is waiting, not another gap.

    state    | snapshot | extends  | heartbeat | reset | prev differs | no ids (until 2022)
    EMPTY    | LIVE     | EMPTY: an update before any snapshot waits
    LIVE     | LIVE     | LIVE     | LIVE      | LIVE  | BROKEN       | LIVE
    BROKEN   | LIVE     | BROKEN: waits

Source: OKX API v5, "Order book channel", read 2026-08.
Layer 2. Pure.
"""

import enum
from typing import Final

from livekit.okx.layout import NO_SEQUENCE

__all__ = ["Chain", "Link", "State"]


class State(enum.IntEnum):
    """Whether the book of a chain may be read."""

    EMPTY = 0
    LIVE = 1
    BROKEN = 2


_STATES: Final = tuple(State)


class Link(enum.IntEnum):
    """What one message is to the chain. All but WAITING, GAP and HEARTBEAT are applied."""

    SNAPSHOT = 0
    EXTENDED = 1
    HEARTBEAT = 2
    RESET = 3
    GAP = 4
    WAITING = 5

    @property
    def is_applied(self) -> bool:
        """Whether the message's levels go into the book."""
        return self in {Link.SNAPSHOT, Link.EXTENDED, Link.RESET}


class Chain:
    """The chain of one channel and instrument.

    Parameters
    ----------
    words : memoryview of int64, optional
        Where state and last number are kept, for compiled code to read; its own by default.

    Attributes
    ----------
    state : State
    last : int or None
        seqId of the last message applied; None in frames of the years without ids.
    """

    __slots__ = ("_words",)

    def __init__(self, words: memoryview | None = None) -> None:
        self._words = memoryview(bytearray(16)).cast("q") if words is None else words
        self.state, self.last = State.EMPTY, None

    @property
    def state(self) -> State:
        """Whether the book may be read."""
        return _STATES[self._words[0]]

    @state.setter
    def state(self, value: State) -> None:
        self._words[0] = value

    @property
    def last(self) -> int | None:
        """The last number, None without one."""
        last = self._words[1]
        return None if last == NO_SEQUENCE else last

    @last.setter
    def last(self, value: int | None) -> None:
        self._words[1] = NO_SEQUENCE if value is None else value

    def step(self, seq: int | None, prev: int | None, *, is_snapshot: bool) -> Link:
        """Take one message into the chain and say what it is to it."""
        if is_snapshot:
            self.state, self.last = State.LIVE, seq
            return Link.SNAPSHOT
        if self.state is not State.LIVE:
            return Link.WAITING
        if seq is None or prev is None:
            # Frames until 2022: there the checksum alone tells a broken book.
            return Link.EXTENDED
        if self.last is not None and prev != self.last:
            self.state = State.BROKEN
            return Link.GAP
        self.last = seq
        if seq == prev:
            return Link.HEARTBEAT
        return Link.EXTENDED if seq > prev else Link.RESET

    def break_(self) -> None:
        """Declare a live book broken, for a reason that is not in the chain."""
        if self.state is State.LIVE:
            self.state = State.BROKEN

    def close(self) -> None:
        """Forget everything: the connection ended."""
        self.state, self.last = State.EMPTY, None
