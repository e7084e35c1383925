"""Which names a text binds, and how: what a cell defines, what a function calls its own.

Only a plain import, `def`, `class` and assignment can be carried into a file as it
stands; every other way to bind a name (in a loop, a condition, by `:=`) depends on what
ran before, and is kept here with the words that say so.
Layer 2.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

__all__ = ["Binding", "Form", "bindings_of", "bound_names", "local_names"]

_BINDING: Final = (
    *(ast.Import, ast.ImportFrom, ast.ExceptHandler),
    *(ast.MatchAs, ast.MatchStar, ast.MatchMapping),
)
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Form(Enum):
    """How a name was bound."""

    IMPORT = "import"
    FUNCTION = "function"
    CLASS = "class"
    CONSTANT = "assignment"
    STAR = "star import"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Binding:
    """One top-level statement's binding of one name.

    Attributes
    ----------
    name : str
        ``*`` for a star import.
    form : Form
    node : ast.stmt
        The top-level statement.
    line : int
        Where the name is bound.
    how : str
        For `Form.OTHER`: what binds it, such as ``a 'for' loop``.
    """

    name: str
    form: Form
    node: ast.stmt
    line: int
    how: str = ""


_BLOCKS: Final[dict[type[ast.stmt], str]] = {
    ast.If: "an 'if' block",
    ast.For: "a 'for' loop",
    ast.AsyncFor: "a 'for' loop",
    ast.While: "a 'while' loop",
    ast.With: "a 'with' block",
    ast.AsyncWith: "a 'with' block",
    ast.Try: "a 'try' block",
    ast.TryStar: "a 'try' block",
    ast.Match: "a 'match' block",
    ast.AugAssign: "an assignment such as '+='",
    ast.Delete: "'del'",
}


def bindings_of(statement: ast.stmt) -> Iterator[Binding]:
    """Yield what one top-level statement binds, in order."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        for name in bound_names(statement):
            form = Form.STAR if name == "*" else Form.IMPORT
            yield Binding(name, form, statement, statement.lineno)
        return
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        form = Form.CLASS if isinstance(statement, ast.ClassDef) else Form.FUNCTION
        for name, line in _walrus_of_definition(statement):
            yield Binding(name, Form.OTHER, statement, line, "':='")
        yield Binding(statement.name, form, statement, statement.lineno)
        return
    if isinstance(statement, ast.AnnAssign) and statement.value is None:
        return  # an annotation alone binds nothing
    targets = _plain_targets(statement)
    for name, line in _stored(statement):
        if name in targets:
            yield Binding(name, Form.CONSTANT, statement, line)
        else:
            how = _BLOCKS.get(type(statement), "':='")
            yield Binding(name, Form.OTHER, statement, line, how)


def _plain_targets(statement: ast.stmt) -> set[str]:
    """Return the names of ``a = ...``, ``a = b = ...``, ``a, b = ...`` and ``a: T = ...``."""
    if isinstance(statement, ast.Assign):
        targets: list[ast.expr] = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return set()
    return {name for target in targets for name in _names_of_target(target)}


def _names_of_target(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            yield from _names_of_target(part)
    elif isinstance(target, ast.Starred):
        yield from _names_of_target(target.value)


def bound_names(node: ast.AST) -> list[str]:
    """Return the names that an import, a target, a handler or a pattern binds itself."""
    if isinstance(node, ast.Import):
        return [alias.asname or alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.MatchMapping):
        return [node.rest] if node.rest else []
    if isinstance(node, ast.MatchAs | ast.MatchStar | ast.ExceptHandler):
        return [node.name] if node.name else []
    return [
        part.id
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store | ast.Del)
    ]


def local_names(node: ast.AST) -> tuple[set[str], set[str]]:
    """Return the names a function calls its own, and those it declares global.

    Parameters
    ----------
    node : ast.FunctionDef, ast.AsyncFunctionDef or ast.Lambda
    """
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    own = {part.arg for part in ast.iter_child_nodes(node.args) if isinstance(part, ast.arg)}
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    outside: set[str] = set()
    others: set[str] = set()
    for statement in body:
        own |= {name for name, _ in _stored(statement)}
        for part in _same_scope(statement):
            if isinstance(part, ast.Global):
                outside |= set(part.names)
            elif isinstance(part, ast.Nonlocal):
                others |= set(part.names)
    return own - outside - others, outside


def _stored(statement: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the names a statement binds in the scope it stands in, with their lines."""
    for part in _same_scope(statement):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store | ast.Del):
            yield part.id, part.lineno
        elif isinstance(part, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield part.name, part.lineno
        elif isinstance(part, _BINDING):
            for name in bound_names(part):
                yield name, part.lineno


def _same_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Yield a node and what stands in the same scope, what it opens left out."""
    yield node
    if isinstance(node, _COMPREHENSIONS):
        yield from _walrus_inside(node)
        return
    if isinstance(node, ast.Lambda):
        children: list[ast.AST] = _defaults(node.args)
    elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        children = _evaluated_outside(node)
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from _same_scope(child)


def _defaults(arguments: ast.arguments) -> list[ast.AST]:
    return [*arguments.defaults, *(part for part in arguments.kw_defaults if part is not None)]


def _evaluated_outside(
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
) -> list[ast.AST]:
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.bases, *node.keywords]
    return [*node.decorator_list, *_defaults(node.args)]


def _walrus_inside(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the targets of `:=` in a comprehension, which belong to the scope around it."""
    for part in ast.walk(node):
        if isinstance(part, ast.NamedExpr):
            yield part.target


def _walrus_of_definition(
    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
) -> Iterator[tuple[str, int]]:
    for child in _evaluated_outside(node):
        yield from _stored(child)
