"""A live engine as a process: its strategy sees the exchange, trades on paper, outlives a cut."""

from pathlib import Path

import pytest
from engines import eventually, row, status
from okx_exchange import Exchange

from livekit.cli.main import main
from livekit.engine.attach import AttachRequest, attach
from livekit.engine.launch import stop_engine
from livekit.ring.segment import Segment
from livekit.ring.state import state_of

pytestmark = pytest.mark.process

SEEING = Path(__file__).with_name("seeing.py")


@pytest.fixture
def exchange():
    exchange = Exchange()
    yield exchange
    exchange.close()


def test_strategy_gets_the_live_feed_trades_on_paper_and_outlives_a_cut(exchange, engine, capsys):
    engine(source="okx", env="sim", url=exchange.url, symbols=["BTC-USDT"], wait_for=1)
    assert status()["state"] == "held"
    assert exchange.sockets == []
    facts = attach("main", AttachRequest(SEEING, "seeing"))
    segment = Segment.attach(Path(facts["segment"]))

    def seen(name):
        return state_of(segment)["state"][name]

    eventually(lambda: seen("bid") == 100.0, "first quote")
    eventually(lambda: seen("fills") == 1, "fill on paper")
    exchange.send_trade("BTC-USDT", 42, 100.5)
    eventually(lambda: seen("trade_id") == 42, "trade")
    n_timers = seen("timers")
    eventually(lambda: seen("timers") > n_timers + 3, "timers without events")
    exchange.socket.close_socket()
    eventually(lambda: seen("connected") == 0, "news of the cut")
    eventually(lambda: seen("connected") == 1 and seen("bid") == 100.0, "prices again")
    assert seen("gaps") == 1
    assert status()["feed"]["connections"][0]["connects"] == 2
    assert row("seeing")["position"] == {"BTC-USDT": 0.001}
    assert main(["status"]) == 0
    shown = capsys.readouterr().out
    assert "LIVE" in shown
    assert "/ws/v5/public" in shown
    assert stop_engine("main")["leftovers"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--env", "sim", "--url", "http://127.0.0.1:9"], 3, "nothing listens at"),
        (["--env", "sim"], 4, "needs the simulator's address"),
        (["--env", "demo", "--url", "http://127.0.0.1:9"], 4, "for a simulator only"),
    ],
)
def test_engine_that_cannot_reach_an_exchange_says_what_to_do(
    runtime_dir, capsys, arguments, code, says
):
    command = ["engine", "start", "--source", "okx", "--paper", "--symbols", "BTC-USDT"]
    assert main([*command, *arguments, "--json"]) == code
    said = capsys.readouterr()
    assert says in said.out + said.err
