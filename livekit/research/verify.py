"""Checks of a strategy: that it knows no future, and that it can be repeated.

    lk.verify.lookahead(EmaCross, data)      state and orders do not depend on what comes later
    lk.verify.determinism(EmaCross, data)    the same inputs give the same orders everywhere

Each gives a Verdict, which says in words what was compared and where it first differed.
Layer 3.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from livekit.errors import ConfigError, StrategyError
from livekit.research.backtest import Target, check_params, resolve
from livekit.research.data import Data
from livekit.research.determinism import find_difference, suspects
from livekit.research.lookahead import Finding, find_lookahead, first_events, places
from livekit.research.report.values import iso_time
from livekit.research.settings import make_settings
from livekit.research.simulation import Settings
from livekit.strategy.api import Strategy
from livekit.strategy.declaration import declare

__all__ = ["EVENTS", "POINTS", "Verdict", "determinism", "lookahead", "verify"]

EVENTS: Final = 50_000
"""Events that `lookahead` goes through."""

POINTS: Final = 5
"""Events at which `lookahead` compares."""

_MODES: Final = {None: (0, 1), False: (0,), True: (1,)}
"""Whether to run compiled, each in turn, by `jit`."""

verify: Final = sys.modules[__name__]
"""This module, under the name that `livekit` gives it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found.

    Attributes
    ----------
    check : str
        ``lookahead`` or ``determinism``.
    is_ok : bool
    text : str
        What was compared, and where it first differed, in words.
    details : dict
        The same for programs, as JSON takes it.
    """

    check: str
    is_ok: bool
    text: str
    details: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.is_ok

    def __repr__(self) -> str:
        return f"<{self.check}: {'ok' if self.is_ok else 'NOT OK'}: {self.text}>"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {"check": self.check, "is_ok": self.is_ok, "text": self.text} | self.details


def lookahead(
    strategy: type[Strategy] | str | Path,
    data: Data,
    *,
    jit: bool | None = None,
    n_events: int = EVENTS,
    n_points: int = POINTS,
    settings: Settings | None = None,
    progress: bool | None = None,
    **params: float,
) -> Verdict:
    """Tell whether what comes later changes what a strategy does.

    Parameters
    ----------
    strategy : Strategy class, or path of its file
    data : Data
        From `load`. With arrays in memory there are no files to poison, and only livekit's
        own feed is looked at.
    jit : bool, optional
        Only compiled, or only interpreted; both by default, where it compiles.
    n_events : int
        How many events to go through.
    n_points : int
        At how many of them to compare.
    settings : Settings, optional
        From `make_settings`; latencies are left out.
    progress : bool, optional
    **params
        Values of the strategy's parameters.

    Raises
    ------
    ConfigError
        A number is not above 0, or the data are too few.
    StrategyError
        The strategy does not run on the data as it is, or does not do the same twice.
    """
    if n_events < 2 or n_points < 1:
        raise ConfigError(
            f"n_events is {n_events!r} and n_points {n_points!r}, expected at least 2 and 1"
        )
    target, values = _prepare(strategy, params)
    window = first_events(data, n_events)
    points = places(window, n_points)
    chosen = settings or make_settings(window)
    modes = [is_compiled for is_compiled in _MODES[jit] if jit or _runs(target, is_compiled)]
    for is_compiled in modes:
        finding = find_lookahead(
            *(target, values, window, data.root, chosen, points),
            is_compiled=bool(is_compiled),
            progress=progress,
        )
        if finding is not None:
            break
    return _judge(finding, window, points, [_name(is_compiled) for is_compiled in modes])


def _judge(
    finding: Finding | None, window: Data, points: list[tuple[int, int]], modes: list[str]
) -> Verdict:
    """Put into words what `lookahead` found."""
    details = {"events": window.n_events, "points": [event for event, _ in points], "modes": modes}
    if finding is None:
        text = (
            f"nothing that comes later changes its state or orders, at {len(points)} of "
            f"{window.n_events:,} events, {' and '.join(modes)}"
        )
        return Verdict("lookahead", is_ok=True, text=text, details=details)
    text = (
        f"it knows what has not happened yet: after event {finding.event:,} "
        f"({iso_time(finding.ts)}), {_name(finding.is_compiled)}, {finding.what}"
    )
    details |= {"event": finding.event, "ts": finding.ts, "what": finding.what}
    return Verdict("lookahead", is_ok=False, text=text, details=details)


def _name(is_compiled: int) -> str:
    return "compiled" if is_compiled else "interpreted"


def determinism(
    strategy: type[Strategy] | str | Path,
    data: Data,
    *,
    jit: bool | None = None,
    n_events: int = 0,
    settings: Settings | None = None,
    **params: float,
) -> Verdict:
    """Tell whether the same inputs give the same orders: again, compiled, and elsewhere.

    Parameters
    ----------
    strategy : Strategy class, or path of its file
    data : Data
    jit : bool, optional
        Only compiled, or only interpreted; both by default, where it compiles.
    n_events : int
        How many events to go through; 0 for all.
    settings : Settings, optional
        From `make_settings`.
    **params
        Values of the strategy's parameters.

    Raises
    ------
    StrategyError
        The strategy does not run.
    """
    if n_events < 0:
        raise ConfigError(f"n_events is {n_events!r}, expected 0 for all or a number above it")
    target, values = _prepare(strategy, params)
    window = first_events(data, n_events) if n_events else data
    chosen = settings or make_settings(window)
    hashes, what = find_difference(target, values, window, chosen, jit=jit)
    details: dict[str, Any] = {"events": window.n_events, "hashes": hashes, "what": what}
    if not what:
        text = f"the same orders and fills over {window.n_events:,} events: {', '.join(hashes)}"
        return Verdict("determinism", is_ok=True, text=text, details=details)
    details["suspects"] = suspects(target.path)
    text = f"it does not repeat: {what}"
    if details["suspects"]:
        text += "; look at " + "; ".join(details["suspects"])
    return Verdict("determinism", is_ok=False, text=text, details=details)


def _prepare(
    strategy: type[Strategy] | str | Path, params: dict[str, float]
) -> tuple[Target, dict[str, float]]:
    target = resolve(strategy)
    return target, check_params(declare(target.load()), params)


def _runs(target: Target, is_compiled: int) -> bool:
    """Tell whether a strategy runs that way: many cannot be compiled, and need not."""
    if not is_compiled:
        return True
    from livekit.strategy.compiled import build  # noqa: PLC0415 - loads Numba's extensions

    cls = target.load()
    try:
        build(cls, declare(cls))
    except StrategyError:
        return False
    return True
