"""Engines and strategies from a notebook: handles that hold a name, and what is refused."""

import os
import signal

import pytest
from engines import eventually

import livekit as lk
from livekit.errors import ConfigError, NotFoundError, NotRunningError
from livekit.research.report.saved import runs

pytestmark = pytest.mark.process

TEXT = """import livekit as lk

class Buyer(lk.Strategy):
    symbols = ("BTC-USDT",)
    size = lk.Param(0.01, 0.001, 1.0, hot=True)
    every = lk.Param(100, 1, 10_000)
    n: int = 0

    def on_quote(self, quote):
        self.n += 1
        if self.n % self.every == 0:
            self.buy(quote.symbol, self.size, quote.ask_price, tif=lk.IOC)
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "buyer.py"
    path.write_text(TEXT)
    return path


@pytest.fixture
def started(engine, recording):
    """Start an engine as a test does; give the handle a notebook has."""
    engine(speed="1", wait_for=1)
    return lk.engine()


def test_without_an_engine_every_call_offers_the_line_that_starts_one(runtime_dir, file):
    for call in (lk.engine, lambda: lk.attach(file), lambda: lk.detach("buyer")):
        with pytest.raises(NotRunningError) as caught:
            call()
        assert 'start one with: lk.engine(data="replay_data", speed=60)' in str(caught.value)
    with pytest.raises(NotRunningError, match=r'lk.engine\(\'paper2\', data="replay_data"'):
        lk.engine("paper2")


def test_engine_of_a_notebook_is_a_session_of_its_own_and_is_found_again(runtime_dir, recording):
    engine = lk.engine(data=recording, speed=60, symbols="BTC-USDT")
    try:
        pid = engine.status["pid"]
        assert os.getsid(pid) == pid
        again = lk.engine(data=recording, speed=60.0)
        assert again.status["pid"] == lk.engine().status["pid"] == pid
        assert again.status["instruments"] == ["BTC-USDT"]
        with pytest.raises(ConfigError, match=r"runs already, with speed 'x60' and not '10'"):
            lk.engine(speed=10)
        with pytest.raises(ConfigError, match=r"no setting 'sped'; did you mean 'speed'"):
            lk.engine(sped=10)
        assert "trading ACTIVE" in repr(engine)
        assert "strategies" in engine._repr_html_()
    finally:
        engine.stop()
    assert not engine.is_running
    assert repr(engine) == "<engine 'main': not running>"
    engine.stop()  # a cell that is run again


def test_attached_strategy_is_read_steered_found_again_and_gives_its_run(started, file):
    live = lk.attach(file, size=0.02, every=10)
    eventually(lambda: live.row["fills"] > 0, "a fill")
    same = lk.attach("buyer")
    assert same.row["hash"] == live.row["hash"]
    assert same.params == {"size": 0.02, "every": 10}
    assert same.set_params(size=0.03)["size"] == 0.03
    eventually(lambda: same.params["size"] == 0.03, "the new size")
    assert same.state.n >= 10
    assert "Buyer" in str(live)
    assert list(started.strategies.index) == ["buyer"]
    run = lk.detach("buyer")
    assert run.meta["kind"] == "replay"
    assert len(run.fills) > 0
    assert run.meta["manifest"]["code_hash"] == run.meta["code_hash"] == live.manifest.code_hash
    assert lk.run("buyer").hash == run.hash
    assert "attached no more" in repr(live)
    with pytest.raises(NotFoundError, match="attached to engine 'main' no more"):
        live.row  # noqa: B018 - reading it is the test


def test_names_and_parameters_that_cannot_be_are_refused_before_anything_starts(started, file):
    with pytest.raises(ConfigError, match=r"'size' is 7.0, expected 0.001 to 1.0"):
        lk.attach(file, size=7)
    with pytest.raises(ConfigError, match="has no parameter 'sise'; did you mean 'size'"):
        lk.attach(file, sise=1)
    with pytest.raises(NotFoundError, match=r"no strategy 'byer' .attached: none.|give a class"):
        lk.attach("byer")
    live = lk.attach(file)
    with pytest.raises(NotFoundError, match="did you mean 'buyer'"):
        lk.attach("byer")
    with pytest.raises(ConfigError, match="takes no parameters here"):
        lk.attach("buyer", size=0.1)
    with pytest.raises(ConfigError, match="'every' of 'buyer' is not hot"):
        live.set_params(every=5)
    assert len(runs()) == 0


def test_run_of_a_name_is_what_trades_and_then_what_was_saved(started, file):
    live = lk.attach(file, every=10)
    eventually(lambda: live.row["fills"] > 0, "a fill")
    run = lk.run("buyer")
    assert run.row["pid"] == live.row["pid"]
    assert run.state.n >= 10
    with pytest.raises(AttributeError, match=r"'buyer' trades still; .plot is what a run has"):
        run.plot()
    so_far = run.run()
    assert (so_far.meta["kind"], so_far.meta["is_partial"]) == ("replay", True)
    assert len(so_far.fills) > 0
    assert so_far.meta["counts"]["events"] <= live.row["received"] + 10_000
    with pytest.raises(NotFoundError, match=r"there is no saved run 'byer' .* trading now: buyer"):
        lk.run("byer")
    with pytest.raises(NotFoundError, match="there is no saved run 'buyer'"):
        lk.run("buyer", folder=file.parent)
    saved = live.detach()
    assert lk.run("buyer").hash == saved.hash
    (listed,) = lk.runs()
    assert lk.run(listed.name).hash == saved.hash


def test_manifest_says_when_code_is_not_what_was_backtested(started, file, recording):
    from livekit.research.tested import note

    data = lk.load(recording, symbols="BTC-USDT")
    note(lk.backtest(file, data, size=0.02))
    live = lk.attach(file, size=0.05)
    assert live.manifest.warnings == ["parameters differ from the backtest's: size 0.02 → 0.05"]
    assert data.hash in str(live.manifest)
    live.detach()
    file.write_text(TEXT.replace("% self.every == 0", "% self.every == 1"))
    changed = lk.attach(file)
    (warning,) = changed.manifest.warnings
    assert "is not what was last backtested" in warning
    assert lk.attach("buyer").manifest == changed.manifest


def test_strategies_run_on_when_the_process_that_attached_them_is_killed(started, file, tmp_path):
    import subprocess
    import sys

    code = (
        f"import livekit as lk, time; lk.attach({str(file)!r}, every=10); print('up', flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGKILL)
    live = lk.attach("buyer")
    seen = live.row["received"]
    eventually(lambda: live.row["received"] > seen, "the next event")
    assert live.manifest.strategy == "Buyer"
    assert lk.detach(live).meta["strategy"] == "Buyer"
