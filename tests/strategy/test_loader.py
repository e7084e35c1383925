"""From a file to a class: what is found, and what each mistake is told."""

import os
import sys

import pytest

from livekit.errors import LivekitError, NotFoundError, StrategyError
from livekit.strategy.api import Strategy
from livekit.strategy.loader import load_class, make_instance, user_line

ONE = "import livekit.strategy.api as lk\nclass One(lk.Strategy):\n    x = lk.Param(1.0)\n"


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))

    def _write(text, name="sample.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return _write


def test_only_strategy_of_a_file_is_found(write):
    cls = load_class(write(ONE))
    assert cls.__name__ == "One"
    assert issubclass(cls, Strategy)


def test_named_strategy_is_found_among_several(write):
    path = write(ONE + "class Two(One):\n    pass\n")
    assert load_class(path, "Two").__name__ == "Two"
    assert load_class(path, "One").__name__ == "One"


def test_imported_strategies_do_not_count(write):
    write(ONE, "base.py")
    path = write("from base import One\nclass Own(One):\n    pass\n", "own.py")
    assert load_class(path).__name__ == "Own"


def test_main_block_does_not_run(write):
    path = write(ONE + "if __name__ == '__main__':\n    raise RuntimeError\n")
    assert load_class(path).__name__ == "One"


def test_changed_file_is_read_again(write):
    load_class(write(ONE))
    assert load_class(write(ONE.replace("One", "Other"))).__name__ == "Other"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("class A:\n  def f(:\n", StrategyError, r"syntax error in line 2: .*: def f\(:"),
        ("x = (1,\n", StrategyError, "syntax error in line 1"),
        ("import no_such_module\n", StrategyError, r"ModuleNotFoundError: .*sample.py:1\)"),
        ("\n1 / 0\n", StrategyError, r"cannot be imported: ZeroDivisionError: .*sample.py:2\)"),
        ("import sys\nsys.exit(3)\n", StrategyError, "SystemExit: 3"),
        ("x = 1\n", StrategyError, "defines no strategy; write a class"),
        (
            ONE + "class Two(One):\n    pass\n",
            StrategyError,
            "defines 2 strategies: One, Two; choose one with --class",
        ),
        (ONE.replace("1.0", "5, 1, 3"), StrategyError, r"expected 1 to 3.*sample.py:3\)"),
    ],
)
def test_mistake_in_a_file_is_told_with_its_line(write, text, error, message):
    with pytest.raises(error, match=message):
        load_class(write(text))


def test_unknown_class_lists_those_there_are(write):
    with pytest.raises(NotFoundError, match=r"no strategy 'Onee'; did you mean 'One'\?"):
        load_class(write(ONE), "Onee")


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(NotFoundError, match=r"strategy file '.*none.py' does not exist"):
        load_class(tmp_path / "none.py")
    with pytest.raises(NotFoundError):
        load_class(tmp_path)


def test_file_that_is_no_python(write):
    with pytest.raises(StrategyError, match="is no Python file"):
        load_class(write(ONE, "sample.txt"))


def test_instance_sees_its_parameters_in_init(write):
    text = ONE + "    def __init__(self):\n        self.double = 2 * self.x\n"
    strategy = make_instance(load_class(write(text)), {"x": 4.0})
    assert (strategy.x, strategy.double) == (4.0, 8.0)


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("def __init__(self, size): pass", "TypeError: .*must work without arguments"),
        ("def __init__(self): self.y = 1 / 0", r"ZeroDivisionError: .*sample.py:4\)"),
    ],
)
def test_instance_that_cannot_be_made_is_refused(write, init, message):
    cls = load_class(write(f"{ONE}    {init}\n"))
    with pytest.raises(StrategyError, match=message):
        make_instance(cls, {"x": 1.0})


def test_own_errors_of_livekit_in_init_pass_through(write):
    cls = load_class(write(ONE + "    def __init__(self): self.buy('BTC-USDT', 1.0)\n"))
    with pytest.raises(LivekitError, match="is not attached"):
        make_instance(cls, {"x": 1.0})


def test_line_of_the_user_is_named_before_lines_of_livekit():
    with pytest.raises(StrategyError) as raised:
        Strategy().buy("BTC-USDT", 1.0)
    assert "test_loader.py:" in user_line(raised.value)


def test_file_saved_twice_in_a_second_runs_as_it_was_saved_last(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "twice.py"
    text = "import livekit as lk\n\n\nclass Twice(lk.Strategy):\n    size = 1\n"
    path.write_text(text)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert load_class(path).size == 1
    path.write_text(text.replace("1", "2"))
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert load_class(path).size == 2
