"""Who may import whom, read from the text of the package.

A module imports from lower layers or from its own folder. Imports inside functions and
imports by name (`import_module("...")`) count like those at the top; those under
`if TYPE_CHECKING` count for the layers but make no circle.
"""

import ast
import re

import pytest
import source

ALLOWED_LAYERS = {
    "errors": {0},
    "clock": {0},
    "events": {0},
    "instruments": {0},
    "config": {0},
    "bundled": {0},
    "progress": {0},
    "version": {0},
    "book": {1},
    "ring": {1},
    "okx": {2},
    "trading": {2},
    "strategy": {2, 4},  # what a user writes and what compiles it; the process that runs it
    "net": {3},
    "store": {3},
    "research": {3},
    "credentials": {3},
    "engine": {4},
    "okxsim": {4},
    "bench": {5},
    "cli": {5},
    "notebook": {5},
}

BESIDE = {
    ("livekit", "ring"): "the book is compiled by the ring's decorator",
    ("research", "store"): "a backtest maps what the store has recorded",
    ("cli", "bench"): "`livekit bench` is the command that runs the benchmarks",
}
"""Folders with a layer in common, of which the first may import the second."""

UPWARD_BY_NAME = {
    ("livekit.strategy.api", "livekit.strategy.main"): "strategy.run() becomes the process",
    ("livekit.engine", "livekit.notebook.engines"): "lk.engine(...) is called in notebooks",
}
"""Imports by name that go up on purpose."""

FACADES = {"livekit", "livekit.trading"}
"""Packages that import their public names when these are first used, and by text."""

MODULES = sorted(set(source.modules()) - FACADES)


def part(name):
    """Return the first part below the package: a folder, or a module that stands alone."""
    return name.split(".")[1] if "." in name else ""


def folder(name):
    """Return the folder a module lies in; modules that stand alone share the package's."""
    return part(name) if (source.PACKAGE / part(name)).is_dir() else "livekit"


def layer(name):
    """Return the layer that a module's docstring states; an empty package's is its lowest."""
    text = ast.get_docstring(source.tree(name)) or ""
    stated = re.findall(r"\bLayer (\d)\b", text)
    is_empty = len(source.tree(name).body) == 1
    if not stated and is_empty and source.modules()[name].name == "__init__.py":
        return min(ALLOWED_LAYERS[part(name)])
    assert len(stated) == 1, f"{name} must state its layer once in its docstring, was {stated}"
    return int(stated[0])


def inner_imports(name):
    return [item for item in source.imports_of(name) if item.imported.split(".")[0] == "livekit"]


@pytest.mark.parametrize("name", MODULES)
def test_module_states_a_layer_that_its_folder_may_have(name):
    assert part(name) in ALLOWED_LAYERS, f"{part(name)!r} has no layer; give it one here"
    assert layer(name) in ALLOWED_LAYERS[part(name)]


@pytest.mark.parametrize("name", MODULES)
def test_module_imports_from_lower_layers_or_its_own_folder_only(name):
    wrong = []
    for item in inner_imports(name):
        target = item.imported
        if target == "livekit":
            is_fine = layer(name) == 5  # for __version__ and __file__: the user's side
        elif (name, target) in UPWARD_BY_NAME:
            is_fine = True
        else:
            is_beside = folder(name) == folder(target)
            is_beside |= (folder(name), folder(target)) in BESIDE
            is_fine = layer(target) < layer(name) or (is_beside and layer(target) == layer(name))
        if not is_fine:
            wrong.append(f"line {item.line}: {target}")
    assert wrong == []


def test_imports_make_no_circle():
    edges = {
        name: {
            item.imported
            for item in inner_imports(name)
            if not item.is_for_types and (name, item.imported) not in UPWARD_BY_NAME
        }
        for name in MODULES
    }
    done = set()

    def visit(name, path):
        assert name not in path, " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return
        for target in sorted(edges.get(name, ())):
            visit(target, [*path, name])
        done.add(name)

    for name in MODULES:
        visit(name, [])


def test_every_exception_to_the_rules_is_still_needed():
    found = {(name, item.imported) for name in MODULES for item in inner_imports(name)}
    folders = {(folder(a), folder(b)) for a, b in found}
    assert set(UPWARD_BY_NAME) <= found
    assert set(BESIDE) <= folders


@pytest.mark.parametrize("name", [n for n in MODULES if folder(n) == "okx"])
def test_okx_never_reaches_trading(name):
    assert {n for n in source.reachable(name) if folder(n) == "trading"} == set()


@pytest.mark.parametrize("name", [n for n in MODULES if folder(n) == "trading"])
def test_trading_never_reaches_okx(name):
    assert {n for n in source.reachable(name) if folder(n) == "okx"} == set()


STRATEGY_NEVER = {"net", "okx", "credentials", "store", "engine", "cli"}
NETWORK = {"socket", "ssl", "http", "urllib", "asyncio", "socketserver", "ftplib", "smtplib"}


@pytest.mark.parametrize("name", [n for n in MODULES if folder(n) == "strategy"])
def test_strategy_reaches_no_exchange_no_key_and_no_socket(name):
    reached = source.reachable(name)
    assert {n for n in reached if n.startswith("livekit.") and folder(n) in STRATEGY_NEVER} == set()
    assert {n for n in reached if n.split(".")[0] in NETWORK} == set()


def test_notebook_never_reaches_keys_or_the_network():
    for name in (n for n in MODULES if folder(n) == "notebook"):
        reached = {folder(n) for n in source.reachable(name) if n.startswith("livekit.")}
        assert reached & {"credentials", "net"} == set(), name


@pytest.mark.parametrize("name", [n for n in MODULES if part(n) in {"trading", "book", "okx"}])
def test_core_reads_no_clock_and_draws_no_random_number(name):
    modules = {item.imported for item in source.imports_of(name)}
    names = {taken for item in source.imports_of(name) for taken in item.names}
    assert modules & {"time", "random", "secrets", "datetime", "livekit.clock"} == set()
    assert names & {"clock_ns"} == set()
