"""A strategy class as its text may use it: what stands behind each `self.name`.

Layer 2.
"""

import ast
import inspect
import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any, Final

from livekit.strategy.api import Strategy
from livekit.strategy.compiled.refusal import Refusal
from livekit.strategy.declaration import CALLBACKS, Declaration

__all__ = ["API", "ENTRIES", "READABLE", "Method", "Outline", "definition", "method_signature"]

ENTRIES: Final = ("on_start", "on_stop", *CALLBACKS)
"""Callbacks in the order of their numbers."""

READABLE: Final = frozenset({"now", "symbols", "open_orders", "timer"})
"""Attributes every strategy may read."""

API: Final = frozenset(
    {"buy", "sell", "send_order", "modify", "cancel", "cancel_all", "close"}
    | {"position", "book", "instrument", "log"}
)
"""Methods every strategy may call."""

_NOTHING: Final = object()


@dataclass(frozen=True, slots=True)
class Method:
    """One of the user's own methods.

    Attributes
    ----------
    name : str
    owner : type
        The class that defines it.
    function : function
    kind : str
        ``method``, ``property`` or ``static``.
    """

    name: str
    owner: type
    function: FunctionType
    kind: str = "method"


class Outline:
    """What `self.name` means in the methods of one class.

    Parameters
    ----------
    cls : type
    declaration : Declaration
        Of that class.
    """

    def __init__(self, cls: type, declaration: Declaration) -> None:
        self.cls, self.declaration = cls, declaration
        self.own = [klass for klass in cls.__mro__ if _is_users(klass)]

    def method(self, name: str, after: type | None = None) -> Method | None:
        """Return the user's own method of a name, as `self` or `super()` finds it.

        Parameters
        ----------
        name : str
        after : type, optional
            Look only behind this class, as `super()` in it does.
        """
        start = self.own.index(after) + 1 if after is not None else 0
        for klass in self.own[start:]:
            value = vars(klass).get(name, _NOTHING)
            if value is not _NOTHING:
                return _as_method(name, klass, value)
        return None

    def constant(self, name: str) -> Any:
        """Return a class attribute that is no method; `Outline.NOTHING` when there is none."""
        is_there = name == "timer" or any(name in vars(klass) for klass in self.own)
        return inspect.getattr_static(self.cls, name, _NOTHING) if is_there else _NOTHING

    NOTHING: Final = _NOTHING

    def entries(self) -> list[str]:
        """Return the callbacks that the class defines."""
        return [name for name in ENTRIES if self.method(name) is not None]

    def names(self) -> Iterator[str]:
        """Yield every name that `self` may be asked for."""
        yield from self.declaration.state
        yield from self.declaration.params
        yield from READABLE | API
        for klass in self.own:
            yield from (name for name in vars(klass) if not name.startswith("__"))


def _is_users(klass: type) -> bool:
    return issubclass(klass, Strategy) and klass is not Strategy


def _as_method(name: str, owner: type, value: Any) -> Method | None:
    if isinstance(value, FunctionType):
        return Method(name, owner, value)
    if isinstance(value, property) and isinstance(value.fget, FunctionType):
        return Method(name, owner, value.fget, "property")
    if isinstance(value, staticmethod) and isinstance(value.__func__, FunctionType):
        return Method(name, owner, value.__func__, "static")
    return None


def method_signature(name: str) -> inspect.Signature:
    """Return the signature of a method every strategy has, without `self`."""
    function: Callable[..., Any] = getattr(Strategy, name)
    signature = inspect.signature(function)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


@lru_cache(maxsize=16)
def _definitions(path: str, _stamp: tuple[int, int]) -> dict[tuple[str, int], ast.FunctionDef]:
    """Return the functions of a file by name and first line, decorators included."""
    tree = ast.parse("".join(linecache.getlines(path)), path)
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
            found[node.name, first] = node
    return found  # type: ignore[return-value]


def definition(function: FunctionType) -> ast.FunctionDef:
    """Return the syntax tree of a function, with the lines of its file.

    Raises
    ------
    Refusal
        Its text is not in a file, or the file has changed since it was imported.
    """
    code = function.__code__
    path = code.co_filename
    linecache.checkcache(path)
    try:
        status = Path(path).stat()
        stamp = (status.st_mtime_ns, status.st_size)
    except OSError:
        stamp = (0, 0)
    node = _definitions(path, stamp).get((function.__name__, code.co_firstlineno))
    if node is None:
        raise Refusal(
            f"the text of {function.__name__!r} was not found, which compiling needs; define it "
            "with 'def' in a file, and start again if the file has changed",
            path,
            code.co_firstlineno,
        )
    return node
