"""Clocks and identities of this machine, its boots and its processes.

A process is named by its pid together with its start time, because pids are reused;
shared memory is named together with the boot id, because it does not survive one.
Layer 0.
"""

import os
import time
from pathlib import Path

__all__ = ["boot_id", "is_alive", "monotonic_ns", "now_ns", "own_identity", "process_start"]


# Names of the functions themselves: a call in between costs every event 60 ns, ten times.

now_ns = time.time_ns
"""Return the wall clock, nanoseconds since the epoch, UTC."""

monotonic_ns = time.monotonic_ns
"""Return CLOCK_MONOTONIC in nanoseconds, comparable between processes."""


def boot_id() -> str:
    """Return the identity of the running boot, a UUID of 36 characters."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def process_start(pid: int) -> int:
    """Return the start time of a process in clock ticks since boot; 0 when there is none.

    A zombie counts as gone: it holds no memory and will never run again.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    # The second field is the command in parentheses and may contain anything.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])


def is_alive(pid: int, start: int) -> bool:
    """Tell whether the process `pid` that started at `start` still runs."""
    return pid > 0 and start > 0 and process_start(pid) == start


def own_identity() -> tuple[int, int]:
    """Return this process's pid and start time."""
    return os.getpid(), process_start(os.getpid())
