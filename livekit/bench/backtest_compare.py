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
    n_alone : int
        Fills that only one of the two has, counting both.
    first : str
        The earliest of them, in words; empty when there is none.
    """

    n_alone: int
    first: str


def compare(ours: np.ndarray, theirs: np.ndarray) -> Difference:
    """Compare fills as multisets of (time, side, price in ticks, quantity in lots).

    Parameters
    ----------
    ours, theirs : FILL[n], FILL[m]
        In any order. Two engines may take the fills of one instant in different order.
    """
    keys = np.concatenate([_keys(ours), _keys(theirs)])
    weight = np.concatenate([np.ones(len(ours), np.int64), -np.ones(len(theirs), np.int64)])
    unique, at = np.unique(keys, return_inverse=True, axis=0)
    excess = np.zeros(len(unique), np.int64)
    np.add.at(excess, at.reshape(-1), weight)
    alone = np.flatnonzero(excess)
    if len(alone) == 0:
        return Difference(0, "")
    ts, side, ticks, lots = (int(part) for part in unique[alone[0]])
    owner = "ours" if excess[alone[0]] > 0 else "theirs"
    return Difference(
        int(np.abs(excess).sum()),
        f"only {owner}: ts={ts} side={_SIDES[side]} price={ticks / _PRICE_STEPS:.1f} "
        f"quantity={lots / _QUANTITY_STEPS:.3f}",
    )


def _keys(fills: np.ndarray) -> np.ndarray:
    """Return int64[n, 4]: rows sort by time first."""
    ticks = np.rint(fills["price"] * _PRICE_STEPS).astype(np.int64)
    lots = np.rint(fills["quantity"] * _QUANTITY_STEPS).astype(np.int64)
    return np.stack([fills["ts"], fills["side"], ticks, lots], axis=1)
