"""``lk.explore``: drag a parameter, and see what the strategy would have made of it.

    explorer = lk.explore(EmaCross, data)
    explorer.params; explorer.run; explorer.set(fast=0.004); explorer.attach(engine=engine)

Every position of a slider is a whole backtest over all of the data, the same as
`lk.backtest` gives with the same settings. Without widgets (a terminal, ipywidgets missing
or too old) it is text, with the same methods.
Layer 5.
"""

import html
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.errors import ConfigError, LivekitError
from livekit.notebook.attaching import Attached, attach
from livekit.notebook.explore_figure import figure_of, figures_table, sparkline
from livekit.notebook.latest import Latest
from livekit.notebook.rehearsal import Rehearsal
from livekit.notebook.surroundings import in_notebook, problem_of
from livekit.research.data import Data, check_data
from livekit.research.report.card import to_text
from livekit.research.report.run import Run
from livekit.research.tested import note
from livekit.strategy.api import Strategy

__all__ = ["Explorer", "explore"]

_SLOW_S: Final = 0.5


def explore(
    strategy: type[Strategy] | str | Path,
    data: Data,
    *,
    jit: bool | None = None,
    symbol: str = "",
    **settings: Any,
) -> "Explorer":
    """Return an explorer of a strategy's parameters over recorded data.

    Parameters
    ----------
    strategy : Strategy class, or path of its file
    data : Data
        From `load`.
    jit : bool, optional
        Run compiled; by default where that is possible, as both ways give the same orders.
    symbol : str
        Whose price and fills to show; by default the most traded one.
    **settings
        Values of parameters to begin with, and settings of `backtest`: cash, maker, taker,
        latency, queue, sample and so on. `sample` is by default the finest grid that a
        screen can show.

    Raises
    ------
    ConfigError, StrategyError
        A setting or parameter is impossible, or the class cannot stand on its own.
    """
    return Explorer(strategy, data, jit=jit, symbol=symbol, **settings)


def _checked(data: Data, symbol: str) -> Data:
    check_data(data)
    if symbol and symbol not in data.symbols:
        raise ConfigError(f"the data has no symbol {symbol!r}; it has {', '.join(data.symbols)}")
    return data


class Explorer:
    """One strategy over one recording, at the parameters last chosen.

    Attributes
    ----------
    rehearsal : Rehearsal
    n_updates : int
        Runs shown so far.
    took_s : float
        What the last one took, from being asked for to being drawn.
    problem : str
        Why the last parameters gave no run; empty when they did.
    """

    def __init__(
        self,
        strategy: type[Strategy] | str | Path,
        data: Data,
        *,
        jit: bool | None = None,
        symbol: str = "",
        **settings: Any,
    ) -> None:
        from livekit.research.settings import SETTINGS  # noqa: PLC0415 - with the rest of research

        chosen = {key: settings.pop(key) for key in list(settings) if key in SETTINGS}
        self._subject, self._symbol = strategy, symbol
        self.rehearsal = Rehearsal(strategy, _checked(data, symbol), jit=jit, **chosen)
        self._params = self.rehearsal.check(settings)
        self._run: Run | None = None
        self._lock = threading.Lock()
        self._latest = Latest(self._work)
        self._view: Any = None
        self.n_updates, self.took_s, self.problem = 0, 0.0, ""
        self.figure = self.table = ""
        self._show_progress: Callable[[float], None] = lambda _fraction: None
        self._latest.ask((time.perf_counter(), dict(self._params)))

    @property
    def params(self) -> dict[str, float]:
        """The parameters last chosen, by slider or `set`."""
        with self._lock:
            return dict(self._params)

    @property
    def run(self) -> Run:
        """The run of these parameters; waits for it.

        Raises
        ------
        StrategyError
            The strategy failed.
        """
        self.wait()
        if self._run is None or self.problem:
            raise ConfigError(self.problem or "there is no run yet")
        return self._run

    def set(self, **values: float) -> "Explorer":
        """Choose parameters, as the sliders do.

        Raises
        ------
        ConfigError
            One is unknown or out of its range; none is changed.
        """
        with self._lock:
            wanted = self.rehearsal.check({**self._params, **values})
            is_new = wanted != self._params
            self._params = wanted
        if is_new:
            self._latest.ask((time.perf_counter(), wanted))
        if self._view is not None:
            self._view.follow(wanted)
        return self

    def wait(self, timeout_s: float | None = None) -> "Explorer":
        """Wait until the run of the parameters last chosen is there and drawn."""
        self._latest.wait(timeout_s)
        return self

    @property
    def call(self) -> str:
        """The line that attaches the strategy with these parameters."""
        subject = self._subject
        name = subject.__name__ if isinstance(subject, type) else repr(str(subject))
        params = self.params
        pairs = [f"{key}={value!r}" for key, value in params.items()]
        jit = ["jit=True"] if self.rehearsal.is_compiled and not self._says_jit() else []
        return f"lk.attach({', '.join([name, *pairs, *jit])})"

    def _says_jit(self) -> bool:
        return isinstance(self._subject, type) and bool(self._subject.jit)

    def attach(self, **options: Any) -> Attached:
        """Attach the strategy with these parameters; options are those of `livekit.attach`.

        Raises
        ------
        NotRunningError
            No engine runs; the message has the line that starts one.
        """
        self.keep()
        jit = True if self.rehearsal.is_compiled else None
        return attach(self._subject, **{"jit": jit, **self.params, **options})

    def keep(self) -> Run:
        """Note the run as a backtest of this code, so that attaching it says so; return it."""
        self.rehearsal.name_data()
        run = self.run
        run.meta["data"] = {**run.meta["data"], "hash": self.rehearsal.data.hash}
        note(run)
        return run

    # The thread of `Latest`.

    def _work(
        self, asked: tuple[float, dict[str, float]], is_overtaken: Callable[[], bool]
    ) -> None:
        began_s, values = asked
        try:
            made = self.rehearsal.run(values, stop=is_overtaken, progress=self._advance(began_s))
            if made is None:
                return
            self._run, self.problem = made, ""
            self.figure = figure_of(made, self._symbol)
            self.n_updates += 1
            self.took_s = time.perf_counter() - began_s
            if self._view is not None:
                self._view.show_figure()  # what the eye waits for; the numbers come behind it
            self.table = figures_table(made)
        except LivekitError as error:
            self.problem = str(error)
        except Exception as error:  # noqa: BLE001 - shown, where a thread would swallow it
            self.problem = f"{type(error).__name__}: {error}"
        if self._view is not None:
            self._view.show()

    def _advance(self, began_s: float) -> Callable[[int], None]:
        total = max(1, self.rehearsal.data.n_events)

        def advance(done: int) -> None:
            if time.perf_counter() - began_s > _SLOW_S and self._view is not None:
                self._view.show_progress(done / total)

        return advance

    # What it shows.

    @property
    def heading(self) -> str:
        """What is explored, in one line."""
        work = self.rehearsal
        times = (
            str(np.datetime64(ns, "ns").astype("datetime64[m]")).replace("T", " ")
            for ns in (work.data.first_ts, work.data.last_ts)
        )
        mode = "compiled" if work.is_compiled else "interpreted"
        return (
            f"{work.declaration.name} {work.target.code_hash} · {', '.join(work.data.symbols)} · "
            f"{' to '.join(times)} UTC · {work.data.n_events:,} events · {mode}, equity every "
            f"{work.sample}"
        )

    @property
    def view(self) -> Any:
        """The widget.

        Raises
        ------
        ConfigError
            ipywidgets is missing or too old; the message has the line that installs it.
        """
        if self._view is None:
            problem = problem_of("ipywidgets")
            if problem:
                raise ConfigError(problem)
            from livekit.notebook.explore_view import ExploreView  # noqa: PLC0415 - ipywidgets

            self._view = ExploreView(self)
        return self._view.box

    def _repr_mimebundle_(self, **options: Any) -> Any:
        if not in_notebook() or problem_of("ipywidgets"):
            self.wait()
            problem = problem_of("ipywidgets") if in_notebook() else ""
            note_of = f"<div>without sliders: {html.escape(problem)}</div>" if problem else ""
            return {
                "text/plain": repr(self),
                "text/html": f"{note_of}<pre>{html.escape(repr(self))}</pre>",
            }
        return self.view._repr_mimebundle_(**options)

    def __repr__(self) -> str:
        self.wait()
        problem = problem_of("ipywidgets") if in_notebook() else ""
        lines = [f"<explore {self.heading}>"]
        lines += [f"  {name:<12} {value:g}" for name, value in self.params.items()]
        if self.problem:
            return "\n".join([*lines, f"  {self.problem}"])
        run = self.run
        lines += [f"  equity       {sparkline(run)}", *to_text(run).split("\n")[2:]]
        lines += ["  change with .set(name=value)" + (f"; {problem}" if problem else "")]
        return "\n".join(lines)
