"""Sums, added in the order in which Python and NumPy add them.

NumPy adds in pairs of blocks, eight running sums to a block; a plain loop, which is
what Numba compiles `array.sum()` to, differs in the last bits.
Source: `pairwise_sum` of numpy/_core/src/umath/loops_utils.h.src.
Layer 2.
"""

# mypy: disable-error-code="no-untyped-def"
# Numba calls the overloads below with its own, untyped objects.

import math
import sys
from typing import Any, Final

import numba
import numpy as np
from numba import types
from numba.extending import overload

from livekit.strategy.compiled.library import register
from livekit.strategy.compiled.refusal import Refusal, noun

__all__: list[str] = []

_BLOCK: Final = 128


@numba.njit(nogil=True)
def _add(items: Any, start: int, n: int, mean: float, power: int) -> float:
    """Add n items from a place on; `power` 2: the squares of their distances to the mean."""
    if n < 8:
        # From minus zero on, so that a sum of minus zeros is one.
        result = -0.0
        for i in range(start, start + n):
            result += _item(items, i, mean, power)
        return result
    if n <= _BLOCK:
        parts = (
            _item(items, start, mean, power),
            _item(items, start + 1, mean, power),
            _item(items, start + 2, mean, power),
            _item(items, start + 3, mean, power),
            _item(items, start + 4, mean, power),
            _item(items, start + 5, mean, power),
            _item(items, start + 6, mean, power),
            _item(items, start + 7, mean, power),
        )
        r0, r1, r2, r3, r4, r5, r6, r7 = parts
        i = 8
        while i < n - n % 8:
            r0 += _item(items, start + i, mean, power)
            r1 += _item(items, start + i + 1, mean, power)
            r2 += _item(items, start + i + 2, mean, power)
            r3 += _item(items, start + i + 3, mean, power)
            r4 += _item(items, start + i + 4, mean, power)
            r5 += _item(items, start + i + 5, mean, power)
            r6 += _item(items, start + i + 6, mean, power)
            r7 += _item(items, start + i + 7, mean, power)
            i += 8
        result = ((r0 + r1) + (r2 + r3)) + ((r4 + r5) + (r6 + r7))
        for i in range(start + n - n % 8, start + n):
            result += _item(items, i, mean, power)
        return result
    half = n // 2
    half -= half % 8
    return _add(items, start, half, mean, power) + _add(items, start + half, n - half, mean, power)


@numba.njit(nogil=True)
def _item(items: Any, i: int, mean: float, power: int) -> float:
    if power == 2:
        distance = items[i] - mean
        return distance * distance
    return items[i]


def _check(items: Any, name: str) -> bool:
    """Refuse what is no array of floats."""
    if isinstance(items, types.Array) and items.ndim == 1 and items.dtype == types.float64:
        return True
    raise Refusal(f"{name}() of {noun(items)} cannot be compiled; it takes an array of floats")


def _sum(items: Any) -> Any:
    return items.sum()


def _mean(items: Any) -> Any:
    return items.mean()


def _var(items: Any, ddof: int = 0) -> Any:
    return items.var(ddof=ddof)


def _std(items: Any, ddof: int = 0) -> Any:
    return items.std(ddof=ddof)


@overload(_sum)
def _typed_sum(items):
    _check(items, "sum")
    return lambda items: 0.0 + _add(items, 0, len(items), 0.0, 1)


@overload(_mean)
def _typed_mean(items):
    _check(items, "mean")
    return lambda items: (0.0 + _add(items, 0, len(items), 0.0, 1)) / np.float64(len(items))


@overload(_var)
def _typed_var(items, ddof=0):
    _check(items, "var")

    def variance(items, ddof=0):
        n = len(items)
        mean = (0.0 + _add(items, 0, n, 0.0, 1)) / np.float64(n)
        return (0.0 + _add(items, 0, n, mean, 2)) / np.float64(max(n - ddof, 0))

    return variance


@overload(_std)
def _typed_std(items, ddof=0):
    _check(items, "std")

    def deviation(items, ddof=0):
        return math.sqrt(_var(items, ddof))

    return deviation


for _name, _meaning in (("sum", _sum), ("mean", _mean), ("var", _var), ("std", _std)):
    register(f"array_{_name}", _meaning)


def _total(items: Any) -> Any:
    return sum(items)


_COMPENSATES: Final = sys.version_info >= (3, 12)


@overload(register("total", _total))
def _add_up(items):
    is_float = isinstance(getattr(items, "dtype", None), types.Float)
    if is_float and _COMPENSATES:
        return _compensated
    zero = 0.0 if is_float else 0

    def add(items):
        result = zero
        for item in items:
            result += item
        return result

    return add


def _compensated(items: Any) -> float:
    """Add as CPython does since 3.12."""
    result, correction = 0.0, 0.0
    for item in items:
        total = result + item
        if abs(result) >= abs(item):
            correction += (result - total) + item
        else:
            correction += (item - total) + result
        result = total
    if correction != 0.0 and math.isfinite(correction):
        return result + correction
    return result
