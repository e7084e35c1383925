"""What a function's code does, without where and with what around it it was compiled.

One text gives other instructions in a cell of its own than in a file behind its imports:
the compiler calls what an imported module has by another instruction than a method.
So codes are compared by what their instructions mean.
Layer 2.
"""

import dis
from collections.abc import Iterator
from types import CodeType
from typing import Final

__all__ = ["meaning"]

_NESTED: Final = 0x10
_FUTURE_FLAGS: Final = 0x1FF0000
"""Of `co_flags`: that the function stands in another, and what `from __future__` sets,
which changes annotations only."""

_FILLING: Final = frozenset({"CACHE", "EXTENDED_ARG", "NOP", "PUSH_NULL", "RESUME"})
_SAME: Final = {"LOAD_METHOD": "LOAD_ATTR"}
_JUMPS: Final = frozenset({*dis.hasjrel, *dis.hasjabs})
_CONSTANTS: Final = frozenset(dis.hasconst)


def meaning(code: CodeType) -> tuple[object, ...]:
    """Return what a code does, equal for codes of one text wherever it was compiled."""
    return (
        *(code.co_name, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        *(code.co_varnames, code.co_freevars, code.co_cellvars),
        code.co_flags & ~(_NESTED | _FUTURE_FLAGS),
        _constant(code.co_consts[0]) if code.co_consts else None,  # the docstring
        tuple(_instructions(code)),
    )


def _instructions(code: CodeType) -> Iterator[tuple[str, object]]:
    """Yield instructions and what they work on, jumps by the number of their target."""
    every = list(dis.get_instructions(code))
    kept = [item for item in every if item.opname not in _FILLING]
    number = 0
    numbers = {}
    for item in every:
        numbers[item.offset] = number
        number += item.opname not in _FILLING
    for item in kept:
        value: object = item.argval
        if item.opcode in _JUMPS:
            value = numbers.get(item.argval, item.argval)
        elif item.opcode in _CONSTANTS:
            # Of a call's keywords `dis` does not give the names themselves.
            value = _constant(code.co_consts[item.arg or 0])
        elif not isinstance(value, str | int | None):
            value = repr(value)
        yield _SAME.get(item.opname, item.opname), value


def _constant(value: object) -> object:
    if isinstance(value, CodeType):
        return meaning(value)
    if isinstance(value, frozenset):  # of `x in {...}`, in any order
        return sorted(map(repr, value))
    return type(value).__name__, repr(value)
