"""On what terms this account may trade each instrument: listing, state, code, fees.

Steps stay what they were when the engine started, because resting orders and strategies
were made for them; that they changed is said. Fees are found by the instrument's group.
Source: PROTOCOL 4.8, 8.5 and 9.1.
Layer 4. Pure.
"""

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from livekit.errors import ConfigError, FeedError
from livekit.instruments import Instrument
from livekit.okx.messages import InstrumentRow
from livekit.okx.rest import Fee, Listing
from livekit.trading.limits import Fees

__all__ = ["KINDS", "Terms"]

KINDS: Final = {"spot": "SPOT", "swap": "SWAP", "futures": "FUTURES", "option": "OPTION"}
"""The venue's instType by kind."""


class Terms:
    """Terms of a fixed set of instruments.

    Attributes
    ----------
    listings : dict of str to Listing
        By symbol; one that the account may not trade is not there.
    fees : dict of str to Fees
        Costs by symbol: fractions of the notional, negative for a rebate.
    changes : dict of str to str
        What changed in an instrument since the start, in words.
    """

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._known = {one.symbol: one for one in instruments}
        self._rates: dict[str, Fee] = {}
        self.listings: dict[str, Listing] = {}
        self.fees: dict[str, Fees] = {}
        self.changes: dict[str, str] = {}

    @property
    def missing(self) -> list[str]:
        """Symbols that are not among the listings."""
        return [symbol for symbol in self._known if symbol not in self.listings]

    def take_listings(self, path: str, found: Sequence[Listing]) -> None:
        """Take the instruments of one answer; what should be in it and is not, is gone.

        Parameters
        ----------
        path : str
            Of the call, whose query says what was asked for.
        """
        asked = dict(parse_qsl(path.partition("?")[2]))
        for symbol, one in self._known.items():
            is_all = "instId" not in asked and KINDS[one.kind] == asked.get("instType")
            family = asked.get("instFamily", "")
            if symbol == asked.get("instId") or (is_all and symbol.startswith(family)):
                self.listings.pop(symbol, None)
        for listing in found:
            if listing.symbol in self._known:
                self.listings[listing.symbol] = listing
                self._compare(listing)
        self._price()

    def take_rates(self, path: str, fee: Fee) -> None:
        """Take the account's fees for a type of instruments.

        Raises
        ------
        FeedError
            A fee is one that no exchange charges.
        """
        self._rates[path] = fee
        self._price()

    def take_change(self, row: InstrumentRow) -> None:
        """Take a pushed change of an instrument's state; its steps come with an answer."""
        known = self.listings.get(row.instId)
        if known is not None and row.state:
            self.listings[row.instId] = msgspec.structs.replace(known, state=row.state)

    def problem(self, symbol: str) -> str:
        """Return why orders of an instrument would be refused, "" when they would not."""
        listing = self.listings.get(symbol)
        if listing is None:
            return f"instrument {symbol!r} is not one this account may trade"
        if listing.state == "post_only":
            return f"instrument {symbol!r} takes post-only orders alone at this time"
        if listing.state != "live":
            return f"instrument {symbol!r} is in state {listing.state!r}, it takes no orders"
        return ""

    def describe(self) -> dict[str, str]:
        """Return what is wrong or has changed, by symbol."""
        found = {symbol: self.problem(symbol) for symbol in self._known}
        return self.changes | {symbol: text for symbol, text in found.items() if text}

    def _compare(self, listing: Listing) -> None:
        """Note whether an instrument's steps are not those it was started with."""
        known, new = self._known[listing.symbol], listing.instrument
        if new is None or new == known:
            self.changes.pop(listing.symbol, None)
            return
        self.changes[listing.symbol] = (
            f"tick, lot and minimum of {listing.symbol!r} were {known.tick!r}, {known.lot!r}, "
            f"{known.min_quantity!r} and are {new.tick!r}, {new.lot!r}, {new.min_quantity!r} now; "
            "restart the engine"
        )

    def _price(self) -> None:
        """Give every listed instrument the fees of its group."""
        for symbol, listing in self.listings.items():
            kind = KINDS[listing.kind]
            fee = next((one for one in self._rates.values() if one.instType == kind), None)
            if fee is None:
                continue
            found = next((one for one in fee.feeGroup if one.groupId == listing.group), fee)
            if found.maker == "" or found.taker == "":
                continue
            try:
                # The venue writes what we pay below 0, the core above.
                self.fees[symbol] = Fees(maker=0.0 - found.maker, taker=0.0 - found.taker)
            except ConfigError as error:
                raise FeedError(f"fees of {symbol!r} cannot be: {error}") from error
