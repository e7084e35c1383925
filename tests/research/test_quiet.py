"""Events that pass the venue: the run is the same to the byte as if it had seen them all."""

import backtests
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livekit.events import Kind
from livekit.research.simulation import Settings, Simulation
from livekit.strategy.declaration import declare
from livekit.trading.latency import Latency

TAKING = backtests.strategy("taking")
ACTING = backtests.strategy("acting")
CALM = (Kind.QUOTE, Kind.TRADE, Kind.BOOK, Kind.BAR, Kind.GAP)


def made(data, chosen=None):
    values = {name: param.default for name, param in declare(TAKING).params.items()}
    return Simulation(TAKING, values, data, chosen or Settings(), is_compiled=True)


def in_full(*args, **kwargs):
    """Simulate with every event shown to the venue before the strategy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Simulation, "_choose_way", lambda *_: None)
        return backtests.simulate(*args, **kwargs)


@settings(max_examples=80)
@given(
    world=backtests.worlds(),
    pace=st.integers(1, 40),
    faults=st.sampled_from([0, 0, 1, 7, 50]),
    every=st.sampled_from([0, 0, 1, 3]),
    budget=st.sampled_from([0, 0, 1, 37]),
)
def test_run_that_passes_the_venue_equals_one_that_does_not(world, pace, faults, every, budget):
    chosen = {"pace": pace, "faults": faults, "every": every}
    passed = backtests.simulate(TAKING, *world, jit=True, budget=budget, **chosen)
    full = in_full(TAKING, *world, jit=True, **chosen)
    assert passed.differences(full) == []


@settings(max_examples=40)
@given(world=backtests.worlds(), params=backtests.actions())
def test_run_with_orders_at_rest_now_and_then_equals_one_in_full(world, params):
    passed = backtests.simulate(ACTING, *world, jit=True, **params)
    full = in_full(ACTING, *world, jit=True, **params)
    assert passed.differences(full) == []


@pytest.mark.parametrize("pace", [1000, 5])
def test_markets_of_the_core_are_those_of_the_last_events(pace):
    data = backtests.random_data(3, 2_000, 3, CALM)
    rows = []
    for is_full in (False, True):
        simulation = made(data)
        if is_full:
            simulation._choose_way = lambda _: None
        simulation._context.params[0]["pace"] = pace
        while simulation.step():
            assert simulation.view["unseen"] == -1
        rows.append(simulation.core.markets.tobytes() + simulation.core.books.tobytes())
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("kinds", "latency", "is_quiet"),
    [
        (CALM, Latency(), 1),
        (CALM, Latency(order=5, response=7), 1),
        (CALM, Latency(feed=5), 0),
        ((*CALM, Kind.TICKER), Latency(), 0),
    ],
    ids=["quotes", "order-latency", "feed-latency", "tickers"],
)
def test_way_past_the_venue_is_open_without_tickers_and_feed_latency(kinds, latency, is_quiet):
    data = backtests.random_data(5, 400, 2, backtests._KINDS if Kind.TICKER in kinds else kinds)
    simulation = made(data, Settings(latency=latency))
    simulation.step()
    assert simulation.view["is_quiet"] == is_quiet
