"""Orders at the desk: what is taken, what is refused and with which code, what is said of it."""

import pytest
from trading_floor import Floor


@pytest.fixture
def floor():
    return Floor()


def outline(listener):
    return [
        (row["state"], row["tradeId"] != "", row["cancelSource"]) for row in listener.rows("orders")
    ]


def test_limit_order_that_rests_says_live_once_and_keeps_funds_back(floor):
    orders = floor.listen("alice", "orders", instType="ANY")
    item = floor.place(side="buy", px="99", sz="1", clOrdId="a1")
    assert (item["sCode"], item["sMsg"]) == ("0", "Order placed")
    assert outline(orders) == [("live", False, "")]
    assert len(orders.rows("orders")[0]) == 71
    alice = floor.world.accounts["alice"]
    assert alice.available("USDT") == alice.balances["USDT"] - 99


def test_spot_market_order_ends_with_a_push_that_carries_no_match(floor):
    orders = floor.listen("alice", "orders", instType="SPOT")
    floor.place(side="sell", ordType="market", sz="0.5")
    said = outline(orders)
    assert said[0] == ("live", False, "")
    assert said[-1] == ("filled", False, "")
    assert all(one == ("partially_filled", True, "") for one in said[1:-1])
    last = orders.rows("orders")[-1]
    assert (last["accFillSz"], last["fillSz"], last["tradeId"]) == ("0.5", "0", "")


def test_spot_market_buy_in_quote_currency_spends_no_more_than_it_says(floor):
    item = floor.place(side="buy", ordType="market", sz="1000")
    order = floor.order(item)
    assert order.state == "filled"
    assert 999 < order.cost <= 1000


def test_spot_buy_pays_its_fee_in_base_currency(floor):
    alice = floor.world.accounts["alice"]
    before = alice.balances["BTC"]
    order = floor.order(floor.place(side="buy", px="100.1", sz="1"))
    assert str(order.fee) == "-0.00100000"
    assert alice.balances["BTC"] - before == 1 + order.fee


@pytest.mark.parametrize(("kind", "price", "source"), [("ioc", "99", "14"), ("fok", "100.1", "13")])
def test_what_ioc_and_fok_cannot_fill_is_cancelled_by_its_source(floor, kind, price, source):
    size = "1" if kind == "ioc" else "10000"
    floor.world.accounts["alice"].balances["USDT"] *= 100
    orders = floor.listen("alice", "orders", instType="ANY")
    floor.place(side="buy", ordType=kind, px=price, sz=size)
    assert outline(orders) == [("live", False, ""), ("canceled", False, source)]


def test_post_only_that_would_take_says_canceled_and_never_live(floor):
    orders = floor.listen("alice", "orders", instType="ANY")
    assert floor.place(side="buy", ordType="post_only", px="100.1", sz="1")["sCode"] == "0"
    assert outline(orders) == [("canceled", False, "31")]


def test_two_clients_meet_inside_the_spread_and_share_a_trade(floor):
    floor.world.quote(0, 99.0, 5.0, 101.0, 5.0)
    maker = floor.order(floor.place("alice", side="buy", px="100", sz="0.4"))
    prints = floor.watch("trades")
    taker = floor.order(floor.place("bob", side="sell", px="100", sz="1"), "bob")
    assert (maker.state, taker.state) == ("filled", "partially_filled")
    assert maker.last_fill.trade_id == taker.last_fill.trade_id
    assert (maker.last_fill.role, taker.last_fill.role) == ("M", "T")
    row = prints.rows("trades")[-1]
    assert (row["px"], row["sz"], row["side"]) == ("100", "0.4", "sell")
    # What is left rests and is seen by everybody.
    assert floor.world.levels(taker.listing, 1)[1] == {1000: (60000, 1)}


def test_a_taker_walks_market_and_clients_in_order_of_price(floor):
    floor.world.quote(0, 100.0, 0.5, 100.2, 5.0)
    floor.place("alice", side="buy", px="100.1", sz="0.3")
    taker = floor.order(floor.place("bob", side="sell", px="100", sz="0.8"), "bob")
    assert taker.state == "filled"
    assert [(str(one.price), str(one.size)) for one in floor.world.accounts["bob"].fills] == [
        ("100.1", "0.30000"),
        ("100", "0.50000"),
    ]


def test_orders_of_one_account_never_meet(floor):
    floor.world.quote(0, 99.0, 5.0, 101.0, 5.0)
    own = floor.order(floor.place(side="buy", px="100", sz="0.4"))
    taker = floor.order(floor.place(side="sell", px="100", sz="0.4"))
    assert (own.state, own.cancel_source) == ("canceled", "32")
    assert taker.state == "live"


def test_recorded_quote_through_a_resting_order_fills_it_as_maker(floor):
    order = floor.order(floor.place(side="buy", px="99.5", sz="1"))
    floor.world.quote(0, 99.3, 5.0, 99.4, 5.0)
    assert order.state == "filled"
    assert (order.last_fill.role, str(order.last_fill.price)) == ("M", "99.5")


def test_amendment_moves_the_order_and_says_its_result(floor):
    orders = floor.listen("alice", "orders", instType="ANY")
    item = floor.place(side="buy", px="99", sz="1")
    change = {"instId": "BTC-USDT", "ordId": item["ordId"], "newPx": "99.5", "newSz": "2"}
    done = floor.run("amend-order", {**change, "reqId": "r1"})[0]
    assert (done["sCode"], done["reqId"]) == ("0", "r1")
    row = orders.rows("orders")[-1]
    assert (row["px"], row["sz"], row["amendResult"], row["reqId"]) == ("99.5", "2", "0", "r1")
    assert row["amendSource"] == "1"


def test_amendment_to_no_more_than_filled_ends_the_order_as_filled(floor):
    floor.world.quote(0, 100.0, 5.0, 100.1, 0.3)
    floor.world.ladders[0].lots[1] = 30000
    item = floor.place(side="buy", px="100.1", sz="1")
    order = floor.order(item)
    filled = order.filled
    assert 0 < filled < 1
    change = {"instId": "BTC-USDT", "ordId": item["ordId"], "newSz": str(filled)}
    assert floor.run("amend-order", change)[0]["sCode"] == "0"
    assert order.state == "filled"


def test_failed_amendment_with_cxl_on_fail_cancels(floor):
    item = floor.place(side="buy", px="99", sz="1")
    change = {"instId": "BTC-USDT", "ordId": item["ordId"], "newPx": "99.05"}
    assert floor.run("amend-order", {**change, "cxlOnFail": True})[0]["sCode"] == "51150"
    assert floor.order(item).state == "canceled"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"instId": "NOT-USDT"}, "51001"),
        ({"instId": "OLD-USDT", "px": "12", "sz": "1"}, "51022"),
        ({"tdMode": "cross"}, "51000"),
        ({"tdMode": ""}, "50014"),
        ({"side": "hold"}, "51000"),
        ({"ordType": "iceberg"}, "51000"),
        ({"sz": "1e-07"}, "51000"),
        ({"sz": "0.000001"}, "51020"),
        ({"sz": "0.000015"}, "51121"),
        ({"sz": "99999999999"}, "51101"),
        ({"px": "99.05"}, "51150"),
        ({"px": "120"}, "51006"),
        ({"px": "0"}, "51000"),
        ({"sz": "50000"}, "51008"),
        ({"clOrdId": "has_dash-es"}, "51000"),
        ({"tag": "x" * 17}, "51000"),
        ({"instId": "BTC-USDT-SWAP", "tdMode": "cash"}, "51000"),
        ({"instId": "BTC-USDT-SWAP", "tdMode": "cross", "posSide": "long"}, "51000"),
        ({"instId": "BTC-USDT-SWAP", "tdMode": "cross", "reduceOnly": True}, "51169"),
    ],
)
def test_bad_order_is_refused_with_okx_code(floor, values, code):
    item = floor.place(**{"side": "buy", "px": "99", "sz": "1", **values})
    assert (item["sCode"], item["ordId"]) == (code, "")


@pytest.mark.parametrize(
    ("name", "symbol", "mode", "code"),
    [
        ("dave", "BTC-USDT-SWAP", "cross", "51010"),
        ("carol", "BTC-USDT", "cash", "51000"),
        ("carol", "BTC-USDT", "cross", "0"),
        ("alice", "BTC-USDT-SWAP", "isolated", "0"),
    ],
)
def test_trade_mode_goes_by_the_account_level(floor, name, symbol, mode, code):
    values = {"instId": symbol, "tdMode": mode, "side": "buy", "px": "99", "sz": "1"}
    assert floor.place(name, **values)["sCode"] == code


def test_price_beyond_the_limit_is_clamped_where_asked(floor):
    order = floor.order(floor.place(side="buy", px="150", sz="0.1", pxAmendType="1"))
    assert str(order.price) == "105.1"


def test_client_id_may_be_used_again_only_once_its_order_is_final(floor):
    first = floor.place(side="buy", px="99", sz="1", clOrdId="x1")
    assert floor.place(side="buy", px="99", sz="1", clOrdId="x1")["sCode"] == "51016"
    floor.run("cancel-order", {"instId": "BTC-USDT", "ordId": first["ordId"]})
    second = floor.place(side="buy", px="99", sz="1", clOrdId="x1")
    listing = floor.world.by_symbol["BTC-USDT"]
    found = floor.desk.find(floor.world.accounts["alice"], listing, {"clOrdId": "x1"})
    assert str(found.order_id) == second["ordId"]


def test_cancel_of_a_final_or_unknown_order_is_refused(floor):
    assert floor.run("cancel-order", {"instId": "BTC-USDT", "ordId": "5"})[0]["sCode"] == "51400"
    item = floor.place(side="buy", px="100.1", sz="0.1")
    again = {"instId": "BTC-USDT", "ordId": item["ordId"]}
    assert floor.run("cancel-order", again)[0]["sCode"] == "51400"
    assert floor.run("amend-order", {**again, "newSz": "1"})[0]["sCode"] == "51503"


def test_cancelled_order_without_a_fill_is_forgotten_after_two_hours(floor):
    item = floor.place(side="buy", px="99", sz="1")
    named = {"instId": "BTC-USDT", "ordId": item["ordId"]}
    floor.run("cancel-order", named)
    alice, listing = floor.world.accounts["alice"], floor.world.by_symbol["BTC-USDT"]
    assert floor.desk.find(alice, listing, named) is not None
    floor.world.clock_error_s = 7201.0
    assert floor.desk.find(alice, listing, named) is None


def test_order_of_another_account_is_not_found(floor):
    item = floor.place("alice", side="buy", px="99", sz="1")
    named = {"instId": "BTC-USDT", "ordId": item["ordId"]}
    assert floor.run("cancel-order", named, name="bob")[0]["sCode"] == "51400"


def test_reduce_only_is_cut_to_the_position_and_never_turns_it(floor):
    swap = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "ordType": "market"}
    floor.place(side="buy", sz="3", **swap)
    item = floor.place(side="sell", sz="10", reduceOnly="true", **swap)
    assert str(floor.order(item).size) == "3.00"
    position = floor.world.accounts["alice"].positions["BTC-USDT-SWAP", "cross", "net"]
    assert position.size == 0


def test_hedged_account_holds_a_long_and_a_short_at_a_time(floor):
    alice = floor.world.accounts["alice"]
    alice.position_mode = "long_short_mode"
    swap = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "ordType": "market"}
    floor.place(side="buy", posSide="long", sz="3", **swap)
    floor.place(side="sell", posSide="short", sz="2", **swap)
    sizes = {key[2]: str(one.size) for key, one in alice.positions.items()}
    assert sizes == {"long": "3.00", "short": "2.00"}
    floor.world.quote(0, 90.0, 5.0, 90.1, 5.0)
    closed = floor.order(floor.place(side="buy", posSide="short", sz="9", **swap))
    assert (str(closed.size), closed.reduce_only) == ("2.00", True)
    assert closed.pnl > 0
    assert alice.positions["BTC-USDT-SWAP", "cross", "short"].size == 0
    lost = floor.order(floor.place(side="sell", posSide="long", sz="3", **swap))
    assert lost.pnl < 0


def test_market_order_of_too_much_quote_currency_is_refused(floor):
    assert floor.place(side="buy", ordType="market", sz="1000001")["sCode"] == "51201"


def test_books_of_all_members_conserve_every_coin(floor):
    accounts = floor.world.accounts.values()

    def coins():
        return sum(one.balances["BTC"] for one in accounts)

    floor.world.quote(0, 99.0, 0.0, 101.0, 0.0)
    floor.world.matching.core.markets["bid_size"][0] = 0.0
    before, fees = coins(), 0
    for n in range(40):
        side = "buy" if n % 2 else "sell"
        name = ("alice", "bob")[n // 2 % 2]
        floor.place(name, side=side, px=str(99.5 + n % 3 / 10), sz="0.01")
    fees = sum(fill.fee for one in accounts for fill in one.fills if fill.fee_currency == "BTC")
    assert any(one.fills for one in accounts)
    assert coins() == before + fees


def test_swap_profit_and_fees_land_in_the_quote_currency(floor):
    alice = floor.world.accounts["alice"]
    before = alice.balances["USDT"]
    swap = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "ordType": "market"}
    floor.place(side="buy", sz="1", **swap)
    floor.world.quote(0, 110.0, 5.0, 110.1, 5.0)
    order = floor.order(floor.place(side="sell", sz="1", **swap))
    value = floor.world.by_symbol["BTC-USDT-SWAP"].contract_value
    fees = sum(one.fee for one in alice.fills)
    assert order.pnl > 0
    assert alice.balances["USDT"] - before == order.pnl + fees
    assert fees == sum(-one.price * one.size * value for one in alice.fills) * 5 / 10000


def test_batch_answers_item_by_item_and_takes_twenty_at_most(floor):
    one = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit"}
    done = floor.run("batch-orders", {**one, "px": "99", "sz": "1"}, {**one, "px": "99", "sz": "0"})
    assert [item["sCode"] for item in done] == ["0", "51000"]
    assert floor.run("batch-orders", *[one] * 21).code == "51000"


def test_order_after_its_time_is_not_done(floor):
    values = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit"}
    done = floor.run("order", {**values, "px": "99", "sz": "1"}, expires="1000")
    assert done.code == "50036"
    assert not floor.world.accounts["alice"].orders


def test_read_only_key_may_not_trade(floor):
    values = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit"}
    assert floor.run("order", values, name="read").code == "50120"


def test_sixty_orders_in_two_seconds_and_instrument_and_no_more():
    floor = Floor(has_limits=True)
    values = {"instId": "BTC-USDT", "tdMode": "cash", "side": "buy", "ordType": "limit"}
    good = {**values, "px": "99", "sz": "0.01"}
    for _ in range(60):
        assert floor.run("order", good)[0]["sCode"] == "0"
    assert floor.run("order", good).code == "50011"
    assert floor.run("cancel-order", {"instId": "BTC-USDT", "ordId": "1"})[0]["sCode"] == "51400"


def test_sats_with_a_tick_of_1e_12_trades_in_plain_decimals(floor):
    orders = floor.listen("alice", "orders", instType="ANY")
    item = floor.place(instId="SATS-USDT", side="buy", px="0.000000016001", sz="2000000")
    assert item["sCode"] == "0"
    assert orders.rows("orders")[0]["px"] == "0.000000016001"


def test_balance_follows_a_fill_on_its_channels(floor):
    balance = floor.listen("alice", "balance_and_position")
    account = floor.listen("alice", "account")
    positions = floor.listen("alice", "positions", instType="ANY")
    swap = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "ordType": "market"}
    floor.place(side="buy", sz="1", **swap)
    said = balance.rows("balance_and_position")[-1]
    assert said["eventType"] == "filled"
    assert said["posData"][0]["pos"] == "1"
    assert said["trades"][0]["tradeId"]
    assert account.frames == []
    floor.run_later()
    assert account.frames[-1][1]["eventType"] == "event_update"
    assert positions.rows("positions")[-1]["pos"] == "1"
    floor.place(side="sell", sz="1", reduceOnly=True, **swap)
    floor.run_later()
    assert positions.rows("positions")[-1]["pos"] == "0"
