"""What a dashboard is told: a greeting with all there is, then frames with what changed.

A frame is a dictionary as JSON takes it; a part that has not changed since the last
frame is left out, so a quiet market costs a heartbeat. Market data is looked at on every
beat, tables on every second, histograms and logs on every fifth.
Layer 5.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.engine.folder import log_path
from livekit.errors import LivekitError, SegmentError
from livekit.notebook.live_state import History
from livekit.notebook.views import EngineView

__all__ = ["BEAT_S", "Feeding", "LogTail", "finite"]

BEAT_S: Final = 0.1
_TABLES: Final = 2  # beats
_SLOW: Final = 5
_HISTORY: Final = 20
_GREETING_REPORTS: Final = 400
_GREETING_TICKS: Final = 3000
_LOG_LINES: Final = 200
_LOG_BYTES: Final = 32_768


def finite(value: Any) -> Any:
    """Return a value with numbers that JSON does not know as None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


class LogTail:
    """Follows a log file; holds no more than its last lines.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._inode = path, 0, 0

    def read(self, *, whole: bool = False) -> list[str]:
        """Return the lines written since the last call, or the last ones there are."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return []
        if whole or status.st_ino != self._inode or status.st_size < self._at:
            self._inode, self._at = status.st_ino, max(0, status.st_size - _LOG_BYTES)
        if status.st_size == self._at:
            return []
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read(_LOG_BYTES)
        end = data.rfind(b"\n") + 1
        self._at += end
        return data[:end].decode(errors="replace").splitlines()[-_LOG_LINES:]


class Feeding:
    """Greeting and frames of one dashboard.

    Parameters
    ----------
    view : EngineView
        Used by one thread.
    symbol : str
        Instrument of chart, ladder and tape.
    """

    def __init__(self, view: EngineView, symbol: str = "") -> None:
        self.view = view
        self.symbol = symbol if symbol in view.symbols else (view.symbols or [""])[0]
        self.beat = 0
        self._last: dict[str, Any] = {}
        self._print_number = self._report_number = 0
        self._logs: dict[str, LogTail] = {}

    def choose(self, symbol: str) -> None:
        """Show another instrument."""
        if symbol in self.view.symbols:
            self.symbol = symbol

    # The greeting.

    def greeting(self) -> dict[str, Any]:
        """Return all that a page needs before its first frame."""
        view = self.view
        view.look()
        self._last.clear()
        prints, self._print_number = view.prints(0, 4096)
        reports, self._report_number = view.reports(0, _GREETING_REPORTS)
        steps = dict(zip(view.symbols, view.steps, strict=True))
        return finite(
            {
                "kind": "greeting",
                "engine": view.engine,
                "source": view.about,
                "symbols": [
                    {"symbol": s, "tick": tick, "lot": lot} for s, (tick, lot) in steps.items()
                ],
                "symbol": self.symbol,
                "prints": [_print(p) for p in prints if p["symbol"] == self.symbol][-200:],
                "reports": reports,
                "ticks": self.ticks(),
                "logs": self._log_lines(whole=True),
                "history": self._history(),
            }
        )

    def ticks(self) -> list[list[float]]:
        """Return [event time ms, bid, ask, equity] of the frames kept by the engine."""
        history = History(self.view)
        number = len(history)
        step = max(1, number // _GREETING_TICKS)
        found = []
        for place in range(0, number, step):
            moment = history.at(place)
            if moment is None:
                continue
            market = moment.books.get(self.symbol, {})
            if "bid" in market:
                found.append(
                    [moment.time / 1e6, market["bid"], market["ask"], moment.equity],
                )
        return found

    # Frames.

    def frame(self) -> dict[str, Any]:
        """Return what changed since the last frame."""
        self.beat += 1
        found: dict[str, Any] = {"kind": "frame", "beat": self.beat}
        for part, every, make in self._parts():
            if self.beat % every and part in self._last:
                continue
            try:
                value = finite(make())
            except SegmentError:
                continue  # busier than a reader: the next beat shows it
            if self._last.get(part) != value:
                self._last[part] = found[part] = value
        if self.beat % _SLOW == 0 and (lines := self._log_lines()):
            found["logs"] = lines
        self._add_tapes(found)
        return found

    def _parts(self) -> list[tuple[str, int, Callable[[], Any]]]:
        return [
            ("status", 1, self._status),
            ("market", 1, self._market),
            ("account", _TABLES, self._account),
            ("strategies", _TABLES, self.view.strategy_rows),
            ("latency", _SLOW, self._latency),
            ("params", _SLOW, self._params),
            ("history", _HISTORY, self._history),
        ]

    def _status(self) -> dict[str, Any]:
        status = self.view.status()
        status["heartbeat_ms"] = round(status["heartbeat_ms"] / 100) * 100
        return status

    def _market(self) -> dict[str, Any]:
        return {"symbol": self.symbol, **self.view.market(self.symbol)} if self.symbol else {}

    def _account(self) -> dict[str, Any]:
        account = self.view.account()
        account.head.pop("age_ms")
        return {"head": account.head, "positions": account.positions, "orders": account.orders}

    def _latency(self) -> dict[str, Any]:
        strategies = {
            name: {**one.latency(), "histogram": one.histogram()}
            for name, one in self.view.strategies.items()
        }
        return {"engine": self.view.tick_latency(), "strategies": strategies}

    def _params(self) -> dict[str, Any]:
        return {
            name: one.declared() for name, one in self.view.strategies.items() if not one.gone_at
        }

    def _history(self) -> dict[str, Any]:
        times = History(self.view).times
        if not len(times):
            return {"n": 0}
        return {"n": len(times), "first": int(times[0]) / 1e6, "last": int(times[-1]) / 1e6}

    def _add_tapes(self, found: dict[str, Any]) -> None:
        prints, self._print_number = self.view.prints(self._print_number, 500)
        shown = [_print(p) for p in prints if p["symbol"] == self.symbol]
        if shown:
            found["prints"] = finite(shown[-60:])
        reports, self._report_number = self.view.reports(self._report_number, 500)
        if reports:
            found["reports"] = finite(reports)

    def _log_lines(self, *, whole: bool = False) -> list[str]:
        """Return new lines of the engine's log and the strategies', each with its name."""
        found: list[str] = []
        for name in ("_engine", *self.view.strategies):
            if name not in self._logs:
                self._logs[name] = LogTail(log_path(self.view.engine, name))
            label = "engine" if name == "_engine" else name
            found += [f"{label}\t{line}" for line in self._logs[name].read(whole=whole)]
        # All begin with a time of one form; what has none belongs to the line before it.
        found.sort(key=lambda line: line.partition("\t")[2][:23])
        return found[-_LOG_LINES:]

    # The past.

    def moment(self, fraction: float, name: str) -> dict[str, Any] | None:
        """Return the moment at a fraction of the history; None when it is overwritten."""
        try:
            history = History(self.view, name)
        except LivekitError:
            history = History(self.view)
        if not len(history):
            return None
        place = int(np.clip(round(fraction * (len(history) - 1)), 0, len(history) - 1))
        moment = history.at(place)
        if moment is None:
            return None
        state = moment.state
        return finite(
            {
                "kind": "moment",
                "time": moment.time / 1e6,
                "ago": (int(history.times[-1]) - moment.time) / 1e9,
                "trading": moment.trading,
                "equity": moment.equity,
                "name": name,
                "sequence": state.sequence if state else None,
                "queued": moment.queued,
                "state": state.to_dict() if state else {},
                "orders": moment.orders,
                "positions": moment.positions,
                "market": moment.books.get(self.symbol, {}),
            }
        )


def _print(row: dict[str, Any]) -> list[Any]:
    return [row["time"] / 1e6, row["price"], row["size"], row["side"]]
