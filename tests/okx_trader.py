"""A trading core and its venue over real sockets, in a selector of the test's own.

The test plays the strategy: it sends requests into the core, as the engine's pump does,
and reads the reports.
"""

import ctypes
import selectors
import time

import numpy as np

from livekit import clock
from livekit.credentials import Credentials
from livekit.engine.okx.adapter import OKXAdapter
from livekit.engine.okx.signing import Signer
from livekit.engine.okx.venue import OKXVenue
from livekit.engine.settings import EngineSettings
from livekit.events import (
    ANY_INSTRUMENT,
    ORDER,
    SLOT_BYTES,
    Action,
    Kind,
    OrderStatus,
    OrderType,
    Reject,
    TimeInForce,
)
from livekit.trading.core import TradingCore
from livekit.trading.limits import RiskLimits
from livekit.trading.router import on_market
from livekit.trading.sending import on_request_live

FREE = RiskLimits(
    max_order_notional=np.inf,
    max_position_notional=np.inf,
    price_band_bps=np.inf,
    orders_per_second=np.inf,
    order_burst=1,
    max_open_orders=1 << 20,
)


class Trader:
    """An account that trades; `reports` are ORDER rows, oldest first."""

    def __init__(self, url, key="alice", symbols=("BTC-USDT",), *, is_demo=True):
        settings = EngineSettings(source="okx", env="sim", url=url, symbols=list(symbols))
        self.adapter = OKXAdapter(settings)
        epoch = time.time_ns() // 1_000_000 % (32**6 - 1)
        self.core = TradingCore(
            self.adapter.instruments, limits=FREE, n_strategies=2, max_orders=512, epoch=epoch
        )
        credentials = Credentials(f"{key}-key", f"{key}-secret", f"{key}-pass")
        try:
            signer = Signer(credentials, self.adapter, is_demo=is_demo)
            self.venue = OKXVenue(self.adapter, self.core, signer)
        except BaseException:
            self.adapter.close()
            raise
        self.reports, self._selector, self._last_id = [], selectors.SelectSelector(), 0
        self.adapter.begin(self._selector, self._publish)
        self.venue.begin(self._selector, self._drain, self._drain)

    def _publish(self, address, n):
        for index in range(n):
            on_market(self.core.address, address + index * SLOT_BYTES, self.now)
        self.adapter.advance(n)

    def _drain(self):
        self.reports += [row["report"].copy() for row in self.core.drain()]

    @property
    def now(self):
        return self.adapter.clock.now()

    def turn(self, timeout_s=0.002):
        for key, _ in self._selector.select(timeout_s):
            key.data()
        now_ns = clock.monotonic_ns()
        self.adapter.look_after(now_ns)
        self.venue.look_after(now_ns)

    def until(self, condition, what="condition", timeout_s=20.0):
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            assert time.monotonic() < deadline, f"{what}: {self.venue.describe()}"
            self.turn()
        return value

    def ready(self):
        """Wait until the line is up, orders are taken and there is a price; return self."""
        self.until(
            lambda: self.venue.line.is_live and self.venue.problem == "" and self.bid > 0,
            "orders are taken",
        )
        return self

    @property
    def bid(self):
        return float(np.nan_to_num(self.core.markets[0]["bid_price"]))

    @property
    def ask(self):
        return float(np.nan_to_num(self.core.markets[0]["ask_price"]))

    # Requests.

    def request(self, action, **fields):
        request = np.zeros(1, ORDER)
        request["kind"], request["action"] = Kind.ORDER, action
        for name, value in fields.items():
            request[name] = value
        on_request_live(self.core.address, 0, ctypes.c_void_p(request.ctypes.data).value, self.now)
        self._drain()
        return int(request[0]["order_id"])

    def new(self, quantity, price=None, side=0, tif=TimeInForce.GTC, instrument=0, options=0):
        """Ask for an order, not sent before the next turn; return its id."""
        self._last_id += 1
        kind = OrderType.MARKET if price is None else OrderType.LIMIT
        return self.request(
            Action.NEW,
            order_id=self._last_id,
            side=side,
            order_type=kind,
            tif=tif,
            quantity=quantity,
            price=np.nan if price is None else price,
            instrument=instrument,
            options=options,
        )

    def modify(self, order_id, quantity=0.0, price=0.0):
        row = self.row(order_id)
        units = quantity or self.core.quantity(int(row["instrument"]), int(row["lots"]))
        return self.request(
            Action.MODIFY,
            order_id=order_id,
            side=row["side"],
            order_type=row["order_type"],
            tif=row["tif"],
            instrument=row["instrument"],
            quantity=units,
            price=price or row["price"],
        )

    def cancel(self, order_id):
        return self.request(Action.CANCEL, order_id=order_id)

    def cancel_all(self):
        return self.request(Action.CANCEL_ALL, instrument=ANY_INSTRUMENT)

    # What came of them.

    def row(self, order_id):
        """Return the core's row of an order."""
        return next(row for row in self.core.orders[1:] if row["order_id"] == order_id)

    def status(self, order_id):
        return OrderStatus(int(self.row(order_id)["status"]))

    def await_status(self, order_id, *wanted, timeout_s=20.0):
        self.until(
            lambda: self.status(order_id) in wanted,
            f"order {order_id} {[one.name for one in wanted]}",
            timeout_s,
        )
        return self.row(order_id)

    def rest(self, timeout_s=30.0):
        """Wait until nothing is under way and nothing unknown."""
        venue = self.venue

        def is_at_rest():
            return venue.desk.n_pending == venue.desk.n_unknown == venue.desk.n_asked == 0

        self.until(is_at_rest, "rest", timeout_s)

    def rejects(self):
        return [Reject(int(row["reject"])).name for row in self.reports if row["reject"]]

    def close(self):
        self.venue.close()
        self.adapter.close()
        self._selector.close()


def truth(running, client_id, account="alice"):
    """Return (state, filled units, price) of an order as the exchange has it, None for no order."""

    def look():
        found = running.exchange.world.accounts[account].by_client_id.get(client_id)
        if found is None:
            return None
        price = None if found.price is None else float(found.price)
        return found.state, float(found.filled), price

    return running.call(look)
