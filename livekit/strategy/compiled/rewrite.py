"""The text of a strategy made ready for Numba: names resolved, meanings pinned down.

Numba would take most methods as they stand, but not say in words what it does not take,
and not always compute what Python computes. So each method is read from its file as a
syntax tree and written anew, with the same lines:

- a name from outside the method is looked up now: numbers become constants, members of
  enumerations their numbers, the user's functions are compiled likewise, and anything
  else is refused with its line;
- `self.name` is checked against what the class declares; the names of instruments
  become places in `self.symbols`, and the texts of `self.log` numbers;
- what Numba computes otherwise than Python (`**`, `round`, `int`, `math`) becomes a call
  of a function that computes the same to the last bit (exact.py).

The tree that comes out is also what machine code is cached by: it contains all that a
callback depends on.
Layer 2.
"""

import ast
import copy
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any, Final

from livekit.strategy.compiled import constructs, values
from livekit.strategy.compiled.outline import (
    API,
    READABLE,
    Method,
    Outline,
    definition,
    method_signature,
)
from livekit.strategy.compiled.refusal import Refusal, did_you_mean

__all__ = ["Rewriter", "Text"]

_MAX_LOG_VALUES: Final = 4
_TAKES_SYMBOL: Final = frozenset(
    {"buy", "sell", "send_order", "cancel_all", "close", "position", "book", "instrument"}
)


class Text:
    """One function of the user's, rewritten.

    Attributes
    ----------
    node : ast.FunctionDef
    function : function
        The original.
    names : dict
        What the names from outside stand for: exact functions, arrays, exception
        classes, and the Texts of the user's other functions.
    """

    def __init__(self, function: FunctionType, node: ast.FunctionDef) -> None:
        self.function, self.node = function, node
        self.names: dict[str, Any] = {}

    def compile(self, names: dict[str, Any]) -> FunctionType:
        """Return the rewritten function, its outside names bound as given."""
        module = ast.Module(body=[self.node], type_ignores=[])
        code = compile(module, self.function.__code__.co_filename, "exec", dont_inherit=True)
        scope: dict[str, Any] = {"__name__": __name__, **names}
        exec(code, scope)  # noqa: S102 - the user's own text
        made: FunctionType = scope[self.node.name]
        made.__qualname__ = self.function.__qualname__
        return made


class Rewriter:
    """Rewrites the methods of one class, and the functions that they use.

    Parameters
    ----------
    outline : Outline

    Attributes
    ----------
    texts : dict of str to int
        Numbers of the texts that `self.log` writes.
    methods : dict of str to Text
        Callbacks, helper methods and getters, by the name machine code knows them by.
    properties : set of str
    functions : dict of function to Text
    """

    def __init__(self, outline: Outline) -> None:
        self.outline = outline
        self.texts: dict[str, int] = {}
        self.methods: dict[str, Text] = {}
        self.properties: set[str] = set()
        self.functions: dict[FunctionType, Text] = {}
        self._open: list[FunctionType] = []

    def add_method(self, name: str, method: Method) -> Text:
        """Rewrite a method and all that it uses, once."""
        if method.function in self._open:
            raise Refusal(f"{method.name!r} calls itself, which compiled code cannot")
        if name not in self.methods:
            if method.kind == "property":
                self.properties.add(name)
            self.methods[name] = self._rewrite(method.function, method.owner)
        return self.methods[name]

    def add_function(self, function: FunctionType) -> Text:
        """Rewrite a function of the user's outside the class, once."""
        if function in self._open:
            raise Refusal(f"{function.__name__!r} calls itself, which compiled code cannot")
        if function not in self.functions:
            self.functions[function] = self._rewrite(function, None)
        return self.functions[function]

    def text_number(self, text: str) -> int:
        """Return the number of a log text."""
        return self.texts.setdefault(text, len(self.texts))

    def _rewrite(self, function: FunctionType, owner: type | None) -> Text:
        self._open.append(function)
        node = copy.deepcopy(definition(function))
        text = Text(function, node)
        try:
            _Function(self, text, owner).run()
        finally:
            self._open.pop()
        return text


class _Function(ast.NodeTransformer):
    """Rewrites one function."""

    def __init__(self, rewriter: Rewriter, text: Text, owner: type | None) -> None:
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
        stored = (n.id for n in ast.walk(text.node) if _is_stored(n))
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
        if isinstance(value, FunctionType) and not values.is_exact(value):
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
        chain = _chain(node)
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
        constant = self.outline.cls.timer if name == "timer" else self.outline.constant(name)
        if constant is Outline.NOTHING:
            hint = did_you_mean(name, self.outline.names())
            raise self.refusal(
                f"self.{name} is not declared{hint or f'; declare it in the class: {name}: float'}"
            )
        return self.value(node, constant, f"self.{name}")

    # Assignments.

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
            raise self.refusal("only variables and fields of self can be assigned")
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

    # Calls.

    def visit_Call(self, node: ast.Call) -> Any:
        """Rewrite a call, its arguments checked where the function is known."""
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                raise self.refusal("a call with * cannot be compiled; write the arguments")
        if any(keyword.arg is None for keyword in node.keywords):
            raise self.refusal("a call with ** cannot be compiled; write the arguments")
        function = node.func
        if isinstance(function, ast.Attribute):
            if self.is_me(function.value):
                return self.own_call(node, function.attr)
            if constructs.is_super(function.value):
                return self.super_call(node, function.attr)
            if name := constructs.exact_method(function.attr):
                if not _chain(function) or _chain(function)[0] in self.local | {self.me}:
                    arguments = [self.visit(argument) for argument in node.args]
                    return self.exact(name, node, self.visit(function.value), *arguments)
        if text := constructs.float_of_text(node):
            return ast.copy_location(ast.Constant(float(text)), node)
        called = self.visit(function)
        known = self.text.names.get(called.id) if isinstance(called, ast.Name) else None
        if isinstance(known, FunctionType) and not values.is_exact(known):
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
                'the first argument of self.log must be a text in quotes; give numbers after it: '
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


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)


def _chain(node: ast.expr) -> list[str]:
    """Return the names of `a.b.c`, empty when it does not begin with a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []
