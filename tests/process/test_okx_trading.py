"""A demo engine as a process: a strategy trades on the simulated exchange, whatever dies."""

import json
import os
import signal
from pathlib import Path

import pytest
from engines import eventually, row, status

pytest.importorskip("aiohttp")

import livekit as lk
from livekit.cli.main import main
from livekit.engine.attach import AttachRequest, attach
from livekit.engine.client import call
from livekit.engine.launch import start_engine, stop_engine
from livekit.engine.settings import EngineSettings
from livekit.errors import ConfigError
from livekit.okxsim.running import running_exchange
from livekit.research.report.saved import runs

pytestmark = pytest.mark.process

DATA = str(Path(__file__).parents[2] / "replay_data")
RESTING = Path(__file__).with_name("resting.py")


@pytest.fixture(scope="module")
def exchange():
    with running_exchange(DATA, speed=1.0, has_limits=True) as running:
        yield running


@pytest.fixture
def key(monkeypatch):
    for name, value in (("KEY", "bob-key"), ("SECRET", "bob-secret"), ("PASSPHRASE", "bob-pass")):
        monkeypatch.setenv(f"LIVEKIT_OKX_{name}", value)


@pytest.fixture
def demo(exchange, engine, key):
    engine(source="okx", env="sim", venue="demo", url=exchange.url, symbols=["BTC-USDT"])
    eventually(lambda: status()["orders"]["problem"] == "", "orders are taken")
    return exchange


def open_orders(exchange):
    """Return the client order ids that rest at the exchange."""

    def look():
        pending = exchange.exchange.world.accounts["bob"].pending
        return sorted(order.client_id for order in pending.values())

    return exchange.call(look)


def held(exchange):
    """Return the bitcoin that the account has at the exchange."""
    return exchange.call(lambda: float(exchange.exchange.world.accounts["bob"].balances["BTC"]))


def attach_resting():
    attach("main", AttachRequest(RESTING, "resting"))
    eventually(lambda: row("resting")["fills"] >= 1, "a fill")


def test_strategy_trades_is_reported_and_recorded_and_leaves_nothing_open(demo, capsys):
    attach_resting()
    eventually(lambda: len(open_orders(demo)) == 1, "a resting order")
    assert main(["status"]) == 0
    shown = capsys.readouterr().out
    for words in ("venue demo", "orders are", "dead man's switch", "socket→ack", "/ws/v5/private"):
        assert words in shown
    assert row("resting")["position"] == {"BTC-USDT": 0.001}
    call("main", "detach", name="resting")
    eventually(lambda: open_orders(demo) == [], "cancellation")
    assert stop_engine("main")["leftovers"] == []
    (run,) = runs()
    assert (run.label, run.kind) == ("resting", "demo")


def test_run_has_the_last_words_about_its_orders_although_they_come_after_it_left(demo):
    attach_resting()
    eventually(lambda: len(open_orders(demo)) == 1, "a resting order")
    demo.misbehave("delay", connection="private", seconds=1.0)
    call("main", "detach", name="resting")
    try:
        (saved,) = eventually(runs, "the run")
    finally:
        demo.call(demo.exchange.faults.clear)
    statuses = lk.run(saved.name).orders["status"].tolist()
    assert sorted(statuses) == ["canceled", "filled"]
    assert status()["state"] == "running"


def test_flatten_cancels_and_closes_at_the_exchange_with_orders_that_only_reduce(demo):
    attach_resting()
    eventually(lambda: len(open_orders(demo)) == 1, "a resting order")
    before = held(demo)
    done = call("main", "flatten")
    assert (done["orders_canceled"], done["positions"]) == (1, 1)
    eventually(lambda: row("resting")["position"] == {}, "flat")
    eventually(lambda: open_orders(demo) == [], "cancellation")
    assert held(demo) == pytest.approx(before - 0.001, abs=1e-9)
    assert status()["trading"] == "REDUCING"


def test_cancel_of_a_strategys_orders_cancels_at_the_exchange(demo):
    attach_resting()
    eventually(lambda: len(open_orders(demo)) == 1, "a resting order")
    assert main(["cancel", "resting"]) == 0
    eventually(lambda: open_orders(demo) == [], "cancellation")
    assert row("resting")["position"] == {"BTC-USDT": 0.001}


def test_kill_switch_cancels_what_rests_at_the_exchange(demo):
    attach_resting()
    eventually(lambda: len(open_orders(demo)) == 1, "a resting order")
    assert call("main", "kill")["trading"] == "HALTED"
    eventually(lambda: open_orders(demo) == [], "cancellation")


def test_halt_outlives_the_engine_until_somebody_clears_it(demo, capsys):
    assert main(["kill"]) == 0
    assert "restart the engine with --clear-halt to trade again" in capsys.readouterr().out
    start = ["engine", "start", "--source", "okx", "--demo", "--env", "sim", "--url", demo.url]
    start += ["--symbols", "BTC-USDT"]
    for died in (False, True):
        if died:
            os.kill(status()["pid"], signal.SIGKILL)
            eventually(lambda: main(["ps"]) == 3, "its end")
        else:
            assert main(["engine", "stop"]) == 0
        capsys.readouterr()
        assert main(start) == 0
        assert "trading is HALTED since" in capsys.readouterr().out
        assert status()["trading"] == "HALTED"
        assert main(["resume"]) != 0
        assert "--clear-halt" in capsys.readouterr().err
    assert main(["engine", "stop"]) == 0
    assert main([*start, "--clear-halt"]) == 0
    assert "HALTED" not in capsys.readouterr().out
    assert status()["trading"] == "ACTIVE"
    assert main(["engine", "stop"]) == 0
    capsys.readouterr()
    assert main([*start, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["halted"] is None


def test_strategy_that_is_killed_has_its_orders_canceled_at_the_exchange(demo):
    attach_resting()
    eventually(lambda: len(open_orders(demo)) == 1, "a resting order")
    os.kill(row("resting")["pid"], signal.SIGKILL)
    eventually(lambda: open_orders(demo) == [], "cancellation")
    assert status()["state"] == "running"


def test_engine_that_is_stopped_cancels_before_it_leaves(demo):
    attach_resting()
    eventually(lambda: len(open_orders(demo)) == 1, "a resting order")
    assert stop_engine("main")["leftovers"] == []
    assert open_orders(demo) == []


def test_exchange_cancels_by_itself_what_a_killed_engine_left(demo, capsys):
    attach_resting()
    eventually(lambda: len(open_orders(demo)) == 1, "a resting order")
    os.kill(status()["pid"], signal.SIGKILL)
    demo.misbehave("clock", seconds=31.0)  # the switch is armed for 30 s
    try:
        eventually(lambda: open_orders(demo) == [], "dead man's switch")
    finally:
        demo.misbehave("clock", seconds=0.0)
    assert main(["ps"]) == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--live"], "live trading stays closed"),
        (["--demo", "--env", "live"], "demo trading is not on --env live"),
        (["--demo"], "key"),
    ],
)
def test_venue_that_may_not_be_is_refused_with_what_to_do(
    exchange, runtime_dir, monkeypatch, capsys, arguments, says
):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(runtime_dir))
    for name in ("KEY", "SECRET", "PASSPHRASE"):
        monkeypatch.delenv(f"LIVEKIT_OKX_{name}", raising=False)
    command = ["engine", "start", "--source", "okx", "--symbols", "BTC-USDT", "--json"]
    if "--env" not in arguments:
        arguments = [*arguments, "--env", "sim", "--url", exchange.url]
    assert main([*command, *arguments]) in {2, 4}
    said = capsys.readouterr()
    assert says in said.out + said.err


def test_live_venue_opens_for_the_simulator_only(exchange, runtime_dir, key):
    with pytest.raises(ConfigError, match="live trading stays closed"):
        start_engine(EngineSettings(source="okx", venue="live", env="live", symbols=["BTC-USDT"]))
