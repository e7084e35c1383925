"""The public names, pinned: adding or removing one is a decision, made here too."""

import ast
import importlib
import subprocess
import sys

import pytest
import source

import livekit

PUBLIC = {
    "AccountManager": "livekit.trading.account",
    "BUY": "livekit.strategy.api",
    "BaseStrategy": "livekit.strategy.api",
    "BookEvent": "livekit.strategy.flyweight",
    "Data": "livekit.research.data",
    "EventEngine": "livekit.engine.loop",
    "FOK": "livekit.strategy.api",
    "GTC": "livekit.strategy.api",
    "GTX": "livekit.strategy.api",
    "IOC": "livekit.strategy.api",
    "Latency": "livekit.trading.latency",
    "LockFreeQueue": "livekit.ring.queue",
    "OrderEvent": "livekit.strategy.flyweight",
    "OrderRouter": "livekit.trading.router",
    "OrderStatus": "livekit.strategy.api",
    "Param": "livekit.strategy.api",
    "QueueModel": "livekit.trading.queue_model",
    "QuoteEvent": "livekit.strategy.flyweight",
    "Reject": "livekit.strategy.api",
    "RiskLimits": "livekit.trading.limits",
    "RiskManager": "livekit.trading.risk_manager",
    "Run": "livekit.research.report.run",
    "SELL": "livekit.strategy.api",
    "Side": "livekit.strategy.api",
    "Strategy": "livekit.strategy.api",
    "StrategyManager": "livekit.engine.strategies",
    "TickerEvent": "livekit.strategy.flyweight",
    "TradeEvent": "livekit.strategy.flyweight",
    "array": "livekit.strategy.api",
    "attach": "livekit.notebook.attaching",
    "backtest": "livekit.research.backtest",
    "compare": "livekit.research.report.compare",
    "dashboard": "livekit.notebook.dashboard",
    "detach": "livekit.notebook.attaching",
    "engine": "livekit.engine",
    "explore": "livekit.notebook.explore",
    "export": "livekit.strategy.export.exporting",
    "fan": "livekit.research.fan",
    "import_frame": "livekit.store.importers.frame",
    "load": "livekit.research.data",
    "load_ipython_extension": "livekit.notebook.magic",
    "run": "livekit.notebook.named",
    "runs": "livekit.research.report.saved",
    "sweep": "livekit.research.sweep",
    "verify": "livekit.research.verify",
    "walk_forward": "livekit.research.walk",
}


def test_public_names_are_the_pinned_ones():
    assert set(livekit.__all__) == set(PUBLIC)
    assert len(PUBLIC) <= 48


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_name_is_the_object_of_its_module(name):
    module = importlib.import_module(PUBLIC[name])
    assert getattr(livekit, name) is getattr(module, name)
    assert name in module.__all__


def test_type_checkers_are_told_the_same_names_as_the_run_time():
    told = {
        name: item.imported
        for item in source.imports_of("livekit")
        if item.is_for_types
        for name in item.names
    }
    assert told == livekit._PUBLIC == PUBLIC


def test_dir_lists_every_public_name():
    assert set(PUBLIC) <= set(dir(livekit))


def test_unknown_name_is_an_attribute_error_that_names_it():
    with pytest.raises(AttributeError, match="module 'livekit' has no attribute 'OKX'"):
        livekit.OKX  # noqa: B018 - reading it is the test


def test_star_import_gives_the_public_names():
    names = {}
    exec("from livekit import *", names)
    assert set(PUBLIC) <= set(names)


def test_base_strategy_is_strategy():
    assert livekit.BaseStrategy is livekit.Strategy
    assert (livekit.BUY, livekit.SELL) == (0, 1)
    assert (livekit.Side.BUY.sign, livekit.Side.SELL.sign) == (1, -1)


def test_every_error_has_a_documented_exit_code():
    from livekit import errors

    classes = [getattr(errors, name) for name in errors.__all__]
    assert {error.exit_code for error in classes} == {1, 2, 3, 4, 5}
    for error in classes:
        assert f" {error.exit_code} " in errors.__doc__
        assert error.__name__ in errors.__doc__


def test_strategy_names_load_no_compiler_and_no_files():
    """A module full of strategies is imported by tools that never run them."""
    code = (
        "import sys; import livekit as lk; lk.Strategy, lk.Param, lk.TickerEvent, lk.BUY; "
        "print([n for n in ('numba', 'llvmlite', 'pyarrow', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_version_is_a_plain_literal_that_the_build_can_read():
    versions = [
        node.value.value
        for node in source.tree("livekit.version").body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
    ]
    assert versions == [livekit.__version__]
