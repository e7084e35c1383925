"""The dashboard as text: for a terminal, and where a notebook has no widgets.

It is a picture of the moment at which it is shown; show it again for another.
Layer 5.
"""

import math
from datetime import UTC, datetime
from typing import Any

from livekit.notebook.commanding import Commander
from livekit.notebook.views import EngineView

__all__ = ["TextDesk", "amount", "duration"]


def amount(value: Any, decimals: int = 2) -> str:
    """Return a number with thousands separated; a dash for none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:,.{decimals}f}"


def duration(value: Any) -> str:
    """Return nanoseconds in the unit that suits them; a dash for none."""
    if value is None or not math.isfinite(value):
        return "-"
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
        if value < limit:
            return f"{value / divisor:.3g} {unit}"
    return f"{value / 1e9:.3g} s"


def _table(columns: list[str], rows: list[list[str]]) -> list[str]:
    """Return aligned lines; a column named with a leading ``>`` aligns right."""
    heads = [column.lstrip(">") for column in columns]
    widths = [max(len(row[k]) for row in [heads, *rows]) for k in range(len(heads))]

    def line(cells: list[str]) -> str:
        parts = zip(columns, cells, widths, strict=True)
        return "  ".join(c.rjust(w) if n[0] == ">" else c.ljust(w) for n, c, w in parts).rstrip()

    return [line(heads), *(line(row) for row in rows)]


class TextDesk(Commander):
    """A dashboard as text.

    Parameters
    ----------
    engine : str
    symbol : str
        Instrument of the market line; all of them when empty.
    parts : tuple of str
    why : str
        Why it is no widget; empty where none was to be expected.
    """

    def __init__(self, engine: str, symbol: str, parts: tuple[str, ...], why: str) -> None:
        super().__init__(engine)
        self.symbol, self.parts, self.why = symbol, parts, why
        self._view = EngineView(engine)

    def __repr__(self) -> str:
        if not self._view.is_alive:
            self._view.reopen()
        lines = [self._head()]
        if {"price", "ladder", "tape"} & set(self.parts):
            lines += self._markets()
        account = self._view.account()
        if "strategies" in self.parts:
            lines += ["", *self._strategies(account.positions)]
        if "positions" in self.parts and account.positions:
            lines += ["", *self._positions(account.positions)]
        if "orders" in self.parts and account.orders:
            lines += ["", *self._orders(account.orders)]
        if self.why:
            lines += ["", f"shown as text because {self.why}"]
        return "\n".join(lines)

    def _head(self) -> str:
        status, head = self._view.status(), self._view.account().head
        stale = status["heartbeat_ms"] > 2000 or status["state"] == "gone"
        stamp = datetime.fromtimestamp(status["now"] / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S")
        warning = (
            f"\nthe engine has been silent for {status['heartbeat_ms'] / 1e3:.0f} s: this is old"
        )
        return (
            f"engine {self.engine!r} {status['state']}, {status['venue']} trading "
            f"{head['trading']}, "
            f"event time {stamp if status['now'] else '-'}\n"
            f"equity {amount(head['equity'])}, net PnL {amount(head['net_pnl'])}, "
            f"{head['n_open']} open orders, {status['events_in']:,} events"
            f"{warning if stale else ''}"
        )

    def _markets(self) -> list[str]:
        symbols = [self.symbol] if self.symbol else self._view.symbols[:8]
        rows = []
        for symbol in symbols:
            market = self._view.market(symbol)
            last = " ".join(filter(None, [amount(market.get("last")), market.get("last_side")]))
            rows.append([symbol, amount(market.get("bid")), amount(market.get("ask")), last])
        return ["", *_table(["symbol", ">bid", ">ask", ">last"], rows)]

    def _strategies(self, positions: list[dict[str, Any]]) -> list[str]:
        rows = []
        for row in self._view.strategy_rows():
            latency = self._view.strategies[row["name"]].latency()
            pnl = sum(p["net_pnl"] for p in positions if p["strategy"] == row["name"])
            counts = [f"{row[k]:,}" for k in ("received", "lag", "dropped", "orders", "fills")]
            rows.append([row["name"], row["state"], *counts, duration(latency["p50"]), amount(pnl)])
        columns = ["strategy", "state", ">events", ">lag", ">dropped", ">orders", ">fills"]
        if not rows:
            return ["no strategy is attached; attach one with lk.attach or 'livekit attach FILE'"]
        return _table([*columns, ">p50", ">PnL"], rows)

    @staticmethod
    def _positions(positions: list[dict[str, Any]]) -> list[str]:
        rows = [
            [
                p["strategy"],
                p["symbol"],
                f"{p['position']:g}",
                amount(p["mark"]),
                amount(p["net_pnl"]),
            ]
            for p in positions
        ]
        return _table(["strategy", "symbol", ">position", ">mark", ">net PnL"], rows)

    @staticmethod
    def _orders(orders: list[dict[str, Any]]) -> list[str]:
        rows = [
            [
                *(o["strategy"], o["symbol"], o["side"], f"{o['quantity']:g}", amount(o["price"])),
                *(f"{o['filled_quantity']:g}", o["status"], o["order_id"]),
            ]
            for o in orders[:20]
        ]
        columns = ["strategy", "symbol", "side", ">quantity", ">price", ">filled", "status"]
        return _table([*columns, ">order id"], rows)
