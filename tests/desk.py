"""A desk: one trading core with the shortest words for events, requests and reports."""

import numpy as np

from livekit.events import (
    ANY_INSTRUMENT,
    BOOK,
    ORDER,
    QUOTE,
    TICKER,
    TRADE,
    Action,
    Kind,
    OrderStatus,
    OrderType,
    Reject,
    TimeInForce,
)
from livekit.instruments import Instrument
from livekit.trading.core import TradingCore
from livekit.trading.limits import Fees, RiskLimits
from livekit.trading.router import on_market, on_request

SPOT = Instrument("BTC-USDT", tick=0.1, lot=0.001, min_quantity=0.001)
SWAP = Instrument("ETH-USDT-SWAP", 0.01, 1.0, 1.0, contract_value=0.1, kind="swap")
SECOND = 1_000_000_000


def unlimited(**changes):
    """Limits that refuse nothing but what is changed."""
    values = {
        "max_order_notional": np.inf,
        "max_position_notional": np.inf,
        "price_band_bps": np.inf,
        "max_reference_age_s": np.inf,
        "orders_per_second": np.inf,
        "order_burst": 1,
        "max_open_orders": 1 << 20,
    }
    return RiskLimits(**{**values, **changes})


class Desk:
    """A core, a clock that a test moves by hand, and one slot of memory for events."""

    def __init__(self, instruments=(SPOT, SWAP), limits=None, fees=None, **options):
        options = {"n_strategies": 4, "max_orders": 64, "max_instruments": 8, **options}
        self.core = TradingCore(
            instruments,
            limits=limits or unlimited(),
            fees=fees or Fees(maker=0.0002, taker=0.0005),
            **options,
        )
        self.now = SECOND
        self.slot = np.zeros(256, np.uint8)
        self.request = np.zeros(1, ORDER)
        self.reports = []

    def _market(self, dtype, kind, instrument, **values):
        self.slot[:] = 0
        event = self.slot[: dtype.itemsize].view(dtype)
        event["kind"], event["instrument"] = kind, instrument
        for name, value in values.items():
            event[name] = value
        result = on_market(self.core.address, self.slot.ctypes.data, self.now)
        self.drain()
        return result

    def quote(self, bid, ask, bid_size=10.0, ask_size=10.0, instrument=0):
        """Send a QUOTE."""
        return self._market(
            QUOTE,
            Kind.QUOTE,
            instrument,
            bid_price=bid,
            bid_size=bid_size,
            ask_price=ask,
            ask_size=ask_size,
        )

    def trade(self, price, size=1.0, instrument=0, side=0):
        """Send a TRADE; `side` is of who took."""
        return self._market(TRADE, Kind.TRADE, instrument, price=price, size=size, aux=side)

    def ticker(self, last, bid, ask, instrument=0):
        """Send a TICKER."""
        return self._market(
            TICKER, Kind.TICKER, instrument, last_price=last, bid_price=bid, ask_price=ask
        )

    def book(self, bids, asks, instrument=0):
        """Send a BOOK of (price, size) levels, best first."""
        sides = {}
        for name, levels in (("bid", bids), ("ask", asks)):
            rows = np.full((5, 2), np.nan)
            rows[: len(levels)] = levels
            sides[f"{name}_price"], sides[f"{name}_size"] = rows[:, 0], rows[:, 1]
        return self._market(BOOK, Kind.BOOK, instrument, **sides)

    def send(self, action=Action.NEW, strategy=0, **values):
        """Send a request and return the reports it caused."""
        self.request[:] = 0
        self.request["kind"], self.request["action"] = Kind.ORDER, action
        for name, value in values.items():
            self.request[name] = value
        return self.send_bytes(self.request, strategy)

    def send_bytes(self, request, strategy=0):
        """Send 128 bytes as they are."""
        self.result = on_request(self.core.address, strategy, request.ctypes.data, self.now)
        return self.drain()

    def limit(self, order_id, side, quantity, price, tif=TimeInForce.GTC, **values):
        """Send a limit order."""
        return self.send(
            order_id=order_id, side=side, quantity=quantity, price=price, tif=tif, **values
        )

    def market(self, order_id, side, quantity, **values):
        """Send a market order."""
        return self.send(
            order_id=order_id,
            side=side,
            quantity=quantity,
            price=np.nan,
            order_type=OrderType.MARKET,
            **values,
        )

    def modify(self, order_id, quantity, price, **values):
        """Send a MODIFY."""
        return self.send(Action.MODIFY, order_id=order_id, quantity=quantity, price=price, **values)

    def cancel(self, order_id, **values):
        """Send a CANCEL."""
        return self.send(Action.CANCEL, order_id=order_id, **values)

    def cancel_all(self, instrument=ANY_INSTRUMENT, **values):
        """Send a CANCEL_ALL."""
        return self.send(Action.CANCEL_ALL, instrument=instrument, **values)

    def drain(self):
        """Take the reports out of the outbox, and remember them."""
        rows = self.core.drain()
        self.reports.extend(rows)
        return rows["report"]

    def position(self, instrument=0, strategy=0):
        """Return a position's row."""
        return self.core.positions[strategy, instrument]

    def quantity(self, instrument=0, strategy=0):
        """Return a position in units."""
        return self.core.quantity(instrument, int(self.position(instrument, strategy)["lots"]))

    @staticmethod
    def outline(reports):
        """Return (status, reject) of each report, by name."""
        return [
            (OrderStatus(int(row["status"])).name, Reject(int(row["reject"])).name)
            for row in reports
        ]
