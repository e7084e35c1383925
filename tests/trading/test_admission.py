"""Every refusal of a request, from its bytes to the last limit, and that it changes nothing."""

import numpy as np
import pytest
from desk import Desk
from hypothesis import given, settings
from hypothesis import strategies as st

from livekit.events import ORDER, Reject
from livekit.trading.core import TradingCore
from livekit.trading.layout import Gate, TradingState


def _digest(core: TradingCore) -> bytes:
    """Return everything a refusal may not change, as bytes: all but counters and reports."""
    kept = core.header["n_reports"].copy(), core.header["report_sequence"].copy()
    core.header["n_reports"] = core.header["report_sequence"] = 0
    counters = [(core.strategies, "n_requests"), (core.strategies, "n_rejects")]
    counters.append((core.positions, "n_rejects"))
    saved = [view[name].copy() for view, name in counters]
    for view, name in counters:
        view[name] = 0
    outbox = int(core.header["outbox"])
    end = outbox + core.outbox.nbytes
    digest = core.memory[:outbox].tobytes() + core.memory[end:].tobytes()
    for (view, name), values in zip(counters, saved, strict=True):
        view[name] = values
    core.header["n_reports"], core.header["report_sequence"] = kept
    return digest


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"kind": 5}, Reject.MALFORMED),
        ({"action": 4}, Reject.MALFORMED),
        ({"side": 2}, Reject.MALFORMED),
        ({"order_type": 2}, Reject.MALFORMED),
        ({"tif": 4}, Reject.MALFORMED),
        ({"options": 2}, Reject.MALFORMED),
        ({"order_id": 0}, Reject.MALFORMED),
        ({"order_type": 1, "tif": 3}, Reject.MALFORMED),
        ({"instrument": 2}, Reject.UNKNOWN_INSTRUMENT),
        ({"instrument": 65535}, Reject.UNKNOWN_INSTRUMENT),
        ({"order_id": 7}, Reject.DUPLICATE_ORDER),
        ({"quantity": np.nan}, Reject.INVALID_QUANTITY),
        ({"quantity": np.inf}, Reject.INVALID_QUANTITY),
        ({"quantity": 0.0}, Reject.INVALID_QUANTITY),
        ({"quantity": -1.0}, Reject.INVALID_QUANTITY),
        ({"quantity": 1e300}, Reject.INVALID_QUANTITY),
        ({"quantity": 1.0005}, Reject.OFF_LOT),
        ({"quantity": 1e-300}, Reject.OFF_LOT),
        ({"quantity": 5e-324}, Reject.OFF_LOT),
        ({"quantity": 0.009}, Reject.BELOW_MINIMUM),
        ({"price": np.nan}, Reject.INVALID_PRICE),
        ({"price": np.inf}, Reject.INVALID_PRICE),
        ({"price": 0.0}, Reject.INVALID_PRICE),
        ({"price": -100.0}, Reject.INVALID_PRICE),
        ({"price": 1e300}, Reject.INVALID_PRICE),
        ({"price": 99.95}, Reject.OFF_TICK),
        ({"price": 1e-9}, Reject.OFF_TICK),
    ],
)
def test_bad_field_is_refused_with_its_code_and_changes_nothing(make_desk, words, values, code):
    instrument = type(words.spot)("X-Y", tick=0.1, lot=0.001, min_quantity=0.01)
    desk = make_desk([instrument, words.swap])
    desk.quote(100.0, 100.1)
    desk.limit(7, words.buy, 1.0, 99.0)
    before = _digest(desk.core)
    (report,) = desk.send(
        **{"order_id": 9, "side": words.buy, "quantity": 1.0, "price": 99.9, **values}
    )
    assert Reject(report["reject"]) is code
    assert report["status"] == 7
    assert report["order_id"] == values.get("order_id", 9)
    assert _digest(desk.core) == before
    assert desk.core.strategies[0]["n_rejects"] == 1


def test_limit_price_and_quantity_are_kept_as_exact_decimals(desk, words):
    (report,) = desk.limit(1, words.buy, 0.1 + 0.2, 3 * 0.1 + 99.0)
    assert (report["quantity"], report["price"]) == (0.3, 99.3)


def test_large_quantity_in_tiny_lots_is_not_off_lot(make_desk, words):
    coin = type(words.spot)("X-Y", tick=0.1, lot=1e-8, min_quantity=1e-8)
    desk = make_desk([coin])
    desk.quote(100.0, 100.1)
    (report,) = desk.limit(1, words.buy, 1_000_000.12345678, 99.9)
    assert report["quantity"] == 1_000_000.12345678


def test_id_of_a_final_order_is_still_a_duplicate(desk, words):
    desk.market(1, words.buy, 1.0)
    assert desk.outline(desk.market(1, words.buy, 1.0)) == [("REJECTED", "DUPLICATE_ORDER")]


def test_two_strategies_may_use_the_same_id(desk, words):
    desk.limit(1, words.buy, 1.0, 99.0)
    assert desk.limit(1, words.buy, 1.0, 99.0, strategy=1)[0]["reject"] == Reject.NONE
    assert desk.cancel(1, strategy=1)[0]["status"] == 6
    assert desk.core.strategies[0]["n_open"] == 1


def test_strategy_opened_anew_may_use_its_old_ids_again(desk, words):
    desk.limit(1, words.buy, 1.0, 99.0)
    desk.core.open_strategy(0)
    assert desk.limit(1, words.buy, 1.0, 99.0)[0]["reject"] == Reject.NONE
    assert len(desk.cancel_all()) == 2


def test_fenced_strategy_may_only_cancel(desk, words):
    desk.limit(1, words.buy, 1.0, 99.0)
    desk.core.risk.set_gate(0, Gate.FENCED)
    assert desk.outline(desk.limit(2, words.buy, 1.0, 99.0)) == [("REJECTED", "STRATEGY_FENCED")]
    assert desk.outline(desk.modify(1, 2.0, 99.0)) == [("ACCEPTED", "STRATEGY_FENCED")]
    assert desk.limit(1, words.buy, 1.0, 99.0, strategy=1)[0]["reject"] == Reject.NONE
    assert desk.outline(desk.cancel(1)) == [("CANCELED", "NONE")]


def test_halted_core_takes_only_cancels(desk, words):
    desk.limit(1, words.buy, 1.0, 99.0)
    desk.limit(2, words.buy, 1.0, 99.0)
    desk.core.router.halt()
    assert desk.core.router.state is TradingState.HALTED
    assert desk.outline(desk.limit(3, words.buy, 1.0, 99.0)) == [("REJECTED", "TRADING_HALTED")]
    assert desk.outline(desk.modify(1, 1.0, 98.0)) == [("ACCEPTED", "TRADING_HALTED")]
    assert desk.outline(desk.cancel(1)) == [("CANCELED", "NONE")]
    assert desk.outline(desk.cancel_all()) == [("CANCELED", "NONE")]


def test_reducing_core_takes_only_what_brings_the_position_down(desk, words):
    desk.market(1, words.buy, 2.0)
    desk.limit(2, words.buy, 2.0, 99.0)
    desk.core.risk.set_state(TradingState.REDUCING)
    assert desk.outline(desk.market(3, words.buy, 1.0)) == [("REJECTED", "REDUCE_ONLY")]
    assert desk.outline(desk.market(4, words.sell, 2.001)) == [("REJECTED", "REDUCE_ONLY")]
    assert desk.outline(desk.modify(2, 3.0, 99.0)) == [("ACCEPTED", "REDUCE_ONLY")]
    assert desk.outline(desk.modify(2, 1.0, 99.0)) == [("ACCEPTED", "NONE")]
    assert desk.outline(desk.market(5, words.sell, 2.0))[-1] == ("FILLED", "NONE")
    assert desk.quantity() == 0.0


def test_order_taken_while_reducing_stays_reduce_only(desk, words):
    desk.market(1, words.buy, 2.0)
    desk.core.risk.set_state(TradingState.REDUCING)
    desk.limit(2, words.sell, 2.0, 101.0)
    desk.core.risk.set_state(TradingState.ACTIVE)
    desk.market(3, words.sell, 1.5)
    desk.quote(101.0, 101.1)
    assert desk.quantity() == 0.0


def test_reduce_only_counts_the_other_open_orders_of_its_side(desk, words):
    desk.market(1, words.buy, 2.0)
    desk.limit(2, words.sell, 1.5, 101.0)
    only = {"options": words.reduce_only}
    assert desk.outline(desk.limit(3, words.sell, 0.501, 101.0, **only)) == [
        ("REJECTED", "REDUCE_ONLY")
    ]
    assert desk.outline(desk.limit(4, words.sell, 0.5, 101.0, **only)) == [("ACCEPTED", "NONE")]
    assert desk.outline(desk.market(5, words.buy, 0.5, **only)) == [("REJECTED", "REDUCE_ONLY")]


@pytest.mark.parametrize(
    ("quantity", "price", "code"),
    [
        (np.nan, 99.0, Reject.INVALID_QUANTITY),
        (0.0, 99.0, Reject.INVALID_QUANTITY),
        (1.0, 99.0, Reject.INVALID_QUANTITY),  # as much as has filled
        (1.5005, 99.0, Reject.OFF_LOT),
        (2.0, np.nan, Reject.INVALID_PRICE),
        (2.0, 99.01, Reject.OFF_TICK),
    ],
)
def test_bad_modification_is_refused_and_the_order_stays(desk, words, quantity, price, code):
    desk.quote(100.0, 100.1, ask_size=1.0)
    desk.limit(1, words.buy, 2.0, 100.1)
    before = _digest(desk.core)
    (report,) = desk.modify(1, quantity, price)
    assert (report["status"], Reject(report["reject"])) == (3, code)
    assert (report["quantity"], report["price"], report["action"]) == (2.0, 100.1, 1)
    assert _digest(desk.core) == before


@pytest.mark.parametrize("action", ["modify", "cancel"])
def test_request_about_an_unknown_order_is_refused(desk, action):
    reports = desk.modify(5, 1.0, 99.0) if action == "modify" else desk.cancel(5)
    assert desk.outline(reports) == [("REJECTED", "UNKNOWN_ORDER")]
    assert reports[0]["order_id"] == 5


@pytest.mark.parametrize("action", ["modify", "cancel"])
def test_request_about_a_final_order_tells_how_it_ended(desk, words, action):
    desk.market(5, words.buy, 1.0)
    reports = desk.modify(5, 1.0, 99.0) if action == "modify" else desk.cancel(5)
    assert desk.outline(reports) == [("FILLED", "UNKNOWN_ORDER")]


def test_modify_without_an_order_id_is_malformed(desk):
    assert desk.outline(desk.modify(0, 1.0, 99.0)) == [("REJECTED", "MALFORMED")]


def test_cancel_passes_with_garbage_in_every_other_field(desk, words):
    desk.limit(1, words.buy, 1.0, 99.0)
    garbage = {"side": 9, "order_type": 9, "tif": 9, "options": 9, "price": np.nan}
    assert desk.outline(desk.cancel(1, instrument=999, **garbage)) == [("CANCELED", "NONE")]


def test_cancel_all_of_an_unknown_instrument_is_refused(desk):
    assert desk.outline(desk.cancel_all(2)) == [("REJECTED", "UNKNOWN_INSTRUMENT")]


def test_full_order_table_refuses(make_desk, words):
    desk = make_desk(max_orders=3)
    desk.quote(100.0, 100.1)
    for order_id in (1, 2, 3):
        desk.limit(order_id, words.buy, 1.0, 99.0)
    assert desk.outline(desk.limit(4, words.buy, 1.0, 99.0)) == [("REJECTED", "TOO_MANY_ORDERS")]
    desk.cancel(2)
    assert desk.outline(desk.limit(4, words.buy, 1.0, 99.0)) == [("ACCEPTED", "NONE")]
    assert desk.outline(desk.cancel(2)) == [("REJECTED", "UNKNOWN_ORDER")]  # forgotten by now


def test_refusal_echoes_only_fields_that_mean_something(desk):
    request = np.full(128, 255, np.uint8).view(ORDER)
    (report,) = desk.send_bytes(request)
    names = ("side", "order_type", "tif", "action")
    assert [int(report[name]) for name in names] == [0, 0, 0, 0]
    assert (report["instrument"], report["kind"], report["reject"]) == (65535, 3, 1)


@settings(max_examples=300)
@given(data=st.data())
def test_random_bytes_never_crash_and_change_nothing_unless_they_are_an_order(data):
    """Blobs, and requests with some fields overwritten by noise; a refusal changes nothing."""
    desk = Desk()
    desk.quote(100.0, 100.1)
    desk.limit(1, 0, 1.0, 99.0)
    before = _digest(desk.core)
    blob = np.frombuffer(data.draw(st.binary(min_size=128, max_size=128)), np.uint8).copy()
    request = blob.view(ORDER)
    if data.draw(st.booleans()):
        request["kind"] = 3
        request["action"] = data.draw(st.integers(0, 5))
    reports = desk.send_bytes(request)
    refused = [Reject(int(row["reject"])) for row in reports if row["status"] == 7]
    if refused:
        assert _digest(desk.core) == before
    assert desk.core.header["n_faults"] == 0
    if request["kind"][0] != 3 or request["action"][0] > 3:
        assert refused == [Reject.MALFORMED]
