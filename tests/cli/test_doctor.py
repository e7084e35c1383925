"""``livekit doctor`` against a simulated exchange: every line that a user may meet."""

import json
import socket
from pathlib import Path

import pytest

from livekit.cli.main import main

pytest.importorskip("aiohttp")

from livekit.okxsim.running import running_exchange

DATA = str(Path(__file__).parents[2] / "replay_data")


@pytest.fixture(scope="module")
def exchange():
    with running_exchange(DATA, speed=0.0, has_limits=False) as running:
        yield running


@pytest.fixture
def key_file(tmp_path):
    """Return a function that writes a key's file."""

    def write(name, secret="", passphrase=""):
        secret, passphrase = secret or f"{name}-secret", passphrase or f"{name}-pass"
        path = tmp_path / "key.json"
        fields = {"key": f"{name}-key", "secret": secret, "passphrase": passphrase}
        path.write_text(json.dumps(fields))
        path.chmod(0o600)
        return str(path)

    return write


@pytest.fixture
def doctor(exchange, capsys, runtime_dir):
    """Return a function that runs the command: (exit code, checks by name)."""

    def run(*arguments, url=""):
        options = ["doctor", "--env", "sim", "--url", url or exchange.url, "--json", *arguments]
        code = main(options)
        answer = json.loads(capsys.readouterr().out)
        if "checks" not in answer:
            return code, answer["error"]
        assert (answer["exit_code"], answer["ok"]) == (code, code == 0)
        return code, {one["name"]: one for one in answer["checks"]}

    return run


def test_machine_alone_is_checked_without_an_environment(capsys, runtime_dir):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line[9:28].strip() for line in lines if line[:9].strip()][:-1]
    assert names == [
        "python",
        "packages",
        "compiled code",
        "shared memory",
        "state",
        "processor",
        "open files",
        "exchange",
    ]
    assert lines[-1].startswith("machine is fit")


def test_everything_in_order_ends_in_zero_and_says_so(exchange, key_file, capsys, runtime_dir):
    options = ["doctor", "--env", "sim", "--url", exchange.url, "--key-file", key_file("alice")]
    assert main([*options, "--symbols", "BTC-USDT,BTC-USDT-SWAP"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "problem" not in out
    assert "alice-secret" not in out
    assert "alice-pass" not in out
    assert "<key …>" in out  # too short a key to show four characters of
    assert "machine, key and account are fit for sim" in out
    assert "BTC-USDT 8 / 10 bp, BTC-USDT-SWAP 2 / 5 bp" in out
    assert "futures mode" in out
    assert "60 new orders in 2 s of each instrument, 1000 of the account" in out


def test_checks_are_told_in_the_order_of_an_engines_start(doctor, key_file):
    _, found = doctor("--key-file", key_file("alice"), "--symbols", "BTC-USDT")
    names = list(found)
    assert names[names.index("environment") :] == [
        "environment",
        "REST",
        "clock",
        "maintenance",
        "public socket",
        "business socket",
        "BTC-USDT",
        "key",
        "key accepted",
        "rights",
        "account mode",
        "position mode",
        "account",
        "fees",
        "balances",
        "order rate",
        "private socket",
    ]
    assert found["private socket"]["state"] == "ok"
    assert found["account"]["state"] == "note"  # bound to no address
    assert "expires after 14 days" in found["account"]["text"]


def test_paper_trading_needs_no_key(exchange, capsys, runtime_dir):
    options = ["doctor", "--env", "sim", "--url", exchange.url, "--no-key"]
    assert main([*options, "--symbols", "BTC-USDT"]) == 0
    assert "fit for paper trading on sim data" in capsys.readouterr().out


def test_missing_key_ends_in_two_and_says_where_it_was_looked_for(doctor, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    code, found = doctor()
    assert code == 2
    assert found["key"]["state"] == "problem"
    assert str(tmp_path / "livekit" / "okx-sim.json") in found["key"]["text"]
    assert "mode 0600" in found["key"]["fix"]
    assert "key accepted" not in found


def test_key_file_that_others_may_read_ends_in_four(doctor, key_file):
    path = key_file("alice")
    Path(path).chmod(0o644)
    code, found = doctor("--key-file", path)
    assert code == 4
    assert "mode 0644" in found["key"]["text"]
    assert found["key"]["fix"].startswith(f"run 'chmod 600 {path}'")


@pytest.mark.parametrize(
    ("key", "options", "code", "fix"),
    [
        ({"name": "nobody"}, (), "50111", "the key is unknown here: check it, its region"),
        ({"name": "expired"}, (), "50119", "choose the region of its account with --region"),
        ({"name": "alice", "secret": "x"}, (), "50113", "enter the secret again"),
        ({"name": "alice", "passphrase": "x"}, (), "50105", "the passphrase is wrong"),
        ({"name": "alice"}, ("--live",), "50101", "use a demo key with --env demo only"),
        ({"name": "live"}, (), "50101", "use a demo key with --env demo only"),
    ],
)
def test_wrong_key_ends_in_four_with_the_exchanges_code_and_a_fix(
    doctor, key_file, key, options, code, fix
):
    ended, found = doctor("--key-file", key_file(**key), *options)
    assert ended == 4
    assert found["key accepted"]["state"] == "problem"
    assert code in found["key accepted"]["text"]
    assert fix in found["key accepted"]["fix"]
    assert "private socket" not in found  # it would say the same once more


@pytest.mark.parametrize(
    ("code", "fix"),
    [
        ("50110", "add this machine's to it at OKX"),
        ("50035", "add this machine's to it at OKX"),
        ("50121", "use the host of the account's region"),
        ("50120", "give it the Read and Trade rights at OKX"),
        ("50114", "enter the secret again"),
    ],
)
def test_refusal_of_the_account_ends_in_four_with_its_fix(doctor, exchange, key_file, code, fix):
    exchange.misbehave("refuse", path="account/config", code=code)
    ended, found = doctor("--key-file", key_file("alice"))
    assert ended == 4
    assert f"exchange answered {code}" in found["key accepted"]["text"]
    assert fix in found["key accepted"]["fix"]


def test_account_that_is_not_told_is_no_fault_of_the_key(doctor, exchange, key_file):
    exchange.misbehave("http", path="account/config", code="502")
    ended, found = doctor("--key-file", key_file("alice"))
    assert ended == 1
    assert found["key accepted"]["text"].startswith("not told (HTTP 502)")
    assert found["key accepted"]["fix"] == "try again"


def test_live_key_of_the_simulator_is_taken_with_live(doctor, key_file):
    code, found = doctor("--key-file", key_file("live"), "--live")
    assert code == 0
    assert found["key accepted"]["text"] == "as one of live trading"


@pytest.mark.parametrize(
    ("name", "text", "fix"),
    [
        ("withdraw", "key may withdraw", "make one with the Read and Trade rights only at OKX"),
        ("read", "key may not trade", "give it the Trade right at OKX"),
    ],
)
def test_key_with_wrong_rights_ends_in_four(doctor, key_file, name, text, fix):
    code, found = doctor("--key-file", key_file(name))
    assert code == 4
    assert found["rights"]["text"].startswith(text)
    assert fix in found["rights"]["fix"]


def test_account_mode_that_cannot_trade_a_symbol_ends_in_four(doctor, key_file):
    code, found = doctor("--key-file", key_file("dave"), "--symbols", "BTC-USDT-SWAP")
    assert code == 4
    assert "spot mode" in found["account mode"]["text"]
    assert "choose the futures mode at OKX" in found["account mode"]["fix"]
    code, found = doctor("--key-file", key_file("dave"), "--symbols", "BTC-USDT")
    assert code == 0
    assert found["account mode"]["text"] == "spot mode"


def test_hedge_mode_ends_in_four_for_contracts(doctor, exchange, key_file):
    account = exchange.exchange.world.accounts["bob"]
    exchange.call(setattr, account, "position_mode", "long_short_mode")
    try:
        code, found = doctor("--key-file", key_file("bob"), "--symbols", "BTC-USDT-SWAP")
        assert code == 4
        assert "choose one-way mode at OKX" in found["position mode"]["fix"]
        code, found = doctor("--key-file", key_file("bob"), "--symbols", "BTC-USDT")
        assert code == 0
        assert found["position mode"]["text"] == "long_short_mode, spot alone"
    finally:
        exchange.call(setattr, account, "position_mode", "net_mode")


def test_clock_40_s_off_is_a_problem_and_the_key_is_checked_all_the_same(
    doctor, exchange, key_file
):
    exchange.misbehave("clock", seconds=40)
    try:
        code, found = doctor("--key-file", key_file("alice"))
    finally:
        exchange.misbehave("clock", seconds=0)
    assert code == 1
    assert found["clock"]["text"].startswith("clock is -40.0 s from the exchange's")
    assert found["clock"]["fix"] == "set it by NTP"
    assert found["key accepted"]["state"] == "ok"
    assert found["private socket"]["state"] == "ok"


@pytest.mark.parametrize("symbol", ["BTC-USDX", "btc-usdt"])
def test_unknown_symbol_ends_in_four_and_names_those_that_are_near(doctor, symbol):
    code, found = doctor("--no-key", "--symbols", f"ETH-USDT, {symbol},{symbol}")
    assert code == 4
    assert found["ETH-USDT"]["state"] == "ok"
    assert found[symbol]["text"] == f"{symbol!r} is not listed here"
    assert "there are BTC-USDT" in found[symbol]["fix"]


def test_suspended_instrument_ends_in_four(doctor):
    code, found = doctor("--no-key", "--symbols", "OLD-USDT")
    assert code == 4
    assert found["OLD-USDT"]["text"] == "'OLD-USDT' is in state 'suspend', so it does not trade"


def test_instrument_without_a_code_is_noted(doctor):
    code, found = doctor("--no-key", "--symbols", "TESTING-USDT-SWAP")
    assert code == 0
    assert found["TESTING-USDT-SWAP"]["state"] == "note"
    assert "orders go over REST" in found["TESTING-USDT-SWAP"]["text"]


def test_login_that_is_refused_ends_in_four(doctor, exchange, key_file):
    exchange.misbehave("refuse", connection="private", path="login", code="60024")
    code, found = doctor("--key-file", key_file("alice"))
    assert code == 4
    assert "refuses the login: 60024" in found["private socket"]["text"]
    assert found["private socket"]["fix"] == "the passphrase is wrong: enter the key's own"


@pytest.mark.parametrize(
    ("state", "code", "found_state"), [("scheduled", 0, "note"), ("ongoing", 1, "problem")]
)
def test_maintenance_is_told_before_it_hurts(doctor, exchange, state, code, found_state):
    exchange.misbehave("maintenance", seconds=3600, code=state)
    ended, found = doctor("--no-key")
    assert ended == code
    assert found["maintenance"]["state"] == found_state
    assert found["maintenance"]["text"].startswith(f"'Trading system upgrade' is {state}, from 2")
    assert found["maintenance"]["fix"]


def test_account_without_money_is_noted(doctor, exchange, key_file):
    account = exchange.exchange.world.accounts["bob"]
    held = dict(account.balances)
    try:
        exchange.call(account.balances.pop, "USDT")
        _, found = doctor("--key-file", key_file("bob"), "--symbols", "BTC-USDT")
        assert found["balances"]["fix"] == "no USDT to buy with"
        exchange.call(account.balances.clear)
        _, found = doctor("--key-file", key_file("bob"), "--symbols", "BTC-USDT")
        assert found["balances"]["text"] == "the account is empty"
    finally:
        exchange.call(account.balances.update, held)


def test_half_open_socket_is_told(doctor, exchange):
    with socket.create_server(("127.0.0.1", 0)) as server:
        # The system takes the connections, and nobody ever says a word.
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        code, found = doctor("--no-key", "--timeout", "0.3", url=url)
    assert code == 5
    assert found["REST"]["text"].endswith("cannot be reached: timed out")
    assert "longer --timeout" in found["REST"]["fix"]
    assert "cannot be opened: timed out" in found["public socket"]["text"]


def test_address_where_nothing_listens_ends_in_three(doctor):
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    code, found = doctor("--no-key", url=url)
    assert code == 3
    assert "start the simulator with 'livekit okx-sim'" in found["REST"]["fix"]
    assert "clock" not in found


@pytest.mark.parametrize(
    ("answer", "text"), [("503", "answered HTTP 503"), ("403", "answered HTTP 403")]
)
def test_http_error_is_told_with_what_to_look_at(doctor, exchange, answer, text):
    exchange.misbehave("http", path="public/time", code=answer)
    code, found = doctor("--no-key")
    assert code == (1 if answer == "503" else 4)
    assert text in found["REST"]["text"]
    assert found["REST"]["fix"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--env", "demo", "--url", "http://127.0.0.1:1"], "is for a simulator only"),
        (["--env", "live", "--region", "moon"], "region 'moon' is unknown; use global, eea, us"),
        (["--env", "sim"], "needs the simulator's address"),
        (["--env", "demo", "--live"], "leave it out for demo"),
        (["--env", "demo", "--timeout", "0"], "expected more than 0"),
    ],
)
def test_impossible_options_end_in_four(capsys, runtime_dir, arguments, said):
    assert main(["doctor", *arguments]) == 4
    assert said in capsys.readouterr().err
