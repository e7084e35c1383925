"""The loop of a strategy process, in this process: phases, ends, state, housekeeping."""

import gc
import logging
import os

import numpy as np
import pytest
from wires import EPOCH, INSTRUMENTS, T0, make_event

import livekit.strategy.api as lk
from livekit import clock
from livekit.events import ANY_INSTRUMENT, ORDER, SLOT_BYTES, Action, Kind, OrderStatus
from livekit.ring.layout import BROKEN, SIDE, SIDE_BYTES, aligned_zeros
from livekit.ring.segment import Phase, RunState, Segment, SegmentPlan
from livekit.ring.spsc import pop, push
from livekit.strategy.context import Context
from livekit.strategy.declaration import declare
from livekit.strategy.interpreted import Interpreted
from livekit.strategy.loader import make_instance
from livekit.strategy.runner import DOORBELL, Runner, open_doorbell, set_failed
from livekit.strategy.table import InstrumentTable
from livekit.strategy.warm import warm_up


class Counting(lk.Strategy):
    total: float = 0.0
    count: int = 0

    def __init__(self):
        self.calls = []

    def on_start(self):
        self.calls.append("on_start")
        self.buy("BTC-USDT", 0.01)

    def on_quote(self, quote):
        self.count += 1
        self.total += quote.bid_price

    def on_stop(self):
        self.calls.append("on_stop")


class Stage:
    """A real segment whose engine is this test."""

    def __init__(self, folder, cls, positions=()):
        declaration = declare(cls)
        self.state_dtype = declaration.state_dtype
        plan = SegmentPlan("s", folder.name, 1, 0, EPOCH, {}, 0, self.state_dtype.itemsize)
        self.segment = Segment.create(folder / "s", plan)
        for number, units in enumerate(positions):
            self.segment.positions[number] = units
        table = InstrumentTable(lambda start: INSTRUMENTS[start:])
        self.context = Context(declaration.params_dtype, self.state_dtype, 0)
        table.follow(self.context)
        self.context.connect(self.segment)
        self.strategy = make_instance(cls, {})
        self.body = Interpreted(self.strategy, declaration, self.context, table)
        self.runner = Runner(self.body, self.context, self.segment)
        self._producer = aligned_zeros(SIDE_BYTES).view(SIDE)
        self.segment.fill_events_side(self._producer, is_producer=True)
        self._consumer = aligned_zeros(SIDE_BYTES).view(SIDE)
        self.segment.fill_orders_side(self._consumer, is_producer=False)

    def send(self, kind, **fields):
        event = make_event(kind, **fields)
        assert push(self._producer.ctypes.data, event.ctypes.data, event.itemsize // 64) == 1

    def stop(self):
        self.send(Kind.STOP, instrument=ANY_INSTRUMENT)

    def requests(self):
        taken, target = [], aligned_zeros(SLOT_BYTES)
        while pop(self._consumer.ctypes.data, target.ctypes.data) == 1:
            taken.append(target[:128].view(ORDER)[0].copy())
        return taken

    @property
    def phase(self):
        return Phase(int(self.segment.header["phase"]))

    @property
    def message(self):
        return self.segment.header["message"].decode()

    def state(self):
        return np.frombuffer(self.segment.read_state(), self.state_dtype)[0]


@pytest.fixture
def stage(runtime_dir):
    warm_up(is_compiled=False)
    stages = []

    def make(cls=Counting, **options):
        stages.append(Stage(runtime_dir, cls, **options))
        return stages[-1]

    yield make
    gc.unfreeze()


def test_strategy_starts_runs_and_stops(stage):
    it = stage()
    for bid in (1.0, 2.0, 3.0):
        it.send(Kind.QUOTE, bid_price=bid, ts_event=T0, sequence=int(bid))
    it.stop()
    assert it.runner.run() == 0
    assert it.phase is Phase.STOPPED
    assert it.message == ""
    assert it.strategy.calls == ["on_start", "on_stop"]
    assert it.state().item() == (6.0, 3)
    tail, head = it.segment.cursors("events")
    assert tail == head == 4
    header = it.segment.header
    assert header["heartbeat"] > 0
    assert it.segment.strategy_counters["received"][Kind.QUOTE] == 3
    assert it.segment.strategy_counters["orders"] == 1
    assert it.segment.strategy_counters["compilations"] == 0
    assert it.segment.strategy_counters["gc_pauses"] >= 1


def test_on_start_may_order_and_its_order_has_the_epoch(stage):
    it = stage()
    it.stop()
    it.runner.run()
    (request,) = it.requests()
    assert request["order_id"] == EPOCH << 32 | 1
    assert (request["ts_event"], request["published"]) == (0, 0)


def test_position_of_an_earlier_attach_is_taken_over(stage):
    it = stage(positions=(0.5, -2.0))
    assert it.strategy.position("BTC-USDT") == 0.5
    assert it.strategy.position("ETH-USDT") == -2.0


def test_phases_are_seen_in_order(stage):
    seen = []

    class Watching(lk.Strategy):
        def on_start(self):
            seen.append(it.phase)

        def on_quote(self, _quote):
            seen.append(it.phase)

        def on_stop(self):
            seen.append(it.phase)

    it = stage(Watching)
    it.send(Kind.QUOTE)
    it.stop()
    it.runner.run()
    assert seen == [Phase.CREATED, Phase.STARTED, Phase.RUNNING]


def test_exception_in_on_start_fails_without_on_stop(stage):
    class Bad(Counting):
        def on_start(self):
            raise KeyError("missing")

    it = stage(Bad)
    assert it.runner.run() == 1
    assert it.phase is Phase.FAILED
    assert it.message.startswith("on_start raised KeyError: 'missing' (")
    assert "test_runner.py:" in it.message
    assert it.strategy.calls == []


def test_too_many_errors_cancel_all_orders_then_stop(stage):
    class Bad(Counting):
        def on_quote(self, _quote):
            raise ValueError("no")

    it = stage(Bad)
    for _ in range(20):
        it.send(Kind.QUOTE)
    assert it.runner.run() == 1
    assert it.phase is Phase.FAILED
    assert "10 exceptions in a row" in it.message
    assert it.strategy.calls == ["on_start", "on_stop"]
    last = it.requests()[-1]
    assert (last["action"], last["instrument"]) == (Action.CANCEL_ALL, ANY_INSTRUMENT)
    assert it.segment.strategy_counters["errors"] == 10


def test_fenced_strategy_leaves_at_once(stage):
    it = stage()
    it.segment.header["run_state"] = RunState.FENCED
    assert it.runner.run() == 1
    assert it.phase is Phase.FAILED
    assert "fenced" in it.message
    assert it.strategy.calls == ["on_start", "on_stop"]


def test_strategy_of_a_dead_engine_stops_with_code_3(stage):
    it = stage()
    it.segment.file.prefix["engine_start"] += 1
    assert it.runner.run() == 3
    assert it.phase is Phase.FAILED
    assert f"engine process {os.getpid()} is gone" in it.message
    assert it.strategy.calls == ["on_start", "on_stop"]


def test_impossible_cursor_fails(stage):
    it = stage()
    words = it.segment.file.part("<i8", int(it.segment.header["events_control"]))
    words[0] = 10**6
    assert it.runner.run() == 1
    assert "impossible cursors" in it.message
    assert BROKEN == -1


def test_request_of_a_signal_is_seen_after_the_batch(stage):
    class Asked(Counting):
        def on_quote(self, quote):
            super().on_quote(quote)
            it.runner.is_asked_to_stop = True

    it = stage(Asked)
    for _ in range(3):
        it.send(Kind.QUOTE)
    assert it.runner.run() == 0
    assert it.strategy.count == 3
    assert it.phase is Phase.STOPPED


def test_state_is_published_after_on_start_and_at_the_end(stage):
    class Noted(Counting):
        def on_start(self):
            self.count = 5

        def on_stop(self):
            self.count += 1

    it = stage(Noted)
    it.stop()
    it.runner.run()
    assert it.state()["count"] == 6


def test_state_is_published_while_it_runs(stage):
    seen = []

    class Peeking(Counting):
        def on_quote(self, quote):
            super().on_quote(quote)
            seen.append(int(it.state()["count"]))
            if self.count < 4:
                # The engine's next event, long after the last publishing.
                end = clock.monotonic_ns() + 2_000_000
                while clock.monotonic_ns() < end:
                    pass
                it.send(Kind.QUOTE)
            else:
                it.stop()

    it = stage(Peeking)
    it.send(Kind.QUOTE)
    it.runner.run()
    assert seen == [0, 1, 2, 3]


def test_compilation_after_the_start_is_counted(stage):
    import numba

    class Compiling(Counting):
        def on_quote(self, quote):
            numba.njit(lambda x: x + 1)(quote.bid_price)

    it = stage(Compiling)
    it.send(Kind.QUOTE)
    it.stop()
    it.runner.run()
    assert it.segment.strategy_counters["compilations"] >= 1


def test_failure_is_cut_to_the_words_room(stage):
    it = stage()
    set_failed(it.segment, "é" * 400)
    assert it.message == "é" * 256
    assert it.phase is Phase.FAILED


def test_doorbell_of_an_engine_that_has_none_is_minus_one(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "livekit"):
        assert open_doorbell(tmp_path) == -1
    assert "no_doorbell" in caplog.text


def test_doorbell_is_opened_for_writing(tmp_path):
    os.mkfifo(tmp_path / DOORBELL)
    reader = os.open(tmp_path / DOORBELL, os.O_RDONLY | os.O_NONBLOCK)
    writer = open_doorbell(tmp_path)
    os.write(writer, b"x")
    assert os.read(reader, 10) == b"x"
    os.close(reader)
    os.close(writer)


def test_reports_reach_a_running_strategy(stage):
    class Filled(Counting):
        def on_fill(self, order):
            self.total = self.position(order.symbol)

    it = stage(Filled)
    it.send(
        Kind.ORDER,
        order_id=EPOCH << 32 | 1,
        status=OrderStatus.FILLED,
        last_quantity=0.01,
        ts_event=T0,
    )
    it.stop()
    it.runner.run()
    assert it.state()["total"] == 0.01
    assert it.context.view["n_open"] == 0
