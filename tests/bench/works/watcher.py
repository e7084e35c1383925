"""A strategy that looks at everything and does nothing, for the soak of ``livekit bench feed``."""

from livekit.strategy.api import Strategy


class Watcher(Strategy):
    """Keeps the last mid price and volume of what it is given."""

    symbols = ()

    mid: float = 0.0
    volume: float = 0.0
    n_books: int = 0
    n_gaps: int = 0

    def on_quote(self, quote):
        self.mid = 0.5 * (quote.bid_price + quote.ask_price)

    def on_trade(self, trade):
        self.volume += trade.size

    def on_book(self, book):
        self.n_books += 1

    def on_gap(self, gap):
        self.n_gaps += 1
