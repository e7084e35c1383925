"""The Python side of a ledger: the arrays that its jitted functions write into.

The memory of a log comes from a few blocks that ledgers hand down to each other, once
nobody holds a view of them any more. A page that was never touched costs a microsecond
or two at its first write, more than the row that is written there.
Layer 2.
"""

import threading
import weakref
from typing import Any, Final

import numpy as np

from livekit.ring.layout import aligned_zeros
from livekit.trading.ledger import LEDGER, close
from livekit.trading.ledger_layout import EQUITY_LOG, FILL_LOG, ORDER_LOG

__all__ = ["Ledger"]


_MOST_SPARE: Final = 8  # blocks that wait for a ledger: those of two

_spare: list[np.ndarray] = []
_lock: Final = threading.Lock()


class Ledger:
    """Owns the arrays of a ledger and lets them grow.

    Parameters
    ----------
    core : int
        Address of the trading core.
    max_orders : int
        Of the core.
    strategy : int
        Slot of the strategy it follows.
    cash : float
        What the strategy's equity begins with.
    n_marks : int
        Instruments whose mark is kept with every sample.
    sample_ns : int
        Grid of the equity, at least 1 ms.
    first_rows : int
        Rows of each log at the start.

    Attributes
    ----------
    address : int
        For the jitted functions.
    view : LEDGER record
    """

    def __init__(
        self,
        core: int,
        max_orders: int,
        *,
        strategy: int,
        cash: float,
        n_marks: int,
        sample_ns: int,
        first_rows: int = 1 << 14,
    ) -> None:
        self._memory = np.zeros(1, LEDGER)
        self.address: int = int(self._memory.ctypes.data)
        self.view: Any = self._memory[0]
        self._rows = np.full(max_orders + 1, -1, np.int64)
        self._logs = {
            "orders": _rows(first_rows, ORDER_LOG),
            "fills": _rows(first_rows, FILL_LOG),
            "equity": _rows(first_rows, EQUITY_LOG),
        }
        self._marks = np.zeros((first_rows, n_marks))
        self.view["n_marks"] = n_marks
        self.view["core"], self.view["strategy"], self.view["cash"] = core, strategy, cash
        self.view["rows"] = self._rows.ctypes.data
        self.view["sample_ns"], self.view["next_due"] = sample_ns, -1
        self._connect()

    def _connect(self) -> None:
        for name, log in self._logs.items():
            self.view[name], self.view[f"max_{name}"] = log.ctypes.data, len(log)
        self.view["marks"] = self._marks.ctypes.data

    def grow(self, margin: int) -> None:
        """Make room for at least `margin` more rows in every log."""
        for name, log in self._logs.items():
            used = int(self.view[f"n_{name}"])
            if used + margin > len(log):
                larger = _rows(max(2 * len(log), used + 2 * margin), log.dtype)
                # As bytes: an assignment of records leaves their padding alone.
                larger.view(np.uint8)[: used * log.itemsize] = log[:used].view(np.uint8)
                self._logs[name] = larger
                if name == "equity":
                    self._marks = np.concatenate(
                        [self._marks[:used], np.zeros((len(larger) - used, self._marks.shape[1]))]
                    )
        self._connect()

    def rows(self, name: str) -> np.ndarray:
        """Return the rows of a log: ``orders``, ``fills`` or ``equity``.

        The memory itself: copy what is to outlast further writing.
        """
        return self._logs[name][: int(self.view[f"n_{name}"])]

    def snapshot(self, ts: int) -> dict[str, np.ndarray]:
        """Return copies of the logs and the marks as they were if it ended at `ts`.

        It goes on as if nobody had looked. There must be room for one more row of each.
        """
        before = self._memory.copy()
        close(self.address, ts)
        copies = {name: self.rows(name).copy() for name in self._logs}
        copies["marks"] = self.marks.copy()
        self._memory[:] = before
        return copies

    @property
    def marks(self) -> np.ndarray:
        """The marks, float64[samples, instruments]; NaN where there was none. As `rows`."""
        return self._marks[: int(self.view["n_equity"])]


def _rows(n_rows: int, dtype: np.dtype) -> np.ndarray:
    """Return an array of rows, whatever they contain."""
    n_bytes = n_rows * dtype.itemsize
    with _lock:
        place = next((i for i, one in enumerate(_spare) if one.nbytes == n_bytes), None)
        block = None if place is None else _spare.pop(place)
    if block is None:
        block = aligned_zeros(n_bytes, is_huge=True)
    # All views of the rows lead to this array, so it dies with the last of them.
    rows = np.frombuffer(block.data, dtype)
    weakref.finalize(rows, _give_back, block).atexit = False
    return rows


def _give_back(block: np.ndarray) -> None:
    with _lock:
        if len(_spare) < _MOST_SPARE:
            _spare.append(block)
