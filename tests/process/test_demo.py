"""``livekit demo`` as a user runs it: its result, Ctrl-C, and kill -9 of each process.

Injected: nothing; SIGINT; SIGKILL of the demo, the engine, a strategy. Checked: the
printed JSON, the exit code, and that neither file nor process is left, or that the next
command removes it and says so.
"""

import json
import os
import signal
import subprocess
import sys

import pytest
from engines import eventually

from livekit import clock
from livekit.engine.folder import segment_paths, sweep
from livekit.errors import LivekitError
from livekit.ring.segment import Phase, Segment

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]


@pytest.fixture
def demo(runtime_dir, recording):
    """Give a function that starts the demo; end what is left of it."""
    started = []

    def start(*options):
        command = [sys.executable, "-m", "livekit.cli.main", "demo", "--data", str(recording)]
        process = subprocess.Popen(
            [*command, "--json", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    sweep()
    assert list(runtime_dir.iterdir()) == []


def folder_of(runtime_dir, process):
    return runtime_dir / f"demo-{process.pid}"


def pids(runtime_dir, process):
    """Wait until all three strategies run; return pids of the engine and of each."""
    folder = folder_of(runtime_dir, process)

    def running():
        paths = segment_paths(folder)
        try:
            headers = [Segment.attach(path).header for path in paths]
        except LivekitError:
            return None  # being made
        found = {path.name: int(h["strategy_pid"]) for path, h in zip(paths, headers, strict=True)}
        has_begun = all(int(header["phase"]) == Phase.RUNNING for header in headers)
        return found if len(found) == 3 and has_begun else None

    found = eventually(running, "three running strategies", 120)
    prefix = Segment.attach(segment_paths(folder)[0]).file.prefix
    return {"engine": int(prefix["engine_pid"]), **found}


def finish(process, timeout=60):
    out, err = process.communicate(timeout=timeout)
    return process.returncode, (json.loads(out) if out else None), err


def all_gone(found):
    return all(clock.process_start(pid) == 0 for pid in found.values())


def test_demo_runs_three_strategies_to_the_end_and_leaves_nothing(demo, runtime_dir):
    code, result, err = finish(demo("--speed", "60"), 180)
    assert (code, err) == (0, "")
    assert result["leftovers"] == result["problems"] == []
    rows = {row["name"]: row for row in result["strategies"]}
    assert {name: row["mode"] for name, row in rows.items()} == {
        "momentum": "interpreted",
        "mean_reversion": "compiled",
        "pairs": "compiled",
    }
    for row in rows.values():
        assert row["received"] > 0
        assert row["dropped"] == 0
        assert row["segment_bytes"] <= 2 * 2**20
        assert set(row["latency_ns"]) == {"p50", "p99", "p999"}
        assert row["latency_ns"]["p50"] > 0
    assert result["engine"]["events_in"] == 9600
    assert result["engine"]["events_out"] >= sum(row["received"] for row in rows.values()) - 3
    assert list(runtime_dir.iterdir()) == []


def test_interrupted_demo_prints_what_it_has_and_leaves_nothing(demo, runtime_dir):
    process = demo("--speed", "1")
    found = pids(runtime_dir, process)
    process.send_signal(signal.SIGINT)
    code, result, _ = finish(process)
    assert code == 130
    assert len(result["strategies"]) == 3
    assert result["leftovers"] == []
    assert all_gone(found)
    assert list(runtime_dir.iterdir()) == []


def test_demo_whose_strategy_is_killed_goes_on_and_says_so(demo, runtime_dir):
    process = demo("--speed", "10")
    found = pids(runtime_dir, process)
    os.kill(found["pairs"], signal.SIGKILL)
    code, result, _ = finish(process)
    assert code == 1
    assert result["problems"] == ["strategy 'pairs' died; the others went on"]
    assert result["engine"]["events_in"] == 9600
    assert result["leftovers"] == []


def test_demo_whose_engine_is_killed_cleans_up_and_says_so(demo, runtime_dir):
    process = demo("--speed", "1")
    found = pids(runtime_dir, process)
    os.kill(found["engine"], signal.SIGKILL)
    code, result, _ = finish(process)
    assert code == 1
    assert "which is gone" in "\n".join(result["problems"])
    assert result["leftovers"] == []
    eventually(lambda: all_gone(found), "end of the strategies")


def test_killed_demo_takes_its_engine_and_strategies_with_it(demo, runtime_dir):
    process = demo("--speed", "1")
    found = pids(runtime_dir, process)
    process.kill()
    eventually(lambda: all_gone(found), "end of engine and strategies")
    eventually(lambda: not folder_of(runtime_dir, process).exists(), "removal of the folder")


def test_next_demo_cleans_up_after_an_engine_killed_together_with_its_demo(demo, runtime_dir):
    process = demo("--speed", "1")
    found = pids(runtime_dir, process)
    process.kill()
    os.kill(found["engine"], signal.SIGKILL)
    eventually(lambda: all_gone(found), "end of engine and strategies")
    assert folder_of(runtime_dir, process).exists()
    code, result, err = finish(demo("--speed", "60"), 180)
    assert (code, result["leftovers"]) == (0, [])
    assert f"cleaned up after engine 'demo-{process.pid}', which is gone" in err
