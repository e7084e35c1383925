"""New rows into the day's one file of the catalog, without reading a day into memory.

Rows of the file that lie before the new ones are copied through in blocks; only where
times overlap, as after a crash or a second recording of the same data, are both sorted,
and a row that is there already is left out. Merging the same rows again therefore
changes nothing, which is what makes recovery safe at every instant. A file comes out
the same to the byte whether it was written at once or in a hundred merges.
Layer 3.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from pyarrow import parquet

from livekit.events import DTYPES, Kind
from livekit.store.files import open_parquet, stage_by
from livekit.store.recorder_log import sync_folder
from livekit.store.schema import columns, fill_rows, join, to_table, write_options

__all__ = ["merge_rows", "normalise", "sort_rows"]

_BATCH_ROWS: Final = 1 << 17


def normalise(kind: Kind, rows: np.ndarray) -> np.ndarray:
    """Return rows as a catalog gives them back: what belongs to one run of an engine is 0.

    Parameters
    ----------
    kind : Kind
    rows : structured array [n] of the kind's dtype

    Returns
    -------
    structured array [n]
        A copy; padding is 0 and every NaN the same.
    """
    clean = np.zeros(len(rows), DTYPES[kind])
    clean["kind"] = int(kind)
    for name in dict.fromkeys(column.field for column in columns(kind)):
        values = rows[name]
        if values.dtype.kind == "f":
            values = np.where(np.isnan(values), np.nan, values)
        clean[name] = values
    return clean


def _is_sorted(rows: np.ndarray) -> bool:
    ts, sequence = rows["ts_recv"], rows["sequence"]
    later = (ts[1:] > ts[:-1]) | ((ts[1:] == ts[:-1]) & (sequence[1:] >= sequence[:-1]))
    return bool(later.all())


def sort_rows(rows: np.ndarray) -> np.ndarray:
    """Return rows in the order of (ts_recv, sequence); equal ones as they came."""
    if _is_sorted(rows):
        return rows
    return _pick(rows, np.lexsort((rows["sequence"], rows["ts_recv"])))


def _bytes_of(rows: np.ndarray) -> np.ndarray:
    """Return rows as uint8[n, size]."""
    return rows.view(np.uint8).reshape(len(rows), rows.dtype.itemsize)


def _pick(rows: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return rows by index or mask, padding included: an index of NumPy leaves it undefined."""
    picked = np.ascontiguousarray(_bytes_of(rows)[chosen])
    return picked.reshape(-1).view(rows.dtype)


def _unite(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return both in order, without the new rows that are among the old."""
    if not len(old):
        return new
    both = join(new.dtype, [old, new])
    is_new = np.r_[np.zeros(len(old), bool), np.ones(len(new), bool)]
    order = np.lexsort((is_new, both["sequence"], both["ts_recv"]))
    both, is_new = _pick(both, order), is_new[order]
    ts, sequence = both["ts_recv"], both["sequence"]
    starts = np.flatnonzero(np.r_[True, (ts[1:] != ts[:-1]) | (sequence[1:] != sequence[:-1])])
    sizes = np.diff(np.r_[starts, len(both)])
    keep = np.ones(len(both), bool)
    # Two rows of one key are nearly always the same one, there already and once more.
    pairs = starts[sizes == 2]
    raw = _bytes_of(both)
    is_same = (raw[pairs] == raw[pairs + 1]).all(axis=1) & ~is_new[pairs] & is_new[pairs + 1]
    keep[pairs[is_same] + 1] = False
    for start, size in zip(starts[sizes > 2], sizes[sizes > 2], strict=True):
        group = range(start, start + size)
        left = [raw[place].tobytes() for place in group if not is_new[place]]
        for place in group[len(left) :]:
            data = raw[place].tobytes()
            if data in left:
                left.remove(data)
                keep[place] = False
    return _pick(both, keep)


def _blocks(path: Path, kind: Kind) -> Iterator[np.ndarray]:
    """Yield the rows of a file, block by block."""
    names = {column.name for column in columns(kind)}
    with open_parquet(path) as file:
        wanted = [name for name in file.schema_arrow.names if name in names]
        for batch in file.iter_batches(_BATCH_ROWS, columns=wanted):
            rows = np.zeros(batch.num_rows, DTYPES[kind])
            fill_rows(kind, batch, rows, repr(str(path)))
            yield rows


def _merged(path: Path, kind: Kind, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows of a file and the new ones, in order."""
    overlap: list[np.ndarray] = []
    first = rows["ts_recv"][0]
    for block in _blocks(path, kind):
        cut = 0 if overlap else int(np.searchsorted(block["ts_recv"], first))
        if cut:
            yield block[:cut]
        if cut < len(block):
            overlap.append(block[cut:])
    yield _unite(join(rows.dtype, overlap), rows)


def _regroup(blocks: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yield the same rows in arrays of exactly `size`, the last one shorter."""
    held: list[np.ndarray] = []
    n_held = 0
    for block in blocks:
        rest = block
        while n_held + len(rest) >= size:
            taken = size - n_held
            yield join(block.dtype, [*held, rest[:taken]])
            held, n_held, rest = [], 0, rest[taken:]
        if len(rest):
            held.append(rest)
            n_held += len(rest)
    if n_held:
        yield join(held[0].dtype, held)


def merge_rows(path: Path, kind: Kind, rows: np.ndarray) -> int:
    """Put new rows into a file of the catalog, all of them or none.

    Parameters
    ----------
    path : Path
        The file, which need not exist.
    rows : structured array [n] of the kind's dtype, n > 0
        From `normalise`, in order, of the file's day.

    Returns
    -------
    int
        Rows that were not there before.

    Raises
    ------
    DataError
        The file is corrupt, or there is no room; it stays as it was.
    """
    options = write_options(kind)
    size = options.pop("row_group_size")
    n_before, blocks = 0, iter([rows])
    if path.is_file():
        with open_parquet(path) as file:
            n_before = file.metadata.num_rows
        blocks = _merged(path, kind, rows)
    written = 0

    def write(file: BinaryIO) -> None:
        nonlocal written
        writer: Any = None
        for group in _regroup(blocks, size):
            table = to_table(kind, group)
            if writer is None:
                writer = parquet.ParquetWriter(file, table.schema, **options)
            writer.write_table(table, row_group_size=size)
            written += len(group)
        writer.close()

    staged = stage_by(path, write)
    try:
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
    sync_folder(path.parent)
    return written - n_before
