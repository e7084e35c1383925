"""What an engine and its strategies do, read out of their shared memory.

Nothing here asks the engine: every call maps what the engine and the strategies write
anyway, so it may be made ten times a second, while the engine is busy, while a strategy
hangs, and after either is gone. Values are plain Python, as JSON takes them; a number
that does not exist is NaN.
Layer 5.
"""

import json
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit import clock
from livekit.engine.folder import engine_folder, require_running, segment_paths
from livekit.errors import LivekitError, NotRunningError, SegmentError
from livekit.events import TRADE, OrderStatus, OrderType, Reject, Side, TimeInForce
from livekit.notebook.markets import market_of
from livekit.notebook.strategy_view import StrategyView
from livekit.ring import seqlock
from livekit.ring.counters import percentile
from livekit.ring.directory import BOARD_ROW, EngineSegment, EngineState
from livekit.ring.panel import (
    PRINTS_AT,
    REPORT_ROW,
    REPORTS_AT,
    read_table,
    read_tape,
)
from livekit.ring.segment import Segment
from livekit.trading.layout import TradingState

__all__ = ["Account", "EngineView"]

_LOOK_EVERY_S: Final = 0.5
_GONE_FOR_S: Final = 60.0
_TRIES: Final = 1000
_SUMS: Final = (
    *("cash", "initial_cash", "equity", "gross_exposure"),
    *("realized_pnl", "unrealized_pnl", "fees", "funding"),
)


class Account:
    """The account at one moment: a copy.

    Attributes
    ----------
    head : dict
        Sums of the account, quote currency; ``trading`` and ``age_ms``.
    positions, orders : list of dict
    """

    def __init__(
        self,
        head: dict[str, Any],
        positions: list[dict[str, Any]],
        orders: list[dict[str, Any]],
    ) -> None:
        self.head, self.positions, self.orders = head, positions, orders


class EngineView:
    """One engine's shared memory, mapped by a reader.

    Parameters
    ----------
    engine : str

    Raises
    ------
    NotRunningError
        No engine of that name runs; the message has the line that starts one.

    Notes
    -----
    Not for several threads at once: the copies share one scratch memory.
    """

    def __init__(self, engine: str) -> None:
        self.engine = engine
        require_running(engine)
        self.folder = engine_folder(engine)
        self.strategies: dict[str, StrategyView] = {}
        self.symbols: list[str] = []
        self._names: dict[int, str] = {}  # of slots, those that are gone too
        self._looked = 0.0
        self._open()

    def _open(self) -> None:
        self.segment = EngineSegment.attach(self.folder)
        self.generation = int(self.segment.file.prefix["generation"])
        pid = int(self.segment.file.prefix["engine_pid"])
        self._identity = pid, int(self.segment.file.prefix["engine_start"])
        self._scratch = np.zeros(PRINTS_AT, np.uint8)
        self._row = np.zeros(1, BOARD_ROW)
        text = self.segment.header["about"].decode(errors="replace")
        self.about: dict[str, Any] = json.loads(text) if text else {}
        self.strategies.clear()
        self._names.clear()
        self.look()

    def reopen(self) -> bool:
        """Map the engine that runs now under this name, if it is another; tell whether it was."""
        try:
            segment = EngineSegment.attach(self.folder)
        except LivekitError:
            return False
        if int(segment.file.prefix["generation"]) == self.generation:
            return False
        self._open()
        return True

    @property
    def is_alive(self) -> bool:
        """Whether the engine's process runs."""
        return clock.is_alive(*self._identity)

    # Who is there.

    def look(self) -> None:
        """Look for strategies that came or went, and for new instruments."""
        self._looked = time.monotonic()
        header = self.segment.header
        if int(header["n_instruments"]) != len(self.symbols):
            instruments = self.segment.instruments()
            self.symbols = [one.symbol for one in instruments]
            self.steps = [(one.tick, one.lot) for one in instruments]
        found = {path.name: path for path in segment_paths(self.folder)}
        for name, view in list(self.strategies.items()):
            if name not in found or _inode(found[name]) != view.inode:
                view.gone_at = view.gone_at or time.monotonic()
                if time.monotonic() - view.gone_at > _GONE_FOR_S:
                    del self.strategies[name]
        for name, path in found.items():
            known = self.strategies.get(name)
            if known is None or known.gone_at:
                self._map(path)

    def _map(self, path: Path) -> None:
        try:
            view = StrategyView(Segment.attach(path, allow_dead=True), _inode(path))
        except LivekitError:
            return  # half-made or just removed; the next look sees it
        self.strategies[view.name] = view
        self._names[view.ring] = view.name

    def _look_sometimes(self) -> None:
        if time.monotonic() - self._looked > _LOOK_EVERY_S:
            self.look()

    def name_of(self, ring: int) -> str:
        """Return the name of a strategy's slot; its number where the name was never seen."""
        return self._names.get(ring, f"#{ring}")

    # What they do.

    def status(self) -> dict[str, Any]:
        """Return the engine's own state."""
        header = self.segment.header
        is_alive = self.is_alive
        heartbeat = int(header["heartbeat"])
        n_events, position = int(header["n_events"]), int(header["position"])
        return {
            "engine": self.engine,
            "pid": self._identity[0],
            "state": EngineState(int(header["state"])).name.lower() if is_alive else "gone",
            "trading": TradingState(int(header["trading_state"])).name,
            "heartbeat_ms": max(0, clock.monotonic_ns() - heartbeat) / 1e6,
            "now": int(header["now"]),
            "events_in": int(header["events_in"]),
            "events_out": int(header["events_out"]),
            "events_dropped": int(header["events_dropped"]),
            "orders_in": int(header["orders_in"]),
            "reports_out": int(header["reports_out"]),
            "deaths": int(header["deaths"]),
            "hangs": int(header["hangs"]),
            "progress": position / n_events if n_events else float("nan"),
            **{key: self.about.get(key, "") for key in ("source", "speed", "env", "venue")},
        }

    def tick_latency(self) -> dict[str, float]:
        """Return p50 and p99 of what an event costs the engine, ns."""
        words = self.segment.header["tick"]
        return {"p50": percentile(words, 0.50), "p99": percentile(words, 0.99)}

    def board(self, symbol: str) -> np.void:
        """Return the last ticker, quote, trade and book of an instrument: a BOARD_ROW copy.

        Raises
        ------
        NotRunningError
            The engine does not serve it.
        SegmentError
            It changed at every look.
        """
        if symbol not in self.symbols:
            raise NotRunningError(
                f"symbol {symbol!r} is not served by engine {self.engine!r}; it serves "
                f"{', '.join(self.symbols)}"
            )
        place = self.segment.board_address + self.symbols.index(symbol) * BOARD_ROW.itemsize
        target = int(self._row.ctypes.data) + 64
        if not seqlock.snapshot(place, target, BOARD_ROW.itemsize // 64 - 1, _TRIES):
            raise SegmentError(f"board of {symbol!r} changed at every look; try again")
        return self._row[0].copy()

    def market(self, symbol: str) -> dict[str, Any]:
        """Return an instrument's market: touch, last trade, book, and when it was seen last."""
        return market_of(self.board(symbol))

    def account(self) -> Account:
        """Return the account, positions and open orders as they stood at one moment.

        Raises
        ------
        SegmentError
            They changed at every look.
        """
        self._look_sometimes()
        copied = read_table(self.segment.panel_address, self._scratch)
        if copied is None:
            raise SegmentError(f"account of {self.engine!r} changed at every look; try again")
        head, positions, orders = copied
        sums: dict[str, Any] = {name: float(head[name]) for name in _SUMS}
        sums["net_pnl"] = sums["equity"] - sums["initial_cash"]
        sums["n_open"], sums["n_faults"] = int(head["n_open"]), int(head["n_faults"])
        sums["is_flattening"] = bool(head["is_flattening"])
        sums["trading"] = TradingState(int(head["state"])).name
        sums["age_ms"] = max(0, clock.monotonic_ns() - int(head["shown"])) / 1e6
        return Account(sums, self.position_rows(positions), self.order_rows(orders))

    def position_rows(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """Return PANEL_POSITION rows with names in place of numbers."""
        names = rows.dtype.names[2:]  # type: ignore[index]
        return [
            {
                "strategy": self.name_of(row[0]),
                "symbol": self.symbols[row[1]],
                **dict(zip(names, row[2:], strict=True)),
            }
            for row in rows.tolist()
        ]

    def order_rows(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """Return PANEL_ORDER rows with names in place of numbers."""
        return [self._order_row(row) for row in rows]

    def _order_row(self, row: np.void) -> dict[str, Any]:
        return {
            # Text: an id of 64 bits is more than a number of JavaScript holds.
            "order_id": str(int(row["order_id"]) & (1 << 64) - 1),
            "strategy": self.name_of(int(row["strategy"])),
            "symbol": self.symbols[int(row["instrument"])],
            "side": Side(int(row["side"])).name.lower(),
            "type": OrderType(int(row["order_type"])).name.lower(),
            "tif": TimeInForce(int(row["tif"])).name,
            "status": OrderStatus(int(row["status"])).name,
            "is_canceling": bool(row["is_canceling"]),
            "price": float(row["price"]),
            "quantity": float(row["quantity"]),
            "filled_quantity": float(row["filled_quantity"]),
            "average_price": float(row["average_price"]),
            "created": int(row["created_ns"]),
            "updated": int(row["updated_ns"]),
            "queue_front": float(row["queue_front"]),
            "client_order_id": row["client_order_id"].decode(errors="replace"),
        }

    def prints(self, since: int = 0, limit: int = 200) -> tuple[list[dict[str, Any]], int]:
        """Return public trades from number `since` on, the last `limit` at most, and the next."""
        place = self.segment.panel_address + PRINTS_AT
        rows, _, tail = read_tape(place, TRADE, since, limit)
        found = [
            {
                "symbol": self.symbols[int(row["instrument"])],
                "time": int(row["ts_recv"]),
                "price": float(row["price"]),
                "size": float(row["size"]),
                "side": "buy" if int(row["aux"]) == Side.BUY else "sell",
            }
            for row in rows
            if int(row["instrument"]) < len(self.symbols)
        ]
        return found, tail

    def reports(self, since: int = 0, limit: int = 500) -> tuple[list[dict[str, Any]], int]:
        """Return order reports from number `since` on, the last `limit` at most, and the next."""
        place = self.segment.panel_address + REPORTS_AT
        rows, first, tail = read_tape(place, REPORT_ROW, since, limit)
        return [self._report(first + k, row) for k, row in enumerate(rows)], tail

    def _report(self, number: int, row: np.void) -> dict[str, Any]:
        report = row["report"]
        instrument = int(report["instrument"])
        return {
            "number": number,
            "time": int(report["ts_recv"]),
            "strategy": self.name_of(int(row["strategy"])),
            "symbol": self.symbols[instrument] if instrument < len(self.symbols) else "?",
            "order_id": str(int(report["order_id"])),
            "side": Side(int(report["side"])).name.lower(),
            "type": OrderType(int(report["order_type"])).name.lower(),
            "status": OrderStatus(int(report["status"])).name,
            "price": float(report["price"]),
            "quantity": float(report["quantity"]),
            "filled_quantity": float(report["filled_quantity"]),
            "average_price": float(report["average_price"]),
            "last_price": float(report["last_price"]),
            "last_quantity": float(report["last_quantity"]),
            "fee": float(report["fee"]),
            "liquidity": ("", "maker", "taker")[min(int(row["liquidity"]), 2)],
            "reject": Reject(int(report["reject"])).name if int(report["reject"]) else "",
        }

    def strategy_rows(self) -> list[dict[str, Any]]:
        """Return one row a strategy, those lately gone too."""
        self._look_sometimes()
        return [view.row() for view in self.strategies.values()]


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
