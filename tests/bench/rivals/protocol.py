"""How a rival is asked: one line of JSON in, one line of JSON out, until the input ends.

    PYTHON run_RIVAL.py market.npy

The first line out says that the rival is ready and what is installed. A request names a
work and its options; the answer has the seconds of the run alone, what came of it, and
the peak memory of the process so far. With `"fills": path` the fills are saved there, and
the run is not one to be timed. Nothing of livekit is imported here or beside here.
"""

import json
import os
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np

FILL = np.dtype([("ts", "<i8"), ("side", "<i8"), ("price", "<f8"), ("quantity", "<f8")])
"""A fill: time at the venue, 0 buy or 1 sell, price, quantity."""

TAKER = 0.0005
SIZE = 0.01
LIMIT = 0.2  # of the market maker's position, a side
EVERY = 50  # quotes between two looks of the market maker
FAST, SLOW = 100, 400  # spans


def serve(packages, prepare, works):
    """Answer requests with `works[name](state, options)` over `state = prepare(market)`.

    A work returns (seconds, result, fills): seconds of its run, a dictionary of numbers,
    and a FILL array or None.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    start = time.perf_counter()
    market = np.load(sys.argv[1], mmap_mode="r", allow_pickle=False)
    state = prepare(market)
    say(
        answers,
        ready=True,
        versions={name: metadata.version(name) for name in packages},
        prepare_s=time.perf_counter() - start,
        works=sorted(works),
    )
    for line in sys.stdin:
        request = json.loads(line)
        seconds, result, fills = works[request["work"]](state, request)
        if request.get("fills"):
            np.save(request["fills"], fills)
        say(answers, seconds=seconds, peak_mb=peak_mb(), **result)


def say(answers, **answer):
    """Write one answer."""
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def peak_mb():
    """Return the most memory this process ever had resident, in 10^6 bytes.

    Not `getrusage`: after a fork and exec its figure can be the parent's.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kilobytes) * 1024 / 1e6


def last_mid(market):
    """Return the middle of the last quote, at which an open position is valued."""
    quotes = market[-10_000:]
    last = quotes[quotes["kind"] == 0][-1]
    return float((last["a"] + last["b"]) / 2)
