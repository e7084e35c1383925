"""Messages with something wrong in them: a quick mutator, and what no parser may let through.

``python tests/okx_mutation.py PARSER N SEED`` gives a parser N mutants in a process of its
own, and prints what came of it as JSON; it ends at the first fault, and shows the bytes.
"""

import json
import math
import random
import re
import runpy
import sys
from pathlib import Path

import msgspec
import numpy as np

from livekit.errors import FeedError
from livekit.events import BOOK, QUOTE, TICKER, TRADE, Kind
from livekit.okx import rest
from livekit.okx.instruments import parse_instruments
from livekit.okx.market import Normalizer
from livekit.okx.private import parse_private
from livekit.okx.replies import parse_reply
from livekit.okx.rows import MAX_AMOUNT

CORPUS = Path(__file__).parent / "okx" / "corpus"
HOSTILE = runpy.run_path(str(CORPUS / "hostile.py"))
FRAMES, VALUES = HOSTILE["FRAMES"], HOSTILE["VALUES"]
CAPTURED = Path(__file__).parent / "data" / "okx"

_LARGE = 1000
_SMALL_VALUES = [value for value in VALUES.values() if len(value) < _LARGE]
_LARGE_VALUES = [value for value in VALUES.values() if len(value) >= _LARGE]
_VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"(?!\s*:)|-?[0-9][0-9.]*|true|false|null')
_CHUNK = 64
_BYTES = [bytes((number,)) for number in range(256)]


def corpus(name):
    """Return the messages of one file of the corpus."""
    return (CORPUS / f"{name}.jsonl").read_bytes().splitlines()


def captured(*names):
    """Return captured frames that may be kept in the repository."""
    return [line for name in names for line in (CAPTURED / name).read_bytes().splitlines()]


class Mutator:
    """Endless mutants of some messages, the same for the same seed.

    A mutant is a message with one to three changes: a value replaced by a hostile one, a
    byte changed, bytes inserted, removed or repeated, two messages joined, an end cut off.
    """

    def __init__(self, seeds, seed=0):
        self._random = random.Random(seed)
        self._seeds = [(one, [match.span() for match in _VALUE.finditer(one)]) for one in seeds]

    def __call__(self):
        draw = self._random.random
        frame, spans = self._seeds[int(draw() * len(self._seeds))]
        kind = draw()
        if kind < 0.5 and spans:
            start, end = spans[int(draw() * len(spans))]
            values = _SMALL_VALUES if kind > 0.001 else _LARGE_VALUES
            frame = frame[:start] + values[int(draw() * len(values))] + frame[end:]
            if kind < 0.35:
                return frame
        frame = self._change(frame, draw)
        while kind > 0.7:
            frame, kind = self._change(frame, draw), draw()
        return frame

    def _change(self, frame, draw):
        at, kind = int(draw() * (len(frame) + 1)), draw()
        if kind < 0.35:
            return frame[:at] + _BYTES[int(kind * 730)] + frame[at + 1 :]
        if kind < 0.55:
            return frame[:at] + frame[at + 1 + int(kind * 40) % 8 :]
        if kind < 0.7:
            return frame[:at] + self._random.randbytes(1 + int(kind * 80) % 4) + frame[at:]
        if kind < 0.85:
            return frame[:at] + frame[max(0, at - int(draw() * _CHUNK)) :]
        if kind < 0.95:
            other, _ = self._seeds[int(draw() * len(self._seeds))]
            return frame[:at] + other[int(draw() * len(other)) :]
        return frame[:at]


def hold_bounds(value):
    """Fail unless every number and text of an accepted message is within the bounds."""
    if isinstance(value, str):
        assert len(value) <= 4096
    elif isinstance(value, float):
        assert math.isfinite(value)
        assert abs(value) <= MAX_AMOUNT
    elif isinstance(value, int):
        assert -(2**63) <= value <= 2**63 - 1
    elif isinstance(value, list | tuple):
        for one in value:
            hold_bounds(one)
    elif isinstance(value, msgspec.Struct):
        for one in msgspec.structs.astuple(value):
            hold_bounds(one)


def feed(parser, frame):
    """Give a parser a frame; return whether it took it, which must then be within the bounds."""
    try:
        message = parser(frame)
    except FeedError:
        return False
    hold_bounds(message)
    return True


def resident_bytes():
    """Return how much memory the process has."""
    text = Path("/proc/self/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) * 1024


def paths(value, at=()):
    """Yield the path of every value inside a JSON document."""
    if at:
        yield at
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from paths(one, (*at, key))


def replaced(document, path, value):
    """Return a document's JSON with other bytes in the place of one value."""
    mark = "@@here@@"
    copy = json.loads(json.dumps(document))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = mark
    return json.dumps(copy).encode().replace(f'"{mark}"'.encode(), value)


# The parsers, each with its seeds: a function from bytes that raises FeedError alone.

_ROWS = {Kind.TICKER: TICKER, Kind.QUOTE: QUOTE, Kind.TRADE: TRADE, Kind.BOOK: BOOK}
_NUMBERS = {"BTC-USDT": 0, "ETH-USDT": 1, "BTC-USDT-SWAP": 2}
_WARM = 20_000


class Market:
    """The public parser and all that follows it up to the events, books included."""

    def __init__(self):
        self._normalizer = Normalizer(_NUMBERS)
        self._time = 0

    def __call__(self, frame):
        self._time += 1
        normalizer = self._normalizer
        n = normalizer.feed(frame, self._time)
        for slot in normalizer.slots[:n]:
            dtype = _ROWS.get(slot[0])
            if dtype is not None:
                self._hold(slot[: dtype.itemsize].view(dtype)[0])

    def _hold(self, row):
        """Fail unless every price is positive or absent, and every size not negative."""
        for name in row.dtype.names:
            if name.endswith("price"):
                price = np.asarray(row[name])
                assert np.all(np.isnan(price) | ((price > 0) & (price < 1e12))), row
            elif name.endswith("size"):
                size = np.asarray(row[name])
                assert np.all((size >= 0) & (size < 1e18)), row


def chain(symbol="ETH-USDT", n=6):
    """Return a small book of a channel with sequence numbers: a snapshot and its updates."""
    frames = []
    for number in range(n):
        row = {
            "asks": [[f"{101 + number}", "1", "0", "1"]],
            "bids": [["100", f"{number}", "0", "1"]],
        }
        row |= {"ts": "5", "seqId": number + 1, "prevSeqId": number or -1, "checksum": 0}
        action = "update" if number else "snapshot"
        arg = {"channel": "books", "instId": symbol}
        frames.append(json.dumps({"arg": arg, "action": action, "data": [row]}).encode())
    return frames


def of_rest():
    """Return the parser of every kind of REST answer, told apart by a name before a tab."""
    names = {line.partition(b"\t")[0].decode() for line in corpus("rest")}
    parsers = {name: getattr(rest, name) for name in names}

    def parse(line):
        name, _, body = line.partition(b"\t")
        parser = parsers.get(name.decode("ascii", "replace"))
        return None if parser is None else parser(body)

    return parse


def seeds_and_parser(name):
    """Return the messages to begin with, and a new parser, of one of PARSERS."""
    if name == "market":
        return corpus("market") + chain() * 3 + captured(*_REAL), Market()
    if name == "private":
        return corpus("private") + corpus("replies"), parse_private
    if name == "replies":
        return corpus("replies"), parse_reply
    if name == "rest":
        return corpus("rest"), of_rest()
    lines = [line for line in corpus("rest") if line.startswith(b"parse_listings")]
    bodies = [line.partition(b"\t")[2] for line in lines]
    return bodies + captured("rest_instruments_swap_demo.json"), parse_instruments


_REAL = (
    *("ws_bbo_tbt_2022.jsonl", "ws_books5_option_one_sided.json", "ws_books5_swap.jsonl"),
    *("ws_tickers_inverse_swap_2022.json", "ws_tickers_option_empty_bid.json"),
    *("ws_tickers_spot.jsonl", "ws_trades_2022_min_fields.jsonl", "ws_trades_swap.jsonl"),
)
PARSERS = ("market", "private", "replies", "rest", "instruments")


def run(name, n, seed):
    """Give a parser `n` mutants; return how many it took, and how much memory grew."""
    seeds, parser = seeds_and_parser(name)
    mutate = Mutator(seeds, seed)
    n_taken = resident = 0
    for number in range(n + _WARM):
        if number == _WARM:
            n_taken, resident = 0, resident_bytes()
        frame = mutate()
        try:
            n_taken += feed(parser, frame)
        except BaseException as error:
            shown = frame if len(frame) < 2000 else frame[:2000] + b"..."
            raise AssertionError(f"{name} let {error!r} out for {shown!r}") from error
    return {"inputs": n, "taken": n_taken, "grown_bytes": resident_bytes() - resident}


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))  # noqa: T201
