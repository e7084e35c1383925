"""Positions, profit and cash: what fills do to the account.

A position belongs to one strategy in one instrument and is counted in lots, so closed
is exactly 0. Its profit is booked against the average entry price; fees are kept
apart. Cash pays the full price of spot and only profit, fees and funding of the others,
and is summed without rounding loss (Knuth's two-sum), so that it equals the exact sum
of every flow. Spot may be sold short, as on margin; what bounds it is risk's.

Equity is cash, plus spot holdings at the mark, plus the open profit of the others.
The mark is the middle of the touch, or the last price where a side is missing.
Layer 2.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from livekit.ring.jit import hot, inner
from livekit.ring.memory import record
from livekit.trading.codes import BUY
from livekit.trading.layout import (
    CORE,
    MARKET,
    POSITION,
    from_lots,
    market_at,
    position_at,
)
from livekit.trading.market import reference_price

if TYPE_CHECKING:
    from livekit.trading.core import TradingCore

__all__ = [
    "NO_MARK",
    "AccountManager",
    "add_cash",
    "apply_funding",
    "book_fill",
    "book_funding",
    "equity",
    "unrealized_pnl",
]

NO_MARK: Final = -1
"""Answer of `apply_funding` for an instrument without a mark; nothing was booked."""


@inner
def add_cash(core: int, amount: float) -> None:
    """Add a flow to cash, keeping what rounding takes from the sum."""
    top = record(CORE, core)
    total = top.cash + amount
    shared = total - top.cash
    top.cash_rest += (top.cash - (total - shared)) + (amount - shared)
    top.cash = total


@inner
def book_fill(
    core: int,
    strategy: int,
    instrument: int,
    side: int,
    lots: int,
    price: float,
    fee: float,
    now_ns: int,
) -> None:
    """Book a fill into its position and into cash.

    Parameters
    ----------
    side, lots, price
        Of the fill; `lots` is above 0.
    fee : float
        In quote currency; negative for a rebate.
    """
    market = record(MARKET, market_at(core, instrument))
    position = record(POSITION, position_at(core, strategy, instrument))
    notional = price * from_lots(core, instrument, lots) * market.contract_value
    sign = 1 - 2 * side
    realized = _move(core, strategy, instrument, sign * lots, price)
    position.realized_pnl += realized
    position.fees += fee
    position.volume += notional
    position.n_fills += 1
    position.last_fill_ns = now_ns
    if side == BUY:
        position.bought_lots += lots
    else:
        position.sold_lots += lots
    if market.is_spot:
        add_cash(core, -sign * notional)
    else:
        add_cash(core, realized)
    add_cash(core, -fee)


@inner
def _move(core: int, strategy: int, instrument: int, change: int, price: float) -> float:
    """Change a position by signed lots at a price and return the profit this realises."""
    position = record(POSITION, position_at(core, strategy, instrument))
    old = position.lots
    new = old + change
    realized = 0.0
    if old == 0 or (old > 0) == (change > 0):
        if old == 0 or price == position.average_price:
            position.average_price = price
        else:
            cost = position.average_price * np.float64(abs(old)) + price * np.float64(abs(change))
            position.average_price = cost / np.float64(abs(new))
    else:
        closed = min(abs(old), abs(change))
        size = from_lots(core, instrument, closed)
        move = price - position.average_price
        if old < 0:
            move = -move
        realized = move * size * record(MARKET, market_at(core, instrument)).contract_value
        if new == 0:
            position.average_price = 0.0
        elif (new > 0) != (old > 0):
            position.average_price = price
    position.lots = new
    return realized


@hot
def book_funding(core: int, strategy: int, instrument: int, amount: float) -> None:
    """Book a funding flow to a position and to cash: quote currency, negative when paid."""
    record(POSITION, position_at(core, strategy, instrument)).funding += amount
    add_cash(core, amount)


@hot
def apply_funding(core: int, instrument: int, rate: float, now_ns: int) -> int:
    """Let every position in a swap pay its funding: `rate` times its value at the mark.

    Parameters
    ----------
    instrument : int
        A swap; other kinds pay nothing.
    rate : float
        Fraction of the value. Above 0 longs pay and shorts receive.
    now_ns : int
        Time of the payment.

    Returns
    -------
    int
        Number of positions that paid or received; or NO_MARK (-1) with nothing booked.

    Notes
    -----
    The venue charges what it holds at that moment, fills included whose reports are
    still on their way.
    """
    top = record(CORE, core)
    market = record(MARKET, market_at(core, instrument))
    top.now = max(top.now, now_ns)
    mark = reference_price(core, instrument)
    n_paid = 0
    for strategy in range(top.n_strategies):
        held = record(POSITION, position_at(core, strategy, instrument)).venue_lots
        if held == 0 or market.is_spot:
            continue
        if not mark > 0.0:
            return NO_MARK
        value = from_lots(core, instrument, held) * market.contract_value * mark
        book_funding(core, strategy, instrument, -rate * value)
        n_paid += 1
    return n_paid


@hot
def unrealized_pnl(core: int, strategy: int, instrument: int) -> float:
    """Open profit of a position at the mark; 0 when flat, NaN without a mark."""
    position = record(POSITION, position_at(core, strategy, instrument))
    if position.lots == 0:
        return 0.0
    size = from_lots(core, instrument, position.lots)
    size *= record(MARKET, market_at(core, instrument)).contract_value
    return (reference_price(core, instrument) - position.average_price) * size


@hot
def equity(core: int) -> float:
    """Equity of the account, quote currency; NaN while an open position has no mark.

    Walks every position: strategies by instruments.
    """
    top = record(CORE, core)
    total = top.cash + top.cash_rest
    for strategy in range(top.n_strategies):
        for instrument in range(top.n_instruments):
            position = record(POSITION, position_at(core, strategy, instrument))
            if position.lots == 0:
                continue
            market = record(MARKET, market_at(core, instrument))
            if market.is_spot:
                size = from_lots(core, instrument, position.lots) * market.contract_value
                total += size * reference_price(core, instrument)
            else:
                total += unrealized_pnl(core, strategy, instrument)
    return total


class AccountManager:
    """The account of a trading core, as Python sees it.

    Reads the core's memory at each call and keeps nothing of its own.
    """

    def __init__(self, core: "TradingCore") -> None:
        self._core = core

    @property
    def cash(self) -> float:
        """Cash in quote currency: initial cash and the exact sum of all flows."""
        header = self._core.header
        return float(header["cash"] + header["cash_rest"])

    @property
    def equity(self) -> float:
        """Cash and everything open at the mark; NaN while an open position has no mark."""
        return float(equity(self._core.address))

    def position(self, strategy: int, instrument: int) -> dict[str, float]:
        """Return one position in units of the instrument and of quote currency."""
        core = self._core
        row = core.positions[strategy, instrument]
        realized, fees = float(row["realized_pnl"]), float(row["fees"])
        funding = float(row["funding"])
        unrealized = float(unrealized_pnl(core.address, strategy, instrument))
        return {
            "position": core.quantity(instrument, int(row["lots"])),
            "average_price": float(row["average_price"]),
            "open_buy": core.quantity(instrument, int(row["open_buy_lots"])),
            "open_sell": core.quantity(instrument, int(row["open_sell_lots"])),
            "realized_pnl": realized,
            "unrealized_pnl": unrealized,
            "fees": fees,
            "funding": funding,
            "net_pnl": realized + unrealized - fees + funding,
            "volume": float(row["volume"]),
            "n_orders": int(row["n_orders"]),
            "n_rejects": int(row["n_rejects"]),
            "n_fills": int(row["n_fills"]),
        }

    def positions(self, strategy: int) -> dict[str, dict[str, float]]:
        """Return the positions of a strategy by symbol, those it ever ordered in."""
        names = self._core.symbols
        used = self._core.positions[strategy]["n_orders"][: len(names)]
        return {names[i]: self.position(strategy, int(i)) for i in np.flatnonzero(used)}

    def summary(self, strategy: int) -> dict[str, float]:
        """Return a strategy's sums over its instruments, in quote currency and counts."""
        rows = list(self.positions(strategy).values())
        names = (
            *("realized_pnl", "unrealized_pnl", "fees", "funding", "net_pnl"),
            *("volume", "n_fills"),
        )
        sums = {name: sum(row[name] for row in rows) for name in names}
        owner = self._core.strategies[strategy]
        counts = ("n_requests", "n_rejects", "n_open")
        return {**sums, **{name: int(owner[name]) for name in counts}}
