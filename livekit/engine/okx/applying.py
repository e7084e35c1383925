"""Bringing an order of the core up to what the venue says of it.

Fills are booked once a trade id, and never beyond the cumulative quantity that the venue
named, so a look-up that already told of a fill and the push that tells of it again do
not add up.
Layer 4. Pure.
"""

from typing import Final

import numpy as np

from livekit.engine.okx.words import KnownOrder, Word
from livekit.events import Action, Reject
from livekit.trading.core import TradingCore
from livekit.trading.venue import apply_filled, apply_modified, apply_modify_refused

__all__ = ["FINAL_STATES", "CoreOrders"]

FINAL_STATES: Final = frozenset({"filled", "canceled", "mmp_canceled"})


class CoreOrders:
    """The orders of a trading core, as the venue's words change them.

    Parameters
    ----------
    core : TradingCore

    Attributes
    ----------
    n_repeated : int
        Fills that were said again.
    """

    def __init__(self, core: TradingCore) -> None:
        self._core = core
        self.n_repeated = 0

    def apply_fill(self, order: KnownOrder, word: Word, now_ns: int) -> bool:
        """Book what the word tells of fills; False when the venue named more than it told."""
        order.said_lots = max(order.said_lots, self._lots(order, word.filled))
        missing = order.said_lots - order.applied_lots
        if word.fill is not None:
            if word.fill.trade_id in order.trades or missing <= 0:
                self.n_repeated += word.fill.trade_id in order.trades
                return missing <= 0
            order.trades.add(word.fill.trade_id)
            lots = min(self._lots(order, word.fill.quantity), missing)
            self._book(order, lots, word.fill.price, word.fill.fee, now_ns)
        elif word.is_lookup and missing > 0:
            cost = word.average_price * self._units(order, order.said_lots)
            price = (cost - order.applied_cost) / self._units(order, missing)
            self._book(order, missing, price, word.fee - order.applied_fee, now_ns)
        return order.said_lots <= order.applied_lots

    def _book(self, order: KnownOrder, lots: int, price: float, fee: float, now_ns: int) -> None:
        if lots <= 0:
            return
        left = int(self._core.orders[order.row]["lots"]) - order.applied_lots
        if lots > left:
            self._grow(order, order.applied_lots + lots)
        apply_filled(self._core.address, order.row, lots, price, fee, now_ns)
        order.applied_lots += lots
        order.applied_cost += price * self._units(order, lots)
        order.applied_fee += fee

    def _grow(self, order: KnownOrder, lots: int) -> None:
        """Take a quantity that a modification of unknown outcome has raised."""
        row = self._core.orders[order.row]
        if row["is_modifying"] and int(row["new_lots"]) >= lots:
            apply_modified(self._core.address, order.row, int(row["updated_ns"]))

    def compare_amendment(self, order: KnownOrder, word: Word, now_ns: int) -> None:
        """Tell from a look-up whether a modification of unknown outcome took effect."""
        if not self._core.orders[order.row]["is_modifying"]:
            return
        if self.shows(order, word, "new_price", "new_lots"):
            apply_modified(self._core.address, order.row, now_ns)
        else:
            apply_modify_refused(self._core.address, order.row, int(Reject.EXPIRED), now_ns)

    def proves(self, order: KnownOrder, action: Action, word: Word, over_ns: int) -> bool:
        """Tell whether a word says what became of a request of unknown outcome.

        `over_ns`: a modification that was to be taken before it is taken no more.
        """
        if action is Action.NEW or word.state in FINAL_STATES:
            return True
        if action is Action.CANCEL:
            return word.is_lookup
        is_over = order.amend_expire_ns < over_ns
        is_new = self.shows(order, word, "new_price", "new_lots")
        return word.amend_result != "" or is_new or (word.is_lookup and is_over)

    def shows(self, order: KnownOrder, word: Word, price: str, lots: str) -> bool:
        """Tell whether the venue has an order with the price and lots of these fields."""
        row = self._core.orders[order.row]
        is_price = bool(np.isnan(word.price)) or abs(word.price - row[price]) < 1e-9 * word.price
        return is_price and self._lots(order, word.quantity) == int(row[lots])

    def is_ours(self, order: KnownOrder) -> bool:
        """Tell whether the row is still this order's."""
        return bool(self._core.orders[order.row]["client_order_id"].decode() == order.client_id)

    def status(self, order: KnownOrder) -> int:
        """Return the core's OrderStatus of an order; REJECTED of one that it has forgotten."""
        return int(self._core.orders[order.row]["status"]) if self.is_ours(order) else 7

    def _lots(self, order: KnownOrder, units: float) -> int:
        market = self._core.markets[order.instrument]
        return round(units * float(market["lot_denominator"]) / float(market["lot_numerator"]))

    def _units(self, order: KnownOrder, lots: int) -> float:
        return self._core.quantity(order.instrument, lots)
