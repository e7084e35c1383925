"""How the core compiles: `hot` for what Python calls, `inner` for what only jitted code calls.

The core is some eighty small functions, and what a cold start waits for is their
number times what each costs. Two things made most of that. Numba compiles a function
anew for every constant it is called with, since ``f(x, 3)`` has the type of a literal:
here an integer is an int64, whatever it is. And it wraps every function for Python:
`inner` leaves that out. Together they take the cold compile from 22 s to 8.
Layer 2.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numba import types

from livekit.ring.jit import cache_folder, compile_cached

__all__ = ["hot", "i64", "inner"]

i64: Final[Any] = np.int64
"""int64 of a record's field, whatever integer it is; in jitted code an int like any other."""


def hot(function: Callable[..., Any]) -> Any:
    """Jit a function that Python calls too; see `livekit.ring.jit.hot`."""
    return _without_literals(compile_cached(function, cache_folder()))


def inner(function: Callable[..., Any]) -> Any:
    """Jit a function that only jitted code calls; Python cannot."""
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return _without_literals(compile_cached(function, cache_folder(), **options))


def _without_literals(dispatcher: Any) -> Any:
    """Let calls from jitted code give the types of their arguments without the values."""
    template_of = dispatcher.get_call_template

    def get_call_template(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        plain = tuple(types.unliteral(kind) for kind in args)
        return template_of(plain, {name: types.unliteral(kind) for name, kind in kws.items()})

    dispatcher.get_call_template = get_call_template
    return dispatcher
