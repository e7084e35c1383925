"""How far our books are from the venue's: positions of contracts, balances of spot.

What the account held before the engine began is the opening, and stays what it is; from
then on the venue's holdings must move as our fills do. A difference counts once it has
lasted, because fills, balances and positions are told by different channels. Fees that
the venue takes in the bought currency are allowed for by their rate. Nothing is
corrected here: a difference is said, and stays in the status until it is gone.
Layer 4. Pure.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from livekit.trading.core import TradingCore

if TYPE_CHECKING:
    from livekit.engine.okx.account import AccountSync

__all__ = ["Drift", "DriftWatch"]

_LASTING_NS: Final = 5_000_000_000
_PART: Final = 1e-6  # of a lot: sums of decimals in float64


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference.

    Attributes
    ----------
    name : str
        Symbol of a contract, or currency of spot holdings.
    ours, venue : float
        Change since the opening, as our fills have it and as the venue has it.
    allowed : float
        What fees in that currency may explain.
    since_ns : int
        When it was first seen.
    """

    name: str
    ours: float
    venue: float
    allowed: float
    since_ns: int

    def __str__(self) -> str:
        """Say it in one sentence, with what to do."""
        return (
            f"{self.name}: our fills make {self.ours:+.10g}, the venue has {self.venue:+.10g} "
            f"since the start, {self.venue - self.ours:+.3g} apart; look for orders of others, "
            "transfers or liquidations in this account, and restart the engine to take it over"
        )


class DriftWatch:
    """Compares a core with an account; see the module.

    Parameters
    ----------
    account : AccountSync
    core : TradingCore

    Attributes
    ----------
    lasting : list of Drift
        Differences that have lasted five seconds.
    """

    def __init__(self, account: "AccountSync", core: TradingCore) -> None:
        self._account, self._core = account, core
        self._opening: dict[str, float] | None = None
        self._since: dict[str, int] = {}
        self.lasting: list[Drift] = []

    @property
    def has_begun(self) -> bool:
        """Whether it has taken the opening."""
        return self._opening is not None

    def look(self, now_ns: int) -> list[Drift]:
        """Compare, and return the differences that have lasted.

        Nothing is compared before the account is ready; the first look takes the opening.
        """
        if not self._account.is_ready:
            return self.lasting
        ours, allowed = self._ours()
        venue = {name: self._venue(name) for name in ours}
        if self._opening is None:
            self._opening = {name: venue[name] - ours[name] for name in ours}
        found = []
        for name, amount in ours.items():
            moved = venue[name] - self._opening.get(name, 0.0)
            slack = allowed[name] + self._step(name) + 1e-12 * abs(venue[name])
            if abs(moved - amount) <= slack:
                self._since.pop(name, None)
                continue
            since = self._since.setdefault(name, now_ns)
            if now_ns - since >= _LASTING_NS:
                found.append(Drift(name, amount, moved, allowed[name], since))
        self.lasting = found
        return found

    def _ours(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return what our fills make of each name, and what fees may take of it."""
        core = self._core
        amounts: dict[str, float] = {}
        allowed: dict[str, float] = {}
        config = self._account.config
        in_quote = config is not None and config.feeType == "1"
        for number, symbol in enumerate(core.symbols):
            listing = self._account.listings.get(symbol)
            if listing is None:
                continue
            rows = core.positions[:, number]
            held = core.quantity(number, int(rows["lots"].sum()))
            name = listing.base if listing.kind == "spot" else symbol
            amounts[name] = amounts.get(name, 0.0) + held
            allowed.setdefault(name, 0.0)
            fees = self._account.fees.get(symbol)
            if listing.kind == "spot" and fees is not None and not in_quote:
                traded = int(rows["bought_lots"].sum()) + int(rows["sold_lots"].sum())
                rate = max(abs(fees.maker), abs(fees.taker))
                allowed[name] += core.quantity(number, traded) * rate
        return amounts, allowed

    def _venue(self, name: str) -> float:
        """Return what the venue has of a symbol or a currency."""
        if name in self._core.symbols:
            return self._account.position(name)
        balance = self._account.balances.get(name)
        return balance.cash if balance is not None else 0.0

    def _step(self, name: str) -> float:
        """Return a millionth of the smallest lot of a name."""
        lots = [
            core_lot
            for number, symbol in enumerate(self._core.symbols)
            if (listing := self._account.listings.get(symbol)) is not None
            and name == (listing.base if listing.kind == "spot" else symbol)
            and (core_lot := self._core.quantity(number, 1))
        ]
        return _PART * min(lots, default=0.0)
