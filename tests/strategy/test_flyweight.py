"""Event classes: every field of every dtype, at its place, under its name."""

import ctypes

import numpy as np
import pytest
from wires import T0, make_event

from livekit.events import (
    DTYPES,
    Action,
    Kind,
    OrderStatus,
    OrderType,
    Reject,
    Side,
    TimeInForce,
)
from livekit.strategy.flyweight import (
    EVENT_CLASSES,
    Event,
    OrderEvent,
    SymbolTable,
    TickerEvent,
    TradeEvent,
    bind,
)

CODED = {"kind", "side", "order_type", "tif", "status", "reject", "action"}


def over(cls, event):
    return cls.from_buffer_copy(event.tobytes())


@pytest.mark.parametrize("kind", list(DTYPES))
def test_class_has_the_size_and_offsets_of_the_dtype(kind):
    cls, dtype = EVENT_CLASSES[kind], DTYPES[kind]
    assert ctypes.sizeof(cls) == dtype.itemsize
    for name in dtype.names:
        field = getattr(cls, f"_{name}" if name in CODED else name)
        assert field.offset == dtype.fields[name][1], name
        assert field.size == dtype.fields[name][0].itemsize, name


@pytest.mark.parametrize("kind", list(DTYPES))
def test_attributes_are_the_fields_of_the_event(kind):
    rng = np.random.default_rng(int(kind))
    event = make_event(kind)
    valid = dict.fromkeys(CODED, 1)
    for name in DTYPES[kind].names:
        if name not in valid and name != "client_order_id":
            shape = event[name].shape[1:]
            event[name] = rng.integers(1, 200, shape)
    for name in set(DTYPES[kind].names) & CODED - {"kind"}:
        event[name] = 1
    view = over(EVENT_CLASSES[kind], event)
    for name in DTYPES[kind].names:
        value = getattr(view, name)
        expected = event[0][name]
        if isinstance(value, ctypes.Array):
            assert list(value) == expected.tolist()
        else:
            assert value == expected.item() if name != "client_order_id" else value == b""
    assert view.kind is kind


def test_every_kind_has_a_class():
    assert set(EVENT_CLASSES) == set(DTYPES)


def test_names_of_the_source_document_work():
    ticker = over(
        bind(TickerEvent, {0: "BTC-USDT"}),
        make_event(
            Kind.TICKER,
            ts_event=T0 + 1_999_999,
            last_price=3.0,
            bid_price=1.0,
            ask_price=2.0,
            volume=9.0,
        ),
    )
    assert isinstance(ticker, TickerEvent)
    assert (ticker.last_price, ticker.bid_price, ticker.ask_price) == (3.0, 1.0, 2.0)
    assert (ticker.volume, ticker.symbol) == (9.0, "BTC-USDT")
    assert ticker.timestamp == T0 // 1_000_000 + 1


def test_aggressor_is_a_side_with_a_sign():
    sell = over(TradeEvent, make_event(Kind.TRADE, aux=1))
    buy = over(TradeEvent, make_event(Kind.TRADE, aux=0))
    assert (sell.side, sell.sign, sell.side.sign) == (Side.SELL, -1, -1)
    assert (buy.side, buy.sign, buy.side.sign) == (Side.BUY, 1, 1)


def test_codes_of_an_order_are_members_of_their_enumerations():
    order = over(
        OrderEvent,
        make_event(Kind.ORDER, side=1, order_type=1, tif=3, status=7, reject=16, action=2),
    )
    assert order.side is Side.SELL
    assert order.sign == -1
    assert order.order_type is OrderType.MARKET
    assert order.tif is TimeInForce.GTX
    assert order.status is OrderStatus.REJECTED
    assert order.reject is Reject.POST_ONLY_WOULD_TAKE
    assert order.action is Action.CANCEL


def test_instrument_without_a_name_has_an_empty_symbol():
    assert over(TickerEvent, make_event(Kind.TICKER, 7)).symbol == ""
    bound = bind(TickerEvent, SymbolTable({0: "BTC-USDT"}))
    assert over(bound, make_event(Kind.TICKER, 65535)).symbol == ""


def test_repr_shows_symbol_time_and_values():
    cls = bind(OrderEvent, {0: "BTC-USDT"})
    text = repr(over(cls, make_event(Kind.ORDER, ts_event=5, order_id=9, side=1, status=2)))
    assert text.startswith("OrderEvent(symbol='BTC-USDT', ts_event=5, order_id=9, side=SELL")
    assert "status=ACCEPTED" in text
    book = over(EVENT_CLASSES[Kind.BOOK], make_event(Kind.BOOK, bid_price=[5, 4, 3, 2, 1]))
    assert "bid_price=[5.0, 4.0, 3.0, 2.0, 1.0]" in repr(book)


@pytest.mark.parametrize("cls", [Event, *EVENT_CLASSES.values()])
def test_event_takes_no_attribute_that_would_stay_for_the_next_one(cls):
    with pytest.raises(AttributeError):
        bind(cls, {})().note = 1
