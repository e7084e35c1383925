"""Public channels: what is said first, how books go on, and what a quiet market says."""

import json

import pytest
from trading_floor import Floor

from livekit.okxsim.tape import bar_ms


@pytest.fixture
def floor():
    return Floor()


def tick(floor, n=10):
    for _ in range(n):
        floor.channels.tick()


def apply(book, row):
    for side in ("bids", "asks"):
        for price, size, _, _ in row[side]:
            if size == "0":
                del book[side][price]  # a delete always hits a level
            else:
                book[side][price] = size


def test_book_keeps_400_levels_and_its_chain_through_moves_and_orders(floor):
    listener = floor.watch("books")
    first = listener.rows("books")[0]
    assert first["prevSeqId"] == -1
    book = {side: {row[0]: row[1] for row in first[side]} for side in ("bids", "asks")}
    last = first["seqId"]
    for n in range(30):
        floor.world.quote(0, 100.0 + n % 7 / 10, 5.0 + n, 101.0 + n % 5 / 10, 4.0)
        if n % 4 == 0:
            floor.place(side="buy", px=str(99 - n / 10), sz="0.5")
            floor.place("bob", side="sell", ordType="market", sz="0.7")
        tick(floor)
        for row in listener.rows("books")[1:]:
            assert row["prevSeqId"] == last
            assert row["checksum"] == 0
            last = row["seqId"]
            apply(book, row)
            assert len(book["bids"]) == len(book["asks"]) == 400
        del listener.frames[1:]
    levels = floor.world.levels(floor.world.listings[0], 400)
    assert len(levels[0]) == 400
    price = floor.world.listings[0].price_text
    assert set(book["bids"]) == {price(tick_ * 0.1) for tick_ in levels[0]}


def test_the_same_touch_shows_the_same_book(floor):
    before = floor.world.levels(floor.world.listings[0], 400)
    floor.world.quote(0, 105.0, 1.0, 105.1, 1.0)
    assert floor.world.levels(floor.world.listings[0], 400) != before
    floor.world.quote(0, 100.0, 5.0, 100.1, 5.0)
    assert floor.world.levels(floor.world.listings[0], 400) == before


def test_quiet_book_says_so_after_a_minute_and_keeps_its_sequence(floor):
    listener = floor.watch("books")
    tick(floor)
    before = len(listener.frames)
    floor.world.clock_error_s = 61.0
    tick(floor)
    beat = listener.rows("books")[-1]
    assert len(listener.frames) == before + 1
    assert beat["seqId"] == beat["prevSeqId"]
    assert beat["bids"] == beat["asks"] == []


def test_quiet_books5_is_sent_again_after_a_minute(floor):
    listener = floor.watch("books5")
    tick(floor)
    before = len(listener.frames)
    tick(floor)
    assert len(listener.frames) == before
    floor.world.clock_error_s = 61.0
    tick(floor)
    assert len(listener.frames) == before + 1


def test_trades_say_their_count_and_leave_no_gap(floor):
    listener = floor.watch("trades")
    last = int(listener.rows("trades")[0]["tradeId"])
    for n in range(40):
        floor.world.trade(0, 100.0, 0.0003 * (n + 1), n % 2)
    rows = listener.rows("trades")[1:]
    assert len({row["count"] for row in rows}) > 2
    for row in rows:
        assert int(row["tradeId"]) - int(row["count"]) == last
        last = int(row["tradeId"])


def test_single_trades_add_up_to_the_aggregated_one(floor):
    listener = floor.watch("trades-all")
    together = floor.watch("trades")
    floor.world.trade(0, 100.0, 0.0009, 0)
    singles, whole = listener.rows("trades-all")[1:], together.rows("trades")[-1]
    assert len(singles) == int(whole["count"]) > 1
    assert sum(float(row["sz"]) for row in singles) == pytest.approx(float(whole["sz"]))
    assert singles[-1]["tradeId"] == whole["tradeId"]


def test_first_trade_of_a_quiet_market_is_hours_old(floor):
    row = floor.watch("trades", "LTC-USDT").rows("trades")[0]
    assert floor.world.now_ms() - int(row["ts"]) >= 7 * 3_600_000


def test_bar_closes_once_with_the_values_it_last_had(floor):
    world = floor.world
    listener = floor.watch("candle1m")
    # Begin 30 s into a minute, so that it does not end while this runs.
    world.clock_error_s = (30_000 - world.now_ms() % 60_000) / 1000
    world.trade(0, 100.4, 0.2, 0)
    tick(floor, 100)
    forming = listener.rows("candle1m")[-1]
    assert forming[-1] == "0"
    world.clock_error_s += 60.0
    tick(floor, 100)
    closed = [row for row in listener.rows("candle1m") if row[-1] == "1" and row[0] == forming[0]]
    assert closed == [[*forming[:-1], "1"]]


def test_bars_of_seconds_hours_and_days_open_where_okx_opens_them(floor):
    tape = floor.world.tapes[0]
    for n in range(5):
        floor.world.trade(0, 101.0 + n, 0.001, 0)
    assert tape.bars("1s", 1)[0].close == 105.0
    assert tape.bars("1H", 1)[0].high == 105.0
    assert tape.bars("1D", 1)[0].start_ms % 86_400_000 == 57_600_000  # 16:00 UTC
    assert tape.bars("1Dutc", 1)[0].start_ms % 86_400_000 == 0
    assert bar_ms("1M") == bar_ms("x") == bar_ms("") == 0


def test_ticker_goes_out_once_per_100_ms_however_much_changes(floor):
    listener = floor.watch("tickers")
    for n in range(50):
        floor.world.quote(0, 100.0 - n / 10, 5.0, 100.1, 5.0)
    tick(floor)
    assert len(listener.frames) == 2
    assert listener.rows("tickers")[-1]["bidPx"] == "95.1"


def test_swap_follows_its_spot_pair_in_contracts(floor):
    row = floor.watch("bbo-tbt", "BTC-USDT-SWAP").rows("bbo-tbt")[0]
    assert (row["bids"][0][0], row["bids"][0][1]) == ("100", "500")
    assert json.dumps(row["seqId"]).isdigit()
