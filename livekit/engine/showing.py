"""What the engine shows: its account, open orders and last minutes, in its own segment.

Called between two turns, never within one. A look costs microseconds and waits for
nobody; where an account is so large that it costs more, looks become rarer, so that all
of them together stay below half a percent of the engine's time.
Layer 4.
"""

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit import clock
from livekit.engine.panel_frames import keep_frame
from livekit.engine.steering import Steering
from livekit.events import ANY_INSTRUMENT
from livekit.ring.directory import EngineState
from livekit.ring.jit import hot, i64
from livekit.ring.memory import clock_ns, fence, load_i64, record, store_i64, store_release
from livekit.ring.panel import (
    MAX_PANEL_ORDERS,
    MAX_PANEL_POSITIONS,
    ORDERS_AT,
    PANEL,
    PANEL_ORDER,
    PANEL_POSITION,
    POSITIONS_AT,
)
from livekit.trading.layout import (
    CORE,
    MARKET,
    ORDER_ROW,
    POSITION,
    STRATEGY,
    from_lots,
    market_at,
    order_at,
    position_at,
    strategy_at,
)
from livekit.trading.market import reference_price

if TYPE_CHECKING:
    from livekit.engine.loop import EventEngine

__all__ = ["Showing", "show_panel"]

_PANEL_NS: Final = 50_000_000
_FRAME_NS: Final = 200_000_000
_SHARE: Final = 200  # a look may cost a 200th of the time to the next one
_LONGEST_NS: Final = 1_000_000_000
_STATES: Final = 64
_BOOKS: Final = 16
_CLIENT_ID: Final = int(ORDER_ROW.fields["client_order_id"][1])  # type: ignore[index]
_SHOWN_CLIENT_ID: Final = int(PANEL_ORDER.fields["client_order_id"][1])  # type: ignore[index]


@hot
def _show_position(core: int, panel: int, strategy: int, instrument: int) -> None:
    """Add one position to the account's sums, and its row to the table."""
    view = record(PANEL, panel)
    held = record(POSITION, position_at(core, strategy, instrument))
    market = record(MARKET, market_at(core, instrument))
    mark = reference_price(core, instrument)
    quantity = from_lots(core, instrument, held.lots)
    unit = market.contract_value
    unrealized = (mark - held.average_price) * quantity * unit if held.lots != 0 else 0.0
    worst = max(held.lots + held.open_buy_lots, held.open_sell_lots - held.lots)
    view.realized_pnl += held.realized_pnl
    view.unrealized_pnl += unrealized
    view.fees += held.fees
    view.funding += held.funding
    if held.lots != 0:
        view.equity += quantity * unit * mark if market.is_spot else unrealized
    if worst != 0:
        view.gross_exposure += from_lots(core, instrument, worst) * unit * mark
    if view.n_positions >= MAX_PANEL_POSITIONS:
        return
    row = record(PANEL_POSITION, panel + POSITIONS_AT + view.n_positions * 128)
    view.n_positions += 1
    row.strategy = strategy
    row.instrument = instrument
    row.position = quantity
    row.average_price = held.average_price
    row.mark = mark
    row.realized_pnl = held.realized_pnl
    row.unrealized_pnl = unrealized
    row.fees = held.fees
    row.funding = held.funding
    row.net_pnl = held.realized_pnl + unrealized - held.fees + held.funding
    row.volume = held.volume
    row.open_buy = from_lots(core, instrument, held.open_buy_lots)
    row.open_sell = from_lots(core, instrument, held.open_sell_lots)
    row.n_fills = held.n_fills
    row.n_orders = held.n_orders
    row.last_fill_ns = held.last_fill_ns


@hot
def _show_order(core: int, index: int, place: int) -> None:
    """Write one open order into a row of the table."""
    order = record(ORDER_ROW, order_at(core, index))
    row = record(PANEL_ORDER, place)
    row.order_id = order.order_id
    row.strategy = order.strategy
    row.instrument = order.instrument
    row.side = order.side
    row.order_type = order.order_type
    row.tif = order.tif
    row.options = order.options
    row.status = order.status
    row.is_canceling = order.is_canceling
    row.price = order.price
    row.quantity = from_lots(core, i64(order.instrument), order.lots)
    row.filled_quantity = from_lots(core, i64(order.instrument), order.filled_lots)
    row.average_price = order.average_price
    row.created_ns = order.created_ns
    row.updated_ns = order.updated_ns
    row.queue_front = order.queue_front if order.is_resting else np.nan
    for word in range(0, 24, 8):
        store_i64(
            place + _SHOWN_CLIENT_ID + word, load_i64(order_at(core, index) + _CLIENT_ID + word)
        )


@hot
def show_panel(core: int, panel: int, now: int, is_flattening: int) -> None:
    """Write account, positions and open orders into the panel, behind its seqlock."""
    start = clock_ns()
    top, view = record(CORE, core), record(PANEL, panel)
    version = load_i64(panel)
    store_release(panel, version + 1)
    fence()
    view.now, view.state, view.n_faults = now, top.state, top.n_faults
    view.is_flattening, view.n_open = is_flattening, top.n_open
    view.cash, view.initial_cash = top.cash + top.cash_rest, top.initial_cash
    view.equity = view.cash
    view.n_positions = view.n_orders = 0
    view.gross_exposure = view.realized_pnl = view.unrealized_pnl = 0.0
    view.fees = view.funding = 0.0
    for strategy in range(top.n_strategies):
        for instrument in range(top.n_instruments):
            held = record(POSITION, position_at(core, strategy, instrument))
            if held.n_orders != 0 or held.lots != 0:
                _show_position(core, panel, strategy, instrument)
        index = i64(record(STRATEGY, strategy_at(core, strategy)).first)
        while index != 0 and view.n_orders < MAX_PANEL_ORDERS:
            _show_order(core, index, panel + ORDERS_AT + view.n_orders * 128)
            view.n_orders += 1
            index = i64(record(ORDER_ROW, order_at(core, index)).next_open)
    view.shown = clock_ns()
    view.cost_ns = view.shown - start
    store_release(panel, version + 2)


class Showing:
    """Shows one engine in its segment.

    Parameters
    ----------
    engine : EventEngine
    steering : Steering
    """

    def __init__(self, engine: "EventEngine", steering: Steering) -> None:
        self._engine, self._steering = engine, steering
        self._panel_ns = self._frame_ns = 0
        self._watch = np.zeros(_BOOKS, np.int64)
        self._states = np.zeros((_STATES, 6), np.int64)
        self._n_states = self._n_books = 0
        self._seen: tuple[str, ...] = ("",)
        header = engine.segment.header
        header["started"], header["about"] = engine.started_ns, self._about()

    def _about(self) -> bytes:
        """Return what does not change while an engine runs, as JSON that fits its place."""
        engine = self._engine
        settings = engine.settings
        about: dict[str, Any] = {
            "source": settings.source,
            "speed": settings.speed,
            "env": settings.env if settings.source != "replay" else "",
            "venue": settings.venue,
            "data": settings.data[-400:],
            "risk": settings.risk,
        }
        return json.dumps(about).encode()[:2048]

    def poll(self, now_ns: int) -> None:
        """Show what is due: the counts at every call, the account at 20 Hz, a frame at 5 Hz."""
        self._count(now_ns)
        engine = self._engine
        is_frame_due = now_ns >= self._frame_ns and int(engine.pump[0]["now"]) > 0
        if now_ns >= self._panel_ns or is_frame_due:
            panel = engine.segment.panel_address
            now = int(engine.pump[0]["now"])
            show_panel(engine.core.address, panel, now, int(self._steering.is_flattening))
            spent = clock.monotonic_ns() - now_ns
            self._panel_ns = now_ns + min(max(_PANEL_NS, _SHARE * spent), _LONGEST_NS)
            self._slow_counts()
        if is_frame_due:
            self._keep_frame()
            spent = clock.monotonic_ns() - now_ns
            self._frame_ns = now_ns + min(max(_FRAME_NS, _SHARE * spent), _LONGEST_NS)

    def _count(self, now_ns: int) -> None:
        """Write the engine's counts into its segment."""
        engine = self._engine
        header, pump = engine.segment.header, engine.pump[0]
        header["heartbeat"], header["now"] = now_ns, pump["now"]
        header["trading_state"] = int(engine.core.router.state)
        header["events_in"], header["orders_in"] = pump["events_in"], pump["orders_in"]
        header["events_out"] = engine.manager.hub.view["delivered"]
        header["reports_out"] = pump["reports_out"]
        header["position"], header["n_events"] = engine.source.position, engine.source.n_events

    def _slow_counts(self) -> None:
        """Write what changes rarely, or is dear to ask for."""
        engine = self._engine
        header = engine.segment.header
        header["state"] = self._state()
        header["events_dropped"] = engine.manager.hub.view["dropped"]
        header["deaths"], header["hangs"] = engine.supervisor.deaths, engine.supervisor.hangs
        header["wall"] = clock.now_ns()

    def _state(self) -> EngineState:
        engine = self._engine
        if engine.is_stopping:
            return EngineState.STOPPING
        if engine.is_held:
            return EngineState.HELD
        return EngineState.FINISHED if engine.source.is_finished else EngineState.RUNNING

    # Frames.

    def _keep_frame(self) -> None:
        slots = self._engine.manager.slots
        names = (*slots, *map(str, (slot.is_open for slot in slots.values())))
        if names != self._seen:
            self._seen = names
            self._look_up()
        segment = self._engine.segment
        keep_frame(
            segment.panel_address,
            segment.board_address,
            self._watch.ctypes.data,
            self._n_books,
            self._states.ctypes.data,
            self._n_states,
        )

    def _look_up(self) -> None:
        """Note which books and states go into a frame: those of the strategies there are."""
        manager = self._engine.manager
        numbers = {one.symbol: k for k, one in enumerate(manager.instruments)}
        watched: dict[int, None] = {}
        self._n_states = 0
        for slot in manager.slots.values():
            spec, header = slot.segment.spec, slot.segment.header
            watched.update(dict.fromkeys(numbers[s] for s in spec["symbols"] if s in numbers))
            if slot.is_open and self._n_states < _STATES:
                base = slot.segment.file.address
                orders = base + int(header["events_control"])
                self._states[self._n_states] = (
                    slot.ring,
                    slot.segment.at("state_offset"),
                    int(header["state_bytes"]),
                    base + int(header.dtype.fields["sequence"][1]),
                    orders,
                    0,
                )
                self._n_states += 1
        watched.update(dict.fromkeys(range(len(manager.instruments))))
        chosen = [k for k in watched if k < ANY_INSTRUMENT][:_BOOKS]
        self._n_books = len(chosen)
        self._watch[: self._n_books] = chosen

    def warm_up(self) -> None:
        """Compile what a look calls."""
        self.poll(clock.monotonic_ns())
        self._panel_ns = self._frame_ns = 0
