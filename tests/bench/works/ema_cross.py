"""Work 2 of the backtest benchmark: the crossing of two exponential averages."""

import livekit as lk


class EmaCross(lk.Strategy):
    """Be long while the fast average of the mid price is above the slow one, short below.

    The averages begin with the first mid price; the first decision falls on quote number
    `slow`. The side is the strategy's own: set when it sends an order, whatever becomes
    of that order, so that the same orders are sent under every latency.
    """

    symbols = ("BTC-USDT",)
    fast = lk.Param(100, 1, 100_000)  # span, quotes
    slow = lk.Param(400, 1, 100_000)
    size = lk.Param(0.01, 0.001, 1.0)
    is_ioc = lk.Param(False)  # a limit order at the touch that fills at once or not at all

    ema_fast: float = 0.0
    ema_slow: float = 0.0
    n_quotes: int = 0
    side: int = 0

    def on_quote(self, quote):
        mid = (quote.bid_price + quote.ask_price) / 2
        self.n_quotes += 1
        if self.n_quotes == 1:
            self.ema_fast = self.ema_slow = mid
        self.ema_fast += 2 / (self.fast + 1) * (mid - self.ema_fast)
        self.ema_slow += 2 / (self.slow + 1) * (mid - self.ema_slow)
        if self.n_quotes < self.slow:
            return
        if self.ema_fast > self.ema_slow and self.side <= 0:
            quantity = self.size if self.side == 0 else 2 * self.size
            self.side = 1
            if self.is_ioc:
                self.buy(quote.symbol, quantity, quote.ask_price, tif=lk.IOC)
            else:
                self.buy(quote.symbol, quantity)
        elif self.ema_fast < self.ema_slow and self.side >= 0:
            quantity = self.size if self.side == 0 else 2 * self.size
            self.side = -1
            if self.is_ioc:
                self.sell(quote.symbol, quantity, quote.bid_price, tif=lk.IOC)
            else:
                self.sell(quote.symbol, quantity)
