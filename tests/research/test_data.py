"""Data: slices by time, days, pickles, names, gaps, and arrays that are refused."""

import pickle
from pathlib import Path

import backtests
import numpy as np
import pytest
from engines import DAY

import livekit as lk
from livekit.errors import ConfigError, NotFoundError
from livekit.events import DTYPES, QUOTE, Kind
from livekit.store.catalog import Catalog

BTC, _SWAP, ETH = backtests.INSTRUMENTS
START = backtests.START_NS
HOUR = 3_600_000_000_000
NEXT_DAY = "2026-01-06"


def quotes(times, price=100.0):
    rows = np.zeros(len(times), QUOTE)
    rows["kind"], rows["sequence"] = Kind.QUOTE, np.arange(len(times))
    rows["ts_recv"] = rows["ts_event"] = START + np.asarray(times, np.int64)
    rows["bid_price"] = price + 0.1 * (np.arange(len(times)) % 7)
    rows["ask_price"] = rows["bid_price"] + 0.1
    rows["bid_size"] = rows["ask_size"] = 1.0
    return rows


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Record two days: a quote every minute, of BTC on both and of ETH on the first."""
    folder = tmp_path_factory.mktemp("days")
    minutes = np.arange(1440, dtype=np.int64) * 60_000_000_000
    gaps = np.zeros(2, DTYPES[Kind.GAP])
    gaps["kind"], gaps["ts_recv"] = Kind.GAP, [START + HOUR, START + 2 * HOUR]
    gaps["lost"][0, Kind.QUOTE], gaps["lost"][1, Kind.TRADE] = 5, 7
    catalog = Catalog(folder)
    catalog.write_all(
        {
            (BTC.symbol, Kind.QUOTE, DAY): quotes(minutes),
            (BTC.symbol, Kind.QUOTE, NEXT_DAY): quotes(minutes + 24 * HOUR),
            (ETH.symbol, Kind.QUOTE, DAY): quotes(minutes, 10.0),
            (ETH.symbol, Kind.GAP, DAY): gaps,
        }
    )
    catalog.write_instruments([BTC, ETH])
    return folder


def test_load_finds_days_symbols_and_the_range(root):
    data = lk.load(root)
    assert data.symbols == (BTC.symbol, ETH.symbol)
    assert (data.n_days, data.n_events) == (2, 3 * 1440 + 2)
    assert data.first_ts == START
    assert data.last_ts == START + 48 * HOUR - 60_000_000_000
    assert [len(data.streams(day)) for day in range(2)] == [3, 1]
    assert lk.load(root, [ETH.symbol, BTC.symbol]).symbols == (ETH.symbol, BTC.symbol)
    assert lk.load(root, ETH.symbol, kinds=["quote"]).n_events == 1440


@pytest.mark.parametrize(
    ("start", "stop", "count"),
    [
        ("01:00", "02:00", 60),
        (None, "2026-01-05T00:01", 1),
        ("2026-01-05T23:59", None, 1 + 1440),
        ("2026-01-05T23:58", "2026-01-06T00:02", 4),
        (START + 1, START + 60_000_000_000 + 1, 1),
        ("2026-01-06", None, 1440),
    ],
)
def test_slice_takes_from_start_to_before_stop(root, start, stop, count):
    data = lk.load(root, BTC.symbol)
    assert data[start:stop].n_events == count
    arrays = lk.Data.from_arrays(
        {
            (BTC.symbol, "quote"): backtests.joined(
                [data.streams(day)[0].rows for day in range(2)], QUOTE
            )
        },
        [BTC],
    )
    assert arrays[start:stop].n_events == count
    assert arrays[start:stop].first_ts == data[start:stop].first_ts


def test_slice_of_a_slice_is_the_part_of_both(root):
    data = lk.load(root, BTC.symbol)
    assert data["01:00":"03:00"]["02:00":"04:00"].n_events == 60
    assert data["02:00":"04:00"]["01:00":"03:00"].n_events == 60


def test_slices_that_are_none_are_refused(root):
    data = lk.load(root)
    for part in (3, slice(None, None, 2)):
        with pytest.raises(ConfigError, match="not a range of time"):
            data[part]
    with pytest.raises(ConfigError, match="not a time"):
        data["noon":]
    with pytest.raises(NotFoundError, match="no event"):
        data["2027-01-01":]
    with pytest.raises(NotFoundError, match="SOL-USDT"):
        lk.load(root, "SOL-USDT")


def test_pickle_is_small_and_opens_the_same_data(root):
    data = lk.load(root)["01:00":"05:00"]
    text = pickle.dumps(data)
    assert len(text) < 600
    again = pickle.loads(text)
    assert (again.n_events, again.hash, again.symbols) == (data.n_events, data.hash, data.symbols)


def test_pickle_of_arrays_carries_them():
    data = backtests.random_data(1, n=200)
    again = pickle.loads(pickle.dumps(data))
    assert again.hash == data.hash
    cls = backtests.strategy("quiet")
    runs = [backtests.simulate(cls, one, jit=True) for one in (data, again)]
    assert runs[0].differences(runs[1]) == []


def test_hash_is_equal_for_equal_data_and_another_for_any_change(root):
    data = lk.load(root)
    assert lk.load(root).hash == data.hash
    others = {
        data["01:00":].hash,
        lk.load(root, BTC.symbol).hash,
        lk.load(root, [ETH.symbol, BTC.symbol]).hash,
        lk.load(root, kinds=["quote"]).hash,
    }
    assert len(others | {data.hash}) == 5


def test_hash_of_arrays_names_content_place_and_instruments():
    one, two = quotes([0, 5]), quotes([0, 5], 200.0)
    changed = one.copy()
    changed["ask_size"][1] = 2.0
    pairs = [(one, two), (two, one), (one, one), (changed, two)]
    made = [
        lk.Data.from_arrays({(BTC.symbol, "quote"): a, (ETH.symbol, "quote"): b}, [BTC, ETH])
        for a, b in pairs
    ]
    turned = lk.Data.from_arrays(
        {(ETH.symbol, "quote"): one, (BTC.symbol, "quote"): two}, [BTC, ETH]
    )
    finer = type(BTC)(BTC.symbol, 0.01, 0.001, 0.001)
    steps = lk.Data.from_arrays(
        {(BTC.symbol, "quote"): one, (ETH.symbol, "quote"): two}, [finer, ETH]
    )
    assert len({data.hash for data in [*made, turned, steps]}) == 6
    same = lk.Data.from_arrays(
        {(BTC.symbol, Kind.QUOTE): one.copy(), (ETH.symbol, "quote"): two}, [BTC, ETH]
    )
    assert same.hash == made[0].hash


def test_numbers_of_instruments_in_the_rows_do_not_count():
    """Rows taken from an engine carry its numbers; here the key says what they are of."""
    data = backtests.random_data(3, n=400)
    arrays = {(data.symbols[one.instrument], one.kind): one.rows.copy() for one in data.streams(0)}
    for rows in arrays.values():
        rows["instrument"] = 9
    numbered = lk.Data.from_arrays(arrays, data.instruments)
    assert numbered.hash == data.hash
    cls = backtests.strategy("acting")
    runs = [backtests.simulate(cls, one, jit=True) for one in (data, numbered)]
    assert len(runs[0].fills) > 20
    assert runs[0].differences(runs[1]) == []
    assert (arrays[BTC.symbol, Kind.QUOTE]["instrument"] == 9).all()  # the caller's are his


def test_hash_does_not_depend_on_what_lies_between_the_fields():
    books = np.zeros(2, DTYPES[Kind.BOOK])
    books["kind"] = Kind.BOOK
    soiled = books.copy()
    soiled.view(np.uint8).reshape(2, 256)[:, 200:] = 7
    made = [lk.Data.from_arrays({(BTC.symbol, "book"): one}, [BTC]) for one in (books, soiled)]
    assert made[0].hash == made[1].hash


def test_arrays_are_kept_and_not_copied():
    rows = quotes([0, 1, 2])
    data = lk.Data.from_arrays({(BTC.symbol, "quote"): rows}, [BTC])
    assert data.streams(0)[0].rows is rows
    assert np.shares_memory(data[START + 1 :].streams(0)[0].rows, rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[::2], "contiguous"),
        (lambda rows: rows.view(np.uint8), "expected a contiguous"),
        (lambda rows: np.concatenate([rows, rows]), "bytes a row"),
        (lambda rows: rows.reshape(3, 1), "one-dimensional"),
        (lambda rows: rows[::-1].copy(), "row 1 .* earlier than the row before"),
    ],
    ids=["strided", "bytes", "packed", "two dimensions", "backwards"],
)
def test_array_that_cannot_be_replayed_is_refused(change, message):
    trades = np.zeros(3, DTYPES[Kind.TRADE])
    trades["kind"], trades["ts_recv"] = Kind.TRADE, [5, 6, 7]
    with pytest.raises(ConfigError, match=message):
        lk.Data.from_arrays({(BTC.symbol, "trade"): change(trades)}, [BTC])


def test_array_of_another_kind_or_of_no_instrument_is_refused():
    with pytest.raises(ConfigError, match="'kind' is not 5"):
        lk.Data.from_arrays({(BTC.symbol, "quote"): np.zeros(1, QUOTE)}, [BTC])
    with pytest.raises(ConfigError, match="has no instrument"):
        lk.Data.from_arrays({("SOL-USDT", "quote"): quotes([1])}, [BTC])
    with pytest.raises(NotFoundError, match="no event"):
        lk.Data.from_arrays({(BTC.symbol, "quote"): quotes([])}, [BTC])


def test_gaps_say_what_was_lost(root):
    data = lk.load(root)
    assert data.gaps() == [
        {"ts": START + HOUR, "symbol": ETH.symbol, "lost": {"quote": 5}},
        {"ts": START + 2 * HOUR, "symbol": ETH.symbol, "lost": {"trade": 7}},
    ]
    assert data["01:30":].gaps() == data.gaps()[1:]


def test_frame_is_indexed_by_time_and_names_what_is_missing(root):
    data = lk.load(root)
    frame = data.frame(BTC.symbol, "quote")
    assert len(frame) == 2880
    assert frame.index[0].value == START
    assert frame["ask_price"].head(2).tolist() == pytest.approx([100.1, 100.2])
    with pytest.raises(NotFoundError, match="no trade of 'ETH-USDT'"):
        data.frame(ETH.symbol, "trade")
    with pytest.raises(NotFoundError, match="SOL"):
        data.frame("SOL", "trade")


def test_run_over_two_days_is_the_run_over_the_same_rows_in_memory(root):
    data = lk.load(root)
    cls = backtests.strategy("quiet")
    arrays = {}
    for day in range(data.n_days):
        for one in data.streams(day):
            arrays.setdefault((data.symbols[one.instrument], one.kind), []).append(one.rows)
    memory = lk.Data.from_arrays(
        {key: backtests.joined(parts, DTYPES[key[1]]) for key, parts in arrays.items()},
        data.instruments,
    )
    for jit in (True, False):
        runs = [backtests.simulate(cls, one, jit=jit, pace=3) for one in (data, memory)]
        assert runs[0].position == 3 * 1440 + 2
        assert runs[0].differences(runs[1]) == []
        assert len(runs[0].fills) > 0


def test_rows_of_a_recording_are_mapped_and_shared(root):
    first = lk.load(root, BTC.symbol, kinds=["quote"]).streams(0)[0].rows
    maps = Path("/proc/self/maps").read_text(encoding="ascii")
    address = first.ctypes.data
    spans = [line.split() for line in maps.splitlines()]
    inside = [
        words
        for words in spans
        if int(words[0].split("-")[0], 16) <= address < int(words[0].split("-")[1], 16)
    ]
    assert len(inside[0]) == 6  # a file's pages, which memory can give back
    assert inside[0][5].startswith("/")
