"""What was run, how fast, how late, and over which data.

Latencies of the path come from the meta (measured live, drawn or constant in a
backtest); acknowledgements and the delay of fill reports are in the rows.
Layer 3.
"""

from typing import Any, Final

import numpy as np

from livekit.research.report.rows import Rows, duration_name, number
from livekit.research.report.statistic import (
    NAN,
    PERCENT,
    SECOND_NS,
    Statistic,
    quantiles,
    ratio,
)
from livekit.research.report.stats_execution import is_denied

__all__ = ["DATA", "LATENCY", "RUN", "data", "describe", "latency"]

_MS: Final = 1_000_000
_PATHS: Final = (
    ("feed", "Feed latency", "exchange's stamp to the strategy"),
    ("decision", "Decision latency", "event to the strategy's request"),
    ("order", "Order latency", "request to the venue"),
    ("response", "Response latency", "venue to the strategy"),
    ("lag", "Consumer lag", "publication to consumption of an event"),
)

RUN: Final = (
    Statistic("name", "Name", "text", "meta name"),
    Statistic("kind", "Kind", "text", "meta kind: backtest, lockstep, replay, paper or live"),
    Statistic("strategy", "Strategy", "text", "meta strategy"),
    Statistic("params", "Parameters", "text", "meta params"),
    Statistic("start", "Start", "time", "begin of the data"),
    Statistic("end", "End", "time", "last event handled"),
    Statistic("duration_s", "Duration", "s", "end - start"),
    Statistic("is_partial", "Partial", "", "meta is_partial: stopped before the end of the data"),
    Statistic("n_events", "Events", "", "meta counts events, else those of the data"),
    Statistic("n_orders", "Orders", "", "rows of orders, refused ones too"),
    Statistic("n_fills", "Fills", "", "rows of fills"),
    Statistic("n_errors", "Errors", "", "meta counts errors: exceptions of callbacks"),
    Statistic("symbols", "Instruments", "text", "meta instruments"),
    Statistic("models", "Models", "text", "meta models: latency, queue, fees, funding"),
    Statistic("cash", "Cash at the start", "quote", "meta cash"),
    Statistic("seed", "Seed", "", "meta seed"),
    Statistic("returns_interval", "Interval of returns", "text", "see Run.statistics"),
    Statistic("code_hash", "Code hash", "text", "meta code_hash"),
    Statistic("data_hash", "Data hash", "text", "meta data hash"),
    Statistic("version", "Version", "text", "meta version of livekit"),
    Statistic("started", "Started", "text", "meta started, wall clock"),
    Statistic("wall_s", "Wall time", "s", "meta wall_s"),
)
LATENCY: Final = (
    Statistic("events_per_s", "Events per second", "", "events / wall time"),
    *(
        Statistic(f"{key}_{tail}_ms", f"{name} {tail}", "ms", f"{what}; meta latency {key}_ns")
        for key, name, what in _PATHS
        for tail in ("p50", "p99", "max")
    ),
    *(
        Statistic(f"ack_{tail}_ms", f"Acknowledgement {tail}", "ms", "order acked - created")
        for tail in ("p50", "p99", "max")
    ),
    *(
        Statistic(
            f"fill_report_{tail}_ms", f"Fill report {tail}", "ms", "fill booked - at the venue"
        )
        for tail in ("p50", "p99", "max")
    ),
    Statistic("n_dropped", "Events dropped", "", "meta counts dropped: by a full ring"),
)
DATA: Final = (
    Statistic("n_gaps", "Gaps", "", "meta data gaps"),
    Statistic("n_lost", "Events lost in gaps", "", "sum over the gaps and kinds"),
    Statistic("n_out_of_order", "Events out of order", "", "meta data n_out_of_order"),
    Statistic("stale_pct", "Time stale", "%", "meta data stale_share"),
    Statistic("invalid_pct", "Time with an invalid book", "%", "meta data invalid_share"),
    Statistic("unmarked_pct", "Samples without equity", "%", "samples with a position unmarked"),
)


def describe(rows: Rows) -> dict[str, Any]:
    """Compute the statistics of RUN."""
    meta = rows.meta
    counts, source = meta.get("counts") or {}, meta.get("data") or {}
    said = {key: meta.get(key) for key in ("name", "kind", "strategy", "params", "models")}
    return {
        **said,
        "start": np.datetime64(rows.start_ns, "ns"),
        "end": np.datetime64(rows.stop_ns, "ns"),
        "duration_s": rows.duration_ns / SECOND_NS,
        "is_partial": bool(meta.get("is_partial", False)),
        "n_events": counts.get("events", source.get("n_events", NAN)),
        "n_orders": len(rows.orders),
        "n_fills": len(rows.fills),
        "n_errors": counts.get("errors", NAN),
        "symbols": list(rows.symbols),
        "cash": rows.cash,
        "seed": meta.get("seed", NAN),
        "returns_interval": duration_name(rows.interval_ns),
        "code_hash": meta.get("code_hash"),
        "data_hash": source.get("hash"),
        "version": meta.get("version"),
        "started": meta.get("started"),
        "wall_s": number(meta.get("wall_s")),
    }


def latency(rows: Rows) -> dict[str, Any]:
    """Compute the statistics of LATENCY."""
    counts, said = rows.meta.get("counts") or {}, rows.meta.get("latency") or {}
    events = number(counts.get("events"))
    found: dict[str, Any] = {
        "events_per_s": ratio(events, number(rows.meta.get("wall_s"))),
        "n_dropped": counts.get("dropped", NAN),
    }
    for key, _, _ in _PATHS:
        found |= _tails(key, np.asarray(said.get(f"{key}_ns") or [], dtype=float))
    heard = (rows.orders["acked_ns"] > 0) & ~is_denied(rows.orders)
    found |= _tails("ack", (rows.orders["acked_ns"] - rows.orders["created_ns"])[heard])
    found |= _tails("fill_report", rows.fills["ts"] - rows.fills["ts_venue"])
    return found


def _tails(key: str, values_ns: np.ndarray) -> dict[str, float]:
    tails = quantiles(values_ns, 0.5, 0.99, 1.0)
    return {
        f"{key}_{tail}_ms": one / _MS
        for tail, one in zip(("p50", "p99", "max"), tails, strict=True)
    }


def data(rows: Rows) -> dict[str, Any]:
    """Compute the statistics of DATA."""
    source = rows.meta.get("data") or {}
    gaps = source.get("gaps")
    lost = [sum((gap.get("lost") or {}).values()) for gap in gaps or ()]
    missing = ~np.isfinite(rows.equity["equity"])
    return {
        "n_gaps": NAN if gaps is None else len(gaps),
        "n_lost": NAN if gaps is None else sum(lost),
        "n_out_of_order": source.get("n_out_of_order", NAN),
        "stale_pct": number(source.get("stale_share")) * PERCENT,
        "invalid_pct": number(source.get("invalid_share")) * PERCENT,
        "unmarked_pct": ratio(int(np.count_nonzero(missing)), len(missing)) * PERCENT,
    }
