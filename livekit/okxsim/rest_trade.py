"""REST: orders in, orders looked up, fills, and the dead man's switch.

Layer 4. One thread.
"""

from typing import Any, Final

from livekit.okxsim.call import Call, Handler
from livekit.okxsim.codes import Refusal, refusal
from livekit.okxsim.orders import Order, fill_row, rest_row
from livekit.okxsim.paging import page

__all__ = ["ORDER_ROUTES", "TRADE_ROUTES"]

_MAX_TIMERS: Final = 20
_FORGET_MS: Final = 2 * 3_600_000

ORDER_ROUTES: Final = {
    "trade/order": "order",
    "trade/batch-orders": "batch-orders",
    "trade/cancel-order": "cancel-order",
    "trade/cancel-batch-orders": "batch-cancel-orders",
    "trade/amend-order": "amend-order",
    "trade/amend-batch-orders": "batch-amend-orders",
}
"""Operations by the path of their POST; the server runs them."""


def _order(call: Call) -> list[Any] | Refusal:
    listing = call.exchange.world.by_symbol.get(call.get("instId"))
    if listing is None:
        return refusal("51001" if call.get("instId") else "50014", "instId")
    if not call.get("ordId") and not call.get("clOrdId"):
        return refusal("51000", "ordId or clOrdId")
    order = call.exchange.desk.find(call.owner, listing, dict(call.query))
    return refusal("51603") if order is None else [rest_row(order)]


def _rows(call: Call, orders: list[Order]) -> list[Any] | Refusal:
    """Return a page of order rows, filtered as the query asks."""
    wanted = {name: call.get(name) for name in ("instType", "instId", "ordType", "state")}
    chosen = [
        one
        for one in orders
        if wanted["instType"] in {"", one.listing.kind}
        and wanted["instId"] in {"", one.listing.symbol}
        and (not wanted["ordType"] or one.order_type in wanted["ordType"].split(","))
        and wanted["state"] in {"", one.state}
    ]
    paged = page(call, chosen, lambda one: one.order_id)
    return paged if isinstance(paged, Refusal) else [rest_row(one) for one in paged]


def _pending(call: Call) -> list[Any] | Refusal:
    return _rows(call, list(call.owner.pending.values()))


def _history(call: Call) -> list[Any] | Refusal:
    if not call.get("instType"):
        return refusal("50014", "instType")
    return _rows(
        call,
        [
            one
            for one in call.owner.orders.values()
            if one.is_final and (one.filled_lots or call.now_ms - one.updated_ms < _FORGET_MS)
        ],
    )


def _fills(call: Call) -> list[Any] | Refusal:
    kind, name, order_id = (call.get(one) for one in ("instType", "instId", "ordId"))
    chosen = [
        one
        for one in call.owner.fills
        if kind in {"", one.order.listing.kind}
        and name in {"", one.order.listing.symbol}
        and order_id in {"", str(one.order.order_id)}
    ]
    paged = page(call, chosen, lambda one: one.bill_id)
    return paged if isinstance(paged, Refusal) else [fill_row(one) for one in paged]


def _fills_history(call: Call) -> list[Any] | Refusal:
    return _fills(call) if call.get("instType") else refusal("50014", "instType")


def _cancel_all_after(call: Call) -> list[Any] | Refusal:
    """Set, renew or switch off a timer after which orders are cancelled."""
    text, tag, timers = call.get("timeOut"), call.get("tag"), call.owner.timers
    seconds = int(text) if text.isdecimal() else -1
    if seconds != 0 and not 10 <= seconds <= 120:
        return refusal("51000", "timeOut")
    if seconds and tag not in timers and len(timers) >= _MAX_TIMERS:
        return refusal("51071")
    timers.pop(tag, None)
    due = call.now_ms + 1000 * seconds if seconds else 0
    if due:
        timers[tag] = due
    return [{"triggerTime": str(due), "tag": tag, "ts": str(call.now_ms)}]


def _close_position(call: Call) -> list[Any] | Refusal:
    """Close a position at the market."""
    listing = call.exchange.world.by_symbol.get(call.get("instId"))
    if listing is None:
        return refusal("51001")
    mode, side = call.get("mgnMode"), call.get("posSide") or "net"
    position = call.owner.positions.get((listing.symbol, mode, side))
    if position is None or not position.size:
        return refusal("51023")
    is_long = (position.size > 0) == (side != "short")
    args = {
        "tdMode": mode,
        "side": "sell" if is_long else "buy",
        "ordType": "market",
        "sz": str(abs(position.size)),
        "reduceOnly": True,
        "posSide": side,
        "clOrdId": call.get("clOrdId"),
    }
    done = call.exchange.desk.place(call.owner, listing, args)
    if isinstance(done, Refusal):
        return done
    names = {"instId": listing.symbol, "posSide": side}
    return [{**names, "clOrdId": done.client_id, "tag": call.get("tag")}]


def _order_rate(call: Call) -> list[Any]:
    """Return how many orders the account may send in two seconds."""
    row = {"accRateLimit": "1000", "fillRatio": "", "mainFillRatio": "", "nextAccRateLimit": ""}
    return [row | {"ts": str(call.now_ms)}]


TRADE_ROUTES: Final[dict[tuple[str, str], Handler]] = {
    ("GET", "trade/order"): _order,
    ("GET", "trade/orders-pending"): _pending,
    ("GET", "trade/orders-history"): _history,
    ("GET", "trade/orders-history-archive"): _history,
    ("GET", "trade/fills"): _fills,
    ("GET", "trade/fills-history"): _fills_history,
    ("GET", "trade/orders-algo-pending"): lambda _: [],
    ("GET", "trade/account-rate-limit"): _order_rate,
    ("POST", "trade/cancel-all-after"): _cancel_all_after,
    ("POST", "trade/close-position"): _close_position,
}
"""Handlers by method and path, signed."""
