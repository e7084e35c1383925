"""Captures of 2021 and 2022, frame by frame over a real WebSocket into the real feed.

Injected: each n-th book message dropped; messages doubled, out of order; a cut. Checked:
every checksum is right and nothing is refused; what a dropped message spoils is found at
the first message whose checksum other code finds wrong, and no price is given from it on;
with sequence numbers every dropped message is found at the very next.
"""

import json

import numpy as np
import pytest
from okx_exchange import Exchange
from okx_frames import Capture, CheckedBooks, FrameServer, is_there
from okx_runner import Runner

from livekit.events import CONNECTION, GAP, QUOTE, TRADE, Kind
from livekit.okx import session as session_module
from livekit.okx.market import Normalizer

YEARS = [
    pytest.param(year, marks=pytest.mark.skipif(not is_there(year), reason="no captures here"))
    for year in (2021, 2022)
]
VERIFIED = {2021: 1504, 2022: 290}


@pytest.fixture
def play():
    """Give a function that starts a feed on a capture's instruments; end what it started."""
    started = []

    def begin(capture):
        server = FrameServer(capture.symbols)
        runner = Runner(server.url, capture.symbols, channels=capture.channels)
        started.extend([runner, server])
        runner.until(lambda: runner.state == "LIVE")
        return server, runner

    yield begin
    for one in started:
        one.close()


def taken(runner):
    return sum(runner.adapter.feed.normalizer.counts.events.values())


@pytest.mark.parametrize("year", YEARS)
def test_capture_replays_with_every_checksum_right_and_no_error(play, year):
    capture = Capture(year)
    server, runner = play(capture)
    counts = runner.adapter.feed.normalizer.counts
    n_before = runner.connection["frames"]
    server.play(capture.frames)
    runner.until(lambda: runner.connection["frames"] == n_before + len(capture.frames))
    counts = runner.adapter.feed.normalizer.counts
    assert (counts.checksums_verified, counts.checksums_failed) == (VERIFIED[year], 0)
    assert (counts.gaps, counts.waiting, runner.adapter.feed.bad_frames) == (0, 0, 0)
    assert counts.ignored == {}
    assert runner.connection["resyncs"] == 0
    # The same frames without a socket give the same events.
    alone = Normalizer({symbol: number for number, symbol in enumerate(capture.symbols)})
    alone.connect(0)
    n_alone = sum(alone.feed(frame.encode(), 1) for frame in capture.frames)
    stale = counts.stale_trades - alone.counts.stale_trades
    assert taken(runner) - len(runner.rows(Kind.CONNECTION, CONNECTION)) == n_alone - stale


@pytest.mark.parametrize("year", YEARS)
@pytest.mark.parametrize("every", [3, 10, 37])
def test_dropped_book_message_is_found_where_its_loss_first_shows(play, monkeypatch, year, every):
    monkeypatch.setattr(session_module, "_RESYNCS_A_MINUTE", 1 << 20)
    capture, oracle = Capture(year), CheckedBooks()
    broken, sent, expected, n_books = set(), [], [], 0
    for index, (frame, key) in enumerate(zip(capture.frames, capture.keys, strict=True)):
        is_update = capture.is_book(index) and '"action":"update"' in frame
        n_books += is_update
        if is_update and n_books % every == 0:
            continue
        sent.append(frame)
        if capture.is_book(index) and key not in broken and not oracle.apply(frame, key):
            broken.add(key)
            expected.append(key[1])
    server, runner = play(capture)
    n_before = runner.connection["frames"]
    server.play(sent)
    runner.until(lambda: runner.connection["frames"] >= n_before + len(sent))
    gaps = [capture.symbols[one["instrument"]] for one in runner.rows(Kind.GAP, GAP)]
    assert gaps == expected
    assert len(expected) > 0
    assert runner.adapter.feed.normalizer.counts.checksums_failed == len(expected)
    for symbol in expected:
        number = capture.symbols.index(symbol)
        quotes = [one for one in runner.rows(Kind.QUOTE, QUOTE) if one["instrument"] == number]
        assert np.isnan(quotes[-1]["bid_price"])
    assert runner.connection["resyncs"] == len(expected)


@pytest.fixture
def exchange():
    exchange = Exchange()
    yield exchange
    exchange.close()


@pytest.fixture
def runner(exchange, monkeypatch):
    monkeypatch.setattr(session_module, "_RESYNCS_A_MINUTE", 1 << 20)
    runner = Runner(exchange.url)
    runner.until(lambda: runner.state == "LIVE" and runner.quotes())
    yield runner
    runner.close()


def counts(runner):
    return runner.adapter.feed.normalizer.counts


def first_quote_behind_last_gap(runner):
    """Return the bid that strategies were told of first when the book had broken."""
    kinds = [one[0] for one in runner.events]
    at = len(kinds) - 1 - kinds[::-1].index(Kind.GAP)
    quote = next(one for one in runner.events[at:] if one[0] == Kind.QUOTE)
    return quote[: QUOTE.itemsize].view(QUOTE)[0]["bid_price"]


@pytest.mark.parametrize("every", [2, 3, 7])
def test_every_dropped_message_is_found_at_the_next(runner, exchange, every):
    """Each n-th update is left out; the next one must break the book, and one alone asks."""
    n_lost = 0
    for k in range(40):
        runner.until(lambda: runner.state == "LIVE" and not np.isnan(runner.quotes()[-1][0]))
        if k % every == every - 1:
            exchange.seq["BTC-USDT"] += 3  # sent by nobody
            n_lost += 1
            exchange.send_update("BTC-USDT", 100.2 + k / 100)
            n = n_lost
            runner.until(lambda n=n: counts(runner).gaps == n)
            assert np.isnan(first_quote_behind_last_gap(runner))
            runner.until(lambda n=n: runner.connection["resyncs"] == n)
        else:
            price = 100.2 + k / 100
            exchange.send_update("BTC-USDT", price)
            runner.until(lambda price=price: runner.quotes()[-1][0] >= price - 1e-9)
    assert counts(runner).gaps == n_lost == len(runner.rows(Kind.GAP, GAP)) == 40 // every
    assert runner.connection["connects"] == 1


def test_doubled_messages_of_prints_and_touches_are_given_once(runner, exchange):
    send, exchange.socket.send = exchange.socket.send, None
    exchange.socket.send = lambda text: [send(text), send(text)]
    exchange.send_trade("BTC-USDT", 5, 100.0)
    exchange.send_bbo("BTC-USDT", 100.3, 100.4)
    exchange.send_trade("BTC-USDT", 6, 100.0)
    runner.until(
        lambda: len(runner.rows(Kind.TRADE, TRADE)) == 2 and counts(runner).duplicates == 3
    )
    assert [one["trade_id"] for one in runner.rows(Kind.TRADE, TRADE)] == [5, 6]
    assert runner.quotes().count((100.3, 100.4)) == 1


def test_doubled_or_reordered_update_breaks_the_book_and_a_snapshot_mends_it(runner, exchange):
    for n, order in enumerate(([0, 0], [1, 0]), start=1):
        runner.until(lambda: runner.quotes()[-1] == (100.0, 101.0))
        sent = []
        send, exchange.push = (
            exchange.push,
            lambda *args, into=sent, **more: into.append((args, more)),
        )
        exchange.send_update("BTC-USDT", 100.5)
        exchange.send_update("BTC-USDT", 100.6)
        exchange.push = send
        for k in order:
            exchange.push(*sent[k][0], **sent[k][1])
        runner.until(lambda n=n: counts(runner).gaps == n and runner.connection["resyncs"] == n)
    runner.until(lambda: runner.quotes()[-1] == (100.0, 101.0))
    assert len(runner.rows(Kind.GAP, GAP)) == 2


def test_cut_in_the_middle_of_a_frame_loses_that_frame_alone(runner, exchange):
    exchange.send_trade("BTC-USDT", 1, 100.0)
    runner.until(lambda: runner.rows(Kind.TRADE, TRADE))
    raw = json.dumps({"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": []}).encode()
    exchange.socket.socket.sendall(bytes([0x81, len(raw)]) + raw[:20])
    exchange.socket.close_socket()
    runner.until(lambda: runner.connection["connects"] == 2 and runner.state == "LIVE")
    exchange.send_trade("BTC-USDT", 2, 100.0)
    runner.until(lambda: len(runner.rows(Kind.TRADE, TRADE)) == 2)
    assert runner.adapter.feed.bad_frames == 0
    assert [one["connected"] for one in runner.rows(Kind.CONNECTION, CONNECTION)] == [1, 0, 1]


def test_what_is_unknown_is_logged_once_and_ignored(runner, exchange, caplog):
    """Fields, events, channels and enum values of a later version of the exchange."""
    for _ in range(3):
        exchange.socket.send('{"event":"new-event","arg":{},"connId":"c","new":7}')
        exchange.push("news", "BTC-USDT", [{"headline": "x"}])
        exchange.push("trades", "DOGE-USDT", [])
    for k in (1, 2, 3):
        row = {"instId": "BTC-USDT", "tradeId": str(k), "px": "100", "sz": "1", "side": "buy"}
        row |= {"ts": "1786613174999", "source": "9", "newField": {"deep": [1]}, "count": "1"}
        exchange.push("trades", "BTC-USDT", [row], newTop=[None])
    instrument = {"instId": "BTC-USDT", "state": "hibernating", "tickSz": "0.1", "ruleType": "odd"}
    instrument |= {"lotSz": "0.00000001", "minSz": "0.00001", "instType": "SPOT", "more": 1}
    for _ in range(3):
        frame = {"arg": {"channel": "instruments", "instType": "SPOT"}, "data": [instrument]}
        exchange.socket.send(json.dumps(frame))
    runner.until(lambda: runner.adapter.describe()["feed"]["instrument_changes"])
    runner.until(lambda: counts(runner).ignored.get("event new-event") == 3)
    # The first print is older than the connection; the others are passed on.
    assert [one["trade_id"] for one in runner.rows(Kind.TRADE, TRADE)] == [2, 3]
    said = [record.getMessage() for record in caplog.records]
    for what in ("event new-event", "channel news"):
        assert sum(f"ignored from now on: {what}" in line for line in said) == 1
    assert sum("state hibernating" in line for line in said) == 1
    assert runner.adapter.feed.bad_frames == 0
    assert runner.connection["connects"] == 1
