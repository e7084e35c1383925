"""Compiled reading of frames against the decoder proper: the same events, counts and books.

One normalizer takes every frame as the feed does, the other by `parse` and `take` alone.
Injected: any order of fields, numbers in every spelling, repeated, old and lost messages,
bytes changed, taken out and put in. A frame that one refuses the other refuses too.
"""

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from livekit.book import CAPACITY
from livekit.errors import FeedError
from livekit.events import EVENT_BYTES, Kind
from livekit.okx import tokens
from livekit.okx.market import Normalizer
from livekit.okx.messages import parse
from livekit.okx.scan import scan_wire

SYMBOLS = ("BTC-USDT", "BTC-USDT-SWAP", "ETH-USDT")
NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS)}
TS = 1_787_612_486_207
CHANNELS = ("trades", "bbo-tbt", "books5", "books", "books-l2-tbt")


class Pair:
    """Two normalizers that are given the same."""

    def __init__(self):
        self.fast, self.slow = Normalizer(NUMBERS), Normalizer(NUMBERS)
        self.ts = 1
        self.n_scanned = self.n_events = 0
        self.connect()

    def connect(self, only=None):
        self.ts += 1
        self.same(self.fast.connect(self.ts, only), self.slow.connect(self.ts, only))

    def feed(self, frame):
        self.ts += 1
        n = self.fast.scan(frame, self.ts)
        self.n_scanned += n >= 0
        found = [n if n >= 0 else self.attempt(self.fast.feed, frame)]
        found.append(self.attempt(lambda frame, ts: self.slow.take(parse(frame), ts), frame))
        self.same(*found)

    def attempt(self, take, frame):
        try:
            return take(frame, self.ts)
        except FeedError:
            return "refused"

    def same(self, first, second):
        assert first == second
        assert self.fast.broken == self.slow.broken
        for k in range(first if first != "refused" else 0):
            one, other = self.fast.slots[k], self.slow.slots[k]
            size = int(EVENT_BYTES[one[0]])
            assert one[:size].tobytes() == other[:size].tobytes(), Kind(one[0])
            self.n_events += 1

    def check(self):
        """Compare what is left of it all: counts, books, when each was heard."""
        assert self.fast.counts == self.slow.counts
        for symbol in SYMBOLS:
            for channel in CHANNELS[1:]:
                assert self.fast.heard(symbol, channel) == self.slow.heard(symbol, channel)
                books = (self.fast.book(symbol, channel), self.slow.book(symbol, channel))
                if books[0] is not None:
                    for side in (0, 1):
                        assert np.array_equal(*(book.levels(side) for book in books))
                    assert books[0].n_absent == books[1].n_absent


numbers = st.one_of(
    st.decimals("0.00000001", "999999", places=8).map(lambda value: f"{value:f}"),
    st.integers(0, 200).map(lambda k: f"{100 + k / 10:g}"),
    st.sampled_from(
        [
            *("0", "0.0", "-1", "+1", "1.", ".5", "01", "1e3", "1E-7", "NaN", "inf", "", "1_0"),
            *("2663107.29999999861", "0.6751993000000001", "1153203.99426000", "123456789012345"),
            *("9007199254740993", "999999999999.9", "1000000000000", "1e999", " 1", "1 ", "0x1"),
            *("0.00000000000000000001", "100000000.0000000000000000", "٣", "1\\u0030"),
        ]
    ),
)
counters = st.one_of(
    st.integers(-2, 40),
    st.sampled_from([None, "7", 1.5, 2**62, 2**63 - 1, 2**63, -(2**63), 10**30, True]),
)
texts = st.one_of(
    st.integers(0, 40).map(str), st.sampled_from(["", "007", "1e3", "-1", str(2**63), "x"])
)
levels = st.lists(
    st.one_of(
        st.tuples(numbers, numbers),
        st.tuples(numbers, numbers, st.just("0"), st.sampled_from(["1", "", "é", "\\"])),
    ),
    max_size=4,
)
times = st.one_of(
    st.integers(TS - 5, TS + 5).map(str), st.sampled_from(["", "0", "9000000000000", "1.5"])
)


@st.composite
def frames(draw):
    """Return one frame, mostly as the exchange would send it."""
    channel = draw(st.sampled_from(CHANNELS))
    symbol = draw(st.sampled_from([*SYMBOLS, "DOGE-USDT"]))
    arg = {"channel": channel, "instId": symbol}
    if channel == "trades":
        row = {
            "instId": draw(st.sampled_from([symbol, symbol, symbol, SYMBOLS[0]])),
            "tradeId": draw(texts),
            "px": draw(numbers),
            "sz": draw(numbers),
            "side": draw(st.sampled_from(["buy", "sell", "buy", "sell", "hold"])),
            "ts": draw(times),
        }
        more = {"count": draw(texts), "source": "0", "seqId": draw(counters), "new": [{}]}
    else:
        row = {"asks": draw(levels), "bids": draw(levels), "ts": draw(times)}
        more = {"seqId": draw(counters), "prevSeqId": draw(counters), "instId": symbol}
        more["checksum"] = draw(st.sampled_from([0, 0, 0, -0, 5, None]))
        more["new"] = draw(st.sampled_from(["x", 1, None]))
    for name in draw(st.sets(st.sampled_from(sorted(more)))):
        row[name] = more[name]
    if draw(st.booleans()):
        row = dict(draw(st.permutations(list(row.items()))))
    rows = [row] * draw(st.sampled_from([1, 1, 1, 1, 0, 2]))
    frame = {"arg": arg, "data": rows}
    if channel in ("books", "books-l2-tbt"):
        action = draw(st.sampled_from(["update", "update", "snapshot"]))
        frame = {"arg": arg, "action": action, "data": rows}
    separators = draw(st.sampled_from([(",", ":"), (",", ":"), (", ", ": ")]))
    return json.dumps(frame, separators=separators, ensure_ascii=False).encode()


def damaged(frame, source):
    """Return a frame with one byte changed, taken out or put in."""
    at, byte = (
        source.randrange(len(frame)),
        bytes([source.choice(b'0123456789".,:{}[]\\ \x00ae-\xff')]),
    )
    return source.choice(
        [
            frame[:at] + byte + frame[at + 1 :],
            frame[:at] + frame[at + 1 :],
            frame[:at] + byte + frame[at:],
            frame[:at],
        ]
    )


@settings(max_examples=60)
@given(st.lists(frames(), max_size=12), st.randoms(use_true_random=False))
def test_any_frames_give_what_the_decoder_gives(found, source):
    pair = Pair()
    for frame in found:
        pair.feed(frame)
        if source.random() < 0.3:
            pair.feed(damaged(frame, source))
        if source.random() < 0.1:
            pair.connect({("books", SYMBOLS[0]), ("trades", SYMBOLS[1])})
    pair.check()


def usual(channel, seq, source, symbol="BTC-USDT"):
    """Return one frame as the exchange sends nearly all of them."""
    head = b'{"arg":{"channel":"%s","instId":"%s"}' % (channel.encode(), symbol.encode())
    if channel == "trades":
        row = b'"instId":"%s","tradeId":"%d","px":"%.1f","sz":"%.8f","side":"%s","ts":"%d"'
        side = source.choice([b"buy", b"sell"])
        values = (symbol.encode(), seq, 100 + source.random(), source.random(), side, TS + seq)
        more = b',"count":"1","source":"0","seqId":%d' % seq
        return head + b',"data":[{' + row % values + more + b"}]}"
    asks, bids = (
        b",".join(
            b'["%.1f","%.4f","0","3"]'
            % (100 + sign * source.randrange(1, 40) / 10, source.choice([0, source.random()]))
            for _ in range(source.randrange(1, 12 if channel.startswith("books-") else 4))
        )
        for sign in (1, -1)
    )
    row = b'"asks":[%b],"bids":[%b],"ts":"%d","seqId":%d' % (asks, bids, TS + seq, seq)
    if channel in ("bbo-tbt", "books5"):
        return head + b',"data":[{' + row + b"}]}"
    action = b"snapshot" if seq == 1 else b"update"
    prev = b',"checksum":0,"prevSeqId":%d' % (seq - 1 if seq > 1 else -1)
    return head + b',"action":"%s","data":[{' % action + row + prev + b"}]}"


def test_usual_frames_are_all_read_by_compiled_code_after_the_first(scale):
    """Trades and books of three instruments; one in ten is sent twice, one in 40 is lost."""
    source, pair = random.Random(7), Pair()
    n = int(300 * scale)
    for seq in range(1, n):
        for channel in CHANNELS:
            for symbol in SYMBOLS:
                frame = usual(channel, seq, source, symbol)
                if source.random() < 0.025 and seq > 2:
                    continue
                for _ in range(1 + (source.random() < 0.1)):
                    pair.feed(frame)
        if source.random() < 0.02:
            pair.connect()
    pair.check()
    counts = pair.fast.counts
    assert counts.duplicates > 10
    assert counts.gaps > 2
    assert pair.n_events > 4 * n
    assert pair.n_scanned > 0.4 * counts.frames


@pytest.mark.parametrize("channel", CHANNELS)
def test_each_channel_is_scanned_from_its_second_frame_on(channel):
    source, pair = random.Random(1), Pair()
    for seq in range(1, 5):
        pair.feed(usual(channel, seq, source))
    # An incremental book begins with a snapshot, which teaches its first bytes as well.
    assert pair.n_scanned == 3
    pair.check()


def test_frame_that_names_two_channels_teaches_nothing():
    pair = Pair()
    two = b'{"arg":{"channel":"trades","instId":"BTC-USDT"},'
    two += b'"arg":{"channel":"bbo-tbt","instId":"ETH-USDT"},'
    pair.feed(two + b'"data":[{"asks":[["2","1"]],"bids":[["1","1"]],"ts":"1","seqId":1}]}')
    source = random.Random(3)
    for seq in range(2, 5):
        pair.feed(usual("trades", seq, source))
        pair.feed(usual("bbo-tbt", seq, source, "ETH-USDT"))
    pair.check()
    assert pair.fast.counts.events == {Kind.QUOTE: 4, Kind.TRADE: 3}


def test_book_that_would_overflow_goes_the_decoders_way():
    pair = Pair()
    head = b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"%b",'
    head += b'"data":[{"asks":[],"bids":[%b]'
    tail = b',"ts":"1","checksum":0,"seqId":%d,"prevSeqId":%d}]}'
    many = b",".join(b'["%d","1"]' % price for price in range(1, CAPACITY + 1))
    pair.feed(head % (b"snapshot", many) + tail % (1, -1))
    pair.feed(head % (b"update", b'["5","2"]') + tail % (2, 1))
    pair.feed(head % (b"update", b'["5.5","2"]') + tail % (3, 2))
    pair.check()
    assert pair.fast.counts.gaps == 1


def wire_of(text, opcode=Opcode.TEXT, *, fin=True, mask=False):
    return Frame(opcode, text, fin).serialize(mask=mask)


def scan_all(normalizer, data, ts):
    """Return the events of the frames that were taken off the front, and where they end."""
    taken, at = [], 0
    memory = np.frombuffer(data + b"\0", np.uint8)
    start = memory.ctypes.data
    while True:
        done = scan_wire(normalizer.state, start + at, start + len(data), ts)
        if done < 0:
            return taken, at
        taken.append(normalizer.slots[: done & 0xFFFF].copy())
        at += done >> 16


def learned(*symbols):
    """Return a normalizer that knows the first bytes of quotes of some symbols."""
    normalizer, source = Normalizer(NUMBERS), random.Random(3)
    normalizer.connect(1)
    for symbol in symbols:
        normalizer.feed(usual("bbo-tbt", 1, source, symbol), 1)
    return normalizer


def test_frames_on_the_wire_give_what_they_give_one_by_one():
    source = random.Random(4)
    texts = [usual("bbo-tbt", 2 + k, source, SYMBOLS[k % 3]) for k in range(60)]
    whole, single = learned(*SYMBOLS), learned(*SYMBOLS)
    data = b"".join(wire_of(text) for text in texts)
    taken, end = scan_all(whole, data, 7)
    assert (len(taken), end) == (60, len(data))
    for text, events in zip(texts, taken, strict=True):
        n = single.scan(text, 7)
        assert events.tobytes() == single.slots[:n].tobytes()
    assert whole.counts == single.counts


def test_frame_that_is_not_whole_plain_text_is_left_where_it_is():
    text = usual("bbo-tbt", 2, random.Random(4), SYMBOLS[0])
    first, second = wire_of(text), wire_of(usual("bbo-tbt", 3, random.Random(5), SYMBOLS[0]))
    others = [wire_of(text, fin=False), wire_of(text, Opcode.BINARY), wire_of(text, mask=True)]
    others += [wire_of(b"", Opcode.PING), b"\x81\x7f" + len(text).to_bytes(8, "big") + text]
    others += [second[:cut] for cut in range(len(second))]
    for other in others:
        normalizer = learned(SYMBOLS[0])
        taken, end = scan_all(normalizer, first + other, 7)
        assert (len(taken), end) == (1, len(first)), other
        assert normalizer.counts.frames == 2


def test_frame_that_goes_on_in_the_next_one_is_not_taken():
    normalizer, text = learned(SYMBOLS[0]), usual("bbo-tbt", 2, random.Random(4), SYMBOLS[0])
    for cut in range(1, len(text)):
        halves = wire_of(text[:cut]) + wire_of(text[cut:])
        assert scan_all(normalizer, halves, 7) == ([], 0)
        # Even where the second's header would be part of the text.
        assert scan_all(normalizer, wire_of(text)[:2] + wire_of(text[:cut])[2:] + text[cut:], 7)
    assert normalizer.counts.frames <= 2


def test_table_grows_with_the_instruments():
    numbers = {f"C{k}-USDT": k for k in range(300)}
    normalizer, source = Normalizer(numbers), random.Random(5)
    for seq in (1, 2, 3):
        for symbol in numbers:
            frame = usual("bbo-tbt", seq, source, symbol)
            assert (normalizer.scan(frame, 1) >= 0) == (seq > 1)
            if seq == 1:
                normalizer.feed(frame, 1)


@given(st.decimals(0, "1e12", allow_nan=False).map(lambda value: f"{value:f}") | numbers)
def test_decimal_is_the_double_that_python_reads_or_none(text):
    raw = np.frombuffer(text.encode() + b'"\0', np.uint8)
    value, end = tokens.read_decimal(raw.ctypes.data)
    if end:
        assert value == float(text)
        assert end == raw.ctypes.data + len(raw) - 1
