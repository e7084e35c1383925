"""Answers to order operations and REST envelopes."""

import json
from pathlib import Path

import pytest

from livekit.errors import FeedError
from livekit.okx.outcome import Outcome, outcome_in
from livekit.okx.replies import Item, Reply, parse_reply

FIXTURES = Path(__file__).parents[2].parent / "shared" / "okx" / "fixtures"
needs_fixtures = pytest.mark.skipif(not FIXTURES.is_dir(), reason="no captured messages here")

ACK = (
    b'{"id":"1512","op":"order","code":"0","msg":"","inTime":"1695190491421339",'
    b'"outTime":"1695190491423240","data":[{"ordId":"3908972901020520448","clOrdId":"a1",'
    b'"tag":"","ts":"1695190491421","sCode":"0","sMsg":"Order placed","subCode":""}]}'
)


def test_answer_to_an_order_gives_ids_codes_and_times():
    item = Item("3908972901020520448", "a1", "0", "", "Order placed", 1695190491421, "")
    assert parse_reply(ACK) == Reply(
        "1512", "order", "0", "", [item], 1695190491421339, 1695190491423240
    )


def test_malformed_request_is_answered_without_rows():
    reply = parse_reply(b'{"id":"7","op":"order","code":"60013","msg":"Invalid args","data":[]}')
    assert (reply.request_id, reply.code, reply.items) == ("7", "60013", [])
    assert outcome_in(reply, "a1") is Outcome.REJECTED


def test_gateway_in_trouble_leaves_every_order_of_the_request_unknown():
    reply = parse_reply(b'{"id":"7","op":"batch-orders","code":"64007","msg":"","data":[]}')
    assert outcome_in(reply, "a1") is outcome_in(reply, "a2") is Outcome.UNKNOWN


def test_batch_is_matched_by_client_id_and_not_by_position():
    rows = [{"clOrdId": "b", "sCode": "51008", "subCode": "1000"}, {"clOrdId": "a", "sCode": "0"}]
    reply = parse_reply(
        json.dumps({"id": "1", "op": "batch-orders", "code": "2", "data": rows}).encode()
    )
    assert outcome_in(reply, "a") is Outcome.ACCEPTED
    assert outcome_in(reply, "b") is Outcome.REJECTED
    assert outcome_in(reply, "c") is Outcome.UNKNOWN
    assert (reply.items[0].code, reply.items[0].sub_code) == ("51008", "1000")


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{}",
        b"[]",
        b'{"code":1}',
        b'{"code":"0","data":{}}',
        b'{"code":"0","data":[1]}',
        b'{"code":"0","data":[{"ordId":1}]}',
        b'{"code":"0","inTime":"-1"}',
        b'{"code":"0","data":[' + b",".join([b"{}"] * 513) + b"]}",
        b'{"code":"\xff"}',
    ],
)
def test_what_is_no_reply_is_a_feed_error(frame):
    with pytest.raises(FeedError):
        parse_reply(frame)


@needs_fixtures
@pytest.mark.parametrize(
    ("name", "client_id", "order_id", "times"),
    [
        (
            "rest_pair_order_spot_market_quote_ccy_ok",
            "w11acf1d3304ed64",
            "3908989407217373184",
            (1788999362522689, 1788999362525025, 1788999362523),
        ),
        (
            "rest_pair_order_swap_isolated_market_ok",
            "w11aa3a782f08ad4",
            "3908972901020520448",
            (1788998870600225, 1788998870600852, 1788998870600),
        ),
        (
            "rest_pair_order_swap_reduce_only_market_ok",
            "w11219aa9682a144",
            "3908972395925655552",
            (1788998855546916, 1788998855549187, 1788998855547),
        ),
        (
            "rest_pair_cancel_ok",
            "w11a21c83b106eb4",
            "3908975091051188224",
            (1788998940965743, 1788998940967702, 1788998940966),
        ),
    ],
)
def test_captured_success_is_accepted(name, client_id, order_id, times):
    reply = parse_reply(response(name))
    (item,) = reply.items
    assert (item.client_id, item.ord_id, item.code, item.sub_code) == (client_id, order_id, "0", "")
    assert item.text == ("" if "cancel" in name else "Order placed")
    assert (reply.in_us, reply.out_us, item.ts) == times
    assert outcome_in(reply, client_id) is Outcome.ACCEPTED


@needs_fixtures
@pytest.mark.parametrize(
    ("name", "client_id", "code", "sub_code"),
    [
        ("rest_pair_reject_51000_tdmode", "w11c6a4ac54a0a94", "51000", ""),
        ("rest_pair_reject_51008_right_after_fill", "w11d1dea6b261744", "51008", "1000"),
    ],
)
def test_captured_reject_has_its_reason_in_the_row(name, client_id, code, sub_code):
    reply = parse_reply(response(name))
    (item,) = reply.items
    assert (reply.code, reply.text) == ("1", "All operations failed")
    assert (item.client_id, item.ord_id) == (client_id, "")
    assert (item.code, item.sub_code) == (code, sub_code)
    assert outcome_in(reply, client_id) is Outcome.REJECTED


@needs_fixtures
@pytest.mark.parametrize(
    ("name", "op", "request_id", "item"),
    [
        (
            "ws_op_order_ack_2021",
            "order",
            "1000001",
            Item("393513242072608785", "abcABC123", "0", "", "", 0, ""),
        ),
        (
            "ws_op_cancel_ack_2021",
            "cancel-order",
            "2000003",
            Item("393940260828377089", "3MAAF2IDAAAQAAGSKMZCT5A3", "0", "", "", 0, ""),
        ),
        (
            "ws_op_order_reject_51016_2021",
            "order",
            "2000001",
            Item("", "abcABC125", "51016", "", "Duplicated client order ID", 0, ""),
        ),
    ],
)
def test_captured_answers_of_2021_have_no_times(name, op, request_id, item):
    reply = parse_reply((FIXTURES / "local_only" / f"{name}.json").read_bytes())
    assert (reply.op, reply.request_id, reply.items) == (op, request_id, [item])
    assert (reply.in_us, reply.out_us) == (0, 0)


@needs_fixtures
def test_captured_success_without_sub_code_is_accepted():
    reply = parse_reply((FIXTURES / "rest_order_place_ok.json").read_bytes())
    client_id = "6b9ad766b55dBCDE63969a1144bfb943"
    expected = Item("2896576259728695296", client_id, "0", "", "Order placed", 1758827099512, "")
    assert reply.items == [expected]
    assert (reply.in_us, reply.out_us) == (1758827099511856, 1758827099513562)


def response(name):
    pair = json.loads((FIXTURES / f"{name}.json").read_bytes())
    return json.dumps(pair["response"]).encode()
