"""The rivals of the backtest benchmark, and the environments they live in.

They cannot share livekit's environment, nor all three one of their own: hftbacktest
wants a NumPy below 2.3 and vectorbt one above 2.4. So each is looked for in every
Python that the user names and in the two environments that `install` makes below the
user's cache folder; none of them is needed for livekit's own figures.
Layer 5.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livekit.errors import LivekitError, NotFoundError

__all__ = ["RIVALS", "Rival", "find_rivals", "install_rivals", "rivals_folder"]


@dataclass(frozen=True, slots=True)
class Rival:
    """One rival.

    Attributes
    ----------
    name : str
        As its makers write it.
    script : str
        File that runs the works in it.
    requirements : tuple of str
        What pip installs, pinned: these are the versions whose results are known.
    modules : tuple of str
        What has to be importable.
    environment : str
        Folder of the environment that it shares with those it can live with.
    """

    name: str
    script: str
    requirements: tuple[str, ...]
    modules: tuple[str, ...]
    environment: str


RIVALS: Final = {
    "hftbacktest": Rival(
        "hftbacktest",
        "run_hftbacktest.py",
        ("hftbacktest==2.4.4",),
        ("hftbacktest",),
        "events",
    ),
    "nautilus": Rival(
        "Nautilus Trader",
        "run_nautilus.py",
        ("nautilus_trader==1.221.0",),
        ("nautilus_trader",),
        "events",
    ),
    "vectorbt": Rival(
        "vectorbt",
        "run_vectorbt.py",
        ("vectorbt[rust]==1.2.0",),
        ("vectorbt", "vectorbt_rust"),
        "columns",
    ),
}
"""By the name they go by here."""

_PROBE: Final = (
    "import importlib.util as u, sys; "
    "print(*(name for name in sys.argv[1:] if u.find_spec(name) is not None))"
)
_INSTALL_S: Final = 1800


def rivals_folder() -> Path:
    """Return where `install_rivals` makes the environments."""
    base = os.environ.get("LIVEKIT_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "livekit" / "rivals"


def find_rivals(pythons: Sequence[Path]) -> dict[str, Path]:
    """Return the first Python that has each rival; those that are nowhere are left out.

    Parameters
    ----------
    pythons : sequence of Path
        Interpreters to look at before the environments of `install_rivals`.

    Raises
    ------
    NotFoundError
        One of `pythons` does not run.
    """
    names = sorted({rival.environment for rival in RIVALS.values()})
    own = [rivals_folder() / name / "bin" / "python" for name in names]
    wanted = sorted({module for rival in RIVALS.values() for module in rival.modules})
    found: dict[str, Path] = {}
    for python in [*pythons, *(path for path in own if path.exists())]:
        has = _modules(python, wanted)
        for key, rival in RIVALS.items():
            if has.issuperset(rival.modules):
                found.setdefault(key, python)
    return found


def _modules(python: Path, wanted: Sequence[str]) -> set[str]:
    """Return which of the modules a Python could import."""
    command = [str(python), "-c", _PROBE, *wanted]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotFoundError(
            f"{str(python)!r} does not run as a Python ({error}); --rivals takes the path of an "
            "interpreter, such as /path/to/environment/bin/python"
        ) from error
    return set(done.stdout.split())


def install_rivals() -> None:
    """Make the environments and install the rivals that they lack, with pip.

    Raises
    ------
    LivekitError
        pip refused; the message has its last words. What was made is removed.
    """
    missing = {key: rival for key, rival in RIVALS.items() if key not in find_rivals(())}
    for name in sorted({rival.environment for rival in missing.values()}):
        folder = rivals_folder() / name
        wanted = [
            requirement
            for rival in RIVALS.values()
            if rival.environment == name
            for requirement in rival.requirements
        ]
        python = folder / "bin" / "python"
        try:
            _run([sys.executable, "-m", "venv", "--clear", str(folder)])
            _run([str(python), "-m", "pip", "install", "--quiet", *wanted])
        except LivekitError:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=_INSTALL_S)
    except subprocess.CalledProcessError as error:
        words = (error.stderr or error.stdout).strip().splitlines()[-3:]
        raise LivekitError(f"{' '.join(command[:4])} … failed: {' | '.join(words)}") from error
    except subprocess.TimeoutExpired as error:
        raise LivekitError(
            f"{' '.join(command[:4])} … took more than {_INSTALL_S} s; try again, or install the "
            "rivals by hand and name their Python with --rivals"
        ) from error
