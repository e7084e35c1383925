"""Every wrong input of a user: one clear line, the right exit code, nothing lost for others.

A table: what is typed, the exit code, what the line must say. All rows run against one
engine with one bystander, which at the end must have got every event.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from engines import eventually, fork_strategy, row, status

from livekit.engine.folder import EngineLock, engine_folder
from livekit.errors import SegmentError, SegmentMismatchError
from livekit.ring.directory import EngineSegment
from livekit.ring.mapping import PREFIX
from livekit.ring.segment import Segment, SegmentPlan

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]

HERE = Path(__file__).parent

FILES = {
    "good.py": "import livekit as lk\n\nclass Good(lk.Strategy):\n"
    "    size = lk.Param(0.01, 0.001, 1.0)\n    def on_quote(self, quote): pass\n",
    "syntax.py": "import livekit as lk\n\nclass Bad(lk.Strategy)\n    pass\n",
    "raises.py": "raise RuntimeError('no luck')\n",
    "empty.py": "import livekit as lk\n",
    "two.py": "import livekit as lk\n\nclass One(lk.Strategy):\n"
    "    def on_quote(self, quote): pass\n\nclass Two(lk.Strategy):\n"
    "    def on_quote(self, quote): pass\n",
    "start.py": "import livekit as lk\n\nclass Start(lk.Strategy):\n"
    "    def on_start(self): raise ValueError('no ticket')\n"
    "    def on_quote(self, quote): pass\n",
    "nojit.py": "import livekit as lk\n\nclass NoJit(lk.Strategy):\n"
    "    symbols = ('BTC-USDT',)\n    def on_quote(self, quote):\n"
    "        text = {'a': [quote]}\n        print(text)\n",
    "symbol.py": "import livekit as lk\n\nclass Symbol(lk.Strategy):\n"
    "    symbols = ('DOGE-USDT',)\n    def on_quote(self, quote): pass\n",
    "ends.py": "import os\nos._exit(7)\n",
}

ROWS = [
    (["attach", "nofile.py"], 2, "strategy file .*nofile.py.* does not exist"),
    (["attach", "good.py", "--class", "Goof"], 2, "Goof.*did you mean 'Good'"),
    (["attach", "good.py", "--param", "sise=1"], 4, "no parameter 'sise'; did you mean 'size'"),
    (["attach", "good.py", "--param", "size=7"], 4, "'size' is 7.0, expected 0.001 to 1"),
    (["attach", "good.py", "--param", "size=big"], 4, "'size' is 'big', expected a number"),
    (["attach", "good.py", "--param", "size"], 4, "'size' is not of the form name=value"),
    (["attach", "good.py", "--name", "a/b"], 4, "strategy name 'a/b' is not usable"),
    (["attach", "good.py", "--name", "bystander"], 4, "'bystander' is attached already"),
    (["attach", "good.py", "--policy", "lose"], 4, "policy 'lose' is unknown; use drop"),
    (["attach", "good.py", "--engine", "nobody"], 3, "engine 'nobody' is not running; running: m"),
    (["attach", "syntax.py"], 4, "line 3"),
    (["attach", "raises.py"], 4, "no luck"),
    (["attach", "empty.py"], 4, "empty.py. defines no strategy; write a class"),
    (["attach", "two.py"], 4, "One.*Two"),
    (["attach", "symbol.py"], 4, "symbol 'DOGE-USDT' is not served by engine 'main'; it serves"),
    (["attach", "start.py"], 4, "no ticket"),
    (["attach", "nojit.py", "--jit"], 4, "nojit.py"),
    (["attach", "ends.py"], 4, "ended while its file was loaded"),
    (["detach", "nobody"], 3, "strategy 'nobody' is not attached to engine 'main'; attached: by"),
    (["params", "bystander", "size=1"], 4, "has no parameter 'size'"),
    (["params", "bystander", "size"], 4, "is not NAME=VALUE: there is no '='"),
    (["ps", "--state", "nobody"], 2, "strategy 'nobody' is not attached"),
    (["logs", "nobody"], 2, "there is no log of 'nobody'"),
    (["engine", "start"], 4, "engine 'main' is running already; stop it with"),
    (["engine", "start", "--engine", "b", "--data", "/nowhere"], 2, "folder '/nowhere' does not"),
    (["engine", "stop", "--engine", "b"], 3, "engine 'b' is not running; running: main"),
    (["status", "--engine", "b"], 3, "engine 'b' is not running"),
    (["kill", "--engine", "b"], 3, "engine 'b' is not running"),
    (["atach", "good.py"], 4, "invalid choice: 'atach'"),
]


def livekit(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "livekit.cli.main", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def desk(engine, tmp_path):
    """Run an engine with a bystander; give a folder with the files of the table."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    engine(speed="0.5", wait_for=1)
    fork_strategy(HERE / "counting.py", "bystander")
    return tmp_path


def test_every_wrong_input_says_what_to_do_and_takes_nothing_from_others(desk):
    failures = []
    for arguments, code, message in ROWS:
        done = livekit(*arguments, cwd=desk)
        said = done.stderr.strip()
        is_one_line = said.count("\n") == 0
        found = re.search(message, said)
        if done.returncode != code or not found or not is_one_line or done.stdout:
            failures.append((arguments, done.returncode, done.stdout, said))
    assert failures == []
    assert [item["name"] for item in status()["strategies"]] == ["bystander"]
    eventually(lambda: (s := status())["events_in"] == s["strategies"][0]["received"])
    assert row("bystander")["dropped"] == 0


def test_wrong_input_is_json_when_json_was_asked_for(desk):
    done = livekit("attach", "good.py", "--param", "size=7", "--json", cwd=desk)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["exit_code"], error["class"]) == (4, 4, "ConfigError")
    assert error["message"].startswith("parameter 'size' is 7.0")
    assert done.stderr == ""


@pytest.fixture
def segment(runtime_dir):
    """Make an engine's folder with one strategy's segment in this process."""
    lock = EngineLock("main")
    plan = SegmentPlan("momentum", "main", 1, 0, 1, {"mode": "interpreted"})
    made = Segment.create(engine_folder("main") / "momentum", plan)
    yield made
    lock.release()


@pytest.mark.parametrize(
    ("field", "value", "error", "message"),
    [
        ("abi", 99, SegmentMismatchError, "written by ABI 0x63, this process expects 0x2"),
        ("magic", b"ANOTHER!", SegmentMismatchError, "it is not livekit's"),
        ("boot_id", b"another boot", SegmentMismatchError, "of boot another boot, this is boot"),
        ("segment_bytes", 5, SegmentMismatchError, "its header says 5; it is truncated"),
        ("ready", 0, SegmentError, "is half-made"),
        ("engine_start", 1, SegmentError, "which is gone; start the engine again"),
    ],
)
def test_segment_of_somebody_else_is_refused_by_both_names(segment, field, value, error, message):
    segment.file.memory[: PREFIX.itemsize].view(PREFIX)[0][field] = value
    with pytest.raises(error, match=message):
        Segment.attach(segment.file.path)


def test_full_shared_memory_is_an_error_at_creation_and_leaves_nothing(tmp_path, monkeypatch):
    """A tmpfs of 1 MiB is too small for a segment of 1.2."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("making a small tmpfs needs the right to mount")
    try:
        with pytest.raises(SegmentError, match=r"no room for 1\.\d MiB of shared memory .* free"):
            Segment.create(small / "momentum", SegmentPlan("momentum", "main", 1, 0, 1, {}))
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_engine_directory_that_is_full_refuses_one_more(runtime_dir):
    from livekit.config import MAX_INSTRUMENTS
    from livekit.errors import ConfigError
    from livekit.instruments import Instrument

    lock = EngineLock("main")
    segment = EngineSegment.create(lock.folder, generation=1, engine="main")
    segment.header["n_instruments"] = np.int64(MAX_INSTRUMENTS)
    with pytest.raises(ConfigError, match="'BTC-USDT' does not fit"):
        segment.append(Instrument("BTC-USDT", 0.1, 1e-5, 1e-5))
    lock.release()
