"""Cancels in bulk, the outbox and its bound, and what the market's events leave behind."""

import numpy as np
import pytest

from livekit.errors import ConfigError
from livekit.events import BAR, Kind
from livekit.instruments import Instrument
from livekit.trading import parse_client_order_id
from livekit.trading.core import TradingCore
from livekit.trading.outbox import OUTBOX_FULL
from livekit.trading.router import cancel_all, cancel_strategy, on_market, on_touch, on_trade


def _fill_table(desk, words, count=6):
    """Let strategies 0 and 1 rest orders in both instruments, in turn."""
    desk.quote(2000.0, 2000.5, instrument=1)
    for k in range(count):
        desk.limit(k + 1, words.buy, 1.0, 99.0, instrument=k // 2 % 2, strategy=k % 2)


def test_cancel_all_request_takes_every_order_of_its_strategy(desk, words):
    _fill_table(desk, words)
    reports = desk.cancel_all()
    assert desk.outline(reports) == [("CANCELED", "NONE")] * 3
    assert reports["order_id"].tolist() == [1, 3, 5]
    assert reports["action"].tolist() == [2, 2, 2]
    assert desk.core.strategies["n_open"].tolist() == [0, 3, 0, 0]


def test_cancel_all_request_of_one_instrument_leaves_the_others(desk, words):
    _fill_table(desk, words)
    assert desk.cancel_all(1)["order_id"].tolist() == [3]
    assert desk.core.router.open_orders(0)["order_id"].tolist() == [1, 5]
    assert desk.core.router.open_orders()["order_id"].tolist() == [1, 5, 2, 4, 6]


def test_cancel_all_request_without_orders_reports_nothing(desk):
    assert len(desk.cancel_all()) == 0


def test_cancel_strategy_and_cancel_all_count_what_they_cancel(desk, words):
    _fill_table(desk, words)
    assert cancel_strategy(desk.core.address, 1, desk.now) == 3
    assert cancel_all(desk.core.address, desk.now) == 3
    assert desk.core.cancel_all(desk.now) == 0
    assert desk.core.header["n_open"] == 0
    assert not desk.core.positions["open_buy_lots"].any()
    rows = desk.core.drain()
    assert rows["strategy"].tolist() == [1, 1, 1, 0, 0, 0]


def test_reports_are_numbered_without_a_gap(desk, words):
    _fill_table(desk, words)
    desk.market(90, words.buy, 12.0)
    desk.cancel_all()
    sequences = [int(row["report"]["sequence"]) for row in desk.reports]
    assert sequences == list(range(1, len(sequences) + 1))


def test_report_states_time_kind_and_owner(desk, words):
    desk.now = 123_456_789
    report = desk.limit(1, words.buy, 1.0, 99.0, strategy=2)[0]
    assert (report["ts_event"], report["ts_recv"], report["kind"]) == (desk.now, desk.now, 3)
    assert desk.reports[-1]["strategy"] == 2
    assert parse_client_order_id(report["client_order_id"].decode()).strategy == 2


def test_full_outbox_refuses_a_request_and_changes_nothing(make_desk, words):
    desk = make_desk(max_orders=4)
    desk.quote(100.0, 100.1)
    desk.core.header["n_reports"] = len(desk.core.outbox) - 5
    before = desk.core.memory.copy()
    desk.request["kind"], desk.request["order_id"] = 3, 1
    address = desk.core.address
    assert desk.core.router.on_request(0, desk.request, desk.now) == OUTBOX_FULL
    assert (desk.core.memory == before).all()
    desk.core.clear_outbox()
    assert desk.core.router.on_request(0, desk.request, desk.now) == 1
    assert cancel_all(address, desk.now) == 0


def test_full_outbox_holds_an_event_back_until_it_is_drained(make_desk, words):
    desk = make_desk(max_orders=4)
    desk.quote(100.0, 100.1)
    for order_id in (1, 2, 3):
        desk.limit(order_id, words.buy, 1.0, 99.0)
    address = desk.core.address
    desk.core.header["n_reports"] = len(desk.core.outbox) - 5
    assert on_touch(address, 0, 98.0, 1.0, 98.5, 1.0, desk.now) == OUTBOX_FULL
    assert cancel_all(address, desk.now) == 3
    desk.core.clear_outbox()


def test_every_order_of_a_full_table_may_fill_at_once(make_desk, words):
    desk = make_desk(max_orders=64)
    desk.quote(100.0, 100.1)
    desk.market(100, words.buy, 5.0)
    for order_id in range(1, 65):
        desk.limit(order_id, words.sell, 1.0, 101.0, options=0)
    assert desk.quote(102.0, 102.1) == 64
    assert desk.core.header["n_open"] == 0


def test_event_of_another_kind_or_an_unknown_instrument_is_passed_over(desk):
    before = desk.core.memory.copy()
    bar = desk.slot[: BAR.itemsize].view(BAR)
    bar["kind"], bar["close"] = Kind.BAR, 1.0
    assert on_market(desk.core.address, desk.slot.ctypes.data, desk.now) == 0
    assert desk.quote(1.0, 2.0, instrument=2) == 0
    assert desk.trade(1.0, instrument=65535) == 0
    assert (desk.core.memory == before).all()


def test_scalars_do_what_events_do(make_desk, words):
    one, other = make_desk(), make_desk()
    for desk in (one, other):
        desk.quote(100.0, 100.1)
        desk.limit(1, words.buy, 1.0, 99.0)
        desk.limit(2, words.buy, 1.0, 98.0)
    one.quote(97.0, 98.5)
    on_touch(other.core.address, 0, 97.0, 10.0, 98.5, 10.0, other.now)
    other.drain()
    one.trade(97.5)
    on_trade(other.core.address, 0, 97.5, 1.0, 0, other.now)
    other.drain()
    assert (one.core.memory == other.core.memory).all()
    assert one.core.header["n_open"] == 0


def test_same_calls_leave_the_same_bytes(make_desk, words):
    def run():
        desk = make_desk()
        rng = np.random.default_rng(3)
        for order_id in range(1, 400):
            desk.now += 1000
            middle = 100 + 0.1 * int(rng.integers(-20, 20))
            desk.quote(round(middle, 1), round(middle + 0.1, 1), float(rng.integers(1, 9)))
            desk.limit(order_id, int(rng.integers(2)), float(rng.integers(1, 9)), round(middle, 1))
            if order_id % 7 == 0:
                desk.cancel(order_id - 3)
        return desk.core.memory

    assert (run() == run()).all()


def test_copy_of_the_block_is_an_equal_core(desk, words):
    desk.limit(1, words.buy, 1.0, 99.0)
    twin = TradingCore([words.spot, words.swap], n_strategies=4, max_orders=64, max_instruments=8)
    twin.memory[:] = desk.core.memory
    desk.quote(98.0, 98.5)
    assert on_touch(twin.address, 0, 98.0, 10.0, 98.5, 10.0, desk.now) == 1
    twin.clear_outbox()
    assert (twin.memory == desk.core.memory).all()


def test_appended_instrument_can_be_traded_at_once(desk, words):
    number = desk.core.append_instrument(Instrument("SOL-USDT", 0.01, 0.01, 0.01))
    assert (number, desk.core.symbols[number]) == (2, "SOL-USDT")
    desk.quote(20.0, 20.01, instrument=number)
    assert desk.market(1, words.buy, 1.0, instrument=number)[1]["last_price"] == 20.01


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"n_strategies": 0}, "n_strategies"),
        ({"max_orders": 1 << 21}, "max_orders"),
        ({"max_instruments": 65536}, "max_instruments"),
        ({"epoch": -1}, "epoch"),
        ({"cash": np.nan}, "cash"),
        ({"max_orders": 1.5}, "max_orders"),
    ],
)
def test_bad_size_of_a_core_is_refused_by_name(values, name):
    with pytest.raises(ConfigError, match=name):
        TradingCore(**values)


def test_more_instruments_than_the_capacity_are_refused(words):
    with pytest.raises(ConfigError, match="at most 1 instruments"):
        TradingCore([words.spot, words.swap], max_instruments=1)


def test_step_of_too_many_digits_is_refused():
    with pytest.raises(ConfigError, match="too many digits"):
        TradingCore([Instrument("X-Y", 1 / 3, 1.0, 1.0)])


def test_strategy_slot_out_of_range_is_refused(desk):
    with pytest.raises(ConfigError, match="strategy slot"):
        desk.core.cancel_strategy(4, 0)


def test_block_is_aligned_to_128_bytes(desk):
    assert desk.core.address % 128 == 0
    names = ("markets", "books", "strategies", "limits", "positions", "orders", "outbox")
    assert [int(desk.core.header[name]) % 128 for name in names] == [0] * len(names)
