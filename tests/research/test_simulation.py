"""Stopping a run in the middle, and running many: what is kept, and what is given back."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import backtests
import pytest
from engines import eventually

import livekit as lk
from livekit.research.report.run import Run
from livekit.research.simulation import Settings, Simulation
from livekit.strategy.declaration import declare

CHILD = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    sys.path[:0] = {paths!r}
    import backtests
    import livekit as lk
    from livekit.research import simulation

    data = backtests.random_data(1, n=20_000, n_instruments=1)
    step = simulation.Simulation.step

    def slow_step(self):
        # The start is told to the test once events have gone through.
        if self.position > 500:
            Path({mark!r}).touch()
        return step(self)

    simulation.Simulation.step = slow_step
    simulation._FIRST_BUDGET = 50
    simulation._LARGEST_BUDGET = 50
    if {jit}:
        pause = simulation.Simulation._pace
        def pace(self, done, spent):
            time.sleep(0.003)  # compiled code would be done before anybody could press a key
            pause(self, done, spent)
        simulation.Simulation._pace = pace
    run = lk.backtest({file!r}, data, jit={jit}, pace=5, **{params!r})
    run.save({folder!r})
    """
)


def interrupted(tmp_path, file, *, jit, **params):
    """Run a backtest in a process, press Ctrl-C in the middle; return the run."""
    folder, mark = tmp_path / "run", tmp_path / "mark"
    text = CHILD.format(
        paths=[*sys.path],
        mark=str(mark),
        jit=jit,
        file=str(file),
        folder=str(folder),
        params=params,
    )
    child = subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.PIPE)
    try:
        eventually(lambda: mark.exists() or child.poll() is not None, "first events", 120)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 0, errors.decode()
    return Run.load(folder)


@pytest.mark.process
@pytest.mark.parametrize("jit", [True, False], ids=["compiled", "interpreted"])
def test_interrupted_run_is_the_beginning_of_the_whole_one(tmp_path, jit):
    file = backtests.FOLDER / "acting.py"
    part = interrupted(tmp_path, file, jit=jit)
    data = backtests.random_data(1, n=20_000, n_instruments=1)
    whole = lk.backtest(file, data, jit=True, pace=5)
    assert part.meta["is_partial"] is True
    done = part.meta["counts"]["events"]
    assert 500 < done < 20_000
    assert part.check() == []
    assert len(part.fill_rows) > 10
    assert_begins(whole.fill_rows, part.fill_rows)
    # Orders that were open have since been filled or cancelled; what they were has not changed.
    for name in ("order_id", "created_ns", "arrival_bid", "arrival_ask"):
        expected = whole.order_rows[name][: len(part.order_rows)]
        assert part.order_rows[name].tobytes() == expected.tobytes(), name
    samples = part.equity_rows[:-1]
    assert samples.tobytes() == whole.equity_rows[: len(samples)].tobytes()
    assert part.meta["stopped_ns"] < whole.meta["stopped_ns"]


@pytest.mark.parametrize("after", [1, 7, 130, 333])
def test_interrupt_in_a_callback_ends_the_run_with_that_event(monkeypatch, after):
    cls = backtests.strategy("acting")
    data = backtests.random_data(4, n=600, n_instruments=1)
    seen, see = [], cls.see

    def interrupting(self, value):
        see(self, value)
        seen.append(value)
        if len(seen) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(cls, "see", interrupting)
    values = {name: param.default for name, param in declare(cls).params.items()}
    simulation = Simulation(cls, values, data, Settings(), is_compiled=False)
    while simulation.step():
        pass
    assert simulation.is_interrupted
    assert simulation.failure == ""
    assert simulation.n_errors == 0
    position = simulation.position
    assert 0 < position < 600
    simulation.finish()
    assert simulation.position == position
    monkeypatch.setattr(cls, "see", see)
    whole = backtests.simulate(cls, data, jit=False)
    fills = simulation.ledger.rows("fills")
    assert_begins(whole.fills, fills)


def test_ctrl_c_in_this_process_gives_a_partial_run_and_the_next_run_is_whole(monkeypatch):
    data = backtests.random_data(4, n=3000, n_instruments=1)
    file = backtests.FOLDER / "quiet.py"
    step = Simulation.step

    def pressing(self):
        go_on = step(self)
        if self.position > 1000:
            os.kill(os.getpid(), signal.SIGINT)
        return go_on

    monkeypatch.setattr(Simulation, "step", pressing)
    monkeypatch.setattr("livekit.research.simulation._FIRST_BUDGET", 100)
    monkeypatch.setattr("livekit.research.simulation._LARGEST_BUDGET", 100)
    part = lk.backtest(file, data, jit=False)
    monkeypatch.undo()
    assert part.meta["is_partial"] is True
    assert 1000 < part.meta["counts"]["events"] < 3000
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    whole = lk.backtest(file, data, jit=False)
    assert whole.meta["is_partial"] is False
    assert whole.meta["counts"]["events"] == 3000


def test_strategy_that_hears_next_to_nothing_can_be_interrupted():
    cls = backtests.strategy("quiet")
    data = backtests.random_data(4, n=300, n_instruments=1)
    values = {name: param.default for name, param in declare(cls).params.items()}
    simulation = Simulation(cls, values, data, Settings(), is_compiled=False)
    simulation.interrupt()
    assert simulation.step() is False
    assert simulation.position < 300


@pytest.mark.parametrize("jit", [True, False], ids=["compiled", "interpreted"])
def test_twenty_backtests_in_a_row_take_no_memory_with_them(jit):
    data = backtests.random_data(8, n=1500)
    file = backtests.FOLDER / "acting.py"
    for _ in range(12):  # what the collector lets lie about comes to its most
        lk.backtest(file, data, jit=jit)
    gc.collect()
    before = resident_bytes()
    for _ in range(20):
        lk.backtest(file, data, jit=jit)
    gc.collect()
    assert resident_bytes() - before < 8 << 20  # one run touches some megabytes


def resident_bytes():
    words = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE")


def assert_begins(whole, part):
    """Compare the fills of a part with the first ones of the whole, but for marks to come."""
    for name in set(whole.dtype.names) - {"mid_100ms", "mid_1s", "mid_10s", "mid_60s"}:
        assert part[name].tobytes() == whole[name][: len(part)].tobytes(), name
