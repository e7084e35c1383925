"""One import from its beginning to its end, whatever is read: whole or not at all.

Layer 3.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livekit.errors import ConfigError, DataError, NotFoundError
from livekit.events import Kind
from livekit.instruments import Instrument
from livekit.store.catalog import Catalog, check_folder_name
from livekit.store.importers.cryptofeed import finer
from livekit.store.importers.intake import Intake
from livekit.store.importers.report import ImportReport
from livekit.store.importers.sink import Sink
from livekit.store.importers.steps import Steps
from livekit.store.importers.table import TableImporter
from livekit.store.schema import kind_of

__all__ = ["Wanted", "file_sizes", "parse_period", "run_import", "table_importer"]

_PERIODS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_period(text: str) -> int:
    """Return the ns of a bar's period such as ``1m``, ``4h`` or ``1d``; ConfigError otherwise."""
    number, unit = text[:-1], text[-1:].lower()
    if unit not in _PERIODS or not number.isdigit() or not int(number):
        raise ConfigError(f"period {text!r} is unknown, expected one such as 30s, 1m, 4h or 1d")
    return int(number) * _PERIODS[unit] * 1_000_000_000


def file_sizes(paths: Iterable[Path]) -> list[int]:
    """Return the bytes of each file; NotFoundError when one is not there."""
    sizes = []
    for path in paths:
        if not path.is_file():
            raise NotFoundError(f"file {str(path)!r} does not exist")
        sizes.append(path.stat().st_size)
    return sizes


def table_importer(
    intake: Intake,
    kind: Kind | str | None,
    columns: Mapping[str, str] | None,
    unit: str | None,
    period: str | None,
) -> TableImporter:
    """Return an importer of tables, from options as users write them."""
    return TableImporter(
        intake,
        kind=None if kind is None else kind_of(kind),
        columns=columns,
        unit=unit,
        period_ns=None if period is None else parse_period(period),
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a user asks of an import, as for `import_files`.

    Attributes
    ----------
    symbol, venue : str or None
    kinds : iterable of str or Kind, or None
    steps : mapping or None
    replace : bool
    """

    symbol: str | None = None
    venue: str | None = None
    kinds: Iterable[Kind | str] | None = None
    steps: Mapping[str, float | None] | None = None
    replace: bool = False


def run_import(
    report: ImportReport,
    read: Callable[[Intake], None],
    wanted: Wanted,
    known: dict[str, Instrument],
    tick: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Import what `read` puts into an intake.

    Parameters
    ----------
    report : ImportReport
        Filled in, and returned.
    read : callable
        Reads everything into the intake given.
    wanted : Wanted
    known : dict of str to Instrument
        Steps that are not to be inferred.
    tick : callable, optional
        See `Intake`.

    Raises
    ------
    ConfigError, DataError
        See `import_files`. Nothing was imported.
    """
    began = time.perf_counter()
    symbol = wanted.symbol
    if symbol is not None:
        check_folder_name(symbol, "symbol")
    check_folder_name(report.venue, "venue")
    catalog, finder = Catalog(report.into), Steps(**(wanted.steps or {}), known=known)
    kinds = None if wanted.kinds is None else frozenset(map(kind_of, wanted.kinds))
    with Sink(catalog, report.venue, replace=wanted.replace) as sink:
        intake = Intake(
            sink, finder, report, symbol=symbol, kinds=kinds, venue=wanted.venue, tick=tick
        )
        read(intake)
        if not sink.parts:
            hint = f" of {symbol!r}" if symbol else ""
            left = "; ".join(f"{n:,} {reason}" for reason, n in report.ignored.items())
            raise DataError(
                f"{', '.join(report.files) or 'the frame'} holds no rows{hint} that are to be "
                f"kept{' (' + left + ')' if left else ''}; nothing was imported; look at --symbol "
                "and --kinds, or name a file that holds some"
            )
        sink.finish()
        intake.summarize()
        _instruments(catalog, intake)
        report.written = sink.commit()
        catalog.write_instruments(report.instruments, report.venue)
    report.wall_s = time.perf_counter() - began
    return report


def _instruments(catalog: Catalog, intake: Intake) -> None:
    """Find the steps of every symbol; those that were inferred never replace known ones."""
    report, held = intake.report, catalog.instruments(intake.sink.venue)
    for symbol in dict.fromkeys(one.symbol for one in report.kinds):
        one, inferred = intake.steps.instrument(symbol)
        if inferred and symbol in held:
            one = finer(one, held[symbol])
            report.note(f"steps of {symbol} are those that the catalog holds, or finer")
        elif inferred:
            report.inferred.append(symbol)
            report.note(
                f"steps of {symbol} were inferred from its data: {', '.join(inferred)}; give "
                "--instruments FILE, or --tick, --lot and --min, for the exchange's own"
            )
        report.instruments.append(one)
