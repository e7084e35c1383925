"""What ``livekit status`` shows of a live feed.

Layer 5.
"""

from collections.abc import Iterable
from typing import Any

from livekit.cli.output import make_table, nanoseconds

__all__ = ["connection_table", "feed_rows"]


def feed_rows(feed: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of the engine's table that a live feed adds."""
    latency, clock = feed["latency"], feed["clock"]
    state = feed["state"]
    if feed["heard_ago_s"] is not None:
        state += f", last heard {feed['heard_ago_s']:.1f} s ago"
    if feed["stale"]:
        state += f", no price of {', '.join(feed['stale'])}"
    rows = [
        ("feed", state),
        ("clock offset", _offset(clock)),
        ("exchange→receive", _percentiles(latency["exchange_to_receive_ns"])),
        ("receive→publish", _percentiles(latency["receive_to_publish_ns"])),
        ("feed faults", f"{feed['gaps']} gaps, {feed['bad_frames']} bad frames"),
    ]
    for symbol, text in feed["instrument_changes"].items():
        rows.append((symbol, f"{text}; restart the engine"))
    return rows


def connection_table(connections: Iterable[dict[str, Any]]) -> Any:
    """Return a rich table of the connections."""
    return make_table(
        ("connection", "state", ">subscribed", ">frames", ">heard", ">connects", ">resyncs", "why"),
        [_row(row) for row in connections],
    )


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    heard = "-" if row["heard_ago_s"] is None else f"{row['heard_ago_s']:.1f} s ago"
    refused = "; ".join(f"{what} refused: {text}" for what, text in row["refused"].items())
    return (
        row["url"],
        row["state"] + (", being replaced" if row["is_replacing"] else ""),
        f"{row['subscribed']} of {row['subscriptions']}",
        f"{row['frames']:,}",
        heard,
        str(row["connects"]),
        str(row["resyncs"]),
        row["problem"] or refused,
    )


def _offset(clock: dict[str, Any]) -> str:
    if clock["offset_ns"] is None:
        return "unknown"
    text = f"{clock['offset_ns'] / 1e6:+.1f} ms, ± {clock['uncertainty_ns'] / 1e6:.1f} ms"
    return f"{text}: {clock['problem']}" if clock["problem"] else text


def _percentiles(values: dict[str, float | None]) -> str:
    shown = " / ".join(nanoseconds(values[name]) for name in ("p50", "p99", "p999"))
    return f"{shown} (p50 / p99 / p99.9)"
