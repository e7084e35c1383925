"""Balances and positions out of answers and pushes that overtake each other.

Injected: a history of changes, told by updates in any order and more than once, by
snapshots, and by answers that say any state the venue had since they were asked for.
Checked: what is known of a row never goes back in the history, and is the venue's once
a last answer has told everything.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livekit.engine.okx.holdings import Holdings
from livekit.okx.rows import AccountRow, CashRow, CurrencyRow, PositionRow

NAMES = ("BTC", "ETH", "USDT")


def currency(name, amount, time_ms, available=""):
    return CurrencyRow(name, uTime=time_ms, eq=amount, cashBal=amount, availEq=available)


def account(time_ms, *details):
    return AccountRow(list(details), uTime=time_ms)


def position(name, amount, time_ms, side="net", now_ms=""):
    row = {"instType": "SWAP", "mgnMode": "cross", "posSide": side, "avgPx": 2.0, "pTime": now_ms}
    return PositionRow(f"{name}-USDT-SWAP", f"id{name}", amount, time_ms, **row)


def push_account(holdings, *rows, complete=False):
    holdings.take_account(rows, is_complete=complete, asked=-1)


def push_positions(holdings, *rows, complete=False):
    holdings.take_positions(rows, is_complete=complete, asked=-1)


@pytest.fixture
def holdings():
    return Holdings()


def test_balance_of_a_mode_without_equity_is_what_is_available(holdings):
    row = CurrencyRow("BTC", uTime=1, eq=2.0, cashBal=2.0, availBal=1.5, availEq="")
    push_account(holdings, account(1, row))
    assert holdings.balances["BTC"].available == 1.5


def test_balance_of_a_mode_with_equity_is_its_available_equity(holdings):
    row = CurrencyRow("BTC", uTime=1, eq=2.0, cashBal=2.0, availBal=1.5, availEq=0.0)
    push_account(holdings, account(1, row))
    assert holdings.balances["BTC"].available == 0.0


def test_currency_absent_from_an_update_stays(holdings):
    push_account(holdings, account(1, currency("BTC", 1.0, 1), currency("ETH", 2.0, 1)))
    push_account(holdings, account(5, currency("ETH", 3.0, 5)))
    assert {name: one.cash for name, one in holdings.balances.items()} == {"BTC": 1, "ETH": 3}


def test_currency_absent_from_a_snapshot_is_zero(holdings):
    push_account(holdings, account(1, currency("BTC", 1.0, 1), currency("ETH", 2.0, 1)))
    push_account(holdings, account(5, currency("ETH", 2.0, 1)), complete=True)
    assert list(holdings.balances) == ["ETH"]


def test_update_older_than_what_a_snapshot_left_out_does_not_bring_it_back(holdings):
    push_account(holdings, account(1, currency("BTC", 1.0, 1)))
    push_account(holdings, account(5), complete=True)
    push_account(holdings, account(1, currency("BTC", 1.0, 1)))
    assert holdings.balances == {}


def test_answer_older_than_a_push_changes_nothing(holdings):
    push_account(holdings, account(9, currency("BTC", 9.0, 9)))
    holdings.take_account([account(4, currency("BTC", 4.0, 4))], is_complete=True, asked=0)
    assert holdings.balances["BTC"].cash == 9


def test_answer_of_the_same_time_counts_only_if_nothing_was_pushed_since_it_was_asked(holdings):
    push_account(holdings, account(9, currency("BTC", 9.0, 9, available=8.0)))
    late = account(9, currency("BTC", 9.0, 9, available=7.0))
    holdings.take_account([late], is_complete=True, asked=holdings.serial - 1)
    assert holdings.balances["BTC"].available == 8
    holdings.take_account([late], is_complete=True, asked=holdings.serial)
    assert holdings.balances["BTC"].available == 7


def test_answer_without_a_currency_pushed_after_it_was_asked_keeps_it(holdings):
    asked = holdings.serial
    push_account(holdings, account(9, currency("BTC", 9.0, 9)))
    holdings.take_account([account(9)], is_complete=True, asked=asked)
    assert holdings.balances["BTC"].cash == 9


def test_cash_has_the_quicker_channel_and_does_not_go_back(holdings):
    push_account(holdings, account(1, currency("BTC", 1.0, 1, available=1.0)))
    holdings.take_cash([CashRow("BTC", 3.0, 8)])
    push_account(holdings, account(5, currency("BTC", 2.0, 5, available=2.0)))
    found = holdings.balances["BTC"]
    assert (found.cash, found.available) == (3.0, 2.0)


def test_short_side_counts_below_zero(holdings):
    push_positions(holdings, position("BTC", 3.0, 1, side="short"))
    assert holdings.positions["idBTC"].quantity == -3


def test_flat_push_ends_a_position_and_an_older_one_does_not_reopen_it(holdings):
    push_positions(holdings, position("BTC", 3.0, 1))
    push_positions(holdings, position("BTC", 0.0, 5))
    push_positions(holdings, position("BTC", 3.0, 1))
    assert holdings.positions == {}


def test_empty_snapshot_means_flat(holdings):
    push_positions(holdings, position("BTC", 3.0, 1))
    push_positions(holdings, complete=True)
    assert holdings.positions == {}


def test_position_of_an_earlier_answer_survives_an_answer_asked_before_it_was_pushed(holdings):
    asked = holdings.serial
    push_positions(holdings, position("BTC", 3.0, 4))
    holdings.take_positions([], is_complete=True, asked=asked)
    assert holdings.positions["idBTC"].quantity == 3


def test_flat_positions_are_forgotten_beyond_a_bound(holdings):
    for number in range(5000):
        push_positions(holdings, position(f"C{number}", 0.0, number))
    assert len(holdings._positions) == 4096


@dataclass
class Story:
    """What the venue had, change by change, and what was told of it."""

    holdings: Holdings
    changes: list[tuple[str, int, float]]  # name, time, amount: 0, or the change's number
    told: int = -1  # newest change that any push has told
    asked: list[tuple[int, int]] = field(default_factory=list)  # serial, newest change told

    def state(self, upto):
        found = {}
        for name, time_ms, amount in self.changes[: upto + 1]:
            found[name] = (amount, time_ms)
        return found

    def as_of(self, upto):
        return self.changes[upto][1] if upto >= 0 else 0

    def version(self, name):
        """Return which change of a row is known; -1 for none."""
        known = self.holdings._balances.get(name)
        if known is None:
            return -1
        for number, (other, time_ms, amount) in enumerate(self.changes):
            if (other, time_ms, amount) == (name, known.cash_ms, known.cash):
                return number
        # Zero since a time at which it was told to be absent.
        before = [n for n, (o, t, _) in enumerate(self.changes) if o == name and t <= known.cash_ms]
        assert known.cash == 0
        assert not before or self.changes[before[-1]][2] == 0
        return before[-1] if before else -1

    def rows(self, upto):
        live = [(n, a, t) for n, (a, t) in self.state(upto).items() if a]
        return account(self.as_of(upto), *(currency(n, a, t) for n, a, t in live))

    def do(self, what, number):
        name, time_ms, amount = self.changes[number]
        if what == "update":
            push_account(self.holdings, account(time_ms, currency(name, amount, time_ms)))
        elif what == "cash":
            self.holdings.take_cash([CashRow(name, amount, time_ms)])
        elif what == "snapshot":
            push_account(self.holdings, self.rows(number), complete=True)
        elif what == "ask":
            self.asked.append((self.holdings.serial, self.told))
            return
        elif self.asked:
            serial, told = self.asked.pop(0)
            number = max(number, told)
            self.holdings.take_account([self.rows(number)], is_complete=True, asked=serial)
            return
        self.told = max(self.told, number)


@st.composite
def stories(draw):
    changes, time_ms = [], 100
    for number in range(draw(st.integers(1, 8))):
        time_ms += draw(st.integers(1, 3))
        name = draw(st.sampled_from(NAMES))
        changes.append((name, time_ms, draw(st.sampled_from([0.0, number + 1.0]))))
    kinds = st.sampled_from(["update", "update", "cash", "snapshot", "ask", "answer"])
    words = st.tuples(kinds, st.integers(0, len(changes) - 1))
    return changes, draw(st.lists(words, max_size=30))


@settings(max_examples=400)
@given(stories())
def test_no_word_takes_a_balance_back_and_a_last_answer_settles_it(drawn):
    changes, words = drawn
    story = Story(Holdings(), changes)
    known = dict.fromkeys(NAMES, -1)
    for what, number in words:
        story.do(what, number)
        for name in NAMES:
            version = story.version(name)
            assert version >= known[name], (what, number, name)
            known[name] = version
    story.asked.clear()
    last = len(changes) - 1
    story.do("ask", last)
    story.told = last
    story.do("answer", last)
    told = {name: one.cash for name, one in story.holdings.balances.items()}
    assert told == {name: amount for name, (amount, _) in story.state(last).items() if amount}


@settings(max_examples=200)
@given(st.permutations([0.0, 1.0, -2.0, 3.0, 0.0, 5.0]), st.data())
def test_any_order_and_repetition_of_pushes_ends_in_the_newest_position(amounts, data):
    rows = [position("BTC", amount, time_ms) for time_ms, amount in enumerate(amounts, 1)]
    holdings = Holdings()
    for row in data.draw(st.permutations(rows + rows)):
        push_positions(holdings, row)
    held = holdings.positions.get("idBTC")
    assert (held.quantity if held else 0.0) == amounts[-1]
