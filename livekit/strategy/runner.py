"""The loop of a strategy process: start, turns until something ends it, stop.

What runs the strategy is a Body, interpreted or compiled; what the loop adds is the
same for both: the phases, the state published at most every millisecond, the gate
word, the life of the engine, garbage collection, and the reason for the end. It ends

    0   the engine sent STOP, or the process a SIGTERM or SIGINT      STOPPED
    1   `on_start` raised, too many exceptions, fenced, broken ring   FAILED
    3   the engine's process is gone                                  FAILED

and always by `on_stop`, except when `on_start` did not return.
Layer 4. Knows neither sockets nor keys: the engine is two rings and a doorbell.
"""

import gc
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from numba.core import event as numba_event

from livekit.errors import NotRunningError
from livekit.events import ANY_INSTRUMENT
from livekit.ring.layout import BROKEN
from livekit.ring.segment import HEADER, HEADER_BYTES, Phase, RunState, Segment
from livekit.ring.seqlock import publish
from livekit.strategy.context import Context
from livekit.strategy.loader import user_line
from livekit.strategy.requests import send_cancel_all

__all__ = ["DOORBELL", "Body", "Runner", "open_doorbell", "set_failed"]

_LOG: Final = logging.getLogger(__name__)

DOORBELL: Final = "_doorbell"
"""Name of the engine's FIFO in its folder."""

_STATE_NS: Final = 1_000_000
_ENGINE_NS: Final = 200_000_000
_RUN_STATE: Final = int(HEADER.fields["run_state"][1]) // 8  # type: ignore[index]
_MESSAGE_BYTES: Final = int(HEADER["message"].itemsize)


class Body(Protocol):
    """A way to run a strategy.

    Attributes
    ----------
    failure : str
        Why the strategy must end; empty while it may go on.
    is_stopped : bool
        Whether the engine's STOP has come.
    """

    failure: str
    is_stopped: bool

    def start(self) -> None:
        """Call `on_start`; its exceptions are the caller's."""

    def turn(self) -> int:
        """Wait a few milliseconds at most and handle a batch.

        Returns how many events were handled, 0 for none, or BROKEN. Writes the
        heartbeat, and releases the batch once its callbacks have run.
        """

    def stop(self) -> None:
        """Call `on_stop`; raises nothing."""

    def write_state(self) -> None:
        """Bring the context's state record up to date."""

    def drain_log(self) -> None:
        """Write out the lines of the context's log ring."""


def open_doorbell(folder: Path) -> int:
    """Return a descriptor to ring the engine's doorbell with, -1 when it has none."""
    try:
        return os.open(folder / DOORBELL, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        _LOG.warning("event=no_doorbell folder=%s error=%r", str(folder), error.strerror)
        return -1


def set_failed(segment: Segment, message: str) -> None:
    """Leave in the segment why the strategy has failed, then that it has."""
    # Cut at a character, not within one.
    text = message.encode()[:_MESSAGE_BYTES].decode(errors="ignore")
    segment.header["message"] = text.encode()
    segment.header["phase"] = Phase.FAILED


class _Compilations(numba_event.Listener):  # type: ignore[misc]
    """Counts what Numba compiles: after the start it should be nothing."""

    def __init__(self, counters: Any) -> None:
        self._counters = counters

    def on_start(self, event: Any) -> None:  # noqa: ARG002 - Numba's signature
        """Count one compilation."""
        self._counters["compilations"] += 1

    def on_end(self, event: Any) -> None:
        """Do nothing."""


class Runner:
    """Drives one Body in this process.

    Parameters
    ----------
    body : Body
    context : Context
        Connected to `segment`.
    segment : Segment

    Attributes
    ----------
    is_asked_to_stop : bool
        Set by a signal handler; the loop sees it after the batch in hand.
    """

    def __init__(self, body: Body, context: Context, segment: Segment) -> None:
        self._body, self._context, self._segment = body, context, segment
        self._words = segment.file.memory[:HEADER_BYTES].view("<i8").data
        self._state_part = segment.at("state_offset")
        self._has_state = int(segment.header["state_bytes"]) > 0
        self._state_due = self._engine_due = 0
        self._is_dirty = False
        self.is_asked_to_stop = False

    def run(self) -> int:
        """Run the strategy from `on_start` to its end; return the exit code."""
        pauses = self._count_pauses()
        gc.callbacks.append(pauses)
        compilations = _Compilations(self._segment.strategy_counters)
        try:
            try:
                self._body.start()
            except Exception as error:  # noqa: BLE001 - any of them is the strategy's
                _LOG.exception("event=start_failed")
                text = f"on_start raised {type(error).__name__}: {error} ({user_line(error)})"
                return self._fail(1, f"{text}; correct it and attach again")
            self._publish_state()
            # Everything made so far lives as long as the process: no collection need
            # look at it again.
            gc.collect()
            gc.freeze()
            self._set_phase(Phase.STARTED)
            with numba_event.install_listener("numba:compile", compilations):
                return self._loop()
        finally:
            gc.callbacks.remove(pauses)
            self._body.drain_log()

    def _loop(self) -> int:
        body, is_running = self._body, False
        while True:
            taken = body.turn()
            if taken > 0:
                self._is_dirty = True
                if not is_running:
                    is_running = True
                    self._set_phase(Phase.RUNNING)
            if body.failure:
                send_cancel_all(self._context.address, ANY_INSTRUMENT)
                return self._end(1, body.failure)
            if taken == BROKEN:
                return self._end(1, "the events ring is broken: impossible cursors; attach again")
            if body.is_stopped or self.is_asked_to_stop:
                return self._end(0, "")
            reason = self._look_around(taken)
            if reason is not None:
                return self._end(*reason)

    def _look_around(self, taken: int) -> tuple[int, str] | None:
        """Do what is due between batches; return an exit code and message to end with."""
        if self._words[_RUN_STATE] == RunState.FENCED:
            return 1, "fenced by the engine, which takes no more orders; see the engine's log"
        now = time.monotonic_ns()
        if self._is_dirty and (now >= self._state_due or not taken):
            self._publish_state()
            self._body.drain_log()
            self._state_due = now + _STATE_NS
            self._is_dirty = False
        if now >= self._engine_due:
            self._engine_due = now + _ENGINE_NS
            if not self._segment.engine_is_alive():
                pid = int(self._segment.file.prefix["engine_pid"])
                return NotRunningError.exit_code, f"engine process {pid} is gone; start it again"
        return None

    def _end(self, code: int, message: str) -> int:
        self._body.stop()
        self._publish_state()
        if message:
            return self._fail(code, message)
        self._set_phase(Phase.STOPPED)
        _LOG.info("event=stopped")
        return code

    def _fail(self, code: int, message: str) -> int:
        _LOG.error("event=failed message=%r", message)
        set_failed(self._segment, message)
        return code

    def _set_phase(self, phase: Phase) -> None:
        self._segment.header["heartbeat"] = time.monotonic_ns()
        self._segment.header["phase"] = phase

    def _publish_state(self) -> None:
        if self._has_state:
            self._body.write_state()
            state = int(self._context.view["state"])
            publish(self._state_part, state, self._context.state_lines)

    def _count_pauses(self) -> Callable[[str, dict[str, int]], None]:
        """Return a callback of the garbage collector that counts its pauses."""
        counters, started = self._segment.strategy_counters, 0

        def pause(phase: str, _info: dict[str, int]) -> None:
            nonlocal started
            if phase == "start":
                started = time.monotonic_ns()
            else:
                counters["gc_pauses"] += 1
                counters["gc_pause_ns"] += time.monotonic_ns() - started

        return pause
