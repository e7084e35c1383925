"""What `check` finds: one file with every fault, each found where it is."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from livekit.errors import NotFoundError
from livekit.events import DTYPES, Kind
from livekit.instruments import Instrument
from livekit.store.catalog import Catalog
from livekit.store.check import check
from livekit.store.schema import to_table

DAY = "2026-01-05"
START = 1_767_571_200_000_000_000


def rows(kind, n=6):
    found = np.zeros(n, DTYPES[kind])
    found["kind"] = int(kind)
    found["ts_recv"] = START + np.arange(n) * 10
    found["ts_event"] = found["ts_recv"]
    found["sequence"] = np.arange(n)
    if kind == Kind.TRADE:
        found["price"], found["size"], found["trade_id"] = 100.5, 0.25, np.arange(n)
    if kind == Kind.QUOTE:
        found["bid_price"], found["ask_price"] = 100.4, 100.5
        found["bid_size"], found["ask_size"] = 0.5, 0.25
    return found


@pytest.fixture
def root(tmp_path):
    Catalog(tmp_path).write_instruments([Instrument("BTC-USDT", 0.1, 0.01, 0.01)])
    return tmp_path


def found_in(root, kind, events):
    path = Catalog(root).path("BTC-USDT", kind, DAY)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(to_table(kind, events), path)
    n_files, findings = check(root)
    assert n_files == 1
    return [(one.what, one.count, one.first_row) for one in findings]


def changed(kind, row, **fields):
    events = rows(kind)
    for name, value in fields.items():
        events[name][row] = value
    return events


@pytest.mark.parametrize("kind", [Kind.TRADE, Kind.QUOTE])
def test_sound_file_gives_no_finding(root, kind):
    assert found_in(root, kind, rows(kind)) == []


@pytest.mark.parametrize(
    ("kind", "row", "fields", "what"),
    [
        (Kind.TRADE, 3, {"ts_recv": START}, "order"),
        (Kind.TRADE, 5, {"ts_recv": START + 86_400 * 10**9}, "day"),
        (Kind.TRADE, 2, {"price": np.nan}, "price"),
        (Kind.TRADE, 2, {"price": -100.5}, "price"),
        (Kind.TRADE, 2, {"size": 0.0}, "size"),
        (Kind.TRADE, 2, {"price": 100.55}, "tick"),
        (Kind.TRADE, 2, {"size": 0.255}, "lot"),
        (Kind.TRADE, 4, {"trade_id": 1}, "duplicate"),
        (Kind.QUOTE, 1, {"bid_price": 100.5}, "crossed"),
        (Kind.QUOTE, 1, {"ask_size": -0.25}, "size"),
    ],
)
def test_fault_is_found_in_its_row(root, kind, row, fields, what):
    assert found_in(root, kind, changed(kind, row, **fields)) == [(what, 1, row)]


def test_side_without_a_price_is_no_fault(root):
    assert found_in(root, Kind.QUOTE, changed(Kind.QUOTE, 2, bid_price=np.nan, bid_size=0)) == []


def test_gap_rows_are_findings(root):
    assert found_in(root, Kind.GAP, rows(Kind.GAP, 2)) == [("gap", 2, 0)]


def test_events_missing_from_the_sequence_are_found_over_all_files(root):
    catalog = Catalog(root)
    trades, quotes = rows(Kind.TRADE), rows(Kind.QUOTE)
    trades["sequence"], quotes["sequence"] = np.arange(6) * 2, np.arange(6) * 2 + 1
    quotes["ts_recv"] += 5
    catalog.write("BTC-USDT", "trade", DAY, trades)
    catalog.write("BTC-USDT", "quote", DAY, quotes)
    assert check(root)[1] == []
    catalog.write("BTC-USDT", "quote", DAY, np.delete(quotes, [1, 2]).astype(quotes.dtype))
    (finding,) = check(root)[1]
    assert (finding.what, finding.count) == ("sequence", 2)
    assert "first after 2" in finding.detail


def test_unreadable_file_does_not_hide_the_others(root):
    catalog = Catalog(root)
    path = catalog.write("BTC-USDT", "quote", DAY, rows(Kind.QUOTE))
    path.write_bytes(path.read_bytes()[:-9])
    catalog.write("BTC-USDT", "trade", DAY, changed(Kind.TRADE, 0, price=100.55))
    assert [one.what for one in check(root)[1]] == ["unreadable", "tick"]


def test_instrument_without_steps_is_named(tmp_path):
    Catalog(tmp_path).write("BTC-USDT", "trade", DAY, rows(Kind.TRADE))
    (finding,) = check(tmp_path)[1]
    assert (finding.what, finding.to_dict()["count"]) == ("instrument", 6)


def test_empty_folder_is_not_found(tmp_path):
    with pytest.raises(NotFoundError, match="no recorded data"):
        check(tmp_path)
