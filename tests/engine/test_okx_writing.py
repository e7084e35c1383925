"""Requests written by compiled code against the same requests phrased in Python, to the byte."""

import json

import numpy as np
import pytest
from desk import Desk
from hypothesis import given
from hypothesis import strategies as st

from livekit.engine.okx.desk import OrderDesk
from livekit.engine.okx.outgoing import Outbound
from livekit.engine.okx.phrasing import Ticket
from livekit.engine.okx.writing import MAX_TEXT, TICKET, write_request
from livekit.events import REDUCE_ONLY, Action, OrderType, Side, TimeInForce
from livekit.instruments import Instrument
from livekit.okx.codes import Outcome
from livekit.trading.sending import on_request_live

INSTRUMENTS = (
    Instrument("BTC-USDT", tick=0.1, lot=1e-8, min_quantity=1e-5),
    Instrument("PEPE-USDT", tick=1e-12, lot=1.0, min_quantity=1.0),
    Instrument("ETH-USDT-SWAP", 0.01, 0.01, 0.01, contract_value=0.1, kind="swap"),
    Instrument("ODD-USDT", tick=0.00025, lot=25.0, min_quantity=25.0),
    Instrument("BIG-USDT", tick=5.0, lot=1000.0, min_quantity=1000.0),
)
NOW = 1_787_612_486_207_000_000


class Wire:
    """A line that keeps what it is given."""

    def __init__(self):
        self.texts, self.in_place = [], []

    def send(self, frame):
        self.texts.append(frame)

    def send_in_place(self, text, n):
        memory = np.ctypeslib.as_array((np.ctypeslib.ctypes.c_uint8 * n).from_address(text.address))
        self.in_place.append(memory.tobytes())


class Two(Desk):
    """The same requests through two desks: one writes compiled, the other in Python."""

    def __init__(self, *, is_usual, code=7):
        super().__init__(INSTRUMENTS, max_orders=128)
        self.now = NOW
        self.wire, self.orders = Wire(), OrderDesk(self.core)
        tickets = [Ticket(one, code, "cash") for one in INSTRUMENTS]
        self.outbound = Outbound(self.core, self.orders, tickets, self.wire, lambda *_: False)
        if not is_usual:
            self.outbound._rows["is_usual"] = 0
        for number, one in enumerate(INSTRUMENTS):
            self.quote(50 * one.tick, 51 * one.tick, instrument=number)

    def send_bytes(self, request, strategy=0):
        self.result = on_request_live(self.core.address, strategy, request.ctypes.data, self.now)
        return self.drain()

    def go(self):
        self.outbound.send(self.now, is_line_up=True)

    def accept(self):
        for name in list(self.orders._pending):
            self.orders.hear_outcome(name, Outcome.ACCEPTED, self.now)


@given(
    number=st.integers(0, len(INSTRUMENTS) - 1),
    ticks=st.one_of(st.integers(1, 200), st.integers(1, 10**9), st.just(10**13)),
    lots=st.one_of(st.integers(1_000, 5_000), st.integers(1_000, 10**12)),
    side=st.sampled_from(Side),
    tif=st.sampled_from(TimeInForce),
    is_market=st.booleans(),
    options=st.sampled_from([0, REDUCE_ONLY]),
    offset_ns=st.integers(-(10**9), 10**9),
)
def test_new_orders_amendments_and_cancels_are_the_same_text(
    number, ticks, lots, side, tif, is_market, options, offset_ns
):
    instrument, texts = INSTRUMENTS[number], []
    for is_usual in (True, False):
        one = Two(is_usual=is_usual)
        one.outbound.offset_ns = offset_ns
        values = {"order_id": 1, "instrument": number, "side": side, "options": options}
        values |= {"quantity": lots * instrument.lot, "price": ticks * instrument.tick, "tif": tif}
        if is_market:
            values |= {"order_type": OrderType.MARKET, "price": np.nan, "tif": TimeInForce.IOC}
        one.send(**values)
        one.go()
        one.accept()
        price, quantity = (ticks + 1) * instrument.tick, (lots + 3) * instrument.lot
        one.send(Action.MODIFY, order_id=1, instrument=number, price=price, quantity=quantity)
        one.go()
        one.accept()
        one.send(Action.CANCEL, order_id=1, instrument=number)
        one.go()
        texts.append(one.wire.in_place if is_usual else one.wire.texts)
        assert (one.wire.texts if is_usual else one.wire.in_place) == []
    assert texts[0] == texts[1]
    found = [json.loads(text)["op"] for text in texts[1]]
    usual = ["order", "cancel-order"] if is_market else ["order", "amend-order", "cancel-order"]
    assert found == usual or options


def test_request_of_the_usual_form_is_known_by_its_fields():
    desk = Two(is_usual=True)
    desk.limit(1, Side.SELL, 0.001, 5.1, tif=TimeInForce.GTX)
    desk.go()
    name = desk.core.orders[1]["client_order_id"].decode()
    assert desk.wire.in_place == [
        b'{"id":"r1","op":"order","args":[{"instIdCode":7,"tdMode":"cash","side":"sell",'
        b'"ordType":"post_only","sz":"0.001","clOrdId":"%s","px":"5.1"}],'
        b'"expTime":"1787612488207"}' % name.encode()
    ]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda desk: desk.limit(2, Side.BUY, 0.001, 4.0),  # two wait: a batch
        lambda desk: desk.core.orders["price"].__setitem__(1, 5.0000013),  # off its tick
        lambda desk: desk.outbound._rows["is_usual"].fill(0),
        lambda desk: desk.core.orders["lots"].__setitem__(1, 2**51),
    ],
)
def test_request_that_is_not_usual_writes_nothing(spoil):
    desk = Two(is_usual=True)
    desk.limit(1, Side.BUY, 0.001, 5.0)
    spoil(desk)
    text = np.zeros(MAX_TEXT, np.uint8)
    rows = desk.outbound._rows.ctypes.data
    assert write_request(desk.core.address, rows, 1, 1, text.ctypes.data) == 0
    assert not text.any()


def test_instrument_without_a_code_is_never_written():
    assert Ticket(INSTRUMENTS[0], None, "cash").row()["is_usual"] == 0
    assert Ticket(INSTRUMENTS[0], 7, "cash").row()["is_usual"] == 1
    assert Ticket(INSTRUMENTS[0], 7, "cash").row().dtype == TICKET


def test_request_that_the_pace_holds_back_goes_when_it_may():
    desk = Two(is_usual=True)
    for number in range(61):
        desk.now = NOW + number // 60 * 1_500_000_000
        desk.limit(number + 1, Side.BUY, 0.001, 4.0)
        desk.go()
    assert (len(desk.wire.in_place), desk.wire.texts) == (60, [])
    desk.now = NOW + 2_200_000_000
    desk.go()
    assert [json.loads(text)["id"] for text in desk.wire.texts] == ["r61"]
