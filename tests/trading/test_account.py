"""Positions, profit, fees and cash: by hand, and conserved to the last bit at random."""

import math
from fractions import Fraction

import numpy as np
import pytest
from desk import Desk
from hypothesis import given, settings
from hypothesis import strategies as st

from livekit.trading.account import NO_MARK, apply_funding, equity
from livekit.trading.latency import Latency
from livekit.trading.limits import Fees


def test_round_trip_books_profit_fees_and_volume(desk, words):
    desk.market(1, words.buy, 2.0)  # at 100.1
    desk.quote(110.0, 110.1)
    desk.market(2, words.sell, 2.0)  # at 110.0
    row = desk.core.account.position(0, 0)
    assert row["position"] == 0.0
    assert row["average_price"] == 0.0
    assert row["realized_pnl"] == pytest.approx(19.8, abs=1e-12)
    fees = (200.2 + 220.0) * 0.0005
    assert row["fees"] == pytest.approx(fees, abs=1e-12)
    assert row["net_pnl"] == pytest.approx(19.8 - fees, abs=1e-12)
    assert row["volume"] == pytest.approx(420.2, abs=1e-12)
    assert (row["n_orders"], row["n_fills"], row["n_rejects"]) == (2, 2, 0)
    assert desk.core.account.cash == pytest.approx(100_000 + 19.8 - fees, abs=1e-9)
    assert desk.core.account.equity == desk.core.account.cash


def test_average_price_weighs_what_was_added_and_stays_when_reduced(desk, words):
    desk.market(1, words.buy, 1.0)  # 100.1
    desk.quote(102.0, 102.1)
    desk.market(2, words.buy, 3.0)  # 102.1
    row = desk.position()
    assert row["average_price"] == pytest.approx((100.1 + 3 * 102.1) / 4, abs=1e-12)
    average = float(row["average_price"])
    desk.market(3, words.sell, 1.5)
    assert float(desk.position()["average_price"]) == average
    assert desk.position()["realized_pnl"] == pytest.approx((102.0 - average) * 1.5, abs=1e-12)


def test_turned_position_opens_at_the_price_that_turned_it(desk, words):
    desk.market(1, words.buy, 1.0)
    desk.market(2, words.sell, 3.0)
    row = desk.core.account.position(0, 0)
    assert (row["position"], row["average_price"]) == (-2.0, 100.0)
    assert row["realized_pnl"] == pytest.approx(-0.1, abs=1e-12)
    assert row["unrealized_pnl"] == pytest.approx(-0.1, abs=1e-12)  # marked at 100.05


def test_average_of_fills_at_one_price_is_that_price(make_desk, words):
    desk = make_desk()
    for order_id in range(1, 8):
        desk.quote(0.6, 0.7, ask_size=0.003)
        desk.market(order_id, words.buy, 0.003)
    assert desk.position()["average_price"] == 0.7


def test_swap_moves_cash_only_by_profit_and_fees(make_desk, words):
    desk = make_desk(fees=Fees(maker=0.0, taker=0.0))
    desk.quote(2000.0, 2000.0, instrument=1)
    desk.market(1, words.buy, 5.0, instrument=1)
    assert desk.core.account.cash == 100_000.0
    desk.quote(2010.0, 2010.0, instrument=1)
    assert desk.core.account.equity == 100_005.0  # 5 contracts of 0.1
    desk.market(2, words.sell, 5.0, instrument=1)
    assert desk.core.account.cash == 100_005.0


def test_spot_sold_short_is_marked(make_desk, words):
    desk = make_desk(fees=Fees(maker=0.0, taker=0.0))
    desk.quote(100.0, 100.0)
    desk.market(1, words.sell, 5.0)
    assert desk.core.account.cash == 100_500.0
    desk.quote(90.0, 90.0)
    assert desk.core.account.equity == 100_050.0


def test_position_without_a_mark_makes_equity_nan(desk, words):
    desk.market(1, words.buy, 1.0)
    desk.quote(math.nan, math.nan)
    assert math.isnan(desk.core.account.equity)
    desk.trade(100.0)
    assert math.isfinite(desk.core.account.equity)


def test_rebate_is_a_negative_fee(make_desk, words):
    desk = make_desk(fees=Fees(maker=-0.0001, taker=0.0005))
    desk.quote(100.0, 101.0)
    desk.limit(1, words.buy, 1.0, 100.0)
    desk.quote(99.0, 99.5)
    assert desk.reports[-1]["report"]["fee"] == -0.01
    assert desk.core.account.cash == 100_000 - 100 + 0.01


def test_positions_of_a_strategy_survive_its_detachment(desk, words):
    desk.market(1, words.buy, 2.0)
    desk.core.set_gate(0, is_open=False)
    desk.core.open_strategy(0)
    assert desk.core.positions_of(0)[:2].tolist() == [2.0, 0.0]
    desk.market(1, words.sell, 2.0)
    assert not desk.core.positions_of(0).any()


def test_summary_sums_over_instruments(desk, words):
    desk.quote(2000.0, 2000.5, instrument=1)
    desk.market(1, words.buy, 1.0)
    desk.market(2, words.buy, 1.0, instrument=1)
    desk.market(3, words.buy, math.nan, instrument=1)
    account = desk.core.account
    summary = account.summary(0)
    rows = account.positions(0)
    assert set(rows) == {"BTC-USDT", "ETH-USDT-SWAP"}
    assert summary["net_pnl"] == pytest.approx(sum(row["net_pnl"] for row in rows.values()))
    assert (summary["n_requests"], summary["n_rejects"], summary["n_fills"]) == (3, 1, 2)


def test_cash_is_the_exact_sum_of_ten_thousand_flows(make_desk):
    desk = make_desk(cash=1e9)
    rng = np.random.default_rng(5)
    naive, flows = 1e9, [Fraction(10**9)]
    for order_id in range(1, 5001):
        bid = round(float(rng.uniform(50_000, 70_000)), 1)
        desk.quote(bid, round(bid + 0.1, 1))
        side = int(rng.integers(2))
        fill = desk.market(order_id, side, int(rng.integers(1, 5000)) / 1000)[1]
        paid = -(1 - 2 * side) * float(fill["last_price"]) * float(fill["last_quantity"])
        for flow in (paid, -float(fill["fee"])):
            flows.append(Fraction(flow))
            naive += flow
    assert desk.core.account.cash == float(sum(flows))
    assert naive != float(sum(flows))


_STEP = st.tuples(
    st.sampled_from(["market", "limit", "quote", "trade"]),
    st.integers(0, 1),  # instrument
    st.integers(0, 1),  # strategy
    st.integers(0, 1),  # side
    st.integers(1, 4000),  # lots
    st.integers(-30, 30),  # ticks from 100
)


@settings(max_examples=200)
@given(st.lists(_STEP, max_size=60))
def test_money_and_lots_are_conserved(steps):
    """Random trading of two strategies in spot and swap, replayed from the reports alone.

    Lots agree exactly; cash is the correctly rounded sum of every flow; equity is the
    initial cash plus all profit, realised and open, minus all fees.
    """
    desk = Desk()
    for order_id, (word, instrument, strategy, side, lots, ticks) in enumerate(steps, 1):
        tick, lot = ((0.1, 0.001), (0.01, 1.0))[instrument]
        price = 100.0 + ticks * tick
        if word == "quote" or order_id < 3:
            desk.quote(price, price + 2 * tick, lots * lot, lots * lot, instrument=instrument)
        elif word == "trade":
            desk.trade(price, instrument=instrument)
        elif word == "market":
            desk.market(order_id, side, lots * lot, instrument=instrument, strategy=strategy)
        else:
            values = {"instrument": instrument, "strategy": strategy}
            desk.limit(order_id, side, lots * lot, round(price, 2), **values)
    _check_money(desk)


def _check_money(desk):
    flows, lots = [100_000.0], {}
    for row in desk.reports:
        report = row["report"]
        if report["last_quantity"] == 0:
            continue
        key = (int(row["strategy"]), int(report["instrument"]))
        sign = 1 - 2 * int(report["side"])
        step = 0.001 if key[1] == 0 else 1.0
        lots[key] = lots.get(key, 0) + sign * round(float(report["last_quantity"]) / step)
        flows.append(-float(report["fee"]))
        if key[1] == 0:
            flows.append(-sign * float(report["last_price"]) * float(report["last_quantity"]))
    core = desk.core
    for strategy in range(2):
        for instrument in range(2):
            row = core.positions[strategy, instrument]
            assert row["lots"] == lots.get((strategy, instrument), 0)
            assert row["bought_lots"] - row["sold_lots"] == row["lots"]
            assert (row["average_price"] == 0.0) == (row["lots"] == 0)
    swap_pnl = [float(core.positions[k, 1]["realized_pnl"]) for k in range(2)]
    exact = sum(map(Fraction, flows), Fraction(0)) + sum(map(Fraction, swap_pnl), Fraction(0))
    assert core.account.cash == pytest.approx(float(exact), rel=1e-15)
    if not any(swap_pnl):
        assert core.account.cash == float(exact)
    rows = [core.account.position(k, i) for k in range(2) for i in range(2)]
    total = math.fsum(row["net_pnl"] for row in rows)
    value = equity(core.address)
    if math.isfinite(value):
        assert value - 100_000.0 == pytest.approx(total, abs=1e-7)


def test_funding_moves_cash_from_longs_to_shorts_at_the_mark(make_desk, words):
    desk = make_desk(fees=Fees(maker=0.0, taker=0.0))
    desk.quote(2000.0, 2000.0, instrument=1)
    desk.market(1, words.buy, 5.0, instrument=1)  # 5 contracts of 0.1
    desk.market(2, words.sell, 2.0, instrument=1, strategy=1)
    desk.quote(2009.0, 2011.0, instrument=1)
    assert apply_funding(desk.core.address, 1, 0.0001, desk.now) == 2
    paid = 5 * 0.1 * 2010.0 * 0.0001
    received = 2 * 0.1 * 2010.0 * 0.0001
    assert desk.position(1)["funding"] == pytest.approx(-paid, abs=1e-15)
    assert desk.position(1, 1)["funding"] == pytest.approx(received, abs=1e-15)
    assert desk.core.account.cash == pytest.approx(100_000 - paid + received, abs=1e-10)
    row = desk.core.account.position(0, 1)
    assert row["net_pnl"] == pytest.approx(5.0 - paid, abs=1e-9)
    assert desk.core.account.summary(0)["funding"] == row["funding"]
    assert desk.core.account.equity == pytest.approx(100_003.0 - paid + received, abs=1e-9)


def test_negative_rate_pays_longs(make_desk, words):
    desk = make_desk(fees=Fees(maker=0.0, taker=0.0))
    desk.quote(2000.0, 2000.0, instrument=1)
    desk.market(1, words.buy, 5.0, instrument=1)
    apply_funding(desk.core.address, 1, -0.001, desk.now)
    assert desk.core.account.cash == 100_001.0


def test_spot_and_closed_positions_pay_no_funding(desk, words):
    desk.market(1, words.buy, 1.0)
    assert apply_funding(desk.core.address, 0, 0.01, desk.now) == 0
    assert apply_funding(desk.core.address, 1, 0.01, desk.now) == 0
    assert desk.position()["funding"] == 0.0


def test_funding_without_a_mark_books_nothing(make_desk, words):
    desk = make_desk()
    desk.quote(2000.0, 2000.0, instrument=1)
    desk.market(1, words.buy, 5.0, instrument=1)
    cash = desk.core.account.cash
    desk.quote(np.nan, np.nan, instrument=1)
    assert apply_funding(desk.core.address, 1, 0.01, desk.now) == NO_MARK
    assert desk.core.account.cash == cash


def test_funding_counts_fills_whose_reports_are_on_their_way(make_desk, words):
    desk = make_desk(fees=Fees(maker=0.0, taker=0.0), latency=Latency(response="1s"))
    desk.quote(2000.0, 2000.0, instrument=1)
    desk.market(1, words.buy, 5.0, instrument=1)
    assert desk.position(1)["lots"] == 0
    assert apply_funding(desk.core.address, 1, 0.001, desk.now) == 1
    assert desk.core.account.cash == 99_999.0
