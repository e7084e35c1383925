"""hftbacktest's arrays into a catalog, and back."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livekit.errors import ConfigError, DataError
from livekit.events import DTYPES, Kind
from livekit.instruments import Instrument
from livekit.store.catalog import Catalog
from livekit.store.generate import generate
from livekit.store.importers.hft_export import export_hftbacktest
from livekit.store.importers.hft_layout import (
    BUY,
    CLEAR_DEPTH,
    DEPTH,
    DEPTH_BBO,
    EXCH,
    HFT_EVENT,
    LOCAL,
    SELL,
    SNAPSHOT,
    TRADE_KIND,
)
from livekit.store.importers.run import import_files

T = 1_700_000_000 * 10**9
DAY = "2023-11-14"
BOTH = EXCH | LOCAL


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "out")


def events(*rows):
    found = np.zeros(len(rows), HFT_EVENT)
    for one, (ev, us, price, size) in zip(found, rows, strict=True):
        one["ev"], one["px"], one["qty"] = ev, price, size
        one["exch_ts"], one["local_ts"] = T + us * 1000, T + us * 1000 + 500
    return found


def save(path, rows, **more):
    np.savez_compressed(path, data=rows, **more)
    return path


def take(catalog, *files, **more):
    return import_files(files, catalog.root, **{"symbol": "BTC-USDT", **more})


def read(catalog, kind, day=DAY):
    return catalog.read("BTC-USDT", kind, day, cache=False)


def equal(a, b, *, but=("sequence", "published")):
    """Tell whether two arrays of events are the same to the bit, NaN being NaN."""
    names = [name for name in a.dtype.names if name not in but]
    return len(a) == len(b) and all(
        np.array_equal(a[name], b[name], equal_nan=a[name].dtype.kind == "f") for name in names
    )


def validate(rows):
    """Hold rows to hftbacktest's own rule: each side's rows in the order of that side's times."""
    for flag, name in ((EXCH, "exch_ts"), (LOCAL, "local_ts")):
        assert (np.diff(rows[name][(rows["ev"] & flag) != 0]) >= 0).all()


def test_dtype_is_that_of_the_rival():
    assert HFT_EVENT.itemsize == 64
    assert [HFT_EVENT[name].str for name in HFT_EVENT.names] == [
        *("<u8", "<i8", "<i8", "<f8", "<f8", "<u8", "<i8", "<f8")
    ]


def test_depth_and_trades_become_events(tmp_path, catalog):
    rows = events(
        (SNAPSHOT | BUY | BOTH, 0, 100, 1),
        (SNAPSHOT | SELL | BOTH, 0, 101, 2),
        (TRADE_KIND | SELL | BOTH, 1, 100, 0.5),
        (DEPTH | BUY | BOTH, 1, 100, 0.5),
        (DEPTH | BUY | EXCH, 2, 90, 1),
        (DEPTH | SELL | LOCAL, 3, 102, 1),
        (99 | BOTH, 4, 0, 0),
        (DEPTH | BUY | BOTH, 5, 100, 0),
    )
    report = take(catalog, save(tmp_path / "x.npz", rows))
    assert report.format == "hftbacktest"
    trades, quotes, books = (read(catalog, kind) for kind in ("trade", "quote", "book"))
    assert trades[["price", "size", "aux", "trade_id"]].tolist() == [(100, 0.5, 1, 1)]
    assert trades["ts_event"].tolist() == [T + 1000]
    assert trades["ts_recv"].tolist() == [T + 1500]
    assert quotes["bid_size"].tolist() == [1, 0.5, 0]
    assert np.isnan(quotes["bid_price"]).tolist() == [False, False, True]
    assert len(books) == 4
    assert report.ignored == {
        "rows for the exchange's side only": 1,
        "rows of other kinds": 1,
    }
    sequences = np.concatenate([quotes["sequence"][:1], books["sequence"][:1]])
    assert (np.diff(sequences.astype(np.int64)) > 0).all()
    assert quotes["sequence"][1] > trades["sequence"][0]


def test_clear_takes_one_side_up_to_a_price_and_is_a_gap(tmp_path, catalog):
    start = [(DEPTH | BUY | BOTH, 0, 100 - i, 1) for i in range(4)]
    rows = events(
        *start,
        (CLEAR_DEPTH | BUY | BOTH, 1, 99, 0),
        (SNAPSHOT | BUY | BOTH, 1, 99.5, 7),
        (CLEAR_DEPTH | BOTH, 2, 0, 0),
    )
    report = take(catalog, save(tmp_path / "x.npz", rows))
    books = read(catalog, "book")
    assert books["bid_price"][1][:3].tolist() == [99.5, 98, 97]
    assert np.isnan(books["bid_price"][2]).all()
    assert (report.gaps, len(read(catalog, "gap"))) == (2, 2)


def test_quotes_come_from_best_bids_and_offers_once_there_are_any(tmp_path, catalog):
    rows = events(
        (DEPTH | BUY | BOTH, 0, 100, 1),
        (DEPTH_BBO | BUY | BOTH, 1, 100.5, 2),
        (DEPTH_BBO | SELL | BOTH, 1, 101, 3),
        (DEPTH | BUY | BOTH, 2, 100.4, 1),
        (DEPTH_BBO | SELL | BOTH, 3, 0, 0),
    )
    take(catalog, save(tmp_path / "x.npz", rows))
    quotes = read(catalog, "quote")
    assert quotes["bid_price"].tolist() == [100, 100.5, 100.5]
    assert quotes["ask_size"].tolist() == [0, 3, 0]
    assert len(read(catalog, "book")) == 2


@pytest.mark.parametrize("file", ["x.npz", "x.npy", "plain.npz"])
def test_every_form_of_file_is_read(tmp_path, catalog, file):
    rows = events((TRADE_KIND | BUY | BOTH, 0, 100, 1))
    path = tmp_path / file
    if file.endswith("npy"):
        np.save(path, rows)
    elif file == "plain.npz":
        np.savez(path, rows)
    else:
        save(path, rows)
    assert take(catalog, path).rows == 1


def test_array_of_version_1_is_read(tmp_path, catalog):
    us = T // 1000
    rows = np.array(
        [
            [DEPTH, us, us + 1, 1, 100, 1],
            [TRADE_KIND, us + 2, us + 3, -1, 100, 0.5],
            [DEPTH, us + 4, -1, -1, 101, 1],
            [DEPTH, -1, us + 5, -1, 101, 1],
        ]
    )
    report = take(catalog, save(tmp_path / "x.npz", rows))
    assert read(catalog, "trade")[["ts_event", "ts_recv", "price", "aux"]].tolist() == [
        (T + 2000, T + 3000, 100, 1)
    ]
    assert read(catalog, "quote")["ts_event"].tolist() == [T, T + 5000]
    assert any("version 1" in note for note in report.notes)
    rows[:, 1:3] *= 1000
    with pytest.raises(DataError, match=r"row 0 of .*a float holds no ns exactly"):
        take(Catalog(tmp_path / "y"), save(tmp_path / "y.npz", rows))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((10 | BUY | BOTH, 0, 1, 1), "row 1 of .*'ev', .*orders are not imported"),
        ((DEPTH | BOTH, 0, 1, 1), "row 1 of .*'ev', .*either the buy or the sell flag"),
        ((DEPTH | BUY | BOTH, 0, np.nan, 1), "row 1 of .*'px', is nan, expected a price"),
        ((DEPTH | BUY | BOTH, 0, 1, -1), "row 1 of .*'qty', is -1.0, expected a size"),
        ((TRADE_KIND | BUY | BOTH, 0, 1, 0), "row 1 of .*'qty', is 0.0, expected a size greater"),
        (
            (TRADE_KIND | BUY | BOTH, -9, 1, 1),
            "row 1 of .*'local_ts', .*not before that of the row",
        ),
    ],
)
def test_first_bad_row_is_named_and_nothing_is_imported(tmp_path, catalog, row, message):
    rows = events((TRADE_KIND | BUY | BOTH, 0, 100, 1), row)
    with pytest.raises(DataError, match=message):
        take(catalog, save(tmp_path / "x.npz", rows))
    assert not catalog.root.exists()


def test_other_arrays_and_broken_files_are_refused(tmp_path, catalog):
    with pytest.raises(DataError, match=r"shape \(3,\) and dtype float64, expected hftbacktest's"):
        take(catalog, save(tmp_path / "x.npz", np.zeros(3)))
    narrow = events((TRADE_KIND | BUY | BOTH, 0, 100, 1)).astype(
        [(name, "f4" if name == "px" else HFT_EVENT[name]) for name in HFT_EVENT.names]
    )
    with pytest.raises(DataError, match="expected hftbacktest's"):
        take(catalog, save(tmp_path / "x.npz", narrow))
    np.savez(tmp_path / "x.npz", a=narrow, b=narrow)
    with pytest.raises(DataError, match="one named 'data'"):
        take(catalog, tmp_path / "x.npz")
    path = save(tmp_path / "x.npz", np.tile(events((TRADE_KIND | BUY | BOTH, 0, 1, 1)), 9999))
    path.write_bytes(path.read_bytes()[:-90])
    with pytest.raises(DataError, match="truncated, corrupt"):
        take(catalog, path, format="hftbacktest")
    with pytest.raises(ConfigError, match="name it with --symbol"):
        take(catalog, path, format="hftbacktest", symbol=None)
    assert not catalog.root.exists()


def test_array_that_ends_early_is_refused(tmp_path, catalog):
    buffer = io.BytesIO()
    np.save(
        buffer, events((TRADE_KIND | BUY | BOTH, 0, 100, 1), (TRADE_KIND | BUY | BOTH, 1, 1, 1))
    )
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.npy", buffer.getvalue()[:-64])
    with pytest.raises(DataError, match="ends 64 bytes early"):
        take(catalog, path)


def test_generated_day_comes_back_the_same(tmp_path, catalog):
    made = Catalog(tmp_path / "made")
    generate(made.root, ["BTC-USDT"], hours=0.5)
    report = export_hftbacktest(made.root, "BTC-USDT", tmp_path / "x.npz")
    rows = np.load(tmp_path / "x.npz")["data"]
    assert (rows.dtype, len(rows)) == (HFT_EVENT, report.rows)
    validate(rows)
    take(catalog, tmp_path / "x.npz")
    for kind in ("trade", "quote", "book"):
        old, new = (
            one.read("BTC-USDT", kind, "2026-01-05", cache=False) for one in (made, catalog)
        )
        if kind == "book":
            old = changed(old)
        assert equal(old, new)


def changed(books):
    """Return the books that differ from the one before in a level: others leave no row."""
    same = np.ones(len(books) - 1, bool)
    for name in ("bid_price", "bid_size", "ask_price", "ask_size"):
        a, b = books[name][1:], books[name][:-1]
        same &= ((a == b) | (np.isnan(a) & np.isnan(b))).all(axis=1)
    return books[np.concatenate(([True], ~same))]


def draw_event(draw, kind, i, ts):
    """Return one event; a book has up to five levels a side, in order."""
    row = np.zeros(1, DTYPES[kind])
    row["kind"], row["sequence"], row["ts_recv"] = kind, i, ts
    row["ts_event"] = ts - draw(st.integers(0, 5000))
    if kind == Kind.TRADE:
        row["price"], row["aux"] = draw(st.integers(1, 99)) / 10, draw(st.integers(0, 1))
        row["size"], row["trade_id"] = draw(st.floats(1e-9, 1e9)), i + 1
        return row[0]
    levels = 5 if kind == Kind.BOOK else 1
    for side, base, step in (("bid", 50, -1), ("ask", 51, 1)):
        depth = draw(st.integers(0, levels))
        gaps = draw(st.lists(st.integers(1, 3), min_size=depth, max_size=depth))
        sizes = draw(st.lists(st.integers(1, 3), min_size=depth, max_size=depth))
        price, size = np.full(levels, np.nan), np.zeros(levels)
        price[:depth], size[:depth] = base + step * np.cumsum(gaps), sizes
        row[f"{side}_price"] = price if levels == 5 else price[0]
        row[f"{side}_size"] = size if levels == 5 else size[0]
    if kind == Kind.BOOK:
        row["sequence_id"] = i
    return row[0]


@st.composite
def recordings(draw):
    """Return some events of one instrument by kind, with many at one time."""
    source = {kind: [] for kind in (Kind.TRADE, Kind.QUOTE, Kind.BOOK)}
    ts = T
    for i in range(draw(st.integers(1, 30))):
        ts += draw(st.sampled_from((0, 1, 1000)))
        kind = draw(st.sampled_from(tuple(source)))
        source[kind].append(draw_event(draw, kind, i, ts))
    found = {}
    for kind, rows in source.items():
        found[kind] = np.zeros(len(rows), DTYPES[kind])
        for i, row in enumerate(rows):
            found[kind][i] = row
    return found


@settings(max_examples=40, deadline=None)
@given(recordings())
def test_any_books_quotes_and_trades_come_back_the_same(tmp_path_factory, recording):
    folder = tmp_path_factory.mktemp("trip")
    made, out = Catalog(folder / "made"), Catalog(folder / "out")
    for kind, rows in recording.items():
        if len(rows):
            made.write("BTC-USDT", kind, DAY, rows)
    made.write_instruments([Instrument("BTC-USDT", 0.1, 1, 1)])
    export_hftbacktest(made.root, "BTC-USDT", folder / "x.npz")
    rows = np.load(folder / "x.npz")["data"]
    validate(rows)
    if not len(rows):
        return
    take(out, folder / "x.npz", steps={"tick": 0.1, "lot": 1})
    found = {kind: np.zeros(0, DTYPES[kind]) for kind in recording}
    for one in out.list():
        found[one.kind] = read(out, one.kind)
    assert equal(recording[Kind.TRADE], found[Kind.TRADE])
    books = recording[Kind.BOOK]
    if len(books):
        books = changed(books)
        is_empty = books["bid_size"][0, 0] == 0 and books["ask_size"][0, 0] == 0
        assert equal(books[1:] if is_empty else books, found[Kind.BOOK])
        # Before the first quote of the source, the touch of its books makes some.
        n_more = len(found[Kind.QUOTE]) - len(recording[Kind.QUOTE])
        assert n_more >= 0
        assert equal(recording[Kind.QUOTE], found[Kind.QUOTE][n_more:])


def test_export_splits_rows_that_are_late_for_the_exchange(tmp_path):
    made = Catalog(tmp_path / "made")
    rows = np.zeros(3, DTYPES[Kind.TRADE])
    rows["kind"], rows["price"], rows["size"] = Kind.TRADE, 100, 1
    rows["ts_event"], rows["ts_recv"] = [T + 5, T + 3, T + 9], [T + 10, T + 11, T + 12]
    rows["trade_id"] = [1, 2, 3]
    made.write("BTC-USDT", "trade", DAY, rows)
    made.write_instruments([Instrument("BTC-USDT", 1, 1, 1)])
    report = export_hftbacktest(made.root, "BTC-USDT", tmp_path / "x.npz")
    found = np.load(tmp_path / "x.npz")["data"]
    validate(found)
    assert (report.rows, report.n_split) == (4, 1)
    assert found["ival"].tolist() == [2, 1, 2, 3]
    with pytest.raises(ConfigError, match="exists already"):
        export_hftbacktest(made.root, "BTC-USDT", tmp_path / "x.npz")
    with pytest.raises(ConfigError, match="no place in hftbacktest's format"):
        export_hftbacktest(made.root, "BTC-USDT", tmp_path / "y.npz", kinds=["bar"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "rows-cache", "x.npz"]
