"""A strategy that never has an order open between two events, and sometimes raises."""

import livekit as lk


class Taking(lk.Strategy):
    """Takes what is shown, now and then, by the quotes of one instrument and books of another."""

    symbols = ("BTC-USDT", "ETH-USDT")
    pace = lk.Param(9, 1, 1000)
    faults = lk.Param(0, 0, 1000)  # one callback in so many raises; 0 for none
    every = lk.Param(0, 0, 1000)  # one callback in so many writes a line; 0 for none

    calls: int = 0
    fills: int = 0
    spent: float = 0.0

    def on_quote(self, quote):
        if quote.symbol == "BTC-USDT":
            self.act(quote.symbol, quote.ask_price)

    def on_book(self, book):
        self.act(book.symbol, book.ask_price[1])

    def on_fill(self, order):
        self.fills += 1
        self.spent += order.last_price

    def act(self, symbol, price):
        """Take, speak or raise."""
        self.calls += 1
        if self.every > 0 and self.calls % self.every == 0:
            self.log("call")
        if self.faults > 0 and self.calls % self.faults == 0:
            raise ValueError("planned")
        if self.calls % self.pace != 0:
            return
        size = self.instrument(symbol).lot * 5
        if self.calls % 2 == 0:
            self.buy(symbol, size)
        elif self.calls % 3 == 0:
            self.sell(symbol, size)
        else:
            self.buy(symbol, size, price, tif=lk.IOC)
