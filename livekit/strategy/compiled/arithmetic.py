"""Operators and built-in functions of numbers, as Python has them.

LLVM turns `x ** 2` into `x * x`, of which one result in a thousand differs in the last
bit, and Numba rounds decimals by multiplying. What is right costs: a power about 20 ns
where a product costs 0.3, so write `x * x` where that is meant.

Not the same: whole numbers wrap at 64 bits where Python's grow, and a power that is a
complex number in Python raises ValueError.
Layer 2.
"""

# mypy: disable-error-code="no-untyped-def"
# Numba calls the overloads below with its own, untyped objects.

import math
from typing import Any, Final

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

from livekit.strategy.compiled.library import check_number, library, register
from livekit.strategy.compiled.refusal import Refusal, noun

__all__ = ["round_to_whole"]

_RANGE: Final = 9.2233720368547758e18


@intrinsic
def _fma(_typing, _x, _y, _z):
    """Return x * y + z, rounded once."""

    def codegen(_context, builder, _signature, args):
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), codegen


# Whole numbers and kinds of fields.


def _as_whole(x: Any) -> Any:
    return int(x)


@overload(register("as_whole", _as_whole))
def _whole(x):
    if isinstance(check_number(x, "int"), types.Integer | types.Boolean):
        return lambda x: np.int64(x)

    def truncate(x):
        if math.isnan(x):
            raise ValueError("cannot convert float NaN to integer")
        if math.isinf(x):
            raise OverflowError("cannot convert float infinity to integer")
        if abs(x) >= _RANGE:
            raise OverflowError("int too large for the 64 bits of compiled code")
        return np.int64(x)

    return truncate


def _field(name: str, field: Any, kinds: tuple[Any, ...], wanted: str) -> None:
    """Register the check that a value fits the field it is assigned to; a cast, if any."""

    @intrinsic(prefer_literal=True)
    def fit(_typing, value, field_name):
        if not isinstance(types.unliteral(value), kinds):
            raise Refusal(
                f"self.{field_name.literal_value} is declared {name} and is assigned "
                f"{noun(value)}; {wanted}"
            )

        def codegen(context, builder, _signature, args):
            return context.cast(builder, args[0], value, field)

        return field(value, field_name), codegen

    register(f"as_{name}", fit)


_WHOLE: Final = (types.Integer, types.Boolean)
_field("int", types.int64, _WHOLE, "write int(...) or declare it float")
_field(
    "float", types.float64, (types.Float, *_WHOLE), "assign a number, or return one on every path"
)
_field("bool", types.boolean, (types.Boolean,), "write a comparison, or declare it int")


# Powers.

_pow = library("pow", 2)


def _power(x: Any, y: Any) -> Any:
    return x**y


@overload(register("power", _power), prefer_literal=True)
def _raise_to(x, y):
    base, exponent = check_number(x, "**"), check_number(y, "**")
    if not isinstance(base, types.Float) and not isinstance(exponent, types.Float):
        known = getattr(y, "literal_value", None)
        if known is None:
            raise Refusal(
                "'**' of whole numbers needs an exponent that stands in the text; write float(x) "
                "** n"
            )
        if known < 0:
            return lambda x, y: _float_power(np.float64(x), np.float64(y))
        return lambda x, y: np.int64(x) ** np.int64(y)
    return lambda x, y: _float_power(np.float64(x), np.float64(y))


def _float_power(x: float, y: float) -> float:
    return x**y


@overload(_float_power)
def _power_of_floats(x, y):
    def power(x, y):
        if y == 0.0 or x == 1.0:
            return 1.0
        if x == 0.0 and y < 0.0 and not math.isinf(y):
            raise ZeroDivisionError("0.0 cannot be raised to a negative power")
        is_finite = math.isfinite(x) and math.isfinite(y)
        if is_finite and x < 0.0 and y != np.floor(y):
            raise ValueError("a negative number to a broken power is complex, not a float")
        result = _pow(x, y)
        if is_finite and math.isinf(result):
            raise OverflowError("Numerical result out of range")
        return result

    return power


# Rounding to decimals: CPython rounds the exact decimal value of the float.


def _round(x: Any, digits: Any = None) -> Any:
    return round(x, digits)


@overload(register("round", _round))
def _round_off(x, digits=None):
    is_whole = not isinstance(check_number(x, "round"), types.Float)
    if isinstance(digits, types.NoneType | types.Omitted) or digits is None:
        if is_whole:
            return lambda x, digits=None: np.int64(x)
        return lambda x, digits=None: round_to_whole(x)
    if not isinstance(check_number(digits, "round"), types.Integer):
        raise Refusal(f"round() to {noun(digits)} digits cannot be compiled; give an int")
    if is_whole:
        raise Refusal("round() of an int to digits cannot be compiled; round a float")
    return lambda x, digits=None: _round_to_digits(x, digits)


def round_to_whole(x: float) -> int:
    """Return the nearest whole number, the even one of two."""
    return round(x)


@overload(round_to_whole)
def _nearest(x):
    def nearest(x):
        if math.isnan(x):
            raise ValueError("cannot convert float NaN to integer")
        if math.isinf(x):
            raise OverflowError("cannot convert float infinity to integer")
        if abs(x) >= _RANGE:
            raise OverflowError("int too large for the 64 bits of compiled code")
        return np.int64(np.rint(x))

    return nearest


_POWERS: Final = tuple(10.0**n for n in range(23))
"""Powers of ten that a float holds exactly."""


def _round_to_digits(x: float, digits: int) -> float:
    return round(x, digits)


@overload(_round_to_digits)
def _decimal(x, digits):
    powers = _POWERS

    def decimal(x, digits):
        if not math.isfinite(x) or x == 0.0:
            return x
        if digits < 0 or digits > 22:
            raise ValueError("compiled code rounds to 0 to 22 digits")
        scale = powers[digits]
        high = x * scale
        if abs(high) >= 4503599627370496.0:  # 2 ** 52
            if abs(x) >= 4503599627370496.0:
                return x
            raise ValueError("compiled code rounds to 15 significant digits at most")
        # high + low is the exact product, so ties are seen for what they are.
        low = _fma(x, scale, -high)
        whole = np.rint(high)
        rest = high - whole
        if (rest == 0.5 and low > 0.0) or rest > 0.5:
            whole += 1.0
        elif (rest == -0.5 and low < 0.0) or rest < -0.5:
            whole -= 1.0
        return math.copysign(whole / scale, x)

    return decimal
