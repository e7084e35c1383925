"""All statistics of a run: their table, and their values by group.

Every number follows from the run's orders, fills and equity and its meta; the table
says how. Groups are computed one by one, when something of theirs is asked for.
Layer 3.
"""

from collections.abc import Callable
from typing import Any, Final

from livekit.errors import NotFoundError
from livekit.research.report.attribution import ATTRIBUTION, attribution
from livekit.research.report.bootstrap import UNCERTAINTY, uncertainty
from livekit.research.report.rows import Rows, duration_name
from livekit.research.report.statistic import Statistic
from livekit.research.report.stats_activity import ACTIVITY, EXPOSURE, activity, exposure
from livekit.research.report.stats_execution import EXECUTION, execution
from livekit.research.report.stats_ratio import BASIS, RATIOS, ratios
from livekit.research.report.stats_return import RETURN, RISK, returns, risk
from livekit.research.report.stats_run import DATA, LATENCY, RUN, data, describe, latency
from livekit.research.report.stats_trade import TRADES, trades

__all__ = ["GROUPS", "STATISTICS", "basis", "find", "group_of", "label", "measure"]

GROUPS: Final[dict[str, tuple[tuple[Statistic, ...], Callable[[Rows], dict[str, Any]]]]] = {
    "Run": (RUN, describe),
    "Return": (RETURN, returns),
    "Risk": (RISK, risk),
    "Ratios": (RATIOS, ratios),
    "Uncertainty": (UNCERTAINTY, uncertainty),
    "Trades": (TRADES, trades),
    "Activity": (ACTIVITY, activity),
    "Exposure": (EXPOSURE, exposure),
    "Execution": (EXECUTION, execution),
    "Latency": (LATENCY, latency),
    "Attribution": (ATTRIBUTION, attribution),
    "Data": (DATA, data),
}
"""By name of the group: its table and the function that computes it."""

STATISTICS: Final = tuple(one for table, _ in GROUPS.values() for one in table)
"""Every statistic, in the order of `Run.stats`."""

_PLACES: Final = {one.key: (group, one) for group, (table, _) in GROUPS.items() for one in table}


def find(key: str) -> Statistic:
    """Return the statistic of a key.

    Raises
    ------
    NotFoundError
        There is none.
    """
    if key not in _PLACES:
        import difflib  # noqa: PLC0415 - only to refuse

        near = difflib.get_close_matches(key, _PLACES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see livekit's table of statistics"
        raise NotFoundError(f"there is no statistic {key!r}; {hint}")
    return _PLACES[key][1]


def group_of(key: str) -> str:
    """Return the name of a statistic's group."""
    find(key)
    return _PLACES[key][0]


def measure(rows: Rows, group: str) -> dict[str, Any]:
    """Compute a group: values by key, in the order of its table."""
    table, compute = GROUPS[group]
    found = compute(rows)
    return {one.key: found[one.key] for one in table}


def basis(interval_ns: int) -> str:
    """Say what ratios are annualised by and sampled at, such as ``365d, 1h``."""
    return f"365d, {duration_name(interval_ns)}"


def label(statistic: Statistic, interval_ns: int) -> str:
    """Return name and unit for people, with the year and interval where they matter."""
    return statistic.label.replace(BASIS, basis(interval_ns))
