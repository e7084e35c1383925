"""Steering: what may be done to trading while it goes on, by whichever road it is asked.

    pause    new orders and modifications are refused, cancels pass, what rests stays
    reduce   only orders that bring a position nearer to zero pass
    resume   everything passes again
    halt     nothing but cancels passes and every order is canceled; until a restart
    flatten  every order is canceled, then every position is closed at the market, with
             orders that can only reduce; ends in `reduce`, so that nobody enters again
    cancel   one order, or all of a strategy

Each is taken between two events, works while strategies hang, and is written down in
the audit with who asked. `halt` outranks all: nothing leads out of it. What the engine
itself has restricted (a fault) is not for `resume` to lift.
Layer 4.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numba import types

from livekit import clock
from livekit.engine.audit import Audit
from livekit.engine.halting import clear_halt, keep_halt, read_halt
from livekit.engine.intake import submit_own
from livekit.errors import ConfigError, NotFoundError
from livekit.events import (
    ANY_INSTRUMENT,
    ORDER,
    REDUCE_ONLY,
    Action,
    Kind,
    OrderType,
    Side,
    TimeInForce,
)
from livekit.trading.layout import Gate, TradingState
from livekit.trading.market import reference_price

if TYPE_CHECKING:
    from livekit.engine.loop import EventEngine

__all__ = ["Steering"]

_log: Final = logging.getLogger(__name__)

_OWN_IDS: Final = 1 << 62  # order ids from here on are the engine's own
_FLATTEN_EVERY_NS: Final = 50_000_000
_FLATTEN_WITHIN_NS: Final = 30_000_000_000
_RESTART: Final = "trading is HALTED until the engine is started again"
_CLEAR: Final = "trading is HALTED until the engine is started again with --clear-halt"


class Steering:
    """Trading state, flattening and cancels of one engine.

    Parameters
    ----------
    engine : EventEngine
    make_room : callable
        Empties the outbox, so that the next request cannot fail.
    """

    def __init__(self, engine: "EventEngine", make_room: Callable[[], None]) -> None:
        self._engine, self._make_room = engine, make_room
        self.audit = Audit(engine.settings.name)
        self._n_own = 0
        self._asked: TradingState | None = None  # what an operator restricted trading to
        self._flatten_by_ns = self._next_ns = 0
        self._is_kept = engine.venue.is_remote
        if self._is_kept:
            self._take_over_halt()

    def _take_over_halt(self) -> None:
        """Be halted as an earlier engine of this name was, unless somebody cleared that."""
        name = self._engine.settings.name
        if (mark := read_halt(name)) is None:
            return
        if self._engine.settings.clear_halt:
            clear_halt(name)
            self.audit.note("clear-halt", "engine start", halted_at=mark["at"], by_whom=mark["by"])
        else:
            self._engine.core.risk.set_state(TradingState.HALTED)
            _log.warning("trading halted since %s by %s; %s", mark["at"], mark["by"], _CLEAR)

    @property
    def state(self) -> TradingState:
        """What the core admits at present."""
        return self._engine.core.router.state

    @property
    def is_flattening(self) -> bool:
        """Whether positions are being closed."""
        return self._flatten_by_ns != 0

    # Verbs.

    def pause(self, by: str) -> dict[str, Any]:
        """Refuse new orders; what rests stays."""
        return self._restrict("pause", TradingState.PAUSED, by)

    def reduce(self, by: str) -> dict[str, Any]:
        """Refuse orders that do not reduce a position."""
        return self._restrict("reduce", TradingState.REDUCING, by)

    def _restrict(self, verb: str, state: TradingState, by: str) -> dict[str, Any]:
        self._refuse_when_halted(verb)
        before = self.state
        self._end_flattening()
        self._asked = state
        self._engine.core.risk.set_state(state)
        self.audit.note(verb, by, before=before.name, after=state.name)
        return {"trading": state.name}

    def resume(self, by: str) -> dict[str, Any]:
        """Admit everything again, if it was an operator who restricted it.

        Raises
        ------
        ConfigError
            Trading is halted, or was restricted by the engine itself.
        """
        self._refuse_when_halted("resume")
        before = self.state
        if before not in (TradingState.ACTIVE, self._asked):
            raise ConfigError(
                f"trading is {before.name} by the engine's own decision, not by a command; see "
                "'livekit logs _engine' for why"
            )
        self._end_flattening()
        self._asked = None
        self._engine.core.risk.set_state(TradingState.ACTIVE)
        self.audit.note("resume", by, before=before.name, after="ACTIVE")
        return {"trading": TradingState.ACTIVE.name}

    def halt(self, by: str) -> dict[str, Any]:
        """Refuse everything but cancels, and cancel every order."""
        before = self.state
        self._end_flattening()
        canceled = self._engine.halt()
        if self._is_kept:
            try:
                keep_halt(self._engine.settings.name, by)
            except OSError as error:
                _log.error("halt not kept for the next start: %s", error)
        self.audit.note("kill", by, before=before.name, after="HALTED", orders_canceled=canceled)
        said = {"trading": self.state.name, "orders_canceled": canceled}
        return {**said, "is_kept": self._is_kept}

    def flatten(self, by: str) -> dict[str, Any]:
        """Cancel every order and begin to close every position.

        Raises
        ------
        ConfigError
            Trading is halted: then nothing is sent, not even this.
        """
        self._refuse_when_halted("flatten")
        before, n_positions = self.state, len(self._held())
        self._asked = TradingState.REDUCING
        self._engine.core.risk.set_state(TradingState.REDUCING)
        canceled = self._cancel_all()
        now_ns = clock.monotonic_ns()
        self._flatten_by_ns, self._next_ns = now_ns + _FLATTEN_WITHIN_NS, now_ns
        self.audit.note(
            "flatten",
            by,
            before=before.name,
            after="REDUCING",
            orders_canceled=canceled,
            positions=n_positions,
        )
        self.poll(now_ns)
        return {
            "trading": self.state.name,
            "orders_canceled": canceled,
            "positions": n_positions,
            "left": len(self._held()),
        }

    def cancel(self, name: str, order_id: int | None, by: str) -> dict[str, Any]:
        """Cancel one order of a strategy, or all of them.

        Raises
        ------
        NotFoundError
            The strategy has no such open order.
        """
        ring = self._slot(name)
        is_open = self._engine.core.router.open_orders(ring)
        if order_id is not None and order_id not in is_open["order_id"].astype(np.uint64).tolist():
            raise NotFoundError(
                f"strategy {name!r} has no open order {order_id}; it was filled or canceled "
                "meanwhile"
            )
        request = _request(Action.CANCEL if order_id is not None else Action.CANCEL_ALL)
        request["order_id"] = order_id or 0
        self._submit(ring, request)
        asked = len(is_open) if order_id is None else 1
        self.audit.note("cancel", by, name=name, order_id=order_id, orders=asked)
        return {"name": name, "order_id": order_id, "orders": asked}

    # Flattening.

    def poll(self, now_ns: int) -> None:
        """Go on closing positions, until all are closed or the time is over."""
        if not self.is_flattening or now_ns < self._next_ns:
            return
        self._next_ns = now_ns + _FLATTEN_EVERY_NS
        held = self._held()
        if not held:
            _log.warning("flat: every position is closed")
            self._end_flattening()
        elif now_ns > self._flatten_by_ns:
            _log.error("not flat within 30 s positions_left=%d", len(held))
            self._end_flattening()
        else:
            for ring, number in held:
                self._close(ring, number)

    def _end_flattening(self) -> None:
        self._flatten_by_ns = 0

    def _held(self) -> list[tuple[int, int]]:
        """Return (slot, instrument) of every position that is not zero."""
        return [(int(s), int(i)) for s, i in np.argwhere(self._engine.core.positions["lots"])]

    def _close(self, ring: int, number: int) -> None:
        """Send one order that reduces a position, unless one is under way."""
        core = self._engine.core
        row = core.positions[ring, number]
        lots = int(row["lots"])
        if int(row["open_sell_lots" if lots > 0 else "open_buy_lots"]):
            return
        request = _request(Action.NEW)
        request["instrument"], request["options"] = number, REDUCE_ONLY
        request["side"] = Side.SELL if lots > 0 else Side.BUY
        request["order_type"], request["tif"] = OrderType.MARKET, TimeInForce.IOC
        request["price"] = np.nan
        request["quantity"] = core.quantity(number, self._largest(ring, number, abs(lots)))
        self._n_own += 1
        request["order_id"] = _OWN_IDS + self._n_own
        self._submit(ring, request)

    def _largest(self, ring: int, number: int, lots: int) -> int:
        """Return how much of a position one order may close under the limits of risk."""
        core = self._engine.core
        limits, market = core.limits[ring], core.markets[number]
        lot = float(market["lot_numerator"] / market["lot_denominator"])
        worst = np.nanmax([float(reference_price(core.address, number)), market["ask_price"]])
        unit = lot * float(market["contract_value"]) * float(worst)
        most = [float(limits["max_order_quantity"]) / lot]
        most += [float(limits["max_order_notional"]) / unit] if unit > 0 else []
        bound = min(most)
        return lots if bound >= lots else max(1, int(bound))

    # Requests of the engine's own.

    def _submit(self, ring: int, request: np.ndarray) -> None:
        """Put a request through the core as if the strategy had made it.

        Its gate is open for just this one: what is fenced or hung must still be closed.
        """
        engine = self._engine
        self._make_room()
        gate = engine.core.risk.gate(ring)
        engine.core.risk.set_gate(ring, Gate.OPEN)
        engine.pump[0]["request"] = request[0]
        done = submit_own(int(engine.pump.ctypes.data), ring)
        engine.core.risk.set_gate(ring, gate)
        assert done == 1
        engine.venue.flush()

    def _cancel_all(self) -> int:
        core = self._engine.core
        rings = sorted(set(core.router.open_orders()["strategy"].tolist()))
        count = len(core.router.open_orders())
        for ring in rings:
            self._submit(ring, _request(Action.CANCEL_ALL))
        return count

    def _slot(self, name: str) -> int:
        """Return the slot of a strategy, also of one that is gone and has left orders."""
        return self._engine.manager.find(name).ring

    def _refuse_when_halted(self, verb: str) -> None:
        if self.state is TradingState.HALTED:
            raise ConfigError(f"cannot {verb}: {_CLEAR if self._is_kept else _RESTART}")

    def warm_up(self) -> None:
        """Compile what a request of the engine's own calls, without making one."""
        jitted: Any = submit_own
        jitted.compile((types.int64, types.int64))


def _request(action: Action) -> np.ndarray:
    request = np.zeros(1, ORDER)
    request["kind"], request["action"] = Kind.ORDER, action
    request["instrument"] = ANY_INSTRUMENT
    return request
