"""The lines of a strategy's log: a time, a level, an event, key=value.

Both ways of running a strategy write the same lines. Their number per second is
bounded, since a callback that fails or logs at every event must not fill a disk; what
was left out is counted in the next line that is not.
Layer 2.
"""

import faulthandler
import io
import logging
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Final

from livekit.strategy.declaration import CALLBACKS
from livekit.strategy.flyweight import Event

__all__ = [
    "LINES_PER_SECOND",
    "RateLimit",
    "callback_name",
    "describe_error",
    "format_line",
    "log_failure",
    "log_to_stdout",
]

_LOG: Final = logging.getLogger(__name__)

LINES_PER_SECOND: Final = 500
"""Entries of a strategy's log in one second; an exception with its traceback is one."""


class RateLimit(logging.Filter):
    """Lets at most so many entries through in each second."""

    def __init__(self, per_second: int = LINES_PER_SECOND) -> None:
        super().__init__()
        self._per_second = per_second
        self._second = -1
        self._count = self._suppressed = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the entry is to be written."""
        second = int(record.created)
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        if self._count > self._per_second:
            self._suppressed += 1
            return False
        if self._suppressed:
            record.msg = f"{record.getMessage()} suppressed={self._suppressed}"
            record.args = ()
            self._suppressed = 0
        return True


def log_to_stdout() -> None:
    """Write livekit's log to standard output, stamped in UTC.

    The strategy's own prints go there too, line by line, and so does the place where
    native code of its crashed.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    faulthandler.enable()
    handler = logging.StreamHandler(sys.stdout)
    formatter = logging.Formatter(
        "%(asctime)s.%(msecs)03dZ level=%(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    handler.addFilter(RateLimit())
    root = logging.getLogger("livekit")
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    root.propagate = False


def format_line(text: str, values: Sequence[float]) -> str:
    """Return a line of a strategy's log, the same whichever way it runs."""
    return " ".join([f"event=strategy_log text={text!r}", *(f"{float(v)!r}" for v in values)])


def describe_error(error: BaseException) -> str:
    """Return an exception's class and text."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def callback_name(error: BaseException, event: Event) -> str:
    """Return the callback an exception came out of, with the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    callback = f"on_{event.kind.name.lower()}"
    names = [frame for frame in frames if frame.name in CALLBACKS]
    if names:
        callback = names[0].name
    last = frames[-1]
    return f"{callback} ({last.filename}:{last.lineno})"


def log_failure(name: str, error: BaseException, event: Event | None) -> None:
    """Log an exception of a callback, with its traceback and the event that caused it."""
    _LOG.error(
        "event=callback_failed callback=%s error=%r of=%r",
        name,
        describe_error(error),
        event,
        exc_info=error,
    )
