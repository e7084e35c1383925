"""The private channels: orders, fills, account, positions, balance_and_position.

Pushes may be held while a request is worked on, so that whoever answers decides whether
the reply or the push goes first; both happen on OKX. Account and positions follow a
fill by about 50 ms and are repeated every five seconds.
Layer 4. One thread.
"""

from collections.abc import Callable
from typing import Any, Final

from livekit.okxsim.account_rows import account_row, position_row, small_positions
from livekit.okxsim.accounts import Account
from livekit.okxsim.hub import Hub, Subscription, encode
from livekit.okxsim.listings import Listing, plain
from livekit.okxsim.orders import Fill, Order, push_row
from livekit.okxsim.world import World

__all__ = ["PRIVATE_CHANNELS", "Pushes"]

PRIVATE_CHANNELS: Final = frozenset(
    {
        *("orders", "fills", "account", "positions", "balance_and_position"),
        *("liquidation-warning", "account-greeks"),
    }
)

_AGGREGATE_S: Final = 0.05


class Pushes:
    """Says on the private channels what happens to accounts.

    Parameters
    ----------
    world : World
    hub : Hub
    later : callable
        (seconds, function, argument): calls it later.
    """

    def __init__(self, world: World, hub: Hub, later: Callable[[float, Any, Any], Any]) -> None:
        self._world, self._hub, self._later = world, hub, later
        self._held: list[tuple[Subscription, str]] = []
        self._is_held = False
        self._stirred: set[str] = set()
        self._touched: dict[str, set[tuple[str, str, str]]] = {}

    def hold(self) -> None:
        """Keep pushes back until `release`."""
        self._is_held = True

    def release(self) -> None:
        """Send what was kept back."""
        self._is_held = False
        held, self._held = self._held, []
        for subscription, frame in held:
            subscription.listener.push(frame, subscription.topic[0])

    def _send(self, subscription: Subscription, data: list[Any], **more: Any) -> None:
        """Send a push to one subscription; its arg comes back with the uid."""
        account = subscription.listener.account
        assert account is not None
        frame = encode({"arg": {**subscription.arg, "uid": account.uid}, **more, "data": data})
        if self._is_held:
            self._held.append((subscription, frame))
        else:
            subscription.listener.push(frame, subscription.topic[0])

    def order(self, order: Order, fill: Fill | None, amend: tuple[str, str, str]) -> None:
        """Say an order's state on the orders channel."""
        listening = self._hub.of("orders", order.account.name)
        if listening:
            row = push_row(order, self._world.last_text(order.listing), fill, amend)
            for one in listening:
                if _wants(one.arg, order.listing):
                    self._send(one, [row])

    def filled(self, fill: Fill) -> None:
        """Say a fill on the fills channel and balance_and_position; account follows."""
        order, account = fill.order, fill.order.account
        for one in self._hub.of("fills", account.name):
            if _wants(one.arg, order.listing):
                self._send(one, [_fill_push(fill)])
        key = account.position_key(order)
        position = account.positions.get(key) if order.listing.is_swap else None
        listening = self._hub.of("balance_and_position", account.name)
        if listening:
            names = {order.listing.quote, order.fee_currency}
            if not order.listing.is_swap:
                names.add(order.listing.base)
            row = {
                "pTime": str(fill.time_ms),
                "eventType": "filled",
                "balData": _balances(account, names),
                "posData": small_positions([position] if position else []),
                "trades": [{"instId": order.listing.symbol, "tradeId": str(fill.trade_id)}],
            }
            for one in listening:
                self._send(one, [row])
        touched = self._touched.setdefault(account.name, set())
        if position is not None:
            touched.add(key)
        self._stir(account)

    def book_changed(self, account: Account) -> None:
        """Note that an account's pending orders changed, and so what it has available."""
        self._stir(account)

    def _stir(self, account: Account) -> None:
        """Have account and positions pushed soon, once for all that happens until then."""
        if account.name in self._stirred:
            return
        self._stirred.add(account.name)
        self._later(_AGGREGATE_S, self._push_update, account)

    def _push_update(self, account: Account) -> None:
        """Push the event updates of account and positions."""
        self._stirred.discard(account.name)
        world = self._world
        for one in self._hub.of("account", account.name):
            only = [one.arg["ccy"]] if one.arg.get("ccy") else ()
            row = account_row(account, world.usd, world.mark, world.now_ms(), only)
            self._send(one, [row], eventType="event_update")
        keys = self._touched.pop(account.name, set())
        for one in self._hub.of("positions", account.name) if keys else ():
            rows = self._position_rows(account, one.arg, keys)
            if rows:
                self._send(one, rows, eventType="event_update")

    def _position_rows(
        self, account: Account, arg: dict[str, Any], keys: set[tuple[str, str, str]] | None = None
    ) -> list[dict[str, Any]]:
        """Return position rows: of some keys, flat ones too; or all that are not flat."""
        world, rows = self._world, []
        for key, position in account.positions.items():
            is_wanted = key in keys if keys is not None else bool(position.size)
            if is_wanted and _wants(arg, position.listing):
                listing = position.listing
                mark, last = world.mark(listing), world.last_text(listing)
                rows.append(position_row(position, mark, last, world.now_ms()))
        return rows

    def snapshot(self, subscription: Subscription) -> None:
        """Send what a channel says when it is subscribed, and regularly; orders say nothing."""
        channel, account = subscription.topic[0], subscription.listener.account
        assert account is not None
        world, more = self._world, {"eventType": "snapshot", "curPage": 1, "lastPage": True}
        if channel == "account":
            only = [subscription.arg["ccy"]] if subscription.arg.get("ccy") else ()
            row = account_row(account, world.usd, world.mark, world.now_ms(), only)
            self._send(subscription, [row], **more)
        elif channel == "positions":
            self._send(subscription, self._position_rows(account, subscription.arg), **more)
        elif channel == "balance_and_position":
            held = [one for one in account.positions.values() if one.size]
            names = {name for name, amount in account.balances.items() if amount}
            row = {
                "pTime": str(world.now_ms()),
                "eventType": "snapshot",
                "balData": _balances(account, names),
                "posData": small_positions(held),
                "trades": [],
            }
            self._send(subscription, [row])

    def repeat(self) -> None:
        """Repeat account and positions where their regular pushes are not switched off."""
        for channel, name in self._hub.channels():
            if channel in {"account", "positions"}:
                for one in self._hub.of(channel, name):
                    extra = str(one.arg.get("extraParams", ""))
                    if '"updateInterval"' not in extra or '"0"' not in extra:
                        self.snapshot(one)


def _wants(arg: dict[str, Any], listing: Listing) -> bool:
    """Tell whether a subscription covers an instrument."""
    kind = arg.get("instType", "ANY")
    if kind not in {"ANY", listing.kind}:
        return False
    family = arg.get("instFamily")
    if family and family != f"{listing.base}-{listing.quote}":
        return False
    return arg.get("instId") in {None, "", listing.symbol}


def _balances(account: Account, names: set[str]) -> list[dict[str, str]]:
    """Return balData of balance_and_position."""
    return [
        {
            "ccy": name,
            "cashBal": plain(account.balances[name]),
            "uTime": str(account.times.get(name, 0)),
        }
        for name in sorted(names)
        if name in account.balances
    ]


def _fill_push(fill: Fill) -> dict[str, str]:
    """Return the row of the fills channel; clOrdId only where it is a whole number."""
    order = fill.order
    client_id = order.client_id
    is_number = client_id.isdecimal() and 0 < int(client_id) < 1 << 63
    return {
        "instId": order.listing.symbol,
        "fillSz": plain(fill.size),
        "fillPx": plain(fill.price),
        "side": order.side,
        "ts": str(fill.time_ms),
        "ordId": str(order.order_id),
        "clOrdId": client_id if is_number else "0",
        "tradeId": str(fill.trade_id),
        "execType": fill.role,
        "count": "1",
    }
