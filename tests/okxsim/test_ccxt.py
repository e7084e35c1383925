"""ccxt, pointed at the simulator: REST, and the WebSocket client that is ccxt.pro."""

import asyncio
import math

import pytest

ccxt = pytest.importorskip("ccxt")
pro = pytest.importorskip("ccxt.pro")

SPOT, SWAP = "BTC/USDT", "BTC/USDT:USDT"


def point(client, exchange):
    """Send a client of ccxt to the simulator, in its demo environment."""
    client.urls["api"] = {"rest": exchange.url, "ws": exchange.url.replace("http", "ws") + "/ws/v5"}
    client.headers = {"x-simulated-trading": "1"}
    return client


def options(name="alice"):
    return {
        "apiKey": f"{name}-key",
        "secret": f"{name}-secret",
        "password": f"{name}-pass",
        "enableRateLimit": False,
    }


@pytest.fixture(scope="module")
def rest(exchange):
    client = point(ccxt.okx(options("bob")), exchange)
    client.load_markets()
    yield client
    client.session.close()


def test_ccxt_reads_time_markets_book_candles_and_ticker(rest):
    assert rest.fetch_time() > 1_700_000_000_000
    assert rest.market(SPOT)["spot"]
    assert rest.market(SWAP)["contractSize"] == 0.01
    book = rest.fetch_order_book(SPOT, 50)
    assert len(book["bids"]) == len(book["asks"]) == 50
    assert book["bids"][0][0] < book["asks"][0][0]
    candles = rest.fetch_ohlcv(SPOT, "1m", limit=10)
    assert len(candles) == 10
    assert candles == sorted(candles)
    ticker = rest.fetch_ticker(SWAP)
    assert ticker["bid"] < ticker["ask"]
    assert rest.fetch_trades(SPOT, limit=5)
    assert math.isfinite(rest.fetch_funding_rate(SWAP)["fundingRate"])


def test_ccxt_reads_balance_and_positions(rest):
    balance = rest.fetch_balance()
    assert balance["USDT"]["total"] > 0
    rest.create_order(SWAP, "market", "buy", 2, params={"tdMode": "cross"})
    position = rest.fetch_positions([SWAP])[0]
    assert position["contracts"] == 2
    assert position["side"] == "long"
    rest.create_order(SWAP, "market", "sell", 2, params={"tdMode": "cross", "reduceOnly": True})
    assert [one for one in rest.fetch_positions() if one["contracts"]] == []


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
def test_ccxt_places_amends_looks_up_and_cancels_a_limit_order(rest, symbol):
    price = round(rest.fetch_ticker(symbol)["bid"] * 0.97, 1)
    order = rest.create_order(symbol, "limit", "buy", 0.01, price)
    assert rest.fetch_order(order["id"], symbol)["status"] == "open"
    assert order["id"] in {one["id"] for one in rest.fetch_open_orders(symbol)}
    rest.edit_order(order["id"], symbol, "limit", "buy", 0.02, price - 5)
    found = rest.fetch_order(order["id"], symbol)
    assert (found["amount"], found["price"]) == (0.02, price - 5)
    rest.cancel_order(order["id"], symbol)
    assert rest.fetch_order(order["id"], symbol)["status"] == "canceled"


@pytest.mark.parametrize("symbol", [SPOT, SWAP])
def test_ccxt_market_ioc_fok_and_post_only(rest, symbol):
    ask, amount = rest.fetch_ticker(symbol)["ask"], 0.01
    order = rest.create_order(symbol, "market", "buy", amount, params={"tgtCcy": "base_ccy"})
    found = rest.fetch_order(order["id"], symbol)
    assert (found["status"], found["filled"]) == ("closed", amount)
    price = round(ask * 1.01, 1)
    for kind in ("ioc", "fok"):
        order = rest.create_order(symbol, kind, "buy", 0.01, price)
        assert rest.fetch_order(order["id"], symbol)["status"] == "closed"
        order = rest.create_order(symbol, kind, "buy", 0.01, round(ask * 0.98, 1))
        assert rest.fetch_order(order["id"], symbol)["status"] == "canceled"
    order = rest.create_order(symbol, "limit", "buy", 0.01, price, params={"postOnly": True})
    assert rest.fetch_order(order["id"], symbol)["status"] == "canceled"


def test_ccxt_lists_closed_orders_and_fills_sets_leverage_and_arms_the_switch(rest):
    rest.create_order(SWAP, "market", "buy", 1, params={"tdMode": "cross"})
    assert rest.fetch_closed_orders(SWAP)
    fills = rest.fetch_my_trades(SWAP)
    assert fills[-1]["fee"]["cost"] > 0
    rest.set_leverage(7, SWAP, params={"mgnMode": "cross"})
    assert rest.fetch_leverage(SWAP, params={"mgnMode": "cross"})["longLeverage"] == 7
    rest.cancel_all_orders_after(30_000)
    rest.cancel_all_orders_after(0)


def test_ccxt_names_the_refusals(rest):
    with pytest.raises(ccxt.InsufficientFunds):
        rest.create_order(SPOT, "limit", "buy", 100, round(rest.fetch_ticker(SPOT)["bid"], 1))
    with pytest.raises(ccxt.InvalidOrder):
        rest.create_order(SPOT, "limit", "buy", 0.00002, 1e9)


def with_pro(exchange, work, name="carol"):
    """Run `work(client)` with a WebSocket client, and close it."""

    async def main():
        client = point(pro.okx({**options(name), "newUpdates": True}), exchange)
        try:
            await client.load_markets()
            return await asyncio.wait_for(work(client), 30)
        finally:
            await client.close()

    return asyncio.run(main())


def test_ccxt_pro_watches_trades_ticker_and_book(exchange):
    async def work(client):
        trades = await client.watch_trades(SPOT)
        ticker = await client.watch_ticker(SPOT)
        book = await client.watch_order_book(SPOT)
        for _ in range(20):
            book = await client.watch_order_book(SPOT)
        candles = await client.watch_ohlcv(SPOT, "1m")
        return trades, ticker, book, candles

    trades, ticker, book, candles = with_pro(exchange, work)
    assert trades[0]["price"] > 0
    assert ticker["bid"] < ticker["ask"]
    assert len(book["bids"]) == len(book["asks"]) == 400
    assert book["bids"][0][0] < book["asks"][0][0]
    assert candles[-1][4] > 0


def test_ccxt_pro_logs_in_and_watches_orders_balance_and_positions(exchange):
    async def work(client):
        watches = [
            asyncio.create_task(client.watch_orders()),
            asyncio.create_task(client.watch_balance()),
            asyncio.create_task(client.watch_positions()),
        ]
        await asyncio.sleep(1.0)
        order = await client.create_order(
            SWAP, "market", "buy", 1, params={"tdMode": "cross", "clOrdId": "pro1"}
        )
        orders, balance, positions = await asyncio.gather(*watches)
        return order, orders, balance, positions

    order, orders, balance, positions = with_pro(exchange, work)
    assert orders[0]["id"] == order["id"]
    assert balance["USDT"]["total"] > 0
    assert [one["symbol"] for one in positions] in ([], [SWAP])


def test_ccxt_pro_places_and_cancels_over_the_websocket(exchange):
    async def work(client):
        price = round((await client.fetch_ticker(SPOT))["bid"] * 0.97, 1)
        order = await client.create_order_ws(SPOT, "limit", "buy", 0.01, price)
        await client.cancel_order_ws(order["id"], SPOT)
        return await client.fetch_order(order["id"], SPOT)

    # carol's account is in multi-currency mode, where ccxt's tdMode is refused.
    assert with_pro(exchange, work, "bob")["status"] == "canceled"
