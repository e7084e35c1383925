"""Checks of strategies: the honest pass, and cheats are caught in words."""

from pathlib import Path

import numpy as np
import pytest

from livekit.errors import ConfigError, StrategyError
from livekit.research import verify
from livekit.research.data import Data, load
from livekit.research.determinism import suspects
from livekit.research.lookahead import first_events, places
from livekit.research.lookahead_world import poison, poisoned
from livekit.store.catalog import Catalog

ROOT = Path(__file__).parents[2]
BUNDLED = sorted((ROOT / "strategies").glob("*.py"))
REPLAY = ROOT / "replay_data"

HEAD = """
import livekit as lk
"""

# What every cheat does with the price it should not know.
TRADE = """
    def on_quote(self, quote):
        self.seen += 1
        if self.seen % 100 == 1:
            if self.target > quote.ask_price:
                self.buy(quote.symbol, 0.001, quote.ask_price, tif=lk.IOC)
            else:
                self.sell(quote.symbol, 0.001, quote.bid_price, tif=lk.IOC)
"""

FRAME = (
    HEAD
    + """
class Frame(lk.Strategy):
    symbols = ("BTC-USDT",)
    target: float = 0.0
    seen: int = 0

    def on_start(self):
        frame = lk.load({root!r}, symbols=["BTC-USDT"]).frame("BTC-USDT", "quote")
        self.target = float(frame["ask_price"].iloc[-1])
"""
    + TRADE
)

PEEK = (
    HEAD
    + """
import numpy as np
import pyarrow.parquet as pq

class Peek(lk.Strategy):
    symbols = ("BTC-USDT",)
    seen: int = 0

    def on_start(self):
        table = pq.read_table({quotes!r}, columns=["ts_recv", "ask_price"])
        self._ts = table["ts_recv"].cast("int64").to_numpy()
        self._price = table["ask_price"].to_numpy()

    def on_quote(self, quote):
        later = np.searchsorted(self._ts, self.now + 1_000_000_000)
        if later < len(self._ts):
            rises = self._price[later] > quote.ask_price
            self.seen += 1
            if self.seen % 50 == 0:
                if rises:
                    self.buy(quote.symbol, 0.001, quote.ask_price, tif=lk.IOC)
                else:
                    self.sell(quote.symbol, 0.001, quote.bid_price, tif=lk.IOC)
"""
)

GLOBAL = (
    HEAD
    + """
import pandas as pd

TARGET = float(pd.read_parquet({quotes!r})["ask_price"].mean())

class Global(lk.Strategy):
    symbols = ("BTC-USDT",)
    seen: int = 0

    def on_quote(self, quote):
        self.seen += 1
        if self.seen % 100 == 1:
            if TARGET > quote.ask_price:
                self.buy(quote.symbol, 0.001, quote.ask_price, tif=lk.IOC)
            else:
                self.sell(quote.symbol, 0.001, quote.bid_price, tif=lk.IOC)
"""
)

NEIGHBOUR = (
    HEAD
    + """
from table_of_the_future import TARGET

class Neighbour(lk.Strategy):
    symbols = ("BTC-USDT",)
    target: float = 0.0

    def on_quote(self, quote):
        self.target = TARGET
"""
)

ATTRIBUTE = (
    HEAD
    + """
class Attribute(lk.Strategy):
    symbols = ("BTC-USDT",)

    def on_start(self):
        rows = lk.load({root!r}, symbols=["BTC-USDT"]).streams(0)[0].rows
        self.future = [float(x) for x in rows["bid_price"][-3:]]

    def on_quote(self, quote):
        pass
"""
)

# Reads the recording too, but only what lies before its own first event.
HISTORY = (
    HEAD
    + """
class History(lk.Strategy):
    symbols = ("BTC-USDT",)
    mean: float = 0.0

    def on_quote(self, quote):
        if self.mean == 0.0:
            rows = lk.load({root!r}, symbols=["BTC-USDT"], kinds=["quote"]).streams(0)[0].rows
            past = rows[rows["ts_recv"] <= self.now]
            self.mean = float(past["bid_price"].mean())
"""
)


@pytest.fixture
def data(recording):
    return load(recording, symbols=["BTC-USDT"])


@pytest.fixture
def write(tmp_path, recording):
    def write(text, name="cheat.py"):
        quotes = Catalog(recording).path("BTC-USDT", "quote", "2026-01-05")
        path = tmp_path / name
        text = text.replace("{root!r}", repr(str(recording)))
        path.write_text(text.replace("{quotes!r}", repr(str(quotes))))
        return path

    return write


def look(path, data, **options):
    return verify.lookahead(path, data, n_events=2000, n_points=2, progress=False, **options)


# Look-ahead.


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_bundled_strategies_know_no_future_and_repeat(path):
    data = load(REPLAY)
    found = verify.lookahead(path, data, n_events=20_000, n_points=2, progress=False)
    assert found.is_ok, found.text
    assert found.details["modes"] == ["interpreted", "compiled"]
    assert "interpreted and compiled" in found.text


@pytest.mark.parametrize(
    ("text", "field"),
    [(FRAME, "'target'"), (ATTRIBUTE, "'future'"), (PEEK, "order")],
    ids=["lk.load", "an attribute of its own", "pyarrow, by time"],
)
def test_strategy_that_reads_the_recording_ahead_is_caught(data, write, text, field):
    found = look(write(text), data, jit=False)
    assert not found.is_ok
    assert not found
    assert field in found.text
    assert "with later data as recorded" in found.text
    assert found.details["event"] == found.details["points"][0]


@pytest.mark.parametrize("jit", [False, True], ids=["interpreted", "compiled"])
def test_global_computed_over_the_whole_recording_is_caught(data, write, jit):
    found = look(write(GLOBAL), data, jit=jit)
    assert not found.is_ok
    assert "of order" in found.text
    assert ("compiled" if jit else "interpreted") in found.text


def test_future_in_a_module_that_the_strategy_imports_is_caught(data, write):
    write(
        "import numpy as np, livekit as lk\n"
        "rows = lk.load({root!r}, symbols=['BTC-USDT'], kinds=['quote']).streams(0)[0].rows\n"
        "TARGET = float(np.nanmax(rows['bid_price']))\n",
        "table_of_the_future.py",
    )
    found = look(write(NEIGHBOUR), data, jit=False)
    assert not found.is_ok
    assert "'target'" in found.text


def test_reading_what_has_been_is_no_look_ahead(data, write):
    assert look(write(HISTORY), data, jit=False).is_ok


def test_strategy_that_only_fails_in_a_poisoned_world_is_caught(data, write):
    text = FRAME.replace("self.target = float(", "self.target = 1.0 + int(")
    found = look(write(text), data, jit=False)
    assert not found.is_ok
    assert "it fails" in found.text


def test_strategy_that_does_not_repeat_is_sent_to_the_other_check(data, write):
    text = HEAD + (
        "import random\n"
        "class Dice(lk.Strategy):\n"
        "    symbols = ('BTC-USDT',)\n"
        "    last: float = 0.0\n"
        "    def on_quote(self, quote):\n"
        "        self.last = random.random()\n"
    )
    with pytest.raises(StrategyError, match=r"verify determinism"):
        look(write(text), data, jit=False)


def test_strategy_that_fails_on_honest_data_is_refused(data, write):
    text = HEAD + (
        "class Bad(lk.Strategy):\n    symbols = ('BTC-USDT',)\n"
        "    def on_start(self):\n        raise ValueError('no such table')\n"
        "    def on_quote(self, quote):\n        pass\n"
    )
    with pytest.raises(StrategyError, match="no such table"):
        look(write(text), data, jit=False)


def test_data_in_memory_are_checked_without_files(data, write):
    arrays = {("BTC-USDT", one.kind): one.rows for one in data.streams(0)}
    found = look(BUNDLED[0], Data.from_arrays(arrays, data.instruments), jit=False)
    assert found.is_ok
    assert found.details["modes"] == ["interpreted"]


@pytest.mark.parametrize("options", [{"n_events": 1}, {"n_points": 0}])
def test_numbers_that_are_too_small_are_refused(data, options):
    with pytest.raises(ConfigError, match="expected at least 2 and 1"):
        verify.lookahead(BUNDLED[0], data, progress=False, **options)


def test_data_with_too_few_events_are_refused(data):
    with pytest.raises(ConfigError, match="1 events, too few"):
        places(first_events(data, 1), 3)


def test_verdict_shows_itself_and_is_json(data):
    found = look(BUNDLED[0], data, jit=False)
    assert repr(found).startswith("<lookahead: ok: nothing that comes later")
    assert found.to_dict()["is_ok"] is True
    assert found.to_dict()["check"] == "lookahead"


# The world.


def test_poison_leaves_the_past_and_the_times_alone(data):
    for stream in data.streams(0):
        rows = stream.rows
        at = int(rows["ts_recv"][len(rows) // 2])
        for how in ("nan", "huge"):
            found = poison(rows, at, how)
            past = rows["ts_recv"] <= at
            assert (found[past] == rows[past]).all()
            assert (found["ts_recv"] == rows["ts_recv"]).all()
            assert (found["sequence"] == rows["sequence"]).all()
            assert (found[~past] != rows[~past]).all()


def test_every_way_to_open_a_recording_sees_the_poison(recording):
    import pandas as pd
    import pyarrow.dataset
    from pyarrow import parquet

    path = Catalog(recording).path("BTC-USDT", "quote", "2026-01-05")
    honest = pd.read_parquet(path)["bid_price"].to_numpy()
    before = path.read_bytes()
    with poisoned(recording, 0, "nan"):
        seen = [
            pd.read_parquet(path)["bid_price"].to_numpy(),
            parquet.read_table(path)["bid_price"].to_numpy(),
            parquet.ParquetFile(path).read()["bid_price"].to_numpy(),
            pyarrow.dataset.dataset(path.parent).to_table()["bid_price"].to_numpy(),
            Catalog(recording).read("BTC-USDT", "quote", "2026-01-05")["bid_price"],
            load(recording).frame("BTC-USDT", "quote")["bid_price"].to_numpy(),
        ]
        with path.open("rb") as file:
            seen.append(parquet.read_table(file)["bid_price"].to_numpy())
    for values in seen:
        assert len(values) == len(honest)
        assert np.isnan(np.asarray(values, float)).all()
    assert path.read_bytes() == before
    assert (pd.read_parquet(path)["bid_price"].to_numpy() == honest).all()


def test_other_files_are_opened_as_they_are_and_an_error_ends_the_poison(recording, tmp_path):
    (tmp_path / "note.txt").write_text("mine")
    opened = open
    with pytest.raises(FileNotFoundError), poisoned(recording, 0, "nan"):
        (tmp_path / (tmp_path / "note.txt").read_text()).read_text()
    assert open is opened
    assert not np.isnan(load(recording).frame("BTC-USDT", "quote")["bid_price"]).any()


# Determinism.


def test_same_orders_again_compiled_and_in_fresh_processes(data):
    found = verify.determinism(ROOT / "strategies" / "ema_cross.py", data, fast=0.5, slow=0.1)
    assert found.is_ok, found.text
    assert list(found.details["hashes"])[:3] == ["interpreted", "a second time", "compiled"]
    assert len(set(found.details["hashes"].values())) == 1
    assert len(found.details["hashes"]) == 5


UNREPEATABLE = {
    "random": ("import random", "1e-5 * random.randint(1, 10_000)"),
    "the clock": ("import time", "1e-5 * (time.perf_counter_ns() // 1000 % 9973 + 1)"),
    "the order of a set": (
        "NAMES = {f'name {i}' for i in range(50)}",
        "1e-5 * (list(NAMES).index('name 7') + 1)",
    ),
    "the hash of a string": ("", "1e-5 * (hash('x') % 9973 + 1)"),
}
"""What stands above the class, and the quantity it orders."""


@pytest.mark.parametrize("what", UNREPEATABLE)
def test_strategy_that_cannot_be_repeated_is_caught_and_told(data, write, what):
    above, quantity = UNREPEATABLE[what]
    path = write(
        f"{HEAD}\n{above}\n"
        "class Moody(lk.Strategy):\n    symbols = ('BTC-USDT',)\n    seen: int = 0\n"
        "    def on_quote(self, quote):\n        self.seen += 1\n"
        "        if self.seen % 100 == 0:\n"
        f"            self.buy(quote.symbol, {quantity}, quote.ask_price, tif=lk.IOC)\n"
    )
    found = verify.determinism(path, data, jit=False)
    assert not found.is_ok
    assert "it does not repeat" in found.text
    assert "look at cheat.py:" in found.text
    assert found.details["suspects"]


def test_suspects_of_an_honest_strategy_are_none():
    assert [suspects(path) for path in BUNDLED] == [[] for _ in BUNDLED]


def test_negative_number_of_events_is_refused(data):
    with pytest.raises(ConfigError, match="n_events is -1"):
        verify.determinism(BUNDLED[0], data, n_events=-1)
