"""The records that a trading core is made of, as NumPy dtypes, and the states in them.

Quantities are whole lots (int64) inside the core and float64 units at its borders, so
a closed position is exactly 0; a step is a fraction of two whole float64 numbers, so
a multiple of it is the float64 nearest to the decimal number (0.3, never
0.30000000000000004). `layout` says where each record lies.
Layer 2.
"""

import enum
from typing import Final

import numpy as np

from livekit.events import BOOK, ORDER
from livekit.trading.limits import padded

__all__ = [
    "CORE",
    "ENTRY",
    "FLOAT",
    "LINE",
    "MARKET",
    "ORDER_ROW",
    "OUTBOX",
    "POSITION",
    "SEND",
    "STRATEGY",
    "UNLIMITED_LOTS",
    "WIRE",
    "Gate",
    "TouchSource",
    "TradingState",
]


class TradingState(enum.IntEnum):
    """What the core admits: everything, orders that reduce a position, or only cancels."""

    ACTIVE = 0
    REDUCING = 1
    HALTED = 2
    PAUSED = 3  # only cancels, as when halted, but what rests stays and trading may go on


class Gate(enum.IntEnum):
    """Whether one strategy may send orders; its cancels pass either way."""

    OPEN = 0
    FENCED = 1


class TouchSource(enum.IntEnum):
    """Where the touch of an instrument comes from; a better source silences a ticker."""

    NONE = 0
    TICKER = 1
    QUOTE = 2


UNLIMITED_LOTS: Final = 1 << 56
"""Size of a touch whose size is unknown (a ticker's) or ignored."""

CORE: Final = padded(
    [
        ("state", "<i8"),
        ("n_instruments", "<i8"),
        ("n_strategies", "<i8"),
        ("max_instruments", "<i8"),
        ("max_orders", "<i8"),
        ("max_reports", "<i8"),
        ("n_reports", "<i8"),  # in the outbox
        ("markets", "<i8"),  # offsets of the sections from the start of the block
        ("books", "<i8"),
        ("strategies", "<i8"),
        ("limits", "<i8"),
        ("positions", "<i8"),
        ("orders", "<i8"),
        ("index", "<i8"),
        ("index_mask", "<i8"),
        ("outbox", "<i8"),
        ("epoch", "<i8"),  # of the account, in client order ids
        ("venue_block", "<i8"),  # 1: the venue can take no new order now
        ("sequence", "<i8"),  # of the last admitted intent
        ("report_sequence", "<i8"),
        ("n_used", "<i8"),  # order rows ever taken; rows 1 to n_used
        ("oldest_free", "<i8"),
        ("newest_free", "<i8"),
        ("n_open", "<i8"),
        ("n_busy", "<i8"),  # rows that are open, or final with a message still in flight
        ("n_faults", "<i8"),  # transitions the life cycle forbids; the first one halts
        ("unlimited_depth", "<i8"),
        ("initial_cash", "<f8"),
        ("cash", "<f8"),
        ("cash_rest", "<f8"),  # what rounding took from cash so far
        ("now", "<i8"),  # of the last step of `advance`, or of the last funding
        # Models of the paper exchange.
        ("partial_fills", "<i8"),
        ("queue_kind", "<i8"),
        ("queue_exponent", "<f8"),
        ("queue_function", "<i8"),  # address of the user's own, valid in this process
        ("is_hidden_empty", "<i8"),  # whether a level that a quote does not show is empty
        # Messages in flight.
        ("lines", "<i8"),
        ("table", "<i8"),  # points of the latencies
        ("wire", "<i8"),
        ("max_wire", "<i8"),
        ("n_wire", "<i8"),  # slots ever taken; slots 1 to n_wire
        ("free_wire", "<i8"),  # the slot freed last; 0 none
        ("is_always_queued", "<i8"),  # even what takes no time waits for `advance`
        # Requests that wait to be sent to a venue over a network.
        ("sends", "<i8"),
        ("n_sends", "<i8"),
        ("max_sends", "<i8"),
        # The answer of the venue that is being applied.
        ("hear", "<i8"),  # address of what applies it, valid in this process
        ("said_ns", "<i8"),
        ("said_row", "<i8"),
        ("said_kind", "<i8"),
        ("said_reject", "<i8"),
        ("said_liquidity", "<i8"),  # 0 but while a fill is reported
        ("said_lots", "<i8"),
        ("said_price", "<f8"),
        ("said_bid", "<f8"),
        ("said_ask", "<f8"),
        ("said_ahead", "<f8"),
    ],
    512,
)

SEND: Final = np.dtype([("row", "<i8"), ("action", "<i8"), ("ts", "<i8"), ("spare", "<i8")])
"""A request to be sent to a venue: row of the order, Action, when the engine took it (ns)."""

ENTRY: Final = np.dtype([("row", "<i4"), ("name", "<u4")])
"""A slot of the index by order id: a row, 0 for none, and the 32 bits of its hash."""

MARKET: Final = padded(
    [
        # One cache line: all that a market event touches.
        ("bid_price", "<f8"),
        ("bid_size", "<f8"),
        ("ask_price", "<f8"),
        ("ask_size", "<f8"),
        ("last_price", "<f8"),
        ("touch_ns", "<i8"),
        ("buy_bound", "<f8"),  # no resting buy is priced above it
        ("sell_bound", "<f8"),
        # Read when something rests, or on an order.
        ("slack", "<f8"),  # a millionth of a tick: two prices nearer are equal
        ("last_ns", "<i8"),
        ("source", "<i4"),
        ("n_resting", "<i4"),
        ("first", "<i4"),  # resting orders in order of their time at the venue
        ("last", "<i4"),
        ("book_ns", "<i8"),
        ("is_spot", "<i8"),
        ("tick_numerator", "<f8"),
        ("tick_denominator", "<f8"),
        ("lot_numerator", "<f8"),
        ("lot_denominator", "<f8"),
        ("min_lots", "<i8"),
        ("contract_value", "<f8"),
        ("maker_fee", "<f8"),
        ("taker_fee", "<f8"),
        ("buy_watch", "<f8"),  # buy_bound where the queue at a price matters, else -inf
        ("sell_watch", "<f8"),
        ("seen_bid", "<f8"),  # touch just before the event or request under way
        ("seen_ask", "<f8"),
    ],
    256,
)
"""One instrument: touch, resting orders, steps and fees; 256 bytes."""

STRATEGY: Final = padded(
    [
        ("gate", "<i8"),
        ("epoch", "<i8"),  # of this slot: how often a strategy was opened in it
        ("next_order_ns", "<i8"),  # of the token bucket: when it will be full again
        ("n_open", "<i8"),
        ("n_requests", "<i8"),
        ("n_rejects", "<i8"),
        ("n_fills", "<i8"),
        ("first", "<i4"),  # orders that are not final, oldest first
        ("last", "<i4"),
    ],
    128,
)
"""One strategy slot, 128 bytes."""

POSITION: Final = padded(
    [
        ("lots", "<i8"),  # above 0 long, below 0 short
        ("open_buy_lots", "<i8"),  # what all open orders of the side would still fill
        ("open_sell_lots", "<i8"),
        ("average_price", "<f8"),  # 0 when flat
        ("realized_pnl", "<f8"),  # before fees
        ("fees", "<f8"),
        ("volume", "<f8"),  # traded notional
        ("bought_lots", "<i8"),
        ("sold_lots", "<i8"),
        ("n_orders", "<i8"),
        ("n_rejects", "<i8"),
        ("n_fills", "<i8"),
        ("last_fill_ns", "<i8"),
        ("funding", "<f8"),  # received so far; negative when paid
        ("venue_lots", "<i8"),  # as the paper exchange knows it, ahead of `lots` by the latency
    ],
    128,
)
"""Position of one strategy in one instrument, 128 bytes."""

ORDER_ROW: Final = padded(
    [
        ("order_id", "<i8"),  # the strategy's, its bits as they came
        ("sequence", "<i8"),  # of the intent; tells a row from its next tenant
        ("strategy", "<i4"),
        ("instrument", "<i4"),
        ("side", "u1"),
        ("order_type", "u1"),
        ("tif", "u1"),
        ("options", "u1"),
        ("status", "u1"),
        ("is_resting", "u1"),  # in the paper exchange's list
        ("is_modifying", "u1"),  # a modification is on its way to the venue
        ("is_canceling", "u1"),  # a cancellation is in flight; no second one is sent
        ("price", "<f8"),  # on tick; NaN for a market order
        ("lots", "<i8"),
        ("filled_lots", "<i8"),
        ("reserved_lots", "<i8"),  # what the order counts for in risk
        ("average_price", "<f8"),
        ("new_price", "<f8"),  # of the modification under way
        ("new_lots", "<i8"),
        ("created_ns", "<i8"),
        ("updated_ns", "<i8"),
        ("client_order_id", "S24"),
        ("epoch", "<i8"),  # of the strategy slot
        ("next_resting", "<i4"),
        ("previous_resting", "<i4"),
        ("next_open", "<i4"),
        ("previous_open", "<i4"),
        ("next_free", "<i4"),
        ("in_flight", "<i4"),  # messages about it under way; keeps the row from its next tenant
        # The order as the paper exchange knows it.
        ("venue_state", "<i4"),  # 0 not there yet, 1 live, 2 done
        ("last_fill", "<i4"),  # slot of its newest answer in flight, when that is a maker fill
        ("venue_price", "<f8"),
        ("venue_lots", "<i8"),
        ("venue_filled", "<i8"),
        ("queue_front", "<f8"),  # units ahead of it now
        ("queue_traded", "<f8"),  # units traded at its price since its level was last seen
        ("queue_level", "<f8"),  # size its level showed last
        ("queue_ahead", "<f8"),  # units ahead when it came to rest; NaN never, or not known
    ],
    256,
)
"""One row of the order table, 256 bytes: what the core knows, then what the venue knows."""

LINE: Final = padded(
    [
        ("kind", "<i8"),  # 0 constant, 1 sampled, 2 interpolated, 3 a function
        ("delay_ns", "<i8"),
        ("function", "<i8"),  # address of the user's own, valid in this process
        ("table", "<i8"),  # offset of its points from the start of the block
        ("n_points", "<i8"),
        ("seed", "<i8"),
        ("n_sent", "<i8"),
        ("due_ns", "<i8"),  # of the message sent last: nothing overtakes
        ("first", "<i8"),  # slots of the messages in flight, oldest first; 0 none
        ("last", "<i8"),
    ],
    128,
)
"""One direction between core and venue: its latency and what is in flight, 128 bytes."""

WIRE: Final = padded(
    [
        ("next", "<i4"),
        ("row", "<i4"),  # of the order it is about
        ("kind", "u1"),
        ("liquidity", "u1"),
        ("reject", "<u2"),
        ("due_ns", "<i8"),
        ("venue_ns", "<i8"),  # of an answer: when it happened
        ("lots", "<i8"),
        ("price", "<f8"),
        ("bid", "<f8"),
        ("ask", "<f8"),
        ("queue_ahead", "<f8"),
    ],
    72,
)
"""One message in flight, 72 bytes."""

OUTBOX: Final = padded(
    [
        ("strategy", "<i8"),
        ("row", "<i8"),  # of the order table; 0 where the request has no order
        ("liquidity", "<i8"),  # of the fill reported: 0 none, 1 maker, 2 taker
        ("queue_ahead", "<f8"),  # units ahead when the order came to rest, as the venue says with
        # this report; NaN where it does not rest, does not know, or did not say anything
        ("bid", "<f8"),  # touch at the venue just before the fill; NaN without a fill
        ("ask", "<f8"),
        ("ts_venue", "<i8"),  # when the venue said it
        ("spare", "<i8"),
        ("report", ORDER),  # type: ignore[list-item]
    ],
    192,
)
"""One row of the outbox, 192 bytes: the strategy a report goes to, its origin, the report."""

FLOAT: Final = np.dtype([("value", "<f8")])
"""A float64 in memory, for `record`."""

assert OUTBOX.itemsize == 192
assert OUTBOX.fields["report"][1] == 64  # type: ignore[index]
assert BOOK.itemsize == 256
