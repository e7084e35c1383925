"""Raw frames of a feed that was disturbed give its events again, to the bit.

Injected: a gap, a cut, a connection replaced, garbage. Checked: every event that went to
the engine against those made of the files alone; the marks; a log that cannot be written.
"""

import gzip
import os

import numpy as np
import pytest
from okx_exchange import Exchange, now_ms
from okx_runner import Runner

from livekit.engine.okx.renormalise import renormalise
from livekit.errors import DataError
from livekit.events import CONNECTION, Kind
from livekit.store.recorder_raw import read_lines, read_raw

SYMBOLS = ("BTC-USDT", "ETH-USDT")


@pytest.fixture
def exchange():
    exchange = Exchange()
    yield exchange
    exchange.close()


def replace_connection(runner, exchange):
    """Announce an upgrade; the new connection brings a ticker while the old one counts."""
    exchange.is_mute = True
    exchange.socket.send('{"event":"notice","code":"64008","msg":"upgrade","connId":"c"}')
    runner.until(lambda: len(exchange.sockets) == 2)
    asked = runner.connection["subscriptions"]
    runner.until(
        lambda: sum(one[0] is exchange.socket for one in exchange.sent("subscribe")) == asked
    )
    ticker = {"instType": "SPOT", "instId": "BTC-USDT", "ts": now_ms(), "last": "100"}
    exchange.push("tickers", "BTC-USDT", [ticker])
    exchange.is_mute = False
    for socket, text in list(exchange.received):
        if socket is exchange.socket:
            exchange._answer(socket, text)
    runner.until(lambda: not runner.connection["is_replacing"])


def disturb(runner, exchange):
    """Let everything go wrong that a feed survives; every event is one that was published."""
    runner.until(lambda: runner.state == "LIVE" and len(runner.quotes()) >= 2)
    exchange.send_trade("ETH-USDT", 1, 100.0, ts="1")
    for k in range(20):
        exchange.send_update("BTC-USDT", 100.1 + k / 100)
        exchange.send_trade("BTC-USDT", 7 + k, 100.0)
        exchange.send_bbo("ETH-USDT", 50.0 + k, 60.0 + k)
    exchange.socket.send("no message")
    exchange.send_update("BTC-USDT", 100.6, skip=5)
    counts = runner.adapter.feed.normalizer.counts
    runner.until(lambda: counts.gaps == 1 and runner.connection["resyncs"] == 1)
    replace_connection(runner, exchange)
    exchange.send_trade("BTC-USDT", 90, 100.0)
    runner.until(lambda: len(runner.rows(Kind.TRADE, CONNECTION)) == 21)
    exchange.socket.close_socket()
    runner.until(lambda: runner.connection["connects"] == 3 and runner.state == "LIVE")
    exchange.send_trade("ETH-USDT", 2, 100.0)
    runner.until(lambda: len(runner.rows(Kind.TRADE, CONNECTION)) == 22)


def test_raw_frames_give_the_events_of_a_disturbed_feed_again(exchange, tmp_path):
    runner = Runner(exchange.url, SYMBOLS, raw=str(tmp_path))
    disturb(runner, exchange)
    runner.close()
    paths = sorted(tmp_path.glob("okx/raw/*"))
    assert [path.name.rsplit("-", 3)[0] for path in paths] == ["public"]
    again = np.concatenate(list(renormalise(paths, SYMBOLS)))
    assert len(again) == len(runner.events) > 60
    assert [bytes(one) for one in again] == [bytes(one) for one in runner.events]
    up_down = [int(one["connected"]) for one in runner.rows(Kind.CONNECTION, CONNECTION)]
    assert up_down == [1, 1, 0, 0, 1, 1]
    kinds = {line.kind for line in read_lines(paths[0])}
    assert kinds == {"frame", "spare", "mark"}
    frames = [data for _, data in read_raw(paths[0])]
    assert b"no message" in frames
    assert runner.adapter.feed.describe()[0]["raw"]["frames"] == len(frames)


def test_second_engine_of_a_day_begins_anew_in_the_same_file(exchange, tmp_path):
    found = []
    for _ in range(2):
        runner = Runner(exchange.url, SYMBOLS, raw=str(tmp_path))
        runner.until(lambda runner=runner: runner.state == "LIVE" and len(runner.quotes()) == 2)
        runner.close()
        found += [bytes(one) for one in runner.events]
    again = np.concatenate(list(renormalise(tmp_path.glob("okx/raw/*"), SYMBOLS)))
    assert [bytes(one) for one in again] == found


def test_every_connection_has_a_file_of_its_own(exchange, tmp_path):
    channels = ["bbo-tbt", "candle1m"]
    runner = Runner(exchange.url, SYMBOLS, raw=str(tmp_path), channels=channels)
    runner.until(lambda: runner.state == "LIVE")
    runner.close()
    names = sorted(path.name.rsplit("-", 3)[0] for path in tmp_path.glob("okx/raw/*"))
    assert names == ["business", "public"]
    # An instrument is connected once all of its connections are.
    assert len(runner.rows(Kind.CONNECTION, CONNECTION)) == 2


def test_raw_log_that_cannot_be_written_is_shown_and_the_feed_goes_on(exchange, tmp_path):
    if os.geteuid() == 0:
        (tmp_path / "okx").write_text("a file where a folder is to be")
    else:
        (tmp_path / "okx").mkdir(mode=0o500)
    runner = Runner(exchange.url, SYMBOLS, raw=str(tmp_path))
    shown = runner.until(lambda: runner.connection["raw"]["failure"] and runner.connection["raw"])
    assert "raw frames are kept no longer" in shown["failure"]
    assert "free space and start again" in shown["failure"]
    runner.until(lambda: runner.state == "LIVE")
    exchange.send_trade("BTC-USDT", 1, 100.0)
    runner.until(lambda: runner.rows(Kind.TRADE, CONNECTION))
    assert runner.connection["raw"]["dropped"] > 0
    runner.close()


def test_mark_that_is_none_is_refused(tmp_path):
    path = tmp_path / "public-2026-01-05.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"ns":1,"mark":[1]}\n'))
    with pytest.raises(DataError, match="cannot be read"):
        list(renormalise([path], SYMBOLS))
