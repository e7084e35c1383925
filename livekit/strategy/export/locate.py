"""Where a class was written: in a file that can be imported, or in text that was typed.

A class of an importable file *is* its file. A class of a notebook's cell, of a script
that does its work when it is run, or of a function in a file must be carried into a
file of its own; for these an `Origin` says which texts ran and which names are alive.
Layer 2.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, Final

from livekit.errors import StrategyError
from livekit.strategy.api import Strategy
from livekit.strategy.export.bindings import Binding, Form, local_names
from livekit.strategy.export.cells import Cell, Cells, Found
from livekit.strategy.export.values import is_plain_statement

__all__ = ["Origin", "locate"]

_BODY_MAGICS: Final = frozenset({"time", "capture", "prun"})
"""Cell magics that run the rest of the cell in the notebook's own names."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Text that was typed, and the names it left behind.

    Attributes
    ----------
    cls : type
    place : str
        ``notebook``, ``script`` or ``module``.
    cells : Cells
    names : mapping
        The live globals.
    root : Found
        The class statement.
    closure : frozenset of str
        Names of the functions around the class.
    folder : Path or None
        Of the script or module, from where it may import its neighbours.
    """

    cls: type[Strategy]
    place: str
    cells: Cells
    names: Mapping[str, Any]
    root: Found
    closure: frozenset[str]
    folder: Path | None


def locate(cls: type[Strategy]) -> Path | Origin:
    """Return the file a class lives in, or the text it was typed in.

    Raises
    ------
    StrategyError
        It is no strategy class, or its text cannot be found.
    """
    _check(cls)
    is_inner = "<locals>" in cls.__qualname__
    shell = _shell_of(cls)
    if shell is not None:
        cells = Cells(list(_history(shell)))
        found = _definition(cls, cells)
        if found is not None:
            return Origin(cls, "notebook", cells, shell.user_ns, *found, None)
    file = _file(cls)
    if file is None:
        raise _no_text(cls, is_notebook=shell is not None)
    text = _read(cls, file)
    is_main = cls.__module__ == "__main__"
    if not is_inner and not (is_main and _does_work(text)):
        return file
    cells = Cells([Cell(file.name, text)])
    found = _definition(cls, cells)
    if found is None:
        raise StrategyError(
            f"strategy {cls.__name__!r} is not found in {str(file)!r}, from where it comes; the "
            "file may have changed since, so load it again"
        )
    module = sys.modules.get(cls.__module__)
    names = vars(module) if module is not None else {}
    if shell is not None:  # a script that %run brought into the notebook
        names = shell.user_ns
    return Origin(cls, "script" if is_main else "module", cells, names, *found, file.parent)


def _check(cls: type[Strategy]) -> None:
    if not isinstance(cls, type) or not issubclass(cls, Strategy):
        raise StrategyError(
            f"{cls!r:.80} is no strategy class, expected a class that derives from "
            "livekit.Strategy (the class itself, not an instance)"
        )
    if cls is Strategy:
        raise StrategyError(
            "livekit.Strategy itself does nothing; derive a class from it and give that"
        )
    outer = cls.__qualname__.rpartition(".")[0]
    if outer and not outer.endswith("<locals>"):
        raise StrategyError(
            f"strategy {cls.__name__!r} is defined inside class {outer!r}; define it at the top of "
            "the cell or file"
        )


def _shell_of(cls: type) -> Any:
    """Return the IPython shell in whose notebook a class was made, if any."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or cls.__module__ != shell.user_module.__name__:
        return None
    return shell


def _history(shell: Any) -> Iterator[Cell]:
    """Yield the cells of an IPython shell in the order in which they ran."""
    history = shell.history_manager
    for number, text in enumerate(history.input_hist_parsed):
        # IPython drops blank lines at the start, which the user sees and counts.
        typed = history.input_hist_raw[number : number + 1]
        skipped = _blank_lines(typed[0] if typed else text)
        body, n_magic_lines = _body_of_magic(text)
        if n_magic_lines:
            skipped += n_magic_lines + _blank_lines(body)
            body = shell.transform_cell(body)
        if body.strip():
            yield Cell(f"cell {number}", body, 1 + skipped)


def _blank_lines(text: str) -> int:
    """Return how many blank lines a text starts with."""
    return text[: len(text) - len(text.lstrip())].count("\n")


def _body_of_magic(text: str) -> tuple[str, int]:
    """Return the part of a cell that ran in the notebook's names, and the lines before it."""
    if not text.startswith("get_ipython().run_cell_magic("):
        return text, 0
    call = ast.parse(text).body[0]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    name, _, body = (ast.literal_eval(part) for part in call.value.args)
    return (body, 1) if name in _BODY_MAGICS else ("", 0)


def _file(cls: type) -> Path | None:
    """Return the file a class was read from."""
    names = [function.__code__.co_filename for function in _functions(cls)]
    module = sys.modules.get(cls.__module__)
    names.append(getattr(module, "__file__", None) or "")
    for name in names:
        if name.endswith(".py") and Path(name).is_file():
            return Path(name).resolve()
    return None


def _functions(cls: type) -> Iterator[FunctionType]:
    """Yield the functions that were written in a class's own body."""
    for value in vars(cls).values():
        for part in (value, getattr(value, "__func__", None), getattr(value, "fget", None)):
            if isinstance(part, FunctionType) and part.__qualname__.startswith(cls.__qualname__):
                yield part


def _read(cls: type, file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
        ast.parse(text)
    except (OSError, ValueError, SyntaxError) as error:
        raise StrategyError(
            f"file {str(file)!r} of strategy {cls.__name__!r} cannot be read: {error}"
        ) from error
    return text


def _does_work(text: str) -> bool:
    """Tell whether importing a script would do what running it does."""
    return not all(is_plain_statement(node) for node in ast.parse(text).body)


def _definition(cls: type, cells: Cells) -> tuple[Found, frozenset[str]] | None:
    """Return the statement that made a class, and the names of the functions around it."""
    top, *path = [part for part in cls.__qualname__.split(".") if part != "<locals>"]
    found = cells.last(top)
    if found is None or found.binding.form not in {Form.CLASS, Form.FUNCTION}:
        return None
    nodes: list[ast.stmt] = [found.binding.node]
    closure: set[str] = set()
    for name in path:
        if isinstance(nodes[-1], ast.FunctionDef | ast.AsyncFunctionDef):
            closure |= local_names(nodes[-1])[0]
        inner = _inner(cls, nodes[-1], name)
        if inner is None:
            return None
        nodes.append(inner)
    if not isinstance(nodes[-1], ast.ClassDef):
        return None
    node = nodes[-1]
    binding = Binding(node.name, Form.CLASS, node, node.lineno)
    return Found(found.cell, binding, found.is_lazy), frozenset(closure)


def _inner(cls: type, node: ast.stmt, name: str) -> ast.stmt | None:
    """Return the definition of a name in the body of a function or class."""
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    found = []
    waiting: list[ast.AST] = list(ast.iter_child_nodes(node))
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, kinds):
            found += [part] if part.name == name else []
        else:
            waiting[:0] = ast.iter_child_nodes(part)
    lines = {function.__code__.co_firstlineno for function in _functions(cls)}
    # Of several the one that holds the methods of this very class.
    exact = [p for p in found if any(p.lineno <= n <= (p.end_lineno or n) for n in lines)]
    chosen = exact or found
    return chosen[-1] if chosen else None


def _no_text(cls: type, *, is_notebook: bool) -> StrategyError:
    if is_notebook:
        why = "no cell of this notebook defines it with 'class' at its top"
    elif cls.__module__ == "__main__":
        why = "Python keeps no text of what is typed at its prompt or piped into it"
    else:
        why = f"its module {cls.__module__!r} has no source file"
    return StrategyError(
        f"the text of strategy {cls.__name__!r} cannot be found: {why}; write the class in a "
        "notebook cell or in a file"
    )
