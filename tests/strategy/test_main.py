"""The strategy's process as its parent and its engine see it; both are this test."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from wires import BTC, INSTRUMENTS, T0, make_event

from livekit import clock
from livekit.events import ANY_INSTRUMENT, ORDER, SLOT_BYTES, Kind, OrderStatus
from livekit.ring.broadcast import Hub, broadcast, deliver, ring_bells
from livekit.ring.directory import EngineSegment
from livekit.ring.layout import SIDE, SIDE_BYTES, SLEEPING, aligned_zeros
from livekit.ring.segment import Phase, RunState, Segment, SegmentPlan
from livekit.ring.spsc import pop

pytestmark = pytest.mark.process

TEXT = '''
import livekit.strategy.api as lk

class Sample(lk.Strategy):
    """Buy at the first quote."""
    symbols = ("BTC-USDT",)
    size = lk.Param(0.01, 0.001, 1.0, hot=True)
    count: int = 0
    filled: float = 0.0

    def on_start(self):
        self.log("started", self.size)

    def on_quote(self, quote):
        self.count += 1
        if self.count == 1:
            self.buy(quote.symbol, self.size, quote.ask_price)

    def on_fill(self, order):
        self.filled = self.position(order.symbol)

    def on_stop(self):
        self.log("stopped", self.count)
'''


class Attached:
    """A child, the pipes to it, and once registered its segment."""

    def __init__(self, folder, arguments):
        self.folder = folder
        from_child, child_writes = os.pipe()
        child_reads, self.to_child = os.pipe()
        self.log = folder / "child.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-W", "error", "-m", "livekit.strategy.main", *arguments),
                    *("--pipes", f"{child_reads},{child_writes}"),
                ],
                stdout=output,
                stderr=output,
                pass_fds=(child_reads, child_writes),
            )
        os.close(child_reads)
        os.close(child_writes)
        self.from_child = from_child
        self.hello = self._read()

    def _read(self):
        data, deadline = b"", time.monotonic() + 60
        while not data.endswith(b"\n"):
            assert select.select([self.from_child], [], [], deadline - time.monotonic())[0]
            part = os.read(self.from_child, 65536)
            assert part, self.text()
            data += part
        return json.loads(data)

    def text(self):
        return self.log.read_text()

    def answer(self, message):
        os.write(self.to_child, json.dumps(message).encode() + b"\n")

    def register(self, positions=()):
        """Do what the engine does: make the segment, open the ring, tell the child."""
        spec = self.hello["spec"]
        engine, sizes = self.folder.name, (spec["params_bytes"], spec["state_bytes"])
        plan = SegmentPlan("s", engine, 1, 0, 3, spec, *sizes)
        self.segment = Segment.create(self.folder / "s", plan)
        for number, units in enumerate(positions):
            self.segment.positions[number] = units
        self.hub = Hub()
        self.segment.fill_events_side(self.hub.side(0), is_producer=True)
        self.hub.route(0, BTC, spec["kinds"])
        self.hub.open(0)
        self.orders = aligned_zeros(SIDE_BYTES).view(SIDE)
        self.segment.fill_orders_side(self.orders, is_producer=False)
        self.answer({"segment": str(self.folder / "s"), "folder": str(self.folder)})

    def await_phase(self, phase):
        self.await_that(lambda: self.segment.header["phase"] >= phase)
        return Phase(int(self.segment.header["phase"]))

    def await_that(self, is_so):
        deadline = time.monotonic() + 60
        while not is_so():
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.001)

    def send(self, kind, **fields):
        event = make_event(kind, **fields)
        if kind in (Kind.ORDER, Kind.STOP, Kind.PARAMS):
            assert deliver(self.hub.address, 0, event.ctypes.data) == 1
        else:
            assert broadcast(self.hub.address, event.ctypes.data) == 1
        ring_bells(self.hub.address)

    def request(self):
        """Wait for the next request."""
        target = aligned_zeros(SLOT_BYTES)
        self.await_that(lambda: pop(self.orders.ctypes.data, target.ctypes.data) == 1)
        return target[:128].view(ORDER)[0].copy()

    def state(self):
        fields = [tuple(field) for field in self.hello["spec"]["state_dtype"]]
        return np.frombuffer(self.segment.read_state(), np.dtype(fields, align=True))[0]

    def stop(self):
        self.segment.header["run_state"] = RunState.STOPPING
        self.send(Kind.STOP, instrument=ANY_INSTRUMENT)
        return self.process.wait(60)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.from_child, self.to_child):
            with contextlib.suppress(OSError):
                os.close(pipe)


@pytest.fixture
def attach(runtime_dir, tmp_path):
    """Give a function that starts a child on a text; the engine's folder exists."""
    engine = EngineSegment.create(runtime_dir, generation=1, engine=runtime_dir.name)
    for instrument in INSTRUMENTS:
        engine.append(instrument)
    os.mkfifo(runtime_dir / "_doorbell")
    bell = os.open(runtime_dir / "_doorbell", os.O_RDONLY | os.O_NONBLOCK)
    children = []

    def start(text=TEXT, *arguments, file="sample.py"):
        path = tmp_path / file
        path.write_text(text)
        children.append(Attached(runtime_dir, [str(path), *arguments]))
        children[-1].bell = bell
        return children[-1]

    yield start
    for child in children:
        child.close()
    os.close(bell)


def test_strategy_trades_and_stops(attach):
    child = attach(TEXT, "--param", "size=0.02")
    assert child.hello["pid"] == child.process.pid
    assert child.hello["start"] == clock.process_start(child.process.pid)
    assert child.hello["spec"]["params"][0]["value"] == 0.02
    child.register()
    assert child.await_phase(Phase.STARTED) is Phase.STARTED
    assert child.segment.strategy_is_alive()
    child.send(Kind.QUOTE, bid_price=99.0, ask_price=100.0, ts_event=T0)
    request = child.request()
    assert (request["price"], request["quantity"]) == (100.0, 0.02)
    assert request["order_id"] == 3 << 32 | 1
    child.send(
        Kind.ORDER,
        order_id=request["order_id"],
        status=OrderStatus.FILLED,
        last_quantity=0.02,
    )
    child.await_that(lambda: child.state()["filled"] == 0.02)
    assert child.stop() == 0
    assert child.await_phase(Phase.STOPPED) is Phase.STOPPED
    assert child.state().item() == (1, 0.02)
    counters = child.segment.strategy_counters
    assert counters["delay"].sum() == counters["received"][Kind.QUOTE] == 1
    assert counters["compilations"] == 0
    assert "event=strategy_log text='started' 0.02" in child.text()
    assert "text='stopped' 1.0" in child.text()


def test_sleeping_engine_is_woken_by_an_order(attach):
    child = attach()
    child.register()
    child.await_phase(Phase.STARTED)
    control = child.segment.file.part("<i8", int(child.segment.header["orders_control"]), 64)
    control[SLEEPING // 8] = 5
    child.send(Kind.QUOTE, ask_price=100.0)
    child.request()
    assert os.read(child.bell, 10) != b""


def test_idle_strategy_beats_its_heart(attach):
    child = attach()
    child.register()
    child.await_phase(Phase.STARTED)
    first = int(child.segment.header["heartbeat"])
    child.await_that(lambda: child.segment.header["heartbeat"] > first)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_it_cleanly(attach, number):
    child = attach()
    child.register()
    child.await_phase(Phase.STARTED)
    child.process.send_signal(number)
    assert child.process.wait(60) == 0
    assert child.await_phase(Phase.STOPPED) is Phase.STOPPED
    assert "text='stopped'" in child.text()


def test_position_of_an_earlier_attach_is_known_in_on_start(attach):
    text = TEXT.replace('self.log("started", self.size)', "self.filled = self.position('BTC-USDT')")
    child = attach(text)
    child.register(positions=[0.25])
    child.await_phase(Phase.STARTED)
    child.await_that(lambda: child.state()["filled"] == 0.25)


def test_compiled_strategy_does_the_same(attach):
    child = attach(TEXT, "--jit")
    assert child.hello["spec"]["mode"] == "compiled"
    child.register()
    child.await_phase(Phase.STARTED)
    child.send(Kind.QUOTE, bid_price=99.0, ask_price=100.0, ts_event=T0)
    assert child.request()["quantity"] == 0.01
    assert child.stop() == 0
    assert child.state().item() == (1, 0.0)
    assert child.segment.strategy_counters["compilations"] == 0


def test_refusal_by_the_engine_is_the_exit_code(attach):
    child = attach()
    child.answer({"error": {"class": "ConfigError", "message": "name taken", "exit_code": 4}})
    assert child.process.wait(60) == 4
    assert "name taken" in child.text()


def test_parent_that_goes_away_ends_it(attach):
    child = attach()
    os.close(child.to_child)
    assert child.process.wait(60) == 3


def test_segment_that_is_not_there_ends_it(attach):
    child = attach()
    child.answer({"segment": str(child.folder / "none"), "folder": str(child.folder)})
    assert child.process.wait(60) == 2
    assert "does not exist" in child.text()


def test_on_start_that_raises_is_told_in_the_segment(attach):
    child = attach(TEXT.replace('self.log("started", self.size)', "1 / 0"))
    child.register()
    assert child.await_phase(Phase.FAILED) is Phase.FAILED
    assert child.process.wait(60) == 1
    message = child.segment.header["message"].decode()
    assert "on_start raised ZeroDivisionError" in message
    assert "sample.py:12" in message


def test_code_that_cannot_be_compiled_is_told_in_the_segment(attach):
    text = TEXT.replace("self.count += 1", "self.count += 1\n        open('x')", 1)
    child = attach(text, "--jit")
    child.register()
    assert child.await_phase(Phase.FAILED) is Phase.FAILED
    assert child.process.wait(60) == 4
    assert child.segment.header["message"]


@pytest.mark.parametrize(
    ("text", "arguments", "code", "message"),
    [
        (TEXT + "  (", (), 4, "syntax error in line"),
        ("import nothing_like_this\n", (), 4, "ModuleNotFoundError"),
        ("x = 1\n", (), 4, "defines no strategy"),
        (TEXT, ("--class", "Smaple"), 2, "did you mean 'Sample'?"),
        (TEXT, ("--param", "sise=1"), 4, "did you mean 'size'?"),
        (TEXT, ("--param", "size=5"), 4, "expected 0.001 to 1.0"),
        (TEXT.replace('("BTC-USDT",)', '"BTC-USDT"'), (), 4, "expected a tuple"),
        (TEXT + "    def __init__(self, x): pass\n", (), 4, "must work without arguments"),
    ],
)
def test_mistake_of_the_user_is_told_to_the_parent(attach, text, arguments, code, message):
    child = attach(text, *arguments)
    error = child.hello["error"]
    assert message in error["message"]
    assert error["exit_code"] == child.process.wait(60) == code
    assert message in child.text() or "\\'" in child.text()


def test_file_that_is_not_there_is_told_to_the_parent(runtime_dir):
    child = Attached(runtime_dir, [str(Path("/nowhere/none.py"))])
    assert "does not exist" in child.hello["error"]["message"]
    assert child.process.wait(60) == 2
    child.close()
