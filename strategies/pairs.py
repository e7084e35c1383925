"""Pairs: trade the ratio of two instruments that move together back to its mean."""

from math import floor, log, sqrt

import livekit as lk


class Pairs(lk.Strategy):
    """Short the dear one and buy the cheap one of BTC and ETH, for equal amounts of money.

    The spread is the logarithm of the ratio of the two mid prices; its mean and
    variance are exponentially weighted, with a weight per quote. Beyond `entry`
    standard deviations, and at least `edge_bps` away, both legs are opened; within
    `leave` both are closed. Legs take the touch (IOC) and are ordered separately, each
    from its real position, so a leg that was cut short or refused is completed at one
    of the next quotes.
    """

    symbols = ("BTC-USDT", "ETH-USDT")
    weight = lk.Param(0.0002, 0.00001, 0.05, hot=True)  # of a new spread
    entry = lk.Param(2.0, 0.5, 10.0, hot=True)  # standard deviations
    leave = lk.Param(0.25, 0.0, 5.0, hot=True)
    edge_bps = lk.Param(10.0, 0.0, 1000.0, hot=True)  # least distance that opens a position
    notional = lk.Param(2000.0, 100.0, 100_000.0, hot=True)  # of each leg, USDT
    warm_up = lk.Param(2000, 1, 1_000_000)  # spreads before the first order
    pause_s = lk.Param(10.0, 0.0, 3600.0)  # rest after a refusal

    btc_bid: float = 0.0
    btc_ask: float = 0.0
    eth_bid: float = 0.0
    eth_ask: float = 0.0
    mean: float = 0.0
    variance: float = 0.0
    distance: float = 0.0  # of the spread from its mean
    score: float = 0.0  # the same in standard deviations
    n_spreads: int = 0
    side: int = 0  # +1 long BTC and short ETH, -1 the other way round, 0 flat
    btc_target: float = 0.0
    eth_target: float = 0.0
    btc_working: int = 0  # ids of the orders under way
    eth_working: int = 0
    rejects: int = 0
    quiet_until: int = 0  # event time, ns

    def on_quote(self, quote):
        if quote.symbol == "BTC-USDT":
            self.btc_bid = quote.bid_price
            self.btc_ask = quote.ask_price
        else:
            self.eth_bid = quote.bid_price
            self.eth_ask = quote.ask_price
        if not (self.btc_bid > 0.0 and self.btc_ask > 0.0):
            return
        if not (self.eth_bid > 0.0 and self.eth_ask > 0.0):
            return
        self.measure()
        if self.n_spreads < self.warm_up or self.now < self.quiet_until:
            return
        self.decide()
        if self.btc_working == 0:
            self.btc_working = self.move("BTC-USDT", self.btc_target, self.btc_bid, self.btc_ask)
        if self.eth_working == 0:
            self.eth_working = self.move("ETH-USDT", self.eth_target, self.eth_bid, self.eth_ask)

    def measure(self):
        """Bring the mean, the variance and the score up to the spread as it is now."""
        spread = log((self.btc_bid + self.btc_ask) / (self.eth_bid + self.eth_ask))
        if self.n_spreads == 0:
            self.mean = spread
        self.n_spreads += 1
        self.distance = spread - self.mean
        if self.variance > 0.0:
            self.score = self.distance / sqrt(self.variance)
        self.mean += self.weight * self.distance
        self.variance += self.weight * (self.distance * self.distance - self.variance)

    def decide(self):
        """Choose the side, and with a new one the position of each leg."""
        side = self.side
        is_far = abs(self.distance) > self.edge_bps * 1e-4
        if is_far and self.score > self.entry:
            side = -1
        elif is_far and self.score < -self.entry:
            side = 1
        elif abs(self.score) < self.leave:
            side = 0
        if side != self.side:
            self.side = side
            btc_lot = self.instrument("BTC-USDT").lot
            eth_lot = self.instrument("ETH-USDT").lot
            self.btc_target = side * floor(self.notional / self.btc_ask / btc_lot) * btc_lot
            self.eth_target = -side * floor(self.notional / self.eth_ask / eth_lot) * eth_lot
            self.log("pairs change sides: side, score", side, self.score)

    def move(self, symbol, target, bid, ask):
        """Order what is missing from the target; return the order's id, 0 for none."""
        missing = target - self.position(symbol)
        lot = self.instrument(symbol).lot
        if missing >= lot / 2:
            return self.buy(symbol, floor(missing / lot + 0.5) * lot, ask, tif=lk.IOC)
        if missing <= -lot / 2:
            return self.sell(symbol, floor(-missing / lot + 0.5) * lot, bid, tif=lk.IOC)
        return 0

    def on_order(self, order):
        if order.status >= lk.OrderStatus.FILLED:
            if order.order_id == self.btc_working:
                self.btc_working = 0
            elif order.order_id == self.eth_working:
                self.eth_working = 0
        if order.status == lk.OrderStatus.REJECTED:
            self.rejects += 1
            self.quiet_until = self.now + int(self.pause_s * 1e9)

    def on_stop(self):
        self.log("pairs stop: spreads, rejects", self.n_spreads, self.rejects)
