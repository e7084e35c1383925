"""The audit: every command that changed something, one line of JSON each, for good.

    {"at": "2026-01-05T10:00:00.123456+00:00", "verb": "params", "by": "pid 4711", ...}

A line is written with one call, before the answer goes out, so a killed engine loses
none. The file has a bound: when it is full it becomes `commands.old.jsonl`, in place of
the one before.
Layer 4.
"""

import datetime as dt
import logging
import os
from pathlib import Path
from typing import Any, Final

import msgspec

from livekit.config import check_name, private_folder, state_root

__all__ = ["Audit", "audit_path", "read_audit"]

_log: Final = logging.getLogger(__name__)

_MAX_BYTES: Final = 4 << 20
_OLD: Final = "commands.old.jsonl"


def audit_path(engine: str) -> Path:
    """Return the file of an engine's audit; its folder is made private to the user."""
    folder = state_root() / check_name(engine, "engine") / "audit"
    return private_folder(folder) / "commands.jsonl"


class Audit:
    """Writes the audit of one engine.

    Parameters
    ----------
    engine : str
    """

    def __init__(self, engine: str) -> None:
        self.path = audit_path(engine)

    def note(self, verb: str, by: str, **facts: Any) -> None:
        """Write one line; a full disk costs the line, not the command."""
        stamp = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        line = msgspec.json.encode({"at": stamp, "verb": verb, "by": by, **facts}) + b"\n"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            file = os.open(self.path, flags, 0o600)
            try:
                os.write(file, line)
                is_full = os.fstat(file).st_size > _MAX_BYTES
            finally:
                os.close(file)
            if is_full:
                self.path.replace(self.path.with_name(_OLD))
        except OSError as error:
            _log.error("audit not written verb=%s by=%s error=%s", verb, by, error)
        _log.warning("command verb=%s by=%s %s", verb, by, facts)


def read_audit(engine: str, limit: int = 100) -> list[dict[str, Any]]:
    """Return the last commands of an engine, oldest first; of an earlier start of it too."""
    path = audit_path(engine)
    lines: list[bytes] = []
    for file in (path.with_name(_OLD), path):
        if file.exists():
            lines += file.read_bytes().splitlines()
    found = []
    for line in lines[-limit:]:
        try:
            found.append(msgspec.json.decode(line, type=dict[str, Any]))
        except msgspec.DecodeError:
            continue  # the end of a line that a full disk cut off
    return found
