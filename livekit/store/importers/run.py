"""One import: files of one format, or a frame, into a catalog, whole or not at all.

Layer 3.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from livekit.errors import ConfigError, DataError, NotFoundError
from livekit.events import Kind
from livekit.instruments import Instrument
from livekit.store.catalog import Catalog, check_folder_name
from livekit.store.importers.cryptofeed import finer, read_instruments_file
from livekit.store.importers.csvtext import header
from livekit.store.importers.detect import FORMATS, format_of
from livekit.store.importers.hft import HftImporter
from livekit.store.importers.intake import Intake
from livekit.store.importers.okx_books import OkxBookImporter, is_book_line
from livekit.store.importers.okx_csv import OkxCsvImporter
from livekit.store.importers.report import ImportReport
from livekit.store.importers.sink import Sink
from livekit.store.importers.source import open_texts
from livekit.store.importers.steps import Steps
from livekit.store.importers.table import TableImporter
from livekit.store.importers.tardis import TardisImporter, kind_of_header
from livekit.store.schema import kind_of

__all__ = ["import_files", "import_frame", "parse_period"]

Progress = Callable[[int, int, int], None]
"""Called now and then with (bytes read, bytes of all files, rows read)."""

_PERIODS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_period(text: str) -> int:
    """Return the ns of a bar's period such as ``1m``, ``4h`` or ``1d``; ConfigError otherwise."""
    number, unit = text[:-1], text[-1:].lower()
    if unit not in _PERIODS or not number.isdigit() or not int(number):
        raise ConfigError(f"period {text!r} is unknown, expected one such as 30s, 1m, 4h or 1d")
    return int(number) * _PERIODS[unit] * 1_000_000_000


def import_files(
    files: Iterable[str | Path],
    into: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - the command's option has this name
    symbol: str | None = None,
    venue: str | None = None,
    kinds: Iterable[Kind | str] | None = None,
    kind: Kind | str | None = None,
    columns: Mapping[str, str] | None = None,
    unit: str | None = None,
    period: str | None = None,
    instruments: str | Path | None = None,
    steps: Mapping[str, float | None] | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Import files of one format into a catalog, whole or not at all.

    Parameters
    ----------
    files : iterable of path
        In the order of their times.
    into : path
        Folder of the catalog; created if need be.
    format : str, optional
        ``hftbacktest``, ``tardis``, ``okx`` or ``table``; told from the first file by default.
    symbol : str, optional
        The only one wanted, or the name of one that the files do not name.
    venue : str, optional
        Told from the files where they say it, otherwise ``okx``.
    kinds : iterable, optional
        Keep these only.
    kind, columns, unit, period
        Of tables: see `import_frame`.
    instruments : path, optional
        File of the exchange's ``public/instruments`` replies.
    steps : mapping, optional
        ``tick``, ``lot``, ``minimum``, ``contract_value``: known better than by the files.
    replace : bool
        Overwrite days that exist.
    progress : callable, optional
        See Progress.

    Returns
    -------
    ImportReport

    Raises
    ------
    NotFoundError, ConfigError, DataError
        A file is not there; something must be said or corrected; a file is broken, with
        the first bad row. Nothing was imported.
    """
    paths = [Path(file) for file in files]
    if not paths:
        raise ConfigError("no files to import; name at least one")
    sizes = _sizes(paths)
    format = format or format_of(paths[0])  # noqa: A001
    done = 0

    def tick(position: int, rows: int) -> None:
        if progress is not None:
            progress(done + position, sum(sizes), rows)

    def read(intake: Intake) -> None:
        nonlocal done
        reader = _reader(intake, format, paths, kind, columns, unit, period)
        for path, size in zip(paths, sizes, strict=True):
            reader(path)
            done += size
            tick(0, intake.report.rows_read)

    known = read_instruments_file(instruments) if instruments is not None else {}
    report = ImportReport(format, venue or "okx", str(into), [str(path) for path in paths])
    report.n_bytes = sum(sizes)
    return _run(
        report,
        read,
        symbol=symbol,
        venue=venue,
        kinds=kinds,
        steps=steps,
        known=known,
        replace=replace,
        tick=tick,
    )


def import_frame(
    frame: Any,
    symbol: str | None = None,
    kind: Kind | str | None = None,
    *,
    into: str | Path,
    columns: Mapping[str, str] | None = None,
    unit: str | None = None,
    period: str | None = None,
    instrument: Instrument | None = None,
    venue: str = "okx",
    replace: bool = False,
) -> ImportReport:
    """Import a table of trades, quotes, books or bars into a catalog.

    Parameters
    ----------
    frame : pandas.DataFrame, pyarrow.Table, or path
        A path is one of a Parquet or CSV file. What speaks Arrow's stream protocol, such as
        a Polars frame, is taken as well. Never changed.
    symbol : str, optional
        Not needed where a column names it.
    kind : str, optional
        ``trade``, ``quote``, ``book`` or ``bar``; told from the columns by default.
    into : path
        Folder of the catalog.
    columns : mapping, optional
        Role to column, such as ``{"time": "when", "size": "contracts"}``, for columns that
        do not have a usual name.
    unit : str, optional
        Of times that are numbers: ``s``, ``ms``, ``us``, ``ns``. By default told from their
        digits, when all have 10, 13, 16 or 19.
    period : str, optional
        Of bars: ``1m``. Their times are those of opening; events are stamped at the close.
    instrument : Instrument, optional
        The steps; otherwise read off the data, which the report says.
    venue : str
    replace : bool
        Overwrite days that exist.

    Returns
    -------
    ImportReport
        What was written; `notes` says what had to be decided.

    Raises
    ------
    ConfigError, DataError, NotFoundError
        See `import_files`. Nothing was imported.
    """
    known = {instrument.symbol: instrument} if instrument is not None else {}
    if instrument is not None and symbol is None:
        symbol = instrument.symbol
    if isinstance(frame, str | Path):
        path = Path(frame)
        report = ImportReport("table", venue, str(into), [str(path)])
        report.n_bytes = sum(_sizes([path]))
    else:
        path, report = None, ImportReport("table", venue, str(into))

    def read(intake: Intake) -> None:
        table = TableImporter(
            intake,
            kind=None if kind is None else kind_of(kind),
            columns=columns,
            unit=unit,
            period_ns=None if period is None else parse_period(period),
        )
        if path is not None:
            table.read(path)
        else:
            table.read_frame(frame)

    return _run(report, read, symbol=symbol, venue=venue, known=known, replace=replace)


def _sizes(paths: list[Path]) -> list[int]:
    for path in paths:
        if not path.is_file():
            raise NotFoundError(f"file {str(path)!r} does not exist")
    return [path.stat().st_size for path in paths]


def _reader(
    intake: Intake,
    format: str,  # noqa: A002
    paths: list[Path],
    kind: Kind | str | None,
    columns: Mapping[str, str] | None,
    unit: str | None,
    period: str | None,
) -> Callable[[Path], None]:
    """Return what reads one file of a format."""
    if format == "hftbacktest":
        return HftImporter(intake).read
    if format == "tardis":
        tardis = TardisImporter(intake)
        intake.has_quotes = any(
            kind_of_header(header(text)) == "quotes" for path in paths for text in open_texts(path)
        )
        return lambda path: _each(path, tardis.read)
    if format == "okx":
        csv, books = OkxCsvImporter(intake), OkxBookImporter(intake)

        def read_okx(path: Path) -> None:
            for text in open_texts(path):
                (books if is_book_line(text.first_line()) else csv).read(text)

        return read_okx
    if format == "table":
        return TableImporter(
            intake,
            kind=None if kind is None else kind_of(kind),
            columns=columns,
            unit=unit,
            period_ns=None if period is None else parse_period(period),
        ).read
    raise ConfigError(f"format {format!r} is unknown, expected one of {', '.join(FORMATS)}")


def _each(path: Path, read: Callable[[Any], None]) -> None:
    for text in open_texts(path):
        read(text)


def _run(
    report: ImportReport,
    read: Callable[[Intake], None],
    *,
    symbol: str | None,
    venue: str | None,
    known: dict[str, Instrument],
    kinds: Iterable[Kind | str] | None = None,
    steps: Mapping[str, float | None] | None = None,
    replace: bool = False,
    tick: Callable[[int, int], None] | None = None,
) -> ImportReport:
    began = time.perf_counter()
    if symbol is not None:
        check_folder_name(symbol, "symbol")
    check_folder_name(report.venue, "venue")
    catalog, finder = Catalog(report.into), Steps(**(steps or {}), known=known)
    wanted = None if kinds is None else frozenset(kind_of(one) for one in kinds)
    with Sink(catalog, report.venue, replace=replace) as sink:
        intake = Intake(sink, finder, report, symbol=symbol, kinds=wanted, venue=venue, tick=tick)
        read(intake)
        if not sink.parts:
            hint = f" of {symbol!r}" if symbol else ""
            raise DataError(
                f"{', '.join(report.files) or 'the frame'} holds no rows{hint} that are to be "
                "kept; nothing was imported; look at --symbol and --kinds"
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
