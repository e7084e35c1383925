"""Rows of an account, as the private channels push them and REST returns them.

One struct serves both: what only one of the two has stands at its default in the other.
Numbers are decoded with bounds, ``""`` stays ``""`` (not applicable, never 0), unknown
fields are passed over, and words that OKX may add to (states, categories, sources) stay
text. Ids stay text too, but for ``tradeId``, by which fills are sorted.
Source: OKX API v5, "Trade" and "Trading Account", read 2026-08; 71 keys of an order as captured.
Layer 2. Pure.
"""

# ruff: noqa: N815 - the exchange's names
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

__all__ = [
    "MAX_AMOUNT",
    "ORDER_STATES",
    "TERMINAL_STATES",
    "AccountRow",
    "BalanceRow",
    "CashRow",
    "CurrencyRow",
    "Fill",
    "Milliseconds",
    "OrderRow",
    "PositionRow",
    "Price",
    "Size",
    "TradeName",
]

MAX_AMOUNT: Final = 1e24
"""Bound of every signed amount: fees, balances, profits, positions."""

TERMINAL_STATES: Final = frozenset({"filled", "canceled", "mmp_canceled"})
"""States after which nothing of an order counts any more."""

ORDER_STATES: Final = TERMINAL_STATES | {"live", "partially_filled"}
"""States of an order that are known; of another nothing may be concluded."""

Price: TypeAlias = Annotated[float, Meta(gt=0, lt=1e12)]
Size: TypeAlias = Annotated[float, Meta(ge=0, lt=1e18)]
MaybePrice = Price | Literal[""]
MaybeSize = Size | Literal[""]
Milliseconds: TypeAlias = Annotated[int, Meta(ge=0, lt=9_000_000_000_000)]
Symbol = Annotated[str, Meta(min_length=1, max_length=48)]
Amount = Annotated[float, Meta(ge=-MAX_AMOUNT, le=MAX_AMOUNT)]
MaybeAmount = Amount | Literal[""]
# A price where "0" stands for none (avgPx), or that may be negative (liqPx of a portfolio).
MaybeZeroPrice = Annotated[float, Meta(ge=-1e12, lt=1e12)] | Literal[""]
MaybeTime = Milliseconds | Literal[""]
TradeId = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]  # negative for liquidations
MaybeTradeId = TradeId | Literal[""]
MaybeBool = bool | Literal[""]
Word = Annotated[str, Meta(max_length=64)]
Id = Annotated[str, Meta(max_length=64)]
Currency = Annotated[str, Meta(min_length=1, max_length=32)]
Text = Annotated[str, Meta(max_length=4096)]


class OrderRow(Struct, gc=False, frozen=True):
    """One order, complete. `tradeId` that is not ``""`` means a fill on a push.

    From REST the fill's fields are those of the last fill, and `execType`, `fillFee`,
    `lastPx` and `notionalUsd` are not there. A market order of a spot pair ends with a
    push of state ``filled`` without a trade: it is terminal, not a fill.
    """

    instId: Symbol
    ordId: Annotated[str, Meta(min_length=1, max_length=64)]
    side: Word
    state: Word
    ordType: Word
    sz: Size
    uTime: Milliseconds
    cTime: Milliseconds
    accFillSz: MaybeSize = ""
    clOrdId: Id = ""
    tag: Id = ""
    algoId: Id = ""
    algoClOrdId: Id = ""
    reqId: Id = ""
    instType: Word = ""
    tdMode: Word = ""
    ccy: Word = ""
    posSide: Word = ""
    px: MaybePrice = ""
    tgtCcy: Word = ""
    tradeQuoteCcy: Word = ""
    reduceOnly: MaybeBool = ""
    lever: MaybeAmount = ""
    stpMode: Word = ""
    avgPx: MaybeZeroPrice = ""
    fillNotionalUsd: MaybeAmount = ""
    notionalUsd: MaybeAmount = ""
    fee: MaybeAmount = ""
    feeCcy: Word = ""
    rebate: MaybeAmount = ""
    rebateCcy: Word = ""
    pnl: MaybeAmount = ""
    tradeId: MaybeTradeId = ""
    fillPx: MaybeZeroPrice = ""
    fillSz: MaybeSize = ""
    fillTime: MaybeTime = ""
    fillFee: MaybeAmount = ""
    fillFeeCcy: Word = ""
    fillPnl: MaybeAmount = ""
    execType: Word = ""
    lastPx: MaybeZeroPrice = ""
    cancelSource: Word = ""
    cancelSourceReason: Text = ""
    amendSource: Word = ""
    amendResult: Word = ""
    category: Word = ""
    source: Word = ""
    code: Word = ""
    msg: Text = ""

    @property
    def is_terminal(self) -> bool:
        """Whether the order has ended."""
        return self.state in TERMINAL_STATES

    @property
    def is_fill(self) -> bool:
        """Whether a push carries a fill."""
        return self.tradeId != ""


class Fill(Struct, gc=False, frozen=True):
    """One match, of the ``fills`` channel or of REST; `count` matches merged on the channel."""

    instId: Symbol
    tradeId: TradeId
    ordId: Id
    side: Word
    fillPx: MaybePrice
    fillSz: Size
    ts: Milliseconds
    clOrdId: Id = ""
    execType: Word = ""
    count: Annotated[int, Meta(ge=1, le=2**31)] = 1
    instType: Word = ""
    billId: Id = ""
    subType: Word = ""
    tag: Id = ""
    posSide: Word = ""
    fee: MaybeAmount = ""
    feeCcy: Word = ""
    feeRate: MaybeAmount = ""
    fillPnl: MaybeAmount = ""
    fillTime: MaybeTime = ""
    fillIdxPx: MaybeZeroPrice = ""
    fillMarkPx: MaybeZeroPrice = ""


class CurrencyRow(Struct, gc=False, frozen=True):
    """What an account has of one currency.

    Spendable is `availBal` in spot mode, where `availEq` is ``""``, and `availEq` else.
    """

    ccy: Currency
    uTime: MaybeTime = ""
    eq: MaybeAmount = ""
    cashBal: MaybeAmount = ""
    availBal: MaybeAmount = ""
    availEq: MaybeAmount = ""
    frozenBal: MaybeAmount = ""
    ordFrozen: MaybeAmount = ""
    isoEq: MaybeAmount = ""
    disEq: MaybeAmount = ""
    eqUsd: MaybeAmount = ""
    liab: MaybeAmount = ""
    crossLiab: MaybeAmount = ""
    isoLiab: MaybeAmount = ""
    interest: MaybeAmount = ""
    upl: MaybeAmount = ""
    imr: MaybeAmount = ""
    mmr: MaybeAmount = ""
    mgnRatio: MaybeAmount = ""
    borrowFroz: MaybeAmount = ""
    maxLoan: MaybeAmount = ""
    coinUsdPrice: MaybeAmount = ""


class AccountRow(Struct, frozen=True):
    """An account as a whole and by currency."""

    details: Annotated[list[CurrencyRow], Meta(max_length=4096)]
    uTime: MaybeTime = ""
    totalEq: MaybeAmount = ""
    adjEq: MaybeAmount = ""
    availEq: MaybeAmount = ""
    isoEq: MaybeAmount = ""
    ordFroz: MaybeAmount = ""
    imr: MaybeAmount = ""
    mmr: MaybeAmount = ""
    mgnRatio: MaybeAmount = ""
    borrowFroz: MaybeAmount = ""
    notionalUsd: MaybeAmount = ""
    upl: MaybeAmount = ""


class PositionRow(Struct, gc=False, frozen=True):
    """One position: contracts, signed in net mode, by `posSide` in long/short mode."""

    instId: Symbol
    posId: Annotated[str, Meta(min_length=1, max_length=64)]
    pos: Amount
    uTime: Milliseconds
    instType: Word = ""
    mgnMode: Word = ""
    posSide: Word = ""
    posCcy: Word = ""
    ccy: Word = ""
    availPos: MaybeAmount = ""
    avgPx: MaybeZeroPrice = ""
    nonSettleAvgPx: MaybeZeroPrice = ""
    markPx: MaybeZeroPrice = ""
    liqPx: MaybeAmount = ""
    bePx: MaybeAmount = ""
    last: MaybeZeroPrice = ""
    lever: MaybeAmount = ""
    upl: MaybeAmount = ""
    uplRatio: MaybeAmount = ""
    imr: MaybeAmount = ""
    mmr: MaybeAmount = ""
    margin: MaybeAmount = ""
    mgnRatio: MaybeAmount = ""
    notionalUsd: MaybeAmount = ""
    realizedPnl: MaybeAmount = ""
    pnl: MaybeAmount = ""
    fee: MaybeAmount = ""
    fundingFee: MaybeAmount = ""
    liqPenalty: MaybeAmount = ""
    settledPnl: MaybeAmount = ""
    tradeId: MaybeTradeId = ""
    adl: Word = ""
    cTime: MaybeTime = ""
    pTime: MaybeTime = ""


class CashRow(Struct, gc=False, frozen=True):
    """A currency's cash in ``balance_and_position``, without unrealised profit."""

    ccy: Currency
    cashBal: Amount
    uTime: Milliseconds


class TradeName(Struct, gc=False, frozen=True):
    """A fill that a change of balance is due to."""

    instId: Symbol
    tradeId: TradeId


class BalanceRow(Struct, frozen=True):
    """One change of balances and positions, and the fills it is due to."""

    pTime: Milliseconds
    eventType: Word
    balData: Annotated[list[CashRow], Meta(max_length=4096)] = []
    posData: Annotated[list[PositionRow], Meta(max_length=4096)] = []
    trades: Annotated[list[TradeName], Meta(max_length=4096)] = []
