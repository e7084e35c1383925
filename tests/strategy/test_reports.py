"""Reports against a model in plain Python: positions and the table of open orders."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wires import BTC, ETH, INSTRUMENTS, Wires, make_event

from livekit.events import Action, Kind, OrderStatus, Reject
from livekit.strategy.context import find_open, position
from livekit.strategy.reports import apply_report
from livekit.strategy.requests import send_new

FINAL = (OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED)
OPEN = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNKNOWN)


def apply(wires, order_id, status, *, instrument=BTC, side=0, last=0.0, **fields):
    event = make_event(
        Kind.ORDER,
        instrument,
        order_id=order_id,
        status=status,
        side=side,
        last_quantity=last,
        **fields,
    )
    return apply_report(wires.address, event.ctypes.data)


def ids(wires):
    return wires.context.open_orders["order_id"][: wires.context.view["n_open"]].tolist()


@pytest.fixture
def wires():
    return Wires()


def order(wires, instrument=BTC, side=0, quantity=1.0):
    return send_new(wires.address, instrument, side, 0, quantity, 10.0, 0, 0)


@pytest.mark.parametrize("status", OPEN)
def test_report_of_an_open_order_replaces_its_row(wires, status):
    one, two = order(wires), order(wires)
    assert apply(wires, one, status, price=11.0, client_order_id=b"L1") == 0
    row = wires.context.open_orders[0]
    assert (row["status"], row["price"], row["client_order_id"]) == (status, 11.0, b"L1")
    assert ids(wires) == [one, two]


@pytest.mark.parametrize("status", FINAL)
def test_final_report_removes_the_order_and_leaves_no_hole(wires, status):
    numbers = [order(wires) for _ in range(5)]
    apply(wires, numbers[1], status)
    apply(wires, numbers[4], status)
    assert ids(wires) == [numbers[0], numbers[2], numbers[3]]
    assert find_open(wires.address, numbers[1]) == 0
    assert find_open(wires.address, numbers[3]) == wires.context.open_orders[2:].ctypes.data


@pytest.mark.parametrize("action", [Action.MODIFY, Action.CANCEL])
def test_refused_change_leaves_the_order_as_it_is(wires, action):
    one = order(wires)
    apply(wires, one, OrderStatus.ACCEPTED, price=10.0)
    apply(wires, one, OrderStatus.REJECTED, action=action, reject=Reject.MALFORMED, price=99.0)
    assert ids(wires) == [one]
    assert wires.context.open_orders[0]["price"] == 10.0
    assert wires.context.open_orders[0]["status"] == OrderStatus.ACCEPTED


def test_refused_change_of_an_order_the_engine_does_not_know_removes_it(wires):
    one = order(wires)
    apply(wires, one, OrderStatus.REJECTED, action=Action.CANCEL, reject=Reject.UNKNOWN_ORDER)
    assert ids(wires) == []


def test_bought_and_sold_again_is_exactly_zero(wires):
    for last in (0.1, 0.2):
        assert apply(wires, 1, OrderStatus.FILLED, last=last) == 1
    assert position(wires.address, BTC) == 0.3
    apply(wires, 2, OrderStatus.FILLED, side=1, last=0.3)
    assert position(wires.address, BTC) == 0.0


def test_fill_after_a_cancellation_still_counts(wires):
    one = order(wires)
    apply(wires, one, OrderStatus.CANCELED)
    assert apply(wires, one, OrderStatus.CANCELED, last=0.5) == 1
    assert position(wires.address, BTC) == 0.5


def test_report_of_an_unknown_order_or_instrument_changes_no_table(wires):
    one = order(wires)
    apply(wires, 12345, OrderStatus.ACCEPTED)
    apply(wires, 2**63, OrderStatus.FILLED)
    apply(wires, 7, OrderStatus.FILLED, instrument=900, last=1.0)
    apply(wires, 7, OrderStatus.FILLED, instrument=65535, last=1.0)
    assert ids(wires) == [one]
    assert not wires.context.positions.any()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("new"), st.sampled_from([BTC, ETH]), st.integers(0, 1)),
        st.tuples(st.just("fill"), st.integers(0, 30), st.integers(1, 10**6), st.booleans()),
        st.tuples(st.just("end"), st.integers(0, 30), st.sampled_from(FINAL)),
        st.tuples(st.just("accept"), st.integers(0, 30)),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(STEPS)
def test_table_and_positions_equal_a_model_after_any_reports(steps):
    wires = Wires()
    known, is_open = [], {}
    lots = {BTC: 0, ETH: 0}
    for step in steps:
        if step[0] == "new":
            number = order(wires, step[1], step[2])
            known.append((number, step[1], step[2]))
            is_open[number] = True
            continue
        if not known:
            continue
        number, instrument, side = known[step[1] % len(known)]
        if step[0] == "accept":
            apply(wires, number, OrderStatus.ACCEPTED, instrument=instrument, side=side)
        elif step[0] == "end":
            apply(wires, number, step[2], instrument=instrument, side=side)
            is_open[number] = False
        else:
            status = OrderStatus.FILLED if step[3] else OrderStatus.PARTIALLY_FILLED
            last = float(Fraction(repr(INSTRUMENTS[instrument].lot)) * step[2])
            assert apply(wires, number, status, instrument=instrument, side=side, last=last) == 1
            lots[instrument] += step[2] * (1 - 2 * side)
            is_open[number] = is_open[number] and not step[3]
    assert ids(wires) == [number for number, *_ in known if is_open[number]]
    assert wires.context.positions[:2].tolist() == [lots[BTC], lots[ETH]]
    assert np.count_nonzero(wires.context.positions) <= 2
