"""Fewer points that draw the same line: extremes of buckets of time.

A screen has some thousand columns of pixels, so of the samples in one column a line
shows only the first, the lowest, the highest and the last. Keeping these four of every
bucket keeps every spike, which a mean or every n-th sample would lose. Points are
chosen, never made: a result is indices into the arrays.
Layer 3. O(n) in NumPy, no copy of the rows but a few arrays of their length.
"""

from typing import Final

import numpy as np

__all__ = ["extremes", "line"]

_OF_A_LINE: Final = 4  # first, lowest, highest and last
_OF_MARKERS: Final = 2  # lowest and highest


def line(ts: np.ndarray, values: np.ndarray, n_max: int) -> np.ndarray:
    """Return the indices of the samples that draw a line, at most `n_max`.

    Parameters
    ----------
    ts : int64[n]
        Times in ns, not decreasing.
    values : float64[n]
        What is drawn; NaN breaks the line, and a bucket of NaN keeps its break.
    n_max : int
        At least 4.

    Returns
    -------
    int64[m]
        Increasing indices, m <= n_max; all of them if n <= n_max.
    """
    if len(ts) <= n_max:
        return np.arange(len(ts))
    starts, bucket = _buckets(ts, n_max // _OF_A_LINE)
    ends = np.append(starts[1:], len(ts)) - 1
    low, high = _lowest_and_highest(values, starts, bucket)
    return np.unique(np.concatenate((starts, low, high, ends)))


def extremes(ts: np.ndarray, values: np.ndarray, n_max: int) -> np.ndarray:
    """Return the indices of the lowest and highest sample of each bucket, at most `n_max`.

    What `line` is for lines, for markers that are not joined; parameters and result are
    the same.
    """
    if len(ts) <= n_max:
        return np.arange(len(ts))
    starts, bucket = _buckets(ts, n_max // _OF_MARKERS)
    return np.unique(np.concatenate(_lowest_and_highest(values, starts, bucket)))


def _buckets(ts: np.ndarray, n_buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first index of each bucket that is not empty, and every sample's bucket."""
    # Floats: the product of a span in ns and a number of buckets is more than an int64.
    share = (ts - ts[0]) / max(1, int(ts[-1] - ts[0]) + 1)
    number = np.minimum((share * n_buckets).astype(np.int64), n_buckets - 1)
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    return starts, np.cumsum(np.diff(number, prepend=number[0]) != 0)


def _lowest_and_highest(
    values: np.ndarray, starts: np.ndarray, bucket: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the index of the first lowest and first highest value of each bucket."""
    low, high = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    return _first(values == low[bucket], bucket), _first(values == high[bucket], bucket)


def _first(is_one: np.ndarray, bucket: np.ndarray) -> np.ndarray:
    """Return the first index of each bucket where `is_one` holds."""
    found = np.flatnonzero(is_one)
    return found[np.flatnonzero(np.diff(bucket[found], prepend=-1))]
