"""Accounts and keys: balances, positions, fees, modes and what orders hold back.

All amounts are decimals, so sums are exact. A fee or profit that OKX charges is below 0.
Swaps are linear and settle in their quote currency; positions are net by default.
Layer 4. Pure.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from livekit.okxsim.listings import Listing
from livekit.okxsim.orders import Fill, Order

__all__ = ["Account", "Key", "Position", "default_accounts"]

_RATES: Final = {
    "SPOT": (Decimal("-0.0008"), Decimal("-0.001")),
    "SWAP": (Decimal("-0.0002"), Decimal("-0.0005")),
}
"""Maker and taker of the lowest tier."""

_FUNDS: Final = {"USDT": "100000", "BTC": "2", "ETH": "20", "USDC": "5000", "LTC": "50"}


@dataclass(frozen=True, slots=True)
class Key:
    """An API key.

    Attributes
    ----------
    permissions : str
        As of account/config: read_only, trade, withdraw.
    """

    key: str
    secret: str
    passphrase: str
    account: str
    is_demo: bool = True
    permissions: str = "read_only,trade"
    is_expired: bool = False


@dataclass(slots=True)
class Position:
    """A swap position; `size` is signed in net mode."""

    listing: Listing
    mode: str
    side: str
    position_id: int
    size: Decimal = Decimal(0)
    average: Decimal = Decimal(0)
    leverage: str = "3"
    pnl: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    trade_id: int = 0
    created_ms: int = 0
    updated_ms: int = 0

    def apply(self, change: Decimal, price: Decimal) -> Decimal:
        """Change the size at a price; the profit realized, quote currency."""
        old, new = self.size, self.size + change
        realized = Decimal(0)
        if old and old * change < 0:
            closed = min(abs(change), abs(old)) * (1 if old > 0 else -1)
            realized = closed * self.listing.contract_value * (price - self.average)
        if new * old <= 0:
            self.average = price if new else Decimal(0)
        elif abs(new) > abs(old):
            self.average = (self.average * old + price * change) / new
        self.size = new
        return realized


@dataclass(slots=True, eq=False)
class Account:
    """One account.

    Attributes
    ----------
    number : int
        Its slot in the trading core.
    level : str
        acctLv: 1 spot, 2 futures, 3 multi-currency, 4 portfolio.
    tier : int
        VIP level; from 4 on it may have the tick-by-tick channels.
    """

    name: str
    number: int
    level: str = "2"
    position_mode: str = "net_mode"
    tier: int = 0
    pays_in_quote: bool = False
    balances: dict[str, Decimal] = field(default_factory=dict)
    times: dict[str, int] = field(default_factory=dict)
    positions: dict[tuple[str, str, str], Position] = field(default_factory=dict)
    leverages: dict[tuple[str, str], str] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    pending: dict[int, Order] = field(default_factory=dict)
    by_client_id: dict[str, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    bills: list[dict[str, str]] = field(default_factory=list)
    timers: dict[str, int] = field(default_factory=dict)  # cancel-all-after by tag, ms

    @property
    def uid(self) -> str:
        """The account's number at OKX."""
        return str(446_556_918_700_000_000 + self.number)

    def rate(self, listing: Listing, role: str) -> Decimal:
        """Return the fee rate of a maker (M) or taker (T); below 0 it is paid."""
        maker, taker = _RATES[listing.kind]
        return maker if role == "M" else taker

    def leverage(self, listing: Listing, mode: str) -> str:
        """Return the leverage set for a contract."""
        return self.leverages.get((listing.symbol, mode), "3")

    def held_back(self, currency: str) -> Decimal:
        """Return what pending orders reserve of a currency."""
        total = Decimal(0)
        for order in self.pending.values():
            name, amount = self.cost_of(order, order.lots - order.filled_lots)
            if name == currency:
                total += amount
        return total

    def margin(self, currency: str) -> Decimal:
        """Return what positions bind of a currency."""
        total = Decimal(0)
        for position in self.positions.values():
            if position.listing.quote == currency:
                value = abs(position.size) * position.listing.contract_value * position.average
                total += value / Decimal(position.leverage)
        return total

    def available(self, currency: str) -> Decimal:
        """Return what may be spent of a currency."""
        held = self.balances.get(currency, Decimal(0))
        return held - self.held_back(currency) - self.margin(currency)

    def cost_of(self, order: Order, lots: int, price: Decimal | None = None) -> tuple[str, Decimal]:
        """Return the currency and amount that an order of so many lots needs."""
        listing = order.listing
        at = order.price or price or Decimal(0)
        size = lots * listing.lot
        if listing.is_swap:
            if order.reduce_only:
                return listing.quote, Decimal(0)
            return listing.quote, size * listing.contract_value * at / Decimal(
                order.leverage or "1"
            )
        if not order.is_buy:
            return listing.base, size
        if order.target == "quote_ccy":
            return listing.quote, order.size - order.cost
        return listing.quote, size * at

    def position_key(self, order: Order) -> tuple[str, str, str]:
        """Return which position an order changes."""
        return order.listing.symbol, order.mode, order.position_side or "net"

    def reducible(self, order: Order) -> Decimal:
        """Return how much of a position an order may close."""
        position = self.positions.get(self.position_key(order))
        if position is None:
            return Decimal(0)
        size = position.size
        if position.side == "short":
            size = -size
        return max(-size if order.is_buy else size, Decimal(0))

    def book(self, order: Order, price: Decimal, size: Decimal, fee: Decimal, ms: int) -> Decimal:
        """Book a fill of an order; the profit realized."""
        listing, quote = order.listing, order.listing.quote
        if listing.is_swap:
            return self._book_swap(order, price, size, fee, ms)
        sign = 1 if order.is_buy else -1
        self._change(listing.base, sign * size, ms)
        self._change(quote, -sign * size * price, ms)
        self._change(order.fee_currency, fee, ms)
        return Decimal(0)

    def _book_swap(
        self, order: Order, price: Decimal, size: Decimal, fee: Decimal, ms: int
    ) -> Decimal:
        """Book a fill of a contract."""
        key = self.position_key(order)
        position = self.positions.get(key)
        if position is None or not position.size:
            number = 3_900_000_000_000_000_000 + ms * 1000 + len(self.bills) % 1000
            known = position.position_id if position else number
            position = Position(order.listing, key[1], key[2], known, created_ms=ms)
            self.positions[key] = position
        position.leverage = order.leverage or self.leverage(order.listing, key[1])
        change = size if order.is_buy else -size
        realized = position.apply(-change if key[2] == "short" else change, price)
        if key[2] == "short":
            realized = -realized
        position.pnl += realized
        position.fee += fee
        position.updated_ms = ms
        self._change(order.listing.quote, realized + fee, ms)
        return realized

    def _change(self, currency: str, amount: Decimal, ms: int) -> None:
        self.balances[currency] = self.balances.get(currency, Decimal(0)) + amount
        self.times[currency] = ms


def _account(name: str, number: int, level: str = "2", tier: int = 0) -> Account:
    funds = {currency: Decimal(amount) for currency, amount in _FUNDS.items()}
    return Account(name, number, level, tier=tier, balances=funds)


def default_accounts() -> tuple[list[Account], list[Key]]:
    """Return the accounts and keys of an exchange that was given none.

    Accounts: ``alice`` and ``bob`` in futures mode, ``carol`` in multi-currency mode and
    VIP 5, ``dave`` in spot mode, ``live`` of the live environment. Keys are named after
    their account; ``withdraw-key`` may withdraw, ``expired-key`` has expired,
    ``read-key`` may only read.
    """
    accounts = [
        _account("alice", 0),
        _account("bob", 1),
        _account("carol", 2, "3", 5),
        _account("dave", 3, "1"),
        _account("live", 4),
    ]

    def key(name: str, account: str, **more: bool | str) -> Key:
        return Key(f"{name}-key", f"{name}-secret", f"{name}-pass", account, **more)  # type: ignore[arg-type]

    keys = [
        key("alice", "alice"),
        key("bob", "bob"),
        key("carol", "carol"),
        key("dave", "dave"),
        key("live", "live", is_demo=False),
        key("withdraw", "alice", permissions="read_only,trade,withdraw"),
        key("read", "alice", permissions="read_only"),
        key("expired", "alice", is_expired=True),
    ]
    return accounts, keys
