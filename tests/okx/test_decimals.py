"""Prices and sizes as text: plain, exact, down to a step of 1e-12."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.errors import ConfigError
from livekit.okx.decimals import is_plain, price_text, size_text

STEPS = [float(f"{m}e{e}") for e in range(-12, 4) for m in (1, 2, 5)]


@pytest.mark.parametrize(
    ("price", "tick", "text"),
    [
        (63921.0, 0.1, "63921"),
        (0.1 + 0.2, 0.1, "0.3"),
        (1e-7, 1e-12, "0.0000001"),
        (1e-12, 1e-12, "0.000000000001"),
        (0.000004567890, 1e-12, "0.00000456789"),
        (100000.0, 1.0, "100000"),
        (1e11, 1e-1, "100000000000"),
        (77136.7, 0.1, "77136.7"),
    ],
)
def test_price_is_written_without_exponent_or_noise(price, tick, text):
    assert price_text(price, tick) == text


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf"), 0.15, 1e40])
def test_price_that_is_no_multiple_is_refused(price):
    with pytest.raises(ConfigError):
        price_text(price, 0.1)


@pytest.mark.parametrize(
    ("lots", "lot", "text"),
    [(1, 1e-8, "0.00000001"), (100, 0.01, "1"), (12771, 1e-8, "0.00012771"), (7, 1.0, "7")],
)
def test_size_is_lots_times_lot(lots, lot, text):
    assert size_text(lots, lot) == text


@pytest.mark.parametrize("lots", [0, -1, 2**63])
def test_size_that_is_not_positive_or_too_long_is_refused(lots):
    with pytest.raises(ConfigError, match="lots"):
        size_text(lots, 1.0)


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), float("inf")])
def test_step_that_is_none_is_refused(step):
    with pytest.raises(ConfigError, match="step"):
        price_text(1.0, step)


@pytest.mark.parametrize("text", ["1e-07", "", "-1", "+1", ".5", "1.", "nan", "1\n", "\uff11"])
def test_text_that_okx_refuses_is_not_plain(text):
    assert not is_plain(text)


@given(st.integers(1, 2**63 - 1), st.sampled_from(STEPS))
def test_every_size_is_exact_and_plain(lots, lot):
    text = size_text(lots, lot)
    assert is_plain(text)
    assert Decimal(text) == Decimal(lots) * Decimal(repr(lot))


@given(st.integers(1, 2**40), st.sampled_from(STEPS))
def test_every_price_of_whole_ticks_comes_back(steps, tick):
    exact = Decimal(steps) * Decimal(repr(tick))
    text = price_text(float(exact), tick)
    assert is_plain(text)
    assert Decimal(text) == exact
