"""Replies of public/instruments."""

import json
from pathlib import Path

import pytest

from livekit.errors import FeedError
from livekit.instruments import Instrument
from livekit.okx.instruments import kind_of_symbol, parse_instruments

DATA = Path(__file__).parents[1] / "data" / "okx"


def test_reply_gives_steps_and_leaves_out_what_does_not_trade_yet():
    found = parse_instruments((DATA / "rest_instruments_swap_demo.json").read_bytes())
    assert found == [
        Instrument("BTC-USDT-SWAP", 0.1, 0.01, 0.01, 0.01, "swap"),
        Instrument("ETH-USDT-SWAP", 0.01, 0.01, 0.01, 0.1, "swap"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"code":"50011","data":[]}',
        b'{"code":"0","data":[3]}',
        b'{"code":"0","data":[{"instId":5}]}',
        b"[" * 100_000,
        b"\xff",
        b" " * (17 << 20),
        json.dumps(
            {
                "code": "0",
                "data": [
                    {
                        "instId": "A",
                        "instType": "SPOT",
                        "tickSz": "nan",
                        "lotSz": "1",
                        "minSz": "1",
                    }
                ],
            }
        ).encode(),
        json.dumps(
            {
                "code": "0",
                "data": [
                    {
                        "instId": "A",
                        "instType": "SWAP",
                        "tickSz": "1",
                        "lotSz": "1",
                        "minSz": "1",
                        "ctVal": "1e999",
                    }
                ],
            }
        ).encode(),
    ],
)
def test_broken_reply_is_a_feed_error(body):
    with pytest.raises(FeedError):
        parse_instruments(body)


@pytest.mark.parametrize(
    ("symbol", "kind"),
    [
        ("BTC-USDT", "spot"),
        ("UNI-USD-SWAP", "swap"),
        ("BTC-USD-220527", "futures"),
        ("BTC-USD-210924-42000-P", "option"),
    ],
)
def test_form_of_a_symbol_tells_its_kind(symbol, kind):
    assert kind_of_symbol(symbol) == kind
