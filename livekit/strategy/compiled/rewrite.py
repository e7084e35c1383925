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
from types import FunctionType
from typing import Any

from livekit.strategy.compiled.calling import Caller
from livekit.strategy.compiled.outline import Method, Outline, definition
from livekit.strategy.compiled.refusal import Refusal

__all__ = ["Rewriter", "Text"]


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
        node = _copied(definition(function))
        text = Text(function, node)
        try:
            Caller(self, text, owner).run()
        finally:
            self._open.pop()
        return text


def _copied(item: Any) -> Any:
    """Copy a syntax tree; in a quarter of the time of `copy.deepcopy`, at every run."""
    if isinstance(item, ast.AST):
        twin = type(item)()
        # Not what others tied to it, which may lead back up.
        for name in (*item._fields, *item._attributes):  # noqa: SLF001
            if hasattr(item, name):
                setattr(twin, name, _copied(getattr(item, name)))
        return twin
    return [_copied(one) for one in item] if isinstance(item, list) else item
