"""Functions of the C library in compiled code, and the register of exact functions.

CPython takes powers and transcendental functions from the C library. Compiled code
calls the same ones, through symbols of our own: LLVM knows the names `pow` and `exp`
and would simplify the calls to them.
Layer 2.
"""

# mypy: disable-error-code="no-untyped-def"
# Numba calls the overloads below with its own, untyped objects.

import ctypes
from collections.abc import Callable
from typing import Any, Final

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from livekit.strategy.compiled.refusal import Refusal, noun

__all__ = ["FUNCTIONS", "check_number", "library", "register"]

_DOUBLE: Final = ir.DoubleType()

FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {}
"""By name, what the rewritten text calls; each means to Python what it means compiled."""


def _open() -> ctypes.CDLL:
    """Open the C library's mathematics; the interpreter has usually done so."""
    for name in (None, "libm.so.6", "libm.dylib"):
        try:
            found = ctypes.CDLL(name)
            found.expm1  # noqa: B018 - whether it is there
        except (OSError, AttributeError):
            continue
        return found
    raise Refusal("the C library's mathematics was not found; run the strategy interpreted")


_LIBRARY: Final = _open()


def _symbol(name: str) -> str:
    """Make a function of the C library known to LLVM under a name of ours."""
    own = f"livekit_libm_{name}"
    address = ctypes.cast(getattr(_LIBRARY, name), ctypes.c_void_p).value
    binding.add_symbol(own, address)
    return own


def library(name: str, arity: int) -> Any:
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


def check_number(kind: Any, name: str) -> Any:
    """Return a number's type without its value, or refuse what is no number."""
    plain = types.unliteral(kind)
    if not isinstance(plain, types.Integer | types.Float | types.Boolean):
        raise Refusal(f"{name}() of {noun(kind)} cannot be compiled; it takes numbers")
    return plain


def register(name: str, meaning: Callable[..., Any]) -> Callable[..., Any]:
    """Name a function; the text calls it by this object, Numba compiles its overload."""
    FUNCTIONS[name] = meaning
    return meaning
