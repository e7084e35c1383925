import json
import shutil

import pytest

from livekit.bench.pair import build_reference
from livekit.bench.ring import private_memory
from livekit.cli.main import main
from livekit.engine.folder import sweep
from livekit.errors import LivekitError


@pytest.mark.process
def test_quick_benchmark_measures_every_row_and_leaves_nothing_behind(runtime_dir, capfd):
    # Only that it measures: how fast a machine is that runs other tests beside it is no
    # matter of a test.
    assert main(["bench", "ring", "--quick", "--json"]) == 0
    made = json.loads(capfd.readouterr().out)
    names = [row["name"] for row in made["rows"]]
    assert sum("round trip" in name for name in names) == 1
    assert sum("delivered to each of" in name for name in names) == 4
    for row in made["rows"]:
        assert row["value"] > 0 or "dropped" in row["name"]
        assert set(row) >= {"spread", "peer", "ratio", "target", "ok"}
    memory = next(row for row in made["rows"] if row["name"].startswith("memory"))
    assert memory["ok"] is True
    assert list(runtime_dir.iterdir()) == []


def test_folder_of_a_running_benchmark_is_no_dead_engines(runtime_dir):
    with private_memory() as folder:
        (folder / "ring").write_bytes(b"")
        sweep()
        assert (folder / "ring").exists()
    assert not folder.exists()


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ to compile the C++ side with")
def test_reference_compiles(tmp_path):
    assert build_reference(tmp_path).exists()


def test_without_a_compiler_there_is_no_reference(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build_reference(tmp_path) is None


def test_reference_that_the_compiler_refuses_is_reported(tmp_path, monkeypatch):
    compiler = tmp_path / "g++"
    compiler.write_text("#!/bin/sh\necho no such option >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(LivekitError, match=r"g\+\+ refused reference.cpp: no such option"):
        build_reference(tmp_path)
