"""Round trips and realised profit, from fills alone.

A round trip is one stretch of one instrument's position from flat to flat: it opens
with the fill that leaves 0, and closes with the one that comes back to 0 or crosses
it. A fill that crosses is split, its fee by the quantity of each part. Profit is that
of the trip's cash flows, so it needs no rule of which entry an exit belongs to. A trip
still open at the end has the profit realised so far, against the average entry price
as the account books it.
Layer 3.
"""

from typing import Final

import numpy as np

from livekit.research.report.rows import Rows
from livekit.research.report.statistic import NAN

__all__ = ["TRIP", "realized_by_fill", "round_trips"]

_BLOCK: Final = 256

TRIP: Final = np.dtype(
    [
        ("instrument", "<i8"),
        ("side", "<i8"),  # 0 long, 1 short
        ("opened_ns", "<i8"),
        ("closed_ns", "<i8"),  # 0 while open
        ("entry_price", "<f8"),  # mean of the fills that opened or added
        ("exit_price", "<f8"),  # mean of those that reduced; NaN without one
        ("quantity", "<f8"),  # largest position, units
        ("gross", "<f8"),  # before fees; of an open trip what is realised
        ("fees", "<f8"),
        ("n_fills", "<i8"),
    ]
)
"""One round trip, in order of opening. Funding is not in it: it belongs to no fill."""


def round_trips(rows: Rows) -> np.ndarray:
    """Return the TRIP rows of a run, in order of opening."""
    return rows.kept(_round_trips)


def _round_trips(rows: Rows) -> np.ndarray:
    parts = [_of_instrument(rows, index) for index in range(len(rows.by_instrument))]
    found = np.concatenate([np.empty(0, TRIP), *parts])
    return found[np.argsort(found["opened_ns"], kind="stable")]


def _of_instrument(rows: Rows, index: int) -> np.ndarray:
    chosen = rows.by_instrument[index]
    if not len(chosen):
        return np.empty(0, TRIP)
    source, lots = _split(rows.lots[chosen], rows.lots_after[chosen])
    chosen = chosen[source]
    after = np.cumsum(lots)
    before = after - lots
    first = np.flatnonzero(before == 0)
    step = rows.lot_sizes[index] * rows.contract_values[index]
    price, size = rows.price[chosen], lots * step
    share = lots / rows.lots[chosen]
    is_entry = (before == 0) | ((before > 0) == (lots > 0))
    ts = rows.fills["ts"][chosen]
    last = np.append(first[1:], len(lots)) - 1
    is_closed = after[last] == 0
    entered = np.add.reduceat(np.where(is_entry, np.abs(size), 0.0), first)
    left = np.add.reduceat(np.where(is_entry, 0.0, np.abs(size)), first)
    trips = np.zeros(len(first), TRIP)
    trips["instrument"], trips["side"] = index, np.where(lots[first] > 0, 0, 1)
    trips["opened_ns"], trips["closed_ns"] = ts[first], np.where(is_closed, ts[last], 0)
    value = np.abs(size) * price
    trips["entry_price"] = np.add.reduceat(np.where(is_entry, value, 0.0), first) / entered
    paid = np.add.reduceat(np.where(is_entry, 0.0, value), first)
    trips["exit_price"] = np.where(left > 0, paid / np.where(left > 0, left, 1.0), NAN)
    trips["quantity"] = np.maximum.reduceat(np.abs(after), first) * rows.lot_sizes[index]
    # Measured from the trip's first price: the flows of a trip far from 0 would cancel.
    offset = price - np.repeat(price[first], np.diff(np.append(first, len(lots))))
    trips["gross"] = -np.add.reduceat(size * offset, first)
    trips["fees"] = np.add.reduceat(rows.fee[chosen] * share, first)
    trips["n_fills"] = np.diff(np.append(first, len(lots)))
    if not is_closed[-1]:
        at = first[-1]
        trips["gross"][-1] = _realize(lots[at:], price[at:], step).sum()
    return trips


def _split(lots: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split every fill that crosses 0: (number of the fill, lots) of each part."""
    before = after - lots
    crosses = np.sign(before) * np.sign(after) < 0
    source = np.repeat(np.arange(len(lots)), 1 + crosses)
    parts = lots[source]
    closing = np.flatnonzero(crosses) + np.arange(np.count_nonzero(crosses))
    parts[closing] = -before[crosses]
    parts[closing + 1] = after[crosses]
    return source, parts


def _realize(lots: np.ndarray, price: np.ndarray, step: float) -> np.ndarray:
    """Return the profit each fill realises against the average entry price, before fees.

    The cost of a position grows by what a fill opens and shrinks in proportion to what
    one closes, so it is a chain of maps c -> keep * c + add. Prices are measured from the
    first, which keeps the digits that profit is made of.
    """
    if not len(lots):
        return np.zeros(0)
    offset = price - price[0]
    now = np.cumsum(lots)
    held = now - lots
    is_entry = (held == 0) | ((held > 0) == (lots > 0))
    crosses = (held > 0) & (now < 0) | (held < 0) & (now > 0)
    size = np.abs(held).astype(float)
    left = np.where(crosses, 0.0, np.abs(now))
    keep = np.where(is_entry, 1.0, left / np.where(size > 0, size, 1.0))
    opened = np.where(is_entry, np.abs(lots), np.where(crosses, np.abs(now), 0))
    cost = np.append(0.0, _chain(keep, offset * opened)[:-1])
    average = cost / np.where(size > 0, size, 1.0)
    closed = np.where(is_entry, 0, np.minimum(np.abs(held), np.abs(lots)))
    realized: np.ndarray = (offset - average) * (np.sign(held) * closed) * step
    return realized


def _chain(keep: np.ndarray, add: np.ndarray) -> np.ndarray:
    """Return c after each map c -> keep * c + add, from 0.

    All blocks of 256 take their steps at once as if from 0, and then one after the other
    the value the block before ended with.
    """
    n_blocks = -(-len(keep) // _BLOCK)
    padded = np.ones((2, n_blocks * _BLOCK))
    padded[1] = 0.0
    padded[0, : len(keep)], padded[1, : len(add)] = keep, add
    # One row per step, so that a step of all blocks is contiguous.
    factor, value = (np.ascontiguousarray(one.reshape(n_blocks, _BLOCK).T) for one in padded)
    for step in range(1, _BLOCK):
        value[step] += factor[step] * value[step - 1]
        factor[step] *= factor[step - 1]
    begin = np.zeros(n_blocks)
    for block in range(1, n_blocks):
        begin[block] = factor[-1, block - 1] * begin[block - 1] + value[-1, block - 1]
    chained: np.ndarray = (value + factor * begin).T.reshape(-1)[: len(keep)]
    return chained


def realized_by_fill(rows: Rows) -> np.ndarray:
    """float64[n_fills]: profit each fill realises, before fees, as the account books it."""
    return rows.kept(_realized_by_fill)


def _realized_by_fill(rows: Rows) -> np.ndarray:
    realized = np.zeros(len(rows.fills))
    for index, chosen in enumerate(rows.by_instrument):
        step = rows.lot_sizes[index] * rows.contract_values[index]
        realized[chosen] = _realize(rows.lots[chosen], rows.price[chosen], step)
    return realized
