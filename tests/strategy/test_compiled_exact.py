"""Arithmetic is Python's to the last bit, and raises what Python raises."""

import math

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livekit.strategy.arrays import FloatArray
from livekit.strategy.compiled.exact import FUNCTIONS

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
MODEST = st.floats(-1e6, 1e6)
OPTIONS = {"error_model": "python"}


def jitted(name, arity=1):
    function = FUNCTIONS[name]
    if arity == 1:
        return numba.njit(**OPTIONS)(lambda x: function(x))  # noqa: PLW0108 - to be compiled
    return numba.njit(**OPTIONS)(lambda x, y: function(x, y))  # noqa: PLW0108


def outcome(function, *arguments):
    """Return the bits of a result, or the class of what was raised."""
    try:
        result = function(*arguments)
    except Exception as error:  # noqa: BLE001 - which one is the result
        return type(error).__name__
    if isinstance(result, float):
        return "nan" if math.isnan(result) else result.hex()
    return result


POWER, ROUND_TO = jitted("power", 2), jitted("round", 2)


@given(ANY_FLOAT, ANY_FLOAT | st.sampled_from([2.0, 0.5, -1.0, 3.0, 0.0]))
@settings(max_examples=2000)
def test_power_is_pythons(x, y):
    expected = outcome(lambda: x**y)
    if math.isfinite(x) and x < 0.0 and math.isfinite(y) and y != math.floor(y):
        expected = "ValueError"  # a complex number in Python
    assert outcome(POWER, x, y) == expected


@given(MODEST)
@settings(max_examples=2000)
def test_square_is_pythons_and_not_a_product(x):
    assert outcome(POWER, x, 2.0) == outcome(lambda: x**2)


@given(st.floats(-1e9, 1e9), st.integers(0, 6))
@settings(max_examples=3000)
def test_round_to_decimals_is_pythons(x, digits):
    assert outcome(ROUND_TO, x, digits) == outcome(lambda: round(x, digits))


@given(st.integers(-(10**7), 10**7), st.integers(0, 5))
@settings(max_examples=2000)
def test_round_of_ties_is_pythons(n, digits):
    x = (n + 0.5) / 10**digits
    assert outcome(ROUND_TO, x, digits) == outcome(lambda: round(x, digits))


@pytest.mark.parametrize(
    "name",
    sorted(
        {"exp", "expm1", "cosh", "sinh", "acos", "acosh", "asin", "asinh", "atan", "atanh"}
        | {"cos", "sin", "tan", "tanh", "log", "log2", "log10", "log1p", "sqrt", "erf", "erfc"}
    ),
)
def test_function_of_math_is_pythons(name):
    compiled, python = jitted(name), getattr(math, name)
    edges = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 710.0, -745.0, math.inf, -math.inf, math.nan, 1e308]
    dice = np.random.default_rng(1)
    drawn = [*dice.normal(size=300).tolist(), *np.exp(dice.normal(size=300) * 5).tolist()]
    for x in edges + drawn:
        assert outcome(compiled, x) == outcome(python, x), x


@pytest.mark.parametrize("name", ["atan2", "fmod", "pow"])
def test_function_of_two_numbers_is_pythons(name):
    compiled, python = jitted(name, 2), getattr(math, name)
    edges = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 300.0, math.inf, -math.inf, math.nan]
    for x in edges:
        for y in edges:
            assert outcome(compiled, x, y) == outcome(python, x, y), (x, y)


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "round", "as_whole"])
@given(x=ANY_FLOAT | MODEST)
@settings(max_examples=300)
def test_whole_number_of_a_float_is_pythons(name, x):
    python = {"round": round, "as_whole": int}.get(name) or getattr(math, name)
    expected = outcome(python, x)
    if isinstance(expected, int) and not -(2**63) < expected < 2**63:
        expected = "OverflowError"
    assert outcome(COMPILED[name], x) == expected


COMPILED = {name: jitted(name) for name in ("floor", "ceil", "trunc", "round", "as_whole")}
SUMS = {name: jitted(f"array_{name}") for name in ("sum", "mean", "var", "std")}


@pytest.mark.parametrize("name", ["sum", "mean", "var", "std"])
@given(n=st.integers(1, 1200), seed=st.integers(0, 2**32))
@settings(max_examples=100)
def test_sum_of_an_array_is_numpys(name, n, seed):
    items = np.random.default_rng(seed).normal(size=n) * 1e3 + 1e4
    assert outcome(SUMS[name], items) == outcome(getattr(items.view(FloatArray), name))


def test_sum_of_minus_zeros_is_numpys():
    for items in ([-0.0], [-0.0] * 9, [0.0, -0.0]):
        array = np.array(items)
        assert outcome(SUMS["sum"], array) == outcome(array.view(FloatArray).sum)


TOTAL = jitted("total")


@given(st.lists(MODEST, min_size=1, max_size=50))
def test_builtin_sum_is_pythons(items):
    array = np.array(items)
    assert outcome(TOTAL, array) == outcome(lambda: float(sum(array.view(FloatArray))))


@numba.njit(**OPTIONS)
def _quotients(x, y):
    return x // y, x % y, x / y


@given(ANY_FLOAT | MODEST, MODEST)
@settings(max_examples=2000)
def test_division_with_remainder_is_pythons(x, y):
    try:
        expected = (x // y, x % y, x / y)
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            _quotients(x, y)
        return
    for one, other in zip(_quotients(x, y), expected, strict=True):
        assert outcome(lambda one=one: one) == outcome(lambda other=other: other)


@numba.njit(**OPTIONS)
def _extremes(x, y, z):
    return min(x, y), max(x, y), min(x, y, z), max(x, y, z), abs(x)


@given(ANY_FLOAT, ANY_FLOAT, ANY_FLOAT)
@settings(max_examples=500)
def test_extremes_are_pythons(x, y, z):
    expected = (min(x, y), max(x, y), min(x, y, z), max(x, y, z), abs(x))
    for one, other in zip(_extremes(x, y, z), expected, strict=True):
        assert outcome(lambda one=one: one) == outcome(lambda other=other: other)
