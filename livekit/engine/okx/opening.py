"""What is asked of an account before an engine trades on it, in the calling thread.

Layer 4.
"""

import logging
from typing import Final

from livekit import clock
from livekit.engine.okx.account import AccountSync
from livekit.errors import ConfigError, DeadlineError, FeedError
from livekit.net.rest import RestClient
from livekit.okx import calls, rest
from livekit.okx.requests import Cancel
from livekit.okx.rows import OrderRow
from livekit.trading.ids import parse_client_order_id

__all__ = ["ask_account", "cancel_leftovers"]

_log: Final = logging.getLogger(__name__)

_PAGE: Final = 100
_MOST_PAGES: Final = 40  # the exchange holds at most 4,000 open orders of an account


def ask_account(client: RestClient, account: AccountSync) -> None:
    """Ask everything about the account.

    Raises
    ------
    ConfigError
        Account or key may not trade; with what to do about it.
    DeadlineError
        The exchange does not tell of the account.
    """
    for call in account.calls():
        answer = client.request(call)
        account.take_answer(call.path, answer.status, answer.body, clock.monotonic_ns())
    if account.is_refused:
        raise ConfigError(account.problem)
    if not account.is_ready:
        raise DeadlineError(account.problem or "the exchange does not tell of the account")


def cancel_leftovers(client: RestClient) -> int:
    """Cancel what an earlier engine left open; return how many open orders are somebody else's.

    Raises
    ------
    DeadlineError
        The open orders are not told.
    """
    foreign = 0
    for row in _pending(client):
        if parse_client_order_id(row.clOrdId) is None:
            foreign += 1
            continue
        call = calls.operation("cancel-order", [Cancel(row.instId, None, row.ordId)])
        status = client.request(call).status
        _log.warning(
            "order of an earlier engine canceled symbol=%s client_id=%s status=%d",
            row.instId,
            row.clOrdId,
            status,
        )
    if foreign:
        _log.warning("open orders that livekit did not send count=%d", foreign)
    return foreign


def _pending(client: RestClient) -> list[OrderRow]:
    rows: list[OrderRow] = []
    for _ in range(_MOST_PAGES):
        after = rows[-1].ordId if rows else ""
        answer = client.request(calls.orders_pending(after=after, limit=_PAGE))
        try:
            page = rest.parse_orders(answer.body) if answer.status else None
        except FeedError as error:
            raise DeadlineError(f"open orders are not told: {error}") from None
        if page is None:
            raise DeadlineError(f"open orders are not told: {answer.body.decode(errors='replace')}")
        rows += page
        if len(page) < _PAGE:
            break
    return rows
