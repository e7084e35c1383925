"""``livekit bench ring``: the rings against C++ and the source document, in one run.

Layer 5.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livekit.bench.fan import fan_rows
from livekit.bench.pair import pair_rows
from livekit.bench.report import Row
from livekit.config import private_folder, runtime_root

__all__ = ["private_memory", "ring_rows"]


@contextmanager
def private_memory() -> Iterator[Path]:
    """Give a private folder in shared memory that is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=private_folder(runtime_root())))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ring_rows(*, quick: bool = False) -> list[Row]:
    """Run the whole benchmark; `quick` makes it short and its figures rough."""
    with private_memory() as folder:
        pair = pair_rows(folder, 100_000, 3) if quick else pair_rows(folder)
        fan = fan_rows(folder, 0.05, 1) if quick else fan_rows(folder)
    return pair + fan
