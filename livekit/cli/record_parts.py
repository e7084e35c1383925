"""The two helpers of a recording: the reader's process, and the thread that converts.

Layer 5.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from livekit.engine.attach import introduce
from livekit.engine.folder import log_path
from livekit.ring.segment import Segment
from livekit.ring.seqlock import SEQLOCK_HEAD
from livekit.store.recorder_convert import Converted, convert_parts
from livekit.store.recorder_log import FolderLock, parts_of
from livekit.store.recorder_reader import STATUS, Job
from livekit.store.schema import KIND_NAMES

__all__ = ["Child", "Converter", "Progress"]

_LOOK_S: Final = 0.2
_LEAVE_S: Final = 30.0
_INTRODUCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a recording has come.

    Attributes
    ----------
    seconds : float
        Since it began.
    events, n_bytes : int
        Written.
    gaps, lost : int
        GAP events seen, and events that they say were lost.
    received : dict of str to int
        Events taken out of the ring, by kind.
    """

    seconds: float
    events: int
    n_bytes: int
    gaps: int
    lost: int
    received: dict[str, int]


class Child:
    """The reader's process, brought to the engine.

    Parameters
    ----------
    engine : str
    job : Job
    lock : FolderLock
        Inherited: the folder is free when the reader is gone as well.

    Attributes
    ----------
    process : subprocess.Popen
    segment : Segment
        Which outlives the process while it is mapped.

    Raises
    ------
    LivekitError
        The engine refused it.
    """

    def __init__(self, engine: str, job: Job, lock: FolderLock) -> None:
        from_child, child_writes = os.pipe()
        child_reads, self._to_child = os.pipe()
        command = [sys.executable, "-m", "livekit.store.recorder_reader", job.to_json()]
        with log_path(engine, job.name).open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--pipes", f"{child_reads},{child_writes}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(child_reads, child_writes, lock.descriptor),
            )
        os.close(child_reads)
        os.close(child_writes)
        try:
            deadline = time.monotonic() + _INTRODUCE_S
            facts = introduce(engine, job.name, from_child, self._to_child, "", deadline)
            self.segment = Segment.attach(Path(facts["segment"]))
        except BaseException:
            os.close(self._to_child)
            self._wait()
            raise
        finally:
            os.close(from_child)
        self._started = time.monotonic()

    def ask_to_stop(self) -> None:
        """Let it write what it has and leave."""
        self.process.send_signal(signal.SIGTERM)

    def _wait(self) -> int:
        try:
            return self.process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def end(self) -> tuple[int, str]:
        """Wait for its end; return its exit code and what it says went wrong."""
        code = self._wait()
        os.close(self._to_child)
        message = self.segment.header["message"].decode(errors="replace")
        if code < 0:
            message = f"the recorder's reader was ended by signal {-code}; what it wrote is kept"
        if code and not message:
            message = "the recorder's reader failed; see its log"
        return (1 if code < 0 else code), message

    def progress(self) -> Progress:
        """Read how far it has come out of its segment, which outlives it while mapped."""
        raw = self.segment.read_state()
        if raw is None:  # it was killed while it wrote this; its counts are words, each whole
            start = int(self.segment.header["state_offset"]) + SEQLOCK_HEAD
            raw = self.segment.file.memory[start : start + STATUS.itemsize].tobytes()
        state = np.frombuffer(raw, STATUS)[0]
        counters = self.segment.strategy_counters
        return Progress(
            seconds=time.monotonic() - self._started,
            events=int(state["events"]),
            n_bytes=int(state["bytes"]),
            gaps=int(state["gaps"]),
            lost=int(counters["lost"]),
            received={
                name: int(counters["received"][kind])
                for kind, name in sorted(KIND_NAMES.items())
                if counters["received"][kind]
            },
        )


class Converter(threading.Thread):
    """Converts complete parts beside the recording.

    A merge rewrites the day's file, so it waits until what is there is worth it: half of
    what was converted before. All merges of a day together then cost a few of its files.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(name="record-convert", daemon=True)
        self._root = root
        self._is_over = threading.Event()
        self.done = Converted()

    def run(self) -> None:
        """Look for parts every now and then."""
        merged, day = 0, np.datetime64("now", "D")
        while not self._is_over.wait(_LOOK_S):
            if np.datetime64("now", "D") != day:
                merged, day = 0, np.datetime64("now", "D")
            waiting = sum(path.stat().st_size for path in parts_of(self._root, with_open=False))
            if waiting and waiting >= merged // 2:
                done = convert_parts(self._root, with_open=False)
                merged += 0 if done.failures else waiting
                done.failures.clear()  # logged; tried again, and at the end for good
                self.done.add(done)

    def finish(self) -> Converted:
        """End, and return what was converted."""
        self._is_over.set()
        self.join()
        return self.done
