"""A real IPython shell, whose cells a test types, and folders of the test's own."""

import atexit
import builtins
import sys
import textwrap

import pytest


class Notebook:
    """Runs cells as a notebook does, and fails the test when one fails."""

    def __init__(self, shell):
        self.shell = shell

    @property
    def names(self):
        return self.shell.user_ns

    def run(self, *texts):
        """Run cells, one after the other; return the names they left."""
        for text in texts:
            result = self.shell.run_cell(textwrap.dedent(text), store_history=True)
            result.raise_error()
        return self.names

    def fails(self, text):
        """Run a cell that raises."""
        assert not self.shell.run_cell(textwrap.dedent(text), store_history=True).success


@pytest.fixture(autouse=True)
def own_folders(monkeypatch, tmp_path):
    """Let exports go to a cache and a current folder of the test's own."""
    monkeypatch.setenv("LIVEKIT_CACHE_DIR", str(tmp_path / "cache"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def notebook(monkeypatch, tmp_path):
    """Give a notebook; skip where IPython is missing."""
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    config = pytest.importorskip("traitlets.config").Config()
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    modules, before = dict(sys.modules), set(dir(builtins))
    hooks = sys.displayhook, sys.excepthook
    shell = interactive.InteractiveShell.instance(config=config)
    shell.showtraceback = lambda *_args, **_options: None
    yield Notebook(shell)
    atexit.unregister(shell.atexit_operations)
    shell.atexit_operations()
    interactive.InteractiveShell.clear_instance()
    sys.modules["__main__"] = modules["__main__"]
    sys.displayhook, sys.excepthook = hooks
    for name in set(dir(builtins)) - before:
        delattr(builtins, name)
