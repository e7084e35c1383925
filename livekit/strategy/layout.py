"""The layout of a CONTEXT, the private memory of one strategy process.

One block, named by its address, without a Python object in it:

    0        CONTEXT     addresses of what lies elsewhere, and the words of the runner
    512      params      the class's parameters as one record
    + params state       the state record, behind it, at `state_offset(params_bytes)`;
                         a compiled method therefore knows every field as a constant
                         distance from the one address it is called with
    ...      symbols     int64 instrument numbers of the class's `symbols`, -1 unknown
             steps       STEPS[MAX_INSTRUMENTS], by instrument number
             positions   int64[MAX_INSTRUMENTS], in lots
             orders      ORDER[MAX_OPEN_ORDERS], open orders, oldest first, no holes
             logs        LOG[LOG_ROWS], a ring that Python drains
             books       BOOK[MAX_INSTRUMENTS + 1], the last of each; before the first one
                         kind 0, prices NaN; the row behind the last stands for unknown ones

Layer 2. The process is the only writer.
"""

from typing import Any, Final

import numpy as np

from livekit.ring.seqlock import round_lines

__all__ = [
    "CONTEXT",
    "CONTEXT_BYTES",
    "LOG",
    "LOG_ROWS",
    "MAX_OPEN_ORDERS",
    "STEPS",
    "i64",
    "params_offset",
    "state_offset",
]

CONTEXT_BYTES: Final = 512
MAX_OPEN_ORDERS: Final = 1024
LOG_ROWS: Final = 256

CONTEXT: Final = np.dtype(
    {
        "names": [
            "events",  # SIDE of the events ring, this process its consumer
            "orders",  # SIDE of the orders ring, this process its producer
            "counters",  # STRATEGY_COUNTERS
            "params",  # always ctx + params_offset()
            "state",  # always ctx + state_offset(params_bytes)
            "symbols",  # int64[n_symbols]
            "n_symbols",
            "steps",
            "n_instruments",
            "positions",
            "open_orders",
            "n_open",
            "books",
            "logs",
            "log_tail",  # records ever written
            "log_head",  # records ever drained, by Python
            "log_lost",
            "doorbell",  # descriptor of the engine's FIFO, -1 for none
            "heartbeat",  # address of a word to write the monotonic time to
            "done",  # address of a word for the sequence of the last event handled
            "event",  # address of the event being handled, 0 outside callbacks
            "now",  # event time, ns since the epoch; 0 before the first event
            "published",  # word of the event being handled, 0 outside callbacks
            "epoch",  # of this attach, the upper half of an order id
            "n_orders",  # new orders so far, the lower half
            "sequence",  # requests so far
            "scratch",  # two words for a wait's timeout
            "scratch2",
            "params_part",  # the engine's double-buffered parameters, 0 for none
            "params_lines",
        ],
        "formats": ["<i8"] * 30,
        "offsets": list(range(0, 240, 8)),
        "itemsize": CONTEXT_BYTES,
    }
)
"""The first 512 bytes of a context. All words int64; addresses are of this process."""

STEPS: Final = np.dtype(
    [
        ("tick", "<f8"),
        ("lot", "<f8"),
        ("min_quantity", "<f8"),
        ("contract_value", "<f8"),
        ("lot_numerator", "<f8"),  # lot = numerator / denominator, both whole
        ("lot_denominator", "<f8"),  # 0: no such instrument
        ("reserved", "<i8", (2,)),
    ]
)
"""What a strategy may know of an instrument; 64 bytes.

The lot as a fraction makes a number of lots the float64 nearest to the decimal
quantity: 0.3, never 0.30000000000000004.
"""

LOG: Final = np.dtype(
    [("text", "<i8"), ("n", "<i8"), ("now", "<i8"), ("values", "<f8", (4,)), ("sequence", "<i8")]
)
"""One line of a strategy's log: the number of a text and up to four values; 64 bytes."""

i64: Final[Any] = np.int64
"""int64 in jitted code, where it is the int of the annotations; a type checker disagrees."""


def params_offset() -> int:
    """Return the distance of the params record from the context's address."""
    return CONTEXT_BYTES


def state_offset(params_bytes: int) -> int:
    """Return the distance of the state record from the context's address."""
    return CONTEXT_BYTES + round_lines(params_bytes)
