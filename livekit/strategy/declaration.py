"""What a strategy class declares: parameters, state, instruments, and what it listens to.

`declare` reads all of it from the class, without making an instance and without the
source text, so that a file is checked before anything is mapped or compiled:

    fast = Param(0.1, 0.01, 0.5)   a parameter: one field of the params record
    ema: float = nan               state: one field of the state record (float, int, bool)
    prices: array(256)             state: an array of float64
    on_quote(self, quote)          overriding a callback subscribes to its kind
    self.book(...)                 and so does using the book

A subclass inherits and may redeclare. Other attributes are the user's own business.
Layer 2. Imports no Numba.
"""

import inspect
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.config import MAX_STATE_BYTES
from livekit.errors import ConfigError, StrategyError
from livekit.events import Kind
from livekit.strategy.arrays import FloatArray

__all__ = [
    "CALLBACKS",
    "ArrayField",
    "Declaration",
    "Param",
    "StateField",
    "array",
    "declare",
]

CALLBACKS: Final[dict[str, Kind]] = {
    "on_ticker": Kind.TICKER,
    "on_quote": Kind.QUOTE,
    "on_trade": Kind.TRADE,
    "on_book": Kind.BOOK,
    "on_bar": Kind.BAR,
    "on_timer": Kind.TIMER,
    "on_order": Kind.ORDER,
    "on_fill": Kind.ORDER,
    "on_gap": Kind.GAP,
    "on_connection": Kind.CONNECTION,
    "on_params": Kind.PARAMS,
}
"""Callback and the kind of event it takes; `on_start` and `on_stop` take none."""

_BASE: Final = "livekit.strategy.api"
_RESERVED: Final = frozenset({"symbols", "jit", "timer", "strategy_id"})
_CODES: Final[dict[object, str]] = {
    float: "<f8",
    int: "<i8",
    bool: "?",
    "float": "<f8",
    "int": "<i8",
    "bool": "?",
}


class Param:
    """A parameter of a strategy: a number with a range.

    Declared in the class (``fast = lk.Param(0.1, 0.01, 0.5)``), read as ``self.fast``.

    Parameters
    ----------
    default : float, int or bool
        Its type is the parameter's: an int stays an int.
    low, high : float or int, optional
        The smallest and largest value allowed; unbounded where not given.
    hot : bool
        Whether it may change while the strategy trades.

    Raises
    ------
    ConfigError
        The default is no finite number, or lies outside the range.
    """

    __slots__ = ("default", "high", "hot", "low", "type")

    def __init__(
        self,
        default: float,
        low: float | None = None,
        high: float | None = None,
        *,
        hot: bool = False,
    ) -> None:
        if not isinstance(default, bool | int | float):
            raise ConfigError(
                f"default of a Param is {default!r}, expected a float, an int or a bool"
            )
        self.type: type[float | int | bool] = type(default)
        self.low = -math.inf if low is None else low
        self.high = math.inf if high is None else high
        self.hot = hot
        self.default = default
        self.default = self.check("a Param's default", default)

    def check(self, name: str, value: float) -> float:
        """Return `value` in the parameter's type, or raise ConfigError naming the range."""
        number = float(value)
        if (self.type is int and number.is_integer()) or (self.type is bool and number in (0, 1)):
            number = self.type(number)
        if not math.isfinite(number) or type(number) is not self.type:
            raise ConfigError(f"{name} is {value!r}, expected {_NOUN[self.type]}")
        if not self.low <= number <= self.high:
            raise ConfigError(
                f"{name} is {number!r}, expected {self.low!r} to {self.high!r}; choose a value in "
                "this range"
            )
        return number

    def __repr__(self) -> str:
        hot = ", hot=True" if self.hot else ""
        return f"Param({self.default!r}, {self.low!r}, {self.high!r}{hot})"

    if TYPE_CHECKING:
        # The instance's attribute is the number. At run time there is no such method,
        # because a descriptor would make every read of the attribute slower.
        def __get__(self, instance: object, owner: type | None = None) -> Any: ...


_NOUN: Final = {float: "a finite number", int: "a whole number", bool: "True or False"}


class ArrayField:
    """The declaration of a fixed-size array in a strategy's state; made by `array`."""

    __slots__ = ("fill", "length")

    def __init__(self, length: int, fill: float) -> None:
        self.length = length
        self.fill = fill

    def __repr__(self) -> str:
        return f"array({self.length}, fill={self.fill!r})"

    if TYPE_CHECKING:

        def __get__(self, instance: object, owner: type | None = None) -> Any: ...


def array(length: int, fill: float = 0.0) -> Any:
    """Declare an array in a strategy's state: ``prices: lk.array(256)``.

    Parameters
    ----------
    length : int
        Number of float64 elements, fixed.
    fill : float
        Value of every element at the start.

    Raises
    ------
    ConfigError
        The length is no whole number above zero.
    """
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise ConfigError(f"length of an array is {length!r}, expected a whole number above 0")
    return ArrayField(length, float(fill))


@dataclass(frozen=True, slots=True)
class StateField:
    """One field of the state record.

    Attributes
    ----------
    code : str
        ``<f8``, ``<i8`` or ``?``.
    shape : tuple of int
        Empty for a number, one length for an array.
    default : float, int or bool
        Value, of every element, at the start.
    """

    name: str
    code: str
    shape: tuple[int, ...]
    default: float

    def value(self) -> Any:
        """Return the initial value of the attribute."""
        if self.shape:
            return np.full(self.shape, self.default, self.code).view(FloatArray)
        return self.default


@dataclass(frozen=True, slots=True)
class Declaration:
    """All that a class declares.

    Attributes
    ----------
    kinds : int
        Bit k for `Kind` k it listens to.
    uses_book : bool
        Whether some method calls `self.book`.
    timer_ns : int
        Period of its timer, 0 for none.
    params_dtype, state_dtype : list
        Fields as `numpy.dtype(fields, align=True)` takes them.
    """

    name: str
    doc: str
    symbols: tuple[str, ...]
    kinds: int
    uses_book: bool
    jit: bool
    timer_ns: int
    params: dict[str, Param]
    state: dict[str, StateField]

    @property
    def params_dtype(self) -> np.dtype[np.void]:
        """Dtype of the params record: float64, int64 for whole numbers, bool."""
        codes = [(name, _CODES[param.type]) for name, param in self.params.items()]
        return np.dtype(codes, align=True)

    @property
    def state_dtype(self) -> np.dtype[np.void]:
        """Dtype of the state record."""
        return np.dtype([(f.name, f.code, f.shape) for f in self.state.values()], align=True)

    def initial_values(self) -> dict[str, Any]:
        """Return the attributes an instance starts with; arrays are fresh."""
        values: dict[str, Any] = {name: p.default for name, p in self.params.items()}
        values.update((name, field.value()) for name, field in self.state.items())
        return values


def declare(cls: type) -> Declaration:
    """Read what a strategy class declares.

    Raises
    ------
    StrategyError
        `symbols`, `timer` or a state field is not what it must be, or the state is too large.
    """
    own = [klass for klass in cls.__mro__ if klass.__module__ != _BASE and klass is not object]
    params = {name: value for name in _names(own) if isinstance(value := getattr(cls, name), Param)}
    state = dict(_state_fields(cls, own, params))
    uses_book = any(_uses(code, "book") for code in _codes(own))
    kinds = sum({1 << kind for name, kind in CALLBACKS.items() if _is_overridden(own, name)})
    if uses_book:
        kinds |= 1 << Kind.BOOK
    declaration = Declaration(
        name=cls.__name__,
        doc=inspect.cleandoc(vars(cls).get("__doc__") or ""),
        symbols=_symbols(cls),
        kinds=kinds,
        uses_book=uses_book,
        jit=bool(getattr(cls, "jit", False)),
        timer_ns=_timer_ns(cls),
        params=params,
        state=state,
    )
    size = declaration.state_dtype.itemsize
    if size > MAX_STATE_BYTES:
        raise StrategyError(
            f"state of strategy {cls.__name__!r} is {size} bytes, at most {MAX_STATE_BYTES}; keep "
            "large arrays outside the annotated state"
        )
    return declaration


def _names(own: list[type]) -> list[str]:
    """Return the names the classes define, a base's before a subclass's."""
    return list(dict.fromkeys(name for klass in reversed(own) for name in vars(klass)))


def _is_overridden(own: list[type], name: str) -> bool:
    return any(name in vars(klass) for klass in own)


def _codes(own: list[type]) -> Iterator[CodeType]:
    """Yield the code of every method, property and nested function of the classes."""
    for klass in own:
        for value in vars(klass).values():
            functions = (value, getattr(value, "__func__", None), getattr(value, "fget", None))
            for function in functions:
                if isinstance(function, FunctionType):
                    yield function.__code__


def _uses(code: CodeType, name: str) -> bool:
    """Tell whether code, or code nested in it, reads an attribute of that name."""
    nested = (const for const in code.co_consts if isinstance(const, CodeType))
    return name in code.co_names or any(_uses(inner, name) for inner in nested)


def _symbols(cls: type) -> tuple[str, ...]:
    symbols = getattr(cls, "symbols", ())
    is_list = isinstance(symbols, list | tuple) and all(isinstance(s, str) and s for s in symbols)
    if not is_list or len(set(symbols)) != len(symbols):
        raise StrategyError(
            f"symbols of strategy {cls.__name__!r} is {symbols!r}, expected a tuple of different "
            "instrument names, such as ('BTC-USDT',)"
        )
    return tuple(symbols)


def _timer_ns(cls: type) -> int:
    timer = getattr(cls, "timer", 0.0)
    if not isinstance(timer, int | float) or not (timer == 0 or 1e-3 <= timer <= 86_400):
        raise StrategyError(
            f"timer of strategy {cls.__name__!r} is {timer!r}, expected seconds from 0.001 to "
            "86400, or 0 for none"
        )
    return round(timer * 1e9)


def _annotations(klass: type) -> Iterator[tuple[str, object]]:
    """Yield the annotations of one class, evaluated where they are text."""
    module = vars(sys.modules[klass.__module__]) if klass.__module__ in sys.modules else {}
    for name, annotation in inspect.get_annotations(klass).items():
        if isinstance(annotation, str) and annotation not in _CODES and "array" in annotation:
            # Only arrays must be evaluated: float, int and bool are known by their names.
            yield name, eval(annotation, dict(module), dict(vars(klass)))  # noqa: S307 - the class's own text
        else:
            yield name, annotation


def _state_fields(
    cls: type, own: list[type], params: dict[str, Param]
) -> Iterator[tuple[str, StateField]]:
    """Yield the state fields, a base's before a subclass's."""
    annotated = [item for klass in reversed(own) for item in _annotations(klass)]
    assigned = [(name, getattr(cls, name)) for name in _names(own)]
    annotated += [(name, value) for name, value in assigned if isinstance(value, ArrayField)]
    for name, annotation in annotated:
        if name in params or name in _RESERVED:
            continue
        if isinstance(annotation, ArrayField):
            yield name, StateField(name, "<f8", (annotation.length,), annotation.fill)
        elif annotation in (float, int, bool, "float", "int", "bool"):
            code = _CODES[annotation]
            yield name, StateField(name, code, (), _default(cls, name, code))


def _default(cls: type, name: str, code: str) -> float:
    default = getattr(cls, name, 0)
    kind = {"<f8": float, "<i8": int, "?": bool}[code]
    try:
        value = kind(default)
    except (TypeError, ValueError, OverflowError):
        value = None
    # NaN is a fine start for a float, and unequal to itself.
    if value is None or (value != default and not (code == "<f8" and math.isnan(value))):
        raise StrategyError(
            f"state {name!r} of strategy {cls.__name__!r} starts as {default!r}, expected "
            f"{_NOUN[kind].removeprefix('a finite ')} as it is annotated"
        )
    return value
