"""Whatever is merged in whatever pieces, as often as one likes, the file is the same."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import livekit.store.recorder_merge as merge
from livekit.errors import DataError
from livekit.events import DTYPES, Kind
from livekit.store.catalog import Catalog
from livekit.store.recorder_merge import merge_rows, normalise, sort_rows
from livekit.store.schema import join

DAY = "2026-01-05"
START = 1_767_571_200_000_000_000
KINDS = (
    Kind.TICKER,
    Kind.TRADE,
    Kind.BOOK,
    Kind.QUOTE,
    Kind.BAR,
    Kind.GAP,
    Kind.CONNECTION,
)


def events(kind, n, seed=0):
    """Return `n` events as they lie in a ring: numbers, marks and padding of all sorts."""
    dice = np.random.default_rng(seed)
    rows = dice.integers(0, 256, (n, DTYPES[kind].itemsize), np.uint8).reshape(-1)
    rows = rows.view(DTYPES[kind])
    rows["kind"], rows["instrument"] = int(kind), 3
    rows["ts_recv"] = START + dice.integers(0, max(1, n // 2), n)  # ties
    rows["ts_event"] = rows["ts_recv"] - 7
    rows["sequence"] = dice.permutation(n)
    if kind == Kind.TRADE:
        rows["aux"] = dice.integers(0, 2, n)
    for name in rows.dtype.names:
        if rows[name].dtype.kind == "f":
            rows[name] = np.where(dice.random(rows[name].shape) < 0.1, np.nan, 1.5)
        elif name in {"sequence_id", "trade_id", "count", "period", "connected"}:
            rows[name] = dice.integers(0, 9, n)
        elif name == "lost":
            rows[name] = dice.integers(0, 9, rows[name].shape)
            rows[name][:, [0, 3]] = 0  # kinds that are never lost
            rows[name][:, 7] = 0
    return sort_rows(normalise(kind, rows))


@pytest.mark.parametrize("kind", KINDS)
def test_merged_rows_come_back_as_the_events_were(tmp_path, kind):
    catalog, rows = Catalog(tmp_path), events(kind, 200)
    assert merge_rows(catalog.path("X", kind, DAY), kind, rows) == 200
    found = catalog.read("X", kind, DAY, cache=False)
    assert found.tobytes() == rows.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_what_belongs_to_one_run_of_an_engine_is_left_out(kind):
    rows = np.zeros(2, DTYPES[kind])
    rows["instrument"] = 7
    if kind == Kind.TRADE:
        rows["published"], rows["aux"] = 99, 1
    else:
        rows["aux"] = 99
    clean = normalise(kind, rows)
    assert (clean["kind"] == kind).all()
    assert (clean["instrument"] == 0).all()
    assert (clean["aux"] == (kind == Kind.TRADE)).all()


@settings(max_examples=60)
@given(
    kind=st.sampled_from(KINDS),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    order=st.randoms(use_true_random=False),
    repeats=st.lists(st.integers(0, 6), max_size=3),
    group=st.sampled_from([7, 16, 1 << 20]),
)
def test_pieces_in_any_order_and_repeated_give_the_file_of_one_write(
    tmp_path_factory, kind, cuts, order, repeats, group
):
    rows, root = events(kind, 60), tmp_path_factory.mktemp("merge")
    with pytest.MonkeyPatch.context() as patch:
        options = merge.write_options(kind) | {"row_group_size": group}
        patch.setattr(merge, "write_options", lambda _kind: dict(options))
        patch.setattr(merge, "_BATCH_ROWS", 13)
        whole, pieces = root / "whole.parquet", root / "pieces.parquet"
        merge_rows(whole, kind, rows)
        edges = [0, *sorted(cuts), 60]
        parts = [rows[a:b] for a, b in itertools.pairwise(edges) if b > a]
        parts += [parts[i % len(parts)] for i in repeats]
        order.shuffle(parts)
        n_new = sum(merge_rows(pieces, kind, part) for part in parts)
    assert n_new == 60
    assert pieces.read_bytes() == whole.read_bytes()


def test_one_write_is_the_catalog_s_own_to_the_byte(tmp_path):
    rows, catalog = events(Kind.QUOTE, 500), Catalog(tmp_path)
    merge_rows(tmp_path / "merged", Kind.QUOTE, rows)
    path = catalog.write("X", Kind.QUOTE, DAY, rows)
    assert (tmp_path / "merged").read_bytes() == path.read_bytes()


def test_equal_rows_of_one_piece_are_all_kept(tmp_path):
    rows = events(Kind.TRADE, 4)
    twice = sort_rows(join(rows.dtype, [rows, rows]))
    path = tmp_path / "file"
    assert merge_rows(path, Kind.TRADE, twice) == 8
    assert merge_rows(path, Kind.TRADE, twice) == 0
    assert merge_rows(path, Kind.TRADE, sort_rows(join(rows.dtype, [twice, rows]))) == 4


def test_merge_that_fails_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    rows = events(Kind.QUOTE, 40)
    merge_rows(path, Kind.QUOTE, rows[:20])
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("livekit.store.files.os.fsync", fail)
    with pytest.raises(DataError, match="No space left on device"):
        merge_rows(path, Kind.QUOTE, rows[20:])
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["file"]
