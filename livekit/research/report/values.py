"""Values of statistics for people and for JSON.

Layer 3.
"""

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["iso_time", "to_json", "to_series"]


def to_series(values: dict[str, Any], name: str) -> "pd.Series[Any]":
    """Return labels and values as a Series of objects; times as UTC timestamps."""
    import pandas as pd  # noqa: PLC0415 - pandas is imported by what needs it

    shown = [_to_cell(value) for value in values.values()]
    return pd.Series(shown, index=list(values), name=name, dtype=object)


def _to_cell(value: Any) -> Any:
    import pandas as pd  # noqa: PLC0415

    if isinstance(value, np.datetime64):
        return pd.NaT if np.isnat(value) else pd.Timestamp(value, tz="UTC")
    if isinstance(value, dict):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return "" if value is None else value


def iso_time(ns: int) -> str:
    """Return ns since the epoch as ISO 8601, UTC, to the nanosecond."""
    moment = dt.datetime.fromtimestamp(ns // 1_000_000_000, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % 1_000_000_000:09d}Z"


def to_json(value: Any) -> Any:
    """Return a value as JSON takes it: what is no number as None, times as ISO text."""
    if isinstance(value, dict):
        return {str(key): to_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [to_json(one) for one in value]
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else iso_time(int(value.astype("datetime64[ns]").view("i8")))
    if isinstance(value, np.generic):
        return to_json(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
