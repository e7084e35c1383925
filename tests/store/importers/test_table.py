"""Any table into a catalog: columns found by name, times in whatever form."""

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from livekit.errors import ConfigError, DataError
from livekit.events import BOOK_LEVELS
from livekit.instruments import Instrument
from livekit.store.catalog import Catalog
from livekit.store.check import check
from livekit.store.generate import generate
from livekit.store.importers.frame import import_frame
from livekit.store.importers.run import import_files

T = 1_700_000_000 * 10**9
DAY = "2023-11-14"


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "out")


def frame(**more):
    columns = {
        "timestamp": T + np.arange(3) * 1000,
        "price": [100.5, 100.4, 100.5],
        "size": [1.0, 2.5, 0.001],
        "side": ["buy", "sell", "Buy"],
    }
    return pd.DataFrame(
        {name: value for name, value in (columns | more).items() if value is not None}
    )


def take(catalog, one, *args, **more):
    return import_frame(one, "BTC-USDT", *args, into=catalog.root, **more)


def read(catalog, kind="trade"):
    return catalog.read("BTC-USDT", kind, DAY, cache=False)


def test_trades_of_a_frame_keep_every_value(catalog):
    source = frame()
    before = source.copy()
    report = take(catalog, source)
    pd.testing.assert_frame_equal(source, before)
    found = read(catalog)
    assert found["price"].tolist() == source["price"].tolist()
    assert found["size"].tolist() == source["size"].tolist()
    assert found["aux"].tolist() == [0, 1, 0]
    assert found["ts_event"].tolist() == found["ts_recv"].tolist() == source["timestamp"].tolist()
    assert found["trade_id"].tolist() == [1, 2, 3]
    assert "numbers in column 'timestamp' are nanoseconds, told from their digits" in report.notes
    assert report.inferred == ["BTC-USDT"]
    assert catalog.instruments()["BTC-USDT"] == Instrument("BTC-USDT", 0.1, 0.001, 0.001)
    assert check(catalog.root)[1] == []


@pytest.mark.parametrize(
    ("times", "unit", "note"),
    [
        (np.array([1_700_000_000] * 3), None, "are seconds"),
        (np.array([1_700_000_000_000] * 3), None, "are milliseconds"),
        (np.array([1_700_000_000_000_000.0] * 3), None, "are microseconds"),
        (np.array([1_700_000_000_000] * 3), "ms", ""),
        (pd.to_datetime([T] * 3), None, "have no zone: read as UTC"),
        (pd.to_datetime([T] * 3, utc=True).tz_convert("Asia/Shanghai"), None, ""),
        (pd.to_datetime([T] * 3).astype("datetime64[ms]"), None, "have no zone"),
        (["2023-11-14T22:13:20"] * 3, None, "have no zone"),
        (["2023-11-14 22:13:20.000Z"] * 3, None, ""),
        (["2023-11-15T06:13:20+08:00"] * 3, None, ""),
        ([dt.datetime.fromtimestamp(1_700_000_000, dt.UTC)] * 3, None, ""),
    ],
)
def test_times_in_any_form_are_the_same_nanoseconds(catalog, times, unit, note):
    report = take(catalog, frame(timestamp=times), unit=unit)
    assert read(catalog)["ts_event"].tolist() == [T] * 3
    assert note in " ".join(report.notes)


@pytest.mark.parametrize(
    ("times", "error", "message"),
    [
        ([1.7e9, 1.7e9 + 0.5, 1.7e9], DataError, "row 1 of the frame, .*no room for nanoseconds"),
        ([float(T)] * 3, DataError, "row 0 of the frame, .*below 2\\*\\*53"),
        ([999_999_999, 1_700_000_000, 5], ConfigError, "say it with --unit"),
        ([17_000_000_000] * 3, ConfigError, "say it with --unit"),
        (["2023-11-14", "soon", "2023-11-14"], DataError, "row 1 .* is 'soon', expected a time"),
        ([True, False, True], ConfigError, "has type bool, expected times"),
        (pd.array([T, None, T], "Int64"), DataError, "row 1 of the frame, .* is None"),
    ],
)
def test_times_that_are_not_clear_are_refused(catalog, times, error, message):
    with pytest.raises(error, match=message):
        take(catalog, frame(timestamp=pd.Series(times)))
    assert not catalog.root.exists()


def test_index_of_times_is_the_time(catalog):
    source = frame(timestamp=None).set_index(pd.to_datetime([T, T + 1, T + 2], utc=True))
    take(catalog, source)
    assert read(catalog)["ts_event"].tolist() == [T, T + 1, T + 2]


def test_columns_of_any_name_can_be_named(catalog):
    source = frame().rename(columns={"timestamp": "when", "price": "p1", "size": "n"})
    with pytest.raises(ConfigError, match=r"make no kind of rows; say with kind"):
        take(catalog, source)
    with pytest.raises(ConfigError, match=r"no column for 'time'"):
        take(catalog, source, "trade")
    take(catalog, source, columns={"time": "when", "price": "p1", "size": "n"})
    assert len(read(catalog)) == 3
    with pytest.raises(ConfigError, match="column 'x', named for 'price', is not there"):
        take(catalog, source, columns={"price": "x"})
    with pytest.raises(ConfigError, match="column role 'colour' is unknown"):
        take(catalog, source, columns={"colour": "p1"})


def test_two_columns_for_one_thing_are_refused(catalog):
    with pytest.raises(ConfigError, match="'price' and 'px' could all be the price"):
        take(catalog, frame(px=[1.0, 2.0, 3.0]))
    take(catalog, frame(px=[1.0, 2.0, 3.0]), columns={"price": "px"})
    assert read(catalog)["price"].tolist() == [1, 2, 3]


def test_sides_are_told_by_the_tick_test_or_the_maker(catalog, tmp_path):
    report = take(catalog, frame(side=None))
    assert read(catalog)["aux"].tolist() == [0, 1, 0]
    assert "the table has no sides: told by the tick test" in report.notes
    other = Catalog(tmp_path / "other")
    take(other, frame(side=None, is_buyer_maker=[True, False, True]))
    assert read(other)["aux"].tolist() == [1, 0, 1]


def test_unsorted_trades_are_sorted_and_repeated_ones_dropped(catalog):
    source = frame(timestamp=[T + 2, T, T + 2], id=[9, 7, 9], price=[1.5, 1.0, 1.5])
    source.loc[2, "size"], source.loc[2, "side"] = 1.0, "buy"
    report = take(catalog, source)
    assert read(catalog)["trade_id"].tolist() == [7, 9]
    assert report.duplicates == 1


def test_quotes_and_books_are_told_by_their_columns(catalog):
    quotes = pd.DataFrame(
        {"time": [T], "bid": [1.0], "bid_qty": [2.0], "ask": [1.5], "ask_qty": [np.nan]}
    )
    take(catalog, quotes)
    found = read(catalog, "quote")
    assert (found["bid_size"][0], found["ask_size"][0]) == (2, 0)
    assert np.isnan(found["ask_price"][0])
    books = {"ts": [T]}
    for i in range(BOOK_LEVELS):
        books |= {f"bid_px_{i:02d}": [9.0 - i], f"bid_sz_{i:02d}": [1.0 + i]}
        books |= {f"ask_px_{i:02d}": [10.0 + i], f"ask_sz_{i:02d}": [1.0]}
    take(catalog, pd.DataFrame(books), replace=True)
    assert read(catalog, "book")["bid_price"].tolist() == [[9, 8, 7, 6, 5]]
    assert read(catalog, "quote")["ask_price"].tolist() == [10]


def bars(times, **more):
    n = len(times)
    columns = {"Date": times, "Open": [1.0] * n, "High": [2.0] * n, "Low": [0.5] * n}
    return pd.DataFrame(columns | {"Close": [1.5] * n, "Volume": [10.0] * n} | more)


def test_bars_are_stamped_at_their_close_and_missing_ones_counted(catalog):
    minute = 60 * 10**9
    opened = T - T % minute
    report = take(catalog, bars([opened, opened + minute, opened + 3 * minute]))
    found = read(catalog, "bar")
    assert (found["ts_event"] - found["period"] - opened).tolist() == [0, minute, 3 * minute]
    assert found[["open", "high", "low", "close", "volume"]][0].tolist() == (1, 2, 0.5, 1.5, 10)
    assert report.gaps == 1
    with pytest.raises(ConfigError, match=r"--period 1m"):
        take(catalog, bars([opened]), replace=True)
    take(catalog, bars([opened]), replace=True, period="1m")
    assert read(catalog, "bar")["period"].tolist() == [minute]
    with pytest.raises(ConfigError, match=r"period 'soon' is unknown"):
        take(catalog, bars([opened]), replace=True, period="soon")
    with pytest.raises(DataError, match=r"row 2 of the frame, .*expected a time on the grid"):
        take(catalog, bars([opened, opened + minute, opened + minute * 5 // 2]), replace=True)


def test_days_that_exist_are_refused_unless_replaced(catalog):
    take(catalog, frame())
    with pytest.raises(ConfigError, match=r"exists already.*--replace"):
        take(catalog, frame(price=[1.0, 2.0, 3.0]))
    assert read(catalog)["price"].tolist() == [100.5, 100.4, 100.5]
    take(catalog, frame(price=[1.0, 2.0, 3.0]), replace=True)
    assert read(catalog)["price"].tolist() == [1, 2, 3]


def test_steps_that_are_known_are_kept(catalog):
    known = Instrument("BTC-USDT", 0.1, 0.001, 0.01, 5.0, "swap")
    report = take(catalog, frame(), instrument=known)
    assert (report.inferred, catalog.instruments()) == ([], {"BTC-USDT": known})
    report = take(catalog, frame(), replace=True)
    assert (report.inferred, catalog.instruments()) == ([], {"BTC-USDT": known})


def test_prices_without_a_step_need_one_to_be_given(catalog):
    noise = frame(price=[1 / 3, 2 / 3, 0.1 + 0.2])
    with pytest.raises(DataError, match=r"the tick of 'BTC-USDT' .*more than 14 decimals.*--tick"):
        take(catalog, noise)
    assert not catalog.root.exists()
    take(catalog, noise, instrument=Instrument("BTC-USDT", 0.1, 0.1, 0.1))
    assert read(catalog)["price"].tolist() == noise["price"].tolist()


def test_other_objects_are_refused(catalog):
    with pytest.raises(ConfigError, match=r"frame is a list, expected a pandas DataFrame"):
        take(catalog, [1, 2])
    with pytest.raises(ConfigError, match=r"does not say of which symbol"):
        import_frame(frame(), into=catalog.root)
    take(catalog, pa.Table.from_pandas(frame()))
    assert len(read(catalog)) == 3


def test_symbols_in_a_column_are_told_apart(catalog):
    source = frame(symbol=["BTC-USDT", "ETH-USDT", "BTC-USDT"])
    source.loc[1, "price"] = -1.0
    with pytest.raises(DataError, match=r"row 1 of the frame, column 'price', is -1\.0"):
        import_frame(source, into=catalog.root)
    source.loc[1, "price"] = 7.0
    report = import_frame(source, into=catalog.root)
    assert [(one.symbol, one.rows) for one in report.kinds] == [("BTC-USDT", 2), ("ETH-USDT", 1)]


def test_parquet_and_csv_are_as_the_frame(tmp_path, catalog):
    frame().to_parquet(tmp_path / "x.parquet")
    frame().to_csv(tmp_path / "x.csv", index=False)
    found = []
    for name in ("x.parquet", "x.csv"):
        out = Catalog(tmp_path / name.replace(".", "-"))
        report = import_files([tmp_path / name], out.root, symbol="BTC-USDT")
        assert (report.format, report.rows_read) == ("table", 3)
        found.append(read(out))
    take(catalog, frame())
    assert (found[0] == found[1]).all()
    assert (found[0] == read(catalog)).all()


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%fZ"])
def test_csv_with_written_times_is_read(tmp_path, catalog, form):
    times = pd.to_datetime(frame()["timestamp"]).dt.strftime(form)
    frame(timestamp=times).to_csv(tmp_path / "x.csv", index=False)
    take(catalog, tmp_path / "x.csv")
    assert read(catalog)["ts_event"].tolist() == [T, T + 1000, T + 2000]
    bad = [*times[:2], "soon"]
    frame(timestamp=bad).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(DataError, match=r"line 4 of .*'timestamp', is 'soon'"):
        take(catalog, tmp_path / "x.csv", replace=True)


def test_csv_with_decimal_times_is_refused(tmp_path, catalog):
    frame(timestamp=[1.7e9 + 0.5] * 3).to_csv(tmp_path / "x.csv", index=False)
    with pytest.raises(ConfigError, match=r"are decimals such as '1700000000.5'"):
        take(catalog, tmp_path / "x.csv")


def test_recorded_parquet_comes_back_the_same(tmp_path, catalog):
    made = Catalog(tmp_path / "made")
    generate(made.root, ["BTC-USDT"], hours=0.1)
    for kind in ("trade", "quote"):
        path = made.path("BTC-USDT", kind, "2026-01-05")
        import_frame(path, "BTC-USDT", kind, into=catalog.root)
        old, new = (
            one.read("BTC-USDT", kind, "2026-01-05", cache=False) for one in (made, catalog)
        )
        for name in old.dtype.names:
            if name not in {"sequence", "published"}:
                assert np.array_equal(old[name], new[name], equal_nan=old[name].dtype.kind == "f")


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 10**9), st.floats(1e-9, 1e9), st.floats(1e-9, 1e9)),
        min_size=1,
        max_size=50,
    ),
    st.booleans(),
)
def test_any_trades_come_back_to_the_last_bit(tmp_path_factory, trades, is_csv):
    folder = tmp_path_factory.mktemp("table")
    table = pa.table(
        {
            "ts": pa.array([T + one[0] for one in trades], pa.timestamp("ns", "UTC")),
            "px": [one[1] for one in trades],
            "qty": [one[2] for one in trades],
            "side": ["sell"] * len(trades),
        }
    )
    source = table
    if is_csv:
        source = folder / "x.csv"
        table.to_pandas().assign(ts=[T + one[0] for one in trades]).to_csv(source, index=False)
    out = Catalog(folder / "out")
    take(out, source, instrument=Instrument("BTC-USDT", 1, 1, 1))
    found = read(out)
    expected = sorted(trades, key=lambda one: one[0])
    assert found["ts_event"].tolist() == [T + one[0] for one in expected]
    assert found["price"].tolist() == [one[1] for one in expected]
    assert found["size"].tolist() == [one[2] for one in expected]


def test_parquet_rows_are_blamed_by_their_number(tmp_path, catalog):
    table = pa.table({"ts": [T] * 4, "px": [1.0, 1.0, -1.0, 1.0], "qty": [1.0] * 4})
    parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"row 2 of '.*x.parquet', column 'px', is -1\.0"):
        take(catalog, tmp_path / "x.parquet")
