"""What ships with livekit beside its code: notebooks, strategies and a recorded day.

In a clone they lie beside the package, in an installed wheel inside it. The name
``replay_data`` stands for the bundled day wherever no folder of that name lies.
Layer 0.
"""

from pathlib import Path
from typing import Final

from livekit.errors import NotFoundError

__all__ = ["bundled", "recording_folder"]

_DAY: Final = "replay_data"


def bundled(name: str) -> Path:
    """Return a file or folder that ships with livekit: in a wheel, or beside the package.

    Raises
    ------
    NotFoundError
        It is in neither place.
    """
    package = Path(__file__).resolve().parent
    for root in (package / "_bundled", package.parent):
        if (root / name).exists():
            return root / name
    raise NotFoundError(
        f"{name!r} is neither in the package nor beside it; run from a clone, or reinstall livekit"
    )


def recording_folder(root: str | Path) -> Path:
    """Return the folder that a user means: the one that is there, or the bundled day."""
    path = Path(root).expanduser()
    if str(root) == _DAY and not path.exists():
        return bundled(_DAY)
    return path
