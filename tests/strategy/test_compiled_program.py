"""The machine code itself: where it is kept, when it is made anew, and what is in it."""

import re
import subprocess
import sys

import numba
import numpy as np
import pytest
from compiled_rig import INSTRUMENTS, Rig, market, quote, run, slots, write_class

from livekit.events import ORDER, QUOTE, Kind
from livekit.ring.jit import hot
from livekit.strategy.compiled import Compiled, build
from livekit.strategy.compiled.driver import invoke
from livekit.strategy.declaration import declare

EMA = """
SPAN = 2.0


def middle(quote):
    return (quote.bid_price + quote.ask_price) / SPAN


class Mine(lk.Strategy):
    symbols = ("BTC-USDT",)
    fast = lk.Param(0.1, 0.01, 0.5)
    slow = lk.Param(0.01, 0.001, 0.1)
    size = lk.Param(0.01, 0.001, 1.0)
    ema_fast: float = math.nan
    ema_slow: float = math.nan
    side: int = 0
    n: int = 0
    recent: lk.array(16)

    def cross(self, mid):
        self.ema_fast += self.fast * (mid - self.ema_fast)
        self.ema_slow += self.slow * (mid - self.ema_slow)

    def on_quote(self, quote):
        mid = middle(quote)
        self.recent[self.n % 16] = mid
        self.n += 1
        if math.isnan(self.ema_fast):
            self.ema_fast = self.ema_slow = mid
            return
        self.cross(mid)
        if self.ema_fast > self.ema_slow and self.side <= 0:
            self.side = 1
            self.buy("BTC-USDT", self.size, quote.ask_price)
        elif self.ema_fast < self.ema_slow and self.side >= 0:
            self.side = -1
            self.sell(quote.symbol, self.size, quote.bid_price)
"""


def program_of(cls):
    return build(cls, declare(cls))


def intermediate(program, name):
    """Return the optimised LLVM text of a callback."""
    return program.entries[name].inspect_llvm()[numba.int64, numba.int64]


def test_second_build_comes_from_the_disk(tmp_path):
    cls = write_class(tmp_path, EMA)
    first, second = program_of(cls), program_of(cls)
    assert not first.is_cached
    assert second.is_cached
    assert first.key == second.key


def test_code_from_the_disk_does_the_same(tmp_path):
    cls = write_class(tmp_path, EMA)
    events = market(500, 2)
    one, _ = run(cls, Compiled, events)
    two, _ = run(cls, Compiled, events)
    assert two.body.program.is_cached
    assert one.orders == two.orders
    assert one.state.tobytes() == two.state.tobytes()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SPAN = 2.0", "SPAN = 4.0"),
        ("quote.ask_price) / SPAN", "quote.ask_price * 3) / SPAN"),
        ("self.fast * (mid", "self.slow * (mid"),
    ],
    ids=["constant", "helper function", "helper method"],
)
def test_changed_text_is_compiled_anew(tmp_path, old, new):
    quotes = slots(quote(), quote(99.0, 100.0))
    before = run(write_class(tmp_path, EMA), Compiled, quotes)[0]
    after = run(write_class(tmp_path, EMA.replace(old, new)), Compiled, quotes)[0]
    assert not after.body.program.is_cached
    assert float(before.state["ema_fast"]) != float(after.state["ema_fast"])


def test_changed_neighbour_module_is_compiled_anew(tmp_path):
    """Numba's own cache would keep the helper of another file."""
    code = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from compiled_rig import load, run, slots, quote
from livekit.strategy.compiled import Compiled
rig, _ = run(load(Path({file!r}), "Mine"), Compiled, slots(quote()))
print(float(rig.state["x"]))
"""
    (tmp_path / "mine.py").write_text(
        "import livekit as lk\nimport neighbour\nfrom neighbour import shift\n\n\n"
        "class Mine(lk.Strategy):\n    x: float = 0.0\n\n"
        "    def on_quote(self, q):\n        self.x = shift(1.0) + neighbour.OFFSET\n"
    )
    paths = [str(tmp_path), *sys.path]
    script = code.format(paths=paths, file=str(tmp_path / "mine.py"))
    results = []
    for value in (10.0, 20.0):
        (tmp_path / "neighbour.py").write_text(
            f"OFFSET = {value}\n\n\ndef shift(x):\n    return x + {value}  # {'-' * int(value)}\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        results.append(float(done.stdout))
    assert results == [21.0, 41.0]


def test_code_from_the_disk_is_valid_where_instruments_have_other_numbers(tmp_path, monkeypatch):
    cls = write_class(tmp_path, EMA)
    numbers = []
    for _ in range(2):
        rig = Rig(cls, Compiled)
        rig.body.start()
        name = "BTC-USDT"
        rig.feed(slots(quote(99.0, 99.5, name), quote(100.0, 100.5, name)))
        numbers.append(int(np.frombuffer(rig.orders[0], ORDER)["instrument"][0]))
        monkeypatch.setattr("compiled_rig.INSTRUMENTS", INSTRUMENTS[::-1][1:] + INSTRUMENTS[2:])
    assert rig.body.program.is_cached
    assert numbers == [1, 0]


def functions_in(text):
    """Return the bodies of an LLVM module's functions by name."""
    found = re.findall(
        r"^define [^\n]*?@([\w.\"$]+)\([^\n]*\n(.*?)^}", text, re.DOTALL | re.MULTILINE
    )
    return dict(found)


def called_by(body):
    """Return the names a function calls, LLVM's own left out."""
    names = re.findall(r"call [^@\n]*@([\w.\"$]+)\(", body)
    return {name for name in names if not name.startswith("llvm.")}


def test_callback_counts_no_references_and_allocates_nothing(tmp_path):
    program = program_of(write_class(tmp_path, EMA))
    functions = functions_in(intermediate(program, "on_quote"))
    assert functions
    for body in functions.values():
        assert not {name for name in called_by(body) if "NRT_" in name or name.startswith("Py")}


def test_callback_that_only_computes_calls_nothing(tmp_path):
    body = EMA.partition("        if self.ema_fast > self.ema_slow")[0]
    program = program_of(write_class(tmp_path, body))
    functions = functions_in(intermediate(program, "on_quote"))
    assert set().union(*map(called_by, functions.values())) == set()


def test_jitted_loop_may_call_by_address_and_by_name(tmp_path):
    cls = write_class(tmp_path, EMA)
    program = program_of(cls)
    on_quote = program.entries["on_quote"]

    @numba.njit
    def by_name(ctx, events, n):
        for i in range(n):
            on_quote(ctx, events + i * 64)

    @hot
    def by_address(address, ctx, events, n):
        for i in range(n):
            invoke(address, ctx, events + i * 64)

    events = np.ascontiguousarray(market(300, 1, kinds={Kind.QUOTE})[:, :64]).view(QUOTE)[:, 0]
    rigs = [Rig(cls, Compiled) for _ in range(2)]
    start = events.ctypes.data
    by_name(rigs[0].context.address, start, len(events))
    address = program.addresses["on_quote"]
    by_address(address, rigs[1].context.address, start, len(events))
    assert int(rigs[0].state["n"]) == 300
    assert rigs[0].state.tobytes() == rigs[1].state.tobytes()


def test_exception_passes_through_a_jitted_loop(tmp_path):
    cls = write_class(
        tmp_path,
        "class Mine(lk.Strategy):\n    def on_quote(self, q):\n        raise KeyError('gone')\n",
    )
    address = program_of(cls).addresses["on_quote"]

    @hot
    def once(address, ctx, event):
        invoke(address, ctx, event)

    rig = Rig(cls, Compiled)
    event = slots(quote())
    with pytest.raises(KeyError, match="gone"):
        once(address, rig.context.address, event.ctypes.data)


def test_oldest_texts_leave_the_disk(tmp_path, monkeypatch):
    from livekit.strategy.compiled import cache

    monkeypatch.setattr(cache, "_KEEP", 3)
    monkeypatch.setattr(cache, "cache_folder", lambda: tmp_path)
    text = "class Mine(lk.Strategy):\n    n: int = 0\n\n    def on_quote(self, q):\n"
    for step in range(6):
        program_of(write_class(tmp_path, f"{text}        self.n += {step}\n"))
    assert len(list((tmp_path / "strategies").iterdir())) == 3
