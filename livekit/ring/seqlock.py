"""Records that one process writes and any number read without disturbing it.

A SEQLOCK part is a version word on a line of its own, then the payload. The writer
makes the version odd, copies, makes it even; a reader copies between two looks at the
version and keeps the copy only if both were the same even number. A reader can be
delayed by a writer, never the other way round.

Parameters are double-buffered instead (`publish_params`): the writer fills the buffer
that is not in use and then flips the version, so that a strategy which takes new
parameters between two events never has to try again.
Layer 1.
"""

from typing import Final

from livekit.ring.jit import hot
from livekit.ring.memory import copy_lines, fence, load_acquire, load_i64, store_release

__all__ = [
    "SEQLOCK_HEAD",
    "fetch_params",
    "params_bytes",
    "publish",
    "publish_params",
    "round_lines",
    "snapshot",
]

SEQLOCK_HEAD: Final = 64
"""Bytes before the payload."""


def round_lines(n_bytes: int) -> int:
    """Return `n_bytes` rounded up to whole 64-byte lines."""
    return (n_bytes + 63) // 64 * 64


def params_bytes(payload: int) -> int:
    """Return the size of a double-buffered part for a payload of `payload` bytes."""
    return SEQLOCK_HEAD + 2 * round_lines(payload)


@hot
def publish(part: int, source: int, n_lines: int) -> None:
    """Copy `n_lines` lines into a seqlock part. Its only writer calls this."""
    version = load_i64(part)
    store_release(part, version + 1)
    fence()
    copy_lines(part + SEQLOCK_HEAD, source, n_lines)
    store_release(part, version + 2)


@hot
def snapshot(part: int, target: int, n_lines: int, tries: int) -> int:
    """Copy a consistent payload out; 1, or 0 when the writer was faster `tries` times."""
    for _ in range(tries):
        version = load_acquire(part)
        if version & 1 == 0:
            copy_lines(target, part + SEQLOCK_HEAD, n_lines)
            fence()
            if load_acquire(part) == version:
                return 1
    return 0


@hot
def publish_params(part: int, source: int, n_lines: int) -> int:
    """Write a new version of double-buffered parameters; return its number."""
    version = load_i64(part) + 1
    copy_lines(part + SEQLOCK_HEAD + (version & 1) * n_lines * 64, source, n_lines)
    store_release(part, version)
    return version


@hot
def fetch_params(part: int, target: int, n_lines: int) -> int:
    """Copy the newest parameters out; return their version."""
    while True:
        version = load_acquire(part)
        copy_lines(target, part + SEQLOCK_HEAD + (version & 1) * n_lines * 64, n_lines)
        fence()
        if load_acquire(part) == version:
            return version
