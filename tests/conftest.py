"""What every test may ask for: a scale for long runs, and folders of its own.

The folders come through the environment, so that no test can touch a user's engines,
and the children that a test starts inherit them.
"""

import contextlib
import fcntl
import gc
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# The first call of a jitted function compiles it, so no example has a deadline.
settings.register_profile("livekit", deadline=None)
settings.load_profile("livekit")

ROOT = Path(__file__).resolve().parent.parent
for _folder in (ROOT, ROOT / "tests"):
    if str(_folder) not in sys.path:
        sys.path.insert(0, str(_folder))
os.environ["PYTHONPATH"] = os.pathsep.join(
    dict.fromkeys([str(ROOT), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
)


LONGEST_FIRST = ("process", "torture", "notebook", "strategy", "engine", "browser", "bench")
"""Folders of tests that take long: two workers share what is left at the end."""

SECOND_FILE = "browser/test_report.py"
"""Compiles nothing: else both workers begin by compiling the same."""


TURNS = "LIVEKIT_TEST_TURNS"


def pytest_collection_modifyitems(items):
    """Run the long files first."""

    def rank(item):
        folder = item.path.relative_to(ROOT / "tests").parts[0]
        return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=rank)
    # Files are handed out in their order: the first to one worker, the next to the other.
    first = items[0].path if items else None
    second = ROOT / "tests" / SECOND_FILE
    items.sort(key=lambda item: 0 if item.path == first else 1 if item.path == second else 2)


@contextlib.contextmanager
def turn_of(folder, *, is_alone):
    """Hold a turn among the workers of one run: many at a time, or one that is alone.

    Whoever wants to be alone keeps the gate shut until it was, so that it is not starved.
    """
    with (folder / "gate").open("w") as gate, (folder / "turn").open("w") as turn:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(turn, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """Let no other worker run a test beside one that needs the cores for itself."""
    folder = os.environ.get(TURNS)
    if folder is None:
        return (yield)
    is_alone = bool(item.get_closest_marker("alone") or item.get_closest_marker("torture"))
    with turn_of(Path(folder), is_alone=is_alone):
        return (yield)


def pytest_collection_finish():
    """Let the collector pass over ten thousand collected tests."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item, nextitem):
    """Let the collector pass over what a finished file leaves: types, compiled functions.

    Else a collection takes a second and more towards the end of a run, and IPython, which
    asks for one as each shell ends, spends a minute on a hundred tests.
    """
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()


def pytest_configure(config):
    """Where several workers run, give them a folder to take turns by."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        os.environ[TURNS] = tempfile.mkdtemp(prefix="livekit-turns-")


def pytest_unconfigure(config):
    """Leave nothing of it behind."""
    if TURNS in os.environ and not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop(TURNS), ignore_errors=True)


def pytest_addoption(parser):
    parser.addoption(
        "--scale",
        type=float,
        default=1.0,
        help="multiplies the length of torture, kill and model runs (1: minutes in all)",
    )


@pytest.fixture
def scale(request):
    return request.config.getoption("--scale")


@pytest.fixture
def runtime_dir(monkeypatch, tmp_path):
    """Give the test shared memory and state folders of its own; return the first."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix="livekit-test-", dir=base))
    monkeypatch.setenv("LIVEKIT_RUNTIME_DIR", str(folder))
    monkeypatch.setenv("LIVEKIT_STATE_DIR", str(tmp_path / "state"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def recording(tmp_path_factory):
    """Record a small day by hand: quotes, trades and tickers of two instruments."""
    from engines import write_recording

    return write_recording(tmp_path_factory.mktemp("recording"))


@pytest.fixture
def engine(runtime_dir, recording):
    """Give a function that starts an engine process; stop what it started."""
    from engines import Engines

    engines = Engines(recording)
    yield engines.start
    engines.stop_all()
    assert engines.leftovers(runtime_dir) == []
