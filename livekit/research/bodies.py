"""The two ways a simulation runs its strategy, with one face.

`advance` puts events through, `drain` lets what is in flight arrive. Exceptions of
callbacks are logged and counted as in a live strategy process, and as many in a row end
the strategy.
Layer 3.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from livekit.research.due import count_waiting, next_due_for_strategy, next_due_in_flight
from livekit.research.intake import take_requests
from livekit.research.layout import SIM, Status
from livekit.research.loop import hand_owed_fill, simulate
from livekit.research.quiet import catch_up
from livekit.research.staged import (
    ARRIVAL,
    HEAR,
    TIMER,
    commit,
    cut,
    next_batch,
    stage_arrival,
    stage_owed,
    stage_reports,
    stage_timer,
)
from livekit.research.staged_runner import Staged
from livekit.research.steps import FED, FULL, step_flight
from livekit.strategy.api import Strategy
from livekit.strategy.context import Context
from livekit.strategy.declaration import Declaration
from livekit.strategy.pool import BATCH
from livekit.strategy.table import InstrumentTable

if TYPE_CHECKING:
    from livekit.strategy.compiled import Program

__all__ = ["Body", "CompiledBody", "InterpretedBody"]

_DRAIN_NS: Final = 60_000_000_000
"""What is in flight for longer than this after the last event is not waited for."""

_MAX_ANSWERS: Final = 100_000
_POSITION: Final = int(SIM.fields["position"][1]) // 8  # type: ignore[index]


class Body(Protocol):
    """A way to run a strategy over data.

    Attributes
    ----------
    driver : int
        Address of the compiled runner's DRIVER, 0 for an interpreted strategy.
    failure : str
        Why the strategy was stopped; empty while it may go on.
    writes_log : bool
        Whether compiled code writes log lines that Python must take.
    is_interrupted : bool
        Whether an interrupt came out of a callback.
    """

    driver: int
    writes_log: bool

    @property
    def failure(self) -> str:
        """See above."""

    @property
    def is_interrupted(self) -> bool:
        """See above."""

    def connect(self, memory: np.ndarray) -> None:
        """Work on a SIM[1], its words filled in, from now on."""

    def start(self) -> None:
        """Call `on_start`; its exceptions are the caller's."""

    def advance(self, budget: int) -> int:
        """Put up to about `budget` events of the open day through; a Status."""

    def drain(self, room: Callable[[], None]) -> int:
        """Let everything in flight arrive and be answered; a Status."""

    def stop(self) -> None:
        """Call `on_stop`; raises nothing."""

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the strategy's object that are its own."""

    def interrupt(self) -> None:
        """Let `advance` return after the event in hand, or within some milliseconds."""


class CompiledBody:
    """Runs a strategy compiled, by its own program or one built before; see Body."""

    def __init__(
        self,
        strategy: Strategy,
        declaration: Declaration,
        context: Context,
        table: InstrumentTable,
        program: "Program | None" = None,
    ) -> None:
        # Only who runs compiled pays for Numba's extensions.
        from livekit.strategy.compiled import Compiled  # noqa: PLC0415

        self._inner = Compiled(strategy, declaration, context, table, "spin", program)
        self.is_interrupted = False  # a signal's handler runs between two calls of `simulate`
        self.driver = self._inner.address
        self.writes_log = bool(self._inner.program.texts)
        self.failure = ""

    def attributes(self) -> dict[str, Any]:
        """See Body; compiled, there are none but the state record."""
        return {}

    def interrupt(self) -> None:
        """See Body; a budget is some milliseconds."""

    def connect(self, memory: np.ndarray) -> None:
        """See Body."""
        self._sim, self._view = int(memory.ctypes.data), memory[0]

    def start(self) -> None:
        """See Body."""
        self._inner.start()

    def advance(self, budget: int) -> int:
        """See Body."""
        return self._run(budget)

    def drain(self, room: Callable[[], None]) -> int:
        """See Body."""
        until = 0
        while True:
            status = self._run(0)
            if status == Status.ROOM:
                room()
                continue
            if status != Status.MORE or self.failure:
                return status
            until = until or int(self._view["now"]) + _DRAIN_NS
            if next_due_in_flight(self._sim) > until:
                return Status.MORE
            self._step_flight(room)

    def stop(self) -> None:
        """See Body."""
        self._inner.stop()

    def _step_flight(self, room: Callable[[], None]) -> None:
        """Let the first thing under way arrive."""
        try:
            while step_flight(self._sim) == FULL:
                room()
        except Exception as error:  # noqa: BLE001 - any of them is the strategy's
            self._note(error)

    def _note(self, error: Exception) -> None:
        """Log and count an exception of a callback; the last one ends the strategy."""
        if not self._inner.note_failure(error):
            return
        catch_up(self._sim)
        try:
            hand_owed_fill(self._sim)
        except Exception as another:  # noqa: BLE001 - as above
            self._inner.note_failure(another)
        self.failure = self._inner.failure

    def _run(self, budget: int) -> int:
        while True:
            try:
                status = int(simulate(self._sim, budget))
            except Exception as error:  # noqa: BLE001 - any of them is the strategy's
                self._note(error)
                if self.failure:
                    return Status.END
                continue
            if self.writes_log:
                self._inner.drain_log()
            return Status.MORE if status == Status.LOG else status


class InterpretedBody:
    """Runs a strategy's own Python methods over staged batches; see Body."""

    def __init__(
        self,
        strategy: Strategy,
        declaration: Declaration,
        context: Context,
        table: InstrumentTable,
    ) -> None:
        self.driver, self.writes_log = 0, False
        self._inner = Staged(strategy, declaration, context, table, "spin")
        self._offsets = np.zeros(BATCH, np.int64)

    def connect(self, memory: np.ndarray) -> None:
        """See Body."""
        self._sim, self._view = int(memory.ctypes.data), memory[0]
        self._words = memory.view(np.int64).data
        self._view["offsets"] = self._offsets.ctypes.data

    @property
    def failure(self) -> str:
        """See Body."""
        return self._inner.failure

    @property
    def is_interrupted(self) -> bool:
        """See Body."""
        return self._inner.is_interrupted

    def attributes(self) -> dict[str, Any]:
        """See Body."""
        return self._inner.attributes

    def interrupt(self) -> None:
        """See Body."""
        self._inner.interrupt()

    def start(self) -> None:
        """See Body."""
        self._inner.start()

    def stop(self) -> None:
        """See Body."""
        self._inner.stop()

    def advance(self, budget: int) -> int:
        """See Body."""
        inner, words = self._inner, self._words
        until = words[_POSITION] + budget
        # What a full ledger interrupted: the batch is seen first, then answered.
        if commit(self._sim) == 0:
            return Status.ROOM
        status = Status.END if inner.failure else self._answer()
        while status == Status.MORE and words[_POSITION] < until:
            status = self._next()
            if status != Status.MORE:
                return status
            if inner.failure:
                return Status.END
            status = self._answer()
            if inner.is_interrupted:
                break
        return status

    def _next(self) -> int:
        """Let the next batch, timer or arrival happen; a Status."""
        inner, objects = self._inner, self._inner.pool.address
        status = int(next_batch(self._sim, objects))
        if status == HEAR:
            return Status.MORE
        if status in (TIMER, ARRIVAL):
            stage = stage_timer if status == TIMER else stage_arrival
            stage(self._sim, objects)
            inner.handle(may_cut=False)
            return Status.MORE
        if status == Status.MORE:
            last = inner.handle(may_cut=True)
            if last >= 0:
                cut(self._sim, last)
            if commit(self._sim) == 0:
                return Status.ROOM
        return status

    def drain(self, room: Callable[[], None]) -> int:
        """See Body."""
        until = 0
        while True:
            status = self._answer()
            if status == Status.ROOM:
                room()
                continue
            if status != Status.MORE or self.failure:
                return status
            until = until or int(self._view["now"]) + _DRAIN_NS
            if next_due_in_flight(self._sim) > until:
                return Status.MORE
            while (done := step_flight(self._sim)) == FULL:
                room()
            if done == FED:
                stage_arrival(self._sim, self._inner.pool.address)
                self._inner.handle(may_cut=False)

    def _answer(self) -> int:
        """Handle reports and take requests until there are none; a Status."""
        inner, objects = self._inner, self._inner.pool.address
        if count_waiting(self._sim) == 0:
            return Status.MORE
        for _ in range(_MAX_ANSWERS):
            while True:
                listed = stage_reports(self._sim, objects)
                if listed < 0:
                    self._view["gate"] = -1  # what was sent meanwhile has not been looked at
                    return Status.ROOM
                if listed == 0:
                    break
                inner.handle(may_cut=False)
                if inner.failure:
                    return Status.END
            if stage_owed(self._sim, objects):
                inner.handle(may_cut=False)
                if inner.failure:
                    return Status.END
            if take_requests(self._sim) == 0 and count_waiting(self._sim) == 0:
                self._view["gate"] = next_due_for_strategy(self._sim)
                return Status.MORE
        return Status.ENDLESS
