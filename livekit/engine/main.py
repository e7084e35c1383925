"""The engine's process: ``python -m livekit.engine.main SETTINGS READY_FD``.

Started detached by `launch`; tells it over a pipe, in one line of JSON, that the
engine is ready or why it is not. Everything else goes to the log.
Layer 4.
"""

import logging
import os
import sys

import msgspec

from livekit.engine.folder import EngineLock, log_path
from livekit.engine.settings import EngineSettings
from livekit.errors import LivekitError

__all__ = ["main"]


def _tell(descriptor: int, message: dict[str, object]) -> None:
    os.write(descriptor, msgspec.json.encode(message) + b"\n")
    os.close(descriptor)


def main(arguments: list[str]) -> int:
    """Run one engine; return the process's exit code."""
    settings, ready = EngineSettings.from_json(arguments[0]), int(arguments[1])
    logging.basicConfig(
        filename=log_path(settings.name, "_engine"),
        level=logging.INFO,
        format="%(asctime)s.%(msecs)03d %(levelname)s %(name)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    log = logging.getLogger(__name__)
    try:
        lock = EngineLock(settings.name)
        try:
            from livekit.engine.loop import EventEngine  # noqa: PLC0415 - the lock comes first

            engine = EventEngine(settings, lock)
            engine.warm_up()
            engine.catch_signals()
        except BaseException:
            lock.release()
            raise
    except LivekitError as error:
        log.error("engine not started: %s", error)  # noqa: TRY400 - the message says it all
        described = {"class": type(error).__name__, "message": str(error)}
        _tell(ready, {"error": {**described, "exit_code": error.exit_code}})
        return error.exit_code
    except Exception as error:
        log.exception("engine not started")
        message = f"engine {settings.name!r} could not start: {error!r}; see its log"
        _tell(ready, {"error": {"class": "LivekitError", "message": message, "exit_code": 1}})
        return 1
    swept = [str(lock.swept)] if lock.swept else []
    _tell(ready, {"ready": os.getpid(), "swept": swept})
    try:
        engine.run()
    except Exception:
        log.exception("engine ended by a fault")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
