"""``livekit bench ring``: the rings against C++ and the source document, in one run.

Layer 5.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livekit.bench.fan import fan_rows
from livekit.bench.pair import pair_rows
from livekit.bench.processes import cores
from livekit.bench.report import Row
from livekit.config import private_folder, runtime_root
from livekit.engine.folder import LOCK
from livekit.errors import ConfigError

__all__ = ["private_memory", "ring_rows"]


@contextmanager
def private_memory() -> Iterator[Path]:
    """Give a private folder in shared memory that is removed at the end.

    It is locked as an engine's folder is: a command that clears up after dead engines
    leaves it alone, and removes it when this process has been killed.
    """
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=private_folder(runtime_root())))
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def ring_rows(*, quick: bool = False) -> list[Row]:
    """Run the whole benchmark; `quick` makes it short and its figures rough.

    Raises
    ------
    ConfigError
        Both sides of a ring spin; on one processor they would wait for each other's slices.
    """
    if len(cores()) < 2:
        raise ConfigError(
            "'livekit bench ring' measures two processes that both spin, and this one may use "
            "one processor; run it where there are two, or without 'taskset'"
        )
    with private_memory() as folder:
        pair = pair_rows(folder, 100_000, 3) if quick else pair_rows(folder)
        fan = fan_rows(folder, 0.05, 1) if quick else fan_rows(folder)
    return pair + fan
