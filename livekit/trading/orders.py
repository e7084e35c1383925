"""The order table: rows, the index by order id, and the two lists that thread them.

A row is taken for an admitted order and keeps its number until it is taken again. A
final order stays where it is, found by its id, until every other row has been used
(rows are reused oldest first): that is what recognises a repeated request, and a
request about an order that is just done. Two intrusive lists hold the live ones: the
open orders of each strategy, and what rests at the paper exchange per instrument.

The index is open addressing with linear probing at most half full; a removal shifts
the followers back, so it never fills with tombstones. Everything is O(1). An entry has
32 bits of the hash beside the row, so that a search looks at no row but the right one:
each of the others would be a miss of the cache, 100 ns an order.
Layer 2.
"""

from typing import Final

import numpy as np

from livekit.ring.jit import hot, i64, inlined, inner
from livekit.ring.memory import record
from livekit.trading.codes import BUY, FILLED
from livekit.trading.layout import (
    CORE,
    ENTRY,
    MARKET,
    ORDER_ROW,
    STRATEGY,
    entry_at,
    market_at,
    order_at,
    strategy_at,
)
from livekit.trading.queue_model import KINDS

__all__ = [
    "close_order",
    "find_order",
    "first_open",
    "free_row",
    "index_order",
    "is_final",
    "link_open",
    "link_resting",
    "next_open",
    "take_row",
    "unlink_resting",
    "watch_bounds",
]

_RISK_AVERSE: Final = KINDS["risk_averse"]
_GOLDEN: Final = -7046029254386353131  # 2**64 over the golden ratio, as a signed word


@inner
def is_final(status: int) -> int:
    """Tell whether an OrderStatus is one that an order cannot leave alive."""
    return i64(status >= FILLED)


@inner
def _hash_of(strategy: int, order_id: int) -> int:
    """32 bits that name an order; the low ones are the first slot it may be in."""
    mixed = (order_id ^ (strategy << 48)) * _GOLDEN
    return (mixed >> 29) & 0xFFFFFFFF


@hot
def find_order(core: int, strategy: int, order_id: int) -> int:
    """Row of a strategy's order, also a final one still remembered; 0 when there is none.

    Ids of an earlier strategy in the same slot are not found.
    """
    epoch = record(STRATEGY, strategy_at(core, strategy)).epoch
    mask = record(CORE, core).index_mask
    name = _hash_of(strategy, order_id)
    slot = name & mask
    while True:
        entry = record(ENTRY, entry_at(core, slot))
        row = i64(entry.row)
        if row == 0:
            return row
        if i64(entry.name) == name:
            order = record(ORDER_ROW, order_at(core, row))
            if order.order_id == order_id and order.strategy == strategy and order.epoch == epoch:
                return row
        slot = (slot + 1) & mask


@inner
def index_order(core: int, row: int) -> None:
    """Enter a row, its strategy and id set, into the index."""
    order = record(ORDER_ROW, order_at(core, row))
    mask = record(CORE, core).index_mask
    name = _hash_of(i64(order.strategy), order.order_id)
    slot = name & mask
    while record(ENTRY, entry_at(core, slot)).row != 0:
        slot = (slot + 1) & mask
    entry = record(ENTRY, entry_at(core, slot))
    entry.row = row
    entry.name = name


@inner
def _unindex(core: int, row: int) -> None:
    """Take a row out of the index and close the hole it leaves."""
    mask = record(CORE, core).index_mask
    order = record(ORDER_ROW, order_at(core, row))
    hole = _hash_of(i64(order.strategy), order.order_id) & mask
    while record(ENTRY, entry_at(core, hole)).row != row:
        hole = (hole + 1) & mask
    slot = hole
    while True:
        slot = (slot + 1) & mask
        other = record(ENTRY, entry_at(core, slot))
        if other.row == 0:
            break
        home = i64(other.name) & mask
        # It may move back only if its home is not behind the hole.
        if ((slot - home) & mask) >= ((slot - hole) & mask):
            moved = record(ENTRY, entry_at(core, hole))
            moved.row = other.row
            moved.name = other.name
            hole = slot
    record(ENTRY, entry_at(core, hole)).row = 0


@inner
def take_row(core: int) -> int:
    """Take a free row, forgetting the final order that is longest done; 0 when all are busy."""
    top = record(CORE, core)
    if top.n_used < top.max_orders:
        top.n_busy += 1
        top.n_used += 1
        return top.n_used
    row = top.oldest_free
    if row != 0:
        top.n_busy += 1
        top.oldest_free = record(ORDER_ROW, order_at(core, row)).next_free
        if top.oldest_free == 0:
            top.newest_free = 0
        _unindex(core, row)
    return row


@inner
def link_open(core: int, row: int) -> None:
    """Append an order to the open orders of its strategy."""
    order = record(ORDER_ROW, order_at(core, row))
    owner = record(STRATEGY, strategy_at(core, i64(order.strategy)))
    order.next_open = 0
    order.previous_open = owner.last
    if owner.last != 0:
        record(ORDER_ROW, order_at(core, i64(owner.last))).next_open = row
    else:
        owner.first = row
    owner.last = row
    owner.n_open += 1
    record(CORE, core).n_open += 1


@inner
def close_order(core: int, row: int) -> None:
    """Take a final order out of both lists and queue its row for reuse.

    While a message about it is in flight, its row waits for that (`wire.release_row`).
    Its fields and its place in the index stay until the row is taken again.
    """
    order = record(ORDER_ROW, order_at(core, row))
    if order.is_resting:
        unlink_resting(core, row)
    owner = record(STRATEGY, strategy_at(core, i64(order.strategy)))
    before, after = i64(order.previous_open), i64(order.next_open)
    if before != 0:
        record(ORDER_ROW, order_at(core, before)).next_open = after
    else:
        owner.first = after
    if after != 0:
        record(ORDER_ROW, order_at(core, after)).previous_open = before
    else:
        owner.last = before
    owner.n_open -= 1
    record(CORE, core).n_open -= 1
    if order.in_flight == 0:
        free_row(core, row)


@inner
def free_row(core: int, row: int) -> None:
    """Queue the row of a final order for reuse, behind those that were done before."""
    top = record(CORE, core)
    top.n_busy -= 1
    order = record(ORDER_ROW, order_at(core, row))
    order.next_free = 0
    if top.newest_free != 0:
        record(ORDER_ROW, order_at(core, top.newest_free)).next_free = row
    else:
        top.oldest_free = row
    top.newest_free = row


@inlined
def watch_bounds(core: int, instrument: int) -> None:
    """Have quotes looked at that change the queue of what rests, not only those that fill it.

    Those are the ones with a touch at its price or worse; and where a level that a
    quote does not show is empty, all of them.
    """
    top = record(CORE, core)
    market = record(MARKET, market_at(core, instrument))
    if top.queue_kind < _RISK_AVERSE:
        return
    is_everything = top.is_hidden_empty != 0
    market.buy_watch = np.inf if is_everything and market.buy_bound > 0.0 else market.buy_bound
    market.sell_watch = (
        -np.inf if is_everything and market.sell_bound < np.inf else market.sell_bound
    )


@inner
def link_resting(core: int, row: int) -> None:
    """Append an order to what rests in its instrument, and widen the bounds to its price."""
    order = record(ORDER_ROW, order_at(core, row))
    market = record(MARKET, market_at(core, i64(order.instrument)))
    order.is_resting = 1
    order.next_resting = 0
    order.previous_resting = market.last
    if market.last != 0:
        record(ORDER_ROW, order_at(core, i64(market.last))).next_resting = row
    else:
        market.first = row
    market.last = row
    market.n_resting += 1
    if order.side == BUY:
        market.buy_bound = max(market.buy_bound, order.venue_price + market.slack)
    else:
        market.sell_bound = min(market.sell_bound, order.venue_price - market.slack)
    watch_bounds(core, i64(order.instrument))


@inner
def unlink_resting(core: int, row: int) -> None:
    """Take an order out of what rests; the bounds stay too wide until the next match."""
    order = record(ORDER_ROW, order_at(core, row))
    market = record(MARKET, market_at(core, i64(order.instrument)))
    before, after = i64(order.previous_resting), i64(order.next_resting)
    if before != 0:
        record(ORDER_ROW, order_at(core, before)).next_resting = after
    else:
        market.first = after
    if after != 0:
        record(ORDER_ROW, order_at(core, after)).previous_resting = before
    else:
        market.last = before
    order.is_resting = 0
    market.n_resting -= 1
    if market.n_resting == 0:
        market.buy_bound = market.buy_watch = -np.inf
        market.sell_bound = market.sell_watch = np.inf


@hot
def first_open(core: int, strategy: int) -> int:
    """Row of the oldest open order of a strategy; 0 when it has none."""
    return i64(record(STRATEGY, strategy_at(core, strategy)).first)


@hot
def next_open(core: int, row: int) -> int:
    """Row of the next open order of the same strategy; 0 at the end."""
    return i64(record(ORDER_ROW, order_at(core, row)).next_open)
