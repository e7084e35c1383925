"""What our fills make of the account against what the venue says it has."""

import json

import pytest

from livekit.engine.okx.account import AccountSync
from livekit.engine.okx.drift import DriftWatch
from livekit.instruments import Instrument
from livekit.trading.core import TradingCore

SPOT = Instrument("BTC-USDT", 0.1, 0.0001, 0.0001)
OTHER = Instrument("BTC-USDC", 0.1, 0.0001, 0.0001)
SWAP = Instrument("BTC-USDT-SWAP", 0.1, 0.01, 0.01, 0.01, "swap")
SECOND = 1_000_000_000
FEES = {"SPOT": ("-0.0008", "-0.001"), "SWAP": ("-0.0002", "-0.0005")}


class Account:
    """An account whose answers the test writes."""

    def __init__(self, *instruments, fee_type="0"):
        self.sync, self.time = AccountSync(instruments), 1000
        self.core = TradingCore(instruments, n_strategies=2)
        self.watch = DriftWatch(self.sync, self.core)
        self.fee_type, self.cash, self.contracts = fee_type, {"BTC": 1.0}, 0.0

    def rows(self, path):
        if "config" in path:
            row = {"acctLv": "2", "posMode": "net_mode", "perm": "trade"}
            return [row | {"feeType": self.fee_type}]
        if "balance" in path:
            time_ms = str(self.time)
            details = [
                {"ccy": name, "eq": str(amount), "cashBal": str(amount), "uTime": time_ms}
                for name, amount in self.cash.items()
            ]
            return [{"uTime": time_ms, "details": details}]
        if "positions" in path:
            row = {"instId": SWAP.symbol, "posId": "1", "posSide": "net", "instType": "SWAP"}
            return [row | {"pos": str(self.contracts), "uTime": str(self.time)}]
        kind = "SWAP" if "SWAP" in path else "SPOT"
        if "fee" in path:
            maker, taker = FEES[kind]
            group = {"groupId": "1", "maker": maker, "taker": taker}
            return [{"instType": kind, "feeGroup": [group]}]
        one = next(one for one in self.sync.instruments if path.endswith("=" + one.symbol))
        row = {"instId": one.symbol, "instType": kind, "state": "live", "groupId": "1"}
        row |= {"tickSz": "0.1", "lotSz": f"{one.lot:f}", "minSz": f"{one.lot:f}"}
        row |= {"baseCcy": "BTC" if kind == "SPOT" else "", "ctVal": "0.01"}
        return [row]

    def answer(self):
        self.time += 10
        for call in self.sync.calls():
            body = json.dumps({"code": "0", "data": self.rows(call.path)}).encode()
            self.sync.take_answer(call.path, 200, body, 0)

    def fill(self, strategy, number, lots):
        """Book what a fill would, without the order."""
        row = self.core.positions[strategy, number]
        row["lots"] += lots
        row["bought_lots" if lots > 0 else "sold_lots"] += abs(lots)

    def look(self, *seconds):
        for second in seconds:
            found = self.watch.look(second * SECOND)
        return found


def test_what_was_held_before_the_start_is_no_drift():
    account = Account(SPOT, SWAP)
    account.contracts = -7.0
    assert account.look(0) == []
    account.answer()
    assert account.sync.is_ready
    assert account.look(1, 20) == []


def test_fill_that_the_venue_shows_late_is_no_drift():
    account = Account(SWAP)
    account.answer()
    account.look(0)
    account.fill(0, 0, 200)
    assert account.look(1, 5) == []
    account.contracts = 2.0
    account.answer()
    assert account.look(6, 60) == []


def test_contracts_that_no_fill_explains_are_told_once_they_last():
    account = Account(SWAP)
    account.answer()
    account.look(0)
    account.fill(0, 0, 200)
    account.fill(1, 0, -100)
    account.contracts = 3.0
    account.answer()
    assert account.look(1, 5) == []
    (drift,) = account.look(6)
    assert (drift.name, drift.ours, drift.venue, drift.since_ns) == (
        "BTC-USDT-SWAP",
        1.0,
        3.0,
        SECOND,
    )
    assert str(drift).startswith("BTC-USDT-SWAP: our fills make +1, the venue has +3 since the ")
    assert "look for orders of others" in str(drift)
    assert account.watch.lasting == [drift]
    account.contracts = 1.0
    account.answer()
    assert account.look(7) == account.watch.lasting == []


@pytest.mark.parametrize(("taken", "is_drift"), [(0.000999, False), (0.0011, True)])
def test_fees_taken_in_the_bought_currency_are_allowed_for(taken, is_drift):
    account = Account(SPOT, OTHER)
    account.answer()
    account.look(0)
    account.fill(0, 0, 5000)  # 0.5 of each of two pairs of one currency
    account.fill(1, 1, 5000)
    account.cash["BTC"] = 2.0 - taken
    account.answer()
    assert bool(account.look(1, 7)) is is_drift


def test_fees_paid_in_quote_allow_for_nothing():
    account = Account(SPOT, fee_type="1")
    account.answer()
    account.look(0)
    account.fill(0, 0, 10_000)
    account.cash["BTC"] = 1.999
    account.answer()
    (drift,) = account.look(1, 7)
    assert (drift.name, drift.allowed) == ("BTC", 0.0)
