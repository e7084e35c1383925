"""Interpreted strategies: what each callback sees, what each order carries, what fails how."""

import logging
import math
import sys
from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wires import BTC, EPOCH, ETH, T0, Desk

import livekit.strategy.api as lk
from livekit.config import MAX_ERRORS_IN_A_ROW
from livekit.errors import NotFoundError
from livekit.events import (
    ANY_INSTRUMENT,
    REDUCE_ONLY,
    Action,
    Kind,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from livekit.instruments import Instrument
from livekit.ring.layout import aligned_zeros
from livekit.ring.seqlock import params_bytes, publish_params


class Everything(lk.Strategy):
    """Notes every call."""

    def __init__(self):
        self.seen = []

    def note(self, name, event=None):
        self.seen.append((name, event))

    def on_start(self):
        self.note("on_start")

    def on_stop(self):
        self.note("on_stop")

    def on_ticker(self, ticker):
        self.note("on_ticker", ticker)

    def on_quote(self, quote):
        self.note("on_quote", quote)

    def on_trade(self, trade):
        self.note("on_trade", trade)

    def on_book(self, book):
        self.note("on_book", book)

    def on_bar(self, bar):
        self.note("on_bar", bar)

    def on_timer(self, timer):
        self.note("on_timer", timer)

    def on_order(self, order):
        self.note("on_order", order)

    def on_fill(self, order):
        self.note("on_fill", order)

    def on_gap(self, gap):
        self.note("on_gap", gap)

    def on_connection(self, connection):
        self.note("on_connection", connection)

    def on_params(self, params):
        self.note("on_params", params)


@pytest.fixture(params=[1, 2], ids=["alone", "among others"])
def everything(request):
    """Give a strategy with all callbacks, and send each event once or twice, mixed."""
    return Desk(Everything), request.param


@pytest.mark.parametrize("kind", [k for k in Kind if k not in (Kind.NONE, Kind.STOP, Kind.ORDER)])
def test_each_kind_reaches_its_callback(everything, kind):
    desk, times = everything
    for _ in range(times):
        desk.send(kind, ETH, ts_event=T0)
        if times > 1:
            desk.send(Kind.ORDER)
    desk.run()
    name = f"on_{kind.name.lower()}"
    events = [event for seen, event in desk.strategy.seen if seen == name]
    assert len(events) == times
    assert all(event.kind is kind and event.symbol == "ETH-USDT" for event in events)


def test_start_and_stop_are_called():
    desk = Desk(Everything)
    desk.body.start()
    desk.body.stop()
    assert [name for name, _ in desk.strategy.seen] == ["on_start", "on_stop"]


def test_fill_follows_its_order_report_and_is_the_same_object():
    desk = Desk(Everything)
    desk.send(Kind.ORDER, order_id=1, status=OrderStatus.ACCEPTED)
    desk.send(Kind.ORDER, order_id=1, status=OrderStatus.FILLED, last_quantity=1.0)
    desk.run()
    names = [name for name, _ in desk.strategy.seen]
    assert names == ["on_order", "on_order", "on_fill"]
    assert desk.strategy.seen[1][1] is desk.strategy.seen[2][1]


def test_kept_events_stay_what_they_were():
    desk = Desk(Everything)
    for number in range(800):
        desk.quote(float(number))
        if number % 7 == 0:
            desk.send(Kind.TRADE, price=float(number))
    desk.run()
    quotes = [event.bid_price for name, event in desk.strategy.seen if name == "on_quote"]
    assert quotes == [float(number) for number in range(800)]


def test_callbacks_not_defined_cost_no_call_but_are_counted():
    class Quotes(lk.Strategy):
        def on_quote(self, quote):
            pass

    desk = Desk(Quotes)
    desk.send(Kind.TRADE)
    desk.send(Kind.CONNECTION)
    desk.quote(1.0)
    desk.run()
    received = desk.context.counters["received"]
    assert received[[Kind.TRADE, Kind.CONNECTION, Kind.QUOTE]].tolist() == [1, 1, 1]


# Time and orders.


class Trader(lk.Strategy):
    """Does at each quote what the test says."""

    action = None

    def on_start(self):
        self.started_at = self.now

    def on_quote(self, quote):
        self.last_now = self.now
        if self.action is not None:
            self.result = self.action(quote)


def act(action, bid=100.0, ts=T0):
    """Let a strategy handle one quote by `action(strategy, quote)`; return desk and requests."""
    desk = Desk(Trader)
    desk.strategy.action = lambda quote: action(desk.strategy, quote)
    desk.quote(bid, ts=ts)
    desk.run()
    assert desk.context.counters["errors"] == 0
    return desk, desk.requests()


def test_now_is_the_time_of_the_event_in_hand_and_stays_between_events():
    desk = Desk(Trader)
    desk.body.start()
    assert desk.strategy.started_at == 0
    times = []
    desk.strategy.action = lambda _quote: times.append(desk.strategy.now)
    for number in range(5):
        desk.quote(1.0, ts=T0 + number)
    desk.send(Kind.ORDER, ts_event=T0 + 9)
    desk.quote(1.0, ts=0)
    desk.run()
    assert times == [T0, T0 + 1, T0 + 2, T0 + 3, T0 + 4, T0 + 9]
    assert desk.strategy.now == T0 + 9


def test_order_carries_time_and_word_of_the_event_it_answers():
    desk = Desk(Trader)
    words = []

    def order(quote):
        words.append((quote.ts_event, quote.aux))
        desk.strategy.buy("BTC-USDT", 0.01, 99.0)

    desk.strategy.action = order
    for number in range(4):
        desk.quote(1.0, ts=T0 + number)
    desk.run()
    requests = [(int(r["ts_event"]), int(r["published"])) for r in desk.requests()]
    assert requests == words


def test_order_outside_an_event_carries_no_word():
    desk = Desk(Trader)
    desk.strategy.buy("BTC-USDT", 0.01)
    desk.quote(1.0)
    desk.run()
    desk.strategy.sell("BTC-USDT", 0.01)
    first, second = desk.requests()
    assert (first["ts_event"], first["published"]) == (0, 0)
    assert (second["ts_event"], second["published"]) == (T0, 0)


def test_buy_and_sell_have_their_options():
    def orders(s, quote):
        return [
            s.buy(quote.symbol, 0.01, 99.0),
            s.sell(quote.symbol, 2, 101, tif=lk.IOC),
            s.buy("ETH-USDT", 0.5),
            s.sell("ETH-USDT", 0.5, 10.0, post_only=True, reduce_only=True),
        ]

    desk, (limit, ioc, market, maker) = act(orders)
    assert desk.strategy.result == [EPOCH << 32 | n for n in (1, 2, 3, 4)]
    assert (limit["side"], limit["order_type"], limit["tif"]) == (0, OrderType.LIMIT, 0)
    assert (limit["price"], limit["quantity"], limit["instrument"]) == (99.0, 0.01, BTC)
    assert (ioc["side"], ioc["tif"], ioc["quantity"], ioc["price"]) == (1, 1, 2.0, 101.0)
    assert market["order_type"] == OrderType.MARKET
    assert math.isnan(market["price"])
    assert (maker["tif"], maker["options"]) == (TimeInForce.GTX, REDUCE_ONLY)


def test_send_order_of_the_source_document_is_a_limit_order():
    _, (buy, sell) = act(
        lambda s, q: [s.send_order(q.symbol, 0, 0.01, 5.0), s.send_order(q.symbol, lk.SELL, 1, 6.0)]
    )
    assert (buy["side"], buy["order_type"], buy["price"], buy["quantity"]) == (0, 0, 5.0, 0.01)
    assert (sell["side"], sell["tif"]) == (1, TimeInForce.GTC)


def test_price_that_became_nan_is_no_market_order():
    _, (request,) = act(lambda s, q: s.buy(q.symbol, 0.01, nan))
    assert request["order_type"] == OrderType.LIMIT


def test_order_for_an_unknown_instrument_is_sent_for_the_engine_to_refuse():
    desk, (request,) = act(lambda s, _q: s.buy("XRP-USDT", 1.0))
    assert request["instrument"] == ANY_INSTRUMENT
    assert desk.strategy.result == EPOCH << 32 | 1


def test_instrument_added_while_running_is_known_at_the_next_order():
    desk = Desk(Trader)
    desk.instruments.append(Instrument("XRP-USDT", 0.0001, 1.0, 1.0))
    desk.strategy.buy("XRP-USDT", 1.0)
    assert desk.requests()[0]["instrument"] == 2
    desk.report(
        {"order_id": 1, "instrument": 2, "side": 0, "order_type": 0, "price": 1.0, "quantity": 1.0},
        OrderStatus.FILLED,
        last=3.0,
    )
    desk.run()
    assert desk.strategy.position("XRP-USDT") == 3.0


def test_modify_cancel_and_close():
    def orders(s, q):
        s.order = s.buy(q.symbol, 0.01, 99.0)
        return s.modify(s.order, price=98.0), s.cancel(s.order), s.cancel_all(), s.close(q.symbol)

    desk, (_, modify, cancel, every) = act(orders)
    assert desk.strategy.result == (desk.strategy.order, desk.strategy.order, 1, 0)
    assert (modify["action"], modify["price"], modify["quantity"]) == (Action.MODIFY, 98.0, 0.01)
    assert cancel["action"] == Action.CANCEL
    assert (every["action"], every["instrument"]) == (Action.CANCEL_ALL, ANY_INSTRUMENT)


def test_cancel_all_of_one_symbol_names_it():
    _, (request,) = act(lambda s, _q: s.cancel_all("ETH-USDT"))
    assert request["instrument"] == ETH


def test_full_orders_ring_returns_zero_and_counts():
    desk = Desk(Trader, orders=2)
    numbers = [desk.strategy.buy("BTC-USDT", 0.01) & 0xFFFF for _ in range(4)]
    assert numbers == [1, 2, 0, 0]
    assert desk.context.counters["orders_refused"] == 2


def test_open_orders_are_copies_in_the_order_of_their_creation():
    desk = Desk(Trader)
    assert not desk.strategy.open_orders
    numbers = [desk.strategy.buy("BTC-USDT", 0.01, price) for price in (1.0, 2.0, 3.0)]
    requests = desk.requests()
    before = desk.strategy.open_orders
    desk.report(requests[0], OrderStatus.CANCELED)
    desk.report(requests[2], OrderStatus.PARTIALLY_FILLED, last=0.005)
    desk.run()
    assert [order.order_id for order in before] == numbers
    assert [order.order_id for order in desk.strategy.open_orders] == numbers[1:]
    part = desk.strategy.open_orders[1]
    assert (part.status, part.filled_quantity) == (OrderStatus.PARTIALLY_FILLED, 0.005)
    assert (part.symbol, part.side) == ("BTC-USDT", lk.BUY)
    assert before[2].status is OrderStatus.CREATED


def test_position_changes_with_the_report_not_before():
    seen = []

    class Watcher(lk.Strategy):
        def on_quote(self, quote):
            seen.append(self.position(quote.symbol))

        def on_fill(self, order):
            seen.append(("fill", self.position(order.symbol)))

    desk = Desk(Watcher)
    number = desk.strategy.buy("BTC-USDT", 0.3)
    (request,) = desk.requests()
    desk.quote(1.0)
    desk.report(request, OrderStatus.FILLED, last=0.3)
    desk.quote(1.0)
    desk.run()
    assert number
    assert seen == [0.0, ("fill", 0.3), 0.3]


def test_book_is_the_last_one_as_of_the_event_in_hand():
    seen = []

    class Booked(lk.Strategy):
        def on_quote(self, _quote):
            book = self.book("BTC-USDT")
            seen.append((book.bid_price[0], book.symbol))

    desk = Desk(Booked)
    desk.quote(1.0)
    desk.send(Kind.BOOK, BTC, bid_price=[5, 4, 3, 2, 1])
    desk.quote(1.0)
    desk.send(Kind.BOOK, BTC, bid_price=[6, 5, 4, 3, 2])
    desk.send(Kind.BOOK, ETH, bid_price=[7, 5, 4, 3, 2])
    desk.quote(1.0)
    desk.run()
    assert math.isnan(seen[0][0])
    assert seen[0][1] == "BTC-USDT"
    assert [bid for bid, _ in seen[1:]] == [5.0, 6.0]


def test_book_of_an_unknown_instrument_has_no_price():
    desk = Desk(Trader)
    book = desk.strategy.book("XRP-USDT")
    assert math.isnan(book.bid_price[0])
    assert math.isnan(book.ask_price[4])
    assert book.symbol == ""


def test_instrument_has_the_steps_and_an_unknown_one_is_an_error():
    desk = Desk(Trader)
    assert desk.strategy.instrument("ETH-USDT").tick == 0.01
    with pytest.raises(NotFoundError, match=r"'XRP-USDT' is not .* it has BTC-USDT, ETH-USDT"):
        desk.strategy.instrument("XRP-USDT")


def test_position_attribute_of_the_source_document_is_the_users_own():
    class MomentumStrategy(lk.BaseStrategy):
        def __init__(self):
            super().__init__("momentum_strategy")
            self.position = 0.0

        def on_ticker(self, ticker):
            if ticker.last_price > 50500 and self.position == 0:
                self.send_order(ticker.symbol, 0, 0.01, ticker.last_price)
                self.position = 0.01

    desk = Desk(MomentumStrategy)
    for price in (50400.0, 50600.0, 50700.0):
        desk.send(Kind.TICKER, last_price=price)
    desk.run()
    (request,) = desk.requests()
    assert (request["price"], request["quantity"], request["side"]) == (50600.0, 0.01, 0)
    assert desk.strategy.strategy_id == "momentum_strategy"
    desk.report(request, OrderStatus.FILLED, last=0.01)
    desk.run()
    assert desk.context.positions[BTC] == 1000


# State and parameters.


class Stateful(lk.Strategy):
    gain = lk.Param(0.5, 0.0, 1.0, hot=True)
    depth = lk.Param(3, 1, 9, hot=True)
    ema: float = nan
    count: int = 0
    is_long: bool = False
    prices: lk.array(4)

    def on_quote(self, quote):
        self.prices[self.count % 4] = quote.bid_price
        self.count += 1
        self.ema = quote.bid_price * self.gain
        self.is_long = True

    def on_params(self, params):
        self.version = (params.version, self.gain, self.depth)


def test_state_record_follows_the_attributes():
    desk = Desk(Stateful)
    desk.quote(8.0)
    desk.run()
    desk.body.write_state()
    row = desk.context.state[0]
    assert (row["ema"], row["count"], row["is_long"]) == (4.0, 1, True)
    assert row["prices"].tolist() == [8.0, 0.0, 0.0, 0.0]


def test_array_that_was_replaced_is_copied_into_the_record():
    desk = Desk(Stateful)
    desk.strategy.prices = [1, 2, 3, 4]
    desk.body.write_state()
    assert desk.context.state[0]["prices"].tolist() == [1.0, 2.0, 3.0, 4.0]


def test_state_that_does_not_fit_keeps_its_last_value_and_says_so_once(caplog):
    desk = Desk(Stateful)
    desk.strategy.count = 5
    desk.body.write_state()
    desk.strategy.count = "many"
    with caplog.at_level(logging.WARNING, "livekit"):
        desk.body.write_state()
        desk.body.write_state()
    assert desk.context.state[0]["count"] == 5
    assert len(caplog.records) == 1


def test_hot_parameters_are_attributes_before_on_params_is_called():
    desk = Desk(Stateful)
    dtype = desk.context.params.dtype
    part, new = aligned_zeros(params_bytes(dtype.itemsize)), aligned_zeros(64)
    desk.context.view["params_part"] = part.ctypes.data
    new[: dtype.itemsize].view(dtype)[0] = (0.25, 7)
    publish_params(part.ctypes.data, new.ctypes.data, 1)
    desk.send(Kind.PARAMS, ANY_INSTRUMENT, version=1)
    desk.quote(8.0)
    desk.run()
    assert desk.strategy.version == (1, 0.25, 7)
    assert type(desk.strategy.depth) is int
    assert desk.strategy.ema == 2.0


# What goes wrong.


class Failing(lk.Strategy):
    def __init__(self):
        self.calls = []

    def on_quote(self, quote):
        self.calls.append(quote.bid_price)
        if quote.bid_price < 0:
            raise ValueError("negative")
        if quote.bid_price == 666.0:
            sys.exit("enough")

    def on_trade(self, trade):
        pass


def test_exception_is_logged_with_its_event_and_the_loop_goes_on(caplog):
    desk = Desk(Failing)
    for bid in (1.0, -2.0, 3.0):
        desk.quote(bid)
    with caplog.at_level(logging.ERROR, "livekit"):
        desk.run()
    assert desk.strategy.calls == [1.0, -2.0, 3.0]
    assert desk.context.counters["errors"] == 1
    (record,) = caplog.records
    text = record.getMessage()
    assert "callback=on_quote" in text
    assert "ValueError: negative" in text
    assert "bid_price=-2.0" in text
    assert record.exc_info is not None


@pytest.mark.parametrize("is_mixed", [False, True])
def test_too_many_exceptions_in_a_row_end_the_strategy(is_mixed):
    desk = Desk(Failing)
    for _ in range(MAX_ERRORS_IN_A_ROW + 5):
        desk.quote(-1.0)
    if is_mixed:
        desk.send(Kind.TRADE)
    desk.run()
    assert len(desk.strategy.calls) == MAX_ERRORS_IN_A_ROW
    assert "10 exceptions in a row" in desk.body.failure
    assert "ValueError: negative" in desk.body.failure
    assert "test_interpreted.py:" in desk.body.failure
    assert desk.queued == 0


def test_a_success_between_them_starts_the_count_again():
    desk = Desk(Failing)
    for _ in range(5):
        for _ in range(MAX_ERRORS_IN_A_ROW - 1):
            desk.quote(-1.0)
        desk.quote(1.0)
    desk.run()
    assert desk.body.failure == ""
    assert desk.context.counters["errors"] == 45


def test_exceptions_in_a_row_are_counted_across_batches():
    desk = Desk(Failing)
    for _ in range(MAX_ERRORS_IN_A_ROW):
        desk.quote(-1.0)
        if not desk.body.failure:
            desk.body.turn()
    assert "in a row" in desk.body.failure


@given(st.lists(st.booleans(), max_size=60))
def test_strategy_ends_exactly_at_the_first_run_of_errors(fails):
    desk = Desk(Failing)
    for is_bad in fails:
        desk.quote(-1.0 if is_bad else 1.0)
    desk.run()
    text = "".join("x" if is_bad else "." for is_bad in fails)
    end = text.find("x" * MAX_ERRORS_IN_A_ROW)
    expected = len(fails) if end < 0 else end + MAX_ERRORS_IN_A_ROW
    assert len(desk.strategy.calls) == expected
    assert bool(desk.body.failure) == (end >= 0)


def test_leaving_the_process_inside_a_callback_ends_the_strategy_with_a_message():
    desk = Desk(Failing)
    desk.quote(666.0)
    desk.quote(1.0)
    desk.run()
    assert desk.strategy.calls == [666.0]
    assert desk.body.failure.startswith("on_quote (")
    assert "left the process by SystemExit: enough" in desk.body.failure


def test_fill_is_delivered_even_if_on_order_raises():
    fills = []

    class Bad(lk.Strategy):
        def on_order(self, _order):
            raise RuntimeError("no")

        def on_fill(self, order):
            fills.append(order.last_quantity)

    desk = Desk(Bad)
    desk.send(Kind.ORDER, order_id=1, status=OrderStatus.FILLED, last_quantity=0.5)
    desk.run()
    assert fills == [0.5]
    assert desk.context.counters["errors"] == 1
    assert desk.strategy.position("BTC-USDT") == 0.5


def test_exception_in_on_stop_is_logged_and_counted(caplog):
    class Bad(lk.Strategy):
        def on_stop(self):
            raise RuntimeError("no")

    desk = Desk(Bad)
    with caplog.at_level(logging.ERROR, "livekit"):
        desk.body.stop()
    assert "callback=on_stop" in caplog.text
    assert desk.context.counters["errors"] == 1


def test_stop_of_the_engine_is_seen_after_everything_before_it():
    desk = Desk(Failing)
    desk.quote(1.0)
    desk.quote(2.0)
    desk.stop()
    desk.run()
    assert desk.strategy.calls == [1.0, 2.0]
    assert desk.body.is_stopped


def test_log_writes_text_and_numbers(caplog):
    desk = Desk(Trader)
    with caplog.at_level(logging.INFO, "livekit"):
        desk.strategy.log("spread", 1, 2.5)
    assert caplog.records[-1].getMessage() == "event=strategy_log text='spread' 1.0 2.5"


def test_log_of_more_than_four_numbers_is_an_error_of_the_callback():
    desk = Desk(Trader)
    desk.strategy.action = lambda _q: desk.strategy.log("x", 1, 2, 3, 4, 5)
    desk.quote(1.0)
    desk.run()
    assert desk.context.counters["errors"] == 1


def test_batches_shrink_to_a_millisecond_of_work_and_grow_again():
    desk = Desk(Trader)
    pool = desk.body._pool
    desk.body._choose_limit(256, 256_000_000)
    assert pool.words[pool.LIMIT] == 1
    desk.body._choose_limit(1, 900_000)
    assert pool.words[pool.LIMIT] == 1
    for _ in range(10):
        desk.body._choose_limit(1, 1000)
    assert pool.words[pool.LIMIT] == 256
