"""Machine code of a user's callbacks, kept on disk under the hash of all it depends on.

The key is the rewritten text itself (every method and function a callback uses, with
its lines, constants and the layout of the class) together with the hash of livekit's
own sources, Numba and the processor. So a changed helper, constant or imported module
is a new key, and old code is never run; nothing has to be invalidated.
Layer 2.
"""

# mypy: disable-error-code="misc"
# Numba's classes are untyped.

import ast
import contextlib
import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from numba.core import caching

from livekit.ring.jit import CodeCache, cache_folder, source_hash
from livekit.strategy.compiled.layout import Layout
from livekit.strategy.compiled.rewrite import Rewriter, Text

__all__ = ["attach_cache", "digest"]

_KEEP: Final = 200
"""Texts whose machine code is kept; the oldest go first."""


def digest(layout: Layout, rewriter: Rewriter) -> str:
    """Return the hash of all that the machine code of a class depends on."""
    parts = [source_hash(), sys.version, repr(sorted(layout.fields.items()))]
    parts += [repr(sorted(layout.params.items())), repr((layout.symbols, layout.uses_book))]
    parts += [repr(sorted(rewriter.properties))]
    for name, text in sorted(rewriter.methods.items()):
        parts.append(f"{name}: {_dump(text)}")
    parts += sorted(_dump(text) for text in rewriter.functions.values())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _dump(text: Text) -> str:
    # The path is part of it: exceptions name the user's file and module.
    tree = ast.dump(text.node, include_attributes=True)
    function = text.function
    return f"{function.__module__} {function.__code__.co_filename} {sorted(text.names)} {tree}"


class _Locator(caching._CacheLocator):  # noqa: SLF001 - the way Numba offers
    """Where the code of one text lies."""

    def __init__(self, folder: Path, path: str) -> None:
        self._folder, self._py_file = folder, path

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """Return what must not change: the folder's name is the hash of everything."""
        return self._folder.name

    def get_disambiguator(self) -> str:
        """Return nothing: there is one text per folder."""
        return "0"

    def ensure_cache_path(self) -> None:
        """Make the folder."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @classmethod
    def from_function(cls, function: Any, path: str) -> "_Locator":
        """Find the folder that `attach_cache` wrote into the function."""
        return cls(Path(function.__globals__["__livekit_cache__"]), path)


class _Results(caching.CompileResultCacheImpl):
    _locator_classes: Final = [_Locator]


class _Cache(CodeCache):
    _impl_class = _Results


def attach_cache(dispatchers: Mapping[str, Any], key: str) -> Path:
    """Let the machine code of some functions be kept under a key; return its folder.

    The functions' globals get the folder's name.
    """
    root = cache_folder() / "strategies"
    folder = root / key
    for dispatcher in dispatchers.values():
        dispatcher.py_func.__globals__["__livekit_cache__"] = str(folder)
        dispatcher._cache = _Cache(dispatcher.py_func)  # noqa: SLF001 - as enable_caching does
    _forget_oldest(root, folder)
    return folder


def _forget_oldest(root: Path, current: Path) -> None:
    if not root.is_dir():
        return
    folders = [item for item in root.iterdir() if item != current and item.is_dir()]
    if len(folders) < _KEEP:
        return
    # Another process may do the same, or be writing there: what fails now is done later.
    with contextlib.suppress(OSError):
        folders.sort(key=lambda item: item.stat().st_mtime)
        for folder in folders[: len(folders) - _KEEP + 1]:
            for file in folder.iterdir():
                file.unlink(missing_ok=True)
            folder.rmdir()
