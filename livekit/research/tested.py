"""What was last backtested: one line a backtest, so that promoting can say what it knows.

A notebook's kernel is restarted and its runs are gone; what code was tested over what
data is not. `note` appends to one small file of the user's, `last` looks a code up in it
and among the saved runs. Written from notebooks and by the command line only: a test or a
script of somebody's leaves nothing behind.
Layer 3.
"""

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livekit.config import private_folder, state_root
from livekit.errors import SegmentError
from livekit.research.report.saved import SavedRun, runs

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["Tested", "last", "note", "tested_path"]

_log: Final = logging.getLogger(__name__)
_MAX_LINES: Final = 500
_MAX_BYTES: Final = 1 << 20

Tested = dict[str, Any]
"""One backtest: strategy, file, code_hash, params, data, hash, started, net_profit, n_fills."""


def tested_path() -> Path:
    """Return the file that holds the lines."""
    return state_root() / "notebook" / "tested.jsonl"


def note(run: "Run") -> None:
    """Remember that a backtest was run; a folder that cannot be written to is no error."""
    line = json.dumps(_describe(run))
    try:
        path = private_folder(tested_path().parent) / tested_path().name
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if len(lines) < _MAX_LINES:
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            return
        kept = path.with_name(f".{path.name}.{os.getpid()}")
        kept.write_text("\n".join([*lines[-_MAX_LINES // 2 :], line, ""]), encoding="utf-8")
        kept.replace(path)
    except (OSError, SegmentError) as error:
        _log.warning("backtest not noted error=%s", error)


def _describe(run: "Run") -> Tested:
    meta, equity = run.meta, run.equity_rows["equity"]
    data = meta["data"]
    return {
        "strategy": meta["strategy"],
        "file": meta["file"],
        "code_hash": meta["code_hash"],
        "params": meta["params"],
        "data": {name: data[name] for name in ("root", "symbols", "start_ns", "stop_ns")}
        | {"hash": data.get("hash", "")},
        "hash": run.hash,
        "started": meta["started"],
        "net_profit": float(equity[-1] - meta["cash"]) if len(equity) else 0.0,
        "n_fills": len(run.fill_rows),
        "is_partial": bool(meta.get("is_partial")),
    }


def last(strategy: str, code_hash: str) -> tuple[Tested | None, Tested | None]:
    """Return the last backtest of a code, and the last one of that strategy with any code.

    Parameters
    ----------
    strategy : str
        Name of its class.
    code_hash : str

    Returns
    -------
    tuple of (Tested or None, Tested or None)
        Equal when what was backtested last is this very code.
    """
    known = [*_noted(), *_saved(strategy)]
    mine = [one for one in known if one.get("strategy") == strategy]
    mine.sort(key=lambda one: str(one.get("started")))
    same = [one for one in mine if one.get("code_hash") == code_hash]
    return (same[-1] if same else None), (mine[-1] if mine else None)


def _noted() -> list[Tested]:
    try:
        with tested_path().open("rb") as file:
            text = file.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        try:
            one = json.loads(line)
        except ValueError:
            continue  # a line that was cut short says nothing
        if isinstance(one, dict):
            found.append(one)
    return found


def _saved(strategy: str) -> list[Tested]:
    """Return the saved backtests of a strategy, as their folders say."""
    return [
        found
        for one in runs()
        if one.kind == "backtest" and one.strategy == strategy and not one.problem
        if (found := _of_saved(one)) is not None
    ]


def _of_saved(one: SavedRun) -> Tested | None:
    try:
        meta = json.loads((one.path / "run.json").read_text(encoding="utf-8"))["meta"]
        return {
            "strategy": one.strategy,
            "file": meta["file"],
            "code_hash": meta["code_hash"],
            "params": one.params,
            "data": meta["data"],
            "hash": one.hash,
            "started": one.started,
            "net_profit": one.net_profit,
            "is_partial": one.is_partial,
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None
