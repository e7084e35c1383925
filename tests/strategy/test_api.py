"""The user's side without a host: constants, defaults, and plain refusals."""

import subprocess
import sys

import pytest

import livekit.strategy.api as lk
from livekit.errors import StrategyError


class Plain(lk.Strategy):
    def on_quote(self, quote):
        pass


def test_constants_are_those_of_the_source_document():
    assert (lk.BUY, lk.SELL) == (0, 1)
    assert (lk.BUY.sign, lk.SELL.sign) == (1, -1)
    assert [int(tif) for tif in (lk.GTC, lk.IOC, lk.FOK, lk.GTX)] == [0, 1, 2, 3]
    assert lk.BaseStrategy is lk.Strategy


@pytest.mark.parametrize(
    "ask",
    [
        lambda s: s.buy("BTC-USDT", 1.0),
        lambda s: s.sell("BTC-USDT", 1.0),
        lambda s: s.send_order("BTC-USDT", 0, 1.0, 2.0),
        lambda s: s.modify(1, 2.0),
        lambda s: s.cancel(1),
        lambda s: s.cancel_all(),
        lambda s: s.close("BTC-USDT"),
        lambda s: s.position("BTC-USDT"),
        lambda s: s.book("BTC-USDT"),
        lambda s: s.instrument("BTC-USDT"),
    ],
)
def test_strategy_that_nobody_runs_says_so(ask):
    with pytest.raises(StrategyError, match=r"strategy 'Plain' is not attached"):
        ask(Plain())


def test_what_needs_no_engine_works_without_one():
    strategy = Plain()
    assert strategy.now == 0
    assert strategy.open_orders == ()
    strategy.log("nothing", 1.0)
    for name in ("on_start", "on_stop"):
        getattr(strategy, name)()
    for name in ("on_ticker", "on_trade", "on_book", "on_bar", "on_timer", "on_order"):
        getattr(strategy, name)(None)
    for name in ("on_fill", "on_gap", "on_connection", "on_params"):
        getattr(strategy, name)(None)


def test_name_is_kept():
    assert Plain("mine").strategy_id == "mine"
    assert Plain().strategy_id == ""


def test_api_imports_no_numba():
    code = "import sys, livekit.strategy.api; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_instance_of_a_class_without_a_file_cannot_be_run():
    cls = type("Cell", (lk.Strategy,), {"__module__": "builtins"})
    with pytest.raises(StrategyError, match="is not defined in a file"):
        cls().run()
