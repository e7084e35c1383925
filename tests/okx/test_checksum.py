"""The historic CRC32, against a straight reading of its rule and against the captures."""

import gzip
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livekit.okx.checksum import TextBook, is_provided
from livekit.okx.messages import TextBookData, TextLevel

SHARED = Path(__file__).parents[2].parent / "shared" / "okx"

SIDES = st.dictionaries(st.integers(1, 400), st.integers(1, 99), max_size=60)


def level(price, size):
    return TextLevel(price, size)


def rule(bids, asks):
    """Return the checksum by the exchange's own words, of sorted (price, size) texts."""
    parts = []
    for i in range(25):
        parts += [f"{price}:{size}" for side in (bids, asks) for price, size in side[i : i + 1]]
    return int.from_bytes(zlib.crc32(":".join(parts).encode()).to_bytes(4, "big"), signed=True)


@given(SIDES, SIDES)
def test_checksum_follows_the_rule_on_thin_one_sided_and_deep_books(bids, asks):
    book = TextBook()
    text_bids = [(f"{tick / 10}", f"{size}.50") for tick, size in bids.items()]
    text_asks = [(f"{tick / 10 + 50}", f"{size}") for tick, size in asks.items()]
    book.apply(TextBookData([level(*one) for one in text_asks], [level(*one) for one in text_bids]))
    ordered_bids = sorted(text_bids, key=lambda one: -float(one[0]))
    ordered_asks = sorted(text_asks, key=lambda one: float(one[0]))
    assert book.checksum() == rule(ordered_bids, ordered_asks)


def test_checksum_is_of_the_text_and_equal_prices_are_one_level():
    book = TextBook()
    book.apply(TextBookData([level("63921", "1")], []))
    book.apply(TextBookData([level("63921.0", "1.0")], []))
    assert book.checksum() == rule([], [("63921.0", "1.0")])
    book.apply(TextBookData([level("63921", "0")], []))
    assert book.checksum() == 0


def test_zero_and_missing_mean_not_provided():
    assert [is_provided(value) for value in (None, 0, 1, -1)] == [False, False, True, True]


@pytest.mark.skipif(not SHARED.is_dir(), reason="captures of the exchange are not here")
@pytest.mark.parametrize(
    ("capture", "expected"),
    [
        ("okx_ws_public_20220513_conn1.raw.gz", 290),
        ("okx_ws_public_20210722_conn1.raw.gz", 1504),
    ],
)
def test_every_frame_of_a_capture_verifies_by_the_rule_alone(capture, expected):
    books, n_verified = {}, 0
    with gzip.open(SHARED / "market_data" / capture) as lines:
        for line in lines:
            frame = line.partition(b": ")[2]
            if b'"checksum"' not in frame:
                continue
            push = json.loads(frame)
            if push["action"] == "snapshot":
                books[push["arg"]["instId"]] = TextBook()
            book = books[push["arg"]["instId"]]
            for row in push["data"]:
                sides = [[level(*one[:2]) for one in row[side]] for side in ("asks", "bids")]
                book.apply(TextBookData(*sides))
                assert book.checksum() == row["checksum"]
                n_verified += 1
    assert n_verified == expected
