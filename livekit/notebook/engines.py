"""``lk.engine``: an engine from a notebook, and the same one from the next kernel.

    engine = lk.engine(data="replay_data", speed=60)   starts it, or gives the one that runs
    engine = lk.engine()                               the one that runs; a fresh kernel too
    engine.strategies; engine.watch(); engine.stop()

The engine is a process in a session of its own: closing, restarting or losing the kernel
does not touch it. A handle holds a name and nothing else, so any number of them may be
made, in any kernel, and each asks the engine itself.
Layer 5.
"""

import html
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livekit.bundled import recording_folder
from livekit.config import DEFAULT_ENGINE, check_name
from livekit.engine.client import call
from livekit.engine.folder import is_running, log_path
from livekit.engine.launch import start_engine, stop_engine
from livekit.engine.settings import EngineSettings, load_settings
from livekit.errors import ConfigError, DeadlineError, NotRunningError
from livekit.notebook.cards import card, count, money
from livekit.notebook.requiring import require_engine
from livekit.progress import Progress
from livekit.strategy.spec import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Engine", "engine", "name_of"]

_LOOK_EVERY_S: Final = 0.1
_COMPARED: Final = ("source", "data", "speed")
_COLUMNS: Final = (
    *("state", "mode", "received", "dropped", "orders", "rejects", "fills", "errors"),
    *("position", "pnl", "fees", "hash"),
)


def engine(
    name: str = DEFAULT_ENGINE, *, config: str | Path | None = None, **settings: Any
) -> "Engine":
    """Return an engine: the one of that name that runs, or one started with the settings.

    Parameters
    ----------
    name : str
    config : path, optional
        TOML file with [engine] and [risk], as for ``livekit engine start``.
    **settings
        Of `livekit.engine.settings.EngineSettings`, such as ``data="replay_data"`` and
        ``speed=60``, or ``source="okx"`` and ``symbols=["BTC-USDT"]``. Without any, the
        engine must be running.

    Raises
    ------
    NotRunningError
        It does not run and nothing says what to start.
    ConfigError
        A setting is unknown or impossible, or the engine runs with another.
    """
    check_name(name, "engine")
    if not settings and config is None:
        require_engine(name)
        return Engine(name)
    wanted = _wanted(name, config, settings)
    if is_running(name):
        _check_same(name, wanted, settings)
        return Engine(name)
    start_engine(wanted)
    return Engine(name)


def _wanted(name: str, config: str | Path | None, settings: dict[str, Any]) -> EngineSettings:
    known = [item.name for item in fields(EngineSettings) if item.name != "name"]
    for key in settings:
        if key not in known:
            raise ConfigError(
                f"an engine has no setting {key!r}; " + did_you_mean(key, sorted(known))
            )
    given = dict(settings)
    for key in ("symbols", "channels"):
        if isinstance(given.get(key), str):
            given[key] = [given[key]]
        elif given.get(key) is not None:
            given[key] = list(given[key])
    if "speed" in given:
        given["speed"] = str(given["speed"])
    path = None if config is None else Path(config)
    made = load_settings(path, {**given, "name": name})
    made.data = str(recording_folder(made.data).resolve())
    return made


def _check_same(name: str, wanted: EngineSettings, given: dict[str, Any]) -> None:
    """Refuse to pass off an engine for another: what runs is not what is asked for."""
    status = call(name, "status")
    for key in _COMPARED:
        runs, asked = str(status[key]), str(getattr(wanted, key))
        if key in given and _plain(runs) != _plain(asked):
            raise ConfigError(
                f"engine {name!r} runs already, with {key} {runs!r} and not {asked!r}; take it as "
                f"it is with lk.engine({_argument(name)}), stop it with "
                f"lk.engine({_argument(name)}).stop(), or start this one under another name"
            )


def _plain(text: str) -> str:
    """Return a speed as the engine says it: 60 for 60.0."""
    try:
        return f"{float(text.removeprefix('x')):g}"
    except ValueError:
        return text


def _argument(name: str) -> str:
    return "" if name == DEFAULT_ENGINE else repr(name)


def name_of(engine: "str | Engine") -> str:
    """Return the name of an engine that is given by it or by its handle."""
    return engine if isinstance(engine, str) else engine.name


class Engine:
    """A running engine, by its name.

    Attributes
    ----------
    name : str
    """

    def __init__(self, name: str = DEFAULT_ENGINE) -> None:
        self.name = check_name(name, "engine")

    @property
    def is_running(self) -> bool:
        """Whether an engine of this name runs."""
        return is_running(self.name)

    @property
    def status(self) -> dict[str, Any]:
        """What the engine says of itself, as ``livekit status --json``.

        Raises
        ------
        NotRunningError
            It does not run.
        """
        require_engine(self.name)
        return call(self.name, "status")

    @property
    def strategies(self) -> "pd.DataFrame":
        """One row per attached strategy, as ``livekit ps``.

        Raises
        ------
        NotRunningError
            It does not run.
        """
        import pandas as pd  # noqa: PLC0415 - pandas is imported by what needs it

        rows = self.status["strategies"]
        frame = pd.DataFrame([{key: row[key] for key in ("name", *_COLUMNS)} for row in rows])
        return frame.set_index("name") if rows else pd.DataFrame(columns=list(_COLUMNS))

    def watch(self, seconds: float | None = None, *, progress: bool | None = None) -> "Engine":
        """Wait while the engine works, and show how far it is.

        Ends when a replay is through and every strategy has had its last event, when
        nothing is attached any more, or after `seconds`. Interrupting it stops the
        waiting, never the engine.

        Raises
        ------
        NotRunningError
            The engine went away.
        """
        status = self.status
        deadline = None if seconds is None else time.monotonic() + seconds
        total = int(status.get("n_events") or 0)
        with Progress(total, f"engine {self.name}", is_shown=progress and None) as bar:
            while not _is_through(status):
                if deadline is not None and time.monotonic() >= deadline:
                    break
                time.sleep(_LOOK_EVERY_S)
                status = self.status
                fills = sum(row["fills"] for row in status["strategies"])
                bar.update(int(status.get("position") or status["events_in"]), f"{fills} fills")
        return self

    def kill(self) -> dict[str, Any]:
        """Press the kill switch: trading is HALTED and every open order is cancelled."""
        require_engine(self.name)
        return call(self.name, "kill")

    def stop(self, *, force: bool = False) -> None:
        """Stop the engine and its strategies; their runs are saved. Nothing when it is stopped.

        Raises
        ------
        DeadlineError
            It did not leave in time; `force` kills it.
        """
        if self.is_running:
            stop_engine(self.name, force=force)

    def logs(self, n: int = 20) -> str:
        """Return the last lines of the engine's log."""
        path = log_path(self.name, "_engine")
        lines = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        return "\n".join(lines.splitlines()[-n:])

    def dashboard(self, **options: Any) -> Any:
        """Return the live dashboard of this engine; see `livekit.dashboard`."""
        from livekit.notebook.dashboard import dashboard  # noqa: PLC0415 - widgets, when asked for

        return dashboard(self.name, **options)

    def _said(self) -> tuple[str, list[tuple[str, str]]]:
        """Return a heading and rows of what it does now."""
        if not self.is_running:
            return f"engine {self.name!r}: not running", []
        try:
            status = self.status
        except (NotRunningError, DeadlineError) as error:
            return f"engine {self.name!r}: {error}", []
        rows = [
            ("source", f"{status['source']} at {status['speed']}, {status['venue']} exchange"),
            ("trading", status["trading"]),
            ("events", _progress_text(status)),
            ("equity", money(status["equity"])),
            ("strategies", ", ".join(row["name"] for row in status["strategies"]) or "none"),
        ]
        return f"engine {self.name!r}: {status['state']} (pid {status['pid']})", rows

    def __repr__(self) -> str:
        head, rows = self._said()
        inside = "; ".join(f"{name} {value}" for name, value in rows)
        return f"<{head}{'; ' if inside else ''}{inside}>"

    def _repr_html_(self) -> str:
        head, rows = self._said()
        return card(html.escape(head), rows)


def _is_through(status: dict[str, Any]) -> bool:
    is_drained = all(not row["queued"] for row in status["strategies"])
    return status["state"] == "finished" and is_drained


def _progress_text(status: dict[str, Any]) -> str:
    total, position = status.get("n_events"), status.get("position")
    if total and position is not None:
        return f"{count(position)} of {count(total)} ({position / total:.0%})"
    return count(status["events_in"])
