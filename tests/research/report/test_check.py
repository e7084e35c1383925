"""Rows that contradict each other are named; those of a sound run are not."""

import pytest
from hand_made_run import BUY, SECOND, SELL, START, fill, make, orders_of, samples_of
from hypothesis import given
from random_runs import runs


@given(runs())
def test_sound_runs_are_free_of_contradictions(run):
    assert run.check() == []


def broken(table="fills", row=0, values=()):
    """Return what is said of a sound run with some fields of one row changed."""
    fills = [fill(1, BUY, 2, 100.0, fee=0.5), fill(2, SELL, 1, 103.0)]
    orders = orders_of(fills)
    equity = samples_of(fills, [(0, [100.0]), (1.5, [101.0]), (100, [104.0])])
    {"fills": fills, "orders": orders, "equity": equity}[table][row].update(values)
    return make(fills, orders, equity, end_marks={"BTC-USDT": 104.0}).check()


def test_hand_made_run_is_sound():
    assert broken() == []


@pytest.mark.parametrize(
    ("table", "row", "values", "expected"),
    [
        (
            "equity",
            1,
            {"fees": 0.25},
            "fees of equity row 1 at 2026-01-05T00:00:01.500000000Z are 0.25, its 1 fills give 0.5",
        ),
        ("equity", 2, {"volume": 1.0}, "volume of equity row 2"),
        ("equity", 2, {"realized": 1.0}, "realized of equity row 2"),
        ("equity", 1, {"equity": 1.0}, "equity of row 1 is 1.0"),
        ("equity", 2, {"equity": 1.0}, "the last equity differs by"),
        ("equity", 1, {"n_fills": 5}, "the equity counts 5 fills, there are 2"),
        ("fills", 0, {"ts": START + 3 * SECOND}, "fill 1 is earlier"),
        ("equity", 0, {"ts": START + 3 * SECOND}, "equity row 1 is earlier"),
        ("fills", 0, {"order_id": 9}, "a fill names an order that has no row"),
        ("orders", 0, {"filled_quantity": 1.0}, "order 1 says it filled 1.0, its fills 2.0"),
        ("orders", 1, {"final_ns": 0}, "order row 1 (order 2) has status 5"),
    ],
)
def test_contradiction_is_named_with_its_first_place(table, row, values, expected):
    found = broken(table, row, values)
    assert any(sentence.startswith(expected) for sentence in found), found


def test_fills_without_any_order_are_named():
    fills = [fill(1, BUY, 1, 100.0)]
    found = make(fills, (), samples_of(fills, [(2, [100.0])])).check()
    assert "a fill names an order that has no row" in found


def test_run_without_a_mark_is_not_blamed_for_it():
    fills = [fill(1, BUY, 1, 100.0)]
    orders = orders_of(fills)
    assert make(fills, orders, samples_of(fills, [(2, [100.0])])).check() == []
