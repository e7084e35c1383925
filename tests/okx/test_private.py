"""Private messages that no capture has: logins, pages, unknown things."""

import json

import pytest

from livekit.errors import FeedError
from livekit.okx import rest
from livekit.okx.messages import Ack, Failure, Ignored, Pong
from livekit.okx.private import ChannelCount, LoginDone, parse_private
from livekit.okx.replies import Reply


def parse(**fields):
    return parse_private(json.dumps(fields).encode())


def test_login_is_done_or_has_failed():
    assert parse(event="login", code="0", msg="", connId="a4") == LoginDone("a4")
    failed = parse(event="error", code="60009", msg="Login failed.", connId="a4")
    assert failed == Failure("60009", "Login failed.", "")
    assert isinstance(parse(event="login", code="60009", msg=""), Failure)


def test_subscription_is_acknowledged_with_its_id():
    arg = {"channel": "orders", "instType": "ANY", "uid": "1"}
    assert parse(event="subscribe", arg=arg, id="7", connId="a4") == Ack("orders", "", True, "7")
    assert parse(event="unsubscribe", arg=arg) == Ack("orders", "", False, "")


def test_exceeded_count_says_that_the_subscription_is_dead():
    sent = {"channel": "orders", "connCount": "30", "connId": "a4"}
    assert parse(event="channel-conn-count-error", **sent) == ChannelCount("orders", 30, True, "a4")


def test_unknown_channels_events_and_frames_are_ignored_by_name():
    assert parse(arg={"channel": "new"}, data=[{"a": 1}]) == Ignored("channel new")
    assert parse(event="new") == Ignored("event new")
    assert parse() == Ignored("frame without arg")
    assert parse_private(b"pong") == Pong()


def test_answer_of_an_operation_is_a_reply():
    reply = parse(id="1", op="cancel-order", code="0", msg="", data=[{"ordId": "5", "sCode": "0"}])
    assert isinstance(reply, Reply)
    assert (reply.request_id, reply.op, reply.items[0].ord_id) == ("1", "cancel-order", "5")


def test_snapshot_in_pages_says_which_and_whether_it_is_the_last():
    row = {"instId": "X-Y-SWAP", "posId": "1", "pos": "-3", "uTime": "5", "new": {"a": []}}
    arg = {"channel": "positions", "instType": "ANY"}
    push = parse(arg=arg, eventType="snapshot", curPage=2, lastPage=False, data=[row])
    assert (push.event, push.page, push.is_last) == ("snapshot", 2, False)
    assert (push.rows[0].pos, push.rows[0].avgPx) == (-3, "")


def test_merged_fills_and_liquidations_parse():
    row = {"instId": "X-Y", "fillSz": "2", "fillPx": "3", "side": "buy", "ts": "5", "ordId": "1"}
    row |= {"clOrdId": "0", "tradeId": "-9", "execType": "M", "count": "2"}
    (fill,) = parse(arg={"channel": "fills"}, data=[row]).rows
    assert (fill.tradeId, fill.count, fill.fillPx) == (-9, 2, 3)


def test_unknown_words_stay_text():
    row = {"instId": "X-Y", "ordId": "1", "side": "buy", "state": "resting", "ordType": "new"}
    row |= {"sz": "1", "uTime": "5", "cTime": "5", "cancelSource": "99", "category": "odd"}
    (order,) = parse(arg={"channel": "orders"}, data=[row]).rows
    assert (order.state, order.ordType, order.cancelSource, order.is_terminal) == (
        "resting",
        "new",
        "99",
        False,
    )


def test_answer_with_a_code_says_what_to_do():
    with pytest.raises(
        rest.ApiError, match=r"50101 .*use a demo key with --env demo only"
    ) as caught:
        rest.parse_time(b'{"code":"50101","msg":"APIKey does not match current environment."}')
    assert caught.value.code == "50101"


def test_answer_without_a_row_where_one_is_needed_is_refused():
    with pytest.raises(FeedError, match="has no row"):
        rest.parse_account_config(b'{"code":"0","data":[]}')


def test_fees_and_switch_parse():
    groups = [{"groupId": "1", "taker": "-0.0005", "maker": "-0.0002", "rpiMaker": "0"}]
    row = {"instType": "SWAP", "level": "Lv1", "ts": "5", "feeGroup": groups, "taker": ""}
    fee = rest.parse_trade_fee(json.dumps({"code": "0", "data": [row]}).encode())
    assert (fee.feeGroup[0].taker, fee.feeGroup[0].maker, fee.taker) == (-0.0005, -0.0002, "")
    switch = rest.parse_cancel_all_after(b'{"code":"0","data":[{"triggerTime":"0","ts":"5"}]}')
    assert (switch.triggerTime, switch.tag) == (0, "")


ORDER = {
    "instId": "X-Y",
    "ordId": "1",
    "side": "buy",
    "state": "live",
    "ordType": "limit",
    "sz": "2",
    "uTime": "5",
    "cTime": "5",
}


def test_words_that_nobody_knows_stay_and_are_named():
    words = {"side": "hold", "state": "resting", "ordType": "peg", "execType": "X"}
    words |= {"posSide": "up", "amendResult": "7"}
    push = parse(arg={"channel": "orders"}, data=[ORDER, ORDER | words])
    assert sorted(push.strange) == sorted(f"{name} {word!r}" for name, word in words.items())
    assert [row.state for row in push.rows] == ["live", "resting"]
    assert parse(arg={"channel": "orders"}, data=[ORDER]).strange == ()


def test_words_of_the_other_channels_are_named_too():
    position = {"instId": "X-Y-SWAP", "posId": "1", "pos": "3", "uTime": "5", "posSide": "up"}
    push = parse(arg={"channel": "positions"}, eventType="new", data=[position])
    assert push.strange == ("eventType 'new'", "posSide 'up'")
    assert parse(arg={"channel": "account"}, eventType="new", data=[]).strange == (
        "eventType 'new'",
    )
    row = {"pTime": "5", "eventType": "gift"}
    assert parse(arg={"channel": "balance_and_position"}, data=[row]).strange == (
        "eventType 'gift'",
    )
    fill = {"instId": "X-Y", "fillSz": "2", "fillPx": "3", "side": "hold", "ts": "5", "ordId": "1"}
    push = parse(arg={"channel": "fills"}, data=[fill | {"tradeId": "9"}])
    assert push.strange == ("side 'hold'",)
