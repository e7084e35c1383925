"""The replay source: paces, due events, wrong paces."""

import pytest
from engines import DAY, N_QUOTES, START_NS, SYMBOLS, n_events, write_recording

from livekit.engine.source import Pace, PaceKind, ReplaySource, parse_pace
from livekit.errors import ConfigError
from livekit.events import Kind
from livekit.store.catalog import Catalog


@pytest.mark.parametrize(
    ("text", "pace"),
    [
        ("10", Pace(PaceKind.SCALED, 10.0)),
        ("0.5", Pace(PaceKind.SCALED, 0.5)),
        ("max", Pace(PaceKind.FAST)),
        ("lockstep", Pace(PaceKind.LOCKSTEP)),
    ],
)
def test_pace_is_read_from_its_text(text, pace):
    assert parse_pace(text) == pace


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", ""])
def test_wrong_pace_is_refused(text):
    with pytest.raises(ConfigError, match="is not a pace"):
        parse_pace(text)


def test_fast_source_gives_every_event_in_order_of_time(recording):
    source = ReplaySource(recording, parse_pace("max"))
    assert [item.symbol for item in source.instruments] == list(SYMBOLS)
    count, last = 0, 0
    while not source.is_finished:
        _, due = source.due()
        assert due > 0
        first = source._first_ts()
        assert first >= last
        last = first
        source.advance(due)
        count += due
    assert count == n_events() == source.n_events
    assert source.wait_ns() == -1


def test_scaled_source_gives_only_what_is_due(recording, monkeypatch):
    now = [1_000]
    monkeypatch.setattr("livekit.engine.source.clock.monotonic_ns", lambda: now[0])
    source = ReplaySource(recording, parse_pace("2"), ["BTC-USDT"])
    _, due = source.due()
    assert due == 1  # the first event defines the start
    source.advance(due)
    assert source.due()[1] == 0
    now[0] += 50  # 100 ns of recorded time: the trade after the first quote
    assert source.due()[1] == 1
    source.advance(1)
    assert 0 < source.wait_ns() <= 50
    now[0] += 5 * 5_000_000  # 50 ms: five more quotes, and the ticker of the first
    assert source.due()[1] == 6


def test_symbols_choose_what_is_replayed(recording):
    source = ReplaySource(recording, parse_pace("max"), ["ETH-USDT"])
    assert source.n_events == N_QUOTES + 2 * (N_QUOTES // 10)
    assert source.describe()["first_ts"] == START_NS + 1000


def test_scaled_source_does_not_sit_through_hours_without_a_recording(tmp_path, monkeypatch):
    now = [1_000]
    monkeypatch.setattr("livekit.engine.source.clock.monotonic_ns", lambda: now[0])
    write_recording(tmp_path)
    catalog = Catalog(tmp_path)
    quotes = catalog.read("BTC-USDT", Kind.QUOTE, DAY, cache=False).copy()
    quotes["ts_recv"] += 86_400_000_000_000
    catalog.write("BTC-USDT", Kind.QUOTE, "2026-01-06", quotes)
    source = ReplaySource(tmp_path, parse_pace("1"), ["BTC-USDT"])
    while source.position < source.n_events - N_QUOTES:
        now[0] += 10_000_000_000
        source.advance(source.due()[1])
    assert source.position == source.n_events - N_QUOTES
    assert source.wait_ns() == 0
    assert source.due()[1] == 1  # a day later in the recording, at once here
    source.advance(1)
    assert source.wait_ns() == 10_000_000
