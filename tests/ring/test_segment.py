"""R5: a segment that is not exactly what it should be is refused, and says why.

Injected: every way in which a strategy's or an engine's file can be wrong, stale, foreign,
half-made or in the way: 20 cases for each of the two kinds of file. Checked: the class of
the refusal and the words that name both sides. Figure: 40 of 40 refused.
"""

import os
import shutil

import numpy as np
import pytest

from livekit import clock
from livekit.errors import ConfigError, NotFoundError, SegmentError, SegmentMismatchError
from livekit.instruments import Instrument
from livekit.ring.directory import ENGINE_SEGMENT, EngineSegment
from livekit.ring.mapping import PREFIX
from livekit.ring.segment import Phase, Segment, SegmentPlan


@pytest.fixture
def folder(runtime_dir):
    folder = runtime_dir / "main"
    folder.mkdir(mode=0o700)
    return folder


def plan(**changes):
    values = {"name": "momentum", "engine": "main", "generation": 7, "ring": 3, "epoch": 1}
    return SegmentPlan(**{**values, "spec": {"mode": "interpreted"}, **changes})


class StrategyFile:
    def __init__(self, folder):
        self.path = folder / "momentum"
        self.made = Segment.create(self.path, plan())

    def attach(self):
        return Segment.attach(self.path)

    def create(self):
        return Segment.create(self.path, plan())


class EngineFile:
    def __init__(self, folder):
        self.path = folder / ENGINE_SEGMENT
        self.folder = folder
        self.made = EngineSegment.create(folder, generation=7, engine="main")

    def attach(self):
        return EngineSegment.attach(self.folder)

    def create(self):
        return EngineSegment.create(self.folder, generation=7, engine="main")


@pytest.fixture(params=[StrategyFile, EngineFile])
def made(request, folder):
    return request.param(folder)


def write(made, field, value):
    made.made.file.memory[: PREFIX.itemsize].view(PREFIX)[0][field] = value


def resize(made, n_bytes):
    os.truncate(made.path, n_bytes)


def replace_by_link(made, target):
    made.path.unlink()
    made.path.symlink_to(target)


def replace_by_fifo(made):
    made.path.unlink()
    os.mkfifo(made.path)


def replace_by_folder(made):
    made.path.unlink()
    made.path.mkdir()


def give_away(made):
    os.chown(made.path, 12345, -1)


def move(made):
    """Copy the file over one of another name: whole, sound, and not what was asked for."""
    shutil.copy(made.path, made.path.with_name("other"))
    made.path.with_name("other").chmod(0o600)
    made.path = made.path.with_name("other")
    made.folder = made.path.parent


BREAKAGES = {
    "magic of another program": (
        lambda made: write(made, "magic", b"ANOTHER!"),
        SegmentMismatchError,
        "starts with b'ANOTHER!', expected b'LIVEKIT1'",
    ),
    "older ABI": (lambda made: write(made, "abi", 0), SegmentMismatchError, "ABI 0x0.*expects 0x2"),
    "newer ABI": (lambda made: write(made, "abi", 3), SegmentMismatchError, "ABI 0x3.*expects 0x2"),
    "negative ABI": (lambda made: write(made, "abi", -1), SegmentMismatchError, "expects 0x2"),
    "half-made": (lambda made: write(made, "ready", 0), SegmentError, "half-made"),
    "nothing written yet": (
        lambda made: made.made.file.memory[:256].fill(0),
        SegmentError,
        "half-made",
    ),
    "size in the header too large": (
        lambda made: write(made, "segment_bytes", 1 << 40),
        SegmentMismatchError,
        "its header says 1099511627776; it is truncated",
    ),
    "size in the header too small": (
        lambda made: write(made, "segment_bytes", 4096),
        SegmentMismatchError,
        "its header says 4096",
    ),
    "truncated by a page": (
        lambda made: resize(made, made.made.file.memory.size - 4096),
        SegmentMismatchError,
        "truncated",
    ),
    "longer than it says": (
        lambda made: resize(made, made.made.file.memory.size + 4096),
        SegmentMismatchError,
        "its header says",
    ),
    "truncated to less than a header": (
        lambda made: resize(made, 100),
        SegmentError,
        "has 100 bytes, expected at least 256",
    ),
    "empty": (lambda made: resize(made, 0), SegmentError, "has 0 bytes"),
    "another boot": (
        lambda made: write(made, "boot_id", b"11111111-2222-3333-4444-555555555555"),
        SegmentMismatchError,
        f"is of boot 11111111.*this is boot {clock.boot_id()}",
    ),
    "engine gone": (
        lambda made: write(made, "engine_pid", 2**22 - 1),
        SegmentError,
        "belongs to engine process 4194303, which is gone",
    ),
    "pid of the engine used again": (
        lambda made: write(made, "engine_start", 1),
        SegmentError,
        f"belongs to engine process {os.getpid()}, which is gone",
    ),
    "readable by others": (
        lambda made: made.path.chmod(0o644),
        SegmentError,
        "has mode 644, expected 600",
    ),
    "a symbolic link": (
        lambda made: replace_by_link(made, "/dev/zero"),
        SegmentError,
        "must be a regular file of your own, not a link",
    ),
    "a FIFO": (replace_by_fifo, SegmentError, "is no regular file"),
    "a folder": (replace_by_folder, SegmentError, "cannot be opened: Is a directory"),
    "removed": (lambda made: made.path.unlink(), NotFoundError, "does not exist; is its engine"),
}


@pytest.mark.parametrize("breakage", list(BREAKAGES))
def test_wrong_segment_is_refused_with_both_sides_named(made, breakage):
    made.attach()
    harm, error, message = BREAKAGES[breakage]
    harm(made)
    with pytest.raises(error, match=message):
        made.attach()


def test_segment_of_another_user_is_refused(made):
    if os.geteuid() != 0:
        pytest.skip("giving a file away needs root")
    give_away(made)
    with pytest.raises(SegmentError, match="belongs to uid 12345, this process is uid"):
        made.attach()


def test_segment_under_another_name_is_refused_by_both_names(folder):
    made = StrategyFile(folder)
    move(made)
    message = r"'momentum' of engine 'main'.*expected 'other'"
    with pytest.raises(SegmentMismatchError, match=message):
        made.attach()


def test_segment_in_another_engines_folder_is_refused(folder, runtime_dir):
    made = StrategyFile(folder)
    (runtime_dir / "second").mkdir(mode=0o700)
    made.path = made.path.rename(runtime_dir / "second" / "momentum")
    with pytest.raises(SegmentMismatchError, match=r"of engine 'main'.*'second'"):
        made.attach()


def test_name_that_is_taken_is_refused_and_the_owner_unharmed(made):
    made.made.file.memory[-1] = 7
    with pytest.raises(SegmentError, match="exists already; another engine owns it"):
        made.create()
    assert made.attach().file.memory[-1] == 7


def test_dead_engines_segment_can_be_read_when_asked_for(folder):
    made = StrategyFile(folder)
    write(made, "engine_start", 1)
    segment = Segment.attach(made.path, allow_dead=True)
    assert not segment.engine_is_alive()
    assert segment.name == "momentum"


def test_attached_segment_holds_what_was_made(folder):
    segment = StrategyFile(folder).attach()
    assert segment.spec == {"mode": "interpreted"}
    assert (int(segment.header["ring"]), int(segment.header["epoch"])) == (3, 1)
    assert segment.cursors("events") == segment.cursors("orders") == (0, 0)
    assert int(segment.header["phase"]) == Phase.CREATED
    assert segment.n_bytes <= 2 * 2**20


def test_slots_of_different_rings_start_in_different_cache_sets(folder):
    starts = set()
    for ring in range(16):
        segment = Segment.create(folder / f"s{ring}", plan(name=f"s{ring}", ring=ring))
        starts.add(int(segment.header["events_slots"]) % 4096)
    assert starts == {ring * 128 for ring in range(16)}


def test_segment_knows_the_process_that_claimed_it(folder):
    segment = StrategyFile(folder).made
    assert not segment.strategy_is_alive()
    segment.claim_for_strategy()
    assert segment.strategy_is_alive()
    segment.header["strategy_start"] += 1
    assert not segment.strategy_is_alive()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spec": {"doc": "x" * 20_000}}, "description of strategy 'momentum' is 20011 bytes"),
        ({"state_bytes": 300_000}, "state of strategy 'momentum' is 300000 bytes, at most 262144"),
        ({"events_capacity": 1 << 17}, "ring of 'momentum' is to have 131072 slots, at most 65536"),
    ],
)
def test_strategy_too_large_for_a_segment_is_refused_and_nothing_made(folder, changes, message):
    with pytest.raises(ConfigError, match=message):
        Segment.create(folder / "momentum", plan(**changes))
    assert list(folder.iterdir()) == []


def test_directory_gives_instruments_back_in_the_order_of_their_numbers(folder):
    engine = EngineFile(folder)
    instruments = [
        Instrument("BTC-USDT", 0.1, 1e-5, 1e-5),
        Instrument("ETH-USDT", 0.01, 1e-4, 1e-4),
    ]
    assert [engine.made.append(item) for item in instruments] == [0, 1]
    assert engine.attach().instruments() == instruments
    assert np.all(engine.attach().board["version"] == 0)
