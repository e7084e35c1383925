"""Answers to requests: order operations over WebSocket, and every REST envelope.

Both have a code of their own and rows with codes of theirs, and either may say what
became of an order: a row's code where there is a row, the reply's where ``data`` is
empty (a malformed request, a gateway in trouble). Codes stay text; what they mean is
okx/outcome.py's. `FeedError` is the only error, whatever the bytes.
Source: OKX API v5, "Place order" and siblings, read 2026-08; replies of 2021 have no times.
Layer 2. Pure.
"""

# ruff: noqa: N815 - the exchange's names
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from livekit.errors import FeedError
from livekit.okx.messages import MAX_FRAME_BYTES

__all__ = [
    "REFUSALS",
    "Item",
    "Reply",
    "excerpt",
    "parse_reply",
]

_MAX_ITEMS: Final = 512

Code = Annotated[str, Meta(max_length=16)]
Text = Annotated[str, Meta(max_length=4096)]
Id = Annotated[str, Meta(max_length=64)]
Microseconds = Annotated[int, Meta(ge=0, lt=9_000_000_000_000_000)]
Milliseconds = Annotated[int, Meta(ge=0, lt=9_000_000_000_000)]

# RecursionError: msgspec counts nesting with Python's own limit.
REFUSALS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError)
"""What decoding hostile bytes raises; each parser turns it into FeedError."""


class Item(Struct, frozen=True, gc=False):
    """What became of one order of a request.

    Attributes
    ----------
    ord_id, client_id : str
        Either may be empty: a rejected order has no `ord_id`.
    code, sub_code : str
        ``sCode`` and ``subCode``; code ``0`` is taken by the gateway, not done.
    text : str
        For people; localised, never to be parsed.
    ts : int
        Creation of the order, ms; 0 where the reply has none.
    request_id : str
        The amendment's ``reqId``.
    """

    ord_id: str
    client_id: str
    code: str
    sub_code: str
    text: str
    ts: int
    request_id: str


class Reply(Struct, frozen=True):
    """One answer; over REST `request_id` and `op` are empty, times are 0 where not sent."""

    request_id: str
    op: str
    code: str
    text: str
    items: list[Item]
    in_us: int
    out_us: int


class _Row(Struct, gc=False):
    ordId: Id = ""
    clOrdId: Id = ""
    sCode: Code = ""
    subCode: Code = ""
    sMsg: Text = ""
    ts: Milliseconds | Literal[""] = ""
    reqId: Id = ""


class _Envelope(Struct):
    code: Code
    id: Id = ""
    op: Id = ""
    msg: Text = ""
    data: Raw = msgspec.Raw()
    inTime: Microseconds | Literal[""] = ""
    outTime: Microseconds | Literal[""] = ""


_envelope: Final = msgspec.json.Decoder(_Envelope, strict=False)
_rows: Final = msgspec.json.Decoder(
    Annotated[list[_Row], Meta(max_length=_MAX_ITEMS)], strict=False
)


def parse_reply(frame: bytes) -> Reply:
    """Return the answer in a frame of the private WebSocket or in a REST body.

    Raises
    ------
    FeedError
        It is too long, not JSON, has no code, or a field is of another type or out of
        its bounds. To an order request this is an unknown outcome, never a rejection.
    """
    if len(frame) > MAX_FRAME_BYTES:
        raise FeedError(f"reply has {len(frame)} bytes, expected at most {MAX_FRAME_BYTES}")
    try:
        envelope = _envelope.decode(frame)
        rows = _rows.decode(envelope.data) if envelope.data else []
    except REFUSALS as error:
        raise FeedError(f"reply {excerpt(frame)} is not one: {error}") from error
    return Reply(
        envelope.id,
        envelope.op,
        envelope.code,
        envelope.msg,
        [
            Item(
                row.ordId,
                row.clOrdId,
                row.sCode or envelope.code,
                row.subCode,
                row.sMsg,
                row.ts or 0,
                row.reqId,
            )
            for row in rows
        ],
        envelope.inTime or 0,
        envelope.outTime or 0,
    )


def excerpt(frame: bytes) -> str:
    """Return the start of a frame for a message, whatever its bytes are."""
    return repr(frame[:80].decode("utf-8", "backslashreplace")) + ("…" if len(frame) > 80 else "")
