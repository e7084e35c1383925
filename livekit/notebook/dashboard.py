"""``lk.dashboard()``: the live desk of an engine, in the best form there is for it here.

    lk.dashboard()                       everything, of the engine "main"
    lk.dashboard(parts=["price"])        one part alone
    lk.dashboard("paper2", symbol="ETH-USDT")

In a notebook it is a widget with charts (anywidget), or without anywidget a plainer one
(ipywidgets); in IPython in a terminal, and where widgets are missing or too old, it is
text that says why. All of them have the commands: `pause`, `reduce`, `resume`, `halt`,
`flatten`, `cancel`, `set_params`, `undo_params`. The same arguments give the same object.
Layer 5.
"""

import re
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from livekit.config import DEFAULT_ENGINE
from livekit.engine.folder import require_running
from livekit.errors import ConfigError
from livekit.notebook.desk_text import TextDesk
from livekit.notebook.requiring import require_engine
from livekit.ring.directory import EngineSegment

__all__ = ["PARTS", "dashboard"]

PARTS: Final = (
    "risk",
    "price",
    "ladder",
    "tape",
    "strategies",
    "positions",
    "orders",
    "params",
    "history",
    "latency",
    "log",
)
"""The parts of a desk, in their order."""

_WIDGETS: Final = {"anywidget": (0, 9), "ipywidgets": (8, 0)}
_open: Final[dict[tuple[str, ...], Any]] = {}


def dashboard(
    engine: Any = DEFAULT_ENGINE,
    *,
    symbol: str = "",
    parts: Sequence[str] = PARTS,
    form: str = "",
) -> Any:
    """Return the live dashboard of a running engine.

    Parameters
    ----------
    engine : str or object with a name
        Name of the engine, or what `lk.engine` returned.
    symbol : str
        Instrument of chart, ladder and tape; the engine's first by default.
    parts : sequence of str
        Of `PARTS`, what to show.
    form : str
        ``charts``, ``plain`` or ``text``; by default the best there is here.

    Raises
    ------
    NotRunningError
        No engine of that name runs; the message has the line that starts one.
    ConfigError
        A part, a symbol or the form is unknown.
    """
    name = engine if isinstance(engine, str) else str(getattr(engine, "name", engine))
    chosen = (parts,) if isinstance(parts, str) else tuple(dict.fromkeys(parts))
    for part in chosen:
        if part not in PARTS:
            raise ConfigError(f"part {part!r} is unknown; known are {', '.join(PARTS)}")
    require_engine(name)
    _check_symbol(require_running(name), symbol)
    found, why = (form, "") if form else _best_form()
    key = (found, name, symbol, *chosen)
    desk = _open.get(key)
    if desk is None or getattr(desk, "comm", desk) is None:
        desk = _open[key] = _make(found, why, name, symbol, chosen)
    return desk


def _check_symbol(folder: Path, symbol: str) -> None:
    served = [one.symbol for one in EngineSegment.attach(folder).instruments()]
    if symbol and symbol not in served:
        raise ConfigError(
            f"symbol {symbol!r} is not served by engine {folder.name!r}; it serves "
            f"{', '.join(served)}"
        )


def _make(form: str, why: str, engine: str, symbol: str, parts: tuple[str, ...]) -> Any:
    if form == "charts":
        from livekit.notebook.desk import Desk  # noqa: PLC0415 - needs anywidget

        return Desk(engine, symbol, parts)
    if form == "plain":
        from livekit.notebook.desk_plain import PlainDesk  # noqa: PLC0415 - needs ipywidgets

        return PlainDesk(engine, symbol, parts, why)
    if form != "text":
        raise ConfigError(f"form {form!r} is unknown; use charts, plain or text")
    return TextDesk(engine, symbol, parts, why)


def _best_form() -> tuple[str, str]:
    """Return the best form there is here, and why it is no better one."""
    if not _in_a_kernel():
        return "text", ""
    problem = _problem("ipywidgets")
    if problem:
        return "text", problem
    problem = _problem("anywidget")
    return ("plain", problem) if problem else ("charts", "")


def _in_a_kernel() -> bool:
    try:
        from IPython import get_ipython  # noqa: PLC0415 - plain Python has none
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")


def _problem(package: str) -> str:
    """Say what is wrong with a package of widgets; empty when nothing is."""
    least = _WIDGETS[package]
    wanted = ".".join(map(str, least))
    advice = f"pip install '{package}>={wanted}' and restart the kernel"
    try:
        found = version(package)
        import_module(package)
    except (PackageNotFoundError, ImportError):
        return f"{package} is not installed: {advice}"
    numbers = tuple(int(part) for part in re.findall(r"\d+", found)[:2])
    return f"{package} {found} is too old: {advice}" if numbers < least else ""
