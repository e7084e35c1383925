"""What is known of a code when it is promoted: its backtest, its data, and git's word."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import synthetic_run

from livekit.research import tested
from livekit.research.promotion import Manifest, git_state, manifest_of
from livekit.research.report.run import Run


@pytest.fixture(autouse=True)
def own_state(monkeypatch, tmp_path):
    monkeypatch.setenv("LIVEKIT_STATE_DIR", str(tmp_path / "state"))


def noted(code_hash="a" * 16, started="2026-02-01T10:00:00+00:00", **changes):
    """Note a backtest; return what was noted."""
    base = synthetic_run.made_run(20)
    meta = {
        **base.meta,
        "strategy": "EmaCross",
        "file": "ema_cross.py",
        "code_hash": code_hash,
        "started": started,
        "params": {"fast": 0.004},
        **changes,
    }
    meta["data"] = {"root": "", "symbols": ["X"], "start_ns": 10**18, "stop_ns": 2 * 10**18}
    tested.note(Run(meta, base.order_rows, base.fill_rows, base.equity_rows, base.marks))
    return meta


def manifest(code_hash, **params):
    return manifest_of("EmaCross", Path(os.devnull), code_hash, params or {"fast": 0.004})


def test_last_backtest_of_the_code_and_of_the_strategy_are_told_apart():
    noted("a" * 16, "2026-02-01T10:00:00+00:00")
    noted("b" * 16, "2026-02-02T10:00:00+00:00")
    same, newest = tested.last("EmaCross", "a" * 16)
    assert (same["code_hash"], newest["code_hash"]) == ("a" * 16, "b" * 16)
    assert tested.last("Other", "a" * 16) == (None, None)


def test_promoting_what_was_backtested_warns_of_nothing():
    noted()
    made = manifest("a" * 16)
    assert made.warnings == []
    assert made.tested["params"] == {"fast": 0.004}
    assert "2026-02-01 10:00 UTC over X" in str(made)


@pytest.mark.parametrize(
    ("code_hash", "params", "changes", "warning"),
    [
        ("c" * 16, {"fast": 0.004}, {}, "is not what was last backtested (aaaaaaaaaaaaaaaa"),
        (
            "a" * 16,
            {"fast": 0.005},
            {},
            "differ from the backtest's: fast 0.004 → 0.005",
        ),
        ("a" * 16, {"fast": 0.004}, {"is_partial": True}, "its backtest was interrupted"),
    ],
)
def test_promoting_something_else_says_what_differs(code_hash, params, changes, warning):
    noted(**changes)
    (said,) = manifest(code_hash, **params).warnings
    assert warning in said


def test_code_that_nobody_backtested_is_said_to_be_so():
    made = manifest("a" * 16)
    assert made.warnings == ["no backtest of this code is known: run lk.backtest on it first"]
    assert "never, as far as is known here" in made._repr_html_()


def test_manifest_goes_through_json_and_back():
    noted()
    made = manifest("a" * 16, fast=0.01)
    assert Manifest(**json.loads(json.dumps(made.to_dict()))) == made


def test_file_of_notes_stays_bounded_and_a_torn_line_costs_only_itself():
    noted()
    path = tested.tested_path()
    line = path.read_text()
    path.write_text(line * 600 + line[:50] + "\n")
    noted("d" * 16)
    lines = path.read_text().splitlines()
    assert len(lines) <= 260
    assert tested.last("EmaCross", "d" * 16)[0]["code_hash"] == "d" * 16


def test_folder_that_cannot_be_written_to_is_no_error(tmp_path, caplog):
    (tmp_path / "state").write_text("in the way")
    noted()
    assert "backtest not noted" in caplog.text
    assert tested.last("EmaCross", "a" * 16) == (None, None)


def test_git_says_commit_changes_and_whether_the_file_is_known(tmp_path):
    def git(*words):
        own = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        subprocess.run(["git", *own, *words], cwd=tmp_path, check=True, capture_output=True)

    file = tmp_path / "ema.py"
    file.write_text("x = 1\n")
    assert git_state(file) == {}
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "first")
    assert git_state(file)["file"] == "untracked"
    git("add", "ema.py")
    git("commit", "-q", "-m", "second")
    clean = git_state(file)
    assert (clean["file"], clean["is_dirty"], len(clean["commit"])) == ("tracked", False, 12)
    file.write_text("x = 2\n")
    assert git_state(file) == {"commit": clean["commit"], "is_dirty": True, "file": "changed"}
