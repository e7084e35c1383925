"""Instruments: what can be traded, in which steps, and under which number.

Inside one engine an instrument has a number, its row in the engine's directory, and
events carry the number only; names such as ``BTC-USD-261225-100000-C`` are looked up
at the border. Rows are appended, never changed, so a number once seen stays valid.
Layer 0.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from livekit.errors import ConfigError

__all__ = ["INSTRUMENT", "Instrument", "is_multiple", "snap"]

INSTRUMENT: Final = np.dtype(
    [
        ("symbol", "S48"),
        ("tick", "<f8"),
        ("lot", "<f8"),
        ("min_quantity", "<f8"),
        ("contract_value", "<f8"),
        ("kind", "S8"),
        ("reserved", "<i8", (5,)),
    ]
)
"""One row of the directory, 128 bytes."""

_STEP_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Instrument:
    """One tradable instrument.

    Attributes
    ----------
    symbol : str
        The exchange's name, at most 48 ASCII characters.
    tick, lot, min_quantity : float
        Step of a price, step of a quantity, smallest quantity of an order.
    contract_value : float
        Base units per unit of quantity; 1 for spot.
    kind : str
        ``spot``, ``swap``, ``futures`` or ``option``.
    """

    symbol: str
    tick: float
    lot: float
    min_quantity: float
    contract_value: float = 1.0
    kind: str = "spot"

    def __post_init__(self) -> None:
        """Refuse steps that no order could satisfy."""
        if not self.symbol or len(self.symbol) > 48 or not self.symbol.isascii():
            raise ConfigError(
                f"symbol {self.symbol!r} is not a name of 1 to 48 ASCII characters; "
                "use the exchange's name, such as 'BTC-USDT'"
            )
        for name in ("tick", "lot", "min_quantity", "contract_value"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(
                    f"{name} of {self.symbol!r} is {value!r}, expected a positive number"
                )

    def to_row(self) -> np.ndarray:
        """Return the instrument as an INSTRUMENT array of shape (1,)."""
        row = np.zeros(1, INSTRUMENT)
        for name in ("tick", "lot", "min_quantity", "contract_value"):
            row[name] = getattr(self, name)
        row["symbol"], row["kind"] = self.symbol.encode(), self.kind.encode()
        return row

    @classmethod
    def from_row(cls, row: np.void) -> "Instrument":
        """Read an instrument back from one row of the directory."""
        return cls(
            symbol=row["symbol"].decode(),
            tick=float(row["tick"]),
            lot=float(row["lot"]),
            min_quantity=float(row["min_quantity"]),
            contract_value=float(row["contract_value"]),
            kind=row["kind"].decode(),
        )


def is_multiple(value: float, step: float) -> bool:
    """Tell whether `value` lies on a step, within a millionth of one."""
    steps = value / step
    return abs(steps - round(steps)) <= _STEP_TOLERANCE


def snap(value: float, step: float) -> float:
    """Return the multiple of `step` nearest to `value`, without binary noise."""
    decimals = max(0, -math.floor(math.log10(step)) + 2) if step < 1 else 2
    return round(round(value / step) * step, decimals)
