"""How events lie in Parquet: the columns of each kind, and the way there and back.

A file holds one kind, so a row is the event's payload with the times, the order of
arrival and the flags, under the names that strategies use; side is ``buy`` or ``sell``,
the five levels of a book are flat columns ``bid_price_0 … ask_size_4``, and a price that
does not exist is null. Nothing in it is livekit's own: pandas, DuckDB and Polars read it
as it lies. What an event has beyond that (its number of instrument, the time it was
published) belongs to one run of one engine and is not recorded.
Layer 3.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from livekit.errors import ConfigError, DataError
from livekit.events import BOOK_LEVELS, DTYPES, Kind

__all__ = [
    "IMPORTED",
    "KIND_NAMES",
    "Column",
    "columns",
    "fill_rows",
    "join",
    "kind_of",
    "to_table",
    "write_options",
]

KIND_NAMES: Final[dict[Kind, str]] = {
    Kind.QUOTE: "quote",
    Kind.TRADE: "trade",
    Kind.TICKER: "ticker",
    Kind.BOOK: "book",
    Kind.BAR: "bar",
    Kind.GAP: "gap",
    Kind.CONNECTION: "connection",
}
"""The kinds that are recorded, under the names of their folders."""

IMPORTED: Final = 1 << 62
"""Sequences from here on order the rows of an import and were counted by nobody."""

_TIME: Final = pa.timestamp("ns", tz="UTC")
_SIDES: Final = ("buy", "sell")  # by the number of the Side
_DELTA: Final = "DELTA_BINARY_PACKED"
_ZSTD_LEVEL: Final = 15


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file.

    Attributes
    ----------
    name : str
        In Parquet.
    field : str
        Of the event's dtype.
    index : int or None
        Element of an array field, such as the level of a book.
    kind : pyarrow.DataType
    """

    name: str
    field: str
    index: int | None
    kind: pa.DataType


def kind_of(kind: Kind | str) -> Kind:
    """Return the kind that a folder's name or a number means.

    Raises
    ------
    ConfigError
        There is no such kind, or it is never recorded.
    """
    for number, name in KIND_NAMES.items():
        if kind in (number, name):
            return number
    raise ConfigError(
        f"kind {kind!r} is not recorded; use one of {', '.join(sorted(KIND_NAMES.values()))}"
    )


def join(dtype: np.dtype, parts: Iterable[np.ndarray]) -> np.ndarray:
    """Return the rows of all parts in one array of exactly `dtype`.

    `numpy.concatenate` packs a padded dtype, and an event is its padding too.
    """
    arrays = list(parts)
    rows = np.zeros(sum(len(part) for part in arrays), dtype)
    done = 0
    for part in arrays:
        rows[done : done + len(part)] = part
        done += len(part)
    return rows


def columns(kind: Kind) -> tuple[Column, ...]:
    """Return the columns of a kind, in the order in which they are written."""
    return tuple(_columns(kind))


def _columns(kind: Kind) -> Iterator[Column]:
    yield Column("ts_event", "ts_event", None, _TIME)
    yield Column("ts_recv", "ts_recv", None, _TIME)
    yield Column("sequence", "sequence", None, pa.int64())
    if kind == Kind.TRADE:
        yield Column("side", "aux", None, pa.dictionary(pa.int8(), pa.string()))
    if kind == Kind.GAP:
        for lost in sorted(KIND_NAMES):
            if lost < 8:
                yield Column(f"lost_{KIND_NAMES[lost]}", "lost", int(lost), pa.int64())
    elif kind == Kind.BOOK:
        yield Column("sequence_id", "sequence_id", None, pa.int64())
        for level in range(BOOK_LEVELS):
            for field in ("bid_price", "bid_size", "ask_price", "ask_size"):
                yield Column(f"{field}_{level}", field, level, pa.float64())
    else:
        yield from _payload(kind)
    yield Column("flags", "flags", None, pa.uint8())


def _payload(kind: Kind) -> Iterator[Column]:
    dtype = DTYPES[kind]
    for name in dtype.names or ():
        if dtype.fields[name][1] >= 32 and name != "published":  # type: ignore[index]
            base = dtype[name]
            yield Column(name, name, None, pa.float64() if base.kind == "f" else pa.int64())


def to_table(kind: Kind, events: np.ndarray) -> pa.Table:
    """Return events as a table ready to be written.

    Parameters
    ----------
    kind : Kind
    events : structured array [n] of the kind's dtype
        In the order of (ts_recv, sequence).
    """
    arrays, fields = [], []
    for column in columns(kind):
        values = events[column.field]
        if column.index is not None:
            values = values[:, column.index]
        arrays.append(_to_arrow(column, np.ascontiguousarray(values)))
        fields.append(pa.field(column.name, column.kind))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _to_arrow(column: Column, values: np.ndarray) -> pa.Array:
    if column.field == "aux":
        codes = pa.array(values.astype(np.int8), pa.int8())
        return pa.DictionaryArray.from_arrays(codes, pa.array(_SIDES))
    if pa.types.is_floating(column.kind):
        return pa.array(values, column.kind, from_pandas=True)  # NaN becomes null
    return pa.array(values.astype(np.uint8 if column.field == "flags" else np.int64)).cast(
        column.kind
    )


def write_options(kind: Kind) -> dict[str, Any]:
    """Return the options of `pyarrow.parquet.write_table` that make a kind's files small.

    Measured on the bundled day, bytes per value after zstd: times and sequences as
    differences 2 to 4 (plain 3 to 5); sizes through a dictionary 1.7 (plain 2.0); prices
    plain 1.2 (dictionary 1.5), because neighbours repeat and the dictionary costs more.
    """
    delta = {"ts_event", "ts_recv", "sequence", "trade_id", "sequence_id"}
    names = [column.name for column in columns(kind)]
    is_coded = {name: "size" in name or name in {"side", "flags"} for name in names}
    return {
        "compression": "zstd",
        "compression_level": _ZSTD_LEVEL,
        "use_dictionary": [name for name in names if is_coded[name]],
        "column_encoding": {
            name: _DELTA if name in delta else "PLAIN" for name in names if not is_coded[name]
        },
        "dictionary_pagesize_limit": 4 << 20,
        "row_group_size": 1 << 20,
        "write_page_checksum": True,  # a flipped bit is an error, not another price
    }


def fill_rows(kind: Kind, batch: pa.RecordBatch, rows: np.ndarray, what: str) -> None:
    """Write one batch of a file into event rows that are zero.

    Parameters
    ----------
    kind : Kind
    batch : pyarrow.RecordBatch
        Columns may stand in any order and have other types that convert exactly;
        columns unknown to us are ignored, ``flags`` and ``sequence_id`` may be missing.
    rows : structured array [batch.num_rows]
        Written in place.
    what : str
        Name of the file, for messages.

    Raises
    ------
    DataError
        A column is missing, has a type that does not convert, or holds nulls where
        every row needs a value.
    """
    rows["kind"] = int(kind)
    for column in columns(kind):
        position = batch.schema.get_field_index(column.name)
        if position < 0:
            if column.name in {"flags", "sequence_id"}:
                continue
            raise DataError(
                f"{what} has no column {column.name!r}; a {KIND_NAMES[kind]} file needs "
                f"{', '.join(c.name for c in columns(kind))}"
            )
        values = _from_arrow(column, batch.column(position), what)
        if column.index is None:
            rows[column.field] = values
        else:
            rows[column.field][:, column.index] = values


def _from_arrow(column: Column, values: pa.Array, what: str) -> np.ndarray:
    is_number = pa.types.is_floating(column.kind)
    if values.null_count and not is_number:
        raise DataError(
            f"column {column.name!r} of {what} has {values.null_count} nulls, expected a value in "
            "every row; write the file again"
        )
    try:
        if column.field == "aux":
            return _side_codes(values, what)
        if is_number:
            return values.cast(pa.float64()).to_numpy(zero_copy_only=False)
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.timestamp("ns", tz=values.type.tz))
        return values.cast(pa.int64()).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"column {column.name!r} of {what} has type {values.type}, expected {column.kind}: "
            f"{error}"
        ) from error


def _side_codes(values: pa.Array, what: str) -> np.ndarray:
    coded = values if pa.types.is_dictionary(values.type) else values.cast(pa.string())
    coded = coded if isinstance(coded, pa.DictionaryArray) else coded.dictionary_encode()
    names = [str(name).lower() for name in coded.dictionary.to_pylist()]
    unknown = sorted(set(names) - set(_SIDES))
    if unknown:
        raise DataError(f"column 'side' of {what} holds {unknown[0]!r}, expected 'buy' or 'sell'")
    codes = np.array([_SIDES.index(name) for name in names], np.uint32)
    return codes[coded.indices.to_numpy(zero_copy_only=False)]
