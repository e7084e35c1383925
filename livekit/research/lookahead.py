"""Look-ahead: whether a strategy knows what has not happened yet.

The strategy runs up to some event, once in the world as it was recorded and once in
worlds whose later rows are poisoned (lookahead_world). Its state and its orders at that
event must be the same. The file is run anew in each world, with the neighbours it
imports, so a table that it computes over the whole recording when it starts is seen.
And the orders up to the event must be those of a run that goes on: that looks at livekit
itself, which hands events to a strategy in batches.

Latencies are left out: what a strategy knows does not depend on them.
Layer 3.
"""

import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.errors import ConfigError, LivekitError, StrategyError
from livekit.progress import Progress
from livekit.research.backtest import Target
from livekit.research.data import Data
from livekit.research.lookahead_world import POISONS, poisoned
from livekit.research.simulation import Settings, Simulation
from livekit.strategy.code_hash import neighbours_of
from livekit.trading.latency import Latency

__all__ = ["Finding", "find_lookahead", "first_events", "places"]

_CREATED: Final = (
    *("order_id", "instrument", "side", "order_type", "tif", "options"),
    *("quantity", "created_ns", "arrival_bid", "arrival_ask"),
)
"""Fields of an order that nothing changes once it is created."""

_AS_RECORDED: Final = "with later data as recorded"
_LATER: Final = {
    "nan": "with later data missing",
    "huge": "with later data a thousand times as large",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Where a strategy first differs for what comes later.

    Attributes
    ----------
    event : int
        Events handled by then.
    ts : int
        Time of the last one, ns.
    what : str
        Which field or order, and how it differs.
    is_compiled : bool
    """

    event: int
    ts: int
    what: str
    is_compiled: bool


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What a strategy is and has done after some event."""

    state: Mapping[str, Any]
    orders: np.ndarray
    failure: str = ""


def first_events(data: Data, n_events: int) -> Data:
    """Return the first events of some data as arrays, those of an equal time included."""
    days, count = [], 0
    for day in range(data.n_days):
        streams = data.streams(day)
        days.append(streams)
        count += sum(len(one.rows) for one in streams)
        if count >= n_events:
            break
    times = np.sort(np.concatenate([one.rows["ts_recv"] for streams in days for one in streams]))
    last = int(times[min(n_events, len(times)) - 1])
    parts: dict[tuple[str, Any], list[np.ndarray]] = {}
    for streams in days:
        for one in streams:
            n_rows = int(np.searchsorted(one.rows["ts_recv"], last, side="right"))
            symbol = data.instruments[one.instrument].symbol
            parts.setdefault((symbol, one.kind), []).append(one.rows[:n_rows])
    arrays = {
        key: rows[0] if len(rows) == 1 else np.concatenate(rows) for key, rows in parts.items()
    }
    return Data.from_arrays(arrays, data.instruments)


def places(data: Data, n_places: int) -> list[tuple[int, int]]:
    """Return (events until then, time in ns) of points spread evenly over some data."""
    streams = data.streams(0)
    times = np.sort(np.concatenate([one.rows["ts_recv"] for one in streams]))
    wanted = [len(times) * (i + 1) // (n_places + 1) for i in range(n_places)]
    found = {}
    for index in wanted:
        ts = int(times[max(index - 1, 0)])
        if ts < times[-1]:
            found[int(np.searchsorted(times, ts, side="right"))] = ts
    if not found:
        raise ConfigError(
            f"the data has {len(times)} events, too few to look for look-ahead in; take more"
        )
    return list(found.items())


def find_lookahead(
    target: Target,
    values: dict[str, float],
    data: Data,
    root: str,
    settings: Settings,
    points: list[tuple[int, int]],
    *,
    is_compiled: bool,
    progress: bool | None = None,
) -> Finding | None:
    """Return the first difference that the future makes, None when there is none.

    Parameters
    ----------
    target : Target
    values : dict
        Of every parameter.
    data : Data
        Arrays, from `first_events`.
    root : str
        Folder of the recordings they are from, empty for none.
    settings : Settings
    points : list of (events, ns)
        From `places`, rising.
    is_compiled : bool
    progress : bool, optional

    Raises
    ------
    StrategyError
        The strategy does not run on the data as it is, or does not do the same twice.
    """
    settings = replace(settings, latency=Latency())

    def run(part: Data) -> _Snapshot:
        return _take(target, values, part, settings, is_compiled=is_compiled)

    with Progress(len(points), "look-ahead", "points", is_shown=progress) as bar:
        whole = run(data)
        if whole.failure:
            raise StrategyError(f"the strategy fails on the data as it is: {whole.failure}")
        for step, (event, ts) in enumerate(points):
            part = data[: ts + 1]
            honest = run(part)
            if step == 0 and (changed := _difference(honest, run(part), "in one run", "again")):
                raise StrategyError(
                    f"it does not do the same twice: {changed}; see 'livekit verify determinism'"
                )
            until = _Snapshot(honest.state, whole.orders[whole.orders["created_ns"] <= ts])
            what = _difference(until, honest, "when later events follow", "when none do")
            for how in POISONS if root else ():
                if not what:
                    with poisoned(root, ts, how):
                        spoilt = run(part)
                    what = _difference(honest, spoilt, _AS_RECORDED, _LATER[how])
            bar.update(step + 1)
            if what:
                return Finding(event, ts, what, is_compiled)
    return None


def _take(
    target: Target,
    values: dict[str, float],
    data: Data,
    settings: Settings,
    *,
    is_compiled: bool,
) -> _Snapshot:
    """Run the file anew over some data; `on_stop` is not called, since nothing has ended."""
    _forget(target.path)
    try:
        simulation = Simulation(target.load(), values, data, settings, is_compiled=is_compiled)
        while simulation.step():
            pass
    except LivekitError as error:
        return _Snapshot({}, np.zeros(0), str(error))
    state = {name: value for name, value in simulation.state.items() if _is_plain(value)}
    return _Snapshot(state, simulation.ledger.rows("orders").copy(), simulation.failure)


def _forget(path: Path) -> None:
    """Let the neighbours that a file imports run again with it."""
    own = {str(one) for one in neighbours_of(path)}
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) in own:
            del sys.modules[name]


def _is_plain(value: Any) -> bool:
    """Tell whether a value is data that can be compared."""
    if isinstance(value, list | tuple | deque | set | frozenset):
        return all(_is_plain(one) for one in value)
    if isinstance(value, dict):
        return all(_is_plain(one) for one in value.values())
    if hasattr(value, "to_numpy"):  # a frame or series of pandas
        return True
    return value is None or isinstance(value, bool | int | float | str | np.ndarray | np.generic)


def _is_same(one: Any, other: Any) -> bool:
    if hasattr(one, "to_numpy") and hasattr(other, "to_numpy"):
        one, other = one.to_numpy(), other.to_numpy()
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.shape == other.shape and all(
            map(_is_same, one.ravel().tolist(), other.ravel().tolist())
        )
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple | deque):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_is_same(one[key], other[key]) for key in one)
    return bool(one == other) or (one != one and other != other)  # noqa: PLR0124 - NaN is NaN


def _difference(one: _Snapshot, other: _Snapshot, where: str, there: str) -> str:
    """Say how two snapshots first differ; empty when they do not."""
    if one.failure != other.failure:
        return f"it runs {where}, but {there} it fails: {other.failure or one.failure}"
    for what in (*_state_differences(one, other, where, there), *_orders(one, other, where, there)):
        return what
    return ""


def _state_differences(one: _Snapshot, other: _Snapshot, where: str, there: str) -> Iterator[str]:
    for name in dict.fromkeys((*one.state, *other.state)):
        a, b = (side.state.get(name) for side in (one, other))
        if not _is_same(a, b):
            yield f"{name!r} is {_show(a)} {where} and {_show(b)} {there}"


def _orders(one: _Snapshot, other: _Snapshot, where: str, there: str) -> Iterator[str]:
    shared = min(len(one.orders), len(other.orders))
    for index in range(shared):
        for name in _CREATED:
            a, b = (side.orders[name][index].item() for side in (one, other))
            if not _is_same(a, b):
                order = int(one.orders["order_id"][index])
                yield f"{name} of order {order} is {a!r} {where} and {b!r} {there}"
    if len(one.orders) != len(other.orders):
        yield f"it has sent {len(one.orders)} orders {where} and {len(other.orders)} {there}"


def _show(value: Any) -> str:
    text = " ".join(repr(value.item() if isinstance(value, np.generic) else value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
