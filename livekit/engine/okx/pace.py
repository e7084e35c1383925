"""How many order operations may go: the exchange's limits, kept on our side.

Each operation is counted by instrument (60 single ones in 2 s, 300 of a batch), and new
orders and amendments by account besides (1,000 in 2 s); cancels never wait for the
account's. The windows are a little longer than the exchange's, because what is sent
evenly may arrive bunched.
Source: PROTOCOL 10; OKX API v5, "Rate limits", read 2026-08.
Layer 4. Pure.
"""

from typing import Final

from livekit.net.limits import OperationBudget

__all__ = ["Pace"]

_WINDOW_NS: Final = 2_100_000_000
_SINGLE: Final = 60
_BATCH: Final = 300
_ACCOUNT: Final = 1_000


class Pace:
    """The windows of one account.

    Attributes
    ----------
    n_held : int
        Operations that had to wait.
    """

    def __init__(self) -> None:
        self._windows: dict[tuple[str, int], tuple[OperationBudget, bool]] = {}
        self._account = OperationBudget(_ACCOUNT, _WINDOW_NS)
        self.n_held = 0

    def take(self, operation: str, instrument: int, now_ns: int) -> bool:
        """Tell whether an operation may go now, and count it if so.

        Parameters
        ----------
        operation : str
            Of ``requests.OPS``, or ``look-up``.
        instrument : int
        now_ns : int
            Any monotonic time.
        """
        found = self._windows.get((operation, instrument))
        if found is None:
            limit = _BATCH if operation.startswith("batch") else _SINGLE
            counts = "cancel" not in operation and operation != "look-up"
            found = (OperationBudget(limit, _WINDOW_NS), counts)
            self._windows[operation, instrument] = found
        window, counts_for_account = found
        if counts_for_account and not self._account.take(now_ns):
            self.n_held += 1
            return False
        if not window.take(now_ns):
            self.n_held += 1
            return False
        return True
