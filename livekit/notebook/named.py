"""``lk.run("name")``: what trades under that name now, or the newest run that was saved.

    lk.run("momentum")          trades: the handle that lk.attach gives, with its live state
    lk.run("momentum")          trades no more: its run, with tables, figures, statistics
    lk.run("momentum-2026-...") this saved run, whoever trades
Layer 5.
"""

from pathlib import Path

from livekit.config import DEFAULT_ENGINE
from livekit.engine.client import call
from livekit.engine.folder import running_engines
from livekit.errors import LivekitError, NotFoundError
from livekit.notebook.attaching import Attached
from livekit.research.report import saved
from livekit.research.report.run import Run

__all__ = ["run"]


def run(name: str | Path, folder: str | Path | None = None) -> Run | Attached:
    """Return the strategy that trades under a name, or load a saved run.

    Parameters
    ----------
    name : str or path
        Of a strategy that trades, in any engine that runs; of a saved run's folder; the
        name a run was given, of which the newest is loaded; or a path.
    folder : path, optional
        Look among the runs saved there, and nowhere else.

    Returns
    -------
    Attached or Run

    Raises
    ------
    NotFoundError
        There is none; the message says what there is.
    DataError
        A saved run cannot be read.
    """
    trading = {} if folder is not None or isinstance(name, Path) else _trading()
    if str(name) in trading:
        return Attached(str(name), trading[str(name)])
    try:
        return saved.run(name, folder)
    except NotFoundError as error:
        if not trading:
            raise
        raise NotFoundError(f"{error}; trading now: {', '.join(trading)}") from None


def _trading() -> dict[str, str]:
    """Return the strategies of all engines that answer, and their engines; `main` goes first."""
    found: dict[str, str] = {}
    for engine in sorted(running_engines(), key=lambda one: one != DEFAULT_ENGINE):
        try:
            rows = call(engine, "ps")["strategies"]
        except LivekitError:
            continue  # it ends just now, or hangs: a saved run can be loaded all the same
        for row in rows:
            found.setdefault(str(row["name"]), engine)
    return found
