"""The modules beside a file: which it imports, and which only this folder knows.

A strategy's file may import its neighbours, so what runs is the file and them. An
exported file lies elsewhere and would not find them; installed packages it finds
wherever it lies.
Layer 2.
"""

import ast
import importlib.metadata
import os
import site
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

__all__ = ["local_file", "neighbours_of"]

_MAX_NEIGHBOURS: Final = 500
"""Files followed from one strategy; a folder with more is no strategy's."""


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
        tree = ast.parse(file.read_text(encoding="utf-8"))
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


def local_file(name: str, home: Path | None = None) -> Path | None:
    """Return where a module lies that a new Python process would not find.

    Parameters
    ----------
    name : str
        Full name of a module.
    home : Path, optional
        A folder whose modules it would find.

    Returns
    -------
    Path or None
        None when the module is installed, part of Python, or not loaded.
    """
    top = name.partition(".")[0]
    module = sys.modules.get(top)
    if top == "livekit" or module is None:
        return None
    origin = getattr(module, "__file__", None)
    if origin is None:
        path = next(iter(getattr(module, "__path__", ())), None)
        place = Path(path) if path is not None else None
        return _unless_found(place, place.parent, top, home) if place is not None else None
    place = Path(origin).resolve()
    folder = place.parent.parent if place.name == "__init__.py" else place.parent
    return _unless_found(place, folder, top, home)


def _unless_found(place: Path, folder: Path, top: str, home: Path | None) -> Path | None:
    known = [*_start_folders(), *([home.resolve()] if home is not None else [])]
    if folder in known or top in sys.stdlib_module_names:
        return None
    return None if top in _installed() else place


def _start_folders() -> frozenset[Path]:
    """Return the folders in which every new process of this Python looks."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return _own_folders() | {Path(folder).resolve() for folder in given if folder}


@lru_cache(maxsize=1)
def _own_folders() -> frozenset[Path]:
    paths = sysconfig.get_paths()
    sites = {paths["purelib"], paths["platlib"], *site.getsitepackages()}
    if site.ENABLE_USER_SITE:
        sites.add(site.getusersitepackages())
    folders = {Path(paths["stdlib"]), Path(paths["platstdlib"]), *map(Path, sites)}
    folders.add(Path(paths["stdlib"]) / "lib-dynload")
    for place in map(Path, sites):
        for file in sorted(place.glob("*.pth")):  # packages installed to be edited
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            folders.update(place / line for line in lines if line and not line.startswith("import"))
    return frozenset(folder.resolve() for folder in folders)


@lru_cache(maxsize=1)
def _installed() -> frozenset[str]:
    """Return the modules of installed distributions; those to be edited come by finders."""
    return frozenset(importlib.metadata.packages_distributions())
