"""The exchange simulator as a process of its own, and faults on command, for tests."""

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from engines import eventually

DATA = Path(__file__).parents[1] / "replay_data"


class Simulator:
    """``livekit okx-sim``; `url` is its address."""

    def __init__(self, folder, *options):
        ready = folder / "ready.json"
        command = [sys.executable, "-m", "livekit.cli.main", "okx-sim", "--data", str(DATA)]
        self.process = subprocess.Popen(
            [*command, "--ready-file", str(ready), *options], stdout=subprocess.DEVNULL
        )
        eventually(lambda: ready.exists() or self.process.poll() is not None, "a simulator", 180)
        self.said = json.loads(ready.read_text())
        self.url = self.said["url"]

    def fault(self, kind, **options):
        """Let something go wrong; see okxsim/faults.py."""
        body = json.dumps({"kind": kind, **options}).encode()
        request = urllib.request.Request(self.url + "/sim/fault", body, method="POST")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
