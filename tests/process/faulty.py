"""A strategy that goes wrong in one of many ways at one of its events, for tests."""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from livekit.ring.segment import HEADER
from livekit.strategy.api import Param, Strategy

RAISE, EXIT, HARD_EXIT, SEGFAULT, OUT_OF_MEMORY, SPIN, SLEEP, STOPPED, FLOOD, GARBAGE = range(10)


class Faulty(Strategy):
    """Works until its `at`-th quote, then does what `fault` says."""

    symbols = ("BTC-USDT", "ETH-USDT")
    fault = Param(0, 0, 9)
    at = Param(10, 1, 100_000)

    n: int = 0

    def on_quote(self, quote):
        self.n += 1
        if self.n == self.at - 1:
            self.buy("BTC-USDT", 0.01, 87_000.0)  # rests below the touch: must be cancelled later
        if self.n < self.at:
            return
        WAYS[int(self.fault)](self)


def _raise(strategy):
    raise ValueError(f"on purpose, event {strategy.n}")


def _exit(_strategy):
    sys.exit(3)


def _hard_exit(_strategy):
    os._exit(9)


def _segfault(_strategy):
    ctypes.string_at(0)


def _out_of_memory(_strategy):
    os.kill(os.getpid(), signal.SIGKILL)  # as the kernel's killer does


def _spin(_strategy):
    while True:
        pass


def _sleep(_strategy):
    time.sleep(60)


def _stopped(_strategy):
    os.kill(os.getpid(), signal.SIGSTOP)


def _flood(strategy):
    for _ in range(5000):
        strategy.buy("BTC-USDT", 0.01, 87_000.0)


def _garbage(_strategy):
    """Fill the orders ring and both cursors of this strategy with random bytes."""
    rng = np.random.default_rng(os.getpid())
    for line in Path("/proc/self/maps").read_text().splitlines():
        if f"/{NAME}" in line and "livekit" in line:
            start, end = (int(part, 16) for part in line.split()[0].split("-"))
            memory = (ctypes.c_uint8 * (end - start)).from_address(start)
            view = np.frombuffer(memory, np.uint8)
            header = view[:4096].view(HEADER)[0]
            for part, size in (("orders_slots", 1024 * 128), ("events_control", 512)):
                at = int(header[part])
                view[at : at + size] = rng.integers(0, 256, size, dtype=np.uint8)
            tail = int(header["orders_control"])
            view[tail : tail + 8].view(np.int64)[0] += int(rng.choice([5, 900, 10**6, -(10**6)]))


NAME = "faulty"

WAYS = {
    RAISE: _raise,
    EXIT: _exit,
    HARD_EXIT: _hard_exit,
    SEGFAULT: _segfault,
    OUT_OF_MEMORY: _out_of_memory,
    SPIN: _spin,
    SLEEP: _sleep,
    STOPPED: _stopped,
    FLOOD: _flood,
    GARBAGE: _garbage,
}
