"""``lk.attach`` and ``lk.detach``: a strategy goes live from a notebook, as a file.

    ema = lk.attach(EmaCross, fast=0.004)   a class, also one typed in a cell
    ema = lk.attach("strategies/ema_cross.py")
    ema = lk.attach("ema_cross")            the one that trades already: from any kernel

A class from a cell is first carried into one self-contained file, and that file runs in
a process of its own, as it did in the backtest. What is known of the code (its hash, its
backtest, git's word) is shown, and kept with the run.
Layer 5.
"""

import html
import tempfile
import time
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livekit.config import DEFAULT_ENGINE
from livekit.engine import attach as attaching
from livekit.engine.client import call
from livekit.engine.folder import is_running, log_path
from livekit.errors import ConfigError, DeadlineError, NotFoundError, StrategyError
from livekit.notebook.cards import card, count, money
from livekit.notebook.engines import Engine, name_of
from livekit.notebook.requiring import require_engine
from livekit.research.backtest import check_params
from livekit.research.promotion import Manifest, manifest_of
from livekit.research.report.run import Run
from livekit.research.report.saved import runs
from livekit.strategy.api import Strategy
from livekit.strategy.declaration import declare
from livekit.strategy.export import exported
from livekit.strategy.loader import load_class

if TYPE_CHECKING:
    from livekit.notebook.live_state import History, LiveState

__all__ = ["Attached", "attach", "detach"]

_RUN_TIMEOUT_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.02


def attach(
    strategy: type[Strategy] | str | Path,
    *,
    name: str = "",
    engine: str | Engine = DEFAULT_ENGINE,
    jit: bool | None = None,
    wait: str = "laptop",
    policy: str = "",
    class_name: str = "",
    **params: float,
) -> "Attached":
    """Run a strategy against a running engine, or return the handle of one that runs there.

    Parameters
    ----------
    strategy : Strategy class, path of its file, or name
        A name, that is a text which names no ``.py`` file, is that of a strategy which is
        attached already.
    name : str
        In the engine; the file's, or the class's in snake case, by default.
    engine : str or Engine
    jit : bool, optional
        Run compiled; by default what the class says.
    wait, policy : str
        How it waits, and what its full ring does, as for ``livekit attach``.
    class_name : str
        Needed when a file defines several strategies.
    **params
        Values of its parameters.

    Raises
    ------
    NotRunningError
        No engine of that name runs; the message has the line that starts one.
    StrategyError
        The class takes something from the notebook that cannot go into a file.
    ConfigError
        A parameter is unknown or out of its range.
    NotFoundError
        No strategy of that name is attached; the nearest ones are named.
    """
    where = name_of(engine)
    require_engine(where)
    if isinstance(strategy, str) and not _is_file(strategy):
        _check_bare(strategy, is_bare=not (params or name or jit is not None))
        return _running(where, strategy)
    options = {"name": name, "wait": wait, "policy": policy}
    request, manifest = _request(strategy, class_name, params, jit=jit, options=options)
    facts = attaching.attach(where, request)
    return Attached(facts["name"], where, manifest)


def _request(
    strategy: type[Strategy] | str | Path,
    class_name: str,
    params: dict[str, float],
    *,
    jit: bool | None,
    options: dict[str, str],
) -> tuple[attaching.AttachRequest, Manifest]:
    """Return what is asked of the engine, checked, and what is known of the code."""
    made = exported(strategy, class_name)
    cls = strategy if isinstance(strategy, type) else load_class(made.path, made.class_name)
    _check_mode(cls, jit=jit)
    values = check_params(declare(cls), params)
    manifest = manifest_of(made.class_name, made.path, made.code_hash, values)
    request = attaching.AttachRequest(
        file=made.path,
        name=options["name"] or made.name,
        class_name=made.class_name,
        params=tuple(f"{key}={value!r}" for key, value in values.items()),
        jit=cls.jit if jit is None else jit,
        wait=options["wait"],
        policy=options["policy"],
        manifest=manifest.to_dict(),
    )
    return request, manifest


def _is_file(text: str) -> bool:
    return text.endswith(".py") or "/" in text


def _check_bare(name: str, *, is_bare: bool) -> None:
    """Refuse to do nothing with what was given: a strategy that runs takes no parameters."""
    if not is_bare:
        raise ConfigError(
            f"{name!r} is the name of a strategy that runs, which takes no parameters here; "
            f"change hot ones with lk.attach({name!r}).set_params(...), or give the class or the "
            "file to start another"
        )


def _check_mode(cls: type[Strategy], *, jit: bool | None) -> None:
    """Refuse what could not be kept: a class that says `jit` runs compiled when attached."""
    if jit is False and cls.jit:
        raise ConfigError(
            f"strategy {cls.__name__!r} says jit = True, so it runs compiled wherever it is "
            "attached; take that line out of the class to run it interpreted"
        )


def _running(engine: str, name: str) -> "Attached":
    names = [str(row["name"]) for row in call(engine, "ps")["strategies"]]
    if name in names:
        return Attached(name, engine)
    near = get_close_matches(name, names, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(map(repr, near))}" if near else "give a class or a file"
    raise NotFoundError(
        f"no strategy {name!r} is attached to engine {engine!r} (attached: "
        f"{', '.join(names) or 'none'}); {hint}"
    )


def detach(
    strategy: "str | Attached", *, engine: str | Engine = DEFAULT_ENGINE, timeout_s: float = 10.0
) -> Run | None:
    """Stop a strategy; its open orders are cancelled. Return its run, as a backtest's.

    Returns
    -------
    Run or None
        None when it had no event, so that there is nothing to show.

    Raises
    ------
    NotRunningError
        The engine does not run.
    NotFoundError
        No strategy of that name is attached; the nearest ones are named.
    DeadlineError
        It did not leave in time.
    """
    if isinstance(strategy, Attached):
        return strategy.detach(timeout_s)
    where = name_of(engine)
    require_engine(where)
    return _running(where, strategy).detach(timeout_s)


class Attached:
    """A strategy that trades in an engine, by its name.

    It holds no connection: any kernel may make one for any strategy, and losing it, or
    the kernel, does nothing to the strategy.

    Attributes
    ----------
    name : str
    engine : str
        The engine's name.
    """

    def __init__(self, name: str, engine: str, manifest: Manifest | None = None) -> None:
        self.name, self.engine = name, engine
        self._manifest = manifest

    @property
    def is_running(self) -> bool:
        """Whether it is attached."""
        return is_running(self.engine) and self._row() is not None

    @property
    def row(self) -> dict[str, Any]:
        """What ``livekit ps`` knows of it: state, counts, position, profit, latencies.

        Raises
        ------
        NotFoundError
            It is attached no more.
        """
        require_engine(self.engine)
        found = self._row()
        if found is None:
            raise NotFoundError(
                f"strategy {self.name!r} is attached to engine {self.engine!r} no more; its run "
                f"is lk.run({self.name!r}), if it had any event"
            )
        return found

    def _row(self) -> dict[str, Any] | None:
        rows = call(self.engine, "ps")["strategies"]
        return next((dict(row) for row in rows if row["name"] == self.name), None)

    @property
    def manifest(self) -> Manifest | None:
        """What was known of its code when it was attached; None when nobody noted it."""
        if self._manifest is None:
            kept = self._spec().get("manifest")
            self._manifest = Manifest(**kept) if kept else None
        return self._manifest

    @property
    def params(self) -> dict[str, float]:
        """Its parameters, as they stand."""
        from livekit.notebook.live_state import find_strategy  # noqa: PLC0415 - maps its memory
        from livekit.notebook.views import EngineView  # noqa: PLC0415

        return dict(find_strategy(EngineView(self.engine), self.name).params())

    @property
    def state(self) -> "LiveState":
        """Its variables as they are now, read in passing: also while it trades, or hangs."""
        from livekit.notebook.live_state import live_state  # noqa: PLC0415 - maps its memory

        require_engine(self.engine)
        return live_state(self.name, self.engine)

    @property
    def history(self) -> "History":
        """The last minutes: its state, orders and books, moment by moment."""
        from livekit.notebook.live_state import history  # noqa: PLC0415 - maps its memory

        require_engine(self.engine)
        return history(self.name, self.engine)

    def set_params(self, **values: float) -> dict[str, float]:
        """Change parameters declared ``hot``, all at once, from its next event on.

        Raises
        ------
        ConfigError
            One is unknown, not hot, or out of its range; none is changed.
        """
        if not values:
            raise ConfigError("no parameter is given; write set_params(fast=0.004)")
        require_engine(self.engine)
        answer = call(self.engine, "params", name=self.name, values=values)
        return dict(answer["values"])

    def logs(self, n: int = 20) -> str:
        """Return the last lines of its log."""
        path = log_path(self.engine, self.name)
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-n:])

    def run(self, timeout_s: float = 30.0) -> Run:
        """Return what it has traded so far, as a run with tables, figures and statistics.

        The run is partial: the strategy trades on, as if nobody had asked.

        Raises
        ------
        NotFoundError
            It is attached no more, or has had no event yet.
        DeadlineError
            The engine did not write it within `timeout_s`.
        """
        row = self.row
        with tempfile.TemporaryDirectory(prefix="livekit-run-") as folder:
            place = Path(folder) / "run"
            answer = call(self.engine, "snapshot", name=self.name, folder=str(place))
            if not answer["is_written"]:
                raise NotFoundError(
                    f"strategy {self.name!r} has no run yet: {row['received']} events so far, and "
                    "none since its ledger began; ask again when the market has moved"
                )
            deadline = time.monotonic() + timeout_s
            while not place.exists():
                if time.monotonic() > deadline:
                    raise DeadlineError(
                        f"engine {self.engine!r} did not write the run within {timeout_s:g} s; "
                        "see 'livekit logs _engine'"
                    )
                time.sleep(_LOOK_EVERY_S)
            return Run.load(place)

    def detach(self, timeout_s: float = 10.0) -> Run | None:
        """Stop it; its open orders are cancelled. Return its run, or None if it had no event."""
        row = self.row
        before = {one.name for one in runs()}
        attaching.detach(self.engine, self.name, timeout_s)
        return self._saved(before, is_awaited=row["received"] > 0)

    def _saved(self, before: set[str], *, is_awaited: bool) -> Run | None:
        """Return the run that the engine is writing beside its work."""
        deadline = time.monotonic() + (_RUN_TIMEOUT_S if is_awaited else 0.0)
        while True:
            for one in runs():
                if one.label == self.name and one.name not in before and not one.problem:
                    return one.load()
            if time.monotonic() > deadline or not is_running(self.engine):
                return None
            time.sleep(_LOOK_EVERY_S)

    def __getattr__(self, name: str) -> Any:
        """Say where what a run has is to be had: `lk.run` gives either."""
        if name in {"meta", "rows"} or (not name.startswith("_") and hasattr(Run, name)):
            raise AttributeError(
                f"strategy {self.name!r} trades still; .{name} is what a run has: .run() gives it "
                "as it stands, .detach() ends it; .row, .state and .history are live"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _spec(self) -> dict[str, Any]:
        from livekit.engine.folder import require_running  # noqa: PLC0415 - maps its memory
        from livekit.ring.segment import Segment  # noqa: PLC0415

        path = require_running(self.engine) / self.name
        if not path.exists():
            raise StrategyError(f"strategy {self.name!r} is attached no more")
        return Segment.attach(path).spec

    def _said(self) -> tuple[str, list[tuple[str, str]]]:
        head = f"{self.name} on engine {self.engine!r}"
        if not is_running(self.engine):
            return f"{head}: the engine is not running", []
        row = self._row()
        if row is None:
            return f"{head}: attached no more", []
        held = ", ".join(f"{size:+g} {symbol}" for symbol, size in row["position"].items())
        rows = [
            ("events", count(row["received"]) + _lost(row)),
            ("orders", f"{count(row['orders'])}, {row['rejects']} refused, {row['fills']} filled"),
            ("position", held or "flat"),
            ("profit", money(row["pnl"])),
        ]
        return f"{head}: {row['state']}, {row['mode']}, {row['hash']}", rows

    def __repr__(self) -> str:
        head, rows = self._said()
        lines = [f"  {name:<10} {value}" for name, value in rows]
        manifest = [str(self._manifest)] if self._manifest is not None else []
        return "\n".join([f"<{head}>", *lines, *manifest])

    def _repr_html_(self) -> str:
        head, rows = self._said()
        foot = ""
        if self._manifest is not None:
            foot = (
                '<hr style="border:0;border-top:1px solid rgba(128,128,128,.4);margin:6px 0">'
                f"{self._manifest._repr_html_()}"
            )
        return card(html.escape(head), rows, foot)


def _lost(row: dict[str, Any]) -> str:
    return f", {row['dropped']:,} dropped" if row["dropped"] else ""
