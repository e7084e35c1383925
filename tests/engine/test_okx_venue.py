"""The venue against the simulated exchange, over real sockets: what is asked, what came of it."""

import ctypes
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("aiohttp")

from okx_trader import Trader, truth

from livekit.errors import ConfigError
from livekit.events import OrderStatus, TimeInForce
from livekit.okxsim.running import running_exchange

DATA = str(Path(__file__).parents[2] / "replay_data")
ACCEPTED, PARTLY, FILLED = (
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
)
CANCELED, REJECTED, UNKNOWN = OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.UNKNOWN


@pytest.fixture(scope="module")
def exchange():
    with running_exchange(DATA, speed=1.0, has_limits=True) as running:
        yield running


@pytest.fixture
def trader(exchange):
    trader = Trader(exchange.url).ready()
    yield trader
    trader.cancel_all()
    trader.rest()
    trader.close()
    exchange.call(exchange.exchange.faults.clear)


def client_id(trader, order_id):
    return trader.row(order_id)["client_order_id"].decode()


def far_below(trader):
    return round(trader.bid * 0.98, 1)


def test_resting_order_is_accepted_modified_and_canceled_as_the_exchange_has_it(exchange, trader):
    price = far_below(trader)
    order = trader.new(0.01, price, tif=TimeInForce.GTX)
    trader.await_status(order, ACCEPTED)
    assert truth(exchange, client_id(trader, order)) == ("live", 0.0, price)
    lower = round(price - 10.0, 1)
    trader.modify(order, 0.02, lower)
    trader.until(lambda: trader.row(order)["price"] == lower, "modification")
    assert int(trader.row(order)["lots"]) == 2_000
    assert truth(exchange, client_id(trader, order)) == ("live", 0.0, lower)
    trader.cancel(order)
    trader.await_status(order, CANCELED)
    assert truth(exchange, client_id(trader, order))[0] == "canceled"
    assert trader.rejects() == []


def test_taker_fills_at_the_exchanges_price_and_fee(exchange, trader):
    order = trader.new(0.001, round(trader.ask + 50.0, 1), tif=TimeInForce.IOC)
    row = trader.await_status(order, FILLED)
    state, filled, _ = truth(exchange, client_id(trader, order))
    assert (state, filled) == ("filled", 0.001)
    assert trader.core.quantity(0, int(trader.core.positions[0][0]["lots"])) == 0.001
    fees = [float(one["fee"]) for one in trader.reports if one["last_quantity"] > 0]
    assert sum(fees) == pytest.approx(0.001 * row["average_price"] * 0.001, rel=1e-6)


def test_market_order_is_in_base_units_on_both_sides(trader):
    bought = trader.new(0.002)
    trader.await_status(bought, FILLED)
    sold = trader.new(0.002, side=1)
    trader.await_status(sold, FILLED)
    assert int(trader.core.positions[0][0]["lots"]) == 0


def test_post_only_order_that_would_take_is_canceled_with_its_reason(trader):
    order = trader.new(0.001, round(trader.ask + 20.0, 1), tif=TimeInForce.GTX)
    trader.await_status(order, CANCELED, REJECTED)
    assert trader.rejects() == ["POST_ONLY_WOULD_TAKE"]


def test_orders_of_one_turn_go_as_a_batch_and_one_bad_leg_fails_alone(trader):
    price = far_below(trader)
    frames = trader.venue.describe()["frames"]
    good = trader.new(0.001, price)
    dear = trader.new(50.0, price)  # more than the account has
    other = trader.new(0.001, round(price - 1.0, 1))
    trader.await_status(good, ACCEPTED)
    trader.await_status(other, ACCEPTED)
    trader.await_status(dear, REJECTED)
    assert trader.rejects() == ["INSUFFICIENT_BALANCE"]
    assert trader.venue.describe()["frames"] == frames + 1


def test_hundred_orders_wait_for_the_pace_and_none_is_refused(exchange, trader):
    price = far_below(trader)
    orders = [trader.new(0.001, round(price - k, 1)) for k in range(100)]
    for order in orders:
        trader.await_status(order, ACCEPTED)
    singles = []
    for k in range(70):
        singles.append(trader.new(0.001, round(price - 200.0 - k, 1)))
        trader.turn(0)
    for order in singles:
        trader.await_status(order, ACCEPTED, timeout_s=30.0)
    assert trader.rejects() == []
    assert trader.venue.describe()["held_by_pace"] > 0
    trader.cancel_all()
    for order in orders + singles:
        trader.await_status(order, CANCELED)


def test_order_canceled_before_it_was_sent_is_never_sent(exchange, trader):
    order = trader.new(0.001, far_below(trader))
    trader.cancel(order)
    trader.await_status(order, REJECTED)
    trader.rest()
    assert truth(exchange, client_id(trader, order)) is None


@pytest.mark.parametrize("fault", ["lost", "timeout"])
def test_answer_that_is_lost_makes_an_order_unknown_until_it_is_found(exchange, trader, fault):
    exchange.misbehave(fault, path="order", connection="private")
    order = trader.new(0.001, far_below(trader))
    trader.await_status(order, ACCEPTED)
    trader.rest()
    assert truth(exchange, client_id(trader, order))[0] == "live"
    assert trader.status(order) is ACCEPTED


def test_request_that_never_arrived_is_rejected_with_proof_only(exchange, trader):
    exchange.misbehave("refuse", path="order", code="50001", connection="private")
    order = trader.new(0.001, far_below(trader))
    trader.await_status(order, REJECTED, UNKNOWN)
    trader.await_status(order, REJECTED)
    assert truth(exchange, client_id(trader, order)) is None


def test_cut_line_loses_no_order_and_catches_up_before_new_ones(exchange, trader):
    resting = trader.new(0.001, far_below(trader))
    trader.await_status(resting, ACCEPTED)
    exchange.misbehave("cut", connection="private")
    trader.until(lambda: not trader.venue.line.is_live, "cut")
    trader.cancel(resting)  # goes over REST
    trader.await_status(resting, CANCELED)
    assert trader.venue.describe()["rest_calls"] >= 1
    trader.ready()
    trader.until(lambda: trader.venue.line.is_live, "line")
    again = trader.new(0.001, far_below(trader))
    trader.await_status(again, ACCEPTED)


def test_order_goes_over_rest_while_the_line_is_down(exchange, trader):
    exchange.misbehave("cut", connection="private")
    trader.until(lambda: not trader.venue.line.is_live, "cut")
    order = trader.new(0.001, far_below(trader))
    trader.await_status(order, ACCEPTED)
    assert trader.venue.describe()["rest_calls"] >= 1
    assert truth(exchange, client_id(trader, order))[0] == "live"


def test_doubled_and_delayed_pushes_count_a_fill_once(exchange, trader):
    exchange.misbehave("duplicate", channel="orders", connection="private", count=6)
    exchange.misbehave("reorder", channel="orders", connection="private", count=2)
    before = int(trader.core.positions[0][0]["lots"])
    order = trader.new(0.001, round(trader.ask + 50.0, 1), tif=TimeInForce.IOC)
    trader.await_status(order, FILLED)
    trader.rest()
    assert int(trader.core.positions[0][0]["lots"]) - before == 100


def test_switch_that_cannot_be_armed_closes_the_door_to_new_orders(exchange):
    exchange.misbehave("refuse", path="cancel-all-after", code="50001", count=0)
    trader = Trader(exchange.url)
    trader.until(lambda: trader.venue.line.is_live and trader.bid > 0, "line")
    trader.until(lambda: trader.venue.switch.n_failures > 0, "refusal")
    assert "dead man's switch is not armed" in trader.venue.problem
    trader.new(0.001, far_below(trader))
    assert trader.rejects() == ["VENUE"]
    exchange.call(exchange.exchange.faults.clear)
    trader.ready()
    order = trader.new(0.001, far_below(trader))
    trader.await_status(order, ACCEPTED)
    trader.cancel(order)
    trader.await_status(order, CANCELED)
    trader.close()


def test_swap_trades_in_contracts_on_margin(exchange):
    trader = Trader(exchange.url, symbols=["BTC-USDT-SWAP"]).ready()
    bought = trader.new(2.0)
    trader.await_status(bought, FILLED)
    sold = trader.new(2.0, side=1, options=1)
    trader.await_status(sold, FILLED)
    assert int(trader.core.positions[0][0]["lots"]) == 0
    trader.rest()
    trader.close()


def test_order_of_an_earlier_engine_is_canceled_at_the_start_of_the_next(exchange):
    first = Trader(exchange.url).ready()
    order = first.new(0.001, far_below(first))
    first.await_status(order, ACCEPTED)
    name = client_id(first, order)
    first.close()
    assert truth(exchange, name)[0] == "live"
    second = Trader(exchange.url)
    assert truth(exchange, name)[0] == "canceled"
    second.close()


@pytest.mark.parametrize(
    ("key", "is_demo", "says"),
    [
        ("withdraw", True, "may withdraw"),
        ("read", True, "Trade"),
        ("expired", True, "key"),
        ("live", True, "other environment"),
        ("alice", False, "other environment"),
        ("nobody", True, "key"),
    ],
)
def test_key_that_may_not_trade_here_is_refused_with_what_to_do(exchange, key, is_demo, says):
    with pytest.raises(ConfigError, match=says):
        Trader(exchange.url, key=key, is_demo=is_demo)


def test_live_account_trades_on_the_simulators_live_flag(exchange):
    trader = Trader(exchange.url, key="live", is_demo=False).ready()
    order = trader.new(0.001, far_below(trader))
    trader.await_status(order, ACCEPTED)
    assert truth(exchange, client_id(trader, order), "live")[0] == "live"
    trader.cancel(order)
    trader.await_status(order, CANCELED)
    trader.close()


def test_random_requests_under_random_faults_end_as_the_exchange_has_them(exchange, scale):
    """R9, R10: cuts, lost answers, doubled, late and dropped words; nothing guessed, all proven."""
    faults = ("cut", "lost", "timeout", "duplicate", "reorder", "drop", "delay", "none", "none")
    for seed in range(max(4, round(4 * scale))):
        dice = np.random.default_rng(seed)
        trader = Trader(exchange.url).ready()
        orders = []
        for _ in range(30):
            _arm(exchange, dice, str(dice.choice(faults)))
            act = dice.random()
            if act < 0.5 or not orders:
                offset = float(dice.choice([-500.0, -100.0, 30.0]))
                price = round((trader.ask if offset > 0 else trader.bid) + offset, 1)
                orders.append(trader.new(0.001, price, tif=TimeInForce(int(dice.choice([0, 1])))))
            elif act < 0.7:
                trader.modify(int(dice.choice(orders)), price=far_below(trader))
            else:
                trader.cancel(int(dice.choice(orders)))
            for _ in range(int(dice.integers(0, 4))):
                trader.turn()
        exchange.call(exchange.exchange.faults.clear)
        trader.rest(60.0)
        trader.venue.desk.ask_all(trader.now)  # a push that was dropped is found by the audit
        trader.rest(60.0)
        for order in orders:
            _agrees(exchange, trader, order, seed)
        trader.cancel_all()
        trader.rest()
        trader.close()


def _arm(exchange, dice, fault):
    if fault == "cut":
        exchange.misbehave("cut", connection="private")
    elif fault in {"lost", "timeout"}:
        path = str(dice.choice(["order", "cancel-order", "amend-order"]))
        exchange.misbehave(fault, connection="private", path=path)
    elif fault in {"duplicate", "reorder", "drop"}:
        exchange.misbehave(fault, connection="private", channel="orders")
    elif fault == "delay":
        exchange.misbehave(fault, connection="private", seconds=0.05)


def _agrees(exchange, trader, order, seed):
    found = [row for row in trader.core.orders[1:] if row["order_id"] == order]
    if not found:  # refused at once: it never had a row
        return
    row = found[0]
    status = OrderStatus(int(row["status"]))
    told = truth(exchange, row["client_order_id"].decode())
    what = (seed, order, status.name, told)
    if told is None:
        assert status is REJECTED, what
        return
    state, filled, _ = told
    wanted = {"live": ACCEPTED, "partially_filled": PARTLY, "filled": FILLED}
    assert status is wanted.get(state, CANCELED), what
    assert trader.core.quantity(0, int(row["filled_lots"])) == pytest.approx(filled), what


class Kept:
    """A line that keeps the texts that go through it."""

    def __init__(self, line):
        self._line, self.texts = line, []

    def send_in_place(self, text, n):
        self.texts.append(ctypes.string_at(text.address, n))
        self._line.send_in_place(text, n)


def test_order_frame_has_an_id_okx_takes_and_a_time_to_expire_at(trader):
    line = Kept(trader.venue.line)
    trader.venue.outbound._line = line
    order = trader.new(0.001, far_below(trader))
    trader.venue.flush()
    frame = json.loads(line.texts[0])
    assert frame["op"] == "order"
    assert frame["args"][0]["clOrdId"].isalnum()
    assert int(frame["expTime"]) > trader.now // 1_000_000
    trader.await_status(order, ACCEPTED)
