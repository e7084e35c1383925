"""One strategy in its segment: map it, wire a context to it, choose how to run, run.

Layer 4. Knows neither the parent nor the engine's socket.
"""

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from livekit.errors import ConfigError
from livekit.instruments import Instrument
from livekit.ring.directory import EngineSegment
from livekit.ring.segment import Phase, Segment
from livekit.strategy.api import Strategy
from livekit.strategy.context import Context
from livekit.strategy.declaration import Declaration
from livekit.strategy.interpreted import Interpreted
from livekit.strategy.runner import Body, Runner, open_doorbell, set_failed
from livekit.strategy.table import InstrumentTable
from livekit.strategy.warm import warm_up

__all__ = ["Job", "claim_segment", "prepare", "run_job"]

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What is to run.

    Attributes
    ----------
    strategy : Strategy
        An instance, its `__init__` done.
    values : dict of str to float
        Of its parameters.
    wait_name : str
        One of WAITS.
    """

    strategy: Strategy
    declaration: Declaration
    values: dict[str, float]
    wait_name: str
    is_compiled: bool


def run_job(job: Job, path: Path, folder: Path) -> int:
    """Run a strategy in the segment at `path` of the engine in `folder`; return the exit code.

    SIGTERM and SIGINT stop it, as the engine's STOP does.

    Raises
    ------
    SegmentError
        A segment may not be used.
    """
    segment = claim_segment(path)
    _LOG.info("event=attached strategy=%s class=%s", segment.name, job.declaration.name)
    try:
        context, body = prepare(job, segment, folder)
    except ConfigError as error:
        _LOG.error("event=refused message=%r", str(error))
        set_failed(segment, str(error))
        return error.exit_code
    return _run_until_signal(Runner(body, context, segment))


def claim_segment(path: Path) -> Segment:
    """Map the segment at `path` and become the process that runs its strategy."""
    segment = Segment.attach(path)
    segment.claim_for_strategy()
    segment.header["heartbeat"] = time.monotonic_ns()
    segment.header["phase"] = Phase.ATTACHED
    return segment


def prepare(job: Job, segment: Segment, folder: Path) -> tuple[Context, Body]:
    """Wire a strategy to its segment and compile what it needs; nothing runs yet.

    Raises
    ------
    ConfigError
        It cannot be compiled.
    """
    table = InstrumentTable(_read_directory(EngineSegment.attach(folder)))
    context = _make_context(job, segment, table, folder)
    warm_up(is_compiled=job.is_compiled)
    return context, _make_body(job, context, table)


def _run_until_signal(runner: Runner) -> int:
    def stop(number: int, _frame: FrameType | None) -> None:
        _LOG.info("event=signal name=%s", signal.Signals(number).name)
        runner.is_asked_to_stop = True

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        return runner.run()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _make_context(job: Job, segment: Segment, table: InstrumentTable, folder: Path) -> Context:
    declaration = job.declaration
    symbols = declaration.symbols
    context = Context(declaration.params_dtype, declaration.state_dtype, len(symbols))
    table.follow(context)
    context.connect(segment)
    context.symbols[:] = [table.number(symbol) for symbol in symbols]
    context.view["doorbell"] = open_doorbell(folder)
    if context.params is not None:
        for name, value in job.values.items():
            context.params[0][name] = value
    return context


def _make_body(job: Job, context: Context, table: InstrumentTable) -> Body:
    if not job.is_compiled:
        return Interpreted(job.strategy, job.declaration, context, table, job.wait_name)
    from livekit.strategy.compiled import Compiled  # noqa: PLC0415 - only who asks for it pays

    compiled = Compiled(job.strategy, job.declaration, context, table, job.wait_name)
    compiled.warm_up()
    return compiled


def _read_directory(engine: EngineSegment) -> Callable[[int], list[Instrument]]:
    def read(start: int) -> list[Instrument]:
        count = int(engine.header["n_instruments"])
        return [Instrument.from_row(row) for row in engine.directory[start:count]]

    return read
