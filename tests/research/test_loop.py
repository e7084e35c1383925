"""The jitted loop against a plain one: the same orders, fills, samples, state, to the byte."""

import backtests
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_loop import Reference

from livekit.events import Kind
from livekit.research.simulation import Settings
from livekit.trading.latency import Latency

ACTING = backtests.strategy("acting")
QUIET = backtests.strategy("quiet")


def assert_as_reference(cls, data, chosen, params, *, jit):
    """Simulate in the jitted loop and in plain Python, and compare every byte."""
    plain = Reference(cls, data, chosen, params).run()
    jitted = backtests.simulate(cls, data, chosen, jit=jit, **params)
    for name in ("orders", "fills", "equity"):
        rows, expected = getattr(jitted, name), plain.ledger.rows(name)
        assert len(rows) == len(expected), name
        assert [i for i in range(len(rows)) if rows[i].tobytes() != expected[i].tobytes()] == []
    assert jitted.marks.tobytes() == plain.ledger.marks.tobytes()
    expected = {name: getattr(plain.strategy, name) for name in jitted.state}
    assert repr(jitted.state) == repr(expected)  # NaN too
    assert (jitted.errors, jitted.now) == (plain.errors, plain.now)
    return jitted


@pytest.mark.parametrize("jit", [True, False], ids=["compiled", "interpreted"])
def test_loop_does_what_the_plain_loop_does_in_random_worlds(jit, scale):
    @settings(max_examples=int(60 * scale))
    @given(world=backtests.worlds(), params=backtests.actions())
    def check(world, params):
        params["faults"] = 0 if params["faults"] < 50 else 50  # ten in a row would stop it
        assert_as_reference(ACTING, *world, params, jit=jit)

    check()


@pytest.mark.parametrize("jit", [True, False], ids=["compiled", "interpreted"])
@settings(max_examples=30)
@given(world=backtests.worlds(), pace=st.integers(1, 20))
def test_loop_does_so_for_a_strategy_that_listens_to_few_kinds(jit, world, pace):
    assert_as_reference(QUIET, *world, {"pace": pace}, jit=jit)


def test_random_worlds_have_orders_fills_refusals_and_funding():
    data = backtests.random_data(3, n=2000, n_instruments=3)
    funding = ((data.first_ts + 10**9, "BTC-USDT-SWAP", 0.001),)
    chosen = Settings(latency=Latency("3ms", "2ms", "1ms"), funding=funding)
    ran = assert_as_reference(ACTING, data, chosen, {"pace": 3}, jit=True)
    assert len(ran.orders) > 300
    assert len(ran.fills) > 150
    assert ran.fills["is_maker"].any()
    assert not ran.fills["is_maker"].all()
    assert ran.counts["n_modifies"] > 3
    assert ran.counts["n_cancels"] > 50
    assert sum(ran.counts["rejects"]) > 20
    assert ran.state["timers"] > 10
    assert (ran.equity["funding"] != 0).any()
    assert {int(kind) for kind in (Kind.QUOTE, Kind.BOOK, Kind.GAP)} <= {
        one.kind for one in data.streams(0)
    }
