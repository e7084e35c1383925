"""The live feed against a scripted exchange, over real sockets: what strategies would get."""

import json
import time
from socket import SHUT_WR

import numpy as np
import pytest
from okx_exchange import Exchange, now_ms
from okx_runner import Runner

from livekit.engine.okx import feed as feed_module
from livekit.engine.okx.adapter import OKXAdapter
from livekit.engine.settings import EngineSettings
from livekit.errors import ConfigError, DeadlineError, NotRunningError
from livekit.events import BAR, CONNECTION, GAP, HEAD, TRADE, Kind
from livekit.okx import session as session_module
from livekit.okx.phases import Send


@pytest.fixture
def exchange():
    exchange = Exchange()
    yield exchange
    exchange.close()


@pytest.fixture
def start(exchange):
    """Give a function that starts a runner and waits until it is live."""
    runners = []

    def begin(*, is_live=True, **settings):
        runner = Runner(exchange.url, **settings)
        runners.append(runner)
        if is_live:
            runner.until(lambda: runner.state == "LIVE" and runner.quotes())
        return runner

    yield begin
    for runner in runners:
        runner.close()


def test_frames_become_events_of_the_same_turn(start, exchange):
    runner = start()
    exchange.send_bbo("BTC-USDT", 100.5, 100.6)
    runner.until(lambda: runner.quotes()[-1] == (100.5, 100.6))
    exchange.send_trade("BTC-USDT", 7, 100.6)
    (trade,) = runner.until(lambda: runner.rows(Kind.TRADE, TRADE))
    assert (trade["trade_id"], trade["price"], trade["size"]) == (7, 100.6, 0.5)
    assert abs(int(trade["ts_recv"]) - time.time_ns()) < 5_000_000_000
    (up,) = runner.rows(Kind.CONNECTION, CONNECTION)
    assert up["connected"] == 1
    heads = [one[: HEAD.itemsize].view(HEAD)[0] for one in runner.events]
    stamps = [int(one["ts_recv"]) for one in heads if one["kind"] != Kind.CONNECTION]
    assert stamps == sorted(stamps)


def test_every_subscription_has_a_request_of_its_own(start, exchange):
    runner = start(symbols=("BTC-USDT", "ETH-USDT"))
    asked = [request["args"] for _, request in exchange.sent("subscribe")]
    assert all(len(args) == 1 for args in asked)
    assert len(asked) == runner.connection["subscribed"] == 9
    assert {"channel": "instruments", "instType": "SPOT"} in [args[0] for args in asked]


def test_status_shows_connection_clock_and_latencies(start):
    runner = start()
    shown = runner.adapter.describe()["feed"]
    assert (shown["stale"], shown["bad_frames"], shown["clock"]["problem"]) == ([], 0, "")
    assert abs(shown["clock"]["offset_ns"]) < 1_000_000_000
    assert shown["latency"]["receive_to_publish_ns"]["p50"] > 0
    assert shown["connections"][0]["heard_ago_s"] < 20


def test_cut_connection_takes_prices_back_and_comes_again(start, exchange):
    runner = start()
    exchange.socket.close_socket()
    runner.until(lambda: runner.state == "STALE")
    runner.until(lambda: np.isnan(runner.quotes()[-1][0]))
    (gap,) = runner.rows(Kind.GAP, GAP)
    assert gap["instrument"] == 0
    assert runner.adapter.describe()["feed"]["stale"] == ["BTC-USDT"]
    runner.until(lambda: runner.state == "LIVE" and runner.quotes()[-1] == (100.0, 101.0))
    assert [one["connected"] for one in runner.rows(Kind.CONNECTION, CONNECTION)] == [1, 0, 1]
    assert runner.connection["connects"] == 2


def test_half_open_connection_is_pinged_and_replaced(start, exchange, monkeypatch):
    monkeypatch.setattr(session_module, "_QUIET_NS", 200_000_000)
    runner = start()
    exchange.is_mute = True
    runner.until(lambda: any(text == "ping" for _, text in exchange.received))
    exchange.is_mute = False
    runner.until(lambda: runner.connection["connects"] >= 2 and runner.state == "LIVE")


def test_quiet_connection_that_answers_pings_stays(start, exchange, monkeypatch):
    monkeypatch.setattr(session_module, "_QUIET_NS", 100_000_000)
    runner = start()
    runner.until(lambda: sum(text == "ping" for _, text in exchange.received) >= 3)
    assert runner.connection["connects"] == 1


def test_gap_takes_the_price_back_and_asks_once(start, exchange):
    runner = start()
    exchange.is_mute = True
    exchange.send_update("BTC-USDT", 100.5)
    runner.until(lambda: runner.quotes()[-1] == (100.5, 101.0))
    exchange.send_update("BTC-USDT", 100.6, skip=5)
    runner.until(lambda: np.isnan(runner.quotes()[-1][0]))
    n_quotes = len(runner.quotes())
    for _ in range(20):
        exchange.send_update("BTC-USDT", 100.7)
    runner.until(lambda: runner.adapter.feed.normalizer.counts.waiting == 20)
    runner.until(lambda: exchange.sent("unsubscribe", "books"))
    assert (len(runner.quotes()), runner.connection["resyncs"]) == (n_quotes, 1)
    exchange.send_snapshot("BTC-USDT", price=99.0)
    runner.until(lambda: runner.quotes()[-1] == (99.0, 100.0))
    runner.until(lambda: len(exchange.sent("subscribe", "books")) == 2)
    assert runner.adapter.describe()["feed"]["stale"] == []


def test_action_of_a_book_that_nobody_knows_is_a_gap_and_asks_once(start, exchange, caplog):
    runner = start()
    exchange.is_mute = True
    for _ in range(12):  # more than the bad frames in a row that end a connection
        exchange.push("books", "BTC-USDT", [{"x": 1}], action="merge")
    runner.until(lambda: np.isnan(runner.quotes()[-1][0]))
    runner.until(lambda: exchange.sent("unsubscribe", "books"))
    ignored = runner.adapter.feed.normalizer.counts.ignored
    runner.until(lambda: ignored.get("book action 'merge'") == 12)
    exchange.send_snapshot("BTC-USDT", price=99.0)
    runner.until(lambda: runner.quotes()[-1] == (99.0, 100.0))
    assert len(runner.rows(Kind.GAP, GAP)) == 1
    shown = runner.connection
    assert (shown["resyncs"], shown["connects"], runner.adapter.feed.bad_frames) == (1, 1, 0)
    said = [one for one in caplog.messages if "'merge'" in one]
    assert len(said) == 1


def test_words_that_nobody_knows_are_ignored_and_the_connection_stays(start, exchange, caplog):
    runner = start()
    row = {"instId": "BTC-USDT", "tradeId": "1", "px": "1", "sz": "1", "ts": now_ms()}
    for _ in range(12):
        exchange.push("trades", "BTC-USDT", [row | {"side": "hold"}])
        exchange.socket.send('{"event":"brand-new"}')
        exchange.push("brand-new", "BTC-USDT", [])
    exchange.send_trade("BTC-USDT", 7, 100.6)
    (trade,) = runner.until(lambda: runner.rows(Kind.TRADE, TRADE))
    assert trade["trade_id"] == 7
    assert (runner.connection["connects"], runner.adapter.feed.bad_frames) == (1, 0)
    said = [one for one in caplog.messages if "ignored from now on" in one]
    assert len(said) == len(set(said)) == 3


def test_socket_that_a_write_finds_dead_is_replaced(start, exchange):
    runner = start()
    connection = runner.adapter.feed.connections[0]
    (websocket,) = connection._sockets.values()
    websocket._socket.shutdown(SHUT_WR)  # the next write fails, and nothing is to read
    connection.act([Send(connection.session.primary.number, b"ping")])
    runner.until(lambda: runner.connection["connects"] == 2 and runner.state == "LIVE")


def test_garbage_is_counted_and_the_feed_goes_on(start, exchange):
    runner = start()
    for frame in ("{", "[" * 400, '{"arg":{"channel":"trades"},"data":[{"px":"NaN"}]}', "\0", "{}"):
        exchange.socket.send(frame)
    exchange.send_bbo("BTC-USDT", 100.7, 100.8)
    runner.until(lambda: runner.quotes()[-1] == (100.7, 100.8))
    assert runner.adapter.feed.bad_frames == 4
    assert runner.connection["connects"] == 1


def test_nothing_but_garbage_makes_a_new_connection(start, exchange):
    runner = start()
    for _ in range(10):
        exchange.socket.send("no message")
    runner.until(lambda: runner.connection["connects"] == 2 and runner.state == "LIVE")


def test_upgrade_notice_swaps_connections_without_losing_a_price(start, exchange):
    runner = start()
    exchange.send_trade("BTC-USDT", 1, 100.0)
    runner.until(lambda: runner.rows(Kind.TRADE, TRADE))
    old = exchange.socket
    old.send('{"event":"notice","code":"64008","msg":"upgrade","connId":"c"}')
    runner.until(lambda: len(exchange.sockets) == 2 and not runner.connection["is_replacing"])
    exchange.send_trade("BTC-USDT", 1, 100.0)
    exchange.send_trade("BTC-USDT", 2, 100.0)
    exchange.send_update("BTC-USDT", 100.5)
    runner.until(lambda: runner.quotes()[-1] == (100.5, 101.0))
    assert [one["trade_id"] for one in runner.rows(Kind.TRADE, TRADE)] == [1, 2]
    assert runner.rows(Kind.GAP, GAP) == []
    assert [one["connected"] for one in runner.rows(Kind.CONNECTION, CONNECTION)] == [1]
    assert runner.adapter.feed.normalizer.counts.gaps == 0


def test_refused_subscription_is_shown_and_the_rest_goes_on(start, exchange):
    exchange.refused_channels["tickers", "BTC-USDT"] = "60018"
    runner = start()
    assert list(runner.connection["refused"]) == ["tickers BTC-USDT"]
    assert runner.connection["refused"]["tickers BTC-USDT"].startswith("60018")


def test_exchange_that_refuses_upgrades_is_tried_again(start, exchange):
    exchange.is_refusing = True
    runner = start(is_live=False)
    runner.until(lambda: runner.connection["connects"] >= 2)
    assert "HTTP 503" in runner.connection["problem"]
    exchange.is_refusing = False
    runner.until(lambda: runner.state == "LIVE")


def test_candles_become_bars_once_they_are_final(start, exchange):
    runner = start(channels=["bbo-tbt", "books", "candle1m"])
    socket = next(peer for peer, _ in exchange.sent("subscribe", "candle1m"))
    row = ["1786540440000", "100", "102", "99", "101", "5", "5", "500"]
    for confirm in ("0", "1", "1"):
        exchange.push("candle1m", "BTC-USDT", [[*row, confirm]], socket)
    exchange.push("candle1m", "BTC-USDT", [["1786540500000", *row[1:], "1"]], socket)
    runner.until(lambda: len(runner.rows(Kind.BAR, BAR)) == 2)
    bar = runner.rows(Kind.BAR, BAR)[0]
    assert [bar[name] for name in ("open", "high", "low", "close", "volume")] == [
        *(100.0, 102.0, 99.0, 101.0, 5.0)
    ]
    assert (bar["period"], bar["ts_event"]) == (60 * 10**9, 1_786_540_500_000_000_000)
    assert [row["url"].rsplit("/", 1)[1] for row in runner.adapter.feed.describe()] == [
        *("public", "business")
    ]


def test_changed_instrument_is_reported(start, exchange):
    runner = start()
    row = {"instId": "BTC-USDT", "instType": "SPOT", "state": "suspend", "tickSz": "0.1"}
    row |= {"lotSz": "0.00000001", "minSz": "0.00001"}
    frame = {"arg": {"channel": "instruments", "instType": "SPOT"}, "data": [row]}
    exchange.socket.send(json.dumps(frame))
    changes = runner.until(lambda: runner.adapter.describe()["feed"]["instrument_changes"])
    assert changes == {"BTC-USDT": "state suspend: it does not trade as usual"}


def test_clock_that_is_off_is_a_problem_with_what_to_do(start, exchange):
    exchange.clock_ms = 40_000
    problem = start().adapter.describe()["feed"]["clock"]["problem"]
    assert problem.startswith("clock is -40.0 s from the exchange's, at most 1 s is allowed")


def test_book_without_a_snapshot_is_asked_for_again(start, exchange, monkeypatch):
    monkeypatch.setattr(feed_module, "_SNAPSHOT_NS", 100_000_000)
    exchange.send_snapshot = lambda *_arguments: None
    runner = start(is_live=False)
    runner.until(lambda: runner.connection["resyncs"] == 1)


def settings(**changed):
    return EngineSettings(source="okx", **{"env": "sim", "symbols": ["BTC-USDT"], **changed})


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"symbols": []}, ConfigError, "no symbol is named.*--symbols"),
        ({"url": ""}, ConfigError, "needs the simulator's address.*--url"),
        ({"url": "ftp://x"}, ConfigError, "give it as http://"),
        ({"url": "http://127.0.0.1:9"}, NotRunningError, "nothing listens at .*okx-sim"),
        ({"env": "moon"}, ConfigError, "environment 'moon' is unknown"),
        ({"env": "live", "url": "http://x"}, ConfigError, "for a simulator only"),
        ({"env": "demo", "region": "mars"}, ConfigError, "region 'mars' is unknown"),
        ({"policy": "block", "url": "http://x"}, ConfigError, "cannot hold up a live market"),
        ({"url": "http://x", "channels": ["news"]}, ConfigError, "channel 'news' is unknown"),
    ],
)
def test_wrong_setting_is_refused_with_what_to_do(changed, error, says):
    with pytest.raises(error, match=says):
        OKXAdapter(settings(**changed))


def test_unknown_symbol_is_refused_with_those_that_are_near(exchange):
    with pytest.raises(ConfigError, match=r"symbol 'BTC-EUR' is not listed .* lists BTC-USDT"):
        OKXAdapter(settings(url=exchange.url, symbols=["BTC-EUR"]))


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [(404, ConfigError, "answers HTTP 404.*--url"), (503, DeadlineError, "is not available")],
)
def test_address_of_something_else_is_refused(exchange, status, error, says):
    exchange.status = status
    with pytest.raises(error, match=says):
        OKXAdapter(settings(url=exchange.url))


def test_first_print_older_than_the_connection_is_not_passed_on(start, exchange):
    runner = start()
    exchange.send_trade("BTC-USDT", 1, 100.0, ts=str(int(now_ms()) - 3_600_000))
    exchange.send_trade("BTC-USDT", 2, 100.0)
    runner.until(lambda: runner.rows(Kind.TRADE, TRADE))
    assert [one["trade_id"] for one in runner.rows(Kind.TRADE, TRADE)] == [2]
    assert runner.adapter.describe()["feed"]["stale_trades"] == 1
