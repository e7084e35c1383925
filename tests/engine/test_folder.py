"""The engine's folder: one lock, names, and cleaning up after the dead."""

import shutil
import subprocess
import sys

import pytest

from livekit.engine import folder
from livekit.engine.folder import (
    EngineLock,
    engine_folder,
    is_running,
    require_running,
    running_engines,
    sweep,
)
from livekit.errors import ConfigError, NotRunningError, SegmentError


def test_second_lock_of_one_name_is_refused(runtime_dir):
    lock = EngineLock("main")
    with pytest.raises(ConfigError, match="engine 'main' is running already; stop it with"):
        EngineLock("main")
    assert running_engines() == ["main"]
    lock.release()
    assert not engine_folder("main").exists()


def test_two_engines_of_different_names_live_side_by_side(runtime_dir):
    locks = [EngineLock("a"), EngineLock("b")]
    assert running_engines() == ["a", "b"]
    for lock in locks:
        lock.release()
    assert running_engines() == []


def test_sweep_leaves_a_running_engine_alone(runtime_dir):
    lock = EngineLock("main")
    (lock.folder / "file").touch()
    assert sweep() == []
    assert (lock.folder / "file").exists()
    lock.release()


def leave_behind():
    """Let an engine be killed that had made a strategy's segment."""
    code = (
        "from livekit.engine.folder import EngineLock; import os, signal\n"
        "lock = EngineLock('main'); (lock.folder / 'momentum').touch()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9


def test_sweep_removes_what_a_killed_engine_left_and_says_so(runtime_dir):
    leave_behind()
    assert not is_running("main")
    (swept,) = sweep()
    assert swept.files == ["momentum"]
    assert str(swept) == "cleaned up after engine 'main', which is gone: 1 files"
    assert not engine_folder("main").exists()


def test_lock_of_a_killed_engine_is_taken_over_with_an_empty_folder(runtime_dir):
    leave_behind()
    lock = EngineLock("main")
    assert lock.swept.files == ["momentum"]
    assert [path.name for path in lock.folder.iterdir()] == ["_lock"]
    lock.release()


def test_first_lock_of_a_name_has_nothing_to_remove(runtime_dir):
    lock = EngineLock("main")
    assert lock.swept is None
    lock.release()


def test_lock_is_taken_though_its_folder_is_swept_while_it_is_made(runtime_dir, monkeypatch):
    tries = []
    real = folder._try_lock

    def swept_at_first(file, *how):
        tries.append(file)
        if len(tries) == 1:
            shutil.rmtree(engine_folder("main"))
        return real(file, *how)

    monkeypatch.setattr(folder, "_try_lock", swept_at_first)
    lock = EngineLock("main")
    assert len(tries) == 2
    assert running_engines() == ["main"]
    lock.release()


def test_missing_engine_is_named_together_with_those_that_run(runtime_dir):
    lock = EngineLock("other")
    with pytest.raises(NotRunningError, match="engine 'main' is not running; running: other"):
        require_running("main")
    lock.release()


@pytest.mark.parametrize("name", ["", "_engine", "a/b", "..", "x" * 32, "é"])
def test_name_that_could_leave_the_folder_is_refused(runtime_dir, name):
    with pytest.raises(ConfigError, match=r"engine name .* is not usable"):
        engine_folder(name)


def test_folder_that_others_may_enter_is_refused(runtime_dir):
    runtime_dir.chmod(0o755)
    with pytest.raises(SegmentError, match="mode 755, expected uid"):
        EngineLock("main")


def test_folder_that_is_a_link_is_refused(runtime_dir, tmp_path):
    (runtime_dir / "main").symlink_to(tmp_path)
    with pytest.raises(SegmentError, match="is not a folder but a link"):
        EngineLock("main")
