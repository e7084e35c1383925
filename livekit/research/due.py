"""What comes next in a simulation besides its events, and what still waits.

Layer 3. Allocates nothing.
"""

from typing import Final

from livekit.research.layout import FOREVER, SIM
from livekit.ring.jit import hot
from livekit.ring.memory import record
from livekit.strategy.context import CONTEXT
from livekit.trading.feed import feed_due
from livekit.trading.funding import FUNDING
from livekit.trading.layout import CORE
from livekit.trading.router import next_due

__all__ = ["count_waiting", "next_due_for_strategy", "next_due_in_flight"]

_FUNDING_BYTES: Final = FUNDING.itemsize


@hot
def next_due_in_flight(sim: int) -> int:
    """Return when the first thing under way arrives; FOREVER when nothing is."""
    s = record(SIM, sim)
    return min(next_due(s.core), feed_due(s.feed)) if s.has_latency else FOREVER


@hot
def next_due_for_strategy(sim: int) -> int:
    """Return the time before which nothing but events can reach the strategy."""
    s = record(SIM, sim)
    due = FOREVER
    if s.has_latency:
        due = min(next_due(s.core), feed_due(s.feed))
    if s.period:
        due = min(due, s.timer_due - 1)
    if s.funding_index < s.n_funding:
        due = min(due, record(FUNDING, s.funding + s.funding_index * _FUNDING_BYTES).ts - 1)
    return due


@hot
def count_waiting(sim: int) -> int:
    """Count the requests of the strategy that wait, and the reports that wait for it."""
    s = record(SIM, sim)
    waiting = record(CONTEXT, s.ctx).sequence - s.taken
    return waiting + record(CORE, s.core).n_reports - s.index + s.owes_event
