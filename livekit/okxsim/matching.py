"""Matching: the paper exchange for the recorded market, and clients' orders with each other.

An order walks one ladder made of both: levels of the market, each taken as an IOC order
of the trading core, and resting orders of other accounts, filled by the core's own
`fill_order`. At one price the market goes first, as it stood there first. What is left
of a limit order rests in the core, where recorded quotes and prints fill it by the
paper exchange's rules. Orders of one account never meet (self-trade prevention).
Layer 4. One thread.
"""

import math
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np

from livekit.events import BOOK, BOOK_LEVELS, ORDER, Action, Kind, OrderStatus, OrderType
from livekit.events import TimeInForce as Tif
from livekit.instruments import Instrument
from livekit.okxsim.depth import BUY, SELL, Shown
from livekit.okxsim.listings import Listing
from livekit.okxsim.orders import Order
from livekit.trading.core import TradingCore
from livekit.trading.limits import Fees, RiskLimits
from livekit.trading.paper.answers import MAKER
from livekit.trading.paper.orders import fill_order
from livekit.trading.router import on_market, on_request, on_trade

__all__ = ["Level", "Matching"]

_FREE: Final = RiskLimits(
    max_order_notional=float("inf"),
    max_position_notional=float("inf"),
    price_band_bps=float("inf"),
    max_reference_age_s=float("inf"),
    orders_per_second=float("inf"),
    order_burst=1,
    max_open_orders=1 << 20,
)
"""The exchange has rules of its own; the core's limits are a client's."""

_LEVELS: Final = struct.Struct(f"<{4 * BOOK_LEVELS}d")
_OFFSET: Final = int(BOOK.fields["bid_price"][1])  # type: ignore[index]


class Level(NamedTuple):
    """A level a taker may reach: of the market, or one resting order."""

    price: float
    lots: int
    maker: Order | None


class Matching:
    """The order books of all listings.

    Parameters
    ----------
    listings : sequence of Listing
    n_accounts : int
        Accounts have numbers below it.
    on_fill : callable
        (order, lots, price, role): some of an order filled, as T or M.

    Attributes
    ----------
    cause : str
        Of the fills under way: market, print (a recorded one) or meeting (of two clients,
        the taker's being said first).
    """

    def __init__(
        self,
        listings: Sequence[Listing],
        n_accounts: int,
        on_fill: Callable[[Order, int, float, str], None],
    ) -> None:
        self.core = TradingCore(
            [one.core_instrument() for one in listings],
            n_strategies=n_accounts,
            max_instruments=max(len(listings), 1),
            limits=_FREE,
            fees=Fees(0.0, 0.0),
        )
        self._listings = listings
        self._on_fill = on_fill
        self._legs: dict[int, Order] = {}
        self._last_leg = 0
        self.cause = "market"
        self._resting: list[dict[int, Order]] = [{} for _ in listings]  # by leg, oldest first
        core = self.core
        self._columns = [
            (
                core.markets[f"{name}_price"],
                core.markets[f"{name}_size"],
                core.books[f"{name}_price"],
                core.books[f"{name}_size"],
            )
            for name in ("bid", "ask")
        ]
        self._slot = np.zeros(256, np.uint8)
        self._memory, self._address = memoryview(self._slot.data), self._slot.ctypes.data
        self._event = self._slot[: BOOK.itemsize].view(BOOK)[0]
        self._event["kind"] = Kind.BOOK
        self._request = np.zeros(1, ORDER)
        self._request["kind"] = Kind.ORDER

    @staticmethod
    def warm_up() -> None:
        """Compile what orders use, on a core that is thrown away, so that none waits for it."""
        core = TradingCore([Instrument("A-B", 1.0, 1.0, 1.0)], n_strategies=1, limits=_FREE)
        slot = np.zeros(256, np.uint8)
        event = slot[: BOOK.itemsize].view(BOOK)[0]
        event["kind"], event["bid_price"], event["ask_price"] = Kind.BOOK, 10.0, 20.0
        on_market(core.address, slot.ctypes.data, 1)
        on_trade(core.address, 0, 15.0, 1.0, 0, 1)
        request = np.zeros(1, ORDER)
        request["kind"], request["order_id"] = Kind.ORDER, 1
        request["price"], request["quantity"] = 11.0, 3.0
        on_request(core.address, 0, request.ctypes.data, 1)
        fill_order(core.address, int(core.drain()["row"][0]), 1, 11.0, MAKER, 1)

    def see_book(
        self, number: int, sides: Sequence[tuple[list[int], list[Shown]]], now_ns: int
    ) -> None:
        """Show the core the best levels of a market: of each side, ticks and what they show."""
        listing, missing = self._listings[number], [math.nan] * BOOK_LEVELS
        values: list[float] = []
        for ticks, shown in sides:
            prices = [round(tick * listing.tick_value, listing.price_digits) for tick in ticks]
            sizes = [round(lots * listing.lot_value, listing.size_digits) for lots, _ in shown]
            values += (prices + missing)[:BOOK_LEVELS] + (sizes + missing)[:BOOK_LEVELS]
        self._event["instrument"] = number
        _LEVELS.pack_into(self._memory, _OFFSET, *values)
        on_market(self.core.address, self._address, now_ns)
        self._settle()

    def see_trade(self, number: int, price: float, size: float, side: int, now_ns: int) -> None:
        """Show the core a print of the recorded market; `side` is of who took."""
        self.cause = "print"
        on_trade(self.core.address, number, price, size, side, now_ns)
        self._settle()
        self.cause = "market"

    def resting(self, number: int) -> list[Order]:
        """Return the clients' resting orders of a listing, oldest first."""
        return list(self._resting[number].values())

    def has_resting(self, number: int) -> bool:
        """Tell whether clients' orders rest in a listing."""
        return bool(self._resting[number])

    def touch_size(self, number: int, side: int) -> float:
        """Return what is left of the market's touch on a resting side."""
        return float(self._columns[side][1].item(number))

    def market_levels(self, number: int, side: int) -> list[tuple[float, float]]:
        """Return what is left of the market's best levels of a resting side, best first."""
        touches, touch_sizes, prices, sizes = self._columns[side]
        touch = touches.item(number)
        if not touch > 0.0:
            return []
        found = [(touch, touch_sizes.item(number))]
        slack = 1e-6 * self._listings[number].tick_value
        for price, size in zip(prices[number].tolist(), sizes[number].tolist(), strict=True):
            behind = touch - price if side == BUY else price - touch
            if behind > slack:  # not NaN
                found.append((price, size))
        return found

    def visible(self, order: Order) -> list[Level]:
        """Return what an order could take within its price, best first."""
        number, side = order.listing.number, SELL if order.is_buy else BUY
        sign = 1.0 if order.is_buy else -1.0
        lot = order.listing.lot_value
        levels = [
            Level(price, int(size / lot + 1e-6), None)
            for price, size in self.market_levels(number, side)
        ]
        levels += [
            Level(float(maker.price or 0), maker.lots - maker.filled_lots, maker)
            for maker in self._resting[number].values()
            if maker.is_buy != order.is_buy and maker is not order
        ]
        if order.price is not None:
            limit = sign * float(order.price) + 1e-6 * order.listing.tick_value
            levels = [one for one in levels if sign * one.price <= limit]
        levels = [one for one in levels if one.lots > 0]
        return sorted(levels, key=lambda one: (sign * one.price, one.maker is not None))

    def take(self, order: Order, levels: list[Level], now_ns: int) -> list[Order]:
        """Fill an order from levels until it is filled or they end.

        Returns
        -------
        list of Order
            Own orders met on the way, which were not filled.
        """
        # The ladder stands until the next event changes it, so it is as young as now.
        self.core.markets["book_ns"][order.listing.number] = now_ns
        budget = order.size if order.target == "quote_ccy" else None
        own = []
        for level in levels:
            lots = min(level.lots, self._wanted(order, level.price, budget))
            if lots == 0:
                break
            if level.maker is None:
                self._take_market(order, lots, level.price, now_ns)
            elif level.maker.account is order.account:
                own.append(level.maker)
                if order.stp_mode != "cancel_maker":
                    break
            else:
                self._on_fill(order, lots, level.price, "T")
                self.cause = "meeting"
                self._fill_resting(level.maker, lots, now_ns)
                self.cause = "market"
        return own

    @staticmethod
    def _wanted(order: Order, price: float, budget: Decimal | None) -> int:
        """Return the lots an order still wants at a price."""
        if budget is None:
            return order.lots - order.filled_lots
        return int((budget - order.cost) / (Decimal(repr(price)) * order.listing.lot))

    def _take_market(self, order: Order, lots: int, price: float, now_ns: int) -> None:
        """Take lots of the market at a price."""
        self._send(order, lots, price, Tif.IOC, now_ns)
        self._legs.pop(self._last_leg, None)

    def _fill_resting(self, maker: Order, lots: int, now_ns: int) -> None:
        """Fill a resting order, whose account is told by the core's report."""
        assert maker.price is not None
        fill_order(self.core.address, maker.row, lots, float(maker.price), MAKER, now_ns)
        self._settle()

    def rest(self, order: Order, now_ns: int) -> None:
        """Let what is left of a limit order rest."""
        assert order.price is not None
        order.base_lots = order.filled_lots
        order.leg = self._last_leg + 1
        self._resting[order.listing.number][order.leg] = order
        lots = order.lots - order.filled_lots
        order.row = self._send(order, lots, float(order.price), Tif.GTC, now_ns)

    def withdraw(self, order: Order, now_ns: int) -> None:
        """Take a resting order off the book."""
        if order.leg:
            leg = order.leg
            self._forget(order)
            request = self._request
            request["action"], request["order_id"] = Action.CANCEL, leg
            on_request(self.core.address, order.account.number, request.ctypes.data, now_ns)
            self._settle()

    def shrink(self, order: Order, lots: int, now_ns: int) -> None:
        """Lower the size of a resting order, which keeps its place."""
        request = self._request
        request["action"], request["order_id"] = Action.MODIFY, order.leg
        request["price"] = float(order.price or 0)
        request["quantity"] = self.core.quantity(order.listing.number, lots - order.base_lots)
        on_request(self.core.address, order.account.number, request.ctypes.data, now_ns)
        order.lots = lots
        self._settle()

    def _send(self, order: Order, lots: int, price: float, tif: Tif, now_ns: int) -> int:
        """Send a leg of an order to the core; its row."""
        self._last_leg += 1
        self._legs[self._last_leg] = order
        request, number = self._request, order.listing.number
        request["action"], request["order_id"] = Action.NEW, self._last_leg
        request["instrument"], request["side"] = number, 0 if order.is_buy else 1
        request["order_type"], request["tif"] = OrderType.LIMIT, tif
        request["price"], request["quantity"] = price, self.core.quantity(number, lots)
        on_request(self.core.address, order.account.number, request.ctypes.data, now_ns)
        return self._settle()

    def _forget(self, order: Order) -> None:
        """Drop the leg of an order that no longer rests."""
        self._legs.pop(order.leg, None)
        self._resting[order.listing.number].pop(order.leg, None)
        order.leg = order.row = 0

    def _settle(self) -> int:
        """Hand out the core's reports; the row of the last one."""
        row = 0
        if not self.core.header["n_reports"]:
            return row
        for report in self.core.drain():
            row = int(report["row"])
            self._hear(report)
        return row

    def _hear(self, said: Any) -> None:
        """Take one report of the core."""
        report = said["report"]
        leg = int(report["order_id"])
        order = self._legs.get(leg)
        assert report["status"] != OrderStatus.REJECTED or order is None, int(report["reject"])
        if order is None or report["action"] != Action.NEW or not said["liquidity"]:
            return
        lots = order.listing.lots(float(report["last_quantity"]))
        role = "M" if said["liquidity"] == MAKER else "T"
        if report["status"] == OrderStatus.FILLED and leg == order.leg:
            self._forget(order)
        self._on_fill(order, lots, float(report["last_price"]), role)
