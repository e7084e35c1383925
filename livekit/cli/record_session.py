"""One recording from its beginning to its end: lock, recovery, engine, reader, catalog.

This process holds the folder's lock, brings a reader (store/recorder_reader.py) to the
engine, and converts what the reader has completed while that goes on; whatever happens
to either of them, the next recording starts with what was left.
Layer 5.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self

from livekit import clock
from livekit.cli.record_parts import Child, Converter, Progress
from livekit.engine.client import call
from livekit.engine.folder import require_running
from livekit.engine.launch import start_engine, stop_engine
from livekit.engine.settings import EngineSettings
from livekit.errors import LivekitError, NotRunningError
from livekit.events import MARKET_KINDS, Kind
from livekit.ring.directory import EngineSegment
from livekit.store.catalog import Catalog
from livekit.store.recorder_convert import Converted, convert_parts, note_interruption
from livekit.store.recorder_log import FolderLock, PartHeader
from livekit.store.recorder_reader import Job

__all__ = ["Plan", "Summary", "record", "recover"]

_EVERY_S: Final = 0.05
_REST_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What to record, and from where.

    Attributes
    ----------
    root : Path
        Folder of the catalog.
    engine : str
        Name of the engine; one that runs already unless `settings` is given.
    settings : EngineSettings or None
        Of an engine to start for this recording and to stop after it.
    name : str
        The recorder's in the engine.
    symbols : tuple of str
        All of the engine's when empty.
    kinds : tuple of Kind
        Of market data; gaps and connections are recorded always.
    rotate_bytes : int
    duration_s : float
        How long; 0 until interrupted or the replay has finished.
    """

    root: Path
    engine: str
    settings: EngineSettings | None = None
    name: str = "record"
    symbols: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = MARKET_KINDS
    rotate_bytes: int = 64 << 20
    duration_s: float = 0.0


@dataclass(slots=True)
class Summary:
    """What came of a recording; `raw` of the raw frames, where they were kept."""

    root: str
    engine: str = ""
    progress: Progress = field(default_factory=lambda: Progress(0.0, 0, 0, 0, 0, {}))
    recovered: Converted = field(default_factory=Converted)
    converted: Converted = field(default_factory=Converted)
    raw: dict[str, Any] | None = None
    failure: str = ""
    exit_code: int = 0

    def fail(self, message: str, exit_code: int) -> None:
        """Note why the recording failed; the first reason stays."""
        if not self.failure:
            self.failure, self.exit_code = message, exit_code

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON takes it."""
        seen = self.progress
        return {
            "out": self.root,
            "engine": self.engine,
            "seconds": round(seen.seconds, 3),
            "events": seen.events,
            "bytes": seen.n_bytes,
            "gaps": seen.gaps,
            "lost": seen.lost,
            "received": seen.received,
            "catalog": self.converted.to_dict(),
            "recovered": self.recovered.to_dict(),
            "raw": self.raw,
            "failure": self.failure or None,
        }


def recover(root: Path) -> Summary:
    """Convert what an earlier recorder of a folder has left.

    Raises
    ------
    ConfigError
        A recorder is at work there.
    """
    summary = Summary(str(root))
    lock = FolderLock(root)
    try:
        summary.recovered = convert_parts(root, with_open=True)
        for failure in summary.recovered.failures:
            summary.fail(failure, 1)
    finally:
        lock.release()
    return summary


def record(plan: Plan, show: Callable[[Progress], None] | None = None) -> Summary:
    """Record until the time is over, the source has finished, or SIGINT or SIGTERM comes.

    Raises
    ------
    LivekitError
        Nothing could be recorded: another recorder of the folder, no engine, an unknown
        symbol. What fails later is in the summary.
    """
    summary = Summary(str(plan.root), plan.engine)
    lock = FolderLock(plan.root)
    try:
        summary.recovered = convert_parts(plan.root, with_open=True)
        for failure in summary.recovered.failures:
            raise LivekitError(f"what an earlier recorder left cannot be kept: {failure}")
        with _Interrupts() as interrupts:
            with _engine(plan):
                converter = _record(plan, lock, summary, interrupts, show)
            if summary.raw is not None and summary.raw["failure"]:
                summary.fail(summary.raw["failure"], 1)
            summary.converted.add(converter.finish())
            summary.converted.add(convert_parts(plan.root, with_open=True))
        for failure in summary.converted.failures:
            summary.fail(failure, 1)
    finally:
        lock.release()
    return summary


@contextlib.contextmanager
def _engine(plan: Plan) -> Iterator[None]:
    """Run the plan's own engine, if it has one."""
    if plan.settings is None:
        require_running(plan.engine)
        yield
        return
    start_engine(plan.settings)
    try:
        yield
    finally:
        with contextlib.suppress(NotRunningError):
            stop_engine(plan.engine, force=True)


class _Interrupts:
    """Turns the first SIGINT or SIGTERM into a wish to end; a second one ends at once."""

    def __init__(self) -> None:
        self.has_come = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._come)
        return self

    def _come(self, _number: int, _frame: FrameType | None) -> None:
        if self.has_come:
            raise KeyboardInterrupt
        self.has_come = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def _record(
    plan: Plan,
    lock: FolderLock,
    summary: Summary,
    interrupts: _Interrupts,
    show: Callable[[Progress], None] | None,
) -> Converter:
    """Record what the engine sends; return the thread that still may be converting."""
    status = call(plan.engine, "status")
    engine = EngineSegment.attach(require_running(plan.engine))
    known = {one.symbol: one for one in engine.instruments()}
    job = _job(plan, status, list(known))
    child = Child(plan.engine, job, lock)
    converter = Converter(plan.root)
    try:
        # Before the first row, so that whatever is left behind can be read.
        names = [name for name in plan.symbols or known if name in known]
        Catalog(plan.root).write_instruments(known[name] for name in names)
        converter.start()
        if status["source"] != "replay":
            recorded = list(plan.symbols or known)
            header = PartHeader(job.venue, list(known), recorded, is_partial=True)
            note_interruption(plan.root, header, clock.now_ns())
        _watch(plan, child, engine, interrupts, show)
        summary.raw = _raw_of(plan)
    finally:
        child.ask_to_stop()
        code, message = child.end()
        if code:
            summary.fail(message, code)
        summary.progress = child.progress()
    return converter


def _raw_of(plan: Plan) -> dict[str, Any] | None:
    """Return what the engine's feed says of the raw frames it keeps; None without any."""
    if plan.settings is None or not plan.settings.raw:
        return None
    with contextlib.suppress(LivekitError):  # an engine that is gone says nothing any more
        connections = call(plan.engine, "status")["feed"]["connections"]
        logs = [one["raw"] for one in connections]
        failures = [one["failure"] for one in logs if one["failure"]]
        return {
            "frames": sum(one["frames"] for one in logs),
            "dropped": sum(one["dropped"] for one in logs),
            "failure": failures[0] if failures else "",
        }
    return None


def _job(plan: Plan, status: dict[str, Any], symbols: list[str]) -> Job:
    kinds = (*plan.kinds, Kind.GAP, Kind.CONNECTION)
    is_replay = status["source"] == "replay"
    return Job(
        root=str(plan.root),
        name=plan.name,
        symbols=list(plan.symbols),
        kinds=sum(1 << kind for kind in kinds),
        rotate_bytes=plan.rotate_bytes,
        # A live engine counts from its start: two recordings of a day do not join.
        is_partial=not (is_replay and _is_whole(plan, symbols)),
        is_waited_for=status.get("speed") in {"max", "lockstep"},
    )


def _is_whole(plan: Plan, symbols: list[str]) -> bool:
    """Tell whether everything is recorded that the events' numbers count."""
    if plan.settings is not None:
        symbols = list(Catalog(plan.settings.data).instruments())
    return set(plan.symbols or symbols) >= set(symbols) and set(plan.kinds) >= {
        Kind.TICKER,
        Kind.TRADE,
        Kind.BOOK,
        Kind.QUOTE,
    }


def _watch(
    plan: Plan,
    child: Child,
    engine: EngineSegment,
    interrupts: _Interrupts,
    show: Callable[[Progress], None] | None,
) -> None:
    """Wait until it is time to end."""
    started = time.monotonic()
    finished = 0.0
    while child.process.poll() is None and not interrupts.has_come:
        now = time.monotonic()
        if plan.duration_s and now - started >= plan.duration_s:
            return
        header = engine.header
        if 0 < int(header["n_events"]) <= int(header["position"]):
            finished = finished or now
            if now - finished >= _REST_S:
                return
        if show is not None:
            show(child.progress())
        time.sleep(_EVERY_S)
