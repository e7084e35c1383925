"""A batch of events as Python objects that are reused, but never under anybody's eyes.

The pool has BATCH objects for each kind a strategy takes. `poll` waits for events and
copies a batch from the ring straight into the objects' own memory; `settle` releases
the batch and then looks at the reference count of every object it used. One that is
held by somebody besides the pool (kept as an attribute, in a list, by a closure, by an
array of its levels) is given away, and a fresh object takes its place. Keeping events
is therefore safe, and costs only those who do it.

The counts are read in compiled code, at the head of the object where CPython before
3.14 keeps them; `_can_read_counts` tries that once, and where it does not hold
`sys.getrefcount` does the same at about 30 ns per event.
Layer 2. One thread: the one that runs the callbacks.
"""

import ctypes
import platform
import sys
import sysconfig
from collections.abc import Mapping
from typing import Final

import numpy as np

from livekit.events import EVENT_BYTES, HEAD, Kind
from livekit.ring.jit import hot
from livekit.ring.layout import SIDE, aligned_zeros
from livekit.ring.memory import clock_ns, copy_lines, load_i64, record, store_i64, store_release
from livekit.ring.spsc import available, slot_at
from livekit.ring.wait import WAITS, wait
from livekit.strategy.context import CONTEXT, Context, finish_batch, published_of
from livekit.strategy.flyweight import EVENT_CLASSES, Event, bind

__all__ = ["BATCH", "POOL", "Pool", "find_held", "poll", "settle"]

BATCH: Final = 256
"""Events of a batch at most, and objects per kind."""

POOL: Final = np.dtype(
    {
        "names": [
            "ctx",
            "limit",  # events of the next batch at most
            "spin_ns",
            "yield_ns",
            "sleep_ns",
            "start_ns",  # when the batch was taken
            "end_ns",  # when it was settled
            "taken",  # events of the batch, those nobody listens to included
            "listed",  # events of the batch for callbacks
            "kind",  # of all of them, 0 when they differ
            "is_stopped",  # a STOP event came
            "now",  # event time at the end of the batch
            "n_held",
            "reads_counts",  # whether reference counts are read here
            "indices",  # int64[BATCH], the listed events' places in the pool
            "times",  # int64[BATCH], `now` at each listed event
            "published",  # int64[BATCH], the `published` word of each
            "held",  # int64[16 * BATCH], places of objects that are held
            "objects",  # int64[16 * BATCH], address of each object
            "buffers",  # int64[16 * BATCH], address of each object's bytes
            "bases",  # place of a kind's first object, -1 for a kind nobody takes
            "used",  # objects of the kind used by the batch
        ],
        "formats": ["<i8"] * 20 + [("<i8", (16,))] * 2,
        "offsets": [*range(0, 160, 8), 256, 384],
        "itemsize": 512,
    }
)
"""The pool as jitted code sees it; addresses are of this process."""

_STOP: Final = int(Kind.STOP)
_SCRATCH: Final = int(CONTEXT.fields["scratch"][1])  # type: ignore[index]


@hot
def _fill(pool: int, n: int) -> int:
    """Copy up to `n` events into the pool's objects; return how many were taken."""
    view = record(POOL, pool)
    context = record(CONTEXT, view.ctx)
    cursor = record(SIDE, context.events).cursor
    listed, first, last = 0, 0, 0
    for i in range(n):
        slot = slot_at(context.events, cursor + i)
        head = record(HEAD, slot)
        if head.ts_event > 0:
            view.now = head.ts_event
        kind = load_i64(slot) & 15
        if kind == _STOP:
            view.is_stopped = 1
            n = i + 1
            break
        base = view.bases[kind]
        if base < 0:
            continue
        place = base + view.used[kind]
        view.used[kind] += 1
        copy_lines(load_i64(view.buffers + place * 8), slot, EVENT_BYTES[kind] >> 6)
        store_i64(view.indices + listed * 8, place)
        store_i64(view.times + listed * 8, view.now)
        store_i64(view.published + listed * 8, published_of(slot))
        if listed == 0:
            first = last = kind
        elif kind != first:
            last = kind
        listed += 1
    view.listed = listed
    view.kind = first if first == last else 0
    view.taken = n
    return n


@hot
def poll(pool: int) -> int:
    """Wait for events and take a batch of them; return how many, 0 for none, or BROKEN.

    Waits no longer than the pool's three times in all. The batch stays in the ring
    until `settle`.
    """
    view = record(POOL, pool)
    context = record(CONTEXT, view.ctx)
    for kind in range(16):
        view.used[kind] = 0
    view.listed = 0
    view.taken = 0
    ready = available(context.events)
    if ready == 0:
        store_release(context.heartbeat, clock_ns())
        scratch = view.ctx + _SCRATCH
        ready = wait(context.events, view.spin_ns, view.yield_ns, view.sleep_ns, scratch)
    view.start_ns = clock_ns()
    store_release(context.heartbeat, view.start_ns)
    if ready <= 0:
        return ready
    return _fill(pool, min(ready, view.limit))


@hot
def find_held(pool: int) -> int:
    """Find the objects of the batch that somebody holds, and return how many.

    Their places stand in `held`. Every reference but the pool's own counts.
    """
    view = record(POOL, pool)
    n_held = 0
    if view.reads_counts:
        for kind in range(16):
            base = view.bases[kind]
            for place in range(base, base + view.used[kind]):
                if load_i64(load_i64(view.objects + place * 8)) != 1:
                    store_i64(view.held + n_held * 8, place)
                    n_held += 1
    view.n_held = n_held
    return n_held


@hot
def settle(pool: int) -> int:
    """Release the batch to its ring and find its objects that somebody holds; how many."""
    view = record(POOL, pool)
    view.end_ns = finish_batch(view.ctx, view.taken, view.start_ns)
    record(CONTEXT, view.ctx).now = view.now
    return find_held(pool)


@hot
def _count_at(address: int) -> int:
    return load_i64(address)


def _can_read_counts() -> bool:
    """Tell whether an object's first word is its reference count, by trying it."""
    is_known = platform.python_implementation() == "CPython" and sys.version_info < (3, 14)
    if not is_known or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    sample = Event()
    one = _count_at(id(sample))
    keep = [sample, sample]
    return (one, _count_at(id(sample))) == (1, 1 + len(keep))


class Pool:
    """The objects of one strategy, and the batch that is in them.

    Parameters
    ----------
    context : Context
        Its events ring must be filled in.
    symbols : mapping of int to str
        Names by instrument number; kept, not copied.
    kinds : iterable of Kind
        The kinds to be listed; events of others are counted and passed over.
    wait_name : str
        One of WAITS.
    reads_counts : bool, optional
        Whether compiled code reads the reference counts; by default where it can.

    Attributes
    ----------
    address : int
        For `poll` and `settle`.
    flat : list of Event
        All objects, a kind's at `base(kind)`.
    words : memoryview of int64
        The POOL record; indexed by the constants of this class.
    indices : int64[BATCH]
    times, published : memoryview of int64
    """

    LIMIT, START, END, LISTED, KIND, STOPPED, NOW = 1, 5, 6, 8, 9, 10, 11

    def __init__(
        self,
        context: Context,
        symbols: Mapping[int, str],
        kinds: list[Kind],
        wait_name: str = "laptop",
        *,
        reads_counts: bool | None = None,
    ) -> None:
        self._context = context
        self._memory = aligned_zeros(POOL.itemsize)
        self.address = int(self._memory.ctypes.data)
        self.words = self._memory.view(np.int64).data
        view = self._memory.view(POOL)[0]
        self._columns = {name: np.zeros(BATCH, np.int64) for name in _SHORT}
        self._columns |= {name: np.zeros(16 * BATCH, np.int64) for name in _LONG}
        for name, column in self._columns.items():
            view[name] = column.ctypes.data
        view["ctx"], view["limit"] = context.address, BATCH
        view["spin_ns"], view["yield_ns"], view["sleep_ns"] = WAITS[wait_name]
        self.indices = self._columns["indices"]
        self.times = self._columns["times"].data
        self.published = self._columns["published"].data
        self._objects = self._columns["objects"].data
        self._buffers = self._columns["buffers"].data
        self._classes = [bind(EVENT_CLASSES[kind], symbols) for kind in kinds]
        self.flat: list[Event] = [cls() for cls in self._classes for _ in range(BATCH)]
        self._bases = {kind: i * BATCH for i, kind in enumerate(kinds)}
        view["bases"] = [self._bases.get(kind, -1) for kind in range(16)]  # type: ignore[call-overload]
        self._describe(range(len(self.flat)))
        self.reads_counts = _can_read_counts() if reads_counts is None else reads_counts
        view["reads_counts"] = self.reads_counts

    def base(self, kind: int) -> int:
        """Return the place of the first object of a kind."""
        return self._bases[Kind(kind)]

    def _describe(self, places: range | list[int]) -> None:
        """Write down where the objects at some places are."""
        flat, objects, buffers = self.flat, self._objects, self._buffers
        for place in places:
            event = flat[place]
            objects[place], buffers[place] = id(event), ctypes.addressof(event)

    def settle(self) -> None:
        """Release the batch, and put fresh objects in the places of those that are held.

        The caller must hold no event itself.
        """
        self._replace(settle(self.address))

    def recycle(self) -> None:
        """Do the same for a batch that came from no ring."""
        self._replace(find_held(self.address))

    def _replace(self, n_held: int) -> None:
        if not self.reads_counts:
            held = self._held_slowly()
        elif n_held:
            held = self._columns["held"][:n_held].tolist()
        else:
            return
        flat, classes = self.flat, self._classes
        for place in held:
            flat[place] = classes[place // BATCH]()
        self._describe(held)

    def _held_slowly(self) -> list[int]:
        """Find the held objects by the interpreter's own means."""
        flat, count = self.flat, sys.getrefcount
        listed = self.words[self.LISTED]
        return [place for place in self.indices[:listed].tolist() if count(flat[place]) > _UNHELD]


_SHORT: Final = ("indices", "times", "published")
_LONG: Final = ("held", "objects", "buffers")


def _count_unheld() -> int:
    """Return what `getrefcount(flat[place])` says of an object that only the list holds."""
    flat = [Event()]
    return next(sys.getrefcount(flat[place]) for place in (0,))


_UNHELD: Final = _count_unheld()
