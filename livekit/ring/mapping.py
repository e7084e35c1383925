"""Files in shared memory: made whole, verified before use, removed by name.

Own files over mmap(2), because `multiprocessing.shared_memory` before Python 3.13
removes a segment that a second process merely opened. Space is reserved when a file
is made (posix_fallocate), so a full /dev/shm is an error there and not a SIGBUS in
the middle of a tick. Every file starts with the same PREFIX, which holds all that a
reader needs to refuse a wrong, stale, half-made or foreign one; the refusal names
both sides.
Layer 1.
"""

import errno
import mmap
import os
import stat
from pathlib import Path
from typing import Final

import numpy as np

from livekit import clock
from livekit.errors import NotFoundError, SegmentError, SegmentMismatchError
from livekit.events import ABI

__all__ = ["MAGIC", "PREFIX", "Mapping", "create", "open_verified", "require_place"]

MAGIC: Final = b"LIVEKIT1"

PREFIX: Final = np.dtype(
    {
        "names": [
            "magic",
            "abi",
            "ready",
            "segment_bytes",
            "generation",
            "engine_pid",
            "engine_start",
            "boot_id",
            "engine",
            "name",
        ],
        "formats": ["S8", "<i8", "<i8", "<i8", "<i8", "<i8", "<i8", "S40", "S32", "S32"],
        "offsets": [0, 8, 16, 24, 32, 40, 48, 56, 96, 128],
        "itemsize": 256,
    }
)
"""The first 256 bytes of every file; written once by the engine, `ready` last."""

_FLAGS: Final = os.O_RDWR | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)


class Mapping:
    """One mapped file.

    Attributes
    ----------
    path : Path
    memory : uint8[n]
        The whole file; views of parts are taken from it.
    prefix : PREFIX record
    """

    def __init__(self, path: Path, file: int, n_bytes: int) -> None:
        self.path = path
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        self.memory = np.frombuffer(mmap.mmap(file, n_bytes, flags), np.uint8)
        self.prefix = self.part(PREFIX, 0)[0]

    def part(self, dtype: np.dtype | type | str, offset: int, count: int = 1) -> np.ndarray:
        """Return a view of `count` records at an offset."""
        kind = np.dtype(dtype)
        return self.memory[offset : offset + kind.itemsize * count].view(kind)

    @property
    def address(self) -> int:
        """Address of the first byte, for jitted functions."""
        return int(self.memory.ctypes.data)

    def unlink(self) -> None:
        """Remove the file's name; mappings of it stay valid."""
        self.path.unlink(missing_ok=True)


def create(path: Path, n_bytes: int, *, generation: int, engine: str, name: str) -> Mapping:
    """Make a file of `n_bytes` zeros with its PREFIX filled but for `ready`.

    Raises
    ------
    SegmentError
        The name is taken, or shared memory is full.
    """
    try:
        file = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SegmentError(
            f"segment {str(path)!r} exists already; another engine owns it, or run "
            "'livekit engine stop' to clean up"
        ) from None
    try:
        os.posix_fallocate(file, 0, n_bytes)
        mapping = Mapping(path, file, n_bytes)
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EDQUOT):
            raise
        free = os.statvfs(path.parent)
        raise SegmentError(
            f"no room for {n_bytes / 2**20:.1f} MiB of shared memory in {str(path.parent)!r}: "
            f"{free.f_bavail * free.f_frsize / 2**20:.1f} MiB free; remove old segments there or "
            "enlarge /dev/shm"
        ) from None
    finally:
        os.close(file)
    pid, start = clock.own_identity()
    prefix = mapping.prefix
    prefix["magic"], prefix["abi"], prefix["segment_bytes"] = MAGIC, ABI, n_bytes
    prefix["generation"], prefix["boot_id"] = generation, clock.boot_id().encode()
    prefix["engine_pid"], prefix["engine_start"] = pid, start
    prefix["engine"], prefix["name"] = engine.encode(), name.encode()
    return mapping


def _open_own_file(path: Path) -> tuple[int, int]:
    """Open a regular file that is ours alone; return its descriptor and size."""
    try:
        file = os.open(path, _FLAGS)
    except FileNotFoundError:
        raise NotFoundError(
            f"segment {str(path)!r} does not exist; is its engine running"
        ) from None
    except OSError as error:
        raise SegmentError(
            f"segment {str(path)!r} cannot be opened: {error.strerror}; it must be a regular "
            "file of your own, not a link"
        ) from None
    status = os.fstat(file)
    problem = ""
    if not stat.S_ISREG(status.st_mode):
        problem = "is no regular file"
    elif status.st_uid != os.getuid():
        problem = f"belongs to uid {status.st_uid}, this process is uid {os.getuid()}"
    elif status.st_mode & 0o077:
        problem = f"has mode {status.st_mode & 0o777:o}, expected 600"
    elif status.st_size < PREFIX.itemsize:
        problem = f"has {status.st_size} bytes, expected at least {PREFIX.itemsize}"
    if problem:
        os.close(file)
        raise SegmentError(f"segment {str(path)!r} {problem}; remove it")
    return file, status.st_size


def open_verified(path: Path, *, allow_dead: bool = False) -> Mapping:
    """Map an existing file, or refuse it with the reason.

    Parameters
    ----------
    path : Path
    allow_dead : bool
        Accept a file whose engine is gone, to read its last state.

    Raises
    ------
    NotFoundError
        There is no such file.
    SegmentError
        It is not ours, half-made, or its engine is gone.
    SegmentMismatchError
        It was written by another ABI or another boot, or is truncated.
    """
    file, n_bytes = _open_own_file(path)
    try:
        mapping = Mapping(path, file, n_bytes)
    finally:
        os.close(file)
    prefix = mapping.prefix
    if not prefix["magic"] or (prefix["magic"] == MAGIC and not prefix["ready"]):
        raise SegmentError(
            f"segment {str(path)!r} is half-made: its engine was stopped while making it; "
            "restart the engine"
        )
    if prefix["magic"] != MAGIC:
        raise SegmentMismatchError(
            f"segment {str(path)!r} starts with {bytes(prefix['magic'])!r}, expected {MAGIC!r}; "
            "it is not livekit's"
        )
    if prefix["abi"] != ABI:
        raise SegmentMismatchError(
            f"segment {str(path)!r} was written by ABI {int(prefix['abi']):#x}, this process "
            f"expects {ABI:#x}; restart the engine and every strategy from the same livekit version"
        )
    if prefix["segment_bytes"] != n_bytes:
        raise SegmentMismatchError(
            f"segment {str(path)!r} has {n_bytes} bytes, its header says "
            f"{int(prefix['segment_bytes'])}; it is truncated, restart the engine"
        )
    boot = prefix["boot_id"].decode()
    if boot != clock.boot_id():
        raise SegmentMismatchError(
            f"segment {str(path)!r} is of boot {boot}, this is boot {clock.boot_id()}; "
            "restart the engine"
        )
    pid, start = int(prefix["engine_pid"]), int(prefix["engine_start"])
    if not allow_dead and not clock.is_alive(pid, start):
        raise SegmentError(
            f"segment {str(path)!r} belongs to engine process {pid}, which is gone; "
            "start the engine again"
        )
    return mapping


def require_place(mapping: Mapping) -> None:
    """Refuse an engine's or a strategy's file that does not lie where it was made.

    Raises
    ------
    SegmentMismatchError
        Its name or its folder is another's.
    """
    path, prefix = mapping.path, mapping.prefix
    name, engine = prefix["name"].decode(), prefix["engine"].decode()
    if (name, engine) != (path.name, path.parent.name):
        raise SegmentMismatchError(
            f"segment {str(path)!r} is {name!r} of engine {engine!r}, expected {path.name!r} of "
            f"{path.parent.name!r}; it was moved or copied, remove it"
        )
