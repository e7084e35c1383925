"""`%%strategy FILE`: what a cell becomes, and the cells that are refused with nothing written."""

import threading

import pytest

from livekit.errors import ConfigError, StrategyError
from livekit.notebook.magic import load_ipython_extension, strategy_cell
from livekit.strategy.code_hash import code_hash_of
from livekit.strategy.export.locate import locate

GOOD = """import livekit as lk

class EmaCross(lk.Strategy):
    symbols = ("BTC-USDT",)
    fast = lk.Param(0.002, 0.0001, 0.5)
    ema: float = 0.0

    def on_quote(self, quote):
        self.ema = VALUE
"""


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("LIVEKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LIVEKIT_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def cell(value="quote.bid_price"):
    return GOOD.replace("VALUE", value)


def refused(text, line="strategies/ema_cross.py", names=None):
    with pytest.raises((StrategyError, ConfigError)) as caught:
        strategy_cell(line, text, names or {})
    return str(caught.value)


def test_cell_becomes_the_file_and_the_class_is_the_files(own_folders):
    written = strategy_cell("strategies/ema_cross.py", cell(), {})
    path = own_folders / "strategies" / "ema_cross.py"
    assert path.read_text() == cell()
    assert locate(written.cls) == path
    assert written.code_hash == code_hash_of(path)
    assert f"EmaCross is strategies/ema_cross.py, {written.code_hash}" in repr(written)
    assert "fast=0.002" in written._repr_html_()


def test_cell_that_is_run_again_replaces_its_file_in_the_next_kernel_too(own_folders):
    first = strategy_cell("ema_cross.py", cell(), {})
    second = strategy_cell("ema_cross.py", cell("quote.ask_price"), {})
    assert second.code_hash != first.code_hash
    assert (own_folders / "ema_cross.py").read_text() == cell("quote.ask_price")


def test_file_that_was_edited_is_not_overwritten_unless_asked(own_folders):
    strategy_cell("ema_cross.py", cell(), {})
    path = own_folders / "ema_cross.py"
    path.write_text(path.read_text() + "# mine\n")
    message = refused(cell("quote.ask_price"), "ema_cross.py")
    assert "replace it with %%strategy ema_cross.py --overwrite" in message
    assert "# mine" in path.read_text()
    strategy_cell("ema_cross.py --overwrite", cell("quote.ask_price"), {})
    assert path.read_text() == cell("quote.ask_price")


@pytest.mark.parametrize(
    ("value", "names", "message"),
    [
        ("(quote.bid_price", {}, "syntax error in line 10 of the cell: '(' was never closed"),
        ("plt.plot()", {"plt": pytest}, "put 'import pytest as plt' into this cell"),
        ("width * 2", {"width": 5}, "put 'width = 5' into this cell, or make it a parameter"),
        ("len(lock)", {"lock": threading.Lock()}, "a lock of the notebook, which no other process"),
        ("helper()", {"helper": lambda: 1}, "'helper' in line 10, a function that another cell"),
        ("nosuch", {}, "uses 'nosuch' in line 10, which is not defined"),
    ],
)
def test_cell_that_would_not_run_as_a_file_is_refused_and_the_file_stays(
    own_folders, value, names, message
):
    strategy_cell("strategies/ema_cross.py", cell(), {})
    said = refused(cell(value), names=names)
    assert message in said
    assert said.endswith("nothing was written")
    assert (own_folders / "strategies" / "ema_cross.py").read_text() == cell()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "defines no class; write one that derives from lk.Strategy"),
        ("class A:\n    pass", "defines no strategy"),
        (cell() + cell().replace("EmaCross", "Other"), "2 strategies, EmaCross and Other; give"),
        (cell().replace("0.002, 0.0001, 0.5", "lambda: 1"), "expected a float, an int or a bool"),
        (cell() + "\nx = 1 / 0", "the cell cannot be imported: ZeroDivisionError"),
        ("%matplotlib inline\n" + cell(), "'%matplotlib inline', is IPython and no Python"),
    ],
)
def test_cell_without_one_whole_strategy_writes_nothing(own_folders, text, message):
    said = refused(text)
    assert message in said
    assert "exports" not in said
    assert list(own_folders.iterdir()) == []


@pytest.mark.parametrize("line", ["", "a.py b.py", "a.txt", "a.py --force"])
def test_first_line_that_names_no_python_file_says_how_it_is_written(own_folders, line):
    assert "%%strategy FILE.py [--overwrite]" in refused(cell(), line)
    assert list(own_folders.iterdir()) == []


def test_extension_registers_a_magic_that_defines_the_class():
    class Shell:
        def __init__(self):
            self.user_ns, self.magics = {}, {}

        def register_magic_function(self, function, kind, name):
            self.magics[kind, name] = function

    shell = Shell()
    load_ipython_extension(shell)
    written = shell.magics["cell", "strategy"]("ema_cross.py", cell())
    assert shell.user_ns == {"EmaCross": written.cls}


def test_class_with_its_base_in_the_same_cell_counts_as_two(own_folders):
    text = cell() + "\nclass Careful(EmaCross):\n    fast = lk.Param(0.001)\n"
    said = refused(text)
    assert "2 strategies" in said
    assert list(own_folders.iterdir()) == []
