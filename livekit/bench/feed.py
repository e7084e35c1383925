"""``livekit bench feed``: what a frame costs from the wire to the strategy, and back.

Frames have the shape and length of the exchange's, come over real sockets, and go through
the feed's own code. Everything is timed where it happens: a frame at a time, on one core,
the middle of many. What Python's own tools would cost is measured in between, so that a
ratio compares runs of one minute.
Layer 5.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from livekit.bench.attach import ORDERING, StrategyDesk
from livekit.bench.feed_frames import make_frames, snapshot_frame
from livekit.bench.feed_kernels import drain
from livekit.bench.feed_orders import way_back
from livekit.bench.feed_rig import INSTRUMENT, SYMBOL, FeedRig, make_core, pinned, stamped, timed
from livekit.bench.processes import cores
from livekit.bench.report import Row, make_row
from livekit.bench.ring import private_memory
from livekit.engine.folder import DOORBELL
from livekit.engine.okx import feed
from livekit.events import Kind
from livekit.net.websocket import WebSocket
from livekit.okx.market import Normalizer
from livekit.ring.directory import EngineSegment
from livekit.ring.layout import SIDE, SIDE_BYTES, aligned_zeros

__all__ = ["feed_rows"]

_CHANNELS: Final = {"trades": "trade", "bbo-tbt": "touch (bbo)", "books": "book update, 10+10"}


def _way_in(desk: StrategyDesk, channel: str, runs: int, n: int) -> list[Row]:
    """Time frames of one channel from the readable socket to the strategy's ring."""
    core, parts = make_core(), {"read": [], "compiled": [], "broadcast": []}  # type: ignore[var-annotated]
    side = aligned_zeros(SIDE_BYTES).view(SIDE)
    desk.segment.fill_events_side(side, is_producer=False)
    frames = make_frames([SYMBOL], 64, channels=(channel,), n_levels=10)
    seq = int(frames.counters[0, 0])

    rig = FeedRig(desk.hub.address, core.address, seq)
    whole: list[float] = []
    try:
        for run in range(2 * runs):
            times = []
            # Every second run looks at the parts, which costs the whole a little.
            holders = (
                (WebSocket, "read", parts["read"]),
                (feed, "read_frames", parts["compiled"]),
            )
            with _all_timed(holders if run % 2 else ()):
                for i in range(n):
                    rig.desk["spent_ns"] = 0
                    times.append(rig.time(stamped(frames, i % 64)))
                    parts["broadcast"].append(rig.desk["spent_ns"].item())
                    drain(side.ctypes.data)
            if run % 2 == 0:
                whole.append(statistics.median(times) / 1000)
    finally:
        rig.close()
    assert rig.feed.normalizer.counts.gaps == 0
    name = _CHANNELS[channel]
    middle = {key: statistics.median(found) / 1000 for key, found in parts.items()}
    rest = statistics.median(whole) - middle["read"] - middle["compiled"]
    return [
        make_row(f"{name}: bytes → ring, p50", whole, "µs", target=("<=", 10.0)),
        make_row("  read", [middle["read"]], "µs"),
        make_row(
            "  frame, decode, book, histograms", [middle["compiled"] - middle["broadcast"]], "µs"
        ),
        make_row("  core and broadcast", [middle["broadcast"]], "µs"),
        make_row("  session, selector's callback", [rest], "µs"),
    ]


@contextmanager
def _all_timed(holders: Any) -> Iterator[None]:
    if not holders:
        yield
        return
    first, *others = holders
    with timed(*first), _all_timed(others):
        yield


def _read_trade(frame: bytes) -> Any:
    row = json.loads(frame)["data"][0]
    side = row["side"]
    return float(row["px"]), float(row["sz"]), int(row["tradeId"]), side, int(row["ts"])


def _read_touch(frame: bytes) -> Any:
    row = json.loads(frame)["data"][0]
    ask, bid = row["asks"][0], row["bids"][0]
    return float(bid[0]), float(bid[1]), float(ask[0]), float(ask[1]), int(row["ts"])


def _read_update(frame: bytes) -> Any:
    row = json.loads(frame)["data"][0]
    sides = [[(float(one[0]), float(one[1])) for one in row[side]] for side in ("bids", "asks")]
    return *sides, int(row["ts"])


_READERS: Final[dict[str, Callable[[bytes], Any]]] = {
    "trades": _read_trade,
    "bbo-tbt": _read_touch,
    "books": _read_update,
}


def _decode(channel: str, runs: int, n: int) -> Row:
    """Time a normalizer against `json.loads` and `float` on the same frames."""
    frames = make_frames([SYMBOL], n, channels=(channel,), n_levels=10)
    normalizer = Normalizer({SYMBOL: 0})
    normalizer.connect(1)
    snapshot = snapshot_frame(SYMBOL, int(frames.counters[0, 0]), 1)
    normalizer.feed(snapshot[snapshot.index(b"{") :], 1)
    own, theirs = [], []
    for _ in range(runs):
        texts = []
        for i in range(n):
            stamped(frames, i)
            texts.append(frames.payload(i))
        start = time.process_time_ns()
        for text in texts:
            normalizer.feed(text, 1)
        own.append((time.process_time_ns() - start) / n / 1000)
        read = _READERS[channel]
        start = time.process_time_ns()
        for text in texts:
            read(text)
        theirs.append((time.process_time_ns() - start) / n / 1000)
    assert normalizer.counts.gaps == 0
    what = {"trades": "a trade", "bbo-tbt": "a touch (bbo)", "books": "an update and its book"}
    return make_row(
        f"json.loads + float, in the time of decoding {what[channel]}",
        theirs,
        "µs",
        peer="livekit",
        peer_values=own,
        in_turns=True,
        target=(">=", 4.0),
    )


def feed_rows(*, quick: bool = False) -> list[Row]:
    """Run what needs nobody else; `quick` makes it short and its figures rough."""
    runs, n = (3, 300) if quick else (9, 2000)
    rows: list[Row] = []
    with private_memory() as folder:
        os.mkfifo(folder / DOORBELL, 0o600)
        doorbell = os.open(folder / DOORBELL, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        engine = EngineSegment.create(folder, generation=1, engine=folder.name)
        engine.append(INSTRUMENT)
        source = ORDERING.replace("BTC-USDT", SYMBOL)
        desk = StrategyDesk(folder, source, "reader", is_compiled=False)
        for kind in (Kind.QUOTE, Kind.TRADE, Kind.BOOK):
            desk.hub.route(0, 0, 1 << kind)
        with pinned(cores()[0]):
            for channel in _CHANNELS:
                rows += _way_in(desk, channel, runs, n)
            rows += [_decode(channel, runs, n) for channel in _CHANNELS]
        rows += way_back(folder, runs, 3 * n)
        os.close(doorbell)
    return rows
