"""The exchange's archives of order books: lines of JSON, 400 or 5000 levels.

Every line is a snapshot or an update of one instrument with levels of three texts (price,
size, orders); lines of one ``ts`` belong together and are applied before the book is read. A
snapshot every 15 minutes replaces the book. Lines carry no number, so a lost line shows only
when a snapshot differs from the book kept: then a GAP is written and counted. There is no time
of receipt: `ts_recv` is ``ts``.
Source: okx.com/historical-data, L2 order book files of 2023 to 2026.
Layer 3.
"""

from collections.abc import Iterator
from typing import Final, Literal, NoReturn

import msgspec
import numpy as np

from livekit.errors import DataError
from livekit.store.importers.depth import Depth
from livekit.store.importers.intake import Intake
from livekit.store.importers.ladder import DELTA, RESTART
from livekit.store.importers.source import Text
from livekit.store.schema import IMPORTED

__all__ = ["OkxBookImporter", "is_book_line"]

_NS_PER_MS: Final = 1_000_000
_TIMES_MS: Final = (10**11, 9 * 10**12)
_SHOWN: Final = 80
_EXPECTED: Final = (
    '{"instId", "action": "snapshot" or "update", "ts": ms, "asks": [[price, size, orders], …], '
    '"bids"}'
)


class _Line(msgspec.Struct):
    instId: str  # noqa: N815 - the exchange's name
    action: Literal["snapshot", "update"]
    ts: int
    asks: list[tuple[float, float, int]]
    bids: list[tuple[float, float, int]]


def is_book_line(line: bytes) -> bool:
    """Tell whether the first line of a text is one of these archives."""
    return line.startswith(b"{") and b'"action"' in line and b'"asks"' in line


class OkxBookImporter:
    """Reads any number of the exchange's book archives into one intake."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._depths: dict[str, Depth] = {}
        self._last: dict[str, int] = {}
        # Numbers are sent as texts: lax decoding converts them as it parses.
        self._decoder = msgspec.json.Decoder(_Line, strict=False)

    def read(self, text: Text) -> None:
        """Read one archive's text.

        Raises
        ------
        DataError
            A line is not of this format, or earlier than the line before.
        """
        self._intake.at_venue("okx")
        self._intake.report.note(
            "the source has no time of receipt: ts_recv is the exchange's own time"
        )
        for depth in self._depths.values():
            depth.start()
        for data, first in text.blocks(4 << 20):
            found: dict[str, list[tuple[int, _Line]]] = {}
            n_lines = 0
            for number, line in self._lines(text, data, first):
                found.setdefault(line.instId, []).append((number, line))
                n_lines += 1
            for symbol, lines in found.items():
                if self._intake.symbol in {None, symbol}:
                    self._take(text, symbol, lines)
            self._intake.told(text.position(), n_lines)
        for depth in self._depths.values():
            depth.finish()

    def _lines(self, text: Text, data: bytes, first: int) -> Iterator[tuple[int, _Line]]:
        decode = self._decoder.decode
        for i, line in enumerate(data.split(b"\n")):
            if not line.strip():
                continue
            try:
                yield first + i, decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                shown = line[:_SHOWN].decode("utf-8", errors="backslashreplace")
                _fail(text, first + i, f"is {shown!r} ({error}), expected {_EXPECTED}")

    def _take(self, text: Text, symbol: str, lines: list[tuple[int, _Line]]) -> None:
        depth = self._depths.get(symbol)
        if depth is None:
            depth = Depth(self._intake, symbol, needs_snapshot=True, is_compared=True)
            self._depths[symbol] = depth
        # One flat list: a snapshot has one row for the restart, an update may have none.
        levels: list[tuple[float, float, int]] = []
        counts = np.zeros((len(lines), 3), np.int64)
        times = np.zeros(len(lines), np.int64)
        for i, (_, line) in enumerate(lines):
            is_restart = line.action == "snapshot"
            if is_restart:
                levels.append((0.0, 0.0, 0))
            levels += line.bids
            levels += line.asks
            counts[i] = is_restart, len(line.bids), len(line.asks)
            times[i] = line.ts
        self._check(text, symbol, lines, times)
        depth.take(_deltas(text, lines, np.array(levels, np.float64), counts, times))

    def _check(
        self, text: Text, symbol: str, lines: list[tuple[int, _Line]], times: np.ndarray
    ) -> None:
        is_bad = (times < _TIMES_MS[0]) | (times > _TIMES_MS[1])
        if is_bad.any():
            i = int(np.argmax(is_bad))
            _fail(text, lines[i][0], f"has the ts {int(times[i])}, expected milliseconds")
        before = np.concatenate(([self._last.get(symbol, 0)], times[:-1]))
        if (times < before).any():
            i = int(np.argmax(times < before))
            _fail(
                text,
                lines[i][0],
                f"has the ts {int(times[i])}, expected none before that of the line above, "
                f"{int(before[i])}; give files in the order of their days",
            )
        self._last[symbol] = int(times[-1])


def _deltas(
    text: Text,
    lines: list[tuple[int, _Line]],
    levels: np.ndarray,
    counts: np.ndarray,
    times: np.ndarray,
) -> np.ndarray:
    """Return the levels of lines as DELTA rows."""
    levels = levels.reshape(-1, 3)
    per_line = counts.sum(axis=1)
    actions = np.tile(np.array([RESTART, 0, 1]), len(lines))
    deltas = np.zeros(len(levels), DELTA)
    deltas["action"] = np.repeat(actions, counts.ravel())
    deltas["price"], deltas["size"] = levels[:, 0], levels[:, 1]
    is_level = deltas["action"] != RESTART
    good = (levels[:, 0] > 0) & (levels[:, 1] >= 0) & np.isfinite(levels[:, :2]).all(axis=1)
    if not (good | ~is_level).all():
        row = int(np.argmin(good | ~is_level))
        number = lines[int(np.searchsorted(np.cumsum(per_line), row, side="right"))][0]
        price, size = levels[row, :2].tolist()
        _fail(text, number, f"has the level {price!r}, {size!r}, expected a price above 0")
    stamps = np.repeat(times, per_line)
    deltas["ts_event"] = deltas["ts_recv"] = deltas["group"] = stamps * _NS_PER_MS
    deltas["sequence_id"], deltas["order"] = -1, IMPORTED | 2 << 40
    return deltas


def _fail(text: Text, number: int, what: str) -> NoReturn:
    raise DataError(
        f"line {number} of {text.name!r} {what}; nothing was imported; correct or remove that line"
    )
