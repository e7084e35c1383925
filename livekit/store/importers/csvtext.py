"""CSV in blocks: parsed by Arrow, blamed by line.

A block is parsed whole with the types given; only when that fails, or a value in it is
refused later, are its lines looked at one by one to name the first bad one.
Layer 3.
"""

import csv
from collections.abc import Iterator, Mapping
from typing import IO, Final, cast

import pyarrow as pa
from pyarrow import csv as arrow_csv

from livekit.errors import DataError
from livekit.store.importers.block import Block
from livekit.store.importers.source import Text

__all__ = ["DICTIONARY", "blocks", "header"]

DICTIONARY: Final = pa.dictionary(pa.int32(), pa.string())
"""Type of a column with few different texts."""

_EXPECTED: Final = (
    (pa.types.is_integer, "a whole number"),
    (pa.types.is_boolean, "true or false"),
    (pa.types.is_timestamp, "a time in the form of the first line's"),
    (lambda _: True, "a number"),
)
_PARSE_BYTES: Final = 4 << 20
_SHOWN: Final = 60


def header(text: Text) -> list[str]:
    """Return the names in the first line; GBK, which the oldest archives use, is known."""
    line = text.first_line()
    try:
        decoded = line.decode("utf-8")
    except UnicodeDecodeError:
        decoded = line.decode("gbk", errors="replace")
    row = next(csv.reader([decoded]), [])
    return [name.strip() for name in row]


def blocks(text: Text, names: list[str], types: Mapping[str, pa.DataType]) -> Iterator[Block]:
    """Yield the rows below the header.

    Parameters
    ----------
    text : Text
        At its beginning, or past its header.
    names : list of str
        Of all columns, in order.
    types : mapping of str to pyarrow.DataType
        The columns wanted, and how they are to be read.

    Raises
    ------
    DataError
        A line has another number of cells, or a cell does not read as its type.
    """
    # Arrow wants names that differ; columns without one are never wanted.
    unique = [name if names.index(name) == i else f"{name}#{i}" for i, name in enumerate(names)]
    if not text.n_lines:
        text.skip_line()
    options = arrow_csv.ConvertOptions(
        include_columns=list(types),
        column_types=dict(types),
        null_values=[""],
        strings_can_be_null=True,
        true_values=["true", "True", "TRUE", "1"],
        false_values=["false", "False", "FALSE", "0"],
    )
    read = arrow_csv.ReadOptions(column_names=unique, block_size=_PARSE_BYTES)
    for data, first in text.blocks():
        if data.isspace():
            continue
        try:
            stream = cast("IO[bytes]", pa.BufferReader(data))
            table = arrow_csv.read_csv(stream, read, convert_options=options)
        except pa.ArrowInvalid as error:
            blame, good = _blame(text, data, first, unique, types, error)
            if good:
                # A row above that line may be bad in another way: it is the first, then.
                table = arrow_csv.read_csv(
                    cast("IO[bytes]", pa.BufferReader(good)), read, convert_options=options
                )
                yield _block(text, data, first, unique, table)
            raise blame from error
        yield _block(text, data, first, unique, table)


def _block(text: Text, data: bytes, first: int, names: list[str], table: pa.Table) -> Block:
    def describe(row: int, column: str) -> str:
        number, cells = next(found for i, found in enumerate(_lines(data, first)) if i == row)
        return _where(text, number, column, cells[names.index(column)])

    return Block(table, describe)


def _where(text: Text, number: int, column: str, value: str) -> str:
    shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    return f"line {number} of {text.name!r}, column {column!r}, is {shown!r}"


def _lines(data: bytes, first: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines that are not empty, with their numbers and cells."""
    for i, line in enumerate(data.split(b"\n")):
        decoded = line.rstrip(b"\r").decode("utf-8", errors="backslashreplace")
        if decoded:
            yield first + i, next(csv.reader([decoded]), [])


def _blame(
    text: Text,
    data: bytes,
    first: int,
    names: list[str],
    types: Mapping[str, pa.DataType],
    error: pa.ArrowInvalid,
) -> tuple[DataError, bytes]:
    """Return the error that names the first line that Arrow cannot read, and the lines above."""
    advice = "nothing was imported; correct or remove that line"

    def found(what: str, number: int) -> tuple[DataError, bytes]:
        above = data.split(b"\n")[: number - first]
        good = b"\n".join([*above, b""]) if any(line.strip() for line in above) else b""
        return DataError(f"{what}; {advice}"), good

    for number, cells in _lines(data, first):
        if len(cells) != len(names):
            shown = ",".join(names[:8]) + (",…" if len(names) > 8 else "")
            what = f"has {len(cells)} cells, expected {len(names)} ({shown})"
            return found(f"line {number} of {text.name!r} {what}", number)
        for name, kind in types.items():
            expected = _unlike(cells[names.index(name)], kind)
            if expected:
                where = _where(text, number, name, cells[names.index(name)])
                return found(f"{where}, expected {expected}", number)
    reason = str(error).splitlines()[0]
    return found(f"{text.name!r} from line {first} on is not readable: {reason}", first)


def _unlike(cell: str, kind: pa.DataType) -> str:
    """Return what was expected of a cell that is not of a type; nothing if it is."""
    if not cell or pa.types.is_string(kind) or pa.types.is_dictionary(kind):
        return "text in UTF-8" if "\\x" in cell else ""
    try:
        pa.scalar(cell).cast(kind)
    except pa.ArrowInvalid:
        return next(what for is_kind, what in _EXPECTED if is_kind(kind))
    return ""
