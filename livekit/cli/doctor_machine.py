"""What `livekit doctor` checks of the machine: Python, packages, memory, folders, limits.

Nothing is written but a file of one page in the folder of shared memory, removed at once.
Layer 5.
"""

import os
import platform
import resource
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from livekit.cli.findings import Finding, State
from livekit.config import runtime_root, state_root
from livekit.errors import LivekitError

__all__ = ["check_machine"]

_NEEDED: Final = ("numpy", "numba", "pyarrow", "msgspec", "rich", "pandas")
_OF_THE_EXCHANGE: Final = ("httpx", "websockets")
_MIN_SHARED: Final = 64 << 20  # an engine segment and the segments of eight strategies
_MIN_DISK: Final = 1 << 30
_MIN_FILES: Final = 512
_CONFIG: Final = 4


def check_machine(*, needs_exchange: bool) -> Iterator[Finding]:
    """Check what every engine needs.

    Parameters
    ----------
    needs_exchange : bool
        Whether the packages that talk to an exchange must be there too.
    """
    system = f"{platform.system()} {platform.machine()}"
    yield Finding("python", State.OK, f"{platform.python_version()} on {system}")
    yield _check_packages(_NEEDED + (_OF_THE_EXCHANGE if needs_exchange else ()))
    yield _check_compiler()
    yield _check_shared_memory(runtime_root())
    yield _check_state(state_root())
    yield _check_cores()
    yield _check_files()


def _check_packages(names: tuple[str, ...]) -> Finding:
    found, missing = [], []
    for name in names:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if not missing:
        return Finding("packages", State.OK, ", ".join(found))
    extra = "[okx]" if set(missing) <= set(_OF_THE_EXCHANGE) else ""
    return Finding(
        "packages",
        State.PROBLEM,
        f"{', '.join(missing)} not installed",
        f"run 'pip install livekit-trading{extra}'",
        _CONFIG,
    )


def _check_compiler() -> Finding:
    """Look into the folder of compiled code; an engine compiles into it at its first start."""
    try:
        from livekit.ring.jit import cache_folder

        folder = cache_folder()
    except (LivekitError, OSError) as error:
        return Finding(
            "compiled code",
            State.PROBLEM,
            str(error),
            "set LIVEKIT_CACHE_DIR to a folder of your own",
            _CONFIG,
        )
    except ImportError as error:
        text = f"numba does not load: {error}"
        return Finding("compiled code", State.PROBLEM, text, "install numba again", _CONFIG)
    if any(folder.rglob("*.nbc")):
        return Finding("compiled code", State.OK, f"in {folder}")
    text = f"{folder} is empty, so the first start compiles, for about half a minute"
    return Finding("compiled code", State.NOTE, text)


def _check_shared_memory(folder: Path) -> Finding:
    place = _existing(folder)
    try:
        # Reserved and not only counted: this is what an engine does, and where it would fail.
        with tempfile.TemporaryFile(dir=place) as file:
            os.posix_fallocate(file.fileno(), 0, resource.getpagesize())
        free = _free(place)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Finding(
            "shared memory",
            State.PROBLEM,
            f"{folder} cannot be used ({reason})",
            "free space in it, correct its mode, or set LIVEKIT_RUNTIME_DIR to a folder in memory",
            _CONFIG,
        )
    text = f"{folder}, {_size(free)} free"
    if free < _MIN_SHARED:
        fix = f"an engine needs {_size(_MIN_SHARED)}: free some, or enlarge {place} (a container: "
        return Finding("shared memory", State.PROBLEM, text, fix + "--shm-size)", _CONFIG)
    return Finding("shared memory", State.OK, text)


def _check_state(folder: Path) -> Finding:
    place = _existing(folder)
    if not os.access(place, os.W_OK | os.X_OK):
        return Finding(
            "state",
            State.PROBLEM,
            f"{folder} cannot be written to",
            "correct its mode, or set LIVEKIT_STATE_DIR to a folder of your own",
            _CONFIG,
        )
    free = _free(place)
    text = f"{folder}, {_size(free)} free"
    if free < _MIN_DISK:
        return Finding("state", State.NOTE, text, "free some: logs and recordings go there")
    return Finding("state", State.OK, text)


def _check_cores() -> Finding:
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = f"{n} core{'s' if n > 1 else ''}"
    if n < 2:
        fix = "use '--wait laptop': an engine and a strategy that spin need a core each"
        return Finding("processor", State.NOTE, text, fix)
    return Finding("processor", State.OK, text)


def _check_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < _MIN_FILES:
        fix = f"run 'ulimit -n {_MIN_FILES}' before the engine (the hard limit is {hard})"
        return Finding("open files", State.NOTE, f"at most {soft}", fix)
    return Finding("open files", State.OK, f"at most {soft}" if soft >= 0 else "unlimited")


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest above it that is there."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def _size(n_bytes: int) -> str:
    if n_bytes >= 1 << 30:
        return f"{n_bytes / (1 << 30):.1f} GiB"
    return f"{n_bytes / (1 << 20):.0f} MiB"
