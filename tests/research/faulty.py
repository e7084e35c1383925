"""A strategy whose callbacks raise, one after the other as its parameter says."""

import livekit as lk


class Faulty(lk.Strategy):
    """Trades at the touch; what raises is `place`: see `fail`."""

    symbols = ("BTC-USDT",)
    timer = 0.25
    place = lk.Param(0, 0, 7)
    every = lk.Param(1, 1, 100)
    only = lk.Param(0, 0, 1)  # 1: nothing happens between what raises that does not
    size = lk.Param(0.01, 0.001, 1.0)

    calls: int = 0
    raised: int = 0
    sent: int = 0
    stopped: int = 0

    def on_start(self):
        if self.place == 6:
            raise ValueError("planned")

    def on_quote(self, quote):
        if self.place == 7:
            self.buy("BTC-USDT", -1.0)
            return
        if self.only == 1:
            if self.place == 0:
                self.fail()
            for _ in range(12):  # one event that makes more than a dozen reports
                self.buy("BTC-USDT", 0.001)
            return
        self.sent += 1
        if self.sent % 2 == 0:
            self.buy("BTC-USDT", self.size, quote.ask_price)
        else:
            self.sell("BTC-USDT", self.size, quote.bid_price)
        if self.place == 0:
            self.fail()

    def on_timer(self, timer):
        if self.place == 3:
            self.fail()

    def on_order(self, order):
        if self.place == 7:
            self.buy("BTC-USDT", -1.0)
        if self.place == 1:
            self.fail()
        if self.place == 4 and (self.only == 1 or order.last_quantity > 0.0):
            self.fail()

    def on_fill(self, order):
        if self.place == 2:
            self.fail()
        if self.place == 4:
            raise ValueError("planned")  # over the same report as on_order: counts once

    def on_stop(self):
        self.stopped += 1
        if self.place == 5:
            raise ValueError("planned")

    def fail(self):
        """Raise at every so manyth call."""
        self.calls += 1
        if self.calls % self.every == 0:
            self.raised += 1
            raise ValueError("planned")
