"""The memory of one simulation: one record that its jitted functions share.

Layer 3.
"""

from typing import Final

import numpy as np

from livekit.events import TIMER

__all__ = ["FOREVER", "SIM", "Status"]

_WORDS: Final = (
    "core",  # address of the trading core
    "on_request",  # addresses of two of its functions: a call compiles in a third of the time
    "advance",
    "driver",  # DRIVER of the compiled runner: its callbacks; 0 for an interpreted strategy
    "ctx",  # CONTEXT of the strategy
    "ledger",
    "heap",  # HEAP of the day's streams
    "queue",  # QUEUE, the block of events that come next
    "offsets",  # int64 by listed event of a batch: unseen events up to it
    "requests",  # SIDE, consumer of the strategy's orders ring
    "scratch",  # 256 bytes: an event under its own number of instrument
    "owes_fill",  # on_order was called for the report in hand, on_fill is still owed
    "owes_event",  # the event in hand is still to be handled, after its reports
    "index",  # reports of the outbox that were handed over
    "noted",  # of them, those that the ledger knows
    "now",  # time of what happens, ns
    "gate",  # something besides the next event may be due before this time
    "position",  # events that the venue has seen
    "uses_book",
    "logs",  # the strategy writes log lines
    "taken",  # requests taken from the strategy
    "has_latency",  # something may be under way
    "period",  # of the strategy's timer, ns, 0 for none
    "timer_due",
    "margin",  # rows that one event may need in the ledger
    "funding",  # address of FUNDING rows, by time
    "n_funding",
    "funding_index",
    "answers",  # rounds of reports and requests at one time
    "feed",  # FEED, market events on their way to the strategy
    "delays_feed",
    "is_quiet",  # the events may pass the venue while no order is open
    "keys",  # bits of the instruments and kinds that a market may change by
    "unseen",  # first place of the block that passed the venue; -1 for none
    "last_arrival",  # of the events seen, when the last one reaches strategies by a slow feed
)

SIM: Final = np.dtype(
    {
        "names": [*_WORDS, "timer"],  # the TIMER event being delivered
        "formats": ["<i8"] * len(_WORDS) + [TIMER],
        "offsets": [*range(0, 8 * len(_WORDS), 8), 320],
        "itemsize": 384,
    }
)
"""Private to one simulation; all words int64, addresses of this process."""

FOREVER: Final = 1 << 62


class Status:
    """Why a jitted loop came back to Python."""

    MORE: Final = 0  # its budget is used up
    END: Final = 1  # the day's streams are
    ROOM: Final = 2  # the ledger, or the feed, must grow
    LOG: Final = 3  # lines of the strategy's log are to be written
    ENDLESS: Final = 4  # the strategy goes on answering its own reports
