"""How a reader waits: spin, then yield, then sleep on a bell.

Measured on two cores at the source document's rates, one way p50: spinning 0.16 µs,
yielding 0.36, yield-then-bell 0.35, sleeping 50 µs at a time 63. Yield-then-bell keeps
the latency of yielding while events flow and gives the core back when they do not:
waking a sleeper costs the producer about 8 µs, a reader that is awake 0.09. Spinning
ruins everybody else when strategies share a core, so it is for a core to give away.

    laptop    yield  20 µs, then sleep                2 % of a core at 1,000 events/s
    server    spin  20 µs, yield   2 ms, then sleep  86 % of a core at 1,000 events/s
    spin      spin for ever (in bounded calls)      100 %

The laptop's way does not spin at all. Where three strategies share a core at 600,000
events a second, 1.5 µs of spinning finds the next event every time, so the one that
runs keeps its core for a whole time slice and the rings of the others overflow: p50
143 µs and drops, against 2.2 µs and none; at twenty strategies 72 against 26 µs. A
strategy with a core of its own pays nothing for it, since its yield returns at once.

A sleeper writes the number of its sleep, fences, looks once more and calls futex(2);
a producer publishes, fences, and rings the bell only if it sees a sleep that it has
not rung for. One of the two fences comes first, so no wake-up is lost; and every sleep
is bounded all the same, so that a killed producer cannot keep a reader asleep.
Layer 1.
"""

from typing import Final

import numpy as np

from livekit.config import SLEEP_BOUND_NS, WAIT_BOUND_NS
from livekit.ring.jit import hot
from livekit.ring.layout import BELL, BROKEN, SIDE, SLEEPING
from livekit.ring.memory import (
    clock_ns,
    fence,
    futex,
    load_acquire,
    pause,
    record,
    sched_yield,
    store_release,
)
from livekit.ring.spsc import available

__all__ = ["WAITS", "notify", "ring_bell", "wait", "wake_sleeper"]

WAITS: Final[dict[str, tuple[int, int, int]]] = {
    "laptop": (0, 20_000, SLEEP_BOUND_NS),
    "server": (20_000, WAIT_BOUND_NS, WAIT_BOUND_NS),
    "spin": (WAIT_BOUND_NS, 0, 0),
}
"""Name of a way to wait: nanoseconds of spinning, of yielding after it, of sleeping after that."""

_LOOKS: Final = 16
_SECOND: Final = 1_000_000_000
_FUTEX_WAIT: Final = 0
_FUTEX_WAKE: Final = 1

_TIMESPEC: Final = np.dtype([("seconds", "<i8"), ("nanoseconds", "<i8")])


@hot
def ring_bell(control: int) -> None:
    """Wake the sleeper of a ring: one store and one system call, about 8 µs."""
    store_release(control + BELL, load_acquire(control + BELL) + 1)
    futex(control + BELL, _FUTEX_WAKE, 1, 0)


@hot
def wake_sleeper(side: int) -> None:
    """Ring the bell if the consumer sleeps and has not been woken from this sleep.

    The caller has put a fence between its last commit and this call.
    """
    own = record(SIDE, side)
    sleep = load_acquire(own.control + SLEEPING)
    if sleep not in (0, own.rung):
        own.rung = sleep
        ring_bell(own.control)


@hot
def notify(side: int) -> None:
    """After a commit: make sure that a sleeping consumer wakes. One fence, one load."""
    fence()
    wake_sleeper(side)


@hot
def _sleep(side: int, timeout: int) -> int:
    """Sleep until the bell rings, `timeout` (a timespec's address) passes, or events came."""
    own = record(SIDE, side)
    bell = load_acquire(own.control + BELL)
    own.sleep += 1
    store_release(own.control + SLEEPING, own.sleep)
    fence()
    ready = available(side)
    if ready == 0:
        futex(own.control + BELL, _FUTEX_WAIT, bell & 0xFFFFFFFF, timeout)
        ready = available(side)
    store_release(own.control + SLEEPING, 0)
    return ready


@hot
def _look(side: int, until: int, is_polite: int) -> int:
    """Look for events until a time; yield the core between looks if asked to."""
    while True:
        for _ in range(_LOOKS):
            ready = available(side)
            if ready != 0:
                return ready
            if is_polite:
                sched_yield()
            else:
                pause()
        if clock_ns() >= until:
            return 0


@hot
def wait(side: int, spin_ns: int, yield_ns: int, sleep_ns: int, scratch: int) -> int:
    """Wait for events at most `spin_ns + yield_ns + sleep_ns`.

    Parameters
    ----------
    side : int
        The consumer's SIDE.
    spin_ns, yield_ns, sleep_ns : int
        One of WAITS, or less; the sum bounds how long Python hears no signal.
    scratch : int
        Address of 16 private bytes, for the timeout.

    Returns
    -------
    int
        Events ready to be read; BROKEN; 0 when the time is over, or when a bell for an
        earlier sleep ended this one: wait again.
    """
    ready = available(side)
    if ready != 0:
        return ready
    start = clock_ns()
    if spin_ns > 0:
        ready = _look(side, start + spin_ns, 0)
    if ready == 0 and yield_ns > 0:
        ready = _look(side, start + spin_ns + yield_ns, 1)
    if ready == 0 and sleep_ns > 0:
        timeout = record(_TIMESPEC, scratch)
        timeout.seconds = sleep_ns // _SECOND
        timeout.nanoseconds = sleep_ns % _SECOND
        ready = _sleep(side, scratch)
    return BROKEN if ready < 0 else ready
