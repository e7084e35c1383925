"""Backtests: a strategy class over recorded data, and a Run of what came of it.

    run = lk.backtest(EmaCross, data, fast=0.2, cash=100_000, taker=0.0005)

The class runs from its file, also when it was typed in a notebook: what is tested here
is, to the byte, what `attach` trades. Interrupting keeps what there is: the run is then
marked partial and ends with the last event handled.
Layer 3.
"""

import datetime as dt
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.errors import ConfigError, StrategyError
from livekit.events import Reject
from livekit.progress import Progress, in_notebook
from livekit.research.data import Data, check_data
from livekit.research.interrupts import Interrupts
from livekit.research.report.run import Run
from livekit.research.settings import SETTINGS, make_settings
from livekit.research.simulation import Settings, Simulation
from livekit.research.tested import note
from livekit.strategy.api import Strategy
from livekit.strategy.declaration import Declaration, declare
from livekit.strategy.export import exported
from livekit.strategy.loader import load_class
from livekit.strategy.spec import did_you_mean
from livekit.trading.latency import Latency
from livekit.trading.limits import RiskLimits
from livekit.version import __version__

__all__ = [
    "Target",
    "backtest",
    "check_params",
    "describe",
    "describe_data",
    "resolve",
    "run_through",
    "to_run",
]

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """A strategy class as it will run: from a file, under a hash.

    Attributes
    ----------
    path : Path
    class_name : str
    code_hash : str
    """

    path: Path
    class_name: str
    code_hash: str

    def load(self) -> type[Strategy]:
        """Run the file and return the class."""
        return load_class(self.path, self.class_name or None)


def resolve(strategy: type[Strategy] | str | Path) -> Target:
    """Return the file of a strategy: its own, or the one a notebook's class is exported to.

    Raises
    ------
    NotFoundError, StrategyError
        There is no such file, or the class cannot stand on its own.
    """
    found = exported(strategy)
    return Target(found.path, found.class_name, found.code_hash)


def check_params(declaration: Declaration, params: Mapping[str, Any]) -> dict[str, float]:
    """Return the value of every parameter: defaults, and the given ones over them.

    Raises
    ------
    ConfigError
        A name is no parameter, or a value is no number or out of its range.
    """
    values = {name: param.default for name, param in declaration.params.items()}
    for name, value in params.items():
        param = declaration.params.get(name)
        if param is None:
            raise ConfigError(
                f"strategy {declaration.name!r} has no parameter {name!r}; "
                + did_you_mean(name, list(declaration.params))
            )
        if not isinstance(value, bool | int | float | np.number):
            raise ConfigError(f"parameter {name!r} is {value!r}, expected a number")
        values[name] = param.check(f"parameter {name!r}", _plain(value))
    return values


def _plain(value: Any) -> float:
    return value.item() if isinstance(value, np.generic) else value


def backtest(
    strategy: type[Strategy] | str | Path,
    data: Data,
    *,
    jit: bool | None = None,
    seed: int = 0,
    progress: bool | None = None,
    name: str = "",
    settings: Settings | None = None,
    cash: float = 100_000.0,
    maker: float = 0.0002,
    taker: float = 0.0005,
    latency: Latency | None = None,
    queue: Any = "risk_averse",
    partial_fills: bool = True,
    sample: float | str = "1s",
    limits: RiskLimits | None = None,
    funding: Any = None,
    unlimited_depth: bool = False,
    **params: float,
) -> Run:
    """Run a strategy over recorded data.

    Parameters
    ----------
    strategy : Strategy class, or path of its file
    data : Data
        From `load`.
    jit : bool, optional
        Run compiled; by default what the class says.
    seed : int
        Kept with the run; what is drawn by chance carries its own, as sampled latencies do.
    progress : bool, optional
        Whether to show progress; by default where somebody looks.
    name : str
        Of the run; the class's by default.
    settings : Settings, optional
        In place of `cash` to `unlimited_depth`, which `make_settings` explains.
    **params
        Values of the strategy's parameters.

    Returns
    -------
    Run
        Partial (``run.meta["is_partial"]``) when it was interrupted.

    Raises
    ------
    ConfigError, StrategyError
        What is impossible, and why; of a strategy that failed too often in a row the
        error's attribute `run` is what there was until then.
    """
    start_s = time.perf_counter()
    given = {key: value for key, value in locals().items() if key in SETTINGS}
    chosen = settings or make_settings(data, **given)
    simulation, target, values = _prepare(strategy, data, chosen, params, jit=jit)
    identity = {"name": name or simulation.declaration.name, "seed": seed}
    return run_through(simulation, target, values, identity, start_s=start_s, progress=progress)


def _prepare(
    strategy: type[Strategy] | str | Path,
    data: Data,
    settings: Settings,
    params: dict[str, float],
    *,
    jit: bool | None,
) -> tuple[Simulation, Target, dict[str, float]]:
    """Return a fresh simulation, the file it runs and the values of its parameters."""
    check_data(data)
    target = resolve(strategy)
    cls = target.load()
    values = check_params(declare(cls), params)
    is_compiled = bool(cls.jit if jit is None else jit)
    return Simulation(cls, values, data, settings, is_compiled=is_compiled), target, values


def run_through(
    simulation: Simulation,
    target: Target,
    values: dict[str, float],
    identity: dict[str, Any],
    *,
    start_s: float,
    progress: bool | None,
) -> Run:
    """Put all data through a fresh simulation and return its run; see `backtest`.

    Parameters
    ----------
    simulation : Simulation
    target, values
        Of the strategy.
    identity : dict
        Entries of the run's meta: name and seed.
    start_s : float
        When the work began, of `time.perf_counter`.
    progress : bool, optional
    """
    started = dt.datetime.now(dt.UTC)
    label = simulation.declaration.name
    is_partial = _run(simulation, label, progress=progress)
    meta = describe(simulation, target, values) | identity
    meta |= {
        "started": started.isoformat(timespec="seconds"),
        "wall_s": time.perf_counter() - start_s,
        "is_partial": is_partial or bool(simulation.failure),
    }
    run = to_run(simulation, meta)
    if in_notebook():
        note(run)  # attaching this code later says that it was tested, and how
    if simulation.failure:
        error = StrategyError(f"strategy {label!r} was stopped: {simulation.failure}")
        error.run = run  # type: ignore[attr-defined]
        raise error
    return run


def to_run(simulation: Simulation, meta: dict[str, Any]) -> Run:
    """Return what a finished simulation wrote down, under a meta from `describe`."""
    ledger = simulation.ledger
    orders, fills, equity = (ledger.rows(log) for log in ("orders", "fills", "equity"))
    return Run(meta, orders, fills, equity, ledger.marks)


def _run(simulation: Simulation, label: str, *, progress: bool | None) -> bool:
    """Put all data through; True when the user interrupted it."""
    n_events = simulation.data.n_events
    with (
        Interrupts(simulation.interrupt),
        Progress(n_events, f"backtest {label}", is_shown=progress) as bar,
    ):
        try:
            while simulation.step():
                bar.update(simulation.position)
        except KeyboardInterrupt:
            simulation.interrupt()
        simulation.finish()
    if simulation.is_interrupted:
        done = simulation.position
        _log.warning("backtest interrupted at event %d of %d; the run is partial", done, n_events)
    return simulation.is_interrupted


def describe(
    simulation: Simulation,
    target: Target,
    values: dict[str, float],
    source: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what a run was made of, as JSON takes it; `source` is from `describe_data`."""
    data, settings, core = simulation.data, simulation.settings, simulation.core
    ledger = simulation.ledger.view
    markets = core.markets[: len(data.symbols)]
    touches = [[float(row["bid_price"]), float(row["ask_price"])] for row in markets]
    codes = {Reject(code).name: int(n) for code, n in enumerate(ledger["rejects"]) if n}
    return {
        "kind": "backtest",
        "strategy": simulation.declaration.name,
        "file": str(target.path),
        "code_hash": target.code_hash,
        "params": dict(values),
        "jit": bool(simulation.body.driver),
        "data": describe_data(data) if source is None else source,
        "instruments": [asdict(one) for one in data.instruments],
        "models": {
            "latency": settings.latency.describe(),
            "queue": core.queue.describe(),
            "partial_fills": settings.partial_fills,
            "maker": settings.fees.maker,
            "taker": settings.fees.taker,
            "funding": f"{len(settings.funding)} payments" if settings.funding else "none",
            "unlimited_depth": settings.unlimited_depth,
        },
        "cash": settings.cash,
        "sample_ns": settings.sample_ns,
        "marks": {
            symbol: sum(touch) / 2 for symbol, touch in zip(data.symbols, touches, strict=True)
        },
        "touch": dict(zip(data.symbols, touches, strict=True)),
        "limits": {"max_position_notional": settings.limits.max_position_notional},
        "counts": {
            "events": simulation.position,
            "requests": int(ledger["n_requests"]),
            "cancels": int(ledger["n_cancels"]),
            "modifies": int(ledger["n_modifies"]),
            "errors": simulation.n_errors,
            "rejects": codes,
        },
        "latency": _constants(settings.latency),
        "version": __version__,
        "stopped_ns": simulation.now,
    }


def describe_data(data: Data, *, is_named: bool = True) -> dict[str, Any]:
    """Return which data it is; with its hash and gaps, for which all of it is looked at."""
    return {
        "root": data.root,
        "symbols": list(data.symbols),
        "start_ns": data.first_ts,
        "stop_ns": data.last_ts,
        "n_events": data.n_events,
        "hash": data.hash if is_named else "",
        "gaps": data.gaps() if is_named else [],
    }


def _constants(latency: Latency) -> dict[str, list[int]]:
    """Return the latencies that are one number each, ns."""
    ways = {"feed_ns": latency.feed, "order_ns": latency.order, "response_ns": latency.response}
    return {name: [way] for name, way in ways.items() if isinstance(way, int)}
