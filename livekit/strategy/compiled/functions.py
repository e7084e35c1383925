"""Functions of the module `math`, as CPython has them.

The C library computes; what CPython adds is that a result outside the domain or range
raises where the library returns NaN or infinity.
Source: `math_1`, `math_2` and `m_log` of CPython's Modules/mathmodule.c.
Layer 2.
"""

# mypy: disable-error-code="no-untyped-def"
# Numba calls the overloads below with its own, untyped objects.

import math
from typing import Any, Final

import numpy as np
from numba import types
from numba.extending import overload

from livekit.strategy.compiled.arithmetic import round_to_whole
from livekit.strategy.compiled.library import check_number, library, register

__all__ = ["MATH"]

_WITH_RANGE: Final = ("exp", "expm1", "cosh", "sinh")
_WITH_DOMAIN: Final = (
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "sin", "tan", "tanh"),
    *("log", "log2", "log10", "log1p", "sqrt", "erf", "erfc"),
)
MATH: Final = (*_WITH_RANGE, *_WITH_DOMAIN, "floor", "ceil", "trunc", "atan2", "fmod", "pow")
"""Functions of the module `math` that are replaced."""


def _one_argument(name: str, *, has_range: bool) -> None:
    """Register f(x): ValueError outside its domain, OverflowError outside the floats."""
    raw = library(name, 1)
    function = getattr(math, name)

    def meaning(x: float) -> float:
        return float(function(x))

    def typed(x):
        check_number(x, f"math.{name}")

        def compute(x):
            value = np.float64(x)
            result = raw(value)
            if math.isnan(result) and not math.isnan(value):
                raise ValueError("math domain error")
            if math.isinf(result) and not math.isinf(value):
                if has_range:
                    raise OverflowError("math range error")
                raise ValueError("math domain error")
            return result

        return compute

    overload(register(name, meaning))(typed)


for _name in _WITH_RANGE:
    _one_argument(_name, has_range=True)
for _name in _WITH_DOMAIN:
    if _name != "log":
        _one_argument(_name, has_range=False)

_log = library("log", 1)


def _logarithm(x: float, base: float | None = None) -> float:
    return math.log(x) if base is None else math.log(x, base)


@overload(register("log", _logarithm))
def _natural(x, base=None):
    check_number(x, "math.log")
    if isinstance(base, types.NoneType | types.Omitted) or base is None:
        return lambda x, base=None: _natural_log(np.float64(x))
    check_number(base, "math.log")

    def quotient(x, base=None):
        top = _natural_log(np.float64(x))
        return top / _natural_log(np.float64(base))

    return quotient


def _natural_log(x: float) -> float:
    return math.log(x)


@overload(_natural_log)
def _checked_log(_x):
    def compute(_x):
        if _x <= 0.0:
            raise ValueError("math domain error")
        return _log(_x)

    return compute


def _to_whole(name: str, direction: Any) -> None:
    function = getattr(math, name)

    def meaning(x: float) -> int:
        return int(function(x))

    def typed(x):
        if not isinstance(check_number(x, f"math.{name}"), types.Float):
            return lambda x: np.int64(x)
        return lambda x: round_to_whole(direction(x))

    overload(register(name, meaning))(typed)


for _name, _direction in (("floor", np.floor), ("ceil", np.ceil), ("trunc", np.trunc)):
    _to_whole(_name, _direction)


def _two_arguments(name: str) -> None:
    raw = library(name, 2)
    function = getattr(math, name)

    def meaning(x: float, y: float) -> float:
        return float(function(x, y))

    def typed(x, y):
        check_number(x, f"math.{name}")
        check_number(y, f"math.{name}")

        def compute(x, y):
            one, other = np.float64(x), np.float64(y)
            result = raw(one, other)
            if math.isnan(result) and not (math.isnan(one) or math.isnan(other)):
                raise ValueError("math domain error")
            if math.isinf(result) and math.isfinite(one) and math.isfinite(other):
                if one == 0.0:
                    raise ValueError("math domain error")
                raise OverflowError("math range error")
            return result

        return compute

    overload(register(name, meaning))(typed)


for _name in ("atan2", "fmod", "pow"):
    _two_arguments(_name)
