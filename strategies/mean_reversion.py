"""Mean reversion: sell what is dear against its recent mean, buy what is cheap."""

from math import sqrt

import livekit as lk

WINDOW = 1024  # mid prices remembered


class MeanReversion(lk.Strategy):
    """Rest an order at the touch when the mid price is far from its mean.

    The distance is measured in standard deviations of the last `window` mid prices,
    kept in a ring with running sums. They are taken relative to the first price seen,
    because the square of a price would leave no digits for its variance. Beyond
    `entry`, and at least `edge_bps` away, the strategy rests a post-only order that
    opens a position; within `leave` one that closes it. An order whose reason is gone,
    or whose price the market has left behind, is cancelled, and the next quote decides
    anew.
    """

    symbols = ("BTC-USDT",)
    window = lk.Param(512, 16, WINDOW)
    entry = lk.Param(2.0, 0.5, 10.0, hot=True)  # standard deviations
    leave = lk.Param(0.5, 0.0, 5.0, hot=True)
    edge_bps = lk.Param(6.0, 0.0, 1000.0, hot=True)  # least distance that opens a position
    size = lk.Param(0.01, 0.0001, 1.0, hot=True)  # BTC
    pause_s = lk.Param(10.0, 0.0, 3600.0)  # rest after a refusal

    mids: lk.array(WINDOW)
    n_quotes: int = 0
    origin: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    distance: float = 0.0  # from the mean
    score: float = 0.0  # the same in standard deviations
    working: int = 0  # id of the order under way
    working_side: int = 0  # +1 buys, -1 sells
    working_price: float = 0.0
    is_cancelling: bool = False
    rejects: int = 0
    quiet_until: int = 0  # event time, ns

    def on_quote(self, quote):
        if not (quote.bid_price > 0.0 and quote.ask_price > 0.0):
            return  # one side of the book is empty
        self.remember((quote.bid_price + quote.ask_price) / 2.0)
        if self.n_quotes < self.window:
            return
        side = self.wanted_side(self.position(quote.symbol), quote.bid_price)
        price = quote.bid_price if side > 0 else quote.ask_price
        if self.working != 0:
            is_stale = side != self.working_side or price != self.working_price
            if is_stale and not self.is_cancelling:
                self.is_cancelling = self.cancel(self.working) != 0
        elif side != 0 and self.now >= self.quiet_until:
            self.rest(quote.symbol, side, price)

    def remember(self, mid):
        """Put a mid price into the ring and bring sums and score up to it."""
        if self.n_quotes == 0:
            self.origin = mid
        value = mid - self.origin
        place = self.n_quotes % self.window
        if self.n_quotes >= self.window:
            old = self.mids[place]
            self.total -= old
            self.squares -= old * old
        self.mids[place] = value
        self.total += value
        self.squares += value * value
        self.n_quotes += 1
        count = min(self.n_quotes, self.window)
        mean = self.total / count
        variance = self.squares / count - mean * mean
        self.distance = value - mean
        self.score = self.distance / sqrt(variance) if variance > 1e-6 else 0.0

    def wanted_side(self, position, price):
        """+1 to buy, -1 to sell, 0 to wait."""
        if position > 0.0:
            return -1 if self.score > -self.leave else 0
        if position < 0.0:
            return 1 if self.score < self.leave else 0
        if abs(self.distance) < self.edge_bps * 1e-4 * price:
            return 0
        if self.score > self.entry:
            return -1
        return 1 if self.score < -self.entry else 0

    def rest(self, symbol, side, price):
        """Rest an order at the touch: the whole position if there is one, else `size`."""
        position = self.position(symbol)
        quantity = abs(position) if position != 0.0 else self.size
        if side > 0:
            self.working = self.buy(symbol, quantity, price, post_only=True)
        else:
            self.working = self.sell(symbol, quantity, price, post_only=True)
        self.working_side = side
        self.working_price = price
        self.is_cancelling = False

    def on_order(self, order):
        if order.order_id == self.working and order.status >= lk.OrderStatus.FILLED:
            self.working = 0
        if order.status == lk.OrderStatus.REJECTED:
            self.rejects += 1
            # A post-only order that would have taken was merely late: try again at once.
            if order.reject != lk.Reject.POST_ONLY_WOULD_TAKE:
                self.quiet_until = self.now + int(self.pause_s * 1e9)

    def on_stop(self):
        self.log("mean reversion stops: quotes, rejects", self.n_quotes, self.rejects)
