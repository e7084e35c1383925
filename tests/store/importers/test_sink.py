"""Files that appear together, or not at all."""

import _thread
import gc
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livekit.errors import ConfigError, DataError
from livekit.events import DTYPES, Kind
from livekit.store.catalog import Catalog
from livekit.store.importers import sink as sinks
from livekit.store.importers.run import import_files
from livekit.store.importers.sink import Sink

T = 1_700_000_000 * 10**9
DAY_NS = 86_400 * 10**9


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "out")


def trades(ts, ids=None):
    rows = np.zeros(len(ts), DTYPES[Kind.TRADE])
    rows["kind"], rows["price"], rows["size"] = Kind.TRADE, 1, 1
    rows["ts_event"] = rows["ts_recv"] = ts
    rows["trade_id"] = np.arange(len(ts)) if ids is None else ids
    return rows


def held(catalog):
    found = [catalog.read(one.symbol, one.kind, one.day, cache=False) for one in catalog.list()]
    return np.concatenate([rows["trade_id"] for rows in found]).tolist()


def test_nothing_is_there_before_commit_and_all_after(catalog):
    with Sink(catalog, "okx") as sink:
        sink.add("A", Kind.TRADE, trades([T, T + 2 * DAY_NS]))
        sink.add("B", Kind.TRADE, trades([T]))
        sink.finish()
        assert list(catalog.root.glob("okx/*")) == []
        assert len(sink.commit()) == 3
    assert held(catalog) == [0, 1, 0]
    assert sorted(path.name for path in catalog.root.iterdir()) == ["okx"]


def fail_in(sink, error):
    """Take rows, and end early."""
    with sink:
        sink.add("A", Kind.TRADE, trades([T]))
        sink.finish()
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, DataError, MemoryError])
def test_whatever_ends_it_early_leaves_nothing(catalog, error):
    with pytest.raises(error):
        fail_in(Sink(catalog, "okx"), error)
    assert not catalog.root.exists()


def test_what_was_there_stays_when_a_replacement_fails(catalog):
    catalog.write("A", Kind.TRADE, "2023-11-14", trades([T], [77]))
    with pytest.raises(KeyboardInterrupt):
        fail_in(Sink(catalog, "okx", replace=True), KeyboardInterrupt)
    assert held(catalog) == [77]
    assert sorted(path.name for path in catalog.root.iterdir()) == ["okx"]


def test_interrupt_during_the_renames_waits_for_the_last(catalog, monkeypatch):
    replace = sinks.Path.replace

    def interrupted(source, target):
        _thread.interrupt_main()
        return replace(source, target)

    with Sink(catalog, "okx") as sink:
        sink.add("A", Kind.TRADE, trades([T + i * DAY_NS for i in range(5)]))
        sink.finish()
        monkeypatch.setattr(sinks.Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            sink.commit()
        monkeypatch.undo()
    assert len(list(catalog.root.glob("okx/A/trade/*.parquet"))) == 5


def test_folder_of_a_killed_import_is_removed_by_the_next(catalog):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = catalog.root / f".importing-{gone.pid}-aa"
    left.mkdir(parents=True)
    (left / "x.parquet").write_bytes(b"half")
    with Sink(catalog, "okx"):
        assert not left.exists()


def test_existing_day_is_refused_with_its_first_row(catalog):
    catalog.write("A", Kind.TRADE, "2023-11-14", trades([T], [77]))
    with (
        pytest.raises(ConfigError, match=r"A/trade/2023-11-14.parquet' exists already"),
        Sink(catalog, "okx") as sink,
    ):
        sink.add("A", Kind.TRADE, trades([T]))
    assert held(catalog) == [77]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=8), min_size=1),
    st.booleans(),
)
def test_rows_are_sorted_and_repeated_ones_dropped(tmp_path_factory, chunks, are_small):
    catalog = Catalog(tmp_path_factory.mktemp("sink") / "out")
    with pytest.MonkeyPatch.context() as patch:
        if are_small:  # every chunk is flushed, and its file closed when another is opened
            patch.setattr(sinks, "_FLUSH_BYTES", 1)
            patch.setattr(sinks, "_TOTAL_BYTES", 1)
            patch.setattr(sinks, "_MAX_OPEN", 1)
        with Sink(catalog, "okx") as sink:
            for i, chunk in enumerate(chunks):
                ts = [T + t for t, _ in chunk]
                symbol = "AB"[i % 2]
                sink.add(symbol, Kind.TRADE, trades(ts, [n for _, n in chunk]), has_ids=True)
            sink.finish()
            sink.commit()
    for i, symbol in enumerate("AB"):
        expected = {pair for chunk in chunks[i::2] for pair in chunk}
        part = sink.parts.get((symbol, Kind.TRADE, "2023-11-14"))
        assert (part is None) == (not expected)
        if part is None:
            continue
        rows = catalog.read(symbol, "trade", "2023-11-14", cache=False)
        found = list(zip((rows["ts_recv"] - T).tolist(), rows["trade_id"].tolist(), strict=True))
        assert sorted(found) == sorted(expected)
        assert (np.diff(rows["ts_recv"]) >= 0).all()
        n_given = sum(len(chunk) for chunk in chunks[i::2])
        assert (part.rows, part.duplicates) == (len(found), n_given - len(found))


def test_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(DataError, match="cannot be written"),
        Sink(Catalog(tmp_path / "file" / "out"), "okx"),
    ):
        pass


def test_large_text_is_read_in_blocks_that_blame_the_right_line(tmp_path, monkeypatch):
    monkeypatch.setattr("livekit.store.importers.source.Text.blocks.__defaults__", (64,))
    rows = [f"A,{i},buy,100.5,1,{1_700_000_000_000 + i}" for i in range(200)]
    header = "instrument_name,trade_id,side,price,size,created_time"
    path = tmp_path / "x.csv"
    path.write_text("\n".join([header, *rows]))
    report = import_files([path], tmp_path / "out")
    assert (report.rows, report.rows_read) == (200, 200)
    rows[150] = rows[150].replace("100.5", "-1")
    path.write_text("\n".join([header, *rows]))
    with pytest.raises(DataError, match=r"line 152 of .*'price', is '-1'"):
        import_files([path], tmp_path / "other")


def test_memory_stays_flat_without_the_collector(tmp_path, monkeypatch):
    # A block once held itself: its table, 50 bytes a row, stayed until the collector came.
    monkeypatch.setattr("livekit.store.importers.source.Text.blocks.__defaults__", (1 << 16,))
    header = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
    path, t = tmp_path / "x.csv", 1_700_000_000_000_000
    rows = [f"okex,A,{t + i},{t + i},{i},buy,100.5,1" for i in range(40_000)]
    path.write_text("\n".join([header, *rows, ""]))
    held = []
    pool = pa.default_memory_pool()
    gc.disable()
    try:
        import_files(
            [path], tmp_path / "out", progress=lambda *_: held.append(pool.bytes_allocated())
        )
    finally:
        gc.enable()
    assert len(held) > 20
    assert max(held[10:]) < 2 * max(held[:10])
