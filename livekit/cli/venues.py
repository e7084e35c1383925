"""What ``livekit status`` shows of a venue over a network.

Layer 5.
"""

from typing import Any

from livekit.cli.output import nanoseconds

__all__ = ["order_rows"]


def order_rows(orders: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of the engine's table that a venue adds."""
    switch, account = orders["switch"], orders["account"]
    armed = f"armed, {switch['left_s']:.0f} s left" if switch["left_s"] else "not armed"
    if switch["failures"]:
        armed += f", {switch['failures']} failures, last: {switch['last_failure'] or 'mended'}"
    counts = orders["counts"]
    rows = [
        ("orders are", f"refused: {orders['problem']}" if orders["problem"] else "taken"),
        (
            "open orders",
            (
                f"{orders['open']}, {orders['pending']} requests under way, "
                f"{orders['unknown']} of unknown outcome, {orders['foreign']} not ours"
            ),
        ),
        ("order→socket", _percentiles(orders["order_to_socket_ns"])),
        ("socket→ack", _percentiles(orders["socket_to_ack_ns"])),
        (
            "sent",
            (
                f"{orders['frames']:,} frames, {orders['rest_calls']:,} over REST, "
                f"{orders['held_by_pace']:,} held by the exchange's limits"
            ),
        ),
        ("dead man's switch", armed),
        ("at the exchange", _account(account)),
    ]
    if counts["unknown"] or counts["expired"]:
        told = f"{counts['unknown']} outcomes were unknown, {counts['expired']} proven never sent"
        rows.append(("order faults", told))
    rows += [("drift", text) for text in account["drift"]]
    rows += [("warning", text) for text in account["warnings"]]
    return rows


def _account(account: dict[str, Any]) -> str:
    balances = [f"{one['cash']:,.6g} {name}" for name, one in account["balances"].items()]
    held = [f"{one['quantity']:+,g} {one['symbol']}" for one in account["positions"]]
    parts = [account["mode"], account["fee_level"], ", ".join(balances), ", ".join(held)]
    return "; ".join(part for part in parts if part)


def _percentiles(values: dict[str, float | None]) -> str:
    if values["p50"] is None:
        return "-"
    shown = " / ".join(nanoseconds(values[name]) for name in ("p50", "p99", "p999"))
    return f"{shown} (p50 / p99 / p99.9)"
