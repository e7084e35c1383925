"""The exchange's archives of order books: lines of JSON, 400 or 5000 levels.

Every line is a snapshot or an update of one instrument with levels of three texts (price,
size, orders); lines of one ``ts`` belong together and are applied before the book is read. A
snapshot every 15 minutes replaces the book. Lines carry no number, so a lost line shows only
when a snapshot differs from the book kept: then a GAP is written and counted. There is no time
of receipt: `ts_recv` is ``ts``.
Source: okx.com/historical-data, L2 order book files of 2023 to 2026.
Layer 3.
"""

from typing import IO, Any, Final, Literal, NoReturn, cast

import msgspec
import numpy as np
import pyarrow as pa
from pyarrow import compute
from pyarrow import json as arrow_json

from livekit.errors import DataError
from livekit.store.importers.block import Block
from livekit.store.importers.depth import Depth
from livekit.store.importers.intake import Intake
from livekit.store.importers.ladder import DELTA, RESTART
from livekit.store.importers.rows import by_symbol
from livekit.store.importers.source import Text
from livekit.store.schema import IMPORTED

__all__ = ["OkxBookImporter", "is_book_line"]

_SHOWN: Final = 80
_PARSE_BYTES: Final = 4 << 20
_EXPECTED: Final = (
    '{"instId", "action": "snapshot" or "update", "ts": ms, "asks": [[price, size, orders], …], '
    '"bids"}'
)
_LEVELS: Final = pa.list_(pa.list_(pa.string()))
_SCHEMA: Final = pa.schema(
    [
        ("instId", pa.string()),
        ("action", pa.string()),
        ("ts", pa.string()),
        ("asks", _LEVELS),
        ("bids", _LEVELS),
    ]
)


class _Line(msgspec.Struct):
    """A line as it must be; used to name the first that is not."""

    instId: str  # noqa: N815 - the exchange's name
    action: Literal["snapshot", "update"]
    ts: str
    asks: list[tuple[str, str, str]]
    bids: list[tuple[str, str, str]]


def is_book_line(line: bytes) -> bool:
    """Tell whether the first line of a text is one of these archives."""
    return line.startswith(b"{") and b'"action"' in line and b'"asks"' in line


class OkxBookImporter:
    """Reads any number of the exchange's book archives into one intake."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._depths: dict[str, Depth] = {}
        self._last: dict[str, int] = {}

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
        for data, first in text.blocks():
            if data.isspace():
                continue
            block = _parsed(text, data, first)
            times = block.times("ts", 1_000_000, "milliseconds")
            block.mapped("action", {"snapshot": 0, "update": 1}, "'snapshot' or 'update'")
            for symbol, rows in by_symbol(block, "instId", self._intake.symbol):
                index = np.arange(len(block)) if rows is None else rows
                self._take(block if rows is None else block.part(rows), symbol, times[index])
            self._intake.told(text.position(), len(block))
        for depth in self._depths.values():
            depth.finish()

    def _take(self, block: Block, symbol: str, times: np.ndarray) -> None:
        before = np.concatenate(([self._last.get(symbol, 0)], times[:-1]))
        block.require(
            times >= before,
            "ts",
            "a time not before that of the line above, in files given in the order of their days",
        )
        self._last[symbol] = int(times[-1])
        depth = self._depths.get(symbol)
        if depth is None:
            depth = Depth(self._intake, symbol, needs_snapshot=True, is_compared=True)
            self._depths[symbol] = depth
        deltas = _deltas(block, times)
        block.check()
        depth.take(deltas)


def _parsed(text: Text, data: bytes, first: int) -> Block:
    """Return the lines of a block as columns, ts a number."""
    lines: list[tuple[int, bytes]] = []

    def describe(row: int, column: str) -> str:
        if not lines:
            lines.extend((i, one) for i, one in enumerate(data.split(b"\n")) if one.strip())
        i, line = lines[row]
        shown = line[:_SHOWN].decode("utf-8", errors="backslashreplace")
        return f"line {first + i} of {text.name!r}, field {column!r}, is wrong in {shown!r}"

    try:
        table = arrow_json.read_json(
            cast("IO[bytes]", pa.BufferReader(data)),
            arrow_json.ReadOptions(block_size=_PARSE_BYTES),
            arrow_json.ParseOptions(explicit_schema=_SCHEMA, unexpected_field_behavior="ignore"),
        )
        if any(table.column(name).null_count for name in _SCHEMA.names):
            _blame(text, data, first, "a field is missing")
        stamps = table.column("ts").cast(pa.int64())
    except pa.ArrowInvalid as error:
        _blame(text, data, first, str(error).splitlines()[0])
    return Block(table.set_column(2, "ts", stamps), describe)


def _blame(text: Text, data: bytes, first: int, reason: str) -> NoReturn:
    """Name the first line that is not of the format."""
    decoder = msgspec.json.Decoder(_Line)
    advice = "nothing was imported; correct or remove that line"
    for i, line in enumerate(data.split(b"\n")):
        if not line.strip():
            continue
        try:
            is_good = decoder.decode(line).ts.isdigit()
            why = "ts is no whole number"
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            is_good, why = False, str(error)
        if not is_good:
            shown = line[:_SHOWN].decode("utf-8", errors="backslashreplace")
            raise DataError(
                f"line {first + i} of {text.name!r} is {shown!r} ({why}), expected {_EXPECTED}; "
                f"{advice}"
            )
    raise DataError(f"{text.name!r} from line {first} on is not readable: {reason}; {advice}")


def _deltas(block: Block, times: np.ndarray) -> np.ndarray:
    """Return the levels of lines as DELTA rows: bids, then asks, after a restart if it is one."""
    is_snapshot = compute.equal(block.table.column("action"), pa.scalar("snapshot")).to_numpy()
    sides = [_levels(block, name) for name in ("bids", "asks")]
    counts = np.stack([is_snapshot.astype(np.int64), *(n for n, _ in sides)], axis=1)
    starts = np.concatenate(([0], np.cumsum(counts.ravel())[:-1])).reshape(counts.shape)
    deltas = np.zeros(int(counts.sum()), DELTA)
    deltas["action"][starts[is_snapshot, 0]] = RESTART
    for side, (n_levels, levels) in enumerate(sides):
        firsts = np.cumsum(n_levels) - n_levels
        places = np.arange(len(levels)) + np.repeat(starts[:, side + 1] - firsts, n_levels)
        deltas["action"][places] = side  # SET is 0
        deltas["price"][places], deltas["size"][places] = levels[:, 0], levels[:, 1]
    stamps = np.repeat(times, counts.sum(axis=1))
    deltas["ts_event"] = deltas["ts_recv"] = deltas["group"] = stamps
    deltas["sequence_id"], deltas["order"] = -1, IMPORTED | 2 << 40
    return deltas


def _levels(block: Block, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return how many levels each line has on a side, and float64[m, 2] of price and size."""
    chunks = block.table.column(name)
    n_levels = np.asarray(compute.list_value_length(chunks).to_numpy(), np.int64)
    levels: Any = compute.list_flatten(chunks)
    lengths = np.asarray(compute.list_value_length(levels).to_numpy(), np.float64)
    line = np.repeat(np.arange(len(block)), n_levels)
    if (lengths != 3).any():  # NaN where a level is null
        block.fail(int(line[np.argmax(lengths != 3)]), name, "levels of price, size and orders")
    texts = compute.list_flatten(levels)
    try:
        numbers = texts.cast(pa.float64()).to_numpy().reshape(-1, 3)[:, :2]
    except pa.ArrowInvalid:
        is_number = compute.match_substring_regex(texts, r"^[0-9.eE+-]+$").to_numpy()
        row = int(np.argmin(is_number)) // 3 if not is_number.all() else 0
        block.fail(int(line[row]), name, "numbers as text")
    good = (numbers[:, 0] > 0) & (numbers[:, 1] >= 0) & np.isfinite(numbers).all(axis=1)
    if not good.all():
        expected = "a price greater than 0 and a size of 0 or more in every level"
        block.fail(int(line[np.argmin(good)]), name, expected)
    return n_levels, numbers
