"""Small data and strategies for sweeps: files, because what runs is always a file."""

import numpy as np

from livekit.events import QUOTE, TRADE, Kind
from livekit.instruments import Instrument
from livekit.research.data import Data

COIN = Instrument("BTC-USDT", tick=0.1, lot=0.001, min_quantity=0.001)
START_NS = 1_717_200_000_000_000_000

CROSS = '''
import livekit as lk


class Cross(lk.Strategy):
    """Trade the crossing of two averages of the mid."""

    symbols = ("BTC-USDT",)
    jit = True
    fast = lk.Param(20, 1, 10_000)
    slow = lk.Param(100, 1, 10_000)
    size = lk.Param(0.01, 0.001, 1.0)

    ema_fast: float = 0.0
    ema_slow: float = 0.0
    n: int = 0
    side: int = 0

    def on_quote(self, quote):
        mid = (quote.bid_price + quote.ask_price) / 2
        self.n += 1
        if self.n == 1:
            self.ema_fast = self.ema_slow = mid
        self.ema_fast += 2 / (self.fast + 1) * (mid - self.ema_fast)
        self.ema_slow += 2 / (self.slow + 1) * (mid - self.ema_slow)
        if self.n < self.slow:
            return
        if self.ema_fast > self.ema_slow and self.side <= 0:
            self.buy(quote.symbol, self.size if self.side == 0 else 2 * self.size)
            self.side = 1
        elif self.ema_fast < self.ema_slow and self.side >= 0:
            self.sell(quote.symbol, self.size if self.side == 0 else 2 * self.size)
            self.side = -1
'''

FAULTY = '''
import os

import livekit as lk


class Faulty(lk.Strategy):
    """Does what its parameter says: 0 nothing, 1 raises, 2 ends its process."""

    symbols = ("BTC-USDT",)
    mode = lk.Param(0, 0, 9)
    seen: int = 0

    def on_quote(self, quote):
        self.seen += 1
        if self.mode == 1:
            raise ValueError("mode is one")
        if self.mode == 2:
            os._exit(3)
        if self.seen == 5:
            self.buy(quote.symbol, 0.01)
'''


def write_strategy(folder, text, name="cross"):
    path = folder / f"{name}.py"
    path.write_text(text)
    return path


def make_arrays(n=4000, seed=0, seconds=14_400):
    """Return quotes and trades of a random walk."""
    rng = np.random.default_rng(seed)
    ts = START_NS + np.sort(rng.integers(0, seconds * 10**9, n))
    ts[0] = START_NS
    mid = 50_000 + np.cumsum(rng.normal(0, 1.0, n))
    quotes = np.zeros(n, QUOTE)
    quotes["kind"] = int(Kind.QUOTE)
    quotes["ts_event"] = quotes["ts_recv"] = ts
    quotes["sequence"] = 2 * np.arange(n)
    quotes["bid_price"] = np.round(mid, 1)
    quotes["ask_price"] = quotes["bid_price"] + 0.1
    quotes["bid_size"], quotes["ask_size"] = rng.uniform(0.5, 2, (2, n)).round(3)
    chosen = quotes[10::7]
    trades = np.zeros(len(chosen), TRADE)
    trades["kind"] = int(Kind.TRADE)
    trades["ts_event"] = trades["ts_recv"] = chosen["ts_recv"]
    trades["sequence"] = chosen["sequence"] + 1
    trades["price"], trades["size"] = chosen["bid_price"], 0.02
    trades["aux"] = 1
    return quotes, trades


def make_data(n=4000, seed=0, seconds=14_400):
    quotes, trades = make_arrays(n, seed, seconds)
    return Data.from_arrays({("BTC-USDT", "quote"): quotes, ("BTC-USDT", "trade"): trades}, [COIN])
