"""Counters in a strategy's segment, and latency histograms in logarithmic buckets.

Each word has one writer: the engine writes an ENGINE_COUNTERS record, the strategy a
STRATEGY_COUNTERS record, and anybody may read both while they change. A histogram has
16 buckets per power of two, so a percentile read from it is at most 6 % off, from
1 ns to about a minute, without allocation or a lock.
Layer 1.
"""

from typing import Final

import numpy as np

from livekit.ring.jit import hot
from livekit.ring.memory import count_leading_zeros, load_i64, store_i64

__all__ = [
    "ENGINE_COUNTERS",
    "HISTOGRAM_WORDS",
    "STRATEGY_COUNTERS",
    "observe",
    "percentile",
    "percentiles",
]

HISTOGRAM_WORDS: Final = 544
_LARGEST: Final = (1 << 37) - 1

ENGINE_COUNTERS: Final = np.dtype(
    [
        ("pushed", "<i8"),  # events offered to the ring: delivered or dropped
        ("dropped", "<i8", (16,)),  # by kind
        ("gaps", "<i8"),  # GAP events delivered
        ("backlog", "<i8"),  # reports waiting in the engine for room
        ("orders", "<i8"),  # requests taken from the orders ring
        ("rejects", "<i8"),
        ("fills", "<i8"),
        ("malformed", "<i8"),  # requests that were no request
        ("alerts", "<i8"),  # times the ring was found full
        ("reject_codes", "<i8", (32,)),  # refusals by Reject code
        ("tick_to_order", "<i8", (HISTOGRAM_WORDS,)),
    ]
)
"""Written by the engine."""

STRATEGY_COUNTERS: Final = np.dtype(
    [
        ("received", "<i8", (16,)),  # by kind
        ("errors", "<i8"),  # exceptions in callbacks
        ("orders", "<i8"),  # requests pushed
        ("orders_refused", "<i8"),  # requests the full orders ring did not take
        ("lost", "<i8"),  # events GAP events reported as lost
        ("busy_ns", "<i8"),  # time in callbacks
        ("gc_pauses", "<i8"),
        ("gc_pause_ns", "<i8"),
        ("compilations", "<i8"),  # after start: should stay 0
        ("delay", "<i8", (HISTOGRAM_WORDS,)),  # from publish to callback
    ]
)
"""Written by the strategy."""


@hot
def observe(histogram: int, value: int) -> None:
    """Count one value in the histogram at an address. Values below 0 count as 0."""
    value = min(max(value, 0), _LARGEST)
    if value < 16:
        index = value
    else:
        exponent = 63 - count_leading_zeros(value)
        index = (exponent - 3) * 16 + ((value >> (exponent - 4)) & 15)
    word = histogram + index * 8
    store_i64(word, load_i64(word) + 1)


def _bucket_middle(index: int) -> float:
    if index < 16:
        return float(index)
    exponent, part = index // 16 + 3, index % 16
    width = 1 << (exponent - 4)
    return float((16 + part) * width) + width / 2


def percentile(histogram: np.ndarray, fraction: float) -> float:
    """Return the value below which `fraction` of the observations lie; NaN when there are none.

    Parameters
    ----------
    histogram : int64[HISTOGRAM_WORDS]
    fraction : float
        0.5 for the median.
    """
    cumulative = np.cumsum(histogram)
    total = int(cumulative[-1])
    if total == 0:
        return float("nan")
    rank = min(total, max(1, int(np.ceil(fraction * total))))
    return _bucket_middle(int(np.searchsorted(cumulative, rank)))


def percentiles(histogram: np.ndarray) -> dict[str, float]:
    """Return p50, p99 and p99.9 under the names used in reports."""
    return {
        "p50": percentile(histogram, 0.50),
        "p99": percentile(histogram, 0.99),
        "p999": percentile(histogram, 0.999),
    }
