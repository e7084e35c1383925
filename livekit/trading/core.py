"""One trading core: the memory of orders, positions, risk and paper exchange, with its views.

`TradingCore` allocates the block, lays out its sections and fills in what a user
configures. After that every change is made by jitted functions that get its address;
the NumPy views look at the same memory. One thread at a time may call them.
Layer 2.
"""

import math
import mmap
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Final

import numpy as np

from livekit.errors import ConfigError
from livekit.events import BOOK
from livekit.instruments import Instrument
from livekit.ring.call import address_of
from livekit.ring.layout import aligned_zeros
from livekit.trading.account import AccountManager
from livekit.trading.ids import MAX_EPOCH
from livekit.trading.latency import Latency
from livekit.trading.layout import (
    CORE,
    ENTRY,
    LINE,
    MARKET,
    ORDER_ROW,
    OUTBOX,
    POSITION,
    SEND,
    STRATEGY,
    WIRE,
    Gate,
    TradingState,
)
from livekit.trading.limits import LIMITS, Fees, RiskLimits
from livekit.trading.models import latency_table, write_latency, write_queue
from livekit.trading.outbox import SPARE_REPORTS
from livekit.trading.paper.answers import hear
from livekit.trading.paper.wire import MESSAGES_PER_ORDER
from livekit.trading.queue_model import QueueModel
from livekit.trading.risk import open_strategy, set_gate
from livekit.trading.risk_manager import RiskManager
from livekit.trading.router import OrderRouter, cancel_all, cancel_strategy

__all__ = ["AccountManager", "OrderRouter", "RiskManager", "TradingCore", "TradingState"]

_ALIGN: Final = 128
_WORD: Final = np.dtype("<i8")
_SLACK: Final = 1e-6
_SENDS: Final = 3  # requests about one order that may wait: one of each kind


def _touch(part: np.ndarray) -> None:
    """Have the system give the memory of a zeroed part now, by writing to it.

    A page that is read before it is written, as an entry of the index is, is given twice,
    and the second time every core of the process is interrupted: with two threads that
    was a twentieth of a sweep.
    """
    part.view(np.uint8).reshape(-1)[:: mmap.PAGESIZE] = 0


class TradingCore:
    """The memory of one account's trading, and its Python face.

    Parameters
    ----------
    instruments : sequence of Instrument
        Their numbers are their places; more may be appended later.
    n_strategies : int
        Number of strategy slots, 1 to 1024.
    max_orders : int
        Orders open at a time; final ones are remembered in what is left. 1 to 2**20.
    max_instruments : int
        Capacity, 1 to 65535.
    limits : RiskLimits, optional
        Of every strategy, until set for one.
    fees : Fees, optional
        Of every instrument, until set for one.
    cash : float
        At the start, quote currency.
    epoch : int
        Of the account, written into client order ids; rises at every start of an engine.
    unlimited_depth : bool
        Let a taker fill whole at the touch, whatever size it shows.
    latency : Latency, optional
        Of orders and answers on paper; none by default. With one, the caller lets time
        pass with `advance`.
    queue : QueueModel, str, tuple or callable
        How resting orders fill; see `QueueModel`.
    partial_fills : bool
        Whether an order on paper may fill in part: with False a print that reaches a
        resting order fills it whole, and a taker fills whole at the touch.

    Attributes
    ----------
    address : int
        Of the block, for jitted functions. The object must outlive its use.
    header, markets, books, strategies, limits, positions, orders, outbox : ndarray
        Views of the block: CORE (), MARKET and BOOK by instrument, STRATEGY and LIMITS
        by slot, POSITION by slot and instrument, ORDER_ROW by row (0 is none), OUTBOX.
    lines, wire : ndarray
        LINE[2] (requests, answers) and WIRE, the messages in flight.
    latency : Latency
    queue : QueueModel
    account, risk, router
        Faces of the same memory.

    Raises
    ------
    ConfigError
        A capacity, the cash or the epoch is out of range, instruments are too many, or a
        model is none.

    Notes
    -----
    Pages are only used once written: 64 strategies by 1024 instruments reserve 8 MB
    of addresses, and use 4 KiB for each strategy that trades a few instruments.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument] = (),
        *,
        n_strategies: int = 64,
        max_orders: int = 16384,
        max_instruments: int = 1024,
        limits: RiskLimits | None = None,
        fees: Fees | None = None,
        cash: float = 100_000.0,
        epoch: int = 0,
        unlimited_depth: bool = False,
        latency: Latency | None = None,
        queue: QueueModel | str | tuple[str, float] | Callable[..., Any] = "risk_averse",
        partial_fills: bool = True,
    ) -> None:
        _require("n_strategies", n_strategies, 1, 1024)
        _require("max_orders", max_orders, 1, 1 << 20)
        _require("max_instruments", max_instruments, 1, 65535)
        _require("epoch", epoch, 0, MAX_EPOCH)
        if not math.isfinite(cash):
            raise ConfigError(f"cash is {cash!r}, expected a finite amount of quote currency")
        self.n_strategies, self.max_orders = n_strategies, max_orders
        self.max_instruments = max_instruments
        self.fees = fees or Fees()
        self.latency = Latency() if latency is None else latency
        self.queue = QueueModel.parse(queue)
        self.symbols: list[str] = []
        self._lay_out()
        header = self.header
        header["n_strategies"], header["max_orders"] = n_strategies, max_orders
        header["max_instruments"], header["max_reports"] = max_instruments, len(self.outbox)
        header["initial_cash"] = header["cash"] = cash
        header["epoch"], header["partial_fills"] = epoch, partial_fills
        header["unlimited_depth"] = unlimited_depth or not partial_fills
        write_latency(self.lines, self.latency, int(header["table"]))
        write_queue(header, self.queue)
        header["hear"] = address_of(hear, 2)
        self.limits[:] = (limits or RiskLimits()).to_row()
        self.account = AccountManager(self)
        self.risk = RiskManager(self)
        self.router = OrderRouter(self)
        for instrument in instruments:
            self.append_instrument(instrument)

    def _lay_out(self) -> None:
        """Allocate the block and make the views of its sections."""
        # At most half full, so that a probe is short and always ends.
        n_entries = 1 << max(4, (2 * self.max_orders - 1).bit_length())
        points = latency_table(self.latency)
        n_messages = 0 if self.latency.is_zero else self.max_orders * MESSAGES_PER_ORDER
        sections = {
            "lines": (LINE, (2,)),
            "markets": (MARKET, (self.max_instruments,)),
            "books": (BOOK, (self.max_instruments,)),
            "strategies": (STRATEGY, (self.n_strategies,)),
            "limits": (LIMITS, (self.n_strategies,)),
            "index": (ENTRY, (n_entries,)),
            "orders": (ORDER_ROW, (self.max_orders + 1,)),
            "outbox": (OUTBOX, (2 * self.max_orders + SPARE_REPORTS,)),
            "positions": (POSITION, (self.n_strategies, self.max_instruments)),
            "table": (_WORD, points.shape),
            "wire": (WIRE, (n_messages + 1,)),
            "sends": (SEND, (_SENDS * (self.max_orders + 1),)),
        }
        offsets, end = {}, CORE.itemsize
        for name, (dtype, shape) in sections.items():
            offsets[name] = end
            end += -(-dtype.itemsize * math.prod(shape) // _ALIGN) * _ALIGN
        block = aligned_zeros(end, _ALIGN)
        self.memory = block
        self.address = int(block.ctypes.data)
        self.header: np.ndarray = block[: CORE.itemsize].view(CORE).reshape(())
        views: dict[str, np.ndarray] = {}
        for name, (dtype, shape) in sections.items():
            n_bytes = dtype.itemsize * math.prod(shape)
            part = block[offsets[name] : offsets[name] + n_bytes]
            views[name] = part.view(dtype).reshape(shape)
            self.header[name] = offsets[name]
        self.header["index_mask"], self.header["max_wire"] = n_entries - 1, n_messages
        views["table"][:] = points
        self.markets, self.books = views["markets"], views["books"]
        self.strategies, self.limits = views["strategies"], views["limits"]
        self.positions, self.orders = views["positions"], views["orders"]
        self.outbox, self.index = views["outbox"], views["index"]
        self.lines, self.wire = views["lines"], views["wire"]
        self.sends = views["sends"]
        self.header["max_sends"] = len(self.sends)
        _touch(self.index)

    def touch(self) -> None:
        """Have the system give the memory of orders now.

        Else the first of every sixteen orders waits for a page, and takes 5 µs in place of 1.
        """
        _touch(self.orders)

    def append_instrument(self, instrument: Instrument, fees: Fees | None = None) -> int:
        """Append an instrument and return its number.

        Raises
        ------
        ConfigError
            The capacity is used up, or a step is no decimal number of usable size.
        """
        number = len(self.symbols)
        if number == self.max_instruments:
            raise ConfigError(
                f"instrument {instrument.symbol!r} is number {number}, expected at most "
                f"{self.max_instruments} instruments; make the core with a larger max_instruments"
            )
        rates = fees or self.fees
        row = np.zeros((), MARKET)
        for name in ("bid_price", "ask_price", "last_price"):
            row[name] = math.nan
        row["buy_bound"], row["sell_bound"] = -math.inf, math.inf
        row["buy_watch"], row["sell_watch"] = -math.inf, math.inf
        row["slack"] = instrument.tick * _SLACK
        row["is_spot"] = instrument.kind == "spot"
        row["tick_numerator"], row["tick_denominator"] = _fraction(
            instrument.symbol, instrument.tick
        )
        row["lot_numerator"], row["lot_denominator"] = _fraction(instrument.symbol, instrument.lot)
        row["min_lots"] = math.ceil(instrument.min_quantity / instrument.lot - _SLACK)
        row["contract_value"] = instrument.contract_value
        row["maker_fee"], row["taker_fee"] = rates.maker, rates.taker
        self.markets[number] = row
        self.symbols.append(instrument.symbol)
        # Last, so that the number is only known once its row is whole.
        self.header["n_instruments"] = number + 1
        return number

    def quantity(self, instrument: int, lots: int) -> float:
        """Return a number of lots in units of the instrument."""
        row = self.markets[instrument]
        return float(lots * row["lot_numerator"] / row["lot_denominator"])

    def check_strategy(self, strategy: int) -> None:
        """Refuse a slot that the core does not have.

        Raises
        ------
        ConfigError
            The slot is out of range.
        """
        _require("strategy slot", strategy, 0, self.n_strategies - 1)

    def positions_of(self, strategy: int) -> np.ndarray:
        """Return a strategy's positions, float64[max_instruments], units; a copy."""
        self.check_strategy(strategy)
        steps = self.markets
        lots = self.positions[strategy]["lots"]
        # A number not yet given to an instrument has neither lots nor steps.
        denominator = np.where(steps["lot_denominator"] > 0, steps["lot_denominator"], 1.0)
        return lots * steps["lot_numerator"] / denominator

    def open_strategy(self, strategy: int) -> None:
        """Begin with a newly attached strategy in a slot. See `risk.open_strategy`."""
        self.check_strategy(strategy)
        open_strategy(self.address, strategy)

    def set_gate(self, strategy: int, *, is_open: bool) -> None:
        """Let a strategy trade, or refuse everything of it but cancels."""
        self.check_strategy(strategy)
        set_gate(self.address, strategy, int(Gate.OPEN if is_open else Gate.FENCED))

    def cancel_strategy(self, strategy: int, now_ns: int) -> int:
        """Cancel every open order of a strategy on paper; how many, or OUTBOX_FULL (-1)."""
        self.check_strategy(strategy)
        return int(cancel_strategy(self.address, strategy, now_ns))

    def cancel_all(self, now_ns: int) -> int:
        """Cancel every open order of the account on paper; how many, or OUTBOX_FULL (-1)."""
        return int(cancel_all(self.address, now_ns))

    def clear_outbox(self) -> None:
        """Forget the reports in the outbox."""
        self.header["n_reports"] = 0

    def drain(self) -> np.ndarray:
        """Take all reports out of the outbox.

        Returns
        -------
        ndarray
            OUTBOX rows (strategy, report), a copy, in the order they were made.
        """
        reports = self.outbox[: int(self.header["n_reports"])].copy()
        self.clear_outbox()
        return reports


def _require(name: str, value: int, low: int, high: int) -> None:
    """Refuse a whole number out of its range."""
    if not (isinstance(value, int | np.integer) and low <= value <= high):
        raise ConfigError(f"{name} is {value!r}, expected a whole number from {low} to {high}")


def _fraction(symbol: str, step: float) -> tuple[float, float]:
    """Return a step as numerator and denominator, whole and exact in float64."""
    # The shortest decimal that is this float64: 0.1 becomes 1/10.
    exact = Fraction(repr(float(step)))
    if max(exact.numerator, exact.denominator) > 1 << 50:
        raise ConfigError(
            f"step {step!r} of {symbol!r} has too many digits, expected a decimal number "
            "such as 0.1 or 1e-8"
        )
    return float(exact.numerator), float(exact.denominator)
