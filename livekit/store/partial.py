"""The days of which a catalog holds only some of what its engine counted.

An engine numbers all its events, so a hole in the numbers of a day is a loss, unless
the recorder was asked for some symbols or kinds only, or the engine counted anew. The
recorder notes such days in ``<root>/<venue>/partial_days.json``, and `check` reads it.
Layer 3.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from livekit.errors import DataError
from livekit.store.files import stage_by

__all__ = ["note_partial_days", "partial_days"]

_NAME: Final = "partial_days.json"


def partial_days(root: Path, venue: str) -> frozenset[str]:
    """Return the days noted for a venue.

    Raises
    ------
    DataError
        The file holds something else.
    """
    path = root / venue / _NAME
    try:
        days = json.loads(path.read_text())
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError) as error:
        raise DataError(f"{str(path)!r} cannot be read ({error}); remove it") from error
    if not isinstance(days, list) or not all(isinstance(day, str) for day in days):
        raise DataError(f"{str(path)!r} is not a list of days such as '2026-01-05'; remove it")
    return frozenset(days)


def note_partial_days(root: Path, venue: str, days: Iterable[str]) -> None:
    """Add days to those noted for a venue."""
    known = partial_days(root, venue)
    wanted = known | frozenset(days)
    if wanted == known:
        return
    text = json.dumps(sorted(wanted), indent=0).encode()
    path = root / venue / _NAME
    stage_by(path, lambda file: _write(file.fileno(), text)).replace(path)


def _write(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]
