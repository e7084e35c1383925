"""``livekit demo``: an engine, a recorded day and three strategies, start to finish.

Everything is what a user would start by hand: an engine process, three strategy
processes, the paper exchange. The engine is owned by this process, so it leaves with it.
Layer 5.
"""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livekit.bundled import bundled
from livekit.cli.engines import strategy_tables
from livekit.cli.output import add_json, number, print_json
from livekit.errors import LivekitError, NotRunningError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["add_parsers", "bundled"]

_STRATEGIES: Final = (("momentum", False), ("mean_reversion", True), ("pairs", True))
_REFRESH_S: Final = 0.2
_INTERRUPTED: Final = 130


def add_parsers(commands: Any) -> None:
    """Register the commands of this module."""
    parser = commands.add_parser(
        "demo", help="replay the bundled day to three strategies, and show what happens"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="other recorded data")
    parser.add_argument(
        "--speed",
        default="3600",
        metavar="K",
        help="multiple of recorded time, 'max' or 'lockstep' (default: 3600, a day in 24 s)",
    )
    parser.add_argument("--wait", default="laptop", help="laptop, server or spin")
    parser.set_defaults(run=_demo)
    add_json(parser)


def _demo(options: argparse.Namespace) -> int:
    from rich.console import Console

    console = Console(stderr=options.json)
    if not console.is_terminal:
        console = Console(stderr=options.json, width=160)
    demo = _Demo(options, console)
    is_interrupted = False
    try:
        with demo.running():
            is_interrupted = demo.watch()
    except KeyboardInterrupt:
        is_interrupted = True
    result = demo.result()
    if options.json:
        print_json(result)
    else:
        demo.print_summary(result)
    if is_interrupted:
        return _INTERRUPTED
    return 1 if result["leftovers"] or demo.problems else 0


class _Demo:
    """One run of the demo: what was started, what was last seen, what is left."""

    def __init__(self, options: argparse.Namespace, console: "Console") -> None:
        self.options, self.console = options, console
        self.engine = f"demo-{os.getpid()}"
        self.status: dict[str, Any] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.problems: list[str] = []
        self.processes: list[int] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start everything; stop everything, whatever happens."""
        from livekit.engine.folder import engine_folder, sweep
        from livekit.engine.launch import start_engine, stop_engine
        from livekit.engine.settings import EngineSettings

        settings = EngineSettings(
            name=self.engine,
            data=str((self.options.data or bundled("replay_data")).resolve()),
            speed=self.options.speed,
            wait=self.options.wait,
            wait_for=len(_STRATEGIES),
            owner_pid=os.getpid(),
        )
        text = "starting the engine (compiles once for this machine, then starts from its cache)"
        try:
            with self.console.status(text):
                answer = start_engine(settings)
            self.processes.append(answer["pid"])
            for line in answer["swept"]:
                self.console.print(line)
            self._attach()
            yield
        finally:
            if engine_folder(self.engine).exists():
                try:
                    self.problems += stop_engine(self.engine, force=True)["swept"]
                except LivekitError as error:
                    self.problems.append(str(error))
            self.problems += [str(item) for item in sweep(self.engine)]

    def _attach(self) -> None:
        from livekit.engine.attach import AttachRequest, attach

        for name, is_jit in _STRATEGIES:
            mode = "compiled" if is_jit else "interpreted"
            with self.console.status(f"attaching {name} ({mode})"):
                request = AttachRequest(
                    bundled(f"strategies/{name}.py"), jit=is_jit, wait=self.options.wait
                )
                facts = attach(self.engine, request)
            self.processes.append(facts["pid"])

    def _look(self) -> None:
        from livekit.engine.client import call

        self.status = call(self.engine, "status")
        seen = {row["name"]: row for row in self.status["strategies"]}
        for name in self.rows.keys() - seen.keys():
            if self.rows[name]["state"] != "gone":
                self.rows[name]["state"] = "gone"
                self.problems.append(f"strategy {name!r} died; the others went on")
        self.rows.update(seen)

    def watch(self) -> bool:
        """Follow the run to its end, to Ctrl-C or to the engine's; True after Ctrl-C."""
        is_interrupted = False
        try:
            try:
                self.follow()
            except KeyboardInterrupt:
                is_interrupted = True
                self.console.print("interrupted: stopping the strategies and the engine")
            self._look()
        except NotRunningError as error:
            self.problems.append(f"the engine died: {error}")
        return is_interrupted

    def follow(self) -> None:
        """Show the run until the recording is through and every ring is empty."""
        from rich.live import Live

        with Live(console=self.console, auto_refresh=False, transient=True) as live:
            while True:
                self._look()
                live.update(self._picture(), refresh=True)
                is_drained = all(not row["queued"] for row in self.status["strategies"])
                if self.status["state"] == "finished" and is_drained:
                    return
                if not self.status["strategies"]:
                    return
                time.sleep(_REFRESH_S)

    def _picture(self) -> "RenderableType":
        from rich.console import Group
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=40), TaskProgressColumn()
        )
        rate = number(self.status["events_per_s"], 0)
        progress.add_task(
            f"replay {self.status['speed']}  {self.status['events_in']:,} events  {rate}/s",
            total=self.status["n_events"],
            completed=self.status["position"],
        )
        return Group(progress, *strategy_tables(self.rows.values()))

    def result(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        names = (
            "name",
            "mode",
            "received",
            "dropped",
            "orders",
            "rejects",
            "reject_codes",
            "fills",
            "position",
            "pnl",
            "fees",
            "latency_ns",
            "tick_to_order_ns",
            "segment_bytes",
        )
        totals = ("events_in", "events_out", "events_dropped", "orders_in", "events_per_s")
        return {
            "strategies": [{name: row[name] for name in names} for row in self.rows.values()],
            "engine": {name: self.status.get(name, 0) for name in totals},
            "problems": self.problems,
            "leftovers": self.leftovers(),
        }

    def leftovers(self) -> list[str]:
        """Return what is still there and should not be: files and processes."""
        from livekit import clock
        from livekit.engine.folder import engine_folder

        folder = engine_folder(self.engine)
        files = [str(path) for path in sorted(folder.glob("*"))] if folder.exists() else []
        return files + [f"process {pid}" for pid in self.processes if clock.process_start(pid)]

    def print_summary(self, result: dict[str, Any]) -> None:
        """Print the last table, the engine's totals, and what went wrong."""
        if self.rows:
            for table in strategy_tables(self.rows.values()):
                self.console.print(table)
            engine = result["engine"]
            self.console.print(
                f"engine: {engine['events_in']:,} events in "
                f"({number(engine['events_per_s'], 0)}/s), "
                f"{engine['events_out']:,} out to {len(self.rows)} strategies, "
                f"{engine['orders_in']:,} orders in; equity {number(self.status['equity'])} "
                "on the paper exchange, synthetic data"
            )
        for problem in self.problems:
            self.console.print(f"problem: {problem}")
        left = ", ".join(result["leftovers"]) or "none (no segment, process or socket)"
        self.console.print(f"left behind: {left}")
