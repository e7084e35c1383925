"""Every key of a real message is in ours: compared with captured messages where they are."""

import json
from pathlib import Path

import pytest
from trading_floor import Floor

from livekit.okxsim.account_rows import account_row, config_row, position_row, small_positions
from livekit.okxsim.market_rows import single_rows, slow_row, ticker_row, trade_row
from livekit.okxsim.orders import fill_row, rest_row

FIXTURES = Path(__file__).parents[3] / "shared" / "okx" / "fixtures"
if not FIXTURES.is_dir():
    FIXTURES = Path(__file__).parents[4] / "shared" / "okx" / "fixtures"
pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="no captured messages here")


@pytest.fixture(scope="module")
def floor():
    made = Floor()
    swap = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "ordType": "market"}
    made.place(side="buy", sz="1", **swap)
    return made


def document(name):
    return json.loads((FIXTURES / name).read_text())


def lines(name):
    return [json.loads(line) for line in (FIXTURES / name).read_text().splitlines() if line]


def first(name):
    """Return the first row of a REST answer, or of a bare list."""
    found = document(name)
    return (found["data"] if isinstance(found, dict) else found)[0]


def pushed(name):
    """Return the first row pushed in a capture."""
    return next(frame["data"][0] for frame in lines(name) if "data" in frame)


def assert_covers(ours, real):
    missing = {key for key in real if key not in ours}
    assert missing == set()
    for key, value in real.items():
        assert type(ours[key]) is type(value), key


def test_instruments(floor):
    swap = floor.world.by_symbol["BTC-USDT-SWAP"]
    assert_covers(swap.row(is_demo=False), first("rest_instruments_swap_one.json"))
    assert_covers(swap.row(is_demo=True), first("rest_instruments_swap_demo.json"))
    spot = floor.world.by_symbol["BTC-USDT"]
    assert_covers(spot.row(is_demo=False), first("rest_instruments_spot.json"))
    assert swap.row(is_demo=True)["instIdCode"] > 1 << 50
    assert floor.world.by_symbol["TESTING-USDT-SWAP"].row(is_demo=True)["instIdCode"] is None


def test_order_pushes(floor):
    orders = floor.listen("alice", "orders", instType="ANY")
    floor.place(side="buy", ordType="market", sz="500")
    ours = orders.rows("orders")
    real = document("local_only/ws_orders_spot_lifecycle_eea_demo.json")["frames"]
    for frame in real:
        assert_covers(ours[0], frame["data"])
    assert set(ours[0]) == set(real[0]["data"])
    assert_covers(ours[1], pushed("ws_orders_spot_market_sell_sequence.jsonl"))
    assert_covers(ours[1], document("ws_orders_data_swap_market_taker_fill.json"))


def test_order_and_fill_rows_of_rest(floor):
    order = next(iter(floor.world.accounts["alice"].orders.values()))
    assert_covers(rest_row(order), first("rest_order_get_spot_filled.json"))
    assert_covers(rest_row(order), first("rest_orders_pending.json"))
    assert_covers(rest_row(order), first("lgpl/rest_orders_history_swap.json"))
    assert_covers(
        fill_row(order.fills[0] if order.fills else floor.world.accounts["alice"].fills[0]),
        first("rest_fills_history.json"),
    )
    assert_covers(floor.world.accounts["alice"].bills[0], first("rest_bills_trade.json"))


def test_order_answers(floor):
    placed = floor.place(side="buy", px="99", sz="1")
    assert_covers(placed, first("rest_order_place_ok.json"))
    cancelled = floor.run("cancel-order", {"instId": "BTC-USDT", "ordId": placed["ordId"]})[0]
    assert_covers(cancelled, document("rest_pair_cancel_ok.json")["response"]["data"][0])
    refused = floor.place("carol", side="buy", px="99", sz="1")
    real = document("rest_pair_reject_51000_tdmode.json")["response"]["data"][0]
    assert_covers(refused, real)
    assert (refused["sCode"], refused["sMsg"]) == (real["sCode"], real["sMsg"])
    poor = floor.place("alice", side="sell", px="101", sz="1000")
    real = document("rest_pair_reject_51008_right_after_fill.json")["response"]["data"][0]
    assert_covers(poor, real)
    for name in ("sCode", "sMsg", "subCode"):
        assert poor[name] == real[name]


def test_account_rows(floor):
    world, alice = floor.world, floor.world.accounts["alice"]
    row = account_row(alice, world.usd, world.mark, world.now_ms())
    for name in ("lgpl/rest_account_balance.json", "lgpl/ws_account.json"):
        real = first(name)
        assert_covers(row, real)
        assert_covers(row["details"][0], real["details"][0])
    assert_covers(
        config_row(alice, world.keys["alice-key"]), first("rest_account_config_demo.json")
    )
    position = next(iter(alice.positions.values()))
    row = position_row(position, world.mark(position.listing), "100", world.now_ms())
    assert_covers(row, first("rest_positions_inverse_cross.json"))
    assert_covers(row, first("local_only/ws_positions_2022.json"))
    real = first("local_only/ws_balance_and_position_swap_2022.json")
    assert_covers(small_positions([position])[0], real["posData"][0])


def test_market_rows(floor):
    world, listing = floor.world, floor.world.by_symbol["BTC-USDT-SWAP"]
    ticker = ticker_row(world, listing, world.now_ms())
    assert_covers(ticker, pushed("ws_tickers_swap.jsonl"))
    assert_covers(ticker, first("rest_ticker_swap_data.json"))
    made = world.tapes[listing.number].last
    assert_covers(trade_row(listing, made), pushed("ws_trades_swap.jsonl"))
    assert_covers(single_rows(listing, made)[0], first("lgpl/rest_trades_spot.json"))
    assert_covers(slow_row(world, "funding-rate", listing), first("rest_funding_rate_data.json"))
    assert_covers(slow_row(world, "mark-price", listing), first("lgpl/rest_mark_price.json"))
    assert_covers(slow_row(world, "open-interest", listing), first("rest_open_interest_swap.json"))


def test_book_pushes(floor):
    snapshot = floor.watch("books").frames[0][1]
    real = document("ws_books_snapshot.json")
    assert set(snapshot) == set(real)
    assert_covers(snapshot["data"][0], real["data"][0])
    assert len(snapshot["data"][0]["bids"][0]) == len(real["data"][0]["bids"][0])
    five = floor.watch("books5").rows("books5")[0]
    assert set(five) == set(pushed("ws_books5_swap.jsonl"))
    best = floor.watch("bbo-tbt").rows("bbo-tbt")[0]
    assert set(best) == set(document("local_only/ws_bbo_tbt.json")["data"][0])


def test_candle_rows(floor):
    row = floor.watch("candle1m", "BTC-USDT-SWAP").rows("candle1m")[0]
    real = pushed("ws_candle1m_swap_data_before_ack.jsonl")
    assert len(row) == len(real)
    assert [type(one) for one in row] == [type(one) for one in real]
