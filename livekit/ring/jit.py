"""How livekit compiles: one decorator, and one cache folder per state of the sources.

Numba's own cache is keyed by the file of the cached function only, so code that was
inlined from another file goes stale silently. The folder named here contains a hash
of the source files of the package, of Numba and of the processor, so machine code
of yesterday's `push` can never run on today's layout. The folders that no jitted code
reaches (UNCOMPILED) do not count. Loading the cache unpickles, therefore the folder is
private to the user.
Layer 1.
"""

import hashlib
import os
import platform
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

import numba
import numpy as np
from llvmlite import binding
from numba import config as numba_config
from numba import types
from numba.core import caching
from numba.core.runtime import _nrt_python

from livekit.errors import ConfigError

__all__ = [
    "UNCOMPILED",
    "CodeCache",
    "cache_folder",
    "compile_cached",
    "hot",
    "i64",
    "inlined",
    "inner",
    "source_hash",
]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_PACKAGE: Final = Path(__file__).resolve().parent.parent

UNCOMPILED: Final = (
    "cli/",
    "notebook/",
    "okxsim/",
    "research/report/",
    "strategy/code_hash.py",
    "strategy/export/",
)
"""Parts of the package without jitted code and without a constant that it freezes."""

_OPTIONS: Final = {"nogil": True, "error_model": "numpy", "forceinline": False}
"""No GIL: a long loop must not deafen the process. numpy error model: a division by
zero gives inf as the hardware does, instead of a branch and an exception. Said of every
function, because what is compiled on behalf of an inlined one would inherit that."""

_UNSEEN: Final = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


i64: Final[Any] = np.int64
"""int64 of a record's field, whatever integer it is; in jitted code an int like any other."""


@lru_cache(maxsize=1)
def source_hash() -> str:
    """Return the hash of the package's sources, Numba, and the processor."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        relative = path.relative_to(_PACKAGE).as_posix()
        if relative.startswith(UNCOMPILED):
            continue
        digest.update(relative.encode())
        digest.update(path.read_bytes())
    for part in (numba.__version__, platform.machine(), binding.get_host_cpu_name()):
        digest.update(part.encode())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Return the folder of compiled code for these sources, made private to the user.

    Raises
    ------
    ConfigError
        The folder belongs to somebody else or may be written by others.
    """
    base = os.environ.get("LIVEKIT_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    root = Path(base) if base else Path.home() / ".cache"
    folder = root / "livekit" / source_hash()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise ConfigError(
            f"cache folder {str(folder)!r} belongs to uid {status.st_uid} with mode "
            f"{status.st_mode & 0o777:o}, expected uid {os.getuid()} and 700; remove it, or set "
            "LIVEKIT_CACHE_DIR to a folder of your own"
        )
    return folder


@lru_cache(maxsize=1)
def _own_folder() -> Path:
    """Make and check the folder once, and not for each of 300 functions."""
    return cache_folder()


@lru_cache(maxsize=1)
def _add_runtime() -> None:
    """Tell LLVM where the functions of Numba's memory are, as filling the registries does."""
    for name, address in _nrt_python.c_helpers.items():
        binding.add_symbol(name if name.startswith("_") else f"NRT_{name}", address)


class CodeCache(caching.FunctionCache):  # type: ignore[misc] # Numba is untyped
    """Numba's cache, that loads machine code without what only compiling needs.

    Numba fills its registries (all it knows of NumPy and Python, 0.2 s) before it looks
    into the cache. Code that is there was compiled with them and needs them no more, so a
    process that finds everything compiled never fills them.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what was compiled for a signature, or None."""
        _add_runtime()
        return self._load_overload(sig, target_context)


def compile_cached(function: Callable[..., Any], folder: Path, **options: Any) -> Any:
    """Return `function` jitted, with its machine code cached below `folder`.

    Numba reads its cache setting when a function is decorated, so the setting is
    changed for just that moment: a notebook's own functions keep their own cache.
    """
    previous = numba_config.CACHE_DIR
    numba_config.CACHE_DIR = str(folder)
    try:
        dispatcher = numba.njit(**{**_OPTIONS, **options})(function)
        dispatcher._cache = CodeCache(function)  # noqa: SLF001 - as enable_caching does
        return dispatcher
    finally:
        numba_config.CACHE_DIR = previous


def hot(function: _Function) -> _Function:
    """Jit a function of the hot path: no GIL, no reference counts, cached.

    Arguments that are constants where it is called do not make a version of it each.
    """
    compiled: _Function = _without_literals(compile_cached(function, _own_folder()))
    return compiled


def inner(function: _Function) -> _Function:
    """Jit a function as `hot` does, but for jitted callers only: Python cannot call it."""
    compiled: _Function = _without_literals(compile_cached(function, _own_folder(), **_UNSEEN))
    return compiled


def inlined(function: _Function) -> _Function:
    """Jit a function as `inner` does, its code standing in every caller's.

    For what every event goes through: a call costs 2 ns, a tenth of an event.
    """
    options = {**_UNSEEN, "forceinline": True}
    compiled: _Function = _without_literals(compile_cached(function, _own_folder(), **options))
    return compiled


def _without_literals(dispatcher: Any) -> Any:
    """Let calls from jitted code give the types of their arguments without the values.

    Numba compiles a function anew for every constant it is called with, since ``f(x, 3)``
    has the type of a literal; one function of the trading core had twelve versions. Here
    an integer is an int64, whatever it is: 8 s of cold compile in place of 22.
    """
    template_of = dispatcher.get_call_template

    def get_call_template(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        plain = tuple(types.unliteral(kind) for kind in args)
        return template_of(plain, {name: types.unliteral(kind) for name, kind in kws.items()})

    dispatcher.get_call_template = get_call_template
    return dispatcher
