"""The strategy's process: from a file to a running loop, with its parent on two pipes.

    child -> parent   {"spec": ..., "pid": ..., "start": ...}   the file is good
                      {"error": {"class", "message", "exit_code"}}   it is not
    parent -> child   {"segment": path, "folder": path}         registered: map it
                      {"error": ...}                            refused

The parent (``livekit attach``, or the helper that a script's `strategy.run()` starts)
talks to the engine; this process only ever maps files and rings a doorbell. Its log is
its standard output, a line an event: time, level, event, key=value.
Layer 4. ``python -m livekit.strategy.main FILE --pipes R,W``
"""

import argparse
import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from livekit import clock
from livekit.config import DEFAULT_ENGINE, check_name
from livekit.errors import LivekitError, NotRunningError, StrategyError
from livekit.ring.wait import WAITS
from livekit.strategy.api import Strategy
from livekit.strategy.declaration import declare
from livekit.strategy.lines import log_to_stdout
from livekit.strategy.loader import load_class, make_instance
from livekit.strategy.process import Job, run_job
from livekit.strategy.spec import describe, parse_params

__all__ = ["Options", "main", "run_instance"]

_LOG: Final = logging.getLogger(__name__)
_MAX_REPLY: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    file: Path
    class_name: str | None = None
    name: str = ""
    params: tuple[str, ...] = field(default=())
    jit: bool = False
    wait: str = "laptop"
    pipes: tuple[int, int] = (-1, -1)


class _Parent:
    """The two pipes to the parent: one line of JSON each way."""

    def __init__(self, reader: int, writer: int) -> None:
        self._reader, self._writer = reader, writer
        for descriptor in (reader, writer):
            os.set_inheritable(descriptor, False)

    def send(self, message: dict[str, Any]) -> None:
        """Send one message; a parent that has gone is none of our errors yet."""
        line = json.dumps(message).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._writer, line) :]
        except BrokenPipeError:
            _LOG.warning("event=parent_gone")

    def receive(self) -> dict[str, Any]:
        """Wait for the answer, and close both pipes.

        Raises
        ------
        NotRunningError
            The parent has gone without one.
        """
        data = b""
        while not data.endswith(b"\n") and len(data) < _MAX_REPLY:
            part = os.read(self._reader, 4096)
            if not part:
                break
            data += part
        self.close()
        if not data.endswith(b"\n"):
            raise NotRunningError("the parent process went away before the engine answered")
        answer: dict[str, Any] = json.loads(data)
        return answer

    def close(self) -> None:
        """Close both pipes."""
        os.close(self._reader)
        os.close(self._writer)


def _parse(arguments: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="livekit.strategy.main", description="run one strategy")
    parser.add_argument("file", type=Path)
    parser.add_argument("--class", dest="class_name")
    parser.add_argument("--name", default="")
    parser.add_argument("--param", dest="params", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--jit", action="store_true")
    parser.add_argument("--wait", choices=sorted(WAITS), default="laptop")
    parser.add_argument("--pipes", required=True, metavar="R,W")
    given = parser.parse_args(arguments)
    reader, writer = (int(part) for part in given.pipes.split(","))
    return Options(
        given.file,
        given.class_name,
        given.name,
        tuple(given.params),
        given.jit,
        given.wait,
        (reader, writer),
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the strategy process; return its exit code."""
    options = _parse(arguments)
    log_to_stdout()
    parent = _Parent(*options.pipes)
    try:
        cls = load_class(options.file, options.class_name)
        declaration = declare(cls)
        values = parse_params(declaration, options.params)
        strategy = make_instance(cls, values)
    except LivekitError as error:
        _LOG.error("event=refused message=%r", str(error))
        parent.send(_error(error))
        parent.close()
        return error.exit_code
    is_compiled = options.jit or declaration.jit
    job = Job(strategy, declaration, values, options.wait, is_compiled)
    return _introduce(job, options.file.resolve(), parent)


def run_instance(strategy: Strategy) -> None:
    """Attach a strategy made by a script to the running engine, and run it in this process.

    The engine is ``$LIVEKIT_ENGINE``, or the default one. Leaves by SystemExit unless
    the strategy was stopped.

    Raises
    ------
    StrategyError
        The class was not defined in a file.
    """
    module = sys.modules[type(strategy).__module__]
    file = Path(getattr(module, "__file__", None) or "")
    if not file.is_file():
        raise StrategyError(
            f"strategy {type(strategy).__name__!r} is not defined in a file, so no other process "
            "could know what runs; in a notebook use livekit.attach"
        )
    name = check_name(strategy.strategy_id or file.stem, "strategy")
    declaration = declare(type(strategy))
    values = {
        key: param.check(f"parameter {key!r}", vars(strategy).get(key, param.default))
        for key, param in declaration.params.items()
    }
    log_to_stdout()
    helper_reads, own_writer = os.pipe()
    own_reader, helper_writes = os.pipe()
    command = [sys.executable, "-m", "livekit.cli.register", "--name", name]
    command += ["--engine", os.environ.get("LIVEKIT_ENGINE", DEFAULT_ENGINE)]
    with subprocess.Popen(
        [*command, "--pipes", f"{helper_reads},{helper_writes}"],
        pass_fds=(helper_reads, helper_writes),
        start_new_session=True,
    ):
        os.close(helper_reads)
        os.close(helper_writes)
        parent = _Parent(own_reader, own_writer)
        job = Job(strategy, declaration, values, "laptop", declaration.jit)
        code = _introduce(job, file.resolve(), parent)
    if code:
        sys.exit(code)


def _error(error: LivekitError) -> dict[str, Any]:
    described = {"class": type(error).__name__, "message": str(error)}
    return {"error": {**described, "exit_code": error.exit_code}}


def _introduce(job: Job, file: Path, parent: _Parent) -> int:
    """Tell the parent what this is, map what it answers, and run to the end."""
    spec = describe(job.declaration, job.values, file=file, is_compiled=job.is_compiled)
    pid, start = clock.own_identity()
    parent.send({"spec": spec, "pid": pid, "start": start})
    try:
        answer = parent.receive()
    except NotRunningError as error:
        _LOG.error("event=not_registered message=%r", str(error))
        return error.exit_code
    if "error" in answer:
        _LOG.error("event=not_registered message=%r", answer["error"]["message"])
        return int(answer["error"]["exit_code"])
    try:
        return run_job(job, Path(answer["segment"]), Path(answer["folder"]))
    except LivekitError as error:
        _LOG.error("event=not_mapped message=%r", str(error))
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
