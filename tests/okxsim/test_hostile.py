"""Members that send nonsense: every request is answered or refused, and nothing breaks.

Injected: requests of all operations with fields of wrong types, huge and negative
numbers, digits of other alphabets, cut texts; REST queries likewise. Checked: no error
in the server's log, nobody left connected, the exchange still answers.
"""

import asyncio
import json
import random
import time
from pathlib import Path

import aiohttp
import pytest

from livekit.okxsim.auth import sign
from livekit.okxsim.exchange import Exchange

DATA = str(Path(__file__).parents[2] / "replay_data")
JUNK = [
    *(None, 1, -1, "", [], {}, "x" * 50, "1e5", "0.1", "\u0663", "\u00b2", True, {"a": 1}, [[]]),
    *(1e300, "nan", "-1", "9" * 26, "0." + "0" * 25 + "1"),
]
NAMES = [
    *("instId", "instIdCode", "tdMode", "side", "ordType", "sz", "px", "clOrdId", "ordId", "tag"),
    *("posSide", "reduceOnly", "newSz", "newPx", "channel", "instType", "expTime", "tgtCcy"),
    *("stpMode", "cxlOnFail", "extraParams", "ccy", "instFamily"),
]
OPS = [
    *("order", "batch-orders", "cancel-order", "amend-order", "subscribe", "unsubscribe"),
    *("login", "mass-cancel", 5),
]
PATHS = ["market/candles", "market/books", "public/instruments", "market/trades", "market/ticker"]


def login():
    stamp = str(int(time.time()))
    signed = sign("alice-secret", stamp + "GET/users/self/verify")
    said = {"apiKey": "alice-key", "passphrase": "alice-pass", "timestamp": stamp, "sign": signed}
    return {"op": "login", "args": [said]}


def nonsense(chance, exchange):
    """Return one request, more or less wrong."""
    args = {
        "instIdCode": exchange.world.listings[chance.randrange(3)].code(is_demo=True),
        "tdMode": "cash",
        "side": "buy",
        "ordType": "limit",
        "sz": "0.01",
        "px": "90000",
        "channel": "orders",
        "instId": "BTC-USDT",
        "instType": "ANY",
    }
    args |= {name: chance.choice(JUNK) for name in chance.sample(NAMES, chance.randrange(4))}
    request = {
        "id": chance.choice(["1", "a2", None, [], "\u00e9"]),
        "op": chance.choice(OPS),
        "args": chance.choice([[args], [args, args], args, None, [1], []]),
        "expTime": chance.choice(["", None, "5", "x", []]),
    }
    text = json.dumps(request)
    return text if chance.random() < 0.9 else text[: chance.randrange(80)]


async def pester(http, exchange, chance):
    """Send a socket's worth of nonsense."""
    kind = chance.choice(["public", "private", "private", "business"])
    socket = await http.ws_connect(exchange.urls[kind])
    if chance.random() < 0.8:
        await socket.send_json(login())
    for _ in range(150):
        if socket.closed:
            break
        try:
            await socket.send_str(nonsense(chance, exchange))
        except ConnectionError:
            break
    await socket.close()


async def ask(http, exchange, chance):
    """Ask nonsense over REST; the statuses."""
    found = []
    for _ in range(40):
        words = ["BTC-USDT", "-1", "x", "", "9" * 30, "SPOT", "1m", "\u0663", "\u00b2", "0"]
        names = chance.sample(["instId", "sz", "limit", "bar", "after", "before", "instType"], 3)
        query = {name: chance.choice(words) for name in names}
        url = f"{exchange.urls['rest']}/api/v5/{chance.choice(PATHS)}"
        async with http.get(url, params=query) as answer:
            found.append(answer.status)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_nonsense_breaks_nothing(seed, caplog):
    async def main():
        chance, statuses = random.Random(seed), []
        options = {"speed": 0.0, "history_s": 30.0, "has_limits": False}
        async with Exchange(DATA, **options) as exchange, aiohttp.ClientSession() as http:
            for _ in range(3):
                await asyncio.gather(pester(http, exchange, chance), pester(http, exchange, chance))
                statuses += await ask(http, exchange, chance)
            for _ in range(500):
                if not exchange.connections:
                    break
                await asyncio.sleep(0.01)
            async with http.get(exchange.urls["rest"] + "/api/v5/public/time") as answer:
                statuses.append(answer.status)
            return statuses, len(exchange.connections)

    statuses, n_left = asyncio.run(main())
    assert set(statuses) == {200}
    assert n_left == 0
    assert [one for one in caplog.records if one.levelname == "ERROR"] == []
