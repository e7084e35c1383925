"""A world without a future: recorded data as it would be had nothing happened yet.

Inside `poisoned(root, at_ns, how)`, whoever opens a recording below `root` sees its rows
after `at_ns` with every number replaced. That holds for livekit's own ways (`lk.load`,
`Catalog`), for Python's `open` in all its forms (so for NumPy and pandas too) and for
pyarrow's. Times, order and the number of rows stay, so that a reader that looks only
backwards notices nothing.

What it does not reach: native readers of their own (DuckDB, Polars), and a file that
somebody computed from the future beforehand.
Layer 3. One at a time in a process; paths outside the root are left alone.
"""

import contextlib
import importlib
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.events import Kind
from livekit.store.catalog import Catalog
from livekit.store.schema import KIND_NAMES, kind_of

__all__ = ["POISONS", "poison", "poisoned"]

POISONS: Final = ("nan", "huge")
"""Every number missing; every number a thousand times itself, and sides exchanged."""

_FACTOR: Final = 1000.0
_OPENERS: Final = (
    ("builtins", "open"),
    ("io", "open"),
    ("os", "open"),
    ("pyarrow", "OSFile"),
    ("pyarrow", "input_stream"),
    ("pyarrow", "memory_map"),
    ("pyarrow.dataset", "dataset"),
    ("pyarrow.parquet", "ParquetDataset"),
    ("pyarrow.parquet", "ParquetFile"),
    ("pyarrow.parquet", "read_table"),
)
"""What takes a path as its first argument and reads it."""

_KINDS: Final = frozenset(KIND_NAMES.values())
_lock: Final = threading.Lock()


def poison(rows: np.ndarray, at_ns: int, how: str) -> np.ndarray:
    """Return a copy of rows of one kind with the numbers after a time replaced.

    Parameters
    ----------
    rows : structured array of a market kind
    at_ns : int
        Rows with a later `ts_recv` are poisoned.
    how : str
        One of POISONS.
    """
    found = np.array(rows)
    later = found["ts_recv"] > at_ns
    dtype = found.dtype
    for name in dtype.names or ():
        if dtype[name].base.kind == "f":
            found[name][later] = np.nan if how == "nan" else found[name][later] * _FACTOR
    if len(found) and found["kind"][0] == Kind.TRADE and how == "huge":
        found["aux"][later] ^= 1
    return found


@contextlib.contextmanager
def poisoned(root: str | Path, at_ns: int, how: str) -> Iterator[None]:
    """Let everybody in this process see the recordings below `root` poisoned.

    Parameters
    ----------
    root : path
        Folder of a catalog; empty for none, and then nothing is changed.
    at_ns : int
        The last time, ns since the epoch, that is as it was recorded.
    how : str
        One of POISONS.
    """
    if not root:
        yield
        return
    with _lock, tempfile.TemporaryDirectory(prefix="livekit-verify-") as folder:
        mirror = _Mirror(Path(root), Path(folder), at_ns, how)
        with contextlib.ExitStack() as stack:
            for module, name in _OPENERS:
                stack.enter_context(_replaced(importlib.import_module(module), name, mirror.opener))
            stack.enter_context(_replaced(Catalog, "read", mirror.reader))
            yield


@contextlib.contextmanager
def _replaced(owner: Any, name: str, wrap: Callable[[Any], Any]) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, wrap(before))
    try:
        yield
    finally:
        setattr(owner, name, before)


class _Mirror:
    """Poisoned copies of what is opened, each made when it first is."""

    def __init__(self, root: Path, folder: Path, at_ns: int, how: str) -> None:
        self._root = Path(os.path.realpath(root))
        self._folder, self._at_ns, self._how = folder, at_ns, how
        self._own = threading.local()  # set while this class itself reads

    def opener(self, function: Any) -> Any:
        """Return a function that opens the poisoned copy of what the caller names."""

        def opened(path: Any, *arguments: Any, **options: Any) -> Any:
            return function(self._of(path), *arguments, **options)

        return opened

    def reader(self, read: Any) -> Any:
        """Return `Catalog.read` with its rows poisoned."""

        def poisoned_read(catalog: Catalog, *arguments: Any, **options: Any) -> np.ndarray:
            with self._reading():
                rows = read(catalog, *arguments, **options)
            if Path(os.path.realpath(catalog.root)) != self._root or self._is_own:
                return rows
            return poison(rows, self._at_ns, self._how)

        return poisoned_read

    @property
    def _is_own(self) -> bool:
        return getattr(self._own, "depth", 0) > 0

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        self._own.depth = getattr(self._own, "depth", 0) + 1
        try:
            yield
        finally:
            self._own.depth -= 1

    def _of(self, path: Any) -> Any:
        """Return where to open a path: itself, or a poisoned copy."""
        if isinstance(path, list | tuple):
            return [self._of(one) for one in path]
        if self._is_own or not isinstance(path, str | os.PathLike):
            return path
        real = Path(os.path.realpath(path))
        if real != self._root and self._root not in real.parents:
            return path
        with self._reading():
            return self._copy(real)

    def _copy(self, real: Path) -> Path | str:
        place = self._folder / real.relative_to(self._root)
        if real.is_dir():
            for one in sorted(real.rglob("*")):
                if one.is_file():
                    self._copy(one)
            return str(place)
        if place.exists() or not real.is_file():
            return str(place) if place.exists() else str(real)
        place.parent.mkdir(parents=True, exist_ok=True)
        parts = real.relative_to(self._root).parts
        if len(parts) == 4 and parts[2] in _KINDS and real.suffix == ".parquet":
            venue, symbol, kind, _ = parts
            rows = Catalog(self._root).read(symbol, kind, real.stem, venue)
            rows = poison(rows, self._at_ns, self._how)
            Catalog(self._folder).write(symbol, kind_of(kind), real.stem, rows, venue)
        else:
            shutil.copyfile(real, place)
        return str(place)
