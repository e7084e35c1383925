"""Balances and positions as OKX writes them, for REST and for the private channels.

Layer 4. Pure.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

from livekit.okxsim.accounts import Account, Key, Position
from livekit.okxsim.listings import Listing, plain

__all__ = ["Marks", "account_row", "config_row", "position_row", "small_positions"]

Marks = Callable[[Listing], Decimal]
"""Returns the mark price of a listing."""

_NO_DETAIL: Final = dict.fromkeys(
    (
        *("accAvgPx", "borrowFroz", "clSpotInUseAmt", "crossLiab", "interest", "isoLiab", "liab"),
        *("maxLoan", "maxSpotInUseAmt", "mgnRatio", "openAvgPx", "spotBal", "spotInUseAmt"),
        *("spotUpl", "spotUplRatio", "totalPnl", "totalPnlRatio", "uplLiab", "colRes"),
        *("autoLendStatus", "autoLendMtAmt", "frpType"),
    ),
    "",
)
_ZERO_DETAIL: Final = dict.fromkeys(
    (
        *("fixedBal", "isoEq", "isoUpl", "mmr", "notionalLever", "rewardBal", "smtSyncEq"),
        *("spotCopyTradingEq", "spotIsoBal", "stgyEq", "twap", "autoLendAmt", "disEq"),
        "colBorrAutoConversion",
    ),
    "0",
)
_NO_TOTAL: Final = dict.fromkeys(
    (
        *("adjEq", "borrowFroz", "imr", "mgnRatio", "mmr", "notionalUsd", "notionalUsdForBorrow"),
        *("notionalUsdForFutures", "notionalUsdForOption", "notionalUsdForSwap", "ordFroz", "upl"),
        *("delta", "deltaLever", "deltaNeutralStatus"),
    ),
    "",
)
_NO_POSITION: Final = dict.fromkeys(
    (
        *("baseBal", "baseBorrowed", "baseInterest", "quoteBal", "quoteBorrowed", "quoteInterest"),
        *("bizRefId", "bizRefType", "clSpotInUseAmt", "deltaBS", "deltaPA", "gammaBS", "gammaPA"),
        *("hedgedPos", "interest", "liab", "liabCcy", "maxSpotInUseAmt", "nonSettleAvgPx"),
        *("optVal", "pendingCloseOrdLiabVal", "posCcy", "settledPnl", "spotInUseAmt"),
        *("spotInUseCcy", "thetaBS", "thetaPA", "vegaBS", "vegaPA", "liqPx"),
    ),
    "",
)


def _profit(position: Position, mark: Decimal) -> Decimal:
    sign = -1 if position.side == "short" else 1
    return sign * position.size * position.listing.contract_value * (mark - position.average)


def _detail(
    account: Account, currency: str, usd: Decimal, profit: Decimal, now_ms: int
) -> dict[str, Any]:
    """Return one currency of a balance."""
    cash = account.balances[currency]
    orders, bound = account.held_back(currency), account.margin(currency)
    equity, available = cash + profit, cash - orders - bound
    return {
        **_NO_DETAIL,
        **_ZERO_DETAIL,
        "ccy": currency,
        "eq": plain(equity),
        "cashBal": plain(cash),
        "uTime": str(account.times.get(currency, now_ms)),
        "availEq": "" if account.level == "1" else plain(available + profit),
        "availBal": plain(available),
        "frozenBal": plain(orders + bound),
        "ordFrozen": plain(orders),
        "imr": plain(bound),
        "upl": plain(profit),
        "eqUsd": plain(equity * usd),
        "coinUsdPrice": plain(usd),
        "collateralRestrict": False,
        "collateralEnabled": False,
    }


def account_row(
    account: Account,
    price_of: Callable[[str], Decimal],
    mark_of: Marks,
    now_ms: int,
    only: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the row of account/balance and of the account channel.

    Parameters
    ----------
    price_of : callable
        US dollars of a currency.
    only : iterable of str
        Currencies to list; all that are not zero by default.
    """
    wanted = set(only)
    profits: dict[str, Decimal] = {}
    for position in account.positions.values():
        quote = position.listing.quote
        profits[quote] = profits.get(quote, Decimal(0)) + _profit(
            position, mark_of(position.listing)
        )
    details, total = [], Decimal(0)
    for currency, amount in sorted(account.balances.items()):
        profit = profits.get(currency, Decimal(0))
        usd = price_of(currency)
        total += (amount + profit) * usd
        if (currency in wanted) if wanted else amount:
            details.append(_detail(account, currency, usd, profit, now_ms))
    return {
        **_NO_TOTAL,
        "uTime": str(now_ms),
        "totalEq": plain(total),
        "isoEq": "0",
        "availEq": "" if account.level in {"1", "2"} else plain(total),
        "details": details,
    }


def position_row(position: Position, mark: Decimal, last: str, now_ms: int) -> dict[str, Any]:
    """Return the row of account/positions and of the positions channel."""
    listing = position.listing
    profit = _profit(position, mark)
    value = abs(position.size) * listing.contract_value * mark
    margin = abs(position.size) * listing.contract_value * position.average
    margin /= Decimal(position.leverage)
    ratio = profit / margin if margin else Decimal(0)
    flat = not position.size
    is_isolated = position.mode == "isolated"
    return {
        **_NO_POSITION,
        "instType": listing.kind,
        "mgnMode": position.mode,
        "posId": str(position.position_id),
        "posSide": position.side,
        "pos": plain(position.size),
        "availPos": "" if flat else plain(position.size),
        "avgPx": "" if flat else plain(round(position.average, 10)),
        "upl": plain(profit),
        "uplRatio": plain(round(ratio, 10)),
        "uplLastPx": plain(profit),
        "uplRatioLastPx": plain(round(ratio, 10)),
        "instId": listing.symbol,
        "lever": position.leverage,
        "markPx": plain(mark),
        "imr": "" if is_isolated else plain(round(margin, 10)),
        "margin": plain(round(margin, 10)) if is_isolated else "",
        "mgnRatio": "" if flat else "102.5",
        "mmr": plain(round(value * Decimal("0.004"), 10)),
        "tradeId": str(position.trade_id),
        "notionalUsd": plain(value),
        "adl": "1",
        "ccy": listing.quote,
        "last": last,
        "idxPx": plain(mark),
        "usdPx": "1",
        "bePx": "" if flat else plain(round(position.average, 10)),
        "realizedPnl": plain(position.pnl + position.fee),
        "pnl": plain(position.pnl),
        "fee": plain(position.fee),
        "fundingFee": "0",
        "liqPenalty": "0",
        "closeOrderAlgo": [],
        "cTime": str(position.created_ms),
        "uTime": str(position.updated_ms),
        "pTime": str(now_ms),
    }


def small_positions(positions: Iterable[Position]) -> list[dict[str, str]]:
    """Return posData of balance_and_position."""
    return [
        {
            "posId": str(one.position_id),
            "tradeId": str(one.trade_id),
            "instId": one.listing.symbol,
            "instType": one.listing.kind,
            "mgnMode": one.mode,
            "posSide": one.side,
            "pos": plain(one.size),
            "ccy": one.listing.quote,
            "posCcy": "",
            "avgPx": plain(round(one.average, 10)) if one.size else "",
            "nonSettleAvgPx": "",
            "settledPnl": "",
            "baseBal": "",
            "quoteBal": "",
            "uTime": str(one.updated_ms),
        }
        for one in positions
    ]


def config_row(account: Account, key: Key) -> dict[str, Any]:
    """Return the row of account/config."""
    return {
        "uid": account.uid,
        "mainUid": account.uid,
        "acctLv": account.level,
        "acctStpMode": "cancel_maker",
        "posMode": account.position_mode,
        "autoLoan": False,
        "greeksType": "PA",
        "feeType": "1" if account.pays_in_quote else "0",
        "level": f"Lv{1 + account.tier}",
        "levelTmp": "",
        "ctIsoMode": "automatic",
        "mgnIsoMode": "auto_transfers_ccy",
        "spotOffsetType": "",
        "stgyType": "0",
        "roleType": "0",
        "traderInsts": [],
        "spotRoleType": "0",
        "spotTraderInsts": [],
        "opAuth": "0",
        "kycLv": "2",
        "label": key.key,
        "ip": "",
        "perm": key.permissions,
        "liquidationGear": "-1",
        "enableSpotBorrow": False,
        "spotBorrowAutoRepay": False,
        "type": "0",
        "settleCcy": "USDC",
        "settleCcyList": ["USDC", "USDG"],
    }
