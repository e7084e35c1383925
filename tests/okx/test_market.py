"""Frames to events: what each channel gives, and what a broken book does not give."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.errors import FeedError
from livekit.events import BOOK, DTYPES, GAP, QUOTE, TICKER, TRADE, Kind, Side
from livekit.okx.checksum import TextBook
from livekit.okx.market import Normalizer
from livekit.okx.messages import TextBookData, TextLevel

DATA = Path(__file__).parents[1] / "data" / "okx"
NUMBERS = {"BTC-USDT": 3, "BTC-USDT-SWAP": 5, "BTC-USD-SWAP": 6, "BTC-USD-220624-50000-C": 7}


@pytest.fixture
def normalizer():
    return Normalizer(NUMBERS)


def frames(name):
    return (DATA / name).read_bytes().splitlines()


def events(normalizer, n):
    """Return the events of the last frame as (kind, row) pairs."""
    found = []
    for slot in normalizer.slots[:n].copy():
        kind = Kind(int(slot[0]))
        found.append((kind, slot[: DTYPES[kind].itemsize].view(DTYPES[kind])[0]))
    return found


def feed(normalizer, frame, ts=1_000):
    return events(normalizer, normalizer.feed(frame, ts))


def book(asks, bids, *, seq=None, prev=None, checksum=None, snapshot=False, channel="books", ts=1):
    row = {"asks": asks, "bids": bids, "ts": str(ts)}
    ids = {"seqId": seq, "prevSeqId": prev, "checksum": checksum}
    row |= {name: value for name, value in ids.items() if value is not None}
    push = {"arg": {"channel": channel, "instId": "BTC-USDT"}, "data": [row]}
    if channel == "books":
        push["action"] = "snapshot" if snapshot else "update"
    return json.dumps(push).encode()


def trade(trade_id, *, ts=5, price="10.5", side="sell"):
    row = {
        "instId": "BTC-USDT",
        "tradeId": str(trade_id),
        "px": price,
        "sz": "2",
        "side": side,
        "ts": str(ts),
    }
    push = {"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": [row]}
    return json.dumps(push).encode()


SNAPSHOT = book([["101", "1"], ["102", "2"]], [["100", "3"]], seq=10, prev=-1, snapshot=True)


def kinds(found):
    return [kind for kind, _ in found]


def test_ticker_gives_its_event_in_base_units(normalizer):
    _, frame, _ = frames("ws_tickers_spot.jsonl")
    ((kind, row),) = feed(normalizer, frame, 1786613174999 * 10**6)
    assert kind == Kind.TICKER
    assert row.dtype == TICKER
    assert (row["instrument"], row["aux"], row["flags"]) == (3, 0, 0)
    assert (row["last_price"], row["bid_price"], row["ask_price"]) == (63707.3, 63707.2, 63707.3)
    assert row["volume"] == 3601.1585121
    assert row["ts_event"] == 1786613174873 * 10**6
    assert row["ts_recv"] == 1786613174999 * 10**6
    ((_, inverse),) = feed(normalizer, frames("ws_tickers_inverse_swap_2022.json")[0])
    assert inverse["volume"] == 17799.3208


def test_ticker_without_a_bid_has_a_nan_bid(normalizer):
    ((_, row),) = feed(normalizer, frames("ws_tickers_option_empty_bid.json")[0])
    assert math.isnan(row["bid_price"])
    assert row["ask_price"] == 0.0015


def test_trade_gives_price_size_id_and_aggressor(normalizer):
    found = [event for frame in frames("ws_trades_swap.jsonl") for event in feed(normalizer, frame)]
    assert [(row["price"], row["size"], row["trade_id"], row["aux"]) for _, row in found] == [
        (63913.5, 1.0, 2832749635, Side.BUY),
        (63913.4, 34.95, 2832749645, Side.SELL),
    ]
    assert [row["sequence"] for _, row in found] == [0, 1]
    assert [row["published"] for _, row in found] == [0, 0]


def test_repeated_trade_is_given_once_also_after_a_reconnect(normalizer):
    assert len(feed(normalizer, trade(7))) == 1
    assert feed(normalizer, trade(7)) == []
    normalizer.connect(6 * 10**6)
    assert feed(normalizer, trade(7)) == []
    assert normalizer.counts.duplicates == 2


def test_first_trade_older_than_the_connection_is_no_print(normalizer):
    normalizer.connect(100 * 10**6)
    assert feed(normalizer, trade(1, ts=50)) == []
    assert normalizer.counts.stale_trades == 1
    # Only the first push repeats the past; a later stamp of the past is clock skew.
    assert len(feed(normalizer, trade(2, ts=99))) == 1
    normalizer.connect(200 * 10**6)
    assert len(feed(normalizer, trade(3, ts=201))) == 1


def test_snapshot_gives_quote_and_book(normalizer):
    found = feed(normalizer, SNAPSHOT)
    assert kinds(found) == [Kind.QUOTE, Kind.BOOK]
    (_, quote), (_, whole) = found
    assert (quote["bid_price"], quote["bid_size"]) == (100.0, 3.0)
    assert (quote["ask_price"], quote["ask_size"]) == (101.0, 1.0)
    assert (quote.dtype, whole.dtype, whole["sequence_id"]) == (QUOTE, BOOK, 10)
    np.testing.assert_array_equal(whole["ask_price"][:3], [101.0, 102.0, math.nan])
    np.testing.assert_array_equal(whole["ask_size"][:3], [1.0, 2.0, 0.0])
    assert [row["sequence"] for _, row in found] == [0, 1]


def test_update_gives_only_what_it_changed(normalizer):
    feed(normalizer, SNAPSHOT)
    behind = book([["102", "5"]], [], seq=11, prev=10)
    assert kinds(feed(normalizer, behind)) == [Kind.BOOK]
    touch = book([], [["100", "4"]], seq=12, prev=11)
    assert kinds(feed(normalizer, touch)) == [Kind.QUOTE, Kind.BOOK]
    deep = book([["150", "5"], ["151", "1"], ["152", "1"], ["153", "1"]], [], seq=13, prev=12)
    assert kinds(feed(normalizer, deep)) == [Kind.BOOK]
    unseen = book([["160", "5"]], [], seq=14, prev=13)
    assert feed(normalizer, unseen) == []


def test_both_sides_of_one_message_are_applied_before_the_book_is_read(normalizer):
    feed(normalizer, SNAPSHOT)
    moved = book([["101", "0"], ["102", "0"], ["104", "1"]], [["103", "2"]], seq=11, prev=10)
    (_, quote), _ = feed(normalizer, moved)
    assert (quote["bid_price"], quote["ask_price"]) == (103.0, 104.0)


def test_heartbeat_changes_nothing_and_reset_extends(normalizer):
    feed(normalizer, SNAPSHOT)
    assert feed(normalizer, book([], [], seq=10, prev=10)) == []
    assert kinds(feed(normalizer, book([], [["100", "9"]], seq=3, prev=10))) == [
        Kind.QUOTE,
        Kind.BOOK,
    ]
    counts = normalizer.counts
    assert (counts.heartbeats, counts.resets, counts.gaps) == (1, 1, 0)


def test_gap_takes_the_prices_back_until_the_next_snapshot(normalizer):
    feed(normalizer, SNAPSHOT)
    found = feed(normalizer, book([], [["100", "9"]], seq=20, prev=15), 77)
    assert kinds(found) == [Kind.GAP, Kind.QUOTE, Kind.BOOK]
    gap, quote, whole = (row for _, row in found)
    assert (gap.dtype, gap["instrument"], gap["lost"].tolist()) == (
        GAP,
        3,
        [0, 0, 0, 0, 1, 0, 0, 0],
    )
    for name in ("bid_price", "ask_price"):
        assert math.isnan(quote[name])
        assert np.isnan(whole[name]).all()
    assert (quote["bid_size"], quote["ask_size"], quote["ts_recv"]) == (0.0, 0.0, 77)
    assert feed(normalizer, book([], [["100", "9"]], seq=21, prev=20)) == []
    assert feed(normalizer, book([], [["100", "9"]], seq=30, prev=25)) == []
    assert kinds(feed(normalizer, SNAPSHOT)) == [Kind.QUOTE, Kind.BOOK]
    assert (normalizer.counts.gaps, normalizer.counts.waiting) == (1, 2)


def test_update_before_any_snapshot_waits(normalizer):
    assert feed(normalizer, book([], [["100", "9"]], seq=20, prev=15)) == []
    assert (normalizer.counts.waiting, normalizer.counts.gaps) == (1, 0)


def test_new_connection_takes_the_prices_back(normalizer):
    feed(normalizer, SNAPSHOT)
    found = events(normalizer, normalizer.connect(10**9))
    assert kinds(found) == [Kind.GAP, Kind.QUOTE, Kind.BOOK]
    assert normalizer.connect(2 * 10**9) == 0


def text_checksum(asks, bids):
    text = TextBook()
    text.apply(TextBookData([TextLevel(*one) for one in asks], [TextLevel(*one) for one in bids]))
    return text.checksum()


def test_wrong_checksum_breaks_the_book(normalizer):
    asks, bids = [["101.0", "1"], ["102", "2"]], [["100", "3"]]
    good = text_checksum(asks, bids)
    assert len(feed(normalizer, book(asks, bids, checksum=good, snapshot=True))) == 2
    assert len(feed(normalizer, book([], [["100", "4"]], checksum=good))) == 3
    counts = normalizer.counts
    assert (counts.checksums_verified, counts.checksums_failed, counts.gaps) == (1, 1, 1)
    assert feed(normalizer, book([], [["100", "4"]], checksum=good)) == []


def test_snapshot_of_an_empty_book_is_verified_from_there_on(normalizer):
    feed(normalizer, book([], [], checksum=0, snapshot=True))
    right = text_checksum([], [["100", "4"]])
    assert kinds(feed(normalizer, book([], [["100", "4"]], checksum=right))) == [
        Kind.QUOTE,
        Kind.BOOK,
    ]
    assert normalizer.counts.checksums_verified == 1


def test_zero_checksum_is_not_verified(normalizer):
    frame = book([["101", "1"]], [["100", "3"]], seq=1, prev=-1, checksum=0, snapshot=True)
    assert len(feed(normalizer, frame)) == 2
    assert (normalizer.counts.checksums_verified, normalizer.counts.checksums_failed) == (0, 0)


def test_finest_channel_gives_the_quotes(normalizer):
    feed(normalizer, SNAPSHOT)
    bbo = book([["101", "7"]], [["100", "7"]], seq=11, channel="bbo-tbt")
    assert kinds(feed(normalizer, bbo)) == [Kind.QUOTE]
    update = book([["101", "8"]], [], seq=11, prev=10)
    assert kinds(feed(normalizer, update)) == [Kind.BOOK]
    broken = book([["101", "8"]], [], seq=19, prev=18)
    assert kinds(feed(normalizer, broken)) == [Kind.GAP, Kind.BOOK]


def test_shallow_channels_replace_and_drop_what_is_not_newer(normalizer):
    for _, frame, later in (frames("ws_books5_swap.jsonl"),):
        assert kinds(feed(normalizer, frame)) == [Kind.QUOTE, Kind.BOOK]
        ((kind, row),) = feed(normalizer, later)
        assert kind == Kind.BOOK
        assert row["bid_price"].tolist() == [63921.4, 63920.7, 63920.4, 63920.1, 63920.0]
        assert row["sequence_id"] == 333794734996
        assert feed(normalizer, later) == []
        assert feed(normalizer, frame) == []
    assert normalizer.counts.duplicates == 2


def test_lower_number_with_a_later_time_is_a_restart(normalizer):
    feed(normalizer, book([["101", "7"]], [["100", "7"]], seq=50, channel="bbo-tbt", ts=10))
    restarted = book([["101", "7"]], [["99", "7"]], seq=3, channel="bbo-tbt", ts=11)
    ((_, row),) = feed(normalizer, restarted)
    assert row["bid_price"] == 99.0


def test_missing_side_has_no_price(normalizer):
    ((_, quote), (_, whole)) = feed(normalizer, frames("ws_books5_option_one_sided.json")[0])
    assert math.isnan(quote["bid_price"])
    assert (quote["bid_size"], quote["ask_price"], quote["ask_size"]) == (0.0, 0.001, 606.0)
    np.testing.assert_array_equal(whole["ask_price"], [0.001, 0.0015, 0.002, math.nan, math.nan])
    assert whole["sequence_id"] == -1


def test_session_of_2026_keeps_400_levels_a_side_and_every_deletion_hits(normalizer):
    for frame in frames("ws_books_session.jsonl"):
        feed(normalizer, frame)
    held = normalizer.book("BTC-USDT", "books")
    assert [len(held.levels(side)) for side in Side] == [400, 400]
    assert (held.levels(Side.BUY)[0, 0], held.levels(Side.SELL)[0, 0]) == (78722.2, 78722.3)
    assert normalizer.counts.absent == 0
    assert normalizer.counts.books == 7


def test_session_without_one_frame_is_a_gap(normalizer):
    session = frames("ws_books_session.jsonl")
    for frame in session[:4]:
        feed(normalizer, frame)
    assert kinds(feed(normalizer, session[5])) == [Kind.GAP, Kind.QUOTE, Kind.BOOK]


def test_symbol_not_asked_for_is_counted_and_passed_over():
    normalizer = Normalizer({})
    assert feed(normalizer, SNAPSHOT) == []
    assert feed(normalizer, trade(1)) == []
    assert normalizer.counts.ignored == {"symbol BTC-USDT": 2}


def test_messages_that_are_no_data_are_counted(normalizer):
    for frame in (b"pong", b'{"event":"brand-new"}', b'{"event":"brand-new"}'):
        assert feed(normalizer, frame) == []
    assert normalizer.counts.ignored == {"pong": 1, "event brand-new": 2}


def test_refused_frame_leaves_the_book_as_it_was(normalizer):
    feed(normalizer, SNAPSHOT)
    with pytest.raises(FeedError):
        normalizer.feed(book([["nan", "1"]], [], seq=11, prev=10), 1)
    touch = book([], [["100", "4"]], seq=11, prev=10)
    assert kinds(feed(normalizer, touch)) == [Kind.QUOTE, Kind.BOOK]


def test_frame_with_more_rows_than_slots_gives_them_all(normalizer):
    rows = [
        {"instId": "BTC-USDT", "tradeId": str(i), "px": "1", "sz": "1", "side": "buy", "ts": "1"}
        for i in range(3000)
    ]
    push = {"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": rows}
    n = normalizer.feed(json.dumps(push).encode(), 1)
    assert n == 3000
    heads = normalizer.slots[:n, : TRADE.itemsize].copy().view(TRADE)[:, 0]
    assert heads["trade_id"].tolist() == list(range(3000))


UPDATES = st.lists(
    st.tuples(
        st.sampled_from(["asks", "bids"]), st.integers(1, 30), st.integers(0, 4), st.booleans()
    ),
    max_size=60,
)


@given(UPDATES)
def test_last_events_always_show_the_book(updates):
    """Random updates, some of which are gaps: QUOTE and BOOK follow a model exactly."""
    normalizer = Normalizer(NUMBERS)
    model, last, is_live = {"asks": {}, "bids": {}}, 0, True
    normalizer.feed(book([], [], seq=0, prev=-1, snapshot=True), 0)
    quote, sequence = None, 0
    for side, tick, size, is_lost in updates:
        prev = last + 1 if is_lost else last
        rows = {"asks": [], "bids": [], side: [[str(tick), str(size)]]}
        found = feed(normalizer, book(rows["asks"], rows["bids"], seq=last + 5, prev=prev))
        if not is_lost and is_live:
            last += 5
            model[side][tick] = size
        elif is_live:
            is_live, model = False, {"asks": {}, "bids": {}}
        for kind, row in found:
            assert row["sequence"] == sequence
            sequence += 1
            quote = row if kind == Kind.QUOTE else quote
        bids = [price for price, held in model["bids"].items() if held]
        asks = [price for price, held in model["asks"].items() if held]
        if quote is not None:
            np.testing.assert_array_equal(quote["bid_price"], max(bids, default=math.nan))
            np.testing.assert_array_equal(quote["ask_price"], min(asks, default=math.nan))
        else:
            assert not bids
            assert not asks


def test_kinds_of_ignored_messages_are_bounded(normalizer):
    for number in range(400):
        normalizer.feed(json.dumps({"event": f"event{number}"}).encode(), 1)
    ignored = normalizer.counts.ignored
    assert len(ignored) == 257
    assert ignored["others"] == 400 - 256


def test_book_of_an_unknown_action_gives_no_price_until_its_next_snapshot(normalizer):
    feed(normalizer, SNAPSHOT)
    strange = book([["101", "9"]], [], seq=11, prev=10).replace(b'"update"', b'"merge"')
    assert kinds(feed(normalizer, strange)) == [Kind.GAP, Kind.QUOTE, Kind.BOOK]
    assert normalizer.broken == [("books", "BTC-USDT")]
    assert normalizer.counts.ignored == {"book action 'merge'": 1}
    assert feed(normalizer, book([["101", "5"]], [], seq=12, prev=11)) == []
    assert feed(normalizer, strange) == []  # nothing was believed: nothing breaks
    assert normalizer.broken == []
    assert kinds(feed(normalizer, SNAPSHOT)) == [Kind.QUOTE, Kind.BOOK]


def test_book_of_an_unknown_action_is_ignored_where_no_book_is_kept(normalizer):
    strange = SNAPSHOT.replace(b'"snapshot"', b'"merge"')
    assert feed(normalizer, strange) == []
    assert feed(normalizer, strange.replace(b"BTC-USDT", b"ABC-USDT")) == []
    assert normalizer.broken == []


def test_print_of_an_unknown_side_is_ignored_and_the_next_is_not(normalizer):
    assert feed(normalizer, trade(1, ts=2_000, side="hold")) == []
    assert normalizer.counts.ignored == {"trade side 'hold'": 1}
    assert kinds(feed(normalizer, trade(2, ts=2_000))) == [Kind.TRADE]
