"""From a strategy class to native functions: `(context, event)`, one per callback.

Each callback becomes a function of two integers that makes `self` and the event of
them and calls the user's method. It has Numba's own calling convention, so an
exception comes out of it with its class and text, and two ways in:

    addresses[name]   for a loop compiled beforehand, through `driver.invoke`
    entries[name]     a jitted function, for a loop compiled around the strategy: it is
                      inlined there, and costs what the user's lines cost

Nothing in it depends on an engine, and it neither allocates nor counts references.
Layer 2.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any, Final

import numba
from numba import types
from numba.core import errors

from livekit.errors import StrategyError
from livekit.strategy.compiled import attributes, events, methods, ordering
from livekit.strategy.compiled.cache import attach_cache, digest
from livekit.strategy.compiled.kinds import as_event, as_self
from livekit.strategy.compiled.layout import Layout
from livekit.strategy.compiled.outline import Outline
from livekit.strategy.compiled.refusal import Refusal, translate
from livekit.strategy.compiled.rewrite import Rewriter, Text
from livekit.strategy.compiled.values import is_exact
from livekit.strategy.declaration import CALLBACKS, Declaration

__all__ = ["Program", "build"]

_REGISTERED: Final = (attributes, events, methods, ordering)
"""Imported for what they teach Numba."""

_SIGNATURE: Final = (types.int64, types.int64)
_OPTIONS: Final = {
    "nogil": True,
    # As Python: a division by zero raises, and so does an index outside an array,
    # which would otherwise write over the context.
    "error_model": "python",
    "boundscheck": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}


@dataclass(frozen=True, slots=True)
class Program:
    """The compiled callbacks of one class.

    Attributes
    ----------
    key : str
        Hash of the text and all it depends on.
    texts : tuple of str
        What `self.log` writes, by number.
    entries : dict of str to jitted function
        ``(context, event) -> 0``, by callback.
    addresses : dict of str to int
        Of the same, in Numba's calling convention.
    is_cached : bool
        Whether all of it came from the disk.
    """

    key: str
    texts: tuple[str, ...]
    entries: dict[str, Any]
    addresses: dict[str, int]
    is_cached: bool


_built: dict[str, Program] = {}
# Loaded code is never given back, 4 MB of it a class; a second class of the same text,
# from the same file loaded again, runs the first one's.


def build(cls: type, declaration: Declaration) -> Program:
    """Compile the callbacks of a class, or load them.

    Raises
    ------
    StrategyError
        Something in it cannot be compiled; the message has the user's file and line.
    """
    outline = Outline(cls, declaration)
    rewriter = Rewriter(outline)
    names = outline.entries()
    for name in names:
        method = outline.method(name)
        if method is None or method.kind != "method":
            raise StrategyError(f"{name} of {cls.__name__!r} is not a plain method")
        rewriter.add_method(name, method)
    layout = Layout.of(declaration, cls.__name__)
    key = digest(layout, rewriter)
    if key in _built:
        return replace(_built[key], is_cached=True)
    layout.identity = f"{cls.__name__}.{key}"
    _Linker(rewriter, layout).link()
    entries = {name: _entry(name, layout) for name in names}
    attach_cache(entries, key)
    files = {text.function.__code__.co_filename for text in rewriter.methods.values()}
    files |= {function.__code__.co_filename for function in rewriter.functions}
    is_cached = True
    addresses = {}
    for name, entry in entries.items():
        try:
            entry.compile(_SIGNATURE)
        except (errors.NumbaError, Refusal, NotImplementedError) as error:
            raise translate(error, files, f"{cls.__name__}.{name}") from None
        is_cached = is_cached and entry.stats.cache_hits[_SIGNATURE] > 0
        result = entry.overloads[_SIGNATURE]
        symbol = result.fndesc.llvm_func_name
        addresses[name] = int(result.library.get_pointer_to_function(symbol))
    _built[key] = Program(key, tuple(rewriter.texts), entries, addresses, is_cached)
    return _built[key]


class _Linker:
    """Makes jitted functions of the rewritten texts and ties them to each other."""

    def __init__(self, rewriter: Rewriter, layout: Layout) -> None:
        self._rewriter, self._layout = rewriter, layout
        self._functions: dict[FunctionType, Any] = {}

    def link(self) -> None:
        """Fill the layout's methods and getters."""
        for name, text in self._rewriter.methods.items():
            made = self._jit(text)
            if name in self._rewriter.properties:
                self._layout.properties[name] = made
            else:
                self._layout.methods[name] = made
                attributes.register_method(name)

    def _jit(self, text: Text) -> Any:
        names = {name: self._value(value) for name, value in text.names.items()}
        return numba.njit(**_OPTIONS)(text.compile(names))

    def _value(self, value: Any) -> Any:
        """Return what a name is bound to: the user's functions compiled, all else as it is."""
        if not isinstance(value, FunctionType) or is_exact(value):
            return value
        if value not in self._functions:
            self._functions[value] = self._jit(self._rewriter.functions[value])
        return self._functions[value]


def _entry(name: str, layout: Layout) -> Any:
    """Return the jitted function of one callback, not yet compiled."""
    # Code from the cache looks for the module its globals name.
    scope: dict[str, Any] = {
        "__name__": __name__,
        "method": layout.methods[name],
        "self_of": as_self(layout),
    }
    template: Callable[[int, int], int] = _without_event
    if name in CALLBACKS:
        view = layout.views["order" if name == "on_fill" else CALLBACKS[name].name.lower()]
        scope["event_of"] = as_event(layout, view)
        template = _with_event
    function = FunctionType(template.__code__, scope, name)
    function.__qualname__ = name
    return numba.njit(**_OPTIONS)(function)


def _with_event(context: int, event: int) -> int:
    method(self_of(context), event_of(event, context))  # type: ignore[name-defined]  # noqa: F821
    return 0


def _without_event(context: int, event: int) -> int:  # noqa: ARG001 - one signature for all
    method(self_of(context))  # type: ignore[name-defined]  # noqa: F821
    return 0
