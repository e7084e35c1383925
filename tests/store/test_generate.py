"""The synthetic market: the same everywhere, on its steps, and shaped like a market."""

from pathlib import Path

import numpy as np
import pytest

from livekit.errors import ConfigError
from livekit.events import BOOK, QUOTE, Kind
from livekit.store.catalog import Catalog
from livekit.store.check import check
from livekit.store.generate import DEFAULT_DAY, PROFILES, generate, simulate

BUNDLED = Path(__file__).parents[2] / "replay_data"
KINDS = (Kind.QUOTE, Kind.TRADE, Kind.TICKER, Kind.BOOK)


@pytest.fixture(scope="module")
def day():
    return simulate(PROFILES.values())


def test_bundled_day_is_what_the_generator_makes(day):
    """Every event of `replay_data`, byte for byte, on whatever machine this runs."""
    catalog = Catalog(BUNDLED)
    assert {(one.symbol, one.kind, one.day) for one in catalog.list()} == {
        (symbol, kind, DEFAULT_DAY) for symbol in PROFILES for kind in KINDS
    }
    for (symbol, kind), rows in day.items():
        assert catalog.read(symbol, kind, DEFAULT_DAY).tobytes() == rows.tobytes(), (symbol, kind)
    assert catalog.instruments() == {name: one.instrument() for name, one in PROFILES.items()}


def test_bundled_day_is_small_and_says_what_it_is():
    n_bytes = sum(path.stat().st_size for path in BUNDLED.rglob("*") if path.is_file())
    assert n_bytes <= 8_000_000
    assert "synthetic" in (BUNDLED / "README.md").read_text().lower()


def test_bundled_day_has_no_fault():
    n_files, findings = check(BUNDLED)
    assert (n_files, findings) == (8, [])


def test_events_are_numbered_in_the_order_of_receipt(day):
    rows = [part[["ts_recv", "sequence", "ts_event"]] for part in day.values()]
    every = np.concatenate(rows)
    every = every[np.argsort(every["sequence"])]
    assert every["sequence"].tolist() == list(range(len(every)))
    assert (np.diff(every["ts_recv"]) > 0).all()
    assert (every["ts_event"] <= every["ts_recv"]).all()
    assert (every["ts_event"] % 1_000_000 == 0).all()
    start = int(np.datetime64(DEFAULT_DAY, "ns").astype(np.int64))
    assert start < every["ts_recv"][0]
    assert every["ts_recv"][-1] < start + 86_400 * 10**9


@pytest.mark.parametrize("symbol", sorted(PROFILES))
def test_market_is_shaped_like_a_market(day, symbol):
    quotes, trades = day[symbol, Kind.QUOTE], day[symbol, Kind.TRADE]
    profile = PROFILES[symbol]
    spread = (quotes["ask_price"] - quotes["bid_price"]) * profile.ticks_per_unit
    assert spread.min() > 0.5
    assert 2 < np.median(spread) < 60
    assert len(quotes) > 100_000
    assert 20_000 < len(trades) < len(quotes)
    assert 0.45 < (trades["aux"] == 0).mean() < 0.55
    middle = (quotes["bid_price"] + quotes["ask_price"]) / 2
    seconds = np.arange(quotes["ts_recv"][0], quotes["ts_recv"][-1], 60 * 10**9)
    minutes = np.log(middle[np.searchsorted(quotes["ts_recv"], seconds)])
    assert 0.008 < np.diff(minutes).std() * np.sqrt(1440) < 0.04
    hours = quotes["ts_recv"].view("M8[ns]").astype("M8[h]").astype(int) % 24
    by_hour = np.bincount(hours, minlength=24)
    assert by_hour[14] > 2 * by_hour[4]


def test_touch_of_a_book_is_the_last_quote(day):
    for symbol in PROFILES:
        quotes, books = day[symbol, Kind.QUOTE], day[symbol, Kind.BOOK]
        last = np.searchsorted(quotes["sequence"], books["sequence"]) - 1
        for name in ("bid_price", "bid_size", "ask_price", "ask_size"):
            assert (books[name][:, 0] == quotes[name][last]).all()
        assert (np.diff(books["bid_price"], axis=1) < 0).all()
        assert (np.diff(books["ask_price"], axis=1) > 0).all()


def test_throttled_kinds_keep_their_intervals(day):
    for symbol, profile in PROFILES.items():
        for kind, interval in (
            (Kind.TICKER, profile.ticker_interval_ms),
            (Kind.BOOK, profile.book_interval_ms),
        ):
            slots = day[symbol, kind]["ts_event"] // (interval * 10**6)
            assert len(np.unique(slots)) == len(slots)


def test_ratio_of_the_two_instruments_reverts(day):
    middles = []
    grid = np.arange(0, 86_000) * 10**9 + int(
        np.datetime64(DEFAULT_DAY, "ns").astype(np.int64) + 60 * 10**9
    )
    for symbol in PROFILES:
        quotes = day[symbol, Kind.QUOTE]
        row = np.searchsorted(quotes["ts_recv"], grid, side="right") - 1
        middles.append(np.log((quotes["bid_price"][row] + quotes["ask_price"][row]) / 2))
    minutes = [np.diff(one[::60]) for one in middles]
    assert np.corrcoef(*minutes)[0, 1] > 0.6
    spread = middles[1] - PROFILES["ETH-USDT"].beta * middles[0]
    spread -= spread.mean()
    assert 2e-4 < spread.std() < 3e-3
    lag = 3600
    assert np.corrcoef(spread[lag:], spread[:-lag])[0, 1] < 0.3


def test_same_arguments_give_the_same_events_and_another_seed_others():
    one, same, other, later = (
        simulate(PROFILES.values(), day, seed, hours=0.05)["BTC-USDT", Kind.QUOTE]
        for day, seed in (
            ("2026-01-05", 7),
            ("2026-01-05", 7),
            ("2026-01-05", 8),
            ("2026-01-06", 7),
        )
    )
    assert one.dtype == QUOTE
    assert one.tobytes() == same.tobytes()
    assert one["bid_price"][:50].tolist() != other["bid_price"][:50].tolist()
    assert one["bid_price"][:50].tolist() != later["bid_price"][:50].tolist()


def test_more_activity_gives_more_events():
    calm, busy = (
        simulate([PROFILES["BTC-USDT"]], hours=0.2, activity=activity)["BTC-USDT", Kind.QUOTE]
        for activity in (1.0, 10.0)
    )
    assert len(busy) > 5 * len(calm)


def test_generate_writes_a_catalog_and_reports_it(tmp_path):
    seen = []
    files = generate(
        tmp_path / "out",
        ["ETH-USDT"],
        "2026-02-01",
        hours=0.05,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert [(one.symbol, one.day) for one in files] == [("ETH-USDT", "2026-02-01")] * 4
    books = Catalog(tmp_path / "out").read("ETH-USDT", Kind.BOOK, "2026-02-01")
    assert books.dtype == BOOK
    assert len(books) > 5
    assert seen[-1][0] <= seen[-1][1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"symbols": ["DOGE-USDT"]}, "'DOGE-USDT' cannot be generated"),
        ({"symbols": []}, "no symbols"),
        ({"day": "soon"}, "'soon' is not a date"),
        ({"hours": 0}, "hours is 0"),
        ({"hours": float("nan")}, "hours is nan"),
        ({"activity": 1e9}, "activity is"),
    ],
)
def test_argument_out_of_its_range_is_refused(tmp_path, arguments, message):
    with pytest.raises(ConfigError, match=message):
        generate(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()
