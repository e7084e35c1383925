"""What a strategy asks for: every field of every request, refusals, and the doorbell."""

import math
import os

import numpy as np
import pytest
from wires import BTC, EPOCH, ETH, T0, Wires, make_event

from livekit.events import ANY_INSTRUMENT, REDUCE_ONLY, Action, Kind, OrderType, TimeInForce
from livekit.ring.layout import SLEEPING
from livekit.strategy.context import MAX_OPEN_ORDERS, begin_event
from livekit.strategy.requests import (
    GIVEN_PRICE,
    GIVEN_QUANTITY,
    send_cancel,
    send_cancel_all,
    send_close,
    send_modify,
    send_new,
)

LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET


@pytest.fixture
def wires():
    return Wires()


def new(wires, instrument=ETH, side=1, kind=LIMIT, quantity=0.5, price=3000.0, tif=0, options=0):
    return send_new(wires.address, instrument, side, int(kind), quantity, price, int(tif), options)


def test_new_order_has_every_field(wires):
    event = make_event(Kind.QUOTE, ts_event=T0, aux=4321)
    begin_event(wires.address, event.ctypes.data)
    order_id = new(wires, tif=TimeInForce.GTX, options=REDUCE_ONLY)
    (request,) = wires.requests()
    assert order_id == EPOCH << 32 | 1
    assert request["kind"] == Kind.ORDER
    assert request["action"] == Action.NEW
    assert (request["instrument"], request["side"], request["order_type"]) == (ETH, 1, LIMIT)
    assert (request["tif"], request["options"]) == (TimeInForce.GTX, REDUCE_ONLY)
    assert (request["price"], request["quantity"]) == (3000.0, 0.5)
    assert (request["order_id"], request["sequence"]) == (order_id, 1)
    assert (request["ts_event"], request["published"]) == (T0, 4321)


def test_ids_and_sequence_count_up(wires):
    assert [new(wires) & 0xFFFFFFFF for _ in range(3)] == [1, 2, 3]
    send_cancel(wires.address, EPOCH << 32 | 2)
    assert new(wires) & 0xFFFFFFFF == 4
    assert [int(request["sequence"]) for request in wires.requests()] == [1, 2, 3, 4, 5]
    assert wires.context.counters["orders"] == 5


def test_new_order_stands_among_the_open_ones_at_once(wires):
    order_id = new(wires)
    assert wires.context.view["n_open"] == 1
    assert wires.context.open_orders[0]["order_id"] == order_id
    assert wires.context.open_orders[0]["status"] == 0


def test_market_order_has_no_price(wires):
    new(wires, kind=MARKET, price=3000.0)
    assert math.isnan(wires.requests()[0]["price"])


def test_limit_price_that_is_nan_stays_a_limit_order(wires):
    new(wires, price=math.nan)
    (request,) = wires.requests()
    assert request["order_type"] == LIMIT
    assert math.isnan(request["price"])


@pytest.mark.parametrize("instrument", [-1, 65536, 1024, 10**9])
def test_instrument_that_is_none_is_sent_as_any(wires, instrument):
    new(wires, instrument=instrument)
    assert wires.requests()[0]["instrument"] == ANY_INSTRUMENT


@pytest.mark.parametrize("code", [-1, 2, 255, 256, 512])
def test_side_out_of_range_never_becomes_a_valid_one(wires, code):
    new(wires, side=code, tif=code + 5 if code > 0 else code)
    (request,) = wires.requests()
    assert request["side"] not in (0, 1)
    assert request["tif"] not in (0, 1, 2, 3)


def test_full_ring_refuses_and_counts_and_uses_no_number():
    wires = Wires(orders=2)
    assert new(wires)
    assert new(wires)
    assert new(wires) == 0
    assert send_cancel(wires.address, EPOCH << 32 | 1) == 0
    assert send_cancel_all(wires.address, ANY_INSTRUMENT) == 0
    assert send_modify(wires.address, EPOCH << 32 | 1, 1.0, 1.0, 3) == 0
    assert wires.context.counters["orders_refused"] == 4
    assert wires.context.view["n_open"] == 2
    assert len(wires.requests()) == 2
    assert new(wires) == EPOCH << 32 | 3
    assert wires.requests()[0]["sequence"] == 3


def test_full_table_of_open_orders_refuses():
    wires = Wires(orders=2 * MAX_OPEN_ORDERS)
    for _ in range(MAX_OPEN_ORDERS):
        assert new(wires)
    assert new(wires) == 0
    assert wires.context.counters["orders_refused"] == 1
    assert len(wires.requests()) == MAX_OPEN_ORDERS


def test_modify_keeps_what_is_not_given(wires):
    order_id = new(wires)
    assert send_modify(wires.address, order_id, 0.25, math.nan, GIVEN_QUANTITY) == order_id
    assert send_modify(wires.address, order_id, math.nan, 3100.0, GIVEN_PRICE) == order_id
    _, smaller, dearer = wires.requests()
    assert (smaller["action"], smaller["order_id"]) == (Action.MODIFY, order_id)
    assert (smaller["quantity"], smaller["price"]) == (0.25, 3000.0)
    assert (dearer["quantity"], dearer["price"]) == (0.5, 3100.0)
    assert (dearer["instrument"], dearer["side"]) == (ETH, 1)


def test_modify_of_an_unknown_order_is_the_engines_to_refuse(wires):
    assert send_modify(wires.address, 99, 0.25, 1.0, 3) == 99
    (request,) = wires.requests()
    assert (request["order_id"], request["instrument"]) == (99, ANY_INSTRUMENT)


def test_cancel_names_order_and_instrument(wires):
    order_id = new(wires)
    assert send_cancel(wires.address, order_id) == order_id
    request = wires.requests()[1]
    assert (request["action"], request["order_id"]) == (Action.CANCEL, order_id)
    assert (request["instrument"], request["side"]) == (ETH, 1)


@pytest.mark.parametrize("instrument", [BTC, ETH, ANY_INSTRUMENT])
def test_cancel_all_names_the_instrument(wires, instrument):
    assert send_cancel_all(wires.address, instrument) == 1
    (request,) = wires.requests()
    assert (request["action"], request["instrument"]) == (Action.CANCEL_ALL, instrument)
    assert request["order_id"] == 0


@pytest.mark.parametrize(("lots", "side"), [(30_000, 1), (-30_000, 0)])
def test_close_reduces_the_whole_position_at_the_market(wires, lots, side):
    wires.context.positions[ETH] = lots
    assert send_close(wires.address, ETH)
    (request,) = wires.requests()
    assert (request["side"], request["order_type"], request["quantity"]) == (side, MARKET, 3.0)
    assert (request["options"], request["tif"]) == (REDUCE_ONLY, TimeInForce.IOC)


@pytest.mark.parametrize("instrument", [ETH, -1, 2, 65535])
def test_close_without_a_position_asks_for_nothing(wires, instrument):
    assert send_close(wires.address, instrument) == 0
    assert wires.requests() == []


def test_doorbell_rings_once_for_each_sleep(wires):
    reader, writer = os.pipe2(os.O_NONBLOCK)
    wires.context.view["doorbell"] = writer
    sleeping = wires.orders[:512].view(np.int64)[SLEEPING // 8 : SLEEPING // 8 + 1]

    def rings():
        try:
            return len(os.read(reader, 100))
        except BlockingIOError:
            return 0

    new(wires)
    assert rings() == 0  # awake
    sleeping[0] = 41
    new(wires)
    new(wires)
    assert rings() == 1
    sleeping[0] = 42
    send_cancel_all(wires.address, BTC)
    assert rings() == 1
    os.close(reader)
    os.close(writer)


def test_doorbell_that_is_full_stops_nobody(wires):
    reader, writer = os.pipe2(os.O_NONBLOCK)
    os.write(writer, bytes(1 << 20))
    wires.context.view["doorbell"] = writer
    wires.orders[:512].view(np.int64)[SLEEPING // 8] = 7
    assert new(wires)
    os.close(reader)
    os.close(writer)
