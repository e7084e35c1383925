"""The Python face of a ring: one event in, one event out, by method calls.

For tools, tests and small programs. A call from Python costs a few hundred
nanoseconds, some hundred times the ring's own work, so engines and runners work on
batches inside jitted code instead. The names are those of the source document's
queue; unlike it, the two sides may be different languages (``livekit abi``).

A queue is a private file (PREFIX, QUEUE, control block, slots) or lies over memory
that is mapped already. One process pushes and one pops. Which of the two a process
is, shows at its first push or pop: only then does it read where the cursors stand.
Layer 1.
"""

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from livekit.errors import ConfigError, SegmentError
from livekit.events import DTYPES, EVENT_BYTES, HEAD, SLOT_BYTES, Kind
from livekit.ring import mapping, spsc
from livekit.ring.layout import (
    CONTROL_BYTES,
    SIDE,
    SIDE_BYTES,
    aligned_zeros,
    check_power_of_two,
    fill_side,
)
from livekit.ring.layout import HEAD as HEAD_WORD
from livekit.ring.layout import TAIL as TAIL_WORD

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["QUEUE", "QUEUE_BYTES", "LockFreeQueue"]

QUEUE: Final = np.dtype(
    {
        "names": ["capacity", "slot_bytes"],
        "formats": ["<i8", "<i8"],
        "offsets": [256, 264],
        "itemsize": 512,
    }
)
"""The first 512 bytes of a queue's file, after the 256 of mapping.PREFIX in them."""

QUEUE_BYTES: Final = QUEUE.itemsize


_SIZES: Final[list[int]] = EVENT_BYTES.tolist()


class LockFreeQueue:
    """A single-producer single-consumer queue of events.

    Made by `create`, `open` or `over`, not directly.

    Attributes
    ----------
    capacity : int
        Slots.
    event_size : int
        Bytes of a slot: the largest event the queue takes.
    """

    def __init__(self, control: np.ndarray, slots: np.ndarray, path: Path | None = None) -> None:
        self.capacity, self.event_size = (int(n) for n in slots.shape)
        check_power_of_two("capacity", self.capacity)
        check_power_of_two("slot size", self.event_size)
        if control.nbytes < CONTROL_BYTES or control.ctypes.data % 64 or slots.ctypes.data % 64:
            raise SegmentError(
                f"control block has {control.nbytes} bytes at {control.ctypes.data:#x}, expected "
                f"{CONTROL_BYTES}; it and the slots must start at a multiple of 64"
            )
        self.path = path
        self._control, self._slots = control, slots
        self._words = control[:CONTROL_BYTES].view(np.int64)
        self._sides = aligned_zeros(2 * SIDE_BYTES).view(SIDE)
        self._producer = self._consumer = 0
        self._stage = aligned_zeros(SLOT_BYTES)
        self._stage_address = int(self._stage.ctypes.data)
        self._bytes = self._stage.data
        self._kinds = _kinds_within(self.event_size)
        self._batch = np.zeros((0, self.event_size), np.uint8)
        self._is_open = True

    @classmethod
    def create(cls, path: str | Path, capacity: int = 4096, event_size: int = SLOT_BYTES) -> Self:
        """Make a queue in a new file of mode 0600.

        Parameters
        ----------
        path : str or Path
        capacity, event_size : int
            Powers of two; an event of 64 bytes needs slots of 64.

        Raises
        ------
        SegmentError
            The file exists, there is no room, or a size is no power of two.
        """
        check_power_of_two("capacity", capacity)
        check_power_of_two("slot size", event_size)
        n_bytes = QUEUE_BYTES + CONTROL_BYTES + capacity * event_size
        file = mapping.create(Path(path), n_bytes, generation=1, engine="", name="queue")
        header = file.part(QUEUE, 0)[0]
        header["capacity"], header["slot_bytes"] = capacity, event_size
        file.prefix["ready"] = 1
        return cls(*_parts(file), file.path)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Map a queue that another process made.

        Raises
        ------
        NotFoundError
            There is no such file.
        SegmentError
            It may not be used: see `mapping.open_verified`; or it is no queue.
        """
        file = mapping.open_verified(Path(path), allow_dead=True)
        return cls(*_parts(file), file.path)

    @classmethod
    def over(cls, control: np.ndarray, slots: np.ndarray) -> Self:
        """Use a ring that lies in memory of the caller's.

        Parameters
        ----------
        control : uint8[CONTROL_BYTES]
        slots : uint8[capacity, event_size]
            C-contiguous. The queue keeps both alive.
        """
        return cls(control, slots)

    def try_push(self, event: "Buffer") -> bool:
        """Push one event; False when the queue is full.

        Parameters
        ----------
        event : bytes-like, among them a structured scalar or a row of an array
            Starts with the 32 bytes of HEAD; its kind says how many bytes count.

        Raises
        ------
        ConfigError
            The kind is unknown, the event is shorter than its kind, or the slots are.
        SegmentError
            The queue is closed, or its consumer wrote an impossible cursor.
        """
        side = self._producer or self._join(is_producer=True)
        data = event.tobytes() if isinstance(event, np.generic | np.ndarray) else bytes(event)
        size = _event_size(data)
        if size > self.event_size:
            raise ConfigError(
                f"event of kind {Kind(data[0]).name} is {size} bytes, slots of this queue are "
                f"{self.event_size}; create it with event_size={SLOT_BYTES}"
            )
        self._bytes[:size] = data[:size]
        return self._checked(spsc.push(side, self._stage_address, size >> 6)) == 1

    def try_pop(self) -> np.void | None:
        """Pop the oldest event as a structured scalar of its kind's dtype; None when empty.

        The scalar is the caller's own copy. An event of unknown kind comes as HEAD.

        Raises
        ------
        SegmentError
            The queue is closed, or its producer wrote an impossible cursor.
        """
        side = self._consumer or self._join(is_producer=False)
        if self._checked(spsc.pop(side, self._stage_address)) == 0:
            return None
        return self._event_at(self._bytes)

    def read_batch(self, max_count: int = 100) -> list[np.void]:
        """Pop up to `max_count` events with one call into the ring; may be empty.

        Raises
        ------
        SegmentError
            As `try_pop`.
        """
        side = self._consumer or self._join(is_producer=False)
        if len(self._batch) < max_count:
            self._batch = aligned_zeros(max_count * self.event_size).reshape(-1, self.event_size)
        batch, size = self._batch, self.event_size
        n = self._checked(spsc.pop_batch(side, int(batch.ctypes.data), size, max_count))
        rows = batch.reshape(-1).data
        return [self._event_at(rows[i * size : (i + 1) * size]) for i in range(n)]

    def __len__(self) -> int:
        """Events in the queue at some instant during the call."""
        self._require_open()
        head = int(self._words[HEAD_WORD // 8])
        return min(max(int(self._words[TAIL_WORD // 8]) - head, 0), self.capacity)

    @property
    def memory(self) -> tuple[np.ndarray, np.ndarray]:
        """Control block uint8[CONTROL_BYTES] and slots uint8[capacity, event_size], as mapped."""
        return self._control, self._slots

    def close(self) -> None:
        """Let go of the memory. The file and the other side stay; closing twice is fine."""
        self._is_open = False
        self._producer = self._consumer = 0
        self._control = self._slots = self._words = np.zeros(0, np.int64)

    def unlink(self) -> None:
        """Remove the queue's file; the memory lives until both sides have closed."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _require_open(self) -> None:
        if not self._is_open:
            raise SegmentError(f"queue {str(self.path)!r} is closed; open it again")

    def _join(self, *, is_producer: bool) -> int:
        """Become one side of the ring, from where its cursors stand now."""
        self._require_open()
        place = 0 if is_producer else 1
        fill_side(
            self._sides[place : place + 1],
            control=int(self._control.ctypes.data),
            slots=int(self._slots.ctypes.data),
            capacity=self.capacity,
            slot_bytes=self.event_size,
            tail=int(self._words[TAIL_WORD // 8]),
            head=int(self._words[HEAD_WORD // 8]),
            is_producer=is_producer,
        )
        address = int(self._sides.ctypes.data) + place * SIDE_BYTES
        if is_producer:
            self._producer = address
        else:
            self._consumer = address
        return address

    def _event_at(self, data: memoryview) -> np.void:
        """Return the event at the start of a slot as a scalar with memory of its own."""
        kind = self._kinds[data[0] & 15]
        # Copying a structured scalar by NumPy goes field by field: 6.3 µs against 0.9.
        event: np.void = np.frombuffer(bytearray(data[: kind.itemsize]), kind)[0]
        return event

    def _checked(self, result: int) -> int:
        if result < 0:
            tail, head = (int(self._words[word // 8]) for word in (TAIL_WORD, HEAD_WORD))
            raise SegmentError(
                f"queue {str(self.path)!r} is broken: the other side wrote an impossible cursor, "
                f"tail={tail} head={head} capacity={self.capacity}; make a new one"
            )
        return result


def _parts(file: mapping.Mapping) -> tuple[np.ndarray, np.ndarray]:
    """Return the control block and the slots of a queue's file, after checking its sizes."""
    header = file.part(QUEUE, 0)[0] if file.memory.size >= QUEUE_BYTES else {"capacity": -1}
    capacity = int(header["capacity"])
    slot_bytes = int(header["slot_bytes"]) if capacity > 0 else 0
    start = QUEUE_BYTES + CONTROL_BYTES
    if capacity <= 0 or slot_bytes <= 0 or file.memory.size != start + capacity * slot_bytes:
        raise SegmentError(
            f"{str(file.path)!r} is no queue: {file.memory.size} bytes for {capacity} slots of "
            f"{slot_bytes}; make one with LockFreeQueue.create"
        )
    control = file.memory[QUEUE_BYTES:start]
    return control, file.memory[start:].reshape(capacity, slot_bytes)


def _kinds_within(slot_bytes: int) -> list[np.dtype[np.void]]:
    """Return the dtype of each of 16 kinds; HEAD for those that do not exist or do not fit."""
    kinds = [DTYPES.get(kind, HEAD) for kind in (*Kind, *[Kind.NONE] * (16 - len(Kind)))]
    return [kind if kind.itemsize <= slot_bytes else HEAD for kind in kinds]


def _event_size(data: bytes) -> int:
    """Return the bytes that count of an event, or refuse it."""
    size = _SIZES[data[0]] if data and data[0] < len(_SIZES) else 0
    if size == 0:
        raise ConfigError(
            f"event of {len(data)} bytes has kind {data[0] if data else None!r}, expected a number "
            f"of livekit.events.Kind from 1 to {max(Kind)}; make it from a dtype of DTYPES"
        )
    if len(data) < size:
        raise ConfigError(
            f"event of kind {Kind(data[0]).name} has {len(data)} bytes, expected {size}"
        )
    return size
