"""The source document's Python queue, as it printed it, to be measured against.

Only what it needed to run at all is different: ``mmap`` takes its flags by name, and
the file is opened by the path given instead of waiting for a name in /dev/shm.
Layer 5.
"""

import mmap
import os
import struct
from pathlib import Path

__all__ = ["METADATA_BYTES", "DocumentQueue"]

METADATA_BYTES = 32


class DocumentQueue:
    """A queue over mmap, seek, read, write and struct, one event of bytes at a time."""

    def __init__(self, path: Path, capacity: int, event_size: int) -> None:
        self.fd = os.open(path, os.O_RDWR)
        total_size = METADATA_BYTES + capacity * event_size
        self.mmap = mmap.mmap(
            self.fd, total_size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE
        )
        self.capacity = capacity
        self.event_size = event_size
        self.metadata_offset = 0
        self.data_offset = METADATA_BYTES

    def try_pop(self) -> bytes | None:
        """Pop the oldest event, or None."""
        self.mmap.seek(self.metadata_offset)
        write_pos = struct.unpack("Q", self.mmap.read(8))[0]
        read_pos = struct.unpack("Q", self.mmap.read(8))[0]

        if read_pos >= write_pos:
            return None

        index = read_pos % self.capacity
        event_offset = self.data_offset + index * self.event_size

        self.mmap.seek(event_offset)
        event_data = self.mmap.read(self.event_size)

        self.mmap.seek(self.metadata_offset + 8)
        self.mmap.write(struct.pack("Q", read_pos + 1))

        return event_data

    def try_push(self, event_data: bytes) -> bool:
        """Push an event; False when full."""
        self.mmap.seek(self.metadata_offset)
        write_pos = struct.unpack("Q", self.mmap.read(8))[0]
        read_pos = struct.unpack("Q", self.mmap.read(8))[0]

        if write_pos - read_pos >= self.capacity:
            return False

        index = write_pos % self.capacity
        event_offset = self.data_offset + index * self.event_size

        self.mmap.seek(event_offset)
        self.mmap.write(event_data)

        self.mmap.seek(self.metadata_offset)
        self.mmap.write(struct.pack("Q", write_pos + 1))

        return True
