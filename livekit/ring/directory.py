"""The engine's own segment: the instruments, the market board, the engine's state.

    header    PREFIX, trading state, heartbeat, counts of events and orders
    directory INSTRUMENT rows, appended and never changed; `n_instruments` is published last
    board     per instrument the last ticker, quote, trade and book behind one seqlock,
              for anybody who wants to look without being a strategy
    panel     the account, its orders, prints, reports and last minutes (`ring/panel`)
Layer 1.
"""

import enum
from pathlib import Path
from typing import Final

import numpy as np

from livekit.config import MAX_INSTRUMENTS
from livekit.errors import ConfigError, SegmentMismatchError
from livekit.events import BOOK, HEAD, QUOTE, TICKER, TRADE, Kind
from livekit.instruments import INSTRUMENT, Instrument
from livekit.ring import mapping
from livekit.ring.counters import HISTOGRAM_WORDS
from livekit.ring.jit import hot
from livekit.ring.memory import copy_lines, fence, load_i64, record, store_release
from livekit.ring.panel import BOARD_BYTES, PANEL_BYTES, push_print
from livekit.ring.spsc import event_lines

__all__ = [
    "BOARD_ROW",
    "ENGINE_HEADER",
    "ENGINE_SEGMENT",
    "EngineSegment",
    "EngineState",
    "post",
]

ENGINE_SEGMENT: Final = "_engine"
"""File name of the engine's segment; no strategy's name can start with an underscore."""

ENGINE_HEADER: Final = np.dtype(
    {
        "names": [
            "n_instruments",
            "trading_state",
            "heartbeat",
            "now",  # event time, ns since the epoch
            "events_in",
            "events_out",
            "orders_in",
            "reports_out",
            "position",  # events replayed so far
            "n_events",  # events of the replay, 0 when live
            "first_ts",
            "last_ts",
            "state",  # EngineState
            "started",  # CLOCK_MONOTONIC ns
            "events_dropped",
            "deaths",  # strategies that died without a word
            "hangs",
            "wall",  # wall clock of the last look, ns since the epoch
            "tick",  # CLOCK_MONOTONIC ns an engine turn takes, by histogram
            "about",  # JSON: where its data and orders go
        ],
        "formats": ["<i8"] * 18 + [("<i8", (HISTOGRAM_WORDS,)), "S2048"],
        "offsets": [*range(256, 256 + 18 * 8, 8), 1024, 6144],
        "itemsize": 8192,
    }
)


class EngineState(enum.IntEnum):
    """What an engine does."""

    STARTING = 0
    RUNNING = 1
    HELD = 2  # it waits for strategies before the first event
    FINISHED = 3  # the replay is over
    STOPPING = 4


BOARD_ROW: Final = np.dtype(
    {
        "names": ["version", "ticker", "quote", "trade", "book"],
        "formats": ["<i8", TICKER, QUOTE, TRADE, BOOK],
        "offsets": [0, 64, 128, 192, 256],
        "itemsize": 512,
    }
)

_DIRECTORY: Final = ENGINE_HEADER.itemsize
_BOARD: Final = _DIRECTORY + MAX_INSTRUMENTS * INSTRUMENT.itemsize
_PANEL: Final = _BOARD + MAX_INSTRUMENTS * BOARD_ROW.itemsize
_TOTAL: Final = _PANEL + PANEL_BYTES

assert _PANEL - _BOARD == BOARD_BYTES

_PLACES: Final = np.zeros(16, np.int64)
for _kind, _place in (
    (Kind.TICKER, 64),
    (Kind.QUOTE, 128),
    (Kind.TRADE, 192),
    (Kind.BOOK, 256),
):
    _PLACES[_kind] = _place


@hot
def _publish_count(word: int, count: int) -> None:
    store_release(word, count)


@hot
def post(board: int, event: int) -> None:
    """Show a market event on the board; kinds without a place there are ignored."""
    place = _PLACES[load_i64(event) & 15]
    instrument = np.int64(record(HEAD, event).instrument)
    if place == 0 or instrument >= MAX_INSTRUMENTS:
        return
    row = board + instrument * 512
    version = load_i64(row)
    store_release(row, version + 1)
    fence()
    copy_lines(row + place, event, event_lines(event))
    store_release(row, version + 2)
    if place == 192:
        push_print(board, event)


class EngineSegment:
    """The engine's segment, mapped.

    Attributes
    ----------
    header : ENGINE_HEADER record
    directory : INSTRUMENT[MAX_INSTRUMENTS]
    board : BOARD_ROW[MAX_INSTRUMENTS]
    board_address, panel_address : int
        Of the first byte of either.
    """

    def __init__(self, file: mapping.Mapping) -> None:
        self.file = file
        self.header = file.part(ENGINE_HEADER, 0)[0]
        self.directory = file.part(INSTRUMENT, _DIRECTORY, MAX_INSTRUMENTS)
        self.board = file.part(BOARD_ROW, _BOARD, MAX_INSTRUMENTS)
        self.board_address = file.address + _BOARD
        self.panel_address = file.address + _PANEL

    @classmethod
    def create(cls, folder: Path, *, generation: int, engine: str) -> "EngineSegment":
        """Make the file in the engine's folder; the calling process is the engine."""
        file = mapping.create(
            folder / ENGINE_SEGMENT,
            _TOTAL,
            generation=generation,
            engine=engine,
            name=ENGINE_SEGMENT,
        )
        file.prefix["ready"] = 1
        return cls(file)

    @classmethod
    def attach(cls, folder: Path, *, allow_dead: bool = False) -> "EngineSegment":
        """Map the engine's segment after every check of `mapping`."""
        file = mapping.open_verified(folder / ENGINE_SEGMENT, allow_dead=allow_dead)
        mapping.require_place(file)
        if file.memory.size != _TOTAL:
            raise SegmentMismatchError(
                f"segment {str(file.path)!r} has {file.memory.size} bytes, expected {_TOTAL}; the "
                "engine is of another livekit version, restart it"
            )
        return cls(file)

    def append(self, instrument: Instrument) -> int:
        """Add an instrument and return its number.

        Raises
        ------
        ConfigError
            The directory is full.
        """
        number = int(self.header["n_instruments"])
        if number >= MAX_INSTRUMENTS:
            raise ConfigError(
                f"the directory holds {MAX_INSTRUMENTS} instruments already, {instrument.symbol!r} "
                "does not fit; subscribe to fewer"
            )
        self.directory[number] = instrument.to_row()[0]
        _publish_count(self.file.address + 256, number + 1)
        return number

    def instruments(self) -> list[Instrument]:
        """Return the instruments in the order of their numbers."""
        count = int(self.header["n_instruments"])
        return [Instrument.from_row(row) for row in self.directory[:count]]
