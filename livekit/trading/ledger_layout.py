"""What is kept of a run: one row an order, one a fill, one a sample of the equity.

The rows are the same for backtest, replay, paper and live, so everything said about a
run is computed from three arrays and a dictionary. Times are ns since the epoch, UTC;
money is quote currency, quantities are units of the instrument (contracts of a swap).
Layer 2.
"""

from typing import Final

from livekit.trading.limits import padded

__all__ = ["EQUITY_LOG", "FILL_LOG", "HORIZONS_NS", "ORDER_LOG"]

HORIZONS_NS: Final = (100_000_000, 1_000_000_000, 10_000_000_000, 60_000_000_000)
"""How long after a fill its markouts look: 100 ms, 1 s, 10 s, 60 s."""

ORDER_LOG: Final = padded(
    [
        ("order_id", "<i8"),
        ("instrument", "<i4"),
        ("side", "u1"),
        ("order_type", "u1"),
        ("tif", "u1"),
        ("options", "u1"),
        ("status", "u1"),
        ("spare", "u1"),
        ("reject", "<u2"),  # of its refusal or its end
        ("n_fills", "<i4"),
        ("price", "<f8"),  # the last one; NaN for a market order
        ("quantity", "<f8"),
        ("filled_quantity", "<f8"),
        ("average_price", "<f8"),  # NaN before a fill
        ("fee", "<f8"),  # sum over its fills
        ("created_ns", "<i8"),  # when the request was admitted or refused
        ("acked_ns", "<i8"),  # when the first report of the venue came; 0 before
        ("final_ns", "<i8"),  # 0 while it is open
        ("n_modifies", "<i8"),  # that took effect
        ("arrival_bid", "<f8"),  # touch when it was created, NaN where there was none
        ("arrival_ask", "<f8"),
        ("queue_ahead", "<f8"),  # what was ahead when it came to rest; NaN if it never rested
        ("client_order_id", "S24"),
    ],
    192,
)
"""One order, updated until it is final. Refused requests have a row too."""

FILL_LOG: Final = padded(
    [
        ("ts", "<i8"),  # when it was booked
        ("ts_venue", "<i8"),  # when it happened
        ("order_id", "<i8"),
        ("instrument", "<i4"),
        ("side", "u1"),
        ("is_maker", "u1"),
        ("spare", "<u2"),
        ("price", "<f8"),
        ("quantity", "<f8"),
        ("fee", "<f8"),  # a rebate is negative
        ("bid", "<f8"),  # touch at the venue just before it, NaN where there was none
        ("ask", "<f8"),
        ("queue_ahead", "<f8"),  # as in ORDER_LOG; NaN for a taker
        ("created_ns", "<i8"),  # of its order
        ("mid_100ms", "<f8"),  # mid of the touch so long after `ts_venue`; NaN past the data
        ("mid_1s", "<f8"),
        ("mid_10s", "<f8"),
        ("mid_60s", "<f8"),
    ],
    128,
)
"""One fill, in the order of booking."""

EQUITY_LOG: Final = padded(
    [
        ("ts", "<i8"),
        ("equity", "<f8"),  # cash at the start and all profit after fees, at the mark
        ("realized", "<f8"),  # before fees and funding
        ("unrealized", "<f8"),
        ("fees", "<f8"),  # paid so far, rebates taken off
        ("funding", "<f8"),  # received so far, negative when paid
        ("volume", "<f8"),  # notional traded so far
        ("net_exposure", "<f8"),  # signed value of all positions
        ("gross_exposure", "<f8"),
        ("n_fills", "<i8"),
        ("n_orders", "<i8"),
    ],
    128,
)
"""One sample of the account, on a regular grid of event time, and one at the end."""
