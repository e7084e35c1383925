"""The recorder's process at the ring: takes every event, appends it to a part, and nothing else.

It is a reader like a strategy, with a segment of its own, and it slows nobody: it never
sleeps on the ring's bell, so the engine never makes a system call for it (only a replay
that waits for its readers is one to be awake for). Its ring holds a second of the busiest
day; what it lost all the same, held up by a slow disk, comes as a GAP event and is
recorded like any other. Its parent converts the parts; this process stays small and may
be killed at any instant: what it took more than FLUSH_NS ago is in a file.

    parent -> child   the JOB as JSON on the command line, then {"segment", "folder"}
    child -> parent   {"spec": ..., "pid": ..., "start": ...}

It ends on SIGTERM, when its parent is gone, on the engine's STOP, and (exit code 3) when
the engine is gone: always by writing what is in the ring. A full disk ends it with 1.
Layer 3. ``python -m livekit.store.recorder_reader JOB --pipes R,W``
"""

import argparse
import json
import logging
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

import numpy as np

from livekit import clock
from livekit.errors import DataError, LivekitError, NotRunningError
from livekit.events import SLOT_BYTES
from livekit.ring.directory import EngineSegment
from livekit.ring.layout import SIDE, SIDE_BYTES, aligned_zeros
from livekit.ring.segment import Phase, RunState, Segment
from livekit.ring.seqlock import publish, round_lines
from livekit.ring.wait import WAITS, wait
from livekit.store.recorder_log import FRAME_BYTES, PartHeader, PartWriter, recording_folder
from livekit.store.recorder_split import TAKEN, take

__all__ = ["FLUSH_NS", "STATUS", "Job", "main", "spec_of"]

_LOG: Final = logging.getLogger(__name__)

FLUSH_NS: Final = 250_000_000
"""How long an event may wait in memory before it is written."""

STATUS: Final = np.dtype(
    [
        ("events", "<i8"),  # written to parts
        ("bytes", "<i8"),
        ("gaps", "<i8"),
        ("parts", "<i8"),  # begun
        ("last_ts", "<i8"),  # ts_recv of the last event taken
        ("longest_wait_ns", "<i8"),  # the longest time a write took
    ]
)
"""The recorder's state, as ``livekit ps --state`` shows it."""

_PAYLOAD: Final = 1 << 20
_LEAST: Final = 4096
_RING_SLOTS: Final = 16384
_EMPTY_SLEEP_S: Final = 0.002
_LOOK_NS: Final = 100_000_000
_BUSY: Final = 512
_DAY_NS: Final = 86_400_000_000_000
_MESSAGE_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be recorded.

    Attributes
    ----------
    root : str
        Folder of the catalog.
    name : str
        In the engine.
    symbols : list of str
        All of the engine's when empty.
    kinds : int
        Bit k for kind k.
    venue : str
    rotate_bytes : int
        A part that is larger is closed and a new one begun.
    is_partial : bool
        As of `PartHeader`.
    is_waited_for : bool
        Whether the engine waits for its readers, as a lossless replay does.
    """

    root: str
    name: str
    symbols: list[str] = field(default_factory=list)
    kinds: int = 0
    venue: str = "okx"
    rotate_bytes: int = 64 << 20
    is_partial: bool = False
    is_waited_for: bool = False

    def to_json(self) -> str:
        """Return the job for the command line."""
        return json.dumps(asdict(self))


def spec_of(job: Job) -> dict[str, Any]:
    """Return the description under which the engine knows a recorder."""
    return {
        "name": job.name,
        "class": "Recorder",
        "file": "",
        "hash": "",
        "mode": "recorder",
        "symbols": job.symbols,
        "kinds": job.kinds,
        "timer_ns": 0,
        "params": [],
        "params_dtype": [],
        "state_dtype": [[name, "<i8"] for name in STATUS.names or ()],
        "params_bytes": 0,
        "state_bytes": STATUS.itemsize,
        "events_capacity": _RING_SLOTS,
        "doc": f"records into {job.root}",
    }


class _Reader:
    """Takes the events of one ring and writes them."""

    def __init__(self, job: Job, segment: Segment, folder: Path) -> None:
        self._job, self._segment = job, segment
        self._directory = EngineSegment.attach(folder)
        self._side = aligned_zeros(SIDE_BYTES).view(SIDE)
        segment.fill_events_side(self._side, is_producer=False)
        # A frame is never larger than a part is to be.
        self._room = max(_LEAST, min(_PAYLOAD, job.rotate_bytes) // 64 * 64)
        self._frame = aligned_zeros(FRAME_BYTES + self._room)
        self._taken = aligned_zeros(TAKEN.itemsize).view(TAKEN)
        self._status = aligned_zeros(round_lines(STATUS.itemsize)).view("u1")
        self.status = self._status[: STATUS.itemsize].view(STATUS)[0]
        self._counters = segment.file.address + int(segment.header["strategy_counters"])
        self._scratch = np.zeros(2, np.int64)
        self._part: PartWriter | None = None
        self._day = self._flushed_ns = 0
        self._session = clock.now_ns()

    @property
    def is_stopped(self) -> bool:
        """Whether the engine's STOP has come."""
        return bool(self._taken["is_stopped"][0])

    def wait(self, n_taken: int) -> None:
        """Wait for more, having taken `n_taken` events at last."""
        if self._job.is_waited_for:
            wait(self._side.ctypes.data, *WAITS["laptop"], self._scratch.ctypes.data)
        elif n_taken < _BUSY:
            time.sleep(_EMPTY_SLEEP_S)

    def turn(self) -> int:
        """Take what is there, and write it if that is due; return how many events came."""
        start = int(self._frame.ctypes.data) + FRAME_BYTES
        filled = int(self._taken["n_bytes"][0])
        n = take(
            self._side.ctypes.data,
            start + filled,
            self._room - filled,
            self._taken.ctypes.data,
            self._counters,
        )
        now_ns = time.monotonic_ns()
        header = self._segment.header
        header["heartbeat"] = now_ns
        if n < 0:
            raise LivekitError("the events ring is broken: impossible cursors; record again")
        # A payload is full when the largest event does not fit any more.
        is_full = self._room - int(self._taken["n_bytes"][0]) < SLOT_BYTES
        if is_full or now_ns - self._flushed_ns >= FLUSH_NS:
            self.flush()
            self._flushed_ns = now_ns
        return n

    def flush(self) -> None:
        """Write what was taken, as one frame."""
        taken = self._taken[0]
        n_bytes, n_events = int(taken["n_bytes"]), int(taken["n_events"])
        if n_bytes:
            start_ns = time.monotonic_ns()
            day = int(taken["last_ts"]) // _DAY_NS
            part = self._open_part(day)
            part.append(self._frame, n_bytes, n_events, clock.now_ns())
            spent = time.monotonic_ns() - start_ns
            self.status["events"] += n_events
            self.status["bytes"] += n_bytes
            self.status["longest_wait_ns"] = max(spent, int(self.status["longest_wait_ns"]))
            taken["n_bytes"] = taken["n_events"] = 0
            if part.n_bytes >= self._job.rotate_bytes:
                self.finish_part()
        self.status["gaps"], self.status["last_ts"] = taken["n_gaps"], taken["last_ts"]
        self._segment.header["sequence"] = taken["sequence"]
        publish(
            self._segment.at("state_offset"),
            self._status.ctypes.data,
            round_lines(STATUS.itemsize) // 64,
        )

    def _open_part(self, day: int) -> PartWriter:
        """Return the part of a day, a new one where there is none or the day has changed."""
        if self._part is not None and day == self._day:
            return self._part
        self.finish_part()
        symbols = [one.symbol for one in self._directory.instruments()]
        header = PartHeader(
            self._job.venue, symbols, self._job.symbols or symbols, self._job.is_partial
        )
        name = f"{self._job.venue}-{self._session:020d}-{int(self.status['parts']):06d}.open"
        folder = recording_folder(Path(self._job.root))
        self._part = PartWriter(folder / name, header, clock.now_ns())
        self._day = day
        self.status["parts"] += 1
        return self._part

    def finish_part(self) -> None:
        """Close the part that is being written, if there is one."""
        part, self._part = self._part, None
        if part is not None:
            part.finish()

    def drain(self) -> None:
        """Take what is in the ring and write it."""
        left = _RING_SLOTS  # what comes meanwhile is not waited for: it might never end
        while left > 0 and not self.is_stopped and (n := self.turn()):
            left -= n
        self.flush()
        self.finish_part()


class _Life:
    """Tells when the recorder is to end, and why."""

    def __init__(self, segment: Segment, parent: int) -> None:
        self._segment, self._parent = segment, parent
        self._looked_ns = 0
        self.is_asked_to_stop = False
        os.set_blocking(parent, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        _LOG.info("event=signal name=%s", signal.Signals(number).name)
        self.is_asked_to_stop = True

    def look(self) -> LivekitError | None:
        """Look around now and then; return what to fail with."""
        if self._segment.header["run_state"] == RunState.FENCED:
            return LivekitError("fenced by the engine; see the engine's log")
        now_ns = time.monotonic_ns()
        if now_ns - self._looked_ns < _LOOK_NS:
            return None
        self._looked_ns = now_ns
        try:
            if os.read(self._parent, 1) == b"":
                _LOG.warning("event=parent_gone")
                self.is_asked_to_stop = True
        except BlockingIOError:
            pass
        if self._segment.engine_is_alive():
            return None
        pid = int(self._segment.file.prefix["engine_pid"])
        return NotRunningError(f"engine process {pid} is gone; what it sent is recorded")


def _record(reader: _Reader, life: _Life) -> None:
    """Record until it is time to end; then write what is left."""
    failure = None
    while not (reader.is_stopped or life.is_asked_to_stop or failure):
        reader.wait(reader.turn())
        failure = life.look()
    reader.drain()
    if failure:
        raise failure


def _run(job: Job, place: dict[str, Any], parent: int) -> int:
    """Record in the segment that the engine has made; return the exit code."""
    segment = Segment.attach(Path(place["segment"]))
    segment.claim_for_strategy()
    header = segment.header
    header["heartbeat"] = time.monotonic_ns()
    life = _Life(segment, parent)
    try:
        reader = _Reader(job, segment, Path(place["folder"]))
        # What is to be compiled is compiled now: events come from STARTED on.
        reader.wait(reader.turn())
        reader.flush()
        header["phase"] = Phase.STARTED
        _LOG.info("event=recording root=%s symbols=%s", job.root, ",".join(job.symbols) or "all")
        _record(reader, life)
    except (LivekitError, OSError) as error:
        failure = error if isinstance(error, LivekitError) else DataError(str(error))
        _LOG.error("event=failed message=%r", str(failure))
        text = str(failure).encode()[: _MESSAGE_BYTES - 1].decode(errors="ignore")
        header["message"] = text.encode()
        header["phase"] = Phase.FAILED
        return failure.exit_code
    header["heartbeat"] = time.monotonic_ns()
    header["phase"] = Phase.STOPPED
    _LOG.info("event=stopped events=%d", int(reader.status["events"]))
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Introduce this process to the engine through its parent, and record."""
    parser = argparse.ArgumentParser(prog="livekit.store.recorder_reader")
    parser.add_argument("job", help="a Job as JSON")
    parser.add_argument("--pipes", required=True, metavar="R,W")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="%(asctime)s.%(msecs)03d %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    job = Job(**json.loads(options.job))
    reader, writer = (int(part) for part in options.pipes.split(","))
    for descriptor in (reader, writer):
        os.set_inheritable(descriptor, False)
    pid, start = clock.own_identity()
    hello = {"spec": spec_of(job), "pid": pid, "start": start}
    os.write(writer, json.dumps(hello).encode() + b"\n")
    os.close(writer)
    answer = b""
    while not answer.endswith(b"\n"):
        part = os.read(reader, 65536)
        if not part:
            _LOG.error("event=refused message='the parent is gone'")
            return NotRunningError.exit_code
        answer += part
    place = json.loads(answer)
    if "error" in place:
        _LOG.error("event=refused message=%r", place["error"]["message"])
        return int(place["error"].get("exit_code", 1))
    return _run(job, place, reader)


if __name__ == "__main__":
    sys.exit(main())
