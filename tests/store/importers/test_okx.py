"""The exchange's own archives into a catalog: every value as it was, or nothing."""

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from livekit.errors import ConfigError, DataError
from livekit.events import Kind
from livekit.store.catalog import Catalog
from livekit.store.check import check
from livekit.store.importers.run import import_files

T = 1_700_000_000_000  # 2023-11-14T22:13:20Z in ms
DAY = "2023-11-14"
FIVE = "trade_id,side,size,price,created_time"
OLDEST = "trade_id/交易id,side/交易方向,size/数量,price/价格,created_time/成交时间"
SIX = "instrument_name,trade_id,side,price,size,created_time"
CANDLES = "instrument_name,open,high,low,close,vol,vol_ccy,vol_quote,open_time,confirm"
MINUTE = 60_000
SAMPLES = Path(__file__).parents[3].parent / "shared" / "okx" / "market_data" / "local_only"


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "out")


def take(catalog, *files, **more):
    return import_files(files, catalog.root, **more)


def write(path, header, rows, encoding="utf-8"):
    path.write_bytes("\r\n".join([header, *rows, ""]).encode(encoding))
    return path


def zipped(path, member, text):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, text)
    return path


@pytest.mark.parametrize("header", [FIVE, "\ufeff" + FIVE, OLDEST])
@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
def test_five_columns_have_size_before_price_and_the_name_of_the_file(
    tmp_path, catalog, header, encoding
):
    if "\ufeff" in header and encoding == "gbk":
        pytest.skip("GBK has no byte order mark")
    path = tmp_path / "BTC-USDT-aggtrades-2023-11-14.csv"
    report = take(catalog, write(path, header, [f"56,buy,2.0,0.8726,{T}"], encoding))
    found = catalog.read("BTC-USDT", "trade", DAY)
    assert (found["size"][0], found["price"][0], found["trade_id"][0]) == (2.0, 0.8726, 56)
    assert found["ts_event"][0] == found["ts_recv"][0] == T * 10**6
    assert any("no time of receipt" in note for note in report.notes)


def test_five_columns_without_a_name_need_a_symbol(tmp_path, catalog):
    path = write(tmp_path / "x.csv", FIVE, [f"56,buy,2.0,0.8726,{T}"])
    with pytest.raises(ConfigError, match="name it with --symbol"):
        take(catalog, path)
    assert take(catalog, path, symbol="BTC-USDT").rows == 1


def test_chain_files_are_sorted_by_time_and_split_by_instrument(tmp_path, catalog):
    rows = [
        f"BTC-USD-231229-74000-P,485,buy,0.0001,15.0,{T + 5},0",
        f"BTC-USD-231229-74000-P,484,sell,1.3669E-4,38.0,{T},1",
        f"BTC-USD-231229-80000-C,485,buy,0.02,1.0,{T + 2},0",
        f"BTC-USD-231229-74000-P,485,buy,0.0001,15.0,{T + 5},0",
    ]
    report = take(catalog, write(tmp_path / "x", SIX + ",source", rows))
    found = catalog.read("BTC-USD-231229-74000-P", "trade", DAY)
    assert found["trade_id"].tolist() == [484, 485]
    assert found["price"].tolist() == [1.3669e-4, 0.0001]
    assert (report.rows, report.duplicates) == (3, 1)
    assert check(catalog.root)[1] == []
    assert {one.kind for one in report.instruments} == {"option"}


def test_two_files_of_utc_plus_8_make_one_day_of_utc(tmp_path, catalog):
    names = ["BTC-USDT-trades-2023-11-14.zip", "BTC-USDT-trades-2023-11-15.zip"]
    texts = [f"{SIX}\nBTC-USDT,{i},buy,100.5,1,{T + i * 3_600_000}\n" for i in (0, 1)]
    files = [
        zipped(tmp_path / name, name.replace("zip", "csv"), text)
        for name, text in zip(names, texts, strict=True)
    ]
    report = take(catalog, *reversed(files))
    assert report.kinds[0].days == [DAY]
    assert catalog.read("BTC-USDT", "trade", DAY)["trade_id"].tolist() == [0, 1]


@pytest.mark.parametrize("digits", [10, 13, 16, 19])
def test_times_are_of_the_unit_that_their_digits_say(tmp_path, catalog, digits):
    stamp = str(T * 10**6)[:digits]
    take(catalog, write(tmp_path / "x", SIX, [f"BTC-USDT,1,buy,100.5,1,{stamp}"]))
    assert catalog.read("BTC-USDT", "trade", DAY)["ts_event"].tolist() == [T * 10**6]


def candle(minute, prices="100,102,99,101", confirm=1):
    return f"BTC-USDT-SWAP,{prices},12,0.12,1200,{T // MINUTE * MINUTE + minute * MINUTE},{confirm}"


def test_candles_become_bars_stamped_at_their_close(tmp_path, catalog):
    rows = [candle(0), candle(1), candle(4), candle(5, confirm=0)]
    report = take(catalog, write(tmp_path / "x", CANDLES, rows))
    bars = catalog.read("BTC-USDT-SWAP", "bar", DAY)
    opened = [(T // MINUTE + minute) * MINUTE * 10**6 for minute in (0, 1, 4)]
    assert (bars["ts_event"] - bars["period"]).tolist() == opened
    assert bars["ts_recv"].tolist() == bars["ts_event"].tolist()
    values = [bars[name][0] for name in ("open", "high", "low", "close", "volume", "period")]
    assert values == [100, 102, 99, 101, 12, 60 * 10**9]
    assert (report.gaps, report.ignored) == (1, {"bars that were not complete": 1})
    assert check(catalog.root)[1] == []


def test_equal_bars_are_one_and_different_ones_of_one_time_are_refused(tmp_path, catalog):
    report = take(catalog, write(tmp_path / "x", CANDLES, [candle(0), candle(0)]))
    assert (report.rows, report.duplicates) == (1, 1)
    rows = [candle(0), candle(0, "100,102,98,101")]
    with pytest.raises(
        DataError, match=r"two bars that close at .* differ in 'low': 99.0 and 98.0"
    ):
        take(Catalog(tmp_path / "y"), write(tmp_path / "x", CANDLES, rows))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (candle(0, "100,99,99,100"), "line 2 of .*'open', is '100', expected a price not above"),
        (candle(0, "100,102,101,101"), "line 2 of .*'open', is '100', .*not below the low"),
        (candle(0.5).replace(".0,1", ",1"), "line 2 of .*'open_time', .*beginning of a minute"),
        (candle(0).replace(",12,", ",-12,"), "line 2 of .*'vol', is '-12', expected a size"),
    ],
)
def test_impossible_candle_is_named(tmp_path, catalog, row, message):
    with pytest.raises(DataError, match=message):
        take(catalog, write(tmp_path / "x", CANDLES, [row, candle(3)]))
    assert not catalog.root.exists()


def line(ms, bids=(), asks=(), action="update", symbol="BTC-USDT"):
    sides = {
        name: [[str(price), str(size), "1"] for price, size in side]
        for name, side in (("asks", asks), ("bids", bids))
    }
    return json.dumps({"instId": symbol, "action": action, "ts": str(T + ms), **sides})


def tarred(path, text):
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("BTC-USDT-L2orderbook-400lv-2023-11-14.data")
        info.size = len(text)
        archive.addfile(info, io.BytesIO(text))
    return path


START = line(0, [(100, 1), (99, 2)], [(101, 3), (102, 4)], "snapshot")


def test_book_archive_is_read_from_its_tar(tmp_path, catalog):
    rows = [
        line(-9, [(98, 1)]),
        START,
        line(10, [(100, 0)]),
        line(10, [], [(101, "0.18242079")]),  # the same ts: one message
        line(20, [(99, 2), (98, 0)], [(110, 1)]),
    ]
    path = tarred(tmp_path / "x.tar.gz", ("\n".join(rows) + "\n").encode())
    report = take(catalog, path)
    books, quotes = catalog.read("BTC-USDT", "book", DAY), catalog.read("BTC-USDT", "quote", DAY)
    assert books["ts_recv"].tolist() == [(T + ms) * 10**6 for ms in (0, 10, 20)]
    assert quotes["bid_price"].tolist() == [100, 99]
    assert quotes["ask_size"].tolist() == [3, 0.18242079]
    assert books["ask_price"][2][:3].tolist() == [101, 102, 110]
    assert report.ignored == {"book rows before the first snapshot": 1}
    assert (report.gaps, report.rows_read) == (0, 5)
    assert check(catalog.root)[1] == []


def test_repeated_snapshot_is_a_gap_only_where_it_differs(tmp_path, catalog):
    same = line(20, [(100, 1), (99, 2)], [(101, 3), (102, 4)], "snapshot")
    other = line(30, [(100, 1), (99, 5)], [(101, 3), (102, 4)], "snapshot")
    path = tmp_path / "x.data"
    path.write_text(f"{START}\n{same}\n{other}")
    report = take(catalog, path)
    assert report.gaps == 1
    assert catalog.read("BTC-USDT", "gap", DAY)["ts_recv"].tolist() == [(T + 30) * 10**6]
    assert catalog.read("BTC-USDT", "gap", DAY)["lost"][0, Kind.BOOK] == 1
    assert len(catalog.read("BTC-USDT", "book", DAY)) == 2


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "line 2 of .*is '{'"),
        (line(5).replace('"asks": [],', ""), "line 2 of .*missing required field `asks`"),
        (line(5).replace("update", "delete"), "line 2 of .*'action'"),
        (line(5, [("abc", 1)]), "line 2 of .*field 'bids'.*expected numbers as text"),
        (line(5, [(0, 1)]), "line 2 of .*field 'bids'.*a price greater than 0"),
        (line(5, [(1, -1)]), "line 2 of .*field 'bids'.*size of 0 or more"),
        (line(5, [(1, 1)]).replace(', "1"]', "]"), "line 2 of .*"),
        (line(-5), "line 2 of .*'ts'.*expected a time not before"),
        (line(5).replace(str(T + 5), "soon"), "line 2 of .*ts is no whole number"),
    ],
)
def test_first_bad_line_of_a_book_archive_is_named(tmp_path, catalog, bad, message):
    path = tmp_path / "x.data"
    path.write_text("\n".join([START, bad, line(9)]))
    with pytest.raises(DataError, match=message):
        take(catalog, path)
    assert not catalog.root.exists()


def test_corrupt_zip_is_refused(tmp_path, catalog):
    path = zipped(tmp_path / "x.zip", "x.csv", SIX + f"\nBTC-USDT,1,buy,100.5,1,{T}\n" * 1)
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DataError, match="truncated or corrupt"):
        take(catalog, path, format="okx")
    path.write_bytes(data[:50])
    with pytest.raises(DataError, match="truncated or corrupt"):
        take(catalog, path, format="okx")
    assert not catalog.root.exists()


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="samples of the exchange are not here")
def test_candle_of_the_exchange_follows_from_its_trades(catalog):
    folder = SAMPLES / "archive_format_samples"
    take(catalog, folder / "okx_trades_MATIC-USDT-SWAP_20230821_one_minute.csv")
    trades = catalog.read("MATIC-USDT-SWAP", "trade", "2023-08-20")
    bar = json.loads((folder / "okx_candle_MATIC-USDT-SWAP_20230821_same_minute.json").read_text())
    assert trades["size"].sum() == float(bar["vol"])
    assert trades["price"][0] == float(bar["open"])
    assert trades["price"].max() == float(bar["high"])
    assert np.all(trades["ts_event"] // (MINUTE * 10**6) * MINUTE == int(bar["open_time"]))
