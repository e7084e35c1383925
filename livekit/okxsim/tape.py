"""What traded in one instrument: prints, minutes, and the day's figures.

Layer 4.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from livekit.okxsim.listings import Listing

__all__ = ["MINUTE_MS", "Bar", "Print", "Tape", "bar_ms", "bar_start"]

MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000
_UTC8_MS: Final = 8 * 3_600_000
_UNITS: Final = {"s": 1000, "m": MINUTE_MS, "H": 3_600_000, "D": _DAY_MS, "W": 7 * _DAY_MS}
_MINUTES: Final = 3 * 1440


@dataclass(slots=True)
class Print:
    """One message of the trades channel; `count` matches end at `trade_id`."""

    trade_id: int
    time_ms: int
    side: str
    price: float
    lots: int
    count: int
    sequence: int


@dataclass(slots=True)
class Bar:
    """One bar: prices, lots, and lots x price."""

    start_ms: int
    open: float
    high: float
    low: float
    close: float
    lots: int = 0
    value: float = 0.0

    def add(self, high: float, low: float, close: float, lots: int, value: float) -> None:
        """Add a later part."""
        self.high, self.low, self.close = max(self.high, high), min(self.low, low), close
        self.lots += lots
        self.value += value


def bar_ms(name: str) -> int:
    """Return the length of a bar such as ``1m``, ``4H`` or ``1Dutc``; 0 for no such bar.

    Bars of months are not served: the data has no month.
    """
    name = name.removesuffix("utc")
    number, unit = name[:-1], name[-1:]
    if not number.isdecimal() or not number.isascii():
        return 0
    return int(number) * _UNITS.get(unit, 0)


def bar_start(time_ms: int, name: str) -> int:
    """Return when the bar of a time opened: 6H and longer without ``utc`` on UTC+8."""
    length = bar_ms(name)
    shift = 0
    if length >= 6 * 3_600_000 and not name.endswith("utc"):
        shift = _UTC8_MS
    return (time_ms + shift) // length * length - shift


class Tape:
    """The prints of one listing.

    Attributes
    ----------
    prints : deque of Print
        The newest last, 500 at most.
    minutes : deque of Bar
        The newest last; minutes without a print are missing.
    """

    def __init__(self, listing: Listing, first_id: int) -> None:
        self._listing = listing
        self.trade_id = first_id
        self.prints: deque[Print] = deque(maxlen=600)
        self.minutes: deque[Bar] = deque(maxlen=_MINUTES)

    @property
    def last(self) -> Print | None:
        """The last print."""
        return self.prints[-1] if self.prints else None

    def next_id(self, count: int = 1) -> int:
        """Return the id of the last of `count` new matches."""
        self.trade_id += count
        return self.trade_id

    def add(
        self, time_ms: int, side: str, price: float, lots: int, count: int, sequence: int
    ) -> Print:
        """Add a print whose ids end at the present `trade_id`."""
        made = Print(self.trade_id, time_ms, side, price, lots, count, sequence)
        self.prints.append(made)
        start = time_ms // MINUTE_MS * MINUTE_MS
        if not self.minutes or self.minutes[-1].start_ms < start:
            self.minutes.append(Bar(start, price, price, price, price))
        self.minutes[-1].add(price, price, price, lots, lots * price)
        return made

    def bars(self, name: str, limit: int, after: int = 0, before: int = 0) -> list[Bar]:
        """Return bars with before < start < after (0: no bound), newest first."""
        parts: Iterable[Bar] = reversed(self.minutes)
        if bar_ms(name) < MINUTE_MS:
            parts = (
                Bar(p.time_ms, p.price, p.price, p.price, p.price, p.lots, p.lots * p.price)
                for p in reversed(self.prints)
            )
        found: list[Bar] = []
        for part in parts:
            start = bar_start(part.start_ms, name)
            if after and start >= after:
                continue
            if before and start <= before:
                break
            if found and found[-1].start_ms == start:
                newer = found[-1]
                newer.open = part.open
                newer.add(part.high, part.low, newer.close, part.lots, part.value)
                continue
            if len(found) == limit:
                break
            prices = (part.open, part.high, part.low, part.close)
            found.append(Bar(start, *prices, part.lots, part.value))
        return found

    def day(self, now_ms: int) -> dict[str, str]:
        """Return the ticker's figures of the last 24 hours and of today."""
        recent = [one for one in self.minutes if one.start_ms > now_ms - _DAY_MS]
        if not recent:
            price = self._listing.price_text(self.last.price) if self.last else ""
            flat = dict.fromkeys(("open24h", "high24h", "low24h", "sodUtc0", "sodUtc8"), price)
            return {**flat, "volCcy24h": "0", "vol24h": "0"}
        text = self._listing.price_text
        lots = sum(one.lots for one in recent)
        value = sum(one.value for one in recent)
        unit = self._listing.lot_value
        is_swap = self._listing.is_swap
        amount = lots * unit * float(self._listing.contract_value) if is_swap else value * unit
        return {
            "open24h": text(recent[0].open),
            "high24h": text(max(one.high for one in recent)),
            "low24h": text(min(one.low for one in recent)),
            "sodUtc0": text(self._opening(recent, bar_start(now_ms, "1Dutc"))),
            "sodUtc8": text(self._opening(recent, bar_start(now_ms, "1D"))),
            "volCcy24h": f"{amount:.8f}".rstrip("0").rstrip("."),
            "vol24h": self._listing.lots_text(lots),
        }

    @staticmethod
    def _opening(recent: list[Bar], start_ms: int) -> float:
        """Return the first price at or after a time."""
        return next((one.open for one in recent if one.start_ms >= start_ms), recent[-1].close)

    def row(
        self, bar: Bar, now_ms: int, name: str, *, is_confirmed: bool | None = None
    ) -> list[str]:
        """Return a bar as OKX writes it: nine texts."""
        listing = self._listing
        digits = max(listing.price_digits, 1)
        prices = [f"{price:.{digits}f}" for price in (bar.open, bar.high, bar.low, bar.close)]
        unit = listing.lot_value
        quote = bar.value * unit * float(listing.contract_value)
        base = bar.lots * unit * float(listing.contract_value)
        if is_confirmed is None:
            is_confirmed = bar.start_ms + bar_ms(name) <= now_ms
        volume = [
            listing.lots_text(bar.lots),
            f"{base if listing.is_swap else quote:.8f}".rstrip("0").rstrip(".") or "0",
            f"{quote:.8f}",
        ]
        return [str(bar.start_ms), *prices, *volume, "1" if is_confirmed else "0"]
