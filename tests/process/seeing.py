"""A strategy that keeps what it last saw of a live feed, for tests; it buys once."""

from livekit.strategy.api import Strategy


class Seeing(Strategy):
    """Counts events and connections, and buys on its first quote."""

    symbols = ("BTC-USDT",)
    timer = 0.05

    quotes: int = 0
    bid: float = 0.0
    trade_id: int = 0
    timers: int = 0
    gaps: int = 0
    connected: int = -1
    fills: int = 0

    def on_quote(self, quote):
        self.quotes += 1
        self.bid = quote.bid_price
        if self.quotes == 1:
            self.buy("BTC-USDT", 0.001)

    def on_trade(self, trade):
        self.trade_id = trade.trade_id

    def on_timer(self, timer):
        self.timers += 1

    def on_gap(self, gap):
        self.gaps += 1

    def on_connection(self, connection):
        self.connected = connection.connected

    def on_fill(self, order):
        self.fills += 1
