"""Times of a table, whatever form they have, as nanoseconds since the epoch in UTC.

Layer 3.
"""

from typing import Any, Final

import numpy as np
import pyarrow as pa

from livekit.errors import ConfigError
from livekit.store.importers.block import Block
from livekit.store.importers.report import ImportReport
from livekit.store.importers.units import UNITS, unit_of

__all__ = ["Clock"]

_EXACT: Final = 2.0**53


class Clock:
    """Reads columns of times, and notes what it had to decide.

    Parameters
    ----------
    report : ImportReport
    unit : str, optional
        Of times that are numbers.

    Raises
    ------
    ConfigError
        There is no such unit.
    """

    def __init__(self, report: ImportReport, unit: str | None) -> None:
        if unit is not None and unit not in UNITS:
            raise ConfigError(f"unit {unit!r} is unknown, expected {', '.join(UNITS)}")
        self._report, self._given = report, unit
        self._told: dict[str, str] = {}

    def times(self, block: Block, name: str) -> np.ndarray:
        """Return a column of a block as int64[n] ns."""
        kind = block.table.column(name).type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            block = self._parsed(block, name)
            kind = block.table.column(name).type
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            return self._stamps(block, name)
        if pa.types.is_integer(kind):
            return self._numbers(block, name, block.integers(name))
        if pa.types.is_floating(kind):
            return self._floats(block, name)
        raise ConfigError(
            f"column {name!r} has type {kind}, expected times: timestamps, whole numbers, or ISO "
            "8601 text; nothing was imported; convert the column"
        )

    def _stamps(self, block: Block, name: str) -> np.ndarray:
        column = block.table.column(name)
        if pa.types.is_date(column.type):
            column = column.cast(pa.timestamp("ms"))
        kind: Any = column.type
        if kind.tz is None:
            self._report.note(f"times in column {name!r} have no zone: read as UTC")
        numbers = block.over(pa.table({name: column.cast(pa.int64())}))
        return numbers.times(name, *UNITS[kind.unit])

    def _floats(self, block: Block, name: str) -> np.ndarray:
        values = block.floats(name)
        good = (np.abs(values) < _EXACT) & (values == np.rint(values))
        block.require(
            good,
            name,
            "a whole number below 2**53: a double has no room for nanoseconds; convert the times "
            "to integers or timestamps",
        )
        return self._numbers(block, name, values.astype(np.int64))

    def _numbers(self, block: Block, name: str, values: np.ndarray) -> np.ndarray:
        block.check()
        unit = self._given or self._told.get(name)
        if unit is None:
            unit = self._told[name] = unit_of(values, name)
            self._report.note(
                f"numbers in column {name!r} are {UNITS[unit][1]}, told from their digits"
            )
        numbers = block.over(pa.table({name: values}))
        return numbers.times(name, *UNITS[unit])

    def _parsed(self, block: Block, name: str) -> Block:
        column = block.table.column(name)
        for tz in (None, "UTC"):
            try:
                parsed = column.cast(pa.timestamp("ns", tz=tz))
            except pa.ArrowInvalid:
                continue
            return block.over(pa.table({name: parsed}))
        row = next((i for i, text in enumerate(column.to_pylist()) if not _is_time(text)), None)
        if row is None:
            return block.fail(0, name, "times that all have a zone, or none")
        return block.fail(row, name, "a time such as 2024-01-05T09:30:00Z")


def _is_time(text: str | None) -> bool:
    try:
        np.datetime64(str(text).removesuffix("Z"), "ns")
    except ValueError:
        return False
    return text is not None
