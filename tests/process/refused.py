"""A strategy that asks for what an exchange refuses, one thing after the other, for tests."""

from math import isnan, nan

from livekit.strategy.api import Param, Strategy, array

ABOVE_LIMIT, NO_FUNDS, WOULD_TAKE, SUSPENDED, TOO_SMALL, BATCH, OFF_LOT, OFF_TICK, PLAIN = range(9)


class Refused(Strategy):
    """Sends the orders `first` to `last` and keeps what became of each."""

    symbols = ("BTC-USDT", "ETH-USDT")
    timer = 0.02
    first = Param(0, 0, 8)
    last = Param(7, 0, 8)

    bid: float = nan
    ask: float = nan
    ether: float = nan
    step: int = -1
    sent: int = 0
    waits_for: int = 0
    rejects: array(9)
    statuses: array(9)
    resting: int = 0
    rests: int = 0

    def on_quote(self, quote):
        if quote.symbol == "ETH-USDT":
            self.ether = quote.bid_price
        else:
            self.bid, self.ask = quote.bid_price, quote.ask_price

    def on_timer(self, timer):
        if isnan(self.bid) or isnan(self.ether) or self.waits_for != 0:
            return
        if self.step < 0:
            self.step = int(self.first)
        if self.step <= self.last:
            self.waits_for = self.ask_for(self.step)

    def ask_for(self, step):
        if step == SUSPENDED:
            return self.buy("ETH-USDT", 0.5, round(self.ether * 0.99, 0))
        if step == WOULD_TAKE:
            return self.buy("BTC-USDT", 0.02, round(self.ask * 1.002, 0), post_only=True)
        bid, size = round(self.bid * 0.99, 0), 0.02
        if step == BATCH:
            self.resting = self.buy("BTC-USDT", size, bid)
        if step == ABOVE_LIMIT:
            bid = round(self.ask * 1.2, 0)
        elif step == OFF_TICK:
            bid += 0.0123
        elif step == NO_FUNDS:
            size = 2.5
        elif step in {TOO_SMALL, BATCH}:
            size = 0.001
        elif step == OFF_LOT:
            size = 0.0200000001
        return self.buy("BTC-USDT", size, bid)

    def on_order(self, order):
        if order.order_id == self.resting and order.status == 2:
            self.rests = 1
        if order.order_id == self.waits_for and order.status >= 5:
            self.rejects[self.step] = order.reject
            self.statuses[self.step] = order.status
            self.step += 1
            self.waits_for = 0
