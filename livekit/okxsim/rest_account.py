"""REST: balances, positions, configuration, leverage, fees and bills.

Layer 4. One thread.
"""

from decimal import Decimal
from typing import Any, Final

from livekit.okxsim.account_rows import account_row, config_row, position_row
from livekit.okxsim.call import Call, Handler
from livekit.okxsim.checks import decimal_of
from livekit.okxsim.codes import Refusal, refusal
from livekit.okxsim.listings import Listing, plain
from livekit.okxsim.paging import page
from livekit.okxsim.rest_public import instrument_rows

__all__ = ["ACCOUNT_ROUTES"]

_MODES: Final = frozenset({"cross", "isolated"})


def _balance(call: Call) -> list[Any]:
    world = call.exchange.world
    only = [name for name in call.get("ccy").split(",") if name]
    return [account_row(call.owner, world.usd, world.mark, call.now_ms, only)]


def _positions(call: Call) -> list[Any]:
    world, rows = call.exchange.world, []
    names = [name for name in call.get("instId").split(",") if name]
    kind = call.get("instType")
    for position in call.owner.positions.values():
        listing = position.listing
        is_named = listing.symbol in names
        if (names and not is_named) or (kind and kind != listing.kind):
            continue
        if position.size or is_named:
            mark, last = world.mark(listing), world.last_text(listing)
            rows.append(position_row(position, mark, last, call.now_ms))
    return rows


def _config(call: Call) -> list[Any]:
    assert call.key is not None
    return [config_row(call.owner, call.key)]


def _swap(call: Call) -> Listing | Refusal:
    """Return the contract a call names."""
    listing = call.exchange.world.by_symbol.get(call.get("instId"))
    if listing is None:
        return refusal("51001" if call.get("instId") else "50014", "instId")
    return listing if listing.is_swap else refusal("51010")


def _set_leverage(call: Call) -> list[Any] | Refusal:
    listing, mode, text = _swap(call), call.get("mgnMode"), call.get("lever")
    if isinstance(listing, Refusal):
        return listing
    if call.owner.level == "1":
        return refusal("51010")
    lever = decimal_of(text)
    if mode not in _MODES or lever is None or lever <= 0:
        return refusal("51000", "lever" if mode in _MODES else "mgnMode")
    if lever > listing.max_leverage:
        return refusal("59102")
    call.owner.leverages[listing.symbol, mode] = text
    for position in call.owner.positions.values():
        if position.listing is listing and position.mode == mode:
            position.leverage = text
    side = call.get("posSide")
    return [{"instId": listing.symbol, "lever": text, "mgnMode": mode, "posSide": side}]


def _leverage(call: Call) -> list[Any] | Refusal:
    listing, mode = _swap(call), call.get("mgnMode") or "cross"
    if isinstance(listing, Refusal):
        return listing
    lever = call.owner.leverage(listing, mode)
    row = {"instId": listing.symbol, "ccy": "", "mgnMode": mode, "posSide": "net", "lever": lever}
    return [row]


def _set_position_mode(call: Call) -> list[Any] | Refusal:
    mode, account = call.get("posMode"), call.owner
    if mode not in {"net_mode", "long_short_mode"}:
        return refusal("51000", "posMode")
    is_busy = account.pending or any(one.size for one in account.positions.values())
    if is_busy and mode != account.position_mode:
        return refusal("59000")
    account.position_mode = mode
    return [{"posMode": mode}]


def _trade_fee(call: Call) -> list[Any] | Refusal:
    kind = call.get("instType")
    listing = next((one for one in call.exchange.world.listings if one.kind == kind), None)
    if listing is None:
        return refusal("50014" if not kind else "51000", "instType")
    maker, taker = (plain(call.owner.rate(listing, role)) for role in "MT")
    group = {"groupId": listing.fee_group, "maker": maker, "taker": taker}
    return [
        {
            "level": f"Lv{1 + call.owner.tier}",
            "instType": kind,
            "ts": str(call.now_ms),
            "feeGroup": [{**group, "rpiMaker": maker, "elpMaker": maker}],
            "maker": maker,
            "taker": taker,
            "makerU": maker if listing.is_swap else "",
            "takerU": taker if listing.is_swap else "",
            "makerUSDC": maker,
            "takerUSDC": taker,
            "ruleType": "normal",
            "category": "1",
            "delivery": "",
            "exercise": "",
            "settle": "",
            "fiat": [],
        }
    ]


def _bills(call: Call) -> list[Any] | Refusal:
    kind = call.get("instType")
    rows = [row for row in call.owner.bills if not kind or row["instType"] == kind]
    return page(call, rows, lambda row: int(row["billId"]))


def _max_size(call: Call) -> list[Any] | Refusal:
    world = call.exchange.world
    rows = []
    for name in call.get("instId").split(","):
        listing = world.by_symbol.get(name)
        if listing is None:
            return refusal("51001")
        price = decimal_of(call.get("px")) or world.mark(listing)
        unit = price * listing.contract_value
        funds = call.owner.available(listing.quote)
        if listing.is_swap:
            funds *= Decimal(call.owner.leverage(listing, call.get("tdMode") or "cross"))
        buy = max(Decimal(0), funds / unit if unit else Decimal(0)) // listing.lot * listing.lot
        sell = buy if listing.is_swap else call.owner.available(listing.base)
        rows.append(
            {
                "instId": name,
                "ccy": listing.quote,
                "maxBuy": plain(buy),
                "maxSell": plain(sell),
                "availBuy": plain(max(Decimal(0), call.owner.available(listing.quote))),
                "availSell": plain(sell),
            }
        )
    return rows


def _currencies(call: Call) -> list[Any]:
    """Return the currencies, as asset/currencies says them."""
    names = {one.base for one in call.exchange.world.listings} | {"USDT", "USDC"}
    return [
        {
            **_NO_CURRENCY,
            "ccy": name,
            "name": name,
            "chain": f"{name}-{name}",
            "canDep": False,
            "canInternal": False,
            "canWd": False,
            "mainNet": True,
            "needTag": False,
        }
        for name in sorted(names)
    ]


_NO_CURRENCY: Final = dict.fromkeys(
    (
        *("depQuotaFixed", "depQuoteDailyLayer2", "fee", "logoLink", "maxFee", "maxFeeForCtAddr"),
        *("maxWd", "minDep", "minDepArrivalConfirm", "minFee", "minFeeForCtAddr", "minInternal"),
        *("minWd", "minWdUnlockConfirm", "usedDepQuotaFixed", "usedWdQuota", "wdQuota"),
        *("wdTickSz", "burningFeeRate", "ctAddr"),
    ),
    "0",
)

ACCOUNT_ROUTES: Final[dict[tuple[str, str], Handler]] = {
    ("GET", "account/balance"): _balance,
    ("GET", "account/positions"): _positions,
    ("GET", "account/positions-history"): lambda _: [],
    ("GET", "account/config"): _config,
    ("GET", "account/instruments"): instrument_rows,
    ("POST", "account/set-leverage"): _set_leverage,
    ("GET", "account/leverage-info"): _leverage,
    ("POST", "account/set-position-mode"): _set_position_mode,
    ("GET", "account/trade-fee"): _trade_fee,
    ("GET", "account/bills"): _bills,
    ("GET", "account/bills-archive"): _bills,
    ("GET", "account/max-size"): _max_size,
    ("GET", "account/max-avail-size"): _max_size,
    ("GET", "asset/currencies"): _currencies,
}
"""Handlers by method and path, signed."""
