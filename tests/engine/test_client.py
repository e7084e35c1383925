"""Calls to an engine that is not there, or about not to be."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from livekit.engine.client import call
from livekit.engine.folder import CONTROL, EngineLock
from livekit.errors import DeadlineError, NotRunningError
from livekit.ring.directory import ENGINE_SEGMENT


@pytest.fixture
def refusing(runtime_dir):
    """Give the lock of an engine whose socket lets nobody in, as a dying one has it."""
    lock = EngineLock("main")
    (lock.folder / ENGINE_SEGMENT).touch()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(str(lock.folder / CONTROL))
        yield lock


def test_call_of_an_engine_that_dies_says_so_without_waiting_for_its_time(refusing):
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(call, "main", "status", timeout_s=60.0)
        refusing.release()
        with pytest.raises(NotRunningError, match="engine 'main' is not running"):
            asked.result(timeout=20)


def test_call_of_an_engine_that_lives_and_does_not_answer_ends_at_its_time(refusing):
    with pytest.raises(DeadlineError, match=r"did not answer 'status' within 0\.05 s"):
        call("main", "status", timeout_s=0.05)
    refusing.release()
