"""OKX's rate limits: so many requests in a window, by what they are counted for.

Layer 4. Pure.
"""

from collections import deque
from typing import Final

__all__ = ["PATH_LIMITS", "Rates"]

PATH_LIMITS: Final[dict[str, tuple[int, int]]] = {
    "public/time": (10, 2000),
    "public/instruments": (20, 2000),
    "account/instruments": (20, 2000),
    "market/ticker": (20, 2000),
    "market/tickers": (20, 2000),
    "market/books": (40, 2000),
    "market/trades": (100, 2000),
    "market/candles": (40, 2000),
    "market/history-candles": (20, 2000),
    "system/status": (1, 5000),
    "account/balance": (10, 2000),
    "account/positions": (10, 2000),
    "account/config": (5, 2000),
    "account/set-leverage": (20, 2000),
    "account/trade-fee": (5, 2000),
    "account/bills": (10, 2000),
    "trade/order:POST": (60, 2000),
    "trade/cancel-order": (60, 2000),
    "trade/amend-order": (60, 2000),
    "trade/batch-orders": (300, 2000),
    "trade/cancel-batch-orders": (300, 2000),
    "trade/amend-batch-orders": (300, 2000),
    "trade/order": (60, 2000),
    "trade/orders-pending": (60, 2000),
    "trade/orders-history": (40, 2000),
    "trade/fills": (60, 2000),
    "trade/fills-history": (10, 2000),
    "trade/cancel-all-after": (1, 1000),
    "trade/account-rate-limit": (1, 1000),
}
"""Requests and window (ms) by path; orders are counted by user and instrument."""


class Rates:
    """Sliding windows.

    Parameters
    ----------
    is_on : bool
        False: nothing is ever refused.
    """

    def __init__(self, *, is_on: bool = True) -> None:
        self.is_on = is_on
        self._windows: dict[tuple[str, ...], deque[int]] = {}

    def spend(self, path: str, owner: tuple[str, ...], now_ms: int, n: int = 1) -> bool:
        """Count n requests; False where they are too many, and then they do not count."""
        limit = PATH_LIMITS.get(path)
        return True if limit is None else self.spend_of(limit, (path, *owner), now_ms, n)

    def spend_of(
        self, limit: tuple[int, int], name: tuple[str, ...], now_ms: int, n: int = 1
    ) -> bool:
        """Count n requests against a limit of (requests, ms)."""
        if not self.is_on:
            return True
        window = self._windows.setdefault(name, deque())
        while window and window[0] <= now_ms - limit[1]:
            window.popleft()
        if len(window) + n > limit[0]:
            return False
        window.extend([now_ms] * n)
        return True
