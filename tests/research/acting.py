"""A strategy that does everything at moments that look random, and are not."""

import livekit as lk


class Acting(lk.Strategy):
    """Orders, changes and cancels from every callback; folds all it sees into a digest."""

    symbols = ("BTC-USDT", "BTC-USDT-SWAP", "ETH-USDT")
    timer = 0.25
    pace = lk.Param(4, 1, 1000)  # one callback in so many acts
    start = lk.Param(1, 0, 1_000_000)  # of its dice
    mask = lk.Param(255, 0, 255)  # which callbacks act
    faults = lk.Param(0, 0, 1000)  # one callback in so many raises; 0 for none
    size = lk.Param(0.05, 0.001, 10.0)

    dice: int = 0
    digest: int = 0
    last: int = 0
    older: int = 0
    bid: float = 0.0
    ask: float = 0.0
    calls: int = 0
    fills: int = 0
    timers: int = 0
    started: int = 0

    def on_start(self):
        self.started = 1
        self.dice = self.start

    def on_quote(self, quote):
        if quote.symbol == "BTC-USDT":
            self.bid = quote.bid_price
            self.ask = quote.ask_price
        self.see(quote.bid_price + quote.ask_size)
        self.act(0, quote.symbol, quote.bid_price, quote.ask_price)

    def on_trade(self, trade):
        self.see(trade.price * (1 + trade.side) + trade.size)
        self.act(1, trade.symbol, trade.price, trade.price)

    def on_book(self, book):
        self.see(book.bid_price[0] + book.ask_size[4])
        self.act(2, book.symbol, book.bid_price[1], book.ask_price[1])

    def on_ticker(self, ticker):
        self.see(ticker.last_price)
        self.act(3, ticker.symbol, ticker.bid_price, ticker.ask_price)

    def on_bar(self, bar):
        self.see(bar.close)

    def on_gap(self, gap):
        self.see(1.5)

    def on_timer(self, timer):
        self.timers += 1
        self.see(2.5)
        if self.bid > 0.0:
            self.act(4, "BTC-USDT", self.bid, self.ask)

    def on_order(self, order):
        self.see(order.filled_quantity + order.status + order.reject)
        if order.price > 0.0 and order.quantity > 0.0 and order.reject != lk.Reject.UNKNOWN_ORDER:
            self.act(5, order.symbol, order.price, order.price)

    def on_fill(self, order):
        self.fills += 1
        self.see(order.last_price + order.fee)
        self.act(6, order.symbol, order.last_price, order.last_price)

    def on_stop(self):
        self.see(3.5)

    def see(self, value):
        """Fold a number, the time, the position and the open orders into the digest."""
        self.calls += 1
        mixed = self.digest * 31 + self.now % 1000003 + len(self.open_orders) * 7
        if value == value:  # noqa: PLR0124 - NaN is not
            mixed += int(value * 1000)
        mixed += int(self.position("BTC-USDT") * 1000)
        self.digest = mixed % 1000000007

    def roll(self):
        """Throw the dice: 23 bits."""
        self.dice = (self.dice * 1103515245 + 12345) % 2147483648
        return self.dice >> 8

    def act(self, bit, symbol, bid, ask):  # noqa: C901, PLR0912 - fifteen things to do
        """Do one of a dozen things, now and then."""
        if self.faults > 0 and self.roll() % self.faults == 0:
            raise ValueError("planned")
        if (self.mask >> bit) & 1 == 0 or self.roll() % self.pace != 0:
            return
        if bit >= 5 and self.roll() % 12 != 0:
            return  # who answers every report with an order goes on for ever
        tick = self.instrument(symbol).tick
        lot = self.instrument(symbol).lot
        size = max(int(self.size / lot) * lot, lot) * (1 + self.roll() % 3)
        choice = self.roll() % 15
        if choice == 0:
            self.keep(self.buy(symbol, size))
        elif choice == 1:
            self.keep(self.sell(symbol, size))
        elif choice == 2:
            self.keep(self.buy(symbol, size, bid))
        elif choice == 3:
            self.keep(self.sell(symbol, size, ask))
        elif choice == 4:
            self.keep(self.buy(symbol, size, ask + tick, tif=lk.IOC))
        elif choice == 5:
            self.keep(self.sell(symbol, size, bid - tick, tif=lk.FOK))
        elif choice == 6:
            self.keep(self.buy(symbol, size, ask, post_only=True))
            self.keep(self.sell(symbol, size, ask + tick, post_only=True))
        elif choice == 7:
            self.modify(self.last, price=bid - tick)
        elif choice == 8:
            self.modify(self.older, quantity=size)
        elif choice == 9:
            self.cancel(self.last)
        elif choice == 10:
            self.cancel(self.older)
            self.keep(self.buy(symbol, size, bid - tick))
        elif choice == 11:
            self.cancel_all(symbol)
        elif choice == 12:
            self.close(symbol)
        elif choice == 13:
            self.keep(self.sell(symbol, size, ask, reduce_only=True))
        else:
            self.cancel_all()

    def keep(self, order_id):
        """Remember an order, to change or cancel it later."""
        self.older = self.last
        self.last = order_id
