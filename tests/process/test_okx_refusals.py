"""Engines that trade on a simulated exchange, refused by it: at the start, and order by order.

Injected: keys and accounts that may not trade; orders that the exchange refuses although
our own checks let them pass, because what it allows has changed since the start. Checked:
exit code and sentence of each refused start; code and status of each refused order, and
that the engine trades on.
"""

import json
from pathlib import Path

import pytest
from engines import eventually, status

from livekit.cli.main import main
from livekit.engine.attach import AttachRequest, attach
from livekit.engine.folder import log_path
from livekit.engine.launch import stop_engine
from livekit.events import OrderStatus, Reject
from livekit.ring.segment import Segment
from livekit.ring.state import state_of

pytest.importorskip("aiohttp")

from livekit.okxsim.running import running_exchange

pytestmark = pytest.mark.process

DATA = str(Path(__file__).parents[2] / "replay_data")
REFUSED = Path(__file__).with_name("refused.py")
WIDE = {"price_band_bps": 1e6, "max_order_notional": 1e9, "max_position_notional": 1e9}


@pytest.fixture
def exchange():
    with running_exchange(DATA, speed=5.0, has_limits=False) as running:
        yield running


@pytest.fixture
def use_key(monkeypatch, tmp_path):
    """Return a function that puts a key where engines look for it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "config" / "livekit" / "okx-sim.json"
    path.parent.mkdir(parents=True)

    def use(name, mode=0o600, **changes):
        fields = {"key": f"{name}-key", "secret": f"{name}-secret", "passphrase": f"{name}-pass"}
        path.write_text(json.dumps(fields | changes))
        path.chmod(mode)

    return use


STARTS = [
    ({}, "BTC-USDT", 2, "no key for environment 'sim'"),
    ({"name": "alice", "mode": 0o644}, "BTC-USDT", 4, "run 'chmod 600"),
    ({"name": "expired"}, "BTC-USDT", 4, "choose the region of its account with --region"),
    ({"name": "alice", "passphrase": "x"}, "BTC-USDT", 4, "the passphrase is wrong"),
    ({"name": "live"}, "BTC-USDT", 4, "the key belongs to the other environment"),
    ({"name": "withdraw"}, "BTC-USDT", 4, "key may withdraw"),
    ({"name": "dave"}, "BTC-USDT-SWAP", 4, "choose the futures mode at OKX"),
    ({"name": "bob"}, "BTC-USDT-SWAP", 4, "choose one-way mode at OKX"),
]


def test_engine_that_may_not_trade_is_not_started_and_says_what_to_do(
    exchange, runtime_dir, use_key, capsys
):
    accounts = exchange.exchange.world.accounts
    exchange.call(setattr, accounts["bob"], "position_mode", "long_short_mode")
    command = ["engine", "start", "--source", "okx", "--demo", "--env", "sim", "--json"]
    for key, symbols, code, says in STARTS:
        if key:
            use_key(**key)
        assert main([*command, "--url", exchange.url, "--symbols", symbols]) == code
        error = json.loads(capsys.readouterr().out)["error"]
        assert error["exit_code"] == code
        assert says in error["message"]
        assert "-secret" not in error["message"]
    assert main([*command[:4], "--live", "--env", "sim", "--url", exchange.url]) == 4
    assert "live trading stays closed" in capsys.readouterr().err
    assert not any(path.is_file() for path in runtime_dir.rglob("*.segment"))


def test_engine_takes_the_key_of_the_file_it_is_given(
    exchange, runtime_dir, use_key, capsys, tmp_path, monkeypatch
):
    use_key("expired")
    path = tmp_path / "of-bob.json"
    path.write_text(
        json.dumps({"key": "bob-key", "secret": "bob-secret", "passphrase": "bob-pass"})
    )
    path.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    command = ["engine", "start", "--source", "okx", "--demo", "--env", "sim", "--json"]
    command += ["--url", exchange.url, "--symbols", "BTC-USDT", "--key-file"]
    assert main([*command, "nobody.json"]) == 2
    assert "key file" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert main([*command, "of-bob.json"]) == 0
    eventually(lambda: status()["orders"]["problem"] == "", "an exchange that takes orders")
    assert stop_engine("main")["leftovers"] == []


def run(name, first, last):
    """Attach the strategy, let it send its orders, and return (status, reject) of each."""
    params = (f"first={first}", f"last={last}")
    facts = attach("main", AttachRequest(REFUSED, name, params=params))
    segment = Segment.attach(Path(facts["segment"]))

    def read():
        return state_of(segment)["state"]

    eventually(lambda: read()["step"] > last, f"answers to orders {first} to {last}")
    state = read()
    rows = zip(state["statuses"][first : last + 1], state["rejects"][first : last + 1], strict=True)
    return [(OrderStatus(int(one)), Reject(int(other))) for one, other in rows], state


def test_orders_that_the_exchange_refuses_are_told_with_why_and_the_engine_trades_on(
    exchange, engine, use_key
):
    use_key("alice")
    symbols = ["BTC-USDT", "ETH-USDT"]
    engine(source="okx", venue="demo", env="sim", url=exchange.url, symbols=symbols, risk=WIDE)
    eventually(lambda: status()["orders"]["problem"] == "", "an exchange that takes orders")
    # What the exchange allows is not any more what the engine was told at its start.
    exchange.call(exchange.exchange.relist, "BTC-USDT", min_size="0.01")
    found, state = run("first", 0, 2)
    assert found == [
        (OrderStatus.REJECTED, Reject.PRICE_BAND),
        (OrderStatus.REJECTED, Reject.INSUFFICIENT_BALANCE),
        (OrderStatus.CANCELED, Reject.POST_ONLY_WOULD_TAKE),
    ]
    exchange.call(exchange.exchange.relist, "ETH-USDT", state="suspend")
    found, state = run("second", 3, 7)
    assert found == [
        (OrderStatus.REJECTED, Reject.TRADING_HALTED),
        (OrderStatus.REJECTED, Reject.BELOW_MINIMUM),
        (OrderStatus.REJECTED, Reject.BELOW_MINIMUM),  # the bad one of two
        (OrderStatus.REJECTED, Reject.OFF_LOT),
        (OrderStatus.REJECTED, Reject.OFF_TICK),
    ]
    assert state["rests"] == 1
    assert status()["orders"]["open"] == 1
    # The account's mode was changed behind the engine's back: its trade mode is wrong now.
    account = exchange.exchange.world.accounts["alice"]
    exchange.call(setattr, account, "level", "3")
    found, _ = run("third", 8, 8)
    assert found == [(OrderStatus.REJECTED, Reject.MALFORMED)]
    exchange.call(setattr, account, "level", "2")
    assert status()["orders"]["problem"] == ""
    assert status()["orders"]["unknown"] == 0
    log = log_path("main", "_engine").read_text()
    assert "alice-secret" not in log
    assert stop_engine("main")["leftovers"] == []
    assert exchange.call(lambda: len(account.pending)) == 0


def test_login_refused_after_the_start_stops_orders_and_says_why(exchange, engine, use_key):
    use_key("alice")
    engine(source="okx", venue="demo", env="sim", url=exchange.url, symbols=["BTC-USDT"])
    eventually(lambda: status()["orders"]["problem"] == "", "an exchange that takes orders")
    exchange.misbehave("refuse", connection="private", path="login", code="60024", count=0)
    exchange.misbehave("cut", connection="private")
    eventually(
        lambda: "60024" in str(status()["orders"]["line"]), "the refused login in the status"
    )
    assert status()["feed"]["state"] == "LIVE"


def test_clock_40_s_off_stops_orders_until_it_is_right(exchange, engine, use_key):
    use_key("alice")
    exchange.misbehave("clock", seconds=40)
    engine(source="okx", venue="demo", env="sim", url=exchange.url, symbols=["BTC-USDT"])
    eventually(lambda: status()["orders"]["line"]["state"] == "live", "private line")
    problem = eventually(
        lambda: (told := status()["orders"]["problem"]) and "clock" in told and told,
        "the clock as the problem",
    )
    assert problem == (
        "clock is -40.0 s from the exchange's, at most 1 s is allowed; set it by NTP"
    )
