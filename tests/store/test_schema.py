"""Events to Parquet and back, and what other tools see of it."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.errors import ConfigError, DataError
from livekit.events import DTYPES, Kind, Side
from livekit.store.schema import KIND_NAMES, columns, fill_rows, join, kind_of, to_table

PRICES = st.floats(1e-9, 1e9) | st.just(float("nan"))


def back(kind, table):
    rows = np.zeros(table.num_rows, DTYPES[kind])
    for batch in table.combine_chunks().to_batches():
        fill_rows(kind, batch, rows, "'a file'")
    return rows


def some_events(kind, n=3):
    rows = np.zeros(n, DTYPES[kind])
    rows["kind"] = int(kind)
    rows["ts_recv"] = rows["ts_event"] = np.arange(n) + 1_767_571_200_000_000_000
    rows["sequence"] = np.arange(n)
    return rows


@given(
    kind=st.sampled_from(sorted(KIND_NAMES)),
    prices=st.lists(PRICES, min_size=1, max_size=20),
    flags=st.integers(0, 255),
)
def test_events_survive_the_way_there_and_back(kind, prices, flags):
    rows = some_events(kind, len(prices))
    rows["flags"] = flags
    if kind == Kind.TRADE:
        rows["aux"] = np.arange(len(rows)) % 2
    for column in columns(kind):
        values = rows[column.field]
        if values.dtype.kind == "f":
            values[...] = np.array(prices).reshape(-1, *[1] * (values.ndim - 1))
        elif column.field == "lost":
            rows["lost"][:, column.index] = column.index * 7
        elif column.field in {"trade_id", "sequence_id", "count", "period"}:
            values[...] = 2**62
    again = back(kind, to_table(kind, rows))
    for name in rows.dtype.names:
        np.testing.assert_array_equal(again[name], rows[name])


def test_table_of_trades_is_what_a_person_expects():
    rows = some_events(Kind.TRADE)
    rows["aux"] = [Side.BUY, Side.SELL, Side.BUY]
    rows["price"] = [1.5, np.nan, 2.5]
    table = to_table(Kind.TRADE, rows)
    assert table.column_names == [
        "ts_event",
        "ts_recv",
        "sequence",
        "side",
        "price",
        "size",
        "trade_id",
        "flags",
    ]
    assert table["side"].to_pylist() == ["buy", "sell", "buy"]
    assert table["price"].to_pylist() == [1.5, None, 2.5]
    assert table.schema.field("ts_recv").type == pa.timestamp("ns", tz="UTC")
    assert str(table["ts_recv"][0].as_py()).startswith("2026-01-05 00:00:00")


def test_columns_of_a_book_are_flat_levels():
    names = [column.name for column in columns(Kind.BOOK)]
    assert names[4:8] == ["bid_price_0", "bid_size_0", "ask_price_0", "ask_size_0"]
    assert len(names) == 25


def test_columns_written_by_other_tools_convert():
    rows = some_events(Kind.TRADE)
    rows["aux"] = [0, 1, 1]
    rows["price"] = 3.0
    table = to_table(Kind.TRADE, rows)
    other = pa.table(
        {
            "price": table["price"].cast(pa.float32()),
            "side": pa.array(["BUY", "sell", "Sell"]),
            "size": pa.array([0, 0, 0]),
            "trade_id": table["trade_id"].cast(pa.int32()),
            "ts_event": table["ts_event"].cast(pa.int64()),
            "ts_recv": table["ts_recv"],
            "sequence": table["sequence"].cast(pa.uint64()),
            "mine": pa.array([1, 2, 3]),
        }
    )
    assert back(Kind.TRADE, other).tobytes() == back(Kind.TRADE, table).tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["price"]), "no column 'price'"),
        (
            lambda t: t.set_column(4, "price", pa.array(["a", "b", "c"])),
            "type string, expected double",
        ),
        (lambda t: t.set_column(3, "side", pa.array(["buy", "hold", "buy"])), "'hold'"),
        (lambda t: t.set_column(2, "sequence", pa.array([1, None, 2])), "1 nulls"),
        (lambda t: t.set_column(1, "ts_recv", pa.array([1.5, 2.5, 3.5])), "expected timestamp"),
    ],
)
def test_column_that_cannot_be_an_event_is_refused(change, message):
    table = change(to_table(Kind.TRADE, some_events(Kind.TRADE)))
    with pytest.raises(DataError, match=message):
        back(Kind.TRADE, table)


def test_kinds_are_known_by_name_and_number():
    assert kind_of("trade") is Kind.TRADE
    assert kind_of(Kind.BOOK) is Kind.BOOK
    for kind in ("trades", Kind.ORDER):
        with pytest.raises(ConfigError, match="is not recorded"):
            kind_of(kind)


def test_joined_rows_keep_their_padding():
    parts = [some_events(Kind.TRADE, 2), some_events(Kind.TRADE, 1)]
    assert join(DTYPES[Kind.TRADE], parts).dtype.itemsize == 64
    assert np.concatenate(parts).dtype.itemsize != 64  # why join exists
