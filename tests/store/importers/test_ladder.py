"""The growing book: the same as a dictionary of levels, whatever is done to it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livekit.events import BOOK_LEVELS, Kind
from livekit.store.catalog import Catalog
from livekit.store.importers.depth import Depth
from livekit.store.importers.intake import Intake
from livekit.store.importers.ladder import CLEAR, DELTA, RESTART, SET
from livekit.store.importers.report import ImportReport
from livekit.store.importers.sink import Sink
from livekit.store.importers.steps import Steps

T = 1_700_000_000 * 10**9


class Kept:
    """An intake that keeps the rows it is given."""

    def __init__(self):
        self.report = ImportReport("test", "okx", "nowhere")
        self.rows = {kind: [] for kind in Kind}

    def put_ordered(self, symbol, kind, rows, *, has_ids=False):
        self.rows[kind] += list(rows)


def deltas(rows):
    found = np.zeros(len(rows), DELTA)
    for one, (group, action, price, size) in zip(found, rows, strict=True):
        one["ts_event"] = one["ts_recv"] = T + group
        one["group"], one["action"], one["price"], one["size"] = group, action, price, size
    return found


def model(rows):
    """Return the five best levels after each message, of which none is like the one before."""
    sides, out, before = ({}, {}), [], None
    for i, (group, action, price, size) in enumerate(rows):
        side = sides[action & 1]
        if action - (action & 1) == RESTART:
            sides[0].clear(), sides[1].clear()
        elif action & ~1 == CLEAR:
            for held in [p for p in side if (p <= price if action & 1 else p >= price)]:
                del side[held]
        elif size:
            side[price] = size
        else:
            side.pop(price, None)
        if i + 1 == len(rows) or rows[i + 1][0] != group:
            now = (
                sorted(sides[0].items(), reverse=True)[:BOOK_LEVELS],
                sorted(sides[1].items())[:BOOK_LEVELS],
            )
            if now != (before or ([], [])):
                out.append((group, now))
            before = now
    return out


def levels(book, side):
    n = int((book[f"{side}_size"] > 0).sum())
    return list(
        zip(book[f"{side}_price"][:n].tolist(), book[f"{side}_size"][:n].tolist(), strict=True)
    )


ROWS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from((SET, SET, SET, SET, SET, CLEAR, RESTART)),
        st.integers(0, 1),
        st.integers(1, 12),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(ROWS, st.integers(1, 60))
def test_book_is_that_of_a_dictionary_however_the_rows_are_cut(steps, cut):
    group, rows = 0, []
    for step, action, side, price, size in steps:
        group += step
        rows.append((group, action + (0 if action == RESTART else side), float(price), float(size)))
    kept = Kept()
    depth = Depth(kept, "X", needs_snapshot=False)
    found = deltas(rows)
    depth.take(found[:cut])
    depth.take(found[cut:])
    depth.finish()
    books = kept.rows[Kind.BOOK]
    expected = model(rows)
    assert [int(book["ts_recv"]) - T for book in books] == [group for group, _ in expected]
    for book, (_, (bids, asks)) in zip(books, expected, strict=True):
        assert levels(book, "bid") == bids
        assert levels(book, "ask") == asks


def test_deep_book_grows_and_loses_nothing():
    n = 20_000
    rows = [(0, SET + i % 2, float(i + 1 if i % 2 else n - i), 1.0) for i in range(n)]
    rows += [(i + 1, SET, float(price), 0.0) for i, price in enumerate(range(n, n - 12_000, -2))]
    kept = Kept()
    depth = Depth(kept, "X", needs_snapshot=False)
    depth.take(deltas(rows))
    depth.finish()
    assert kept.rows[Kind.QUOTE][0]["bid_price"] == n
    assert kept.rows[Kind.QUOTE][-1]["bid_price"] == n - 12_000
    assert kept.report.notes == []


def test_crossed_books_are_counted_and_given_as_they_are():
    kept = Kept()
    depth = Depth(kept, "X", needs_snapshot=False)
    depth.take(deltas([(0, SET, 10.0, 1.0), (1, SET + 1, 10.0, 1.0), (2, SET + 1, 10.0, 0.0)]))
    depth.finish()
    assert kept.report.crossed == 1
    assert kept.rows[Kind.QUOTE][1]["ask_price"] == 10


def test_rows_of_one_import_have_the_order_of_their_kinds(tmp_path):
    sink = Sink(Catalog(tmp_path), "okx")
    intake = Intake(sink, Steps(), ImportReport("test", "okx", "x"))
    with sink:
        depth = Depth(intake, "BTC-USDT", needs_snapshot=False)
        depth.take(deltas([(0, SET, 10.0, 1.0), (9, RESTART, 0.0, 0.0), (9, SET, 11.0, 1.0)]))
        depth.finish()
        first = {kind: part.buffer[-1] for (_, kind, _), part in sink.parts.items()}
    at = [int(first[kind]["sequence"][-1]) for kind in (Kind.GAP, Kind.QUOTE, Kind.BOOK)]
    assert at == sorted(at)
    assert len(set(at)) == 3


@pytest.mark.parametrize("price", [np.nan, np.inf])
def test_clear_without_a_price_takes_the_whole_side(price):
    kept = Kept()
    depth = Depth(kept, "X", needs_snapshot=False)
    rows = [(0, SET, 10.0, 1.0), (0, SET + 1, 11.0, 2.0), (1, CLEAR + 1, price, 0.0)]
    depth.take(deltas(rows))
    depth.finish()
    last = kept.rows[Kind.QUOTE][-1]
    assert (last["bid_size"], last["ask_size"]) == (1, 0)
