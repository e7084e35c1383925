"""Round trips and realised profit over random fills, against an account fill by fill."""

import numpy as np
import pytest
from hand_made_run import SPOT, fill, make
from hypothesis import given
from hypothesis import strategies as st
from random_runs import INSTRUMENTS, fill_lists, runs

from livekit.research.report.trips import _chain, realized_by_fill, round_trips


@given(runs())
def test_profit_of_round_trips_sums_to_the_realised_profit(run):
    trips = round_trips(run.rows)
    scale = max(1.0, float(run.rows.notional.sum()))
    realized = run.equity_rows["realized"][-1]
    assert trips["gross"].sum() == pytest.approx(realized, abs=1e-9 * scale)
    assert realized_by_fill(run.rows).sum() == pytest.approx(realized, abs=1e-9 * scale)


@given(runs())
def test_every_fee_belongs_to_one_round_trip(run):
    fees = round_trips(run.rows)["fees"]
    assert fees.sum() == pytest.approx(run.fill_rows["fee"].sum(), abs=1e-9)


@given(fill_lists())
def test_closed_trips_end_flat_and_at_most_one_a_symbol_is_open(fills):
    run = make(fills, instruments=INSTRUMENTS)
    trips = round_trips(run.rows)
    for index in range(len(INSTRUMENTS)):
        mine = trips[trips["instrument"] == index]
        is_open = mine["closed_ns"] == 0
        held = run.rows.lots[run.rows.instrument == index].sum()
        assert is_open.sum() == (held != 0)
        assert not is_open[:-1].any()
        assert (mine["quantity"] > 0).all()
        assert (mine["n_fills"] > 0).all()
        # A fill that crosses 0 is in two trips.
        crossing = mine["n_fills"].sum() - np.count_nonzero(run.rows.instrument == index)
        assert 0 <= crossing < max(len(mine), 1)


@given(
    st.lists(st.tuples(st.sampled_from((1.0, 0.5, 0.0, 0.9)), st.floats(-100, 100)), max_size=700)
)
def test_chain_of_maps_is_what_one_step_after_the_other_gives(steps):
    keep, add = (np.array([step[at] for step in steps]) for at in (0, 1))
    value, expected = 0.0, []
    for factor, term in steps:
        value = factor * value + term
        expected.append(value)
    assert _chain(keep, add) == pytest.approx(np.array(expected), rel=1e-9, abs=1e-9)


def test_position_that_is_never_flat_keeps_its_digits():
    # In and out by turns round a position of 1000 at 1e6, 20,000 times, 1 better each time.
    fills = [fill(0, 0, 1000, 1e6)]
    for turn in range(10_000):
        fills += [fill(turn, 1, 1, 1e6 + 1), fill(turn, 0, 1, 1e6)]
    run = make(fills, instruments=(SPOT,))
    assert round_trips(run.rows)["gross"][0] == pytest.approx(10_000, rel=1e-12)


def test_run_without_fills_has_no_trips():
    run = make()
    assert len(round_trips(run.rows)) == 0
    assert len(realized_by_fill(run.rows)) == 0
