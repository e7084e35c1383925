"""Signing for an environment, at the exchange's time.

Layer 4.
"""

from collections.abc import Mapping

from livekit.credentials import Credentials
from livekit.engine.okx.adapter import OKXAdapter
from livekit.net.rest import RestCall

__all__ = ["Signer"]


class Signer:
    """A key, and the clock that its signatures carry.

    Parameters
    ----------
    credentials : Credentials
    adapter : OKXAdapter
        Knows how far the exchange's clock is from ours.
    is_demo : bool
        Whether the key is one of demo trading.
    """

    def __init__(self, credentials: Credentials, adapter: OKXAdapter, *, is_demo: bool) -> None:
        self._credentials, self._adapter, self.is_demo = credentials, adapter, is_demo

    def offset_ns(self) -> int:
        """Return how far the exchange's clock is ahead of ours, ns, as well as it is known."""
        best = self._adapter.offset.best(self._adapter.clock.now())
        return best[0] if best is not None else 0

    def server_ns(self) -> int:
        """Return the exchange's time, ns since the epoch."""
        return self._adapter.clock.now() + self.offset_ns()

    def login(self) -> bytes:
        """Return the login frame of a private connection, for now."""
        return self._credentials.login(self.server_ns() // 1_000_000_000)

    def headers(self, call: RestCall) -> Mapping[str, str]:
        """Return the headers that sign a call, for now; any thread."""
        now_ms = self.server_ns() // 1_000_000
        return self._credentials.headers(call, now_ms, is_demo=self.is_demo)
