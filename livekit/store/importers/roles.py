"""Which column of a table is what, told from the names that people use.

Names are compared in small letters without spaces, underscores, dots and dashes. Two columns
that could both be one thing are refused, not guessed.
Layer 3.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from livekit.errors import ConfigError
from livekit.events import BOOK_LEVELS, Kind

__all__ = ["LEVELS", "kind_of_roles", "needed_roles", "roles_of"]

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "time": (
        *("tsevent", "timestamp", "time", "ts", "date", "datetime", "createdtime", "opentime"),
        *("timestampms", "timestampus", "timestampns", "timestampmcs", "tsms", "eventtime"),
        *("exchts", "transacttime", "tradetime", "t"),
    ),
    "received": ("tsrecv", "localtimestamp", "receivetime", "receivedtime", "recvtime", "localts"),
    "symbol": ("symbol", "instrumentname", "instid", "instrument", "ticker"),
    "price": ("price", "px", "p", "tradeprice"),
    "size": ("size", "qty", "quantity", "amount", "sz", "volume", "vol", "q", "v"),
    "side": ("side", "direction", "aggressor", "aggressorside", "takerside"),
    "is_buyer_maker": ("isbuyermaker", "buyermaker", "m"),
    "trade_id": ("tradeid", "id", "aggtradeid", "tid"),
    "bid_price": ("bidprice", "bid", "bidpx", "bestbid", "bestbidprice", "bestbidpx"),
    "bid_size": (
        "bidsize",
        "bidqty",
        "bidamount",
        "bidsz",
        "bestbidqty",
        "bestbidsize",
        "bidvolume",
    ),
    "ask_price": ("askprice", "ask", "askpx", "bestask", "bestaskprice", "bestaskpx"),
    "ask_size": (
        "asksize",
        "askqty",
        "askamount",
        "asksz",
        "bestaskqty",
        "bestasksize",
        "askvolume",
    ),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "count": ("count", "ntrades", "trades", "numberoftrades", "numtrades"),
}
_PREFERRED: Final = {"time": ("tsevent",), "size": ("size", "qty", "quantity", "amount", "sz")}
_LEVEL: Final = re.compile(r"(bid|ask)s?(price|px|size|sz|qty|amount)(\d{1,2})")
_ARRAY_LEVEL: Final = re.compile(r"(bid|ask)s?\[(\d{1,2})\]\.?(price|px|size|sz|qty|amount)")

LEVELS: Final = tuple(
    f"{side}_{what}_{i}"
    for i in range(BOOK_LEVELS)
    for side in ("bid", "ask")
    for what in ("price", "size")
)
"""Roles of the columns of a book."""

_NEEDED: Final = {
    Kind.TRADE: ("time", "price", "size"),
    Kind.QUOTE: ("time", "bid_price", "bid_size", "ask_price", "ask_size"),
    Kind.BOOK: ("time", *LEVELS),
    Kind.BAR: ("time", "open", "high", "low", "close", "size"),
}


def needed_roles(kind: Kind) -> tuple[str, ...]:
    """Return what rows of a kind cannot do without."""
    return _NEEDED[kind]


def roles_of(names: Iterable[str], given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the column of each role that is found.

    Parameters
    ----------
    names : iterable of str
        Of all columns.
    given : mapping, optional
        Role to column, as the user says; ``volume`` means ``size``.

    Raises
    ------
    ConfigError
        A role is unknown, a column is not there, or two columns could be one thing.
    """
    present = list(names)
    known = {*_NAMES, *LEVELS}
    roles: dict[str, str] = {}
    for role, column in (given or {}).items():
        real = "size" if role == "volume" else role
        if real not in known:
            raise ConfigError(
                f"column role {role!r} is unknown, expected one of {', '.join(sorted(_NAMES))}, or "
                "such as bid_price_0"
            )
        if column not in present:
            raise ConfigError(
                f"column {column!r}, named for {role!r}, is not there; the columns are "
                f"{', '.join(map(repr, present))}"
            )
        roles[real] = column
    free = [name for name in present if name not in roles.values()]
    roles |= {role: name for role, name in _levels(free).items() if role not in roles}
    for role in _NAMES:
        if role not in roles and (told := _find(role, free)) is not None:
            roles[role] = told
    return roles


def _find(role: str, names: list[str]) -> str | None:
    found = [name for name in names if _plain(name) in _NAMES[role]]
    preferred = [name for name in found if _plain(name) in _PREFERRED.get(role, ())]
    found = preferred or found
    if len(found) > 1:
        raise ConfigError(
            f"columns {' and '.join(map(repr, found))} could all be the {role}; say which with "
            f"columns={{{role!r}: …}}, or --columns {role}=NAME"
        )
    return found[0] if found else None


def _plain(name: str) -> str:
    return re.sub(r"[\s_.\-]", "", name.lower())


def _levels(names: list[str]) -> dict[str, str]:
    """Return the roles of columns such as ``bid_px_00``, ``asks[0].amount`` or ``ask_size_1``."""
    found: dict[tuple[str, str, int], str] = {}
    for name in names:
        plain = _plain(name)
        if match := _LEVEL.fullmatch(plain):
            side, what, depth = match[1], match[2], int(match[3])
        elif match := _ARRAY_LEVEL.fullmatch(plain):
            side, what, depth = match[1], match[3], int(match[2])
        else:
            continue
        found[side, "price" if what in {"price", "px"} else "size", depth] = name
    first = min((depth for _, _, depth in found), default=0)
    return {
        f"{side}_{what}_{depth - first}": name
        for (side, what, depth), name in found.items()
        if depth - first < BOOK_LEVELS
    }


def kind_of_roles(roles: Mapping[str, str], names: Iterable[str]) -> Kind:
    """Return the kind of rows that columns make.

    Raises
    ------
    ConfigError
        They make none, or more than one.
    """
    found = [kind for kind, needed in _NEEDED.items() if set(needed) <= set(roles)]
    if len(found) == 1:
        return found[0]
    what = "several kinds" if found else "no kind"
    raise ConfigError(
        f"the columns {', '.join(map(repr, names))} make {what} of rows; say with kind, or --kind, "
        "trade (time, price, size, side), quote (time, bid_price, bid_size, ask_price, ask_size), "
        "book (time, bid_price_0 … ask_size_4) or bar (time, open, high, low, close, volume), and "
        "name columns with other names"
    )
