"""A strategy whose decisions depend on everything it sees, for tests of equality."""

from livekit.strategy.api import Param, Strategy


class Deciding(Strategy):
    """Trades both instruments on quotes, trades, timers and its own fills."""

    symbols = ("BTC-USDT", "ETH-USDT")
    timer = 0.5
    size = Param(0.01, 0.001, 1.0)

    slow: float = 0.0
    digest: int = 0
    n: int = 0
    resting: int = 0
    timers: int = 0

    def on_quote(self, quote):
        if quote.symbol == "ETH-USDT":
            if self.n % 17 == 0:
                self.sell("ETH-USDT", 0.1, quote.ask_price)
            return
        mid = (quote.bid_price + quote.ask_price) / 2
        self.n += 1
        if self.n == 1:
            self.slow = mid
        self.slow += 0.01 * (mid - self.slow)
        if mid > self.slow and self.position("BTC-USDT") <= 0:
            self.buy("BTC-USDT", self.size)
        elif mid < self.slow and self.position("BTC-USDT") > 0:
            self.sell("BTC-USDT", self.size, quote.bid_price)
        elif self.n % 29 == 0:
            self.resting = self.buy("BTC-USDT", self.size, quote.bid_price)

    def on_trade(self, trade):
        if self.resting != 0 and trade.side == 0:
            self.cancel(self.resting)
            self.resting = 0

    def on_timer(self, timer):
        self.timers += 1
        if self.timers % 10 == 0:
            self.cancel_all()

    def on_order(self, order):
        mixed = self.digest * 31 + order.order_id * 7 + order.status * 3 + order.reject
        mixed += int(order.price * 100) if order.price == order.price else 1
        self.digest = mixed % 1000000007

    def on_fill(self, order):
        filled = int(order.filled_quantity * 100000) + int(order.last_price * 100)
        self.digest = (self.digest * 37 + filled) % 1000000007
