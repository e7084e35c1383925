"""The catalog on disk: whole files or none, and a second load that maps."""

import os

import numpy as np
import pyarrow.parquet as pq
import pytest

import livekit.store.cache
from livekit.errors import ConfigError, DataError, NotFoundError
from livekit.events import QUOTE, TRADE, Kind
from livekit.instruments import Instrument
from livekit.store.catalog import Catalog, day_of
from livekit.store.schema import to_table

DAY = "2026-01-05"
START = 1_767_571_200_000_000_000


def trades(n=5, start=START):
    rows = np.zeros(n, TRADE)
    rows["kind"] = int(Kind.TRADE)
    rows["ts_recv"] = start + np.arange(n) * 1_000
    rows["ts_event"] = rows["ts_recv"] - 500
    rows["sequence"] = np.arange(n)
    rows["aux"] = np.arange(n) % 2
    rows["price"], rows["size"], rows["trade_id"] = 100.5, 0.25, np.arange(n) + 7
    return rows


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "data")


def test_written_events_are_read_back(catalog):
    path = catalog.write("BTC-USDT", "trade", DAY, trades())
    assert path == catalog.root / "okx" / "BTC-USDT" / "trade" / f"{DAY}.parquet"
    for cache in (False, True, True):
        rows = catalog.read("BTC-USDT", Kind.TRADE, DAY, cache=cache)
        assert rows.dtype == TRADE
        assert rows.tobytes() == trades().tobytes()


def test_listing_describes_every_file(catalog):
    catalog.write("BTC-USDT", "trade", DAY, trades())
    catalog.write("ETH-USDT", "trade", DAY, trades(0))
    (catalog.root / "okx" / "BTC-USDT" / "trade" / "notes.parquet").write_text("not ours")
    (catalog.root / "okx" / "BTC-USDT" / "trade" / ".writing-1").write_text("half")
    first, second = (one.to_dict() for one in catalog.list())
    assert first == {
        "venue": "okx",
        "symbol": "BTC-USDT",
        "kind": "trade",
        "day": DAY,
        "rows": 5,
        "bytes": catalog.path("BTC-USDT", "trade", DAY).stat().st_size,
        "first_ts": START,
        "last_ts": START + 4_000,
    }
    assert (second["rows"], second["first_ts"]) == (0, 0)


def test_second_load_is_mapped_and_a_changed_file_is_read_again(catalog, rows_cache):
    path = catalog.write("BTC-USDT", "trade", DAY, trades())
    catalog.read("BTC-USDT", "trade", DAY)
    mapped = catalog.read("BTC-USDT", "trade", DAY)
    assert isinstance(mapped, np.memmap)
    assert not mapped.flags.writeable
    before = {file.name for file in rows_cache.iterdir()}
    catalog.write("BTC-USDT", "trade", DAY, trades(9))
    assert len(catalog.read("BTC-USDT", "trade", DAY)) == 9
    after = {file.name for file in rows_cache.iterdir()}
    assert len(before) == len(after) == 1
    assert before != after
    assert list(path.parent.iterdir()) == [path]


def test_damaged_cache_file_is_replaced(catalog, rows_cache):
    catalog.write("BTC-USDT", "trade", DAY, trades())
    catalog.read("BTC-USDT", "trade", DAY)
    (file,) = rows_cache.iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert catalog.read("BTC-USDT", "trade", DAY).tobytes() == trades().tobytes()


def test_cache_that_cannot_be_written_is_done_without(catalog, monkeypatch, caplog):
    catalog.write("BTC-USDT", "trade", DAY, trades())

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(livekit.store.cache.os, "fsync", refuse)
    assert catalog.read("BTC-USDT", "trade", DAY).tobytes() == trades().tobytes()
    assert "recording not cached" in caplog.text


def test_cache_past_its_bound_loses_the_files_used_longest_ago(catalog, monkeypatch, rows_cache):
    for number in range(4):
        catalog.write(f"S{number}", "trade", DAY, trades(100))
        if number == 3:
            monkeypatch.setattr(livekit.store.cache, "CACHE_BYTES", 2 * 6_600)
        catalog.read(f"S{number}", "trade", DAY)
        for file in rows_cache.iterdir():
            if file.stat().st_mtime > 1_000:
                os.utime(file, (number, number))
    assert sorted(file.stat().st_mtime for file in rows_cache.iterdir()) == [2, 3]


def test_failed_write_leaves_the_old_file_and_no_other(catalog, monkeypatch):
    path = catalog.write("BTC-USDT", "trade", DAY, trades())

    def refuse(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("livekit.store.files.parquet.write_table", refuse)
    with pytest.raises(DataError, match=r"cannot be written .No space left"):
        catalog.write("BTC-USDT", "trade", DAY, trades(9))
    monkeypatch.undo()
    assert list(path.parent.iterdir()) == [path]
    assert len(catalog.read("BTC-USDT", "trade", DAY, cache=False)) == 5


def test_half_written_file_of_a_killed_process_is_removed(catalog):
    path = catalog.write("BTC-USDT", "trade", DAY, trades())
    abandoned = path.parent / ".writing-4194999-00"
    abandoned.write_bytes(b"half")
    own = path.parent / f".writing-{os.getpid()}-00"
    own.write_bytes(b"half, but its process lives")
    catalog.write("BTC-USDT", "trade", DAY, trades())
    assert sorted(path.parent.iterdir()) == sorted([own, path])


def test_several_files_are_written_all_or_none(catalog):
    unordered = trades()[::-1].copy()
    with pytest.raises(ConfigError, match="sort by ts_recv"):
        catalog.write_all({("A", Kind.TRADE, DAY): trades(), ("B", Kind.TRADE, DAY): unordered})
    assert not any(path.is_file() for path in catalog.root.rglob("*"))


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (trades()[::-1].copy(), "row 1 of .* is earlier"),
        (trades(start=START - 2_000), "received on 2026-01-04"),
        (np.zeros(1, QUOTE), "expected that of trade events"),
    ],
)
def test_events_that_do_not_belong_into_a_file_are_refused(catalog, events, message):
    with pytest.raises(ConfigError, match=message):
        catalog.write("BTC-USDT", "trade", DAY, events)


@pytest.mark.parametrize(
    ("symbol", "day"), [("../x", DAY), ("", DAY), ("A/B", DAY), ("A", "2026-02-30"), ("A", "today")]
)
def test_names_that_cannot_be_a_path_are_refused(catalog, symbol, day):
    with pytest.raises(ConfigError):
        catalog.path(symbol, "trade", day)


def damage_truncate(data):
    return data[: len(data) // 2]


def damage_middle(data):
    return data[:20] + bytes(60) + data[80:]


@pytest.mark.parametrize(
    "damage",
    [damage_truncate, damage_middle, lambda _: b"", lambda _: b"not parquet at all" * 9],
)
def test_damaged_file_is_a_data_error_that_names_it(catalog, damage):
    path = catalog.write("BTC-USDT", "trade", DAY, trades(500))
    path.write_bytes(damage(path.read_bytes()))
    for cache in (False, True):
        with pytest.raises(DataError, match=f"{DAY}.parquet.*delete it and import or generate"):
            catalog.read("BTC-USDT", "trade", DAY, cache=cache)


def test_rows_out_of_order_in_a_file_are_a_data_error(catalog):
    path = catalog.write("BTC-USDT", "trade", DAY, trades())
    pq.write_table(to_table(Kind.TRADE, trades()[[0, 2, 1, 3, 4]]), path)
    with pytest.raises(DataError, match=r"row 2 of .*livekit data check"):
        catalog.read("BTC-USDT", "trade", DAY)


def test_what_is_not_there_is_not_found(catalog):
    with pytest.raises(NotFoundError, match="does not exist"):
        catalog.list()
    catalog.root.mkdir()
    with pytest.raises(NotFoundError, match="no recorded data"):
        catalog.list()
    with pytest.raises(NotFoundError, match="no trade recording of 'BTC-USDT' on 2026-01-05"):
        catalog.read("BTC-USDT", "trade", DAY)


def test_instruments_are_kept_by_symbol(catalog):
    assert catalog.instruments() == {}
    one = Instrument("BTC-USDT", 0.1, 1e-5, 1e-5)
    other = Instrument("ETH-USDT-SWAP", 0.01, 0.01, 0.01, 0.1, "swap")
    catalog.write_instruments([one])
    finer = Instrument("BTC-USDT", 0.01, 1e-8, 1e-5)
    catalog.write_instruments([other, finer])
    assert catalog.instruments() == {"BTC-USDT": finer, "ETH-USDT-SWAP": other}


def test_table_that_is_no_table_of_instruments_is_a_data_error(catalog):
    path = catalog.write_instruments([Instrument("BTC-USDT", 0.1, 1e-5, 1e-5)])
    pq.write_table(to_table(Kind.TRADE, trades()), path)
    with pytest.raises(DataError, match="not a table of instruments"):
        catalog.instruments()


def test_day_is_the_utc_day():
    assert day_of(START) == DAY
    assert day_of(START - 1) == "2026-01-04"


def test_pandas_reads_a_file_as_it_lies(catalog):
    pandas = pytest.importorskip("pandas")
    path = catalog.write("BTC-USDT", "trade", DAY, trades())
    frame = pandas.read_parquet(path)
    assert frame["side"].tolist() == ["buy", "sell", "buy", "sell", "buy"]
    assert str(frame["ts_recv"].dtype) == "datetime64[ns, UTC]"
    assert frame["price"].tolist() == [100.5] * 5
