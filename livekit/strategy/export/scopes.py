"""Which names a piece of text takes from outside, by Python's rules of scope.

`uses_of` follows one top-level statement through its functions, classes, lambdas and
comprehensions and gives every name that is looked up in the module's globals, with the
line it stands in. What a name means is not decided here, only that it comes from
outside. A use is *early* when it is needed to run the statement (a base class, a
decorator, a default, the body of a class) and not only when a function is called; it is
*soft* when nothing evaluates it (an annotation that is text).
Layer 2.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from livekit.strategy.export.bindings import bound_names, local_names

__all__ = ["Reading", "Use", "uses_of"]


@dataclass(frozen=True, slots=True)
class Use:
    """One place where a name is taken from outside.

    Attributes
    ----------
    name : str
    line : int
        Of the text, from 1.
    is_early : bool
        Whether running the statement needs it.
    is_soft : bool
        Whether nothing evaluates it.
    """

    name: str
    line: int
    is_early: bool
    is_soft: bool = False


@dataclass(slots=True)
class Reading:
    """What a statement takes from outside and does there.

    Attributes
    ----------
    uses : list of Use
        In the order of evaluation.
    writes : list of (str, int)
        Globals it assigns or deletes from inside, with their lines.
    imports : list of ast.Import or ast.ImportFrom
        Imports inside functions and classes.
    """

    uses: list[Use] = field(default_factory=list)
    writes: list[tuple[str, int]] = field(default_factory=list)
    imports: list[ast.Import | ast.ImportFrom] = field(default_factory=list)


def uses_of(statement: ast.stmt, *, lazy_annotations: bool = False) -> Reading:
    """Return what one top-level statement takes from outside.

    Parameters
    ----------
    statement : ast.stmt
    lazy_annotations : bool
        Whether annotations are kept as text (``from __future__ import annotations``).
    """
    reader = _Reader(lazy_annotations=lazy_annotations)
    reader.visit(statement)
    return reader.reading


@dataclass(slots=True)
class _Scope:
    kind: str  # "module", "class" or "function"
    parent: "_Scope | None" = None
    names: set[str] = field(default_factory=set)
    globals: set[str] = field(default_factory=set)
    owner: str = ""  # the class whose private names are mangled
    is_deferred: bool = False

    def is_outside(self, name: str) -> bool:
        """Tell whether a name read here is one of the module's."""
        scope: _Scope | None = self
        while scope is not None and scope.kind != "module":
            if scope.kind == "function" or scope is self:
                if name in scope.globals:
                    return True
                if name in scope.names:
                    return False
            if scope.kind == "class" and name == "__class__":
                return False  # the cell that `super()` reads
            scope = scope.parent
        return True


class _Reader(ast.NodeVisitor):
    """Walks one statement in the order in which Python evaluates it."""

    def __init__(self, *, lazy_annotations: bool) -> None:
        self.reading = Reading()
        self._lazy = lazy_annotations
        self._scope = _Scope("module")
        self._is_soft = False

    # Names.

    def visit_Name(self, node: ast.Name) -> None:
        """Take a name that is read, assigned or deleted."""
        name = self._mangled(node.id)
        if isinstance(node.ctx, ast.Load):
            self._read(name, node.lineno)
        else:
            self._bind(name, node.lineno)

    def _read(self, name: str, line: int) -> None:
        if self._scope.is_outside(name):
            is_early = not self._scope.is_deferred
            self.reading.uses.append(Use(name, line, is_early, self._is_soft))

    def _bind(self, name: str, line: int) -> None:
        if name in self._scope.globals:
            self.reading.writes.append((name, line))
        elif self._scope.kind == "class":
            # A class body reads a global of the same name until it has assigned its own.
            self._scope.names.add(name)

    def _mangled(self, name: str) -> str:
        owner = self._scope.owner.lstrip("_")
        is_private = name.startswith("__") and not name.endswith("__")
        return f"_{owner}{name}" if owner and is_private else name

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """Read the target, then the value, then assign."""
        if isinstance(node.target, ast.Name):
            self._read(self._mangled(node.target.id), node.lineno)
        self.visit(node.value)
        self.visit(node.target)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Read the value before the targets."""
        self._each([node.value, *node.targets])

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """Read the value before the target."""
        self._each([node.value, node.target])

    def visit_For(self, node: ast.For) -> None:
        """Read what is iterated before the target."""
        self._each([node.iter, node.target, *node.body, *node.orelse])

    def visit_AsyncFor(self, node: ast.AsyncFor) -> None:
        """Read what is iterated before the target."""
        self._each([node.iter, node.target, *node.body, *node.orelse])

    def visit_Global(self, node: ast.Global) -> None:
        """Take the names as the module's."""
        self._scope.globals.update(map(self._mangled, node.names))

    def visit_Import(self, node: ast.Import) -> None:
        """Bind what is imported inside the statement."""
        self._import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Bind what is imported inside the statement."""
        self._import(node)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        self.reading.imports.append(node)
        for name in bound_names(node):
            self._bind(self._mangled(name), node.lineno)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        """Bind the exception's name."""
        self._each([node.type])
        if node.name:
            self._bind(self._mangled(node.name), node.lineno)
        self._each(node.body)

    def generic_visit(self, node: ast.AST) -> None:
        """Bind what a pattern of `match` names, and go on."""
        super().generic_visit(node)
        if isinstance(node, ast.MatchAs | ast.MatchStar | ast.MatchMapping):
            for name in bound_names(node):
                self._bind(self._mangled(name), node.lineno)

    # Annotations.

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        """Read the value, then the annotation as far as somebody evaluates it."""
        self._each([node.value])
        if self._scope.kind == "class":
            text = ast.unparse(node.annotation)
            # What `declare` evaluates of annotations that are text: arrays.
            self._annotation(node.annotation, is_evaluated="array" in text)
        elif self._scope.kind == "module":
            self._annotation(node.annotation, is_evaluated=False)
        else:
            self._softly(node.annotation)  # in a function nothing ever evaluates it
        if node.value is not None or self._scope.kind != "class":
            self.visit(node.target)

    def _annotation(self, node: ast.expr | None, *, is_evaluated: bool) -> None:
        """Read an annotation; `is_evaluated` says whether it is even when it is text."""
        if node is None:
            return
        if self._lazy and not is_evaluated:
            self._softly(node)
        else:
            self.visit(node)
        for part in ast.walk(node):
            tree = _as_expression(part)
            if tree is not None and is_evaluated:
                self.visit(tree)
            elif tree is not None:
                self._softly(tree)

    def _softly(self, node: ast.AST) -> None:
        before, self._is_soft = self._is_soft, True
        self.visit(node)
        self._is_soft = before

    # Scopes.

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Read decorators, defaults and annotations outside, the body inside."""
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """Read decorators, defaults and annotations outside, the body inside."""
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._each(node.decorator_list)
        self._defaults(node.args)
        outer = self._enter_type_params(node)
        for argument in _arguments(node.args):
            self._annotation(argument.annotation, is_evaluated=False)
        self._annotation(node.returns, is_evaluated=False)
        self._body(node, node.body)
        self._scope = outer
        self._bind(self._mangled(node.name), node.lineno)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Read the defaults outside, the body inside."""
        self._defaults(node.args)
        self._body(node, [node.body])

    def _defaults(self, arguments: ast.arguments) -> None:
        self._each([*arguments.defaults, *arguments.kw_defaults])

    def _body(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, body: Iterable[ast.AST]
    ) -> None:
        names, outside = local_names(node)
        self._enter("function", {self._mangled(n) for n in names}, is_deferred=True)
        self._scope.globals |= {self._mangled(name) for name in outside}
        self._each(body)
        self._leave()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Read decorators and bases outside, the body inside."""
        self._each(node.decorator_list)
        outer = self._enter_type_params(node)
        self._each([*node.bases, *node.keywords])
        self._enter("class", {"__module__", "__qualname__"})
        self._scope.owner = node.name
        self._each(node.body)
        self._scope = outer
        self._bind(self._mangled(node.name), node.lineno)

    def _enter_type_params(self, node: ast.AST) -> _Scope:
        """Open the scope of ``def f[T]``, where there is one; return the scope around it."""
        outer = self._scope
        params = getattr(node, "type_params", ())  # since Python 3.12
        if params:
            self._enter("function", {param.name for param in params})
            self._each(params)
        return outer

    def visit_ListComp(self, node: ast.ListComp) -> None:
        """Read the first iterable outside, the rest inside."""
        self._comprehension(node.generators, [node.elt])

    def visit_SetComp(self, node: ast.SetComp) -> None:
        """Read the first iterable outside, the rest inside."""
        self._comprehension(node.generators, [node.elt])

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        """Read the first iterable outside, the rest inside."""
        self._comprehension(node.generators, [node.elt])

    def visit_DictComp(self, node: ast.DictComp) -> None:
        """Read the first iterable outside, the rest inside."""
        self._comprehension(node.generators, [node.key, node.value])

    def _comprehension(self, generators: list[ast.comprehension], elements: list[ast.expr]) -> None:
        self.visit(generators[0].iter)
        targets = {n for g in generators for n in bound_names(g.target)}
        self._enter("function", {self._mangled(name) for name in targets})
        for index, generator in enumerate(generators):
            self._each([generator.iter] if index else [])
            self._each(generator.ifs)
        self._each(elements)
        self._leave()

    def _enter(self, kind: str, names: set[str], *, is_deferred: bool = False) -> None:
        outer = self._scope
        is_deferred = is_deferred or outer.is_deferred
        self._scope = _Scope(kind, outer, names, set(), outer.owner, is_deferred)

    def _leave(self) -> None:
        assert self._scope.parent is not None
        self._scope = self._scope.parent

    def _each(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)


_LONGEST_ANNOTATION: Final = 500


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    extra = [arg for arg in (arguments.vararg, arguments.kwarg) if arg is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]


def _as_expression(node: ast.AST) -> ast.expr | None:
    """Return the expression that a text inside an annotation is, at the text's line."""
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return None
    if len(node.value) > _LONGEST_ANNOTATION:
        return None
    try:
        tree = ast.parse(node.value.strip(), mode="eval").body
    except SyntaxError:
        return None  # a text of Literal["..."], not a name
    for part in ast.walk(tree):
        if isinstance(part, ast.expr):
            part.lineno = node.lineno
    return tree
