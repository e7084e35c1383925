"""The source that an engine's settings name.

Layer 4.
"""

from livekit.engine.settings import EngineSettings
from livekit.engine.source import ReplaySource, Source, parse_pace
from livekit.engine.verbs import data_path
from livekit.errors import ConfigError

__all__ = ["SOURCES", "open_source"]

SOURCES = ("replay", "okx")


def open_source(settings: EngineSettings) -> Source:
    """Return the source of an engine.

    Raises
    ------
    ConfigError
        It is unknown, or a setting of it is impossible.
    NotFoundError, DataError
        The recorded data is missing or corrupt.
    NotRunningError, DeadlineError
        The exchange is not there, or does not answer.
    """
    if settings.source == "replay":
        pace = parse_pace(settings.speed)
        return ReplaySource(data_path(settings.data), pace, settings.symbols or None)
    if settings.source == "okx":
        from livekit.engine.okx.adapter import OKXAdapter  # noqa: PLC0415 - loads HTTP and TLS

        return OKXAdapter(settings)
    raise ConfigError(f"source {settings.source!r} is unknown; use {', '.join(SOURCES)}")
