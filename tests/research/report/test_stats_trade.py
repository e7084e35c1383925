"""Three round trips and an open one, worked out by hand.

Lots of 1, one instrument.
  1 long   buy 2 at 100 (fee .2), buy 1 at 103 (.1), sell 3 at 104 (.3)
           gross 312 - 303 = 9, fees .6, net 8.4, from 10 s to 30 s
  2 short  sell 1 at 105 (.1), half of buy 2 at 106 (.2)
           gross -1, fees .1 + .1, net -1.2, from 40 s to 50 s
  3 long   the other half, sell 1 at 107 (.1)
           gross 1, fees .1 + .1, net .8, from 50 s to 70 s
  4 short  sell 1 at 107 (.1), open at the end
"""

import math

import numpy as np
import pytest
from hand_made_run import BUY, NAN, SECOND, SELL, SPOT, START, SWAP, fill, make

from livekit.research.report.stats_trade import longest_run
from livekit.research.report.trips import realized_by_fill, round_trips


def near(value):
    return pytest.approx(value, rel=1e-12, abs=1e-12, nan_ok=True)


FILLS = (
    fill(10, BUY, 2, 100.0, fee=0.2, bid=100.0, ask=102.0, mid_10s=103.0),
    fill(20, BUY, 1, 103.0, fee=0.1, bid=101.0, ask=103.0, mid_10s=102.0),
    fill(30, SELL, 3, 104.0, fee=0.3, bid=102.0, ask=104.0, mid_10s=105.0),
    fill(40, SELL, 1, 105.0, fee=0.1),
    fill(50, BUY, 2, 106.0, fee=0.2),
    fill(70, SELL, 1, 107.0, fee=0.1),
    fill(80, SELL, 1, 107.0, fee=0.1),
)


@pytest.fixture
def run():
    return make(FILLS)


def test_round_trips_are_from_flat_to_flat(run):
    trips = round_trips(run.rows)
    assert trips["side"].tolist() == [0, 1, 0, 1]
    assert ((trips["opened_ns"] - START) / SECOND).tolist() == [10, 40, 50, 80]
    assert ((trips["closed_ns"][:3] - START) / SECOND).tolist() == [30, 50, 70]
    assert trips["closed_ns"][3] == 0
    assert trips["gross"].tolist() == near([9, -1, 1, 0])
    assert trips["fees"].tolist() == near([0.6, 0.2, 0.2, 0.1])
    assert trips["quantity"].tolist() == [3, 1, 1, 1]
    assert trips["n_fills"].tolist() == [3, 2, 2, 1]
    assert trips["entry_price"].tolist() == near([101, 105, 106, 107])
    assert trips["exit_price"].tolist() == near([104, 106, 107, NAN])


def test_realised_profit_is_against_the_average_price(run):
    assert realized_by_fill(run.rows).tolist() == near([0, 0, 9, 0, -1, 1, 0])


def test_counts_of_trips(run):
    assert run.stat("n_trades") == 3
    assert run.stat("n_open_trades") == 1
    assert run.stat("n_long_trades") == 2
    assert run.stat("n_short_trades") == 1
    assert run.stat("win_rate_pct") == near(200 / 3)
    assert run.stat("long_win_rate_pct") == near(100)
    assert run.stat("short_win_rate_pct") == near(0)


def test_profits_of_trips_are_net_of_fees(run):
    assert run.stat("long_pnl") == near(8.4 + 0.8)
    assert run.stat("short_pnl") == near(-1.2)
    assert run.stat("expectancy") == near((8.4 - 1.2 + 0.8) / 3)
    assert run.stat("expectancy_gross") == near((9 - 1 + 1) / 3)
    assert run.stat("mean_win") == near(4.6)
    assert run.stat("median_win") == near(4.6)
    assert run.stat("mean_loss") == near(-1.2)
    assert run.stat("median_loss") == near(-1.2)
    assert run.stat("best_trade") == near(8.4)
    assert run.stat("worst_trade") == near(-1.2)


def test_ratios_of_trips(run):
    assert run.stat("profit_factor") == near(9.2 / 1.2)
    assert run.stat("payoff") == near(4.6 / 1.2)
    assert run.stat("kelly_pct") == near(100 * (2 / 3 - (1 / 3) / (4.6 / 1.2)))
    mean = 8 / 3
    deviation = math.sqrt(((8.4 - mean) ** 2 + (-1.2 - mean) ** 2 + (0.8 - mean) ** 2) / 2)
    assert run.stat("sqn") == near(math.sqrt(3) * mean / deviation)


def test_holding_times_and_streaks(run):
    assert run.stat("mean_holding_s") == near(50 / 3)
    assert run.stat("median_holding_s") == 20
    assert run.stat("max_holding_s") == 20
    assert run.stat("win_streak") == 1
    assert run.stat("loss_streak") == 1


def test_single_fills(run):
    # Notionals 200, 103, 312, 105, 212, 107, 107.
    assert run.stat("mean_fill") == near(1146 / 7)
    assert run.stat("median_fill") == 107
    assert run.stat("n_buy_fills") == 3
    assert run.stat("n_sell_fills") == 4
    # Mids 101, 102, 103: bought 1 below, bought 1 above, sold 1 above.
    assert run.stat("fills_with_edge_pct") == near(200 / 3)
    # After 10 s: bought at 100, 103 later; bought at 103, 102; sold at 104, 105.
    assert run.stat("fills_won_10s_pct") == near(100 / 3)


def test_open_trip_has_what_it_realised_so_far():
    # Long 3 at (2 * 100 + 106) / 3 = 102; one sold at 105 realises 3.
    run = make([fill(1, BUY, 2, 100.0), fill(2, BUY, 1, 106.0), fill(3, SELL, 1, 105.0)])
    trips = round_trips(run.rows)
    assert trips["gross"].tolist() == near([3])
    assert trips["closed_ns"].tolist() == [0]
    assert run.stat("n_trades") == 0
    assert math.isnan(run.stat("win_rate_pct"))
    assert math.isnan(run.stat("expectancy"))


def test_swap_is_worth_its_contract_value():
    # 2.5 contracts of 0.01: 10 better is 10 * 2.5 * 0.01 = 0.25.
    run = make([fill(1, SELL, 2.5, 3010.0), fill(2, BUY, 2.5, 3000.0)], instruments=(SWAP,))
    assert round_trips(run.rows)["gross"].tolist() == near([0.25])
    assert run.stat("short_pnl") == near(0.25)
    assert math.isnan(run.stat("long_pnl"))


def test_instruments_have_trips_of_their_own():
    fills = [
        fill(1, BUY, 1, 100.0),
        fill(2, SELL, 0.1, 3000.0, instrument=1),
        fill(3, SELL, 1, 101.0),
        fill(4, BUY, 0.1, 3001.0, instrument=1),
    ]
    trips = round_trips(make(fills, instruments=(SPOT, SWAP)).rows)
    assert trips["instrument"].tolist() == [0, 1]
    assert trips["gross"].tolist() == near([1, -0.001])


def test_tenths_close_to_exactly_flat():
    # 0.1 + 0.2 - 0.3 is not 0 in binary; in lots of 0.1 it is.
    fills = [
        fill(1, BUY, 0.1, 3000.0),
        fill(2, BUY, 0.2, 3000.0),
        fill(3, SELL, 0.3, 3000.0),
    ]
    run = make(fills, instruments=(SWAP,))
    assert run.stat("n_trades") == 1
    assert run.stat("n_open_trades") == 0


def test_trip_that_earned_nothing_is_neither_won_nor_lost():
    run = make([fill(1, BUY, 1, 100.0), fill(2, SELL, 1, 100.0)])
    assert run.stat("win_rate_pct") == 0.0
    assert run.stat("loss_streak") == 0
    assert math.isnan(run.stat("mean_loss"))
    assert math.isnan(run.stat("profit_factor"))


@pytest.mark.parametrize(
    ("flags", "expected"),
    [([], 0), ([False], 0), ([True, True, False, True], 2), ([False, True, True, True], 3)],
)
def test_longest_run(flags, expected):
    assert longest_run(np.array(flags, bool)) == expected
