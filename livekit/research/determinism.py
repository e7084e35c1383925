"""Determinism: whether the same inputs give the same orders, wherever they run.

A strategy is run twice in this process, compiled as well where it compiles, and in fresh
processes whose strings hash otherwise. All must give the orders and fills of the first
to the bit. Where they do not, the text of the strategy is searched for what is usually
to blame.
Layer 3.
"""

import ast
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Final

from livekit.errors import LivekitError, StrategyError
from livekit.research.backtest import Target, backtest
from livekit.research.data import Data
from livekit.research.report.run import Run
from livekit.research.simulation import Settings
from livekit.strategy.code_hash import neighbours_of

__all__ = ["find_difference", "suspects"]

_HASH_SEEDS: Final = (1, 2)
_SUSPECTS: Final = {
    "random": "draws numbers at random",
    "secrets": "draws numbers at random",
    "uuid": "makes names at random",
    "time": "may read the wall clock; use self.now",
    "datetime": "may read the wall clock; use self.now",
    "threading": "depends on how threads are scheduled",
    "requests": "asks the network",
    "urllib": "asks the network",
}
"""Modules whose use is seldom repeatable, and why."""

_CALLS: Final = {
    "hash": "differs from process to process for strings",
    "id": "differs from process to process",
    "set": "has an order that differs from process to process",
    "frozenset": "has an order that differs from process to process",
}


def find_difference(
    target: Target,
    values: dict[str, float],
    data: Data,
    settings: Settings,
    *,
    jit: bool | None = None,
) -> tuple[dict[str, str], str]:
    """Return the hash of the run by where it ran, and the first difference in words.

    Parameters
    ----------
    target : Target
    values : dict
        Of the parameters.
    data : Data
    settings : Settings
    jit : bool, optional
        Only compiled, or only interpreted; both by default, where it compiles.

    Raises
    ------
    StrategyError
        The strategy does not run.
    """

    def run(*, is_compiled: bool) -> Run:
        # The class, and not its file: a file may hold several.
        cls = target.load()
        return backtest(
            cls, data, jit=is_compiled, settings=settings, progress=False, **_any(values)
        )

    first = run(is_compiled=bool(jit))
    hashes, what = {_name(is_compiled=bool(jit)): first.hash}, ""

    def compare(where: str, other: Run | LivekitError) -> str:
        if isinstance(other, LivekitError):
            hashes[where] = ""
            return f"{where} it fails: {other}"
        hashes[where] = other.hash
        found = first.differences(other) if other.hash != first.hash else []
        return f"{where}, {found[0]}" if found else ""

    what = compare("a second time", _try(run, is_compiled=bool(jit)))
    if jit is None and not what:
        compiled = _try(run, is_compiled=True)
        if not isinstance(compiled, StrategyError):
            what = compare(_name(is_compiled=True), compiled)
    for seed in _HASH_SEEDS if not what else ():
        other = _in_process(target, values, data, settings, seed, is_compiled=bool(jit))
        what = what or compare(f"in a fresh process (PYTHONHASHSEED={seed})", other)
    return hashes, what


def _name(*, is_compiled: bool) -> str:
    return "compiled" if is_compiled else "interpreted"


def _any(values: dict[str, float]) -> dict[str, Any]:
    """Return parameters as `backtest` takes them beside its own."""
    return dict(values)


def _try(run: Any, *, is_compiled: bool) -> Run | LivekitError:
    try:
        found: Run = run(is_compiled=is_compiled)
    except LivekitError as error:
        return error
    return found


def _in_process(
    target: Target,
    values: dict[str, float],
    data: Data,
    settings: Settings,
    seed: int,
    *,
    is_compiled: bool,
) -> Run | LivekitError:
    """Run it in a new process; its strings hash by `seed`."""
    before = os.environ.get("PYTHONHASHSEED")
    os.environ["PYTHONHASHSEED"] = str(seed)  # read once, by an interpreter that starts
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, context) as pool:
            parts = pool.submit(
                _run_parts, target, values, data, settings, is_compiled=is_compiled
            ).result()
    except BrokenProcessPool as error:
        return StrategyError(f"its process ended by itself: {error}")
    finally:
        if before is None:
            del os.environ["PYTHONHASHSEED"]
        else:
            os.environ["PYTHONHASHSEED"] = before
    return parts if isinstance(parts, LivekitError) else Run(*parts)


def _run_parts(
    target: Target,
    values: dict[str, float],
    data: Data,
    settings: Settings,
    *,
    is_compiled: bool,
) -> Any:
    """Return the parts of a run, or its error: what goes from process to process."""
    try:
        run = backtest(
            target.load(),
            data,
            jit=is_compiled,
            settings=settings,
            progress=False,
            **_any(values),
        )
    except LivekitError as error:
        return type(error)(str(error))
    return run.meta, run.order_rows, run.fill_rows, run.equity_rows


def suspects(path: Path) -> list[str]:
    """Return what in a strategy's text is seldom repeatable, one phrase for each line."""
    found = []
    for file in (path, *neighbours_of(path)):
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError):
            continue
        found += [f"{file.name}:{line}: {what}" for line, what in sorted(set(_suspicious(tree)))]
    return found


def _suspicious(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            for name in (name.split(".")[0] for name in names):
                if name in _SUSPECTS:
                    yield node.lineno, f"{name} {_SUSPECTS[name]}"
        elif isinstance(node, ast.Attribute) and node.attr == "random":
            yield node.lineno, f"{ast.unparse(node)} draws numbers at random"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in _CALLS:
                yield node.lineno, f"{node.func.id}() {_CALLS[node.func.id]}"
        elif isinstance(node, ast.Set | ast.SetComp):
            yield node.lineno, f"a set {_CALLS['set']}"
