"""The exchange's private messages as types: bytes in, one typed message out.

Pushes of orders, fills, account, positions and balances; answers to order operations;
the events of a private connection. Nothing here is state: pushes may come twice, before
the reply of the request that caused them, and do not say what happened while we were
away (PROTOCOL 6.1 and 12.2 have the rules, the account keeps them).

`parse_private` is the only way in, and `FeedError` the only error out of it, whatever the
bytes. Unknown channels and events become `Ignored`; words that nobody knows stay in their
rows and are named in `strange`. Both are for the caller to log once.
Source: OKX API v5, "WebSocket", read 2026-08; field sets of 2022, 2023 and 2026 as captured.
Layer 2. Pure.
"""

# ruff: noqa: N815 - the exchange's names
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from livekit.errors import FeedError
from livekit.okx.messages import MAX_FRAME_BYTES, Ack, Failure, Ignored, Notice, Pong
from livekit.okx.replies import REFUSALS, Reply, excerpt, parse_reply
from livekit.okx.rows import AccountRow, BalanceRow, Fill, OrderRow, PositionRow
from livekit.okx.vocabulary import PUSH_EVENTS, strange_words

__all__ = [
    "AccountPush",
    "BalancePush",
    "ChannelCount",
    "FillPush",
    "LoginDone",
    "OrderPush",
    "PositionPush",
    "PrivateMessage",
    "parse_private",
]

_MAX_ROWS: Final = 4096

Word = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=4096)]
Page = Annotated[int, Meta(ge=0, le=2**31)]
ConnectionCount = Annotated[int, Meta(ge=0, le=2**31)]


class OrderPush(Struct, frozen=True):
    """Rows of ``orders``: each the complete order, never a change of it."""

    rows: list[OrderRow]
    strange: tuple[str, ...] = ()


class FillPush(Struct, frozen=True):
    """Rows of ``fills``: fast and partial, VIP only."""

    rows: list[Fill]
    strange: tuple[str, ...] = ()


class AccountPush(Struct, frozen=True):
    """Rows of ``account``.

    Attributes
    ----------
    event : str
        ``snapshot`` or ``event_update``; empty in older frames. A currency absent from a
        complete snapshot is zero, one absent from an update is unchanged.
    page : int
        Of a snapshot in pages; 0 where there are none.
    is_last : bool
        Whether a snapshot is complete with this page.
    """

    event: str
    page: int
    is_last: bool
    rows: list[AccountRow]
    strange: tuple[str, ...] = ()


class PositionPush(Struct, frozen=True):
    """Rows of ``positions``; its envelope is as of `AccountPush`."""

    event: str
    page: int
    is_last: bool
    rows: list[PositionRow]
    strange: tuple[str, ...] = ()


class BalancePush(Struct, frozen=True):
    """Rows of ``balance_and_position``."""

    page: int
    is_last: bool
    rows: list[BalanceRow]
    strange: tuple[str, ...] = ()


class LoginDone(Struct, frozen=True):
    """The login was taken: subscriptions and order operations may follow."""

    connection: str


class ChannelCount(Struct, frozen=True):
    """How many connections have a private channel; with `is_exceeded` ours is dead."""

    channel: str
    count: int
    is_exceeded: bool
    connection: str


_Push = OrderPush | FillPush | AccountPush | PositionPush | BalancePush
PrivateMessage = _Push | LoginDone | ChannelCount | Ack | Failure | Notice | Pong | Reply | Ignored


class _Argument(Struct, gc=False):
    channel: Word = ""
    instId: Word = ""


class _Envelope(Struct):
    event: Word = ""
    op: Word = ""
    arg: _Argument | None = None
    data: Raw = msgspec.Raw()
    eventType: Word = ""
    curPage: Page | Literal[""] = ""
    lastPage: bool = True
    code: Word = ""
    msg: Text = ""
    id: Word = ""
    channel: Word = ""
    connCount: ConnectionCount | Literal[""] = ""
    connId: Word = ""


_PONG: Final = Pong()
_ROWS: Final = Meta(max_length=_MAX_ROWS)
_envelope: Final = msgspec.json.Decoder(_Envelope, strict=False)
_orders: Final = msgspec.json.Decoder(Annotated[list[OrderRow], _ROWS], strict=False)
_fills: Final = msgspec.json.Decoder(Annotated[list[Fill], _ROWS], strict=False)
_accounts: Final = msgspec.json.Decoder(Annotated[list[AccountRow], _ROWS], strict=False)
_positions: Final = msgspec.json.Decoder(Annotated[list[PositionRow], _ROWS], strict=False)
_balances: Final = msgspec.json.Decoder(Annotated[list[BalanceRow], _ROWS], strict=False)


def parse_private(frame: bytes) -> PrivateMessage:
    """Return the message of one frame.

    Parameters
    ----------
    frame : bytes
        One text frame of a private WebSocket, as received.

    Returns
    -------
    PrivateMessage
        A push, a reply, an event, or `Ignored` for what is well-formed and unknown.

    Raises
    ------
    FeedError
        The frame is too long, not JSON, or a field is missing, of another type or out
        of its bounds. Nothing else leaves this function.
    """
    if frame == b"pong":
        return _PONG
    if len(frame) > MAX_FRAME_BYTES:
        raise FeedError(f"frame has {len(frame)} bytes, expected at most {MAX_FRAME_BYTES}")
    try:
        envelope = _envelope.decode(frame)
        if envelope.event:
            return _event(envelope)
        if envelope.arg is not None:
            return _push(envelope.arg.channel, envelope)
    except REFUSALS as error:
        raise FeedError(f"frame {excerpt(frame)} is not a message: {error}") from error
    if envelope.op or envelope.id:
        return parse_reply(frame)
    return Ignored("frame without arg")


def _push(channel: str, envelope: _Envelope) -> PrivateMessage:
    data = envelope.data
    if channel == "orders":
        orders = _orders.decode(data)
        return OrderPush(orders, strange_words(orders))
    event, page, is_last = envelope.eventType, envelope.curPage or 0, envelope.lastPage
    strange: tuple[str, ...] = () if event in PUSH_EVENTS else (f"eventType {event!r}",)
    if channel == "account":
        return AccountPush(event, page, is_last, _accounts.decode(data), strange)
    if channel == "positions":
        positions = _positions.decode(data)
        strange += strange_words(positions)
        return PositionPush(event, page, is_last, positions, strange)
    if channel == "balance_and_position":
        balances = _balances.decode(data)
        return BalancePush(page, is_last, balances, strange_words(balances))
    if channel == "fills":
        fills = _fills.decode(data)
        return FillPush(fills, strange_words(fills))
    return Ignored(f"channel {channel}")


def _event(envelope: _Envelope) -> PrivateMessage:
    event = envelope.event
    if event in {"subscribe", "unsubscribe"}:
        argument = envelope.arg or _Argument()
        return Ack(argument.channel, argument.instId, event == "subscribe", envelope.id)
    if event == "error" or (event == "login" and envelope.code not in {"", "0"}):
        return Failure(envelope.code, envelope.msg, envelope.id)
    if event == "login":
        return LoginDone(envelope.connId)
    if event == "notice":
        return Notice(envelope.code, envelope.msg)
    if event in {"channel-conn-count", "channel-conn-count-error"}:
        is_exceeded = event.endswith("-error")
        count = envelope.connCount or 0
        return ChannelCount(envelope.channel, count, is_exceeded, envelope.connId)
    return Ignored(f"event {event}")
