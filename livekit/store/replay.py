"""Recorded data as one stream of events, in the order in which it arrived.

A `Replay` merges the files of all instruments and kinds by (ts_recv, sequence), day by
day, into slots that a broadcast can take: the rows are mapped, never loaded, and only
one day is open at a time, so memory stays flat however much was recorded. The merge is
a heap with one entry per file, worked by a jitted function; filling a slot costs a copy
of the event's lines.
Layer 3.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.errors import ConfigError, DataError
from livekit.events import SLOT_BYTES, Kind
from livekit.store.merge import HEAP, STREAM, build, fill, skip
from livekit.store.selection import Selection

__all__ = ["Replay"]

_MAX_SKIP: Final = 1 << 24


class Replay:
    """A stream of recorded events.

    Parameters
    ----------
    root : path
        Folder of the catalog.
    symbols, kinds : iterable, optional
        What to replay; everything by default. A kind is a `Kind` or its name.
    start, stop : int or str, optional
        Replay events with start <= ts_recv < stop: ns since the epoch, or a UTC time
        such as ``2026-01-05T09:30``.
    venue : str

    Attributes
    ----------
    instruments : tuple of Instrument
        The index is the number that the events carry.
    n_events : int
        How many events the whole stream has.
    first_ts, last_ts : int
        ts_recv of the first and last event, ns; 0 when there are none.
    position : int
        How many events were taken.

    Raises
    ------
    NotFoundError
        No such folder, symbol, kind or time is recorded.
    DataError
        A file is corrupt or truncated, or an instrument has no steps.
    """

    def __init__(
        self,
        root: str | Path,
        symbols: Iterable[str] | None = None,
        kinds: Iterable[Kind | str] | None = None,
        start: int | str | None = None,
        stop: int | str | None = None,
        venue: str = "okx",
    ) -> None:
        chosen = Selection(root, symbols, kinds, start, stop, venue)
        self._root, self._selection, self._days = str(root), chosen, chosen.days
        self.instruments, self.n_events = chosen.instruments, chosen.n_events
        self.first_ts, self.last_ts = chosen.first_ts, chosen.last_ts
        self.position = 0
        self._rows: list[np.ndarray] = []
        self._heap = np.zeros(1, HEAP)
        self._streams = np.zeros(0, STREAM)
        self._entries = np.zeros(0, np.int64)
        self._day = -1
        self._open_next()

    def _open_next(self) -> bool:
        """Open the next day; False when there is none."""
        self._day += 1
        if self._day >= len(self._days):
            self._heap["n"] = 0
            self._rows = []
            return False
        streams = self._selection.streams(self._day)
        self._rows = [one.rows for one in streams]
        self._streams = np.zeros(len(streams), STREAM)
        for stream, one in zip(self._streams, streams, strict=True):
            stream["row"] = one.rows.ctypes.data
            stream["end"] = one.rows.ctypes.data + one.rows.nbytes
            stream["n_bytes"] = one.rows.dtype.itemsize
            stream["instrument"] = one.instrument
        base = self._streams.ctypes.data
        self._entries = base + np.arange(len(streams), dtype=np.int64) * STREAM.itemsize
        self._heap["entries"] = self._entries.ctypes.data
        self._heap["n"] = len(streams)
        build(self._heap.ctypes.data)
        return True

    @property
    def hash(self) -> str:
        """Name of what the data is, 16 hex digits; as of a research Data of the same range."""
        return self._selection.hash

    def gaps(self) -> list[dict[str, Any]]:
        """Return the gaps that the recorder noticed: time, symbol and what was lost, by kind."""
        return self._selection.gaps()

    def next_batch(self, slots: np.ndarray, n: int) -> int:
        """Fill slots with the next events.

        Parameters
        ----------
        slots : uint8[m, 256]
            C-contiguous; only the bytes of each event's kind are written.
        n : int
            Fill at most this many, at most m.

        Returns
        -------
        int
            How many were filled; 0 only at the end of the stream.
        """
        if slots.shape[1:] != (SLOT_BYTES,) or not slots.flags.c_contiguous:
            raise ConfigError(
                f"slots have shape {slots.shape}, expected C-contiguous uint8[n, {SLOT_BYTES}]"
            )
        n = min(n, len(slots))
        address, heap, done = slots.ctypes.data, self._heap.ctypes.data, 0
        while done < n:
            filled = fill(heap, address + done * SLOT_BYTES, SLOT_BYTES, n - done)
            done += filled
            if done < n and not self._open_next():
                break
        self.position += done
        return done

    def peek_ts(self) -> int:
        """Return ts_recv of the next event, ns; -1 at the end of the stream."""
        while not self._heap["n"][0]:
            if not self._open_next():
                return -1
        top = (int(self._entries[0]) - self._streams.ctypes.data) // STREAM.itemsize
        return int(self._streams["ts"][top])

    def seek(self, position: int) -> None:
        """Go to an event by its position in the stream.

        Raises
        ------
        ConfigError
            The position is not in 0 to `n_events`.
        """
        if not 0 <= position <= self.n_events:
            raise ConfigError(
                f"position {position!r} is not in the replay, expected 0 to {self.n_events}"
            )
        passed, self._day = 0, -1
        for day in self._days:
            if passed + day.n_events > position:
                break
            passed += day.n_events
            self._day += 1
        self._open_next()
        while passed < position:
            skipped = skip(self._heap.ctypes.data, min(position - passed, _MAX_SKIP))
            passed += skipped
            if not skipped and not self._open_next():
                raise DataError(
                    f"{self._root!r} holds fewer events than when the replay was "
                    "opened; open it again"
                )
        self.position = position
