"""Captured frames of the exchange, and a server that plays them over a real WebSocket.

The captures lie beside the repository, and are read from there.
"""

import gzip
import json
import zlib
from collections import defaultdict
from pathlib import Path

from okx_exchange import Exchange

from livekit.okx.instruments import kind_of_symbol

MARKET_DATA = Path(__file__).parents[1].parent / "shared" / "okx" / "market_data"
CAPTURES = {
    2021: "okx_ws_public_20210722_conn1.raw.gz",
    2022: "okx_ws_public_20220513_conn1.raw.gz",
}
STEPS = {"tickSz": "0.00000001", "lotSz": "0.00000001", "minSz": "0.00000001"}


def is_there(year):
    return (MARKET_DATA / CAPTURES[year]).is_file()


class Capture:
    """The market frames of one captured connection, in order.

    Attributes
    ----------
    frames : list of str
        As they came.
    keys : list of (str, str)
        Channel and symbol of each.
    """

    def __init__(self, year):
        self.frames, self.keys = [], []
        with gzip.open(MARKET_DATA / CAPTURES[year], "rt") as lines:
            for line in lines:
                text = line.partition(": ")[2].rstrip("\n")
                if line.startswith("wss") or '"event"' in text:
                    continue
                arg = json.loads(text)["arg"]
                self.frames.append(text)
                self.keys.append((arg["channel"], arg["instId"]))

    @property
    def symbols(self):
        return list(dict.fromkeys(symbol for _, symbol in self.keys))

    @property
    def channels(self):
        return sorted({channel for channel, _ in self.keys})

    def is_book(self, index):
        return self.keys[index][0].startswith("books")


class FrameServer(Exchange):
    """An exchange that acknowledges every subscription and sends what it is told to."""

    def __init__(self, symbols):
        listed = defaultdict(list)
        for symbol in symbols:
            kind = {"futures": "FUTURES"}.get(
                kind_of_symbol(symbol), kind_of_symbol(symbol).upper()
            )
            listed[kind].append({"instId": symbol, **STEPS})
        super().__init__(listed)

    def send_snapshot(self, *_arguments, **_options):
        """Send no snapshot of its own."""

    def play(self, frames):
        for frame in frames:
            self.socket.send(frame)


class CheckedBooks:
    """The books of a capture, checked by their checksums, by other code than the feed's.

    `apply` says whether the checksum of a frame fits the book that the frames before make.
    """

    def __init__(self):
        self._books = {}

    def apply(self, frame, key):
        message = json.loads(frame)
        if message["action"] == "snapshot":
            self._books[key] = ({}, {})
        book = self._books[key]
        fits = True
        for row in message["data"]:
            for side, levels in zip(book, (row["bids"], row["asks"]), strict=True):
                for price, size, *_ in levels:
                    side.pop(price, None)
                    if float(size):
                        side[price] = size
            fits = self._checksum(*book) == row["checksum"]
        return fits

    @staticmethod
    def _checksum(bids, asks):
        best = [
            sorted(side.items(), key=lambda level: sign * float(level[0]))[:25]
            for side, sign in ((bids, -1), (asks, 1))
        ]
        parts = [":".join(side[depth]) for depth in range(25) for side in best if depth < len(side)]
        crc = zlib.crc32(":".join(parts).encode())
        return crc - (1 << 32) if crc >> 31 else crc
