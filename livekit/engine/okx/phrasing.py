"""Orders of the core as OKX reads them, and OKX's rows as words of the order desk.

What never changes of an instrument's orders is written down once, so that an order costs
a few string operations. Prices and sizes are whole numbers of steps until they are text:
no exponent and no binary noise is ever written.
Source: PROTOCOL 6; OKX API v5, "Place order", "Order channel", read 2026-08.
Layer 4. Pure.
"""

import math
from decimal import Decimal
from typing import Any, Final

from livekit.engine.okx.words import Fill, Word
from livekit.events import REDUCE_ONLY, OrderType, Side, TimeInForce
from livekit.instruments import Instrument
from livekit.okx.decimals import price_text
from livekit.okx.rows import OrderRow

__all__ = ["OPERATIONS", "Steps", "Ticket"]

OPERATIONS: Final = (
    ("order", "batch-orders"),
    ("cancel-order", "batch-cancel-orders"),
    ("amend-order", "batch-amend-orders"),
)
"""Operation of one and of several, by Action: new, cancel, modify."""

_KINDS: Final = {
    TimeInForce.GTC: "limit",
    TimeInForce.IOC: "ioc",
    TimeInForce.FOK: "fok",
    TimeInForce.GTX: "post_only",
}
_SIDES: Final = {Side.BUY: "buy", Side.SELL: "sell"}
_SLACK: Final = 1e-6


class Steps:
    """Whole numbers of a step as plain decimal text.

    Parameters
    ----------
    step : float
        From 1e-12 on; its shortest decimal is exact.
    """

    def __init__(self, step: float) -> None:
        exact = Decimal(repr(float(step)))
        exponent = exact.as_tuple().exponent
        assert isinstance(exponent, int)
        self._digits = max(0, -exponent)
        self._unit = int(exact.scaleb(self._digits))
        self.step = step

    def text(self, n: int) -> str:
        """Return `n` steps."""
        whole = n * self._unit
        if self._digits == 0:
            return str(whole)
        figures = str(whole).zfill(self._digits + 1)
        tail = figures[-self._digits :].rstrip("0")
        head = figures[: -self._digits]
        return f"{head}.{tail}" if tail else head

    def price(self, price: float) -> str:
        """Return a price that is on a step; ConfigError for one that is not."""
        n = round(price / self.step)
        if n < 1 or abs(price / self.step - n) > _SLACK:
            return price_text(price, self.step)
        return self.text(n)


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

    def new(self, row: Any, client_id: str, *, by_code: bool) -> str:
        """Return the arguments of a new order; `row` is its ORDER_ROW."""
        is_market = row["order_type"] == OrderType.MARKET
        kind = "market" if is_market else _KINDS[TimeInForce(int(row["tif"]))]
        parts = [
            self._heads[by_code],
            f'"tdMode":"{self._mode}","side":"{_SIDES[Side(int(row["side"]))]}"',
            f'"ordType":"{kind}","sz":"{self._lots.text(int(row["lots"]))}"',
            f'"clOrdId":"{client_id}"',
        ]
        if not is_market:
            parts.append(f'"px":"{self._price.price(float(row["price"]))}"')
        elif self._is_spot:
            # Without it the exchange takes a buy's size as quote currency.
            parts.append('"tgtCcy":"base_ccy"')
        if row["options"] & REDUCE_ONLY and not self._is_spot:
            parts.append('"reduceOnly":true')
        return "{" + ",".join(parts) + "}"

    def amend(self, row: Any, client_id: str, request_id: str, *, by_code: bool) -> str:
        """Return the arguments of a modification; sizes include what is filled."""
        parts = [
            self._heads[by_code],
            f'"clOrdId":"{client_id}","reqId":"{request_id}"',
            f'"newSz":"{self._lots.text(int(row["new_lots"]))}"',
            f'"newPx":"{self._price.price(float(row["new_price"]))}"',
        ]
        return "{" + ",".join(parts) + "}"

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
            amend_result="" if is_lookup else row.amendResult,
            is_lookup=is_lookup,
        )

    def _cost(self, amount: float, currency: str, price: float) -> float:
        """Return a fee in quote currency, above 0 for a cost; the exchange writes it negative."""
        return -amount * (price if self._is_spot and currency == self._base else 1.0)
