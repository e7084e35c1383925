"""Market data as OKX writes it: rows that REST and the channels share.

Layer 4. Pure.
"""

from decimal import Decimal
from typing import Any, Final

from livekit.okxsim.listings import Listing, plain
from livekit.okxsim.tape import Print
from livekit.okxsim.world import World

__all__ = ["Sides", "level_rows", "single_rows", "slow_row", "ticker_row", "trade_row"]

_FUNDING_MS: Final = 8 * 3_600_000

Sides = tuple[dict[int, tuple[int, int]], ...]
"""Bids and asks, {tick: (lots, orders)}, best first."""


def ticker_row(world: World, listing: Listing, now_ms: int) -> dict[str, str]:
    """Return the row of tickers and of market/ticker."""
    bids, asks = world.levels(listing, 1)
    last = world.tapes[listing.number].last
    row = {
        "instType": listing.kind,
        "instId": listing.symbol,
        "last": world.last_text(listing),
        "lastSz": listing.lots_text(last.lots) if last else "",
    }
    for name, side in (("ask", asks), ("bid", bids)):
        best = next(iter(side.items()), None)
        row[f"{name}Px"] = listing.price_text(best[0] * listing.tick_value) if best else ""
        row[f"{name}Sz"] = listing.lots_text(best[1][0]) if best else ""
    return {**row, **world.tapes[listing.number].day(now_ms), "ts": str(now_ms)}


def level_rows(listing: Listing, side: dict[int, tuple[int, int]], n: int = 400) -> list[list[str]]:
    """Return levels as OKX writes them: price, size, "0", orders."""
    tick, price, size = listing.tick_value, listing.price_text, listing.lots_text
    return [
        [price(index * tick), size(lots), "0", str(count)]
        for index, (lots, count) in list(side.items())[:n]
    ]


def trade_row(listing: Listing, made: Print) -> dict[str, Any]:
    """Return the row of the trades channel."""
    return {
        "instId": listing.symbol,
        "tradeId": str(made.trade_id),
        "px": listing.price_text(made.price),
        "sz": listing.lots_text(made.lots),
        "side": made.side,
        "ts": str(made.time_ms),
        "count": str(made.count),
        "source": "0",
        "seqId": made.sequence,
    }


def single_rows(listing: Listing, made: Print) -> list[dict[str, str]]:
    """Return a print's matches one by one, oldest first; their sizes add up."""
    share = made.lots // made.count
    rows = []
    for n in range(made.count):
        lots = share if n else made.lots - share * (made.count - 1)
        rows.append(
            {
                "instId": listing.symbol,
                "tradeId": str(made.trade_id - made.count + 1 + n),
                "px": listing.price_text(made.price),
                "sz": listing.lots_text(lots),
                "side": made.side,
                "ts": str(made.time_ms),
                "source": "0",
            }
        )
    return rows


def slow_row(world: World, channel: str, listing: Listing) -> dict[str, Any]:
    """Return the row of a channel that says something of a market now and then."""
    now, mark = str(world.now_ms()), plain(world.mark(listing))
    head = {"instType": listing.kind, "instId": listing.symbol}
    if channel == "mark-price":
        return {**head, "markPx": mark, "ts": now}
    if channel == "index-tickers":
        day = world.tapes[listing.number].day(world.now_ms())
        kept = {name: day[name] for name in ("open24h", "high24h", "low24h", "sodUtc0", "sodUtc8")}
        return {"instId": listing.symbol, "idxPx": mark, **kept, "ts": now}
    if channel == "price-limit":
        high, low = world.band(listing)
        return {**head, "buyLmt": plain(high), "sellLmt": plain(low), "enabled": True, "ts": now}
    if channel == "open-interest":
        held = Decimal(2_500_000)
        coins = held * listing.contract_value
        usd = coins * world.mark(listing)
        return {
            **head,
            "oi": plain(held),
            "oiCcy": plain(coins),
            "oiUsd": f"{float(usd):.10f}",
            "ts": now,
        }
    return _funding_row(listing, world.now_ms())


def _funding_row(listing: Listing, now_ms: int) -> dict[str, Any]:
    """Return the row of funding-rate."""
    due = (now_ms // _FUNDING_MS + 1) * _FUNDING_MS
    return {
        "formulaType": "withRate",
        "fundingRate": "0.0001000000000000",
        "fundingTime": str(due),
        "impactValue": "20000.0000000000000000",
        "instId": listing.symbol,
        "instType": listing.kind,
        "interestRate": "0.0001000000000000",
        "maxFundingRate": "0.00375",
        "method": "current_period",
        "minFundingRate": "-0.00375",
        "nextFundingRate": "",
        "nextFundingTime": str(due + _FUNDING_MS),
        "premium": "-0.0003679756770688",
        "prevFundingTime": str(due - _FUNDING_MS),
        "settFundingRate": "0.0000740231074545",
        "settState": "settled",
        "ts": str(now_ms),
    }
