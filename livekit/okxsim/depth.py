"""The ladder of one instrument: a recorded touch with as many levels behind it as asked.

A recording shows the touch and a few levels; the exchange shows 400. What lies behind
the touch is made up, but always the same: whether a level exists, its size and its
number of orders are a hash of the instrument and the tick. So when the touch moves,
levels leave and enter the window at its far end as they do on OKX, and nothing else
changes.
Layer 4.
"""

from typing import Final

import numpy as np

from livekit.okxsim.listings import Listing

__all__ = ["BUY", "SELL", "Ladder"]

BUY: Final = 0
SELL: Final = 1

_SPAN: Final = 640  # ticks looked at behind the touch; three of four have a level
_NOTIONAL: Final = 8_000.0  # of a middling level, quote currency

_MIX_A: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B: Final = np.uint64(0x94D049BB133111EB)


def _hashed(values: np.ndarray, seed: int) -> np.ndarray:
    """Return splitmix64 of each value, uint64."""
    with np.errstate(over="ignore"):
        mixed = values.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_A
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_B
        return mixed ^ (mixed >> np.uint64(31))


class Ladder:
    """Both sides of one instrument, before anybody's orders.

    Parameters
    ----------
    listing : Listing

    Attributes
    ----------
    touch : list of int
        Tick of the best bid and ask; 0 where there is none.
    lots : list of int
        Lots at them.
    """

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._scale = 0.0
        self.touch, self.lots = [0, 0], [0, 0]
        self._cached: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = [
            (0, *_NO_LEVELS),
            (0, *_NO_LEVELS),
        ]

    def set_touch(self, bid: float, bid_size: float, ask: float, ask_size: float) -> bool:
        """Take a recorded touch, NaN where a side is empty; whether anything changed."""
        listing = self._listing
        touch, lots = [0, 0], [0, 0]
        for side, price, size in ((BUY, bid, bid_size), (SELL, ask, ask_size)):
            if price > 0.0 and size > 0.0:
                touch[side] = listing.ticks(price)
                lots[side] = max(1, listing.lots(size))
        if touch == self.touch and lots == self.lots:
            return False
        self.touch, self.lots = touch, lots
        if not self._scale and touch[BUY]:
            unit = bid * listing.lot_value * float(listing.contract_value)
            self._scale = max(1.0, _NOTIONAL / unit)
        return True

    def levels(self, side: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the best levels of a side.

        Returns
        -------
        tuple of int64[m]
            Ticks, lots and numbers of orders, best first; m is n or fewer.
        """
        touch = self.touch[side]
        if not touch:
            return _NO_LEVELS
        if self._cached[side][0] != touch:
            self._cached[side] = (touch, *self._behind(side, touch))
        _, ticks, lots, counts = self._cached[side]
        lots = lots[:n].copy()
        lots[0] = self.lots[side]
        return ticks[:n], lots, counts[:n]

    def _behind(self, side: int, touch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return touch and everything behind it within the span."""
        step = -1 if side == BUY else 1
        ticks = touch + step * np.arange(_SPAN, dtype=np.int64)
        seed = 2 * self._listing.number + side + 1
        noise = _hashed(ticks, seed * 0x1234567)
        shown = ((noise & np.uint64(3)) != 0) & (ticks > 0)
        shown[0] = touch > 0
        # Heavy-tailed: the square of a uniform number, times up to 4.
        uniform = ((noise >> np.uint64(8)) % np.uint64(1000)).astype(np.float64) / 1000.0
        lots = np.maximum(1, (self._scale * 4.0 * uniform * uniform).astype(np.int64))
        counts = 1 + ((noise >> np.uint64(40)) % np.uint64(9)).astype(np.int64)
        return ticks[shown], lots[shown], counts[shown]


_EMPTY: Final = np.zeros(0, np.int64)
_NO_LEVELS: Final = (_EMPTY, _EMPTY, _EMPTY)
