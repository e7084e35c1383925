"""Tests of livekit.ring.jit: what comes from the cache, and what that takes."""

import os
import subprocess
import sys

_TEXT = """
from numba.core.registry import cpu_target
from livekit.ring.jit import hot

@hot
def triple(value: int) -> int:
    return 3 * value

result = triple(14)
print(result, sum(triple.stats.cache_hits.values()), len(cpu_target.target_context._registries))
"""


def test_code_from_the_cache_runs_without_numbas_registries(tmp_path):
    file = tmp_path / "triple.py"
    file.write_text(_TEXT, encoding="utf-8")
    environment = os.environ | {"LIVEKIT_CACHE_DIR": str(tmp_path / "cache")}
    answers = []
    for _ in range(2):
        command = [sys.executable, str(file)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        answers.append([int(word) for word in done.stdout.split()])
    compiled, loaded = answers
    assert compiled[:2] == [42, 0]
    assert compiled[2] > 0
    assert loaded == [42, 1, 0]
