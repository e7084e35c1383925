"""Assignments in the text of a strategy: what may be assigned, and that it fits.

Layer 2.
"""

import ast
import copy
from typing import Any

from livekit.strategy.compiled.reading import Reader
from livekit.strategy.compiled.refusal import did_you_mean

__all__ = ["Assigner"]


class Assigner(Reader):
    """Rewrites the assignments of one function, besides what a Reader does."""

    def visit_Assign(self, node: ast.Assign) -> Any:
        """Check what is assigned to `self`, and keep each field's kind."""
        value = self.visit(node.value)
        simple = len(node.targets) == 1 and not isinstance(node.targets[0], ast.Tuple | ast.List)
        if simple:
            node.targets, node.value = [self.target(node.targets[0])], value
            node.value = self.fitting(node.targets[0], value)
            return node
        return self.spread(node, value)

    def spread(self, node: ast.Assign, value: ast.expr) -> list[ast.stmt]:
        """Rewrite `a = b = value` and `a, b = value` so that each field is checked."""
        made: list[ast.stmt] = []
        for target in node.targets:
            if isinstance(target, ast.Tuple | ast.List):
                names = [self.temporary() for _ in target.elts]
                left = ast.Tuple([ast.Name(name, ast.Store()) for name in names], ast.Store())
                made.append(ast.Assign([left], value))
                pairs = zip(target.elts, names, strict=True)
                for item, name in pairs:
                    if isinstance(item, ast.Tuple | ast.List | ast.Starred):
                        raise self.refusal("nested unpacking cannot be compiled; use two lines")
                    made.append(self.store(item, ast.Name(name, ast.Load())))
                continue
            if not isinstance(value, ast.Name) and len(node.targets) > 1:
                name = self.temporary()
                made.append(ast.Assign([ast.Name(name, ast.Store())], value))
                value = ast.Name(name, ast.Load())
            made.append(self.store(target, value))
        return [ast.copy_location(statement, node) for statement in made]

    def store(self, target: ast.expr, value: ast.expr) -> ast.stmt:
        """Return one checked assignment."""
        target = self.target(target)
        return ast.Assign([target], self.fitting(target, value))

    def temporary(self) -> str:
        """Return a fresh local name."""
        name = f"_part{len(self.local)}"
        self.local.add(name)
        return name

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        """Rewrite an annotated assignment as a plain one."""
        if node.value is None:
            return None
        plain = ast.Assign([node.target], node.value)
        return self.visit_Assign(ast.copy_location(plain, node))

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        """Rewrite `self.x += y` and `x **= y` in full."""
        target = self.target(node.target)
        is_power = isinstance(node.op, ast.Pow)
        if isinstance(target, ast.Subscript) and is_power:
            raise self.refusal("'**=' on an element cannot be compiled; write x[i] = x[i] ** n")
        if isinstance(target, ast.Subscript) or not (is_power or isinstance(target, ast.Attribute)):
            node.target, node.value = target, self.visit(node.value)
            return node
        current = copy.deepcopy(target)
        current.ctx = ast.Load()
        value: ast.expr = ast.BinOp(current, node.op, self.visit(node.value))
        ast.copy_location(value, node)
        if is_power and isinstance(value, ast.BinOp):
            value = self.exact("power", node, value.left, value.right)
        made = ast.Assign([target], self.fitting(target, value))
        return ast.copy_location(made, node)

    def target(self, node: ast.expr) -> Any:
        """Check the left side of an assignment."""
        self.line = node.lineno
        if isinstance(node, ast.Name):
            return node
        if isinstance(node, ast.Subscript):
            return self.generic_visit(node)
        if not isinstance(node, ast.Attribute) or not self.is_me(node.value):
            raise self.refusal(
                "only variables and fields of self can be assigned; make the function a method"
            )
        name, declaration = node.attr, self.outline.declaration
        if name in declaration.params:
            raise self.refusal(
                f"self.{name} is a parameter and cannot be assigned; keep a state field beside it"
            )
        if name not in declaration.state:
            hint = did_you_mean(name, declaration.state)
            declare = f"; declare it in the class: {name}: float = 0.0"
            raise self.refusal(f"self.{name} is assigned but not declared{hint or declare}")
        if declaration.state[name].shape:
            raise self.refusal(
                f"self.{name} is an array of fixed size; assign its elements: self.{name}[:] = ..."
            )
        return node

    def fitting(self, target: ast.expr, value: ast.expr) -> ast.expr:
        """Return the value, checked to be of the kind of the field it goes to."""
        if not isinstance(target, ast.Attribute):
            return value
        field = self.outline.declaration.state[target.attr]
        kind = {"<f8": "float", "<i8": "int", "?": "bool"}[field.code]
        checked = self.exact(f"as_{kind}", value, value, ast.Constant(target.attr))
        return ast.copy_location(checked, value)
