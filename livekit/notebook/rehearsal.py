"""One strategy over one recording, again and again with other parameters.

What a backtest does anew each time is done once: the file is loaded, the program built,
the data mapped and described. A run then costs what its events cost. It is the same run
as `lk.backtest` gives with the same settings, to the bit.
Layer 5.
"""

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livekit.errors import StrategyError
from livekit.research.backtest import Target, check_params, describe, describe_data, resolve, to_run
from livekit.research.data import Data
from livekit.research.report.run import Run
from livekit.research.settings import make_settings
from livekit.research.simulation import Simulation
from livekit.strategy.api import Strategy
from livekit.strategy.declaration import declare

if TYPE_CHECKING:
    from livekit.strategy.compiled import Program

__all__ = ["Rehearsal", "choose_sample"]

_GRIDS: Final = (
    *("100ms", "1s", "5s", "10s", "30s", "1m", "5m", "10m", "30m"),
    *("1h", "6h", "1d"),
)
_GRIDS_NS: Final = (
    *(10**8, 10**9, 5 * 10**9, 10**10, 3 * 10**10, 6 * 10**10, 3 * 10**11, 6 * 10**11),
    *(18 * 10**11, 36 * 10**11, 216 * 10**11, 864 * 10**11),
)
_MAX_SAMPLES: Final = 3000


def choose_sample(data: Data) -> str:
    """Return the finest grid of the equity that gives no more samples than a screen shows."""
    span_ns = max(1, data.last_ts - data.first_ts)
    for text, ns in zip(_GRIDS, _GRIDS_NS, strict=True):
        if span_ns / ns <= _MAX_SAMPLES:
            return text
    return _GRIDS[-1]


class Rehearsal:
    """Runs one strategy over one recording.

    Parameters
    ----------
    strategy : Strategy class, or path of its file
    data : Data
    jit : bool, optional
        Run compiled. By default compiled where that is possible, as both ways give the
        same orders.
    **settings
        Of `lk.backtest`: cash, fees, latency, queue and so on.

    Attributes
    ----------
    target : Target
    declaration : Declaration
    is_compiled : bool
    why_not : str
        Why it does not run compiled, where that was tried.

    Raises
    ------
    ConfigError, StrategyError
        A setting is impossible, or the class cannot stand on its own.
    """

    def __init__(
        self,
        strategy: type[Strategy] | str | Path,
        data: Data,
        *,
        jit: bool | None = None,
        **settings: Any,
    ) -> None:
        self.data = data
        self.sample = str(settings.pop("sample", None) or choose_sample(data))
        self.settings = make_settings(data, sample=self.sample, **settings)
        self.target: Target = resolve(strategy)
        self._class = self.target.load()
        self.declaration = declare(self._class)
        self.why_not = ""
        self._program = self._build(jit=jit)
        self.is_compiled = self._program is not None
        self._source = describe_data(data, is_named=False)

    def _build(self, *, jit: bool | None) -> "Program | None":
        if jit is False:
            return None
        from livekit.strategy.compiled import build  # noqa: PLC0415 - loads Numba

        try:
            return build(self._class, self.declaration)
        except StrategyError as error:
            if jit or self._class.jit:
                raise
            self.why_not = str(error)
            return None

    def check(self, values: dict[str, Any]) -> dict[str, float]:
        """Return the value of every parameter; ConfigError when one is out of its range."""
        return check_params(self.declaration, values)

    def name_data(self) -> None:
        """Look at all of the data for its hash and gaps, which a run then carries."""
        if not self._source["hash"]:
            self._source = describe_data(self.data)

    def run(
        self,
        values: dict[str, float],
        *,
        stop: Callable[[], bool] = lambda: False,
        progress: Callable[[int], None] = lambda _done: None,
    ) -> Run | None:
        """Return the run of a set of parameters; None when `stop` said so.

        Raises
        ------
        StrategyError
            The strategy failed too often in a row, or its `on_start` raised.
        """
        began, started = time.perf_counter(), dt.datetime.now(dt.UTC)
        # What an interpreted class keeps in globals must start anew.
        cls = self._class if self.is_compiled else self.target.load()
        simulation = Simulation(
            cls,
            values,
            self.data,
            self.settings,
            is_compiled=self.is_compiled,
            program=self._program,
        )
        while simulation.step():
            if stop():
                return None
            progress(simulation.position)
        simulation.finish()
        name = self.declaration.name
        if simulation.failure:
            raise StrategyError(f"strategy {name!r} was stopped: {simulation.failure}")
        meta = describe(simulation, self.target, values, self._source)
        meta |= {"name": name, "seed": 0, "is_partial": False}
        meta["started"] = started.isoformat(timespec="seconds")
        meta["wall_s"] = time.perf_counter() - began
        return to_run(simulation, meta)
