"""Names, attributes and constants in the text of a strategy, looked up and pinned down.

Layer 2.
"""

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from numba.core.dispatcher import Dispatcher

from livekit.strategy.compiled import constructs, values
from livekit.strategy.compiled.outline import API, READABLE, Outline
from livekit.strategy.compiled.refusal import Refusal, did_you_mean

if TYPE_CHECKING:
    from livekit.strategy.compiled.rewrite import Rewriter, Text

__all__ = ["Reader", "chain_of"]


class Reader(ast.NodeTransformer):
    """Rewrites the expressions of one function.

    Parameters
    ----------
    rewriter : Rewriter
    text : Text
        Its node is rewritten in place.
    owner : type or None
        The class that defines the method; None for a function outside of one.
    """

    def __init__(self, rewriter: "Rewriter", text: "Text", owner: type | None) -> None:
        self.rewriter, self.outline, self.text, self.owner = (
            rewriter,
            rewriter.outline,
            text,
            owner,
        )
        self.path = text.function.__code__.co_filename
        self.line = text.node.lineno
        arguments = text.node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        self.me = positional[0].arg if owner is not None and positional else ""
        stored = (n.id for n in ast.walk(text.node) if _is_stored(n))  # type: ignore[attr-defined]
        every = [*positional, *arguments.kwonlyargs]
        self.local = {argument.arg for argument in every} | set(stored)

    def run(self) -> None:
        """Rewrite the body in place."""
        node = self.text.node
        if isinstance(node, ast.AsyncFunctionDef):
            raise self.refusal("an async method cannot be compiled")
        arguments = node.args
        if arguments.vararg or arguments.kwarg or arguments.kwonlyargs:
            raise self.refusal(
                "a method with *, *args or **kwargs cannot be compiled; name its arguments"
            )
        for argument in [*arguments.posonlyargs, *arguments.args]:
            argument.annotation = None
        node.decorator_list, node.returns = [], None
        arguments.defaults = [self.visit(default) for default in arguments.defaults]
        node.body = self._body(node.body)
        ast.fix_missing_locations(node)

    def _body(self, body: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in body:
            result = self.visit(statement)
            made += result if isinstance(result, list) else [result] if result is not None else []
        return made or [ast.copy_location(ast.Pass(), body[0])]

    def refusal(self, sentence: str) -> Refusal:
        """Return a Refusal at the line being read."""
        return Refusal(sentence, self.path, self.line, self.text.function.__name__)

    def located(self, call: Callable[[], Any]) -> Any:
        """Give a Refusal that knows no line the line being read."""
        try:
            return call()
        except Refusal as error:
            if error.path:
                raise
            raise self.refusal(error.sentence) from None

    # Statements and expressions in general.

    def visit(self, node: ast.AST) -> Any:
        """Rewrite a node, or refuse what compiled code does not have."""
        self.line = getattr(node, "lineno", self.line)
        sentence = constructs.refused(node)
        if sentence:
            raise self.refusal(sentence)
        return super().visit(node)

    def visit_Expr(self, node: ast.Expr) -> Any:
        """Drop docstrings and other constants that stand alone."""
        if isinstance(node.value, ast.Constant):
            return None
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> Any:
        """Take numbers as they are, and names of instruments as symbols."""
        return self.value(node, node.value, repr(node.value))

    def visit_Name(self, node: ast.Name) -> Any:
        """Look up a name from outside the function."""
        if isinstance(node.ctx, ast.Load) and node.id not in self.local:
            return self.value(node, self.outside(node.id), node.id)
        return node

    def outside(self, name: str) -> Any:
        """Return what a name outside the function stands for."""
        found = values.lookup(self.text.function, name)
        if found is values.MISSING:
            raise self.refusal(f"name {name!r} is not defined")
        return found

    def value(self, node: ast.expr, value: Any, shown: str) -> ast.expr:
        """Return the expression for a value that is known now."""
        if isinstance(value, str) and not isinstance(value, values.NUMBERS):
            return self.name_of_instrument(node, value)
        if isinstance(value, tuple):
            items = [self.value(node, item, shown) for item in value]
            return ast.copy_location(ast.Tuple(items, ast.Load()), node)
        if isinstance(value, Dispatcher):
            value = value.py_func
        if values.is_users(value):
            self.located(lambda: self.rewriter.add_function(value))
        bound = self.located(lambda: values.bind(value, shown))
        if isinstance(bound, values.Constant):
            return ast.copy_location(ast.Constant(bound.value), node)
        self.text.names[bound.name] = bound.value
        return ast.copy_location(ast.Name(bound.name, ast.Load()), node)

    def name_of_instrument(self, node: ast.expr, name: str) -> ast.expr:
        """Return `self.symbols[i]` for the name of an instrument."""
        symbols = self.outline.declaration.symbols
        if name not in symbols:
            raise self.refusal(constructs.about_text(name, symbols))
        if not self.me:
            return ast.copy_location(ast.Constant(name), node)
        table = ast.Attribute(ast.Name(self.me, ast.Load()), "symbols", ast.Load())
        place = ast.Constant(symbols.index(name))
        return ast.copy_location(ast.Subscript(table, place, ast.Load()), node)

    def visit_Raise(self, node: ast.Raise) -> Any:
        """Leave the text of an exception as it is."""
        if isinstance(node.exc, ast.Call):
            node.exc.func = self.visit(node.exc.func)
            node.exc.args = [self.message(argument) for argument in node.exc.args]
            if node.exc.keywords:
                raise self.refusal("an exception with keyword arguments cannot be compiled")
            return node
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> Any:
        """Leave the text of a failed assertion as it is."""
        node.test = self.visit(node.test)
        node.msg = None if node.msg is None else self.message(node.msg)
        return node

    def message(self, node: ast.expr) -> ast.expr:
        """Return what an exception says."""
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        return node if is_text else self.visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        """Raise to powers as Python does."""
        node = self.generic_visit(node)  # type: ignore[assignment]
        if isinstance(node.op, ast.Pow):
            return self.exact("power", node, node.left, node.right)
        return node

    def exact(self, name: str, node: ast.expr | ast.stmt, *arguments: ast.expr) -> ast.expr:
        """Return a call of a function of exact.py."""
        bound = values.exact(name)
        self.text.names[bound.name] = bound.value
        call = ast.Call(ast.Name(bound.name, ast.Load()), list(arguments), [])
        return ast.copy_location(call, node)

    # Attributes.

    def is_me(self, node: ast.AST) -> bool:
        """Tell whether a node is `self`."""
        return isinstance(node, ast.Name) and bool(self.me) and node.id == self.me

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        """Check `self.name`, and look up what is known now."""
        if self.is_me(node.value):
            return self.own(node)
        chain = chain_of(node)
        if chain and chain[0] not in self.local:
            shown = ".".join(chain)
            value = self.outside(chain[0])
            for name in chain[1:]:
                try:
                    value = getattr(value, name)
                except AttributeError:
                    raise self.refusal(f"{shown!r} does not exist: no {name!r}") from None
            return self.value(node, value, shown)
        return self.generic_visit(node)

    def own(self, node: ast.Attribute) -> ast.expr:
        """Rewrite a read of `self.name`."""
        name, declaration = node.attr, self.outline.declaration
        if name in declaration.state or name in declaration.params:
            return node
        method = self.outline.method(name)
        if method is not None and method.kind == "property":
            self.located(lambda: self.rewriter.add_method(name, method))
            return node
        if method is not None or name in API:
            raise self.refusal(f"self.{name} is a method; call it: self.{name}(...)")
        if name in READABLE - {"timer"}:
            return node
        constant = self.outline.constant(name)
        if constant is Outline.NOTHING:
            hint = did_you_mean(name, self.outline.names())
            raise self.refusal(
                f"self.{name} is not declared{hint or f'; declare it in the class: {name}: float'}"
            )
        return self.value(node, constant, f"self.{name}")


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def chain_of(node: ast.expr) -> list[str]:
    """Return the names of `a.b.c`, empty when it does not begin with a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []
