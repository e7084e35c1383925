"""Calls in the text of a strategy: their arguments checked, their targets compiled too.

Layer 2.
"""

import ast
import inspect
from typing import Any, Final

from livekit.strategy.compiled import constructs, values
from livekit.strategy.compiled.assigning import Assigner
from livekit.strategy.compiled.outline import API, Method, method_signature
from livekit.strategy.compiled.reading import chain_of

__all__ = ["Caller"]

_MAX_LOG_VALUES: Final = 4


class Caller(Assigner):
    """Rewrites the calls of one function, besides what an Assigner does."""

    def visit_Call(self, node: ast.Call) -> Any:
        """Rewrite a call, its arguments checked where the function is known."""
        if sentence := constructs.refused_call(node):
            raise self.refusal(sentence)
        function = node.func
        if isinstance(function, ast.Attribute):
            if self.is_me(function.value):
                return self.own_call(node, function.attr)
            if constructs.is_super(function.value):
                return self.super_call(node, function.attr)
            name = constructs.exact_method(function.attr)
            if name and (chain_of(function) or [self.me])[0] in self.local | {self.me}:
                arguments = [self.visit(argument) for argument in node.args]
                return self.exact(name, node, self.visit(function.value), *arguments)
        if text := constructs.float_of_text(node):
            return ast.copy_location(ast.Constant(float(text)), node)
        called = self.visit(function)
        known = self.text.names.get(called.id) if isinstance(called, ast.Name) else None
        if known is not None and values.is_users(known):
            self.check(node, inspect.signature(known), known.__name__)
        node.func = called
        return self.with_arguments(node)

    def with_arguments(self, node: ast.Call) -> ast.Call:
        """Rewrite the arguments of a call."""
        node.args = [self.visit(argument) for argument in node.args]
        for keyword in node.keywords:
            keyword.value = self.visit(keyword.value)
        return node

    def check(self, node: ast.Call, signature: inspect.Signature, name: str) -> None:
        """Refuse a call whose arguments do not fit."""
        names = [keyword.arg or "" for keyword in node.keywords]
        try:
            signature.bind(*node.args, **dict.fromkeys(names))
        except TypeError as error:
            raise self.refusal(f"{name}(): {error}") from None

    def own_call(self, node: ast.Call, name: str) -> Any:
        """Rewrite `self.name(...)`."""
        method = self.outline.method(name)
        if method is None and name in API and name not in self.outline.declaration.state:
            self.check(node, method_signature(name), f"self.{name}")
            return self.log(node) if name == "log" else self.with_arguments(node)
        if method is None or method.kind == "property":
            self.own(node.func)  # type: ignore[arg-type]
            raise self.refusal(f"self.{name} is not a method and cannot be called")
        return self.call_of(node, name, method)

    def super_call(self, node: ast.Call, name: str) -> Any:
        """Rewrite `super().name(...)`: a call of the base class's method under its own name."""
        assert self.owner is not None
        method = self.outline.method(name, after=self.owner)
        if method is None:
            if name in dict.fromkeys(constructs.CALLBACK_NAMES):
                return ast.copy_location(ast.Constant(None), node)
            raise self.refusal(f"super().{name} cannot be compiled; call self.{name}(...)")
        return self.call_of(node, f"{name}_of_{method.owner.__name__}", method)

    def call_of(self, node: ast.Call, name: str, method: Method) -> Any:
        """Return a call of one of the user's methods."""
        signature = inspect.signature(method.function)
        if method.kind == "static":
            self.check(node, signature, f"self.{method.name}")
            node.func = self.value(node.func, method.function, method.name)
            return self.with_arguments(node)
        bare = signature.replace(parameters=list(signature.parameters.values())[1:])
        self.check(node, bare, f"self.{method.name}")
        self.located(lambda: self.rewriter.add_method(name, method))
        node.func = ast.copy_location(
            ast.Attribute(ast.Name(self.me, ast.Load()), name, ast.Load()), node.func
        )
        return self.with_arguments(node)

    def log(self, node: ast.Call) -> Any:
        """Rewrite `self.log(text, ...)`: the text becomes a number."""
        text = constructs.text_of(node, lambda name: values.lookup(self.text.function, name))
        if not isinstance(text, str):
            raise self.refusal(
                "the first argument of self.log must be a text in quotes; give numbers after it: "
                'self.log("spread", x, y)'
            )
        if len(node.args) > _MAX_LOG_VALUES + 1:
            raise self.refusal(
                f"self.log has {len(node.args) - 1} numbers, at most {_MAX_LOG_VALUES} go into "
                "a line"
            )
        number = ast.copy_location(ast.Constant(self.rewriter.text_number(text)), node)
        numbers = [self.visit(argument) for argument in node.args[1:]]
        node.args, node.keywords = [number, *numbers], []
        return node
