"""Replay: every recorded event once, in the order of arrival, from anywhere."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livekit.errors import ConfigError, DataError, NotFoundError
from livekit.events import DTYPES, HEAD, SLOT_BYTES, Kind
from livekit.instruments import Instrument
from livekit.store.catalog import Catalog, day_of
from livekit.store.replay import Replay

START = 1_767_571_200_000_000_000  # 2026-01-05
DAY_NS = 86_400 * 10**9
INSTRUMENTS = [Instrument("AAA-USDT", 0.1, 0.01, 0.01), Instrument("BBB-USDT", 0.01, 1.0, 1.0)]


def record(root, events):
    """Write events given as (symbol, kind, ts, sequence); the price is the sequence."""
    catalog = Catalog(root)
    catalog.write_instruments(INSTRUMENTS)
    files = {}
    for symbol, kind, ts, sequence in sorted(events, key=lambda one: one[2:]):
        row = np.zeros(1, DTYPES[kind])
        row["kind"], row["ts_recv"], row["ts_event"] = int(kind), ts, ts - 3
        row["sequence"] = sequence
        if kind == Kind.TRADE:
            row["price"], row["size"], row["aux"] = sequence + 1.0, 2.0, sequence % 2
        files.setdefault((symbol, kind, day_of(ts)), []).append(row)
    for (symbol, kind, day), rows in files.items():
        together = np.zeros(len(rows), DTYPES[kind])
        for i, row in enumerate(rows):
            together[i] = row[0]
        catalog.write(symbol, kind, day, together)
    return catalog


def drain(replay, batch=7):
    slots = np.full((batch, SLOT_BYTES), 255, np.uint8)
    heads = []
    while n := replay.next_batch(slots, batch):
        heads += slots[:n, :32].copy().view(HEAD)[:, 0].tolist()
    return heads


def keys(heads):
    """Return (ts_recv, sequence, instrument, kind) of heads."""
    return [(head[6], head[4], head[2], head[0]) for head in heads]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["AAA-USDT", "BBB-USDT"]),
        st.sampled_from([Kind.QUOTE, Kind.TRADE, Kind.BOOK, Kind.GAP]),
        st.integers(0, 40),
    ),
    min_size=1,
    max_size=60,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(EVENTS, st.integers(1, 9), st.data())
def test_replay_gives_every_event_in_order_from_any_position(tmp_path_factory, rows, batch, data):
    # Steps of six hours: the events lie on ten days, some of them at the same time.
    events = [
        (symbol, kind, START + step * DAY_NS // 4, i) for i, (symbol, kind, step) in enumerate(rows)
    ]
    root = tmp_path_factory.mktemp("data")
    record(root, events)
    replay = Replay(root)
    numbers = {one.symbol: i for i, one in enumerate(replay.instruments)}
    expected = sorted(
        (ts, sequence, numbers[symbol], int(kind)) for symbol, kind, ts, sequence in events
    )
    assert (replay.n_events, replay.first_ts, replay.last_ts) == (
        len(expected),
        expected[0][0],
        expected[-1][0],
    )
    assert keys(drain(replay, batch)) == expected
    assert (replay.position, replay.peek_ts()) == (len(expected), -1)
    position = data.draw(st.integers(0, len(expected)))
    replay.seek(position)
    assert replay.peek_ts() == (expected[position][0] if position < len(expected) else -1)
    assert keys(drain(replay, batch)) == expected[position:]
    low, high = sorted(data.draw(st.tuples(st.integers(0, 41), st.integers(0, 41))))
    start, stop = START + low * DAY_NS // 4, START + high * DAY_NS // 4
    inside = [key for key in expected if start <= key[0] < stop]
    part = Replay(root, start=start, stop=stop)
    assert part.n_events == len(inside)
    assert keys(drain(part, batch)) == inside


@pytest.fixture
def small(tmp_path):
    events = [
        (symbol, kind, START + i * 1_000, i)
        for i in range(40)
        for symbol, kind in [
            (("AAA-USDT", "BBB-USDT")[i % 2], (Kind.TRADE, Kind.QUOTE)[i // 2 % 2])
        ]
    ]
    record(tmp_path / "data", events)
    return tmp_path / "data"


def test_slot_holds_the_event_and_the_number_of_its_instrument(small):
    replay = Replay(small, symbols=["BBB-USDT", "AAA-USDT"], kinds=["trade"])
    assert [one.symbol for one in replay.instruments] == ["BBB-USDT", "AAA-USDT"]
    slots = np.full((2, SLOT_BYTES), 255, np.uint8)
    assert replay.next_batch(slots, 2) == 2
    first, second = (slots[i, :64].copy().view(DTYPES[Kind.TRADE])[0] for i in range(2))
    assert (first["instrument"], first["price"], first["aux"], first["published"]) == (1, 1.0, 0, 0)
    assert (second["instrument"], second["price"], second["aux"]) == (0, 2.0, 1)
    assert second["ts_recv"] - second["ts_event"] == 3
    assert (slots[0, 64:] == 255).all()


def test_kinds_and_symbols_limit_what_is_replayed(small):
    assert Replay(small).n_events == 40
    assert Replay(small, symbols=["AAA-USDT"]).n_events == 20
    assert Replay(small, kinds=[Kind.QUOTE]).n_events == 20
    assert Replay(small, symbols=["AAA-USDT"], kinds=["quote"]).n_events == 10


def test_times_may_be_text(small):
    part = Replay(small, start="2026-01-05T00:00:00.000010", stop="2026-01-05T00:00:00.000020Z")
    assert (part.n_events, part.first_ts, part.last_ts) == (10, START + 10_000, START + 19_000)


def test_range_without_events_is_an_empty_stream(small):
    empty = Replay(small, start=START + DAY_NS)
    assert (empty.n_events, empty.first_ts, empty.peek_ts()) == (0, 0, -1)
    assert drain(empty) == []


def test_rows_stay_in_place_while_the_files_are_replaced(small):
    replay = Replay(small)
    before = keys(drain(replay))
    replay.seek(0)
    record(small, [("AAA-USDT", Kind.TRADE, START, 0)])
    assert keys(drain(replay)) == before


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"symbols": ["ZZZ"]}, NotFoundError, "'ZZZ' is not recorded.*AAA-USDT, BBB-USDT"),
        ({"kinds": ["bar"]}, NotFoundError, "nothing of what was asked for"),
        ({"kinds": ["trades"]}, ConfigError, "'trades' is not recorded"),
        ({"venue": "other"}, NotFoundError, "nothing of what was asked for"),
        ({"start": "yesterday"}, ConfigError, "'yesterday' is not a time"),
    ],
)
def test_what_is_not_recorded_is_refused(small, arguments, error, message):
    with pytest.raises(error, match=message):
        Replay(small, **arguments)


def test_missing_folder_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match="does not exist"):
        Replay(tmp_path / "nowhere")


def test_instrument_without_steps_is_a_data_error(small):
    (small / "okx" / "instruments.parquet").unlink()
    with pytest.raises(DataError, match="steps of 'AAA-USDT' are not in"):
        Replay(small)


def test_truncated_file_is_a_data_error(small):
    path = small / "okx" / "AAA-USDT" / "trade" / "2026-01-05.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="truncated or corrupt"):
        Replay(small)


@pytest.mark.parametrize("position", [-1, 41])
def test_position_outside_the_stream_is_refused(small, position):
    with pytest.raises(ConfigError, match="expected 0 to 40"):
        Replay(small).seek(position)


def test_slots_of_another_shape_are_refused(small):
    with pytest.raises(ConfigError, match="slots have shape"):
        Replay(small).next_batch(np.zeros((4, 128), np.uint8), 4)
    with pytest.raises(ConfigError, match="slots have shape"):
        Replay(small).next_batch(np.zeros((8, SLOT_BYTES), np.uint8)[::2], 4)
