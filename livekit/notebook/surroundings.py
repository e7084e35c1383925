"""Where this process shows things: a notebook with widgets, a notebook without, a terminal.

Widgets are an extra. What needs them asks here first, and says in one line what to
install, or falls back to text.
Layer 5.
"""

import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from livekit.progress import in_notebook

__all__ = ["in_notebook", "problem_of", "shell", "widgets"]

_LEAST: Final = {"ipywidgets": (8, 0), "anywidget": (0, 9), "jupyterlab": (4, 0)}


def shell() -> Any:
    """Return the IPython shell this process is; None in plain Python."""
    try:
        from IPython import get_ipython  # noqa: PLC0415 - plain Python may not have it
    except ImportError:
        return None
    return get_ipython()


def problem_of(package: str) -> str:
    """Return what is wrong with a package of the notebook extra, and the line that mends it.

    Empty when nothing is.
    """
    least = _LEAST[package]
    wanted = ".".join(map(str, least))
    advice = f"run pip install '{package}>={wanted}' and restart the kernel"
    try:
        found = version(package)
        import_module(package)
    except (PackageNotFoundError, ImportError):
        return f"{package} is not installed; {advice}"
    numbers = tuple(int(part) for part in re.findall(r"\d+", found)[:2])
    return f"{package} {found} is too old; {advice}" if numbers < least else ""


def widgets() -> Any:
    """Return the module ipywidgets, which `problem_of` found nothing wrong with."""
    return import_module("ipywidgets")
