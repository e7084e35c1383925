"""Prices and sizes as OKX takes them: plain decimals, exact multiples of a step.

A step is the shortest text of its float (``1e-12`` is exactly 10⁻¹²), a price is a whole
number of steps, and the product is made in decimal arithmetic: no exponent and no
binary noise is ever written. OKX refuses ``1e-07``.
Layer 2. Pure.
"""

import decimal
import functools
import math
import re
from decimal import Decimal
from typing import Final

from livekit.errors import ConfigError

__all__ = ["is_plain", "price_text", "size_text"]

_EXACT: Final = decimal.Context(prec=60, rounding=decimal.ROUND_HALF_EVEN)
_TOLERANCE: Final = Decimal("1e-6")
_MAX_STEPS: Final = 2**63 - 1
_PLAIN: Final = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,30})?")


def is_plain(text: str) -> bool:
    """Tell whether a text is a decimal without sign and exponent, as OKX takes them."""
    return _PLAIN.fullmatch(text) is not None


def price_text(price: float, tick: float) -> str:
    """Return a price as OKX's text.

    Parameters
    ----------
    price : float
        A multiple of `tick`, within a millionth of one tick.
    tick : float
        Step of the instrument's prices, from 1e-12 on.

    Raises
    ------
    ConfigError
        The price is not a positive multiple of the tick.
    """
    step = _step(tick)
    if not (math.isfinite(price) and price > 0):
        raise ConfigError(f"price is {price!r}, expected a positive number")
    steps = _EXACT.divide(Decimal(repr(float(price))), step)
    whole = steps.to_integral_value(decimal.ROUND_HALF_EVEN)
    if not 1 <= whole <= _MAX_STEPS or abs(steps - whole) > _TOLERANCE:
        raise ConfigError(
            f"price {float(price)!r} is not a multiple of the tick {tick!r}; "
            "round it with livekit.instruments.snap"
        )
    return _plain(_EXACT.multiply(whole, step))


def size_text(lots: int, lot: float) -> str:
    """Return a size of a whole number of lots as OKX's text.

    Raises
    ------
    ConfigError
        The number of lots is not positive, or beyond 63 bits.
    """
    if not 1 <= lots <= _MAX_STEPS:
        raise ConfigError(f"size is {lots!r} lots, expected a positive whole number")
    return _plain(_EXACT.multiply(Decimal(int(lots)), _step(lot)))


@functools.lru_cache(maxsize=4096)
def _step(step: float) -> Decimal:
    if not (math.isfinite(step) and step > 0):
        raise ConfigError(f"step is {step!r}, expected a positive number")
    return Decimal(repr(float(step)))


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
