"""The mark of a kill switch: kept whole, found again, cleared once."""

import pytest

from livekit.engine import halting
from livekit.engine.halting import clear_halt, keep_halt, read_halt

pytestmark = pytest.mark.usefixtures("runtime_dir")


def test_mark_says_when_and_who_until_it_is_cleared():
    assert read_halt("main") is None
    keep_halt("main", "pid 7")
    keep_halt("main", "pid 8")
    assert read_halt("main")["by"] == "pid 8"
    assert read_halt("main")["at"].startswith("20")
    assert read_halt("other") is None
    clear_halt("main")
    clear_halt("main")
    assert read_halt("main") is None


def test_mark_that_cannot_be_read_still_halts():
    keep_halt("main", "pid 7")
    halting._path("main").write_bytes(b"{")
    assert read_halt("main") == {"at": "an unknown time", "by": "unknown"}
