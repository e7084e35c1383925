"""Whether two runs are the same: a hash of their decisions, and where they first part.

Compared are the bits of every field but the client order id, which carries how often
the account's engine was started. NaN equals NaN, whatever its bits, and 0 equals -0.
Layer 3.
"""

import hashlib
from typing import Any, Final

import numpy as np

from livekit.research.report.rows import Rows
from livekit.research.report.values import iso_time

__all__ = ["differences", "first_parting", "run_hash"]

_LEFT_OUT: Final = ("client_order_id", "spare")
_ASKED: Final = (
    *("order_id", "instrument", "side", "order_type", "tif", "options", "price", "quantity"),
    "created_ns",
)
_TIMES: Final = ("ts", "ts_venue", "created_ns", "acked_ns", "final_ns")


def _fields(rows: np.ndarray) -> tuple[str, ...]:
    return tuple(name for name in rows.dtype.names or () if name not in _LEFT_OUT)


def _bits(values: np.ndarray) -> np.ndarray:
    """Return a column such that equal values have equal bytes."""
    if values.dtype.kind != "f":
        return np.ascontiguousarray(values)
    return np.where(np.isnan(values), np.nan, values + 0.0)


def run_hash(rows: Rows) -> str:
    """Return the first 16 hex digits of a SHA-256 over all orders and fills."""
    digest = hashlib.sha256()
    for table in (rows.orders, rows.fills):
        digest.update(f"{len(table)}".encode())
        for name in _fields(table):
            digest.update(name.encode())
            digest.update(_bits(table[name]).data)
    return digest.hexdigest()[:16]


def differences(own: Rows, other: Rows) -> list[str]:
    """Return a sentence for each of orders, fills and equity that differs."""
    pairs = (
        ("order", own.orders, other.orders),
        ("fill", own.fills, other.fills),
        ("equity row", own.equity, other.equity),
    )
    found = [_first_difference(what, left, right, own) for what, left, right in pairs]
    return [sentence for sentence in found if sentence]


def first_parting(own: Rows, other: Rows) -> tuple[int, str]:
    """Return when (ns) two runs first decided or filled otherwise, and how; (0, "") if never.

    Of an order counts what was asked for and when, not when it was answered.
    """
    found = []
    for what, left, right, key in (
        ("order", own.orders[list(_ASKED)], other.orders[list(_ASKED)], "created_ns"),
        ("fill", own.fills, other.fills, "ts"),
    ):
        sentence = _first_difference(what, left, right, own)
        if sentence:
            index = int(sentence.split()[1])
            stamps = [int(rows[key][index]) for rows in (left, right) if index < len(rows)]
            found.append((min(stamps), sentence))
    return min(found, default=(0, ""))


def _first_difference(what: str, left: np.ndarray, right: np.ndarray, rows: Rows) -> str:
    shared = min(len(left), len(right))
    differ = {}
    for name in _fields(left):
        a, b = _bits(left[name][:shared]), _bits(right[name][:shared])
        unequal = np.flatnonzero(a.view(f"u{a.itemsize}") != b.view(f"u{b.itemsize}"))
        if len(unequal):
            differ[name] = int(unequal[0])
    if differ:
        at = min(differ.values())
        parts = [
            f"{name} is {_show(name, left[name][at])} in one and "
            f"{_show(name, right[name][at])} in the other"
            for name, first in differ.items()
            if first == at
        ]
        return f"{what} {at}{_which(left[at], rows)}: {', '.join(parts)}"
    if len(left) == len(right):
        return ""
    longer, where = (left, "one") if len(left) > shared else (right, "the other")
    return (
        f"{what} {shared}{_which(longer[shared], rows)} is only in {where}: "
        f"{len(left)} rows in one, {len(right)} in the other"
    )


def _which(row: Any, rows: Rows) -> str:
    """Name a row by its order, instrument and time."""
    names = row.dtype.names
    ts = int(row["ts" if "ts" in names else "created_ns"])
    if "order_id" not in names:
        return f" at {iso_time(ts)}"
    index = int(row["instrument"])
    symbol = rows.symbols[index] if index < len(rows.symbols) else f"instrument {index}"
    return f" (order {int(row['order_id'])} of {symbol} at {iso_time(ts)})"


def _show(name: str, value: Any) -> str:
    if name in _TIMES:
        return iso_time(int(value)) if value else "never"
    return repr(value.item())
