"""What passes between strategy and core in a simulation, written down as it passes.

Layer 3. Allocates nothing.
"""

from livekit.events import ORDER
from livekit.research.layout import SIM
from livekit.ring.call import call4
from livekit.ring.jit import hot, i64
from livekit.ring.memory import record
from livekit.ring.spsc import peek, release
from livekit.trading.layout import CORE, outbox_at
from livekit.trading.ledger import note_report, note_request
from livekit.trading.outbox import OUTBOX_FULL

__all__ = ["clear_reports", "note_new_reports", "take_requests"]


@hot
def note_new_reports(sim: int) -> None:
    """Write down the reports of the outbox that the ledger does not know yet."""
    s = record(SIM, sim)
    while s.noted < record(CORE, s.core).n_reports:
        note_report(s.ledger, outbox_at(s.core, s.noted))
        s.noted += 1


@hot
def clear_reports(sim: int) -> None:
    """Empty the outbox: everything in it was handed over."""
    s = record(SIM, sim)
    record(CORE, s.core).n_reports = 0
    s.index = 0
    s.noted = 0


@hot
def take_requests(sim: int) -> int:
    """Give the strategy's requests to the core; return how many were taken."""
    s = record(SIM, sim)
    top = record(CORE, s.core)
    taken = 0
    while True:
        slot = peek(s.requests)
        if slot <= 0:
            break
        request = record(ORDER, slot)
        sequence = top.sequence
        if call4(s.on_request, s.core, 0, slot, s.now) == OUTBOX_FULL:
            break
        is_admitted = top.sequence != sequence
        note_request(s.ledger, i64(request.action), i64(request.order_id) if is_admitted else 0)
        note_new_reports(sim)  # at once, so that orders stand in the order of their requests
        release(s.requests)
        s.taken += 1
        taken += 1
    return taken
