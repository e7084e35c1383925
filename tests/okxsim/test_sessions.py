"""Connections: login, subscriptions, operations, keep-alive, and misbehaviour on command."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest

from livekit.okxsim.auth import sign
from livekit.okxsim.exchange import Exchange

DATA = str(Path(__file__).parents[2] / "replay_data")


class Client:
    """A socket that remembers what it was sent."""

    def __init__(self, socket):
        self.socket, self.frames = socket, []

    async def send(self, value):
        await self.socket.send_str(value if isinstance(value, str) else json.dumps(value))

    async def until(self, is_wanted, seconds=10.0):
        """Read until a frame is wanted, and return it."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            message = await asyncio.wait_for(self.socket.receive(), end - time.monotonic())
            if message.type != aiohttp.WSMsgType.TEXT:
                raise ConnectionResetError(message.type, self.socket.close_code)
            frame = message.data if message.data == "pong" else json.loads(message.data)
            self.frames.append(frame)
            if is_wanted(frame):
                return frame
        raise TimeoutError

    async def event(self, name):
        return await self.until(lambda one: isinstance(one, dict) and one.get("event") == name)

    async def data(self, channel):
        def is_wanted(one):
            return (
                isinstance(one, dict)
                and "data" in one
                and (one.get("arg", {}).get("channel") == channel)
            )

        return await self.until(is_wanted)

    async def log_in(self, name="alice", **changes):
        stamp = str(int(time.time()))
        said = {
            "apiKey": f"{name}-key",
            "passphrase": f"{name}-pass",
            "timestamp": stamp,
            "sign": sign(f"{name}-secret", stamp + "GET/users/self/verify"),
            **changes,
        }
        await self.send({"op": "login", "args": [said]})
        return await self.until(lambda one: one.get("event") in {"login", "error"})

    async def subscribe(self, channel, **arg):
        args = [{"channel": channel, **arg}]
        await self.send({"id": "s1", "op": "subscribe", "args": args})
        return await self.until(lambda one: one.get("event") in {"subscribe", "error"})

    async def order(self, exchange, request_id="1", op="order", **values):
        listing = exchange.world.by_symbol["BTC-USDT"]
        args = {
            "instIdCode": listing.code(is_demo=True),
            "tdMode": "cash",
            "side": "buy",
            "ordType": "limit",
            **values,
        }
        await self.send({"id": request_id, "op": op, "args": [args]})
        return await self.until(lambda one: "op" in one or one.get("event") == "error")

    async def closed(self):
        """Read until the end and return its code."""
        with pytest.raises((ConnectionResetError, TimeoutError)):
            await self.until(lambda _: False, 8.0)
        return self.socket.close_code


def signed_headers(name, path, method="GET", body=""):
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "OK-ACCESS-KEY": f"{name}-key",
        "OK-ACCESS-PASSPHRASE": f"{name}-pass",
        "OK-ACCESS-TIMESTAMP": now,
        "OK-ACCESS-SIGN": sign(f"{name}-secret", now + method + path + body),
        "x-simulated-trading": "1",
    }


@asynccontextmanager
async def trading(**options):
    """Run an exchange, and give it with a function that connects."""
    options = {"speed": 0.0, "history_s": 30.0, "has_limits": False, **options}
    async with Exchange(DATA, **options) as exchange, aiohttp.ClientSession() as http:

        async def connect(kind="public"):
            return Client(await http.ws_connect(exchange.urls[kind]))

        yield exchange, connect


def run(work, **options):
    async def main():
        async with trading(**options) as (exchange, connect):
            return await work(exchange, connect)

    return asyncio.run(main())


def price_below(exchange):
    mark = exchange.world.mark(exchange.world.by_symbol["BTC-USDT"])
    return str(round(float(mark) * 0.97, 1))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"apiKey": "nobody"}, "60032"),
        ({"apiKey": "expired-key"}, "60005"),
        ({"passphrase": "x"}, "60024"),
        ({"sign": "x"}, "60007"),
        ({"timestamp": "1"}, "60004"),
        ({"timestamp": "1500000000"}, "60006"),
        ({"passphrase": ""}, "60027"),
    ],
)
def test_bad_login_is_refused_and_the_connection_closed(changes, code):
    async def work(exchange, connect):
        client = await connect("private")
        refused = await client.log_in(**changes)
        return refused["code"], await client.closed()

    assert run(work) == (code, 4001)


def test_wrong_clock_of_the_exchange_refuses_a_good_login():
    async def work(exchange, connect):
        exchange.misbehave("clock", seconds=40.0)
        client = await connect("private")
        return (await client.log_in())["code"]

    assert run(work) == "60006"


def test_demo_key_on_a_live_host_is_unknown():
    async def work(exchange, connect):
        client = await connect("private")
        other = await connect("private")
        return (await client.log_in("alice"))["code"], (await other.log_in("live"))["code"]

    assert run(work, environment="live") == ("60032", "0")


@pytest.mark.parametrize(
    ("kind", "arg", "code"),
    [
        ("public", {"channel": "candle1m", "instId": "BTC-USDT"}, "60018"),
        ("public", {"channel": "trades", "instId": "NOT-USDT"}, "60018"),
        ("public", {"channel": "nothing", "instId": "BTC-USDT"}, "60018"),
        ("public", {"channel": "books-l2-tbt", "instId": "BTC-USDT"}, "60011"),
        ("private", {"channel": "orders", "instType": "ANY"}, "60011"),
        ("business", {"channel": "trades", "instId": "BTC-USDT"}, "60018"),
    ],
)
def test_wrong_subscription_is_refused_without_an_arg(kind, arg, code):
    async def work(exchange, connect):
        client = await connect(kind)
        return await client.subscribe(**arg)

    refused = run(work)
    assert (refused["event"], refused["code"], refused["id"]) == ("error", code, "s1")
    assert "arg" not in refused


def test_tick_by_tick_book_needs_a_tier_and_no_other_book_beside_it():
    async def work(exchange, connect):
        poor, rich = await connect(), await connect()
        await poor.log_in("alice")
        await rich.log_in("carol")
        codes = [(await poor.subscribe("books-l2-tbt", instId="BTC-USDT"))["code"]]
        codes.append((await rich.subscribe("books-l2-tbt", instId="BTC-USDT"))["event"])
        codes.append((await rich.subscribe("books", instId="BTC-USDT"))["code"])
        return codes

    assert run(work) == ["64003", "subscribe", "64004"]


def test_candle_data_comes_before_its_acknowledgement():
    async def work(exchange, connect):
        client = await connect("business")
        await client.subscribe("candle1m", instId="BTC-USDT")
        return client.frames

    frames = run(work)
    assert "data" in frames[0]
    assert frames[1]["event"] == "subscribe"


def test_text_ping_is_answered_and_nonsense_refused():
    async def work(exchange, connect):
        client = await connect()
        await client.send("ping")
        await client.until(lambda one: one == "pong")
        codes = []
        for text in ("{", "[1]", "[" * 4000, '{"op":"dance"}', '{"op":"subscribe"}'):
            await client.send(text)
            codes.append((await client.event("error"))["code"])
        return codes

    assert run(work) == ["60012", "60012", "60012", "60019", "60012"]


def test_idle_connection_is_closed_with_4004():
    async def work(exchange, connect):
        client = await connect()
        return await client.closed()

    assert run(work, idle_s=0.5) == 4004


def test_orders_over_the_socket_are_placed_amended_and_cancelled():
    async def work(exchange, connect):
        client, price = await connect("private"), price_below(exchange)
        assert (await client.order(exchange))["code"] == "60011"
        await client.log_in()
        await client.subscribe("orders", instType="ANY")
        await client.event("channel-conn-count")
        placed = await client.order(exchange, px=price, sz="0.01", clOrdId="w1")
        names = {"ordId": placed["data"][0]["ordId"]}
        amended = await client.order(exchange, "2", "amend-order", newSz="0.02", **names)
        cancelled = await client.order(exchange, "3", "cancel-order", clOrdId="w1")
        missing = await client.order(exchange, "4", instIdCode=None, sz="1")
        await client.send("ping")
        await client.until(lambda one: one == "pong")
        states = [
            (row["state"], row["sz"], row["amendResult"])
            for frame in client.frames
            if isinstance(frame, dict) and frame.get("arg", {}).get("channel") == "orders"
            for row in frame.get("data", [])
        ]
        return placed, amended, cancelled, missing, states

    placed, amended, cancelled, missing, states = run(work)
    assert (placed["code"], placed["data"][0]["sMsg"]) == ("0", "Order placed")
    assert int(placed["outTime"]) >= int(placed["inTime"])
    assert amended["code"] == cancelled["code"] == "0"
    assert missing["data"][0]["sMsg"] == "Parameter instIdCode can not be empty"
    assert states == [("live", "0.01", ""), ("live", "0.02", "0"), ("canceled", "0.02", "")]


def test_the_dead_mans_switch_cancels_by_a_real_timer():
    async def work(exchange, connect):
        client = await connect("private")
        await client.log_in()
        await client.subscribe("orders", instType="ANY")
        await client.order(exchange, px=price_below(exchange), sz="0.01")
        exchange.world.accounts["alice"].timers[""] = exchange.world.now_ms() + 300
        return await client.until(lambda one: one.get("data", [{}])[0].get("state") == "canceled")

    assert run(work)["data"][0]["cancelSource"] == "20"


def test_lost_and_timed_out_replies_leave_the_order_alive():
    async def work(exchange, connect):
        client, price = await connect("private"), price_below(exchange)
        await client.log_in()
        exchange.misbehave("timeout", path="order")
        timed_out = await client.order(exchange, px=price, sz="0.01", clOrdId="t1")
        exchange.misbehave("lost", path="order")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.order(exchange, "2", px=price, sz="0.01"), 0.5)
        exchange.misbehave("refuse", path="order", code="60014")
        refused = await client.order(exchange, "3", px=price, sz="0.01")
        return timed_out["code"], refused["code"], len(exchange.world.accounts["alice"].pending)

    assert run(work) == ("50004", "60014", 2)


def test_late_order_is_refused_by_its_expiry():
    async def work(exchange, connect):
        client = await connect("private")
        await client.log_in()
        exchange.misbehave("slow", path="order", seconds=0.3)
        code = exchange.world.by_symbol["BTC-USDT"].code(is_demo=True)
        args = {"instIdCode": code, "tdMode": "cash", "side": "buy", "ordType": "limit"}
        until = str(exchange.world.now_ms() + 100)
        args |= {"px": price_below(exchange), "sz": "0.01"}
        await client.send({"id": "1", "op": "order", "args": [args], "expTime": until})
        reply = await client.until(lambda one: "op" in one)
        return reply["code"], len(exchange.world.accounts["alice"].pending)

    assert run(work) == ("50037", 0)


def test_cut_and_half_open_and_upgrade_end_connections_each_in_its_way():
    async def work(exchange, connect):
        first, second, third = await connect(), await connect(), await connect("private")
        exchange.misbehave("notice", connection="private", seconds=0.2)
        notice = await third.event("notice")
        ended = await third.closed()
        exchange.misbehave("half-open")
        await first.send("ping")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(first.socket.receive(), 0.4)
        still_open = not first.socket.closed
        exchange.misbehave("cut")
        return notice["code"], ended, still_open, await second.closed()

    assert run(work) == ("64008", 1001, True, 1006)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("drop", ["a", "c", "d"]),
        ("duplicate", ["a", "b", "b", "c", "d"]),
        ("reorder", ["a", "c", "b", "d"]),
    ],
)
def test_frames_are_dropped_doubled_and_swapped_on_command(kind, said):
    async def work(exchange, connect):
        client = await connect()
        await client.subscribe("trades", instId="BTC-USDT")
        await client.data("trades")
        exchange.misbehave(kind, channel="trades", every=2, count=1)
        for n in range(4):
            exchange.world.trade(0, 91_000.0 + n, 0.00001, 0)
        await client.send("ping")
        await client.until(lambda one: one == "pong")
        rows = [one["data"][0] for one in client.frames if isinstance(one, dict) and "data" in one]
        return [chr(ord("a") + int(row["px"]) - 91_000) for row in rows[1:]]

    assert run(work) == said


def test_gap_leaves_out_one_update_so_that_the_chain_breaks():
    async def work(exchange, connect):
        client = await connect()
        await client.subscribe("books", instId="BTC-USDT")
        last = (await client.data("books"))["data"][0]["seqId"]
        exchange.misbehave("gap", channel="books", count=1)
        chain = []
        for n in range(3):
            exchange.world.quote(0, 90_000.0 + n, 1.0, 91_100.0, 1.0)
            for _ in range(10):
                exchange.channels.tick()
        for _ in range(2):
            row = (await client.data("books"))["data"][0]
            chain.append(row["prevSeqId"] == last)
            last = row["seqId"]
        return chain

    assert run(work) == [False, True]


def test_sequence_reset_keeps_the_chain_and_goes_down():
    async def work(exchange, connect):
        client = await connect()
        await client.subscribe("books", instId="BTC-USDT")
        last = (await client.data("books"))["data"][0]["seqId"]
        exchange.misbehave("reset")
        exchange.world.quote(0, 90_000.0, 1.0, 91_100.0, 1.0)
        row = (await client.data("books"))["data"][0]
        return row["prevSeqId"] == last, row["seqId"] < last

    assert run(work) == (True, True)


@pytest.mark.parametrize("kind", ["large", "nested", "binary", "utf8"])
def test_junk_is_sent_on_command(kind):
    async def work(exchange, connect):
        client = await connect()
        exchange.misbehave("junk", code=kind)
        message = await asyncio.wait_for(client.socket.receive(), 5.0)
        return message.type, message.data

    found, data = run(work)
    if kind == "utf8":
        assert found in {aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
    elif kind == "binary":
        assert data == b"\x00" * 64
    else:
        assert len(data) == {"large": 2 * 1024 * 1024 + 2, "nested": 800}[kind]


def test_suspended_listing_is_announced_and_refuses_orders():
    async def work(exchange, connect):
        client = await connect()
        await client.subscribe("instruments", instType="SPOT")
        exchange.relist("ETH-USDT", state="suspend")
        row = (await client.data("instruments"))["data"][0]
        listing = exchange.world.by_symbol["ETH-USDT"]
        args = {"tdMode": "cash", "side": "buy", "ordType": "market", "sz": "50"}
        done = exchange.desk.place(exchange.world.accounts["alice"], listing, args)
        return row["instId"], row["state"], done.code

    assert run(work) == ("ETH-USDT", "suspend", "51022")


def test_orders_fills_and_bills_are_read_page_by_page():
    async def work(exchange, connect):
        account, price = exchange.world.accounts["alice"], price_below(exchange)
        listing = exchange.world.by_symbol["BTC-USDT"]
        args = {"tdMode": "cash", "side": "buy", "ordType": "limit", "px": price, "sz": "0.001"}
        placed = [exchange.desk.place(account, listing, args) for _ in range(7)]
        for order in placed:
            exchange.desk.cancel(account, listing, {"ordId": str(order.order_id)})
        found, after = [], ""
        async with aiohttp.ClientSession() as http:
            while True:
                path = f"/api/v5/trade/orders-history?instType=SPOT&limit=3&after={after}"
                head = signed_headers("alice", path)
                async with http.get(exchange.urls["rest"] + path, headers=head) as answer:
                    page = (await answer.json())["data"]
                found += [int(row["ordId"]) for row in page]
                if len(page) < 3:
                    break
                after = page[-1]["ordId"]
        return found, sorted((one.order_id for one in placed), reverse=True)

    found, placed = run(work)
    assert found == placed


def test_rest_fails_on_command_and_faults_are_armed_over_http():
    async def work(exchange, connect):
        found = []
        async with aiohttp.ClientSession() as http:

            async def arm(**fault):
                async with http.post(exchange.urls["url"] + "/sim/fault", json=fault) as answer:
                    return answer.status

            async def ask():
                url = exchange.urls["rest"] + "/api/v5/public/time"
                async with http.get(url) as answer:
                    found.append((answer.status, (await answer.text())[:15]))

            for fault in (
                {"kind": "http", "code": "502"},
                {"kind": "refuse", "code": "50011"},
                {"kind": "refuse", "code": "50001"},
                {"kind": "clear"},
            ):
                assert await arm(**fault) == 200
                await ask()
            assert await arm(kind="dance") == 400
            assert await arm(kind="drop", often=1) == 400
        return found

    assert run(work) == [
        (502, "upstream error"),
        (429, '{"code":"50011"'),
        (503, '{"code":"50001"'),
        (200, '{"code":"0","ms'),
    ]


def test_fourth_connection_within_a_second_is_refused():
    async def work(exchange, connect):
        for _ in range(3):
            await connect()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await connect()
        return refused.value.status

    assert run(work, has_limits=True) == 429
