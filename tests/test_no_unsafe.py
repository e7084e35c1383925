"""Nothing in the package runs what it did not write, but for the places named here.

Segments, recordings, captures and the control socket bring bytes from outside. None of
them may become code: no pickle, no marshal, no eval or exec, no shell. What has a
reason to compile text stands below with the reason; an entry that is no longer needed
fails too.
"""

import ast

import pytest
import source

UNSAFE_MODULES = {
    *("pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"),
    *("code", "codeop", "imp", "runpy", "xmlrpc", "telnetlib"),
}
UNSAFE_CALLS = {
    *("eval", "exec", "compile", "__import__", "breakpoint", "input"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("os.execl", "os.execv", "os.execve", "os.execvp", "tempfile.mktemp"),
}

ALLOWED = {
    ("livekit.strategy.declaration", "eval"): (
        "annotations of a strategy whose file says `from __future__ import annotations`: the "
        "text of the class that is being loaded"
    ),
    ("livekit.strategy.compiled.rewrite", "compile"): "the user's own methods, rewritten for Numba",
    ("livekit.strategy.compiled.rewrite", "exec"): "the user's own methods, rewritten for Numba",
}


def unsafe(name):
    """Yield (what, line) of everything unsafe in a module."""
    for item in source.imports_of(name):
        if item.imported.split(".")[0] in UNSAFE_MODULES:
            yield f"import {item.imported}", item.line
    for called, node in source.calls(name):
        if called in UNSAFE_CALLS:
            yield called, node.lineno
        for keyword in node.keywords:
            if keyword.arg in {"shell", "allow_pickle"} and not is_false(keyword.value):
                yield f"{keyword.arg}={ast.unparse(keyword.value)}", node.lineno


def is_false(node):
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize("name", sorted(source.modules()))
def test_module_runs_nothing_from_outside(name):
    found = [(what, line) for what, line in unsafe(name) if (name, what) not in ALLOWED]
    assert found == []


def test_every_allowed_place_is_still_needed():
    found = {(name, what) for name in source.modules() for what, _ in unsafe(name)}
    assert set(ALLOWED) <= found


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import pickle", "import pickle"),
        ("from marshal import loads", "import marshal"),
        ("def f():\n    import shelve", "import shelve"),
        ("eval('1')", "eval"),
        ("import os\nos.system('ls')", "os.system"),
        ("subprocess.run('ls', shell=True)", "shell=True"),
        ("np.load(path, allow_pickle=flag)", "allow_pickle=flag"),
    ],
)
def test_the_search_sees_what_it_looks_for(monkeypatch, tmp_path, text, what):
    path = tmp_path / "bad.py"
    path.write_text(text)
    monkeypatch.setattr(source, "modules", lambda: {"bad": path})
    source.tree.cache_clear()
    source.imports_of.cache_clear()
    assert what in [found for found, _ in unsafe("bad")]
    source.tree.cache_clear()
    source.imports_of.cache_clear()


def test_numpy_files_are_read_without_pickle():
    """`numpy.load` allows none by default; that the caller says so is for the reader."""
    loads = [
        (name, node)
        for name in source.modules()
        for called, node in source.calls(name)
        if called in {"np.load", "numpy.load"}
    ]
    for name, node in loads:
        said = {k.arg: k.value for k in node.keywords}
        assert is_false(said.get("allow_pickle")), f"{name}:{node.lineno}"
