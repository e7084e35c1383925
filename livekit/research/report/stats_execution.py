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
from livekit.research.report.rows import HORIZON_NAMES, Rows
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

_SIDES: Final = (("", ""), ("buy_", " of buys"), ("sell_", " of sells"))

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
        for side, of in _SIDES
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
    status, reject = orders["status"], orders["reject"]
    denied = is_denied(orders)
    n_sent = len(orders) - int(np.count_nonzero(denied))
    n_filled = int(np.count_nonzero(orders["n_fills"]))
    n_canceled = int(np.count_nonzero(status == OrderStatus.CANCELED))
    n_whole = int(np.count_nonzero(status == OrderStatus.FILLED))
    is_refused = status == OrderStatus.REJECTED
    codes, counts = np.unique(reject[is_refused], return_counts=True)
    said = (rows.meta.get("counts") or {}).get("rejects")
    return {
        "n_submitted": n_sent,
        "n_denied": len(orders) - n_sent,
        "n_rejected": int(np.count_nonzero(is_refused)) - (len(orders) - n_sent),
        "n_canceled": n_canceled,
        "n_open_orders": int(np.count_nonzero(status < OrderStatus.FILLED)),
        "n_modifies": int(orders["n_modifies"].sum()),
        "rejects": {reject_name(int(code)): int(n) for code, n in zip(codes, counts, strict=True)},
        "n_refused_requests": NAN if said is None else sum(said.values()),
        "fill_ratio_quantity_pct": _filled_share(rows, denied) * PERCENT,
        "fill_ratio_orders_pct": ratio(n_filled, n_sent) * PERCENT,
        "filled_whole_pct": ratio(n_whole, n_sent) * PERCENT,
        "cancel_to_fill": ratio(n_canceled, n_filled),
        "fills_per_order": ratio(int(orders["n_fills"].sum()), n_filled),
    }


def _filled_share(rows: Rows, denied: np.ndarray) -> float:
    """Return filled over submitted quantity.

    Units of several instruments are not alike, so each is worth its contract value at
    the mean price of its orders; with one instrument that cancels out.
    """
    orders = rows.orders
    sent = ~denied & (orders["instrument"] >= 0) & (orders["instrument"] < len(rows.symbols))
    price = np.where(np.isfinite(orders["average_price"]), orders["average_price"], orders["price"])
    filled = submitted = 0.0
    for index in range(len(rows.symbols)):
        mine = sent & (orders["instrument"] == index)
        value = mean(price[mine]) * rows.contract_values[index] if len(rows.symbols) > 1 else 1.0
        # No price at all: market orders of which none filled, worth what they ask for.
        value = value if np.isfinite(value) else float(rows.contract_values[index])
        filled += value * float(orders["filled_quantity"][mine].sum())
        submitted += value * float(orders["quantity"][mine].sum())
    return ratio(filled, submitted)


def _spreads(rows: Rows) -> dict[str, float]:
    """Compute spreads and markouts, weighted by notional."""
    buys, sells, makers, takers = (0, 2), (1, 3), (2, 3), (0, 1)
    earned = _by_kind(rows, 2 * rows.sign * (rows.mid - rows.price) / rows.mid * BPS)
    found = {
        "taker_effective_spread_bps": -_mean_of(earned, takers),
        "maker_effective_spread_bps": _mean_of(earned, makers),
    }
    for horizon, name in enumerate(HORIZON_NAMES):
        moved = rows.markout_bps(horizon)
        kept = _by_kind(rows, 2 * moved * (rows.price / rows.mid))
        found[f"maker_realized_spread_{name}_bps"] = _mean_of(kept, makers)
        sums = _by_kind(rows, moved)
        found[f"markout_{name}_bps"] = _mean_of(sums, (0, 1, 2, 3))
        found[f"markout_buy_{name}_bps"] = _mean_of(sums, buys)
        found[f"markout_sell_{name}_bps"] = _mean_of(sums, sells)
    return found


def _by_kind(rows: Rows, values: np.ndarray) -> np.ndarray:
    """float64[2, 4]: weighted sums and weights of values by side + 2 * is_maker."""
    known = np.isfinite(values)
    weights = np.where(known, rows.notional, 0.0)
    kind = rows.kept(_kinds)
    summed = np.bincount(kind, weights=weights * np.where(known, values, 0.0), minlength=4)
    return np.stack((summed, np.bincount(kind, weights=weights, minlength=4)))


def _kinds(rows: Rows) -> np.ndarray:
    return rows.fills["side"].astype(np.int64) + 2 * rows.is_maker


def _mean_of(sums: np.ndarray, kinds: tuple[int, ...]) -> float:
    total, weight = sums[:, kinds].sum(axis=1)
    return ratio(float(total), float(weight))


def _arrival(rows: Rows) -> dict[str, float]:
    """Compute the slippage of orders with a fill against the mid when they were created."""
    orders = rows.orders
    filled = np.flatnonzero(orders["n_fills"])
    if not len(filled):
        return {"arrival_slippage_bps": NAN, "arrival_slippage": NAN}
    side, bid, ask, average, quantity, instrument = (
        orders[name][filled]
        for name in (
            *("side", "arrival_bid", "arrival_ask", "average_price", "filled_quantity"),
            "instrument",
        )
    )
    arrival = (bid + ask) / 2
    size = quantity * rows.contract_values[instrument]
    cost = (1.0 - 2.0 * side) * (average - arrival)
    known = np.isfinite(cost)
    return {
        "arrival_slippage_bps": weighted_mean(cost / arrival * BPS, size * average),
        "arrival_slippage": float(np.sum((cost * size)[known])) if known.any() else NAN,
    }
