"""Momentum: follow the crossing of two exponential averages of the last price."""

from math import nan

import livekit as lk


class Momentum(lk.Strategy):
    """Hold `size` long while the fast average is above the slow one, short while below.

    Both averages are moved by every ticker, so their weights are per ticker: 0.02
    forgets half of the past in about 35 of them. Inside a band around the slow average
    nothing changes, or every flicker would cost two fees. The position is moved by
    orders that take the touch or are cancelled (IOC), one at a time, from where it
    really is, so a partial fill or a refusal is put right by the next ticker.
    """

    symbols = ("BTC-USDT",)
    fast = lk.Param(0.02, 0.001, 0.5, hot=True)  # weight of a new price
    slow = lk.Param(0.002, 0.0001, 0.1, hot=True)
    band_bps = lk.Param(5.0, 0.0, 100.0, hot=True)  # half width, basis points
    size = lk.Param(0.02, 0.0001, 1.0, hot=True)  # position to hold, BTC
    warm_up = lk.Param(200, 1, 100_000)  # tickers before the first order
    pause_s = lk.Param(10.0, 0.0, 3600.0)  # rest after a refusal

    ema_fast: float = nan
    ema_slow: float = nan
    side: int = 0  # +1 long, -1 short, 0 before the first crossing
    n_tickers: int = 0
    working: int = 0  # id of the order under way
    rejects: int = 0
    quiet_until: int = 0  # event time, ns

    def on_start(self):
        self.log("momentum starts: fast, slow, size", self.fast, self.slow, self.size)

    def on_ticker(self, ticker):
        price = ticker.last_price
        if not (price > 0.0 and ticker.bid_price > 0.0 and ticker.ask_price > 0.0):
            return  # nothing traded yet, or one side of the book is empty
        self.n_tickers += 1
        if self.n_tickers == 1:
            self.ema_fast = price
            self.ema_slow = price
        self.ema_fast += self.fast * (price - self.ema_fast)
        self.ema_slow += self.slow * (price - self.ema_slow)
        if self.n_tickers < self.warm_up:
            return
        band = self.ema_slow * self.band_bps * 1e-4
        if self.ema_fast > self.ema_slow + band:
            self.side = 1
        elif self.ema_fast < self.ema_slow - band:
            self.side = -1
        if self.working == 0 and self.now >= self.quiet_until:
            self.move(ticker, self.side * self.size)

    def move(self, ticker, target):
        """Order what is missing from the target, at the touch."""
        missing = target - self.position(ticker.symbol)
        lot = self.instrument(ticker.symbol).lot
        if missing >= lot / 2:
            self.working = self.buy(ticker.symbol, missing, ticker.ask_price, tif=lk.IOC)
        elif missing <= -lot / 2:
            self.working = self.sell(ticker.symbol, -missing, ticker.bid_price, tif=lk.IOC)

    def on_order(self, order):
        if order.order_id == self.working and order.status >= lk.OrderStatus.FILLED:
            self.working = 0
        if order.status == lk.OrderStatus.REJECTED:
            self.rejects += 1
            self.quiet_until = self.now + int(self.pause_s * 1e9)

    def on_stop(self):
        self.log("momentum stops: tickers, rejects", self.n_tickers, self.rejects)
