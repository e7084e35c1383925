"""``livekit bench backtest``: backtests beside hftbacktest, vectorbt and Nautilus Trader.

Every engine is a process of its own over the same array on disk, and they take turns, run
by run, so that a slow minute of the machine meets all of them. Before anything is timed
the fills of every pair are compared one by one: a rate means nothing if the work was
another one. What differs, and why, is written down beside the rivals' scripts.
Layer 5.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from livekit.bench.backtest_compare import compare
from livekit.bench.backtest_market import make_market, write_catalog
from livekit.bench.backtest_rivals import RIVALS
from livekit.bench.backtest_side import Side
from livekit.bench.report import Row, make_row

__all__ = ["Outcome", "Plan", "backtest_rows"]

_SWEEP: Final = {"fast": list(range(20, 201, 20)), "slow": list(range(250, 701, 50))}
_MS: Final = 1_000_000
_TEN_MS: Final = {"entry_ns": 10 * _MS, "response_ns": 10 * _MS}

_NAMES: Final = {"ema_cross": "EMA cross", "market_maker": "market maker"}

_EVENT_DRIVEN: Final = ("hftbacktest", "nautilus")

_TARGETS: Final[dict[tuple[str, str], dict[str, float]]] = {
    ("ema_cross", "compiled"): {"hftbacktest": 5.0, "nautilus": 150.0},
    ("ema_cross", "interpreted"): {"nautilus": 4.0},
    ("market_maker", "compiled"): {"hftbacktest": 4.0, "nautilus": 200.0},
}
"""Least ratio of rates, by work and form."""

_SAME: Final[tuple[tuple[str, str, str, dict[str, Any]], ...]] = (
    ("EMA cross", "hftbacktest", "ema_cross", {}),
    ("EMA cross", "vectorbt", "ema_cross", {}),
    ("EMA cross", "nautilus", "ema_cross", {}),
    ("EMA cross, 10 ms", "hftbacktest", "ema_cross", _TEN_MS),
    ("EMA cross, 10 ms, IOC", "hftbacktest", "ema_cross", {"order": "ioc", **_TEN_MS}),
    ("market maker", "hftbacktest", "market_maker", {}),
    ("market maker, prob. queue", "hftbacktest", "market_maker", {"queue": "power_prob"}),
    ("market maker, 10 ms", "hftbacktest", "market_maker", _TEN_MS),
    # Nautilus Trader knows no queue: every print at its price fills an order.
    ("market maker, no queue", "nautilus", "market_maker", {"queue": "front", "partial": True}),
)
"""Label, rival, work and options under which every fill must be the same."""

_FIRST: Final = """
import sys
from livekit.research.backtest import backtest
from livekit.research.data import load
run = backtest(sys.argv[2], load(sys.argv[1]), jit=True, progress=False)
print(len(run.fill_rows), run.equity_rows["equity"][-1])
"""
_MIDDLE: Final = "mid = (quote.bid_price + quote.ask_price) / 2"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run, and how often.

    Attributes
    ----------
    works, scripts : Path
        Folders of livekit's strategies and of the rivals' scripts.
    rivals : mapping of str to Path
        Python of each rival that is there, from `find_rivals`.
    n_quotes, n_trades : int
        Of the market.
    runs, slow_runs : int
        Timed runs of each engine, and of those that take minutes.
    """

    works: Path
    scripts: Path
    rivals: Mapping[str, Path]
    n_quotes: int = 2_000_000
    n_trades: int = 1_000_000
    runs: int = 7
    slow_runs: int = 3

    @property
    def n_events(self) -> int:
        """Quotes and trades."""
        return self.n_quotes + self.n_trades


@dataclass(slots=True)
class Outcome:
    """What a benchmark found.

    Attributes
    ----------
    rows : list of Row
    notes : list of str
        First differences of fills, and what could not be run.
    """

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class _Turn(NamedTuple):
    """Whose turn it is, and what it is asked for besides the work."""

    side: Side
    options: dict[str, Any]


class _Bench:
    """The folder of one benchmark, and the sides that are up."""

    def __init__(self, plan: Plan, folder: Path, outcome: Outcome) -> None:
        self.plan, self.folder, self.outcome = plan, folder, outcome
        self.market, self.root = folder / "market.npy", folder / "recorded"
        market = make_market(plan.n_quotes, plan.n_trades)
        np.save(self.market, market)
        write_catalog(market, self.root)

    def own(self) -> Side:
        """Start livekit's side."""
        module = "livekit.bench.backtest_own"
        return Side(
            "livekit", [sys.executable, "-m", module, str(self.market), str(self.plan.works)]
        )

    def rival(self, key: str) -> Side:
        """Start a rival's side."""
        rival = RIVALS[key]
        script = str(self.plan.scripts / rival.script)
        return Side(rival.name, [str(self.plan.rivals[key]), script, str(self.market)])

    def sides(self, stack: ExitStack, keys: Iterable[str]) -> dict[str, Side]:
        """Start livekit and those of the rivals that are there."""
        started = {"livekit": stack.enter_context(self.own())}
        for key in keys:
            if key in self.plan.rivals:
                started[key] = stack.enter_context(self.rival(key))
        return started

    def fills(self, side: Side, work: str, options: dict[str, Any]) -> np.ndarray:
        """Return the fills of a work."""
        file = self.folder / "fills.npy"
        side.ask(work, fills=str(file), **options)
        return np.load(file, allow_pickle=False)


def _same_fills(bench: _Bench, sides: Mapping[str, Side]) -> None:
    """Compare what was filled, with every rival, under its own models."""
    known: dict[str, np.ndarray] = {}
    for label, key, work, options in _SAME:
        if key not in sides:
            continue
        name = f"{work} {sorted(options.items())}"
        if name not in known:
            known[name] = bench.fills(sides["livekit"], work, options)
        theirs = bench.fills(sides[key], work, options)
        difference = compare(known[name], theirs)
        bench.outcome.rows.append(
            make_row(
                f"{label}: unlike fills",
                [float(difference.n_unlike)],
                f"of {len(theirs):,}",
                peer=RIVALS[key].name,
                target=("<=", 0.0),
            )
        )
        if difference.n_unlike:
            bench.outcome.notes.append(f"{label}, {RIVALS[key].name}: first at {difference.first}")


def _rates(plan: Plan, work: str, turns: Mapping[str, _Turn]) -> dict[str, list[float]]:
    """Time a work on all sides in turns: millions of events a second, one number a run."""
    rates: dict[str, list[float]] = {key: [] for key in turns}
    for number in range(plan.runs):
        for key, turn in turns.items():
            if key != "nautilus" or number < plan.slow_runs:  # that one takes a minute a run
                seconds = turn.side.ask(work, **turn.options)["seconds"]
                rates[key].append(plan.n_events / seconds / 1e6)
    return rates


def _rate_rows(
    label: str,
    ours: list[float],
    rivals: Mapping[str, list[float]],
    targets: Mapping[str, float],
) -> list[Row]:
    """Return livekit's row against every rival that there is a target for, or its row alone."""
    unit = "M events/s"
    rows = [
        make_row(
            label,
            ours,
            unit,
            peer=RIVALS[key].name,
            peer_values=rivals[key],
            target=(">=", least),
            in_turns=len(ours) == len(rivals[key]),
        )
        for key, least in targets.items()
        if key in rivals
    ]
    return rows or [make_row(label, ours, unit)]


def _event_driven(bench: _Bench) -> None:
    """Measure works 2 and 3 against the engines that take events one by one."""
    outcome = bench.outcome
    with ExitStack() as stack:
        sides = bench.sides(stack, RIVALS)
        own = sides["livekit"]
        _same_fills(bench, sides)
        for work, name in _NAMES.items():
            own.ask(work)  # compiles; the rivals' first run was for their fills
            turns = {"compiled": _Turn(own, {}), "interpreted": _Turn(own, {"jit": False})}
            if work == "market_maker":
                del turns["interpreted"]
            turns |= {k: _Turn(s, {}) for k, s in sides.items() if k in _EVENT_DRIVEN}
            rates = _rates(bench.plan, work, turns)
            rivals: dict[str, list[float]] = {k: rates[k] for k in _EVENT_DRIVEN if k in rates}
            for form in ("compiled", "interpreted"):
                if form in rates:
                    targets = _TARGETS[work, form]
                    outcome.rows += _rate_rows(f"{name}, {form}", rates[form], rivals, targets)
            outcome.rows += [
                make_row(f"{name}, {RIVALS[key].name}", values, "M events/s")
                for key, values in rivals.items()
            ]


def _sweeps(bench: _Bench) -> None:
    """Measure work 4: 100 pairs over the quotes, on two cores, on one, and in vectorbt."""
    plan, rival = bench.plan, RIVALS["vectorbt"]
    n_pairs = len(_SWEEP["fast"]) * len(_SWEEP["slow"])
    total = n_pairs * plan.n_quotes / 1e6
    with ExitStack() as stack:
        sides = bench.sides(stack, ["vectorbt"])
        own, theirs = sides["livekit"], sides.get("vectorbt")
        own.ask("sweep", workers=2, fast=[20, 40], slow=[250])  # compiles
        threads: dict[int, list[dict[str, Any]]] = {2: [], 1: []}
        rivals: list[dict[str, Any]] = []
        for number in range(2 * plan.slow_runs):
            # Whoever comes first finds the caches of the one before: so each does.
            for workers in (2, 1) if number % 2 == 0 else (1, 2):
                threads[workers].append(own.ask("sweep", workers=workers, **_SWEEP))
            if theirs and number % 2 == 0:  # it takes ten times as long
                rivals.append(theirs.ask("sweep", **_SWEEP))
    two, one, other = (
        [total / answer["seconds"] for answer in answers]
        for answers in (threads[2], threads[1], rivals)
    )
    label, unit = f"sweep of {n_pairs} pairs, 2 threads", "M pair-quotes/s"
    if theirs:
        ours, known = threads[2][0], rivals[0]
        unlike = abs(ours["n_orders"] - known["n_orders"])
        money = abs(ours["pnl"] - known["pnl"])
        bench.outcome.rows += [
            make_row(
                f"sweep of {n_pairs} pairs: unlike orders",
                [float(unlike)],
                f"of {known['n_orders']:,}",
                peer=rival.name,
                target=("<=", 0.0),
            ),
            make_row(
                f"sweep of {n_pairs} pairs: difference of profit",
                [money],
                f"of {known['pnl']:,.4f}",
                peer=rival.name,
                target=("<=", 1e-4),
            ),
            make_row(
                label,
                two[::2],
                unit,
                peer=rival.name,
                peer_values=other,
                target=(">=", 4.0),
                in_turns=True,
            ),
            make_row(f"sweep of {n_pairs} pairs, {rival.name}", other, unit),
        ]
    bench.outcome.rows.append(
        make_row(
            label, two, unit, peer="1 thread", peer_values=one, target=(">=", 1.8), in_turns=True
        )
    )


def _starts(bench: _Bench) -> None:
    """Time a new process from its start to the first result of a strategy."""
    text = (bench.plan.works / "ema_cross.py").read_text(encoding="utf-8")
    file = bench.folder / "strategy.py"
    known: list[float] = []
    edited: list[float] = []
    # As where pip has installed it, which compiles all modules.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    for number in range(2 * bench.plan.slow_runs + 1):
        if number % 2 == 0:  # new text each time
            file.write_text(text.replace(_MIDDLE, f"{_MIDDLE} + {number}e-12"), encoding="utf-8")
        start = time.perf_counter()
        command = [sys.executable, "-c", _FIRST, str(bench.root), str(file)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600, env=environment)
        if number:  # the first one fills the caches of the data and of the engine
            (edited if number % 2 == 0 else known).append(time.perf_counter() - start)
    bench.outcome.rows += [
        make_row("new process to the first result, known", known, "s", target=("<=", 1.0)),
        make_row("new process to the first result, edited", edited, "s", target=("<=", 2.0)),
    ]


def _footprints(bench: _Bench) -> None:
    """Measure the peak memory of a fresh process that runs a work once, and loading."""
    outcome = bench.outcome
    for work, name in _NAMES.items():
        with bench.own() as side:
            answer = side.ask(work, root=str(bench.root))
            over = answer["peak_mb"] - answer["n_bytes"] / 1e6
            outcome.rows.append(
                make_row(
                    f"peak memory over the data's size, {name}", [over], "MB", target=("<=", 300.0)
                )
            )
    for key in bench.plan.rivals:
        start = time.perf_counter()
        with bench.rival(key) as side:
            peak = side.ask("ema_cross")["peak_mb"] - bench.plan.n_events * 64 / 1e6
            first = time.perf_counter() - start
        name = RIVALS[key].name
        outcome.rows += [
            make_row(f"peak memory over the data's size, {name}", [peak], "MB"),
            make_row(f"new process to the first result, {name}", [first], "s"),
        ]
    with bench.own() as side:
        side.ask("load", root=str(bench.root))
        times = [side.ask("load", root=str(bench.root))["seconds"] for _ in range(bench.plan.runs)]
    label = f"load {bench.plan.n_events:,} recorded events, second time"
    outcome.rows.append(make_row(label, [1e3 * s for s in times], "ms", target=("<=", 50.0)))


def backtest_rows(plan: Plan) -> Outcome:
    """Run the whole benchmark; a few minutes, most of them Nautilus Trader's."""
    outcome = Outcome()
    for key, rival in RIVALS.items():
        if key not in plan.rivals:
            outcome.notes.append(
                f"{rival.name} is not installed: --install makes an environment for it, or name "
                f"one with --rivals after 'pip install {' '.join(rival.requirements)}'"
            )
    with tempfile.TemporaryDirectory(prefix="livekit-bench-") as folder:
        bench = _Bench(plan, Path(folder), outcome)
        _event_driven(bench)
        _sweeps(bench)
        _starts(bench)
        _footprints(bench)
    return outcome
