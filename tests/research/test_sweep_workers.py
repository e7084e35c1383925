"""Who works on a sweep: processes, clusters, and what is left when one of them ends."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest
from sweep_rig import CROSS, FAULTY, make_data, write_strategy

from livekit.errors import ConfigError
from livekit.research import sweep as sweeping
from livekit.research import workers, workers_crew
from livekit.research.board import Board
from livekit.research.sweep import make_plan, sweep
from livekit.research.workers import map_data

GRID = {"fast": [5, 10, 20], "slow": [50, 100]}
PLAIN = {
    "where": None,
    "score": "sharpe",
    "method": "grid",
    "n": None,
    "stats": None,
    "jit": None,
    "seed": 0,
    "settings": None,
}
PREFIX = workers_crew._PREFIX


@pytest.fixture(scope="module")
def data():
    return make_data()


@pytest.fixture(scope="module")
def cross(tmp_path_factory):
    return write_strategy(tmp_path_factory.mktemp("cross"), CROSS)


@pytest.fixture(scope="module")
def swept(cross, data):
    return sweep(cross, data, **GRID, stats="all")


@pytest.fixture
def leftovers():
    """Give the folders of this process's sweeps that the test leaves behind."""
    ours = f"{PREFIX}{os.getpid()}-*"  # other tests sweep beside this one
    before = set(Path(tempfile.gettempdir()).glob(ours))
    return lambda: set(Path(tempfile.gettempdir()).glob(ours)) - before


@pytest.mark.process
def test_processes_give_the_same_rows_and_leave_nothing(cross, data, swept, leftovers):
    found = sweep(cross, data, **GRID, stats="all", executor="processes", workers=2)
    assert found.frame.equals(swept.frame)
    assert leftovers() == set()


@pytest.mark.process
def test_interpreted_strategy_runs_in_processes_by_default(cross, data, swept):
    found = sweep(cross, data, **GRID, stats="all", jit=False, workers=2)
    assert found.frame.equals(swept.frame)


def test_any_executor_takes_the_same_tasks_and_stays_open(cross, data, swept):
    with ThreadPoolExecutor(3) as pool:
        found = sweep(cross, data, **GRID, stats="all", executor=pool)
        assert pool.submit(int, "3").result() == 3
    assert found.frame.equals(swept.frame)


@pytest.mark.process
@pytest.mark.filterwarnings("ignore")  # Dask's own, of its ports and of asyncio
def test_cluster_of_processes_gives_the_same_rows(cross, data, swept, leftovers, monkeypatch):
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        executor = client.get_executor()
        pids = {one.result() for one in [executor.submit(_pid, i) for i in range(20)]}
        assert os.getpid() not in pids
        found = sweep(cross, data, **GRID, stats="all", executor=executor)
        scored = sweep(cross, data, **GRID, executor=client, score=lambda run: run.stat("sharpe"))
        part = _interrupted(cross, executor, monkeypatch)
    assert part.is_partial
    assert 3 <= len(part) < part.n_sets
    assert part.frame["net_pnl"].notna().all()
    assert found.frame.equals(swept.frame)
    assert scored.frame["score"].tolist() == swept.frame["sharpe"].tolist()
    assert leftovers() == set()


def _interrupted(cross, executor, monkeypatch):
    """Interrupt a long sweep as soon as it has some rows."""
    look = sweeping._Look.__call__

    def press(self, board, outcomes):
        look(self, board, outcomes)
        if len(outcomes) >= 3 and not board.is_stopped:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(sweeping._Look, "__call__", press)
    grid = {"fast": range(1, 100), "slow": range(100, 200)}
    return sweep(cross, make_data(n=60_000), **grid, executor=executor)


def _pid(_):
    time.sleep(0.01)
    return os.getpid()


@pytest.mark.process
def test_process_that_dies_costs_only_its_own_set(tmp_path, data):
    faulty = write_strategy(tmp_path, FAULTY, "faulty")
    found = sweep(faulty, data, mode=[0, 2, 3, 4, 5], executor="processes", workers=2)
    assert [bool(text) for text in found.frame["error"]] == [False, True, False, False, False]
    assert "its process died" in found.frame["error"][1]
    assert found.frame["n_orders"].fillna(0).tolist() == [1, 0, 1, 1, 1]


@pytest.mark.process
def test_broken_executor_of_the_user_is_reported_and_not_tried_for_ever(tmp_path, data):
    faulty = write_strategy(tmp_path, FAULTY, "faulty")
    with ProcessPoolExecutor(1) as pool:
        found = sweep(faulty, data, mode=[0, 2], executor=pool)
    assert found.frame["error"].tolist()[0] == ""
    assert "its process died" in found.frame["error"][1]


def test_arrays_are_mapped_by_workers_and_recordings_described(data, recording, tmp_path):
    from livekit.research.data import load

    opener, arguments = map_data(data, tmp_path)
    assert len(ForkingPickler.dumps((opener, arguments))) < 2000
    again = opener(*arguments)
    assert again.hash == data.hash
    recorded = load(recording)
    opener, arguments = map_data(recorded, tmp_path)
    assert len(ForkingPickler.dumps((opener, arguments))) < 2000
    assert opener(*arguments).hash == recorded.hash


def test_arrays_of_another_machine_are_refused_with_what_to_do(data, tmp_path):
    opener, arguments = map_data(data, tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match="folder that all machines see"):
        opener(*arguments)


def test_board_is_shared_through_its_file(tmp_path):
    board = Board(3, tmp_path / "board")
    other = Board.open(board.path, 3)
    other.begin(1, 77)
    other.note(1, 500)
    other.note(2, 20)
    assert board.n_events == 520
    assert [board.has_begun(i) for i in range(3)] == [False, True, False]
    board.stop()
    assert other.is_stopped


@pytest.mark.parametrize("n_tasks", [3, 4])
def test_board_of_another_machine_or_sweep_is_not_written_on(tmp_path, n_tasks):
    path = tmp_path / "board"
    if n_tasks == 4:
        Board(3, path)
    alone = Board.open(str(path), n_tasks)
    alone.note(0, 5)
    alone.stop()
    assert alone.n_events == 5
    if path.exists():
        assert not Board.open(str(path), 3).is_stopped


def test_progress_counts_the_events_of_all_workers(cross, data):
    plan = make_plan(cross, data, dict(GRID), **PLAIN)
    seen = []
    with workers_crew.Crew("threads", 2, 6, is_compiled=True) as crew:
        work, counted = crew.work, []

        def watch(job, given, sets, look):
            def both(board, outcomes):
                counted.append(board.n_events)
                seen.append(len(outcomes))
                look(board, outcomes)

            return work(job, given, sets, both)

        crew.work = watch
        plan.run(crew, data, progress=False)
    assert counted[-1] == 6 * data.n_events
    assert seen[-1] == 6


class StoppingBoard(Board):
    """Says stop as soon as any event was handled."""

    @property
    def is_stopped(self):
        return self.n_events > 0


def test_stop_ends_a_run_with_its_next_step(cross):
    data = make_data(n=60_000)
    plan = make_plan(cross, data, {}, **PLAIN)
    settings = plan.settings(data)
    job = workers.Job("a", plan.target, (make_data, ()), settings, True, 0, plan.keys, "sharpe", 1)
    board = StoppingBoard(1)
    outcome = workers.Bench(job, data, board).run(0, plan.space.sets[0])
    assert outcome.is_stopped
    assert outcome.figures == {}
    assert 0 < board.n_events < data.n_events


SCRIPT = """
import json, os, sys, threading, time
from pathlib import Path
sys.path[:0] = {folders!r}
from sweep_rig import make_data
from livekit.research.sweep import sweep

data = make_data(n=60_000)
options = {options!r}
start = time.monotonic()
found = sweep({path!r}, data, fast=range(1, 100), slow=range(100, 200), progress=False, **options)
waited = time.monotonic() - float(Path({mark!r}).read_text())
frame = found.frame
print(json.dumps(dict(
    partial=found.is_partial, rows=len(found), sets=found.n_sets, waited=waited,
    whole=bool(frame["net_pnl"].notna().all()), errors=int((frame["error"] != "").sum()),
    row=None if len(frame) == 0 else [float(frame[n].iloc[0]) for n in ("fast", "slow", "net_pnl")],
)))
"""


def children(pid):
    """Return pid and command of a process's living descendants."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            command = (stat.parent / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append((int(stat.parent.name), command))
    return found


def interrupt(tmp_path, path, options, sign=signal.SIGINT):
    """Run a long sweep, send a signal when it is under way; its output and workers."""
    mark = tmp_path / "mark"
    folders = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]
    text = SCRIPT.format(folders=folders, options=options, path=str(path), mark=str(mark))
    script = tmp_path / "script.py"
    script.write_text(text)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary)},
        start_new_session=True,
    )
    board = _wait_for(process, temporary, options)
    workers_ = [pid for pid, command in children(process.pid) if "spawn_main" in command]
    mark.write_text(str(time.monotonic()))
    # As a terminal does it: to the whole group.
    os.killpg(process.pid, sign) if sign == signal.SIGINT else process.send_signal(sign)
    out, err = process.communicate(timeout=120)
    return out, err, workers_, board, temporary


def _wait_for(process, temporary, options):
    """Wait until workers have done events."""
    end = time.monotonic() + 200
    while time.monotonic() < end:
        assert process.poll() is None, process.stderr.read()
        if options.get("executor") == "threads":
            # No file to look at: threads named after the sweep have run for a while.
            tasks = Path(f"/proc/{process.pid}/task").glob("*/stat")
            busy = sorted(int(one.read_text().rsplit(")", 1)[1].split()[11]) for one in tasks)
            if len(busy) > 2 and busy[-2] > 30:
                return None
        for path in temporary.glob("*/*.board"):
            words = np.fromfile(path, np.int64)
            if len(words) > 8 and words[8::2].sum() > 300_000:
                return path
        time.sleep(0.02)
    raise AssertionError("the sweep did not begin")


def _gone(pids):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if not any(Path(f"/proc/{pid}").exists() for pid in pids):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.process
@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_interrupted_sweep_returns_what_it_has_and_leaves_no_process(
    tmp_path, cross, executor, record_property
):
    options = {"executor": executor, "workers": 2}
    out, err, pids, _, temporary = interrupt(tmp_path, cross, options)
    found = json.loads(out)
    assert err == ""
    assert found["partial"]
    assert 0 < found["rows"] < found["sets"] == 9900
    assert found["whole"]
    assert found["errors"] == 0
    assert len(pids) == (2 if executor == "processes" else 0)
    assert _gone(pids)
    assert list(temporary.iterdir()) == []
    fast, slow, pnl = found["row"]
    alone = sweep(cross, make_data(n=60_000), fast=fast, slow=slow)
    assert alone.frame["net_pnl"].tolist() == [pnl]
    record_property("back_after_s", found["waited"])


@pytest.mark.process
def test_workers_of_a_killed_sweep_end_and_the_next_one_removes_its_folder(
    tmp_path, cross, data, monkeypatch
):
    options = {"executor": "processes", "workers": 2}
    _, _, pids, board, temporary = interrupt(tmp_path, cross, options, signal.SIGKILL)
    assert len(pids) == 2
    assert _gone(pids)
    assert board.exists()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    sweep(cross, data, fast=[5, 10], executor="processes", workers=1)
    assert list(temporary.iterdir()) == []
