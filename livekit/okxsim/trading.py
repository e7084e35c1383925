"""Order operations as both REST and WebSocket ask for them: checks around the desk.

An operation is a list of arguments and one answer per item. Permission, expTime, rate
limits and injected refusals come first and answer for all.
Layer 4. One thread.
"""

from collections.abc import Callable
from typing import Any, Final

from livekit.okxsim.accounts import Account, Key
from livekit.okxsim.checks import find_listing
from livekit.okxsim.codes import Refusal, refusal
from livekit.okxsim.desk import Desk
from livekit.okxsim.faults import Faults
from livekit.okxsim.listings import Listing
from livekit.okxsim.orders import Order
from livekit.okxsim.rates import Rates
from livekit.okxsim.world import World

__all__ = ["OPERATIONS", "Trading", "answer_of", "is_plain"]

OPERATIONS: Final = {
    "order": "trade/order:POST",
    "cancel-order": "trade/cancel-order",
    "amend-order": "trade/amend-order",
    "batch-orders": "trade/batch-orders",
    "batch-cancel-orders": "trade/cancel-batch-orders",
    "batch-amend-orders": "trade/amend-batch-orders",
}
"""The path whose rate limit an operation shares."""

_MAX_BATCH: Final = 20
_ACCOUNT_LIMIT: Final = (1000, 2000)
"""New and amended orders of an account, in ms; OKX exempts spot, this does not."""

_PLAIN: Final = (str, int, float)  # bool too


def is_plain(value: object) -> bool:
    """Tell whether a value of a request is text, number or truth; lists are not looked at."""
    return value is None or isinstance(value, _PLAIN)


_Item = dict[str, str]


def answer_of(items: list[_Item]) -> tuple[str, str]:
    """Return code and msg of an answer: all done, all failed, or some."""
    n_failed = sum(item["sCode"] != "0" for item in items)
    if not n_failed:
        return "0", ""
    if n_failed == len(items):
        return "1", "All operations failed"
    return "2", "Bulk operation partially successful"


class Trading:
    """Runs order operations.

    Parameters
    ----------
    world, desk, rates, faults
    """

    def __init__(self, world: World, desk: Desk, rates: Rates, faults: Faults) -> None:
        self._world, self._desk, self._rates, self._faults = world, desk, rates, faults

    def run(
        self, op: str, key: Key, args: list[Any], *, by_code: bool, expires: str = ""
    ) -> list[_Item] | Refusal:
        """Run an operation; one item for each of its args, or why nothing was done."""
        refused = self._refusal(op, key, args, expires, by_code=by_code)
        if refused is not None:
            return refused
        account = self._world.accounts[key.account]
        args = [{name: one[name] for name in one if is_plain(one[name])} for one in args]
        step = self._step(op)
        return [
            self._item(
                op,
                one,
                step,
                account,
                find_listing(self._world, one, by_code=by_code, is_demo=key.is_demo),
            )
            for one in args
        ]

    def _refusal(
        self, op: str, key: Key, args: list[Any], expires: str, *, by_code: bool
    ) -> Refusal | None:
        """Refuse an operation whole."""
        if "trade" not in key.permissions:
            return refusal("50120")
        if not args or not all(isinstance(one, dict) for one in args):
            return refusal("60013" if by_code else "50002")
        if len(args) > (_MAX_BATCH if "batch" in op else 1):
            return refusal("60013" if by_code else "51000", "size of batch")
        if expires and "cancel" not in op:
            late = expires.isdecimal() and int(expires) < self._world.now_ms()
            if late or not expires.isdecimal():
                return refusal("50036" if late else "51000", "expTime")
        return self._limit(op, key, args)

    def _limit(self, op: str, key: Key, args: list[Any]) -> Refusal | None:
        """Count the requests against their limit, by account and instrument."""
        # A batch of one counts as a single order.
        single = {"batch-orders": "order", "batch-cancel-orders": "cancel-order"}
        single["batch-amend-orders"] = "amend-order"
        path = OPERATIONS[single.get(op, op) if len(args) == 1 else op]
        now_ms = self._world.now_ms()
        if "cancel" not in op:
            owner = ("account", key.account)
            if not self._rates.spend_of(_ACCOUNT_LIMIT, owner, now_ms, len(args)):
                return refusal("50061")
        counts: dict[str, int] = {}
        for one in args:
            name = str(one.get("instId") or one.get("instIdCode") or "")
            counts[name] = counts.get(name, 0) + 1
        for name, n in counts.items():
            if not self._rates.spend(path, (key.account, name), now_ms, n):
                return refusal("50011")
        return None

    def _step(self, op: str) -> Callable[[Account, Listing, dict[str, Any]], Order | Refusal]:
        """Return what does one item of an operation."""
        if "cancel" in op:
            return self._desk.cancel
        return self._desk.amend if "amend" in op else self._desk.place

    def _item(
        self,
        op: str,
        args: dict[str, Any],
        step: Callable[[Account, Listing, dict[str, Any]], Order | Refusal],
        account: Account,
        listing: Any,
    ) -> _Item:
        """Do one item and return its answer."""
        done = listing if isinstance(listing, Refusal) else step(account, listing, args)
        item = {
            "ordId": str(args.get("ordId") or "") if op not in {"order", "batch-orders"} else "",
            "clOrdId": str(args.get("clOrdId") or ""),
            "ts": str(self._world.now_ms()),
            "sCode": "0",
            "sMsg": "",
            "subCode": "",
        }
        if "amend" in op:
            item["reqId"] = str(args.get("reqId") or "")
        elif "cancel" not in op:
            item["tag"] = str(args.get("tag") or "")
        if isinstance(done, Refusal):
            item["sCode"], item["sMsg"], item["subCode"] = done
        else:
            item["ordId"], item["clOrdId"] = str(done.order_id), done.client_id
            if op in {"order", "batch-orders"}:
                item["sMsg"], item["ts"] = "Order placed", str(done.created_ms)
        return item
