"""Whether two engines filled the same: fill for fill, and the first that is not.

Layer 5.
"""

from typing import Final, NamedTuple

import numpy as np

__all__ = ["Difference", "compare"]

_PRICE_STEPS: Final = 10.0  # ticks in a unit of price
_QUANTITY_STEPS: Final = 1000.0  # lots in a unit of quantity
_SIDES: Final = ("buy", "sell")


class Difference(NamedTuple):
    """How two lists of fills differ.

    Attributes
    ----------
    n_unlike : int
        Fills that only one of the two has, or with another quantity.
    first : str
        The earliest of them, in words; empty when there is none.
    """

    n_unlike: int
    first: str


def compare(ours: np.ndarray, theirs: np.ndarray) -> Difference:
    """Compare what was filled when, on which side, at which price and how much.

    Fills of one instant, side and price count as one: Nautilus Trader splits what
    livekit and hftbacktest report whole. Their order within an instant is of no matter.

    Parameters
    ----------
    ours, theirs : FILL[n], FILL[m]
        In any order.
    """
    keys, lots = (np.concatenate(parts) for parts in zip(_keys(ours), _keys(theirs), strict=True))
    unique, at = np.unique(keys, return_inverse=True, axis=0)
    is_ours = np.arange(len(keys)) < len(ours)
    mine, yours = (
        np.bincount(at.reshape(-1)[mask], lots[mask], len(unique)) for mask in (is_ours, ~is_ours)
    )
    unlike = np.flatnonzero(mine != yours)
    if len(unlike) == 0:
        return Difference(0, "")
    first = unlike[0]
    ts, side, ticks = (int(part) for part in unique[first])
    return Difference(
        len(unlike),
        f"ts={ts} side={_SIDES[side]} price={ticks / _PRICE_STEPS:.1f} "
        f"quantity: ours {mine[first] / _QUANTITY_STEPS:.3f}, "
        f"theirs {yours[first] / _QUANTITY_STEPS:.3f}",
    )


def _keys(fills: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return int64[n, 3] of time, side and ticks, which sorts by time, and the lots."""
    ticks = np.rint(fills["price"] * _PRICE_STEPS).astype(np.int64)
    lots = np.rint(fills["quantity"] * _QUANTITY_STEPS).astype(np.int64)
    return np.stack([fills["ts"], fills["side"], ticks], axis=1), lots
