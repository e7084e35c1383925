"""A strategy that only counts, for tests: what it did not get, somebody lost."""

from livekit.strategy.api import Strategy


class Counting(Strategy):
    """Counts its events by kind."""

    symbols = ("BTC-USDT", "ETH-USDT")

    quotes: int = 0
    trades: int = 0
    tickers: int = 0
    gaps: int = 0

    def on_ticker(self, ticker):
        self.tickers += 1

    def on_quote(self, quote):
        self.quotes += 1

    def on_trade(self, trade):
        self.trades += 1

    def on_gap(self, gap):
        self.gaps += 1
