"""The phases of a connection, what ends them, and what a session can ask to be done.

    phase       | due        opened      ready       silent     heard   cut, late   refused
    WAITING     | CONNECTING
    CONNECTING  |            LOGGING_IN/SUBSCRIBING                     WAITING     FAILED
    LOGGING_IN  |                        SUBSCRIBING                    WAITING     FAILED
    SUBSCRIBING |                        LIVE                           WAITING     FAILED
    LIVE        |                                    PINGED             WAITING     FAILED
    PINGED      |                                    WAITING    LIVE    WAITING     FAILED
    FAILED      | CONNECTING, after a `retry`

Layer 2. Pure.
"""

import enum
from dataclasses import dataclass, field
from typing import Final, Protocol

from livekit.okx.subscriptions import Argument

__all__ = [
    "TABLE",
    "Action",
    "Alarm",
    "Budget",
    "Close",
    "Down",
    "Link",
    "Open",
    "Phase",
    "Send",
    "Signal",
    "Swap",
    "Up",
]


class Phase(enum.IntEnum):
    """What a link is doing."""

    WAITING = 0
    CONNECTING = 1
    LOGGING_IN = 2
    SUBSCRIBING = 3
    LIVE = 4
    PINGED = 5
    FAILED = 6


class Signal(enum.IntEnum):
    """What may end a phase."""

    DUE = 0
    OPENED = 1
    OPENED_FOR_LOGIN = 2
    READY = 3
    SILENT = 4
    HEARD = 5
    CUT = 6
    REFUSED = 7


def _table() -> dict[tuple[Phase, Signal], Phase]:
    table = {
        (Phase.WAITING, Signal.DUE): Phase.CONNECTING,
        (Phase.CONNECTING, Signal.OPENED): Phase.SUBSCRIBING,
        (Phase.CONNECTING, Signal.OPENED_FOR_LOGIN): Phase.LOGGING_IN,
        (Phase.LOGGING_IN, Signal.READY): Phase.SUBSCRIBING,
        (Phase.SUBSCRIBING, Signal.READY): Phase.LIVE,
        (Phase.LIVE, Signal.SILENT): Phase.PINGED,
        (Phase.PINGED, Signal.HEARD): Phase.LIVE,
        (Phase.PINGED, Signal.SILENT): Phase.WAITING,
        (Phase.FAILED, Signal.DUE): Phase.CONNECTING,
    }
    for phase in Phase:
        if phase not in {Phase.WAITING, Phase.FAILED}:
            table[phase, Signal.CUT] = Phase.WAITING
            table[phase, Signal.REFUSED] = Phase.FAILED
    return table


TABLE: Final = _table()
"""The phase that follows, by phase and signal; a pair that is missing changes nothing."""


@dataclass(frozen=True, slots=True)
class Open:
    """Open a connection for a link."""

    link: int


@dataclass(frozen=True, slots=True)
class Send:
    """Send a text frame."""

    link: int
    frame: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close a link's connection; nothing of it is heard any more."""

    link: int
    reason: str


@dataclass(frozen=True, slots=True)
class Up:
    """The session is live."""

    link: int


@dataclass(frozen=True, slots=True)
class Down:
    """The session is not live any more: no price of it holds."""

    link: int
    reason: str


@dataclass(frozen=True, slots=True)
class Swap:
    """Another link is in use from now on."""

    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """Somebody has to look at this."""

    text: str


Action = Open | Send | Close | Up | Down | Swap | Alarm


class Budget(Protocol):
    """How many requests a connection may still make."""

    def take(self, now_ns: int, n: int = 1) -> bool:
        """Take `n` requests, or none of them and return False."""
        ...


@dataclass(slots=True)
class Link:
    """One connection, as the session knows it."""

    number: int
    due_ns: int
    budget: Budget
    phase: Phase = Phase.WAITING
    attempt: int = 0
    since_ns: int = 0
    heard_ns: int = 0
    pending: dict[str, Argument] = field(default_factory=dict)
    refused: dict[Argument, str] = field(default_factory=dict)
    again: list[tuple[int, Argument]] = field(default_factory=list)

    @property
    def is_live(self) -> bool:
        """Whether what it carries may be believed."""
        return self.phase in {Phase.LIVE, Phase.PINGED}
