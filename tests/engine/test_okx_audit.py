"""Books are compared with the exchange's own answer, and one that differs is renewed.

Injected: an exchange whose REST book is right, wrong in one size, older than the question,
ahead of the stream, an error. Checked: what is counted, the GAP and the one resubscription,
and that the strategies get no price from a book that was found wrong.
"""

import json

import numpy as np
import pytest
from okx_exchange import Exchange, levels, now_ms
from okx_runner import Runner

from livekit.engine.okx import audit as audit_module
from livekit.engine.okx.renormalise import renormalise
from livekit.events import GAP, Kind


class Telling(Exchange):
    """An exchange that answers ``market/books`` with what the test says."""

    def __init__(self):
        super().__init__()
        self.answer = None
        self.asked = 0

    def other(self, parts):
        """Answer a path of REST that is none of the usual ones."""
        if parts.path != "/api/v5/market/books":
            return None
        self.asked += 1
        return self.answer()

    def book(self, seq=None, size="1", extra=()):
        row = {"asks": levels(101.0, 1), "bids": [*extra, *levels(100.0, -1)], "ts": now_ms()}
        row["bids"][-1] = [row["bids"][-1][0], size, "0", "1"]
        return [row | {"seqId": self.seq["BTC-USDT"] if seq is None else seq}]


@pytest.fixture
def exchange(monkeypatch):
    monkeypatch.setattr(audit_module, "_ROUND_NS", 100_000_000)
    monkeypatch.setattr(audit_module, "_LEAST_NS", 50_000_000)
    monkeypatch.setattr(audit_module, "_LATE_NS", 500_000_000)
    exchange = Telling()
    exchange.answer = exchange.book
    yield exchange
    exchange.close()


@pytest.fixture
def start(exchange):
    runners = []

    def begin(**settings):
        runner = Runner(exchange.url, **settings)
        runners.append(runner)
        runner.until(lambda: runner.state == "LIVE" and runner.quotes())
        return runner

    yield begin
    for runner in runners:
        runner.close()


def audits(runner):
    return runner.adapter.describe()["feed"]["audits"]


def test_right_book_agrees_again_and_again(start, exchange):
    runner = start()
    runner.until(lambda: audits(runner)["agreed"] >= 3)
    assert audits(runner)["differed"] == 0
    assert runner.connection["resyncs"] == 0
    assert runner.rows(Kind.GAP, GAP) == []


def test_updates_behind_the_answer_are_brought_forward(start, exchange):
    runner = start()
    asked = []

    def answer():
        found = exchange.book()  # of before the updates that overtake it
        exchange.send_update("BTC-USDT", 100.5)
        exchange.send_update("BTC-USDT", 100.4, size=0)
        exchange.send_update("BTC-USDT", 100.6, size=3)
        asked.append(1)
        exchange.answer = lambda: exchange.book(seq=0)  # too old to tell anything
        return found

    exchange.answer = answer
    runner.until(lambda: audits(runner)["agreed"] == 1)
    runner.until(lambda: audits(runner)["undecided"] >= 1)
    assert (audits(runner)["differed"], asked) == (0, [1])
    assert runner.quotes()[-1] == (100.6, 101.0)


def test_book_that_differs_gives_no_price_and_is_asked_for_once(start, exchange, tmp_path):
    runner = start(raw=str(tmp_path))
    exchange.answer = lambda: exchange.book(size="1.5")  # the tenth bid: no event shows it
    exchange.is_mute = True
    runner.until(lambda: audits(runner)["differed"] == 1)
    assert np.isnan(runner.quotes()[-1][0])
    assert len(runner.rows(Kind.GAP, GAP)) == 1
    assert runner.connection["resyncs"] == 1
    assert runner.adapter.describe()["feed"]["stale"] == ["BTC-USDT"]
    exchange.answer = exchange.book
    exchange.send_snapshot("BTC-USDT")
    runner.until(lambda: runner.quotes()[-1] == (100.0, 101.0))
    runner.until(lambda: audits(runner)["agreed"] >= 1)
    assert audits(runner)["differed"] == 1
    runner.close()
    again = np.concatenate(list(renormalise(tmp_path.glob("okx/raw/*"), ["BTC-USDT"])))
    assert [bytes(one) for one in again] == [bytes(one) for one in runner.events]


def test_feed_that_stays_behind_the_exchange_differs(start, exchange):
    runner = start()
    exchange.answer = lambda: exchange.book(seq=exchange.seq["BTC-USDT"] + 10)
    runner.until(lambda: audits(runner)["differed"] == 1)
    runner.until(lambda: exchange.sent("unsubscribe", "books"))


def test_answer_that_is_none_decides_nothing(start, exchange):
    runner = start()
    exchange.answer = lambda: [{"asks": [["NaN", "1"]], "bids": [], "ts": "1", "seqId": 1}]
    runner.until(lambda: audits(runner)["undecided"] >= 2)
    assert audits(runner)["differed"] == 0
    assert runner.state == "LIVE"
    assert json.dumps(audits(runner))
