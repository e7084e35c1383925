"""The steps of an instrument, read off its prices and sizes when nobody gives them.

A step is looked for among 1, 2 and 5 times the powers of ten, at most 1. It is exact, not
near: a decimal of up to 15 digits is a multiple of 10**-d exactly when the double is the
one next to a whole number over 10**d, and division rounds correctly.
Layer 3.
"""

from decimal import Decimal
from typing import Final

import numpy as np

from livekit.errors import DataError
from livekit.instruments import Instrument
from livekit.okx.instruments import kind_of_symbol

__all__ = ["StepFinder", "Steps"]

_MAX_DECIMALS: Final = 14
_ENOUGH: Final = 100  # values, before a step such as 0.5 or 0.02 is believed


class StepFinder:
    """The coarsest step of which every number seen is a multiple."""

    __slots__ = ("decimals", "divisor", "is_none", "n")

    def __init__(self) -> None:
        self.decimals = self.divisor = self.n = 0
        self.is_none = False

    def look(self, values: np.ndarray) -> None:
        """Take numbers, float64[n]; NaN and 0 say nothing."""
        values = values[(values > 0) & (values < np.inf)]
        if not len(values) or self.is_none:
            return
        self.n += len(values)
        while True:
            scale = 10.0**self.decimals
            whole = np.rint(values * scale)
            if (whole / scale == values).all() and whole.max() < 2**53:
                break
            self.decimals += 1
            self.divisor *= 10
            if self.decimals > _MAX_DECIMALS:
                self.is_none = True
                return
        if self.divisor != 1:
            found = int(np.gcd.reduce(whole.astype(np.int64)))
            self.divisor = int(np.gcd(found, self.divisor))

    def step(self) -> float | None:
        """Return the step; None when the numbers have more than 14 decimals."""
        if self.is_none or not self.n:
            return None
        divisor = self.divisor if self.n >= _ENOUGH else 1
        # What they all have in common may be more than the step; 1, 2 and 5 are usual.
        factor = next(one for one in (5, 2, 1) if divisor % one == 0)
        return min(1.0, float(Decimal(factor).scaleb(-self.decimals)))


class Steps:
    """The steps of each symbol of an import.

    Parameters
    ----------
    tick, lot, minimum, contract_value : float, optional
        What the user says, for every symbol of the import.
    known : dict of str to Instrument
        From a list of the exchange, or from the catalog.
    """

    def __init__(
        self,
        tick: float | None = None,
        lot: float | None = None,
        minimum: float | None = None,
        contract_value: float | None = None,
        known: dict[str, Instrument] | None = None,
    ) -> None:
        self.tick, self.lot, self.minimum = tick, lot, minimum
        self.contract_value = contract_value
        self.known = known or {}
        self._seen: dict[str, tuple[StepFinder, StepFinder]] = {}

    def needs(self, symbol: str) -> bool:
        """Tell whether the data of a symbol must be looked at."""
        return symbol not in self.known and (self.tick is None or self.lot is None)

    def look(self, symbol: str, prices: np.ndarray, sizes: np.ndarray) -> None:
        """Take prices and sizes of a symbol, float64 of any shape."""
        price, size = self._seen.setdefault(symbol, (StepFinder(), StepFinder()))
        price.look(prices.ravel())
        size.look(sizes.ravel())

    def instrument(self, symbol: str) -> tuple[Instrument, list[str]]:
        """Return the instrument of a symbol, and which of its fields were inferred.

        Raises
        ------
        DataError
            A step is neither given nor to be found in the numbers.
        ConfigError
            A step given is not positive.
        """
        if (held := self.known.get(symbol)) is not None:
            given = {"tick": self.tick, "lot": self.lot, "min_quantity": self.minimum}
            given["contract_value"] = self.contract_value
            fields = {name: value for name, value in given.items() if value is not None}
            return _with(held, fields), []
        price, size = self._seen.get(symbol, (StepFinder(), StepFinder()))
        inferred = []
        tick, lot = self.tick, self.lot
        if tick is None:
            tick = _found(price, symbol, "tick", "prices")
            inferred.append(f"tick {tick:g}")
        if lot is None:
            lot = _found(size, symbol, "lot", "sizes")
            inferred.append(f"lot {lot:g}")
        minimum = self.minimum
        if minimum is None:
            minimum = lot
            inferred.append(f"min {minimum:g}")
        kind = kind_of_symbol(symbol)
        value = self.contract_value
        if value is None:
            value = 1.0
            if kind != "spot":
                inferred.append("contract value 1")
        return Instrument(symbol, tick, lot, minimum, value, kind), inferred


def _with(held: Instrument, fields: dict[str, float]) -> Instrument:
    values = {
        name: fields.get(name, getattr(held, name))
        for name in ("tick", "lot", "min_quantity", "contract_value")
    }
    return Instrument(held.symbol, **values, kind=held.kind)


def _found(finder: StepFinder, symbol: str, name: str, what: str) -> float:
    step = finder.step()
    if step is None:
        reason = "have more than 14 decimals" if finder.n else "are missing"
        raise DataError(
            f"the {name} of {symbol!r} is not to be read off its {what}, which {reason}; nothing "
            f"was imported; give it with --{name}, or the exchange's list with --instruments"
        )
    return step
