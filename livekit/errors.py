"""Every error that a user can meet, with the exit code the command line gives it.

    LivekitError                1  error
    ├── ConfigError             4  bad configuration: a value, a name, a parameter
    │   └── StrategyError       4  a strategy file that cannot be loaded or compiled
    ├── NotFoundError           2  a file, class, strategy or engine that is not there
    ├── NotRunningError         3  no engine, or no such strategy, is running
    ├── DeadlineError           5  the other side did not answer in time
    ├── SegmentError            1  shared memory that may not be used
    │   └── SegmentMismatchError   written by another version, engine or owner
    ├── DataError               1  recorded data that cannot be read
    └── FeedError               1  a message of the exchange that cannot be used

The class says who can act on it. A message names the thing, what it was, what was
expected and what to do: lower case, no full stop, never a secret.
Layer 0.
"""

from typing import ClassVar

__all__ = [
    "ConfigError",
    "DataError",
    "DeadlineError",
    "FeedError",
    "LivekitError",
    "NotFoundError",
    "NotRunningError",
    "SegmentError",
    "SegmentMismatchError",
    "StrategyError",
]


class LivekitError(Exception):
    """Base of every error livekit raises on purpose."""

    exit_code: ClassVar[int] = 1

    def _render_traceback_(self) -> list[str]:
        # What a notebook shows. The sentence says what to do; forty lines of livekit's
        # frames above it would hide that, and a debugger still finds them.
        return [f"{type(self).__name__}: {self}"]


class ConfigError(LivekitError):
    """A value, name or parameter that the user can correct."""

    exit_code = 4


class StrategyError(ConfigError):
    """A strategy file that cannot be loaded, or code that cannot be compiled."""


class NotFoundError(LivekitError):
    """A file, class, strategy or engine that does not exist."""

    exit_code = 2


class NotRunningError(LivekitError):
    """The engine or strategy that a command addresses is not running."""

    exit_code = 3


class DeadlineError(LivekitError):
    """The other side did not answer within the stated time."""

    exit_code = 5


class SegmentError(LivekitError):
    """Shared memory that could not be created or may not be used."""


class SegmentMismatchError(SegmentError):
    """A segment of another version, generation, boot, engine or owner."""


class DataError(LivekitError):
    """Recorded data that is missing, truncated or corrupt."""


class FeedError(LivekitError):
    """A message of the exchange that cannot be parsed or violates its rules."""
