"""Classes of files, scripts, functions and of nowhere."""

import importlib.util
import subprocess
import sys
import textwrap

import pytest

import livekit as lk
from livekit.errors import ConfigError, NotFoundError, StrategyError
from livekit.strategy.declaration import declare
from livekit.strategy.export import code_hash_of, export, exported, stale_names, write_cell
from livekit.strategy.loader import load_class

ONE = """import livekit as lk


class One(lk.Strategy):
    def on_quote(self, quote):
        return 1
"""
LIMIT = 3


def helper(x):
    return x + LIMIT


class Known(lk.Strategy):
    size = lk.Param(1.0)


def imported(path):
    """Import a file as a module of its own name."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def python(text, *arguments, **options):
    """Run another Python; return what it printed, or its last line of complaint."""
    done = subprocess.run(
        [sys.executable, *arguments],
        input=textwrap.dedent(text) if text else None,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().split("\n")[-1]


def test_class_of_an_importable_file_is_that_file_unmodified(own_folders):
    path = own_folders / "one.py"
    path.write_text(ONE)
    cls = imported(path).One
    made = exported(cls)
    assert (made.path, made.class_name, made.source) == (path, "One", ONE)
    assert made.name == "one"
    assert made.code_hash == code_hash_of(path) == exported(path).code_hash
    assert export(cls) == path
    assert path.read_text() == ONE
    assert stale_names(cls) == []
    path.write_text(ONE.replace("return 1", "return 2"))
    assert stale_names(cls) == ["One.on_quote"]


def test_class_of_the_loader_is_its_file(own_folders):
    path = own_folders / "one.py"
    path.write_text(ONE)
    cls = load_class(path)
    assert exported(cls).path == path
    assert stale_names(cls) == []
    assert sys.modules[cls.__module__].One is cls


def test_class_of_a_test_module_is_that_module():
    assert exported(Known).path == importlib.import_module("pathlib").Path(__file__).resolve()
    assert exported(Known).class_name == "Known"


def test_file_with_several_strategies_needs_a_name(own_folders):
    path = own_folders / "two.py"
    path.write_text(ONE + ONE.replace("One", "Two"))
    with pytest.raises(StrategyError, match="choose one"):
        exported(path)
    assert exported(path, "Two").class_name == "Two"
    assert exported(str(path), "One").code_hash == exported(path, "Two").code_hash
    with pytest.raises(NotFoundError, match="defines no strategy 'Three'"):
        exported(path, "Three")


def test_export_of_a_file_copies_it_unless_it_has_neighbours(own_folders):
    path = own_folders / "one.py"
    path.write_text(ONE)
    cls = load_class(path)
    copy = export(cls, "other/copy.py")
    assert copy == own_folders / "other" / "copy.py"
    assert copy.read_text() == ONE
    path.write_text("import beside\n" + ONE)
    (own_folders / "beside.py").write_text("")
    with pytest.raises(StrategyError, match=r"imports beside\.py of its own folder"):
        export(load_class(path), "other/second.py")
    sys.modules.pop("beside")


def test_class_in_a_function_is_carried_with_the_modules_names():
    class Mine(lk.Strategy):
        """Doc."""

        size = lk.Param(0.5)
        level: float = 1.5

        def on_quote(self, quote):
            # a comment
            self.level = helper(quote.bid_price)

    made = exported(Mine)
    assert made.path.name == f"mine-{made.code_hash}.py"
    assert made.source.endswith(
        "import livekit as lk\n\nLIMIT = 3\n\n\ndef helper(x):\n    return x + LIMIT\n\n\n"
        'class Mine(lk.Strategy):\n    """Doc."""\n\n    size = lk.Param(0.5)\n'
        "    level: float = 1.5\n\n    def on_quote(self, quote):\n        # a comment\n"
        "        self.level = helper(quote.bid_price)\n"
    )
    assert "Made by livekit from the module: Mine" in made.source
    assert repr(declare(load_class(made.path))) == repr(declare(Mine))


def test_class_that_closes_over_local_variables_is_refused():
    level = 3

    class Base(lk.Strategy):
        pass

    class Child(Base):
        pass

    class Mine(lk.Strategy):
        def on_quote(self, quote):
            return level

    class Default(lk.Strategy):
        def on_quote(self, quote, level=level):
            return level

    for cls, name in ((Mine, "level"), (Default, "level"), (Child, "Base")):
        with pytest.raises(StrategyError, match=f"uses '{name}', a local variable of the function"):
            exported(cls)


def test_of_two_classes_of_one_name_each_gives_its_own_text():
    def one():
        class Mine(lk.Strategy):
            def f(self):
                return 1

        return Mine

    if LIMIT:

        class Mine(lk.Strategy):
            def f(self):
                return 2

        second = Mine

    class Mine(lk.Strategy):
        def f(self):
            return 3

    assert "return 1" in exported(one()).source
    assert "return 2" in exported(second).source
    assert "return 3" in exported(Mine).source


def test_module_constant_changed_at_run_time_is_stale(monkeypatch):
    class Mine(lk.Strategy):
        def f(self):
            return helper(1)

    exported(Mine)
    monkeypatch.setitem(globals(), "LIMIT", 4)
    with pytest.raises(StrategyError, match="'LIMIT', which is 4 in the module but 3 by its text"):
        exported(Mine)


def test_class_of_an_executed_text_is_refused():
    scope = {"__name__": "nowhere", "lk": lk}
    exec("class Mine(lk.Strategy): pass", scope)
    with pytest.raises(StrategyError, match="its module 'nowhere' has no source file"):
        exported(scope["Mine"])


@pytest.mark.parametrize("arguments", [["-"], ["-c"]])
def test_class_piped_into_python_is_refused(arguments):
    text = ONE + "from livekit.strategy.export import exported\nexported(One)\n"
    given = [*arguments, text] if arguments == ["-c"] else arguments
    complaint = python(text, *given)
    assert "strategy 'One' cannot be found: Python keeps no text of what is typed" in complaint
    assert "write the class in a notebook cell or in a file" in complaint


def test_script_that_only_defines_is_its_own_file(own_folders):
    path = own_folders / "script.py"
    path.write_text(
        ONE + 'if __name__ == "__main__":\n    from livekit.strategy.export import exported\n'
        "    print(exported(One).path)\n"
    )
    assert python("", str(path)) == str(path)


def test_script_that_does_its_work_at_the_top_is_carried_without_it(own_folders):
    path = own_folders / "script.py"
    path.write_text(
        ONE + "from livekit.strategy.export import exported\n"
        "print('working')\nmade = exported(One)\nprint(made.source)\n"
    )
    printed = python("", str(path))
    assert printed.count("working") == 1
    assert "Made by livekit from the script: One" in printed
    assert printed.endswith(ONE.strip())


def test_script_that_works_at_the_top_and_needs_a_neighbour_is_told(own_folders):
    (own_folders / "beside.py").write_text("LOW = 1\n")
    path = own_folders / "script.py"
    path.write_text(
        "from beside import LOW\n"
        + ONE.replace("return 1", "return LOW")
        + "from livekit.strategy.export import exported\nprint(exported(One))\n"
    )
    assert "imports 'beside', which only this script finds" in python("", str(path))


def test_exporting_imports_neither_numba_nor_ipython(own_folders):
    path = own_folders / "one.py"
    path.write_text(ONE)
    text = f"""
        import sys
        from livekit.strategy.export import exported
        exported({str(path)!r})
        print([name for name in ("numba", "IPython", "pandas", "pyarrow") if name in sys.modules])
    """
    assert python(text, "-") == "[]"


def test_cell_becomes_the_file_that_it_names(own_folders):
    first = write_cell(ONE, "strategies/one.py")
    assert first.path == own_folders / "strategies" / "one.py"
    assert first.path.read_text() == ONE
    assert first.class_name == "One"
    edited = ONE.replace("return 1", "return 2")
    second = write_cell(edited, first.path, previous=first.code_hash)
    assert second.code_hash != first.code_hash
    assert first.path.read_text() == edited
    with pytest.raises(ConfigError, match="exists with another text"):
        write_cell(ONE, first.path, previous=first.code_hash)
    assert write_cell(edited, first.path) == second


@pytest.mark.parametrize("text", ["x = 1\n", "class One(:\n", "1 / 0\n"])
def test_cell_that_is_no_strategy_is_not_written(own_folders, text):
    with pytest.raises(StrategyError):
        write_cell(text, "strategies/one.py")
    assert not (own_folders / "strategies").exists()


def test_missing_file_is_named():
    with pytest.raises(NotFoundError, match=r"'nowhere\.py' does not exist"):
        exported("nowhere.py")
    with pytest.raises(NotFoundError, match=r"'nowhere\.py' does not exist"):
        code_hash_of("nowhere.py")


def test_folder_that_others_can_write_to_is_refused(own_folders, tmp_path):
    class Mine(lk.Strategy):
        pass

    made = exported(Mine)
    made.path.parent.chmod(0o777)
    with pytest.raises(lk.errors.LivekitError, match="mode 777"):
        exported(Mine)
