"""The trading core: orders, account, risk and the paper exchange, pure and jitted.

No I/O, no clock, no randomness: time is an argument, so the same calls give the same
bits in a backtest, in a replay and live. A public name is imported from its module
when it is first used, so that limits, fees and models can be read without Numba.
Layer 2.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "AccountManager": "account",
    "Fees": "limits",
    "Gate": "layout",
    "Latency": "latency",
    "OrderRouter": "router",
    "QueueModel": "queue_model",
    "RiskLimits": "limits",
    "RiskManager": "risk_manager",
    "TradingCore": "core",
    "TradingState": "layout",
    "admit": "admission",
    "advance": "paper.flight",
    "apply_funding": "account",
    "admit_cancel": "admission",
    "admit_modify": "admission",
    "cancel_all": "router",
    "cancel_strategy": "router",
    "clear_outbox": "outbox",
    "client_order_id": "ids",
    "equity": "account",
    "explain": "risk_manager",
    "next_due": "paper.wire",
    "on_market": "router",
    "on_request": "router",
    "on_touch": "router",
    "on_trade": "router",
    "open_strategy": "risk",
    "outbox_at": "outbox",
    "outbox_count": "outbox",
    "parse_client_order_id": "ids",
    "set_gate": "risk",
    "set_state": "risk",
}


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"livekit.trading.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'livekit.trading' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
