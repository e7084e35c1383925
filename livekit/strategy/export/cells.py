"""The texts a user typed: notebook cells, a script or a module, with what they define.

A `Cell` is one text in the order in which it ran. `Cells` answers what counts: which
statement was the last to bind a name. Texts are cut out as they were typed, comments
included, never made anew from a syntax tree.
Layer 2.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from livekit.strategy.export.bindings import Binding, Form, bindings_of

_COMMENT: Final = re.compile(r"\s*#(?!!|.*coding[:=]| ?%%)")
"""A comment, but no line that means something to the whole file or to an editor."""

__all__ = ["Cell", "Cells", "Found", "dedent", "statement_text"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One text that ran.

    Attributes
    ----------
    label : str
        How a message names it: ``cell 3``, ``momentum.py``.
    text : str
        Python, magics already rewritten to calls.
    first_line : int
        Number of its first line as the user sees it.
    """

    label: str
    text: str
    first_line: int = 1

    def line(self, line: int) -> int:
        """Return a line of the text as the user counts it."""
        return line + self.first_line - 1


@dataclass(frozen=True, slots=True)
class Found:
    """A binding, and the cell it stands in.

    Attributes
    ----------
    cell : Cell
    binding : Binding
    is_lazy : bool
        Whether annotations were kept as text when it ran.
    """

    cell: Cell
    binding: Binding
    is_lazy: bool


@dataclass(frozen=True, slots=True)
class _Parsed:
    bindings: tuple[Binding, ...]
    is_lazy: bool  # it says `from __future__ import annotations`


@lru_cache(maxsize=4096)
def _parse(text: str) -> _Parsed | None:
    """Return what a text binds at its top; None when it is no Python, so that it never ran."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    bindings = tuple(b for statement in tree.body for b in bindings_of(statement))
    is_lazy = any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in tree.body
    )
    return _Parsed(bindings, is_lazy)


@dataclass(slots=True)
class Cells:
    """Texts in the order in which they ran.

    Parameters
    ----------
    cells : sequence of Cell
    """

    cells: Sequence[Cell]
    _last: dict[str, Found] = field(default_factory=dict)
    _stars: list[Found] = field(default_factory=list)

    def __post_init__(self) -> None:
        is_lazy = False
        for cell in self.cells:
            parsed = _parse(cell.text)
            if parsed is None:
                continue
            is_lazy = is_lazy or parsed.is_lazy  # a notebook keeps it for later cells
            for binding in parsed.bindings:
                found = Found(cell, binding, is_lazy)
                if binding.form is Form.STAR:
                    self._stars.append(found)
                else:
                    self._last[binding.name] = found

    def last(self, name: str) -> Found | None:
        """Return the statement that was the last to bind a name."""
        return self._last.get(name)

    def stars(self) -> Iterator[Found]:
        """Yield the star imports."""
        yield from self._stars

    def dotted_imports(self, name: str) -> Iterator[ast.alias]:
        """Yield every ``import name.part`` of the texts, which all bind `name`."""
        for cell in self.cells:
            parsed = _parse(cell.text)
            for binding in parsed.bindings if parsed is not None else ():
                if binding.name == name and isinstance(binding.node, ast.Import):
                    for alias in binding.node.names:
                        if alias.asname is None and alias.name.split(".")[0] == name:
                            yield alias


def statement_text(text: str, node: ast.stmt) -> str:
    """Return a statement as it was typed: decorators, comments above and behind included.

    A statement that shares its lines with others is cut out of them.
    """
    lines = text.split("\n")
    first, last = _first_line(node), node.end_lineno or node.lineno
    alone = not lines[first - 1][: _first_column(lines[first - 1], node)].strip()
    tail = _after(lines[last - 1], node).lstrip()
    if not alone or (tail and not tail.startswith("#")):
        return (ast.get_source_segment(text, node) or "").strip()
    while first > 1 and _COMMENT.match(lines[first - 2]):
        first -= 1
    chosen = [*lines[first - 1 : last - 1], lines[last - 1].rstrip()]
    return dedent("\n".join(chosen), node, first)


def _first_line(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(item.lineno for item in decorators)])


def _first_column(line: str, node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    if decorators:
        return len(line) - len(line.lstrip())
    return len(line.encode()[: node.col_offset].decode())


def _after(line: str, node: ast.stmt) -> str:
    return line.encode()[node.end_col_offset :].decode()


def dedent(text: str, node: ast.stmt, first: int) -> str:
    """Return a statement's text moved to the left margin, its long strings untouched.

    Parameters
    ----------
    text : str
    node : ast.stmt
        The statement, with the lines of the whole text.
    first : int
        Line of the whole text that `text` starts with.
    """
    margin = node.col_offset
    if margin == 0:
        return text
    inside = {
        line
        for part in ast.walk(node)
        if isinstance(part, ast.Constant | ast.JoinedStr) and part.end_lineno is not None
        for line in range(part.lineno + 1, part.end_lineno + 1)
    }
    return "\n".join(
        line if index in inside else line[min(margin, len(line) - len(line.lstrip())) :]
        for index, line in enumerate(text.split("\n"), first)
    )
