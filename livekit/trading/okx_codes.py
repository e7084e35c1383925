"""The Reject codes in OKX's words: what the venue would have answered.

OKX answers a request with an `sCode`, and ends an order that it had accepted with a
`cancelSource`; both are strings of digits on its wire. Where a refusal is our own and
never reaches a venue, there is neither. Sources: the error codes of OKX's API
documentation, and the cancel sources of its orders channel.
Layer 2. Free of Numba.
"""

from typing import Final

from livekit.events import Action, Reject

__all__ = ["CANCEL_SOURCES", "S_CODES", "s_code"]

S_CODES: Final[dict[Reject, str]] = {
    Reject.NONE: "0",
    Reject.MALFORMED: "51000",  # parameter error
    Reject.UNKNOWN_INSTRUMENT: "51001",
    Reject.INVALID_PRICE: "51000",
    Reject.INVALID_QUANTITY: "51000",
    Reject.OFF_TICK: "51150",  # precision of price or size
    Reject.OFF_LOT: "51121",
    Reject.BELOW_MINIMUM: "51020",
    Reject.MAX_QUANTITY: "51101",
    Reject.MAX_NOTIONAL: "51201",
    Reject.MAX_POSITION: "51004",
    Reject.PRICE_BAND: "51006",
    Reject.RATE_LIMIT: "50011",
    Reject.REDUCE_ONLY: "51169",  # no position in this direction to reduce
    Reject.UNKNOWN_ORDER: "51400",  # cancellation of an order that is final or was never there
    Reject.DUPLICATE_ORDER: "51016",
    Reject.TOO_MANY_ORDERS: "51174",
    Reject.INSUFFICIENT_BALANCE: "51008",
}
"""sCode of a refused request by Reject; the codes that are missing are our own."""

_OF_AMENDMENTS: Final[dict[Reject, str]] = {
    Reject.UNKNOWN_ORDER: "51503",
    Reject.POST_ONLY_WOULD_TAKE: "51511",
    Reject.DUPLICATE_ORDER: "51513",  # an amendment is in flight
}

CANCEL_SOURCES: Final[dict[Reject, str]] = {
    Reject.POST_ONLY_WOULD_TAKE: "31",
    Reject.NO_LIQUIDITY: "14",  # of an IOC order; 13 of FOK
    Reject.REDUCE_ONLY: "23",
}
"""cancelSource of an order accepted and then ended by the venue, by Reject."""


def s_code(reject: Reject, action: Action = Action.NEW) -> str | None:
    """Return OKX's sCode for the refusal of a request.

    Parameters
    ----------
    reject : Reject
        Why it was refused.
    action : Action
        What it asked for.

    Returns
    -------
    str or None
        None where the refusal is our own, or where OKX accepts the request and then ends
        the order (`CANCEL_SOURCES`).
    """
    if action is Action.MODIFY and reject in _OF_AMENDMENTS:
        return _OF_AMENDMENTS[reject]
    return S_CODES.get(reject)
