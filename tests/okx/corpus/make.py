"""Record the messages that the mutation tests begin with, from the exchange simulator.

Writes ``market.jsonl``, ``private.jsonl``, ``replies.jsonl`` (a frame a line) and
``rest.jsonl`` (the parser's name, a tab, the body). Run from the repository's root:
``python tests/okx/corpus/make.py``. Every kind of message is there a few times; long
books are kept out, since a mutation of one is a mutation of its first levels.
"""

import itertools
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from okx_line import Line, logged_in, rest_of  # noqa: E402 - found by the lines above

from livekit.okx import calls  # noqa: E402
from livekit.okx.calls import Call  # noqa: E402
from livekit.okx.requests import PRIVATE_CHANNELS, subscribe  # noqa: E402
from livekit.okxsim.running import running_exchange  # noqa: E402

OUT = Path(__file__).parent
LONGEST = 12_000
EACH = 4  # of one shape
IDS = (f"m{number}" for number in itertools.count())
PUBLIC = [
    *({"channel": name, "instId": "BTC-USDT"} for name in ("tickers", "trades", "bbo-tbt")),
    {"channel": "books5", "instId": "BTC-USDT"},
    {"channel": "tickers", "instId": "QUIET-USDT"},
    {"channel": "books", "instId": "ETH-USDT"},
    {"channel": "funding-rate", "instId": "BTC-USDT-SWAP"},
    {"channel": "mark-price", "instId": "BTC-USDT-SWAP"},
    {"channel": "instruments", "instType": "SPOT"},
    {"channel": "trades", "instId": "NOT-USDT"},
    {"channel": "candle1m", "instId": "BTC-USDT"},
]


def listen(line, seconds):
    """Read for a while."""
    end = time.monotonic() + seconds
    line.wait(lambda: time.monotonic() > end, "end", seconds + 10)


def pick(frames):
    """Keep a few frames of each shape: same keys, same channel, same event."""
    seen, kept = {}, []
    for frame in frames:
        text = frame.decode()
        if len(text) > LONGEST or text == "pong":
            continue
        value = json.loads(text)
        arg = value.get("arg") or {}
        row = (value.get("data") or [None])[0]
        keys = tuple(sorted(row)) if isinstance(row, dict) else type(row).__name__
        shape = (
            tuple(sorted(value)),
            arg.get("channel"),
            value.get("event"),
            value.get("op"),
            keys,
        )
        shape += (value.get("code"), row.get("state") if isinstance(row, dict) else "")
        seen[shape] = seen.get(shape, 0) + 1
        if seen[shape] <= EACH:
            kept.append(text)
    return kept


def market(running):
    public, business = Line(running.urls["public"]), Line(running.urls["business"])
    for argument in PUBLIC:
        public.send(subscribe([argument], next(IDS)))
    business.send(subscribe([PUBLIC[-1]], next(IDS)))
    listen(public, 2.0)
    running.call(running.exchange.relist, "ETH-USDT", state="suspend")
    running.call(running.exchange.relist, "ETH-USDT", state="live")
    running.misbehave("notice", connection="public", seconds=30.0)
    listen(public, 1.0)
    listen(business, 0.5)
    public.close()
    business.close()
    return pick(public.frames + business.frames)


def trade(running, line):
    """Order, amend and cancel, taken and refused, one by one and in batches."""
    world = running.exchange.world
    spot, swap = (world.by_symbol[name] for name in ("BTC-USDT", "BTC-USDT-SWAP"))
    code, contract = spot.code(is_demo=True), swap.code(is_demo=True)
    price = round(float(running.call(world.mark, spot)) * 0.99)
    order = {"instIdCode": code, "tdMode": "cross", "side": "buy", "ordType": "limit"}
    order |= {"sz": "0.01", "px": str(price)}
    taking = {"instIdCode": contract, "tdMode": "cross", "side": "sell", "ordType": "market"}
    named = {"instIdCode": code, "clOrdId": "a1"}
    asked = [
        ("order", [order | {"clOrdId": "a1"}]),
        ("order", [order | {"clOrdId": "a1"}]),
        ("order", [order | {"sz": "1e-7"}]),
        ("order", [order | {"sz": "10000"}]),
        ("amend-order", [named | {"newPx": str(price - 5), "reqId": "q1"}]),
        ("cancel-order", [named]),
        ("cancel-order", [named]),
        ("batch-orders", [order | {"clOrdId": "b1"}, order | {"clOrdId": "b2", "sz": "0"}]),
        ("batch-cancel-orders", [named | {"clOrdId": "b1"}, named]),
        ("order", [taking | {"sz": "2"}]),
        ("order", [taking | {"sz": "2", "side": "buy"}]),
        ("order", [order | {"ordType": "market", "side": "sell", "px": "", "sz": "0.01"}]),
        ("order", [order | {"ordType": "post_only", "px": str(price + 1800)}]),
        ("order", []),
    ]
    for op, args in asked:
        line.send({"id": next(IDS), "op": op, "args": args})
        listen(line, 0.15)


def private(running):
    line = logged_in(running.urls["private"], "carol")
    for argument in [*PRIVATE_CHANNELS, {"channel": "fills"}]:
        line.send(subscribe([argument], next(IDS)))
    listen(line, 0.5)
    trade(running, line)
    line.send({"op": "login", "args": [{"apiKey": "x"}]})
    listen(line, 1.0)
    line.close()
    kept = pick(line.frames)
    replies = [text for text in kept if '"op":' in text]
    return [text for text in kept if text not in replies], replies


def rest(running):
    client = rest_of(running.url, "carol")
    swap = "BTC-USDT-SWAP"
    body = json.dumps({"instId": swap, "lever": "5", "mgnMode": "cross"}).encode()
    asked = [
        ("parse_time", calls.server_time()),
        ("parse_listings", calls.instruments("SPOT", "BTC-USDT")),
        ("parse_listings", calls.instruments("SWAP", "TESTING-USDT-SWAP")),
        ("parse_account_config", calls.account_config()),
        ("parse_balance", calls.balance()),
        ("parse_positions", calls.positions(symbol=swap)),
        ("parse_orders", calls.orders_history("SPOT", limit=3)),
        ("parse_orders", calls.orders_pending(limit=3)),
        ("parse_fills", calls.fills(limit=3)),
        ("parse_books", calls.books("BTC-USDT", 5)),
        ("parse_candles", calls.candles("BTC-USDT", limit=5)),
        ("parse_trade_fee", calls.trade_fee("SWAP")),
        ("parse_leverage", Call("POST", "/api/v5/account/set-leverage", body)),
        ("parse_cancel_all_after", calls.cancel_all_after(0)),
        ("parse_status", calls.system_status()),
        ("parse_order_rate", calls.account_rate_limit()),
        ("parse_orders", calls.order("BTC-USDT", "1")),
    ]
    found = []
    for name, call in asked:
        answer = client.request(call)
        found.append(f"{name}\t{answer.body.decode()}")
    client.close()
    return found


def main():
    with running_exchange(str(ROOT / "replay_data"), speed=20.0, has_limits=False) as running:
        frames, replies = private(running)
        texts = {"market": market(running), "private": frames, "replies": replies}
        texts["rest"] = rest(running)
    for name, lines in texts.items():
        (OUT / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
        print(f"{name}: {len(lines)} messages, {sum(map(len, lines)):,} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
