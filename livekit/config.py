"""Bounds and places: every limit livekit has, and every folder it writes to.

A queue, retry, message, cache or rate without a bound is a fault; the bounds stand
here, where a reader can see them together. Folders follow the XDG conventions and
may be moved by the environment, which is how tests keep out of a user's way.
Layer 0.
"""

import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Final

from livekit.errors import ConfigError, SegmentError

__all__ = [
    "CONTROL_FRAME_BYTES",
    "DEFAULT_ENGINE",
    "EVENTS_CAPACITY",
    "EVENTS_RESERVE",
    "HANG_AFTER_NS",
    "MAX_BACKLOG",
    "MAX_ERRORS_IN_A_ROW",
    "MAX_EVENTS_CAPACITY",
    "MAX_INSTRUMENTS",
    "MAX_SPEC_BYTES",
    "MAX_STATE_BYTES",
    "MAX_STRATEGIES",
    "ORDERS_CAPACITY",
    "SLEEP_BOUND_NS",
    "WAIT_BOUND_NS",
    "check_name",
    "private_folder",
    "runtime_root",
    "state_root",
]

DEFAULT_ENGINE: Final = "main"
EVENTS_CAPACITY: Final = 4096  # slots of 256 bytes: about a second at 5 K events/s
MAX_EVENTS_CAPACITY: Final = 65536  # slots that a reader may ask for: 16 MiB
EVENTS_RESERVE: Final = 256  # slots that market data may not use, kept for reports and control
ORDERS_CAPACITY: Final = 1024  # slots of 128 bytes
MAX_STRATEGIES: Final = 64  # one bit each in a route
MAX_INSTRUMENTS: Final = 1024
MAX_BACKLOG: Final = 4096  # reports the engine keeps for a strategy whose ring is full
MAX_SPEC_BYTES: Final = 16 * 1024  # a strategy's description, as JSON
MAX_STATE_BYTES: Final = 256 * 1024  # a strategy's state record
MAX_ERRORS_IN_A_ROW: Final = 10  # exceptions in callbacks before a strategy is stopped
CONTROL_FRAME_BYTES: Final = 64 * 1024  # one request or reply of the control socket
HANG_AFTER_NS: Final = 900_000_000  # a heartbeat older than this is a hang, seen within 1 s
WAIT_BOUND_NS: Final = 2_000_000  # a busy jitted wait returns to Python at least this often
SLEEP_BOUND_NS: Final = 10_000_000  # and one that sleeps: every wake-up costs an idle machine

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}")


def check_name(name: str, what: str) -> str:
    """Return `name` if it may name an engine or a strategy, otherwise raise ConfigError."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{what} name {name!r} is not usable; use 1 to 31 letters, digits, '-' or '_', "
            "starting with a letter or digit"
        )
    return name


def runtime_root() -> Path:
    """Return the folder of the shared memory of all engines of this user.

    ``$LIVEKIT_RUNTIME_DIR``, or ``/dev/shm/livekit-<uid>``, or where there is no
    /dev/shm a folder of the user's in the temporary directory.
    """
    chosen = os.environ.get("LIVEKIT_RUNTIME_DIR")
    if chosen:
        return Path(chosen)
    shared = Path("/dev/shm")  # noqa: S108 - the folder below it is created 0700 and verified
    base = shared if shared.is_dir() else Path(tempfile.gettempdir())
    return base / f"livekit-{os.getuid()}"


def state_root() -> Path:
    """Return the folder of logs and results: ``$LIVEKIT_STATE_DIR`` or XDG's state folder."""
    chosen = os.environ.get("LIVEKIT_STATE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "livekit"


def private_folder(path: Path) -> Path:
    """Create `path` with mode 0700 if need be, and refuse it unless it is ours alone.

    Raises
    ------
    SegmentError
        The path is a link, is no folder, has another owner or is open to others.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise SegmentError(f"{str(path)!r} is not a folder but a link or file; remove it")
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise SegmentError(
            f"folder {str(path)!r} has owner uid {status.st_uid} and mode "
            f"{status.st_mode & 0o777:o}, expected uid {os.getuid()} and 700; remove it or "
            "correct its mode"
        )
    return path
