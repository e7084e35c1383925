"""The compiled way to run a strategy: its callbacks as machine code, in a jitted loop.

Has the face of `Interpreted`, so the process does not know which of the two it runs.
Python is here only between turns: to write log lines, to log and count exceptions, and
to end the strategy after too many of them.
Layer 2. One thread.
"""

import ctypes
import logging
import time
import traceback
from pathlib import Path
from typing import Any, Final

from numba import types

from livekit.config import MAX_ERRORS_IN_A_ROW
from livekit.errors import StrategyError
from livekit.events import EVENT_BYTES, Kind
from livekit.ring.layout import aligned_zeros
from livekit.ring.wait import WAITS
from livekit.strategy.api import Strategy
from livekit.strategy.compiled.driver import BATCH, DRIVER, abandon, call, conclude, turn
from livekit.strategy.compiled.program import Program, build
from livekit.strategy.context import Context
from livekit.strategy.declaration import CALLBACKS, Declaration
from livekit.strategy.flyweight import EVENT_CLASSES, Event, bind
from livekit.strategy.layout import LOG_ROWS
from livekit.strategy.lines import describe_error, format_line, log_failure
from livekit.strategy.table import InstrumentTable

__all__ = ["Compiled"]

_LOG: Final = logging.getLogger(__name__)

_PACKAGE: Final = str(Path(__file__).resolve().parents[2])
_TURN_NS: Final = 1_000_000
_LOOK_NS: Final = 100_000_000
_LOG_TAIL: Final = Context.WORD["log_tail"]
_LOG_HEAD: Final = Context.WORD["log_head"]
_EVENT: Final = Context.WORD["event"]


class Compiled:
    """Runs a strategy's methods compiled.

    Parameters
    ----------
    strategy : Strategy
        Its state, as its `__init__` left it, is what the state record starts with.
    declaration : Declaration
        Of its class.
    context : Context
        Sides, instruments, symbols, parameters and epoch filled in.
    table : InstrumentTable
    wait_name : str
        One of WAITS.
    program : Program, optional
        Of the same class, from `build`, for many runs of it: then nothing is built here.

    Attributes
    ----------
    failure : str
        Why the strategy must end; empty while it may go on.
    is_stopped : bool
        Whether the engine's STOP has come.
    program : Program

    Raises
    ------
    StrategyError
        The class cannot be compiled, or a field starts as what it is not declared.
    """

    def __init__(
        self,
        strategy: Strategy,
        declaration: Declaration,
        context: Context,
        table: InstrumentTable,
        wait_name: str = "laptop",
        program: Program | None = None,
    ) -> None:
        self.failure = ""
        self.is_stopped = False
        self._declaration, self._context, self._table = declaration, context, table
        self._words = context.words
        self.program: Program = program or build(type(strategy), declaration)
        _fill_state(strategy, declaration, context)
        self._memory = aligned_zeros(DRIVER.itemsize).view(DRIVER)
        self._view = self._memory[0]
        self._address = int(self._memory.ctypes.data)
        self._fill_driver(wait_name)
        self._streak, self._last_error, self._lost = 0, -2, 0
        self._unknown = [i for i, number in enumerate(context.symbols) if number < 0]
        self._look_again = 0

    def warm_up(self) -> None:
        """Compile, or load, what the process's loop calls; before it can have an event."""
        functions: tuple[tuple[Any, int], ...] = ((turn, 1), (conclude, 1), (abandon, 1), (call, 2))
        for function, arguments in functions:
            function.compile((types.int64,) * arguments)

    def _fill_driver(self, wait_name: str) -> None:
        view, declaration = self._view, self._declaration
        view["ctx"], view["limit"], view["turn_ns"] = self._context.address, BATCH, _TURN_NS
        view["spin_ns"], view["yield_ns"], view["sleep_ns"] = WAITS[wait_name]
        # The kinds that count as handled are the interpreted runner's, so that both
        # agree on what is an exception in a row.
        view["listed"] = declaration.kinds | 1 << Kind.ORDER | 1 << Kind.PARAMS
        view["uses_book"] = declaration.uses_book
        for name, address in self.program.addresses.items():
            if name == "on_fill":
                view["on_fill"] = address
            elif name in CALLBACKS:
                view["callbacks"][CALLBACKS[name]] = address

    # What the process calls.

    def start(self) -> None:
        """Run `on_start`; its exceptions are the caller's."""
        address = self.program.addresses.get("on_start")
        if address:
            try:
                call(address, self._context.address)
            finally:
                self.drain_log()

    def turn(self) -> int:
        """Wait for events and handle batches; return how many events, 0 for none, or BROKEN."""
        if self._unknown and time.monotonic_ns() >= self._look_again:
            self._find_symbols()
        while True:
            try:
                taken = turn(self._address)
            except Exception as error:  # noqa: BLE001 - any of them is the strategy's
                if self.note_failure(error):
                    return self._give_up()
                self._view["is_resumed"] = 1
                continue
            if self._words[_LOG_TAIL] != self._words[_LOG_HEAD]:
                self.drain_log()
            self.is_stopped = bool(self._view["is_stopped"])
            return int(taken)

    def stop(self) -> None:
        """Run `on_stop`; an exception is logged and counted."""
        address = self.program.addresses.get("on_stop")
        if address:
            try:
                call(address, self._context.address)
            except Exception as error:  # noqa: BLE001 - the process is ending, whatever it says
                self._context.counters["errors"] += 1
                self.drain_log()
                log_failure("on_stop", error, None)
        self.drain_log()

    def write_state(self) -> None:
        """Do nothing: a compiled strategy's state is the record."""

    def drain_log(self) -> None:
        """Write out the lines that compiled code has logged."""
        words, logs, texts = self._words, self._context.logs, self.program.texts
        while words[_LOG_HEAD] < words[_LOG_TAIL]:
            line = logs[words[_LOG_HEAD] & (LOG_ROWS - 1)]
            values = line["values"][: line["n"]].tolist()
            _LOG.info("%s", format_line(texts[line["text"]], values))
            words[_LOG_HEAD] += 1
        lost = int(self._context.view["log_lost"])
        if lost != self._lost:
            _LOG.warning("event=log_lost lines=%d", lost - self._lost)
            self._lost = lost

    def _find_symbols(self) -> None:
        """Look again for instruments that the engine did not have at the start."""
        for i in self._unknown:
            self._context.symbols[i] = self._table.number(self._declaration.symbols[i])
        self._unknown = [i for i in self._unknown if self._context.symbols[i] < 0]
        self._look_again = time.monotonic_ns() + _LOOK_NS

    # What goes wrong.

    @property
    def address(self) -> int:
        """Of the DRIVER, for a loop that calls the callbacks itself."""
        return self._address

    def note_failure(self, error: Exception) -> bool:
        """Log an exception of a callback, and tell whether it ends the strategy."""
        self.drain_log()
        event = self._event()
        number = int(self._view["handled"])
        # on_fill after an on_order that raised over the same report: one failure.
        is_second = number == self._last_error
        is_fill = is_second or bool(self._view["is_fill"])
        name = _callback_name(error, event, is_fill=is_fill)
        log_failure(name, error, event)
        if is_second:
            return False
        self._context.counters["errors"] += 1
        self._streak = self._streak + 1 if number == self._last_error + 1 else 1
        self._last_error = number
        if self._streak >= MAX_ERRORS_IN_A_ROW:
            self.failure = (
                f"{self._streak} exceptions in a row, the last in {name}: {describe_error(error)}; "
                "see its log"
            )
        return bool(self.failure)

    def _give_up(self) -> int:
        """Finish the event in hand and release its batch; return the events of it."""
        try:
            conclude(self._address)
        except Exception as error:  # noqa: BLE001 - any of them is the strategy's
            self.note_failure(error)
        return int(abandon(self._address))

    def _event(self) -> Event | None:
        """Return a copy of the event being handled."""
        address = self._words[_EVENT]
        if address == 0:
            return None
        kind = ctypes.c_uint8.from_address(address).value
        if kind not in EVENT_CLASSES:
            return None
        data = ctypes.string_at(address, int(EVENT_BYTES[kind]))
        return bind(EVENT_CLASSES[Kind(kind)], self._table.symbols).from_buffer_copy(data)


def _fill_state(strategy: Strategy, declaration: Declaration, context: Context) -> None:
    """Write the instance's state into the record."""
    if context.state is None:
        return
    row, values = context.state[0], vars(strategy)
    for name, field in declaration.state.items():
        value: Any = values.get(name, field.default)
        is_right = field.shape or isinstance(value, _ACCEPTED[field.code])
        if not is_right:
            raise StrategyError(
                f"state {name!r} of strategy {declaration.name!r} starts as {value!r}, expected "
                f"{_NOUNS[field.code]} as it is declared"
            )
        row[name] = value


_ACCEPTED: Final[dict[str, Any]] = {"<f8": (int, float), "<i8": int, "?": bool}
_NOUNS: Final = {"<f8": "a number", "<i8": "a whole number", "?": "True or False"}


def _callback_name(error: BaseException, event: Event | None, *, is_fill: bool) -> str:
    """Name the callback an exception came out of, with the user's line where it is known.

    Numba knows the line of a `raise`, and not that of a division by zero.
    """
    name = "on_fill" if is_fill else f"on_{event.kind.name.lower()}" if event else "a callback"
    last = traceback.extract_tb(error.__traceback__)[-1]
    is_users = not last.filename.startswith(_PACKAGE)
    return f"{name} ({last.filename}:{last.lineno})" if is_users else name
