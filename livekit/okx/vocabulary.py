"""The words of private rows that livekit knows, and the finding of those it does not.

OKX adds to its words without a version bump. A word that is not here is never an error:
it is named, for the caller to log once, and nothing is concluded from it (of an order's
state: the desk looks the order up).
Source: OKX API v5, "Trade" and "Trading Account", read 2026-08.
Layer 2. Pure.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from livekit.okx.rows import ORDER_STATES, BalanceRow, Fill, OrderRow, PositionRow

__all__ = ["AMEND_RESULTS", "PUSH_EVENTS", "strange_words"]

AMEND_RESULTS: Final = frozenset({"", "0", "-1", "1", "2"})
"""What may come of a modification; "" says nothing of one."""

PUSH_EVENTS: Final = frozenset({"", "snapshot", "event_update"})
"""Events of the account and positions channels."""

_SIDES: Final = frozenset({"buy", "sell"})
_LIQUIDITY: Final = frozenset({"", "T", "M"})
_POSITION_SIDES: Final = frozenset({"", "net", "long", "short"})
_ORDER_TYPES: Final = frozenset(
    {
        *("market", "limit", "post_only", "fok", "ioc", "optimal_limit_ioc"),
        *("mmp", "mmp_and_post_only", "op_fok", "rpi", "elp"),
    }
)
_BALANCE_EVENTS: Final = frozenset(
    {
        *("snapshot", "delivered", "exercised", "transferred", "filled", "liquidation"),
        *("claw_back", "adl", "funding_fee", "adjust_margin", "set_leverage"),
        *("interest_deduction", "settlement"),
    }
)

_KNOWN: Final[dict[type[Struct], tuple[tuple[str, frozenset[str]], ...]]] = {
    OrderRow: (
        ("state", ORDER_STATES),
        ("side", _SIDES),
        ("ordType", _ORDER_TYPES),
        ("execType", _LIQUIDITY),
        ("posSide", _POSITION_SIDES),
        ("amendResult", AMEND_RESULTS),
    ),
    Fill: (("side", _SIDES), ("execType", _LIQUIDITY)),
    PositionRow: (("posSide", _POSITION_SIDES),),
    BalanceRow: (("eventType", _BALANCE_EVENTS),),
}


def strange_words(rows: Iterable[Struct]) -> tuple[str, ...]:
    """Return what nobody knows in some rows, as ``field 'word'``; most often nothing."""
    return tuple(
        f"{name} {word!r}"
        for row in rows
        for name, known in _KNOWN.get(type(row), ())
        if (word := getattr(row, name)) not in known
    )
