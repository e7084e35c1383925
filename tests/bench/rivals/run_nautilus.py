"""The works in Nautilus Trader: its backtest engine over tick objects, as it comes.

Logging, the risk engine's checks and the analysis after the run are off. What is timed is
`engine.run()` alone: not the making of the tick objects, nor that of the engine. Resting
orders are filled by Nautilus's own rule for quotes, which knows no queue and fills at
most the size shown, so the market maker's fills are other ones than hftbacktest's.
"""

import time
from decimal import Decimal

import numpy as np
import pandas as pd
from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, RiskEngineConfig
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import QuoteTickDataWrangler, TradeTickDataWrangler
from nautilus_trader.trading.strategy import Strategy
from protocol import EVERY, FAST, FILL, LIMIT, SIZE, SLOW, TAKER, last_mid, serve

CASH = 1_000_000
VENUE = Venue("SIM")
NAME = InstrumentId(Symbol("BTC-USDT"), VENUE)
INSTRUMENT = CryptoPerpetual(
    instrument_id=NAME,
    raw_symbol=Symbol("BTC-USDT"),
    base_currency=BTC,
    quote_currency=USDT,
    settlement_currency=USDT,
    is_inverse=False,
    price_precision=1,
    size_precision=3,
    price_increment=Price.from_str("0.1"),
    size_increment=Quantity.from_str("0.001"),
    margin_init=Decimal("0.01"),
    margin_maint=Decimal("0.01"),
    maker_fee=Decimal(0),
    taker_fee=Decimal(str(TAKER)),
    ts_event=0,
    ts_init=0,
)


class Base(Strategy):
    """Keeps what it sent and what was filled."""

    def on_start(self):
        self.n_quotes = self.n_orders = self.n_cancels = 0
        self.held = 0.0
        self.fees = 0.0
        self.fills = []
        self.subscribe_quote_ticks(NAME)

    def on_order_filled(self, event):
        is_buy = event.order_side == OrderSide.BUY
        quantity = event.last_qty.as_double()
        self.held += quantity if is_buy else -quantity
        self.fees += event.commission.as_double()
        self.fills.append((event.ts_event, 1 - is_buy, event.last_px.as_double(), quantity))


class EmaCross(Base):
    """Work 2."""

    def on_start(self):
        super().on_start()
        self.ema_fast = self.ema_slow = 0.0
        self.side = 0

    def on_quote_tick(self, tick):
        mid = (tick.bid_price.as_double() + tick.ask_price.as_double()) / 2
        self.n_quotes += 1
        if self.n_quotes == 1:
            self.ema_fast = self.ema_slow = mid
        self.ema_fast += 2 / (FAST + 1) * (mid - self.ema_fast)
        self.ema_slow += 2 / (SLOW + 1) * (mid - self.ema_slow)
        if self.n_quotes < SLOW:
            return
        if self.ema_fast > self.ema_slow and self.side <= 0:
            self.send(OrderSide.BUY)
            self.side = 1
        elif self.ema_fast < self.ema_slow and self.side >= 0:
            self.send(OrderSide.SELL)
            self.side = -1

    def send(self, side):
        """Send a market order that turns the position over."""
        self.n_orders += 1
        quantity = Quantity(SIZE if self.side == 0 else 2 * SIZE, 3)
        self.submit_order(self.order_factory.market(NAME, side, quantity))


class MarketMaker(Base):
    """Work 3."""

    def on_start(self):
        super().on_start()
        self.bid = self.ask = None

    def on_quote_tick(self, tick):
        self.n_quotes += 1
        if self.n_quotes % EVERY:
            return
        self.bid = self.kept(self.bid, tick.bid_price)
        self.ask = self.kept(self.ask, tick.ask_price)
        room = LIMIT - 1e-9  # a sum of sizes may be off by an ulp
        if self.bid is None and self.held < room:
            self.bid = self.rest(OrderSide.BUY, tick.bid_price)
        if self.ask is None and self.held > -room:
            self.ask = self.rest(OrderSide.SELL, tick.ask_price)

    def kept(self, order, price):
        """Return the order if it is open at the price, and cancel it if at another."""
        if order is None or order.is_closed:
            return None
        if order.price == price:
            return order
        self.n_cancels += 1
        self.cancel_order(order)
        return None

    def rest(self, side, price):
        """Send a post-only order."""
        self.n_orders += 1
        quantity = Quantity(SIZE, 3)
        order = self.order_factory.limit(NAME, side, quantity, price, post_only=True)
        self.submit_order(order)
        return order


class State:
    """The market as one list of tick objects in order."""

    def __init__(self, market):
        is_quote = market["kind"] == 0
        quotes, trades = market[is_quote], market[~is_quote]
        frame = pd.DataFrame(
            {
                "bid_price": quotes["a"],
                "ask_price": quotes["b"],
                "bid_size": quotes["c"],
                "ask_size": quotes["d"],
            },
            index=pd.to_datetime(quotes["ts"], utc=True),
        )
        ticks = np.empty(len(market), object)
        ticks[np.flatnonzero(is_quote)] = QuoteTickDataWrangler(INSTRUMENT).process(frame)
        frame = pd.DataFrame(
            {
                "price": trades["a"],
                "quantity": trades["c"],
                "buyer_maker": trades["kind"] == 2,
                "trade_id": np.arange(len(trades)).astype(str),
            },
            index=pd.to_datetime(trades["ts"], utc=True),
        )
        ticks[np.flatnonzero(~is_quote)] = TradeTickDataWrangler(INSTRUMENT).process(frame)
        self.ticks = ticks.tolist()
        self.mid = last_mid(market)


def run(state, strategy):
    """Run one strategy over the ticks."""
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            risk_engine=RiskEngineConfig(bypass=True),
            run_analysis=False,
        )
    )
    engine.add_venue(
        VENUE,
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(CASH, USDT)],
        base_currency=USDT,
        default_leverage=Decimal(1),
    )
    engine.add_instrument(INSTRUMENT)
    engine.add_data(state.ticks, sort=False)
    engine.add_strategy(strategy)
    start = time.perf_counter()
    engine.run()
    seconds = time.perf_counter() - start
    fills = np.array(strategy.fills, FILL)
    sign = np.where(fills["side"] == 0, 1, -1)
    cash = -float((sign * fills["price"] * fills["quantity"]).sum())
    result = {
        "n_orders": strategy.n_orders,
        "n_cancels": strategy.n_cancels,
        "n_fills": len(fills),
        "pnl": cash + strategy.held * state.mid - strategy.fees,
        "fees": strategy.fees,
        "position": round(strategy.held, 9),
    }
    engine.dispose()
    return seconds, result, fills


def run_ema_cross(state, _request):
    """Run work 2."""
    return run(state, EmaCross())


def run_market_maker(state, _request):
    """Run work 3."""
    return run(state, MarketMaker())


if __name__ == "__main__":
    works = {"ema_cross": run_ema_cross, "market_maker": run_market_maker}
    serve(["nautilus_trader"], State, works)
