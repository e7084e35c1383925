"""An engine's folder in shared memory: its lock, its segments, its socket.

    _lock      held (flock) by the engine for as long as it lives, released by the kernel
    _engine    the engine's segment
    _control   the control socket
    _doorbell  FIFO by which strategies wake a sleeping engine
    <name>     one segment per strategy

A folder whose lock is free belongs to an engine that is gone: whoever comes next may
`sweep` it, the next engine of that name does, and both say so. The lock is the only
thing asked, because pids are reused.
Layer 4.
"""

import fcntl
import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from livekit import clock
from livekit.config import check_name, private_folder, runtime_root, state_root
from livekit.errors import ConfigError, LivekitError, NotRunningError
from livekit.ring.directory import ENGINE_SEGMENT
from livekit.ring.segment import Segment

__all__ = [
    "CONTROL",
    "DOORBELL",
    "LOCK",
    "EngineLock",
    "Swept",
    "engine_folder",
    "is_running",
    "log_path",
    "require_running",
    "running_engines",
    "segment_paths",
    "sweep",
]

LOCK: Final = "_lock"
CONTROL: Final = "_control"
DOORBELL: Final = "_doorbell"

_ORPHAN_GRACE_S: Final = 2.0
_LOCK_PATIENCE_S: Final = 0.1


def engine_folder(engine: str) -> Path:
    """Return the folder of an engine, which need not exist."""
    return runtime_root() / check_name(engine, "engine")


def log_path(engine: str, name: str) -> Path:
    """Return the log file of a strategy, or of the engine itself for its segment's name."""
    folder = private_folder(state_root() / check_name(engine, "engine") / "logs")
    return folder / f"{name}.log"


def segment_paths(folder: Path) -> list[Path]:
    """Return the strategies' segments in a folder, sorted by name."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("_"))


class EngineLock:
    """The exclusive lock that makes an engine the only one of its name.

    What an engine before it has left is removed: whoever started this one may have looked
    while that one was dying, and had its lock still.

    Attributes
    ----------
    folder : Path
        Empty but for the lock.
    swept : Swept or None

    Raises
    ------
    ConfigError
        An engine of that name runs already.
    """

    def __init__(self, engine: str) -> None:
        private_folder(runtime_root())
        self.folder = engine_folder(engine)
        # Who only looks whether an engine runs holds the lock for microseconds; who cleans
        # up may remove the folder between its making and its locking.
        deadline = time.monotonic() + _LOCK_PATIENCE_S
        while (file := _lock_in(self.folder)) is None:
            if time.monotonic() < deadline:
                time.sleep(0.001)
                continue
            raise ConfigError(
                f"engine {engine!r} is running already; stop it with 'livekit engine stop"
                f"{'' if engine == 'main' else f' --engine {engine}'}', or start this one "
                "under another name with --engine NAME"
            )
        self._file = file
        self.swept = _empty(self.folder)

    def release(self) -> None:
        """Remove the folder with all in it and let go of the lock."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._file)


def _lock_in(folder: Path) -> int | None:
    """Make a folder if it is not there, and return its lock; None while somebody has it."""
    path = private_folder(folder) / LOCK
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:  # somebody has just removed the folder
        return None
    if _try_lock(file):
        return file
    os.close(file)
    return None


def _try_lock(file: int, how: int = fcntl.LOCK_EX) -> bool:
    """Take the lock of an open file; False when somebody has it or has just removed it."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(file).st_nlink > 0


def is_running(engine: str) -> bool:
    """Tell whether an engine of that name holds its lock."""
    try:
        file = os.open(engine_folder(engine) / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who look at once do not take each other for the engine.
        return not _try_lock(file, fcntl.LOCK_SH) and os.fstat(file).st_nlink > 0
    finally:
        os.close(file)


def running_engines() -> list[str]:
    """Return the names of the engines that run."""
    root = runtime_root()
    if not root.is_dir():
        return []
    return [path.name for path in sorted(root.iterdir()) if path.is_dir() and is_running(path.name)]


@dataclass(slots=True)
class Swept:
    """What a dead engine had left behind, and was removed."""

    engine: str
    files: list[str] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        """Say it in one line."""
        n_files, n_processes = len(self.files), len(self.processes)
        killed = f" and {n_processes} strategy processes" if n_processes else ""
        return f"cleaned up after engine {self.engine!r}, which is gone: {n_files} files{killed}"


def sweep(engine: str | None = None) -> list[Swept]:
    """Remove what engines that are gone have left; return what was removed.

    Strategies of a dead engine leave by themselves; one that has not after two seconds
    is killed.

    Parameters
    ----------
    engine : str or None
        Look at this engine's folder only.
    """
    root = runtime_root()
    if not root.is_dir():
        return []
    folders = [engine_folder(engine)] if engine else sorted(p for p in root.iterdir() if p.is_dir())
    return [swept for folder in folders if (swept := _sweep_folder(folder)) is not None]


def _sweep_folder(folder: Path) -> Swept | None:
    if not folder.is_dir():
        return None
    file = _lock_in(folder)
    if file is None:
        return None
    try:
        swept = _empty(folder)
        shutil.rmtree(folder)
        return swept
    finally:
        os.close(file)


def _empty(folder: Path) -> Swept | None:
    """Remove all but the lock, which is ours, from a folder; None if there was nothing."""
    left = [path for path in sorted(folder.iterdir()) if path.name != LOCK]
    if not left:
        return None
    swept = Swept(folder.name, [path.name for path in left], _end_orphans(folder))
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return swept


def _end_orphans(folder: Path) -> list[int]:
    """Wait for the strategies of a dead engine to leave; kill those that do not."""
    orphans: list[tuple[int, int]] = []
    for path in segment_paths(folder):
        try:
            header = Segment.attach(path, allow_dead=True).header
        except LivekitError:
            continue  # half-made: no strategy has ever claimed it
        orphans.append((int(header["strategy_pid"]), int(header["strategy_start"])))
    deadline = time.monotonic() + _ORPHAN_GRACE_S
    while time.monotonic() < deadline and any(clock.is_alive(*orphan) for orphan in orphans):
        time.sleep(0.01)
    killed = [pid for pid, start in orphans if clock.is_alive(pid, start)]
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    return killed


def require_running(engine: str) -> Path:
    """Return the folder of a running engine.

    Raises
    ------
    NotRunningError
        No engine of that name runs; the message names those that do.
    """
    if is_running(engine) and (engine_folder(engine) / ENGINE_SEGMENT).exists():
        return engine_folder(engine)
    others = running_engines()
    hint = f"; running: {', '.join(others)}" if others else ""
    raise NotRunningError(
        f"engine {engine!r} is not running{hint}; start one with 'livekit engine start"
        f"{'' if engine == 'main' else f' --engine {engine}'} --source replay --data replay_data'"
    )
