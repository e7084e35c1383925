"""One side of the backtest benchmark: a process that runs works when asked.

A request is a line of JSON on its input, the answer a line on its output; the first line
says that it is ready and what is installed. The rivals' scripts speak this, and so does
livekit's own process (`backtest_own`), so all are measured in the same way: each alone in
a process of its own, taking turns with the others.
Layer 5.
"""

import contextlib
import json
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import IO, Any, Final, Self, cast

from livekit.errors import LivekitError

__all__ = ["Side"]

_PATIENCE_S: Final = 1800.0
"""Longer than any run; a side that takes more hangs."""

_TAIL: Final = 600
"""Characters of its last words that are worth reading."""


class Side:
    """A running side.

    Parameters
    ----------
    name : str
        For messages.
    command : sequence of str
        Program and arguments.

    Attributes
    ----------
    versions : dict of str to str
        What it says is installed, by package.
    started_s : float
        Seconds from its start until it was ready.

    Raises
    ------
    LivekitError
        It ended before it was ready; the message has its last words.
    """

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        start = time.perf_counter()
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.versions: dict[str, str] = self._answer()["versions"]
        self.started_s = time.perf_counter() - start

    def ask(self, work: str, **options: Any) -> dict[str, Any]:
        """Run a work and return the answer: seconds, peak_mb and what came of it."""
        request = cast("IO[str]", self._process.stdin)
        # A side that is gone says why in `_answer`.
        with contextlib.suppress(BrokenPipeError):
            request.write(json.dumps({"work": work, **options}) + "\n")
            request.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        answers = cast("IO[str]", self._process.stdout)
        is_there, _, _ = select.select([answers], [], [], _PATIENCE_S)
        line = answers.readline() if is_there else ""
        if not line:
            self._process.kill()
            code = self._process.wait()
            self._errors.seek(0)
            words = self._errors.read().strip()[-_TAIL:]
            self.close()
            was = f"did not answer within {_PATIENCE_S:.0f} s" if not is_there else "ended"
            raise LivekitError(f"{self.name} {was} with exit code {code}: {words or 'no message'}")
        return cast("dict[str, Any]", json.loads(line))

    def close(self) -> None:
        """End the process and wait for it; closing twice does nothing."""
        if self._errors.closed:
            return
        with contextlib.suppress(BrokenPipeError):
            cast("IO[str]", self._process.stdin).close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        cast("IO[str]", self._process.stdout).close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
