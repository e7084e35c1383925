"""Tardis' CSV files into a catalog: every value as it was, or nothing."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livekit.errors import ConfigError, DataError
from livekit.events import Kind
from livekit.store.catalog import Catalog
from livekit.store.check import check
from livekit.store.importers.run import import_files
from livekit.store.replay import Replay

T = 1_700_000_000_000_000  # 2023-11-14T22:13:20Z in µs
DAY = "2023-11-14"
HEAD = "exchange,symbol,timestamp,local_timestamp"
TRADES = f"{HEAD},id,side,price,amount"
QUOTES = f"{HEAD},ask_amount,ask_price,bid_price,bid_amount"
DELTAS = f"{HEAD},is_snapshot,side,price,amount"
SHARED = Path(__file__).parents[3].parent / "shared" / "okx" / "market_data"
SAMPLES = SHARED / "tardis_format_samples_lgpl"


def row(us, *cells, symbol="BTC-USDT", exchange="okex"):
    return ",".join(map(str, (exchange, symbol, T + us, T + us + 5, *cells)))


def trade(us, number, price="100.5", amount="0.25", side="buy", **more):
    return row(us, number, side, price, amount, **more)


def write(path, header, rows, *, end="\n"):
    data = end.join([header, *rows, ""]).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "out")


def take(catalog, *files, **more):
    return import_files(files, catalog.root, **more)


def read(catalog, kind, symbol="BTC-USDT", day=DAY, venue="okx"):
    return catalog.read(symbol, kind, day, venue)


@pytest.mark.parametrize("name", ["trades.csv", "trades.csv.gz"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_trades_keep_every_value(tmp_path, catalog, name, end):
    rows = [trade(0, 7), trade(3, 8, "100.4", "1.00000001", "sell")]
    report = take(catalog, write(tmp_path / name, TRADES, rows, end=end))
    assert (report.format, report.venue, report.rows) == ("tardis", "okx", 2)
    found = read(catalog, "trade")
    assert found["trade_id"].tolist() == [7, 8]
    assert found["price"].tolist() == [100.5, 100.4]
    assert found["size"].tolist() == [0.25, 1.00000001]
    assert found["aux"].tolist() == [0, 1]
    assert found["ts_event"].tolist() == [T * 1000, T * 1000 + 3000]
    assert found["ts_recv"].tolist() == [T * 1000 + 5000, T * 1000 + 8000]
    assert check(catalog.root)[1] == []


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 10**6),
            st.floats(1e-9, 1e9),
            st.floats(1e-12, 1e12),
            st.booleans(),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_any_trades_come_back_to_the_last_bit(tmp_path_factory, trades):
    folder = tmp_path_factory.mktemp("trades")
    trades = sorted(trades, key=lambda one: one[0])
    rows = [
        trade(us, i, repr(price), repr(size), "sell" if is_sell else "buy")
        for i, (us, price, size, is_sell) in enumerate(trades)
    ]
    out = Catalog(folder / "out")
    take(out, write(folder / "x", TRADES, rows), steps={"tick": 1, "lot": 1})
    found = out.read("BTC-USDT", "trade", DAY, cache=False)
    assert found["price"].tolist() == [one[1] for one in trades]
    assert found["size"].tolist() == [one[2] for one in trades]
    assert found["aux"].tolist() == [int(one[3]) for one in trades]
    assert found["trade_id"].tolist() == list(range(len(trades)))


def test_ids_that_are_no_numbers_are_kept_as_hashes_and_told_apart(tmp_path, catalog):
    rows = [trade(0, "ccc3-1"), trade(1, "ccc3-2"), trade(1, "ccc3-2")]
    report = take(catalog, write(tmp_path / "x", TRADES, rows))
    assert len(set(read(catalog, "trade")["trade_id"].tolist())) == 2
    assert report.duplicates == 1
    assert any("hash" in note for note in report.notes)


def test_repeated_trade_is_dropped_and_counted(tmp_path, catalog):
    rows = [trade(0, 7), trade(1, 8), trade(0, 7).replace(str(T + 5), str(T + 9)), trade(9, 7)]
    report = take(catalog, write(tmp_path / "x", TRADES, rows))
    # The last has the number of the first and another time: it is another trade.
    assert (report.rows, report.duplicates) == (3, 1)
    assert read(catalog, "trade")["trade_id"].tolist() == [7, 8, 7]


def test_unknown_side_is_told_by_the_tick_test_and_said(tmp_path, catalog):
    rows = [
        trade(0, 1, "100", side="sell"),
        trade(1, 2, "100", side="unknown"),
        trade(2, 3, "101", side="unknown"),
        trade(3, 4, "101", side="unknown"),
        trade(4, 5, "99", side="unknown"),
    ]
    report = take(catalog, write(tmp_path / "x", TRADES, rows))
    assert read(catalog, "trade")["aux"].tolist() == [1, 1, 0, 0, 1]
    assert list(report.ignored.values()) == [4]


def test_quotes_keep_every_value_and_an_absent_side(tmp_path, catalog):
    rows = [row(0, 2, 100.5, 100.4, 3), row(1, "", "", 100.4, 3), row(2, 1, 100.4, 100.4, 3)]
    report = take(catalog, write(tmp_path / "x", QUOTES, rows))
    found = read(catalog, "quote")
    assert found["ask_price"][[0, 2]].tolist() == [100.5, 100.4]
    assert np.isnan(found["ask_price"]).tolist() == [False, True, False]
    assert found["ask_size"].tolist() == [2, 0, 1]
    assert found["bid_size"].tolist() == [3, 3, 3]
    assert report.crossed == 1


@pytest.mark.parametrize("depth", [5, 25])
def test_snapshots_become_books_and_quotes_where_the_touch_changes(tmp_path, catalog, depth):
    names, cells = [HEAD], []
    for i in range(depth):
        names.append(f"asks[{i}].price,asks[{i}].amount,bids[{i}].price,bids[{i}].amount")
        cells += [101 + i, 1 + i, 100 - i, 2 + i] if i < 5 else ["", "", "", ""]
    other = [*cells]
    other[9] = 77  # the size of the third ask
    rows = [row(0, *cells), row(1, *other), row(2, 102, *other[1:])]
    report = take(catalog, write(tmp_path / "x", ",".join(names), rows))
    books = read(catalog, "book")
    assert len(books) == 3
    assert books["ask_price"][0].tolist() == [101, 102, 103, 104, 105]
    assert books["ask_size"][1].tolist() == [1, 2, 77, 4, 5]
    assert books["bid_price"][2].tolist() == [100, 99, 98, 97, 96]
    assert read(catalog, "quote")["ask_price"].tolist() == [101, 102]
    assert {one.kind: one.rows for one in report.kinds} == {"book": 3, "quote": 2}


def test_quotes_of_a_quotes_file_win_over_those_of_books(tmp_path, catalog):
    names = ",".join(
        [
            HEAD,
            *(
                f"{s}[{i}].{w}"
                for i in range(5)
                for s in ("asks", "bids")
                for w in ("price", "amount")
            ),
        ]
    )
    cells = [x for i in range(5) for x in (101 + i, 1, 100 - i, 1)]
    take(
        catalog,
        write(tmp_path / "book.csv", names, [row(0, *cells)]),
        write(tmp_path / "quotes.csv", QUOTES, [row(0, 9, 101, 100, 8)]),
    )
    assert read(catalog, "quote")["ask_size"].tolist() == [9]


def delta(us, side, price, amount, *, is_snapshot=False):
    return row(us, str(is_snapshot).lower(), side, price, amount)


def snapshot(us):
    return [
        delta(us, side, price, 1, is_snapshot=True)
        for side, price in (("ask", 101), ("ask", 102), ("bid", 100), ("bid", 99))
    ]


def test_deltas_build_a_book_one_event_a_message(tmp_path, catalog):
    rows = [
        delta(0, "bid", 50, 1),  # before the first snapshot
        *snapshot(10),
        delta(20, "ask", 101, 0),
        delta(20, "bid", 100, 5),
        delta(30, "bid", 98, 7),
        delta(40, "bid", 98, 7),  # changes nothing
    ]
    report = take(catalog, write(tmp_path / "x", DELTAS, rows))
    books, quotes = read(catalog, "book"), read(catalog, "quote")
    assert books["ts_recv"].tolist() == [(T + us + 5) * 1000 for us in (10, 20, 30)]
    assert books["bid_price"][2][:4].tolist()[:3] == [100, 99, 98]
    assert books["ask_price"][1][0] == 102
    assert np.isnan(books["ask_price"][1][1:]).all()
    assert quotes["bid_size"].tolist() == [1, 5]
    assert quotes["ask_price"].tolist() == [101, 102]
    assert report.ignored == {"book rows before the first snapshot": 1}
    assert (report.gaps, report.crossed) == (0, 0)
    assert check(catalog.root)[1] == []


def test_snapshot_in_the_middle_is_a_gap_and_at_the_start_of_a_file_none(tmp_path, catalog):
    first = write(tmp_path / "1.csv", DELTAS, [*snapshot(0), delta(5, "bid", 100, 2), *snapshot(9)])
    second = write(tmp_path / "2.csv", DELTAS, [*snapshot(20), delta(30, "ask", 101, 4)])
    report = take(catalog, first, second)
    gaps = read(catalog, "gap")
    assert gaps["ts_recv"].tolist() == [(T + 9 + 5) * 1000]
    assert gaps["lost"][:, Kind.BOOK].tolist() == [1]
    assert report.gaps == 1
    assert read(catalog, "quote")["bid_size"].tolist() == [1, 2, 1, 1]


def test_events_of_one_time_are_replayed_trades_first(tmp_path, catalog):
    deltas = write(tmp_path / "deltas", DELTAS, snapshot(0))
    trades = write(tmp_path / "trades", TRADES, [trade(0, 1), trade(0, 2)])
    take(catalog, deltas)
    take(catalog, trades)
    slots = np.zeros((8, 256), np.uint8)
    assert Replay(catalog.root).next_batch(slots, 8) == 4
    assert slots[:4, 0].tolist() == [Kind.TRADE, Kind.TRADE, Kind.QUOTE, Kind.BOOK]


def test_rows_go_to_the_days_of_their_receipt_and_symbols_apart(tmp_path, catalog):
    later = 2 * 3600 * 10**6  # past midnight
    rows = [trade(0, 1), trade(1, 1, symbol="ETH-USDT"), trade(later, 2)]
    path = write(tmp_path / "x", TRADES, rows)
    report = take(catalog, path)
    assert [(one.symbol, one.days) for one in report.kinds] == [
        ("BTC-USDT", [DAY, "2023-11-15"]),
        ("ETH-USDT", [DAY]),
    ]
    assert [one.rows for one in catalog.list()] == [1, 1, 1]
    only = Catalog(tmp_path / "only")
    assert take(only, path, symbol="ETH-USDT").rows == 1


def test_other_exchanges_have_folders_of_their_own(tmp_path, catalog):
    report = take(catalog, write(tmp_path / "x", TRADES, [trade(0, 1, exchange="deribit")]))
    assert report.venue == "deribit"
    assert len(read(catalog, "trade", venue="deribit")) == 1
    mixed = [trade(0, 1), trade(1, 2, exchange="deribit")]
    with pytest.raises(ConfigError, match="one venue at a time"):
        take(Catalog(tmp_path / "mixed"), write(tmp_path / "y", TRADES, mixed))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (trade(5, 9, price="abc"), "line 4 of .*column 'price', is 'abc', expected a number"),
        (trade(5, 9, price="-1"), "line 4 of .*'price', is '-1', expected a price greater than 0"),
        (trade(5, 9, price=""), "line 4 of .*'price', is '', expected a price"),
        (trade(5, 9, amount="0"), "line 4 of .*'amount', is '0', expected a size"),
        (trade(5, 9, amount="inf"), "line 4 of .*'amount', is 'inf'"),
        (trade(5, 9, side="long"), "line 4 of .*'side', is 'long', expected 'buy', 'sell'"),
        (trade(5, 9) + ",1", "line 4 of .*has 9 cells, expected 8"),
        (trade(5, 9).replace(str(T + 10), "1e15"), "line 4 .*'local_timestamp', is '1e15'"),
        (
            trade(5, 9).replace(str(T + 10), "12"),
            "line 4 .*'local_timestamp', is '12', expected mi",
        ),
        (trade(5, 9, symbol="../etc"), "cannot name a folder"),
        (trade(5, 9, symbol=""), "line 4 of .*'symbol', is ''"),
    ],
)
def test_first_bad_row_is_named_and_nothing_is_imported(tmp_path, catalog, bad, message):
    rows = [trade(0, 1), "", trade(6, 3), trade(7, 4, price="bad too")]
    rows.insert(2, bad)
    with pytest.raises((DataError, ConfigError), match=message):
        take(catalog, write(tmp_path / "x", TRADES, rows))
    assert not catalog.root.exists()


def test_deltas_out_of_order_are_refused(tmp_path, catalog):
    rows = [*snapshot(10), delta(5, "bid", 100, 2)]
    with pytest.raises(DataError, match=r"line 6 of .*expected a time not before"):
        take(catalog, write(tmp_path / "x", DELTAS, rows))
    assert not catalog.root.exists()


def test_truncated_gzip_is_refused_and_nothing_is_imported(tmp_path, catalog):
    path = write(tmp_path / "x.gz", TRADES, [trade(i, i) for i in range(1000)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"truncated or corrupt.*copy the file again"):
        take(catalog, path, format="tardis")
    assert not catalog.root.exists()


def test_files_of_tardis_that_are_not_imported_are_refused(tmp_path, catalog):
    path = write(tmp_path / "x", f"{HEAD},funding_rate", [row(0, "0.1")])
    with pytest.raises(DataError, match="expected those of Tardis' trades"):
        take(catalog, path)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="samples of the vendor are not here")
@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("bitmex_trades_XBTUSD.csv", {"trade": 10}),
        ("huobi-dm-swap_quotes_BTC-USD.csv", {"quote": 10}),
        ("binance-futures_book_snapshot_5_BTCUSDT.csv", {"book": 10, "quote": 8}),
        ("deribit_incremental_book_L2_BTC-PERPETUAL.csv", {"book": 1, "quote": 1}),
    ],
)
def test_samples_of_the_vendor_are_read(catalog, name, kinds):
    report = take(catalog, SAMPLES / name)
    assert {one.kind: one.rows for one in report.kinds} == kinds
    assert check(catalog.root)[1] == []
