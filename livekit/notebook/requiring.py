"""The one sentence for an engine that does not run, with the line that starts it here.

Layer 5.
"""

from livekit.config import DEFAULT_ENGINE
from livekit.engine.folder import is_running, running_engines
from livekit.errors import NotRunningError

__all__ = ["require_engine"]


def require_engine(name: str) -> None:
    """Raise unless an engine of that name runs; the message has the line that starts one.

    Raises
    ------
    NotRunningError
        It does not; those that do are named.
    """
    if is_running(name):
        return
    others = running_engines()
    hint = f" (running: {', '.join(others)})" if others else ""
    first = "" if name == DEFAULT_ENGINE else f"{name!r}, "
    raise NotRunningError(
        f"engine {name!r} is not running{hint}; start one with: "
        f'lk.engine({first}data="replay_data", speed=60)'
    )
