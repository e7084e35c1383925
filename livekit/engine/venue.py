"""Where an engine's orders go: the paper exchange in the core, or an exchange over a network.

Layer 4.
"""

import logging
import selectors
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from livekit.engine.settings import EngineSettings
from livekit.engine.source import Source
from livekit.errors import ConfigError
from livekit.trading.core import TradingCore
from livekit.trading.router import cancel_all, cancel_strategy

if TYPE_CHECKING:
    from livekit.engine.okx.adapter import OKXAdapter

__all__ = ["LIVE_CLOSED", "VENUES", "PaperVenue", "Venue", "check_venue", "open_venue"]

_log: Final = logging.getLogger(__name__)

VENUES: Final = ("paper", "demo", "live")

LIVE_CLOSED: Final = (
    "live trading stays closed until the order path (journal, reconciliation, unknown outcomes) "
    "is proven against the exchange itself; use --demo, or --paper"
)
"""What whoever asks for live trading is told."""

_DEMO_ENVIRONMENTS: Final = ("sim", "demo")


class Venue(Protocol):
    """What the engine asks of a venue; all from its own thread."""

    @property
    def is_remote(self) -> bool:
        """Whether orders wait to be sent, and answers come later."""

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is open or under way."""

    def begin(
        self,
        selector: selectors.BaseSelector,
        make_room: Callable[[], None],
        deliver: Callable[[], None],
    ) -> None:
        """Connect: sockets call back by `selector`; see OKXVenue.begin."""

    def flush(self) -> None:
        """Send what waits."""

    def look_after(self, now_ns: int) -> None:
        """Look at the time; CLOCK_MONOTONIC."""

    def cancel_strategy(self, ring: int, now_ns: int) -> int:
        """Cancel what a strategy has open, or ask for it; how many."""

    def cancel_all(self, now_ns: int) -> int:
        """Cancel everything that is open, or ask for it; how many."""

    def stop(self) -> None:
        """Take no new order from now on."""

    def close(self) -> None:
        """Give everything back."""

    def describe(self) -> dict[str, Any]:
        """Return what ``livekit status`` shows of it."""


class PaperVenue:
    """The paper exchange, which is part of the core.

    Parameters
    ----------
    core : TradingCore
    """

    is_remote = False
    is_quiet = True

    def __init__(self, core: TradingCore) -> None:
        self._core = core

    def begin(
        self,
        selector: selectors.BaseSelector,
        make_room: Callable[[], None],
        deliver: Callable[[], None],
    ) -> None:
        """Do nothing: there is nobody to connect to."""

    def flush(self) -> None:
        """Do nothing: the core has answered already."""

    def look_after(self, now_ns: int) -> None:
        """Do nothing: time passes with the market."""

    def cancel_strategy(self, ring: int, now_ns: int) -> int:
        """Cancel what a strategy has open; the outbox has room for it."""
        canceled = cancel_strategy(self._core.address, ring, now_ns)
        assert canceled >= 0
        return canceled

    def cancel_all(self, now_ns: int) -> int:
        """Cancel everything that is open; the outbox has room for it."""
        canceled = cancel_all(self._core.address, now_ns)
        assert canceled >= 0
        return canceled

    def stop(self) -> None:
        """Do nothing: what is open is cancelled with its strategy."""

    def close(self) -> None:
        """Do nothing."""

    def describe(self) -> dict[str, Any]:
        """Return nothing besides the venue's name."""
        return {}


def check_venue(settings: EngineSettings) -> None:
    """Refuse a venue that is unknown, closed, or not of the settings' source; before it is opened.

    Raises
    ------
    ConfigError
        With what to do about it.
    """
    if settings.venue not in VENUES:
        raise ConfigError(f"venue {settings.venue!r} is unknown; use {', '.join(VENUES)}")
    if settings.venue == "paper":
        return
    if settings.source != "okx":
        raise ConfigError(
            f"venue {settings.venue!r} needs the exchange's own market; add --source okx, or trade "
            "on paper"
        )
    if settings.venue == "live" and settings.env != "sim":
        raise ConfigError(LIVE_CLOSED)
    if settings.venue == "demo" and settings.env not in _DEMO_ENVIRONMENTS:
        raise ConfigError(
            f"demo trading is not on --env {settings.env}; use --env demo, or --env sim with a "
            "simulator's --url"
        )


def open_venue(settings: EngineSettings, source: Source, core: TradingCore) -> Venue:
    """Return the venue that an engine's settings name; they have been checked.

    Raises
    ------
    ConfigError
        The account may not trade.
    NotFoundError
        There is no key for it.
    DeadlineError
        The exchange does not tell of the account.
    """
    return PaperVenue(core) if settings.venue == "paper" else _open_okx(settings, source, core)


def _open_okx(settings: EngineSettings, source: Any, core: TradingCore) -> Venue:
    from livekit.credentials import load  # noqa: PLC0415 - only who trades reads a key
    from livekit.engine.okx.signing import Signer  # noqa: PLC0415
    from livekit.engine.okx.venue import OKXVenue  # noqa: PLC0415

    adapter: OKXAdapter = source
    credentials = load(settings.env, Path(settings.key_file) if settings.key_file else None)
    _log.info("key %r from %s", credentials, credentials.source)
    signer = Signer(credentials, adapter, is_demo=settings.venue == "demo")
    return OKXVenue(adapter, core, signer)
