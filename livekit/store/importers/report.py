"""What an import did, in numbers and in sentences.

Everything that was not in the source but had to be decided is a note: a unit told from
the size of the numbers, a step read off the prices, a side that the source left open.
Layer 3.
"""

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livekit.instruments import Instrument

__all__ = ["ImportReport", "KindReport", "utc"]


def utc(ts: int) -> str:
    """Return a time in ns as ISO 8601 text, to the nanosecond and without zeros behind it."""
    seconds, fraction = divmod(int(ts), 1_000_000_000)
    text = dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{fraction:09d}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


@dataclass(slots=True)
class KindReport:
    """The rows of one symbol and kind that an import wrote.

    Attributes
    ----------
    symbol, kind : str
    rows : int
        Written, all days together.
    days : list of str
    first_ts, last_ts : int
        ``ts_recv`` of the first and last row, ns.
    duplicates : int
        Rows of the source that repeated one and were left out.
    """

    symbol: str
    kind: str
    rows: int = 0
    days: list[str] = field(default_factory=list)
    first_ts: int = 0
    last_ts: int = 0
    duplicates: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        return {
            "symbol": self.symbol,
            "kind": self.kind,
            "rows": self.rows,
            "days": self.days,
            "first_ts": self.first_ts,
            "last_ts": self.last_ts,
            "first": utc(self.first_ts),
            "last": utc(self.last_ts),
            "duplicates": self.duplicates,
        }


@dataclass(slots=True)
class ImportReport:
    """What an import did.

    Attributes
    ----------
    format, venue, into : str
    files : list of str
    kinds : list of KindReport
        By symbol and kind.
    rows_read : int
        Rows of the source, whatever became of them.
    gaps : int
        Places where the source says, or shows, that something is missing.
    crossed : int
        Rows whose best bid is not below the best ask; written as they are.
    ignored : dict of str to int
        Rows left out on purpose, by reason.
    notes : list of str
        What was decided that the source does not say.
    instruments : list of Instrument
    inferred : list of str
        Symbols whose steps were read off the data.
    written : list of Path
    n_bytes : int
        Read from disk.
    wall_s : float
    """

    format: str
    venue: str
    into: str
    files: list[str] = field(default_factory=list)
    kinds: list[KindReport] = field(default_factory=list)
    rows_read: int = 0
    gaps: int = 0
    crossed: int = 0
    ignored: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    instruments: list[Instrument] = field(default_factory=list)
    inferred: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    n_bytes: int = 0
    wall_s: float = 0.0

    @property
    def rows(self) -> int:
        """How many rows were written."""
        return sum(one.rows for one in self.kinds)

    @property
    def duplicates(self) -> int:
        """How many rows were left out because they repeat others."""
        return sum(one.duplicates for one in self.kinds)

    def ignore(self, reason: str, n: int = 1) -> None:
        """Count rows that are left out on purpose."""
        if n:
            self.ignored[reason] = self.ignored.get(reason, 0) + int(n)

    def note(self, sentence: str) -> None:
        """Note a decision, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def __repr__(self) -> str:
        parts = [
            f"{one.rows:,} {one.kind} rows of {one.symbol}, {utc(one.first_ts)} to "
            f"{utc(one.last_ts)}"
            for one in self.kinds
        ]
        lines = [f"<import into {self.into}: {'; '.join(parts) or 'nothing'}>"]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON takes it."""
        return {
            "format": self.format,
            "venue": self.venue,
            "into": self.into,
            "files": self.files,
            "rows_read": self.rows_read,
            "rows": self.rows,
            "kinds": [one.to_dict() for one in self.kinds],
            "duplicates": self.duplicates,
            "gaps": self.gaps,
            "crossed": self.crossed,
            "ignored": dict(sorted(self.ignored.items())),
            "notes": self.notes,
            "instruments": [
                {
                    "symbol": one.symbol,
                    "tick": one.tick,
                    "lot": one.lot,
                    "min_quantity": one.min_quantity,
                    "contract_value": one.contract_value,
                    "kind": one.kind,
                    "is_inferred": one.symbol in self.inferred,
                }
                for one in self.instruments
            ],
            "inferred": self.inferred,
            "written": [str(path) for path in self.written],
            "bytes": self.n_bytes,
            "wall_s": self.wall_s,
        }

    def __str__(self) -> str:
        parts = [
            f"{one.symbol} {one.kind}: {one.rows:,} rows, {one.days[0]} to {one.days[-1]}"
            for one in self.kinds
        ]
        return "; ".join(parts) + f" (in {self.into})"
