"""Nothing is lost or made up between the venue and the account, whatever the latencies.

Random requests of two strategies in a spot and a swap meet random markets while
messages are in flight: partial fills, modifications, cancellations that race fills,
reduce-only orders, funding. A ledger made of the reports alone must agree with the
core at every moment, and the venue's view with the core's once nothing is in flight.
"""

from fractions import Fraction

import numpy as np
import pytest
from desk import Desk
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from livekit.trading.account import apply_funding
from livekit.trading.latency import Latency
from livekit.trading.limits import Fees
from livekit.trading.outbox import OUTBOX_FULL
from livekit.trading.paper.wire import FOREVER, MESSAGES_PER_ORDER
from livekit.trading.router import advance, next_due

MS = 1_000_000
TICKS, LOTS, VALUES = (0.1, 0.01), (0.001, 1.0), (1.0, 0.1)


@njit
def jumpy(ts_ns, sequence):
    return (sequence * 2_654_435_761) % 7_000_000 - 1_000_000


@njit
def coin(front, back):
    return 0.5


LATENCIES = (
    Latency(),
    Latency(order="2ms"),
    Latency(response="3ms"),
    Latency(order="1ms", response="40ms"),
    Latency.sampled(order_ns=[0, 5 * MS, 90 * MS], response_ns=[0, MS, 200 * MS], seed=7),
    Latency.interpolated([0, 10**9, 10**10], [0, 9 * MS, MS], [50 * MS, 0, 9 * MS]),
    Latency(order=jumpy, response=jumpy),
)
QUEUES = ("crossed", "touch", "front", "risk_averse", "power_prob", ("power_prob", 1.5), "log_prob")


class Market:
    """A desk under random fire, and the ledger made of its reports."""

    def __init__(self, seed, **options):
        self.rng = np.random.default_rng(seed)
        fees = Fees(maker=-0.0001, taker=0.0005)
        self.desk = Desk(n_strategies=2, max_orders=12, fees=fees, **options)
        self.core = self.desk.core
        self.next_id = 0
        self.lots = np.zeros((2, 2), np.int64)
        self.spot_cash = Fraction(100_000)
        self.flows = 0.0  # of everything, the swap at full price
        self.funding = 0.0
        self.filled = {}
        for instrument in range(2):
            self.quote(instrument)

    def price(self, instrument, spread=8):
        return round(100.0 + int(self.rng.integers(-spread, spread + 1)) * TICKS[instrument], 2)

    def size(self, instrument, most=40):
        return round(int(self.rng.integers(1, most)) * (1.0 if instrument else 0.05), 3)

    def quote(self, instrument):
        bid = self.price(instrument)
        ask = round(bid + int(self.rng.integers(1, 4)) * TICKS[instrument], 2)
        self.desk.quote(bid, ask, self.size(instrument), self.size(instrument), instrument)

    def book(self, instrument):
        bid, tick = self.price(instrument), TICKS[instrument]
        sides = [
            [(round(bid + sign * (k + up) * tick, 2), self.size(instrument)) for k in range(5)]
            for sign, up in ((-1, 0), (1, 1))
        ]
        self.desk.book(*sides, instrument=instrument)

    def act(self):
        """Do one random thing."""
        rng, desk = self.rng, self.desk
        what, instrument = rng.integers(0, 13), int(rng.integers(0, 2))
        strategy = int(rng.integers(0, 2))
        if what < 2:
            self.quote(instrument)
        elif what == 2:
            self.book(instrument)
        elif what < 6:
            side = int(rng.integers(0, 2))
            desk.trade(self.price(instrument), self.size(instrument, 9), instrument, side)
        elif what < 9:
            self.next_id += 1
            desk.send(
                strategy=strategy,
                order_id=self.next_id,
                instrument=instrument,
                side=rng.integers(0, 2),
                order_type=rng.random() < 0.2,
                tif=rng.integers(0, 4),
                quantity=self.size(instrument),
                price=self.price(instrument),
                options=rng.random() < 0.2,
            )
        elif what in {9, 12}:
            self.modify()
        elif what == 10:
            order = self.pick()
            desk.cancel(int(order["order_id"]), strategy=int(order["strategy"]))
        elif rng.random() < 0.3:
            desk.cancel_all(strategy=strategy)
        else:
            self.fund()
        self.desk.now += int(rng.choice([0, 1, MS, 10 * MS]))

    def pick(self):
        """Return the row of an order, mostly of an open one."""
        rows = self.core.orders[1 : max(int(self.core.header["n_used"]), 1) + 1]
        is_open = rows["status"] < 5
        if is_open.any() and self.rng.random() < 0.9:
            rows = rows[is_open]
        return rows[int(self.rng.integers(0, len(rows)))]

    def modify(self):
        """Change an order: its price, or its quantity only."""
        order = self.pick()
        instrument = int(order["instrument"])
        price, size = self.price(instrument), self.size(instrument)
        if self.rng.random() < 0.4:
            price = float(order["price"])
        self.desk.modify(int(order["order_id"]), size, price, strategy=int(order["strategy"]))

    def fund(self):
        row = self.core.markets[1]
        mark = (row["bid_price"] + row["ask_price"]) / 2
        held = int(self.core.positions[:, 1]["venue_lots"].sum())
        rate = float(self.rng.choice([-0.01, 0.001]))
        apply_funding(self.core.address, 1, rate, self.desk.now)
        self.funding -= rate * held * 0.1 * mark
        assert apply_funding(self.core.address, 0, rate, self.desk.now) == 0  # spot

    def arrive(self, until):
        """Let everything due arrive, in order of time."""
        last = 0
        while (made := advance(self.core.address, until)) != 0:
            assert made != OUTBOX_FULL
            assert last <= self.core.header["now"] < until
            last = int(self.core.header["now"])
            self.desk.drain()
        assert next_due(self.core.address) >= until

    def book_reports(self):
        """Enter all reports so far into the ledger."""
        for origin in self.desk.reports:
            row, strategy = origin["report"], int(origin["strategy"])
            lots = round(float(row["last_quantity"]) / LOTS[row["instrument"]])
            assert (origin["liquidity"] != 0) == (lots != 0)
            assert origin["ts_venue"] == row["ts_event"] <= row["ts_recv"]
            if lots == 0:
                continue
            sign, instrument = 1 - 2 * int(row["side"]), int(row["instrument"])
            self.lots[strategy, instrument] += sign * lots
            notional = float(row["last_price"]) * float(row["last_quantity"]) * VALUES[instrument]
            rate = -0.0001 if origin["liquidity"] == 1 else 0.0005
            assert float(row["fee"]) == notional * rate
            self.flows -= sign * notional + float(row["fee"])
            if instrument == 0:
                self.spot_cash -= Fraction(sign * notional) + Fraction(float(row["fee"]))
            key = (strategy, int(row["order_id"]))
            self.filled[key] = self.filled.get(key, 0) + lots
            assert round(float(row["filled_quantity"]) / LOTS[instrument]) == self.filled[key]
            assert self.filled[key] <= round(float(row["quantity"]) / LOTS[instrument])
        self.desk.reports.clear()

    def check(self):
        """Compare the ledger with the core, and the core with itself."""
        self.book_reports()
        core = self.core
        assert core.header["n_faults"] == 0
        assert (core.positions[:, :2]["lots"] == self.lots).all()
        rows = core.orders[1 : int(core.header["n_used"]) + 1]
        assert (rows["in_flight"] <= MESSAGES_PER_ORDER).all()
        is_open = rows["status"] < 5
        assert is_open.sum() == core.header["n_open"]
        assert (is_open | (rows["in_flight"] > 0)).sum() == core.header["n_busy"]
        for side, name in enumerate(("open_buy_lots", "open_sell_lots")):
            mine = is_open & (rows["side"] == side)
            assert core.positions[:, :2][name].sum() == rows["reserved_lots"][mine].sum()
        marks = [(row["bid_price"] + row["ask_price"]) / 2 for row in core.markets[:2]]
        value = sum(int(self.lots[:, i].sum()) * LOTS[i] * VALUES[i] * marks[i] for i in range(2))
        expected = 100_000.0 + self.flows + self.funding + value
        assert core.account.equity == pytest.approx(expected, abs=1e-6)
        assert core.positions["funding"].sum() == pytest.approx(self.funding, abs=1e-8)

    def check_agreement(self):
        """Compare the venue's view with the core's: nothing is in flight."""
        core = self.core
        assert next_due(core.address) == FOREVER
        assert (core.positions["venue_lots"] == core.positions["lots"]).all()
        rows = core.orders[1 : int(core.header["n_used"]) + 1]
        assert not rows["in_flight"].any()
        assert not rows["is_modifying"].any()
        assert core.header["n_busy"] == core.header["n_open"]
        known = rows["venue_state"] != 0
        assert (rows["venue_filled"][known] == rows["filled_lots"][known]).all()
        is_open = rows["status"] < 5
        assert (rows["is_resting"] == is_open).all()
        assert ((rows["venue_state"] == 1) == is_open).all()
        assert (rows["venue_lots"][is_open] == rows["lots"][is_open]).all()
        assert (rows["venue_price"][is_open] == rows["price"][is_open]).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    latency=st.sampled_from(LATENCIES),
    queue=st.sampled_from([*QUEUES, coin]),
    partial_fills=st.booleans(),
)
def test_ledger_of_the_reports_agrees_with_the_account(seed, latency, queue, partial_fills):
    market = Market(seed, latency=latency, queue=queue, partial_fills=partial_fills)
    for _ in range(25):
        for _ in range(10):
            market.act()
            market.arrive(market.desk.now)
        market.check()
    market.arrive(FOREVER)
    market.check()
    market.check_agreement()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    queue=st.sampled_from(QUEUES),
    partial_fills=st.booleans(),
)
def test_queued_messages_of_no_latency_do_what_immediate_ones_do(seed, queue, partial_fills):
    options = {"queue": queue, "partial_fills": partial_fills}
    one = Market(seed, **options)
    other = Market(seed, latency=Latency(order=1, response=1), **options)
    other.core.lines["delay_ns"] = 0
    other.core.header["is_always_queued"] = 1
    for _ in range(200):
        for market in (one, other):
            market.act()
            market.desk.now += 1  # so that what is due now arrives before what comes next
            market.arrive(market.desk.now)
        assert len(one.desk.reports) == len(other.desk.reports)
        for left, right in zip(one.desk.reports, other.desk.reports, strict=True):
            assert left.tobytes() == right.tobytes()
        one.desk.reports.clear()
        other.desk.reports.clear()
    assert one.core.positions.tobytes() == other.core.positions.tobytes()
    assert one.core.account.cash == other.core.account.cash


def test_many_partial_fills_in_one_response_latency_are_joined(words):
    desk = Desk(latency=Latency(response="1s"), queue="front", max_orders=2)
    desk.quote(100.0, 100.1)
    desk.limit(1, words.buy, 1.0, 100.0)
    for _ in range(400):
        desk.now += MS
        desk.trade(100.0, 0.001, side=1)
    order = desk.core.orders[1]
    assert order["in_flight"] == 8  # the acceptance and seven fills
    desk.modify(1, 0.9, 100.0)
    desk.trade(100.0, 0.001, side=1)
    desk.cancel(1)
    assert order["in_flight"] == 11
    while advance(desk.core.address, FOREVER) > 0:
        desk.drain()
    fills = [float(row["report"]["last_quantity"]) for row in desk.reports[1:]]
    assert fills == [0.001] * 6 + [0.394, 0.0, 0.001, 0.0]
    assert desk.quantity() == 0.401
    assert desk.core.header["n_faults"] == 0
