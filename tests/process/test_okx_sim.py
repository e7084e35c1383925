"""``livekit okx-sim`` as a user runs it: where it says it is, and how it ends."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from engines import eventually

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]
pytest.importorskip("aiohttp")

DATA = str(Path(__file__).parents[2] / "replay_data")
COMMAND = [sys.executable, "-m", "livekit.cli.main", "okx-sim"]


def test_it_writes_where_it_is_answers_and_leaves_at_sigterm(tmp_path):
    ready = tmp_path / "ready.json"
    process = subprocess.Popen(
        [*COMMAND, "--data", DATA, "--ready-file", str(ready), "--json"], stdout=subprocess.PIPE
    )
    try:
        eventually(ready.exists, "the ready file", 120)
        said = json.loads(ready.read_text())
        assert set(said) == {"url", "rest", "public", "private", "business", "keys"}
        assert set(said["keys"][0]) == {"key", "secret", "passphrase", "account", "is_demo"}
        with urllib.request.urlopen(said["rest"] + "/api/v5/public/time") as answer:
            assert json.load(answer)["code"] == "0"
    finally:
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(printed) == said


@pytest.mark.parametrize(
    ("options", "code"),
    [(["--data", "/nowhere"], 2), (["--data", DATA, "--speed", "-1"], 4)],
)
def test_bad_options_end_with_their_code(options, code):
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stderr.startswith("livekit: ")
