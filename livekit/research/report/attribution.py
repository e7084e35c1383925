"""Where the profit came from: parts that sum to the net profit of the equity.

A fill at a price earns its edge, what it is better than the mid just before it, and
from then on the position it changed earns what the mid moves. Makers' edge is spread
captured, takers' is slippage paid. With fees, rebates and funding this is all there is,
so what is left to the equity is rounding, or rows that do not belong together: it has
a line of its own and is not spread over the others. A fill without a mid has no edge;
its position counts from its own price.
Layer 3.
"""

from typing import Any, Final

import numpy as np

from livekit.research.report.rows import Rows
from livekit.research.report.statistic import NAN, Statistic

__all__ = ["ATTRIBUTION", "attribution", "inventory_pnl"]

ATTRIBUTION: Final = (
    Statistic(
        "pnl_spread", "Spread captured", "quote", "sum of side * (mid - price) * size of makers"
    ),
    Statistic("pnl_slippage", "Slippage", "quote", "sum of side * (mid - price) * size of takers"),
    Statistic(
        "pnl_inventory",
        "Inventory",
        "quote",
        "sum of side * (mark at the end - mid at the fill) * size",
    ),
    Statistic("pnl_fees", "Fees", "quote", "- sum of the fees above 0"),
    Statistic("pnl_rebates", "Rebates", "quote", "- sum of the fees below 0"),
    Statistic("pnl_funding", "Funding", "quote", "funding received at the last sample"),
    Statistic(
        "pnl_unexplained", "Unexplained", "quote", "net profit - all of the above: rounding only"
    ),
    Statistic("pnl_net", "Net profit by source", "quote", "sum of all of the above"),
)


def attribution(rows: Rows) -> dict[str, Any]:
    """Compute the statistics of ATTRIBUTION."""
    edge = np.where(np.isfinite(rows.edge), rows.edge, 0.0)
    fee = rows.fee
    net = rows.path[1]
    funding = rows.equity["funding"]
    parts = {
        "pnl_spread": float(edge[rows.is_maker].sum()),
        "pnl_slippage": float(edge[~rows.is_maker].sum()),
        "pnl_inventory": float(inventory_pnl(rows).sum()),
        "pnl_fees": 0.0 - float(fee[fee > 0].sum()),
        "pnl_rebates": 0.0 - float(fee[fee < 0].sum()),
        "pnl_funding": float(funding[-1]) if len(funding) else 0.0,
    }
    total = float(net[-1]) - rows.cash if len(net) else NAN
    parts["pnl_unexplained"] = total - sum(parts.values())
    return {**parts, "pnl_net": sum(parts.values())}


def inventory_pnl(rows: Rows) -> np.ndarray:
    """float64[n_instruments]: what the positions earned from moves of the mid.

    NaN for a position that is open at the end without a mark.
    """
    since = np.where(np.isfinite(rows.mid), rows.mid, rows.price)
    earned = np.zeros(len(rows.instruments))
    for index, chosen in enumerate(rows.by_instrument):
        if not len(chosen):
            continue
        mark = rows.end_marks[index]
        if rows.lots_after[chosen[-1]] == 0 and not np.isfinite(mark):
            mark = since[chosen[-1]]  # any: a flat position earns the same at all of them
        signed = rows.lots[chosen] * (rows.lot_sizes[index] * rows.contract_values[index])
        earned[index] = float(np.sum(signed * (mark - since[chosen])))
    return earned
