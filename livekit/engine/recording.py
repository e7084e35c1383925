"""Runs of an engine's strategies: a ledger each while they trade, a folder each afterwards.

The ledger is written by the pump (trading/ledger.py); here it is given to a strategy
when that starts, grows between two turns, and is written out by a thread when the
strategy is gone, so that the engine is held up for as long as a copy takes.
Layer 4.
"""

import datetime as dt
import logging
import math
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit import clock
from livekit.config import MAX_STRATEGIES
from livekit.engine.intake import LEDGER_MARGIN
from livekit.engine.settings import EngineSettings
from livekit.engine.source import ReplaySource, Source
from livekit.errors import ConfigError, LivekitError
from livekit.events import Reject
from livekit.instruments import Instrument
from livekit.research.report.run import Run
from livekit.research.report.saved import new_folder
from livekit.trading.core import TradingCore
from livekit.trading.funding import eight_hourly, funding_rows
from livekit.trading.ids import MAX_EPOCH
from livekit.trading.latency import Latency
from livekit.trading.ledger import close
from livekit.trading.ledger_rows import Ledger
from livekit.trading.limits import Fees, RiskLimits
from livekit.version import __version__

__all__ = ["Recorder", "describe_engine", "make_core", "plan_funding"]

_log: Final = logging.getLogger(__name__)

_FIRST_ROWS: Final = 4 * LEDGER_MARGIN
_LAST_WORDS_NS: Final = 5_000_000_000
_LOOK_NS: Final = 20_000_000
_YEAR_NS: Final = 366 * 86_400_000_000_000


def make_core(settings: EngineSettings, source: Source, generation: int) -> TradingCore:
    """Return the trading core of an engine.

    Raises
    ------
    ConfigError
        A setting of it is impossible.
    """
    core = TradingCore(
        source.instruments,
        n_strategies=MAX_STRATEGIES,
        limits=RiskLimits(**_checked_limits(settings.risk)),
        fees=Fees(maker=settings.maker, taker=settings.taker),
        cash=settings.cash,
        epoch=generation // 1_000_000_000 % MAX_EPOCH,
        latency=Latency.parse(settings.latency),
        queue=settings.queue,
        partial_fills=settings.partial_fills,
        unlimited_depth=settings.unlimited_depth,
    )
    if source.is_live:
        core.touch()
    return core


def _checked_limits(limits: dict[str, float]) -> dict[str, Any]:
    known = RiskLimits.__dataclass_fields__
    for name in limits:
        if name not in known:
            raise ConfigError(f"risk limit {name!r} is unknown; known are {', '.join(known)}")
    return dict(limits)


def plan_funding(settings: EngineSettings, source: Source, pump: np.ndarray) -> np.ndarray:
    """Put the payments of funding into the pump; the caller keeps their rows.

    Raises
    ------
    ConfigError
        The rate is not finite.
    """
    rate = settings.funding
    if not math.isfinite(rate):
        raise ConfigError(f"funding is {rate!r}, expected a finite rate of every 8 hours")
    swaps = [one.symbol for one in source.instruments if one.kind == "swap"]
    rates = dict.fromkeys(swaps, rate) if rate else {}
    payments = eight_hourly(rates, *_span(source))
    rows = funding_rows(payments, [one.symbol for one in source.instruments])
    pump["funding"], pump["n_funding"] = rows.ctypes.data, len(rows)
    return rows


def _span(source: Source) -> tuple[int, int]:
    """Return the first and last time that funding is planned for: a year, of a live feed."""
    if isinstance(source, ReplaySource):
        return int(source.replay.first_ts), int(source.replay.last_ts)
    now = clock.now_ns()
    return now, now + _YEAR_NS


def describe_engine(
    settings: EngineSettings, source: Source, core: TradingCore, n_funding: int = 0
) -> dict[str, Any]:
    """Return what all runs of an engine have in common, as JSON takes it."""
    about = source.describe_data()
    return {
        "kind": about["kind"] if settings.venue == "paper" else settings.venue,
        "data": {
            "root": settings.data,
            "symbols": [one.symbol for one in source.instruments],
            **about["data"],
        },
        "models": {
            "latency": core.latency.describe(),
            "queue": core.queue.describe(),
            "partial_fills": settings.partial_fills,
            "maker": settings.maker,
            "taker": settings.taker,
            "funding": f"{n_funding} payments" if n_funding else "none",
            "unlimited_depth": settings.unlimited_depth,
        },
        "cash": settings.cash,
        "seed": 0,
        "version": __version__,
    }


class Recorder:
    """The ledgers of one engine.

    Parameters
    ----------
    core : TradingCore
    pump : numpy.ndarray
        PUMP[1], shared with the engine's loop.
    about : dict
        What all runs of this engine have in common, as JSON takes it.
    sample_ns : int
        Grid of the equity.
    """

    def __init__(
        self, core: TradingCore, pump: np.ndarray, about: dict[str, Any], sample_ns: int
    ) -> None:
        self._core, self._pump, self._about, self._sample_ns = core, pump[0], about, sample_ns
        self._addresses = np.zeros(MAX_STRATEGIES, np.int64)
        self._pump["ledgers"] = self._addresses.ctypes.data
        self._writers: list[threading.Thread] = []
        self._ledgers: dict[int, Ledger] = {}
        self._began: dict[int, tuple[str, float, int]] = {}
        self._leaving: dict[int, tuple[int, tuple[str, dict[str, Any], list[Instrument], int]]] = {}
        self._looked_ns = 0

    def begin(self, ring: int) -> None:
        """Record a strategy from its next event on; an earlier run of it ends here."""
        core = self._core
        self._end_leaving(ring)
        ledger = Ledger(
            core.address,
            core.max_orders,
            strategy=ring,
            cash=float(core.header["initial_cash"]),
            n_marks=len(core.symbols),
            sample_ns=self._sample_ns,
            first_rows=_FIRST_ROWS,
        )
        started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        self._began[ring] = started, time.monotonic(), int(self._pump["events_in"])
        self._ledgers[ring] = ledger
        self._addresses[ring] = ledger.address
        self._pump["recorded"] |= _bit(ring)
        self._pump["ledger_due"] = -1

    def poll(self) -> None:
        """Let the ledgers grow that are nearly full."""
        for ledger in self._ledgers.values():
            ledger.grow(2 * LEDGER_MARGIN)
        self._pump["ledger_full"] = 0
        if self._leaving:
            self._look_at_leaving(clock.monotonic_ns())

    def leave(
        self, ring: int, name: str, spec: dict[str, Any], instruments: list[Instrument], errors: int
    ) -> None:
        """End a run once the last of its orders has ended, or after 5 s; see `end`.

        On paper that is at once; a venue says later what became of an order.
        """
        if ring in self._ledgers and ring not in self._leaving:
            by_ns = clock.monotonic_ns() + _LAST_WORDS_NS
            self._leaving[ring] = by_ns, (name, spec, instruments, errors)
            self._looked_ns = 0
            self._look_at_leaving(clock.monotonic_ns())

    def _look_at_leaving(self, now_ns: int) -> None:
        if now_ns - self._looked_ns < _LOOK_NS:
            return
        self._looked_ns = now_ns
        for ring, (by_ns, (name, *_)) in list(self._leaving.items()):
            n_open = len(self._core.router.open_orders(ring))
            if n_open and now_ns > by_ns:
                _log.warning("run ended with open orders name=%s count=%d", name, n_open)
            if not n_open or now_ns > by_ns:
                self._end_leaving(ring)

    def _end_leaving(self, ring: int) -> None:
        if ring in self._leaving:
            self.end(ring, *self._leaving.pop(ring)[1])

    def end(
        self, ring: int, name: str, spec: dict[str, Any], instruments: list[Instrument], errors: int
    ) -> Path | None:
        """Stop recording a strategy and write its run; the folder, or None if it had no event."""
        ledger = self._ledgers.pop(ring, None)
        if ledger is None:
            return None
        self._pump["recorded"] &= ~_bit(ring)
        self._addresses[ring] = 0
        now = int(self._pump["now"])
        if int(ledger.view["n_equity"]) == 0:
            return None
        ledger.grow(LEDGER_MARGIN)
        meta = self._describe(ring, ledger, name, spec, instruments, errors)
        del self._began[ring]
        close(ledger.address, now)
        folder = new_folder(name, meta["started"])
        orders, fills, equity = (ledger.rows(log) for log in ("orders", "fills", "equity"))
        self._write(Run(meta, orders, fills, equity, ledger.marks), folder)
        return folder

    def snapshot(
        self,
        ring: int,
        name: str,
        spec: dict[str, Any],
        instruments: list[Instrument],
        errors: int,
        folder: Path,
    ) -> bool:
        """Write what a run holds so far, beside the engine's work; False before its first event.

        The run goes on as if nobody had asked.
        """
        ledger = self._ledgers.get(ring)
        if ledger is None or int(ledger.view["n_equity"]) == 0:
            return False
        ledger.grow(LEDGER_MARGIN)
        meta = self._describe(ring, ledger, name, spec, instruments, errors)
        meta["is_partial"] = True
        logs = ledger.snapshot(int(self._pump["now"]))
        self._write(Run(meta, logs["orders"], logs["fills"], logs["equity"], logs["marks"]), folder)
        return True

    def _describe(
        self,
        ring: int,
        ledger: Ledger,
        name: str,
        spec: dict[str, Any],
        instruments: list[Instrument],
        errors: int,
    ) -> dict[str, Any]:
        """Return what is known of a run that ends now."""
        meta = self._about | _describe(self._core, ledger, spec, instruments)
        started, began_s, events = self._began[ring]
        meta["name"], meta["started"] = name, started
        meta["stopped_ns"] = int(self._pump["now"])
        meta["wall_s"] = time.monotonic() - began_s
        meta["counts"]["events"] = int(self._pump["events_in"]) - events
        meta["counts"]["errors"] = errors
        return meta

    def _write(self, run: Run, folder: Path) -> None:
        thread = threading.Thread(target=_write, args=(run, folder), name=f"run-{run.meta['name']}")
        self._writers = [writer for writer in self._writers if writer.is_alive()] + [thread]
        thread.start()

    def close(self) -> None:
        """End what still runs and wait until every run is written."""
        for ring in list(self._leaving):
            self._end_leaving(ring)
        for writer in self._writers:
            writer.join()


def _describe(
    core: TradingCore, ledger: Ledger, spec: dict[str, Any], instruments: list[Instrument]
) -> dict[str, Any]:
    """Return what is known of one strategy's run."""
    view = ledger.view
    rejects = {Reject(code).name: int(n) for code, n in enumerate(view["rejects"]) if n}
    touches = {
        one.symbol: [float(core.markets[i]["bid_price"]), float(core.markets[i]["ask_price"])]
        for i, one in enumerate(instruments)
    }
    return {
        "strategy": spec["class"],
        "file": spec["file"],
        "code_hash": spec["hash"],
        "params": {param["name"]: param["value"] for param in spec["params"]},
        "jit": spec["mode"] == "compiled",
        "instruments": [asdict(one) for one in instruments],
        "marks": {symbol: sum(touch) / 2 for symbol, touch in touches.items()},
        "touch": touches,
        "counts": {
            "requests": int(view["n_requests"]),
            "cancels": int(view["n_cancels"]),
            "modifies": int(view["n_modifies"]),
            "lost": int(view["lost"]),
            "rejects": rejects,
        },
        "latency": {},
        "manifest": spec.get("manifest") or {},
        "is_partial": False,
        "sample_ns": int(view["sample_ns"]),
    }


def _write(run: Run, folder: Path) -> None:
    """Write a run's folder; beside the engine's loop, which it must not hold up."""
    try:
        run.save(folder)
    except LivekitError as error:
        # A full disk costs the record of a run, not the engine.
        _log.error("run lost folder=%s error=%s", folder, error)
    else:
        _log.info("run written folder=%s", folder)


def _bit(ring: int) -> np.int64:
    return np.int64(np.uint64(1 << ring).astype(np.int64))
