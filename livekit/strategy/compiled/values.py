"""What a name from outside a method stands for in compiled code.

Numbers become constants; the functions Python and NumPy bring are taken where Numba
computes the same to the last bit, replaced where exact.py does, and refused otherwise.
Layer 2.
"""

import builtins
import enum
import hashlib
import math
from dataclasses import dataclass
from sysconfig import get_path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

import numpy as np
from numba.core.dispatcher import Dispatcher

from livekit.strategy.compiled import exact as exactly
from livekit.strategy.compiled.refusal import Refusal

__all__ = [
    "MISSING",
    "NUMBERS",
    "Bound",
    "Constant",
    "bind",
    "exact",
    "is_exact",
    "is_users",
    "lookup",
]

MISSING: Final = object()
NUMBERS: Final = (bool, int, float, np.bool_, np.integer, np.floating)
_MAX_ARRAY_BYTES: Final = 64 * 1024

_LIBRARIES: Final = tuple(
    path for name in ("stdlib", "platstdlib", "purelib", "platlib") if (path := get_path(name))
)
"""Where functions lie that are nobody's own to be compiled."""

_AS_THEY_ARE: Final = (
    *(abs, min, max, len, range, enumerate, zip, bool, float, divmod, reversed),
    *(math.isnan, math.isinf, math.isfinite, math.fabs, math.copysign),
    *(np.isnan, np.isinf, np.isfinite, np.abs, np.absolute, np.fabs, np.sqrt, np.floor, np.ceil),
    *(np.sign, np.maximum, np.minimum, np.copysign, np.square),
    *(np.zeros, np.ones, np.empty, np.full, np.arange, np.zeros_like, np.ones_like),
    *(np.empty_like, np.full_like, np.copy, np.cumsum, np.diff, np.sort, np.argsort),
    *(np.min, np.max, np.amin, np.amax, np.argmin, np.argmax),
    *(np.float64, np.int64, np.bool_),
)
"""Functions and types that Numba computes as Python does."""

_REPLACED: Final[dict[Any, str]] = {
    round: "round",
    int: "as_whole",
    pow: "power",
    sum: "total",
    np.sum: "array_sum",
    np.mean: "array_mean",
    np.var: "array_var",
    np.std: "array_std",
    **{getattr(math, name): name for name in exactly.MATH if hasattr(math, name)},
}
_HINTS: Final[dict[Any, str]] = {
    print: "use self.log(text, x, y)",
    open: "a compiled strategy has no files",
    str: "compiled code has no text but in self.log and for symbols",
    dict: "use lk.array(n) in the state, or run it interpreted",
    set: "use lk.array(n) in the state, or run it interpreted",
    isinstance: "kinds are fixed in compiled code",
    getattr: "write the name: self.name",
    setattr: "write the name: self.name = ...",
    math.fsum: "write the sum as a loop",
    math.hypot: "write math.sqrt(x * x + y * y)",
    np.exp: "use math.exp, which is the same both ways",
    np.log: "use math.log, which is the same both ways",
    np.dot: "write the product as a loop",
}


@dataclass(frozen=True, slots=True)
class Constant:
    """A number that is written into the text."""

    value: Any


@dataclass(frozen=True, slots=True)
class Bound:
    """Something that the text names.

    Attributes
    ----------
    name : str
        The same whenever the thing is the same, for the key of the cache.
    """

    name: str
    value: Any


def lookup(function: FunctionType, name: str) -> Any:
    """Return what a name means inside a function; MISSING when it means nothing."""
    names = function.__code__.co_freevars
    if name in names and function.__closure__ is not None:
        cell = function.__closure__[names.index(name)]
        try:
            return cell.cell_contents
        except ValueError:
            return MISSING
    if name in function.__globals__:
        return function.__globals__[name]
    return getattr(builtins, name, MISSING)


def exact(name: str) -> Bound:
    """Return one of the functions of exact.py."""
    return Bound(f"exact_{name}", exactly.FUNCTIONS[name])


def is_exact(value: Any) -> bool:
    """Tell whether a function is one of exact.py's."""
    return value in exactly.FUNCTIONS.values()


def is_users(value: Any) -> bool:
    """Tell whether a value is a function of the user's, to be compiled with the strategy."""
    if not isinstance(value, FunctionType) or is_exact(value):
        return False
    return not value.__code__.co_filename.startswith(_LIBRARIES)


def bind(value: Any, shown: str) -> Constant | Bound:
    """Return how the text may name a value.

    Raises
    ------
    Refusal
        Compiled code cannot use it.
    """
    if isinstance(value, NUMBERS) or value is None:
        return Constant(_number(value))
    if isinstance(value, Dispatcher):
        value = value.py_func
    if is_users(value):
        line = value.__code__.co_firstlineno
        return Bound(_plain(f"f_{value.__module__}_{value.__qualname__}_{line}"), value)
    if _is_in(value, _REPLACED):
        return exact(_REPLACED[value])
    if any(value is item for item in _AS_THEY_ARE):
        return Bound(_plain(f"b_{value.__module__}_{value.__name__}"), value)
    if isinstance(value, type) and issubclass(value, Exception):
        return Bound(_plain(f"e_{value.__module__}_{value.__qualname__}"), value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "fib":
        return _array(value, shown)
    raise Refusal(_sentence(value, shown))


def _number(value: Any) -> Any:
    if isinstance(value, enum.IntEnum):
        return int(value)
    return value.item() if isinstance(value, np.generic) else value


def _array(value: np.ndarray, shown: str) -> Bound:
    if value.nbytes > _MAX_ARRAY_BYTES:
        raise Refusal(
            f"{shown} has {value.nbytes} bytes, at most {_MAX_ARRAY_BYTES} may be a constant of "
            "compiled code"
        )
    frozen = np.ascontiguousarray(value)
    digest = hashlib.sha256(frozen.tobytes() + str((frozen.shape, frozen.dtype)).encode())
    return Bound(f"a_{digest.hexdigest()[:16]}", frozen)


def _plain(name: str) -> str:
    return "".join(sign if sign.isalnum() else "_" for sign in name)


def _is_in(value: Any, table: dict[Any, str]) -> bool:
    try:
        return value in table
    except TypeError:  # not hashable
        return False


def _sentence(value: Any, shown: str) -> str:
    hint = _HINTS[value] if _is_in(value, _HINTS) else ""
    if isinstance(value, ModuleType):
        return f"the module {shown} cannot be used as a value in compiled code"
    module = getattr(value, "__module__", "") or ""
    if isinstance(value, type | BuiltinFunctionType | np.ufunc) or callable(value):
        is_builtin = getattr(builtins, shown, None) is value
        where = "" if is_builtin or not module else f" of {module.split('.')[0]}"
        end = hint or "compute it in Python, or run the strategy interpreted"
        return f"{shown}{where} cannot be used in compiled code; {end}"
    return (
        f"{shown} is a {type(value).__name__}, which compiled code cannot use; keep numbers, "
        "tuples of numbers, or functions there"
    )
