"""Ending an engine from outside its process."""

import os
import signal

from livekit.engine.launch import stop_engine


def test_forced_stop_of_an_engine_that_hangs_kills_it_and_says_what_it_cleaned_up(engine):
    pid = engine(speed="1")["pid"]
    os.kill(pid, signal.SIGSTOP)
    answer = stop_engine("main", force=True, timeout_s=1.0)
    (line,) = answer.pop("swept")
    assert line.startswith("cleaned up after engine 'main', which is gone: ")
    assert answer == {"engine": "main", "pid": pid, "leftovers": []}
