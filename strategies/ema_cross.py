"""EMA cross: the smallest whole strategy, to copy from."""

import livekit as lk


class EmaCross(lk.Strategy):
    """Long while the fast average of the mid price is above the slow one, else flat.

    The averages move with every quote, by their weights: 0.002 forgets half of the past
    in about 350 quotes. A position is opened only `band_bps` above the slow average, or
    every flicker would cost two fees. One order is under way at a time; it takes the
    touch or is cancelled (IOC), and the next quote decides anew.
    """

    symbols = ("BTC-USDT",)
    fast = lk.Param(0.002, 0.0001, 0.5, hot=True)  # default, lowest, highest; may change live
    slow = lk.Param(0.0002, 0.00001, 0.1, hot=True)
    band_bps = lk.Param(2.0, 0.0, 100.0, hot=True)
    size = lk.Param(0.02, 0.001, 1.0)  # BTC

    ema_fast: float = 0.0  # annotated attributes are state: others can read it while it trades
    ema_slow: float = 0.0
    working: int = 0  # id of the order under way

    def on_quote(self, quote):
        if not (quote.bid_price > 0.0 and quote.ask_price > 0.0):
            return  # one side of the book is empty
        mid = (quote.bid_price + quote.ask_price) / 2
        if self.ema_slow == 0.0:
            self.ema_fast = self.ema_slow = mid
        self.ema_fast += self.fast * (mid - self.ema_fast)
        self.ema_slow += self.slow * (mid - self.ema_slow)
        if self.working == 0:
            self.trade(quote)

    def trade(self, quote):
        """Order what the averages ask for."""
        is_long = self.position(quote.symbol) > 0.0
        if is_long and self.ema_fast < self.ema_slow:
            self.working = self.close(quote.symbol)
        elif not is_long and self.ema_fast > self.ema_slow * (1.0 + self.band_bps * 1e-4):
            self.working = self.buy(quote.symbol, self.size, quote.ask_price, tif=lk.IOC)

    def on_order(self, order):
        if order.order_id == self.working and order.status >= lk.OrderStatus.FILLED:
            self.working = 0  # filled, cancelled or rejected
