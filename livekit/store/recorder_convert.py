"""Parts into the catalog: on rotation, at the end, and at the next start after a crash.

A part is converted kind by kind and day by day, each file replaced whole, and removed
when all of it is in the catalog. A process killed in between leaves the part, and the
next conversion finds what is there already (recorder_merge).

An event that concerns no single instrument, such as a lost connection or the loss of a
full ring, is kept under every symbol recorded: a replay of any one of them shows it.
Layer 3.
"""

import itertools
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.errors import DataError
from livekit.events import ANY_INSTRUMENT, DTYPES, GAP, Kind
from livekit.ring.layout import aligned_zeros
from livekit.store.catalog import Catalog, day_of
from livekit.store.partial import note_partial_days
from livekit.store.recorder_log import (
    FRAME_BYTES,
    Frame,
    PartHeader,
    PartWriter,
    parts_of,
    read_part,
    recording_folder,
    sync_folder,
)
from livekit.store.recorder_merge import merge_rows, normalise, sort_rows
from livekit.store.recorder_split import (
    RECORDED_KINDS,
    SPLIT,
    count_kinds,
    split,
    stamp_rest,
)
from livekit.store.schema import KIND_NAMES

__all__ = ["Converted", "convert_part", "convert_parts", "note_interruption"]

_log: Final = logging.getLogger(__name__)

_DAY_NS: Final = 86_400_000_000_000
_RAW_LIMIT: Final = 256 << 20


@dataclass(slots=True)
class Converted:
    """What came of some parts.

    Attributes
    ----------
    n_parts : int
    rows : dict of str to int
        Rows new to the catalog, by kind.
    n_bad_bytes : int
        Bytes that could not be read; their parts are kept as ``.bad``.
    failures : list of str
        Why parts are still waiting.
    """

    n_parts: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    n_bad_bytes: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        """Rows new to the catalog."""
        return sum(self.rows.values())

    def add(self, other: "Converted") -> None:
        """Add what came of others."""
        self.n_parts += other.n_parts
        self.n_bad_bytes += other.n_bad_bytes
        self.failures += other.failures
        for name, n in other.rows.items():
            self.rows[name] = self.rows.get(name, 0) + n

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        return {
            "parts": self.n_parts,
            "rows": dict(self.rows),
            "bad_bytes": self.n_bad_bytes,
            "failures": list(self.failures),
        }


def convert_parts(root: Path, *, with_open: bool) -> Converted:
    """Convert the parts of a catalog, oldest first; the caller holds the folder's lock.

    Parameters
    ----------
    with_open : bool
        Also those that were being written: nobody writes them any more.

    Returns
    -------
    Converted
        With the failures, which end nothing: the parts stay and are tried again.
    """
    total = Converted()
    for path in parts_of(root, with_open=with_open):
        try:
            convert_part(root, path, total)
        except (DataError, OSError) as error:
            _log.error("part not converted path=%s error=%s", path, error)
            total.failures.append(_sentence(path, error))
            break  # later rows come after: trying them would fail alike
    return total


def _sentence(path: Path, error: DataError | OSError) -> str:
    if isinstance(error, DataError):
        return str(error)
    return f"part {str(path)!r} cannot be converted ({error.strerror or error}); it is kept"


def note_interruption(root: Path, header: PartHeader, now_ns: int) -> int:
    """Note that a live recording goes on after a pause of which nobody knows what it missed.

    A symbol with earlier recordings gets a GAP at `now_ns` whose counts are all zero, so
    that a backtest is told of the pause; the caller holds the folder's lock. Returns how
    many symbols got one.
    """
    earlier = [
        number
        for number, symbol in enumerate(header.symbols)
        if symbol in header.recorded and any((root / header.venue / symbol).glob("*/*.parquet"))
    ]
    if not earlier:
        return 0
    frame = aligned_zeros(FRAME_BYTES + len(earlier) * GAP.itemsize)
    gaps = frame[FRAME_BYTES:].view(GAP)
    gaps["kind"], gaps["instrument"] = int(Kind.GAP), earlier
    gaps["ts_event"] = gaps["ts_recv"] = now_ns
    path = recording_folder(root) / f"{header.venue}-{now_ns:020d}-000000.open"
    writer = PartWriter(path, header, now_ns)
    writer.append(frame, gaps.nbytes, len(gaps), now_ns)
    writer.finish()
    return len(earlier)


def convert_part(root: Path, path: Path, total: Converted | None = None) -> Converted:
    """Put one part into the catalog and remove it; return `total` with what came of it added.

    What was put there before a failure is counted too.

    Raises
    ------
    DataError
        The part cannot be read, a file of the catalog is corrupt, or there is no room.
        The part stays.
    OSError
        A name cannot be changed or a folder synced. What was converted is found again.
    """
    header, frames, n_bad = read_part(path)
    done = Converted() if total is None else total
    if header is not None:
        for some in _by_size(frames):
            for symbol, kind, rows in _sorted_events(header, some):
                name = KIND_NAMES[kind]
                for n_new in _write_days(Catalog(root), header, symbol, kind, rows):
                    done.rows[name] = done.rows.get(name, 0) + n_new
    done.n_parts += 1
    done.n_bad_bytes += n_bad
    if n_bad:
        _log.warning("part damaged path=%s bytes=%d", path, n_bad)
        path.rename(path.with_suffix(".bad"))
    else:
        path.unlink()
    sync_folder(path.parent)
    return done


def _by_size(frames: list[Frame]) -> Iterator[list[Frame]]:
    """Yield frames in groups that fit into memory."""
    some: list[Frame] = []
    n_bytes = 0
    for frame in frames:
        if some and n_bytes + len(frame.payload) > _RAW_LIMIT:
            yield some
            some, n_bytes = [], 0
        some.append(frame)
        n_bytes += len(frame.payload)
    if some:
        yield some


def _by_kind(frames: list[Frame]) -> dict[Kind, np.ndarray]:
    """Return the events of some frames by kind, in the order of arrival."""
    # A jitted function must not read a mapping that may be cut: copies, not maps.
    payload = np.concatenate([frame.payload for frame in frames])
    counts = np.zeros(16, np.int64)
    n_bytes = count_kinds(payload.ctypes.data, len(payload), counts.ctypes.data)
    if n_bytes < len(payload):
        raise DataError(
            f"a frame with a right checksum holds no event at byte {n_bytes}; it was written by "
            "another version of livekit"
        )
    state, rows = aligned_zeros(SPLIT.itemsize).view(SPLIT), {}
    for kind in RECORDED_KINDS:
        rows[kind] = aligned_zeros(int(counts[kind]) * DTYPES[kind].itemsize).view(DTYPES[kind])
        if len(rows[kind]):
            state[0]["rows"][kind] = rows[kind].ctypes.data
    split(payload.ctypes.data, n_bytes, state.ctypes.data)
    stamp_rest(state.ctypes.data, frames[0].written)
    return {kind: some for kind, some in rows.items() if len(some)}


def _sorted_events(
    header: PartHeader, frames: list[Frame]
) -> Iterator[tuple[str, Kind, np.ndarray]]:
    """Yield (symbol, kind, rows) of some frames, the rows in order."""
    for kind, rows in _by_kind(frames).items():
        numbers = rows["instrument"]
        present = set(np.unique(numbers).tolist())
        for number, symbol in enumerate(header.symbols):
            if symbol in header.recorded and present & {number, ANY_INSTRUMENT}:
                own = rows[(numbers == number) | (numbers == ANY_INSTRUMENT)]
                yield symbol, kind, sort_rows(normalise(kind, own))
        unknown = present - {ANY_INSTRUMENT, *range(len(header.symbols))}
        if unknown:
            _log.warning("events of unknown instruments kind=%s numbers=%s", kind.name, unknown)


def _write_days(
    catalog: Catalog, header: PartHeader, symbol: str, kind: Kind, rows: np.ndarray
) -> Iterator[int]:
    """Merge rows into the files of their days; yield how many were new to each."""
    days = rows["ts_recv"] // _DAY_NS
    cuts = [0, *(np.flatnonzero(np.diff(days)) + 1).tolist(), len(rows)]
    if header.is_partial:
        note_partial_days(
            catalog.root, header.venue, [day_of(rows["ts_recv"][start]) for start in cuts[:-1]]
        )
    for start, end in itertools.pairwise(cuts):
        path = catalog.path(symbol, kind, day_of(rows["ts_recv"][start]), header.venue)
        yield merge_rows(path, kind, rows[start:end])
