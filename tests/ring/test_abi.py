"""The C header: pinned, compiled, and used from both sides of a real ring.

A C++17 program built against the printed header exchanges 10^6 trades with jitted
Python over a mapped file, each way, every byte of every event compared.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from rings import fork, mix, wait_for

from livekit import events
from livekit.events import TRADE, Kind
from livekit.ring import abi
from livekit.ring.jit import hot
from livekit.ring.layout import BROKEN, SIDE, fill_side
from livekit.ring.memory import record, sched_yield, store_i64
from livekit.ring.queue import LockFreeQueue
from livekit.ring.spsc import claim, commit, peek, release
from livekit.ring.wait import notify, wait

EVENTS = 1_000_000
DIGESTS = {1: "003bb0d3aaeb139e", 2: "03d0972b09dc63db"}
"""A changed layout needs a new ABI number: add a line here, never change one."""

needs_gxx = pytest.mark.skipif(
    shutil.which("g++") is None, reason="no g++ to compile the C++ side with"
)
SOURCE = Path(__file__).parent.parent / "bench" / "exchange.cpp"


@pytest.fixture(scope="module")
def header(tmp_path_factory):
    folder = tmp_path_factory.mktemp("abi")
    (folder / "livekit.h").write_text(abi.c_header(), encoding="utf-8")
    return folder


def compiled(folder, source, *options):
    program = folder / Path(source).stem
    command = [*options, "-O2", "-Wall", "-Wextra", "-Werror", f"-I{folder}"]
    subprocess.run([*command, str(source), "-o", str(program)], check=True, timeout=120)
    return program


@pytest.fixture(scope="module")
def exchange(header):
    return compiled(header, SOURCE, "g++", "-std=c++17")


def test_layouts_have_the_digest_pinned_to_their_abi_number():
    assert abi.layout_digest() == DIGESTS[events.ABI], (
        "a layout changed: give events.ABI a new number and pin its digest here"
    )


@pytest.mark.parametrize(
    "line",
    [
        "ticker.last_price 32 <f8()",
        "order.client_order_id 96 |S24()",
        "book.ask_size 160 <f8(5,)",
        "TAIL 0",
        "HEAD 128",
        "SLEEPING 256",
        "BELL 384",
        "prefix 256",
        "segment 4096",
        "queue.capacity 256 <i8()",
        "Kind.STOP 11",
    ],
)
def test_pinned_text_names_fields_words_and_numbers(line):
    assert line in abi.layout_text().splitlines()


def test_a_moved_field_changes_the_digest(monkeypatch):
    before = abi.layout_digest()
    moved = np.dtype({"names": ["kind"], "formats": ["u1"], "offsets": [1], "itemsize": 64})
    monkeypatch.setitem(abi._STRUCTS, "ticker", moved)
    assert abi.layout_digest() != before


def test_header_names_every_kind_struct_and_padding():
    text = abi.c_header()
    for kind in Kind:
        assert f"LK_KIND_{kind.name} = {kind.value}" in text
    for kind in events.DTYPES:
        assert f"}} lk_{kind.name.lower()};" in text
    assert "LK_CHECK(offsetof(lk_order, published) == 124);" in text
    assert "uint8_t reserved_60[4];" in text
    assert "@" not in text


@needs_gxx
@pytest.mark.parametrize(("compiler", "standard"), [("gcc", "c11"), ("g++", "c++17")])
def test_header_compiles_without_a_warning_as_c_and_as_cpp(header, compiler, standard):
    source = header / f"alone.{'c' if compiler == 'gcc' else 'cpp'}"
    source.write_text(
        '#include "livekit.h"\n#include "livekit.h"\n'
        "int main(void) { return sizeof(lk_book) != 256; }\n",
        encoding="utf-8",
    )
    program = compiled(header, source, compiler, f"-std={standard}", "-Wpedantic")
    assert subprocess.run([program], check=False, timeout=60).returncode == 0


@hot
def _fill(slot: int, sequence: int) -> None:
    for word in range(8):
        store_i64(slot + word * 8, 0)
    trade = record(TRADE, slot)
    trade.kind = 2
    trade.instrument = np.uint16(sequence % 1000)
    trade.aux = np.uint32(sequence % 2)
    trade.sequence = np.uint64(sequence)
    trade.ts_event = mix(sequence * 8 + 2)
    trade.ts_recv = mix(sequence * 8 + 3)
    trade.price = sequence * 0.5
    trade.size = 1.0 / (sequence + 1)
    trade.trade_id = mix(sequence * 8 + 6)
    trade.published = np.uint32(mix(sequence * 8 + 7))


@hot
def _produce(side: int, n: int) -> int:
    for sequence in range(n):
        slot = claim(side)
        while slot == 0:
            sched_yield()
            slot = claim(side)
        if slot < 0:
            return BROKEN
        _fill(slot, sequence)
        commit(side)
        notify(side)
    return 0


@hot
def _consume(side: int, n: int, scratch: int) -> int:
    """Return the first sequence that was wrong, or n."""
    for sequence in range(n):
        while True:
            ready = wait(side, 2_000, 20_000, 2_000_000, scratch)
            if ready != 0:
                break
        if ready < 0:
            return BROKEN
        _fill(scratch + 64, sequence)
        slot, good = peek(side), True
        for word in range(8):
            good = good and (
                record(_WORD, slot + word * 8).word == record(_WORD, scratch + 64 + word * 8).word
            )
        if not good:
            return sequence
        release(side)
    return n


_WORD = np.dtype([("word", "<i8")])


def side_of(queue, *, is_producer):
    side = np.zeros(1, SIDE)
    control, slots = queue.memory
    fill_side(
        side,
        control=control.ctypes.data,
        slots=slots.ctypes.data,
        capacity=queue.capacity,
        slot_bytes=queue.event_size,
        is_producer=is_producer,
    )
    return side


@needs_gxx
@pytest.mark.process
@pytest.mark.parametrize("capacity", [64, 4096])
def test_cpp_producer_and_python_consumer_exchange_a_million_events(
    exchange, runtime_dir, capacity
):
    with LockFreeQueue.create(runtime_dir / "q", capacity, 64) as queue:
        side, scratch = side_of(queue, is_producer=False), np.zeros(16, np.int64)
        _consume(side.ctypes.data, 0, scratch.ctypes.data)
        with subprocess.Popen([exchange, "produce", queue.path, str(EVENTS)]) as producer:
            assert _consume(side.ctypes.data, EVENTS, scratch.ctypes.data) == EVENTS
            assert producer.wait(60) == 0
        assert len(queue) == 0


@needs_gxx
@pytest.mark.process
@pytest.mark.parametrize("capacity", [64, 4096])
def test_python_producer_and_cpp_consumer_exchange_a_million_events(
    exchange, runtime_dir, capacity
):
    with LockFreeQueue.create(runtime_dir / "q", capacity, 64) as queue:
        side = side_of(queue, is_producer=True)
        _produce(side.ctypes.data, 0)
        with subprocess.Popen([exchange, "consume", queue.path, str(EVENTS)]) as consumer:
            child = fork(lambda: _produce(side.ctypes.data, EVENTS))
            assert wait_for(child) == 0
            assert consumer.wait(60) == 0
        assert len(queue) == 0


@needs_gxx
@pytest.mark.process
def test_cpp_side_refuses_a_file_of_another_abi(exchange, runtime_dir):
    with LockFreeQueue.create(runtime_dir / "q", 64, 64) as queue:
        with queue.path.open("r+b") as file:
            file.seek(8)
            file.write((events.ABI + 1).to_bytes(8, "little"))
        done = subprocess.run([exchange, "produce", queue.path, "1"], check=False, timeout=60)
        assert done.returncode == 4


@needs_gxx
@pytest.mark.process
def test_cpp_producer_notices_an_impossible_cursor(exchange, runtime_dir):
    queue = LockFreeQueue.create(runtime_dir / "q", 64, 64)
    with queue, subprocess.Popen([exchange, "produce", queue.path, "1000"]) as producer:
        while len(queue) < 64:
            assert producer.poll() is None
        queue.memory[0][128:136].view(np.int64)[0] = 10**9
        assert producer.wait(60) == 5
