"""The arrays of an interpreted strategy's state: NumPy's, but their numbers are floats.

An element of a NumPy array is a float64 scalar, which divides by zero with a warning
instead of an exception, rounds by multiplying, and turns every number it is added to
into another of its kind. Here an element, and what `sum`, `mean`, `min` and so on
return, is a Python float, so that a strategy computes what it computes compiled.
Layer 2. Imports no Numba.
"""

from typing import Any

import numpy as np

__all__ = ["FloatArray"]


class FloatArray(np.ndarray):
    """A float64 array whose elements are read as Python floats.

    Made by viewing: ``np.zeros(256).view(FloatArray)``. A slice is one too.
    """

    def __getitem__(self, index: Any) -> Any:
        try:
            return self.item(index)
        except (TypeError, ValueError):  # a slice, a mask, a tuple
            return super().__getitem__(index)

    def sum(self, *args: Any, **options: Any) -> Any:
        """Return the sum, as ndarray.sum does."""
        return _plain(super().sum(*args, **options))

    def mean(self, *args: Any, **options: Any) -> Any:
        """Return the mean, as ndarray.mean does."""
        return _plain(super().mean(*args, **options))

    def var(self, *args: Any, **options: Any) -> Any:
        """Return the variance, as ndarray.var does."""
        return _plain(super().var(*args, **options))

    def std(self, *args: Any, **options: Any) -> Any:
        """Return the standard deviation, as ndarray.std does."""
        return _plain(super().std(*args, **options))

    def min(self, *args: Any, **options: Any) -> Any:
        """Return the smallest element, as ndarray.min does."""
        return _plain(super().min(*args, **options))

    def max(self, *args: Any, **options: Any) -> Any:
        """Return the largest element, as ndarray.max does."""
        return _plain(super().max(*args, **options))


def _plain(value: Any) -> Any:
    """Return a reduction's result; over the whole array it is an array without axes."""
    return value.item() if np.ndim(value) == 0 else value
