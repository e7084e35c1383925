"""Parquet files on disk: opened with one error for all that can be wrong, written whole.

A file is written beside its place under a name that no reader takes, synced, and then
renamed by the caller, so a reader sees the old file, the new one, or none.
Layer 3.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
from pyarrow import parquet

from livekit.clock import process_start
from livekit.errors import DataError

__all__ = ["open_parquet", "stage", "stage_by", "time_range"]

_UNIT_NS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_TEMPORARY: Final = ".writing-"


@contextlib.contextmanager
def open_parquet(path: Path) -> Iterator[parquet.ParquetFile]:
    """Open a Parquet file; what goes wrong in the block with its content is a DataError."""
    try:
        file = parquet.ParquetFile(path, page_checksum_verification=True)
        with file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{str(path)!r} is no readable Parquet file, truncated or corrupt "
            f"({str(error).splitlines()[0]}); restore it, or delete it and import or generate "
            "the data again"
        ) from error


def time_range(file: parquet.ParquetFile) -> tuple[int, int]:
    """Return the first and last ts_recv, ns, by the statistics of the footer; zeros without."""
    metadata, schema = file.metadata, file.schema_arrow
    position = schema.get_field_index("ts_recv")
    if position < 0:
        return 0, 0
    kind = schema.field(position).type
    scale = _UNIT_NS[kind.unit] if pa.types.is_timestamp(kind) else 1
    edges: list[int] = []
    for group in range(metadata.num_row_groups):
        known = metadata.row_group(group).column(position).statistics
        if known is None or not known.has_min_max:
            return 0, 0
        edges += (int(known.min_raw or 0), int(known.max_raw or 0))
    return (min(edges) * scale, max(edges) * scale) if edges else (0, 0)


def _remove_abandoned(folder: Path) -> None:
    """Remove what a process that was killed left half-written."""
    for file in folder.glob(f"{_TEMPORARY}*"):
        pid = file.name.removeprefix(_TEMPORARY).partition("-")[0]
        if not (pid.isdigit() and process_start(int(pid))):
            file.unlink(missing_ok=True)


def stage(table: pa.Table, path: Path, options: dict[str, Any]) -> Path:
    """Write a table whole and synced beside its place; the caller renames it."""
    return stage_by(path, lambda file: parquet.write_table(table, file, **options))


def stage_by(path: Path, write: Callable[[BinaryIO], None]) -> Path:
    """Write a file whole and synced beside its place, by a function; the caller renames it.

    Raises
    ------
    DataError
        It cannot be written; nothing is left of it.
    """
    temporary = path.parent / f"{_TEMPORARY}{os.getpid()}-{secrets.token_hex(8)}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path.parent)
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DataError(
            f"{str(path)!r} cannot be written ({error.strerror or error}); free space or permit "
            "writing, or choose another folder"
        ) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
