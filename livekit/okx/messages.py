"""The exchange's public messages as types: bytes in, one typed message out.

Every number of the exchange is a JSON string; it is decoded straight into a float or
int with bounds, so NaN, infinity, a price that is not positive or a size that is
negative never gets past this module, and ``""`` (not applicable) stays ``""``. What the
exchange adds without a version bump is ignored: unknown fields silently, unknown
channels, events and words as an `Ignored` message for the caller to log once. Only a
book's action that nobody knows is passed on: what it did to the book is not known.

`parse` is the only way in, and `FeedError` the only error out of it, whatever the bytes.
Source: OKX API v5, "WebSocket", read 2026-08; field sets of 2021 and 2022 as captured.
Layer 2. Pure.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from livekit.errors import FeedError
from livekit.okx.channels import BOOK_CHANNELS, PERIODS, SNAPSHOT_CHANNELS

__all__ = [
    "BOOK_CHANNELS",
    "MAX_FRAME_BYTES",
    "PERIODS",
    "SNAPSHOT_CHANNELS",
    "Ack",
    "BookData",
    "BookPush",
    "Candle",
    "CandlePush",
    "Failure",
    "Funding",
    "FundingPush",
    "Ignored",
    "InstrumentRow",
    "InstrumentsPush",
    "Level",
    "Message",
    "Notice",
    "Pong",
    "Push",
    "TextBookData",
    "TextLevel",
    "Ticker",
    "TickerPush",
    "Trade",
    "TradePush",
    "parse",
    "parse_argument",
    "parse_book_text",
]

MAX_FRAME_BYTES: Final = 1 << 20
"""The largest frame read; a snapshot of 400 levels a side is 24 KB."""

_MAX_LEVELS: Final = 1024

Price = Annotated[float, Meta(gt=0, lt=1e12)]
Size = Annotated[float, Meta(ge=0, lt=1e18)]
MaybePrice = Price | Literal[""]
MaybeSize = Size | Literal[""]
Milliseconds = Annotated[int, Meta(ge=0, lt=9_000_000_000_000)]
Identity = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Sequence = Annotated[int, Meta(ge=-(2**63) + 1, le=2**63 - 1)]
Checksum = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
Symbol = Annotated[str, Meta(min_length=1, max_length=48)]
Word = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=4096)]


class Ticker(Struct, gc=False, frozen=True):
    """One row of a ``tickers`` push."""

    instId: Symbol  # noqa: N815 - the exchange's names, here and below
    ts: Milliseconds
    last: MaybePrice = ""
    bidPx: MaybePrice = ""  # noqa: N815
    askPx: MaybePrice = ""  # noqa: N815
    vol24h: MaybeSize = ""
    volCcy24h: MaybeSize = ""  # noqa: N815
    instType: Word = ""  # noqa: N815


class Trade(Struct, gc=False, frozen=True):
    """One row of a ``trades`` push: `count` matches of one taker order at one price.

    `tradeId` is the last of the `count` ids. 2022 frames have no `count` and `seqId`.
    """

    instId: Symbol  # noqa: N815
    tradeId: Identity  # noqa: N815
    px: Price
    sz: Size
    side: Word
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
    seqId: Sequence | None = None  # noqa: N815
    prevSeqId: Sequence | None = None  # noqa: N815
    checksum: Checksum | None = None


class TextBookData(Struct, frozen=True):
    """The sides of one row of a book push as text."""

    asks: list[TextLevel]
    bids: list[TextLevel]


class Candle(Struct, array_like=True, gc=False, frozen=True):
    """A bar as it stands; `ts` is when it opened.

    `confirm` is "1" once it is final, and missing in frames of 2022. `vol` counts what
    sizes count: contracts, or base units of a spot pair.
    """

    ts: Milliseconds
    open: Price
    high: Price
    low: Price
    close: Price
    vol: Size
    volCcy: MaybeSize = ""  # noqa: N815
    volCcyQuote: MaybeSize = ""  # noqa: N815
    confirm: Word = ""


class Funding(Struct, gc=False, frozen=True):
    """One row of a ``funding-rate`` push: the estimate for `fundingTime`."""

    instId: Symbol  # noqa: N815
    fundingRate: Annotated[float, Meta(ge=-1, le=1)]  # noqa: N815
    fundingTime: Milliseconds  # noqa: N815
    nextFundingTime: Milliseconds | Literal[""] = ""  # noqa: N815


class InstrumentRow(Struct, gc=False, frozen=True):
    """One row of an ``instruments`` push, as text; a listing may leave steps empty."""

    instId: Symbol  # noqa: N815
    state: Annotated[str, Meta(max_length=32)] = ""
    tickSz: Annotated[str, Meta(max_length=40)] = ""  # noqa: N815
    lotSz: Annotated[str, Meta(max_length=40)] = ""  # noqa: N815
    minSz: Annotated[str, Meta(max_length=40)] = ""  # noqa: N815


class TickerPush(Struct, frozen=True):
    """Rows of the ``tickers`` channel."""

    symbol: str
    rows: list[Ticker]


class TradePush(Struct, frozen=True):
    """Rows of the ``trades`` channel."""

    symbol: str
    rows: list[Trade]


class BookPush(Struct, frozen=True):
    """Rows of a book channel; `raw` is their JSON. None of an action that is `unknown`."""

    channel: str
    symbol: str
    is_snapshot: bool
    rows: list[BookData]
    raw: Raw
    unknown: str = ""


class CandlePush(Struct, frozen=True):
    """Rows of a ``candle`` channel; `period` of the bar in ns."""

    channel: str
    symbol: str
    period: int
    rows: list[Candle]


class FundingPush(Struct, frozen=True):
    """Rows of the ``funding-rate`` channel."""

    symbol: str
    rows: list[Funding]


class InstrumentsPush(Struct, frozen=True):
    """Rows of the ``instruments`` channel: what changed."""

    rows: list[InstrumentRow]


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


Push = TickerPush | TradePush | BookPush | CandlePush | FundingPush | InstrumentsPush
Message = Push | Ack | Failure | Notice | Pong | Ignored


class _Argument(Struct, gc=False):
    channel: Word = ""
    instId: Word = ""  # noqa: N815


class _Envelope(Struct):
    event: Word = ""
    op: Word = ""
    arg: _Argument | None = None
    action: Word = ""
    data: Raw = msgspec.Raw()
    code: Word = ""
    msg: Text = ""
    id: Word = ""


_SIDES: Final = frozenset({"buy", "sell"})
_CONFIRMS: Final = frozenset({"0", "1", ""})
_PONG: Final = Pong()
_envelope: Final = msgspec.json.Decoder(_Envelope)
_tickers: Final = msgspec.json.Decoder(list[Ticker], strict=False)
_trades: Final = msgspec.json.Decoder(list[Trade], strict=False)
_candles: Final = msgspec.json.Decoder(list[Candle], strict=False)
_funding: Final = msgspec.json.Decoder(list[Funding], strict=False)
_instruments: Final = msgspec.json.Decoder(list[InstrumentRow])
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


def parse_argument(prefix: bytes) -> tuple[str, str]:
    """Return channel and symbol of a push that begins with these bytes; "" where there are none.

    Parameters
    ----------
    prefix : bytes
        Up to and with the brace that closes the push's ``arg``.
    """
    try:
        argument = _envelope.decode(prefix + b"}").arg
    except _REFUSALS:
        return "", ""
    return ("", "") if argument is None else (argument.channel, argument.instId)


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
    channel, symbol, data = argument.channel, argument.instId, envelope.data
    if channel == "trades":
        return _prints(symbol, data)
    if channel in BOOK_CHANNELS or channel in SNAPSHOT_CHANNELS:
        return _book(channel, symbol, envelope.action, data)
    if channel == "tickers":
        return TickerPush(symbol, _tickers.decode(data))
    return _dispatch_rare(channel, symbol, data)


def _prints(symbol: str, data: Raw) -> Message:
    rows = _trades.decode(data)
    strange = [row.side for row in rows if row.side not in _SIDES]
    return Ignored(f"trade side {strange[0]!r}") if strange else TradePush(symbol, rows)


def _book(channel: str, symbol: str, action: str, data: Raw) -> BookPush:
    is_snapshot = channel in SNAPSHOT_CHANNELS or action == "snapshot"
    if is_snapshot or action == "update":
        return BookPush(channel, symbol, is_snapshot, _books.decode(data), data)
    if not action:
        raise msgspec.ValidationError("a book's frame has no action")
    return BookPush(channel, symbol, is_snapshot, [], data, action)


def _dispatch_rare(channel: str, symbol: str, data: Raw) -> Message:
    period = PERIODS.get(channel.removeprefix("candle"))
    if period is not None:
        bars = _candles.decode(data)
        strange = [row.confirm for row in bars if row.confirm not in _CONFIRMS]
        if strange:
            return Ignored(f"candle confirm {strange[0]!r}")
        return CandlePush(channel, symbol, period, bars)
    if channel == "funding-rate":
        return FundingPush(symbol, _funding.decode(data))
    if channel == "instruments":
        return InstrumentsPush(_instruments.decode(data))
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
