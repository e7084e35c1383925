"""Captured private messages and REST answers, field by field.

The captures lie beside the repository and are read from there; some may not be copied.
"""

import json
from pathlib import Path

import msgspec
import pytest
from okx_fields import agrees, check

from livekit.instruments import Instrument
from livekit.okx import rest
from livekit.okx.messages import Failure, Level, Notice
from livekit.okx.private import (
    AccountPush,
    BalancePush,
    ChannelCount,
    OrderPush,
    PositionPush,
    parse_private,
)

FIXTURES = Path(__file__).parents[2].parent / "shared" / "okx" / "fixtures"
pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="no captured messages here")


def load(name):
    return json.loads((FIXTURES / name).read_bytes())


def lines(name):
    return (FIXTURES / name).read_bytes().splitlines()


def push(channel, *rows, **envelope):
    return json.dumps({"arg": {"channel": channel, "uid": "0"}, **envelope, "data": rows}).encode()


def test_market_sell_has_one_fill_and_ends_without_one():
    frames = lines("ws_orders_spot_market_sell_sequence.jsonl")
    rows = []
    for frame in frames:
        message = parse_private(frame)
        assert isinstance(message, OrderPush)
        check(message.rows, json.loads(frame)["data"], 40)
        rows += message.rows
    assert [row.state for row in rows] == ["live", "partially_filled", "filled"]
    assert [row.is_terminal for row in rows] == [False, False, True]
    (fill,) = [row for row in rows if row.is_fill]
    assert (fill.tradeId, fill.fillSz, fill.fillPx) == (435550732, 0.00038128, 26228.1)
    assert (fill.fillFee, fill.fillFeeCcy, fill.execType) == (-0.010000249968, "USDT", "T")
    last = rows[-1]
    assert (last.tradeId, last.fillSz, last.accFillSz, last.px) == ("", 0, 0.00038128, "")


def test_limit_orders_live_are_amended_cancelled_and_filled():
    sent = [f["data"] for f in load("local_only/ws_orders_spot_lifecycle_eea_demo.json")["frames"]]
    message = parse_private(push("orders", *sent))
    check(message.rows, sent, 44)
    first, amended, cancelled, second, filled = message.rows
    assert [row.state for row in message.rows] == ["live", "live", "canceled", "live", "filled"]
    assert first.ordId == amended.ordId == cancelled.ordId != second.ordId == filled.ordId
    assert (first.px, amended.px, amended.amendResult, amended.amendSource) == (
        50000,
        51000,
        "0",
        "1",
    )
    assert (cancelled.cancelSource, cancelled.accFillSz) == ("1", 0)
    assert (filled.tradeId, filled.fillPx, filled.fee, filled.feeCcy) == (
        1356365,
        66588.7,
        -0.0000007,
        "BTC",
    )
    assert filled.uTime - second.uTime == 1


def test_fill_of_the_lifecycle_is_in_its_balances():
    frames = load("local_only/ws_balance_and_position_spot_eea_demo.json")["frames"]
    sent = [frame["data"] for frame in frames]
    message = parse_private(push("balance_and_position", *sent))
    assert isinstance(message, BalancePush)
    for row, one in zip(message.rows, sent, strict=True):
        assert agrees(row, one) == 5 + sum(len(x) for x in one["balData"]) + 2 * len(one["trades"])
    before, after = ({c.ccy: c.cashBal for c in row.balData} for row in message.rows)
    assert after["BTC"] - before["BTC"] == pytest.approx(0.0001993, abs=1e-12)
    assert after["EUR"] - before["EUR"] == pytest.approx(-13.31774, abs=1e-9)
    (trade,) = message.rows[1].trades
    assert (trade.instId, trade.tradeId) == ("BTC-EUR", 1356365)


@pytest.mark.parametrize(
    ("name", "source", "maker"),
    [
        ("ws_orders_data_swap_algo_tp_maker_fill.json", "7", "M"),
        ("ws_orders_data_swap_market_taker_fill.json", "", "T"),
    ],
)
def test_fills_of_a_swap_carry_who_made_them(name, source, maker):
    sent = load(name)
    (row,) = parse_private(push("orders", sent)).rows
    assert agrees(row, sent) >= 40
    assert (row.source, row.execType, row.state, row.is_fill) == (source, maker, "filled", True)


@pytest.mark.parametrize(
    ("name", "kind", "at_least"),
    [
        ("local_only/ws_orders_2023.json", OrderPush, 40),
        ("local_only/ws_positions_2022.json", PositionPush, 20),
        ("local_only/ws_balance_and_position_swap_2022.json", BalancePush, 15),
        ("lgpl/ws_account.json", AccountPush, 40),
        ("lgpl/ws_account_empty.json", AccountPush, 10),
    ],
)
def test_captured_push_agrees_field_by_field(name, kind, at_least):
    body = (FIXTURES / name).read_bytes()
    message = parse_private(body)
    assert isinstance(message, kind)
    check(message.rows, json.loads(body)["data"], at_least)


def test_account_of_spot_mode_has_no_available_equity():
    sent = [frame["data"] for frame in load("local_only/ws_account_spot_eea_demo.json")["frames"]]
    message = parse_private(
        push("account", sent[0], eventType="snapshot", curPage=1, lastPage=True)
    )
    assert (message.event, message.page, message.is_last) == ("snapshot", 1, True)
    check(message.rows, sent[:1], 100)
    bitcoin = message.rows[0].details[0]
    assert (bitcoin.ccy, bitcoin.availEq, bitcoin.availBal, bitcoin.ordFrozen) == (
        "BTC",
        "",
        0.675,
        0.325,
    )
    update = parse_private(push("account", sent[1], eventType="event_update"))
    check(update.rows, sent[1:], 20)
    assert (update.event, len(update.rows[0].details)) == ("event_update", 1)


def test_events_of_a_private_connection():
    def event(name):
        return parse_private((FIXTURES / "local_only" / name).read_bytes())

    assert event("ws_channel_conn_count.json") == ChannelCount(
        "account", 1, is_exceeded=False, connection="4adc328c"
    )
    assert event("ws_error_60032.json") == Failure("60032", "API key doesn't exist", "")
    assert event("ws_error_60018.json").code == "60018"
    assert event("ws_error_60018_2025_wording.json").code == "60018"
    notice = event("ws_notice_64008.json")
    assert isinstance(notice, Notice)
    assert notice.code == "64008"


@pytest.mark.parametrize(
    ("name", "parse", "at_least"),
    [
        ("rest_orders_pending.json", rest.parse_orders, 30),
        ("rest_order_get_spot_filled.json", rest.parse_orders, 30),
        ("lgpl/rest_orders_history_swap.json", rest.parse_orders, 30),
        ("rest_fills_history.json", rest.parse_fills, 18),
        ("rest_positions_inverse_cross.json", rest.parse_positions, 30),
        ("rest_account_config_demo.json", lambda b: [rest.parse_account_config(b)], 14),
        ("lgpl/rest_account_balance.json", lambda b: [rest.parse_balance(b)], 25),
    ],
)
def test_captured_answer_agrees_field_by_field(name, parse, at_least):
    body = (FIXTURES / name).read_bytes()
    check(parse(body), json.loads(body)["data"], at_least)


def test_time_config_pair_and_leverage():
    assert rest.parse_time((FIXTURES / "rest_public_time.json").read_bytes()) == 1712250348676
    pair = load("rest_pair_account_config_acctlv3.json")["response"]
    config = rest.parse_account_config(json.dumps(pair).encode())
    assert (config.acctLv, config.posMode) == ("3", "net_mode")
    assert config.permissions == {"read_only", "trade"}
    pair = load("rest_pair_set_leverage_ok.json")["response"]
    assert rest.parse_leverage(json.dumps(pair).encode()) == rest.Leverage(
        "3.0", "isolated", "ETH-USDT-SWAP", ""
    )


def test_book_and_candles_agree_with_what_was_sent():
    sent = load("rest_books_data.json")
    book = rest.parse_books(json.dumps({"code": "0", "msg": "", "data": sent}).encode())
    assert (book.ts, book.seqId) == (1788349954307, 337642429272)
    assert book.asks == [Level(float(level[0]), float(level[1])) for level in sent[0]["asks"]]
    assert book.bids == [Level(float(level[0]), float(level[1])) for level in sent[0]["bids"]]
    for name in ("rest_candles_swap_1d.json", "lgpl/rest_candles_swap_1m.json"):
        body = (FIXTURES / name).read_bytes()
        sent = [[int(r[0]), *map(float, r[1:8]), r[8]] for r in json.loads(body)["data"]]
        assert [list(msgspec.to_builtins(bar)) for bar in rest.parse_candles(body)] == sent


def test_codes_of_the_demo_are_beyond_2_to_the_50_or_none():
    swaps = rest.parse_listings((FIXTURES / "rest_instruments_swap_demo.json").read_bytes())
    assert [(one.symbol, one.code, one.state) for one in swaps] == [
        ("BTC-USDT-SWAP", 2021032601102993, "live"),
        ("ETH-USDT-SWAP", 2021032601102994, "live"),
        ("TESTING-USDT-SWAP", None, "preopen"),
    ]
    assert swaps[0].instrument == Instrument("BTC-USDT-SWAP", 0.1, 0.01, 0.01, 0.01, "swap")
    assert swaps[2].instrument is None


@pytest.mark.parametrize(
    "name",
    [
        *(f"rest_instruments_{kind}.json" for kind in ("spot", "swap", "futures", "option")),
        "rest_instruments_swap_one.json",
        "local_only/rest_instruments_spot_2025.json",
    ],
)
def test_listings_agree_field_by_field(name):
    body = (FIXTURES / name).read_bytes()
    rows = json.loads(body)["data"]
    listings = rest.parse_listings(body)
    assert len(listings) == len(rows) > 0
    for one, row in zip(listings, rows, strict=True):
        assert (one.symbol, one.code, one.state) == (
            row["instId"],
            row["instIdCode"],
            row["state"],
        )
        assert (one.base, one.quote, one.settle) == (
            row["baseCcy"],
            row["quoteCcy"],
            row["settleCcy"],
        )
        assert (one.contract_type, one.group) == (row["ctType"], row.get("groupId", ""))
        assert one.max_limit_size == float(row["maxLmtSz"] or 0)
        assert one.max_market_size == float(row["maxMktSz"] or 0)
        if row["tickSz"]:
            value = float(row["ctVal"] or 1) * float(row["ctMult"] or 1)
            kind = row["instType"].lower()
            assert one.instrument == Instrument(
                row["instId"],
                float(row["tickSz"]),
                float(row["lotSz"]),
                float(row["minSz"]),
                value,
                kind,
            )


@pytest.mark.parametrize("kind", ["margin", "events"])
def test_rows_that_are_not_traded_here_are_left_out(kind):
    assert rest.parse_listings((FIXTURES / f"rest_instruments_{kind}.json").read_bytes()) == []
