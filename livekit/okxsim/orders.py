"""One order of the exchange, and its two rows: of the orders channel, and of REST.

The push carries the complete order at every event (71 keys, as captured in 2026); the
REST row has no fill of its own but the last one's.
Layer 4. Pure.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from livekit.okxsim.listings import Listing, plain

if TYPE_CHECKING:
    from livekit.okxsim.accounts import Account

__all__ = ["FINAL_STATES", "Fill", "Order", "fill_row", "push_row", "rest_row"]

FINAL_STATES: Final = frozenset({"filled", "canceled"})


@dataclass(slots=True)
class Fill:
    """One match of one order.

    Attributes
    ----------
    fee, pnl : Decimal
        OKX's signs: a fee paid is below 0.
    """

    order: "Order"
    trade_id: int
    bill_id: int
    price: Decimal
    size: Decimal
    role: str  # T or M
    fee: Decimal
    fee_currency: str
    pnl: Decimal
    time_ms: int


@dataclass(slots=True, eq=False)
class Order:
    """An order and everything that is ever said of it.

    Attributes
    ----------
    size : Decimal
        As asked: of a spot market order it may be in quote currency.
    lots : int
        Whole lots to fill; 0 where the size is in quote currency.
    leg, row : int
        Its order id and row in the trading core while it rests; 0 otherwise.
    base_lots : int
        Lots filled before the leg at rest was sent to the core.
    """

    account: "Account"
    listing: Listing
    order_id: int
    client_id: str
    tag: str
    side: str
    order_type: str
    price: Decimal | None
    size: Decimal
    lots: int
    created_ms: int
    mode: str = "cash"
    position_side: str = ""
    target: str = ""
    currency: str = ""
    reduce_only: bool = False
    stp_mode: str = "cancel_maker"
    leverage: str = ""
    state: str = "live"
    updated_ms: int = 0
    filled_lots: int = 0
    cost: Decimal = Decimal(0)  # sum of price x size
    fee: Decimal = Decimal(0)
    pnl: Decimal = Decimal(0)
    cancel_source: str = ""
    last_fill: Fill | None = None
    leg: int = 0
    row: int = 0
    base_lots: int = 0
    is_announced: bool = False
    fills: list[Fill] = field(default_factory=list)

    @property
    def is_final(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.state in FINAL_STATES

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side == "buy"

    @property
    def filled(self) -> Decimal:
        """Size filled, base currency or contracts."""
        return self.filled_lots * self.listing.lot

    @property
    def average(self) -> Decimal | None:
        """Average price of what filled."""
        return self.cost / self.filled if self.filled_lots else None

    @property
    def fee_currency(self) -> str:
        """Currency a fee of this order is in."""
        if self.listing.is_swap or not self.is_buy or self.account.pays_in_quote:
            return self.listing.quote
        return self.listing.base


def _text(value: Decimal | None, missing: str = "") -> str:
    return missing if value is None else plain(value)


def _shared(order: Order) -> dict[str, Any]:
    """Return what both rows say."""
    listing = order.listing
    return {
        "instType": listing.kind,
        "instId": listing.symbol,
        "tgtCcy": order.target,
        "ccy": order.currency,
        "tradeQuoteCcy": "" if listing.is_swap else listing.quote,
        "ordId": str(order.order_id),
        "clOrdId": order.client_id,
        "algoClOrdId": "",
        "algoId": "",
        "tag": order.tag,
        "px": _text(order.price),
        "sz": plain(order.size),
        "ordType": order.order_type,
        "side": order.side,
        "tdMode": order.mode,
        "accFillSz": plain(order.filled),
        "state": order.state,
        "pnl": plain(order.pnl),
        "feeCcy": order.fee_currency,
        "fee": plain(order.fee),
        "rebateCcy": listing.quote if order.is_buy or listing.is_swap else listing.base,
        "rebate": "0",
        "category": "normal",
        "uTime": str(order.updated_ms),
        "cTime": str(order.created_ms),
        "source": "",
        "reduceOnly": "true" if order.reduce_only else "false",
        "cancelSource": order.cancel_source,
        "quickMgnType": "",
        "stpId": "",
        "stpMode": order.stp_mode,
        "attachAlgoClOrdId": "",
        "isTpLimit": "false",
        "slTriggerPx": "",
        "slTriggerPxType": "",
        "slOrdPx": "",
        "tpOrdPx": "",
        "tpTriggerPx": "",
        "tpTriggerPxType": "",
        "outcome": "",
        "pxType": "",
        "pxUsd": "",
        "pxVol": "",
        "linkedAlgoOrd": {"algoId": ""},
        "attachAlgoOrds": [],
    }


def push_row(
    order: Order,
    last_price: str,
    fill: Fill | None = None,
    amend: tuple[str, str, str] = ("", "", ""),
) -> dict[str, Any]:
    """Return the row of the orders channel.

    Parameters
    ----------
    last_price : str
        Of the instrument.
    fill : Fill, optional
        The match this push is about.
    amend : tuple of str
        amendSource, reqId and amendResult, where it is about an amendment.
    """
    listing = order.listing
    value = _notional(order, order.price or Decimal(last_price or "0"))
    filled_value = _text(order.cost * listing.contract_value) if order.filled_lots else ""
    return {
        **_shared(order),
        "notionalUsd": plain(value),
        "fillNotionalUsd": filled_value,
        "avgPx": _text(order.average, "0"),
        "posSide": order.position_side if listing.is_swap else "",
        "lever": order.leverage or "0",
        "lastPx": last_price,
        "slippage": "0",
        **_fill_part(fill),
        "fillPxVol": "",
        "fillPxUsd": "",
        "fillMarkVol": "",
        "fillFwdPx": "",
        "fillMarkPx": "",
        "fillIdxPx": "",
        "amendSource": amend[0],
        "reqId": amend[1],
        "amendResult": amend[2],
        "code": "0",
        "msg": "",
    }


def _notional(order: Order, price: Decimal) -> Decimal:
    """Return the value of an order in quote currency."""
    if order.target == "quote_ccy":
        return order.size
    return order.size * order.listing.contract_value * price


def _fill_part(fill: Fill | None) -> dict[str, str]:
    """Return the group of fields about this event's match."""
    return {
        "fillPx": plain(fill.price) if fill else "",
        "tradeId": str(fill.trade_id) if fill else "",
        "fillSz": plain(fill.size) if fill else "0",
        "fillTime": str(fill.time_ms) if fill else "",
        "fillPnl": plain(fill.pnl) if fill else "0",
        "fillFee": plain(fill.fee) if fill else "0",
        "fillFeeCcy": fill.fee_currency if fill else "",
        "execType": fill.role if fill else "",
    }


def rest_row(order: Order) -> dict[str, Any]:
    """Return the row of trade/order, orders-pending and orders-history."""
    last = order.last_fill
    return {
        **_shared(order),
        "avgPx": _text(order.average),
        "posSide": order.position_side or "net",
        "lever": order.leverage,
        "cancelSourceReason": "",
        "fillPx": plain(last.price) if last else "",
        "fillSz": plain(last.size) if last else "0",
        "fillTime": str(last.time_ms) if last else "",
        "tradeId": str(last.trade_id) if last else "",
    }


def _sub_type(order: Order) -> str:
    """Return the bill's subType of a fill."""
    if not order.listing.is_swap:
        return "1" if order.is_buy else "2"
    opens = order.position_side in ("", "net") or order.is_buy == (order.position_side == "long")
    if opens:
        return "3" if order.is_buy else "4"
    return "6" if order.is_buy else "5"


def fill_row(fill: Fill) -> dict[str, Any]:
    """Return the row of trade/fills."""
    order = fill.order
    base = fill.price * fill.size if order.fee_currency == order.listing.quote else fill.size
    rate = fill.fee / (base * order.listing.contract_value) if base else Decimal(0)
    return {
        "instType": order.listing.kind,
        "instId": order.listing.symbol,
        "tradeId": str(fill.trade_id),
        "ordId": str(order.order_id),
        "clOrdId": order.client_id,
        "billId": str(fill.bill_id),
        "subType": _sub_type(order),
        "tag": order.tag,
        "fillPx": plain(fill.price),
        "fillSz": plain(fill.size),
        "fillIdxPx": "",
        "fillMarkPx": "",
        "fillPnl": plain(fill.pnl),
        "fillPxVol": "",
        "fillPxUsd": "",
        "fillMarkVol": "",
        "fillFwdPx": "",
        "side": order.side,
        "posSide": order.position_side or "net",
        "execType": fill.role,
        "feeCcy": fill.fee_currency,
        "fee": plain(fill.fee),
        "feeRate": f"{rate:.6f}".rstrip("0").rstrip(".") if not order.listing.is_swap else "",
        "ts": str(fill.time_ms + 1),
        "fillTime": str(fill.time_ms),
        "tradeQuoteCcy": "" if order.listing.is_swap else order.listing.quote,
    }
