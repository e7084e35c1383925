"""The engine as a process: starts, serves, halts, stops, and cleans up after its like."""

import os
import signal
import subprocess
import sys

import pytest
from engines import eventually, n_events, status

from livekit import clock
from livekit.engine.client import call
from livekit.engine.folder import engine_folder, is_running
from livekit.engine.launch import stop_engine
from livekit.errors import ConfigError, DataError, NotFoundError, NotRunningError

pytestmark = pytest.mark.process


def test_engine_replays_everything_and_stops_without_leaving_anything(engine):
    pid = engine()["pid"]
    done = eventually(lambda: (s := status())["state"] == "finished" and s)
    assert (done["events_in"], done["position"], done["pid"]) == (n_events(), n_events(), pid)
    assert (done["trading"], done["events_dropped"], done["equity"]) == ("ACTIVE", 0, 100_000.0)
    answer = stop_engine("main")
    assert answer == {"engine": "main", "pid": pid, "leftovers": [], "swept": []}
    assert not engine_folder("main").exists()
    assert clock.process_start(pid) == 0


def test_engine_runs_in_a_session_of_its_own(engine):
    pid = engine()["pid"]
    assert os.getsid(pid) == pid != os.getsid(0)


def test_second_engine_of_one_name_is_refused_and_the_first_goes_on(engine):
    pid = engine()["pid"]
    with pytest.raises(ConfigError, match="engine 'main' is running already"):
        engine()
    assert status()["pid"] == pid


def test_held_engine_sends_nothing_before_it_is_told_to(engine):
    engine(wait_for=1)
    assert (status()["state"], status()["events_in"]) == ("held", 0)
    call("main", "begin")
    eventually(lambda: status()["state"] == "finished")


def test_kill_switch_halts_trading_for_good(engine):
    engine(wait_for=1)
    said = {"trading": "HALTED", "orders_canceled": 0, "is_kept": False}
    assert call("main", "kill") == said
    assert status()["trading"] == "HALTED"


def test_engine_ends_with_its_owner(engine):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as owner:
        engine(wait_for=1, owner_pid=owner.pid)
        owner.kill()
    eventually(lambda: not is_running("main"), "engine's end")


def test_engine_that_gets_sigterm_leaves_nothing(engine):
    pid = engine(wait_for=1)["pid"]
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not engine_folder("main").exists(), "removal of the folder")
    assert not is_running("main")


def test_engine_after_a_killed_one_cleans_up_and_says_so(engine):
    pid = engine(wait_for=1)["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not is_running("main"), "engine's death")
    assert engine_folder("main").exists()
    with pytest.raises(NotRunningError):
        status()
    (line,) = engine(wait_for=1)["swept"]
    assert line.startswith("cleaned up after engine 'main', which is gone: 4 files")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"data": "/nonexistent"}, NotFoundError, "data folder '/nonexistent' does not exist"),
        ({"speed": "fast"}, ConfigError, "speed 'fast' is not a pace"),
        ({"wait": "never"}, ConfigError, "wait 'never' is unknown; use laptop"),
        ({"policy": "lose"}, ConfigError, "policy 'lose' is unknown; use drop"),
        ({"risk": {"max_luck": 1.0}}, ConfigError, "risk limit 'max_luck' is unknown"),
        ({"risk": {"max_open_orders": -1.0}}, ConfigError, "max_open_orders is -1"),
        ({"symbols": ["DOGE-USDT"]}, (ConfigError, NotFoundError), "DOGE-USDT"),
    ],
)
def test_impossible_engine_is_refused_with_its_reason(engine, settings, error, message):
    with pytest.raises(error, match=message):
        engine(**settings)
    assert not is_running("main")


def test_folder_without_recorded_data_is_refused(engine, tmp_path):
    with pytest.raises(NotFoundError):
        engine(data=str(tmp_path))


def test_corrupt_recording_is_refused_by_the_name_of_its_file(engine, recording, tmp_path):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(recording, broken)
    file = next(broken.rglob("quote/*.parquet"))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match=file.name):
        engine(data=str(broken))
    assert not is_running("main")
