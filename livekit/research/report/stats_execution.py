"""Quality of execution: how orders became fills, and what the market did after them.

Submitted are the orders that left for the venue; a request that risk or admission
denied never did. The effective spread of a taker is what it paid against the mid, that
of a maker what it earned; the realised spread is what is left of it after the mid has
moved, and the difference went to whoever knew better. All means in bps are weighted by
notional.
Layer 3.
"""

from typing import Any, Final

import numpy as np

from livekit.events import OrderStatus, Reject
from livekit.research.report.rows import HORIZON_FIELDS, HORIZON_NAMES, Rows
from livekit.research.report.statistic import (
    BPS,
    NAN,
    PERCENT,
    Statistic,
    mean,
    median,
    quantiles,
    ratio,
    weighted_mean,
)

__all__ = ["EXECUTION", "execution", "is_denied", "reject_name"]

_SIDES: Final = (("", "", None), ("buy_", " of buys", 1.0), ("sell_", " of sells", -1.0))

EXECUTION: Final = (
    Statistic(
        "n_submitted", "Orders submitted", "", "orders that were not denied before the venue"
    ),
    Statistic("n_denied", "Orders denied", "", "refused by admission or risk: never acknowledged"),
    Statistic("n_rejected", "Orders rejected", "", "refused by the venue"),
    Statistic("n_canceled", "Orders cancelled", "", "submitted orders that ended cancelled"),
    Statistic("n_open_orders", "Orders open", "", "submitted orders not final at the end"),
    Statistic("n_modifies", "Modifications", "", "sum of the modifications that took effect"),
    Statistic("rejects", "Refused by code", "text", "orders denied or rejected, by reject code"),
    Statistic(
        "n_refused_requests",
        "Requests refused",
        "",
        "meta counts rejects: of new orders, modifications and cancels",
    ),
    Statistic(
        "fill_ratio_quantity_pct",
        "Fill ratio by quantity",
        "%",
        "filled / submitted quantity; instruments weighted by contract value and mean price",
    ),
    Statistic(
        "fill_ratio_orders_pct", "Fill ratio by orders", "%", "orders with a fill / submitted"
    ),
    Statistic("filled_whole_pct", "Orders filled whole", "%", "orders filled / submitted"),
    Statistic("maker_ratio_pct", "Maker ratio", "%", "notional of makers' fills / of all"),
    Statistic("maker_fills_pct", "Maker fills", "%", "makers' fills / all"),
    Statistic("cancel_to_fill", "Cancel to fill", "", "orders cancelled / orders with a fill"),
    Statistic("fills_per_order", "Fills per filled order", "", "fills / orders with a fill"),
    *(
        Statistic(f"time_to_fill_p{p}_s", f"Time to fill p{p}", "s", "venue's time - order created")
        for p in (50, 90, 99)
    ),
    Statistic(
        "maker_time_to_fill_p50_s", "Maker time to fill p50", "s", "the same of makers' fills"
    ),
    Statistic(
        "queue_ahead_mean",
        "Queue ahead, mean",
        "",
        "units ahead when orders that filled came to rest",
    ),
    Statistic("queue_ahead_p50", "Queue ahead, p50", "", "median of the same"),
    Statistic(
        "taker_effective_spread_bps",
        "Effective spread paid",
        "bps",
        "takers: 2 * side * (price - mid) / mid",
    ),
    Statistic(
        "maker_effective_spread_bps",
        "Effective spread earned",
        "bps",
        "makers: 2 * side * (mid - price) / mid",
    ),
    *(
        Statistic(
            f"maker_realized_spread_{name}_bps",
            f"Realised spread {name}",
            "bps",
            f"makers: 2 * side * (mid after {name} - price) / mid at the fill",
        )
        for name in HORIZON_NAMES
    ),
    *(
        Statistic(
            f"markout_{side}{name}_bps",
            f"Markout {name}{of}",
            "bps",
            f"side * (mid after {name} - price) / price{of}",
        )
        for side, of, _ in _SIDES
        for name in HORIZON_NAMES
    ),
    Statistic(
        "arrival_slippage_bps",
        "Slippage against arrival",
        "bps",
        "side * (average price - mid when created) / that mid, by filled notional; cost above 0",
    ),
    Statistic(
        "arrival_slippage", "Slippage against arrival", "quote", "sum of the same times filled size"
    ),
    Statistic("edge_per_fill", "Edge per fill", "quote", "mean of side * (mid - price) * size"),
    Statistic("edge_bps", "Edge", "bps", "sum of the edge / sum of the notional"),
    Statistic("n_fills_without_mid", "Fills without a mid", "", "no touch on both sides before it"),
)


def execution(rows: Rows) -> dict[str, Any]:
    """Compute the statistics of EXECUTION."""
    maker, notional = rows.is_maker, rows.notional
    waits = rows.time_to_fill_s
    p50, p90, p99 = quantiles(waits, 0.5, 0.9, 0.99)
    ahead = rows.fills["queue_ahead"][maker]
    found: dict[str, Any] = {
        **_orders(rows),
        "maker_ratio_pct": ratio(float(notional[maker].sum()), float(notional.sum())) * PERCENT,
        "maker_fills_pct": mean(maker.astype(float)) * PERCENT,
        "time_to_fill_p50_s": p50,
        "time_to_fill_p90_s": p90,
        "time_to_fill_p99_s": p99,
        "maker_time_to_fill_p50_s": median(waits[maker]),
        "queue_ahead_mean": mean(ahead),
        "queue_ahead_p50": median(ahead),
        **_spreads(rows),
        **_arrival(rows),
        "edge_per_fill": mean(rows.edge),
        "edge_bps": weighted_mean(rows.edge / rows.notional, rows.notional) * BPS,
        "n_fills_without_mid": int(np.count_nonzero(~np.isfinite(rows.mid))),
    }
    return {one.key: found[one.key] for one in EXECUTION}


def is_denied(orders: np.ndarray) -> np.ndarray:
    """Tell which orders were refused before they left: the venue never answered them.

    What was refused before it had a place in the core's table has no client order id.
    """
    unheard = (orders["acked_ns"] == 0) | (orders["client_order_id"] == b"")
    return (orders["status"] == OrderStatus.REJECTED) & unheard


def reject_name(code: int) -> str:
    """Name a reject code; one of the exchange's own is its number."""
    return Reject(code).name if code in Reject.__members__.values() else str(code)


def _orders(rows: Rows) -> dict[str, Any]:
    orders = rows.orders
    denied = is_denied(orders)
    sent = orders[~denied]
    filled = sent["n_fills"] > 0
    n_filled = int(np.count_nonzero(filled))
    n_canceled = int(np.count_nonzero(sent["status"] == OrderStatus.CANCELED))
    is_refused = orders["status"] == OrderStatus.REJECTED
    codes, counts = np.unique(orders["reject"][is_refused], return_counts=True)
    said = (rows.meta.get("counts") or {}).get("rejects")
    return {
        "n_submitted": len(sent),
        "n_denied": int(np.count_nonzero(denied)),
        "n_rejected": int(np.count_nonzero(is_refused & ~denied)),
        "n_canceled": n_canceled,
        "n_open_orders": int(np.count_nonzero(sent["status"] < OrderStatus.FILLED)),
        "n_modifies": int(sent["n_modifies"].sum()),
        "rejects": {reject_name(int(code)): int(n) for code, n in zip(codes, counts, strict=True)},
        "n_refused_requests": NAN if said is None else sum(said.values()),
        "fill_ratio_quantity_pct": _filled_share(rows, sent) * PERCENT,
        "fill_ratio_orders_pct": ratio(n_filled, len(sent)) * PERCENT,
        "filled_whole_pct": ratio(int((sent["status"] == OrderStatus.FILLED).sum()), len(sent))
        * PERCENT,
        "cancel_to_fill": ratio(n_canceled, n_filled),
        "fills_per_order": ratio(int(sent["n_fills"].sum()), n_filled),
    }


def _filled_share(rows: Rows, sent: np.ndarray) -> float:
    """Return filled over submitted quantity.

    Units of several instruments are not alike, so each is worth its contract value at
    the mean price of its orders; with one instrument that cancels out.
    """
    filled = submitted = 0.0
    price = np.where(np.isfinite(sent["average_price"]), sent["average_price"], sent["price"])
    for index in np.unique(sent["instrument"]).tolist():
        mine = sent["instrument"] == index
        value = mean(price[mine]) * rows.contract_values[index] if len(rows.symbols) > 1 else 1.0
        # No price at all: market orders of which none filled, worth what they ask for.
        value = value if np.isfinite(value) else float(rows.contract_values[index])
        filled += value * float(sent["filled_quantity"][mine].sum())
        submitted += value * float(sent["quantity"][mine].sum())
    return ratio(filled, submitted)


def _spreads(rows: Rows) -> dict[str, float]:
    """Compute spreads and markouts, weighted by notional."""
    maker, weights, mid = rows.is_maker, rows.notional, rows.mid
    earned = 2 * rows.sign * (mid - rows.price) / mid * BPS
    found = {
        "taker_effective_spread_bps": -weighted_mean(earned[~maker], weights[~maker]),
        "maker_effective_spread_bps": weighted_mean(earned[maker], weights[maker]),
    }
    for horizon, (name, field) in enumerate(zip(HORIZON_NAMES, HORIZON_FIELDS, strict=True)):
        kept = 2 * rows.sign * (rows.fills[field] - rows.price) / mid * BPS
        found[f"maker_realized_spread_{name}_bps"] = weighted_mean(kept[maker], weights[maker])
        moved = rows.markout_bps(horizon)
        for side, _, sign in _SIDES:
            chosen = slice(None) if sign is None else rows.sign == sign
            found[f"markout_{side}{name}_bps"] = weighted_mean(moved[chosen], weights[chosen])
    return found


def _arrival(rows: Rows) -> dict[str, float]:
    """Compute the slippage of orders with a fill against the mid when they were created."""
    orders = rows.orders[rows.orders["n_fills"] > 0]
    if not len(orders):
        return {"arrival_slippage_bps": NAN, "arrival_slippage": NAN}
    arrival = (orders["arrival_bid"] + orders["arrival_ask"]) / 2
    size = orders["filled_quantity"] * rows.contract_values[orders["instrument"]]
    cost = (1.0 - 2.0 * orders["side"]) * (orders["average_price"] - arrival)
    known = np.isfinite(cost)
    return {
        "arrival_slippage_bps": weighted_mean(cost / arrival * BPS, size * orders["average_price"]),
        "arrival_slippage": float(np.sum((cost * size)[known])) if known.any() else NAN,
    }
