"""The instruments of the simulated exchange: steps, codes, units, and OKX's 49-odd keys.

Every spot pair of the recorded data is listed, and a linear swap beside it that is moved
by the same events. A few more are there for what data cannot show: a quiet pair whose
last trade is hours old, a tick of 1e-12, a suspended pair, and a contract without an
instrument code. Codes differ between production (small) and demo (above 2**50).
Layer 4. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from livekit.instruments import Instrument

__all__ = ["Listing", "list_instruments", "plain"]

_DEMO_CODES: Final = 2_021_032_601_100_000  # above 2**50, as captured in 2026
_LIVE_CODES: Final = 10_000
_CONTRACT_VALUES: Final = {"BTC": "0.01", "ETH": "0.1", "PEPE": "10000000"}
_LISTED_MS: Final = "1573557408000"


def plain(value: Decimal) -> str:
    """Return a decimal without exponent and without zeros at its end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _digits(step: Decimal) -> int:
    """Return how many digits after the point a multiple of a step may have."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -int(exponent))


@dataclass(slots=True)
class Listing:
    """One instrument as the exchange lists it.

    Attributes
    ----------
    symbol, kind : str
        instId, and instType: SPOT or SWAP.
    number : int
        Its place in the listings, and its number in the trading core.
    base, quote : str
        Currencies; of a swap those of its underlying, `quote` being what it settles in.
    tick, lot, min_size, contract_value : Decimal
    state : str
        live, suspend or preopen.
    has_code : bool
        False: instIdCode is null, and orders go by REST only.
    seed_price : float
        Price a market without recorded data starts at; 0 for none.
    """

    symbol: str
    kind: str
    number: int
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    min_size: Decimal
    contract_value: Decimal = Decimal(1)
    state: str = "live"
    has_code: bool = True
    seed_price: float = 0.0
    max_leverage: int = 100
    price_digits: int = field(init=False)
    size_digits: int = field(init=False)
    tick_value: float = field(init=False)
    lot_value: float = field(init=False)

    def __post_init__(self) -> None:
        """Derive what texts are made with."""
        self.price_digits, self.size_digits = _digits(self.tick), _digits(self.lot)
        self.tick_value, self.lot_value = float(self.tick), float(self.lot)

    @property
    def is_swap(self) -> bool:
        """Whether sizes are contracts and positions are held."""
        return self.kind == "SWAP"

    @property
    def fee_group(self) -> str:
        """GroupId of the row, as in the answer of account/trade-fee."""
        return "4" if self.is_swap else "1"

    def code(self, *, is_demo: bool) -> int | None:
        """Return instIdCode in an environment."""
        if not self.has_code:
            return None
        return (_DEMO_CODES if is_demo else _LIVE_CODES) + self.number

    def price_text(self, price: float) -> str:
        """Return a price as OKX writes it: plain, without zeros at its end."""
        return _trimmed(f"{price:.{self.price_digits}f}")

    def lots_text(self, lots: int) -> str:
        """Return a number of lots in units, plain."""
        return _trimmed(f"{lots * self.lot_value:.{self.size_digits}f}")

    def ticks(self, price: float) -> int:
        """Return the tick a price lies on."""
        return round(price / self.tick_value)

    def lots(self, size: float) -> int:
        """Return the whole lots in a size, rounded."""
        return round(size / self.lot_value)

    def core_instrument(self) -> Instrument:
        """Return what the trading core needs; it takes any lot, the minimum is checked here."""
        return Instrument(
            self.symbol,
            self.tick_value,
            self.lot_value,
            self.lot_value,
            float(self.contract_value),
            "swap" if self.is_swap else "spot",
        )

    def row(self, *, is_demo: bool) -> dict[str, Any]:
        """Return the row of public/instruments, every key of 2026."""
        swap = self.is_swap
        largest = "100000000" if swap else "9999999999"
        steps = {"tickSz": plain(self.tick), "lotSz": plain(self.lot)}
        names = {
            "instType": self.kind,
            "instId": self.symbol,
            "instIdCode": self.code(is_demo=is_demo),
            "baseCcy": "" if swap else self.base,
            "quoteCcy": "" if swap else self.quote,
            "settleCcy": self.quote if swap else "",
            "uly": f"{self.base}-{self.quote}" if swap else "",
            "instFamily": f"{self.base}-{self.quote}" if swap else "",
            "ctVal": plain(self.contract_value) if swap else "",
            "ctMult": "1" if swap else "",
            "ctValCcy": self.base if swap else "",
            "ctType": "linear" if swap else "",
            "lever": str(self.max_leverage) if swap else "10",
            "groupId": self.fee_group,
            "state": self.state,
            "minSz": plain(self.min_size),
            "tradeQuoteCcyList": [] if swap else [self.quote],
        }
        return {**_CONSTANT, **names, **steps, **_limits(largest, is_swap=swap)}


def _limits(largest: str, *, is_swap: bool) -> dict[str, str]:
    """Return the size limits of a row."""
    return {
        "maxLmtSz": largest,
        "maxLmtAmt": "20000000",
        "maxMktSz": "35000" if is_swap else "1000000",
        "maxMktAmt": "" if is_swap else "1000000",
        "maxTwapSz": f"{largest}.0000000000000000",
        "maxIcebergSz": f"{largest}.0000000000000000",
        "maxTriggerSz": f"{largest}.0000000000000000",
        "maxStopSz": "35000" if is_swap else "1000000",
        "posLmtAmt": "250000" if is_swap else "",
        "posLmtPct": "30" if is_swap else "",
    }


_CONSTANT: Final[dict[str, Any]] = {
    "alias": "",
    "auctionEndTime": "",
    "category": "1",
    "contTdSwTime": "",
    "expTime": "",
    "floatPxLmtPct": "0.005",
    "freq": "",
    "futureSettlement": False,
    "initPxLmtPct": "0.02",
    "instCategory": "1",
    "listTime": _LISTED_MS,
    "longPosRemainingQuota": "",
    "maxPlatOICoinLmt": "",
    "maxPlatOILmt": "",
    "maxPxLmtPct": "0.01",
    "method": "",
    "openType": "call_auction",
    "optType": "",
    "preMktSwTime": "",
    "rpiMinLevel": "",
    "rpiMinPxBand": "",
    "ruleType": "normal",
    "seriesId": "",
    "shortPosRemainingQuota": "",
    "stk": "",
    "upcChg": [],
}


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(value: float) -> Decimal:
    """Return the shortest decimal that is this float."""
    return Decimal(repr(float(value)))


def _swap_of(spot: Listing, number: int) -> Listing:
    """Return the linear swap beside a spot pair."""
    value = Decimal(_CONTRACT_VALUES.get(spot.base, "1"))
    return Listing(
        f"{spot.symbol}-SWAP",
        "SWAP",
        number,
        spot.base,
        spot.quote,
        spot.tick,
        Decimal("0.01"),
        Decimal("0.01"),
        value,
        seed_price=spot.seed_price,
    )


def _recorded(instrument: Instrument, number: int) -> Listing:
    """Return the listing of an instrument of the data."""
    base, quote = [*instrument.symbol.split("-"), "USDT"][:2]
    kind = "SWAP" if instrument.kind == "swap" else "SPOT"
    return Listing(
        instrument.symbol,
        kind,
        number,
        base,
        quote,
        _decimal(instrument.tick),
        _decimal(instrument.lot),
        _decimal(instrument.min_quantity),
        _decimal(instrument.contract_value),
    )


def list_instruments(recorded: Sequence[Instrument]) -> list[Listing]:
    """Return everything the exchange lists; the recorded instruments keep their numbers."""
    rows = [_recorded(one, number) for number, one in enumerate(recorded)]
    known = {row.symbol for row in rows}
    for row in [row for row in rows if not row.is_swap and f"{row.symbol}-SWAP" not in known]:
        rows.append(_swap_of(row, len(rows)))
    for symbol, tick, lot, least, price, state in _UNMOVED:
        if symbol in known:
            continue
        base, quote = symbol.split("-")[:2]
        is_swap = symbol.endswith("-SWAP")
        rows.append(
            Listing(
                symbol,
                "SWAP" if is_swap else "SPOT",
                len(rows),
                base,
                quote,
                Decimal(tick),
                Decimal(lot),
                Decimal(least),
                state=state,
                has_code=not is_swap,
                seed_price=price,
            )
        )
    return rows


_UNMOVED: Final = (
    ("LTC-USDT", "0.01", "0.000001", "0.001", 84.2, "live"),
    ("SATS-USDT", "0.000000000001", "1", "1000000", 0.000000016642, "live"),
    ("OLD-USDT", "0.01", "0.01", "1", 12.5, "suspend"),
    ("TESTING-USDT-SWAP", "0.1", "1", "1", 100.0, "live"),
)
"""Listings that no data moves: symbol, tick, lot, minimum, price, state."""
