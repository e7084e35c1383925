"""What a user configures of the trading core: risk limits and fees, as plain values.

Both are frozen dataclasses that check themselves, and one of them becomes one NumPy
record in the memory of the core. They live apart from the jitted code so that a
configuration can be read and refused without importing Numba.
Layer 2.
"""

import math
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from livekit.errors import ConfigError

__all__ = ["LIMITS", "Fees", "RiskLimits", "padded"]


def padded(fields: list[tuple[str, str]], size: int) -> np.dtype[np.void]:
    """Lay the fields out one after the other and pad the record to `size` bytes."""
    packed = np.dtype([*fields])
    offsets = [int(packed.fields[name][1]) for name, _ in fields]  # type: ignore[index]
    return np.dtype(
        {
            "names": [name for name, _ in fields],
            "formats": [kind for _, kind in fields],
            "offsets": offsets,
            "itemsize": size,
        }
    )


LIMITS: Final = padded(
    [
        ("max_order_quantity", "<f8"),
        ("max_order_notional", "<f8"),
        ("max_position_notional", "<f8"),
        ("price_band_bps", "<f8"),
        ("max_leverage", "<f8"),
        ("max_reference_age_ns", "<i8"),
        ("order_interval_ns", "<i8"),
        ("order_burst_ns", "<i8"),
        ("max_open_orders", "<i8"),
    ],
    128,
)
"""Limits of one strategy, 128 bytes. A rate is stored as the nanoseconds of one order
and of a whole burst, so that the bucket is integer arithmetic."""

_SECOND_NS: Final = 1_000_000_000
_FOREVER_NS: Final = 1 << 61


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Limits of one strategy; infinity switches one off.

    Attributes
    ----------
    max_order_quantity : float
        Largest quantity of one order, in the instrument's own units.
    max_order_notional : float
        Largest value of one order in quote currency, at the worse of its price and the
        reference price.
    max_position_notional : float
        Largest value of a position in one instrument, counting every open order of the
        side as filled.
    price_band_bps : float
        Largest distance of a price from the reference price, basis points, both sides.
    max_leverage : float
        Largest ratio of the account's gross exposure, open orders counted as filled, to
        its equity. Measured over all strategies of the account.
    max_reference_age_s : float
        Age at which a reference price counts as missing, seconds.
    orders_per_second, order_burst : float, int
        Token bucket of new and modified orders: `order_burst` at once, refilled at
        `orders_per_second`.
    max_open_orders : int
        Largest number of orders that are not final.
    """

    max_order_quantity: float = math.inf
    max_order_notional: float = 250_000.0
    max_position_notional: float = 1_000_000.0
    price_band_bps: float = 500.0
    max_leverage: float = math.inf
    max_reference_age_s: float = 60.0
    orders_per_second: float = 100.0
    order_burst: int = 200
    max_open_orders: int = 256

    def __post_init__(self) -> None:
        """Refuse a limit that is not a positive number."""
        for field in fields(self):
            value = getattr(self, field.name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not (is_number and value > 0):  # NaN too
                raise ConfigError(
                    f"risk limit {field.name} is {value!r}, expected a number above 0; "
                    "use infinity to switch the limit off"
                )
        for name in ("order_burst", "max_open_orders"):
            value = getattr(self, name)
            if not math.isfinite(value) or value != int(value) or value >= 1 << 32:
                raise ConfigError(
                    f"risk limit {name} is {value!r}, expected a whole number below 2**32"
                )

    def to_row(self) -> np.ndarray:
        """Return the limits as a LIMITS array of shape (1,)."""
        row = np.zeros(1, LIMITS)
        for name in (
            "max_order_quantity",
            "max_order_notional",
            "max_position_notional",
            "price_band_bps",
            "max_leverage",
            "max_open_orders",
        ):
            row[name] = getattr(self, name)
        row["max_reference_age_ns"] = _nanoseconds(self.max_reference_age_s)
        interval = _nanoseconds(1.0 / self.orders_per_second)
        row["order_interval_ns"] = interval
        row["order_burst_ns"] = min((self.order_burst - 1) * interval, _FOREVER_NS)
        return row

    @classmethod
    def from_row(cls, row: np.void) -> "RiskLimits":
        """Read the limits back from one LIMITS record."""
        interval = int(row["order_interval_ns"])
        age = int(row["max_reference_age_ns"])
        return cls(
            max_order_quantity=float(row["max_order_quantity"]),
            max_order_notional=float(row["max_order_notional"]),
            max_position_notional=float(row["max_position_notional"]),
            price_band_bps=float(row["price_band_bps"]),
            max_leverage=float(row["max_leverage"]),
            max_reference_age_s=math.inf if age == _FOREVER_NS else age / _SECOND_NS,
            orders_per_second=_SECOND_NS / interval if interval else math.inf,
            order_burst=int(row["order_burst_ns"]) // interval + 1 if interval else 1,
            max_open_orders=int(row["max_open_orders"]),
        )


@dataclass(frozen=True, slots=True)
class Fees:
    """Fees as fractions of the notional; a negative one is a rebate.

    The defaults are OKX's of the lowest tier of spot trading.
    """

    maker: float = 0.0008
    taker: float = 0.0010

    def __post_init__(self) -> None:
        """Refuse a rate that no exchange charges."""
        for name in ("maker", "taker"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and -0.1 <= value <= 0.1):  # NaN too
                raise ConfigError(
                    f"{name} fee is {value!r}, expected a fraction of the notional between -0.1 "
                    "and 0.1, such as 0.0005 for 5 basis points"
                )


def _nanoseconds(seconds: float) -> int:
    """Convert to nanoseconds; longer than about 70 years is forever."""
    return min(_FOREVER_NS, round(seconds * _SECOND_NS)) if math.isfinite(seconds) else _FOREVER_NS
