"""Payments of funding as a simulation takes them.

Layer 3.
"""

import numpy as np

from livekit.errors import ConfigError
from livekit.research.data import Data
from livekit.research.layout import FUNDING

__all__ = ["funding_rows"]


def funding_rows(funding: tuple[tuple[int, str, float], ...], data: Data) -> np.ndarray:
    """Return FUNDING rows by time, under the data's numbers of instruments.

    Raises
    ------
    ConfigError
        A payment is of an instrument that the data does not have.
    """
    rows = np.zeros(len(funding), FUNDING)
    for row, (ts, symbol, rate) in zip(rows, funding, strict=True):
        if symbol not in data.symbols:
            raise ConfigError(f"funding of {symbol!r} is given, which the data does not have")
        row["ts"], row["instrument"], row["rate"] = ts, data.symbols.index(symbol), rate
    order = np.argsort(rows["ts"], kind="stable")
    return np.ascontiguousarray(rows[order])
