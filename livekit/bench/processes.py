"""Measured processes: forked from one warmed parent, pinned, read through a pipe.

A fork costs a millisecond where a fresh start with cached machine code costs half a
second, and all children share the code that the parent has compiled.
Layer 5.
"""

import json
import os
import signal
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from livekit.errors import LivekitError

__all__ = ["Child", "cores", "fork"]


@dataclass(slots=True)
class Child:
    """A forked process whose function's result comes back as JSON."""

    pid: int
    reader: int
    name: str

    def result(self) -> Any:
        """Wait for the function to return and give its result back.

        Raises
        ------
        LivekitError
            The process ended without a result.
        """
        with os.fdopen(self.reader, "rb") as pipe:
            data = pipe.read()
        os.waitpid(self.pid, 0)
        if not data:
            raise LivekitError(f"measured process {self.name!r} ended without a result")
        return json.loads(data)

    def stop(self) -> None:
        """Kill the process and forget its result."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.reader)


def cores() -> list[int]:
    """Return the cores this process may use."""
    return sorted(os.sched_getaffinity(0))


def fork(name: str, function: Callable[[], Any], core: int | None = None) -> Child:
    """Run `function` in a child, on one core if given; its result must be JSON."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forking beside threads. BLAS has idle ones, which no
        # measured function uses.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        os.close(writer)
        return Child(pid, reader, name)
    try:
        # At once and without a word, also inside compiled code: Ctrl-C is the parent's to tell.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.close(reader)
        if core is not None:
            os.sched_setaffinity(0, {core})
        data = json.dumps(function()).encode()
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(data)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a child must never return into the parent's code
        traceback.print_exc()
        os._exit(1)
