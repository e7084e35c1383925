"""Every cell of the life cycle, in the table and as a venue says it, the forbidden ones too."""

from itertools import product

import pytest
from desk import Desk
from hypothesis import given
from hypothesis import strategies as st

from livekit.events import OrderStatus
from livekit.trading import venue
from livekit.trading.admission import admit
from livekit.trading.layout import TradingState
from livekit.trading.lifecycle import FORBIDDEN, LIFE_CYCLE, Transition, next_status

_S, _T = OrderStatus, Transition

# Read down: what the venue says; across: what it makes of each status. "-" is forbidden.
#                        CREATED SENT ACCEPTED PARTLY UNKNOWN FILLED CANCELED REJECTED
_EXPECTED = {
    _T.SEND:           "SENT     -        -        -      -        -      -        -",
    _T.ACCEPT:         "-        ACCEPTED ACCEPTED PARTLY ACCEPTED FILLED CANCELED -",
    _T.FILL_PART:      "-        PARTLY   PARTLY   PARTLY PARTLY   -      CANCELED -",
    _T.FILL:           "-        FILLED   FILLED   FILLED FILLED   -      FILLED   -",
    _T.MODIFY:         "-        ACCEPTED ACCEPTED PARTLY ACCEPTED FILLED CANCELED -",
    _T.CANCEL:         "-        CANCELED CANCELED CANCELED CANCELED FILLED CANCELED -",
    _T.REJECT:         "REJECTED REJECTED -        -      REJECTED -      -        REJECTED",
    _T.LOSE:           "-        UNKNOWN  ACCEPTED PARTLY UNKNOWN  FILLED CANCELED REJECTED",
}  # fmt: skip


def _expected(status, transition):
    word = _EXPECTED[transition].split()[status].replace("PARTLY", "PARTIALLY_FILLED")
    return FORBIDDEN if word == "-" else _S[word]


@pytest.mark.parametrize(("status", "transition"), list(product(_S, _T)))
def test_cell_of_the_table(status, transition):
    assert LIFE_CYCLE[status, transition] == _expected(status, transition)
    assert next_status(int(status), int(transition)) == _expected(status, transition)


def _order_in(status):
    """Return a desk whose order 1, a buy of 10, got into a status as a venue would say it."""
    desk = Desk()
    desk.quote(100.0, 100.1)
    desk.request[:] = 0
    for name, value in {"kind": 3, "order_id": 1, "quantity": 10.0, "price": 99.0}.items():
        desk.request[name] = value
    address = desk.core.address
    row = admit(address, 0, desk.request.ctypes.data, desk.now)
    assert row == 1
    steps = {
        _S.SENT: [],
        _S.ACCEPTED: [_T.ACCEPT],
        _S.PARTIALLY_FILLED: [_T.ACCEPT, _T.FILL_PART],
        _S.UNKNOWN: [_T.LOSE],
        _S.FILLED: [_T.FILL],
        _S.CANCELED: [_T.CANCEL],
        _S.REJECTED: [_T.REJECT],
    }
    for transition in steps[status]:
        assert _say(desk, transition) == 1
    assert desk.core.orders[row]["status"] == status
    desk.drain()
    return desk


def _say(desk, transition, row=1):
    """Let the venue say something of the order."""
    address, now = desk.core.address, desk.now
    order = desk.core.orders[row]
    leaves = int(order["lots"] - order["filled_lots"])
    said = {
        _T.ACCEPT: lambda: venue.apply_accepted(address, row, now),
        _T.FILL_PART: lambda: venue.apply_filled(address, row, 2500, 99.0, 0.1, now),
        _T.FILL: lambda: venue.apply_filled(address, row, leaves, 99.0, 0.1, now),
        _T.MODIFY: lambda: venue.apply_modified(address, row, now),
        _T.CANCEL: lambda: venue.apply_canceled(address, row, 2, 0, now),
        _T.REJECT: lambda: venue.apply_rejected(address, row, 1, now),
        _T.LOSE: lambda: venue.apply_lost(address, row, now),
    }
    return said[transition]()


@pytest.mark.parametrize(("status", "transition"), list(product(list(_S)[1:], list(_T)[1:])))
def test_cell_as_a_venue_says_it(status, transition):
    desk = _order_in(status)
    before = desk.core.memory.copy()
    fills_before = int(desk.position()["n_fills"])
    result = _say(desk, transition)
    order, expected = desk.core.orders[1], _expected(status, transition)
    reports = desk.drain()
    if expected == FORBIDDEN:
        assert result == -1
        assert desk.core.router.state is TradingState.HALTED
        assert desk.core.header["n_faults"] == 1
        desk.core.header["state"] = desk.core.header["n_faults"] = 0
        assert (desk.core.memory == before).all()
        return
    assert order["status"] == expected
    assert desk.core.header["n_faults"] == 0
    is_fill = transition in {_T.FILL_PART, _T.FILL}
    is_change = expected != status or is_fill
    assert len(reports) == (1 if is_change else 0)
    assert desk.position()["n_fills"] == fills_before + is_fill
    is_open = expected < _S.FILLED
    assert desk.core.strategies[0]["n_open"] == is_open
    leaves = int(order["lots"] - order["filled_lots"]) if is_open else 0
    assert desk.position()["open_buy_lots"] == leaves
    assert desk.position()["lots"] == order["filled_lots"]


def test_overfill_is_forbidden_and_halts():
    desk = _order_in(_S.ACCEPTED)
    assert venue.apply_filled(desk.core.address, 1, 10_001, 99.0, 0.0, desk.now) == -1
    assert venue.apply_filled(desk.core.address, 1, 0, 99.0, 0.0, desk.now) == -1
    assert desk.core.router.state is TradingState.HALTED
    assert desk.position()["lots"] == 0


_HISTORY = [_T.ACCEPT, _T.ACCEPT, _T.FILL_PART, _T.FILL_PART, _T.CANCEL, _T.CANCEL, _T.LOSE]


@given(st.permutations(_HISTORY))
def test_any_order_of_the_same_reports_ends_in_the_same_state(history):
    desk = _order_in(_S.SENT)
    for transition in history:
        assert _say(desk, transition) >= 0
    order, position = desk.core.orders[1], desk.position()
    assert (order["status"], order["filled_lots"]) == (_S.CANCELED, 5000)
    assert (position["lots"], position["open_buy_lots"], position["n_fills"]) == (5000, 0, 2)
    assert position["fees"] == pytest.approx(0.2)


@given(st.permutations([_T.ACCEPT, _T.CANCEL, *[_T.FILL_PART] * 4]))
def test_complete_fill_outweighs_a_cancellation_in_any_order(history):
    desk = _order_in(_S.SENT)
    for transition in history:
        assert _say(desk, transition) >= 0
    assert desk.core.orders[1]["status"] == _S.FILLED
    assert desk.position()["lots"] == 10_000


def test_unknown_order_counts_at_full_size_against_the_position_limit(words):
    desk = _order_in(_S.UNKNOWN)
    desk.core.risk.set_limits(words.unlimited(max_position_notional=1500.0))
    assert desk.outline(desk.limit(2, words.buy, 5.0, 99.0)) == [("REJECTED", "MAX_POSITION")]
    assert _say(desk, _T.REJECT) == 1
    desk.drain()
    assert desk.outline(desk.limit(3, words.buy, 5.0, 99.0)) == [("ACCEPTED", "NONE")]


def test_modification_under_way_reserves_the_larger_of_old_and_new():
    desk = _order_in(_S.ACCEPTED)
    order = desk.core.orders[1:2]
    for new, reserved in ((12_000, 12_000), (4_000, 10_000)):
        order["new_lots"], order["new_price"], order["is_modifying"] = new, 98.0, 1
        venue.reserve(desk.core.address, 1)
        assert desk.position()["open_buy_lots"] == reserved
    assert _say(desk, _T.MODIFY) == 1
    assert desk.position()["open_buy_lots"] == 4_000
    order["new_lots"], order["is_modifying"] = 20_000, 1
    venue.reserve(desk.core.address, 1)
    venue.apply_modify_refused(desk.core.address, 1, 4, desk.now)
    assert desk.position()["open_buy_lots"] == 4_000
    assert desk.core.orders[1]["lots"] == 4_000


def test_second_modification_is_refused_while_one_is_under_way_and_does_not_end_it(words):
    desk = _order_in(_S.ACCEPTED)
    order = desk.core.orders[1:2]
    order["new_lots"], order["new_price"], order["is_modifying"] = 12_000, 98.0, 1
    venue.reserve(desk.core.address, 1)
    assert desk.outline(desk.modify(1, 11.0, 98.5)) == [("ACCEPTED", "DUPLICATE_ORDER")]
    assert order["is_modifying"][0] == 1
    assert _say(desk, _T.MODIFY) == 1
    assert desk.core.orders[1]["price"] == 98.0
