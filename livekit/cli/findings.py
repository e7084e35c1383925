"""What `livekit doctor` found: one line for each check, and under it what to do.

Layer 5.
"""

import enum
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

__all__ = ["Finding", "State", "exit_code_of", "to_json", "write"]


class State(enum.StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"  # works, and would better be changed
    PROBLEM = "problem"
    SKIPPED = "skipped"


_COLOURS: Final = {
    State.OK: "32",
    State.NOTE: "33",
    State.PROBLEM: "31;1",
    State.SKIPPED: "2",
}
_STATE_WIDTH: Final = 9
_NAME_WIDTH: Final = 19
_MIN_WIDTH: Final = 60
_MAX_WIDTH: Final = 110


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    Attributes
    ----------
    name : str
    state : State
    text : str
        What was found.
    fix : str
        What to do, where something is to be done.
    exit_code : int
        Of the command, if this is its first problem.
    """

    name: str
    state: State
    text: str
    fix: str = ""
    exit_code: int = 1

    @property
    def is_problem(self) -> bool:
        """Whether it must be mended first."""
        return self.state is State.PROBLEM


def exit_code_of(found: Sequence[Finding]) -> int:
    """Return the exit code of the first problem, from which later ones often follow; or 0."""
    return next((one.exit_code for one in found if one.is_problem), 0)


def to_json(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return the findings as they are printed with ``--json``."""
    rows = [asdict(one) for one in found]
    for row in rows:
        row.pop("exit_code")
    return rows


def write(one: Finding) -> None:
    """Print a finding at once, so that a slow check is seen to be under way."""
    state = f"{one.state:{_STATE_WIDTH}}"
    if sys.stdout.isatty():
        state = f"\x1b[{_COLOURS[one.state]}m{state}\x1b[0m"
    indent = " " * (_STATE_WIDTH + _NAME_WIDTH)
    columns = shutil.get_terminal_size().columns
    width = max(_MIN_WIDTH, min(_MAX_WIDTH, columns)) - len(indent)
    lines = _wrapped(one.text, width)
    if one.fix:
        lines += _wrapped(f"→ {one.fix}", width, "  ")
    first, *rest = lines
    print(f"{state}{one.name:{_NAME_WIDTH}}{first}", *(indent + line for line in rest), sep="\n")
    sys.stdout.flush()


def _wrapped(text: str, width: int, hang: str = "") -> list[str]:
    # Symbols and file names hold hyphens and must stay whole to be copied.
    return textwrap.wrap(
        text, width, subsequent_indent=hang, break_on_hyphens=False, break_long_words=False
    ) or [""]
