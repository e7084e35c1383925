"""Hostile bytes: only FeedError leaves a parser, and what is accepted is within its bounds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from okx_mutation import FRAMES, VALUES, Market, feed, hold_bounds, paths, replaced

from livekit.errors import FeedError
from livekit.okx import rest
from livekit.okx.instruments import parse_instruments
from livekit.okx.messages import parse
from livekit.okx.private import parse_private
from livekit.okx.replies import parse_reply

ORDER = {
    "instId": "BTC-USDT",
    "ordId": "1",
    "side": "buy",
    "state": "live",
    "ordType": "limit",
    "sz": "1",
    "px": "2",
    "uTime": "3",
    "cTime": "3",
    "tradeId": "5",
    "fillPx": "2",
    "fillSz": "1",
    "fee": "-0.1",
    "reduceOnly": "false",
    "avgPx": "0",
}
FILL = {"instId": "X-Y", "tradeId": "-5", "ordId": "1", "side": "sell", "fillPx": "2"}
FILL |= {"fillSz": "1", "ts": "3", "count": "2", "fee": "-1"}
POSITION = {"instId": "X-Y-SWAP", "posId": "1", "pos": "-2", "uTime": "3", "avgPx": "1"}
ACCOUNT = {"uTime": "3", "totalEq": "5", "details": [{"ccy": "BTC", "eq": "1", "cashBal": "1"}]}
BALANCE = {
    "pTime": "3",
    "eventType": "filled",
    "balData": [{"ccy": "BTC", "cashBal": "1", "uTime": "3"}],
    "posData": [POSITION],
    "trades": [{"instId": "X-Y", "tradeId": "5"}],
}
INSTRUMENT = {"instId": "X-Y", "instType": "SPOT", "instIdCode": 5, "tickSz": "0.1"}
INSTRUMENT |= {"lotSz": "1", "minSz": "1", "ctVal": "", "maxLmtSz": "9", "lever": ""}


def push(channel, row):
    return {"arg": {"channel": channel, "uid": "0"}, "eventType": "snapshot", "data": [row]}


def answer(row):
    return {"code": "0", "msg": "", "data": [row]}


OP = answer({"ordId": "1", "clOrdId": "a", "sCode": "0", "sMsg": "", "subCode": "", "ts": "3"})
OP |= {"id": "1", "op": "order", "inTime": "5", "outTime": "6"}
LOGIN = {"event": "login", "code": "0", "connId": "a"}
COUNT = {"event": "channel-conn-count", "channel": "orders", "connCount": "2", "connId": "a"}
FEE = {"instType": "SPOT", "ts": "3", "feeGroup": [{"groupId": "1", "taker": "-0.1", "maker": "0"}]}
CONFIG = {"acctLv": "2", "posMode": "net_mode", "perm": "trade", "autoLoan": False}
LEVELS = [["101.5", "2", "0", "1"]]
BOOK = {"asks": LEVELS, "bids": [["100", "0", "0", "0"]], "ts": "3", "checksum": -5}
BOOK |= {"seqId": 7, "prevSeqId": -1}
TICKER = {"instId": "BTC-USDT", "instType": "SPOT", "last": "5", "bidPx": "", "askPx": "6"}
TICKER |= {"vol24h": "7", "volCcy24h": "8", "ts": "3"}
TRADE = {"instId": "BTC-USDT", "tradeId": "5", "px": "2", "sz": "1", "side": "buy", "ts": "3"}
TRADE |= {"count": "2", "source": "0", "seqId": 5}
FUNDING = {"instId": "X-Y-SWAP", "fundingRate": "0.1", "fundingTime": "3", "nextFundingTime": "4"}
CHANGE = {"instId": "X-Y", "state": "live", "tickSz": "0.1", "lotSz": "1", "minSz": "1"}
STATUS = {"title": "upgrade", "state": "scheduled", "begin": "3", "end": "4", "env": "1"}


def public(channel, row, **more):
    return {"arg": {"channel": channel, "instId": "BTC-USDT"}, **more, "data": [row]}


SEEDS = {
    "public-books": (parse, public("books", BOOK, action="snapshot")),
    "public-bbo": (parse, public("bbo-tbt", BOOK)),
    "public-ticker": (parse, public("tickers", TICKER)),
    "public-trade": (parse, public("trades", TRADE)),
    "public-candle": (parse, public("candle1m", ["3", "1", "2", "1", "2", "5", "5", "5", "1"])),
    "public-funding": (parse, public("funding-rate", FUNDING)),
    "public-change": (parse, public("instruments", CHANGE)),
    "public-error": (parse, {"event": "error", "code": "60018", "msg": "no", "id": "s1"}),
    "public-notice": (parse, {"event": "notice", "code": "64008", "msg": "soon"}),
    "public-ack": (parse, {"event": "subscribe", "arg": {"channel": "trades"}, "id": "s1"}),
    "events-books": (Market(), public("books", BOOK, action="snapshot")),
    "events-trade": (Market(), public("trades", TRADE)),
    "events-ticker": (Market(), public("tickers", TICKER)),
    "instruments": (parse_instruments, answer(INSTRUMENT | {"instIdCode": 5})),
    "rest-status": (rest.parse_status, answer(STATUS)),
    "rest-rate": (rest.parse_order_rate, answer({"accRateLimit": "1000", "ts": "3"})),
    "orders": (parse_private, push("orders", ORDER)),
    "fills": (parse_private, push("fills", FILL)),
    "account": (parse_private, push("account", ACCOUNT) | {"curPage": 1, "lastPage": True}),
    "positions": (parse_private, push("positions", POSITION)),
    "balance": (parse_private, push("balance_and_position", BALANCE)),
    "login": (parse_private, LOGIN),
    "count": (parse_private, COUNT),
    "private-op": (parse_private, OP),
    "reply": (parse_reply, OP),
    "rest-time": (rest.parse_time, answer({"ts": "3"})),
    "rest-listings": (rest.parse_listings, answer(INSTRUMENT)),
    "rest-config": (rest.parse_account_config, answer(CONFIG)),
    "rest-balance": (rest.parse_balance, answer(ACCOUNT)),
    "rest-positions": (rest.parse_positions, answer(POSITION)),
    "rest-orders": (rest.parse_orders, answer(ORDER)),
    "rest-fills": (rest.parse_fills, answer(FILL)),
    "rest-books": (
        rest.parse_books,
        answer({"asks": [["2", "1", "0", "1"]], "bids": [], "ts": "3", "seqId": 5}),
    ),
    "rest-candles": (rest.parse_candles, answer(["3", "1", "2", "1", "2", "5", "5", "5", "1"])),
    "rest-fee": (rest.parse_trade_fee, answer(FEE)),
    "rest-leverage": (rest.parse_leverage, answer({"lever": "3.0", "mgnMode": "cross"})),
    "rest-switch": (rest.parse_cancel_all_after, answer({"triggerTime": "0", "ts": "3"})),
}
PARSERS = sorted({parser for parser, _ in SEEDS.values()}, key=str)


def name_of(parser):
    return getattr(parser, "__name__", "events")


@pytest.mark.parametrize("name", SEEDS)
def test_seed_is_accepted(name):
    parser, document = SEEDS[name]
    hold_bounds(parser(json.dumps(document).encode()))


@pytest.mark.parametrize("parser", PARSERS, ids=name_of)
@pytest.mark.parametrize("name", FRAMES)
def test_hostile_frame_gives_a_feed_error_or_nothing(parser, name):
    feed(parser, FRAMES[name])


@pytest.mark.parametrize("name", ["two-mebibytes", "invalid-utf8", "arrays-400", "not-json", "cut"])
@pytest.mark.parametrize("parser", PARSERS, ids=name_of)
def test_what_the_issue_names_is_refused_by_every_parser(parser, name):
    with pytest.raises(FeedError):
        parser(FRAMES[name])


@pytest.mark.parametrize("seed", SEEDS)
def test_every_hostile_value_in_every_place_is_refused_or_within_bounds(seed):
    parser, document = SEEDS[seed]
    for path in paths(document):
        for value in VALUES.values():
            feed(parser, replaced(document, path, value))


@pytest.mark.parametrize("value", ["nan", "nan-text", "inf-text", "1e999", "1e999-text", "null"])
@pytest.mark.parametrize("field", ["sz", "px", "fee", "uTime", "tradeId", "avgPx"])
def test_number_that_is_none_is_refused_in_an_order(field, value):
    frame = replaced(push("orders", ORDER), ("data", 0, field), VALUES[value])
    with pytest.raises(FeedError):
        parse_private(frame)


def test_of_duplicate_keys_the_last_counts_and_its_bounds_hold():
    frame = json.dumps(push("orders", ORDER)).encode()
    (row,) = parse_private(frame.replace(b'"sz": "1"', b'"sz": "1", "sz": "7"')).rows
    assert row.sz == 7
    with pytest.raises(FeedError):
        parse_private(frame.replace(b'"sz": "1"', b'"sz": "1", "sz": "nan"'))


@given(st.sampled_from(PARSERS), st.binary(max_size=400))
def test_any_bytes_give_a_feed_error_or_a_message_within_bounds(parser, frame):
    feed(parser, frame)


@given(st.sampled_from(sorted(SEEDS)), st.data())
def test_any_change_of_bytes_gives_a_feed_error_or_a_message_within_bounds(seed, data):
    parser, document = SEEDS[seed]
    frame = bytearray(json.dumps(document).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(frame) - 1))
        frame[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=6))
        if not frame:
            break
    feed(parser, bytes(frame))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


PLACES = [(seed, path) for seed in sorted(SEEDS) for path in paths(SEEDS[seed][1])]


@given(st.sampled_from(PLACES), JSON_VALUES)
def test_any_json_value_in_any_place_is_refused_or_within_bounds(place, value):
    seed, path = place
    parser, document = SEEDS[seed]
    feed(parser, replaced(document, path, json.dumps(value).encode()))
