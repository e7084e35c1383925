"""Starting processes that outlive the one that starts them.

Layer 4.
"""

import subprocess
from pathlib import Path
from typing import Final

__all__ = ["spawn_detached"]

_children: Final[list[subprocess.Popen[bytes]]] = []
"""Every process started here that has not been seen to end. A notebook or a test lives
as long as its engines: their ends are collected here, so that none stays a zombie."""


def spawn_detached(
    command: list[str], log: Path, descriptors: tuple[int, ...]
) -> subprocess.Popen[bytes]:
    """Start a process in its own session, its output appended to a log.

    Parameters
    ----------
    command : list of str
    log : Path
    descriptors : tuple of int
        Pipe ends it inherits; everything else is closed.
    """
    _children[:] = [child for child in _children if child.poll() is None]
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=descriptors,
        )
    _children.append(child)
    return child
