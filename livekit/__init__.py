"""livekit: write a strategy in a notebook, backtest it compiled, attach it unchanged.

``import livekit as lk`` is light: a public name is imported from its module when it
is first used, so Numba and pyarrow are loaded only by what needs them.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'livekit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
