"""The order table against a plain model: rows, index, both lists, reuse and forgetting."""

from collections import deque

import numpy as np
from desk import Desk
from hypothesis import given, settings
from hypothesis import strategies as st

from livekit.trading.orders import find_order, first_open, next_open

_STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 14), st.sampled_from(["new", "cancel"])),
    max_size=120,
)


def _open_rows(core, strategy):
    rows, row = [], first_open(core.address, strategy)
    while row:
        rows.append(row)
        row = next_open(core.address, row)
    return rows


def _resting_rows(core):
    """Walk the resting list both ways."""
    rows, row, before = [], int(core.markets[0]["first"]), 0
    while row:
        assert core.orders[row]["previous_resting"] == before
        rows.append(row)
        before, row = row, int(core.orders[row]["next_resting"])
    assert core.markets[0]["last"] == before
    assert core.markets[0]["n_resting"] == len(rows)
    return rows


@settings(max_examples=150)
@given(_STEPS)
def test_table_of_eight_rows_behaves_as_a_dictionary_that_forgets_the_oldest(steps):
    desk = Desk(max_orders=8)
    desk.quote(100.0, 100.1)
    live: dict[tuple[int, int], None] = {}
    done: deque[tuple[int, int]] = deque()
    n_used = 0
    for strategy, order_id, action in steps:
        key = (strategy, order_id)
        if action == "cancel":
            desk.cancel(order_id, strategy=strategy)
            if key in live:
                del live[key]
                done.append(key)
        else:
            (report,) = desk.limit(order_id, 0, 1.0, 99.0, strategy=strategy)
            if key in live or key in done:
                assert report["reject"] == 19
            elif len(live) == 8:
                assert report["reject"] == 20
            else:
                assert report["reject"] == 0
                if n_used < 8:
                    n_used += 1
                else:
                    done.popleft()
                live[key] = None
        core = desk.core
        for known in (*live, *done):
            row = find_order(core.address, *known)
            assert (core.orders[row]["strategy"], core.orders[row]["order_id"]) == known
        assert np.count_nonzero(core.index["row"]) == len(live) + len(done)
        for slot in range(4):
            mine = [order_id for owner, order_id in live if owner == slot]
            rows = _open_rows(core, slot)
            assert core.orders[rows]["order_id"].tolist() == mine
            assert core.strategies[slot]["n_open"] == len(mine)
        assert core.orders[_resting_rows(core)][["strategy", "order_id"]].tolist() == list(live)
        assert core.header["n_open"] == len(live)


def test_table_of_one_row_is_used_again_and_again(make_desk, words):
    desk = make_desk(max_orders=1)
    desk.quote(100.0, 100.1)
    for order_id in range(1, 20):
        (report,) = desk.limit(order_id, words.buy, 1.0, 99.0)
        assert report["reject"] == 0
        assert desk.outline(desk.cancel(order_id)) == [("CANCELED", "NONE")]


def test_ids_of_all_64_bits_are_told_apart(desk, words):
    ids = [1, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
    for order_id in ids:
        (report,) = desk.limit(order_id, words.buy, 1.0, 99.0)
        assert report["order_id"] == order_id
    for order_id in ids:
        assert desk.outline(desk.cancel(order_id)) == [("CANCELED", "NONE")]


def test_probe_finds_an_order_among_thousands(make_desk, words):
    desk = make_desk(max_orders=4096)
    desk.quote(100.0, 100.1)
    for order_id in range(1, 4097):
        desk.limit(order_id << 32, words.buy, 1.0, 99.0)
    address = desk.core.address
    assert all(find_order(address, 0, k << 32) == k for k in range(1, 4097))
    assert find_order(address, 0, 4097 << 32) == 0
    assert find_order(address, 1, 1 << 32) == 0
