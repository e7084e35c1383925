"""The name of what runs: 16 digits over the text of a strategy's file.

The header that livekit writes does not count, nor how lines end or whether blank lines
stand at either end. So a cell, its cached export and the file that `lk.export` wrote of
it have one hash as long as their text is one, and a run says which text it ran.

A file that imports modules of its own folder is hashed together with them, since they
run as well: a changed neighbour is a changed strategy. Without neighbours the hash is
that of the text alone. Installed packages do not count; a run's meta names livekit's
version, the rest is the environment's.
Layer 2.
"""

import ast
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from livekit.errors import NotFoundError, StrategyError
from livekit.strategy.export.neighbours import neighbours_of

__all__ = ["CACHE_HEADER", "FILE_HEADER", "body_of", "code_hash_of", "text_hash"]

CACHE_HEADER: Final = (
    "# Made by livekit from the {place}: {name}, {hash}.\n# Edit the {source}, not this file.\n\n"
)
"""Of exports in the cache."""

FILE_HEADER: Final = (
    "# Written by livekit from the {place}: {name}. Yours to edit from here on.\n\n"
)
"""Of files that `export` writes for the user."""

_HEADER: Final = re.compile(
    r"\A(?:# Made by livekit from the \w+: \w+, [0-9a-f]{16}\.\n# Edit the \w+, not this file\.\n"
    r"|# Written by livekit from the \w+: \w+\. Yours to edit from here on\.\n)"
)


def body_of(text: str) -> str:
    """Return a text as it is hashed: without livekit's header, with plain line ends."""
    plain = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return _HEADER.sub("", plain).strip("\n") + "\n"


def text_hash(text: str, others: Sequence[tuple[str, str]] = ()) -> str:
    """Return the 16 hex digits of a text.

    Parameters
    ----------
    text : str
        Its header does not count.
    others : sequence of (name, text)
        Of the neighbours it imports, sorted.
    """
    digest = hashlib.sha256(body_of(text).encode())
    for name, other in others:
        digest.update(f"\0{name}\0{body_of(other)}".encode())
    return digest.hexdigest()[:16]


def code_hash_of(path: Path | str, class_name: str | None = None) -> str:
    """Return the hash of a strategy's file and of the neighbours it imports.

    Parameters
    ----------
    path : Path or str
        Is not run.
    class_name : str, optional
        A class that must be in it. All classes of a file have one hash.

    Raises
    ------
    NotFoundError
        There is no such file, or no such class in its text.
    StrategyError
        It, or a neighbour, is no text.
    """
    file = Path(path)
    if not file.is_file():
        raise NotFoundError(
            f"strategy file {str(file)!r} does not exist; give the path of a Python file, such as "
            "strategies/momentum.py"
        )
    file = file.resolve()
    text = _text(file)
    if class_name is not None:
        _check_class(file, text, class_name)
    others = [(o.relative_to(file.parent).as_posix(), _text(o)) for o in neighbours_of(file)]
    return text_hash(text, others)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StrategyError(f"file {str(file)!r} cannot be read as text: {error}") from error


def _check_class(file: Path, text: str, name: str) -> None:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise StrategyError(f"file {str(file)!r} is no Python: {error}") from error
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    if name not in names:
        raise NotFoundError(
            f"file {str(file)!r} defines no class {name!r}; there is "
            + (", ".join(map(repr, names)) or "none")
        )
