"""What an order request must satisfy before it is taken, in OKX's order and codes.

`read_order` turns the arguments of a request into an Order or a refusal; nothing is
changed by it.
Layer 4. Pure but for what it reads of the world.
"""

import re
from decimal import Decimal
from typing import Any, Final

from livekit.okxsim.accounts import Account
from livekit.okxsim.codes import Refusal, refusal
from livekit.okxsim.listings import Listing, plain
from livekit.okxsim.orders import Order
from livekit.okxsim.world import World

__all__ = [
    "MAX_PENDING",
    "decimal_of",
    "find_listing",
    "price_refusal",
    "read_order",
    "size_refusal",
]

MAX_PENDING: Final = 500
_NUMBER: Final = re.compile(r"([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})")
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_TAG: Final = re.compile(r"[A-Za-z0-9]{1,16}")
_TYPES: Final = {"market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc"}
_WORDS: Final = {
    "side": {"buy", "sell"},
    "ordType": _TYPES,
    "tgtCcy": {"", "base_ccy", "quote_ccy"},
    "stpMode": {"", "cancel_maker", "cancel_taker", "cancel_both"},
}
_LARGEST: Final = {"SPOT": Decimal(9_999_999_999), "SWAP": Decimal(100_000_000)}
_LARGEST_QUOTE: Final = Decimal(1_000_000)
_LARGEST_MARKET: Final = {"SPOT": Decimal(1_000_000), "SWAP": Decimal(35_000)}


def decimal_of(value: object) -> Decimal | None:
    """Return a number as OKX reads it: plain digits in a text; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return None
    return Decimal(value)


def find_listing(world: World, args: dict[str, Any], *, by_code: bool, is_demo: bool) -> Any:
    """Return the Listing a request names, or a Refusal; by instIdCode on WebSockets."""
    if not by_code:
        listing = world.by_symbol.get(str(args.get("instId") or ""))
        return listing or refusal("51001" if args.get("instId") else "50014", "instId")
    code = args.get("instIdCode")
    if code is None or code == "":
        return Refusal("50014", "Parameter instIdCode can not be empty")
    for listing in world.listings:
        if listing.has_code and str(listing.code(is_demo=is_demo)) == str(code):
            return listing
    return refusal("51001")


def _mode_refusal(account: Account, listing: Listing, mode: str) -> Refusal | None:
    """Refuse a tdMode that the account's level does not know."""
    if listing.is_swap:
        if account.level == "1":
            return refusal("51010")
        return None if mode in {"cross", "isolated"} else refusal("51000", "tdMode")
    wanted = {"cash"} if account.level in {"1", "2"} else {"cross"}
    return None if mode in wanted else refusal("51000", "tdMode")


def _side_refusal(account: Account, listing: Listing, args: dict[str, Any]) -> Refusal | None:
    """Refuse words that are no side, type or position side."""
    for name, known in _WORDS.items():
        if (args.get(name) or "") not in known:
            return refusal("51000", name)
    if args.get("ordType") == "optimal_limit_ioc" and not listing.is_swap:
        return refusal("51000", "ordType")
    if listing.is_swap:
        is_hedged = account.position_mode == "long_short_mode"
        sides = {"long", "short"} if is_hedged else {"", "net"}
        if (args.get("posSide") or "") not in sides:
            return refusal("51000", "posSide")
    return None


def _name_refusal(account: Account, args: dict[str, Any]) -> Refusal | None:
    """Refuse a clOrdId or tag of wrong form, or a clOrdId that is pending."""
    client_id, tag = str(args.get("clOrdId") or ""), str(args.get("tag") or "")
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        return refusal("51000", "clOrdId")
    if tag and not _TAG.fullmatch(tag):
        return refusal("51000", "tag")
    known = account.by_client_id.get(client_id) if client_id else None
    if known is not None and not known.is_final:
        return refusal("51016")
    return None


def _state_refusal(listing: Listing, order_type: str) -> Refusal | None:
    if listing.state == "live" or (listing.state == "post_only" and order_type == "post_only"):
        return None
    return refusal("51021" if listing.state == "preopen" else "51022")


def size_refusal(listing: Listing, size: Decimal, *, is_market: bool) -> Refusal | None:
    """Refuse a size off lot, below the minimum or above the maximum."""
    if size < listing.min_size:
        return refusal("51020")
    if size % listing.lot:
        return refusal("51121")
    largest = (_LARGEST_MARKET if is_market and listing.is_swap else _LARGEST)[listing.kind]
    return refusal("51101") if size > largest else None


def price_refusal(
    world: World, listing: Listing, price: Decimal, *, is_buy: bool
) -> Refusal | None:
    """Refuse a price off tick or beyond the limit."""
    if price <= 0:
        return refusal("51000", "px")
    if price % listing.tick:
        return refusal("51150")
    high, low = world.band(listing)
    if high > 0 and (price > high if is_buy else price < low):
        return refusal("51006", plain(high), plain(low))
    return None


def _numbers(
    world: World, listing: Listing, args: dict[str, Any]
) -> tuple[Decimal, Decimal | None] | Refusal:
    """Return size and price (None: market), or why they are none."""
    size = decimal_of(args.get("sz"))
    is_market = args["ordType"] in {"market", "optimal_limit_ioc"}
    if size is None or size <= 0:
        return refusal("51000", "sz")
    if _in_quote(listing, args):
        refused = refusal("51201", plain(_LARGEST_QUOTE)) if size > _LARGEST_QUOTE else None
    else:
        refused = size_refusal(listing, size, is_market=is_market)
    if refused is not None:
        return refused
    if is_market:
        return size, None
    price = decimal_of(args.get("px"))
    if price is None:
        return refusal("51000", "px")
    is_buy = args["side"] == "buy"
    refused = price_refusal(world, listing, price, is_buy=is_buy)
    if refused is not None and refused.code == "51006" and args.get("pxAmendType") == "1":
        high, low = world.band(listing)
        return size, high if is_buy else low
    return refused or (size, price)


def _in_quote(listing: Listing, args: dict[str, Any]) -> bool:
    """Tell whether the size of a spot market order is in quote currency."""
    if listing.is_swap or args["ordType"] != "market":
        return False
    default = "quote_ccy" if args["side"] == "buy" else "base_ccy"
    return (args.get("tgtCcy") or default) == "quote_ccy"


def read_order(
    world: World, account: Account, listing: Listing, args: dict[str, Any], order_id: int
) -> Order | Refusal:
    """Return the order that a request asks for, not yet taken, or why it is refused."""
    for name in ("tdMode", "side", "ordType", "sz"):
        if not args.get(name):
            return refusal("50014", name)
    refused = (
        _state_refusal(listing, str(args["ordType"]))
        or _mode_refusal(account, listing, str(args["tdMode"]))
        or _side_refusal(account, listing, args)
        or _name_refusal(account, args)
    )
    if refused is not None:
        return refused
    numbers = _numbers(world, listing, args)
    if isinstance(numbers, Refusal):
        return numbers
    size, price = numbers
    mode, now_ms = str(args["tdMode"]), world.now_ms()
    in_quote = _in_quote(listing, args)
    is_spot_market = not listing.is_swap and args["ordType"] == "market"
    order = Order(
        account,
        listing,
        order_id,
        str(args.get("clOrdId") or ""),
        str(args.get("tag") or ""),
        str(args["side"]),
        str(args["ordType"]),
        price,
        size,
        0 if in_quote else int(size / listing.lot),
        now_ms,
        mode=mode,
        position_side=(str(args.get("posSide") or "net") if listing.is_swap else ""),
        target=("quote_ccy" if in_quote else "base_ccy") if is_spot_market else "",
        currency=str(args.get("ccy") or ""),
        reduce_only=listing.is_swap and str(args.get("reduceOnly", "")).lower() == "true",
        stp_mode=str(args.get("stpMode") or "cancel_maker"),
        leverage=account.leverage(listing, mode) if listing.is_swap else "",
        updated_ms=now_ms,
    )
    return _funds_refusal(world, account, order) or order


def _funds_refusal(world: World, account: Account, order: Order) -> Refusal | None:
    """Refuse what the account cannot pay, reduce or hold."""
    listing = order.listing
    pending = sum(one.listing is listing for one in account.pending.values())
    if pending >= MAX_PENDING:
        return refusal("51174", listing.symbol, MAX_PENDING)
    hedged_close = order.position_side in {"long", "short"} and order.is_buy == (
        order.position_side == "short"
    )
    if order.reduce_only or hedged_close:
        order.reduce_only = True
        closable = account.reducible(order)
        if not closable:
            return refusal("51169")
        if closable < order.size:
            order.size, order.lots = closable, int(closable / listing.lot)
        return None
    currency, amount = account.cost_of(order, order.lots, world.mark(listing))
    if listing.is_swap:
        amount = _opening_share(account, order) * amount
    if amount > account.available(currency):
        return refusal("51008", currency, sub_code="1000")
    return None


def _opening_share(account: Account, order: Order) -> Decimal:
    """Return the part of an order that opens, and does not close, a net position."""
    closable = account.reducible(order) if order.position_side == "net" else Decimal(0)
    return max(Decimal(0), order.size - closable) / order.size
