"""Recorded books of one instrument, built from deltas of any archive.

Layer 3.
"""

from typing import Final

import numpy as np

from livekit.events import BOOK, GAP, QUOTE, Kind
from livekit.ring.layout import aligned_zeros
from livekit.store.importers.intake import Intake, place
from livekit.store.importers.ladder import DELTA, STATE, work

__all__ = ["Depth"]

_CHUNK: Final = 1 << 15
_CAPACITY: Final = 1 << 10
_OUTPUTS: Final = ((Kind.QUOTE, "quotes"), (Kind.BOOK, "books"), (Kind.GAP, "gaps"))
_LOST_BOOKS: Final = 1  # at least: no archive says how many


class Depth:
    """Builds BOOK, QUOTE and GAP rows and gives them to an intake.

    Parameters
    ----------
    intake : Intake
    symbol : str
    needs_snapshot : bool
        Pass over deltas before the first RESTART.
    is_compared : bool
        A RESTART is a gap only if it changes one of the five best levels: archives that
        repeat their snapshots. Otherwise every one but a file's first is a gap.
    """

    def __init__(
        self, intake: Intake, symbol: str, *, needs_snapshot: bool, is_compared: bool = False
    ) -> None:
        self._intake, self._symbol = intake, symbol
        self._state = aligned_zeros(STATE.itemsize).view(STATE)
        self._ladders = {side: np.zeros((_CAPACITY, 2)) for side in ("bids", "asks")}
        self._last = aligned_zeros(QUOTE.itemsize + BOOK.itemsize + GAP.itemsize)
        rows = {"quotes": QUOTE, "books": BOOK, "gaps": GAP}
        self._outputs = {
            name: aligned_zeros((_CHUNK + 1) * dtype.itemsize).view(dtype)
            for name, dtype in rows.items()
        }
        view = self._state[0]
        view["quote"] = self._last.ctypes.data
        for name, output in self._outputs.items():
            view[name] = output.ctypes.data
        self._last[: QUOTE.itemsize].view(QUOTE)["kind"] = Kind.QUOTE
        self._last[QUOTE.itemsize :][: BOOK.itemsize].view(BOOK)["kind"] = Kind.BOOK
        gap = self._last[QUOTE.itemsize + BOOK.itemsize :].view(GAP)
        gap["kind"] = Kind.GAP
        gap["lost"][:, Kind.BOOK] = _LOST_BOOKS
        view["symbol"] = place(symbol, Kind.NONE) & ((1 << 32) - 1)
        view["has_snapshot"] = not needs_snapshot
        view["is_compared"] = is_compared
        self._point()
        self.start()

    def _point(self) -> None:
        for side, ladder in self._ladders.items():
            self._state[0][side]["levels"] = ladder.ctypes.data
            self._state[0][side]["capacity"] = len(ladder)

    def start(self) -> None:
        """Begin a file: a restart of the book in its first message is no gap."""
        self._state["is_first"] = 1

    def take(self, rows: np.ndarray) -> None:
        """Take deltas in order: DELTA[n], contiguous."""
        for first in range(0, len(rows), _CHUNK):
            chunk = rows[first : first + _CHUNK]
            done = 0
            while done < len(chunk):
                address = chunk.ctypes.data + done * DELTA.itemsize
                done += work(self._state.ctypes.data, address, len(chunk) - done, 0)
                self._give()
                if done < len(chunk):
                    self._grow()

    def finish(self) -> None:
        """End the last message, and say what was counted."""
        work(self._state.ctypes.data, 0, 0, 1)
        self._give()
        view, report = self._state[0], self._intake.report
        report.crossed += int(view["crossed"])
        report.ignore("book rows before the first snapshot", int(view["waiting"]))
        if view["absent"]:
            report.note(
                f"{int(view['absent'])} deletions in the book of {self._symbol} found no level"
            )
        for name in ("crossed", "waiting", "absent"):
            view[name] = 0

    def _give(self) -> None:
        for kind, name in _OUTPUTS:
            n = int(self._state[0][f"n_{name}"])
            if n:
                rows = self._outputs[name][:n].copy()
                self._intake.put_ordered(self._symbol, kind, rows)
                self._state[0][f"n_{name}"] = 0
        # Gaps are counted where they are made, whether they are kept or not.

    def _grow(self) -> None:
        for side, ladder in self._ladders.items():
            if self._state[0][side]["n"] >= len(ladder):
                self._ladders[side] = np.zeros((2 * len(ladder), 2))
                self._ladders[side][: len(ladder)] = ladder
        self._point()
