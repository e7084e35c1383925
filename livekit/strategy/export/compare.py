"""Whether what is alive in a notebook is what its text says.

The exported file is run once, and each thing it defines is compared with the notebook's
own: functions by their code and defaults, classes by their attributes, data by value.
So a constant that another cell has changed, a method put into a class afterwards or a
helper of an older cell shows before anything trades.
Layer 2.
"""

import dataclasses
import enum
import math
from collections import deque
from collections.abc import Iterator, Mapping
from types import CellType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple

import numpy as np

from livekit.strategy.declaration import ArrayField, Param
from livekit.strategy.export.codes import meaning

__all__ = ["STRATEGY_MODULE", "Difference", "difference"]

STRATEGY_MODULE: Final = "livekit_strategy_"
"""What the names of modules begin with that the loader makes of files."""

_SKIPPED: Final = frozenset(
    {"__module__", "__dict__", "__weakref__", "__annotations__", "__firstlineno__"}
    | {"__static_attributes__", "__annotate_func__", "__annotations_cache__", "_abc_impl"}
)
"""Class attributes that Python makes and that say nothing, or are compared by `declare`."""

_SEQUENCES: Final = (list, tuple, deque)
_EXACT: Final = (
    *(int, bool, str, bytes, bytearray, complex, type(None), range, slice),
    *(set, frozenset, np.generic, np.dtype),
)


class Difference(NamedTuple):
    """The first place where two things differ.

    Attributes
    ----------
    name : str
        Dotted, such as ``EmaCross.on_quote``.
    live, text : object
        What the notebook has, and what the text makes.
    """

    name: str
    live: object
    text: object


def difference(name: str, live: object, text: object) -> Difference | None:
    """Return where a live object is not what its text makes; None when it is.

    Objects of foreign types that cannot be compared count as equal when their types are.
    """
    return _Comparison().of(name, live, text)


class _Comparison:
    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], tuple[object, object]] = {}

    def of(self, name: str, live: Any, text: Any) -> Difference | None:
        """Return the first difference below two objects."""
        key = (id(live), id(text))
        if live is text or key in self._seen:
            return None
        self._seen[key] = (live, text)  # alive, so that no id is used twice
        if getattr(live, "targetoptions", None) != getattr(text, "targetoptions", None):
            return Difference(name, live, text)  # jitted in another way
        live, text = _function_in(live), _function_in(text)
        if isinstance(live, type) and isinstance(text, type):
            return self._classes(name, live, text)
        if type(live) is not type(text) and self._classes("", type(live), type(text)):
            return Difference(name, live, text)
        parts = list(_parts(live, text))
        if not parts:
            return None if _is_same(live, text) else Difference(name, live, text)
        is_different = any(self.of(name, one, two) is not None for one, two in parts)
        return Difference(name, live, text) if is_different else None

    def _classes(self, name: str, live: type, text: type) -> Difference | None:
        """Compare two classes; those of libraries are the same or not."""
        if live is text:
            return None
        is_pair = live.__name__ == text.__name__ and len(live.__bases__) == len(text.__bases__)
        if not is_pair or not text.__module__.startswith(STRATEGY_MODULE):
            return Difference(name, live, text)
        for one, two in zip(live.__bases__, text.__bases__, strict=True):
            found = self.of(two.__name__, one, two)
            if found is not None:
                return found
        return self._class_attributes(name, live, text)

    def _class_attributes(self, name: str, live: type, text: type) -> Difference | None:
        ours, theirs = _attributes(live), _attributes(text)
        for key in dict.fromkeys([*theirs, *ours]):
            if (key in ours) != (key in theirs):
                missing = "(nothing)"
                return Difference(f"{name}.{key}", ours.get(key, missing), theirs.get(key, missing))
            found = self.of(f"{name}.{key}", ours[key], theirs[key])
            if found is not None:
                return found
        return None


def _attributes(cls: type) -> dict[str, object]:
    return {name: value for name, value in vars(cls).items() if name not in _SKIPPED}


def _function_in(value: Any) -> Any:
    """Return the Python function behind a jitted, cached, class or static one."""
    if isinstance(value, type | ModuleType | Mapping):
        return value
    if isinstance(value, staticmethod | classmethod):
        return value.__func__
    inner = getattr(value, "py_func", None)
    if isinstance(inner, FunctionType):
        return inner
    inner = getattr(value, "__wrapped__", None)
    if not isinstance(value, FunctionType) and isinstance(inner, FunctionType):
        return inner
    return value


def _parts(live: Any, text: Any) -> Iterator[tuple[Any, Any]]:
    """Yield what two objects consist of, pairwise; nothing for what is compared whole."""
    if isinstance(live, FunctionType):
        yield meaning(live.__code__), meaning(text.__code__)
        yield live.__defaults__, text.__defaults__
        yield live.__kwdefaults__, text.__kwdefaults__
        yield _own_names(live), _own_names(text)
        yield _cells(live), _cells(text)
    elif isinstance(live, property | enum.Enum | Param | ArrayField):
        for name in _slots(live):
            yield getattr(live, name), getattr(text, name)
    elif dataclasses.is_dataclass(live) and not isinstance(live, type):
        for field in dataclasses.fields(live):
            yield getattr(live, field.name, None), getattr(text, field.name, None)
    elif isinstance(live, _SEQUENCES):
        yield len(live), len(text)
        yield from zip(live, text, strict=False)
    elif isinstance(live, Mapping):
        yield tuple(live.keys()), tuple(text.keys())
        yield tuple(live.values()), tuple(text.values())


def _slots(value: object) -> tuple[str, ...]:
    if isinstance(value, property):
        return "fget", "fset", "fdel"
    return ("name", "value") if isinstance(value, enum.Enum) else type(value).__slots__  # type: ignore[attr-defined]


def _own_names(function: FunctionType) -> dict[str, object]:
    return {key: value for key, value in vars(function).items() if key != "__wrapped__"}


def _cells(function: FunctionType) -> tuple[object, ...]:
    """Return what a function closes over, the class that `super()` reads left out."""
    cells: tuple[CellType, ...] = function.__closure__ or ()
    names = function.__code__.co_freevars
    return tuple(
        cell.cell_contents if _is_filled(cell) else None
        for name, cell in zip(names, cells, strict=True)
        if name != "__class__"
    )


def _is_filled(cell: CellType) -> bool:
    return cell != CellType()


def _is_same(live: Any, text: Any) -> bool:
    """Compare two values of one type as a whole."""
    if isinstance(live, float | np.floating):
        return bool(live == text and math.copysign(1, live) == math.copysign(1, text)) or bool(
            live != live and text != text  # noqa: PLR0124 - NaN
        )
    if isinstance(live, np.ndarray):
        return (live.dtype, live.shape) == (text.dtype, text.shape) and (
            live.dtype.hasobject or live.tobytes() == text.tobytes()
        )
    if isinstance(live, _EXACT):
        return bool(live == text)
    if isinstance(live, ModuleType):
        return live.__name__ == text.__name__
    # Identity is all that an object without an `__eq__` of its own knows.
    is_equal = "__eq__" not in _ways(type(live)) or live == text
    return is_equal if isinstance(is_equal, bool) else True


def _ways(cls: type) -> set[str]:
    """Return what a class and its bases define, `object` left out."""
    return {name for base in cls.__mro__[:-1] for name in vars(base)}
