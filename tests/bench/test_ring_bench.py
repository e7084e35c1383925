import json
import os
import shutil
import signal

import pytest
from engines import eventually

from livekit.bench.pair import CAPACITY, LINE, _peers, build_reference
from livekit.bench.processes import fork
from livekit.bench.ring import private_memory
from livekit.cli.main import main
from livekit.engine.folder import sweep
from livekit.errors import LivekitError
from livekit.ring.queue import LockFreeQueue


@pytest.mark.process
def test_quick_benchmark_measures_every_row_and_leaves_nothing_behind(runtime_dir, capfd):
    # Only that it measures: how fast a machine is that runs other tests beside it is no
    # matter of a test.
    assert main(["bench", "ring", "--quick", "--json"]) == 0
    made = json.loads(capfd.readouterr().out)
    names = [row["name"] for row in made["rows"]]
    assert sum("round trip" in name for name in names) == 1
    assert sum("delivered to each of" in name for name in names) == 4
    for row in made["rows"]:
        assert row["value"] > 0 or "dropped" in row["name"]
        assert set(row) >= {"spread", "peer", "ratio", "target", "ok"}
    memory = next(row for row in made["rows"] if row["name"].startswith("memory"))
    assert memory["ok"] is True
    assert list(runtime_dir.iterdir()) == []


def test_benchmark_on_one_processor_is_refused_with_what_to_do(runtime_dir, capfd):
    places = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(places)})
    try:
        assert main(["bench", "ring", "--quick"]) == 4
    finally:
        os.sched_setaffinity(0, places)
    assert "may use one processor; run it where there are two" in capfd.readouterr().err
    assert list(runtime_dir.iterdir()) == []


@pytest.mark.process
def test_ctrl_c_ends_a_measured_process_at_once_and_without_a_word(tmp_path, capfd):
    def spin():
        (tmp_path / "begun").touch()
        while True:
            pass

    child = fork("spinner", spin)
    eventually((tmp_path / "begun").exists, "the child's begin")
    os.kill(child.pid, signal.SIGINT)
    with pytest.raises(LivekitError, match="'spinner' ended without a result"):
        child.result()
    assert capfd.readouterr().err == ""


@pytest.mark.process
@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ to compile the C++ side with")
def test_reference_that_is_given_up_leaves_no_process(tmp_path):
    program = build_reference(tmp_path)
    queue = LockFreeQueue.create(tmp_path / "ring", CAPACITY, LINE)
    with _peers(program, tmp_path / "ring", 10**12, "produce", "consume") as started:
        assert [one.poll() for one in started] == [None, None]
    assert [one.returncode for one in started] == [-signal.SIGKILL] * 2
    queue.unlink()


def test_folder_of_a_running_benchmark_is_no_dead_engines(runtime_dir):
    with private_memory() as folder:
        (folder / "ring").write_bytes(b"")
        sweep()
        assert (folder / "ring").exists()
    assert not folder.exists()


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ to compile the C++ side with")
def test_reference_compiles(tmp_path):
    assert build_reference(tmp_path).exists()


def test_without_a_compiler_there_is_no_reference(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build_reference(tmp_path) is None


def test_reference_that_the_compiler_refuses_is_reported(tmp_path, monkeypatch):
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\necho no such option >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(LivekitError, match=r"g\+\+ refused reference.cpp: no such option"):
        build_reference(tmp_path)
