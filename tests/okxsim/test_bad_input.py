"""What a user may get wrong, over both roads: a code, livekit's word for it, and what to do.

Every case goes over real sockets to a simulated exchange, by REST and by WebSocket; its
answer is read with livekit's own parsers. The sentence is the one users see.
"""

import itertools
import json
import time

import pytest
from okx_line import Line, credentials_of, logged_in, rest_of

from livekit.errors import FeedError
from livekit.events import Reject
from livekit.net.websocket import WebSocketState
from livekit.okx import calls
from livekit.okx.calls import Call
from livekit.okx.codes import TABLE
from livekit.okx.messages import Failure, Notice, parse
from livekit.okx.outcome import Outcome, advice, outcome_in, outcome_of, reject_of, reject_of_cancel
from livekit.okx.private import LoginDone, OrderPush, parse_private
from livekit.okx.replies import parse_reply
from livekit.okx.requests import PRIVATE_CHANNELS, subscribe
from livekit.okx.rest import ApiError, parse_account_config
from livekit.okxsim.codes import TEXTS

IDS = (f"r{number}" for number in itertools.count())


@pytest.fixture(scope="module")
def alice(exchange):
    line = logged_in(exchange.urls["private"], "alice")
    yield line
    line.close()


@pytest.fixture(scope="module")
def client(exchange):
    client = rest_of(exchange.url, "alice")
    yield client
    client.close()


def listing_of(exchange, symbol):
    return exchange.exchange.world.by_symbol[symbol]


def mark_of(exchange, symbol):
    world = exchange.exchange.world
    return float(exchange.call(world.mark, listing_of(exchange, symbol)))


def order_of(exchange, symbol="BTC-USDT", **changes):
    """Return the fields of an order that would be taken, but for the changes."""
    listing = listing_of(exchange, symbol)
    price = round(mark_of(exchange, symbol) * 0.99 / float(listing.tick)) * float(listing.tick)
    mode = "cross" if listing.is_swap else "cash"
    fields = {"tdMode": mode, "side": "buy", "ordType": "limit", "sz": "0.01"}
    return fields | {"px": f"{price:.1f}", "clOrdId": f"c{next(IDS)}"} | changes


def place_by_rest(exchange, client, symbol, fields):
    body = json.dumps({"instId": symbol} | fields).encode()
    answer = client.request(Call("POST", "/api/v5/trade/order", body))
    assert answer.status == 200
    return parse_reply(answer.body)


def place_by_socket(exchange, line, symbol, fields):
    code = listing_of(exchange, symbol).code(is_demo=True)
    args = [{"instIdCode": code} | fields]
    return line.ask({"id": next(IDS), "op": "order", "args": args})


ORDERS = {
    "below the minimum": ({"sz": "0.000001"}, "51020", Reject.BELOW_MINIMUM, "send more"),
    "off the lot": ({"sz": "0.012345678901"}, "51121", Reject.OFF_LOT, "round it to the"),
    "off the tick": ({"px": "90000.123"}, "51150", Reject.OFF_TICK, "round it to the"),
    "price above the limit": ({"px": "999999"}, "51006", Reject.PRICE_BAND, "price it nearer"),
    "price below the limit": (
        {"px": "1", "side": "sell"},
        "51006",
        Reject.PRICE_BAND,
        "price it nearer to the market",
    ),
    "no funds": ({"sz": "1000"}, "51008", Reject.INSUFFICIENT_BALANCE, "send less or add funds"),
    "wrong tdMode": ({"tdMode": "cross"}, "51000", Reject.MALFORMED, "check the trade mode"),
    "exponent": ({"sz": "1e-07"}, "51000", Reject.MALFORMED, "and the decimals"),
    "too large": ({"sz": "99999999999"}, "51101", Reject.MAX_QUANTITY, "split it"),
    "no instrument": ({"symbol": "OLD-USDT"}, "51022", Reject.TRADING_HALTED, "wait, or choose"),
}


@pytest.mark.parametrize("road", ["rest", "socket"])
@pytest.mark.parametrize("name", ORDERS)
def test_order_that_may_not_be_is_rejected_with_a_word_and_what_to_do(
    exchange, alice, client, name, road
):
    changes, code, reject, fix = ORDERS[name]
    changes = dict(changes)
    symbol = changes.pop("symbol", "BTC-USDT")
    fields = order_of(exchange, **changes)
    if symbol == "OLD-USDT":
        fields |= {"px": "12.5", "sz": "2"}
    place, by = (place_by_rest, client) if road == "rest" else (place_by_socket, alice)
    reply = place(exchange, by, symbol, fields)
    assert reply.code == "1"
    (item,) = reply.items
    assert item.code == code
    assert outcome_in(reply, fields["clOrdId"]) is Outcome.REJECTED
    assert reject_of(item.code) is reject
    assert fix in advice(item.code, item.sub_code)


def test_unknown_instrument_is_rejected_over_both_roads(exchange, alice, client):
    reply = place_by_rest(exchange, client, "NOT-USDT", order_of(exchange))
    assert reply.items[0].code == "51001"
    args = [order_of(exchange) | {"instIdCode": 999}]
    reply = alice.ask({"id": next(IDS), "op": "order", "args": args})
    assert reply.items[0].code == "51001"
    assert reject_of("51001") is Reject.UNKNOWN_INSTRUMENT
    assert advice("51001").endswith("check its name and reload the instruments")


def test_contract_in_spot_mode_is_rejected_with_the_mode_to_choose(exchange):
    client = rest_of(exchange.url, "dave")
    fields = order_of(exchange, "BTC-USDT-SWAP", sz="1")
    reply = place_by_rest(exchange, client, "BTC-USDT-SWAP", fields)
    client.close()
    assert reply.items[0].code == "51010"
    assert outcome_in(reply, fields["clOrdId"]) is Outcome.REJECTED
    assert "change it at OKX, under account mode" in advice("51010")


def test_insufficient_balance_of_a_fill_just_made_says_to_wait(exchange, alice):
    reply = place_by_socket(exchange, alice, "BTC-USDT", order_of(exchange, sz="1000"))
    (item,) = reply.items
    assert (item.code, item.sub_code) == ("51008", "1000")
    assert "right after a fill wait for the balance" in advice(item.code, item.sub_code)


def test_post_only_that_would_take_is_taken_and_then_ended_with_a_word(exchange, alice):
    alice.send(subscribe(PRIVATE_CHANNELS[:1], "s1"))
    fields = order_of(exchange, ordType="post_only")
    fields["px"] = f"{round(mark_of(exchange, 'BTC-USDT') * 1.005, 1):.1f}"
    reply = place_by_socket(exchange, alice, "BTC-USDT", fields)
    assert outcome_in(reply, fields["clOrdId"]) is Outcome.ACCEPTED
    alice._n = 0  # the push may come before the reply

    def is_end(frame):
        message = parse_private(frame)
        return isinstance(message, OrderPush) and message.rows[0].clOrdId == fields["clOrdId"]

    (row,) = parse_private(alice.hear(is_end, "end of the order")).rows
    assert (row.state, row.cancelSource) == ("canceled", "31")
    assert reject_of_cancel(row.cancelSource) is Reject.POST_ONLY_WOULD_TAKE


def test_batch_with_one_bad_leg_has_an_outcome_for_each(exchange, alice):
    code = listing_of(exchange, "BTC-USDT").code(is_demo=True)
    good, bad = order_of(exchange), order_of(exchange, sz="0.000001")
    args = [{"instIdCode": code} | one for one in (good, bad)]
    reply = alice.ask({"id": next(IDS), "op": "batch-orders", "args": args})
    assert reply.code == "2"
    assert outcome_in(reply, good["clOrdId"]) is Outcome.ACCEPTED
    assert outcome_in(reply, bad["clOrdId"]) is Outcome.REJECTED
    (item,) = [one for one in reply.items if one.client_id == bad["clOrdId"]]
    assert reject_of(item.code) is Reject.BELOW_MINIMUM
    cancel = [{"instIdCode": code, "clOrdId": good["clOrdId"]}]
    reply = alice.ask({"id": next(IDS), "op": "cancel-order", "args": cancel})
    assert reply.items[0].code == "0"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"[]", "60012"),
        (b'{"op":5}', "60012"),
        (b"nonsense", "60012"),
        (b'{"id":"a-b","op":"order","args":[]}', "60033"),
        (b'{"id":"1","op":"orders","args":[]}', "60019"),
    ],
)
def test_malformed_request_is_answered_with_a_code_and_breaks_nothing(exchange, frame, code):
    line = logged_in(exchange.urls["private"], "alice")
    line.send(frame)
    failure = line.message(Failure)
    line.send(b"ping")
    assert line.hear(lambda one: one == b"pong") == b"pong"
    line.close()
    assert failure.code == code
    assert outcome_of(code) is Outcome.REJECTED
    assert advice(code) == "the request or its arguments are malformed: report it with the log"


@pytest.mark.parametrize(
    ("argument", "code", "fix"),
    [
        ({"channel": "trades", "instId": "NOT-USDT"}, "60018", "check both names and the path"),
        ({"channel": "candle1m", "instId": "BTC-USDT"}, "60018", "check both names and the path"),
        ({"channel": "books-l2-tbt", "instId": "BTC-USDT"}, None, ""),
    ],
)
def test_subscription_to_nothing_is_refused_with_what_to_check(exchange, argument, code, fix):
    line = Line(exchange.urls["public"])
    line.send(subscribe([argument], "s7"))
    failure = line.message(Failure)
    line.close()
    assert failure.request_id == "s7"
    if code is None:
        assert failure.code in {"60011", "64003"}  # it needs a login, and a higher tier
        assert advice(failure.code)
    else:
        assert failure.code == code
        assert fix in advice(code)


@pytest.mark.parametrize(
    ("name", "changes", "code", "fix"),
    [
        ("nobody", {}, "60032", "check it, its region and its environment (demo or live)"),
        ("expired", {}, "60005", "the key is unknown here"),
        ("alice", {"passphrase": "wrong"}, "60024", "enter the key's own"),
        ("alice", {"secret": "wrong"}, "60007", "enter the secret again"),
    ],
)
def test_login_with_a_wrong_key_is_refused_and_closed(exchange, name, changes, code, fix):
    line = Line(exchange.urls["private"])
    line.log_in(credentials_of(name, **changes))
    assert line.message(Failure).code == code
    with pytest.raises(ConnectionResetError):
        line.wait(lambda: False, "end")
    assert line.socket.close_code == 4001
    assert fix in advice(code)
    assert TABLE[code].outcome is Outcome.REJECTED


def test_order_without_a_login_is_refused_and_says_so(exchange):
    line = Line(exchange.urls["private"])
    line.send({"id": "1", "op": "order", "args": [order_of(exchange)]})
    told = line.hear(lambda _: True)
    line.close()
    code = json.loads(told)["code"]
    assert code == "60011"
    assert outcome_of(code) is Outcome.REJECTED
    assert advice(code).endswith("log in first")


@pytest.mark.parametrize(
    ("name", "options", "code", "fix"),
    [
        ("nobody", {}, "50111", "check it, its region and its environment"),
        ("expired", {}, "50119", "choose the region of its account with --region"),
        ("alice", {"passphrase": "wrong"}, "50105", "enter the key's own"),
        ("alice", {"secret": "wrong"}, "50113", "without spaces at its end"),
        ("alice", {"is_demo": False}, "50101", "use a demo key with --env demo only"),
        ("live", {}, "50101", "the key belongs to the other environment"),
    ],
)
def test_call_with_a_wrong_key_is_refused_with_what_to_do(exchange, name, options, code, fix):
    client = rest_of(exchange.url, name, **options)
    answer = client.request(calls.account_config())
    client.close()
    assert answer.status == 401
    with pytest.raises(ApiError) as found:
        parse_account_config(answer.body)
    assert found.value.code == code
    assert fix in str(found.value)


def test_key_that_may_only_read_may_not_order(exchange):
    client = rest_of(exchange.url, "read")
    body = json.dumps({"instId": "BTC-USDT"} | order_of(exchange)).encode()
    reply = parse_reply(client.request(Call("POST", "/api/v5/trade/order", body)).body)
    client.close()
    code = reply.items[0].code if reply.items else reply.code
    assert code in {"50030", "50120"}
    assert outcome_of(code) is Outcome.REJECTED
    assert "give it the Read and Trade rights" in advice(code)


def test_clock_40_s_off_refuses_calls_and_logins_until_it_is_corrected(exchange):
    client, line = rest_of(exchange.url, "alice"), Line(exchange.urls["private"])
    exchange.misbehave("clock", seconds=40)
    try:
        with pytest.raises(ApiError) as found:
            parse_account_config(client.request(calls.account_config()).body)
        assert found.value.code == "50102"
        assert "synchronise it" in str(found.value)
        line.log_in(credentials_of("alice"))
        failure = line.message(Failure)
        assert failure.code in {"60004", "60006"}
        assert "the clock is off by more than 30 s" in advice(failure.code)
        again = Line(exchange.urls["private"])
        again.log_in(credentials_of("alice"), time.time_ns() // 1_000_000 + 40_000)
        assert again.message(LoginDone)
        again.close()
    finally:
        exchange.misbehave("clock", seconds=0)
        line.close()
    assert parse_account_config(client.request(calls.account_config()).body).acctLv == "2"
    client.close()


def test_notice_of_an_upgrade_says_to_open_another_connection(exchange):
    line = Line(exchange.urls["public"])
    exchange.misbehave("notice", connection="public", seconds=0.1)
    notice = line.message(Notice)
    assert notice.code == "64008"
    assert advice("64008").endswith("open another")
    with pytest.raises(ConnectionResetError):
        line.wait(lambda: False, "end")


def test_frame_of_2_mebibytes_ends_the_connection_before_it_is_read(exchange):
    line = Line(exchange.urls["public"])
    exchange.misbehave("junk", connection="public", code="large")
    with pytest.raises(ConnectionResetError):
        line.wait(lambda: False, "end")
    assert line.socket.state is WebSocketState.CLOSED
    assert (line.socket.close_code, line.frames) == (1009, [])
    assert "2097154" in line.socket.close_reason


@pytest.mark.parametrize(
    ("kind", "frame"), [("utf8", b'{"event":"\xff\xfe"}'), ("nested", b"[" * 400 + b"]" * 400)]
)
def test_hostile_frame_is_refused_by_the_parsers_and_nothing_else_happens(exchange, kind, frame):
    line = Line(exchange.urls["public"])
    exchange.misbehave("junk", connection="public", code=kind)
    assert line.hear(lambda _: True) == frame
    for parser in (parse, parse_private, parse_reply):
        with pytest.raises(FeedError, match=r"frame|reply"):
            parser(frame)
    line.send(b"ping")
    assert line.hear(lambda one: one == b"pong") == b"pong"
    line.close()


def test_every_code_has_a_sentence_that_says_what_to_do():
    for code, meaning in TABLE.items():
        if code == "0":
            continue
        what, colon, fix = meaning.advice.partition(": ")
        assert what, code
        assert colon, code
        assert fix, code
        assert not meaning.advice.endswith("."), code
        assert not meaning.advice[0].isupper() or meaning.advice.startswith("OKX"), code


def test_simulator_says_no_code_that_has_no_sentence():
    # 64008 and the like are told by events; every other is the answer to something.
    assert set(TEXTS) - set(TABLE) == set()
