"""Frames to messages. Only FeedError may leave `parse`, whatever the bytes."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.errors import FeedError
from livekit.okx.messages import (
    MAX_FRAME_BYTES,
    Ack,
    BookPush,
    Failure,
    Ignored,
    Notice,
    Pong,
    TickerPush,
    TradePush,
    parse,
    parse_book_text,
)

DATA = Path(__file__).parents[1] / "data" / "okx"


def frames(name):
    return (DATA / name).read_bytes().splitlines()


def trade_frame(**fields):
    row = {"instId": "BTC-USDT", "tradeId": "1", "px": "1.5", "sz": "2", "side": "buy", "ts": "9"}
    push = {"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": [row | fields]}
    return json.dumps(push).encode()


def book_frame(level, action="update", **fields):
    row = {"asks": [level], "bids": [], "ts": "9"} | fields
    arg = {"channel": "books", "instId": "BTC-USDT"}
    return json.dumps({"arg": arg, "action": action, "data": [row]}).encode()


def test_ticker_push_gives_its_numbers():
    ack, push, _ = (parse(frame) for frame in frames("ws_tickers_spot.jsonl"))
    assert ack == Ack("tickers", "BTC-USDT", is_subscribed=True, request_id="")
    assert isinstance(push, TickerPush)
    (row,) = push.rows
    assert (row.last, row.bidPx, row.askPx) == (63707.3, 63707.2, 63707.3)
    assert (row.vol24h, row.ts, row.instType) == (3601.1585121, 1786613174873, "SPOT")


def test_empty_price_of_a_ticker_stays_absent():
    (row,) = parse(frames("ws_tickers_option_empty_bid.json")[0]).rows
    assert (row.bidPx, row.askPx) == ("", 0.0015)


def test_trades_of_both_years_parse_and_old_ones_count_one():
    _, first, second = (parse(frame) for frame in frames("ws_trades_swap.jsonl"))
    assert isinstance(second, TradePush)
    assert (second.rows[0].tradeId, second.rows[0].count, second.rows[0].sz) == (
        2832749645,
        10,
        34.95,
    )
    assert second.rows[0].tradeId - second.rows[0].count == first.rows[0].tradeId
    old = [parse(frame).rows[0] for frame in frames("ws_trades_2022_min_fields.jsonl")]
    assert [row.count for row in old] == [1, 1, 1]


def test_books_session_parses_with_its_chain():
    ack, *pushes = (parse(frame) for frame in frames("ws_books_session.jsonl"))
    assert isinstance(ack, Ack)
    assert [push.is_snapshot for push in pushes] == [True] + [False] * 6
    rows = [push.rows[0] for push in pushes]
    assert (len(rows[0].asks), len(rows[0].bids), rows[0].prevSeqId) == (400, 400, -1)
    assert [row.prevSeqId for row in rows[1:]] == [row.seqId for row in rows[:-1]]
    assert {row.checksum for row in rows} == {0}


def test_one_sided_books_parse():
    push = parse(frames("ws_books5_option_one_sided.json")[0])
    assert isinstance(push, BookPush)
    assert (push.is_snapshot, len(push.rows[0].asks), push.rows[0].bids) == (True, 3, [])


def test_book_text_is_the_text_of_the_frame():
    push = parse(book_frame(["63913.0", "1.50", "0", "3"]))
    (row,) = parse_book_text(push)
    assert [(level.price, level.size) for level in row.asks] == [("63913.0", "1.50")]
    assert push.rows[0].asks[0].price == 63913.0


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (b"pong", Pong()),
        (
            b'{"event":"error","code":"60018","msg":"no","connId":"a","id":"7"}',
            Failure("60018", "no", "7"),
        ),
        (b'{"event":"notice","code":"64008","msg":"soon"}', Notice("64008", "soon")),
        (b'{"event":"channel-conn-count","connCount":"2"}', Ignored("event channel-conn-count")),
        (b'{"event":"brand-new"}', Ignored("event brand-new")),
        (b'{"arg":{"channel":"candle1M"},"data":[["1"]]}', Ignored("channel candle1M")),
        (b'{"id":"1","op":"order","code":"0","data":[]}', Ignored("op order")),
        (b"{}", Ignored("frame without arg")),
    ],
)
def test_messages_that_are_no_data_are_told_apart(frame, message):
    assert parse(frame) == message


def test_unknown_words_are_ignored_by_name():
    assert parse(trade_frame(side="hold")) == Ignored("trade side 'hold'")
    row = ["1", "2", "2", "2", "2", "1", "1", "1", "9"]
    push = {"arg": {"channel": "candle1m", "instId": "BTC-USDT"}, "data": [row]}
    assert parse(json.dumps(push).encode()) == Ignored("candle confirm '9'")


def test_unknown_action_of_a_book_is_passed_on_without_its_rows():
    push = parse(book_frame(["x", "y"], action="merge"))
    assert (push.symbol, push.unknown, push.is_snapshot, push.rows) == (
        *("BTC-USDT", "merge", False, []),
    )
    with pytest.raises(FeedError, match="no action"):
        parse(book_frame(["1", "1"], action=""))


def test_unknown_fields_are_ignored():
    assert parse(trade_frame(brandNew={"a": [1]})).rows[0].px == 1.5


@pytest.mark.parametrize("price", ["nan", "inf", "-inf", "0", "-1", "", "1e13", "x", "0x1", " 1"])
def test_price_out_of_bounds_is_refused(price):
    with pytest.raises(FeedError, match="not a message"):
        parse(trade_frame(px=price))
    with pytest.raises(FeedError, match="not a message"):
        parse(book_frame([price, "1", "0", "1"]))


@pytest.mark.parametrize("size", ["nan", "inf", "-1", "", "1e19", None, [], {}])
def test_size_out_of_bounds_is_refused(size):
    with pytest.raises(FeedError, match="not a message"):
        parse(trade_frame(sz=size))
    with pytest.raises(FeedError, match="not a message"):
        parse(book_frame(["1", size, "0", "1"]))


@pytest.mark.parametrize(
    "fields",
    [
        {"side": "x" * 65},
        {"tradeId": "x"},
        {"tradeId": str(2**63)},
        {"ts": "-1"},
        {"ts": "99999999999999"},
        {"count": "0"},
        {"instId": ""},
        {"instId": "A" * 49},
    ],
)
def test_trade_with_an_impossible_field_is_refused(fields):
    with pytest.raises(FeedError, match="not a message"):
        parse(trade_frame(**fields))


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"event":"\xff"}',
        b'{"arg":{"channel":"trades","instId":"A"},"data":[{"instId":"\xff"}]}',
        b'{"arg":{"channel":"trades","instId":"A"},"data":NaN}',
        b'{"arg":{"channel":"trades","instId":"A"}}',
        b'{"arg":{"channel":"books","instId":"A"},"data":[]}',
        b'{"data":' + b"[" * 400 + b"]" * 400 + b',"event":3}',
        b'{"data":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"event":"' + b"x" * MAX_FRAME_BYTES + b'"}',
        b'{"arg":{"channel":"books","instId":"A"},"action":"update","data":[{"asks":['
        + b",".join([b'["1","1"]'] * 1025)
        + b'],"bids":[],"ts":"1"}]}',
    ],
)
def test_hostile_frame_is_refused_with_a_feed_error(frame):
    with pytest.raises(FeedError) as error:
        parse(frame)
    assert len(str(error.value)) < 500


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=12)
    | st.sampled_from(["nan", "inf", "1", "0", "-1", "1e400", "buy", "snapshot", ""]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["asks", "bids", "ts", "px", "sz", "side", "instId", "tradeId"]), inner
        )
    ),
    max_leaves=12,
)
CHANNELS = st.sampled_from(["tickers", "trades", "bbo-tbt", "books5", "books", "candle1m", ""])


@given(channel=CHANNELS, action=JSON, data=JSON)
def test_any_json_gives_a_message_or_a_feed_error(channel, action, data):
    frame = {"arg": {"channel": channel, "instId": "A"}, "action": action, "data": data}
    try:
        message = parse(json.dumps(frame).encode())
    except FeedError:
        return
    for row in getattr(message, "rows", ()):
        for number in (getattr(row, "px", 1.0), getattr(row, "sz", 1.0)):
            assert math.isfinite(number)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_message_or_a_feed_error(frame):
    try:
        parse(frame)
    except FeedError as error:
        assert "frame" in str(error)  # noqa: PT017 - most inputs raise, some need not


@given(data=st.data(), name=st.sampled_from(sorted(p.name for p in DATA.glob("ws_*"))))
def test_any_damage_to_a_real_frame_gives_a_message_or_a_feed_error(data, name):
    frame = bytearray(data.draw(st.sampled_from(frames(name))))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(frame) - 1))
        frame[position] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(frame)))
    try:
        parse(bytes(frame[:cut]))
    except FeedError as error:
        assert "frame" in str(error)  # noqa: PT017
