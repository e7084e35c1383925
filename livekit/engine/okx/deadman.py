"""The dead man's switch: the exchange cancels everything when it hears of us no more.

Armed for 30 s before the first order goes, and armed anew every 5 s. While nobody knows
that it is armed for a while yet, no new order goes: an engine that dies then would leave
it behind.
Source: PROTOCOL 6.6; OKX API v5, "Cancel All After", read 2026-08.
Layer 4. Pure: time is an argument, sending the caller's.
"""

from typing import Any, Final

from livekit.errors import FeedError
from livekit.net.rest import Answer
from livekit.okx import rest

__all__ = ["TIMEOUT_S", "DeadMan"]

TIMEOUT_S: Final = 30
"""What the switch is armed for, s."""

_SECOND_NS: Final = 1_000_000_000
_EVERY_NS: Final = 5 * _SECOND_NS
_RETRY_NS: Final = 1 * _SECOND_NS  # the exchange takes one a second
_LEAST_NS: Final = 10 * _SECOND_NS


class DeadMan:
    """The state of the switch; times are any monotonic nanoseconds.

    Attributes
    ----------
    n_failures : int
        Times that arming it failed.
    last_failure : str
    """

    def __init__(self) -> None:
        self._armed_until_ns = self._asked_ns = 0
        self._due_ns = 0
        self._is_asked = False
        self.n_failures = 0
        self.last_failure = ""

    def is_due(self, now_ns: int) -> bool:
        """Tell whether it is to be armed now; it then counts as asked."""
        if self._is_asked or now_ns < self._due_ns:
            return False
        self._is_asked, self._asked_ns = True, now_ns
        return True

    def take_answer(self, answer: Answer) -> None:
        """Take the answer to arming it."""
        self.end(_failure(answer))

    def end(self, failure: str) -> None:
        """Take the end of arming it; `failure` is empty when it is armed."""
        self._is_asked = False
        if failure:
            self.n_failures += 1
            self.last_failure = failure
            self._due_ns = self._asked_ns + _RETRY_NS
            return
        # From when it was asked: the exchange began to count at that moment or later.
        self._armed_until_ns = self._asked_ns + TIMEOUT_S * _SECOND_NS
        self._due_ns = self._asked_ns + _EVERY_NS
        self.last_failure = ""

    def problem(self, now_ns: int) -> str:
        """Return why no new order may go, "" when it may."""
        if now_ns + _LEAST_NS < self._armed_until_ns:
            return ""
        why = f": {self.last_failure}" if self.last_failure else ""
        return f"dead man's switch is not armed{why}"

    def left_s(self, now_ns: int) -> float:
        """Return how long the exchange waits yet, s; 0 when it is not armed."""
        return max(0, self._armed_until_ns - now_ns) / _SECOND_NS

    def describe(self, now_ns: int) -> dict[str, Any]:
        """Return what ``livekit status`` shows of it."""
        return {
            "left_s": self.left_s(now_ns),
            "failures": self.n_failures,
            "last_failure": self.last_failure,
        }


def _failure(answer: Answer) -> str:
    """Return why the switch is not armed, "" when it is."""
    if answer.status != 200:
        return f"HTTP {answer.status}" if answer.status else answer.body.decode(errors="replace")
    try:
        rest.parse_cancel_all_after(answer.body)
    except FeedError as error:
        return str(error)
    return ""
