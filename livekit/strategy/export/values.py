"""What may stand in an exported file as a constant, and what a value is called.

A constant is an expression of literals, other constants and functions that give the
same whenever they are called. What reads a file, a clock or chance is none: its value
belongs to the notebook and not to its text.
Layer 2.
"""

import ast
import builtins
import dataclasses
import enum
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Final

__all__ = ["BUILTINS", "impure_part", "is_plain_statement", "is_value", "noun"]

BUILTINS: Final = frozenset(dir(builtins)) - {"display", "get_ipython", "_", "__IPYTHON__"}
"""Names that every Python has; a notebook adds some of its own."""

_PURE_BUILTINS: Final = frozenset(
    {"abs", "all", "any", "ascii", "bin", "bool", "bytearray", "bytes", "callable", "chr"}
    | {"classmethod", "complex", "dict", "divmod", "enumerate", "filter", "float", "format"}
    | {"frozenset", "hash", "hex", "int", "isinstance", "issubclass", "iter", "len", "list"}
    | {"map", "max", "min", "next", "object", "oct", "ord", "pow", "property", "range", "repr"}
    | {"reversed", "round", "set", "slice", "sorted", "staticmethod", "str", "sum", "super"}
    | {"tuple", "type", "zip"}
)
_PURE_MODULES: Final = frozenset(
    {"abc", "cmath", "collections", "dataclasses", "datetime", "decimal", "enum", "fractions"}
    | {"functools", "itertools", "math", "numba", "numpy", "operator", "re"}
    | {"statistics", "string", "struct", "types", "typing"}
)
_IMPURE: Final = (
    *("numpy.random", "numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "numpy.fromfile"),
    *("numpy.fromregex", "numpy.memmap", "numpy.lib", "numpy.save", "numpy.savez"),
    *("datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow"),
    "datetime.date.today",
)
_PURE_OF_LIVEKIT: Final = frozenset({"Param", "array", "Side", "OrderStatus", "Reject"})
_VALUE_MODULES: Final = _PURE_MODULES | {"builtins", "livekit", "zoneinfo"}
_DEFINING: Final = (
    *(ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef),
    *(ast.Import, ast.ImportFrom, ast.Pass),
)
_CONTAINERS: Final = tuple | list | set | frozenset


def impure_part(node: ast.expr, module_of: Callable[[str], str | None]) -> ast.expr | None:
    """Return the first call in an expression that need not give the same again.

    Parameters
    ----------
    node : ast.expr
    module_of : callable
        Gives the full name of what an imported name stands for, None for other names.
    """
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and not _is_pure(part.func, module_of):
            return part
        if isinstance(part, ast.Await | ast.Yield | ast.YieldFrom):
            return part
    return None


def _is_pure(function: ast.expr, module_of: Callable[[str], str | None]) -> bool:
    parts: list[str] = []
    root = function
    while isinstance(root, ast.Attribute):
        parts.append(root.attr)
        root = root.value
    if not isinstance(root, ast.Name):
        return True  # a method of a constant, such as "a b".split()
    module = module_of(root.id)
    if module is None:
        return bool(parts) or root.id not in BUILTINS or root.id in _PURE_BUILTINS
    full = ".".join([module, *reversed(parts)])
    if full.startswith("livekit."):
        return full.rpartition(".")[2] in _PURE_OF_LIVEKIT
    if any(f"{full}.".startswith(f"{impure}.") for impure in _IMPURE):
        return False
    return full.split(".")[0] in _PURE_MODULES


def is_plain_statement(node: ast.stmt) -> bool:
    """Tell whether a top-level statement only defines something, and calls nothing."""
    if isinstance(node, _DEFINING):
        return True
    if isinstance(node, ast.If):  # if __name__ == "__main__", if TYPE_CHECKING
        is_guard = "__name__" in ast.unparse(node.test)
        return is_guard or all(map(is_plain_statement, [*node.body, *node.orelse]))
    if isinstance(node, ast.Try):  # a module that may be missing
        handled = [statement for handler in node.handlers for statement in handler.body]
        parts = [*node.body, *handled, *node.orelse, *node.finalbody]
        return all(map(is_plain_statement, parts))
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    calls = (part for part in ast.walk(node) if isinstance(part, ast.Call))
    return all(isinstance(c.func, ast.Name) and c.func.id in _PURE_BUILTINS for c in calls)


def is_value(value: object, own_module: str, depth: int = 50) -> bool:
    """Tell whether a value may be a constant of a file: no object with a life of its own.

    Parameters
    ----------
    own_module : str
        The module whose classes are exported along; their instances need be comparable.
    depth : int
        How deep containers may stand in each other; a circle has no literal.
    """
    kind = type(value)
    if isinstance(value, ModuleType):
        return False
    if isinstance(value, type) or callable(value):
        return True
    if isinstance(value, _CONTAINERS | Mapping):
        parts = [*value, *value.values()] if isinstance(value, Mapping) else value
        return depth > 0 and all(is_value(part, own_module, depth - 1) for part in parts)
    if kind.__module__ == own_module:
        return dataclasses.is_dataclass(value) or isinstance(value, enum.Enum)
    return kind.__module__.split(".")[0] in _VALUE_MODULES


def noun(value: object) -> str:
    """Return what a value is called in a message: ``a DataFrame``, ``an int``."""
    if isinstance(value, ModuleType):
        return "a module"
    if isinstance(value, type):
        return "a class"
    name = type(value).__name__
    if name in {"function", "builtin_function_or_method"}:
        return "a function"
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
