"""The raw frames of a live feed, as they came: one compressed file a connection and day.

    <root>/<venue>/raw/public-2026-01-05.jsonl.gz
    {"ns":1767571200000000000,"frame":{"arg":{"channel":"trades",...},"data":[...]}}
    {"ns":1767571200000000412,"text":"pong"}
    {"ns":1767571200000000977,"base64":"/wD/"}
    {"ns":1767571200000001003,"spare":"..."}
    {"ns":1767571200000001511,"mark":{"lost":[["books","BTC-USDT"]]}}

A line holds the time of receipt and the frame, byte for byte; what does not look like
JSON stands as text, what is no UTF-8 as base64. A `spare` frame, as text, came over a
second connection while the first one's counted. A `mark` is what the feed did on its own:
with them the frames give the same events again (engine/okx/renormalise.py). The feed's own
thread only joins bytes; compressing and writing is another's, which holds no lock of
Python's while it does. Every FLUSH_S one gzip member is appended by one write(2), so a kill
costs that much at most, and gzip, zcat and every reader of concatenated members read the
file as it lies. Nothing is synced: a power cut may cost what the system had not yet
written, seconds of it. A full disk ends the log, is said once, and touches nothing else.
Layer 3.
"""

import base64
import json
import logging
import os
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from livekit.errors import DataError
from livekit.store.catalog import check_folder_name, day_of

__all__ = ["FLUSH_S", "RawLine", "RawLog", "raw_path", "read_lines", "read_raw"]

_log: Final = logging.getLogger(__name__)

FLUSH_S: Final = 0.5
"""How long a frame may wait in memory."""

_MAX_WAITING: Final = 64 << 20
_DAY_NS: Final = 86_400_000_000_000
_LEVEL: Final = 1  # a member of 0.5 s at 10 MB/s takes 50 ms
_GZIP: Final = 31  # zlib's name for gzip's format
_MEMBER: Final = b"\x1f\x8b\x08"
_LINE: Final = re.compile(rb'\{"ns":(\d+),"(frame|text|base64|spare|mark)":(.*)\}', re.DOTALL)


class RawLine(NamedTuple):
    """One line of a file.

    Attributes
    ----------
    received_ns : int
        When, ns since the epoch.
    kind : str
        ``frame``; ``spare`` for a frame that another connection's counted in place of;
        ``mark`` for what came with no frame.
    data : bytes
        The frame as it came, or a mark's JSON.
    """

    received_ns: int
    kind: str
    data: bytes


def raw_path(root: Path, connection: str, day: str, venue: str = "okx") -> Path:
    """Return where the frames of a connection and day lie."""
    check_folder_name(connection, "connection")
    return root / check_folder_name(venue, "venue") / "raw" / f"{connection}-{day}.jsonl.gz"


class RawLog:
    """Keeps the frames of one connection.

    Parameters
    ----------
    root : Path
        Folder of the catalog.
    connection : str
        Part of the files' names.
    venue : str
    write : callable
        `os.write`, or what a test puts in its place.

    Attributes
    ----------
    n_frames, n_dropped : int
        Frames taken, and frames refused because too much waited or the log had ended.
    n_bytes : int
        Compressed bytes written.
    failure : str
        Why the log has ended; empty while it has not.
    """

    def __init__(
        self,
        root: Path,
        connection: str = "public",
        venue: str = "okx",
        write: Callable[[int, Any], int] = os.write,
    ) -> None:
        raw_path(root, connection, "2026-01-05", venue)  # refuse impossible names at once
        self._root, self._connection, self._venue, self._write = root, connection, venue, write
        self._days: dict[int, list[bytes]] = {}
        self._n_waiting = 0
        self._lock = threading.Lock()  # held for a dictionary's swap, never for a write
        self.n_frames = self.n_dropped = self.n_bytes = 0
        self.failure = ""
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"raw-{connection}", daemon=True)
        self._thread.start()

    def append(self, received_ns: int, frame: bytes, *, is_spare: bool = False) -> bool:
        """Keep one frame; False when it was dropped. Costs one to two microseconds.

        Parameters
        ----------
        received_ns : int
            When its bytes were read, ns since the epoch.
        frame : bytes
            As it came.
        is_spare : bool
            Whether another connection's frames count in place of it.
        """
        if is_spare:
            line = b'{"ns":%d,"spare":%b}\n' % (received_ns, json.dumps(frame.decode()).encode())
        elif frame[:1] in (b"{", b"[") and b"\n" not in frame:
            line = b'{"ns":%d,"frame":%b}\n' % (received_ns, frame)
        else:
            line = _odd_line(received_ns, frame)
        if not self._keep(received_ns, line):
            self.n_dropped += 1
            return False
        self.n_frames += 1
        return True

    def mark(self, received_ns: int, what: dict[str, Any]) -> None:
        """Note what the feed did without a frame, between the frames around it."""
        text = json.dumps(what, separators=(",", ":")).encode()
        self._keep(received_ns, b'{"ns":%d,"mark":%b}\n' % (received_ns, text))

    def _keep(self, received_ns: int, line: bytes) -> bool:
        if self.failure or self._n_waiting > _MAX_WAITING:
            return False
        with self._lock:
            self._days.setdefault(received_ns // _DAY_NS, []).append(line)
            self._n_waiting += len(line)
        return True

    def describe(self) -> dict[str, Any]:
        """Return what ``livekit status`` shows of it."""
        return {
            "frames": self.n_frames,
            "dropped": self.n_dropped,
            "bytes": self.n_bytes,
            "failure": self.failure,
        }

    def _run(self) -> None:
        while not self._is_over.wait(FLUSH_S):
            self._flush()
        self._flush()

    def _flush(self) -> None:
        """Write what waits, a member a day."""
        with self._lock:
            days, self._days = self._days, {}
            self._n_waiting = 0
        for number, lines in sorted(days.items()):
            if self.failure:
                return
            day = day_of(number * _DAY_NS)
            try:
                self._write_member(day, lines)
            except OSError as error:
                path = raw_path(self._root, self._connection, day, self._venue)
                self.failure = (
                    f"raw frames are kept no longer, {str(path)!r} cannot be written "
                    f"({error.strerror or error}); free space and start again"
                )
                _log.error("raw log ended message=%r", self.failure)

    def _write_member(self, day: str, lines: list[bytes]) -> None:
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        member = packer.compress(b"".join(lines)) + packer.flush()
        path = raw_path(self._root, self._connection, day, self._venue)
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        file = os.open(path, flags, 0o600)
        try:
            start = os.fstat(file).st_size
            rest = memoryview(member)
            try:
                while rest:
                    rest = rest[self._write(file, rest) :]
            except OSError:
                os.ftruncate(file, start)
                raise
        finally:
            os.close(file)
        self.n_bytes += len(member)

    def close(self) -> None:
        """Write what waits and end; closing twice is fine."""
        self._is_over.set()
        self._thread.join()


def _odd_line(received_ns: int, frame: bytes) -> bytes:
    """Return the line of a frame that is no JSON, or stands on several lines."""
    try:
        key, value = b"text", json.dumps(frame.decode())
    except UnicodeDecodeError:
        key, value = b"base64", json.dumps(base64.b64encode(frame).decode())
    return b'{"ns":%d,"%s":%s}\n' % (received_ns, key, value.encode())


def read_raw(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (time of receipt, frame) of all frames of a file; as `read_lines` otherwise."""
    return ((line.received_ns, line.data) for line in read_lines(path) if line.kind != "mark")


def read_lines(path: Path) -> Iterator[RawLine]:
    """Yield what a file holds, in the order in which it came.

    A member that a crash of the machine left torn or damaged is passed over, with a line
    in the log; a process that was killed leaves none.

    Raises
    ------
    DataError
        The file cannot be read, or holds lines of another kind.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"raw frames {str(path)!r} cannot be read ({error.strerror})") from error
    at = 0
    while at < len(data):
        unpacker = zlib.decompressobj(_GZIP)
        try:
            text = unpacker.decompress(data[at:])
        except zlib.error:
            text = b""
        if not unpacker.eof:
            after = data.find(_MEMBER, at + 1)
            after = after if after >= 0 else len(data)
            _log.warning("raw frames damaged path=%s at=%d bytes=%d", path, at, after - at)
            at = after
            continue
        at = len(data) - len(unpacker.unused_data)
        for line in text.split(b"\n")[:-1]:
            yield _parse(path, line)


def _parse(path: Path, line: bytes) -> RawLine:
    match = _LINE.fullmatch(line)
    if match is None:
        raise DataError(f"{str(path)!r} holds the line {line[:80]!r}, which is no raw frame")
    received, kind, value = int(match[1]), match[2], match[3]
    if kind in (b"frame", b"mark"):
        return RawLine(received, kind.decode(), value)
    text: str = json.loads(value)
    data = base64.b64decode(text) if kind == b"base64" else text.encode()
    return RawLine(received, "spare" if kind == b"spare" else "frame", data)
