"""The package as text: its modules, their syntax trees and what they import.

Nothing is imported, so what this says holds for code that no test runs.
"""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "livekit"


class Import(NamedTuple):
    """One import of one module by another, wherever it stands in the text."""

    importer: str
    imported: str
    names: tuple[str, ...]  # what a from-import takes out of the module
    line: int
    is_for_types: bool  # below `if TYPE_CHECKING`


@functools.cache
def modules():
    """Return {dotted name: path} of every module of the package."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return {_dotted(path): path for path in paths if "_bundled" not in path.parts}


def _dotted(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def tree(name):
    """Return the syntax tree of a module."""
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


@functools.cache
def imports_of(name):
    """Return every import of a module: top-level, in functions, for types, and by name."""
    return tuple(_walk(name, tree(name), is_for_types=False))


def _walk(name, node, *, is_for_types) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for statement in child.body:
                yield from _found(name, statement, is_for_types=True)
            for statement in child.orelse:
                yield from _found(name, statement, is_for_types=is_for_types)
        else:
            yield from _found(name, child, is_for_types=is_for_types)


def _found(name, node, *, is_for_types):
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(name, alias.name, (), node.lineno, is_for_types)
    elif isinstance(node, ast.ImportFrom):
        yield from _from_import(name, node, is_for_types)
    elif isinstance(node, ast.Call) and _called(node).split(".")[-1] in {
        "import_module",
        "__import__",
    }:
        target = node.args[0] if node.args else None
        text = target.value if isinstance(target, ast.Constant) else "*"
        yield Import(name, text, (), node.lineno, is_for_types)
    yield from _walk(name, node, is_for_types=is_for_types)


def _from_import(name, node, is_for_types):
    assert node.level == 0, f"{name}:{node.lineno} imports relatively; write the full name"
    plain = []
    for alias in node.names:
        inner = f"{node.module}.{alias.name}"
        if inner in modules():
            yield Import(name, inner, (), node.lineno, is_for_types)
        else:
            plain.append(alias.name)
    if plain:
        yield Import(name, node.module, tuple(plain), node.lineno, is_for_types)


def _called(node):
    return ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""


def calls(name):
    """Return (dotted name, node) of every call in a module."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Call):
            yield _called(node), node


def reachable(name):
    """Return what importing a module may import in the end, functions' imports included.

    Modules of the package are followed, others are named only.
    """
    seen, todo = set(), [name]
    while todo:
        for item in imports_of(todo.pop()):
            if item.imported not in seen and not item.is_for_types:
                seen.add(item.imported)
                if item.imported in modules():
                    todo.append(item.imported)
    return seen
