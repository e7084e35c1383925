"""OKX's own SDK, pointed at the simulator, does what a trading program does."""

import asyncio

import pytest

okx_account = pytest.importorskip("okx.Account")
okx_market = pytest.importorskip("okx.MarketData")
okx_public = pytest.importorskip("okx.PublicData")
okx_trade = pytest.importorskip("okx.Trade")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SPOT, SWAP = "BTC-USDT", "BTC-USDT-SWAP"


@pytest.fixture
def client(exchange):
    """Give a function that makes a client of the SDK; close what it made."""
    made = []

    def make(kind, name="alice", secret="", passphrase=""):
        keys = [f"{name}-key", secret or f"{name}-secret", passphrase or f"{name}-pass"]
        made.append(kind(*keys, flag="1", domain=exchange.url))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def market(client):
    return client(okx_market.MarketAPI)


@pytest.fixture
def public(client):
    return client(okx_public.PublicAPI)


@pytest.fixture
def account(client):
    return client(okx_account.AccountAPI)


@pytest.fixture
def trade(client):
    return client(okx_trade.TradeAPI)


def rows(reply):
    assert reply["code"] == "0", reply
    return reply["data"]


def touch(market, symbol=SPOT):
    row = rows(market.get_ticker(symbol))[0]
    return float(row["bidPx"]), float(row["askPx"])


def place(trade, **values):
    values = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "limit", **values}
    row = rows(trade.place_order(**values))[0]
    assert row["sCode"] == "0"
    return row["ordId"]


def state(trade, order_id, symbol=SPOT):
    return rows(trade.get_order(symbol, ordId=order_id))[0]


def test_sdk_reads_time_instruments_book_candles_and_ticker(public, market):
    assert int(rows(public.get_system_time())[0]["ts"]) > 1_700_000_000_000
    spots = rows(public.get_instruments("SPOT"))
    assert {"BTC-USDT", "ETH-USDT"} <= {row["instId"] for row in spots}
    swaps = rows(public.get_instruments("SWAP"))
    assert {"BTC-USDT-SWAP", "ETH-USDT-SWAP"} <= {row["instId"] for row in swaps}
    book = rows(market.get_orderbook(SPOT, "400"))[0]
    assert len(book["bids"]) == len(book["asks"]) == 400
    assert float(book["bids"][0][0]) < float(book["asks"][0][0])
    candles = rows(market.get_candlesticks(SPOT, bar="1m", limit="20"))
    assert [len(row) for row in candles] == [9] * 20
    assert int(candles[0][0]) - int(candles[1][0]) == 60_000
    assert len(rows(market.get_trades(SPOT, limit="50"))) == 50


def test_sdk_reads_balance_positions_and_configuration(account):
    balance = rows(account.get_account_balance())[0]
    assert float(balance["totalEq"]) > 0
    assert {"USDT", "BTC"} <= {row["ccy"] for row in balance["details"]}
    assert rows(account.get_account_config())[0]["perm"] == "read_only,trade"
    assert isinstance(rows(account.get_positions()), list)


def test_limit_order_rests_is_amended_and_cancelled(trade, market):
    bid, _ = touch(market)
    price = round(bid * 0.97, 1)
    order_id = place(trade, px=str(price), sz="0.01", clOrdId="sdk1")
    assert state(trade, order_id)["state"] == "live"
    assert order_id in {row["ordId"] for row in rows(trade.get_order_list(instType="SPOT"))}
    amended = rows(trade.amend_order(SPOT, ordId=order_id, newSz="0.02", newPx=str(price - 1)))
    assert amended[0]["sCode"] == "0"
    row = state(trade, order_id)
    assert (float(row["sz"]), float(row["px"])) == (0.02, price - 1)
    assert rows(trade.cancel_order(SPOT, clOrdId="sdk1"))[0]["sCode"] == "0"
    row = state(trade, order_id)
    assert (row["state"], row["cancelSource"]) == ("canceled", "1")
    assert order_id in {row["ordId"] for row in rows(trade.get_orders_history("SPOT"))}


@pytest.mark.parametrize(
    ("symbol", "mode", "size"), [(SPOT, "cash", "0.002"), (SWAP, "cross", "1")]
)
def test_market_order_fills_and_shows_in_fills(trade, symbol, mode, size):
    values = {"tgtCcy": "base_ccy"} if symbol == SPOT else {}
    order_id = place(trade, instId=symbol, tdMode=mode, ordType="market", sz=size, **values)
    row = state(trade, order_id, symbol)
    assert row["state"] == "filled"
    assert float(row["accFillSz"]) == float(size)
    found = rows(trade.get_fills(ordId=order_id))
    assert sum(float(one["fillSz"]) for one in found) == pytest.approx(float(size))
    assert sum(float(one["fee"]) for one in found) == pytest.approx(float(row["fee"]))


@pytest.mark.parametrize(("symbol", "mode"), [(SPOT, "cash"), (SWAP, "cross")])
def test_post_only_that_would_take_is_cancelled_by_source_31(trade, market, symbol, mode):
    _, ask = touch(market, symbol)
    order_id = place(
        trade, instId=symbol, tdMode=mode, ordType="post_only", px=str(ask + 50), sz="0.01"
    )
    row = state(trade, order_id, symbol)
    assert (row["state"], row["cancelSource"]) == ("canceled", "31")


@pytest.mark.parametrize(("kind", "source"), [("ioc", "14"), ("fok", "13")])
@pytest.mark.parametrize(("symbol", "mode"), [(SPOT, "cash"), (SWAP, "cross")])
def test_ioc_and_fok_that_find_nothing_are_cancelled(trade, market, symbol, mode, kind, source):
    bid, _ = touch(market, symbol)
    price = str(round(bid * 0.98, 1))
    order_id = place(trade, instId=symbol, tdMode=mode, ordType=kind, px=price, sz="0.01")
    row = state(trade, order_id, symbol)
    assert (row["state"], row["cancelSource"], row["accFillSz"]) == ("canceled", source, "0")


@pytest.mark.parametrize("kind", ["ioc", "fok"])
def test_ioc_and_fok_that_cross_fill(trade, market, kind):
    _, ask = touch(market)
    order_id = place(trade, ordType=kind, px=str(round(ask * 1.01, 1)), sz="0.001")
    assert state(trade, order_id)["state"] == "filled"


def test_leverage_is_set_and_dead_mans_switch_armed(trade, account):
    row = rows(account.set_leverage(instId=SWAP, lever="5", mgnMode="cross"))[0]
    assert row["lever"] == "5"
    assert rows(account.get_leverage("cross", instId=SWAP))[0]["lever"] == "5"
    # The SDK has no method for it, so its own signed request is used.
    path = "/api/v5/trade/cancel-all-after"
    armed = rows(trade._request_with_params("POST", path, {"timeOut": "30"}))[0]
    assert int(armed["triggerTime"]) - int(armed["ts"]) == 30_000
    off = rows(trade._request_with_params("POST", path, {"timeOut": "0"}))[0]
    assert off["triggerTime"] == "0"


def test_batch_with_one_bad_leg_fails_in_part(trade, market):
    bid, _ = touch(market)
    good = {
        "instId": SPOT,
        "tdMode": "cash",
        "side": "buy",
        "ordType": "limit",
        "px": str(round(bid * 0.97, 1)),
        "sz": "0.001",
    }
    reply = trade.place_multiple_orders([good, {**good, "sz": "0.000001"}])
    assert reply["code"] == "2"
    assert [row["sCode"] for row in reply["data"]] == ["0", "51020"]
    ids = [{"instId": SPOT, "ordId": reply["data"][0]["ordId"]}]
    assert trade.cancel_multiple_orders(ids)["code"] == "0"


@pytest.mark.parametrize(
    ("name", "code"), [("nobody", "50111"), ("expired", "50119"), ("live", "50101")]
)
def test_bad_keys_are_refused(client, name, code):
    assert client(okx_account.AccountAPI, name).get_account_balance()["code"] == code


def test_wrong_secret_and_passphrase_are_refused(client):
    wrong = client(okx_account.AccountAPI, secret="x")
    assert wrong.get_account_balance()["code"] == "50113"
    wrong = client(okx_account.AccountAPI, passphrase="x")
    assert wrong.get_account_balance()["code"] == "50105"


def test_sdk_websocket_clients_read_trades_and_log_in(exchange):
    """Their `start` insists on TLS, so they are given an open socket."""
    sockets = pytest.importorskip("okx.websocket.WsPublicAsync")
    private = pytest.importorskip("okx.websocket.WsPrivateAsync")
    websockets = pytest.importorskip("websockets")

    async def work():
        said = []
        public = sockets.WsPublicAsync(exchange.urls["public"])
        member = private.WsPrivateAsync(
            "alice-key", "alice-pass", "alice-secret", exchange.urls["private"]
        )
        readers = []
        for client in (public, member):
            client.websocket = await websockets.connect(client.url)
            readers.append(asyncio.create_task(client.consume()))
        await public.subscribe([{"channel": "trades", "instId": SPOT}], said.append)
        await member.subscribe([{"channel": "account"}], said.append)
        wanted = ('"channel":"trades"', '"event":"login"', '"eventType":"snapshot"')
        end = asyncio.get_running_loop().time() + 20
        while not all(any(one in text for text in said) for one in wanted):
            assert asyncio.get_running_loop().time() < end, said
            await asyncio.sleep(0.02)
        for client in (public, member):
            await client.websocket.close()
        await asyncio.gather(*readers)

    asyncio.run(work())
