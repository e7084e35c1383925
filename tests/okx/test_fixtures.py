"""Every captured message there is: parsed, and held to its text field by field.

The captures lie beside the repository and are read from there; some may not be copied.
`test_every_fixture_has_its_test` fails when one is added without being read here, in
test_captured.py, or named as a message that is not in use.
"""

import gzip
import json
from itertools import pairwise
from pathlib import Path

import pytest
from okx_fields import agrees, check

from livekit.errors import FeedError
from livekit.okx import rest
from livekit.okx.instruments import parse_instruments
from livekit.okx.market import Normalizer
from livekit.okx.messages import (
    Ack,
    BookPush,
    CandlePush,
    Failure,
    FundingPush,
    Ignored,
    Pong,
    TickerPush,
    TradePush,
    parse,
)
from livekit.okx.outcome import Outcome, outcome_in, reject_of
from livekit.okx.private import parse_private
from livekit.okx.replies import parse_reply
from livekit.okx.rest import ApiError

FIXTURES = Path(__file__).parents[2].parent / "shared" / "okx" / "fixtures"
pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="no captured messages here")

PUSHES = {
    "ws_bbo_tbt_2022.jsonl": (BookPush, 3),
    "ws_books5_option_one_sided.json": (BookPush, 3),
    "ws_books5_swap.jsonl": (BookPush, 4),
    "ws_books_checksum_2022.jsonl": (BookPush, 4),
    "ws_books_l2_tbt_thin_option_2021.jsonl": (BookPush, 4),
    "ws_books_session.jsonl": (BookPush, 6),
    "ws_books_snapshot.json": (BookPush, 6),
    "ws_books_update.json": (BookPush, 6),
    "ws_candle1m_2022_7cols.json": (CandlePush, 7),
    "ws_candle1m_swap_data_before_ack.jsonl": (CandlePush, 9),
    "ws_funding_rate_2022.jsonl": (FundingPush, 3),
    "ws_subscribe_ack.json": (BookPush, 0),
    "ws_tickers_inverse_swap_2022.json": (TickerPush, 8),
    "ws_tickers_option_empty_bid.json": (TickerPush, 8),
    "ws_tickers_spot.jsonl": (TickerPush, 8),
    "ws_tickers_swap.jsonl": (TickerPush, 8),
    "ws_trades_2022_min_fields.jsonl": (TradePush, 6),
    "ws_trades_swap.jsonl": (TradePush, 7),
    "local_only/ws_bbo_tbt.json": (BookPush, 4),
    "local_only/ws_funding_rate.json": (FundingPush, 4),
    "local_only/ws_trades_swap_2025.json": (TradePush, 7),
}
"""Public frames: their type, and how many fields of a row are compared at least."""

ROWS = {
    "rest_funding_rate_data.json": ("funding-rate", 4),
    "rest_ticker_swap_data.json": ("tickers", 8),
    "lgpl/rest_trades_spot.json": ("trades", 6),
}
"""Rows over REST that are those of a public channel."""

REPLIES = {
    "rest_order_place_ok.json": (Outcome.ACCEPTED, "0"),
    "rest_pair_cancel_ok.json": (Outcome.ACCEPTED, "0"),
    "rest_pair_order_spot_market_quote_ccy_ok.json": (Outcome.ACCEPTED, "0"),
    "rest_pair_order_swap_isolated_market_ok.json": (Outcome.ACCEPTED, "0"),
    "rest_pair_order_swap_reduce_only_market_ok.json": (Outcome.ACCEPTED, "0"),
    "rest_pair_reject_51000_tdmode.json": (Outcome.REJECTED, "51000"),
    "rest_pair_reject_51008_right_after_fill.json": (Outcome.REJECTED, "51008"),
    "local_only/ws_op_amend_ack_2021.json": (Outcome.ACCEPTED, "0"),
    "local_only/ws_op_cancel_ack_2021.json": (Outcome.ACCEPTED, "0"),
    "local_only/ws_op_order_ack_2021.json": (Outcome.ACCEPTED, "0"),
    "local_only/ws_op_order_reject_51016_2021.json": (Outcome.UNKNOWN, "51016"),
}
"""Answers to orders, over REST and over WebSocket: outcome and code."""

LISTINGS = [
    *(f"rest_instruments_{kind}.json" for kind in ("spot", "swap", "futures", "option")),
    *("rest_instruments_swap_demo.json", "rest_instruments_swap_one.json"),
    "local_only/rest_instruments_spot_2025.json",
    *("rest_instruments_events.json", "rest_instruments_margin.json"),
]

NOT_IN_USE = {
    "rest_algo_pending_oco_data.json": "orders-algo",
    "rest_bills_trade.json": "bills",
    "rest_open_interest_2024.json": "open-interest",
    "rest_open_interest_swap.json": "open-interest",
    "lgpl/rest_mark_price.json": "mark-price",
}
"""Rows that livekit does not ask for, and the channel they would come on."""

SESSIONS = ["local_only/ws_candles_confirm_session.jsonl"]
ELSEWHERE = (Path(__file__).parent / "test_captured.py").read_text()


def frames(name):
    body = (FIXTURES / name).read_bytes()
    return body.splitlines() if name.endswith("l") else [body.strip()]


def rows_of(name):
    sent = json.loads((FIXTURES / name).read_bytes())
    sent = sent.get("data", [sent]) if isinstance(sent, dict) else sent
    return sent if isinstance(sent, list) else [sent]


def test_every_fixture_has_its_test():
    here = {*PUSHES, *ROWS, *REPLIES, *LISTINGS, *NOT_IN_USE, *SESSIONS}
    here |= {"rest_system_status_empty.json", "local_only/ws_status.json"}
    found = {str(path.relative_to(FIXTURES)) for path in FIXTURES.rglob("*.json*")}
    assert {name for name in found - here if Path(name).name not in ELSEWHERE} == set()
    assert here <= found


@pytest.mark.parametrize("name", PUSHES)
def test_public_frame_agrees_field_by_field(name):
    kind, at_least = PUSHES[name]
    n_pushes = 0
    for frame in frames(name):
        sent, message = json.loads(frame), parse(frame)
        if "event" in sent:
            arg = sent["arg"]
            assert message == Ack(arg["channel"], arg["instId"], is_subscribed=True, request_id="")
            continue
        n_pushes += 1
        assert isinstance(message, kind)
        if not isinstance(message, FundingPush):
            assert message.symbol == sent["arg"]["instId"]
        check(message.rows, sent["data"], at_least)
        if isinstance(message, BookPush):
            n_levels = sum(len(row["asks"]) + len(row["bids"]) for row in sent["data"])
            assert agrees(message.rows[0], sent["data"][0]) >= 2 * n_levels + at_least
            assert message.channel == sent["arg"]["channel"]
            assert message.is_snapshot == (sent.get("action", "snapshot") == "snapshot")
        if isinstance(message, TradePush):
            assert message.rows[0].count == int(sent["data"][0].get("count", 1))
    assert n_pushes == len(frames(name)) - sum(b'"event"' in frame for frame in frames(name))


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_rest_are_those_of_the_channel(name):
    channel, at_least = ROWS[name]
    sent = rows_of(name)
    arg = {"channel": channel, "instId": sent[0]["instId"]}
    message = parse(json.dumps({"arg": arg, "data": sent}).encode())
    check(message.rows, sent, at_least)


@pytest.mark.parametrize("name", REPLIES)
def test_answer_to_an_order_agrees_field_by_field(name):
    outcome, code = REPLIES[name]
    sent = json.loads((FIXTURES / name).read_bytes())
    asked, sent = sent.get("request"), sent.get("response", sent)
    reply = parse_reply(json.dumps(sent).encode())
    (item,), (row,) = reply.items, sent["data"]
    assert (reply.code, reply.text) == (sent["code"], sent["msg"])
    assert (reply.request_id, reply.op) == (sent.get("id", ""), sent.get("op", ""))
    assert (reply.in_us, reply.out_us) == (
        int(sent.get("inTime", 0)),
        int(sent.get("outTime", 0)),
    )
    assert (item.ord_id, item.client_id, item.text) == (row["ordId"], row["clOrdId"], row["sMsg"])
    assert (item.code, item.sub_code) == (row["sCode"], row.get("subCode", ""))
    assert (item.ts, item.request_id) == (int(row.get("ts", 0)), row.get("reqId", ""))
    assert item.code == code
    assert outcome_in(reply, item.client_id) is outcome
    if asked is not None and "clOrdId" in asked["body"]:
        assert item.client_id == asked["body"]["clOrdId"]
    if code != "0":
        assert reject_of(code).value


def test_time_of_rejects_tells_a_fill_just_made_from_a_wrong_mode():
    told = {}
    for name in (
        "rest_pair_reject_51000_tdmode.json",
        "rest_pair_reject_51008_right_after_fill.json",
    ):
        response = json.loads((FIXTURES / name).read_bytes())["response"]
        (item,) = parse_reply(json.dumps(response).encode()).items
        told[item.code] = item.sub_code
    assert told == {"51000": "", "51008": "1000"}


@pytest.mark.parametrize("name", LISTINGS)
def test_both_parsers_of_listings_agree_on_the_instruments(name):
    body = (FIXTURES / name).read_bytes()
    sent = [row for row in json.loads(body)["data"] if row["tickSz"]]
    plain = parse_instruments(body)
    assert [one.symbol for one in plain] == [row["instId"] for row in sent]
    for one, row in zip(plain, sent, strict=True):
        assert (one.tick, one.lot) == (float(row["tickSz"]), float(row["lotSz"]))
        assert one.min_quantity == float(row["minSz"])
        value = float(row["ctVal"] or 1) * float(row["ctMult"] or 1)
        assert one.contract_value == value
    full = {one.symbol: one.instrument for one in rest.parse_listings(body)}
    assert {one.symbol: one for one in plain if one.symbol in full} == {
        symbol: one for symbol, one in full.items() if one is not None
    }


@pytest.mark.parametrize("name", NOT_IN_USE)
def test_rows_that_are_not_in_use_are_passed_over(name):
    channel = NOT_IN_USE[name]
    frame = json.dumps({"arg": {"channel": channel}, "data": rows_of(name)}).encode()
    assert parse(frame) == parse_private(frame) == Ignored(f"channel {channel}")


def test_status_is_read_from_an_answer_and_passed_over_as_a_push():
    assert rest.parse_status((FIXTURES / "rest_system_status_empty.json").read_bytes()) == []
    (frame,) = frames("local_only/ws_status.json")
    sent = json.loads(frame)["data"]
    (row,) = rest.parse_status(json.dumps({"code": "0", "msg": "", "data": sent}).encode())
    assert agrees(row, sent[0]) == 8
    assert (row.state, row.begin) == ("completed", 1764666600000)
    assert parse(frame) == Ignored("channel status")


def test_candles_close_twice_a_channel_and_the_error_names_no_argument():
    bars, pongs, failures = [], 0, []
    for line in frames(SESSIONS[0]):
        told = json.loads(line)
        raw = told["raw"].encode()
        if told["connection"] == "rest":
            assert rest.parse_time(raw) == 1790768762345
            continue
        message = parse(raw)
        pongs += isinstance(message, Pong)
        if isinstance(message, Failure):
            failures.append(message)
        if isinstance(message, CandlePush):
            check(message.rows, json.loads(raw)["data"], 9)
            bars += message.rows
        if isinstance(message, FundingPush):
            check(message.rows, json.loads(raw)["data"], 4)
    assert pongs == 6
    (failure,) = failures
    assert (failure.code, failure.request_id) == ("60018", "")
    closed = [number for number, bar in enumerate(bars) if bar.confirm == "1"]
    assert [bars[number].ts for number in closed] == [1790768640000, 1790768700000]
    for number in closed:
        # The closing frame repeats the last one before it.
        before, after = bars[number - 1], bars[number]
        assert (before.ts, before.close, before.vol) == (after.ts, after.close, after.vol)


@pytest.mark.parametrize(
    ("name", "n"),
    [("ws_books_checksum_2022.jsonl", 41), ("ws_books_l2_tbt_thin_option_2021.jsonl", 27)],
)
def test_old_books_keep_every_checksum_and_break_from_a_changed_size_on(name, n):
    def replay(lines):
        normalizer = Normalizer({json.loads(lines[0])["arg"]["instId"]: 0})
        for line in lines:
            normalizer.feed(line, 1)
        return normalizer.counts

    lines = frames(name)
    good = replay(lines)
    assert (good.checksums_verified, good.checksums_failed, good.gaps) == (n, 0, 0)
    changed = json.loads(lines[0])
    changed["data"][0]["bids"][0][1] += "1"
    bad = replay([json.dumps(changed).encode(), *lines[1:]])
    assert (bad.checksums_verified, bad.checksums_failed) == (0, 1)


@pytest.mark.parametrize(
    ("capture", "n_frames", "n_checksums", "n_events"),
    [
        ("okx_ws_public_20220513_conn1.raw.gz", 413, 290, 560),
        ("okx_ws_public_20210722_conn1.raw.gz", 1617, 1504, 1388),
    ],
)
def test_captured_session_replays_frame_by_frame_without_an_error(
    capture, n_frames, n_checksums, n_events
):
    with gzip.open(FIXTURES.parent / "market_data" / capture) as lines:
        sent = [frame for line in lines if (frame := line.partition(b": ")[2].strip())]
    symbols = dict.fromkeys(json.loads(one).get("arg", {}).get("instId", "") for one in sent)
    normalizer = Normalizer({symbol: number for number, symbol in enumerate(symbols)})
    given = sum(normalizer.feed(frame, now) for now, frame in enumerate(sent))
    counts = normalizer.counts
    assert (counts.frames, given) == (n_frames, n_events)
    assert (counts.checksums_verified, counts.checksums_failed) == (n_checksums, 0)
    assert (counts.gaps, counts.waiting, counts.duplicates) == (0, 0, 0)
    assert set(counts.ignored) == {"ack", "op subscribe"}


def test_books_of_2026_hold_400_levels_a_side_after_every_frame():
    books, last = {"asks": {}, "bids": {}}, []
    for line in frames("ws_books_session.jsonl")[1:]:
        (row,) = parse(line).rows
        for side, levels in books.items():
            for level in getattr(row, side):
                if level.size:
                    levels[level.price] = level.size
                else:
                    del levels[level.price]  # a level that leaves was there
        assert [len(levels) for levels in books.values()] == [400, 400]
        assert (max(books["bids"]), min(books["asks"])) == (78722.2, 78722.3)
        last.append((row.prevSeqId, row.seqId))
    assert all(two[0] == one[1] for one, two in pairwise(last))
    assert last[-1][1] == 80274875033


def test_dropped_frame_of_a_session_is_found_at_the_next_and_a_reset_is_none():
    lines = frames("ws_books_session.jsonl")[1:]
    normalizer = Normalizer({"BTC-USDT": 0})
    for number, line in enumerate(lines):
        if number == 3:
            continue
        normalizer.feed(line, 1)
        assert bool(normalizer.broken) == (number == 4)
    normalizer = Normalizer({"BTC-USDT": 0})
    for line in lines:
        normalizer.feed(line, 1)
    end = json.loads(lines[-1])
    end["data"][0] |= {"asks": [], "bids": [], "prevSeqId": 80274875033, "seqId": 80274875033}
    assert normalizer.feed(json.dumps(end).encode(), 1) == 0
    end["data"][0]["seqId"] = 3
    normalizer.feed(json.dumps(end).encode(), 1)
    counts = normalizer.counts
    assert (counts.heartbeats, counts.resets, counts.gaps) == (1, 1, 0)


def test_refusal_of_an_answer_is_an_error_with_its_code():
    with pytest.raises(ApiError, match="60018") as found:
        rest.parse_time(b'{"code":"60018","msg":"no","data":[]}')
    assert isinstance(found.value, FeedError)
    assert found.value.code == "60018"
