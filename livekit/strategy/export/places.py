"""Whether a new Python process would find a module that this one has imported.

An exported file lies in the cache and is run by other processes. They find what is
installed, and no module that lies beside the notebook.
Layer 2.
"""

import importlib.metadata
import os
import site
import sys
import sysconfig
from functools import lru_cache
from pathlib import Path

__all__ = ["local_file"]


def local_file(name: str, home: Path | None = None) -> Path | None:
    """Return where a module lies that a new Python process would not find.

    Parameters
    ----------
    name : str
        Full name of a module.
    home : Path, optional
        A folder whose modules it would find.

    Returns
    -------
    Path or None
        None when the module is installed, part of Python, or not loaded.
    """
    top = name.partition(".")[0]
    module = sys.modules.get(top)
    if top == "livekit" or module is None:
        return None
    origin = getattr(module, "__file__", None)
    if origin is None:
        path = next(iter(getattr(module, "__path__", ())), None)
        place = Path(path) if path is not None else None
        return _unless_found(place, place.parent, top, home) if place is not None else None
    place = Path(origin).resolve()
    folder = place.parent.parent if place.name == "__init__.py" else place.parent
    return _unless_found(place, folder, top, home)


def _unless_found(place: Path, folder: Path, top: str, home: Path | None) -> Path | None:
    known = [*_start_folders(), *([home.resolve()] if home is not None else [])]
    if folder in known or top in sys.stdlib_module_names:
        return None
    return None if top in _installed() else place


def _start_folders() -> frozenset[Path]:
    """Return the folders in which every new process of this Python looks."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return _own_folders() | {Path(folder).resolve() for folder in given if folder}


@lru_cache(maxsize=1)
def _own_folders() -> frozenset[Path]:
    paths = sysconfig.get_paths()
    sites = {paths["purelib"], paths["platlib"], *site.getsitepackages()}
    if site.ENABLE_USER_SITE:
        sites.add(site.getusersitepackages())
    folders = {Path(paths["stdlib"]), Path(paths["platstdlib"]), *map(Path, sites)}
    folders.add(Path(paths["stdlib"]) / "lib-dynload")
    for place in map(Path, sites):
        for file in sorted(place.glob("*.pth")):  # packages installed to be edited
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            folders.update(place / line for line in lines if line and not line.startswith("import"))
    return frozenset(folder.resolve() for folder in folders)


@lru_cache(maxsize=1)
def _installed() -> frozenset[str]:
    """Return the modules of installed distributions; those to be edited come by finders."""
    return frozenset(importlib.metadata.packages_distributions())
