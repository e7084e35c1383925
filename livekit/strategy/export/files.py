"""Writing exported files: whole or not at all, and never over something of the user's.

Layer 2.
"""

import contextlib
import difflib
import itertools
import os
import re
import secrets
from pathlib import Path
from typing import Final

from livekit.config import private_folder
from livekit.errors import ConfigError
from livekit.strategy.code_hash import body_of

__all__ = ["EXPORTS_KEPT", "cached_file", "exports_folder", "snake_name", "write_file"]

EXPORTS_KEPT: Final = 1000
"""Files the cache of exports keeps; those used longest ago go first."""

_DIFF_LINES: Final = 12


def exports_folder() -> Path:
    """Return the private folder of cached exports: in ``$LIVEKIT_CACHE_DIR`` or XDG's cache."""
    base = os.environ.get("LIVEKIT_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    root = (Path(base) if base else Path.home() / ".cache") / "livekit"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return private_folder(root / "exports").resolve()


def snake_name(name: str) -> str:
    """Return the name of a class as the name of a file: ``EmaCross`` is ``ema_cross``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return words.strip("_").lower() or "strategy"


def cached_file(name: str, code_hash: str, text: str) -> Path:
    """Return the file of the cache that holds a text, written if it is not there.

    The name has the hash, so a file never changes. One that holds anything else (it was
    edited, or a disk was full) is replaced.
    """
    path = exports_folder() / f"{name}-{code_hash}.py"
    data = text.encode()
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == data:
            os.utime(path)
            return path
    _replace(path, data, 0o600)
    _forget_oldest(path)
    return path


def write_file(path: Path, text: str, *, overwrite: bool) -> Path:
    """Write a file of the user's, unless it is there already.

    A file with the same text, header aside, is left as it is.

    Raises
    ------
    ConfigError
        The file has another text and `overwrite` is false, or it cannot be written.
    """
    mode = 0o666
    try:
        with contextlib.suppress(FileNotFoundError):
            old = path.read_text(encoding="utf-8", errors="replace")
            if body_of(old) == body_of(text):
                return path
            if not overwrite:
                raise ConfigError(
                    f"file {str(path)!r} exists with another text; export to another path, or "
                    f"pass overwrite=True to replace it\n{_short_diff(old, text)}"
                )
            mode = path.stat().st_mode & 0o777
        path.parent.mkdir(parents=True, exist_ok=True)
        # A link stays a link: what it points to is replaced.
        _replace(path.resolve(), text.encode(), mode)
    except OSError as error:
        raise ConfigError(f"file {str(path)!r} cannot be written: {error}") from error
    return path


def _replace(path: Path, data: bytes, mode: int) -> None:
    """Put a file in place in one step, so that a reader sees the old or the new."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _short_diff(old: str, new: str) -> str:
    lines = difflib.unified_diff(
        body_of(old).splitlines(), body_of(new).splitlines(), "file", "new", lineterm="", n=1
    )
    shown = list(itertools.islice(lines, _DIFF_LINES + 1))
    return "\n".join(shown[:_DIFF_LINES] + (["..."] if len(shown) > _DIFF_LINES else []))


def _forget_oldest(keep: Path) -> None:
    files = []
    for file in keep.parent.glob("*.py"):
        with contextlib.suppress(FileNotFoundError):  # another process does the same
            files.append((file.stat().st_mtime_ns, file))
    for _, file in sorted(files)[: max(0, len(files) - EXPORTS_KEPT)]:
        if file != keep:
            file.unlink(missing_ok=True)
