"""Real recorder processes, and comparisons of what they wrote, for tests."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
from engines import eventually

from livekit.engine.folder import engine_folder
from livekit.errors import LivekitError
from livekit.ring.segment import Segment
from livekit.ring.state import state_of
from livekit.store.catalog import Catalog


class Recorder:
    """``livekit record`` in a process of its own.

    Attributes
    ----------
    process : subprocess.Popen
    engine : str
    """

    def __init__(self, out, *options, engine="main", own=False, file_kb=0):
        command = [
            sys.executable,
            "-X",
            "faulthandler",
            "-m",
            "livekit.cli.main",
            "record",
            "--out",
            str(out),
            "--json",
        ]
        if not own:
            command += ["--engine", engine]
        if file_kb:  # it and its children cannot write a file beyond that size
            command = ["bash", "-c", f'ulimit -f {file_kb}; exec "$@"', "-", *command]
        self.engine = engine
        self.process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def segment(self, name="record"):
        """Return the recorder's segment once it is there."""

        def attached():
            if self.process.poll() is not None:
                return "over"
            try:
                return Segment.attach(engine_folder(self.engine) / name)
            except (LivekitError, FileNotFoundError):
                return None

        found = eventually(attached, "a recorder's segment", 120)
        assert found != "over", self.process.communicate()
        return found

    def recording(self, n=1):
        """Wait until `n` events were written; return the segment."""
        segment = self.segment()
        eventually(
            lambda: self.process.poll() is not None or state_of(segment)["state"]["events"] >= n,
            f"{n} events",
            60,
        )
        return segment

    def reader_pid(self, segment):
        return int(segment.header["strategy_pid"])

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)
        return self.result()

    def result(self, timeout=180):
        """Wait for the end; return (exit code, what it printed as JSON, its errors)."""
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # says where it stands
            raise AssertionError(self.process.communicate()) from None
        return self.process.returncode, json.loads(out) if out else None, err

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


def record(out, *options, **how):
    """Record to the end; return (exit code, what it printed, its errors)."""
    recorder = Recorder(out, *options, **how)
    try:
        return recorder.result()
    finally:
        recorder.close()


def files_of(root):
    """Return the bytes of a catalog's files by their names below its root."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".recording" not in path.parts
    }


def rows_of(root, key):
    """Return the rows of (symbol, kind, day) as bytes each; none where there is no file."""
    catalog = Catalog(root)
    if not catalog.path(*key).is_file():
        return []
    rows = catalog.read(*key, cache=False)
    raw = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), rows.dtype.itemsize)
    return [row.tobytes() for row in raw]


def keys_of(root):
    """Return (symbol, kind, day) of all recordings."""
    return [(one.symbol, one.kind, one.day) for one in Catalog(root).list()]


def kill(pid):
    os.kill(pid, signal.SIGKILL)
