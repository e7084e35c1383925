"""Interpreted equals compiled, to the byte: random worlds, bundled strategies, faults."""

from pathlib import Path

import backtests
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

import livekit as lk
from livekit.errors import StrategyError
from livekit.research import staged
from livekit.research.layout import SIM
from livekit.research.queue import QUEUE
from livekit.research.simulation import Settings, Simulation
from livekit.ring.memory import record
from livekit.strategy.pool import POOL
from livekit.trading.feed import Feed

ROOT = Path(__file__).parents[2]
BUNDLED = sorted((ROOT / "strategies").glob("*.py"))
ACTING = backtests.strategy("acting")
QUIET = backtests.strategy("quiet")


def test_interpreted_equals_compiled_in_random_worlds(scale):
    @settings(max_examples=int(80 * scale))
    @given(world=backtests.worlds(800), params=backtests.actions())
    def check(world, params):
        compiled = backtests.simulate(ACTING, *world, jit=True, **params)
        interpreted = backtests.simulate(ACTING, *world, jit=False, **params)
        assert interpreted.differences(compiled) == []

    check()


@settings(max_examples=40)
@given(world=backtests.worlds(), params=backtests.actions(), jit=st.booleans())
def test_ledger_and_feed_that_grow_in_the_middle_change_nothing(world, params, jit):
    params["size"] = min(params["size"], 0.05)
    roomy = backtests.simulate(ACTING, *world, jit=jit, **params)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Simulation, "_margin", 150)
        patch.setattr("livekit.research.simulation.Feed", lambda latency: Feed(latency, 1))
        tight = backtests.simulate(ACTING, *world, jit=jit, first_rows=151, **params)
    assert tight.differences(roomy) == []
    assert tight.counts["lost"] == 0


@settings(max_examples=30)
@given(
    world=backtests.worlds(),
    params=backtests.actions(),
    budgets=st.lists(st.integers(1, 300), min_size=2, max_size=2),
    jit=st.booleans(),
)
def test_run_does_not_depend_on_how_many_events_a_step_takes(world, params, budgets, jit):
    first, second = (
        backtests.simulate(ACTING, *world, jit=jit, budget=budget, **params) for budget in budgets
    )
    assert first.differences(second) == []


@pytest.mark.parametrize("cls", [ACTING, QUIET], ids=["acting", "quiet"])
@settings(max_examples=30)
@given(world=backtests.worlds(), pace=st.integers(1, 30))
def test_batches_equal_one_event_at_a_time(cls, world, pace):
    batched = backtests.simulate(cls, *world, jit=False, pace=pace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("livekit.research.bodies.next_batch", one_event)
        single = backtests.simulate(cls, *world, jit=False, pace=pace)
    assert batched.differences(single) == []


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
@pytest.mark.parametrize("latency", ["", "order=2ms,response=1ms,feed=3ms"], ids=["now", "later"])
def test_bundled_strategy_runs_the_same_both_ways_over_recorded_data(path, latency):
    if not (ROOT / "replay_data").is_dir():
        pytest.skip("the bundled recording is not here")
    data = lk.load(ROOT / "replay_data")
    options = {"latency": lk.Latency.parse(latency), **EAGER[path.stem]}
    compiled = lk.backtest(path, data, jit=True, **options)
    interpreted = lk.backtest(path, data, jit=False, **options)
    assert interpreted.differences(compiled) == []
    assert interpreted.hash == compiled.hash
    for name in ("order_rows", "fill_rows", "equity_rows", "marks"):
        assert getattr(interpreted, name).tobytes() == getattr(compiled, name).tobytes(), name
    assert len(compiled.fill_rows) > 5
    assert compiled.meta["counts"] == interpreted.meta["counts"]


EAGER = {
    "momentum": {"fast": 0.5, "slow": 0.1, "band_bps": 0.0, "warm_up": 50, "size": 0.01},
    "mean_reversion": {"window": 64, "entry": 1.0, "edge_bps": 0.5},
    "pairs": {"weight": 0.005, "warm_up": 100, "entry": 1.0, "edge_bps": 1.0},
}


def test_backtest_gives_the_rows_of_a_simulation_and_says_what_it_counted():
    data = backtests.random_data(5, n=700)
    chosen = Settings(latency=lk.Latency("1ms", "2ms", "3ms"))
    expected = backtests.simulate(ACTING, data, chosen, jit=True, pace=3)
    run = lk.backtest(backtests.FOLDER / "acting.py", data, settings=chosen, jit=False, pace=3)
    assert run.order_rows.tobytes() == expected.orders.tobytes()
    assert run.fill_rows.tobytes() == expected.fills.tobytes()
    assert run.equity_rows.tobytes() == expected.equity.tobytes()
    assert run.meta["counts"]["events"] == 700
    assert run.meta["counts"]["requests"] == expected.counts["n_requests"]
    assert run.meta["counts"]["cancels"] == expected.counts["n_cancels"]
    assert run.meta["stopped_ns"] == expected.now
    assert run.meta["is_partial"] is False


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("latency", [lk.Latency(), lk.Latency("2ms", "2ms", "1ms")], ids=str)
def test_exceptions_of_a_callback_are_counted_alike(place, latency):
    """The callbacks that raise: on_quote, on_order, on_fill, on_timer, both reports', on_stop."""
    data = backtests.random_data(2, n=800, n_instruments=1)
    outcomes = [
        backtests.simulate(
            FAULTY, data, Settings(latency=latency), jit=jit, place=place, every=3, size=0.02
        )
        for jit in (True, False)
    ]
    assert outcomes[0].differences(outcomes[1]) == []
    expected = {4: len(outcomes[0].fills), 5: 1}.get(place, outcomes[0].state["raised"])
    assert outcomes[0].errors == expected
    assert outcomes[0].errors > 0
    assert len(outcomes[0].fills) > 5


@pytest.mark.parametrize("place", [0, 1, 4])
@pytest.mark.parametrize("jit", [True, False], ids=["compiled", "interpreted"])
def test_ten_exceptions_in_a_row_end_the_run_and_keep_it(place, jit):
    data = backtests.random_data(2, n=800, n_instruments=1)
    path = backtests.FOLDER / "faulty.py"
    with pytest.raises(StrategyError, match="10 exceptions in a row") as caught:
        lk.backtest(path, data, settings=Settings(), jit=jit, place=place, only=1)
    run = caught.value.run
    assert run.meta["is_partial"] is True
    assert run.meta["counts"]["errors"] == 10
    other = backtests.simulate(FAULTY, data, jit=not jit, place=place, only=1)
    assert run.order_rows.tobytes() == other.orders.tobytes()
    assert run.fill_rows.tobytes() == other.fills.tobytes()
    assert run.equity_rows.tobytes() == other.equity.tobytes()
    assert run.meta["counts"]["events"] == other.position < 800
    assert run.check() == []


FAULTY = backtests.strategy("faulty")


@pytest.mark.parametrize("jit", [True, False], ids=["compiled", "interpreted"])
def test_exception_of_on_start_is_the_callers(jit):
    with pytest.raises(ValueError, match="planned"):
        lk.backtest(
            backtests.FOLDER / "faulty.py", backtests.random_data(1, n=50), jit=jit, place=6
        )


@pytest.mark.parametrize("jit", [True, False], ids=["compiled", "interpreted"])
def test_strategy_that_answers_its_own_reports_for_ever_is_refused(jit):
    with pytest.raises(StrategyError, match="answers its own order reports without end"):
        lk.backtest(
            backtests.FOLDER / "faulty.py", backtests.random_data(1, n=50), jit=jit, place=7
        )


_clear, _start = staged._clear, staged._start_batch


@njit
def one_event(sim, pool):
    """List one event, in place of `next_batch`."""
    _clear(pool)
    record(QUEUE, record(SIM, sim).queue).n = 0
    while record(POOL, pool).listed == 0:
        status = _start(sim, pool)
        if status != 0:
            return status
    return 0
