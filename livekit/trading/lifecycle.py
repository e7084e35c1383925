"""The life of an order as a table: status and what the venue says give a status.

Reports of an exchange come late, twice and in any order, and the same set of them must
end in the same status (RELIABILITY R10). So an acceptance after a fill changes nothing,
a fill after a cancellation still counts, and a fill outweighs a cancellation. What no
honest venue can say (a fill of a rejected order, a rejection of an accepted one) is
FORBIDDEN: the core refuses it, counts a fault and halts.
Layer 2.
"""

import enum
from typing import Final

import numpy as np

from livekit.events import OrderStatus
from livekit.ring.jit import hot

__all__ = ["FORBIDDEN", "LIFE_CYCLE", "Transition", "next_status"]


class Transition(enum.IntEnum):
    """What can happen to an order."""

    SEND = 0
    ACCEPT = 1
    FILL_PART = 2
    FILL = 3
    MODIFY = 4
    CANCEL = 5
    REJECT = 6
    LOSE = 7


FORBIDDEN: Final = -1

_CRE, _SENT, _ACC, _PART, _UNK, _FIL, _CAN, _REJ = OrderStatus
_NO: Final = FORBIDDEN

LIFE_CYCLE: Final = np.array(
    [
        # SEND   ACCEPT FILL_PART FILL  MODIFY CANCEL REJECT LOSE
        [_SENT, _NO, _NO, _NO, _NO, _NO, _REJ, _NO],  # CREATED
        [_NO, _ACC, _PART, _FIL, _ACC, _CAN, _REJ, _UNK],  # SENT
        [_NO, _ACC, _PART, _FIL, _ACC, _CAN, _NO, _ACC],  # ACCEPTED
        [_NO, _PART, _PART, _FIL, _PART, _CAN, _NO, _PART],  # PARTIALLY_FILLED
        [_NO, _ACC, _PART, _FIL, _ACC, _CAN, _REJ, _UNK],  # UNKNOWN
        [_NO, _FIL, _NO, _NO, _FIL, _FIL, _NO, _FIL],  # FILLED
        [_NO, _CAN, _CAN, _FIL, _CAN, _CAN, _NO, _CAN],  # CANCELED
        [_NO, _NO, _NO, _NO, _NO, _NO, _REJ, _REJ],  # REJECTED
    ],
    dtype=np.int64,
)
"""int64[8, 8]: the next OrderStatus by OrderStatus and Transition, or FORBIDDEN."""

_FLAT: Final = LIFE_CYCLE.ravel()


@hot
def next_status(status: int, transition: int) -> int:
    """Look up the next OrderStatus; FORBIDDEN (-1) where the table has none."""
    return _FLAT[status * 8 + transition]
