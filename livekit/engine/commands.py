"""The commands that change what trades, for every road by which they are asked.

A command takes its fields and who asks, and returns what it did. The control socket and
the browser's door serve the same table, so that neither can do what the other cannot.
Layer 4.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.engine.steering import Steering
from livekit.errors import ConfigError
from livekit.events import ANY_INSTRUMENT, PARAMS, Kind
from livekit.ring import seqlock

if TYPE_CHECKING:
    from livekit.engine.control import Peer
    from livekit.engine.loop import EventEngine
    from livekit.engine.strategies import StrategySlot

__all__ = ["Command", "commands", "for_control"]

Command = Callable[[dict[str, Any], str], dict[str, Any]]

_LARGEST_ID: Final = (1 << 64) - 1


def commands(engine: "EventEngine", steering: Steering) -> dict[str, Command]:
    """Return the commands of an engine by name."""

    def cancel(request: dict[str, Any], by: str) -> dict[str, Any]:
        order_id = request.get("order_id")
        if order_id is not None:
            order_id = int(order_id)
            if not 0 < order_id <= _LARGEST_ID:
                raise ConfigError(f"order id is {order_id}, expected a whole number above 0")
        return steering.cancel(str(request["name"]), order_id, by)

    def params(request: dict[str, Any], by: str) -> dict[str, Any]:
        slot = engine.manager.find(str(request["name"]))
        values = dict(request["values"])
        answer = _change_params(engine, slot, values)
        steering.audit.note(
            "params",
            by,
            name=slot.name,
            before=answer["before"],
            after=values,
            version=answer["version"],
            undo=bool(request.get("undo")),
            life=f"{engine.generation}-{int(slot.segment.header['epoch'])}",
        )
        return answer

    return {
        "cancel": cancel,
        "flatten": lambda _request, by: steering.flatten(by),
        "kill": lambda _request, by: steering.halt(by),
        "params": params,
        "pause": lambda _request, by: steering.pause(by),
        "reduce": lambda _request, by: steering.reduce(by),
        "resume": lambda _request, by: steering.resume(by),
    }


def for_control(
    table: dict[str, Command],
) -> dict[str, Callable[[dict[str, Any], "Peer"], dict[str, Any]]]:
    """Return the commands as verbs of the control socket."""

    def verb(command: Command) -> Callable[[dict[str, Any], "Peer"], dict[str, Any]]:
        return lambda request, peer: command(request, f"pid {peer.pid}")

    return {name: verb(command) for name, command in table.items()}


def _change_params(
    engine: "EventEngine", slot: "StrategySlot", values: dict[str, Any]
) -> dict[str, Any]:
    """Give a running strategy new values of hot parameters, all at once."""
    declared = {param["name"]: param for param in slot.segment.spec["params"]}
    for name, value in values.items():
        _check_hot(slot.name, name, value, declared)
    before = {name: declared[name]["value"] for name in values}
    for name, value in values.items():
        declared[name]["value"] = value
    dtype = np.dtype([(name, kind) for name, kind in slot.segment.spec["params_dtype"]], align=True)
    lines = seqlock.round_lines(dtype.itemsize) // 64
    memory = np.zeros(lines * 64, np.uint8)
    row = memory[: dtype.itemsize].view(dtype)
    for name in dtype.names or ():
        row[name] = declared[name]["value"]
    part = slot.segment.at("params_offset")
    version = seqlock.publish_params(part, memory.ctypes.data, lines)
    event = np.zeros(1, PARAMS)
    event["kind"], event["instrument"], event["version"] = Kind.PARAMS, ANY_INSTRUMENT, version
    engine.manager.deliver_params(slot, event)
    return {
        "name": slot.name,
        "version": version,
        "before": before,
        "values": {n: p["value"] for n, p in declared.items()},
    }


def _check_hot(strategy: str, name: str, value: Any, declared: dict[str, Any]) -> None:
    param = declared.get(name)
    if param is None:
        raise ConfigError(
            f"strategy {strategy!r} has no parameter {name!r}; it has "
            f"{', '.join(declared) or 'none'}"
        )
    if not param["hot"]:
        raise ConfigError(
            f"parameter {name!r} of {strategy!r} is not hot; detach and attach to change it"
        )
    low = -math.inf if param["low"] is None else param["low"]
    high = math.inf if param["high"] is None else param["high"]
    if not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(f"parameter {name!r} is {value!r}, expected {low:g} to {high:g}")
