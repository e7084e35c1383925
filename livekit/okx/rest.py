"""Bodies of REST answers as types: one parse function for each call in use.

Every body is ``{"code","msg","data"}``. A code that is not 0 is an `ApiError`, which is a
FeedError with the code in it; orders placed, amended and cancelled are read by
okx/replies.py instead, because their codes stand in the rows. `FeedError` is the only
error, whatever the bytes.
Source: OKX API v5, REST reference, read 2026-08.
Layer 2. Pure.
"""

# ruff: noqa: N815 - the exchange's names
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from livekit.errors import ConfigError, FeedError
from livekit.instruments import Instrument
from livekit.okx.messages import Level
from livekit.okx.outcome import advice
from livekit.okx.replies import REFUSALS, excerpt
from livekit.okx.rows import (
    AccountRow,
    Fill,
    Milliseconds,
    OrderRow,
    PositionRow,
    Price,
    Size,
)

__all__ = [
    "AccountConfig",
    "ApiError",
    "Bar",
    "Book",
    "Fee",
    "FeeGroup",
    "Leverage",
    "Listing",
    "Maintenance",
    "OrderRate",
    "SwitchState",
    "parse_account_config",
    "parse_balance",
    "parse_books",
    "parse_cancel_all_after",
    "parse_candles",
    "parse_fills",
    "parse_leverage",
    "parse_listings",
    "parse_order_rate",
    "parse_orders",
    "parse_positions",
    "parse_status",
    "parse_time",
    "parse_trade_fee",
]

_MAX_BYTES: Final = 16 << 20
_MAX_ROWS: Final = 1 << 16
_KINDS: Final = {"SPOT": "spot", "SWAP": "swap", "FUTURES": "futures", "OPTION": "option"}

Word = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=4096)]
Rate = Annotated[float, Meta(ge=-1, le=1)]
MaybeRate = Rate | Literal[""]
MaybeStep = Annotated[float, Meta(gt=0, lt=1e12)] | Literal[""]
MaybeLimit = Annotated[float, Meta(ge=0, lt=1e24)] | Literal[""]
Code = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class ApiError(FeedError):
    """An answer that carries a code: `code`, and in the message what to do about it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"exchange answered {code} {text!r}: {advice(code)}")
        self.code = code


class AccountConfig(Struct, frozen=True):
    """Mode of the account and rights of the key; empty where the answer is silent.

    `acctLv` is 1 spot, 2 futures, 3 multi-currency, 4 portfolio; `perm` a list by commas of
    read_only, trade and withdraw; `ip` the addresses the key is bound to, if any.
    """

    acctLv: Word
    posMode: Word
    perm: Text = ""
    ip: Text = ""
    uid: Word = ""
    mainUid: Word = ""
    label: Text = ""
    level: Word = ""
    feeType: Word = ""
    acctStpMode: Word = ""
    settleCcy: Word = ""
    type: Word = ""
    autoLoan: bool = False
    enableSpotBorrow: bool = False

    @property
    def permissions(self) -> frozenset[str]:
        """Rights of the key, such as ``trade``."""
        return frozenset(one.strip() for one in self.perm.split(",") if one.strip())


class Listing(Struct, frozen=True):
    """An instrument and what orders of it need besides: code, state, limits, fee group.

    `instrument` is None for a row that has no steps yet; `code` is None where the exchange
    has none, and then orders go over REST.
    """

    symbol: str
    instrument: Instrument | None
    code: int | None
    kind: str
    state: str
    base: str
    quote: str
    settle: str
    group: str
    contract_type: str
    max_limit_size: float
    max_market_size: float
    max_leverage: float


class Book(Struct, frozen=True):
    """A book over REST; it has no ``prevSeqId``."""

    asks: Annotated[list[Level], Meta(max_length=5000)]
    bids: Annotated[list[Level], Meta(max_length=5000)]
    ts: Milliseconds
    seqId: Code | None = None


class Bar(Struct, array_like=True, gc=False, frozen=True):
    """A bar; `ts` is when it opened, `confirm` ``1`` once it is final."""

    ts: Milliseconds
    open: Price
    high: Price
    low: Price
    close: Price
    vol: Size
    volCcy: Size | Literal[""] = ""
    volCcyQuote: Size | Literal[""] = ""
    confirm: Literal["0", "1", ""] = ""


class FeeGroup(Struct, frozen=True):
    """Fees of a group of instruments: negative is paid, positive is a rebate."""

    groupId: Word = ""
    taker: MaybeRate = ""
    maker: MaybeRate = ""


class Fee(Struct, frozen=True):
    """The account's fees for a type of instruments."""

    instType: Word = ""
    level: Word = ""
    ts: Milliseconds | Literal[""] = ""
    feeGroup: list[FeeGroup] = []
    taker: MaybeRate = ""
    maker: MaybeRate = ""


class Leverage(Struct, frozen=True):
    """Leverage as it was set; as text, because it comes back as it was sent."""

    lever: Word
    mgnMode: Word
    instId: Word = ""
    posSide: Word = ""


class SwitchState(Struct, frozen=True):
    """The dead man's switch: when it fires, ms, 0 if it is off."""

    triggerTime: Milliseconds
    tag: Word = ""
    ts: Milliseconds | Literal[""] = ""


class Maintenance(Struct, frozen=True):
    """A maintenance; `state` is scheduled, ongoing, pre_open, completed or canceled.

    `env` is ``1`` for production and ``2`` for demo trading.
    """

    title: Text
    state: Word
    begin: Milliseconds
    end: Milliseconds | Literal[""] = ""
    env: Word = ""
    system: Word = ""
    maintType: Word = ""
    serviceType: Word = ""


class OrderRate(Struct, frozen=True):
    """How many new and amended orders the account may send in two seconds."""

    accRateLimit: Annotated[int, Meta(ge=0, lt=2**31)] | Literal[""]
    nextAccRateLimit: Annotated[int, Meta(ge=0, lt=2**31)] | Literal[""] = ""
    ts: Milliseconds | Literal[""] = ""


class _Time(Struct):
    ts: Milliseconds


class _Envelope(Struct):
    code: Annotated[str, Meta(max_length=16)]
    msg: Text = ""
    data: Raw = msgspec.Raw()


class _Instrument(Struct, gc=False):
    instId: Annotated[str, Meta(min_length=1, max_length=48)]
    instType: Word = ""
    instIdCode: Code | None = None
    state: Word = ""
    tickSz: MaybeStep = ""
    lotSz: MaybeStep = ""
    minSz: MaybeStep = ""
    ctVal: MaybeStep = ""
    ctMult: MaybeStep = ""
    ctType: Word = ""
    baseCcy: Word = ""
    quoteCcy: Word = ""
    settleCcy: Word = ""
    groupId: Word = ""
    maxLmtSz: MaybeLimit = ""
    maxMktSz: MaybeLimit = ""
    lever: MaybeLimit = ""


_Row = TypeVar("_Row")


def _decoder(row: type[_Row]) -> "msgspec.json.Decoder[list[_Row]]":
    rows = Annotated[list[row], Meta(max_length=_MAX_ROWS)]  # type: ignore[valid-type]
    return msgspec.json.Decoder(rows, strict=False)


_envelope: Final = msgspec.json.Decoder(_Envelope)
_time: Final = _decoder(_Time)
_configs: Final = _decoder(AccountConfig)
_instruments: Final = _decoder(_Instrument)
_accounts: Final = _decoder(AccountRow)
_positions: Final = _decoder(PositionRow)
_orders: Final = _decoder(OrderRow)
_fills: Final = _decoder(Fill)
_books: Final = _decoder(Book)
_bars: Final = _decoder(Bar)
_fees: Final = _decoder(Fee)
_leverages: Final = _decoder(Leverage)
_switches: Final = _decoder(SwitchState)
_maintenances: Final = _decoder(Maintenance)
_order_rates: Final = _decoder(OrderRate)


def _rows(decoder: "msgspec.json.Decoder[list[_Row]]", body: bytes) -> list[_Row]:
    if len(body) > _MAX_BYTES:
        raise FeedError(f"answer has {len(body)} bytes, expected at most {_MAX_BYTES}")
    try:
        envelope = _envelope.decode(body)
        if envelope.code != "0":
            raise ApiError(envelope.code, envelope.msg)
        return decoder.decode(envelope.data)
    except REFUSALS as error:
        raise FeedError(f"answer {excerpt(body)} is not the one asked for: {error}") from error


def _first(decoder: "msgspec.json.Decoder[list[_Row]]", body: bytes) -> _Row:
    rows = _rows(decoder, body)
    if not rows:
        raise FeedError(f"answer {excerpt(body)} has no row, expected one")
    return rows[0]


def parse_time(body: bytes) -> int:
    """Return the server's time, ms."""
    return _first(_time, body).ts


def parse_listings(body: bytes) -> list[Listing]:
    """Return the instruments of ``public/instruments`` or ``account/instruments``.

    Rows of types that are not traded here (MARGIN repeats SPOT, EVENTS) are left out.
    """
    return [_listing(row) for row in _rows(_instruments, body) if row.instType in _KINDS]


def parse_account_config(body: bytes) -> AccountConfig:
    """Return the account's mode and the key's rights."""
    return _first(_configs, body)


def parse_balance(body: bytes) -> AccountRow:
    """Return the account's balances."""
    return _first(_accounts, body)


def parse_positions(body: bytes) -> list[PositionRow]:
    """Return the positions."""
    return _rows(_positions, body)


def parse_orders(body: bytes) -> list[OrderRow]:
    """Return the orders of ``trade/order``, ``orders-pending`` or ``orders-history``."""
    return _rows(_orders, body)


def parse_fills(body: bytes) -> list[Fill]:
    """Return the fills of ``trade/fills`` or ``fills-history``, newest first."""
    return _rows(_fills, body)


def parse_books(body: bytes) -> Book:
    """Return the book of ``market/books``."""
    return _first(_books, body)


def parse_candles(body: bytes) -> list[Bar]:
    """Return the bars of ``market/candles``, newest first."""
    return _rows(_bars, body)


def parse_trade_fee(body: bytes) -> Fee:
    """Return the fees of ``account/trade-fee``."""
    return _first(_fees, body)


def parse_leverage(body: bytes) -> Leverage:
    """Return what ``account/set-leverage`` has set."""
    return _first(_leverages, body)


def parse_cancel_all_after(body: bytes) -> SwitchState:
    """Return the state of the dead man's switch."""
    return _first(_switches, body)


def parse_status(body: bytes) -> list[Maintenance]:
    """Return the maintenance of ``system/status``; none, most of the time."""
    return _rows(_maintenances, body)


def parse_order_rate(body: bytes) -> OrderRate:
    """Return the limit of ``trade/account-rate-limit``."""
    return _first(_order_rates, body)


def _listing(row: _Instrument) -> Listing:
    instrument = None
    if row.tickSz and row.lotSz and row.minSz:
        value = (row.ctVal or 1.0) * (row.ctMult or 1.0)
        try:
            kind = _KINDS[row.instType]
            instrument = Instrument(row.instId, row.tickSz, row.lotSz, row.minSz, value, kind)
        except ConfigError as error:
            raise FeedError(f"row of {row.instId!r} is no instrument: {error}") from error
    return Listing(
        symbol=row.instId,
        instrument=instrument,
        code=row.instIdCode,
        kind=_KINDS[row.instType],
        state=row.state,
        base=row.baseCcy,
        quote=row.quoteCcy,
        settle=row.settleCcy,
        group=row.groupId,
        contract_type=row.ctType,
        max_limit_size=row.maxLmtSz or 0.0,
        max_market_size=row.maxMktSz or 0.0,
        max_leverage=row.lever or 0.0,
    )
