"""Starting and ending an engine from outside its process."""

import os
import signal

from engines import eventually

from livekit.engine import launch
from livekit.engine.folder import is_running
from livekit.engine.launch import stop_engine
from livekit.errors import NotRunningError


def test_forced_stop_of_an_engine_that_hangs_kills_it_and_says_what_it_cleaned_up(engine):
    pid = engine(speed="1")["pid"]
    os.kill(pid, signal.SIGSTOP)
    answer = stop_engine("main", force=True, timeout_s=1.0)
    (line,) = answer.pop("swept")
    assert line.startswith("cleaned up after engine 'main', which is gone: ")
    assert answer == {"engine": "main", "pid": pid, "leftovers": []}


def test_forced_stop_of_an_engine_that_dies_meanwhile_cleans_up_after_it(engine, monkeypatch):
    pid = engine(speed="1")["pid"]

    def lose_connection(*_args, **_options):  # as a call that the engine's death cuts off
        os.kill(pid, signal.SIGKILL)
        raise NotRunningError("engine 'main' went away while asked to 'stop'")

    monkeypatch.setattr(launch, "call", lose_connection)
    answer = stop_engine("main", force=True)
    (line,) = answer.pop("swept")
    assert line.startswith("cleaned up after engine 'main', which is gone: ")
    assert answer == {"engine": "main", "pid": pid, "leftovers": []}


def test_engine_started_while_the_one_before_it_was_dying_cleans_up_itself(engine, monkeypatch):
    pid = engine(speed="1")["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not is_running("main"), "the end of its lock")
    # What whoever starts an engine sees while another is dying: its lock is taken.
    monkeypatch.setattr(launch, "sweep", list)
    (line,) = engine(speed="1")["swept"]
    assert line.startswith("cleaned up after engine 'main', which is gone: ")
