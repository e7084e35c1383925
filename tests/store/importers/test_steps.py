"""Steps read off prices and sizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.errors import ConfigError, DataError
from livekit.instruments import Instrument
from livekit.store.importers.steps import StepFinder, Steps


def step(*values):
    finder = StepFinder()
    for some in values:
        finder.look(np.asarray(some, float))
    return finder.step()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[100.5, 100.4]], 0.1),
        ([[100.0], [100.25]], 0.01),
        ([[0.00001234]], 1e-8),
        ([[5.0, 10.0, 15.0]], 1.0),  # three values prove no step of 5
        ([np.arange(1, 300) * 0.5], 0.5),
        ([np.round(np.arange(1, 300) * 0.02, 2)], 0.02),
        ([np.round(np.arange(1, 300) * 0.03, 2)], 0.01),  # 0.03 is no step of an exchange
        ([np.arange(1, 300) * 10.0], 1.0),
        ([[1 / 3]], None),
        ([[np.nan, 0.0]], None),
        ([[]], None),
    ],
)
def test_step_is_the_coarsest_of_1_2_and_5(values, expected):
    assert step(*values) == expected


@given(st.integers(0, 8), st.lists(st.integers(1, 10**7), min_size=1, max_size=30))
def test_every_number_is_a_multiple_of_the_step(decimals, numbers):
    values = np.array([float(f"{n}e-{decimals}") for n in numbers])
    found = step(values[:3], values[3:])
    assert found is not None
    assert 10.0**-decimals <= found <= 1
    whole = values / found
    assert (np.abs(whole - np.rint(whole)) < 1e-6).all()


def test_what_is_given_is_taken_and_the_rest_inferred():
    steps = Steps(tick=0.5)
    assert steps.needs("BTC-USDT-SWAP")
    steps.look("BTC-USDT-SWAP", np.array([1.25]), np.array([0.01]))
    one, inferred = steps.instrument("BTC-USDT-SWAP")
    assert one == Instrument("BTC-USDT-SWAP", 0.5, 0.01, 0.01, 1.0, "swap")
    assert inferred == ["lot 0.01", "min 0.01", "contract value 1"]
    with pytest.raises(DataError, match=r"the lot of 'X' .*sizes, which are missing.*--lot"):
        steps.instrument("X")


def test_known_instruments_are_taken_with_what_is_given_besides():
    known = Instrument("BTC-USDT-SWAP", 0.1, 0.01, 0.01, 0.01, "swap")
    steps = Steps(minimum=0.05, known={known.symbol: known})
    assert not steps.needs(known.symbol)
    one, inferred = steps.instrument(known.symbol)
    assert (one, inferred) == (Instrument(known.symbol, 0.1, 0.01, 0.05, 0.01, "swap"), [])
    with pytest.raises(ConfigError, match="tick of 'X' is -1"):
        Steps(tick=-1, lot=1).instrument("X")
