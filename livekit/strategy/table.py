"""The instruments of an engine as a strategy process knows them: names and numbers.

Numbers are rows of the engine's directory, which only grows. The table is read when
the process starts and again whenever a name or number is asked for that it does not
know.
Layer 2.
"""

from collections.abc import Callable, Sequence

from livekit.config import MAX_INSTRUMENTS
from livekit.errors import NotFoundError
from livekit.instruments import Instrument
from livekit.strategy.context import Context
from livekit.strategy.flyweight import SymbolTable

__all__ = ["InstrumentTable"]


class InstrumentTable:
    """Instruments by name and number, kept in step with a Context.

    Parameters
    ----------
    read : callable
        Returns the engine's instruments from a number on.

    Attributes
    ----------
    symbols : dict of int to str
        A look-up of a number that is not in it reads the directory again.
    numbers : dict of str to int
    """

    def __init__(self, read: Callable[[int], Sequence[Instrument]]) -> None:
        self._read = read
        self._instruments: list[Instrument] = []
        self._context: Context | None = None
        self.symbols: dict[int, str] = _Symbols(self.refresh)
        self.numbers: dict[str, int] = {}
        self.refresh()

    def __len__(self) -> int:
        return len(self._instruments)

    def follow(self, context: Context) -> None:
        """Write the instruments, also those to come, into a context that has none."""
        self._context = context
        context.add_instruments(self._instruments)

    def refresh(self) -> None:
        """Take over the instruments that the engine has added."""
        new = self._read(len(self._instruments))
        for instrument in new:
            number = len(self._instruments)
            self._instruments.append(instrument)
            self.symbols[number] = instrument.symbol
            self.numbers[instrument.symbol] = number
        if self._context is not None and new:
            self._context.add_instruments(new)

    def number(self, symbol: str) -> int:
        """Return the number of a symbol, -1 when the engine does not have it."""
        number = self.numbers.get(symbol, -1)
        if number < 0:
            self.refresh()
            number = self.numbers.get(symbol, -1)
        return number

    def instrument(self, symbol: str) -> Instrument:
        """Return an instrument.

        Raises
        ------
        NotFoundError
            The engine does not have it.
        """
        number = self.number(symbol)
        if number < 0:
            known = ", ".join(sorted(self.numbers)) or "none"
            raise NotFoundError(
                f"instrument {symbol!r} is not in the engine's directory; it has {known}"
            )
        return self._instruments[number]


class _Symbols(SymbolTable):
    """Names by number; a number not seen yet is looked for in the directory once more."""

    def __init__(self, refresh: Callable[[], None]) -> None:
        super().__init__()
        self._refresh = refresh

    def __missing__(self, number: int) -> str:
        """Return the name of an instrument after another look; empty if it has none."""
        if number < MAX_INSTRUMENTS:
            self._refresh()
        return self.get(number, "")
