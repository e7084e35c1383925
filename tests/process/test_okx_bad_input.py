"""A live engine that is sent what no exchange should send, and asked for what there is not."""

import json
from pathlib import Path

import pytest
from engines import eventually, status

from livekit.cli.main import main

pytest.importorskip("aiohttp")

from livekit.okxsim.running import running_exchange

pytestmark = pytest.mark.process

DATA = str(Path(__file__).parents[2] / "replay_data")


@pytest.fixture(scope="module")
def exchange():
    with running_exchange(DATA, speed=5.0, has_limits=False) as running:
        yield running


def public():
    return next(one for one in status()["feed"]["connections"] if one["url"].endswith("public"))


def test_hostile_frames_cost_at_most_a_connection_and_the_feed_goes_on(exchange, engine):
    engine(source="okx", env="sim", url=exchange.url, symbols=["BTC-USDT"])
    eventually(lambda: status()["feed"]["state"] == "LIVE", "live feed")
    for kind in ("utf8", "nested"):
        n_bad = status()["feed"]["bad_frames"]
        exchange.misbehave("junk", connection="public", code=kind)
        eventually(lambda n=n_bad: status()["feed"]["bad_frames"] == n + 1, f"{kind} frame")
        n_events = status()["events_in"]
        eventually(lambda n=n_events: status()["events_in"] > n, "events after it")
    n_connects = public()["connects"]
    exchange.misbehave("junk", connection="public", code="large")
    eventually(lambda: public()["connects"] == n_connects + 1, "another connection")
    eventually(lambda: status()["feed"]["state"] == "LIVE", "live feed again")
    n_events = status()["events_in"]
    eventually(lambda: status()["events_in"] > n_events, "events again")
    assert status()["state"] == "running"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--symbols", "NOT-USDT"], 4, "'NOT-USDT' is not listed"),
        (["--symbols", "BTC-USDX"], 4, "it lists BTC-USDT"),
        (["--symbols", "BTC-USDT", "--region", "moon"], 4, "region"),
        (["--symbols", "BTC-USDT", "--channels", "nothing"], 4, "nothing"),
    ],
)
def test_engine_is_refused_what_there_is_not_with_what_there_is(
    exchange, runtime_dir, capsys, arguments, code, says
):
    command = ["engine", "start", "--source", "okx", "--paper", "--env", "sim", "--json"]
    assert main([*command, "--url", exchange.url, *arguments]) == code
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["exit_code"] == code
    assert says in error["message"]
