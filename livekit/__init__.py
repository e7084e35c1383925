"""livekit: write a strategy once, replay it, attach it unchanged to a running engine.

``import livekit as lk`` is light: a public name is imported from its module when it
is first used, so Numba and pyarrow are loaded only by what needs them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from livekit.version import __version__ as __version__

if TYPE_CHECKING:
    # What `__getattr__` does at run time, told to editors and type checkers.
    from livekit.engine import engine
    from livekit.engine.loop import EventEngine
    from livekit.engine.strategies import StrategyManager
    from livekit.notebook.attaching import attach, detach
    from livekit.notebook.dashboard import dashboard
    from livekit.notebook.explore import explore
    from livekit.notebook.magic import load_ipython_extension
    from livekit.notebook.named import run
    from livekit.research.backtest import backtest
    from livekit.research.data import Data, load
    from livekit.research.fan import fan
    from livekit.research.report.compare import compare
    from livekit.research.report.run import Run
    from livekit.research.report.saved import runs
    from livekit.research.sweep import sweep
    from livekit.research.verify import verify
    from livekit.research.walk import walk_forward
    from livekit.ring.queue import LockFreeQueue
    from livekit.store.importers.frame import import_frame
    from livekit.strategy.api import (
        BUY,
        FOK,
        GTC,
        GTX,
        IOC,
        SELL,
        BaseStrategy,
        OrderStatus,
        Param,
        Reject,
        Side,
        Strategy,
        array,
    )
    from livekit.strategy.export.exporting import export
    from livekit.strategy.flyweight import (
        BookEvent,
        OrderEvent,
        QuoteEvent,
        TickerEvent,
        TradeEvent,
    )
    from livekit.trading.account import AccountManager
    from livekit.trading.latency import Latency
    from livekit.trading.limits import RiskLimits
    from livekit.trading.queue_model import QueueModel
    from livekit.trading.risk_manager import RiskManager
    from livekit.trading.router import OrderRouter

__all__ = [
    "BUY",
    "FOK",
    "GTC",
    "GTX",
    "IOC",
    "SELL",
    "AccountManager",
    "BaseStrategy",
    "BookEvent",
    "Data",
    "EventEngine",
    "Latency",
    "LockFreeQueue",
    "OrderEvent",
    "OrderRouter",
    "OrderStatus",
    "Param",
    "QueueModel",
    "QuoteEvent",
    "Reject",
    "RiskLimits",
    "RiskManager",
    "Run",
    "Side",
    "Strategy",
    "StrategyManager",
    "TickerEvent",
    "TradeEvent",
    "array",
    "attach",
    "backtest",
    "compare",
    "dashboard",
    "detach",
    "engine",
    "explore",
    "export",
    "fan",
    "import_frame",
    "load",
    "load_ipython_extension",
    "run",
    "runs",
    "sweep",
    "verify",
    "walk_forward",
]

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "livekit.engine": ("engine",),
    "livekit.engine.loop": ("EventEngine",),
    "livekit.engine.strategies": ("StrategyManager",),
    "livekit.notebook.attaching": ("attach", "detach"),
    "livekit.notebook.dashboard": ("dashboard",),
    "livekit.notebook.explore": ("explore",),
    "livekit.notebook.magic": ("load_ipython_extension",),
    "livekit.notebook.named": ("run",),
    "livekit.ring.queue": ("LockFreeQueue",),
    "livekit.strategy.api": (
        *("BUY", "FOK", "GTC", "GTX", "IOC", "SELL", "BaseStrategy", "OrderStatus"),
        *("Param", "Reject", "Side", "Strategy", "array"),
    ),
    "livekit.strategy.flyweight": (
        *("BookEvent", "OrderEvent", "QuoteEvent", "TickerEvent", "TradeEvent"),
    ),
    "livekit.research.backtest": ("backtest",),
    "livekit.research.data": ("Data", "load"),
    "livekit.research.fan": ("fan",),
    "livekit.research.report.run": ("Run",),
    "livekit.research.report.compare": ("compare",),
    "livekit.research.report.saved": ("runs",),
    "livekit.research.sweep": ("sweep",),
    "livekit.research.verify": ("verify",),
    "livekit.research.walk": ("walk_forward",),
    "livekit.store.importers.frame": ("import_frame",),
    "livekit.strategy.export.exporting": ("export",),
    "livekit.trading.account": ("AccountManager",),
    "livekit.trading.latency": ("Latency",),
    "livekit.trading.limits": ("RiskLimits",),
    "livekit.trading.queue_model": ("QueueModel",),
    "livekit.trading.risk_manager": ("RiskManager",),
    "livekit.trading.router": ("OrderRouter",),
}

_PUBLIC: Final = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name's module and return what the name stands for there."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'livekit' has no attribute {name!r}")
    # Kept, so that the next use is an ordinary attribute: 0.03 µs in place of 0.6.
    value = globals()[name] = getattr(import_module(_PUBLIC[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
