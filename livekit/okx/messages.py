"""The exchange's public messages as types: bytes in, one typed message out.

Every number of the exchange is a JSON string; it is decoded straight into a float or
int with bounds, so NaN, infinity, a price that is not positive or a size that is
negative never gets past this module, and ``""`` (not applicable) stays ``""``. What the
exchange adds without a version bump is ignored: unknown fields silently, unknown
channels and events as an `Ignored` message for the caller to log once.

`parse` is the only way in, and `FeedError` the only error out of it, whatever the bytes.
Source: OKX API v5, "WebSocket", read 2026-08; field sets of 2021 and 2022 as captured.
Layer 2. Pure.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from livekit.errors import FeedError

__all__ = [
    "BOOK_CHANNELS",
    "MAX_FRAME_BYTES",
    "SNAPSHOT_CHANNELS",
    "Ack",
    "BookData",
    "BookPush",
    "Failure",
    "Ignored",
    "Level",
    "Message",
    "Notice",
    "Pong",
    "TextBookData",
    "TextLevel",
    "Ticker",
    "TickerPush",
    "Trade",
    "TradePush",
    "parse",
    "parse_book_text",
]

MAX_FRAME_BYTES: Final = 1 << 20
"""The largest frame read; a snapshot of 400 levels a side is 24 KB."""

BOOK_CHANNELS: Final = frozenset({"books", "books-l2-tbt", "books50-l2-tbt"})
"""Channels that send a snapshot and then updates."""

SNAPSHOT_CHANNELS: Final = frozenset({"bbo-tbt", "books5"})
"""Channels that send a whole, shallow book each time."""

_MAX_LEVELS: Final = 1024

Price = Annotated[float, Meta(gt=0, lt=1e12)]
Size = Annotated[float, Meta(ge=0, lt=1e18)]
MaybePrice = Price | Literal[""]
MaybeSize = Size | Literal[""]
Milliseconds = Annotated[int, Meta(ge=0, lt=9_000_000_000_000)]
Identity = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Symbol = Annotated[str, Meta(min_length=1, max_length=48)]


class Ticker(Struct, gc=False, frozen=True):
    """One row of a ``tickers`` push."""

    instId: Symbol  # noqa: N815 - the exchange's names, here and below
    ts: Milliseconds
    last: MaybePrice = ""
    bidPx: MaybePrice = ""  # noqa: N815
    askPx: MaybePrice = ""  # noqa: N815
    vol24h: MaybeSize = ""
    volCcy24h: MaybeSize = ""  # noqa: N815
    instType: str = ""  # noqa: N815


class Trade(Struct, gc=False, frozen=True):
    """One row of a ``trades`` push: `count` matches of one taker order at one price.

    `tradeId` is the last of the `count` ids. 2022 frames have no `count` and `seqId`.
    """

    instId: Symbol  # noqa: N815
    tradeId: Identity  # noqa: N815
    px: Price
    sz: Size
    side: Literal["buy", "sell"]
    ts: Milliseconds
    count: Annotated[int, Meta(ge=1, le=2**31)] = 1


class Level(Struct, array_like=True, gc=False, frozen=True):
    """A level of a book: price and the new absolute size; 0 deletes."""

    price: Price
    size: Size


class TextLevel(Struct, array_like=True, gc=False, frozen=True):
    """A level as the text it came as, which the historic checksum is made of."""

    price: str
    size: str


class BookData(Struct, frozen=True):
    """One row of a book push; ids are None where the channel or the year had none."""

    asks: Annotated[list[Level], Meta(max_length=_MAX_LEVELS)]
    bids: Annotated[list[Level], Meta(max_length=_MAX_LEVELS)]
    ts: Milliseconds
    seqId: int | None = None  # noqa: N815
    prevSeqId: int | None = None  # noqa: N815
    checksum: int | None = None


class TextBookData(Struct, frozen=True):
    """The sides of one row of a book push as text."""

    asks: list[TextLevel]
    bids: list[TextLevel]


class TickerPush(Struct, frozen=True):
    """Rows of the ``tickers`` channel."""

    symbol: str
    rows: list[Ticker]


class TradePush(Struct, frozen=True):
    """Rows of the ``trades`` channel."""

    symbol: str
    rows: list[Trade]


class BookPush(Struct, frozen=True):
    """Rows of a book channel; `raw` is their JSON, for `parse_book_text`."""

    channel: str
    symbol: str
    is_snapshot: bool
    rows: list[BookData]
    raw: Raw


class Ack(Struct, frozen=True):
    """A subscription was taken (`is_subscribed`) or ended."""

    channel: str
    symbol: str
    is_subscribed: bool
    request_id: str


class Failure(Struct, frozen=True):
    """An ``error`` event; it never says which subscription it is about."""

    code: str
    text: str
    request_id: str


class Notice(Struct, frozen=True):
    """A ``notice`` event: 64008 says this connection closes in about a minute."""

    code: str
    text: str


class Pong(Struct, frozen=True):
    """The answer to our ``ping``."""


class Ignored(Struct, frozen=True):
    """A well-formed message that is not market data we know; `what` names its kind."""

    what: str


Message = TickerPush | TradePush | BookPush | Ack | Failure | Notice | Pong | Ignored


class _Argument(Struct, gc=False):
    channel: str = ""
    instId: str = ""  # noqa: N815


class _Envelope(Struct):
    event: str = ""
    op: str = ""
    arg: _Argument | None = None
    action: str = ""
    data: Raw = msgspec.Raw()
    code: str = ""
    msg: str = ""
    id: str = ""


_PONG: Final = Pong()
_envelope: Final = msgspec.json.Decoder(_Envelope)
_tickers: Final = msgspec.json.Decoder(list[Ticker], strict=False)
_trades: Final = msgspec.json.Decoder(list[Trade], strict=False)
_books: Final = msgspec.json.Decoder(list[BookData], strict=False)
_text_books: Final = msgspec.json.Decoder(list[TextBookData])

# RecursionError: msgspec counts nesting with Python's own limit.
_REFUSALS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError)


def parse(frame: bytes) -> Message:
    """Return the message of one frame.

    Parameters
    ----------
    frame : bytes
        One text frame of a public WebSocket, as received.

    Returns
    -------
    Message
        A push, an event, or `Ignored` for what is well-formed and unknown.

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
        return _dispatch(_envelope.decode(frame))
    except _REFUSALS as error:
        raise FeedError(f"frame {_excerpt(frame)} is not a message: {error}") from error


def parse_book_text(push: BookPush) -> list[TextBookData]:
    """Return the rows of a book push as text, as the historic checksum needs them."""
    try:
        return _text_books.decode(push.raw)
    except _REFUSALS as error:
        raise FeedError(f"levels of {push.symbol!r} are not text: {error}") from error


def _dispatch(envelope: _Envelope) -> Message:
    if envelope.event:
        return _event(envelope)
    argument = envelope.arg
    if argument is None:
        return Ignored(f"op {envelope.op}" if envelope.op else "frame without arg")
    channel, data = argument.channel, envelope.data
    if channel == "trades":
        return TradePush(argument.instId, _trades.decode(data))
    if channel in BOOK_CHANNELS or channel in SNAPSHOT_CHANNELS:
        is_snapshot = channel in SNAPSHOT_CHANNELS or envelope.action == "snapshot"
        if not is_snapshot and envelope.action != "update":
            raise msgspec.ValidationError(f"unknown action {envelope.action!r}")
        return BookPush(channel, argument.instId, is_snapshot, _books.decode(data), data)
    if channel == "tickers":
        return TickerPush(argument.instId, _tickers.decode(data))
    return Ignored(f"channel {channel}")


def _event(envelope: _Envelope) -> Message:
    event = envelope.event
    if event in {"subscribe", "unsubscribe"}:
        argument = envelope.arg or _Argument()
        return Ack(argument.channel, argument.instId, event == "subscribe", envelope.id)
    if event == "error":
        return Failure(envelope.code, envelope.msg, envelope.id)
    if event == "notice":
        return Notice(envelope.code, envelope.msg)
    return Ignored(f"event {event}")


def _excerpt(frame: bytes) -> str:
    """Return the start of a frame for a message, whatever its bytes are."""
    return repr(frame[:80].decode("utf-8", "backslashreplace")) + ("…" if len(frame) > 80 else "")
