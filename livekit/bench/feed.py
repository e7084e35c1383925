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

import numpy as np

from livekit import clock
from livekit.bench.attach import ORDERING, StrategyDesk
from livekit.bench.feed_frames import Frames, make_frames, snapshot_frame, stamp
from livekit.bench.feed_kernels import answer, await_request, drain, put_events
from livekit.bench.feed_rig import SYMBOL, FeedRig, timed
from livekit.bench.processes import cores
from livekit.bench.report import Row, make_row
from livekit.bench.ring import private_memory
from livekit.engine.folder import DOORBELL
from livekit.engine.okx.desk import OrderDesk
from livekit.engine.okx.outgoing import Outbound
from livekit.engine.okx.pace import Pace
from livekit.engine.okx.phrasing import Ticket
from livekit.events import ORDER, Kind
from livekit.instruments import Instrument
from livekit.net.websocket import WebSocket
from livekit.okx.market import Normalizer
from livekit.ring.directory import EngineSegment
from livekit.ring.layout import SIDE, SIDE_BYTES, aligned_zeros
from livekit.trading.core import TradingCore
from livekit.trading.limits import RiskLimits
from livekit.trading.sending import on_request_live

__all__ = ["feed_rows"]

_CHANNELS: Final = {"trades": "trade", "bbo-tbt": "touch (bbo)", "books": "book update, 10+10"}
_INSTRUMENT: Final = Instrument(SYMBOL, 0.1, 1e-6, 1e-4)
_GIVE_UP_NS: Final = 2_000_000_000
_MOST: Final = 1 << 20


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _stamped(frames: Frames, index: int) -> memoryview:
    """Return one frame with the next numbers in it."""
    addresses = (frames.data.ctypes.data, frames.table.ctypes.data)
    now_ms = time.time_ns() // 1_000_000
    stamp(*addresses, index, 1, frames.counters.ctypes.data, now_ms)
    row = frames.table[index]
    return frames.data[row["start"] : row["end"]].data


def _core() -> TradingCore:
    free = float("inf")
    limits = RiskLimits(
        max_order_notional=free,
        max_position_notional=free,
        price_band_bps=free,
        max_reference_age_s=free,
        orders_per_second=free,
        order_burst=1,
        max_open_orders=_MOST,
    )
    return TradingCore((_INSTRUMENT,), n_strategies=1, max_orders=1 << 18, limits=limits)


def _way_in(desk: StrategyDesk, channel: str, runs: int, n: int) -> list[Row]:
    """Time frames of one channel from the readable socket to the strategy's ring."""
    core, parts = _core(), {"frame": [], "decode": [], "broadcast": []}  # type: ignore[var-annotated]
    side = aligned_zeros(SIDE_BYTES).view(SIDE)
    desk.segment.fill_events_side(side, is_producer=False)
    hub, at = desk.hub.address, core.address
    frames = make_frames([SYMBOL], 64, channels=(channel,), n_levels=10)
    seq = int(frames.counters[0, 0])

    class Publisher:
        """Puts events through, where its method can be timed."""

        @staticmethod
        def put(address: int, k: int) -> None:
            put_events(hub, at, address, k)

    rig = FeedRig(lambda *events: Publisher.put(*events), seq)  # noqa: PLW0108 - looked up anew
    whole: list[float] = []
    try:
        for run in range(2 * runs):
            times = []
            # Every second run looks at the parts, which costs the whole a little.
            holders = (
                (WebSocket, "handle", parts["frame"]),
                (Normalizer, "scan", parts["decode"]),
                (Publisher, "put", parts["broadcast"]),
            )
            with _all_timed(holders if run % 2 else ()):
                for i in range(n):
                    times.append(rig.time(_stamped(frames, i % 64)))
                    drain(side.ctypes.data)
            if run % 2 == 0:
                whole.append(statistics.median(times) / 1000)
    finally:
        rig.close()
    assert rig.feed.normalizer.counts.gaps == 0
    name = _CHANNELS[channel]
    middle = {key: statistics.median(found) / 1000 for key, found in parts.items()}
    rest = statistics.median(whole) - sum(middle.values())
    return [
        make_row(f"{name}: bytes → ring, p50", whole, "µs", target=("<=", 10.0)),
        make_row("  read and frame", [middle["frame"]], "µs"),
        make_row("  decode, book, events", [middle["decode"]], "µs"),
        make_row("  core and broadcast", [middle["broadcast"]], "µs"),
        make_row("  session, clock, histograms", [rest], "µs"),
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
            _stamped(frames, i)
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
        target=(">=", 4.0),
    )


class _Unpaced(Pace):
    """Lets every request go: the exchange would take 60 in two seconds."""

    def take(self, operation: str, instrument: int, now_ns: int) -> bool:  # noqa: ARG002
        """Permit everything."""
        return True


def _way_back(folder: Any, runs: int, n: int) -> list[Row]:
    """Time from a readable frame to the order's frame written to a socket."""
    desk = StrategyDesk(folder, ORDERING.replace("BTC-USDT", SYMBOL), "bench", is_compiled=True)
    core = _core()
    hub, orders = desk.hub.address, desk.orders.ctypes.data
    frames = make_frames([SYMBOL], 64, channels=("bbo-tbt",))
    request = aligned_zeros(ORDER.itemsize)
    at = int(request.ctypes.data)
    own, theirs = cores()[0], cores()[-1]
    child = desk.start(theirs)
    rig = FeedRig(
        lambda address, k: put_events(hub, core.address, address, k), int(frames.counters[0, 0])
    )
    private = rig.connect_private()
    ticket = Ticket(_INSTRUMENT, 7, "cash")
    outbound = Outbound(core, OrderDesk(core), [ticket], private.send, lambda _call, _name: False)
    outbound.pace = _Unpaced()
    middle, tail = [], []
    try:
        await_request(orders, at, clock.monotonic_ns() + 100_000_000)  # of the snapshot's quote
        with _pinned(own):
            for _ in range(runs):
                times = []
                for i in range(n):
                    spent = rig.time(_stamped(frames, i % 64))
                    start = clock.monotonic_ns()
                    if not await_request(orders, at, start + _GIVE_UP_NS):
                        raise AssertionError("a quote was not answered by an order")
                    now = clock.now_ns()
                    on_request_live(core.address, 0, at, now)
                    outbound.send(now, is_line_up=True)
                    times.append(spent + clock.monotonic_ns() - start)
                    answer(hub, at)
                    core.drain()
                    rig.forget_orders()
                middle.append(float(np.percentile(times, 50)) / 1000)
                tail.append(float(np.percentile(times, 99)) / 1000)
        assert outbound.describe()["frames"] == runs * n
    finally:
        desk.stop(child)
        rig.close()
    is_free = len(cores()) > 1
    return [
        make_row(
            "bytes in → order frame at the socket, compiled, spin: p50",
            middle,
            "µs",
            target=("<=", 25.0) if is_free else None,
        ),
        make_row(
            "bytes in → order frame at the socket, compiled, spin: p99",
            tail,
            "µs",
            target=("<=", 80.0) if is_free else None,
        ),
    ]


def feed_rows(*, quick: bool = False) -> list[Row]:
    """Run what needs nobody else; `quick` makes it short and its figures rough."""
    runs, n = (3, 300) if quick else (9, 2000)
    rows: list[Row] = []
    with private_memory() as folder:
        os.mkfifo(folder / DOORBELL, 0o600)
        doorbell = os.open(folder / DOORBELL, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        engine = EngineSegment.create(folder, generation=1, engine=folder.name)
        engine.append(_INSTRUMENT)
        source = ORDERING.replace("BTC-USDT", SYMBOL)
        desk = StrategyDesk(folder, source, "reader", is_compiled=False)
        for kind in (Kind.QUOTE, Kind.TRADE, Kind.BOOK):
            desk.hub.route(0, 0, 1 << kind)
        with _pinned(cores()[0]):
            for channel in _CHANNELS:
                rows += _way_in(desk, channel, runs, n)
            rows += [_decode(channel, runs, n) for channel in _CHANNELS]
        rows += _way_back(folder, runs, n)
        os.close(doorbell)
    return rows
