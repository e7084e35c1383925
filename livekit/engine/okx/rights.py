"""What an account and its key must be for livekit to trade with them, and what to change.

Every refusal is one sentence that ends in the fix. A key that may withdraw is refused
because nothing here needs that right; long/short position mode because positions of the
trading core are net.
Source: PROTOCOL 3.3, 8.4 and 9.3.
Layer 4. Pure.
"""

from collections.abc import Sequence
from typing import Final

from livekit.instruments import Instrument
from livekit.okx.rest import AccountConfig

__all__ = [
    "LEVELS",
    "config_problem",
    "config_warnings",
    "level_problem",
    "position_mode_problem",
    "rights_problem",
]

LEVELS: Final = {"1": "spot", "2": "futures", "3": "multi-currency", "4": "portfolio"}
"""Account modes by acctLv."""


def level_problem(level: str, instruments: Sequence[Instrument]) -> str:
    """Return why an account mode cannot trade some instruments, and what to do; or ""."""
    if level not in LEVELS:
        return (
            f"account mode {level!r} is none that livekit knows ({', '.join(LEVELS)}); choose the "
            "futures or spot mode at OKX, under account mode"
        )
    others = [one.symbol for one in instruments if one.kind != "spot"]
    if level == "1" and others:
        return (
            f"account is in spot mode, which cannot trade {others[0]!r}; choose the futures mode "
            "at OKX, under account mode, or leave the instrument out"
        )
    return ""


def rights_problem(config: AccountConfig) -> str:
    """Return why a key must not trade, and what to do about it; or ""."""
    rights = ", ".join(sorted(config.permissions)) or "none"
    if "withdraw" in config.permissions:
        return (
            f"key may withdraw (its rights: {rights}); make one with the Read and Trade rights "
            "only at OKX, delete this one, and use the new one"
        )
    if "trade" not in config.permissions:
        return (
            f"key may not trade (its rights: {rights}); give it the Trade right at OKX, or make "
            "another key"
        )
    return ""


def position_mode_problem(config: AccountConfig, instruments: Sequence[Instrument]) -> str:
    """Return why the position mode cannot trade some instruments, and what to do; or ""."""
    if config.posMode == "net_mode" or all(one.kind == "spot" for one in instruments):
        return ""
    return (
        f"position mode is {config.posMode!r}, expected 'net_mode'; close all positions and "
        "orders, then choose one-way mode at OKX, under position mode"
    )


def config_problem(config: AccountConfig, instruments: Sequence[Instrument]) -> str:
    """Return the first reason why an account or key must not trade, with its fix; or ""."""
    return (
        rights_problem(config)
        or level_problem(config.acctLv, instruments)
        or position_mode_problem(config, instruments)
    )


def config_warnings(config: AccountConfig) -> list[str]:
    """Return what an account or key would better be changed in, in sentences."""
    found = []
    if not config.ip:
        found.append(
            "key is bound to no address, and one that may trade expires after 14 days without "
            "use; bind it to this machine's address at OKX"
        )
    if config.autoLoan or config.enableSpotBorrow:
        found.append(
            "account borrows by itself when a balance does not suffice; switch auto-borrow off "
            "at OKX unless you want that"
        )
    return found
