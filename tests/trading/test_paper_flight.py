"""Latency: what is in flight, when it arrives, and what each side knows meanwhile."""

import numpy as np
import pytest
from desk import SECOND, Desk
from numba import njit

from livekit.trading.latency import Latency
from livekit.trading.outbox import OUTBOX_FULL
from livekit.trading.paper.wire import FOREVER
from livekit.trading.router import advance, next_due

MS = 1_000_000


@pytest.fixture
def slow():
    """Return a desk that quotes 100.0 at 100.1, with 2 ms to the venue and 3 ms back."""
    desk = Desk(latency=Latency(order="2ms", response="3ms"))
    desk.quote(100.0, 100.1)
    return desk


def arrive(desk, until):
    """Let everything due before `until` arrive: [(time, status, reject)]."""
    address, seen = desk.core.address, []
    while advance(address, until) > 0:
        now = int(desk.core.header["now"])
        seen += [(now, *words) for words in desk.outline(desk.drain())]
    return seen


def test_nothing_in_flight_is_due_never(slow):
    assert next_due(slow.core.address) == FOREVER
    assert advance(slow.core.address, FOREVER) == 0


def test_market_order_meets_the_market_at_the_time_of_its_arrival(slow, words):
    assert len(slow.market(1, words.buy, 1.0)) == 0
    assert slow.result == 0
    assert next_due(slow.core.address) == slow.now + 2 * MS
    slow.now += MS
    slow.quote(200.0, 200.1)
    start = slow.now - MS
    assert arrive(slow, FOREVER) == [
        (start + 5 * MS, "ACCEPTED", "NONE"),
        (start + 5 * MS, "FILLED", "NONE"),
    ]
    fill = slow.reports[-1]
    assert fill["report"]["last_price"] == 200.1
    assert (fill["bid"], fill["ask"], fill["liquidity"]) == (200.0, 200.1, 2)
    assert (fill["ts_venue"], fill["row"]) == (start + 2 * MS, 1)
    assert (fill["report"]["ts_event"], fill["report"]["ts_recv"]) == (
        start + 2 * MS,
        start + 5 * MS,
    )


def test_core_knows_of_a_fill_only_when_its_answer_has_arrived(slow, words):
    slow.market(1, words.buy, 1.0)
    start = slow.now
    assert advance(slow.core.address, start + 2 * MS + 1) == 0
    position, order = slow.position(), slow.core.orders[1]
    assert (position["venue_lots"], position["lots"], position["open_buy_lots"]) == (1000, 0, 1000)
    assert (order["venue_filled"], order["filled_lots"], order["status"]) == (1000, 0, 1)
    assert slow.core.account.cash == 100_000.0
    arrive(slow, FOREVER)
    assert (position["venue_lots"], position["lots"], position["open_buy_lots"]) == (1000, 1000, 0)
    assert slow.core.account.cash == pytest.approx(100_000 - 100.1 * 1.0005, abs=1e-9)


def test_what_is_due_at_the_very_time_waits_for_the_event_of_that_time(slow, words):
    slow.market(1, words.buy, 1.0)
    assert advance(slow.core.address, slow.now + 2 * MS) == 0
    assert next_due(slow.core.address) == slow.now + 2 * MS


def test_cancel_that_races_a_fill_is_refused_and_the_fill_stands(slow, words):
    slow.limit(1, words.buy, 1.0, 99.0)
    arrive(slow, FOREVER)
    slow.now += SECOND
    slow.cancel(1)
    slow.now += MS
    slow.quote(98.0, 98.5)
    seen = arrive(slow, FOREVER)
    assert [words for _, *words in seen] == [["FILLED", "NONE"], ["FILLED", "UNKNOWN_ORDER"]]
    assert slow.core.header["n_faults"] == 0
    assert slow.quantity() == 1.0


def test_second_cancel_of_an_order_is_not_sent(slow, words):
    slow.limit(1, words.buy, 1.0, 99.0)
    arrive(slow, FOREVER)
    for _ in range(5):
        slow.cancel(1)
        slow.cancel_all()
    assert slow.core.orders[1]["in_flight"] == 1
    assert [words for _, *words in arrive(slow, FOREVER)] == [["CANCELED", "NONE"]]


def test_message_never_overtakes_the_one_before(words):
    desk = Desk(latency=Latency.sampled(order_ns=[5 * MS, 1 * MS], response_ns=[0], seed=3))
    desk.quote(100.0, 100.1)
    for order_id in range(1, 20):
        desk.now += 1000
        desk.limit(order_id, words.buy, 0.001, 99.0)
    arrive(desk, FOREVER)
    rows = [row for row in desk.reports if row["report"]["status"] == 2]
    assert [row["report"]["order_id"] for row in rows] == list(range(1, 20))
    assert (np.diff([int(row["ts_venue"]) for row in rows]) >= 0).all()


def test_row_of_a_final_order_is_not_reused_while_a_message_is_in_flight(words):
    desk = Desk(latency=Latency(order="2ms", response="3ms"), max_orders=1)
    desk.quote(100.0, 100.1)
    desk.limit(1, words.buy, 1.0, 99.0)
    arrive(desk, FOREVER)
    desk.now += SECOND
    desk.quote(98.0, 98.5)  # fills it; the answer is on its way
    desk.now += MS
    desk.cancel(1)
    assert arrive(desk, desk.now + 2 * MS + 1)[0][1] == "FILLED"
    assert desk.core.header["n_open"] == 0
    assert desk.outline(desk.limit(2, words.buy, 1.0, 97.0)) == [("REJECTED", "TOO_MANY_ORDERS")]
    arrive(desk, FOREVER)
    desk.now += SECOND
    assert len(desk.limit(3, words.buy, 1.0, 97.0)) == 0
    assert desk.core.header["n_busy"] == 1


def times_of(latency, count):
    """Send orders a second apart; when each arrives at the venue, from its sending."""
    desk = Desk(latency=latency)
    desk.quote(100.0, 100.1)
    spans = []
    for order_id in range(1, count + 1):
        desk.limit(order_id, 0, 0.001, 99.0)
        spans.append(int(next_due(desk.core.address)) - desk.now)
        arrive(desk, FOREVER)
        desk.now += SECOND
    return spans


def test_sampled_latencies_are_the_same_in_every_run_with_the_seed_and_use_all_samples():
    samples = [MS, 2 * MS, 3 * MS, 4 * MS]
    first = times_of(Latency.sampled(order_ns=samples, response_ns=[0], seed=5), 60)
    again = times_of(Latency.sampled(order_ns=samples, response_ns=[0], seed=5), 60)
    other = times_of(Latency.sampled(order_ns=samples, response_ns=[0], seed=6), 60)
    assert first == again != other
    assert set(first) == set(samples)


def test_interpolated_latency_follows_its_points():
    times = [2 * SECOND, 4 * SECOND]
    latency = Latency.interpolated(times, [MS, 3 * MS], [0, 0])
    assert times_of(latency, 5) == [MS, MS, 2 * MS, 3 * MS, 3 * MS]


def test_function_of_the_users_own_gives_latencies_and_below_zero_is_none():
    @njit
    def slower(ts_ns, sequence):
        return sequence * 1000 + 1 if ts_ns < 3_000_000_000 else 7

    assert times_of(Latency(order=slower), 3) == [1, 1001, 7]

    @njit
    def negative(ts_ns, sequence):
        return -5

    desk = Desk(latency=Latency(order=negative))
    desk.quote(100.0, 100.1)
    assert desk.outline(desk.limit(1, 0, 1.0, 99.0)) == [("ACCEPTED", "NONE")]


def test_modify_reaches_the_venue_behind_its_order_and_is_answered_behind_it(slow, words):
    slow.limit(1, words.buy, 1.0, 99.0)
    assert len(slow.modify(1, 2.0, 98.0)) == 0
    assert slow.position()["open_buy_lots"] == 2000
    seen = arrive(slow, FOREVER)
    assert [words for _, *words in seen] == [["ACCEPTED", "NONE"], ["ACCEPTED", "NONE"]]
    first, second = (row["report"] for row in slow.reports[-2:])
    assert (first["price"], first["quantity"]) == (99.0, 1.0)
    assert (second["price"], second["quantity"]) == (98.0, 2.0)


def test_modify_that_races_a_fill_is_refused(slow, words):
    slow.limit(1, words.buy, 1.0, 99.0)
    arrive(slow, FOREVER)
    slow.now += SECOND
    slow.modify(1, 2.0, 98.0)
    slow.quote(98.0, 98.5)
    seen = arrive(slow, FOREVER)
    assert [words for _, *words in seen] == [["FILLED", "NONE"], ["FILLED", "UNKNOWN_ORDER"]]
    assert slow.position()["open_buy_lots"] == 0


def test_reduce_only_goes_by_the_position_at_the_venue(slow, words):
    slow.market(1, words.buy, 1.0)
    arrive(slow, FOREVER)
    slow.now += SECOND
    slow.limit(2, words.sell, 1.0, 101.0, options=words.reduce_only)
    arrive(slow, FOREVER)
    slow.now += SECOND
    slow.market(3, words.sell, 1.0)
    assert arrive(slow, slow.now + 2 * MS + 1) == []
    assert (slow.position()["lots"], slow.position()["venue_lots"]) == (1000, 0)
    slow.now += 2 * MS + 1
    slow.quote(101.0, 101.1)  # what it rests for, but there is nothing left to reduce
    seen = arrive(slow, FOREVER)
    assert [words for _, *words in seen][-1] == ["CANCELED", "REDUCE_ONLY"]
    assert slow.quantity() == 0.0


def test_answers_come_back_after_the_response_latency_alone_when_orders_take_no_time(words):
    desk = Desk(latency=Latency(response="3ms"))
    desk.quote(100.0, 100.1)
    desk.market(1, words.buy, 1.0)
    assert desk.position()["venue_lots"] == 1000
    assert [time for time, *_ in arrive(desk, FOREVER)] == [desk.now + 3 * MS] * 2


def test_full_outbox_stops_time_until_it_is_drained(slow, words):
    slow.limit(1, words.buy, 1.0, 99.0)
    slow.core.header["n_reports"] = slow.core.header["max_reports"]
    due = next_due(slow.core.address)
    assert advance(slow.core.address, FOREVER) == OUTBOX_FULL
    assert next_due(slow.core.address) == due
    slow.core.clear_outbox()
    assert len(arrive(slow, FOREVER)) == 1


def test_everything_is_cancelled_over_the_wire(slow, words):
    for order_id in range(1, 5):
        slow.limit(order_id, words.buy, 1.0, 99.0, strategy=order_id % 2)
    arrive(slow, FOREVER)
    slow.now += SECOND
    assert slow.core.cancel_all(slow.now) == 4
    assert slow.core.header["n_open"] == 4
    assert [words for _, *words in arrive(slow, FOREVER)] == [["CANCELED", "NONE"]] * 4
    assert slow.core.header["n_open"] == 0
