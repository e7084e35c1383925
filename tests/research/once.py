"""A strategy that buys once, at the first quote."""

import livekit as lk


class Once(lk.Strategy):
    """Buys 0.1 BTC at the market."""

    symbols = ("BTC-USDT",)

    is_done: bool = False

    def on_quote(self, quote):
        if not self.is_done:
            self.is_done = self.buy("BTC-USDT", 0.1) != 0
