"""What the exchange knows of its markets and members, without a socket.

Clocks, listings, ladders, tapes, the matching core, accounts and keys. Market events
come in through `quote` and `trade`; whoever publishes hears of them by `on_change` and
`on_print`.
Layer 4. One thread.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from livekit.clock import now_ns
from livekit.events import BOOK_LEVELS
from livekit.instruments import Instrument
from livekit.okxsim.accounts import Account, Key
from livekit.okxsim.depth import BUY, SELL, Ladder, order_count
from livekit.okxsim.listings import Listing, list_instruments
from livekit.okxsim.matching import Matching
from livekit.okxsim.orders import Order
from livekit.okxsim.tape import Print, Tape

__all__ = ["SIDES", "World"]

SIDES: Final = ("buy", "sell")
_BAND: Final = Decimal("0.05")
_FIRST_ID: Final = 700_000_000
_FIRST_SEQUENCE: Final = 80_000_000_000
_STALE_MS: Final = 7 * 3_600_000
"""Age of the last trade of a listing that no data moves."""


class World:
    """The state of the exchange.

    Parameters
    ----------
    recorded : sequence of Instrument
        Of the data; their numbers are the data's.
    accounts, keys : list
    on_fill : callable
        (order, lots, price, role) of every fill.

    Attributes
    ----------
    is_demo : bool
        Environment whose codes the instruments channel says; REST goes by the header.
    clock_error_s : float
        Added to every clock of the exchange.
    on_change : callable
        (listing) after its book changed.
    on_print : callable
        (listing, Print) after a trade.
    """

    def __init__(
        self,
        recorded: Sequence[Instrument],
        accounts: list[Account],
        keys: list[Key],
        on_fill: Callable[[Order, int, float, str], None],
    ) -> None:
        self.clock_error_s = 0.0
        self.is_demo = True
        self.listings = list_instruments(recorded)
        self.by_symbol = {one.symbol: one for one in self.listings}
        self.accounts = {one.name: one for one in accounts}
        self.keys = {one.key: one for one in keys}
        self.matching = Matching(self.listings, max(len(accounts), 1), on_fill)
        self.ladders = [Ladder(one) for one in self.listings]
        self.tapes = [Tape(one, _FIRST_ID + 1_000_000 * n) for n, one in enumerate(self.listings)]
        self.sequences = [_FIRST_SEQUENCE + 10_000_000_000 * n for n in range(len(self.listings))]
        self.on_change: Callable[[Listing], None] = _nobody
        self.on_print: Callable[[Listing, Print], None] = _nobody
        self.mirrors = _mirrors(self.listings, len(recorded), self.by_symbol)
        self.started_ms = self.now_ms()
        for listing in self.listings:
            if listing.seed_price:
                self._seed(listing)

    def _seed(self, listing: Listing) -> None:
        """Give a market that nobody moves a book and an old last trade."""
        price, tick = listing.seed_price, listing.tick_value
        size = max(float(listing.min_size), 500.0 / (price * float(listing.contract_value)))
        self.quote(listing.number, price - tick, size, price + tick, size)
        lots = max(1, listing.lots(size / 10))
        self.tapes[listing.number].next_id()
        self.tapes[listing.number].add(
            self.now_ms() - _STALE_MS, "buy", price, lots, 1, self.next_sequence(listing.number)
        )

    def now_ns(self) -> int:
        """Return the exchange's clock, ns."""
        return now_ns() + round(self.clock_error_s * 1e9)

    def now_ms(self) -> int:
        """Return the exchange's clock, ms."""
        return self.now_ns() // 1_000_000

    def next_sequence(self, number: int) -> int:
        """Return a new seqId of a listing: rising, with jumps."""
        old = self.sequences[number]
        self.sequences[number] = old + 1 + old * 7 % 13
        return self.sequences[number]

    def reset_sequences(self) -> None:
        """Begin every seqId anew, far below the last."""
        self.sequences = [1000 + number for number in range(len(self.listings))]

    def quote(self, number: int, bid: float, bid_size: float, ask: float, ask_size: float) -> None:
        """Move the recorded touch of a market; a swap beside it follows."""
        listing, ladder = self.listings[number], self.ladders[number]
        if ladder.set_touch(bid, bid_size, ask, ask_size):
            self.show(listing)
        mirror = self.mirrors.get(number)
        if mirror is not None:
            unit = float(mirror.contract_value)
            self.quote(mirror.number, bid, bid_size / unit, ask, ask_size / unit)

    def show(self, listing: Listing) -> None:
        """Show the core a ladder that changed, and tell who publishes."""
        ladder = self.ladders[listing.number]
        sides = [ladder.levels(side, BOOK_LEVELS) for side in (BUY, SELL)]
        self.matching.see_book(listing.number, sides, now_ns())
        self.changed(listing)

    def changed(self, listing: Listing) -> None:
        """Note that a book changed, by the market or by orders."""
        self.next_sequence(listing.number)
        self.on_change(listing)

    def trade(
        self, number: int, price: float, size: float, side: int, time_ms: int | None = None
    ) -> None:
        """Take a recorded print; a swap beside it has one too."""
        listing = self.listings[number]
        lots = max(1, listing.lots(size))
        # Now and then several makers were met: one message, the last of their ids.
        count = min(lots, 1 + max(0, (7 * self.tapes[number].trade_id + lots) % 10 - 5))
        self.tapes[number].next_id(count)
        self.matching.see_trade(number, price, lots * listing.lot_value, side, now_ns())
        self.add_print(listing, SIDES[side], price, lots, count, time_ms)
        mirror = self.mirrors.get(number)
        if mirror is not None:
            self.trade(mirror.number, price, size / float(mirror.contract_value), side, time_ms)

    def add_print(
        self,
        listing: Listing,
        side: str,
        price: float,
        lots: int,
        count: int,
        time_ms: int | None = None,
    ) -> None:
        """Put a trade whose ids end at the tape's present one onto the tape, and say so."""
        number = listing.number
        at = self.now_ms() if time_ms is None else time_ms
        made = self.tapes[number].add(at, side, price, lots, count, self.next_sequence(number))
        self.on_print(listing, made)

    def last_text(self, listing: Listing) -> str:
        """Return the last price, or an empty text."""
        last = self.tapes[listing.number].last
        return listing.price_text(last.price) if last else ""

    def mark(self, listing: Listing) -> Decimal:
        """Return the mark price: the middle of the touch, or the last price."""
        row = self.matching.core.markets[listing.number]
        middle = (float(row["bid_price"]) + float(row["ask_price"])) / 2.0
        if not middle > 0.0:
            last = self.tapes[listing.number].last
            middle = last.price if last else listing.seed_price
        return Decimal(f"{middle:.{listing.price_digits + 1}f}")

    def band(self, listing: Listing) -> tuple[Decimal, Decimal]:
        """Return the highest buy and the lowest sell price."""
        mark = self.mark(listing)
        low = (mark * (1 - _BAND)).quantize(listing.tick)
        return (mark * (1 + _BAND)).quantize(listing.tick), low

    def usd(self, currency: str) -> Decimal:
        """Return the US dollars of a currency."""
        if currency in {"USDT", "USDC", "USD"}:
            return Decimal(1)
        listing = self.by_symbol.get(f"{currency}-USDT")
        return self.mark(listing) if listing else Decimal(0)

    def levels(self, listing: Listing, n: int) -> tuple[dict[int, tuple[int, int]], ...]:
        """Return both sides as {tick: (lots, orders)}, best first, n levels at most.

        The best levels are the core's, less what takers took; then the made-up ones;
        clients' orders are added where they rest.
        """
        return tuple(self._side(listing, side, n) for side in (BUY, SELL))

    def _side(self, listing: Listing, side: int, n: int) -> dict[int, tuple[int, int]]:
        touch, left = self.ladders[listing.number].touch[side], 0
        if n == 1 and touch and not self.matching.has_resting(listing.number):
            left = listing.lots(self.matching.touch_size(listing.number, side))
        if left > 0:
            return {touch: (left, order_count(touch))}
        found = dict(zip(*self.ladders[listing.number].levels(side, n + BOOK_LEVELS), strict=True))
        for price, size in self.matching.market_levels(listing.number, side):
            tick, left = listing.ticks(price), listing.lots(size)
            if left <= 0:
                found.pop(tick, None)
            elif tick in found:
                found[tick] = left, found[tick][1]
        own = [o for o in self.matching.resting(listing.number) if o.is_buy == (side == BUY)]
        for order in own:
            tick = listing.ticks(float(order.price or 0))
            known = found.get(tick, (0, 0))
            found[tick] = known[0] + order.lots - order.filled_lots, known[1] + 1
        if own:
            found = dict(sorted(found.items(), reverse=side == BUY))
        return dict(list(found.items())[:n]) if len(found) > n else found


def _nobody(*_: object) -> None:
    """Hear, and do nothing."""


def _mirrors(
    listings: list[Listing], n_recorded: int, by_symbol: dict[str, Listing]
) -> dict[int, Listing]:
    """Return the swap that follows each recorded spot pair and is not recorded itself."""
    found = {}
    for listing in listings[:n_recorded]:
        swap = by_symbol.get(f"{listing.symbol}-SWAP")
        if swap is not None and swap.number >= n_recorded:
            found[listing.number] = swap
    return found
