"""What the options of ``livekit record`` mean."""

import pytest

from livekit.cli.main import build_parser
from livekit.cli.record import CHANNELS, kinds_of, parse_duration
from livekit.errors import ConfigError
from livekit.events import MARKET_KINDS, Kind


def test_channels_of_the_exchange_become_kinds_once_each():
    assert kinds_of(None) == MARKET_KINDS
    assert kinds_of("trades,bbo-tbt, books,tickers") == (
        Kind.TRADE,
        Kind.QUOTE,
        Kind.BOOK,
        Kind.TICKER,
    )
    assert kinds_of("books,books5,books-l2-tbt") == (Kind.BOOK,)
    assert kinds_of("candle1m,candle4H,candle1Dutc") == (Kind.BAR,)
    assert set(kinds_of(",".join(CHANNELS))) == set(MARKET_KINDS)


@pytest.mark.parametrize("text", ["orders", "", "trades,", "candle", "candle1m,candles", "TRADES"])
def test_unknown_channel_is_refused(text):
    with pytest.raises(ConfigError, match=r"cannot be recorded; use some of trades, trades-all"):
        kinds_of(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, 0.0),
        ("90", 90.0),
        ("60s", 60.0),
        ("250ms", 0.25),
        ("1.5h", 5400.0),
        ("2m", 120.0),
        ("1d", 86400.0),
    ],
)
def test_duration_is_read_with_its_unit(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-5s", "5 s", "1w", "nan", "inf", "1e3"])
def test_impossible_duration_is_refused(text):
    with pytest.raises(ConfigError, match="expected one such as 60s, 30m or 24h"):
        parse_duration(text)


def test_the_folder_is_the_only_thing_that_must_be_given(capsys):
    options = build_parser().parse_args(["record", "--out", "data"])
    assert (options.source, options.engine, options.rotate_mb) == (None, None, 64.0)
    with pytest.raises(SystemExit) as raised:
        build_parser().parse_args(["record"])
    assert raised.value.code == 4
    assert "--out" in capsys.readouterr().err
