"""R18: no sequence of requests and market events makes exposure exceed a limit.

A state machine sends random requests of two strategies in two instruments, good and
bad, against random markets, time, gates and states, and after every step recomputes
from the order table alone what must hold: exposure, open quantities, counts, lists,
cancels that always pass, and nothing left resting that the touch has crossed.
"""

import numpy as np
from desk import SECOND, SPOT, SWAP, Desk, unlimited
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from livekit.events import OrderStatus, Reject
from livekit.trading.layout import Gate, TradingState

_TICKS = st.integers(-25, 25)
_STEPS = {0: (0.1, 0.001, 1.0), 1: (0.01, 1.0, 0.1)}  # tick, lot, contract value
_LIMITS = unlimited(
    max_order_notional=900.0,
    max_position_notional=2000.0,
    price_band_bps=150.0,
    max_open_orders=5,
    orders_per_second=20.0,
    order_burst=4,
    max_reference_age_s=30.0,
)
_slots, _numbers, _sides = st.integers(0, 1), st.integers(0, 1), st.integers(0, 1)
_ids = st.integers(1, 12)


class Trading(RuleBasedStateMachine):
    """Drives a desk; everything checked is recomputed from the table, row by row."""

    def __init__(self):
        super().__init__()
        self.desk = Desk([SPOT, SWAP], limits=_LIMITS, n_strategies=2, max_orders=8)
        self.core = self.desk.core
        self.next_id = 100

    def _price(self, instrument, ticks):
        tick = _STEPS[instrument][0]
        return round(100.0 + ticks * tick, 2)

    def _open(self):
        return list(self.core.router.open_orders())

    # What happens.

    @rule(instrument=_numbers, ticks=_TICKS, spread=st.integers(1, 4), lots=st.integers(1, 30))
    def quote(self, instrument, ticks, spread, lots):
        size = lots * (1.0 if instrument else 0.2)
        bid, ask = self._price(instrument, ticks), self._price(instrument, ticks + spread)
        self.desk.quote(bid, ask, size, size, instrument=instrument)
        for row in self._open():
            if row["is_resting"] and row["instrument"] == instrument:
                assert row["price"] < ask if row["side"] == 0 else row["price"] > bid

    @rule(instrument=_numbers, ticks=_TICKS)
    def trade(self, instrument, ticks):
        price = self._price(instrument, ticks)
        self.desk.trade(price, instrument=instrument)
        for row in self._open():
            if row["is_resting"] and row["instrument"] == instrument:
                assert row["price"] <= price if row["side"] == 0 else row["price"] >= price

    @rule(seconds=st.sampled_from([0.01, 0.05, 1.0, 31.0]))
    def wait(self, seconds):
        self.desk.now += int(seconds * SECOND)

    @rule(
        strategy=_slots,
        instrument=_numbers,
        side=_sides,
        lots=st.integers(1, 110),
        ticks=_TICKS,
        tif=st.integers(0, 3),
        options=st.integers(0, 1),
        is_market=st.booleans(),
    )
    def new(self, strategy, instrument, side, lots, ticks, tif, options, is_market):
        self.next_id += 1
        quantity = float(lots) if instrument else round(lots * 0.1, 3)
        values = {"strategy": strategy, "instrument": instrument, "options": options}
        state, gate = self.core.router.state, self.core.risk.gate(strategy)
        before = self.desk.quantity(instrument, strategy)
        if is_market:
            reports = self.desk.market(self.next_id, side, quantity, **values)
        else:
            price = self._price(instrument, ticks)
            reports = self.desk.limit(self.next_id, side, quantity, price, tif, **values)
        if reports[0]["status"] == OrderStatus.REJECTED:
            assert self.desk.quantity(instrument, strategy) == before
            return
        assert state != TradingState.HALTED
        assert gate == Gate.OPEN
        if state == TradingState.REDUCING or options:
            assert abs(self.desk.quantity(instrument, strategy)) <= abs(before)
        self._check_exposure(strategy, instrument, side, before)

    @rule(strategy=_slots, lots=st.integers(1, 110), ticks=_TICKS, pick=st.integers(0, 7))
    @precondition(lambda self: len(self._open()) > 0)
    def modify(self, strategy, lots, ticks, pick):
        rows = [row for row in self._open() if row["strategy"] == strategy]
        if not rows:
            return
        row = rows[pick % len(rows)]
        instrument, side = int(row["instrument"]), int(row["side"])
        quantity = float(lots) if instrument else round(lots * 0.1, 3)
        before = self.desk.quantity(instrument, strategy)
        order_id = int(row["order_id"])
        price = self._price(instrument, ticks)
        reports = self.desk.modify(order_id, quantity, price, strategy=strategy)
        if reports[0]["reject"] == Reject.NONE and self.core.router.state == TradingState.ACTIVE:
            smaller = round(quantity / _STEPS[instrument][1]) <= row["lots"]
            self._check_exposure(strategy, instrument, side, before, was_larger=smaller)

    @rule(strategy=_slots, pick=st.integers(0, 7))
    def cancel(self, strategy, pick):
        rows = [row for row in self._open() if row["strategy"] == strategy]
        if rows:
            order_id = int(rows[pick % len(rows)]["order_id"])
            reports = self.desk.cancel(order_id, strategy=strategy)
            assert self.desk.outline(reports) == [("CANCELED", "NONE")]

    @rule(strategy=_slots)
    def cancel_all(self, strategy):
        self.desk.cancel_all(strategy=strategy)
        assert self.core.strategies[strategy]["n_open"] == 0

    @rule(state=st.sampled_from(list(TradingState)))
    def set_state(self, state):
        self.core.risk.set_state(state)

    @rule(strategy=_slots, gate=st.sampled_from(list(Gate)))
    def set_gate(self, strategy, gate):
        self.core.risk.set_gate(strategy, gate)

    @rule(strategy=_slots, blob=st.binary(min_size=128, max_size=128))
    def send_garbage(self, strategy, blob):
        self.desk.send_bytes(np.frombuffer(blob, np.uint8).copy(), strategy)

    # What holds.

    def _check_exposure(self, strategy, instrument, side, before, *, was_larger=False):
        """After an admission: the side is within its limit, or can only reduce."""
        _, lot, value = _STEPS[instrument]
        row = self.desk.position(instrument, strategy)
        market = self.core.markets[instrument]
        reference = (market["bid_price"] + market["ask_price"]) / 2
        if not np.isfinite(reference):
            reference = market["last_price"]
        sign = 1 - 2 * side
        pending = row["open_buy_lots"] if side == 0 else row["open_sell_lots"]
        worst = (sign * int(row["lots"]) + int(pending)) * lot * value * reference
        reduced = sign * before < 0 and worst <= 1e-9
        assert worst <= 2000.0 * (1 + 1e-12) or reduced or was_larger

    @invariant()
    def nothing_is_impossible(self):
        assert self.core.header["n_faults"] == 0
        assert self.core.header["n_reports"] == 0

    @invariant()
    def open_quantities_are_the_sum_of_open_orders(self):
        sums = np.zeros((2, 2, 2), np.int64)
        rows = self._open()
        for row in rows:
            leaves = row["lots"] - row["filled_lots"]
            assert leaves > 0
            assert row["status"] in {OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED}
            assert row["is_resting"] == 1
            assert row["reserved_lots"] == leaves
            sums[row["strategy"], row["instrument"], row["side"]] += leaves
        used = self.core.positions[:2, :2]
        assert (used["open_buy_lots"] == sums[:, :, 0]).all()
        assert (used["open_sell_lots"] == sums[:, :, 1]).all()
        assert len(rows) == self.core.header["n_open"]
        assert (self.core.strategies["n_open"] <= 5).all()

    @invariant()
    def bounds_reach_every_resting_order(self):
        for row in self._open():
            market = self.core.markets[row["instrument"]]
            if row["side"] == 0:
                assert row["price"] <= market["buy_bound"]
            else:
                assert row["price"] >= market["sell_bound"]


TestTrading = Trading.TestCase
TestTrading.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
