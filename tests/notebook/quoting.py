"""A strategy that keeps orders resting far from the touch, for tests of the dashboard."""

from livekit.strategy.api import Param, Strategy


class Quoting(Strategy):
    """Rests one buy, takes part in the market once, and counts what it sees."""

    symbols = ("BTC-USDT",)
    size = Param(0.01, 0.001, 1.0, hot=True)
    depth = Param(0.02, 0.001, 0.04)

    seen: int = 0
    resting: int = 0
    params_seen: int = 0

    def on_quote(self, quote):
        self.seen += 1
        if self.seen == 20:
            self.resting = self.buy("BTC-USDT", self.size, round(quote.bid_price * 0.98, 1))
        if self.seen == 40:
            self.buy("BTC-USDT", self.size)

    def on_params(self, params):
        self.params_seen += 1
