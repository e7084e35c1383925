"""What cannot be compiled, said with the user's line and in one sentence.

A `Refusal` is raised where the fault is seen: by the reader of the text, which knows
the line, or in the middle of Numba's type inference, which does not say it in words.
`translate` turns either, and Numba's own errors, into one StrategyError:

    strategies/pairs.py:31: self.sprd is not declared; did you mean 'spread'? (in on_quote)

Layer 2.
"""

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any, Final

from numba import types
from numba.core import errors

from livekit.errors import StrategyError

__all__ = ["Refusal", "did_you_mean", "display_path", "noun", "translate"]


class Refusal(StrategyError):  # noqa: N818 - it is an answer, and a StrategyError to everybody else
    """A construct that cannot be compiled.

    Parameters
    ----------
    sentence : str
    path, line : str and int, optional
        The user's place, where it is known.
    where : str
        The method, for the end of the message.
    """

    def __init__(self, sentence: str, path: str = "", line: int = 0, where: str = "") -> None:
        self.sentence, self.path, self.line, self.where = sentence, path, line, where
        place = f"{display_path(path)}:{line}: " if path else ""
        super().__init__(f"{place}{sentence}{f' (in {where})' if where else ''}")


_NOUNS: Final[tuple[tuple[Any, str], ...]] = (
    (types.Boolean, "a bool"),
    (types.Integer, "an int"),
    (types.Float, "a float"),
    (types.UnicodeType, "a str"),
    (types.StringLiteral, "a str"),
    (types.NoneType, "None"),
    (types.Omitted, "None"),
    (types.Array, "an array"),
    (types.BaseTuple, "a tuple"),
    (types.List, "a list"),
)


def noun(kind: Any) -> str:
    """Return what a trader calls a value of a Numba type."""
    if isinstance(kind, types.Optional):
        return f"{noun(kind.type)} or None"
    kind = types.unliteral(kind) if not isinstance(kind, types.StringLiteral) else kind
    for numba_type, text in _NOUNS:
        if isinstance(kind, numba_type):
            return text
    called = getattr(kind, "called", None)
    return called if isinstance(called, str) else "something else"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?", or nothing when no name is near."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 1)
    close += [other for other in names if other.startswith(f"{name}_")]
    return f"; did you mean {close[0]!r}?" if close else ""


def display_path(path: str) -> str:
    """Return a path relative to the working directory where that is shorter."""
    try:
        return str(Path(path).resolve().relative_to(Path.cwd()))
    except ValueError:
        return path


_PATTERNS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (
        re.compile(r"[Vv]ariable '?(\w+?)(?:\.\d+)?'? referenced before (?:assignment|definition)"),
        "variable {0!r} has no value yet on this line; set it before",
    ),
    (re.compile(r"NameError: name '(\w+)' is not defined"), "name {0!r} is not defined"),
    (re.compile(r"Use of unsupported opcode \((\w+)\)"), "this construct cannot be compiled"),
)
_UNIFY: Final = re.compile(r"Cannot unify (.+?) and (.+?) for '(\w+?)(?:\.\d+)?'")
_RETURN: Final = re.compile(r"Can't unify return type from the following types: (.+)")
_SIGNATURE: Final = re.compile(r"found for signature:\s*>>> (\w+)\((.*)\)")
_ATTRIBUTE: Final = re.compile(r"Unknown attribute '(\w+)' of type ([^\n]+)")
_PLACE: Final = re.compile(r'File "([^"]+)", line (\d+)')
_DEFINED: Final = re.compile(r"defined at ([^\n]+?) \((\d+)\)")
_WORDS: Final = {
    "add": "+",
    "iadd": "+=",
    "sub": "-",
    "isub": "-=",
    "mul": "*",
    "imul": "*=",
    "truediv": "/",
    "itruediv": "/=",
    "floordiv": "//",
    "mod": "%",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
    "neg": "-",
    "and_": "&",
    "or_": "|",
    "contains": "in",
}


def _word(text: str) -> str:
    """Return what a trader calls a type that Numba printed."""
    text = text.strip()
    for start, word in (
        ("Literal[int]", "an int"),
        ("Literal[str]", "a str"),
        ("unicode_type", "a str"),
        ("int", "an int"),
        ("uint", "an int"),
        ("float", "a float"),
        ("bool", "a bool"),
        ("Literal[bool]", "a bool"),
        ("none", "None"),
        ("view", "an array"),
        ("readonly_view", "an array"),
        ("array", "an array"),
        ("symbol", "a symbol"),
        ("orders", "the open orders"),
        ("event.", "an event"),
        ("strategy", "self"),
        ("OptionalType", "a value or None"),
        ("Tuple", "a tuple"),
        ("UniTuple", "a tuple"),
        ("list", "a list"),
        ("reflected list", "a list"),
    ):
        if text.startswith(start):
            return word
    return text.split("<")[0]


def _split(arguments: str) -> list[str]:
    """Split a printed argument list at its outer commas."""
    parts, depth = [""], 0
    for sign in arguments:
        depth += (sign in "([<{") - (sign in ")]>}")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part for part in parts if part.strip()]


def _sentence(text: str) -> str:  # noqa: PLR0911 - one return per pattern
    """Say in one sentence what Numba's text means."""
    for pattern, sentence in _PATTERNS:
        if found := pattern.search(text):
            return sentence.format(*found.groups())
    if found := _UNIFY.search(text):
        one, other, name = found.groups()
        words = sorted((_word(one), _word(other)))
        return (
            f"variable {name!r} is {words[0]} in one place and {words[1]} in another; use two names"
        )
    if found := _RETURN.search(text):
        kinds = " and ".join(sorted({_word(kind) for kind in _split(found.group(1))}))
        return f"a method returns {kinds}; return one kind of value on every path"
    if found := _ATTRIBUTE.search(text):
        return f"{_word(found.group(2))} has no attribute {found.group(1)!r} in compiled code"
    if found := _SIGNATURE.search(text):
        name, arguments = found.groups()
        words = [_word(kind) for kind in _split(arguments)]
        if name == "getitem" and len(words) == 2:
            return f"{words[0]} cannot be indexed with {words[1]} in compiled code"
        return f"{_WORDS.get(name, name)!r} of {' and '.join(words)} cannot be compiled"
    return f"this cannot be compiled: {_first_line(text)}"


def _first_line(text: str) -> str:
    lines = [line.strip(" -.\x1b") for line in text.splitlines()]
    skip = ("Failed in nopython", "During:", "File ", "^", "<source")
    kept = [line for line in lines if line and not line.startswith(skip)]
    return kept[0] if kept else "numba gives no reason"


def _frame_place(frame: FrameType, files: set[str]) -> tuple[str, int] | None:
    """Return the user's place that one of Numba's frames is working on."""
    worker = frame.f_locals.get("self")
    place = getattr(worker, "loc", None)
    name = getattr(place, "filename", None)
    return (name, place.line) if place is not None and name in files else None


def _place(error: BaseException, files: set[str]) -> tuple[str, int]:
    """Find the user's innermost line that an error speaks of; ("", 0) when there is none."""
    own = getattr(error, "loc", None)
    if own is not None and own.filename in files:
        return own.filename, own.line
    found: tuple[str, int] = ("", 0)
    trace = error.__traceback__
    while trace is not None:
        found = _frame_place(trace.tb_frame, files) or found
        trace = trace.tb_next
    if isinstance(error, errors.NumbaError):
        text = str(error)
        # The innermost place stands first, but for the one a variable is "defined at".
        for name, line in [*_DEFINED.findall(text), *_PLACE.findall(text)]:
            path = os.path.abspath(name)  # noqa: PTH100 - Numba prints relative paths
            if path in files:
                return path, int(line)
    return found


def translate(error: BaseException, files: set[str], where: str) -> Refusal:
    """Return the Refusal that says what an error of Numba's compiler means.

    Parameters
    ----------
    error : BaseException
        A Refusal from inside type inference, or any of Numba's errors.
    files : set of str
        The user's files, as their code objects name them.
    where : str
        The method that was being compiled.
    """
    if isinstance(error, Refusal) and error.path:
        return error
    path, line = _place(error, files)
    text = error.sentence if isinstance(error, Refusal) else _sentence(str(error))
    return Refusal(text, path, line, where)
