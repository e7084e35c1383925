"""Files as other tools leave them: plain, ``.gz``, ``.zip``, ``.tar`` and ``.tar.gz``.

What a file is, is read off its first bytes; its name is not asked. Every member of an
archive is one `Text`, read as a stream of blocks of whole lines, so memory stays flat; the
next block is decompressed while the last is parsed.
Layer 3.
"""

import contextlib
import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final, cast

from livekit.errors import DataError, NotFoundError

__all__ = ["BLOCK_BYTES", "Text", "magic", "open_texts"]

BLOCK_BYTES: Final = 16 << 20
"""Text is parsed in blocks of about this size."""

_MAX_LINE_BYTES: Final = 64 << 20
_BROKEN: Final = (
    EOFError,
    zlib.error,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    tarfile.TarError,
    OSError,
)


def magic(path: Path) -> str:
    """Return what a file is: ``gzip``, ``zip``, ``tar``, ``parquet``, ``npy`` or ``text``.

    Raises
    ------
    NotFoundError
        There is no such file.
    """
    if not path.is_file():
        raise NotFoundError(f"file {str(path)!r} does not exist")
    with path.open("rb") as file:
        head = file.read(512)
    for start, name in (
        (b"\x1f\x8b", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"PK\x05\x06", "zip"),
        (b"PAR1", "parquet"),
        (b"\x93NUMPY", "npy"),
    ):
        if head.startswith(start):
            return name
    return "tar" if head[257:262] == b"ustar" else "text"


class Text:
    """One text: a file, or a member of an archive.

    Attributes
    ----------
    name : str
        For messages: the file's path, with the member's name where there are several.
    file : Path
        What lies on disk.
    n_lines : int
        Lines given so far.
    """

    def __init__(
        self, name: str, file: Path, stream: IO[bytes], tell: Callable[[], int], label: str
    ) -> None:
        self.name, self.file, self.label = name, file, label
        self._stream, self._tell = stream, tell
        self._rest = b""
        self._first: bytes | None = None
        self.n_lines = 0

    def first_line(self) -> bytes:
        """Return the first line without its end, and without a byte order mark."""
        if self._first is None:
            self._first = self._read(BLOCK_BYTES // 16).removeprefix(b"\xef\xbb\xbf")
        return self._first.partition(b"\n")[0].rstrip(b"\r")

    def position(self) -> int:
        """Return how many bytes of the file on disk were read."""
        return self._tell()

    def skip_line(self) -> None:
        """Leave the first line out of the blocks."""
        self.first_line()
        assert self._first is not None
        if b"\n" not in self._first and (more := self._read(_MAX_LINE_BYTES)):
            self._first += more
        self._first = self._first.partition(b"\n")[2]
        self.n_lines = 1

    def blocks(self, n_bytes: int = BLOCK_BYTES) -> Iterator[tuple[bytes, int]]:
        """Yield blocks of whole lines, each with the number of its first line.

        Raises
        ------
        DataError
            The compression is broken or ends early, or a line has no end in 64 MB.
        """
        with ThreadPoolExecutor(1, "livekit-read") as thread:
            block = self._next_block(n_bytes)
            while block:
                following = thread.submit(self._next_block, n_bytes)
                yield block, self.n_lines + 1
                self.n_lines += block.count(b"\n")
                block = following.result()

    def _next_block(self, n_bytes: int) -> bytes:
        """Return whole lines; the last line of the text may lack its end."""
        parts, total = [self._rest], len(self._rest)
        self._rest = b""
        while True:
            if self._first is not None:
                data, self._first = self._first, None
                data = data or self._read(n_bytes)
            else:
                data = self._read(n_bytes)
            if not data:
                return b"".join(parts)
            end = data.rfind(b"\n") + 1
            if end:
                self._rest = data[end:]
                return b"".join([*parts, data[:end]])
            parts.append(data)
            total += len(data)
            if total > _MAX_LINE_BYTES:
                raise DataError(
                    f"line {self.n_lines + 1} of {self.name!r} has no end within {total} bytes, "
                    "expected lines of text; nothing was imported; name a file of the format"
                )

    def _read(self, n_bytes: int) -> bytes:
        try:
            return self._stream.read(n_bytes)
        except _BROKEN as error:
            raise _truncated(self.name, error) from error


def _truncated(name: str, error: BaseException) -> DataError:
    return DataError(
        f"{name!r} is truncated or corrupt: {error}; nothing was imported; copy the file again"
    )


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise _truncated(str(path), error) from error


def open_texts(path: Path) -> Iterator[Text]:
    """Yield the texts of a file, one after the other; each is read before the next.

    Raises
    ------
    NotFoundError, DataError
        There is no such file, or it is no archive after all.
    """
    kind = magic(path)
    with path.open("rb") as raw:
        if kind == "zip":
            yield from _zipped(path, raw)
        elif kind == "tar" or (kind == "gzip" and _is_tar(path)):
            yield from _tarred(path, raw)
        elif kind == "gzip":
            stream = cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
            yield Text(str(path), path, stream, raw.tell, path.name)
        else:
            yield Text(str(path), path, raw, raw.tell, path.name)


def _is_tar(path: Path) -> bool:
    with _errors(path), gzip.open(path) as stream:
        return stream.read(262)[257:] == b"ustar"


def _zipped(path: Path, raw: IO[bytes]) -> Iterator[Text]:
    with _errors(path):
        archive = zipfile.ZipFile(raw)
    members = [one for one in archive.infolist() if not one.is_dir()]
    for member in members:
        with _errors(path):
            stream = archive.open(member)
        with stream:
            name = str(path) if len(members) == 1 else f"{path}/{member.filename}"
            yield Text(name, path, stream, raw.tell, Path(member.filename).name)


def _tarred(path: Path, raw: IO[bytes]) -> Iterator[Text]:
    with _errors(path):
        archive = tarfile.open(fileobj=raw, mode="r|*")  # noqa: SIM115 - a stream, closed with raw
    while True:
        with _errors(path):
            member = archive.next()
        if member is None:
            return
        stream = archive.extractfile(member) if member.isfile() else None
        if stream is not None:
            yield Text(f"{path}/{member.name}", path, stream, raw.tell, Path(member.name).name)
