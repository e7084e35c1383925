"""What the control socket's verbs do, and what they answer.

Layer 4.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livekit import clock
from livekit.engine.commands import Command, for_control
from livekit.engine.folder import log_path
from livekit.errors import NotFoundError
from livekit.events import Reject
from livekit.ring.counters import percentiles
from livekit.trading.layout import TradingState

if TYPE_CHECKING:
    from livekit.engine.control import Peer
    from livekit.engine.loop import EventEngine
    from livekit.engine.strategies import StrategySlot

__all__ = ["Verb", "data_path", "strategy_row", "table"]

_log: Final = logging.getLogger(__name__)

Verb = Callable[[dict[str, Any], "Peer"], dict[str, Any]]


def data_path(text: str) -> Path:
    """Return the folder of recorded data, absolute; NotFoundError when there is none."""
    path = Path(text).expanduser().resolve()
    if not path.is_dir():
        raise NotFoundError(
            f"data folder {str(path)!r} does not exist; give one with --data, or make one with "
            "'livekit data generate'"
        )
    return path


def table(engine: "EventEngine", commands: dict[str, Command]) -> dict[str, Verb]:
    """Return the verbs of an engine: those that ask, and the commands."""

    def register(request: dict[str, Any], _peer: "Peer") -> dict[str, Any]:
        slot = engine.register(request)
        return {
            "segment": str(slot.segment.file.path),
            "folder": str(slot.segment.file.path.parent),
            "ring": slot.ring,
            "epoch": int(slot.segment.header["epoch"]),
        }

    def detach(request: dict[str, Any], peer: "Peer") -> dict[str, Any]:
        slot = engine.manager.find(str(request["name"]))
        _log.info("detach asked name=%s by_pid=%d", slot.name, peer.pid)
        engine.manager.request_stop(slot)
        return {"name": slot.name, "pid": slot.pid, "start": slot.start}

    def stop(_request: dict[str, Any], peer: "Peer") -> dict[str, Any]:
        _log.info("stop asked by_pid=%d", peer.pid)
        engine.stop()
        prefix = engine.segment.file.prefix
        return {"pid": int(prefix["engine_pid"]), "start": int(prefix["engine_start"])}

    def snapshot(request: dict[str, Any], _peer: "Peer") -> dict[str, Any]:
        slot = engine.manager.find(str(request["name"]))
        errors = int(slot.segment.strategy_counters["errors"])
        what = (slot.name, slot.segment.spec, engine.manager.instruments, errors)
        folder = Path(str(request["folder"]))
        return {"is_written": engine.recorder.snapshot(slot.ring, *what, folder)}

    def begin(_request: dict[str, Any], _peer: "Peer") -> dict[str, Any]:
        engine.begin()
        return {"begun": True}

    return {
        "begin": begin,
        "detach": detach,
        "ping": lambda _request, _peer: {"pid": int(engine.segment.file.prefix["engine_pid"])},
        "ps": lambda _request, _peer: {"strategies": _rows(engine)},
        "register": register,
        "snapshot": snapshot,
        "status": lambda _request, _peer: _status(engine),
        "stop": stop,
        **for_control(commands),
    }


def _status(engine: "EventEngine") -> dict[str, Any]:
    pump, hub = engine.pump[0], engine.manager.hub.view
    now_ns = engine.finished_ns or clock.monotonic_ns()
    account = engine.core.account
    state = "stopping" if engine.is_stopping else "held" if engine.is_held else "running"
    if engine.source.is_finished and state == "running":
        state = "finished"
    return {
        "engine": engine.settings.name,
        "pid": int(engine.segment.file.prefix["engine_pid"]),
        "state": state,
        "trading": TradingState(engine.core.router.state).name,
        "venue": engine.settings.venue,
        "orders": engine.venue.describe(),
        "data": engine.settings.data,
        **engine.source.describe(),
        "uptime_s": (clock.monotonic_ns() - engine.started_ns) / 1e9,
        "now": int(pump["now"]),
        "events_in": int(pump["events_in"]),
        "events_out": int(hub["delivered"]),
        "events_dropped": int(hub["dropped"]),
        "orders_in": int(pump["orders_in"]),
        "reports_out": int(pump["reports_out"]),
        "events_per_s": engine.rate(now_ns),
        "deaths": engine.supervisor.deaths,
        "hangs": engine.supervisor.hangs,
        "cash": account.cash,
        "equity": account.equity,
        "instruments": [instrument.symbol for instrument in engine.manager.instruments],
        "strategies": _rows(engine),
        "log": str(log_path(engine.settings.name, "_engine")),
    }


def _rows(engine: "EventEngine") -> list[dict[str, Any]]:
    return [strategy_row(engine, slot) for slot in engine.manager.slots.values()]


def strategy_row(engine: "EventEngine", slot: "StrategySlot") -> dict[str, Any]:
    """Return what ``livekit ps`` and the demo's summary show of one strategy."""
    sent, own = slot.segment.engine_counters, slot.segment.strategy_counters
    account = engine.core.account
    positions = account.positions(slot.ring)
    summary = account.summary(slot.ring)
    tail, head = slot.segment.cursors("events")
    return {
        "name": slot.name,
        "state": slot.state,
        "mode": slot.segment.spec["mode"],
        "pid": slot.pid,
        "hash": slot.segment.spec["hash"],
        "policy": slot.policy,
        "uptime_s": (clock.monotonic_ns() - slot.attached_ns) / 1e9,
        "received": int(own["received"].sum()),
        "dropped": int(sent["dropped"].sum()),
        "queued": tail - head,
        "orders": int(sent["orders"]),
        "rejects": int(sent["rejects"]),
        "reject_codes": {
            Reject(code).name: int(count)
            for code, count in enumerate(sent["reject_codes"])
            if count
        },
        "fills": int(sent["fills"]),
        "errors": int(own["errors"]),
        "position": {
            symbol: row["position"] for symbol, row in positions.items() if row["position"]
        },
        "pnl": summary["net_pnl"],
        "fees": summary["fees"],
        "latency_ns": percentiles(own["delay"]),
        "tick_to_order_ns": percentiles(sent["tick_to_order"]),
        "segment_bytes": slot.segment.n_bytes,
    }
