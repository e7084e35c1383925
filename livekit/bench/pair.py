"""One process to one process: livekit's ring, the C++ reference and the document's queue.

Runs alternate between the peers, each on fresh files, with the producer on the first
core and the consumer on the second.
Layer 5.
"""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from livekit.bench import kernels
from livekit.bench.document import METADATA_BYTES, DocumentQueue
from livekit.bench.processes import Child, cores, fork
from livekit.bench.report import Row, make_row
from livekit.errors import LivekitError
from livekit.ring.layout import HEAD, SIDE, TAIL, aligned_zeros, fill_side
from livekit.ring.queue import LockFreeQueue

__all__ = ["BATCH", "CAPACITY", "LINE", "build_reference", "expected_sum", "pair_rows"]

CAPACITY: Final = 4096
LINE: Final = 64
BATCH: Final = 256


def build_reference(folder: Path) -> Path | None:
    """Compile the C++ reference into `folder`; None where there is no g++.

    Raises
    ------
    LivekitError
        The compiler refuses the reference.
    """
    compiler = shutil.which("g++")
    if compiler is None:
        return None
    program = folder / "reference"
    source = Path(__file__).with_name("reference.cpp")
    command = [compiler, "-std=c++17", "-O3", "-march=native", str(source), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LivekitError(f"g++ refused {source.name}: {done.stderr.strip()}")
    return program


class _Ring:
    """One queue file, and what a process needs to run a kernel on it."""

    def __init__(self, path: Path) -> None:
        self.queue = LockFreeQueue.create(path, CAPACITY, LINE)
        self.scratch = aligned_zeros(BATCH * LINE)
        self.results = np.zeros(2, np.int64)

    def side(self, *, is_producer: bool) -> np.ndarray:
        """Return a filled SIDE[1] of the queue's ring."""
        side = np.zeros(1, SIDE)
        control, slots = self.queue.memory
        words = control.view(np.int64)
        fill_side(
            side,
            control=int(control.ctypes.data),
            slots=int(slots.ctypes.data),
            capacity=CAPACITY,
            slot_bytes=LINE,
            tail=int(words[TAIL // 8]),
            head=int(words[HEAD // 8]),
            is_producer=is_producer,
        )
        return side

    def run(self, kernel: Callable[..., int], *args: int, is_producer: bool) -> list[int]:
        """Run a kernel on this ring here; return [nanoseconds, checksum]."""
        side = self.side(is_producer=is_producer)
        if kernel(side.ctypes.data, *args[:1], self.results.ctypes.data, *args[1:]) != 0:
            raise LivekitError("the measured ring is broken")
        return [int(self.results[1]), int(self.results[0])]


def _warm(folder: Path) -> None:
    """Compile every kernel here, so that no forked process has to."""
    ring = _Ring(folder / "warm")
    scratch = int(ring.scratch.ctypes.data)
    for send, take, *args in (
        (kernels.produce, kernels.consume),
        (kernels.pusher, kernels.popper, scratch),
        (kernels.pusher_batch, kernels.popper_batch, scratch, BATCH),
    ):
        ring.run(send, 1, *args, is_producer=True)
        ring.run(take, 1, *args, is_producer=False)
    out, back = ring.side(is_producer=True), ring.side(is_producer=False)
    results = int(ring.results.ctypes.data)
    kernels.echo(int(out.ctypes.data), int(back.ctypes.data), -kernels.WARM_UP, results, 1)
    ring.queue.unlink()


def expected_sum(n: int) -> int:
    """Return the checksum of `n` events, as the kernels add it up."""
    return 7 * n * (n - 1) // 2 + 28 * n


def _numba_pair(folder: Path, n: int, send: tuple[Any, ...], take: tuple[Any, ...]) -> float:
    ring = _Ring(folder / "ring")
    places = cores()
    scratch = int(ring.scratch.ctypes.data)

    def args(with_scratch: str) -> list[int]:
        return {"": [n], "event": [n, scratch], "batch": [n, scratch, BATCH]}[with_scratch]

    consumer = fork(
        "consumer", lambda: ring.run(take[0], *args(take[1]), is_producer=False), places[-1]
    )
    producer = fork(
        "producer", lambda: ring.run(send[0], *args(send[1]), is_producer=True), places[0]
    )
    return _finish(ring, producer, consumer, n)


def _finish(ring: _Ring, producer: Child, consumer: Child, n: int) -> float:
    producer.result()
    nanoseconds, total = consumer.result()
    ring.queue.unlink()
    if total != expected_sum(n):
        raise LivekitError(f"checksum of the measured ring is {total}, expected {expected_sum(n)}")
    return n / nanoseconds * 1000


def _start(program: Path, mode: str, path: Path, n: int, core: int) -> "subprocess.Popen[bytes]":
    command = [str(program), mode, str(path), str(n), str(core)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


@contextmanager
def _peers(
    program: Path, path: Path, n: int, first: str, second: str
) -> "Iterator[tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]]]":
    """Run the reference's two sides of a queue; neither spins on when this one gives up."""
    places = cores()
    with _start(program, second, path, n, places[-1]) as taker:
        try:
            with _start(program, first, path, n, places[0]) as sender:
                try:
                    yield sender, taker
                finally:
                    sender.kill()
        finally:
            taker.kill()


def _output(process: "subprocess.Popen[bytes]") -> list[int]:
    out, _ = process.communicate()
    if process.returncode:
        raise LivekitError(f"the C++ reference ended with code {process.returncode}")
    nanoseconds, total = out.strip(b"[]\n ").split(b",")
    return [int(nanoseconds), int(total)]


def _reference_pair(program: Path, folder: Path, n: int, send: str, take: str) -> float:
    ring = _Ring(folder / "ring")
    with _peers(program, folder / "ring", n, send, take) as (producer, consumer):
        _output(producer)
        nanoseconds, total = _output(consumer)
    ring.queue.unlink()
    if total != expected_sum(n):
        raise LivekitError(f"checksum of the C++ ring is {total}, expected {expected_sum(n)}")
    return n / nanoseconds * 1000


def _numba_echo(folder: Path, n: int) -> float:
    there, back = _Ring(folder / "ring"), _Ring(folder / "ring.back")
    places = cores()

    def side_of(out: _Ring, into: _Ring, is_first: int) -> list[int]:
        sender, taker = out.side(is_producer=True), into.side(is_producer=False)
        results = out.results
        kernels.echo(sender.ctypes.data, taker.ctypes.data, n, results.ctypes.data, is_first)
        return [int(results[1]), int(results[0])]

    second = fork("pong", lambda: side_of(back, there, 0), places[-1])
    first = fork("ping", lambda: side_of(there, back, 1), places[0])
    nanoseconds = first.result()[0]
    second.result()
    there.queue.unlink()
    back.queue.unlink()
    return float(nanoseconds / n)


def _reference_echo(program: Path, folder: Path, n: int) -> float:
    rings = [_Ring(folder / "ring"), _Ring(folder / "ring.back")]
    with _peers(program, folder / "ring", n, "ping", "pong") as (first, second):
        nanoseconds = _output(first)[0]
        _output(second)
    for ring in rings:
        ring.queue.unlink()
    return nanoseconds / n


def _document_pair(folder: Path, n: int) -> float:
    path = folder / "document"
    path.write_bytes(bytes(METADATA_BYTES + CAPACITY * LINE))
    places = cores()

    def take() -> list[int]:
        queue = DocumentQueue(path, CAPACITY, LINE)
        while queue.try_pop() is None:
            pass
        start = time.monotonic_ns()
        left = n - 1
        while left:
            left -= queue.try_pop() is not None
        return [time.monotonic_ns() - start]

    def send() -> None:
        queue = DocumentQueue(path, CAPACITY, LINE)
        event = bytes(LINE)
        left = n
        while left:
            left -= queue.try_push(event)

    consumer = fork("document consumer", take, places[-1])
    producer = fork("document producer", send, places[0])
    producer.result()
    nanoseconds = consumer.result()[0]
    path.unlink()
    return float(n / nanoseconds * 1000)


def _modes(folder: Path, program: Path | None, n: int) -> dict[str, Callable[[], float]]:
    """Return what is measured by name: a function that makes one run of it."""
    modes: dict[str, Callable[[], float]] = {
        "in place": lambda: _numba_pair(folder, n, (kernels.produce, ""), (kernels.consume, "")),
        "copied": lambda: _numba_pair(
            folder, n, (kernels.pusher, "event"), (kernels.popper, "event")
        ),
        "batches": lambda: _numba_pair(
            folder, n, (kernels.pusher_batch, "batch"), (kernels.popper_batch, "batch")
        ),
        "echo": lambda: _numba_echo(folder, n // 10),
        "document": lambda: _document_pair(folder, n // 50),
    }
    if program is not None:
        modes |= {
            "in place c++": lambda: _reference_pair(program, folder, n, "produce", "consume"),
            "copied c++": lambda: _reference_pair(program, folder, n, "push", "pop"),
            "echo c++": lambda: _reference_echo(program, folder, n // 10),
        }
    return modes


def _rows(seen: dict[str, list[float]]) -> list[Row]:
    reference = "C++ -O3" if "echo c++" in seen else None
    return [
        make_row(
            "events one at a time, in place",
            seen["in place"],
            "M/s",
            peer=reference,
            peer_values=seen.get("in place c++", ()),
            target=(">=", 0.95) if reference else None,
        ),
        make_row(
            "events one at a time, copied in and out",
            seen["copied"],
            "M/s",
            peer=reference,
            peer_values=seen.get("copied c++", ()),
        ),
        make_row(f"events in batches of {BATCH}", seen["batches"], "M/s"),
        make_row(
            "round trip",
            seen["echo"],
            "ns",
            peer=reference,
            peer_values=seen.get("echo c++", ()),
            target=("<=", 1.15) if reference else None,
        ),
        make_row(
            "events one at a time, in place",
            seen["in place"],
            "M/s",
            peer="the document's queue",
            peer_values=seen["document"],
            target=(">=", 100.0),
        ),
    ]


def pair_rows(folder: Path, n: int = 3_000_000, runs: int = 21) -> list[Row]:
    """Measure one process to one process.

    Parameters
    ----------
    folder : Path
        A private folder in shared memory.
    n : int
        Events per run; round trips are a tenth, the document's queue a fiftieth.
    runs : int
        Runs of each, alternating. Many short runs, because a ring has two regimes (now
        and then full, or now and then empty, which costs a cursor's line per event) and a
        disturbed run may fall into the other one.
    """
    program = build_reference(folder)
    _warm(folder)
    modes = _modes(folder, program, n)
    seen: dict[str, list[float]] = {name: [] for name in modes}
    for _ in range(runs):
        for name in sorted(modes):
            seen[name].append(modes[name]())
    return _rows(seen)
