"""The mark of a kill switch, which outlives the engine that trades at a venue.

An engine that was halted by an operator and then died, or was started again by a script,
must not trade on: it starts HALTED until somebody says that it may trade (RELIABILITY R19).
Layer 4.
"""

import datetime as dt
import os
from pathlib import Path
from typing import Any

import msgspec

from livekit.engine.audit import audit_path

__all__ = ["clear_halt", "keep_halt", "read_halt"]


def _path(engine: str) -> Path:
    return audit_path(engine).with_name("halted.json")


def keep_halt(engine: str, by: str) -> None:
    """Write the mark, so that it is there after a loss of power; OSError when it cannot be."""
    path, stamp = _path(engine), dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(msgspec.json.encode({"at": stamp, "by": by}))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_halt(engine: str) -> dict[str, Any] | None:
    """Return when and by whom an engine was halted; None when it was not.

    A mark that cannot be read counts: somebody halted it.
    """
    try:
        return msgspec.json.decode(_path(engine).read_bytes(), type=dict[str, Any])
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError):
        return {"at": "an unknown time", "by": "unknown"}


def clear_halt(engine: str) -> None:
    """Take the mark away, if there is one."""
    _path(engine).unlink(missing_ok=True)
