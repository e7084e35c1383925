"""Backtests: a strategy class over recorded data, and a Run of what came of it.

    run = lk.backtest(EmaCross, data, fast=0.2, cash=100_000, taker=0.0005)

The class runs from its file, also when it was typed in a notebook: what is tested here
is, to the byte, what `attach` trades. Interrupting keeps what there is: the run is then
marked partial and ends with the last event handled.
Layer 3.
"""

import datetime as dt
import logging
import math
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

import livekit
from livekit.errors import ConfigError, StrategyError
from livekit.events import Reject
from livekit.research.data import Data
from livekit.research.interrupts import Interrupts
from livekit.research.progress import Progress
from livekit.research.report.run import Run
from livekit.research.simulation import Settings, Simulation
from livekit.strategy.api import Strategy
from livekit.strategy.declaration import Declaration, declare
from livekit.strategy.export import exported
from livekit.strategy.loader import load_class
from livekit.strategy.spec import did_you_mean
from livekit.trading.latency import Latency
from livekit.trading.limits import Fees, RiskLimits

__all__ = ["Target", "backtest", "make_settings", "resolve", "to_duration_ns"]

_log: Final = logging.getLogger(__name__)

_UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|m|h|d)")
_EIGHT_HOURS_NS: Final = 8 * 3_600_000_000_000


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


def to_duration_ns(value: float | str, name: str) -> int:
    """Return a duration in ns: a text such as ``"2ms"``, or a number of seconds.

    Raises
    ------
    ConfigError
        It is none, or not above 0.
    """
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        ns = float(match[1]) * _UNITS_NS[match[2]] if match else math.nan
    else:
        ns = float(value) * 1e9
    if not 0 < ns < 1 << 62:
        raise ConfigError(
            f"{name} is {value!r}, expected a duration above 0 such as '1s', '100ms' or '5m'"
        )
    return round(ns)


def make_settings(
    data: Data,
    *,
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
) -> Settings:
    """Return the settings of a simulation, checked.

    Parameters
    ----------
    data : Data
    cash : float
        At the start, quote currency.
    maker, taker : float
        Fees as fractions of the notional, a rebate below 0; the defaults are the engine's.
    latency : Latency, optional
        None by default: everything happens at once.
    queue : str, tuple or QueueModel
        How a resting order's place in its queue is estimated.
    partial_fills : bool
        Whether a print fills only what it reaches of a resting order.
    sample : str or float
        Grid of the equity, such as ``"1s"``; seconds when a number.
    limits : RiskLimits, optional
    funding : float, mapping or DataFrame, optional
        Rate of every 8 hours (at 0, 8 and 16 o'clock UTC) for all swaps, or by symbol,
        or a frame with the columns time, symbol and rate.
    unlimited_depth : bool
        Let a taker fill whole at the touch, whatever size it shows.
    """
    return Settings(
        cash=float(cash),
        fees=Fees(maker=maker, taker=taker),
        latency=latency or Latency(),
        queue=queue,
        partial_fills=partial_fills,
        limits=limits or RiskLimits(),
        sample_ns=to_duration_ns(sample, "sample"),
        unlimited_depth=unlimited_depth,
        funding=_funding_of(funding, data),
    )


def _funding_of(funding: Any, data: Data) -> tuple[tuple[int, str, float], ...]:
    """Return payments by time: (ts, symbol, rate)."""
    if funding is None:
        return ()
    swaps = [one.symbol for one in data.instruments if one.kind == "swap"]
    if isinstance(funding, int | float):
        funding = dict.fromkeys(swaps, float(funding))
    if isinstance(funding, Mapping):
        first = -(-data.first_ts // _EIGHT_HOURS_NS) * _EIGHT_HOURS_NS
        times = range(first, data.last_ts + 1, _EIGHT_HOURS_NS)
        rows: Iterable[tuple[int, str, float]] = (
            (ts, str(symbol), float(rate)) for ts in times for symbol, rate in funding.items()
        )
    else:
        rows = _rows_of_frame(funding)
    kept = tuple(row for row in rows if data.first_ts <= row[0] <= data.last_ts)
    for _, symbol, rate in kept:
        if symbol not in swaps or not math.isfinite(rate):
            raise ConfigError(
                f"funding rate {rate!r} of {symbol!r}: expected a finite rate of a swap in the "
                f"data; its swaps are {', '.join(swaps) or 'none'}"
            )
    return tuple(sorted(kept))


def _rows_of_frame(frame: Any) -> list[tuple[int, str, float]]:
    missing = [
        name for name in ("time", "symbol", "rate") if name not in getattr(frame, "columns", ())
    ]
    if missing:
        raise ConfigError(
            f"funding is {type(frame).__name__} without {', '.join(missing)}; give a rate, a "
            "mapping of symbol to rate, or a frame with the columns time, symbol and rate"
        )
    times = np.asarray(frame["time"], dtype="datetime64[ns]").astype(np.int64)
    return [
        (int(ts), str(symbol), float(rate))
        for ts, symbol, rate in zip(times, frame["symbol"], frame["rate"], strict=True)
    ]


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
        Of everything drawn by chance, such as sampled latencies.
    progress : bool, optional
        Whether to show progress; by default where somebody looks.
    name : str
        Of the run; the class's by default.
    settings : Settings, optional
        In place of the parameters below, for many runs alike.
    cash, maker, taker, latency, queue, partial_fills, sample, limits, funding, unlimited_depth
        See `make_settings`.
    **params
        Values of the strategy's parameters.

    Returns
    -------
    Run
        Partial (``run.meta["is_partial"]``) when it was interrupted.

    Raises
    ------
    ConfigError
        A parameter or setting is impossible; the message says what is expected.
    StrategyError
        The strategy cannot be compiled or started, or failed too often in a row; its
        attribute `run` is then what there was until then.
    """
    chosen = settings or make_settings(
        data,
        cash=cash,
        maker=maker,
        taker=taker,
        latency=latency,
        queue=queue,
        partial_fills=partial_fills,
        sample=sample,
        limits=limits,
        funding=funding,
        unlimited_depth=unlimited_depth,
    )
    target = resolve(strategy)
    cls = target.load()
    declaration = declare(cls)
    values = check_params(declaration, params)
    is_compiled = bool(cls.jit if jit is None else jit)
    started, start_s = dt.datetime.now(dt.UTC), time.perf_counter()
    simulation = Simulation(cls, values, data, chosen, is_compiled=is_compiled)
    is_partial = _run(simulation, declaration.name, progress=progress)
    meta = describe(simulation, target, values, is_compiled=is_compiled, seed=seed)
    meta |= {
        "name": name or declaration.name,
        "started": started.isoformat(timespec="seconds"),
        "wall_s": time.perf_counter() - start_s,
        "is_partial": is_partial or bool(simulation.failure),
    }
    ledger = simulation.ledger
    orders, fills, equity = (ledger.rows(log) for log in ("orders", "fills", "equity"))
    run = Run(meta, orders, fills, equity, ledger.marks)
    if simulation.failure:
        error = StrategyError(f"strategy {declaration.name!r} was stopped: {simulation.failure}")
        error.run = run  # type: ignore[attr-defined]
        raise error
    return run


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
    *,
    is_compiled: bool,
    seed: int,
) -> dict[str, Any]:
    """Return what a run was made of, as JSON takes it."""
    data, settings, core = simulation.data, simulation.settings, simulation.core
    ledger = simulation.ledger.view
    mids = [
        (float(row["bid_price"]) + float(row["ask_price"])) / 2
        for row in core.markets[: len(data.symbols)]
    ]
    codes = {Reject(code).name: int(n) for code, n in enumerate(ledger["rejects"]) if n}
    return {
        "kind": "backtest",
        "strategy": simulation.declaration.name,
        "file": str(target.path),
        "code_hash": target.code_hash,
        "params": dict(values),
        "jit": is_compiled,
        "data": {
            "root": data.root,
            "symbols": list(data.symbols),
            "start_ns": data.first_ts,
            "stop_ns": data.last_ts,
            "n_events": data.n_events,
            "hash": data.hash,
            "gaps": data.gaps(),
        },
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
        "seed": seed,
        "sample_ns": settings.sample_ns,
        "marks": dict(zip(data.symbols, mids, strict=True)),
        "counts": {
            "events": simulation.position,
            "requests": int(ledger["n_requests"]),
            "cancels": int(ledger["n_cancels"]),
            "modifies": int(ledger["n_modifies"]),
            "errors": simulation.n_errors,
            "rejects": codes,
        },
        "latency": {},
        "version": livekit.__version__,
        "stopped_ns": simulation.now,
    }
