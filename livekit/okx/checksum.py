"""The CRC32 that books carried until June 2026, over the text of the best 25 levels.

Bids and asks alternate, ``price:size`` each, joined by ``:``; where one side is shorter
the other simply goes on. The text is the exchange's own (``63921`` is not ``63921.0``),
so a book that is to be verified is kept as text beside the numbers. Since then the
field is always 0, which means "not provided"; such books cost nothing here.
Source: OKX API v5, "Checksum mechanism"; verified on 1,794 captured frames of 2021-22.
Layer 2. Pure.
"""

import heapq
import zlib
from typing import Final

from livekit.okx.messages import TextBookData, TextLevel

__all__ = ["DEPTH", "TextBook", "is_provided"]

DEPTH: Final = 25


def is_provided(checksum: int | None) -> bool:
    """Tell whether a book message carries a checksum to verify."""
    return checksum is not None and checksum != 0


class TextBook:
    """The levels of both sides as text, by price."""

    __slots__ = ("_asks", "_bids")

    def __init__(self) -> None:
        self._bids: dict[float, TextLevel] = {}
        self._asks: dict[float, TextLevel] = {}

    def apply(self, rows: TextBookData) -> None:
        """Set the levels of a message; size 0 deletes."""
        for side, levels in ((self._bids, rows.bids), (self._asks, rows.asks)):
            for level in levels:
                price = float(level.price)
                if float(level.size) > 0:
                    side[price] = level
                else:
                    side.pop(price, None)

    def checksum(self) -> int:
        """Return the CRC32 of the best levels as a signed 32-bit number."""
        bids = [self._bids[price] for price in heapq.nlargest(DEPTH, self._bids)]
        asks = [self._asks[price] for price in heapq.nsmallest(DEPTH, self._asks)]
        parts: list[str] = []
        for i in range(DEPTH):
            for side in (bids, asks):
                if i < len(side):
                    parts += (side[i].price, side[i].size)
        crc = zlib.crc32(":".join(parts).encode())
        return crc - (1 << 32) if crc & (1 << 31) else crc
