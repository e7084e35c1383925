"""The account, asked of a simulated exchange over REST, and told by its own pushes."""

import contextlib
import json
import random
import time
from pathlib import Path

import pytest

from livekit.engine.okx.account import AccountSync
from livekit.errors import ConfigError
from livekit.instruments import Instrument
from livekit.okx.calls import set_leverage
from livekit.okx.messages import InstrumentRow, InstrumentsPush
from livekit.okx.private import AccountPush, parse_private
from livekit.trading.core import TradingCore

pytest.importorskip("aiohttp")

from okx_line import logged_in, rest_of

from livekit.okx.calls import Call
from livekit.okx.requests import PRIVATE_CHANNELS, subscribe
from livekit.okxsim.running import running_exchange

DATA = str(Path(__file__).parents[2] / "replay_data")
SPOT = Instrument("BTC-USDT", 0.1, 0.00000001, 0.00001)
SWAP = Instrument("BTC-USDT-SWAP", 0.1, 0.01, 0.01, 0.01, "swap")
SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def exchange():
    with running_exchange(DATA, speed=0.0, has_limits=False) as running:
        yield running


@contextlib.contextmanager
def client_of(exchange, name, *, is_demo=True, secret="", passphrase=""):
    changes = {"secret": secret, "passphrase": passphrase}
    changes = {field: value for field, value in changes.items() if value}
    client = rest_of(exchange.url, name, is_demo=is_demo, **changes)
    try:
        yield client
    finally:
        client.close()


def listed(exchange, *symbols):
    rows = {one.symbol: one for one in exchange.exchange.world.listings}
    found = []
    for symbol in symbols:
        one = rows[symbol]
        value = float(one.contract_value) if one.is_swap else 1.0
        steps = (float(one.tick), float(one.lot), float(one.min_size))
        found.append(Instrument(symbol, *steps, value, "swap" if one.is_swap else "spot"))
    return tuple(found)


def ask(sync, client, now_ns=0, **options):
    for call in sync.calls(**options):
        answer = client.request(call)
        assert sync.take_answer(call.path, answer.status, answer.body, now_ns)


@pytest.fixture
def sync(exchange):
    return AccountSync(listed(exchange, "BTC-USDT", "BTC-USDT-SWAP"))


def test_account_is_ready_once_everything_was_answered(exchange, sync):
    assert not sync.is_ready
    assert sync.problem == ""
    assert sync.describe()["waits_for"][:3] == [
        "account/config",
        "account/balance",
        "account/positions",
    ]
    with client_of(exchange, "alice") as client:
        ask(sync, client)
    assert sync.is_ready
    assert (sync.level, sync.position_mode, sync.problem) == ("2", "net_mode", "")
    assert sync.balances["USDT"].cash == 100_000
    assert sync.balances["BTC"].available == 2
    assert sync.positions == {}
    assert sync.describe()["waits_for"] == []


def test_fees_are_costs_of_each_instrument_and_reach_the_core(exchange, sync):
    with client_of(exchange, "alice") as client:
        ask(sync, client)
    core = TradingCore([*sync.instruments, Instrument("OTHER-USDT", 1.0, 1.0, 1.0)])
    sync.apply_fees(core)
    rates = core.markets[["maker_fee", "taker_fee"]][:3].tolist()
    assert rates == [(0.0008, 0.001), (0.0002, 0.0005), (0.0008, 0.001)]


@pytest.mark.parametrize(
    ("name", "spot", "swap"), [("alice", "cash", "cross"), ("carol", "cross", "cross")]
)
def test_trade_mode_follows_the_account_mode(exchange, sync, name, spot, swap):
    with client_of(exchange, name) as client:
        ask(sync, client)
    assert [sync.td_mode(one) for one in sync.instruments] == [spot, swap]


def test_trade_mode_of_contracts_may_be_isolated(exchange):
    sync = AccountSync(listed(exchange, "BTC-USDT", "BTC-USDT-SWAP"), margin_mode="isolated")
    with client_of(exchange, "alice") as client:
        ask(sync, client)
    assert [sync.td_mode(one) for one in sync.instruments] == ["cash", "isolated"]
    with pytest.raises(ConfigError, match="'crossed', expected 'cross' or 'isolated'"):
        AccountSync((), margin_mode="crossed")


def test_trade_mode_before_the_account_is_known_is_refused(sync):
    with pytest.raises(ConfigError, match="not known yet"):
        sync.td_mode(SPOT)


def test_spot_mode_trades_spot_alone(exchange):
    spot = AccountSync(listed(exchange, "BTC-USDT"))
    both = AccountSync(listed(exchange, "BTC-USDT", "BTC-USDT-SWAP"))
    with client_of(exchange, "dave") as client:
        ask(spot, client)
        ask(both, client)
    assert spot.is_ready
    assert spot.td_mode(SPOT) == "cash"
    assert spot.balances["BTC"].available == 2
    assert not both.is_ready
    assert both.is_refused
    assert both.problem == (
        "account is in spot mode, which cannot trade 'BTC-USDT-SWAP'; choose the futures mode at "
        "OKX, under account mode, or leave the instrument out"
    )
    with pytest.raises(ConfigError, match="spot mode"):
        both.td_mode(SWAP)


def test_hedge_mode_is_refused_for_contracts_until_it_is_changed(exchange, sync):
    spot = AccountSync(listed(exchange, "BTC-USDT"))
    with client_of(exchange, "bob") as client:
        body = json.dumps({"posMode": "long_short_mode"}).encode()
        client.request(Call("POST", "/api/v5/account/set-position-mode", body))
        ask(sync, client)
        ask(spot, client)
        assert sync.is_refused
        assert sync.problem.startswith("position mode is 'long_short_mode', expected 'net_mode'; ")
        assert "choose one-way mode at OKX" in sync.problem
        assert spot.is_ready
        body = body.replace(b"long_short_mode", b"net_mode")
        client.request(Call("POST", "/api/v5/account/set-position-mode", body))
        ask(sync, client, is_full=False)
    assert sync.is_ready


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("withdraw", "key may withdraw (its rights: read_only, trade, withdraw); make one with"),
        ("read", "key may not trade (its rights: read_only); give it the Trade right at OKX"),
    ],
)
def test_key_with_wrong_rights_is_refused(exchange, sync, name, said):
    with client_of(exchange, name) as client:
        ask(sync, client)
    assert sync.is_refused
    assert sync.problem.startswith(said)


@pytest.mark.parametrize(
    ("options", "code", "fix"),
    [
        ({"name": "nobody"}, "50111", "the key is unknown here"),
        ({"name": "expired"}, "50119", "choose the region of its account with --region"),
        ({"name": "alice", "passphrase": "wrong"}, "50105", "the passphrase is wrong"),
        ({"name": "alice", "secret": "wrong"}, "50113", "enter the secret again"),
        ({"name": "alice", "is_demo": False}, "50101", "use a demo key with --env demo only"),
        ({"name": "live"}, "50101", "the key belongs to the other environment"),
    ],
)
def test_key_that_the_exchange_refuses_is_a_problem_with_its_fix(
    exchange, sync, options, code, fix
):
    options = dict(options)
    with client_of(exchange, options.pop("name"), **options) as client:
        ask(sync, client)
    assert not sync.is_ready
    assert sync.is_refused
    assert code in sync.problem
    assert fix in sync.problem


def test_clock_that_is_far_off_is_a_problem_that_passes(exchange, sync):
    with client_of(exchange, "alice") as client:
        exchange.call(exchange.exchange.misbehave, "clock", seconds=40)
        try:
            ask(sync, client)
            assert "50102" in sync.problem
            assert "synchronise it" in sync.problem
            assert not sync.is_refused
        finally:
            exchange.call(exchange.exchange.misbehave, "clock", seconds=0)
        ask(sync, client)
    assert sync.is_ready


def test_symbol_that_the_account_may_not_trade_is_named(exchange):
    sync = AccountSync((*listed(exchange, "BTC-USDT"), Instrument("NO-USDT", 1.0, 1.0, 1.0)))
    with client_of(exchange, "alice") as client:
        ask(sync, client)
    assert sync.is_refused
    assert "account/instruments of NO-USDT" in sync.problem
    assert "check its name" in sync.problem


def test_many_symbols_of_a_type_are_asked_for_at_once(exchange):
    names = [f"C{number}-USDT" for number in range(9)]
    sync = AccountSync([Instrument(name, 1.0, 1.0, 1.0) for name in names])
    paths = [call.path for call in sync.calls()]
    assert [path for path in paths if "instruments" in path] == [
        "/api/v5/account/instruments?instType=SPOT"
    ]
    with client_of(exchange, "alice") as client:
        ask(sync, client)
    assert sync.problem.startswith("instrument 'C0-USDT' is not one this account may trade; ")


def test_suspended_instrument_is_told_and_the_others_trade(exchange):
    world = exchange.exchange.world
    suspended = next(one.symbol for one in world.listings if one.state == "suspend")
    sync = AccountSync(listed(exchange, "BTC-USDT", suspended))
    with client_of(exchange, "alice") as client:
        ask(sync, client)
    assert sync.is_ready
    assert sync.terms.problem("BTC-USDT") == ""
    said = f"instrument {suspended!r} is in state 'suspend', it takes no orders"
    assert sync.terms.problem(suspended) == said
    assert sync.describe()["instruments"] == {suspended: said}


def test_pushed_change_of_state_counts_at_once(exchange, sync):
    with client_of(exchange, "alice") as client:
        ask(sync, client)
    sync.take_push(InstrumentsPush([InstrumentRow("BTC-USDT", state="post_only")]), 0)
    assert "post-only orders alone" in sync.terms.problem("BTC-USDT")
    sync.take_push(InstrumentsPush([InstrumentRow("BTC-USDT", state="live")]), 0)
    assert sync.terms.problem("BTC-USDT") == ""


def test_steps_that_changed_are_told_and_not_taken(exchange):
    (now,) = listed(exchange, "BTC-USDT")
    before = Instrument("BTC-USDT", now.tick * 10, now.lot, now.min_quantity)
    sync = AccountSync((before,))
    with client_of(exchange, "alice") as client:
        ask(sync, client)
    assert sync.is_ready
    assert sync.instruments == (before,)
    assert sync.terms.changes["BTC-USDT"].endswith("now; restart the engine")


def test_missed_answer_forbids_nothing_until_the_last_good_one_is_two_minutes_old(exchange, sync):
    with client_of(exchange, "alice") as client:
        ask(sync, client, now_ns=SECOND)
        exchange.misbehave("http", path="account/balance", code="503", count=2)
        ask(sync, client, now_ns=100 * SECOND, is_full=False)
        assert sync.is_ready
        ask(sync, client, now_ns=140 * SECOND, is_full=False)
        assert not sync.is_ready
        assert not sync.is_refused
        assert sync.problem.startswith("account/balance is not told (HTTP 503: ")
        ask(sync, client, now_ns=150 * SECOND, is_full=False)
    assert sync.is_ready


def test_no_answer_at_the_start_is_a_problem_that_passes(exchange, sync):
    (first, *_) = sync.calls()
    sync.take_answer(first.path, 0, b"timed out", 0)
    assert sync.problem == ("account/config is not told (no answer: timed out); it is asked again")
    assert not sync.is_refused
    with client_of(exchange, "alice") as client:
        ask(sync, client)
    assert sync.is_ready


def test_answer_to_another_call_is_not_taken(sync):
    assert not sync.take_answer("/api/v5/public/time", 200, b"{}", 0)


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[" * 400, b'{"code":"0","data":[]}', b"x" * (2 << 20)]
)
def test_answer_of_nonsense_is_a_problem_and_no_error(sync, body):
    for call in sync.calls():
        if "positions" not in call.path and "instruments" not in call.path:
            sync.take_answer(call.path, 200, body, 0)
    assert "is not told" in sync.problem


def test_fee_that_cannot_be_is_refused(exchange, sync):
    with client_of(exchange, "alice") as client:
        ask(sync, client)
    path = next(call.path for call in sync.calls() if "SPOT" in call.path and "fee" in call.path)
    row = {"instType": "SPOT", "feeGroup": [{"groupId": "1", "maker": "-0.5", "taker": "-0.5"}]}
    body = json.dumps({"code": "0", "data": [row]}).encode()
    sync.take_answer(path, 200, body, 300 * SECOND)
    assert "fees of 'BTC-USDT' cannot be" in sync.problem


def test_snapshot_in_pages_counts_once_its_last_page_is_there(sync):
    def page(number, name, *, is_last, at="9"):
        row = {"uTime": at, "details": [{"ccy": name, "uTime": at, "eq": "1", "cashBal": "1"}]}
        envelope = {"eventType": "snapshot", "curPage": number, "lastPage": is_last, "data": [row]}
        return parse_private(json.dumps({"arg": {"channel": "account"}, **envelope}).encode())

    old = {"uTime": "5", "details": [{"ccy": "OLD", "uTime": "5", "eq": "1", "cashBal": "1"}]}
    frame = {"arg": {"channel": "account"}, "eventType": "event_update", "data": [old]}
    sync.take_push(parse_private(json.dumps(frame).encode()), 0)
    sync.take_push(page(1, "BTC", is_last=False), 0)
    assert set(sync.balances) == {"OLD", "BTC"}
    sync.take_push(page(3, "XRP", is_last=True), 0)  # one is missing: absence proves nothing
    assert set(sync.balances) == {"OLD", "BTC", "XRP"}
    sync.take_push(page(1, "BTC", is_last=False, at="14"), 0)
    sync.take_push(page(2, "ETH", is_last=True, at="14"), 0)
    assert set(sync.balances) == {"BTC", "ETH"}


def test_push_of_another_kind_is_not_taken(sync):
    assert not sync.take_push(parse_private(b"pong"), 0)
    assert sync.take_push(AccountPush("event_update", 0, is_last=True, rows=[]), 0)


def test_position_is_told_by_answers_and_in_its_unit(exchange, sync):
    (_, swap) = sync.instruments
    with client_of(exchange, "carol") as client:
        client.request(set_leverage(swap.symbol, "5", "cross"))
        order = {"instId": swap.symbol, "tdMode": "cross", "side": "sell", "ordType": "market"}
        body = json.dumps(order | {"sz": "2"}).encode()
        answer = client.request(Call("POST", "/api/v5/trade/order", body))
        assert b'"sCode":"0"' in answer.body.replace(b" ", b"")
        ask(sync, client)
        assert sync.position(swap.symbol) == -2
        assert sync.describe()["positions"][0]["symbol"] == swap.symbol
        body = json.dumps(order | {"sz": "2", "side": "buy"}).encode()
        client.request(Call("POST", "/api/v5/trade/order", body))
        ask(sync, client)
    assert sync.position(swap.symbol) == 0


def test_position_that_no_order_of_ours_explains_is_told_once_and_until_it_is_gone(
    exchange, caplog
):
    instruments = listed(exchange, "BTC-USDT-SWAP")
    sync = AccountSync(instruments, core=TradingCore(instruments))

    def trade(client, side):
        order = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": side, "ordType": "market"}
        body = json.dumps(order | {"sz": "2"}).encode()
        client.request(Call("POST", "/api/v5/trade/order", body))

    with client_of(exchange, "bob") as client:
        trade(client, "sell")  # before the start: the opening
        ask(sync, client, now_ns=SECOND)
        trade(client, "buy")
        trade(client, "buy")
        for second, n_told in ((3, 0), (6, 0), (9, 1), (12, 1)):
            ask(sync, client, now_ns=second * SECOND)
            assert len(sync.describe()["drift"]) == n_told
        (told,) = sync.describe()["drift"]
        assert "our fills make +0, the venue has +4" in told
        assert [one.levelname for one in caplog.records if "books differ" in one.message] == [
            "ERROR"
        ]
        trade(client, "sell")
        trade(client, "sell")
        ask(sync, client, now_ns=20 * SECOND)
        assert sync.describe()["drift"] == []
        assert sync.position("BTC-USDT-SWAP") == -2


def test_pushes_and_late_answers_end_in_what_the_exchange_has(exchange):
    """Trade at random over one connection, with answers held back and given out of order."""
    chance = random.Random(7)
    spot, swap = listed(exchange, "BTC-USDT", "BTC-USDT-SWAP")
    sync = AccountSync((spot, swap))
    line = logged_in(exchange.urls["private"], "carol")
    for argument in PRIVATE_CHANNELS:
        line.send(subscribe([argument], argument["channel"].replace("_", "")))
    held = []
    with client_of(exchange, "carol") as client:
        ask(sync, client)
        assert sync.is_ready
        for number in range(40):
            symbol, size = chance.choice([("BTC-USDT", "0.01"), ("BTC-USDT-SWAP", "3")])
            order = {"instId": symbol, "tdMode": "cross", "ordType": "market", "sz": size}
            order |= {"side": chance.choice(["buy", "sell"])} | {"tgtCcy": "base_ccy"}
            client.request(Call("POST", "/api/v5/trade/order", json.dumps(order).encode()))
            held += [(call, client.request(call)) for call in sync.calls(is_full=False)]
            if chance.random() < 0.5:
                take_frames(sync, line)
            while len(held) > chance.randrange(6):
                call, answer = held.pop(0)
                sync.take_answer(call.path, answer.status, answer.body, number)
        has = exchange.exchange.world.accounts["carol"]

        def agrees():
            take_frames(sync, line)
            told = {name: one.cash for name, one in sync.balances.items()}
            truth = {name: float(one) for name, one in has.balances.items() if one}
            size = sum(float(one.size) for one in has.positions.values())
            return told == truth and sync.position(swap.symbol) == size

        # By its pushes alone: they have all been sent, and the answers held are older.
        line.wait(agrees, "agreement by pushes")
        for call, answer in held:
            sync.take_answer(call.path, answer.status, answer.body, 50)
        assert agrees()
    line.close()


def take_frames(sync, line):
    end = time.monotonic() + 0.02
    line.wait(lambda: time.monotonic() > end, "frames")
    for frame in line.frames:
        sync.take_push(parse_private(frame), 0)
    line.frames.clear()
