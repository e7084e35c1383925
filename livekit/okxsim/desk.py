"""The order desk: takes, amends and cancels orders, and books what fills.

Everything said about an order goes to `pushes` in the order in which it happened: the
live push first, then fills, then the end. A spot market order ends with a push of its
own that carries no match.
Layer 4. One thread.
"""

from decimal import Decimal
from typing import Any, Final

from livekit.clock import now_ns
from livekit.okxsim.accounts import Account
from livekit.okxsim.checks import decimal_of, price_refusal, read_order, size_refusal
from livekit.okxsim.codes import Refusal, refusal
from livekit.okxsim.listings import Listing, plain
from livekit.okxsim.orders import Fill, Order
from livekit.okxsim.pushes import Pushes
from livekit.okxsim.world import World

__all__ = ["Desk"]

_FORGET_MS: Final = 2 * 3_600_000
"""Cancelled orders without a fill are forgotten after two hours."""

_MAX_ORDERS: Final = 20_000


class Desk:
    """Takes order requests of accounts.

    Attributes
    ----------
    world : World
        Set once it exists: it calls `on_fill`.
    pushes : Pushes
    """

    world: World
    pushes: Pushes

    def __init__(self) -> None:
        self._last_id = 0
        self._last_bill = 0
        self._trade_id = 0

    def _new_id(self) -> int:
        """Return a new ordId: rising, beyond 2**53, below 2**63."""
        base = (self.world.now_ms() - 1_672_531_200_000) << 25
        self._last_id = max(self._last_id + 1, base)
        return self._last_id

    def place(self, account: Account, listing: Listing, args: dict[str, Any]) -> Order | Refusal:
        """Take a new order, and let it match.

        Returns
        -------
        Order or Refusal
        """
        read = read_order(self.world, account, listing, args, self._new_id())
        if isinstance(read, Refusal):
            return read
        order, matching = read, self.world.matching
        self._remember(order)
        levels = matching.visible(order)
        others = [one for one in levels if one.maker is None or one.maker.account is not account]
        if order.order_type == "post_only" and others:
            self._end(order, "31")
            return order
        self._say(order)
        wanted = sum(one.lots for one in others)
        if order.order_type == "fok" and wanted < order.lots:
            self._end(order, "13")
            return order
        self._match(order)
        return order

    def _match(self, order: Order) -> None:
        """Let an order take what it may, and rest or end what is left."""
        matching, listing = self.world.matching, order.listing
        self._take(order)
        if not order.is_final:
            left = order.lots - order.filled_lots
            if order.target == "quote_ccy":
                self._end(order, "" if order.filled_lots else "14")
            elif left and order.order_type in {"limit", "post_only"}:
                matching.rest(order, now_ns())
            elif left or order.target:
                self._end(order, "14" if left else "")
        self.world.changed(listing)
        self.pushes.book_changed(order.account)

    def _take(self, order: Order) -> None:
        """Fill an order from what is visible; orders of its own account give way."""
        matching = self.world.matching
        for own in matching.take(order, matching.visible(order), now_ns()):
            if order.stp_mode != "cancel_taker":
                self._finish(own, "32")
            if order.stp_mode != "cancel_maker":
                self._end(order, "32")
                return

    def _remember(self, order: Order) -> None:
        """Enter an order into its account's books."""
        account = order.account
        account.orders[order.order_id] = order
        account.pending[order.order_id] = order
        if order.client_id:
            account.by_client_id[order.client_id] = order
        if len(account.orders) > _MAX_ORDERS:
            oldest = next((one for one in account.orders.values() if one.is_final), None)
            if oldest is not None:
                self._forget(oldest)

    @staticmethod
    def _forget(order: Order) -> None:
        account = order.account
        account.orders.pop(order.order_id, None)
        if account.by_client_id.get(order.client_id) is order:
            del account.by_client_id[order.client_id]

    def _end(self, order: Order, source: str) -> None:
        """End an order: cancelled with a source, or filled (an empty one)."""
        order.state = "canceled" if source else "filled"
        order.cancel_source = source
        order.updated_ms = self.world.now_ms()
        order.account.pending.pop(order.order_id, None)
        self._say(order)

    def _finish(self, order: Order, source: str) -> None:
        """Take a resting order off and end it."""
        self.world.matching.withdraw(order, now_ns())
        if not order.is_final:
            self._end(order, source)
            self.world.changed(order.listing)
            self.pushes.book_changed(order.account)

    def _say(
        self, order: Order, fill: Fill | None = None, amend: tuple[str, str, str] = ("", "", "")
    ) -> None:
        self.pushes.order(order, fill, amend)

    def on_fill(self, order: Order, lots: int, price: float, role: str) -> None:
        """Book a fill that the matching reports."""
        world, listing, account = self.world, order.listing, order.account
        tape, cause = world.tapes[listing.number], world.matching.cause
        if role == "T" or cause == "market":
            self._trade_id = tape.next_id()
            taker = order.side if role == "T" else ("sell" if order.is_buy else "buy")
            world.add_print(listing, taker, price, lots, 1)
        else:
            self._trade_id = tape.trade_id
        now_ms = world.now_ms()
        at, size = Decimal(listing.price_text(price)), lots * listing.lot
        fee = self._fee(order, at, size, role)
        pnl = account.book(order, at, size, fee, now_ms)
        self._last_bill = max(self._last_bill + 1, order.order_id)
        currency = order.fee_currency
        fill = Fill(
            order, self._trade_id, self._last_bill, at, size, role, fee, currency, pnl, now_ms
        )
        order.filled_lots += lots
        order.cost += at * size
        order.fee += fee
        order.pnl += pnl
        order.last_fill = fill
        order.updated_ms = now_ms
        account.fills.append(fill)
        self._bill(fill)
        is_done = bool(order.lots) and order.filled_lots >= order.lots
        ends_apart = order.order_type == "market" and not listing.is_swap
        if is_done and not ends_apart:
            order.state = "filled"
            account.pending.pop(order.order_id, None)
        else:
            order.state = "partially_filled"
        position = account.positions.get(account.position_key(order))
        if listing.is_swap and position is not None:
            position.trade_id = fill.trade_id
        self._say(order, fill)
        self.pushes.filled(fill)

    @staticmethod
    def _fee(order: Order, price: Decimal, size: Decimal, role: str) -> Decimal:
        """Return the fee of a fill, below 0 where it is paid."""
        rate = order.account.rate(order.listing, role)
        if order.fee_currency == order.listing.quote:
            return size * order.listing.contract_value * price * rate
        return size * rate

    def _bill(self, fill: Fill) -> None:
        """Write the cash movement of a fill in its quote currency."""
        order, account = fill.order, fill.order.account
        listing = order.listing
        change = fill.pnl + fill.fee
        if not listing.is_swap:
            change = fill.price * fill.size * (-1 if order.is_buy else 1)
        account.bills.append(
            {
                **_NO_BILL,
                "bal": plain(account.balances.get(listing.quote, Decimal(0))),
                "balChg": plain(change),
                "billId": str(fill.bill_id),
                "ccy": listing.quote,
                "clOrdId": order.client_id,
                "execType": fill.role,
                "fee": plain(fill.fee),
                "fillTime": str(fill.time_ms),
                "instId": listing.symbol,
                "instType": listing.kind,
                "mgnMode": order.mode,
                "ordId": str(order.order_id),
                "pnl": plain(fill.pnl),
                "px": plain(fill.price),
                "subType": "1" if order.is_buy else "2",
                "sz": plain(fill.size),
                "tag": order.tag,
                "tradeId": str(fill.trade_id),
                "ts": str(fill.time_ms + 1),
                "type": "2",
            }
        )

    def find(self, account: Account, listing: Listing, args: dict[str, Any]) -> Order | None:
        """Return the order that ordId (which wins) or clOrdId names, as long as it is known."""
        name = str(args.get("ordId") or "")
        if name:
            order = account.orders.get(int(name)) if name.isdecimal() else None
        else:
            order = account.by_client_id.get(str(args.get("clOrdId") or ""))
        if order is None or order.listing is not listing:
            return None
        is_old = self.world.now_ms() - order.updated_ms >= _FORGET_MS
        if order.state == "canceled" and not order.filled_lots and is_old:
            self._forget(order)
            return None
        return order

    def cancel(self, account: Account, listing: Listing, args: dict[str, Any]) -> Order | Refusal:
        """Cancel an order."""
        if not args.get("ordId") and not args.get("clOrdId"):
            return refusal("51000", "ordId or clOrdId")
        order = self.find(account, listing, args)
        if order is None or order.is_final:
            return refusal("51400")
        self._finish(order, "1")
        return order

    def cancel_all(self, account: Account, tag: str, source: str = "20") -> int:
        """Cancel the pending orders of an account, or those of a tag; how many."""
        chosen = [one for one in account.pending.values() if not tag or one.tag == tag]
        for order in chosen:
            self._finish(order, source)
        return len(chosen)

    def amend(self, account: Account, listing: Listing, args: dict[str, Any]) -> Order | Refusal:
        """Change price or size of a pending order."""
        order = self.find(account, listing, args)
        if order is None or order.is_final:
            return refusal("51503")
        read = self._read_amendment(order, args)
        if isinstance(read, Refusal):
            if str(args.get("cxlOnFail", "")).lower() == "true":
                self._say(order, None, ("1", str(args.get("reqId") or ""), "-1"))
                self._finish(order, "1")
            return read
        price, lots = read
        said = ("1", str(args.get("reqId") or ""), "0")
        if lots <= order.filled_lots:
            self.world.matching.withdraw(order, now_ns())
            order.lots, order.size = order.filled_lots, order.filled
            order.state, order.updated_ms = "filled", self.world.now_ms()
            account.pending.pop(order.order_id, None)
            self._say(order, None, said)
            return order
        self._change(order, price, lots, said)
        return order

    def _read_amendment(self, order: Order, args: dict[str, Any]) -> tuple[Decimal, int] | Refusal:
        """Return new price and lots, or why they are none."""
        listing, price, lots = order.listing, order.price or Decimal(0), order.lots
        if not args.get("newSz") and not args.get("newPx"):
            return refusal("51000", "newSz or newPx")
        if args.get("newSz"):
            size = decimal_of(args["newSz"])
            if size is None:
                return refusal("51000", "newSz")
            refused = size_refusal(listing, size, is_market=False)
            if refused is not None:
                return refused
            lots = int(size / listing.lot)
        if args.get("newPx"):
            new = decimal_of(args["newPx"])
            if new is None:
                return refusal("51000", "newPx")
            refused = price_refusal(self.world, listing, new, is_buy=order.is_buy)
            if refused is not None:
                return refused
            price = new
        return self._amendment_refusal(order, price, lots) or (price, lots)

    def _amendment_refusal(self, order: Order, price: Decimal, lots: int) -> Refusal | None:
        """Refuse a post-only order that would take, and what the account cannot pay."""
        old = order.price
        order.price = price
        crosses = bool(self.world.matching.visible(order))
        currency, needed = order.account.cost_of(order, lots - order.filled_lots)
        order.price = old
        if order.order_type == "post_only" and crosses:
            return refusal("51511")
        held = order.account.cost_of(order, order.lots - order.filled_lots)[1]
        if needed - held > order.account.available(currency):
            return refusal("51008", currency, sub_code="1000")
        return None

    def _change(self, order: Order, price: Decimal, lots: int, said: tuple[str, str, str]) -> None:
        """Give a pending order a new price and size; less at its price keeps its place."""
        matching = self.world.matching
        order.updated_ms = self.world.now_ms()
        order.size = lots * order.listing.lot
        if price == order.price and lots <= order.lots and order.leg:
            matching.shrink(order, lots, now_ns())
            self._say(order, None, said)
            self.world.changed(order.listing)
            return
        matching.withdraw(order, now_ns())
        order.price, order.lots = price, lots
        self._say(order, None, said)
        self._match(order)


_NO_BILL: Final = {
    **dict.fromkeys(
        (
            *("fillFwdPx", "fillIdxPx", "fillMarkPx", "fillMarkVol", "fillPxUsd", "fillPxVol"),
            *("from", "notes", "to", "earnAmt", "earnApr"),
        ),
        "",
    ),
    **dict.fromkeys(("interest", "posBal", "posBalChg"), "0"),
}
