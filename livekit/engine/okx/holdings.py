"""Balances and positions as the venue tells them: over REST, and on three channels.

The same currency is told by answers and by pushes, and they overtake each other. What
decides is the venue's own time of each row; between equal times a push is the newer one,
and an answer counts only if nothing was pushed of the row since it was asked for. That
is what `serial` is for: it counts pushes, and who asks notes it.

Absence means zero in what is complete, an answer or the last page of a snapshot, and
nothing in an update. A row that became zero stays, so that an older word cannot bring it
back. Source: PROTOCOL 6.3 to 6.5 and 12.2.
Layer 4. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from livekit.okx.rows import AccountRow, CashRow, CurrencyRow, PositionRow

__all__ = ["Balance", "Holdings", "Position"]

_MAX_FLAT: Final = 4096


@dataclass(slots=True)
class Balance:
    """What the account has of one currency.

    Attributes
    ----------
    cash : float
        Without open profit.
    available : float
        What may be spent, as the account's mode counts it.
    equity : float
        With open profit.
    updated_ms, cash_ms : int
        When, as the venue says: of all, and of `cash`, which has a quicker channel.
    """

    currency: str
    cash: float = 0.0
    available: float = 0.0
    equity: float = 0.0
    updated_ms: int = 0
    cash_ms: int = 0
    serial: int = field(default=0, repr=False)


@dataclass(slots=True)
class Position:
    """One position; `quantity` is in contracts, below 0 when short.

    Attributes
    ----------
    kind : str
        The venue's: SWAP, FUTURES, OPTION or MARGIN.
    margin_mode : str
        ``cross`` or ``isolated``.
    """

    symbol: str
    position_id: str
    kind: str = ""
    margin_mode: str = ""
    side: str = ""
    quantity: float = 0.0
    average_price: float = 0.0
    updated_ms: int = 0
    serial: int = field(default=0, repr=False)


class Holdings:
    """All balances and positions of an account.

    Attributes
    ----------
    serial : int
        How many pushes were taken.
    """

    def __init__(self) -> None:
        self.serial = 0
        self._balances: dict[str, Balance] = {}
        self._positions: dict[str, Position] = {}

    @property
    def balances(self) -> dict[str, Balance]:
        """Balances by currency, those that are not zero."""
        return {name: one for name, one in self._balances.items() if one.cash or one.equity}

    @property
    def positions(self) -> dict[str, Position]:
        """Positions by the venue's position id, those that are not flat."""
        return {name: one for name, one in self._positions.items() if one.quantity}

    def take_account(self, rows: Sequence[AccountRow], *, is_complete: bool, asked: int) -> None:
        """Take the rows of account/balance or of the account channel.

        Parameters
        ----------
        is_complete : bool
            A currency that is not there is zero.
        asked : int
            `serial` when it was asked for; -1 for a push.
        """
        if asked < 0:
            self.serial += 1
        seen, as_of = set(), 0
        for account in rows:
            as_of = max(as_of, account.uTime or 0)
            for row in account.details:
                seen.add(row.ccy)
                self._take_currency(row, account.uTime or 0, asked)
        if is_complete:
            for known in self._balances.values():
                if known.currency in seen:
                    continue
                if _is_over(known, known.cash_ms, as_of, asked):
                    known.cash, known.cash_ms = 0.0, max(known.cash_ms, as_of)
                if _is_over(known, known.updated_ms, as_of, asked):
                    known.available = known.equity = 0.0
                    known.updated_ms = max(known.updated_ms, as_of)

    def _take_currency(self, row: CurrencyRow, account_ms: int, asked: int) -> None:
        """Take one currency; its cash may have been told before, on its quicker channel."""
        known = self._balances.setdefault(row.ccy, Balance(row.ccy))
        time_ms = row.uTime or account_ms or known.updated_ms
        if _is_newer(known.cash_ms, time_ms, known, asked):
            known.cash, known.cash_ms = row.cashBal or 0.0, time_ms
        if _is_newer(known.updated_ms, time_ms, known, asked):
            known.available, known.equity = _spendable(row), row.eq or 0.0
            known.updated_ms = time_ms
            _note(known, self.serial, asked)

    def take_cash(self, rows: Iterable[CashRow]) -> None:
        """Take what balance_and_position says of currencies: cash alone, and only changes."""
        self.serial += 1
        for row in rows:
            known = self._balances.setdefault(row.ccy, Balance(row.ccy))
            if row.uTime >= known.cash_ms:
                known.cash, known.cash_ms = row.cashBal, row.uTime
                known.serial = self.serial

    def take_positions(self, rows: Sequence[PositionRow], *, is_complete: bool, asked: int) -> None:
        """Take rows of account/positions, of the positions channel, or of the combined one.

        Parameters
        ----------
        is_complete : bool
            A position that is not there is flat.
        asked : int
            `serial` when it was asked for; -1 for a push.
        """
        if asked < 0:
            self.serial += 1
        as_of = max((row.pTime or 0 for row in rows), default=0)
        for row in rows:
            known = self._positions.get(row.posId)
            if known is None:
                known = self._positions[row.posId] = Position(row.instId, row.posId)
            if not _is_newer(known.updated_ms, row.uTime, known, asked):
                continue
            known.symbol, known.kind = row.instId, row.instType or known.kind
            known.margin_mode, known.side = row.mgnMode or known.margin_mode, row.posSide
            known.quantity = -abs(row.pos) if row.posSide == "short" else row.pos
            known.average_price = row.avgPx or 0.0
            known.updated_ms = row.uTime
            _note(known, self.serial, asked)
        if is_complete:
            seen = {row.posId for row in rows}
            for known in self._positions.values():
                is_missing = known.position_id not in seen
                if is_missing and _is_over(known, known.updated_ms, as_of, asked):
                    known.quantity = known.average_price = 0.0
                    known.updated_ms = max(known.updated_ms, as_of)
        self._forget()

    def _forget(self) -> None:
        """Keep no more flat positions than a bound; the oldest go."""
        flat = [one for one in self._positions.values() if not one.quantity]
        if len(flat) > _MAX_FLAT:
            flat.sort(key=lambda one: one.updated_ms)
            for one in flat[: len(flat) - _MAX_FLAT]:
                del self._positions[one.position_id]


def _spendable(row: CurrencyRow) -> float:
    """Return what may be spent; in spot mode there is no `availEq`, in the others it counts."""
    return row.availEq if row.availEq != "" else row.availBal or 0.0


def _is_newer(known_ms: int, time_ms: int, known: Balance | Position, asked: int) -> bool:
    """Tell whether a row of a time may replace what is known; see the module."""
    if time_ms != known_ms:
        return time_ms > known_ms
    return asked < 0 or known.serial <= asked


def _is_over(known: Balance | Position, known_ms: int, as_of: int, asked: int) -> bool:
    """Tell whether absence from what is complete as of a time (0: not told) means zero.

    Of the same millisecond a snapshot may be the older word; an answer is not, if nothing
    was pushed since it was asked for.
    """
    if asked < 0:
        return not as_of or known_ms < as_of
    return known.serial <= asked and not (as_of and known_ms > as_of)


def _note(known: Balance | Position, serial: int, asked: int) -> None:
    """Note that a push told a row; an answer leaves the note as it is."""
    if asked < 0:
        known.serial = serial
