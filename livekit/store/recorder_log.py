"""What a recorder has taken but not yet put into the catalog: parts, appended and never changed.

A part is a row of frames, each a 64-byte FRAME and its payload. The first frame holds
JSON: who records what, and the names behind the events' numbers. Every other one holds
events as they lay in the ring, in the order of arrival, each with the bytes of its kind.
A frame is one write(2), so a process that is killed leaves whole frames and at most one
torn one behind them; checksums tell it, and damage to the disk, apart from data.

    <root>/.recording/lock                      held by the one recorder of the folder
    <root>/.recording/<venue>-<start>-<n>.open  being appended to
    <root>/.recording/<venue>-<start>-<n>.part  complete, to be converted
    <root>/.recording/<venue>-<start>-<n>.bad   converted as far as it could be read
Layer 3.
"""

import fcntl
import json
import os
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.clock import process_start
from livekit.errors import ConfigError, DataError
from livekit.events import ABI

__all__ = [
    "FRAME",
    "FRAME_BYTES",
    "FolderLock",
    "Frame",
    "PartHeader",
    "PartWriter",
    "parts_of",
    "read_part",
    "recording_folder",
    "sync_folder",
]

FRAME: Final = np.dtype(
    [
        ("magic", "<u8"),
        ("n_bytes", "<i8"),  # of the payload, a multiple of 64
        ("n_events", "<i8"),  # 0 for the header's
        ("written", "<i8"),  # ns since the epoch
        ("head_crc", "<u4"),  # of the four words above: where the next frame is
        ("crc", "<u4"),  # of them and the payload
        ("reserved", "<u4", (6,)),
    ]
)
"""What stands before each payload."""

FRAME_BYTES: Final = FRAME.itemsize
_MAGIC: Final = 0x314345525653564C
_CHECKED: Final = 32
_MAX_FRAME: Final = 1 << 28
_FOLDER: Final = ".recording"
_LOCK: Final = "lock"
_PATIENCE_S: Final = 5.0


def recording_folder(root: Path) -> Path:
    """Return where the parts of a catalog lie, whether it exists or not."""
    return root / _FOLDER


def sync_folder(folder: Path) -> None:
    """Make names made or removed in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FolderLock:
    """The lock that makes a recorder the only one of its folder.

    Held for as long as any process has the descriptor: a reader that inherits it keeps
    the folder closed until it has left too.

    Attributes
    ----------
    descriptor : int

    Raises
    ------
    ConfigError
        Another recorder has it, or the folder cannot be made.
    """

    def __init__(self, root: Path) -> None:
        folder = recording_folder(root)
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(
                f"folder {str(root)!r} cannot be recorded into ({error.strerror}); permit writing "
                "or give another with --out"
            ) from error
        deadline = time.monotonic() + _PATIENCE_S
        while not self._try_lock():
            holder = os.pread(self.descriptor, 32, 0).decode(errors="replace").strip()
            # A reader whose recorder was killed writes what it has, and leaves.
            is_leaving = holder.isdigit() and not process_start(int(holder))
            if is_leaving and time.monotonic() < deadline:
                time.sleep(0.01)
                continue
            os.close(self.descriptor)
            raise ConfigError(
                f"folder {str(root)!r} is being recorded into by process {holder or 'unknown'}; "
                "stop that recorder, or give this one another folder with --out"
            )
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, f"{os.getpid()}\n".encode(), 0)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Let go; the file stays, since removing it could split the lock in two."""
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class PartHeader:
    """What the first frame of a part says.

    Attributes
    ----------
    venue : str
    symbols : list of str
        Names by the instrument numbers of the events.
    recorded : list of str
        The symbols that are recorded; what concerns no single one is kept under each.
    is_partial : bool
        Whether the sequence numbers have holes that are no loss: the engine counts more
        than is recorded here, or has counted anew.
    abi : int
    """

    venue: str
    symbols: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    is_partial: bool = False
    abi: int = ABI


@dataclass(frozen=True, slots=True)
class Frame:
    """One readable frame of a part.

    Attributes
    ----------
    payload : uint8[n_bytes]
        Events, mapped.
    n_events : int
    written : int
        When, ns since the epoch.
    """

    payload: np.ndarray
    n_events: int
    written: int


def _seal(frame: np.ndarray, n_bytes: int, n_events: int, written: int) -> None:
    """Fill the FRAME at the start of a buffer for the payload behind it."""
    head = frame[:FRAME_BYTES].view(FRAME)[0]
    head["magic"], head["n_bytes"], head["n_events"] = _MAGIC, n_bytes, n_events
    head["written"] = written
    head["head_crc"] = zlib.crc32(frame[:_CHECKED].data)
    head["crc"] = _checksum(frame, n_bytes)


def _checksum(frame: np.ndarray, n_bytes: int) -> int:
    start = zlib.crc32(frame[:_CHECKED].data)
    return zlib.crc32(frame[FRAME_BYTES : FRAME_BYTES + n_bytes].data, start)


class PartWriter:
    """Appends frames to a new part.

    Parameters
    ----------
    path : Path
        Ends in ``.open``; must not exist.
    header : PartHeader
    now_ns : int
        Time to note in the first frame.
    write : callable
        `os.write`, or what a test puts in its place.

    Attributes
    ----------
    n_bytes : int
        Bytes of whole frames in the file.

    Raises
    ------
    DataError
        The file cannot be written; what was written before is whole.
    """

    def __init__(
        self,
        path: Path,
        header: PartHeader,
        now_ns: int,
        write: Callable[[int, Any], int] = os.write,
    ) -> None:
        self.path, self.n_bytes, self._write = path, 0, write
        text = json.dumps(asdict(header)).encode()
        text = text.ljust((len(text) + 63) // 64 * 64)
        frame = np.zeros(FRAME_BYTES + len(text), np.uint8)
        frame[FRAME_BYTES:] = np.frombuffer(text, np.uint8)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            self._file = os.open(path, flags, 0o600)
        except OSError as error:
            raise self._failure(error) from error
        try:
            self.append(frame, len(text), 0, now_ns)
        except DataError:
            self.close()
            path.unlink(missing_ok=True)
            raise

    def append(self, frame: np.ndarray, n_bytes: int, n_events: int, now_ns: int) -> None:
        """Write a frame whose payload stands in uint8[64 + n_bytes or more] behind byte 64.

        Raises
        ------
        DataError
            It cannot be written whole; the file ends with the frame before.
        """
        _seal(frame, n_bytes, n_events, now_ns)
        rest = frame[: FRAME_BYTES + n_bytes].data
        try:
            while rest:
                done = self._write(self._file, rest)
                rest = rest[done:]
        except OSError as error:
            os.ftruncate(self._file, self.n_bytes)
            raise self._failure(error) from error
        self.n_bytes += FRAME_BYTES + n_bytes

    def _failure(self, error: OSError) -> DataError:
        return DataError(
            f"recording stopped, {str(self.path)!r} cannot be written ({error.strerror or error}); "
            "what was recorded before is kept: free space and run 'livekit record' again"
        )

    def close(self) -> None:
        """Close the file, as it is."""
        os.close(self._file)

    def finish(self) -> Path:
        """Close the part and give it the name of one that is complete."""
        self.close()
        done = self.path.with_suffix(".part")
        self.path.rename(done)
        return done


def parts_of(root: Path, *, with_open: bool) -> list[Path]:
    """Return the parts of a catalog, oldest first; those being written only if asked for."""
    suffixes = {".part", ".open"} if with_open else {".part"}
    folder = recording_folder(root)
    found = [path for path in folder.glob("*-*-*") if path.suffix in suffixes]
    return sorted(found, key=lambda path: path.stem)


def read_part(path: Path) -> tuple[PartHeader | None, list[Frame], int]:
    """Map a part and return what of it can be read.

    Returns
    -------
    PartHeader or None
        None when not even the first frame is whole.
    list of Frame
    int
        Bytes that are damaged. A torn last frame is no damage: its process was killed.

    Raises
    ------
    DataError
        The file cannot be opened, or another version of livekit wrote it.
    """
    try:
        memory = (
            np.memmap(path, np.uint8, "r").view(np.ndarray)
            if path.stat().st_size
            else np.zeros(0, np.uint8)
        )
    except OSError as error:
        raise DataError(f"part {str(path)!r} cannot be read ({error.strerror})") from error
    header: PartHeader | None = None
    frames: list[Frame] = []
    at = n_bad = 0
    while at + FRAME_BYTES <= len(memory):
        size = _frame_size(memory, at)
        if size < 0:
            n_bad += FRAME_BYTES  # looks for the next one, which lies at a multiple of that
            at += FRAME_BYTES
            continue
        if at + size > len(memory):
            break
        payload = memory[at + FRAME_BYTES : at + size]
        head = memory[at : at + FRAME_BYTES].view(FRAME)[0]
        if int(head["crc"]) != _checksum(memory[at : at + size], len(payload)):
            n_bad += size
        elif header is None:
            header = _header_of(path, payload)
        else:
            frames.append(Frame(payload, int(head["n_events"]), int(head["written"])))
        at += size
    return header, frames, n_bad


def _frame_size(memory: np.ndarray, at: int) -> int:
    """Return the bytes of the frame that begins at a place, -1 when none does."""
    head = memory[at : at + FRAME_BYTES].view(FRAME)[0]
    if int(head["magic"]) != _MAGIC:
        return -1
    if int(head["head_crc"]) != zlib.crc32(memory[at : at + _CHECKED].data):
        return -1
    n_bytes = int(head["n_bytes"])
    return FRAME_BYTES + n_bytes if 0 <= n_bytes <= _MAX_FRAME and n_bytes % 64 == 0 else -1


def _header_of(path: Path, payload: np.ndarray) -> PartHeader:
    try:
        header = PartHeader(**json.loads(payload.tobytes()))
    except (ValueError, TypeError) as error:
        raise DataError(
            f"part {str(path)!r} was written by another version of livekit ({error}); convert it "
            "with that one, or remove it"
        ) from error
    if header.abi != ABI:
        raise DataError(
            f"part {str(path)!r} holds events of layout {header.abi}, this is layout {ABI}; "
            "convert it with the livekit that wrote it, or remove it"
        )
    return header
