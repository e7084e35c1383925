"""Risk in words and by hand: why an order was refused, and the manager that sets limits.

`explain` gives a refusal as a stable code and then ``key=value`` in plain numbers,
from what the core holds at that moment; call it before the next event.
Layer 2.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from livekit.events import Reject, Side
from livekit.trading.account import equity
from livekit.trading.layout import Gate, TradingState
from livekit.trading.limits import RiskLimits
from livekit.trading.market import reference_ns, reference_price
from livekit.trading.risk import gross_exposure, set_gate, set_state

if TYPE_CHECKING:
    from livekit.trading.core import TradingCore

__all__ = ["RiskManager", "explain"]


def explain(core: "TradingCore", strategy: int, report: Any, now_ns: int) -> str:
    """Say why a request was refused.

    Parameters
    ----------
    core : TradingCore
        Not changed since the refusal.
    strategy : int
        Slot of the strategy that was refused.
    report : ORDER record
        The refusal.
    now_ns : int
        Time of the refusal.

    Returns
    -------
    str
        Such as ``PRICE_BAND: side=buy px=64990.0 reference=64210.0 deviation_bps=121.5
        limit_bps=100``.
    """
    code = Reject(int(report["reject"]))
    side = "buy" if int(report["side"]) == Side.BUY else "sell"
    values: dict[str, Any] = {"side": side, **_values(core, strategy, report, now_ns, code)}
    return f"{code.name}: " + " ".join(f"{key}={_plain(value)}" for key, value in values.items())


def _values(
    core: "TradingCore", strategy: int, report: Any, now_ns: int, code: Reject
) -> dict[str, Any]:
    """Return the numbers that a reject code was decided on."""
    number = int(report["instrument"])
    limits = core.limits[strategy]
    asked = {"quantity": float(report["quantity"]), "px": float(report["price"])}
    if number >= len(core.symbols):
        return {"instrument": number, **asked}
    row = core.markets[number]
    reference = float(reference_price(core.address, number))
    notional = asked["quantity"] * float(row["contract_value"]) * np.fmax(asked["px"], reference)
    sign = Side(int(report["side"])).sign
    tables: dict[Reject, dict[str, Any]] = {
        Reject.OFF_TICK: {
            "px": asked["px"],
            "tick": row["tick_numerator"] / row["tick_denominator"],
        },
        Reject.OFF_LOT: {"quantity": asked["quantity"], "lot": core.quantity(number, 1)},
        Reject.BELOW_MINIMUM: {
            "quantity": asked["quantity"],
            "minimum": core.quantity(number, int(row["min_lots"])),
        },
        Reject.MAX_QUANTITY: {
            "quantity": asked["quantity"],
            "limit": float(limits["max_order_quantity"]),
        },
        Reject.MAX_NOTIONAL: {"notional": notional, "limit": float(limits["max_order_notional"])},
        Reject.PRICE_BAND: {
            "px": asked["px"],
            "reference": reference,
            "deviation_bps": round(abs(asked["px"] - reference) / reference * 1e4, 1),
            "limit_bps": float(limits["price_band_bps"]),
        },
        Reject.NO_REFERENCE_PRICE: {
            "reference": reference,
            "age_ns": now_ns - int(reference_ns(core.address, number)),
            "limit_ns": int(limits["max_reference_age_ns"]),
        },
        Reject.POST_ONLY_WOULD_TAKE: {
            "px": asked["px"],
            "touch": float(row["ask_price" if sign > 0 else "bid_price"]),
        },
    }
    if code in tables:
        return tables[code]
    known = _account_values(core, strategy, report, now_ns, notional)
    return known.get(code, {"order_id": int(report["order_id"]), **asked})


def _account_values(
    core: "TradingCore", strategy: int, report: Any, now_ns: int, notional: float
) -> dict[Reject, dict[str, Any]]:
    """Return the numbers of the codes that depend on what the strategy and account hold."""
    number, limits = int(report["instrument"]), core.limits[strategy]
    reference = float(reference_price(core.address, number))
    sign = Side(int(report["side"])).sign
    position = core.account.position(strategy, number)
    held = {"position": position["position"], "quantity": float(report["quantity"])}
    open_side = {"open": position["open_buy" if sign > 0 else "open_sell"]}
    return {
        Reject.MAX_POSITION: {
            **held,
            **open_side,
            "reference": reference,
            "limit": float(limits["max_position_notional"]),
        },
        Reject.RATE_LIMIT: {
            "wait_ns": int(core.strategies[strategy]["next_order_ns"])
            - now_ns
            - int(limits["order_burst_ns"])
        },
        Reject.REDUCE_ONLY: {**held, **open_side},
        Reject.TOO_MANY_ORDERS: {
            "open": int(core.strategies[strategy]["n_open"]),
            "limit": int(limits["max_open_orders"]),
        },
        Reject.INSUFFICIENT_BALANCE: {
            "notional": notional,
            "exposure": float(gross_exposure(core.address)),
            "equity": float(equity(core.address)),
            "leverage_limit": float(limits["max_leverage"]),
        },
    }


def _plain(value: Any) -> str:
    """Write a number plainly: whole limits without a fraction, nothing in powers of ten."""
    if not isinstance(value, float | np.floating):
        return str(value)
    return np.format_float_positional(value, trim="0") if np.isfinite(value) else str(float(value))


class RiskManager:
    """Limits, gates and state of a trading core, as Python sees them.

    Reads and writes the core's memory at each call and keeps nothing of its own.
    """

    def __init__(self, core: "TradingCore") -> None:
        self._core = core

    def limits(self, strategy: int) -> RiskLimits:
        """Return the limits of a strategy."""
        self._core.check_strategy(strategy)
        return RiskLimits.from_row(self._core.limits[strategy])

    def set_limits(self, limits: RiskLimits, strategy: int | None = None) -> None:
        """Set the limits of one strategy, or of all; they hold from the next request on."""
        if strategy is None:
            self._core.limits[:] = limits.to_row()
            return
        self._core.check_strategy(strategy)
        self._core.limits[strategy] = limits.to_row()[0]

    @property
    def state(self) -> TradingState:
        """What the core admits at present."""
        return TradingState(int(self._core.header["state"]))

    def set_state(self, state: TradingState) -> None:
        """Set what the core admits; what rests stays."""
        set_state(self._core.address, int(state))

    def gate(self, strategy: int) -> Gate:
        """Return whether a strategy may trade."""
        self._core.check_strategy(strategy)
        return Gate(int(self._core.strategies[strategy]["gate"]))

    def set_gate(self, strategy: int, gate: Gate) -> None:
        """Fence a strategy, or let it trade."""
        self._core.check_strategy(strategy)
        set_gate(self._core.address, strategy, int(gate))

    def explain(self, strategy: int, report: Any, now_ns: int) -> str:
        """Say why a request was refused. See `explain`."""
        return explain(self._core, strategy, report, now_ns)
