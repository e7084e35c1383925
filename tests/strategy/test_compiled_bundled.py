"""Every bundled strategy does the same interpreted and compiled, to the bit."""

import sys
from pathlib import Path

import pytest
from compiled_rig import assert_same, load, market
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from livekit.strategy.api import Strategy
from livekit.strategy.declaration import declare

FILES = sorted((Path(__file__).parents[2] / "strategies").glob("*.py"))


def strategy_of(path):
    """Return the one strategy class of a file."""
    load(path, "__name__")
    module = sys.modules[f"livekit_strategy_{path.stem}"]
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Strategy)
        and value.__module__ == module.__name__
    ]
    assert len(classes) == 1
    return classes[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_bundled_strategy_sends_the_same_orders_both_ways(path, data, seed):
    cls = strategy_of(path)
    params = {
        name: data.draw(
            st.integers(int(param.low), min(int(param.high), 200))
            if param.type is int
            else st.floats(param.low, param.high),
            label=name,
        )
        for name, param in declare(cls).params.items()
    }
    assert_same(cls, market(1500, seed), seed=seed, params=params)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_bundled_strategy_trades_on_random_data(path):
    cls = strategy_of(path)
    # The most eager parameters: shortest memory, nearest threshold, no rest.
    eager = {"window", "warm_up", "entry", "leave", "band_bps", "pause_s"}
    declared = declare(cls).params
    params = {name: param.low for name, param in declared.items() if name in eager}
    params |= {name: declared[name].high for name in ("fast",) if name in declared}
    rig, _ = assert_same(cls, market(3000, 5), seed=1, params=params)
    assert len(rig.orders) > 0
