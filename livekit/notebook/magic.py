"""``%%strategy FILE``: the cell is the file, from the start.

    %load_ext livekit

    %%strategy strategies/ema_cross.py
    import livekit as lk

    class EmaCross(lk.Strategy):
        ...

The cell is written to the file, the file is run, and its class is what the notebook then
has: what is backtested, attached and looked at is one text, under the hash that is shown.
A cell that would not run as a file of its own is refused with what to change, and what
the file held before stays.
Layer 5.
"""

import ast
import builtins
import html
import json
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NoReturn

from livekit.config import private_folder, state_root
from livekit.errors import ConfigError, StrategyError
from livekit.strategy.code_hash import code_hash_of, text_hash
from livekit.strategy.declaration import CALLBACKS, declare
from livekit.strategy.export import write_cell
from livekit.strategy.export.bindings import Form, bindings_of
from livekit.strategy.export.scopes import uses_of
from livekit.strategy.export.values import BUILTINS, noun
from livekit.strategy.loader import load_class

__all__ = ["Written", "load_ipython_extension", "strategy_cell"]

_USAGE: Final = "%%strategy FILE.py [--overwrite]"
_OF_MODULES: Final = frozenset({"__name__", "__doc__", "__file__", "__debug__"})
_KEPT: Final = 1000
_DRAFT_LINE: Final = re.compile(r"[^\s'()]*/exports/[^\s'():]+\.py:(\d+)")
_DRAFT: Final = re.compile(r"(?:strategy )?file '[^']*/exports/[^']+\.py'")


def load_ipython_extension(shell: Any) -> None:
    """Register ``%%strategy`` with an IPython shell; ``%load_ext livekit`` calls this."""

    def strategy(line: str, cell: str) -> "Written":
        """Write the cell to a strategy's file, run it, and define its class: %%strategy FILE.py."""
        written = strategy_cell(line, cell, shell.user_ns)
        shell.user_ns[written.cls.__name__] = written.cls
        return written

    shell.register_magic_function(strategy, "cell", "strategy")


@dataclass(frozen=True, slots=True)
class Written:
    """What a cell became.

    Attributes
    ----------
    cls : type
        From the file.
    path : Path
    code_hash : str
    """

    cls: Any
    path: Path
    code_hash: str

    def _said(self) -> tuple[str, str]:
        try:
            shown = self.path.relative_to(Path.cwd())
        except ValueError:
            shown = self.path
        declared = declare(self.cls)
        calls = [name for name in CALLBACKS if name in vars(self.cls)]
        parts = [", ".join(declared.symbols) or "all instruments", ", ".join(calls)]
        parts.append(", ".join(f"{k}={p.default:g}" for k, p in declared.params.items()))
        head = f"{self.cls.__name__} is {shown}, {self.code_hash}"
        return head, " · ".join(part for part in parts if part)

    def __repr__(self) -> str:
        return "\n".join(self._said())

    def _repr_html_(self) -> str:
        head, about = (html.escape(text) for text in self._said())
        return (
            f'<div style="font-size:13px;line-height:1.5"><b>{head}</b>'
            f'<div style="opacity:.75">{about}</div></div>'
        )


def strategy_cell(line: str, cell: str, names: dict[str, Any]) -> Written:
    """Write a cell to the file that its first line names, and return the class of it.

    Parameters
    ----------
    line : str
        ``FILE.py``, and ``--overwrite`` to replace a file that is not this cell's.
    cell : str
    names : dict
        The notebook's, to say where a name that is missing comes from.

    Raises
    ------
    StrategyError
        The cell would not run as a file of its own; nothing is written.
    ConfigError
        The line names no Python file, or the file is not this cell's to replace.
    """
    path, is_overwritten = _parse(line)
    tree = _tree(cell)
    _check_classes(tree)
    _check_names(tree, names)
    known = _known()
    key = str(path.absolute())
    previous = text_hash(path.read_text(encoding="utf-8")) if path.is_file() else ""
    is_ours = is_overwritten or known.get(key) == previous
    try:
        made = write_cell(cell, path, previous=code_hash_of(path) if is_ours and previous else "")
    except StrategyError as error:
        raise StrategyError(_of_cell(str(error))) from error
    except ConfigError as error:
        if "exists with another text" not in str(error):
            raise
        _refuse_to_replace(line, path, error)
    _remember(known, key, text_hash(made.source))
    return Written(load_class(made.path, made.class_name), made.path, made.code_hash)


def _parse(line: str) -> tuple[Path, bool]:
    words = shlex.split(line.partition("#")[0])
    files = [word for word in words if not word.startswith("-")]
    unknown = [word for word in words if word.startswith("-") and word != "--overwrite"]
    if len(files) != 1 or unknown:
        what = f"unknown option {unknown[0]!r}" if unknown else f"{len(files)} files are named"
        raise ConfigError(f"{what}; write {_USAGE}, such as %%strategy strategies/ema_cross.py")
    path = Path(files[0]).expanduser()
    if path.suffix != ".py":
        raise ConfigError(f"file {files[0]!r} is no Python file, expected a name in .py: {_USAGE}")
    return path, "--overwrite" in words


def _line(number: int | None) -> int:
    """Return a line of the cell's text as the user counts it: the magic is the first."""
    return (number or 0) + 1


def _tree(cell: str) -> ast.Module:
    try:
        return ast.parse(cell)
    except SyntaxError as error:
        text = (error.text or "").strip()
        problem = f"syntax error in line {_line(error.lineno)} of the cell: {error.msg}"
        if text.startswith(("%", "!")):
            problem = f"line {_line(error.lineno)} of the cell, {text!r}, is IPython and no Python"
        raise StrategyError(
            f"{problem}{f': {text}' if text and 'IPython' not in problem else ''}; nothing was "
            "written"
        ) from None


def _check_classes(tree: ast.Module) -> None:
    """Refuse a cell without a class, or with two that are strategies of their own."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    if not classes:
        raise StrategyError(
            "the cell defines no class; write one that derives from lk.Strategy; nothing was "
            "written"
        )
    bases = {_name(base) for node in classes for base in node.bases}
    found = [node.name for node in classes if node.name not in bases and _is_strategy(node)]
    if len(found) > 1:
        raise StrategyError(
            f"the cell defines {len(found)} strategies, {' and '.join(found)}; give each a cell "
            "and a file of its own; nothing was written"
        )


def _is_strategy(node: ast.ClassDef) -> bool:
    """Guess from its bases; whether it is one for sure, running the file will tell."""
    return any(_name(base).endswith("Strategy") for base in node.bases)


def _name(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


def _check_names(tree: ast.Module, names: dict[str, Any]) -> None:
    """Refuse names that only the notebook has: the file would not find them when it trades."""
    bound: set[str] = set()
    for statement in tree.body:
        for binding in bindings_of(statement):
            if binding.form is Form.STAR:
                return  # what it brings cannot be read off the text
            bound.add(binding.name)
    known = bound | BUILTINS | _OF_MODULES
    for statement in tree.body:
        for use in uses_of(statement).uses:
            if use.name not in known and not use.is_soft:
                _refuse_name(use.name, use.line, names)


def _refuse_name(name: str, line: int, names: dict[str, Any]) -> NoReturn:
    where = f"the cell uses {name!r} in line {_line(line)}"
    if name not in names or hasattr(builtins, name):
        raise StrategyError(f"{where}, which is not defined; nothing was written")
    value = names[name]
    if isinstance(value, ModuleType):
        alias = "" if value.__name__ == name else f" as {name}"
        remedy = f"put 'import {value.__name__}{alias}' into this cell"
        what = "a module that another cell imports"
    elif isinstance(value, type) or callable(value):
        remedy = "put its definition, or its import, into this cell"
        what = f"{noun(value)} that another cell defines"
    elif isinstance(value, bool | int | float | str):
        remedy = f"put '{name} = {value!r}' into this cell, or make it a parameter with lk.Param"
        what = f"{noun(value)} that another cell sets"
    else:
        remedy = "pass its numbers as lk.Param, or compute them in on_start"
        what = f"{noun(value)} of the notebook, which no other process has"
    raise StrategyError(f"{where}, {what}: {remedy}; nothing was written")


def _of_cell(message: str) -> str:
    """Return the message of a draft's failure in the user's words: the cell, and its lines."""
    message = _DRAFT_LINE.sub(lambda found: f"line {_line(int(found[1]))}", message)
    message = _DRAFT.sub("the cell", message).replace("; choose one with --class", "")
    return f"{message}; nothing was written"


def _refuse_to_replace(line: str, path: Path, error: ConfigError) -> NoReturn:
    _, _, diff = str(error).partition("\n")
    raise ConfigError(
        f"file {str(path)!r} holds another text, which no cell wrote; choose another file, or "
        f"replace it with %%strategy {line.strip()} --overwrite\n{diff}"
    ) from None


# Which files cells wrote, so that the next kernel may go on writing them.


def _memory() -> Path:
    return private_folder(state_root() / "notebook") / "cells.json"


def _known() -> dict[str, str]:
    try:
        found = json.loads(_memory().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(known: dict[str, str], key: str, code_hash: str) -> None:
    if known.get(key) == code_hash:
        return
    known.pop(key, None)
    kept = dict([*known.items(), (key, code_hash)][-_KEPT:])
    path = _memory()
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(kept), encoding="utf-8")
    draft.replace(path)
