"""Whether the three arrays of a run tell the same story.

Fees, volume and realised profit of every sample follow from the fills before it, the
last equity from fills and marks, each order's filled quantity from its fills. What
does not is a fault of whoever wrote the rows, or rows of different runs.
Layer 3.
"""

from typing import Final

import numpy as np

from livekit.events import OrderStatus
from livekit.research.report.attribution import attribution
from livekit.research.report.rows import Rows
from livekit.research.report.trips import realized_by_fill
from livekit.research.report.values import iso_time

__all__ = ["contradictions"]

_TOLERANCE: Final = 1e-9


def contradictions(rows: Rows) -> list[str]:
    """Return a sentence for each kind of contradiction, naming its first place."""
    found = [_order_of_time(rows), *_sums(rows), _equity(rows), _last_equity(rows), *_orders(rows)]
    return [sentence for sentence in found if sentence]


def _order_of_time(rows: Rows) -> str:
    for name, ts in (("fill", rows.fills["ts"]), ("equity row", rows.equity["ts"])):
        back = np.flatnonzero(np.diff(ts) < 0)
        if len(back):
            return f"{name} {back[0] + 1} is earlier than the one before it"
    return ""


def _apart(left: np.ndarray, right: np.ndarray, scale: float) -> np.ndarray:
    """Return where two columns differ by more than rounding; NaN differs from nothing."""
    return np.flatnonzero(np.abs(left - right) > _TOLERANCE * max(scale, 1.0))


def _sums(rows: Rows) -> list[str]:
    """Compare fees, volume and realised profit of the samples with the fills' sums."""
    samples = rows.equity
    n_fills = samples["n_fills"]
    if len(n_fills) and (n_fills.max() > len(rows.fills) or n_fills.min() < 0):
        return [f"the equity counts {n_fills.max()} fills, there are {len(rows.fills)}"]
    scale = float(rows.notional.sum())
    found = []
    for name, values in (
        ("fees", rows.fee),
        ("volume", rows.notional),
        ("realized", realized_by_fill(rows)),
    ):
        summed = np.append(0.0, np.cumsum(values))[n_fills]
        apart = _apart(samples[name], summed, scale)
        if len(apart):
            at = apart[0]
            found.append(
                f"{name} of equity row {at} at {iso_time(int(samples['ts'][at]))} are "
                f"{float(samples[name][at])!r}, its {n_fills[at]} fills give "
                f"{float(summed[at])!r}"
            )
    return found


def _equity(rows: Rows) -> str:
    """Compare each sample's equity with its own parts."""
    samples = rows.equity
    parts = rows.cash + samples["realized"] + samples["unrealized"]
    parts = parts - samples["fees"] + samples["funding"]
    apart = _apart(samples["equity"], parts, abs(rows.cash) + float(rows.notional.sum()))
    if not len(apart):
        return ""
    at = apart[0]
    said, given = float(samples["equity"][at]), float(parts[at])
    return f"equity of row {at} is {said!r}, its parts give {given!r}"


def _last_equity(rows: Rows) -> str:
    """Compare the last equity with fills and marks."""
    left = attribution(rows)["pnl_unexplained"]
    if not abs(left) > _TOLERANCE * max(float(rows.notional.sum()), 1.0):
        return ""
    return f"the last equity differs by {left!r} from what the fills give at the last marks"


def _orders(rows: Rows) -> list[str]:
    """Compare each order with its own fills."""
    orders, fills = rows.orders, rows.fills
    found = []
    is_final = orders["status"] >= OrderStatus.FILLED
    open_ = np.flatnonzero(is_final != (orders["final_ns"] != 0))
    if len(open_):
        at = open_[0]
        found.append(
            f"order row {at} (order {orders['order_id'][at]}) has status {orders['status'][at]} "
            f"and final_ns {orders['final_ns'][at]}"
        )
    known, place = np.unique(orders["order_id"], return_inverse=True)
    at = np.minimum(np.searchsorted(known, fills["order_id"]), max(len(known) - 1, 0))
    if len(fills) and (not len(known) or (known[at] != fills["order_id"]).any()):
        found.append("a fill names an order that has no row")
        return found
    booked = np.bincount(at, weights=fills["quantity"], minlength=len(known))
    said = np.bincount(place, weights=orders["filled_quantity"], minlength=len(known))
    apart = _apart(said, booked, float(booked.max(initial=0.0)))
    if len(apart):
        at_first = apart[0]
        found.append(
            f"order {known[at_first]} says it filled {float(said[at_first])!r}, "
            f"its fills {float(booked[at_first])!r}"
        )
    return found
