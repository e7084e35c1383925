"""Work 3 of the backtest benchmark: one order a side at the touch."""

import livekit as lk


class MarketMaker(lk.Strategy):
    """Keep a post-only bid at the best bid and an ask at the best ask.

    Looked at on every `every`-th quote: an order that the touch has left is cancelled and
    replaced at once, a side without an order gets one while the position has room.
    """

    symbols = ("BTC-USDT",)
    every = lk.Param(50, 1, 1_000_000)  # quotes
    size = lk.Param(0.01, 0.001, 1.0)
    limit = lk.Param(0.2, 0.001, 100.0)  # of the position, a side

    n_quotes: int = 0
    bid: int = 0  # id of the order at work, 0 for none
    ask: int = 0
    bid_price: float = 0.0
    ask_price: float = 0.0

    def on_quote(self, quote):
        self.n_quotes += 1
        if self.n_quotes % self.every != 0:
            return
        if self.bid != 0 and self.bid_price != quote.bid_price:
            self.cancel(self.bid)
            self.bid = 0
        if self.ask != 0 and self.ask_price != quote.ask_price:
            self.cancel(self.ask)
            self.ask = 0
        position = self.position(quote.symbol)
        room = self.limit - 1e-9  # a sum of sizes may be off by an ulp
        if self.bid == 0 and position < room:
            self.bid_price = quote.bid_price
            self.bid = self.buy(quote.symbol, self.size, quote.bid_price, post_only=True)
        if self.ask == 0 and position > -room:
            self.ask_price = quote.ask_price
            self.ask = self.sell(quote.symbol, self.size, quote.ask_price, post_only=True)

    def on_order(self, order):
        if order.status >= lk.OrderStatus.FILLED:  # final
            if order.order_id == self.bid:
                self.bid = 0
            if order.order_id == self.ask:
                self.ask = 0
