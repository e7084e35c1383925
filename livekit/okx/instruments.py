"""The exchange's ``public/instruments`` replies, as livekit's instruments.

Source: OKX API v5, "Get instruments", read 2026-08; rows of 2022 have the same fields.
Layer 2. Pure.
"""

import math
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from livekit.errors import ConfigError, FeedError
from livekit.instruments import Instrument

__all__ = ["kind_of_symbol", "parse_instruments"]

_MAX_BYTES: Final = 16 << 20  # all 1,218 spot pairs take 1.2 MB
_KINDS: Final = {
    "SPOT": "spot",
    "MARGIN": "spot",
    "SWAP": "swap",
    "FUTURES": "futures",
    "OPTION": "option",
    "EVENTS": "events",
}

Step = Annotated[float, Meta(gt=0, lt=1e12)]


class _Row(Struct, gc=False):
    instId: str  # noqa: N815 - the exchange's names
    instType: str = ""  # noqa: N815
    tickSz: str = ""  # noqa: N815
    lotSz: str = ""  # noqa: N815
    minSz: str = ""  # noqa: N815
    ctVal: str = ""  # noqa: N815
    ctMult: str = ""  # noqa: N815


class _Reply(Struct):
    code: str
    data: list[Any]


_reply: Final = msgspec.json.Decoder(_Reply)


def parse_instruments(body: bytes) -> list[Instrument]:
    """Return the instruments of one reply.

    Rows that have no steps yet (listed, not trading) and rows of unknown types are left
    out. `contract_value` is ctVal x ctMult, in the currency of ctVal, which for inverse
    contracts is the quote currency; 1 for spot.

    Raises
    ------
    FeedError
        The reply is not one of ``public/instruments``, or carries an error code.
    """
    if len(body) > _MAX_BYTES:
        raise FeedError(f"reply has {len(body)} bytes, expected at most {_MAX_BYTES}")
    try:
        reply = _reply.decode(body)
        rows = [msgspec.convert(row, _Row) for row in reply.data]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FeedError(f"reply is not one of public/instruments: {error}") from error
    if reply.code != "0":
        raise FeedError(f"reply carries code {reply.code!r}, expected '0'; ask again")
    return [one for row in rows if (one := _instrument(row)) is not None]


def _instrument(row: _Row) -> Instrument | None:
    kind = _KINDS.get(row.instType)
    if kind is None or not (row.tickSz and row.lotSz and row.minSz):
        return None
    try:
        contract_value = float(row.ctVal or 1) * float(row.ctMult or 1)
        return Instrument(
            symbol=row.instId,
            tick=float(row.tickSz),
            lot=float(row.lotSz),
            min_quantity=float(row.minSz),
            contract_value=contract_value if math.isfinite(contract_value) else math.nan,
            kind=kind,
        )
    except (ValueError, ConfigError) as error:
        raise FeedError(f"row of {row.instId!r} is no instrument: {error}") from error


def kind_of_symbol(symbol: str) -> str:
    """Return the kind that a symbol's form suggests: for data without an instruments list."""
    parts = symbol.split("-")
    if parts[-1] == "SWAP":
        return "swap"
    if len(parts) >= 5 and parts[-1] in {"C", "P"}:
        return "option"
    if len(parts) == 3 and parts[-1].isdigit():
        return "futures"
    return "spot"
