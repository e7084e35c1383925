"""The benchmark of the feed: its frames are the exchange's, and its soak finds what it must.

The soak takes a few seconds by default; ``--scale 5`` makes it 20 s at the full rate, which a
machine that does nothing else carries without a loss.
"""

from pathlib import Path

import pytest

from livekit.bench.feed_frames import make_frames, snapshot_frame, stamp, symbols_of
from livekit.bench.feed_soak import Soak, soak_rows
from livekit.events import Kind
from livekit.okx.market import Normalizer

WATCHER = Path(__file__).parent / "works" / "watcher.py"


def stamped(frames, rounds):
    """Return the texts of all frames, stamped again and again."""
    where = (frames.data.ctypes.data, frames.table.ctypes.data)
    texts = []
    for turn in range(rounds):
        for i in range(len(frames.table)):
            stamp(*where, i, 1, frames.counters.ctypes.data, 1_787_612_486_207 + turn)
            texts.append(frames.payload(i))
    return texts


def test_frames_extend_every_book_and_print_once_for_ever():
    symbols = symbols_of(3)
    frames = make_frames(symbols, 480)
    normalizer = Normalizer({symbol: number for number, symbol in enumerate(symbols)})
    normalizer.connect(1)
    for symbol in symbols:
        text = snapshot_frame(symbol, int(frames.counters[0, 0]), 1)
        normalizer.feed(text[text.index(b"{") :], 1)
    texts = stamped(frames, 3)
    n_scanned = 0
    for text in texts:
        n_scanned += normalizer.scan(text, 1) >= 0 or normalizer.feed(text, 1) < 0
    counts = normalizer.counts
    assert (counts.gaps, counts.duplicates, counts.waiting, counts.resets) == (0, 0, 0, 0)
    assert (counts.absent, counts.stale_trades, counts.ignored) == (0, 0, {})
    assert counts.events[Kind.TRADE] == sum(b'"trades"' in text for text in texts)
    assert {Kind.QUOTE, Kind.BOOK, Kind.TICKER} <= set(counts.events)
    assert n_scanned > 0.9 * len(texts)


def test_frames_of_channels_not_asked_for_are_left_out():
    symbols = symbols_of(2)
    asked = {symbols[0]: {"trades"}, symbols[1]: {"trades", "books"}}
    frames = make_frames(symbols, 160, asked=asked)
    texts = [frames.payload(i) for i in range(len(frames.table))]
    assert 0 < len(texts) < 160
    assert not any(b"bbo-tbt" in text or b"tickers" in text for text in texts)
    assert not any(b'"books"' in text and symbols[0].encode() in text for text in texts)


@pytest.mark.process
@pytest.mark.timeout(400)
def test_soak_of_real_processes_keeps_its_memory_and_breaks_no_book(runtime_dir, scale):
    is_full = scale >= 5
    rate, seconds = (20_000, 20.0) if is_full else (2_000, 3.0)
    n = 8 if is_full else 2
    plan = Soak(seconds, WATCHER, n_instruments=50 if is_full else 30, rate=rate, n_strategies=n)
    rows = {row.name.strip(): row for row in soak_rows(plan)}
    assert rows["gaps and refused frames"].value == 0
    assert rows[f"dropped by {n} strategies' rings"].value == 0
    assert rows["descriptors grown by"].value <= 0
    assert rows["messages a second, taken in"].value > 0.9 * rate
    assert rows["grown by"].value < 8
    assert rows["rings to callback: p99.9"].value > 0
