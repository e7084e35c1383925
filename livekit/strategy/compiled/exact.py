"""Arithmetic that Numba would do otherwise than Python, done as Python does it.

Orders must be the same to the last bit both ways, and so must exceptions. CPython takes
powers and transcendental functions from the C library and checks for domain and range;
Numba leaves them to LLVM, which turns `x ** 2` into `x * x` (one result in a thousand
differs in the last bit), returns NaN where Python raises, and rounds decimals by
multiplying. The functions here are put into the text of a strategy in their place.

The C library is called through symbols of our own, because LLVM knows the names `pow`
and `exp` and would simplify the calls. What a power costs: about 20 ns, `x * x` 0.3.

Not the same: whole numbers wrap at 64 bits where Python's grow, and a power that is a
complex number in Python raises ValueError.
Layer 2.
"""

# mypy: disable-error-code="no-untyped-def"
# Numba calls the overloads below with its own, untyped objects.

import ctypes
import ctypes.util
import math
import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from livekit.strategy.compiled.refusal import Refusal, noun
from livekit.strategy.compiled.sums import SUMS

__all__ = ["FUNCTIONS", "MATH"]

_DOUBLE: Final = ir.DoubleType()
_LIBRARY: Final = ctypes.CDLL(ctypes.util.find_library("m") or None)
_RANGE: Final = 9.2233720368547758e18

FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {}
"""By name, what the rewritten text calls; each means to Python what it means compiled."""


FUNCTIONS.update(SUMS)


def _symbol(name: str) -> str:
    """Make a function of the C library known to LLVM under a name of ours."""
    own = f"livekit_libm_{name}"
    address = ctypes.cast(getattr(_LIBRARY, name), ctypes.c_void_p).value
    binding.add_symbol(own, address)
    return own


def _library(name: str, arity: int) -> Any:
    """Return a jitted call of a function of the C library, floats to float."""
    symbol = _symbol(name)
    signature = types.float64(*[types.float64] * arity)

    def codegen(_context, builder, _signature, args):
        kind = ir.FunctionType(_DOUBLE, [_DOUBLE] * arity)
        function = cgutils.get_or_insert_function(builder.module, kind, symbol)
        function.attributes.add("nounwind")
        return builder.call(function, args)

    if arity == 1:

        @intrinsic
        def call(_typing, _x):
            return signature, codegen

        return call

    @intrinsic
    def call_two(_typing, _x, _y):
        return signature, codegen

    return call_two


@intrinsic
def _fma(_typing, _x, _y, _z):
    """Return x * y + z, rounded once."""

    def codegen(_context, builder, _signature, args):
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), codegen


def _check(kind: Any, name: str) -> Any:
    """Return a number's type without its value, or refuse what is no number."""
    plain = types.unliteral(kind)
    if not isinstance(plain, types.Integer | types.Float | types.Boolean):
        raise Refusal(f"{name}() of {noun(kind)} cannot be compiled; it takes numbers")
    return plain


def _register(name: str, meaning: Callable[..., Any]) -> Callable[..., Any]:
    """Name a function; the text calls it by this object, Numba compiles its overload."""
    FUNCTIONS[name] = meaning
    return meaning


# Whole numbers and kinds of fields.


def _as_whole(x: Any) -> Any:
    return int(x)


@overload(_register("as_whole", _as_whole))
def _whole(x):
    if isinstance(_check(x, "int"), types.Integer | types.Boolean):
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


def _field(name: str, kinds: tuple[Any, ...], wanted: str) -> Callable[..., Any]:
    """Make the check that a value fits the field it is assigned to."""

    def meaning(value: Any, _field_name: str) -> Any:
        return value

    def typed(value, _field_name):
        plain = types.unliteral(value)
        if not isinstance(plain, kinds):
            raise Refusal(
                f"self.{_field_name.literal_value} is declared {name} and is assigned "
                f"{noun(value)}; {wanted}"
            )
        convert = {"int": np.int64, "float": np.float64, "bool": bool}[name]
        return lambda value, _field_name: convert(value)

    overload(_register(f"as_{name}", meaning), prefer_literal=True)(typed)
    return meaning


_field("int", (types.Integer, types.Boolean), "write int(...) or declare it float")
_field(
    "float", (types.Float, types.Integer, types.Boolean), "assign a number, or return one always"
)
_field("bool", (types.Boolean,), "write a comparison, or declare it int")


# Powers.

_pow = _library("pow", 2)


def _power(x: Any, y: Any) -> Any:
    return x**y


@overload(_register("power", _power), prefer_literal=True)
def _raise_to(x, y):
    base, exponent = _check(x, "**"), _check(y, "**")
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


@overload(_register("round", _round))
def _round_off(x, digits=None):
    is_whole = not isinstance(_check(x, "round"), types.Float)
    if isinstance(digits, types.NoneType | types.Omitted) or digits is None:
        if is_whole:
            return lambda x, digits=None: np.int64(x)
        return lambda x, digits=None: _round_to_whole(x)
    if not isinstance(_check(digits, "round"), types.Integer):
        raise Refusal(f"round() to {noun(digits)} digits cannot be compiled; give an int")
    if is_whole:
        raise Refusal("round() of an int to digits cannot be compiled; round a float")
    return lambda x, digits=None: _round_to_digits(x, digits)


def _round_to_whole(x: float) -> int:
    return round(x)


@overload(_round_to_whole)
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


# Functions of the math module.

_WITH_RANGE: Final = ("exp", "expm1", "cosh", "sinh")
_WITH_DOMAIN: Final = (
    *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "sin", "tan", "tanh"),
    *("log", "log2", "log10", "log1p", "sqrt", "erf", "erfc"),
)
MATH: Final = (*_WITH_RANGE, *_WITH_DOMAIN, "floor", "ceil", "trunc", "atan2", "fmod", "pow")
"""Functions of the module `math` that are replaced."""


def _one_argument(name: str, *, has_range: bool) -> None:
    """Register f(x): ValueError outside its domain, OverflowError outside the floats."""
    raw = _library(name, 1)
    function = getattr(math, name)

    def meaning(x: float) -> float:
        return float(function(x))

    def typed(x):
        _check(x, f"math.{name}")

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

    overload(_register(name, meaning))(typed)


for _name in _WITH_RANGE:
    _one_argument(_name, has_range=True)
for _name in _WITH_DOMAIN:
    if _name != "log":
        _one_argument(_name, has_range=False)

_log = _library("log", 1)


def _logarithm(x: float, base: float | None = None) -> float:
    return math.log(x) if base is None else math.log(x, base)


@overload(_register("log", _logarithm))
def _natural(x, base=None):
    _check(x, "math.log")
    if isinstance(base, types.NoneType | types.Omitted) or base is None:
        return lambda x, base=None: _natural_log(np.float64(x))
    _check(base, "math.log")

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
        if not isinstance(_check(x, f"math.{name}"), types.Float):
            return lambda x: np.int64(x)
        return lambda x: _round_to_whole(direction(x))

    overload(_register(name, meaning))(typed)


for _name, _direction in (("floor", np.floor), ("ceil", np.ceil), ("trunc", np.trunc)):
    _to_whole(_name, _direction)


def _two_arguments(name: str) -> None:
    raw = _library(name, 2)
    function = getattr(math, name)

    def meaning(x: float, y: float) -> float:
        return float(function(x, y))

    def typed(x, y):
        _check(x, f"math.{name}")
        _check(y, f"math.{name}")

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

    overload(_register(name, meaning))(typed)


for _name in ("atan2", "fmod", "pow"):
    _two_arguments(_name)


# Sums.


def _total(items: Any) -> Any:
    return sum(items)


_COMPENSATES: Final = sys.version_info >= (3, 12)


@overload(_register("total", _total))
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
