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
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from livekit.errors import NotFoundError, StrategyError

__all__ = ["CACHE_HEADER", "FILE_HEADER", "body_of", "code_hash_of", "neighbours_of", "text_hash"]

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

_MAX_NEIGHBOURS: Final = 500
"""Files followed from one strategy; a folder with more is no strategy's."""


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
    digest = hashlib.sha256(_bytes(text))
    for name, other in others:
        digest.update(f"\0{name}\0".encode() + _bytes(other))
    return digest.hexdigest()[:16]


def _bytes(text: str) -> bytes:
    return body_of(text).encode("utf-8", "surrogateescape")


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
        A class was asked for and the file is no Python.
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
    """Return a file's text; bytes that are no UTF-8 are kept as they are."""
    return file.read_bytes().decode("utf-8", "surrogateescape")


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


def neighbours_of(path: Path) -> list[Path]:
    """Return the other files of a file's folder that it imports, directly or through them.

    Imports are read from the text, wherever they stand in it. A package counts with its
    ``__init__.py`` and the modules that are imported from it.

    Parameters
    ----------
    path : Path
        A Python file; one that is no Python has no neighbours.

    Returns
    -------
    list of Path
        Sorted, without the file itself.
    """
    folder = path.parent
    found: set[Path] = set()
    waiting = [path]
    while waiting and len(found) < _MAX_NEIGHBOURS:
        file = waiting.pop()
        for name in _imported(file, folder):
            new = [part for part in _files(folder, name) if part != path and part not in found]
            found.update(new)
            waiting += new
    return sorted(found)


def _imported(file: Path, folder: Path) -> Iterator[str]:
    """Yield the full names of the modules that a text imports, or may."""
    try:
        tree = ast.parse(_text(file))
    except (OSError, SyntaxError, ValueError):
        return
    package = file.relative_to(folder).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            yield base
            yield from (f"{base}.{alias.name}".strip(".") for alias in node.names)


def _files(folder: Path, name: str) -> Iterator[Path]:
    """Yield the files below a folder that importing a module of this name runs."""
    parts = name.split(".")
    if not name or parts[0] in {"livekit", *sys.builtin_module_names}:
        return
    for depth in range(1, len(parts) + 1):
        place = folder.joinpath(*parts[:depth])
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                yield file
                break
