"""Saved runs: where they lie, the list of them, and one by its name.

    lk.runs()                the saved runs, newest first; a table in a notebook
    run("ema_cross")         the newest run of that name, loaded; lk.run looks at what trades first

A run is found by the name of its folder, which is unique, by the name it was given,
which need not be, or by a path. A folder that cannot be read is listed with what is
wrong with it, so that one broken run hides no other.
Layer 3. Reads only; `runs_folder` and `new_folder` are for who writes.
"""

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livekit import clock
from livekit.config import private_folder, state_root
from livekit.errors import NotFoundError
from livekit.research.report.card import format_value

if TYPE_CHECKING:
    import pandas as pd

    from livekit.research.report.run import Run

__all__ = [
    "Runs",
    "SavedRun",
    "find_run",
    "new_folder",
    "removable",
    "run",
    "runs",
    "runs_folder",
]

_META: Final = "run.json"
_COLUMNS: Final = ("name", "kind", "strategy", "hash", "started", "net_profit", "is_partial")
_UNUSABLE: Final = re.compile(r"[^A-Za-z0-9_-]+")


def runs_folder() -> Path:
    """Return the folder of saved runs, made private to the user."""
    return private_folder(state_root() / "runs")


def new_folder(name: str, started: str) -> Path:
    """Return a folder that is not there yet, for a run to be saved to.

    Parameters
    ----------
    name : str
        Of the run; what a folder's name cannot hold becomes ``_``.
    started : str
        ISO time of its start.
    """
    stem = _UNUSABLE.sub("_", name)[:64].strip("_") or "run"
    part = f"{clock.now_ns() % 10**6:06}"
    return runs_folder() / f"{stem}-{started[:19].replace(':', '')}-{part}"


@dataclass(frozen=True, slots=True)
class SavedRun:
    """What a saved run says of itself, without its rows.

    Attributes
    ----------
    name : str
        Of its folder; `lk.run` finds it by this.
    path : Path
    label : str
        The name that the run was given.
    kind : str
        backtest, lockstep, replay, paper, demo or live.
    strategy : str
    hash : str
        Of its orders and fills, 16 hex digits.
    started : str
        ISO time, wall clock.
    net_profit : float
        Quote currency, after fees; NaN where no sample was taken.
    is_partial : bool
    params : dict
    problem : str
        What keeps it from being read; empty when nothing does.
    """

    name: str
    path: Path
    label: str
    kind: str
    strategy: str
    hash: str
    started: str
    net_profit: float
    is_partial: bool
    params: dict[str, float]
    problem: str = ""

    def load(self) -> "Run":
        """Read the whole run.

        Raises
        ------
        DataError
            A file of it is broken, or of another version.
        """
        from livekit.research.report.run import Run  # noqa: PLC0415 - a list needs no run

        return Run.load(self.path)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        shown: dict[str, Any] = {name: getattr(self, name) for name in _COLUMNS}
        return shown | {
            "label": self.label,
            "params": self.params,
            "path": str(self.path),
            "problem": self.problem,
        }


class Runs(Sequence[SavedRun]):
    """Saved runs, newest first; shows itself as a table."""

    def __init__(self, items: Sequence[SavedRun]) -> None:
        self._items = tuple(items)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, place: Any) -> Any:
        found = self._items[place]
        return Runs(found) if isinstance(place, slice) else found

    @property
    def frame(self) -> "pd.DataFrame":
        """One row per run, indexed by its name; parameters are columns of their own."""
        import pandas as pd  # noqa: PLC0415 - pandas is imported by what needs it

        rows = [
            {column: getattr(one, column) for column in _COLUMNS} | one.params
            for one in self._items
        ]
        frame = pd.DataFrame(rows, columns=None if rows else list(_COLUMNS))
        frame["started"] = pd.to_datetime(frame["started"], utc=True, errors="coerce")
        return frame.set_index("name")

    def __repr__(self) -> str:
        if not self._items:
            return "<Runs: none>"
        lines = [_cells(one) for one in self._items]
        widths = [max(len(line[i]) for line in (_COLUMNS, *lines)) for i in range(len(_COLUMNS))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in (_COLUMNS, *lines)
        )

    def _repr_html_(self) -> str:
        head = "".join(f'<th style="text-align:left">{name}</th>' for name in _COLUMNS)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(one)) + "</tr>"
            for one in self._items
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cells(one: SavedRun) -> tuple[str, ...]:
    """Return the columns of a run as text."""
    state = one.problem or format_value(one.is_partial)
    shown = (one.name, one.kind, one.strategy, one.hash, one.started)
    return (*shown, format_value(one.net_profit), state)


def runs(folder: str | Path | None = None) -> Runs:
    """List the saved runs, newest first.

    Parameters
    ----------
    folder : path, optional
        The user's folder of saved runs by default: of backtests saved by the command
        line, and of every strategy that an engine ran.
    """
    root = _root(folder)
    found = [_look_at(path.parent) for path in root.glob(f"[!.]*/{_META}")]
    return Runs(sorted(found, key=lambda one: (one.started, one.name), reverse=True))


def run(name: str | Path, folder: str | Path | None = None) -> "Run":
    """Load a saved run: by its folder's name, by its own name (the newest), or by a path.

    Raises
    ------
    NotFoundError
        There is none; the message says what there is.
    DataError
        It cannot be read.
    """
    from livekit.research.report.run import Run  # noqa: PLC0415 - imports NumPy

    return Run.load(find_run(name, folder))


def find_run(name: str | Path, folder: str | Path | None = None) -> Path:
    """Return the folder of a saved run; see `run`.

    Raises
    ------
    NotFoundError
        There is none.
    """
    root, text = _root(folder), str(name)
    is_plain = text not in {"", ".", ".."} and "/" not in text
    for path in (root / text,) if is_plain else (Path(name).expanduser(),):
        if (path / _META).is_file():
            return path
    saved = runs(root)
    for one in saved:
        if one.label == text:
            return one.path
    if is_plain and (Path(text) / _META).is_file():
        return Path(text)
    names = list(dict.fromkeys([*(one.label for one in saved), *(one.name for one in saved)]))
    raise NotFoundError(f"there is no saved run {text!r} in {str(root)!r}; {_hint(text, names)}")


def removable(name: str) -> Path:
    """Return the folder of a run in the folder of runs, broken or not, by its exact name.

    Raises
    ------
    NotFoundError
        There is none. A path or the name that several runs share is none.
    """
    saved = runs()
    for one in saved:
        if one.name == name:
            return one.path
    names = [one.name for one in saved]
    raise NotFoundError(f"there is no saved run {name!r}; {_hint(name, names)}")


def _hint(text: str, names: list[str]) -> str:
    from livekit.strategy.spec import did_you_mean  # noqa: PLC0415 - only to refuse

    shown = names[:6]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return did_you_mean(text, shown) + more if names else "no run is saved there"


def _root(folder: str | Path | None) -> Path:
    return state_root() / "runs" if folder is None else Path(folder)


def _look_at(path: Path) -> SavedRun:
    """Read what a run says of itself; what is wrong with it instead, where something is."""
    try:
        said = json.loads((path / _META).read_text(encoding="utf-8"))
        meta = said["meta"]
        return SavedRun(
            name=path.name,
            path=path,
            label=str(meta.get("name", "")),
            kind=str(meta.get("kind", "")),
            strategy=str(meta.get("strategy", "")),
            hash=str(said["hash"]),
            started=str(meta.get("started", "")),
            net_profit=_last_equity(path) - float(meta["cash"]),
            is_partial=bool(meta.get("is_partial")),
            params=dict(meta.get("params") or {}),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return SavedRun(
            path.name, path, "", "", "", "", "", float("nan"), True, {}, f"unreadable ({reason})"
        )


def _last_equity(path: Path) -> float:
    """Return the last sample of the equity; only its row group and column are read."""
    from pyarrow import parquet  # noqa: PLC0415 - heavy

    with parquet.ParquetFile(path / "equity.parquet") as file:
        if file.metadata.num_rows == 0:
            return float("nan")
        values = file.read_row_group(file.num_row_groups - 1, columns=["equity"]).column(0)
        return float(values[-1].as_py())
