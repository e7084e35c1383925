"""A strategy that listens to the quotes of one instrument only, looks at books, and has a timer."""

import livekit as lk


class Quiet(lk.Strategy):
    """Quotes at the touch now and then; its batches are long."""

    symbols = ("BTC-USDT",)
    timer = 1.0
    pace = lk.Param(7, 1, 1000)

    quotes: int = 0
    resting: int = 0
    fills: int = 0
    last: float = 0.0

    def on_quote(self, quote):
        self.quotes += 1
        self.last = self.book("BTC-USDT").bid_price[2]
        if self.quotes % self.pace != 0:
            return
        if self.resting != 0:
            self.cancel(self.resting)
            self.resting = 0
        elif self.position("BTC-USDT") > 0.0:
            self.resting = self.sell("BTC-USDT", 0.2, quote.ask_price)
        else:
            self.resting = self.buy("BTC-USDT", 0.2, quote.bid_price)

    def on_fill(self, order):
        self.fills += 1
