"""What a statistic is: a key, a name, a unit and the formula that says how it is made.

Every module of statistics holds a table of them beside the function that computes
their values, so neither can be changed without the other in sight, and a test holds
the two equal. Values are in the statistic's unit: 1.5 of a "%" is 1.5 %. What cannot be
defined, such as a ratio with nothing below the line, is NaN and never 0.
Layer 3.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

__all__ = [
    "BPS",
    "DAY_NS",
    "NAN",
    "PERCENT",
    "SECOND_NS",
    "YEAR_NS",
    "Statistic",
    "mean",
    "median",
    "quantiles",
    "ratio",
    "sum_of_products",
    "weighted_mean",
]

NAN: Final = math.nan
PERCENT: Final = 100.0
BPS: Final = 1e4
SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS
YEAR_NS: Final = 365 * DAY_NS
"""A year of a market that never closes: 365 days."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """One line of a run's statistics.

    Attributes
    ----------
    key : str
        For programs: ``run.stat("sharpe")``, the keys of `to_dict`. Never changes.
    name : str
        For people; unique together with the unit.
    unit : str
        ``%``, ``bps``, ``s``, ``ms``, ``quote`` (quote currency), ``time`` (a moment,
        UTC), ``text``, or empty for plain numbers and counts.
    formula : str
        How the value follows from the run's frames and meta, in words.
    """

    key: str
    name: str
    unit: str
    formula: str

    @property
    def label(self) -> str:
        """Name and unit, as in ``Total return [%]``."""
        return self.name if self.unit in {"", "text", "time"} else f"{self.name} [{self.unit}]"


def ratio(above: float, below: float) -> float:
    """Divide, or NaN where there is nothing below the line or a side is no number."""
    if not (math.isfinite(above) and math.isfinite(below)) or below == 0:
        return NAN
    return above / below


def sum_of_products(left: np.ndarray, right: np.ndarray) -> float:
    """Sum of the products of two series of one length.

    Not ``left @ right``: beyond 10,000 values BLAS takes threads for that, and they spin for
    a tenth of a second afterwards, on the cores that a sweep or a browser needs.
    """
    return float(np.einsum("i,i->", left, right))


def mean(values: np.ndarray) -> float:
    """Mean of the values that are numbers; NaN of none."""
    return float(np.mean(kept)) if len(kept := _numbers(values)) else NAN


def median(values: np.ndarray) -> float:
    """Median of the values that are numbers; NaN of none."""
    return float(np.median(kept)) if len(kept := _numbers(values)) else NAN


def quantiles(values: np.ndarray, *levels: float) -> tuple[float, ...]:
    """Quantiles of the values that are numbers, linear between ranks; NaN of none."""
    kept = _numbers(values)
    if not len(kept):
        return (NAN,) * len(levels)
    return tuple(float(one) for one in np.quantile(kept, levels))


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> float:
    """Mean by weight of the values that are numbers; NaN where they weigh nothing."""
    known = np.isfinite(values) & np.isfinite(weights)
    return ratio(float(np.sum(values[known] * weights[known])), float(np.sum(weights[known])))


def _numbers(values: np.ndarray) -> Any:
    return values if values.dtype.kind != "f" else values[np.isfinite(values)]
