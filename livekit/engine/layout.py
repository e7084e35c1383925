"""The memory of the engine's inner loop: one record that its jitted functions share.

Layer 4.
"""

from typing import Final

import numpy as np

from livekit.events import ORDER, TIMER

__all__ = ["PUMP"]

PUMP: Final = np.dtype(
    {
        "names": [
            "hub",  # address of a HUB
            "core",  # address of the trading core
            "board",  # address of the market board
            "orders",  # address of SIDE[MAX_STRATEGIES], consumer sides
            "open",  # bit k: orders of ring k are taken
            "backlogged",  # bit k: reports of ring k wait in the outbox or in Python
            "broken",  # bit k: ring k's strategy wrote an impossible cursor
            "n_kept",  # reports at the front of the outbox that found no room
            "now",  # event time, ns since the epoch
            "events_in",
            "orders_in",
            "reports_out",
            "sleep",  # number of the engine's last sleep
            "timers",  # address of int64[MAX_STRATEGIES, 2]: period and next time, ns
            "timed",  # bit k: strategy k has a timer
            "on_market",  # addresses of the trading core's entries
            "on_request",
            "advance",
            "has_latency",  # requests or events may be under way
            "feed",  # FEED, market events on their way to the strategies
            "delays_feed",
            "ledgers",  # address of int64[MAX_STRATEGIES]: ledger of each strategy
            "recorded",  # bit k: strategy k has a ledger
            "ledger_due",  # no sample or markout is due before this time
            "ledger_full",  # a ledger must grow before the next event
            "funding",  # address of FUNDING rows, by time
            "n_funding",
            "funding_index",  # the next payment
            "is_seen",  # the venue has seen the event in hand, the strategies have not
            "request",  # the request being handled, copied out of shared memory
            "timer",  # the timer event being delivered
        ],
        "formats": ["<i8"] * 29 + [ORDER, TIMER],
        "offsets": [*range(0, 232, 8), 256, 384],
        "itemsize": 448,
    }
)
"""Private to the engine; all words int64."""
