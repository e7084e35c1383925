"""The statistics of a run as a page shows them: names, texts, units and formulas.

Values and words are those of `Run.stats` and of its table; nothing is computed here.
Layer 3.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.research.report import statistics
from livekit.research.report.card import KEY_FIGURES, format_value
from livekit.research.report.statistic import Statistic

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["Number", "groups", "key_numbers"]

_ELSEWHERE: Final = ("Run",)  # groups that the page says in other words
_SIGNED: Final = {
    *("net_pnl", "gross_pnl", "total_return_pct", "gross_return_pct", "market_return_pct"),
    *("best_day_pct", "worst_day_pct", "daily_mean_pct", "annual_return_pct"),
    *("long_pnl", "short_pnl", "expectancy", "expectancy_gross", "best_trade", "worst_trade"),
    *("pnl_spread", "pnl_slippage", "pnl_inventory", "pnl_fees", "pnl_rebates"),
    *("pnl_funding", "pnl_net", "edge_per_fill", "edge_bps"),
}
_PLAIN_UNITS: Final = {"", "text", "time"}


@dataclass(frozen=True, slots=True)
class Number:
    """One number as it is read: its key, name, text, unit and how it is computed.

    `sign` is 1 or -1 for what is a gain or a loss, otherwise 0. `is_known` is False for a
    number that is not defined for the run, `is_text` True for words.
    """

    key: str
    name: str
    text: str
    unit: str = ""
    formula: str = ""
    sign: int = 0
    is_known: bool = True
    is_text: bool = False


def key_numbers(run: "Run") -> list[Number]:
    """Return the numbers that stand for a run where there is little room."""
    return [_number(run, statistics.find(key)) for key in KEY_FIGURES]


def groups(run: "Run") -> dict[str, list[Number]]:
    """Return all statistics by group, in their order."""
    return {
        group: list(_of(run, table))
        for group, (table, _) in statistics.GROUPS.items()
        if group not in _ELSEWHERE
    }


def _of(run: "Run", table: tuple[Statistic, ...]) -> Iterator[Number]:
    for one in table:
        yield _number(run, one)


def _number(run: "Run", one: Statistic) -> Number:
    value = run.stat(one.key)
    unit = "" if one.unit in _PLAIN_UNITS else one.unit
    label = statistics.label(one, run.rows.interval_ns)
    name = label.removesuffix(f" [{one.unit}]") if unit else label
    is_known = _is_known(value)
    sign = int(np.sign(value)) if one.key in _SIGNED and is_known else 0
    text = _text(value) if is_known else "\N{EN DASH}"
    return Number(
        one.key,
        name,
        text.replace("-", "\N{MINUS SIGN}", 1) if _is_number(value) else text,
        unit if is_known else "",
        one.formula,
        sign,
        is_known,
        isinstance(value, str | dict | list),
    )


def _text(value: Any) -> str:
    text = format_value(value)
    # What rounding leaves of a sum shows that it is no 0, and not as a row of zeros.
    is_blank = _is_number(value) and value != 0 and not any(digit in text for digit in "123456789")
    return f"{value:.0e}" if is_blank else text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _is_known(value: Any) -> bool:
    if isinstance(value, float | np.floating):
        return math.isfinite(value)
    if isinstance(value, np.datetime64):
        return not np.isnat(value)
    return value is not None and value not in ("", {}, [])
