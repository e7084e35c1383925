"""The engine: one process per account that feeds strategies and takes their orders.

The package can be called: ``lk.engine(data="replay_data", speed=60)`` starts an engine or
finds the one that runs (livekit/notebook/engines). A function of that name could not
stand beside the package, because importing any module of it would put the package there.
Layer 4.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from pathlib import Path

    from livekit.notebook.engines import Engine

__all__ = ["engine"]


class _Package(ModuleType):
    """The package, which is also the function that notebooks call."""

    def __call__(
        self, name: str = "main", *, config: "str | Path | None" = None, **settings: Any
    ) -> "Engine":
        """Return an engine: the one of that name that runs, or one started with the settings.

        Parameters
        ----------
        name : str
        config : path, optional
            TOML file with [engine] and [risk], as for ``livekit engine start``.
        **settings
            Such as ``data="replay_data"`` and ``speed=60``; without any, the engine must be
            running.

        Raises
        ------
        NotRunningError
            It does not run and nothing says what to start.
        ConfigError
            A setting is unknown or impossible, or the engine runs with another.
        """
        # By name: notebooks stand above engines.
        notebook: Any = import_module("livekit.notebook.engines")
        found: Engine = notebook.engine(name, config=config, **settings)
        return found


engine: Final = cast("_Package", sys.modules[__name__])
engine.__class__ = _Package
