"""The live feed through a real engine process, against a scripted exchange."""

import pytest
from engines import eventually, status
from okx_exchange import Exchange

pytestmark = pytest.mark.process

SEEING = """
import json, sys
from livekit import Strategy

class Seeing(Strategy):
    symbols = ["BTC-USDT"]
    timer = 0.05
    def on_quote(self, quote):
        print(json.dumps(["quote", quote.bid_price, quote.ask_price]), flush=True)
    def on_trade(self, trade):
        print(json.dumps(["trade", trade.trade_id, trade.price]), flush=True)
    def on_gap(self, gap):
        print(json.dumps(["gap", gap.instrument]), flush=True)
    def on_connection(self, connection):
        print(json.dumps(["connection", connection.connected]), flush=True)
    def on_timer(self, timer):
        print(json.dumps(["timer", timer.ts_event]), flush=True)
"""


@pytest.fixture
def exchange():
    exchange = Exchange()
    yield exchange
    exchange.close()


def test_engine_runs_the_exchanges_feed_to_an_attached_strategy(exchange, engine):
    engine(source="okx", env="sim", url=exchange.url, symbols=["BTC-USDT"], speed="1")
    live = eventually(lambda: (s := status())["feed"]["state"] == "LIVE" and s)
    assert live["feed"]["connections"][0]["subscribed"] == 5
