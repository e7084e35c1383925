"""The rows of a run as pandas frames, with names in place of numbers.

Times are UTC and aware of it, a time that never came is NaT, a side is "buy" or
"sell". Names are categoricals, so a million rows of them take a million bytes. What is
computed beyond the rows: position, notional, mid, edge, time to fill, markouts and
realised profit of fills; returns, drawdown and profit of the equity.
Layer 3.
"""

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.events import REDUCE_ONLY, OrderStatus, OrderType, Reject, Side, TimeInForce
from livekit.research.report.rows import HORIZON_NAMES, Rows, simple_returns
from livekit.research.report.statistic import NAN
from livekit.research.report.stats_execution import reject_name
from livekit.research.report.stats_return import drawdowns
from livekit.research.report.trips import realized_by_fill, round_trips

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["equity_frame", "fills_frame", "orders_frame", "positions_frame", "trades_frame"]

_SIDES: Final = tuple(one.name.lower() for one in Side)


def _times(values: np.ndarray) -> Any:
    """Return ns since the epoch as UTC timestamps; 0 as NaT."""
    import pandas as pd  # noqa: PLC0415 - pandas is imported by what needs it

    stamps = np.where(values == 0, np.iinfo(np.int64).min, values).view("datetime64[ns]")
    return pd.DatetimeIndex(stamps, tz="UTC")


def _names(codes: np.ndarray, names: tuple[str, ...] | list[str]) -> Any:
    """Return numbers as a categorical of names; a number without one as NaN."""
    import pandas as pd  # noqa: PLC0415

    known = np.where(codes < len(names), codes.astype(np.int64), -1)
    return pd.Categorical.from_codes(known, categories=list(names))


def _enum(codes: np.ndarray, kind: type[IntEnum], *, is_lower: bool = True) -> Any:
    names = [one.name.lower() if is_lower else one.name for one in kind]
    return _names(codes, names)


def _rejects(codes: np.ndarray) -> Any:
    """Return reject codes as a categorical; NaN where there is none."""
    import pandas as pd  # noqa: PLC0415

    found, at = np.unique(codes, return_inverse=True)
    names = [reject_name(int(code)) for code in found if code != Reject.NONE]
    shift = int(len(found) > 0 and found[0] == Reject.NONE)
    return pd.Categorical.from_codes(at - shift, categories=names)


def orders_frame(rows: Rows) -> "pd.DataFrame":
    """Return one row per order, refused ones too, in order of creation."""
    import pandas as pd  # noqa: PLC0415

    orders = rows.orders
    columns = {
        "created": _times(orders["created_ns"]),
        "order_id": orders["order_id"],
        "symbol": _names(orders["instrument"], rows.symbols),
        "side": _names(orders["side"], _SIDES),
        "type": _enum(orders["order_type"], OrderType),
        "tif": _enum(orders["tif"], TimeInForce, is_lower=False),
        "reduce_only": (orders["options"] & REDUCE_ONLY) != 0,
        "status": _enum(orders["status"], OrderStatus),
        "reject": _rejects(orders["reject"]),
        "price": orders["price"],
        "quantity": orders["quantity"],
        "filled_quantity": orders["filled_quantity"],
        "average_price": orders["average_price"],
        "fee": orders["fee"],
        "n_fills": orders["n_fills"],
        "n_modifies": orders["n_modifies"],
        "acked": _times(orders["acked_ns"]),
        "final": _times(orders["final_ns"]),
        "arrival_bid": orders["arrival_bid"],
        "arrival_ask": orders["arrival_ask"],
        "arrival_mid": (orders["arrival_bid"] + orders["arrival_ask"]) / 2,
        "queue_ahead": orders["queue_ahead"],
        "client_order_id": orders["client_order_id"].astype("U24"),
    }
    return pd.DataFrame({name: _plain(column) for name, column in columns.items()})


def fills_frame(rows: Rows) -> "pd.DataFrame":
    """Return one row per fill in order of booking.

    ``position`` is that of the fill's instrument after it, ``edge`` quote currency won
    against the mid before it, ``markout_...`` bps in its favour so long after it, and
    ``realized`` the profit it closed, before fees.
    """
    import pandas as pd  # noqa: PLC0415

    fills = rows.fills
    waited = fills["ts_venue"] - fills["created_ns"]
    columns = {
        "time": _times(fills["ts"]),
        "time_venue": _times(fills["ts_venue"]),
        "order_id": fills["order_id"],
        "symbol": _names(fills["instrument"], rows.symbols),
        "side": _names(fills["side"], _SIDES),
        "liquidity": _names(fills["is_maker"], ("taker", "maker")),
        "price": fills["price"],
        "quantity": fills["quantity"],
        "notional": rows.notional,
        "fee": fills["fee"],
        "position": rows.lots_after * rows.lot_sizes[rows.instrument],
        "realized": realized_by_fill(rows),
        "bid": fills["bid"],
        "ask": fills["ask"],
        "mid": rows.mid,
        "edge": rows.edge,
        "queue_ahead": fills["queue_ahead"],
        "time_to_fill": waited.astype("timedelta64[ns]"),
    }
    for horizon, name in enumerate(HORIZON_NAMES):
        columns[f"markout_{name}"] = rows.markout_bps(horizon)
    return pd.DataFrame({name: _plain(column) for name, column in columns.items()})


def equity_frame(rows: Rows) -> "pd.DataFrame":
    """Return one row per sample of the equity, by time.

    ``returns`` are those from sample to sample, ``drawdown`` is a fraction of the highest
    equity so far; both are net. The first return is against the cash at the start.
    """
    import pandas as pd  # noqa: PLC0415

    samples = rows.equity
    net = samples["equity"]
    gross = net + samples["fees"] - samples["funding"]
    from_cash = np.concatenate(([rows.cash], net))
    columns = {
        "equity": net,
        "gross_equity": gross,
        "pnl_net": net - rows.cash,
        "pnl_gross": gross - rows.cash,
        "returns": simple_returns(from_cash),
        "drawdown": drawdowns(np.where(np.isfinite(from_cash), from_cash, NAN))[1:],
    }
    for name in (samples.dtype.names or ())[2:]:
        columns[name] = samples[name]
    index = pd.DatetimeIndex(_times(samples["ts"]), name="time")
    return pd.DataFrame({name: _plain(column) for name, column in columns.items()}, index=index)


def positions_frame(rows: Rows) -> "pd.DataFrame":
    """Return the position of each symbol in units, one row per change, from the start.

    A position holds until the next row; the last row is the end of the run.
    """
    import pandas as pd  # noqa: PLC0415

    ts = rows.fills["ts"]
    last = np.flatnonzero(np.append(ts[1:] != ts[:-1], True)) if len(ts) else np.empty(0, int)
    held = np.zeros((len(last) + 2, len(rows.symbols)))
    for index, chosen in enumerate(rows.by_instrument):
        sums = np.append(0, rows.lots_after[chosen])
        at = np.searchsorted(chosen, last, side="right")
        held[1:-1, index] = sums[at] * rows.lot_sizes[index]
        held[-1, index] = sums[-1] * rows.lot_sizes[index]
    edges = np.concatenate(([rows.start_ns], ts[last], [rows.stop_ns]))
    index_ = pd.DatetimeIndex(_times(edges), name="time")
    return pd.DataFrame(held, index=index_, columns=rows.symbols)


def trades_frame(rows: Rows) -> "pd.DataFrame":
    """Return one row per round trip, flat to flat, in order of opening.

    A trip still open has no closing time, and the profit realised so far.
    """
    import pandas as pd  # noqa: PLC0415

    trips = round_trips(rows)
    opened, closed = _times(trips["opened_ns"]), _times(trips["closed_ns"])
    return pd.DataFrame(
        {
            "symbol": _names(trips["instrument"], rows.symbols),
            "side": _names(trips["side"], ("long", "short")),
            "opened": opened,
            "closed": closed,
            "holding": closed - opened,
            "quantity": _plain(trips["quantity"]),
            "entry_price": _plain(trips["entry_price"]),
            "exit_price": _plain(trips["exit_price"]),
            "pnl_gross": _plain(trips["gross"]),
            "fees": _plain(trips["fees"]),
            "pnl_net": trips["gross"] - trips["fees"],
            "n_fills": _plain(trips["n_fills"]),
        }
    )


def _plain(column: Any) -> Any:
    """Return a field of wide rows as an array of its own."""
    return np.ascontiguousarray(column) if isinstance(column, np.ndarray) else column
