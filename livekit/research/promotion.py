"""The promotion manifest: what is about to trade, and what is known of it.

    source hash · parameters · the backtest it was tested by and its data · git's word

Made when a strategy is attached, shown to who attaches it, and kept with its run. What
is not known is said to be unknown: code that was never backtested, or that differs from
what was, can be attached, but not unsaid.
Layer 3.
"""

import html
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.research.report.card import format_value
from livekit.research.tested import Tested, last

__all__ = ["Manifest", "git_state", "manifest_of"]

_GIT_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is promoted.

    Attributes
    ----------
    strategy : str
        Name of the class.
    file : str
    code_hash : str
    params : dict
        Of every parameter, as it will trade.
    tested : dict or None
        The last backtest of this very code; None when none is known.
    previous : dict or None
        The last backtest of the strategy, when that was of another code.
    git : dict
        ``commit``, ``is_dirty`` and ``file`` (tracked, changed, untracked), or nothing
        where there is no repository.
    """

    strategy: str
    file: str
    code_hash: str
    params: dict[str, float]
    tested: Tested | None
    previous: Tested | None
    git: dict[str, Any] = field(default_factory=dict)

    @property
    def warnings(self) -> list[str]:
        """What whoever promotes this should know, a sentence each."""
        found = []
        if self.tested is None and self.previous is not None:
            found.append(
                f"this code ({self.code_hash}) is not what was last backtested "
                f"({self.previous['code_hash']}, {_when(self.previous)}): backtest it first"
            )
        elif self.tested is None:
            found.append("no backtest of this code is known: run lk.backtest on it first")
        elif self.changed:
            pairs = ", ".join(
                f"{name} {_short(old)} → {_short(new)}" for name, old, new in self.changed
            )
            found.append(f"parameters differ from the backtest's: {pairs}")
        if self.tested is not None and self.tested.get("is_partial"):
            found.append("its backtest was interrupted: it saw only part of the data")
        return found

    @property
    def changed(self) -> list[tuple[str, Any, Any]]:
        """Parameters whose value is not the backtest's: (name, tested, now)."""
        old = (self.tested or {}).get("params") or {}
        return [
            (name, old.get(name), value)
            for name, value in self.params.items()
            if self.tested is not None and old.get(name) != value
        ]

    def rows(self) -> list[tuple[str, str]]:
        """Return it as (what, value) texts, in reading order."""
        return [
            ("code", f"{self.strategy} {self.code_hash}, {_place(self.file)}"),
            ("parameters", ", ".join(f"{k}={_short(v)}" for k, v in self.params.items()) or "none"),
            ("tested", _tested_text(self.tested)),
            ("git", _git_text(self.git)),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it; kept in the run's meta."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"  {name:<10} {value}" for name, value in self.rows()]
        return "\n".join([*lines, *(f"  note       {text}" for text in self.warnings)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr style="background:none"><td style="text-align:left;opacity:.75;padding:2px 12px '
            f'2px 0">{html.escape(name)}</td><td style="text-align:left;padding:2px 0">'
            f"{html.escape(value)}</td></tr>"
            for name, value in self.rows()
        )
        notes = "".join(
            f'<div style="margin-top:4px">⚠ {html.escape(text)}</div>' for text in self.warnings
        )
        return f'<table style="border-collapse:collapse;margin:0">{rows}</table>{notes}'


def manifest_of(strategy: str, file: Path, code_hash: str, params: dict[str, float]) -> Manifest:
    """Return the manifest of a strategy that is about to be attached."""
    tested, newest = last(strategy, code_hash)
    previous = newest if newest is not None and newest.get("code_hash") != code_hash else None
    return Manifest(strategy, str(file), code_hash, dict(params), tested, previous, git_state(file))


def git_state(file: Path) -> dict[str, Any]:
    """Return what git says of a file's repository, of the current folder's for an export.

    Empty without git or a repository.
    """
    folder = Path.cwd() if _is_cached(file) else file.parent
    commit = _git(folder, "rev-parse", "--short=12", "HEAD")
    if commit is None:
        return {}
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no") or ""
    found: dict[str, Any] = {"commit": commit.strip(), "is_dirty": bool(changes.strip())}
    if not _is_cached(file):
        own = _git(folder, "status", "--porcelain", "--", str(file)) or ""
        found["file"] = "untracked" if own.startswith("??") else "changed" if own else "tracked"
    return found


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],  # noqa: S607 - the user's own git
            capture_output=True,
            text=True,
            timeout=_GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _is_cached(file: Path) -> bool:
    """Tell whether a file is livekit's own copy of a class from a cell."""
    return file.parent.name == "exports" and file.parent.parent.name == "livekit"


def _place(file: str) -> str:
    path = Path(file)
    if _is_cached(path):
        return "from a notebook's cell"
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _tested_text(tested: Tested | None) -> str:
    if tested is None:
        return "never, as far as is known here"
    data = tested.get("data") or {}
    over = ", ".join(data.get("symbols") or ())
    start, stop = data.get("start_ns"), data.get("stop_ns")
    if start and stop:
        over += f" {_minute(start)} to {_minute(stop)} UTC"
    name = f", data {data['hash']}" if data.get("hash") else ""
    return (
        f"{_when(tested)} over {over}{name}: net {format_value(tested.get('net_profit'))}, "
        f"run {tested.get('hash')}"
    )


def _minute(ns: int) -> str:
    return str(np.datetime64(int(ns), "ns").astype("datetime64[m]")).replace("T", " ")


def _git_text(git: dict[str, Any]) -> str:
    if not git:
        return "no repository"
    file = f", this file {git['file']}" if "file" in git else ""
    return f"{git['commit']}{', with changes' if git['is_dirty'] else ''}{file}"


def _when(tested: Tested) -> str:
    return str(tested.get("started", ""))[:16].replace("T", " ") + " UTC"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
