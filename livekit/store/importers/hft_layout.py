"""The arrays of hftbacktest: 64 bytes an event, its flags in one word.

Rows of one file are ordered by exchange time among those flagged EXCH, and by local time
among those flagged LOCAL; a row that cannot satisfy both is there twice, once for each.
Source: nkaz001/hftbacktest, ``hftbacktest/src/types.rs`` and ``py-hftbacktest/types.py``.
Layer 3.
"""

from typing import Final

import numpy as np

__all__ = [
    "BUY",
    "CLEAR_DEPTH",
    "DEPTH",
    "DEPTH_BBO",
    "EXCH",
    "HFT_EVENT",
    "KIND_MASK",
    "LOCAL",
    "ORDER_KINDS",
    "SELL",
    "SNAPSHOT",
    "TRADE_KIND",
]

DEPTH: Final = 1
TRADE_KIND: Final = 2
CLEAR_DEPTH: Final = 3
SNAPSHOT: Final = 4
DEPTH_BBO: Final = 5
ORDER_KINDS: Final = (10, 11, 12, 13)
"""Orders added, cancelled, modified and filled: market by order."""

KIND_MASK: Final = 0xFF
EXCH: Final = 1 << 31
LOCAL: Final = 1 << 30
BUY: Final = 1 << 29
SELL: Final = 1 << 28

HFT_EVENT: Final = np.dtype(
    [
        ("ev", "<u8"),
        ("exch_ts", "<i8"),
        ("local_ts", "<i8"),
        ("px", "<f8"),
        ("qty", "<f8"),
        ("order_id", "<u8"),
        ("ival", "<i8"),
        ("fval", "<f8"),
    ],
    align=True,
)
"""One event; fields stand in this order without gaps."""
