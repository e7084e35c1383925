"""The ladder of one instrument: a recorded touch with as many levels behind it as asked.

A recording shows the touch and a few levels; the exchange shows 400. What lies behind
the touch is made up, but always the same: whether a level exists, its size and its
number of orders are a hash of the instrument and the tick. So when the touch moves,
levels leave and enter the window at its far end as they do on OKX, and nothing else
changes.
Layer 4.
"""

from bisect import bisect_left, bisect_right
from typing import Final

import numpy as np

from livekit.okxsim.listings import Listing

__all__ = ["BUY", "SELL", "Ladder", "Shown", "order_count"]

BUY: Final = 0
SELL: Final = 1

_BLOCK: Final = 1024  # ticks made up at a time; three of four have a level
_MAX_BLOCKS: Final = 64
_MAX_SPAN: Final = 4  # blocks looked at behind the touch
_NOTIONAL: Final = 8_000.0  # of a middling level, quote currency

_MIX_A: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B: Final = np.uint64(0x94D049BB133111EB)

Shown = tuple[int, int]
"""Lots and number of orders of a level."""


def order_count(tick: int) -> int:
    """Return the number of orders at a touch."""
    return 1 + tick % 7


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
        self._blocks: dict[tuple[int, int], tuple[list[int], list[Shown]]] = {}

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

    def levels(self, side: int, n: int) -> tuple[list[int], list[Shown]]:
        """Return the best levels of a side: ticks, and what each shows; n at most."""
        touch = self.touch[side]
        if not touch:
            return [], []
        ticks, shown = [touch], [(self.lots[side], order_count(touch))]
        number, step = touch // _BLOCK, -1 if side == BUY else 1
        for block in range(number, number + step * _MAX_SPAN, step):
            if len(ticks) >= n or block < 0:
                break
            found, levels = self._block(side, block)
            left = n - len(ticks)
            if side == BUY:
                end = bisect_left(found, touch)
                ticks += found[max(0, end - left) : end][::-1]
                shown += levels[max(0, end - left) : end][::-1]
            else:
                begin = bisect_right(found, touch)
                ticks += found[begin : begin + left]
                shown += levels[begin : begin + left]
        return ticks[:n], shown[:n]

    def _block(self, side: int, block: int) -> tuple[list[int], list[Shown]]:
        """Return the made-up levels of a range of ticks, lowest first."""
        known = self._blocks.get((side, block))
        if known is None:
            if len(self._blocks) >= _MAX_BLOCKS:
                self._blocks.clear()
            known = self._blocks[side, block] = self._made_up(side, block)
        return known

    def _made_up(self, side: int, block: int) -> tuple[list[int], list[Shown]]:
        ticks = block * _BLOCK + np.arange(_BLOCK, dtype=np.int64)
        seed = 2 * self._listing.number + side + 1
        noise = _hashed(ticks, seed * 0x1234567)
        is_shown = ((noise & np.uint64(3)) != 0) & (ticks > 0)
        # Heavy-tailed: the square of a uniform number, times up to 4.
        uniform = ((noise >> np.uint64(8)) % np.uint64(1000)).astype(np.float64) / 1000.0
        lots = np.maximum(1, (self._scale * 4.0 * uniform * uniform).astype(np.int64))
        counts = 1 + ((noise >> np.uint64(40)) % np.uint64(9)).astype(np.int64)
        chosen = (lots[is_shown].tolist(), counts[is_shown].tolist())
        return ticks[is_shown].tolist(), list(zip(*chosen, strict=True))
