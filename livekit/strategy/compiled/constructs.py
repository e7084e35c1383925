"""What of Python's syntax compiled code does not have, and how to say so.

Layer 2.
"""

import ast
from collections.abc import Callable
from typing import Any, Final

from livekit.strategy.compiled.outline import ENTRIES

__all__ = [
    "CALLBACK_NAMES",
    "about_text",
    "exact_method",
    "float_of_text",
    "is_super",
    "refused",
    "refused_call",
    "text_of",
]

CALLBACK_NAMES: Final = ENTRIES

_REFUSED: Final[dict[type[ast.AST], str]] = {
    ast.Import: "an import inside a method cannot be compiled; import at the top of the file",
    ast.ImportFrom: "an import inside a method cannot be compiled; import at the top of the file",
    ast.With: "'with' cannot be compiled; a compiled strategy has no files and no locks",
    ast.AsyncWith: "'async with' cannot be compiled",
    ast.AsyncFor: "'async for' cannot be compiled",
    ast.FunctionDef: "a function inside a method cannot be compiled; define it outside the class",
    ast.AsyncFunctionDef: "a function inside a method cannot be compiled",
    ast.ClassDef: "a class inside a method cannot be compiled",
    ast.Lambda: "a lambda cannot be compiled; define a function outside the class",
    ast.Global: "a variable of the module cannot be assigned in compiled code; keep it in self",
    ast.Nonlocal: "an outer variable cannot be assigned in compiled code; keep it in self",
    ast.Delete: "'del' cannot be compiled",
    ast.Match: "'match' cannot be compiled; use if and elif",
    ast.Yield: "'yield' cannot be compiled",
    ast.YieldFrom: "'yield' cannot be compiled",
    ast.Await: "'await' cannot be compiled",
    ast.GeneratorExp: "a generator expression cannot be compiled; write a loop",
    ast.Dict: "a dict cannot be compiled; use lk.array(n) in the state, or run it interpreted",
    ast.DictComp: "a dict cannot be compiled; use lk.array(n) in the state, or run it interpreted",
    ast.Set: "a set cannot be compiled; use lk.array(n) in the state, or run it interpreted",
    ast.SetComp: "a set cannot be compiled; use lk.array(n) in the state, or run it interpreted",
    ast.JoinedStr: (
        "an f-string cannot be compiled; log a fixed text with numbers after it: "
        'self.log("spread", x, y)'
    ),
    ast.MatMult: "'@' cannot be compiled; write the product as a loop",
    ast.NamedExpr: "':=' cannot be compiled; assign on a line of its own",
    ast.Starred: "'*' cannot be compiled; write the items",
}
_OTHER_METHODS: Final = {
    "sum": "array_sum",
    "mean": "array_mean",
    "var": "array_var",
    "std": "array_std",
}
_UNKNOWN_TEXT: Final = "compiled code has text only in self.log, for symbols and in raise"


def refused(node: ast.AST) -> str:
    """Return why a node cannot be compiled, empty when it can."""
    if sentence := _REFUSED.get(type(node)):
        return sentence
    if isinstance(node, ast.Try) or type(node).__name__ == "TryStar":
        return _refused_try(node)
    if isinstance(node, ast.Raise):
        return _refused_raise(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, bytes | complex):
        return f"{node.value!r} cannot be compiled"
    return ""


def _refused_try(node: ast.AST) -> str:
    if not isinstance(node, ast.Try):
        return "'except*' cannot be compiled"
    if node.finalbody:
        return "'finally' cannot be compiled; write the lines after the try"
    for handler in node.handlers:
        is_any = handler.type is None or (
            isinstance(handler.type, ast.Name) and handler.type.id == "Exception"
        )
        if not is_any:
            return (
                f"'except {ast.unparse(handler.type)}' cannot be compiled; "  # type: ignore[arg-type]
                "only 'except Exception' can"
            )
        if handler.name:
            return f"'except Exception as {handler.name}' cannot be compiled; drop the name"
    return ""


def _refused_raise(node: ast.Raise) -> str:
    if node.exc is None:
        return "a bare 'raise' cannot be compiled; name the exception"
    if node.cause is not None:
        return "'raise ... from' cannot be compiled; raise without 'from'"
    return ""


def about_text(text: str, symbols: tuple[str, ...]) -> str:
    """Say why a text may not stand where it stands."""
    if symbols:
        return (
            f"{text!r} is not one of the class's symbols {symbols!r}: {_UNKNOWN_TEXT}; if it names "
            "an instrument, add it to symbols"
        )
    return (
        f"{text!r} is not known: {_UNKNOWN_TEXT}, and the class declares no symbols; if it names "
        f"an instrument, add symbols = ({text!r},)"
    )


def exact_method(name: str) -> str:
    """Return the function of exact.py for a method of arrays, empty when there is none."""
    return _OTHER_METHODS.get(name, "")


def refused_call(node: ast.Call) -> str:
    """Return why a call cannot be compiled whatever it calls, empty when it can."""
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        return "a call with * cannot be compiled; write the arguments"
    if any(keyword.arg is None for keyword in node.keywords):
        return "a call with ** cannot be compiled; write the arguments"
    return ""


def is_super(node: ast.AST) -> bool:
    """Tell whether a node is `super()`."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "super"
        and not node.args
    )


def float_of_text(node: ast.Call) -> str:
    """Return "nan" for `float("nan")`, and empty for any other call."""
    is_float = isinstance(node.func, ast.Name) and node.func.id == "float" and len(node.args) == 1
    if is_float and isinstance(node.args[0], ast.Constant):
        text = node.args[0].value
        if isinstance(text, str):
            try:
                float(text)
            except ValueError:
                return ""
            return text
    return ""


def text_of(call: ast.Call, look_up: Callable[[str], Any]) -> Any:
    """Return the text a log call writes: in quotes, or a constant of the module."""
    given = call.args[0] if call.args else None
    for keyword in call.keywords:
        given = keyword.value if keyword.arg == "text" else given
    if isinstance(given, ast.Constant):
        return given.value
    return look_up(given.id) if isinstance(given, ast.Name) else None
