"""Misbehaviour on command: what goes wrong next, how often, and where.

A fault is armed by ``POST /sim/fault`` or by a test that holds the object. It acts on
what it matches, `count` times (0: until cleared), on every `every`-th occasion.
Layer 4. Pure.
"""

from dataclasses import dataclass, fields
from typing import Any, Final

from livekit.errors import ConfigError

__all__ = ["KINDS", "Fault", "Faults"]

KINDS: Final = {
    "cut": "break the connections that match, at once",
    "half-open": "stop answering on the connections that match, but keep them",
    "notice": "announce an upgrade (64008), then close after `seconds`",
    "delay": "send every frame `seconds` late",
    "duplicate": "send a frame twice",
    "reorder": "send a frame after the next one",
    "drop": "do not send a frame",
    "gap": "do not send an update of a book",
    "http": "answer a REST call with the HTTP status `code`, nothing done",
    "refuse": "answer a REST call or an operation with `code`, nothing done",
    "timeout": "do what was asked, then answer `code` (50004 by default)",
    "lost": "do what was asked, and never answer",
    "slow": "start on a REST call or an operation `seconds` late",
    "junk": "send a frame no client expects: `code` large, nested, binary or utf8",
    "reset": "begin every seqId anew at a low number, as after maintenance",
    "clock": "set the exchange's clock wrong by `seconds`",
    "maintenance": "tell system/status of one in `seconds`, in state `code` (scheduled)",
}


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes
    ----------
    kind : str
        One of KINDS.
    count, every : int
    seconds : float
    code : str
    connection : str
        public, private or business; empty for all.
    channel, path : str
        Of a push; op of an operation, or the last words of a REST path. Empty for all.
    """

    kind: str
    count: int = 1
    every: int = 1
    seconds: float = 0.0
    code: str = ""
    connection: str = ""
    channel: str = ""
    path: str = ""
    n_seen: int = 0
    n_done: int = 0

    def matches(self, connection: str, channel: str, path: str) -> bool:
        """Tell whether it concerns a push, a call or an operation."""
        return (
            self.connection in {"", connection}
            and self.channel in {"", channel}
            and (self.path in {"", path} or path.endswith(f"/{self.path}"))
        )


class Faults:
    """What is armed.

    Attributes
    ----------
    n_done : dict of str to int
        How often each kind has acted.
    """

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self.n_done: dict[str, int] = {}

    def arm(self, kind: str, **options: Any) -> Fault:
        """Arm a fault.

        Raises
        ------
        ConfigError
            No such kind or option.
        """
        known = {one.name for one in fields(Fault)} - {"kind", "n_seen", "n_done"}
        if kind not in KINDS:
            raise ConfigError(f"fault {kind!r} is none of {', '.join(KINDS)}")
        if set(options) - known:
            wrong = ", ".join(sorted(set(options) - known))
            raise ConfigError(f"options {wrong} are none of {', '.join(sorted(known))}")
        fault = Fault(kind, **options)
        if fault.every < 1 or fault.count < 0:
            raise ConfigError(
                f"every is {fault.every!r}, count {fault.count!r}, expected 1 or more"
            )
        self._armed.append(fault)
        return fault

    def clear(self, kind: str = "") -> None:
        """Disarm all faults, or those of a kind."""
        self._armed = [one for one in self._armed if kind and one.kind != kind]

    def strike(
        self, kind: str, *, connection: str = "", channel: str = "", path: str = ""
    ) -> Fault | None:
        """Return the fault of a kind that acts now, if one does, and count it."""
        if not self._armed:
            return None
        for fault in self._armed:
            if fault.kind != kind or not fault.matches(connection, channel, path):
                continue
            fault.n_seen += 1
            if fault.n_seen % fault.every:
                continue
            fault.n_done += 1
            self.n_done[kind] = self.n_done.get(kind, 0) + 1
            if fault.count and fault.n_done >= fault.count:
                self._armed.remove(fault)
            return fault
        return None
