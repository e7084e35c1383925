"""Raw recordings into a catalog: whole or not at all."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from livekit.errors import ConfigError, DataError, NotFoundError
from livekit.events import SLOT_BYTES, Kind
from livekit.instruments import Instrument
from livekit.okx.checksum import TextBook
from livekit.okx.messages import TextBookData, TextLevel
from livekit.store.catalog import Catalog
from livekit.store.check import check
from livekit.store.importers.cryptofeed import import_cryptofeed_raw, read_instruments_file
from livekit.store.replay import Replay

DATA = Path(__file__).parents[2] / "data" / "okx"
SHARED = Path(__file__).parents[3].parent / "shared" / "okx" / "market_data"
needs_captures = pytest.mark.skipif(
    not SHARED.is_dir(), reason="captures of the exchange are not here"
)
URL = "wss://ws.okx.com:8443/ws/v5/public"


def push(channel, rows, symbol="BTC-USDT", **more):
    return json.dumps({"arg": {"channel": channel, "instId": symbol}, **more, "data": rows})


def checksum(asks, bids):
    text = TextBook()
    text.apply(TextBookData([TextLevel(*one) for one in asks], [TextLevel(*one) for one in bids]))
    return text.checksum()


def trade(trade_id, ts, price="100.5", size="0.25"):
    row = {"instId": "BTC-USDT", "tradeId": str(trade_id), "px": price, "sz": size}
    return push("trades", [row | {"side": "buy", "ts": str(ts)}])


def book(asks, bids, crc, action):
    row = {"asks": asks, "bids": bids, "ts": "1652459225400", "checksum": crc}
    return push("books", [row], action=action)


def lines():
    """Return a small recording that crosses midnight, with verified books."""
    asks, bids = [["100.50", "1", "0", "1"]], [["100.4", "2.5", "0", "1"]]
    text = [[one[:2] for one in side] for side in (asks, bids)]
    changed = [["100.3", "0.001", "0", "1"]]
    later = checksum(text[0], [*text[1], changed[0][:2]])
    return [
        f"{URL} <-> 1652459224.5",
        f'{URL} <- 1652459225.1: {{"op":"subscribe"}}',
        '1652459225.2: {"event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"}}',
        f"1652459225.3: {trade(1, 1652459220000)}",
        f"1652459225.4: {book(asks, bids, checksum(*text), 'snapshot')}",
        f"1652459225.5: {book([], changed, later, 'update')}",
        f"1652459225.6: {trade(2, 1652459225550)}",
        f"1652459225.6: {trade(2, 1652459225550)}",
        "1652459225.7: pong",
        f"1652486399.9: {trade(3, 1652486399000, '100.51', '0.125')}",
        f"1652486400.1: {trade(4, 1652486400000)}",
        'configuration: {"trades":["BTC-USDT"]}',
    ]


def write(path, rows, *, compress=True):
    data = "".join(f"{row}\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if compress else data)
    return path


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "out")


@pytest.mark.parametrize("compress", [True, False])
def test_recording_becomes_events_by_day(tmp_path, catalog, compress):
    path = write(tmp_path / "raw", lines(), compress=compress)
    report = import_cryptofeed_raw(path, catalog).to_dict()
    assert report["events"] == {"trade": 3, "book": 2, "quote": 1}
    assert (report["checksums_verified"], report["checksums_failed"]) == (2, 0)
    assert (report["duplicates"], report["stale_trades"], report["gaps"]) == (1, 1, 0)
    assert report["ignored"] == {"ack": 1, "pong": 1}
    assert {(one.kind, one.day, one.rows) for one in catalog.list()} == {
        (Kind.BOOK, "2022-05-13", 2),
        (Kind.QUOTE, "2022-05-13", 1),
        (Kind.TRADE, "2022-05-13", 2),
        (Kind.TRADE, "2022-05-14", 1),
    }
    trades = catalog.read("BTC-USDT", "trade", "2022-05-13")
    assert trades["trade_id"].tolist() == [2, 3]
    assert trades["ts_recv"].tolist() == [1652459225600000000, 1652486399900000000]
    assert check(catalog.root)[1] == []


def test_steps_are_read_off_the_recording(tmp_path, catalog):
    import_cryptofeed_raw(write(tmp_path / "raw", lines()), catalog)
    assert catalog.instruments() == {"BTC-USDT": Instrument("BTC-USDT", 0.01, 0.001, 0.001)}


def test_steps_of_an_instruments_file_are_used_and_not_replaced_later(tmp_path, catalog):
    reply = {
        "code": "0",
        "msg": "",
        "data": [
            {
                "instId": "BTC-USDT",
                "instType": "SPOT",
                "tickSz": "0.01",
                "lotSz": "0.00000001",
                "minSz": "0.00001",
            }
        ],
    }
    known = Instrument("BTC-USDT", 0.01, 1e-8, 1e-5)
    plain = tmp_path / "instruments.json"
    plain.write_text(json.dumps(reply, indent=1))
    rest = write(
        tmp_path / "rest.gz",
        [f"https://www.okx.com/api/v5/public/instruments -> 1652458996.25: {json.dumps(reply)}"],
    )
    raw = write(tmp_path / "raw", lines())
    for file in (plain, rest):
        assert read_instruments_file(file) == {"BTC-USDT": known}
    report = import_cryptofeed_raw(raw, catalog, instruments=plain)
    assert report.inferred == []
    import_cryptofeed_raw(raw, catalog)
    assert catalog.instruments() == {"BTC-USDT": known}


def test_same_import_again_changes_nothing(tmp_path, catalog):
    path = write(tmp_path / "raw", lines())
    first = import_cryptofeed_raw(path, catalog)
    again = import_cryptofeed_raw(path, catalog)
    assert (len(first.written), len(again.written)) == (4, 0)
    assert sorted(again.unchanged) == sorted(first.written)


def test_other_events_are_overwritten_only_when_asked(tmp_path, catalog):
    import_cryptofeed_raw(write(tmp_path / "one", lines()), catalog)
    other = write(tmp_path / "two", [*lines()[:3], f"1652459226.0: {trade(9, 1652459225900)}"])
    with pytest.raises(ConfigError, match=r"holds other events already.*--replace"):
        import_cryptofeed_raw(other, catalog)
    assert len(catalog.read("BTC-USDT", "trade", "2022-05-13")) == 2
    import_cryptofeed_raw(other, catalog, replace=True)
    assert catalog.read("BTC-USDT", "trade", "2022-05-13")["trade_id"].tolist() == [9]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("garbage", "is not 'T: TEXT'"),
        ("", "is not 'T: TEXT'"),
        ("1652459226: {", "not a message"),
        ("1652459226.5", "is not 'T: TEXT'"),
        (f"{URL} <-> 1652459226.5: text", "is not 'T: TEXT'"),
        (f"1652459226.5: {trade(5, 1, price='nan')}", "not a message"),
        (f"1652459226.5: {trade(5, 1).replace('BTC-USDT', '../etc')}", "cannot name a folder"),
    ],
)
def test_garbled_line_is_named_and_nothing_is_imported(tmp_path, catalog, row, message):
    rows = lines()
    rows.insert(7, row)
    with pytest.raises(DataError, match=f"line 8 of .*{message}"):
        import_cryptofeed_raw(write(tmp_path / "raw", rows), catalog)
    assert not catalog.root.exists()


def test_truncated_gzip_is_refused_and_nothing_is_imported(tmp_path, catalog):
    path = write(tmp_path / "raw.gz", lines())
    whole = path.read_bytes()
    for cut in (len(whole) // 2, len(whole) - 4, 12):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match="truncated or corrupt after line"):
            import_cryptofeed_raw(path, catalog)
    path.write_bytes(whole[:40] + bytes(20) + whole[60:])
    with pytest.raises(DataError):
        import_cryptofeed_raw(path, catalog)
    assert not catalog.root.exists()


def test_file_without_market_data_is_refused(tmp_path, catalog):
    with pytest.raises(DataError, match="holds no market data"):
        import_cryptofeed_raw(write(tmp_path / "raw", lines()[:3]), catalog)
    with pytest.raises(NotFoundError, match="does not exist"):
        import_cryptofeed_raw(tmp_path / "nowhere", catalog)
    with pytest.raises(NotFoundError, match="does not exist"):
        import_cryptofeed_raw(tmp_path / "raw", catalog, instruments=tmp_path / "nowhere")


def test_broken_instruments_file_is_refused(tmp_path):
    path = tmp_path / "instruments.json"
    for text, message in (
        ('{"code":"0","data":[', "garbled"),
        ('{"code":"0","data":[]}', "holds no instruments"),
        ("", "garbled"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read_instruments_file(path)


def test_wrong_checksum_is_imported_as_a_gap(tmp_path, catalog):
    rows = lines()
    rows[5] = rows[5].replace("0.001", "0.002")
    report = import_cryptofeed_raw(write(tmp_path / "raw", rows), catalog).to_dict()
    assert (report["checksums_verified"], report["checksums_failed"], report["gaps"]) == (1, 1, 1)
    assert catalog.read("BTC-USDT", "gap", "2022-05-13")["lost"][:, Kind.BOOK].tolist() == [1]
    quotes = catalog.read("BTC-USDT", "quote", "2022-05-13")
    assert np.isnan(quotes["bid_price"]).tolist() == [False, True]
    assert [finding.what for finding in check(catalog.root)[1]] == ["gap"]


@needs_captures
@pytest.mark.parametrize(
    ("capture", "frames", "books", "events"),
    [
        (
            "okx_ws_public_20220513_conn1.raw.gz",
            410,
            290,
            {"ticker": 28, "trade": 72, "book": 254, "quote": 204},
        ),
        (
            "okx_ws_public_20210722_conn1.raw.gz",
            1616,
            1504,
            {"ticker": 46, "trade": 31, "book": 908, "quote": 398},
        ),
    ],
)
def test_capture_is_imported_with_every_checksum_right(catalog, capture, frames, books, events):
    report = import_cryptofeed_raw(SHARED / capture, catalog).to_dict()
    assert (report["frames"], report["book_messages"]) == (frames, books)
    assert (report["checksums_verified"], report["checksums_failed"]) == (books, 0)
    assert (report["gaps"], report["waiting"], report["duplicates"]) == (0, 0, 0)
    assert report["events"] == events
    assert check(catalog.root)[1] == []
    replay = Replay(catalog.root)
    slots = np.zeros((4096, SLOT_BYTES), np.uint8)
    assert replay.next_batch(slots, 4096) == sum(events.values()) == replay.n_events


@needs_captures
def test_instruments_of_the_captures_day_are_read(catalog):
    import_cryptofeed_raw(
        SHARED / "okx_ws_public_20220513_conn1.raw.gz",
        catalog,
        instruments=SHARED / "okx_rest_instruments_20220513.raw.gz",
    )
    assert catalog.instruments() == {
        "BTC-USD-220527": Instrument("BTC-USD-220527", 0.1, 1, 1, 100, "futures"),
        "BTC-USDT": Instrument("BTC-USDT", 0.1, 1e-8, 1e-5),
        "UNI-USD-SWAP": Instrument("UNI-USD-SWAP", 0.001, 1, 1, 10, "swap"),
    }
    found = read_instruments_file(SHARED / "okx_instruments_spot_prod_20260427.json.gz")
    assert (len(found), min(one.tick for one in found.values())) == (1218, 1e-12)


@needs_captures
def test_capture_cut_anywhere_is_refused_whole(tmp_path, catalog):
    data = (SHARED / "okx_ws_public_20220513_conn1.raw.gz").read_bytes()
    path = tmp_path / "cut.raw.gz"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=r"after line \d+"):
        import_cryptofeed_raw(path, catalog)
    assert not catalog.root.exists()
