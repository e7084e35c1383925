"""What became of a request: from its code, and from how its answer came or did not.

Four outcomes, and only two of them are certain about the order itself. A request whose
bytes may have reached the exchange and that has no usable answer is UNKNOWN, never
rejected: its exposure counts until the order was asked for by its client id. A row of a
reply with code 0 is taken by the gateway, not done.
Source: PROTOCOL 11; OKX API v5, "Error code", read 2026-08.
Layer 2. Pure.
"""

from enum import Enum
from typing import Final

from livekit.events import Reject
from livekit.okx.codes import CANCEL_REASONS, TABLE, Outcome
from livekit.okx.replies import Reply

__all__ = [
    "Outcome",
    "Transport",
    "advice",
    "outcome_in",
    "outcome_of",
    "reject_of",
    "reject_of_cancel",
    "transport_of_status",
]


class Transport(Enum):
    """How a request's answer came."""

    ANSWERED = "answered"
    UNSENT = "unsent"  # no byte left
    LIMITED = "limited"  # HTTP 429
    SERVER_ERROR = "server error"  # HTTP 5xx
    TIMED_OUT = "timed out"
    LOST = "connection lost after sending"
    MALFORMED = "malformed reply"


_BY_TRANSPORT: Final = {
    Transport.UNSENT: Outcome.NOT_SENT,
    Transport.LIMITED: Outcome.NOT_SENT,
    Transport.SERVER_ERROR: Outcome.UNKNOWN,
    Transport.TIMED_OUT: Outcome.UNKNOWN,
    Transport.LOST: Outcome.UNKNOWN,
    Transport.MALFORMED: Outcome.UNKNOWN,
}
_SUB_ADVICE: Final = {
    ("51008", "1000"): "the available balance is too small: send less or add funds; right after "
    "a fill wait for the balance and send again",
    ("51008", "1001"): "the available margin is too small: send less, add margin or lower leverage",
}
_UNLISTED: Final = "the exchange refused it: look the code up in OKX's list of error codes"


def transport_of_status(status: int) -> Transport:
    """Return how a REST answer of an HTTP status came; 0 is a request without an answer."""
    if status == 0:
        return Transport.LOST
    if status == 429:
        return Transport.LIMITED
    return Transport.SERVER_ERROR if status >= 500 else Transport.ANSWERED


def outcome_of(code: str, sub_code: str = "", transport: Transport = Transport.ANSWERED) -> Outcome:
    """Return what is known of a request.

    Parameters
    ----------
    code : str
        ``sCode`` of its row, or the reply's code where there is no row.
    sub_code : str
        ``subCode``; it never changes the outcome, only the advice.
    transport : Transport
        How the answer came; but for ANSWERED the code does not count.

    Returns
    -------
    Outcome
        A code that is not listed is REJECTED; one that is no code at all, UNKNOWN.
    """
    del sub_code
    if transport is not Transport.ANSWERED:
        return _BY_TRANSPORT[transport]
    meaning = TABLE.get(code)
    if meaning is not None:
        return meaning.outcome
    is_code = len(code) == 5 and code.isascii() and code.isdigit()
    return Outcome.REJECTED if is_code else Outcome.UNKNOWN


def outcome_in(reply: Reply, client_id: str, transport: Transport = Transport.ANSWERED) -> Outcome:
    """Return what is known of one order of a request, by its client id and not by position.

    A reply without rows speaks for all orders of its request; one with rows that does
    not name the order leaves it UNKNOWN.
    """
    if transport is not Transport.ANSWERED or not reply.items:
        return outcome_of(reply.code, "", transport)
    for item in reply.items:
        if item.client_id == client_id:
            return outcome_of(item.code, item.sub_code)
    only = reply.items[0]
    if len(reply.items) == 1 and not only.client_id:
        return outcome_of(only.code, only.sub_code)
    return Outcome.UNKNOWN


def advice(code: str, sub_code: str = "") -> str:
    """Return one sentence that says what to do about a code: lower case, no full stop."""
    sub = _SUB_ADVICE.get((code, sub_code))
    if sub is not None:
        return sub
    meaning = TABLE.get(code)
    return meaning.advice if meaning is not None else _UNLISTED


def reject_of(code: str) -> Reject:
    """Return livekit's word for a code; MALFORMED for one that is not listed."""
    meaning = TABLE.get(code)
    return meaning.reject if meaning is not None else Reject.MALFORMED


def reject_of_cancel(source: str) -> Reject:
    """Return why the exchange ended an order, by its ``cancelSource``; NONE if by request."""
    return CANCEL_REASONS.get(source, Reject.NONE)
