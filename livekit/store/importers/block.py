"""A block of a source's rows, as columns, that can name the row to blame.

Importers check whole columns at once. `Block.require` keeps the first row that fails;
`Block.check`, called when all columns were read, turns the first of those into a message with
the file, the line, the column and the text of the value. In between, what was read may hold
values that are wrong.
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


class _Blame:
    """The first bad row of a block and of all that was made of it."""

    __slots__ = ("describe", "first")

    def __init__(self, describe: Callable[[int, str], str]) -> None:
        self.describe = describe
        self.first: tuple[int, str, str] | None = None


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

    # No cycles: a block that waits for the collector keeps its table, 50 bytes a row.
    __slots__ = ("_blame", "_rows", "table")

    def __init__(self, table: pa.Table, describe: Callable[[int, str], str]) -> None:
        self.table = table
        self._blame = _Blame(describe)
        self._rows: np.ndarray | None = None  # where rows stand in the block they were taken from

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __contains__(self, name: str) -> bool:
        return name in self.table.column_names

    def part(self, rows: np.ndarray) -> "Block":
        """Return some rows; they are blamed under their places in this block."""
        places = rows if self._rows is None else self._rows[rows]
        return self._made(self.table.take(pa.array(rows)), places)

    def over(self, table: pa.Table) -> "Block":
        """Return a block of other columns of the same rows, which are blamed here."""
        return self._made(table, self._rows)

    def _made(self, table: pa.Table, rows: np.ndarray | None) -> "Block":
        made = Block(table, self._blame.describe)
        made._blame, made._rows = self._blame, rows
        return made

    def _note(self, row: int, name: str, expected: str) -> None:
        row = row if self._rows is None else int(self._rows[row])
        if self._blame.first is None or row < self._blame.first[0]:
            self._blame.first = (row, name, expected)

    def check(self) -> None:
        """Refuse the first row that was found to be bad."""
        if self._blame.first is not None:
            row, name, expected = self._blame.first
            raise DataError(
                f"{self._blame.describe(row, name)}, expected {expected}; nothing was imported; "
                "correct or remove that row"
            )

    def fail(self, row: int, name: str, expected: str) -> NoReturn:
        """Refuse the value of a row at once, or one that was bad above it."""
        self._note(int(row), name, expected)
        self.check()
        raise AssertionError("a bad row was noted")

    def require(self, is_good: np.ndarray, name: str, expected: str) -> None:
        """Keep the first row that is not good, for `check`."""
        if not is_good.all():
            self._note(int(np.argmin(is_good)), name, expected)

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
            self.require(column.is_valid().to_numpy(), name, "a whole number")
            column = compute.fill_null(column, pa.scalar(0, column.type))
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
