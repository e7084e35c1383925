"""Bringing a strategy process to an engine: the parent's side of the introduction.

The strategy process holds no socket. It describes itself over a pipe to its parent,
the parent registers it with the engine, and hands back where its segment is.
Layer 4.
"""

import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from livekit.config import check_name
from livekit.engine.client import call, raise_error
from livekit.engine.folder import log_path, require_running
from livekit.engine.spawn import spawn_detached
from livekit.errors import DeadlineError, LivekitError, StrategyError
from livekit.ring.segment import Phase, Segment

__all__ = ["AttachRequest", "attach", "detach", "introduce"]


@dataclass(frozen=True, slots=True)
class AttachRequest:
    """What to attach, and how.

    Attributes
    ----------
    file : Path
        The strategy's source.
    name : str
        In the engine; the file's stem when empty.
    class_name : str
        Needed when the file defines several strategies.
    params : tuple of str
        ``name=value`` each.
    jit : bool
        Run compiled.
    wait, policy : str
        How it waits; what its full ring does (empty: the engine's).
    manifest : dict
        What is known of the code, as JSON takes it; kept with the run.
    """

    file: Path
    name: str = ""
    class_name: str = ""
    params: tuple[str, ...] = field(default=())
    jit: bool = False
    wait: str = "laptop"
    policy: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def strategy_name(self) -> str:
        """The name under which the strategy will be known."""
        return check_name(self.name or self.file.stem, "strategy")

    def command(self, reader: int, writer: int) -> list[str]:
        """Return the command line of the strategy's process."""
        parts = [sys.executable, "-m", "livekit.strategy.main", str(self.file)]
        parts += ["--name", self.strategy_name, "--wait", self.wait]
        parts += ["--class", self.class_name] if self.class_name else []
        parts += ["--jit"] if self.jit else []
        for param in self.params:
            parts += ["--param", param]
        return [*parts, "--pipes", f"{reader},{writer}"]


def attach(
    engine: str, request: AttachRequest, *, until: Phase = Phase.STARTED, timeout_s: float = 120.0
) -> dict[str, Any]:
    """Start a strategy process and bring it to an engine; return its row of facts.

    Parameters
    ----------
    until : Phase
        STARTED waits for `on_start`, RUNNING for the first event.

    Raises
    ------
    NotRunningError
        The engine does not run.
    LivekitError
        Whatever the strategy's file, its parameters or the engine refused.
    DeadlineError
        It did not start within `timeout_s`; it is killed.
    """
    require_running(engine)
    name = request.strategy_name
    deadline = time.monotonic() + timeout_s
    from_child, child_writes = os.pipe()
    child_reads, to_child = os.pipe()
    process = spawn_detached(
        request.command(child_reads, child_writes),
        log_path(engine, name),
        (child_reads, child_writes),
    )
    os.close(child_reads)
    os.close(child_writes)
    try:
        facts = introduce(
            engine, name, from_child, to_child, request.policy, deadline, request.manifest
        )
        segment = Segment.attach(Path(facts["segment"]))
        _await_phase(name, segment, process, until, deadline)
    except BaseException:
        _end(process)
        raise
    finally:
        os.close(from_child)
        os.close(to_child)
    return facts | {"log": str(log_path(engine, name))}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let a refused child leave by itself, or make it."""
    try:
        process.wait(timeout=2.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def introduce(
    engine: str,
    name: str,
    reader: int,
    writer: int,
    policy: str,
    deadline: float,
    manifest: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Take a strategy's description from `reader`, register it, answer on `writer`.

    A manifest travels with the description, so that whoever reads the segment and the
    run that is written of it can see it. Returns the facts a user wants to read: name,
    pid, mode, hash, symbols, segment.
    """
    hello = _read_message(name, reader, deadline)
    if "error" in hello:
        raise_error(hello["error"])
    spec = hello["spec"] | ({"manifest": manifest} if manifest else {})
    name = spec.get("name") or name
    try:
        place = call(
            engine,
            "register",
            name=name,
            spec=spec,
            pid=hello["pid"],
            start=hello["start"],
            policy=policy,
        )
    except LivekitError as error:
        described = {"class": type(error).__name__, "message": str(error)}
        _send(writer, {"error": {**described, "exit_code": error.exit_code}})
        raise
    _send(writer, place)
    return {
        "name": name,
        "engine": engine,
        "pid": hello["pid"],
        "mode": spec["mode"],
        "class": spec["class"],
        "hash": spec["hash"],
        "symbols": spec["symbols"],
        "params": {param["name"]: param["value"] for param in spec["params"]},
        "segment": place["segment"],
    }


def _send(writer: int, message: dict[str, Any]) -> None:
    os.write(writer, msgspec.json.encode(message) + b"\n")


def _read_message(name: str, reader: int, deadline: float) -> dict[str, Any]:
    received = b""
    while not received.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            raise DeadlineError(
                f"strategy {name!r} did not load in time; does its file do long work on import"
            )
        data = os.read(reader, 65536)
        if not data:
            raise StrategyError(
                f"strategy {name!r} ended while its file was loaded; see 'livekit logs {name}'"
            )
        received += data
    return msgspec.json.decode(received, type=dict[str, Any])


def _await_phase(
    name: str, segment: Segment, process: subprocess.Popen[bytes], until: Phase, deadline: float
) -> None:
    while True:
        phase = int(segment.header["phase"])
        if phase == Phase.FAILED:
            process.wait()
            text = segment.header["message"].decode(errors="replace")
            raise StrategyError(text or f"strategy {name!r} failed; see 'livekit logs {name}'")
        if phase >= until:
            return
        if process.poll() is not None:
            raise LivekitError(
                f"strategy {name!r} ended while starting (exit code {process.returncode}); see "
                f"'livekit logs {name}'"
            )
        if time.monotonic() > deadline:
            raise DeadlineError(
                f"strategy {name!r} was registered but did not start in time; see "
                f"'livekit logs {name}'"
            )
        time.sleep(0.002)


def detach(engine: str, name: str, timeout_s: float = 10.0) -> dict[str, Any]:
    """Stop one strategy and wait until the engine has let go of it.

    Raises
    ------
    NotRunningError
        The engine or the strategy does not run.
    DeadlineError
        It is still there after `timeout_s`.
    """
    answer = call(engine, "detach", name=name)
    deadline = time.monotonic() + timeout_s
    while any(row["name"] == name for row in call(engine, "ps")["strategies"]):
        if time.monotonic() > deadline:
            raise DeadlineError(f"strategy {name!r} did not leave within {timeout_s:g} s")
        time.sleep(0.005)
    return answer
