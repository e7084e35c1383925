"""REST: public and market data.

Each handler takes a `Call` and returns the rows of ``data``, or a refusal.
Layer 4. One thread.
"""

from typing import Any, Final

from livekit.okxsim.call import Call, Handler
from livekit.okxsim.codes import Refusal, refusal
from livekit.okxsim.listings import Listing
from livekit.okxsim.market_rows import level_rows, single_rows, slow_row, ticker_row
from livekit.okxsim.tape import bar_ms

__all__ = ["PUBLIC_ROUTES", "instrument_rows"]

_MAINTENANCE_MS: Final = 600_000
_KINDS: Final = frozenset({"SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION", "EVENTS"})
_MOST_BARS: Final = 300
_MOST_TRADES: Final = 500


def _time(call: Call) -> list[Any]:
    return [{"ts": str(call.now_ms)}]


def instrument_rows(call: Call) -> list[Any] | Refusal:
    """Return the instruments of a type."""
    kind, name = call.get("instType"), call.get("instId")
    if kind not in _KINDS:
        return refusal("50014" if not kind else "51000", "instType")
    family = call.get("instFamily") or call.get("uly")
    return [
        one.row(is_demo=call.is_demo)
        for one in call.exchange.world.listings
        if one.kind == kind
        and (not name or one.symbol == name)
        and (not family or f"{one.base}-{one.quote}" == family)
    ] or (refusal("51001") if name else [])


def _listing(call: Call) -> Listing | Refusal:
    """Return the listing a call names."""
    name = call.get("instId")
    if not name:
        return refusal("50014", "instId")
    return call.exchange.world.by_symbol.get(name) or refusal("51001")


def _ticker(call: Call) -> list[Any] | Refusal:
    listing = _listing(call)
    if isinstance(listing, Refusal):
        return listing
    return [ticker_row(call.exchange.world, listing, call.now_ms)]


def _tickers(call: Call) -> list[Any] | Refusal:
    kind = call.get("instType")
    if kind not in _KINDS:
        return refusal("50014", "instType")
    world = call.exchange.world
    return [ticker_row(world, one, call.now_ms) for one in world.listings if one.kind == kind]


def _books(call: Call) -> list[Any] | Refusal:
    listing = _listing(call)
    if isinstance(listing, Refusal):
        return listing
    n = call.number("sz", 1, 400)
    if n is None:
        return refusal("51000", "sz")
    world = call.exchange.world
    bids, asks = world.levels(listing, n)
    return [
        {
            "asks": level_rows(listing, asks),
            "bids": level_rows(listing, bids),
            "ts": str(call.now_ms),
            "seqId": world.sequences[listing.number],
        }
    ]


def _trades(call: Call) -> list[Any] | Refusal:
    listing = _listing(call)
    if isinstance(listing, Refusal):
        return listing
    n = call.number("limit", 100, _MOST_TRADES)
    after = call.get("after")
    rows: list[Any] = []
    for made in reversed(call.exchange.world.tapes[listing.number].prints):
        rows += reversed(single_rows(listing, made))
    if after.isdecimal():
        rows = [row for row in rows if int(row["tradeId"]) < int(after)]
    return refusal("51000", "limit") if n is None else rows[:n]


def _candles(call: Call) -> list[Any] | Refusal:
    listing, bar = _listing(call), call.get("bar") or "1m"
    n = call.number("limit", 100, _MOST_BARS)
    if isinstance(listing, Refusal):
        return listing
    if not bar_ms(bar) or n is None:
        return refusal("51000", "bar" if n else "limit")
    after, before = (call.get(name) for name in ("after", "before"))
    bounds = [int(text) if text.isdecimal() else 0 for text in (after, before)]
    tape = call.exchange.world.tapes[listing.number]
    return [tape.row(one, call.now_ms, bar) for one in tape.bars(bar, n, *bounds)]


def _slow(channel: str) -> Handler:
    """Return the handler of what a slow channel also says."""

    def rows(call: Call) -> list[Any] | Refusal:
        world, name = call.exchange.world, call.get("instId")
        if name and name != "ANY":
            listing = _listing(call)
            if isinstance(listing, Refusal):
                return listing
            return [slow_row(world, channel, listing)]
        kind = call.get("instType") or "SWAP"
        return [slow_row(world, channel, one) for one in world.listings if one.kind == kind]

    return rows


def _nothing(_: Call) -> list[Any]:
    return []


def _status(call: Call) -> list[Any]:
    """Return the maintenance that a fault announces; none by default."""
    told = call.exchange.faults.strike("maintenance", path="system/status")
    if told is None:
        return []
    begin_ms = call.now_ms + round(told.seconds * 1000)
    return [
        {
            "title": "Trading system upgrade",
            "state": told.code or "scheduled",
            "begin": str(begin_ms),
            "end": str(begin_ms + _MAINTENANCE_MS),
            "preOpenBegin": "",
            "serviceType": "5",
            "system": "unified",
            "env": "2" if call.is_demo else "1",
            "maintType": "1",
            "scheDesc": "",
            "href": "",
            "ts": str(call.now_ms),
        }
    ]


PUBLIC_ROUTES: Final[dict[tuple[str, str], Handler]] = {
    ("GET", "public/time"): _time,
    ("GET", "public/instruments"): instrument_rows,
    ("GET", "public/funding-rate"): _slow("funding-rate"),
    ("GET", "public/funding-rate-history"): _nothing,
    ("GET", "public/mark-price"): _slow("mark-price"),
    ("GET", "public/price-limit"): _slow("price-limit"),
    ("GET", "public/open-interest"): _slow("open-interest"),
    ("GET", "market/index-tickers"): _slow("index-tickers"),
    ("GET", "market/ticker"): _ticker,
    ("GET", "market/tickers"): _tickers,
    ("GET", "market/books"): _books,
    ("GET", "market/trades"): _trades,
    ("GET", "market/history-trades"): _trades,
    ("GET", "market/candles"): _candles,
    ("GET", "market/history-candles"): _candles,
    ("GET", "system/status"): _status,
}
"""Handlers by method and path, without a signature."""
