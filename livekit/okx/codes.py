"""OKX's codes: what each says about an order, what to do, and livekit's word for it.

`TABLE` has a row for every code of the order path; a code is rejected for sure unless
its row says otherwise. Rows agree with the other direction, which the paper exchange
uses (trading/okx_codes.py); the two may not import each other, a test compares them.
Source: OKX API v5, "Error code", read 2026-08.
Layer 2. Pure.
"""

from enum import Enum
from typing import Final, NamedTuple

from livekit.events import Reject

__all__ = ["CANCEL_REASONS", "TABLE", "Meaning", "Outcome"]


class Outcome(Enum):
    """What is known of a request."""

    ACCEPTED = "accepted"  # by the gateway; what became of the order is pushed
    REJECTED = "rejected"  # for sure, and again if repeated unchanged
    UNKNOWN = "unknown"  # may have been done: ask for the order by its client id
    NOT_SENT = "not sent"  # or not processed: surely not done, and may be repeated


class Meaning(NamedTuple):
    """One row of `TABLE`."""

    outcome: Outcome
    reject: Reject
    advice: str


_R: Final = Outcome.REJECTED
_N: Final = Outcome.NOT_SENT
_U: Final = Outcome.UNKNOWN

_ROWS: Final[tuple[tuple[str, Outcome, Reject, str], ...]] = (
    ("0", Outcome.ACCEPTED, Reject.NONE, "nothing to do: the request was taken"),
    ("1 2", _U, Reject.NONE, "look at the rows of the reply: each has its own code"),
    (
        "50001 50026",
        _U,
        Reject.VENUE,
        "the exchange is unavailable: ask for the order, then send again later",
    ),
    (
        "50004 51054 51149 64007",
        _U,
        Reject.VENUE,
        "the exchange timed out: ask for the order by its client id",
    ),
    (
        "50011 50040 50061 60014 60023",
        _N,
        Reject.RATE_LIMIT,
        "too many requests: wait, then send fewer per second",
    ),
    ("50013", _N, Reject.RATE_LIMIT, "the exchange is busy: wait, then send again"),
    (
        "50036 50037",
        _N,
        Reject.VENUE,
        "the request reached the exchange after its expiry: check the clock and the connection",
    ),
    (
        "50007 50009 50012 50017 50018 50019 50020 50021 50022 50023 50027 50028 50029 50033 51024",
        _R,
        Reject.VENUE,
        "the account or the instrument is blocked: stop trading and see the account at OKX",
    ),
    (
        "50000 50002 50006 50014 50015 50016 50024 50025 50115",
        _R,
        Reject.MALFORMED,
        "the request is malformed: report it with the log",
    ),
    (
        "50030 50100 50120",
        _R,
        Reject.VENUE,
        "the key may not do this: give it the Read and Trade rights at OKX",
    ),
    (
        "50035 50110",
        _R,
        Reject.VENUE,
        "the key is bound to other addresses: add this machine's to it at OKX",
    ),
    (
        "50103 50104 50106 50107 50111 60005 60032",
        _R,
        Reject.VENUE,
        "the key is unknown here: check it, its region and its environment (demo or live)",
    ),
    (
        "50119",
        _R,
        Reject.VENUE,
        "the key does not exist: check it and choose the region of its account with --region",
    ),
    (
        "50101",
        _R,
        Reject.VENUE,
        "the key belongs to the other environment: use a demo key with --env demo only",
    ),
    ("50105 60024", _R, Reject.VENUE, "the passphrase is wrong: enter the key's own"),
    (
        "50113 50114 60007",
        _R,
        Reject.VENUE,
        "the signature is wrong: enter the secret again, without spaces at its end",
    ),
    (
        "50121",
        _R,
        Reject.VENUE,
        "OKX does not serve this address: use the host of the account's region",
    ),
    (
        "50102 50112 60004 60006",
        _R,
        Reject.VENUE,
        "the clock is off by more than 30 s: synchronise it, then send once more",
    ),
    ("50038", _R, Reject.VENUE, "this is not available in demo trading: leave it out"),
    ("50053", _R, Reject.VENUE, "this is available in demo trading only: use --env demo"),
    (
        "51000",
        _R,
        Reject.MALFORMED,
        "a parameter is wrong: check the trade mode against the account mode, and the decimals",
    ),
    (
        "51001 51015 51021 51087 54072",
        _R,
        Reject.UNKNOWN_INSTRUMENT,
        "the instrument is not known here: check its name and reload the instruments",
    ),
    (
        "51155",
        _R,
        Reject.UNKNOWN_INSTRUMENT,
        "the instrument may not be traded in this region: choose another",
    ),
    (
        "51022 51027 51028 51029 51030",
        _R,
        Reject.TRADING_HALTED,
        "the instrument is suspended, expired or settling: wait, or choose another",
    ),
    ("51004 51005", _R, Reject.MAX_POSITION, "the position would be too large: send less"),
    (
        "51101 51104 51105 51106 51107 51202",
        _R,
        Reject.MAX_QUANTITY,
        "the order is too large: split it",
    ),
    (
        "51187 51201 51203 54030 54031",
        _R,
        Reject.MAX_NOTIONAL,
        "the order is worth too much: split it",
    ),
    (
        "51006 51031 51116 51122 51135 51136 51137 51138",
        _R,
        Reject.PRICE_BAND,
        "the price is outside the exchange's limits: price it nearer to the market",
    ),
    (
        "51008 51127 51131 51502",
        _R,
        Reject.INSUFFICIENT_BALANCE,
        "the balance is too small: send less or add funds; after a fill wait for the balance",
    ),
    (
        "51010",
        _R,
        Reject.VENUE,
        "the account mode does not allow this: change it at OKX, under account mode",
    ),
    (
        "51039 51041 50072",
        _R,
        Reject.VENUE,
        "the margin or position mode does not allow this: change it at OKX before trading",
    ),
    (
        "51016",
        _U,
        Reject.DUPLICATE_ORDER,
        "an order with this client id is open, perhaps an earlier attempt: ask for it",
    ),
    ("51020", _R, Reject.BELOW_MINIMUM, "the size is below the instrument's minimum: send more"),
    (
        "51120 51121",
        _R,
        Reject.OFF_LOT,
        "the size is not a multiple of the lot: round it to the instrument's lot",
    ),
    (
        "51150 50122",
        _R,
        Reject.OFF_TICK,
        "the price or size has too many decimals: round it to the instrument's steps",
    ),
    (
        "51023 51112 51169 51170",
        _R,
        Reject.REDUCE_ONLY,
        "there is no such position to reduce: compare positions with the exchange",
    ),
    (
        "51025 51102 51103 51174",
        _R,
        Reject.TOO_MANY_ORDERS,
        "too many orders are open: cancel some first",
    ),
    (
        "51046 51047 51048 51049 51050 51051 51052 51053",
        _R,
        Reject.INVALID_PRICE,
        "a take-profit or stop-loss price is on the wrong side: correct it",
    ),
    ("51071", _R, Reject.TOO_MANY_ORDERS, "20 tags have timers: use fewer tags"),
    (
        "51110 51124 51196 51197 51404 51508",
        _R,
        Reject.TRADING_HALTED,
        "the instrument is in its call auction: wait until it trades",
    ),
    (
        "51400 51401 51402 51405 51410 51412 51416 51503 51509 51510 51603",
        _U,
        Reject.UNKNOWN_ORDER,
        "the order is final, being cancelled or unknown: ask for its final state",
    ),
    (
        "51511",
        _R,
        Reject.POST_ONLY_WOULD_TAKE,
        "the new price would take: price the post-only order further from the market",
    ),
    (
        "51512 51513",
        _R,
        Reject.DUPLICATE_ORDER,
        "changes of this order are in flight: wait for their answers",
    ),
    ("54004", _R, Reject.MALFORMED, "another order of the batch failed: correct that one"),
    ("54008", _R, Reject.TRADING_HALTED, "a mass cancel locks the instrument: wait"),
    ("54047 54048", _R, Reject.RATE_LIMIT, "the order is in a speed bump: retry after 100 ms"),
    ("54094", _R, Reject.TRADING_HALTED, "the instrument cools off: wait"),
    (
        "59000",
        _R,
        Reject.VENUE,
        "the setting may not change now: cancel all orders and close all positions first",
    ),
    ("59102", _R, Reject.MALFORMED, "the leverage is above the instrument's limit: lower it"),
    (
        "60008 60018 60028 64001 64002",
        _R,
        Reject.UNKNOWN_INSTRUMENT,
        "this path has no such channel or instrument: check both names and the path",
    ),
    ("60009", _R, Reject.VENUE, "the login failed: check key, passphrase and secret"),
    ("60011", _R, Reject.VENUE, "the connection is not logged in: log in first"),
    (
        "60012 60013 60019 60027 60033 64000",
        _R,
        Reject.MALFORMED,
        "the request or its arguments are malformed: report it with the log",
    ),
    (
        "60026 60031",
        _R,
        Reject.DUPLICATE_ORDER,
        "the connection is logged in already: use another connection for another login",
    ),
    ("63999", _R, Reject.VENUE, "the exchange could not log in: connect again later"),
    (
        "64003",
        _R,
        Reject.VENUE,
        "the account's fee tier is too low for this channel: use books or bbo-tbt",
    ),
    (
        "64004",
        _R,
        Reject.MALFORMED,
        "two book channels of one instrument conflict: subscribe to one of them",
    ),
    ("64008", _N, Reject.VENUE, "the connection closes for an upgrade: open another"),
)

TABLE: Final[dict[str, Meaning]] = {
    code: Meaning(outcome, reject, advice)
    for codes, outcome, reject, advice in _ROWS
    for code in codes.split()
}
"""Meaning by code."""

CANCEL_REASONS: Final[dict[str, Reject]] = {
    "2": Reject.REDUCE_ONLY,
    "3": Reject.TRADING_HALTED,
    "4": Reject.INSUFFICIENT_BALANCE,
    "13": Reject.NO_LIQUIDITY,
    "14": Reject.NO_LIQUIDITY,
    "15": Reject.PRICE_BAND,
    "17": Reject.REDUCE_ONLY,
    "22": Reject.REDUCE_ONLY,
    "23": Reject.REDUCE_ONLY,
    "27": Reject.PRICE_BAND,
    "31": Reject.POST_ONLY_WOULD_TAKE,
}
"""Why the exchange ended an order it had accepted, by ``cancelSource``; others are NONE."""
