"""A strategy that writes every event it is given, as it lies in memory, for tests."""

from pathlib import Path

from livekit.strategy.api import Strategy


class Witness(Strategy):
    """Keeps the bytes of all events beside its own file."""

    symbols = ("BTC-USDT", "ETH-USDT")

    n: int = 0
    gaps: int = 0
    ups: int = 0

    def on_start(self):
        self.file = Path(__file__).with_suffix(".events").open("wb")

    def on_stop(self):
        self.file.close()

    def keep(self, event):
        self.n += 1
        self.file.write(bytes(event))

    def on_ticker(self, ticker):
        self.keep(ticker)

    def on_quote(self, quote):
        self.keep(quote)

    def on_trade(self, trade):
        self.keep(trade)

    def on_book(self, book):
        self.keep(book)

    def on_bar(self, bar):
        self.keep(bar)

    def on_gap(self, gap):
        self.gaps += 1
        self.keep(gap)

    def on_connection(self, connection):
        self.ups += connection.connected
        self.keep(connection)
