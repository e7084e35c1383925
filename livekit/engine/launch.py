"""Starting and ending an engine from outside its process.

Layer 4.
"""

import contextlib
import os
import select
import signal
import sys
import time
from typing import Any

import msgspec

from livekit import clock
from livekit.engine.client import call, raise_error
from livekit.engine.folder import is_running, log_path, require_running, sweep
from livekit.engine.settings import EngineSettings
from livekit.engine.spawn import spawn_detached
from livekit.errors import DeadlineError, LivekitError, NotRunningError, SegmentError
from livekit.ring.directory import EngineSegment

__all__ = ["start_engine", "stop_engine"]


def start_engine(settings: EngineSettings, timeout_s: float = 120.0) -> dict[str, Any]:
    """Start an engine in a session of its own; return {"pid", "swept"} once it is ready.

    Raises
    ------
    ConfigError
        One of that name runs already, or a setting is impossible.
    DeadlineError
        It was not ready within `timeout_s`.
    """
    swept = sweep()
    reader, writer = os.pipe()
    log = log_path(settings.name, "_engine")
    process = spawn_detached(
        [sys.executable, "-m", "livekit.engine.main", settings.to_json(), str(writer)],
        log,
        (writer,),
    )
    os.close(writer)
    try:
        line = _read_line(reader, time.monotonic() + timeout_s)
    finally:
        os.close(reader)
    if line is None:
        process.kill()
        raise DeadlineError(
            f"engine {settings.name!r} was not ready within {timeout_s:g} s; see {log}"
        )
    if not line:
        raise LivekitError(
            f"engine {settings.name!r} ended while starting (exit code {process.wait()}); see {log}"
        )
    answer = msgspec.json.decode(line, type=dict[str, Any])
    if "error" in answer:
        process.wait()
        raise_error(answer["error"])
    return {"pid": answer["ready"], "swept": [*map(str, swept), *answer["swept"]]}


def _read_line(reader: int, deadline: float) -> bytes | None:
    """Read one line, b"" when the writer is gone; None at the deadline."""
    received = b""
    while not received.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return None
        data = os.read(reader, 65536)
        if not data:
            return b""
        received += data
    return received


def stop_engine(engine: str, *, force: bool = False, timeout_s: float = 15.0) -> dict[str, Any]:
    """Stop an engine and wait until nothing of it is left.

    Parameters
    ----------
    force : bool
        Kill it if it does not answer or does not leave.

    Returns
    -------
    dict
        Its name, its pid, the paths it left behind (`leftovers`), and what was cleaned up
        after it, a line each, when it was killed (`swept`).

    Raises
    ------
    NotRunningError
        No engine of that name runs.
    DeadlineError
        It did not leave within `timeout_s`.
    """
    folder = require_running(engine)
    pid, start = _identity(engine)
    swept: list[str] = []
    try:
        call(engine, "stop", timeout_s=min(5.0, timeout_s))
        _await_end(engine, pid, start, timeout_s)
    except (DeadlineError, NotRunningError):  # it hangs, or has just died and has its lock still
        if not force:
            raise
        with contextlib.suppress(ProcessLookupError):
            if clock.is_alive(pid, start):
                os.kill(pid, signal.SIGKILL)
        _await_end(engine, pid, start, timeout_s)
        swept = [str(item) for item in sweep(engine)]
    leftovers = sorted(map(str, folder.glob("*")))
    return {"engine": engine, "pid": pid, "leftovers": leftovers, "swept": swept}


def _identity(engine: str) -> tuple[int, int]:
    try:
        prefix = EngineSegment.attach(require_running(engine)).file.prefix
    except SegmentError:
        return 0, 0
    return int(prefix["engine_pid"]), int(prefix["engine_start"])


def _await_end(engine: str, pid: int, start: int, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while is_running(engine) or clock.is_alive(pid, start):
        if time.monotonic() > deadline:
            raise DeadlineError(
                f"engine {engine!r} (pid {pid}) did not stop within {timeout_s:g} s; see its log, "
                "or end it with 'livekit engine stop --force'"
            )
        time.sleep(0.005)
