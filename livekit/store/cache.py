"""The cache that makes the second load of a recording instant.

Reading Parquet means decompressing and interleaving columns; the result, rows of the
event's dtype, is kept as a plain ``.npy`` file that the next load only maps. The name
of the file says which recording, of which size and time of change, in which layout, so
a stale one is never read; it is removed when its successor is written. The cache lies
in the user's cache folder, never beside the data, is bounded, and may be deleted at
any time.
Layer 3.
"""

import contextlib
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from livekit.errors import DataError
from livekit.events import ABI
from livekit.store.schema import join

__all__ = ["CACHE_BYTES", "cached_rows", "rows_cache_folder", "store_rows"]

CACHE_BYTES: Final = 16 << 30
"""The cache's bound; the files used longest ago go first."""

_TEMPORARY: Final = ".rows-"
_ABANDONED_SECONDS: Final = 24 * 3600

_log = logging.getLogger(__name__)


def rows_cache_folder() -> Path:
    """Return the folder of the cache: below ``$LIVEKIT_CACHE_DIR`` or XDG's cache folder."""
    base = os.environ.get("LIVEKIT_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "livekit" / "rows"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _names(path: Path, dtype: np.dtype) -> tuple[str, str]:
    """Return the part of the name that says which file, and the part that says which state."""
    status = path.stat()
    layout = f"{ABI} {dtype.itemsize} {dtype.descr}"
    which = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:24]
    state = f"{status.st_size} {status.st_mtime_ns} {status.st_ino} {layout}"
    return which, hashlib.sha256(state.encode()).hexdigest()[:24]


def cached_rows(path: Path, dtype: np.dtype) -> np.ndarray | None:
    """Return the rows of a recording, mapped read-only, or None when they are not cached."""
    which, state = _names(path, dtype)
    cached = rows_cache_folder() / f"{which}-{state}.npy"
    try:
        rows = np.load(cached, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _log.warning("cache file removed path=%s error=%s", cached, error)
        cached.unlink(missing_ok=True)
        return None
    if rows.ndim != 2 or rows.dtype != np.uint8 or rows.shape[1] != dtype.itemsize:
        cached.unlink(missing_ok=True)
        return None
    with contextlib.suppress(OSError):  # a cache we may read but not touch still serves
        os.utime(cached)
    return rows.view(dtype)[:, 0] if len(rows) else np.zeros(0, dtype)


def store_rows(
    path: Path, dtype: np.dtype, n_rows: int, read: Callable[[], Iterator[np.ndarray]]
) -> np.ndarray:
    """Keep the rows of a recording for the next load, and return them.

    Parameters
    ----------
    path : Path
        The recording.
    dtype : numpy.dtype
        Of a row.
    n_rows : int
        How many rows the recording says it has.
    read : callable
        Starts to read the recording and yields structured arrays, one chunk at a time,
        so memory stays flat however large the recording is.

    Returns
    -------
    structured array [n_rows]
        Mapped read-only; in memory when the cache cannot be written, which is logged.

    Raises
    ------
    DataError
        The chunks have another number of rows. Nothing is kept.
    """
    try:
        _write_rows(path, dtype, n_rows, read)
        rows = cached_rows(path, dtype)
    except OSError as error:
        _log.warning("recording not cached path=%s error=%s", path, error)
        rows = None
    if rows is None:
        rows = join(dtype, read())
        _check_count(len(rows), n_rows, path)
    return rows


def _write_rows(
    path: Path, dtype: np.dtype, n_rows: int, read: Callable[[], Iterator[np.ndarray]]
) -> None:
    which, state = _names(path, dtype)
    folder = rows_cache_folder()
    target = folder / f"{which}-{state}.npy"
    descriptor, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=folder)
    temporary = Path(name)
    try:
        # Plain writes, not a mapping: a full disk is an error here and not a SIGBUS.
        with os.fdopen(descriptor, "wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (n_rows, dtype.itemsize)}
            np.lib.format.write_array_header_1_0(file, header)
            written = 0
            for chunk in read():
                file.write(np.ascontiguousarray(chunk).tobytes())
                written += len(chunk)
            _check_count(written, n_rows, path)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    _evict(folder, which, target)


def _check_count(found: int, expected: int, path: Path) -> None:
    if found != expected:
        raise DataError(f"{str(path)!r} holds {found} rows, its footer says {expected}")


def _evict(folder: Path, which: str, keep: Path) -> None:
    """Remove earlier states of the same recording, and the oldest files past the bound."""
    files = []
    for file in folder.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(FileNotFoundError):  # left by a process that was killed
            if time.time() - file.stat().st_mtime > _ABANDONED_SECONDS:
                file.unlink()
    for file in folder.glob("*.npy"):
        with contextlib.suppress(FileNotFoundError):  # another process evicts as well
            if file != keep and file.name.startswith(which):
                file.unlink()
            else:
                status = file.stat()
                files.append((status.st_mtime_ns, status.st_size, file))
    total = sum(size for _, size, _ in files)
    for _, size, file in sorted(files):
        if total <= CACHE_BYTES or file == keep:
            break
        file.unlink(missing_ok=True)
        total -= size
