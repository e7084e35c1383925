"""livekit's side of the backtest benchmark: the works as a user would run them.

    python -m livekit.bench.backtest_own market.npy tests/bench/works

What is timed is the whole call of `backtest`, `sweep` or `load`: checking, simulation,
ledger and the making of the Run. The rivals are timed by their inner loops alone.

A taker fills whole at the touch and a quote is the whole book, because that is what
hftbacktest's exchange without partial fills and a book of one level amount to.
Layer 5.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np

from livekit.bench.backtest_market import INSTRUMENT, to_events
from livekit.events import Kind
from livekit.research.backtest import backtest
from livekit.research.data import Data, load
from livekit.research.report.run import Run
from livekit.research.sweep import sweep
from livekit.trading.latency import Latency
from livekit.trading.queue_model import QueueModel

__all__ = ["FILL", "main", "peak_mb", "run_work"]

FILL: Final = np.dtype([("ts", "<i8"), ("side", "<i8"), ("price", "<f8"), ("quantity", "<f8")])
"""A fill as all sides save it: time at the venue, 0 buy or 1 sell, price, quantity."""

_CASH: Final = 1_000_000.0
_TAKER: Final = 0.0005


class _Answer(NamedTuple):
    """What a work took, what came of it, and its fills."""

    seconds: float
    result: dict[str, float]
    fills: np.ndarray | None = None


class _Bench:
    """The market, made into events when a work first needs it."""

    def __init__(self, market: Path, works: Path) -> None:
        self.market, self.works = market, works
        self._data: dict[bool, Data] = {}

    def data(self, *, quotes_only: bool = False) -> Data:
        """Return the market as data, or its quotes alone."""
        if quotes_only not in self._data:
            events = to_events(np.load(self.market, mmap_mode="r", allow_pickle=False))
            kept: dict[tuple[str, str | Kind], np.ndarray] = {
                (symbol, kind): rows
                for (symbol, kind), rows in events.items()
                if kind == "quote" or not quotes_only
            }
            self._data[quotes_only] = Data.from_arrays(kept, [INSTRUMENT])
        return self._data[quotes_only]

    def source(self, request: dict[str, Any]) -> Data:
        """Return the data a request is about: recordings if it names a root, else arrays."""
        return load(request["root"]) if "root" in request else self.data()


def run_work(works: Path, data: Data, request: dict[str, Any]) -> Run:
    """Run work 2 or 3 as the request says.

    Parameters
    ----------
    works : Path
        Folder of the strategies.
    data : Data
    request : dict
        work (``ema_cross`` or ``market_maker``), and where they are not the default jit,
        order (``ioc``), queue, partial, entry_ns and response_ns.
    """
    name = request["work"]
    params: dict[str, Any] = {"is_ioc": True} if request.get("order") == "ioc" else {}
    return backtest(
        works / f"{name}.py",
        data,
        jit=request.get("jit", True),
        progress=False,
        **_settings(request),
        **params,
    )


def _settings(request: dict[str, Any]) -> dict[str, Any]:
    """Return the money and the models of a request."""
    return {
        "cash": _CASH,
        "maker": 0.0,
        "taker": _TAKER,
        "latency": Latency(
            order=request.get("entry_ns", 0), response=request.get("response_ns", 0)
        ),
        "queue": QueueModel(request.get("queue", "risk_averse"), hidden="empty"),
        "partial_fills": request.get("partial", False),
        "unlimited_depth": True,
    }


def _run_one(bench: _Bench, request: dict[str, Any]) -> _Answer:
    data = bench.source(request)
    start = time.perf_counter()
    run = run_work(bench.works, data, request)
    seconds = time.perf_counter() - start
    rows = run.fill_rows
    fills = np.zeros(len(rows), FILL)
    for field, source in (("ts", "ts_venue"), ("side", "side"), ("price", "price")):
        fills[field] = rows[source]
    fills["quantity"] = rows["quantity"]
    sign = np.where(rows["side"] == 0, 1.0, -1.0)
    result = {
        "n_orders": len(run.order_rows),
        "n_cancels": run.meta["counts"]["cancels"],
        "n_fills": len(rows),
        "pnl": float(run.equity_rows["equity"][-1]) - _CASH,
        "fees": float(run.equity_rows["fees"][-1]),
        "position": round(float((sign * rows["quantity"]).sum()), 9),
        "n_bytes": data.n_events * 64,
    }
    return _Answer(seconds, result, fills[np.argsort(fills["ts"], kind="stable")])


def _load_root(_bench: _Bench, request: dict[str, Any]) -> _Answer:
    """Open a catalog and map every row of it."""
    start = time.perf_counter()
    data = load(request["root"])
    streams = [stream for day in range(data.n_days) for stream in data.streams(day)]
    last = max(int(stream.rows["ts_recv"][-1]) for stream in streams)
    seconds = time.perf_counter() - start
    assert last == data.last_ts
    return _Answer(seconds, {"n_events": sum(len(stream.rows) for stream in streams)})


def _run_sweep(bench: _Bench, request: dict[str, Any]) -> _Answer:
    """Run work 4: every pair of spans over the quotes."""
    data = bench.data(quotes_only=True)
    start = time.perf_counter()
    done = sweep(
        bench.works / "ema_cross.py",
        data,
        score="net_pnl",
        workers=request["workers"],
        jit=True,
        progress=False,
        fast=request["fast"],
        slow=request["slow"],
        **_settings(request),
    )
    seconds = time.perf_counter() - start
    frame = done.frame
    totals = {name: frame[name].sum().item() for name in ("n_orders", "n_fills")}
    return _Answer(seconds, {**totals, "pnl": frame["net_pnl"].sum().item()})


_WORKS: Final[dict[str, Callable[[_Bench, dict[str, Any]], _Answer]]] = {
    "ema_cross": _run_one,
    "load": _load_root,
    "market_maker": _run_one,
    "sweep": _run_sweep,
}


def peak_mb() -> float:
    """Return the most memory this process ever had resident, in 10^6 bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return float("nan")


def _say(answers: IO[str], **answer: Any) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def main(arguments: list[str]) -> None:
    """Answer requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what strategies print is no answer
    bench = _Bench(Path(arguments[0]), Path(arguments[1]))
    versions = {name: metadata.version(name) for name in ("numba", "numpy")}
    _say(answers, ready=True, versions=versions, works=sorted(_WORKS))
    for line in sys.stdin:
        request = json.loads(line)
        answer = _WORKS[request["work"]](bench, request)
        if request.get("fills") and answer.fills is not None:
            np.save(request["fills"], answer.fills)
        _say(answers, seconds=answer.seconds, peak_mb=peak_mb(), **answer.result)


if __name__ == "__main__":
    main(sys.argv[1:])
