"""The feed against what Python offers: order-book libraries, and ccxt.pro on one source.

The libraries live in an interpreter of their own; each is timed by a script beside the
benchmarks (tests/bench/rivals), in a process that takes turns with ours.
Layer 5.
"""

import json
import random
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.bench.feed_kernels import LEVEL, apply_and_publish
from livekit.bench.feed_source import FeedSource
from livekit.bench.report import Row, make_row
from livekit.book import OrderBook
from livekit.engine.attach import AttachRequest, attach
from livekit.engine.client import call
from livekit.engine.launch import start_engine, stop_engine
from livekit.engine.settings import EngineSettings
from livekit.errors import LivekitError
from livekit.events import SLOT_BYTES
from livekit.okx.publish import InstrumentState
from livekit.ring.layout import aligned_zeros

__all__ = ["rival_rows"]

_N_LEVELS: Final = 10
_DEPTH: Final = 400
_PRICE: Final = 60_000.0
_N_SYMBOLS: Final = 2
_CALM_RATE: Final = 6_000
_BUSY_RATE: Final = 20_000  # of the soak: five times a busy day's
_TURNS: Final = 3
_SETTLE_S: Final = 2.0


def _side(source: random.Random, sign: int, depths: list[int]) -> list[list[float]]:
    """Return levels at depths; one in eight is taken out, and put in again by a later update."""
    sizes = [0.0 if source.random() < 0.125 else round(source.uniform(0.1, 9), 6) for _ in depths]
    prices = [round(_PRICE + sign * 0.1 * (depth + (sign > 0)), 1) for depth in depths]
    return [[price, size] for price, size in zip(prices, sizes, strict=True)]


def _work(n: int) -> dict[str, Any]:
    source = random.Random(1)  # noqa: S311 - the same updates each time
    whole = [
        [[price, 1.5] for price, _ in _side(source, sign, list(range(_DEPTH)))] for sign in (-1, 1)
    ]
    updates = [
        [_side(source, sign, sorted(source.sample(range(30), _N_LEVELS))) for sign in (-1, 1)]
        for _ in range(n)
    ]
    return {"snapshot": whole, "updates": updates}


def _own_times(work: dict[str, Any], runs: int) -> list[float]:
    """Apply and publish the updates from decoded levels; return ns an update, run by run."""
    book, state = OrderBook(), InstrumentState(0, 0)
    slot = aligned_zeros(2 * SLOT_BYTES)
    for side, levels in enumerate(work["snapshot"]):
        book.apply(side, np.array(levels))
    flat = [(price, size) for bids, asks in work["updates"] for price, size in bids + asks]
    levels = np.array(flat, LEVEL)
    step = 2 * _N_LEVELS * LEVEL.itemsize
    starts = [int(levels.ctypes.data) + k * step for k in range(len(work["updates"]))]
    where = (book.address, state.last_address, int(slot.ctypes.data))
    apply_and_publish(*where, starts[0], _N_LEVELS, _N_LEVELS, 1)
    times = []
    for _ in range(runs):
        begun = time.process_time_ns()
        for start in starts:
            apply_and_publish(*where, start, _N_LEVELS, _N_LEVELS, 1)
        times.append((time.process_time_ns() - begun) / len(starts))
    return times


def _book_rows(scripts: Path, rivals: list[Path], runs: int, n: int) -> list[Row]:
    """Time updates of 10+10 levels, applied and published, against the libraries there are."""
    work = _work(n)
    own = _own_times(work, runs)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(work, file)
        file.flush()
        found: dict[str, Any] = {}
        for python in rivals:
            command = [str(python), str(scripts / "run_books.py"), file.name, str(runs)]
            found |= json.loads(_run(command))
    own += _own_times(work, runs)
    fastest = min((np.median(one["ns"]) for one in found.values()), default=None)
    rows = []
    for name, one in found.items():
        rows.append(
            make_row(
                f"book update, 10+10, by {name} {one['version']}, in livekit's time",
                [ns / 1000 for ns in one["ns"]],
                "µs",
                peer="livekit",
                peer_values=[ns / 1000 for ns in own],
                target=(">=", 5.0) if np.median(one["ns"]) == fastest else None,
            )
        )
    return [*rows, make_row("book update, 10+10, applied and published", own, "ns")]


def _run(command: list[str], timeout_s: float = 300.0) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, check=False, env={"PATH": ""}
    )
    if done.returncode:
        raise LivekitError(f"{' '.join(command[:2])} failed: {done.stderr.strip()[-300:]}")
    return done.stdout


def _cpu_s(pid: int) -> float:
    """Return a process's time on a processor, of all its threads."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def _own_cpu(source: FeedSource, strategy: Path, seconds: float) -> dict[str, float]:
    """Let an engine and an interpreted strategy take a source's market."""
    name = "bench-feed"
    settings = EngineSettings(
        name=name,
        source="okx",
        env="sim",
        url=source.url,
        symbols=source.symbols,
        channels=["trades", "books"],
        sample="",
    )
    pid = start_engine(settings)["pid"]
    try:
        pids = [pid, int(attach(name, AttachRequest(strategy, "watcher"))["pid"])]
        time.sleep(_SETTLE_S)
        before = _frames(name), [_cpu_s(one) for one in pids]
        time.sleep(seconds)
        after = _frames(name), [_cpu_s(one) for one in pids]
    finally:
        stop_engine(name, force=True)
    engine, own = (after[1][k] - before[1][k] for k in (0, 1))
    return {"messages": after[0] - before[0], "engine_s": engine, "strategy_s": own}


def _frames(engine: str) -> int:
    connections = call(engine, "status")["feed"]["connections"]
    return sum(int(one["frames"]) for one in connections)


def _ccxt_rows(scripts: Path, python: Path, rate: int, *, seconds: float) -> list[Row]:
    """Measure what a call of the user's code costs with ccxt.pro and with livekit, in turn.

    livekit calls back for every message, and more than once for some; ccxt.pro leaves calls
    out when messages come faster than its loop turns.
    """
    own, theirs, engine, messages, calls = [], [], [], [], []
    strategy = scripts.parent / "works" / "watcher.py"
    source = FeedSource(_N_SYMBOLS, rate)
    try:
        for _ in range(_TURNS):
            command = [str(python), str(scripts / "run_ccxt.py"), source.url, str(seconds)]
            symbols = [symbol.replace("-", "/") for symbol in source.symbols]
            said = json.loads(_run([*command, *symbols]))
            theirs.append(said["cpu_s"] / said["callbacks"] * 1e6)
            messages.append(said["cpu_s"] / said["messages"] * 1e6)
            calls.append(said["callbacks"] / said["messages"] * 100)
            found = _own_cpu(source, strategy, seconds)
            own.append((found["engine_s"] + found["strategy_s"]) / found["messages"] * 1e6)
            engine.append(found["engine_s"] / found["messages"] * 1e6)
    finally:
        source.close()
    name = f"ccxt.pro {said['version']} at {rate:,} messages/s"
    target: Any = {"target": (">=", 10.0)} if rate == _BUSY_RATE else {}
    peer: Any = {"peer": "livekit", "peer_values": own, "in_turns": True}
    return [
        make_row(f"{name}: a call of the user's code", theirs, "µs", **peer, **target),
        make_row("  a message, called back for or not", messages, "µs", **peer),
        make_row("  messages called back for", calls, "%"),
        make_row("  livekit, a message and its calls, both processes", own, "µs"),
        make_row("  livekit, of this the engine", engine, "µs"),
    ]


def _has(python: Path, module: str) -> bool:
    command = [str(python), "-c", f"import {module}"]
    return (
        subprocess.run(command, capture_output=True, check=False, env={"PATH": ""}).returncode == 0
    )


def rival_rows(scripts: Path, rivals: list[Path], *, quick: bool) -> list[Row]:
    """Compare with what the interpreters given have; livekit's own book always.

    Parameters
    ----------
    scripts : Path
        Folder of the rivals' scripts.
    rivals : list of Path
        Interpreters.
    """
    runs, n = (3, 500) if quick else (9, 4000)
    rows = _book_rows(scripts, rivals, runs, n)
    for python in rivals:
        if _has(python, "ccxt.pro"):
            for rate in (_CALM_RATE, _BUSY_RATE):
                rows += _ccxt_rows(scripts, python, rate, seconds=3.0 if quick else 6.0)
            break
    return rows
