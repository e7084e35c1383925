"""R14 and the recorder's promise: kill -9 at any instant loses at most the last second.

Injected: SIGKILL of the reader, of the recorder, of both, at random instants, one after
the other into one folder; a file system that is full. Checked: every event that the
engine had sent a second before the kill is in the catalog, to the byte; nothing is in it
that was not sent, nothing twice; the engine goes on, and another reader loses nothing.
Figure: 12 kills (times --scale), 0 events lost that were older than a second.
"""

import os
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
from engines import eventually, fork_strategy, reap_children, row, status
from recorders import Recorder, keys_of, kill, record

from livekit.engine.folder import engine_folder, log_path
from livekit.ring.directory import EngineSegment
from livekit.ring.segment import Segment
from livekit.ring.state import state_of
from livekit.store.catalog import Catalog
from livekit.store.check import check
from livekit.store.recorder_log import parts_of

pytestmark = [pytest.mark.process, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
DAY_DATA = HERE.parents[1] / "replay_data"
SPEED = 200
SECOND = 1_000_000_000


@pytest.fixture
def recorder(engine, tmp_path):
    """Give a function that starts a recorder of the engine ``main``; end what is left."""
    started = []

    def make(*options, out=tmp_path / "out", **how):
        started.append(Recorder(out, *options, **how))
        return started[-1]

    yield make
    for one in started:
        one.close()
    reap_children()


def raw(rows):
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), rows.dtype.itemsize)


def test_kill_at_any_instant_loses_at_most_the_last_second(
    engine, recorder, tmp_path, scale, runtime_dir
):
    random.seed(7)
    engine(data=str(DAY_DATA), speed=str(SPEED))
    board = EngineSegment.attach(engine_folder("main"))
    stretches = []
    for i in range(max(3, round(12 * scale))):
        if status()["state"] == "finished":
            break
        eventually(lambda: row("record") is None, "the end of the one before")
        running = recorder("--rotate-mb", random.choice(["0.02", "64"]))
        segment = running.recording()
        begun = state_of(segment)["state"]["last_ts"]
        until = int(board.header["now"]) + SPEED * random.randrange(SECOND, 2 * SECOND)
        eventually(lambda until=until: int(board.header["now"]) >= until, "the instant")
        ended = int(board.header["now"])
        if i % 3 != 1:
            kill(running.reader_pid(segment))
        if i % 3 != 0:
            kill(running.process.pid)
        code, said, _ = running.result()
        if i % 3 == 0:
            assert code == 1
            assert "ended by signal 9; what it wrote is kept" in said["failure"]
        stretches.append((begun, ended - SPEED * SECOND))
    code, said, err = record(tmp_path / "out", "--recover")
    assert (code, said["failure"]) == (0, None), err
    assert parts_of(tmp_path / "out", with_open=True) == []
    assert status()["state"] in {"running", "finished"}
    assert len(stretches) >= 3
    assert_kept(tmp_path / "out", stretches)


def assert_kept(out, stretches):
    """Check that all of each stretch of time is there, and nothing that was not sent."""
    n_checked = 0
    for key in keys_of(DAY_DATA):
        sent = Catalog(DAY_DATA).read(*key, cache=False)
        path = Catalog(out).path(*key)
        found = Catalog(out).read(*key, cache=False) if path.is_file() else sent[:0]
        places = np.searchsorted(sent["sequence"], found["sequence"])
        assert (np.diff(places) > 0).all()  # none twice, all in order
        assert (raw(sent)[places] == raw(found)).all()
        for begun, ended in stretches:
            is_due = (sent["ts_recv"] > begun) & (sent["ts_recv"] < ended)
            assert np.isin(np.flatnonzero(is_due), places).all()
            n_checked += int(is_due.sum())
    assert n_checked > 0
    assert {one.what for one in check(out)[1]} <= {"sequence"}  # between two recordings


def test_reader_that_is_killed_ends_the_recorder_and_its_own_engine(runtime_dir, tmp_path):
    options = ("--source", "replay", "--data", str(DAY_DATA), "--speed", str(SPEED))
    running = Recorder(tmp_path / "out", *options, engine="mine")
    try:
        segment = running.recording(100)
        kill(running.reader_pid(segment))
        code, said, _ = running.result()
    finally:
        running.close()
    assert code == 1
    assert sum(said["catalog"]["rows"].values()) >= 100
    assert list(runtime_dir.iterdir()) == []


def bystander():
    """Attach a strategy that counts; return its segment."""
    facts = fork_strategy(HERE / "counting.py", "bystander")
    segment = Segment.attach(Path(facts["segment"]))
    eventually(lambda: segment.strategy_counters["received"].sum() > 0, "the bystander's start")
    return segment


def assert_engine_unaffected(segment):
    """Check that the engine goes on and that another reader has lost nothing."""
    before = int(segment.strategy_counters["received"].sum())
    eventually(lambda: int(segment.strategy_counters["received"].sum()) > before + 100, "events")
    assert int(segment.engine_counters["dropped"].sum()) == 0
    assert status()["state"] == "running"
    eventually(lambda: row("record") is None, "the recorder's end")


def assert_prefix_of_each_file(out):
    n_rows = 0
    for key in keys_of(out):
        sent = Catalog(DAY_DATA).read(*key, cache=False)
        found = Catalog(out).read(*key, cache=False)
        at = int(np.searchsorted(sent["sequence"], found["sequence"][0]))
        assert (raw(sent)[at : at + len(found)] == raw(found)).all()
        n_rows += len(found)
    return n_rows


def test_file_that_may_not_grow_ends_the_recording_and_nothing_else(engine, recorder, tmp_path):
    engine(data=str(DAY_DATA), speed=str(SPEED))
    seen = bystander()
    code, said, _ = recorder(file_kb=64).result()
    assert code == 1
    assert "recording stopped" in said["failure"]
    assert "File too large" in said["failure"]
    for name in ("record", "_engine"):
        assert "recording stopped" in log_path("main", name).read_text()
    assert_engine_unaffected(seen)
    code, again, _ = record(tmp_path / "out", "--recover")
    assert code == 0
    written = said["events"]
    rows = [said["catalog"]["rows"], again["recovered"]["rows"]]
    assert written > 0
    assert sum(sum(part.values()) for part in rows) == written
    assert assert_prefix_of_each_file(tmp_path / "out") == written


@pytest.fixture
def small_disk(tmp_path):
    """Give a folder on a file system of 1 MB of its own, where that is permitted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(folder)]
    if os.getuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_ends_the_recording_and_nothing_that_was_written_is_lost(
    engine, recorder, small_disk, tmp_path
):
    engine(data=str(DAY_DATA), speed=str(SPEED))
    seen = bystander()
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(600_000))
    code, said, _ = recorder(out=small_disk / "out").result()
    assert code == 1
    assert "No space left on device" in said["failure"]
    assert "free space and run 'livekit record' again" in said["failure"]
    assert_engine_unaffected(seen)
    ballast.unlink()
    code, again, _ = record(small_disk / "out", "--recover")
    assert code == 0, again
    rows = [said["catalog"]["rows"], again["recovered"]["rows"]]
    assert sum(sum(part.values()) for part in rows) == said["events"] > 0
    assert assert_prefix_of_each_file(small_disk / "out") == said["events"]
