"""The market of the backtest benchmark: one seeded day of quotes and trades.

One instrument, tick 0.1, strictly increasing stamps over 24 hours, a random walk of the
touch and trades at it. Statistically naive on purpose: it measures engines, not
strategies. Every engine gets the same records, as one plain array that needs no livekit
to be read; the order of the draws is part of the definition, since published results
hang on it.
Layer 5.
"""

from pathlib import Path
from typing import Final

import numpy as np

from livekit.events import QUOTE, TRADE, Kind, Side
from livekit.instruments import Instrument

__all__ = ["INSTRUMENT", "MARKET", "make_market", "to_events", "write_catalog"]

MARKET: Final = np.dtype(
    [("ts", "<i8"), ("kind", "<i8"), ("a", "<f8"), ("b", "<f8"), ("c", "<f8"), ("d", "<f8")]
)
"""kind 0 is a quote: a bid price, b ask price, c bid size, d ask size; 1 a trade by a
buyer, 2 one by a seller: a price, c size."""

INSTRUMENT: Final = Instrument("BTC-USDT", 0.1, 0.001, 0.001, kind="swap")
"""A swap, because the works sell short."""

_START_NS: Final = 1_717_200_000_000_000_000  # 2024-06-01
_DAY_NS: Final = 86_400e9


def make_market(n_quotes: int, n_trades: int, seed: int = 20240601) -> np.ndarray:
    """Draw the day.

    Parameters
    ----------
    n_quotes, n_trades : int
    seed : int

    Returns
    -------
    MARKET[n_quotes + n_trades]
        In the order of time; the first one is a quote.
    """
    dice = np.random.default_rng(seed)
    n_events = n_quotes + n_trades
    gaps = 1 + dice.exponential(_DAY_NS / n_events, n_events).astype(np.int64)
    is_trade = dice.permutation((np.arange(n_events) >= n_quotes).astype(np.int64)) == 1
    if is_trade[0]:  # a trade needs a quote before it
        first_quote = np.flatnonzero(~is_trade)[0]
        is_trade[[0, first_quote]] = False, True
    steps = dice.choice([-2, -1, 0, 1, 2], n_quotes, p=[0.03, 0.17, 0.60, 0.17, 0.03])
    bid = 500_000 + np.cumsum(steps)
    ask = bid + dice.choice([1, 2, 3], n_quotes, p=[0.88, 0.10, 0.02])
    bid_size, ask_size = (np.round(dice.uniform(0.05, 5, n_quotes), 3) for _ in range(2))
    is_buyer = dice.integers(0, 2, n_trades) == 1
    size = np.maximum(0.001, np.round(dice.exponential(0.2, n_trades), 3))

    market = np.zeros(n_events, MARKET)
    market["ts"] = _START_NS + np.cumsum(gaps)
    quotes, trades = np.flatnonzero(~is_trade), np.flatnonzero(is_trade)
    market["a"][quotes], market["b"][quotes] = bid / 10.0, ask / 10.0
    market["c"][quotes], market["d"][quotes] = bid_size, ask_size
    last_quote = (np.cumsum(~is_trade) - 1)[trades]
    market["kind"][trades] = np.where(is_buyer, 1, 2)
    market["a"][trades] = np.where(is_buyer, ask[last_quote], bid[last_quote]) / 10.0
    market["c"][trades] = size
    return market


def to_events(market: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """Return the market as livekit's events: ``{(symbol, kind): QUOTE[n] or TRADE[n]}``."""
    made = {}
    for name, kind, dtype in (("quote", Kind.QUOTE, QUOTE), ("trade", Kind.TRADE, TRADE)):
        at = np.flatnonzero((market["kind"] == 0) == (kind == Kind.QUOTE))
        rows = made[INSTRUMENT.symbol, name] = np.zeros(len(at), dtype)
        rows["kind"], rows["sequence"] = kind, at + 1
        rows["ts_event"] = rows["ts_recv"] = market["ts"][at]
        fields = {"bid_price": "a", "ask_price": "b", "bid_size": "c", "ask_size": "d"}
        if kind == Kind.TRADE:
            fields = {"price": "a", "size": "c"}
            rows["trade_id"] = np.arange(1, len(at) + 1)
            rows["aux"] = np.where(market["kind"][at] == 1, Side.BUY, Side.SELL)
        for field, column in fields.items():
            rows[field] = market[column][at]
    return made


def write_catalog(market: np.ndarray, root: Path) -> None:
    """Record the market below `root`, as the recorder would."""
    from livekit.store.catalog import Catalog  # noqa: PLC0415 - pyarrow, for one row of many

    catalog = Catalog(root)
    catalog.write_instruments([INSTRUMENT])
    for (symbol, kind), rows in to_events(market).items():
        days = rows["ts_recv"] // int(_DAY_NS)
        for day in np.unique(days):
            name = str(np.datetime64(int(day), "D"))
            catalog.write(symbol, kind, name, rows[days == day])
