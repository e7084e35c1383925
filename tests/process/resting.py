"""Buys a little at the market once, and keeps one order resting far below it."""

import livekit as lk


class Resting(lk.Strategy):
    """See the module."""

    symbols = ("BTC-USDT",)

    bought: int = 0
    rests: int = 0

    def on_quote(self, quote):
        """Order once the market is there."""
        if self.bought == 0:
            self.bought = self.buy(quote.symbol, 0.001)
            price = round(quote.bid_price * 0.98, 1)
            self.rests = self.buy(quote.symbol, 0.001, price, post_only=True)
