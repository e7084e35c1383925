"""A block of a source's rows, as columns, that can name the row to blame.

Importers check whole columns at once; `Block.require` turns the first value that fails
into a message with the file, the line, the column and the text of the value.
Layer 3.
"""

from collections.abc import Callable
from typing import Any, Final, NoReturn

import numpy as np
import pyarrow as pa
from pyarrow import compute

from livekit.errors import DataError

__all__ = ["Block"]

_MIN_NS: Final = 10**17  # 1973; earlier stamps are another unit, or none
_MAX_NS: Final = 2**63 - 1


class Block:
    """Rows of a source.

    Parameters
    ----------
    table : pyarrow.Table
        The columns that are wanted.
    describe : callable
        Given a row and a column, says where the value stands and what it is, such as
        ``line 7 of 'x.csv', column 'price', is 'abc'``.
    """

    def __init__(self, table: pa.Table, describe: Callable[[int, str], str]) -> None:
        self.table, self.fail_text = table, describe

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __contains__(self, name: str) -> bool:
        return name in self.table.column_names

    def part(self, rows: np.ndarray) -> "Block":
        """Return some rows; they are blamed under their places in this block."""
        return Block(
            self.table.take(pa.array(rows)),
            lambda row, name: self.fail_text(int(rows[row]), name),
        )

    def fail(self, row: int, name: str, expected: str) -> NoReturn:
        """Refuse the value of a row: a DataError that says what was expected."""
        raise DataError(
            f"{self.fail_text(int(row), name)}, expected {expected}; nothing was imported; "
            "correct or remove that row"
        )

    def require(self, is_good: np.ndarray, name: str, expected: str) -> None:
        """Refuse the first row that is not good."""
        if not is_good.all():
            self.fail(int(np.argmin(is_good)), name, expected)

    def floats(self, name: str) -> np.ndarray:
        """Return a column as float64[n]; NaN where it is empty."""
        column = self.table.column(name)
        values = column.cast(pa.float64()).to_numpy()
        return np.array(values, np.float64)  # a copy: what Arrow shares is read-only

    def prices(self, name: str) -> np.ndarray:
        """Return a column of prices, each of which must be a positive number."""
        values = self.floats(name)
        self.require((values > 0) & (values < np.inf), name, "a price greater than 0")
        return values

    def sizes(self, name: str) -> np.ndarray:
        """Return a column of sizes, each of which must be a positive number."""
        values = self.floats(name)
        self.require((values > 0) & (values < np.inf), name, "a size greater than 0")
        return values

    def amounts(self, name: str) -> np.ndarray:
        """Return a column of sizes that may be 0."""
        values = self.floats(name)
        self.require((values >= 0) & (values < np.inf), name, "a size of 0 or more")
        return values

    def integers(self, name: str) -> np.ndarray:
        """Return a column as int64[n]; an empty cell is refused."""
        column = self.table.column(name)
        if column.null_count:
            is_given = column.is_valid().to_numpy()
            self.fail(int(np.argmin(is_given)), name, "a whole number")
        return np.ascontiguousarray(column.cast(pa.int64()).to_numpy(), np.int64)

    def times(self, name: str, unit_ns: int, unit: str) -> np.ndarray:
        """Return a column of times as ns since the epoch, refusing what is none.

        Parameters
        ----------
        name : str
        unit_ns : int
            Nanoseconds of the column's unit.
        unit : str
            Its name, for the message.
        """
        values = self.integers(name)
        low, high = -(-_MIN_NS // unit_ns), _MAX_NS // unit_ns
        self.require(
            (values >= low) & (values <= high),
            name,
            f"{unit} since 1970, of a time between 1973 and 2262",
        )
        return values * unit_ns

    def codes(self, name: str) -> tuple[np.ndarray, list[str]]:
        """Return a column of texts as int64[n] codes, and the text of each code."""
        chunks = self.table.column(name)
        if not pa.types.is_dictionary(chunks.type):
            chunks = compute.dictionary_encode(chunks.cast(pa.string()))
        column: Any = chunks.unify_dictionaries().combine_chunks()
        names = [str(text) for text in column.dictionary.to_pylist()]
        codes = compute.fill_null(column.indices, len(names)).to_numpy(zero_copy_only=False)
        if column.null_count:
            names.append("")
        return codes.astype(np.int64), names

    def mapped(self, name: str, values: dict[str, int], expected: str) -> np.ndarray:
        """Return a column of texts as the numbers they mean; others are refused."""
        codes, names = self.codes(name)
        missing = -(2**31)
        numbers = np.array([values.get(text.lower(), missing) for text in names], np.int64)
        found = numbers[codes] if len(names) else np.zeros(0, np.int64)
        self.require(found != missing, name, expected)
        return found

    def texts(self, name: str) -> list[str]:
        """Return a column as a list of texts."""
        return [str(value) for value in self.table.column(name).cast(pa.string()).to_pylist()]
