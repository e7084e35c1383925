"""livekit's own feed reads the simulator: the same book on both sides, every gap found.

Injected: a market that moves, orders of members, and in the second half one book update
in a hundred left out. Checked: the touch after every frame, and that the frame after a
dropped one is the one that shows the gap.
"""

import random

import pytest
from trading_floor import Floor

from livekit.events import QUOTE, Kind
from livekit.okx.market import Normalizer
from livekit.okxsim.hub import Subscription


class Wire:
    """A listener that keeps frames as bytes."""

    account = None

    def __init__(self):
        self.frames = []

    def push(self, frame, channel):
        self.frames.append(frame.encode())


def attach(floor, *channels):
    wire = Wire()
    for channel in channels:
        arg = {"channel": channel, "instId": "BTC-USDT"}
        subscription = Subscription(wire, arg, (channel, "BTC-USDT"))
        floor.hub.add(subscription)
        floor.channels.snapshot(subscription)
    return wire


def move(floor, chance):
    """Let something happen to the market."""
    middle = 1000 + chance.randrange(-30, 30)
    spread = chance.randrange(1, 6)
    size = chance.randrange(1, 900) / 100
    floor.world.quote(0, middle / 10, size, (middle + spread) / 10, size)
    if chance.random() < 0.3:
        side = chance.choice(["buy", "sell"])
        floor.place(chance.choice(["alice", "bob"]), side=side, ordType="market", sz="0.5")
    if chance.random() < 0.3:
        price = (middle - chance.randrange(1, 90)) / 10
        floor.place(side="buy", px=str(price), sz="0.2", ordType="post_only")
    for _ in range(10):
        floor.channels.tick()


def touches(normalizer, n):
    """Return (bid, ask) of every QUOTE among the last events."""
    slots = normalizer.slots[:n]
    rows = [s[: QUOTE.itemsize].view(QUOTE)[0] for s in slots if s[0] == Kind.QUOTE]
    return [(float(row["bid_price"]), float(row["ask_price"])) for row in rows]


@pytest.mark.parametrize("channel", ["books", "books-l2-tbt", "books5", "bbo-tbt"])
def test_feed_has_the_touch_that_the_exchange_has(channel):
    floor, chance = Floor(), random.Random(3)
    wire, normalizer = attach(floor, channel), Normalizer({"BTC-USDT": 0})
    last = None
    for n in range(60):
        move(floor, chance)
        for frame in wire.frames:
            last = (touches(normalizer, normalizer.feed(frame, n + 1)) or [last])[-1]
        wire.frames.clear()
        bids, asks = floor.world.levels(floor.world.listings[0], 1)
        wanted = tuple(round(next(iter(side)) * 0.1, 1) for side in (bids, asks))
        assert last == wanted, n
    assert normalizer.counts.gaps == normalizer.counts.absent == 0


def test_every_dropped_update_is_found_at_the_next_one():
    floor, chance = Floor(), random.Random(5)
    wire, normalizer = attach(floor, "books"), Normalizer({"BTC-USDT": 0})
    is_dropped, n_dropped, n_found = False, 0, 0
    for n in range(300):
        move(floor, chance)
        for frame in wire.frames:
            if b'"update"' in frame and not is_dropped and chance.random() < 0.1:
                is_dropped = True
                n_dropped += 1
                continue
            n_events = normalizer.feed(frame, n + 1)
            kinds = [int(slot[0]) for slot in normalizer.slots[:n_events]]
            assert (Kind.GAP in kinds) == is_dropped
            if is_dropped:
                n_found += 1
                is_dropped = False
                # A new subscription begins with a whole book.
                fresh = attach(floor, "books")
                normalizer.feed(fresh.frames[0], n + 1)
                floor.hub.remove(fresh)
        wire.frames.clear()
    assert n_dropped - is_dropped == n_found > 10
