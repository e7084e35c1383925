"""Orders of the core as OKX reads them, and OKX's rows as words of the order desk.

What never changes of an instrument's orders is written down once, so that an order costs
a few string operations. Prices and sizes are whole numbers of steps until they are text:
no exponent and no binary noise is ever written.
Source: PROTOCOL 6; OKX API v5, "Place order", "Order channel", read 2026-08.
Layer 4. Pure.
"""

import math
from decimal import Decimal
from typing import Final

import numpy as np

from livekit.engine.okx.words import Fill, Word
from livekit.engine.okx.writing import HEAD_BYTES, TICKET
from livekit.events import REDUCE_ONLY, OrderType
from livekit.instruments import Instrument
from livekit.okx.decimals import price_text
from livekit.okx.rows import OrderRow
from livekit.okx.vocabulary import AMEND_RESULTS

__all__ = ["OPERATIONS", "OrderFields", "Steps", "Ticket"]

OPERATIONS: Final = (
    ("order", "batch-orders"),
    ("cancel-order", "batch-cancel-orders"),
    ("amend-order", "batch-amend-orders"),
)
"""Operation of one and of several, by Action: new, cancel, modify."""

_KINDS: Final = ("limit", "ioc", "fok", "post_only")  # by TimeInForce
_SIDES: Final = ("buy", "sell")  # by Side
_MARKET: Final = int(OrderType.MARKET)
_NEW_FIELDS: Final = ("order_type", "tif", "side", "options", "lots", "price")
_SLACK: Final = 1e-6


class Steps:
    """Whole numbers of a step as plain decimal text.

    Parameters
    ----------
    step : float
        From 1e-12 on; its shortest decimal is exact.

    Attributes
    ----------
    step : float
    unit, digits : int
        The step is unit x 10**-digits.
    """

    def __init__(self, step: float) -> None:
        exact = Decimal(repr(float(step)))
        exponent = exact.as_tuple().exponent
        assert isinstance(exponent, int)
        self.digits = max(0, -exponent)
        self.unit = int(exact.scaleb(self.digits))
        self.step = step

    def text(self, n: int) -> str:
        """Return `n` steps."""
        whole = n * self.unit
        if self.digits == 0:
            return str(whole)
        figures = str(whole).zfill(self.digits + 1)
        tail = figures[-self.digits :].rstrip("0")
        head = figures[: -self.digits]
        return f"{head}.{tail}" if tail else head

    def price(self, price: float) -> str:
        """Return a price that is on a step; ConfigError for one that is not."""
        n = round(price / self.step)
        if n < 1 or abs(price / self.step - n) > _SLACK:
            return price_text(price, self.step)
        return self.text(n)


class OrderFields:
    """The fields of a core's orders that are sent, read one by one: a whole row takes longer.

    Parameters
    ----------
    orders : ORDER_ROW[n]
    """

    def __init__(self, orders: np.ndarray) -> None:
        self._new = tuple(orders[name].item for name in _NEW_FIELDS)
        self._changed = (orders["new_lots"].item, orders["new_price"].item)

    def new(self, row: int) -> tuple[int, int, int, int, int, float]:
        """Return type, time in force, side, options, lots and price."""
        kind, tif, side, options, lots, price = self._new
        return kind(row), tif(row), side(row), options(row), lots(row), price(row)

    def changed(self, row: int) -> tuple[int, float]:
        """Return lots and price of the modification under way."""
        lots, price = self._changed
        return lots(row), price(row)


class Ticket:
    """What orders of one instrument have in common.

    Parameters
    ----------
    instrument : Instrument
    code : int or None
        ``instIdCode``; None sends them over REST only.
    trade_mode : str
        ``tdMode``.

    Attributes
    ----------
    symbol : str
    has_code : bool
    """

    def __init__(self, instrument: Instrument, code: int | None, trade_mode: str) -> None:
        self.symbol, self.has_code = instrument.symbol, code is not None
        self._heads = (f'"instId":"{instrument.symbol}"', f'"instIdCode":{code}')
        self._mode = trade_mode
        self._is_spot = instrument.kind == "spot"
        self._base = instrument.symbol.partition("-")[0]
        self._price, self._lots = Steps(instrument.tick), Steps(instrument.lot)

    def row(self) -> np.void:
        """Return TICKET, of which compiled code writes the same requests."""
        row = np.zeros(1, TICKET)[0]
        for kind, steps in (("price", self._price), ("lot", self._lots)):
            row[f"{kind}_unit"], row[f"{kind}_digits"] = steps.unit, steps.digits
        name = f"{{{self._heads[1]}".encode()
        mode = f',"tdMode":"{self._mode}","side":"'.encode()
        row["is_spot"] = self._is_spot
        digits = max(self._price.digits, self._lots.digits)
        row["is_usual"] = self.has_code and max(len(name), len(mode)) <= HEAD_BYTES and digits < 16
        for field, text in (("name", name), ("mode", mode)):
            part = np.frombuffer(text[:HEAD_BYTES], np.uint8)
            row[f"n_{field}"] = part.size
            row[field][: part.size] = part
        return row

    def new(
        self,
        fields: tuple[int, int, int, int, int, float],
        client_id: str,
        *,
        by_code: bool,
    ) -> str:
        """Return the arguments of a new order; `fields` as of `OrderFields.new`."""
        order_type, tif, side, options, lots, price = fields
        tail = ""
        if order_type != _MARKET:
            kind, tail = _KINDS[tif], f',"px":"{self._price.price(price)}"'
        else:
            # Without the unit, the exchange takes a buy's size of a pair as quote currency.
            kind, tail = "market", ',"tgtCcy":"base_ccy"' if self._is_spot else ""
        if options & REDUCE_ONLY and not self._is_spot:
            tail += ',"reduceOnly":true'
        return (
            f'{{{self._heads[by_code]},"tdMode":"{self._mode}","side":"{_SIDES[side]}",'
            f'"ordType":"{kind}","sz":"{self._lots.text(lots)}","clOrdId":"{client_id}"{tail}}}'
        )

    def amend(
        self, fields: tuple[int, float], client_id: str, request_id: str, *, by_code: bool
    ) -> str:
        """Return the arguments of a modification; sizes include what is filled."""
        lots, price = fields
        return (
            f'{{{self._heads[by_code]},"clOrdId":"{client_id}","reqId":"{request_id}",'
            f'"newSz":"{self._lots.text(lots)}","newPx":"{self._price.price(price)}"}}'
        )

    def cancel(self, client_id: str, *, by_code: bool) -> str:
        """Return the arguments of a cancellation."""
        return f'{{{self._heads[by_code]},"clOrdId":"{client_id}"}}'

    def word(self, row: OrderRow, *, is_lookup: bool) -> Word:
        """Return what a row of a push or of a look-up says."""
        fill = None
        if row.is_fill and not is_lookup:
            price, size = float(row.fillPx or 0.0), float(row.fillSz or 0.0)
            cost = self._cost(row.fillFee or 0.0, row.fillFeeCcy, price)
            fill = Fill(int(row.tradeId), price, size, cost)
        average = float(row.avgPx or 0.0)
        fee = self._cost(row.fee or 0.0, row.feeCcy, average)
        fee += self._cost(row.rebate or 0.0, row.rebateCcy, average)
        is_plain = row.amendResult in AMEND_RESULTS
        return Word(
            client_id=row.clOrdId,
            venue_id=row.ordId,
            state=row.state,
            price=math.nan if row.px == "" else float(row.px),
            quantity=float(row.sz),
            filled=float(row.accFillSz or 0.0),
            average_price=average,
            fee=fee,
            fill=fill,
            cancel_source=row.cancelSource,
            amend_result="" if is_lookup or not is_plain else row.amendResult,
            amend_id=row.reqId,
            is_lookup=is_lookup,
        )

    def _cost(self, amount: float, currency: str, price: float) -> float:
        """Return a fee in quote currency, above 0 for a cost; the exchange writes it negative."""
        return -amount * (price if self._is_spot and currency == self._base else 1.0)
