"""Requests for a venue over a network: what waits to be sent, and when its row is free again."""

import numpy as np
import pytest
from desk import SPOT, Desk
from hypothesis import given
from hypothesis import strategies as st

from livekit.events import ANY_INSTRUMENT, Action, OrderStatus, Reject, Side
from livekit.trading.sending import (
    cancel_all_live,
    cancel_strategy_live,
    end_send,
    on_request_live,
)
from livekit.trading.venue import apply_accepted, apply_canceled, apply_filled, apply_rejected

NEW, MODIFY, CANCEL, CANCEL_ALL = (int(one) for one in Action)


class Live(Desk):
    """A desk whose requests wait to be sent."""

    def __init__(self, **options):
        super().__init__((SPOT,), **options)
        self.quote(100.0, 100.1)

    def send_bytes(self, request, strategy=0):
        self.result = on_request_live(self.core.address, strategy, request.ctypes.data, self.now)
        return self.drain()

    def take(self):
        """Return the requests that wait, as (action, row), and forget them."""
        n = int(self.core.header["n_sends"])
        self.core.header["n_sends"] = 0
        return [(int(one["action"]), int(one["row"])) for one in self.core.sends[:n]]

    def row(self, number):
        return self.core.orders[number]

    def say(self, apply, row, *arguments):
        """Let the venue answer."""
        result = apply(self.core.address, row, *arguments, self.now)
        return result, self.drain()


@pytest.fixture
def desk():
    return Live()


def test_admitted_order_waits_to_be_sent_and_is_reported_by_nobody(desk):
    reports = desk.limit(1, Side.BUY, 0.01, 99.0)
    ((action, row),) = desk.take()
    assert (len(reports), action, desk.row(row)["status"]) == (0, NEW, OrderStatus.SENT)
    assert desk.core.positions[0, 0]["open_buy_lots"] == 10


def test_refused_order_is_reported_and_not_sent(desk):
    (report,) = desk.limit(1, Side.BUY, 0.01, 99.05)
    assert report["reject"] == Reject.OFF_TICK
    assert desk.take() == []


def test_cancellation_is_sent_once_until_it_is_answered(desk):
    desk.limit(1, Side.BUY, 0.01, 99.0)
    ((_, row),) = desk.take()
    for _ in range(3):
        desk.send(action=CANCEL, order_id=1)
    assert desk.take() == [(CANCEL, row)]
    end_send(desk.core.address, row, CANCEL)
    desk.send(action=CANCEL, order_id=1)
    assert desk.take() == [(CANCEL, row)]


def test_modification_under_way_refuses_a_second_one(desk):
    desk.limit(1, Side.BUY, 0.01, 99.0)
    desk.take()
    desk.send(action=MODIFY, order_id=1, price=98.0, quantity=0.01)
    (report,) = desk.send(action=MODIFY, order_id=1, price=97.0, quantity=0.01)
    assert report["reject"] == Reject.DUPLICATE_ORDER
    assert [action for action, _ in desk.take()] == [MODIFY]


def test_cancel_all_asks_for_every_open_order_of_the_strategy_oldest_first(desk):
    for number in (1, 2, 3):
        desk.limit(number, Side.BUY, 0.01, 99.0)
    desk.limit(1, Side.BUY, 0.01, 99.0, strategy=1)
    rows = [row for _, row in desk.take()]
    desk.send(action=CANCEL_ALL, instrument=ANY_INSTRUMENT)
    assert desk.take() == [(CANCEL, row) for row in rows[:3]]
    assert cancel_strategy_live(desk.core.address, 1, desk.now) == 1
    assert desk.take() == [(CANCEL, rows[3])]
    assert cancel_all_live(desk.core.address, desk.now) == 4  # all asked for, none sent twice
    assert desk.take() == []


def test_cancel_all_of_an_unknown_instrument_is_refused(desk):
    (report,) = desk.send(action=CANCEL_ALL, instrument=7)
    assert report["reject"] == Reject.UNKNOWN_INSTRUMENT


def test_malformed_request_is_refused(desk):
    (report,) = desk.send(action=9)
    assert report["reject"] == Reject.MALFORMED


def test_row_of_a_done_order_is_not_used_again_before_its_last_answer():
    small = Live(max_orders=1)
    small.limit(1, Side.BUY, 0.01, 99.0)
    ((_, row),) = small.take()
    small.say(apply_accepted, row)
    small.send(action=CANCEL, order_id=1)
    end_send(small.core.address, row, NEW)
    small.say(apply_filled, row, 10, 99.0, 0.0)  # it filled while the cancellation was under way
    (report,) = small.limit(2, Side.BUY, 0.01, 99.0)
    assert report["reject"] == Reject.TOO_MANY_ORDERS
    end_send(small.core.address, row, CANCEL)
    assert len(small.limit(3, Side.BUY, 0.01, 99.0)) == 0
    assert small.core.header["n_busy"] == 1


@given(
    st.lists(st.sampled_from(["new", "cancel", "modify", "answer", "fill", "reject"]), max_size=60)
)
def test_queue_and_rows_hold_whatever_the_order_of_requests_and_answers(moves):
    desk = Live(max_orders=4)
    waiting, ids = [], 0
    for move in moves:
        if move == "new":
            ids += 1
            desk.limit(ids, Side.BUY, 0.01, 99.0)
        elif move == "cancel":
            desk.send(action=CANCEL, order_id=ids)
        elif move == "modify":
            desk.send(action=MODIFY, order_id=ids, price=98.0, quantity=0.02)
        elif waiting:
            action, row = waiting.pop(0)
            end_send(desk.core.address, row, action)
            is_open = desk.row(row)["status"] < OrderStatus.FILLED
            if action == NEW and is_open and move == "reject":
                desk.say(apply_rejected, row, int(Reject.INSUFFICIENT_BALANCE))
            elif action == NEW and is_open:
                desk.say(apply_accepted, row)
                if move == "fill":
                    desk.say(apply_filled, row, int(desk.row(row)["lots"]), 99.0, 0.0)
            elif action == CANCEL and is_open:
                desk.say(apply_canceled, row, CANCEL, 0)
        waiting += desk.take()
    in_flight = np.bincount([row for _, row in waiting], minlength=5)
    assert desk.core.orders["in_flight"].tolist() == in_flight.tolist()
    assert desk.core.header["n_faults"] == 0
    statuses = desk.core.orders["status"][1 : int(desk.core.header["n_used"]) + 1]
    is_busy = (statuses < OrderStatus.FILLED) | (in_flight[1 : len(statuses) + 1] > 0)
    assert desk.core.header["n_busy"] == np.count_nonzero(is_busy)
