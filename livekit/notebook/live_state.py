"""A strategy's state while it trades: as a record, as a frame, and as it was.

    state = live_state("ema")          # read in passing, the strategy is not asked
    state.ema_fast, state["ema_fast"]  # one field
    state.record                       # the NumPy record
    state.frame                        # one row, a column for each field
    history("ema").frame               # the last minutes, five rows a second
    history("ema").at(-1)              # state, orders and books at one moment of them

Works while it hangs, and for a while after it is gone.
Layer 5.
"""

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.config import DEFAULT_ENGINE
from livekit.engine.folder import segment_paths
from livekit.errors import NotFoundError, SegmentError
from livekit.notebook.markets import market_of
from livekit.notebook.strategy_view import StrategyView
from livekit.notebook.views import EngineView
from livekit.ring.panel_history import Frame, read_frame, read_index
from livekit.ring.state import record_dtype
from livekit.trading.layout import TradingState

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "History",
    "LiveState",
    "Moment",
    "find_strategy",
    "history",
    "live_state",
    "read_state",
]

_TRIES: Final = 1000


def find_strategy(view: EngineView, name: str) -> StrategyView:
    """Return a strategy that is attached to an engine.

    Raises
    ------
    NotFoundError
        There is none of that name; the nearest ones are listed.
    """
    view.look()
    if name in view.strategies:
        return view.strategies[name]
    known = [path.name for path in segment_paths(view.folder)]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f"did you mean {', '.join(map(repr, near))}" if near else "attach one with lk.attach"
    raise NotFoundError(
        f"strategy {name!r} is not attached to engine {view.engine!r}; attached: "
        f"{', '.join(known) or 'none'}; {hint}"
    )


@dataclass(frozen=True, slots=True)
class LiveState:
    """The state of a strategy at one moment, a copy.

    Attributes
    ----------
    name : str
    sequence : int
        Number of the last event it had handled.
    record : numpy.void
        Its state record, with the names of its annotated attributes.
    params : dict
    status : str
        As ``livekit ps`` says it: ``running``, ``hung`` and so on.
    """

    name: str
    sequence: int
    record: np.void
    params: dict[str, Any]
    status: str

    def __getitem__(self, field: str) -> Any:
        """Return one field as plain Python, or as an array."""
        names = self.record.dtype.names or ()
        if field not in names:
            raise NotFoundError(
                f"state of {self.name!r} has no field {field!r}; it has "
                f"{', '.join(names) or 'none'}"
            )
        value = self.record[field]
        return value.copy() if isinstance(value, np.ndarray) else value.item()

    def __getattr__(self, field: str) -> Any:
        if field.startswith("_"):
            raise AttributeError(field)
        try:
            return self[field]
        except NotFoundError as error:
            raise AttributeError(str(error)) from None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python; arrays as lists."""
        return {name: self.record[name].tolist() for name in self.record.dtype.names or ()}

    @property
    def frame(self) -> "pd.DataFrame":
        """One row; a column for each field, and for each element of an array."""
        import pandas as pd  # noqa: PLC0415 - only frames need it

        return pd.DataFrame([_flat(self.record)], index=pd.Index([self.sequence], name="sequence"))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={_short(value)}" for name, value in self.to_dict().items())
        return f"<{self.name} {self.status} after event {self.sequence:,}: {fields or 'no state'}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{name}</td><td style='text-align:right'>{_short(value)}</td></tr>"
            for name, value in {**self.to_dict(), **self.params}.items()
        )
        head = f"{self.name}: {self.status}, after event {self.sequence:,}"
        return f"<table><caption>{head}</caption>{rows}</table>"


def _flat(record: np.void) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in record.dtype.names or ():
        value = record[name]
        if isinstance(value, np.ndarray):
            found.update({f"{name}[{k}]": item for k, item in enumerate(value.ravel().tolist())})
        else:
            found[name] = value.item()
    return found


def _short(value: Any) -> str:
    if isinstance(value, list):
        head = ", ".join(_short(item) for item in value[:4])
        return f"[{head}{', …' if len(value) > 4 else ''}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def read_state(strategy: StrategyView) -> LiveState:
    """Return the state of a strategy as it stands.

    Raises
    ------
    SegmentError
        It was published so fast that no consistent copy could be taken.
    """
    segment = strategy.segment
    dtype = record_dtype(segment.spec["state_dtype"])
    sequence = int(segment.header["sequence"])
    raw = segment.read_state(_TRIES) if dtype.itemsize else b""
    if raw is None:
        raise SegmentError(f"state of {strategy.name!r} changed at every look; try again")
    return LiveState(
        strategy.name, sequence, _record(raw, dtype), strategy.params(), strategy.state
    )


def _record(raw: bytes, dtype: np.dtype) -> np.void:
    row: np.void = np.zeros(1, dtype)[0]
    if len(raw) >= dtype.itemsize > 0:
        row = np.frombuffer(raw[: dtype.itemsize], np.uint8).copy().view(dtype)[0]
    return row


def live_state(name: str, engine: str = DEFAULT_ENGINE) -> LiveState:
    """Return the state of an attached strategy, without disturbing it.

    Raises
    ------
    NotRunningError
        The engine does not run.
    NotFoundError
        It has no strategy of that name; the nearest ones are listed.
    """
    return read_state(find_strategy(EngineView(engine), name))


@dataclass(frozen=True, slots=True)
class Moment:
    """State, orders and books at one moment of the last minutes.

    Attributes
    ----------
    time : int
        Event time, ns since the epoch.
    trading : str
    equity : float
    state : LiveState or None
        None where the strategy was not attached, or its state is too large to be kept.
    queued : int
        Events that lay before the strategy then.
    orders, positions : list of dict
        Of the strategy.
    books : dict of str to dict
        By symbol: bid, ask, bids, asks, last.
    """

    time: int
    trading: str
    equity: float
    state: LiveState | None
    queued: int
    orders: list[dict[str, Any]]
    positions: list[dict[str, Any]]
    books: dict[str, dict[str, Any]]


class History:
    """The last minutes of a strategy, from the engine's ring of frames.

    Parameters
    ----------
    view : EngineView
    name : str
        A strategy's; empty for the whole account.

    Notes
    -----
    The engine keeps five frames a second in 8 MiB: minutes to an hour, by what there is
    to keep. It goes on keeping while nobody looks, so a fresh kernel finds them too.
    """

    def __init__(self, view: EngineView, name: str = "") -> None:
        self._view, self.name = view, name
        self._strategy = find_strategy(view, name) if name else None
        self._index, self._first = read_index(view.segment.panel_address)

    def refresh(self) -> None:
        """Take in the frames made since."""
        self._index, self._first = read_index(self._view.segment.panel_address)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def times(self) -> np.ndarray:
        """Event times of the frames, int64[n], ns since the epoch."""
        return self._index["now"]

    def at(self, place: int) -> Moment | None:
        """Return the moment at a place, from the end when negative; None when it is overwritten.

        Raises
        ------
        NotFoundError
            There is no such place.
        """
        if not -len(self) <= place < len(self):
            raise NotFoundError(f"history has {len(self)} moments, there is none at {place}")
        place %= len(self)
        panel = self._view.segment.panel_address
        frame = read_frame(panel, self._index[place], self._first + place)
        return None if frame is None else self._moment(frame)

    def nearest(self, time_ns: int) -> Moment | None:
        """Return the last moment not later than an event time; None when there is none."""
        place = int(np.searchsorted(self.times, time_ns, side="right")) - 1
        return self.at(place) if place >= 0 else None

    def _moment(self, frame: Frame) -> Moment:
        view, name = self._view, self.name
        orders = view.order_rows(frame.orders)
        positions = view.position_rows(frame.positions)
        state, queued = self._state_of(frame)
        return Moment(
            time=frame.now,
            trading=TradingState(frame.state).name,
            equity=frame.equity,
            state=state,
            queued=queued,
            orders=[row for row in orders if not name or row["strategy"] == name],
            positions=[row for row in positions if not name or row["strategy"] == name],
            books={view.symbols[k]: market_of(row) for k, row in frame.books.items()},
        )

    def _state_of(self, frame: Frame) -> tuple[LiveState | None, int]:
        if self._strategy is None:
            return None, 0
        dtype = record_dtype(self._strategy.segment.spec["state_dtype"])
        for one in frame.states:
            if one.strategy == self._strategy.ring:
                if len(one.state) < dtype.itemsize:
                    return None, one.queued
                record = _record(one.state, dtype)
                return LiveState(self.name, one.sequence, record, {}, "past"), one.queued
        return None, 0

    @property
    def frame(self) -> "pd.DataFrame":
        """One row a moment by event time: equity, mids, and the strategy's state."""
        import pandas as pd  # noqa: PLC0415 - only frames need it

        rows, times = [], []
        for place in range(len(self)):
            moment = self.at(place)
            if moment is None:
                continue
            row: dict[str, Any] = {"equity": moment.equity, "trading": moment.trading}
            for symbol, market in moment.books.items():
                if "bid" in market:
                    row[f"mid {symbol}"] = (market["bid"] + market["ask"]) / 2
            if moment.state is not None:
                row |= {"sequence": moment.state.sequence, **_flat(moment.state.record)}
            rows.append(row)
            times.append(moment.time)
        index = pd.to_datetime(np.array(times, np.int64), unit="ns", utc=True)
        return pd.DataFrame(rows, index=pd.DatetimeIndex(index, name="time"))


def history(name: str = "", engine: str = DEFAULT_ENGINE) -> History:
    """Return the last minutes of a strategy, or of the whole account.

    Raises
    ------
    NotRunningError
        The engine does not run.
    NotFoundError
        It has no strategy of that name; the nearest ones are listed.
    """
    return History(EngineView(engine), name)
