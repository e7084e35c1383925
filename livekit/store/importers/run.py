"""Files of any format that is known, as recorded data.

Layer 3.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from livekit.errors import ConfigError
from livekit.events import Kind
from livekit.store.importers.cryptofeed import read_instruments_file
from livekit.store.importers.csvtext import header
from livekit.store.importers.detect import FORMATS, format_of
from livekit.store.importers.hft import HftImporter
from livekit.store.importers.intake import Intake
from livekit.store.importers.okx_books import OkxBookImporter, is_book_line
from livekit.store.importers.okx_csv import OkxCsvImporter
from livekit.store.importers.report import ImportReport
from livekit.store.importers.session import Wanted, file_sizes, run_import, table_importer
from livekit.store.importers.source import Text, open_texts
from livekit.store.importers.tardis import TardisImporter, kind_of_header

__all__ = ["import_files"]


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
    progress: Callable[[int, int, int], None] | None = None,
) -> ImportReport:
    """Import files of one format into a catalog, whole or not at all.

    Parameters
    ----------
    files : iterable of path
        In the order of their times.
    into : path
    format : str, optional
        One of FORMATS; told from the first file by default.
    symbol, kinds : optional
        Keep these only; `symbol` names what the files do not name.
    venue : str, optional
        Told from the files where they say it, otherwise ``okx``.
    kind, columns, unit, period
        Of tables: see `import_frame`.
    instruments : path, optional
        File of ``public/instruments`` replies.
    steps : mapping, optional
        ``tick``, ``lot``, ``minimum``, ``contract_value``, for every symbol.
    replace : bool
        Overwrite days that exist.
    progress : callable, optional
        Called now and then with (bytes read, bytes of all files, rows read).

    Raises
    ------
    NotFoundError, ConfigError, DataError
        A file is not there; something must be said; a file is broken, and the message
        names the first bad row. Nothing was imported.
    """
    paths = [Path(file) for file in files]
    sizes = file_sizes(paths)
    if not paths:
        raise ConfigError("no files to import; name at least one")
    chosen = format or format_of(paths[0])
    known = read_instruments_file(instruments) if instruments is not None else {}
    report = ImportReport(chosen, venue or "okx", str(into), [str(path) for path in paths])
    report.n_bytes = sum(sizes)
    run = _Run(report, paths, sizes, (kind, columns, unit, period), progress)
    wanted = Wanted(symbol, venue, kinds, steps, replace)
    return run_import(report, run.read, wanted, known, run.tick)


class _Run:
    """Reads the files one after the other, and knows how far it is."""

    def __init__(
        self,
        report: ImportReport,
        paths: list[Path],
        sizes: list[int],
        options: tuple[Any, Any, Any, Any],
        progress: Callable[[int, int, int], None] | None,
    ) -> None:
        self._report, self._paths, self._sizes = report, paths, sizes
        self._options, self._progress = options, progress
        self._done = 0

    def tick(self, position: int, rows: int) -> None:
        if self._progress is not None:
            self._progress(self._done + position, self._report.n_bytes, rows)

    def read(self, intake: Intake) -> None:
        reader = _reader(intake, self._report.format, self._paths, self._options)
        for path, size in zip(self._paths, self._sizes, strict=True):
            reader(path)
            self._done += size
            self.tick(0, self._report.rows_read)


def _reader(
    intake: Intake, chosen: str, paths: list[Path], options: tuple[Any, Any, Any, Any]
) -> Callable[[Path], None]:
    """Return what reads one file of a format; options are those of a table."""
    if chosen == "hftbacktest":
        return HftImporter(intake).read
    if chosen == "tardis":
        tardis = TardisImporter(intake)
        intake.has_quotes = any(
            kind_of_header(header(text)) == "quotes" for path in paths for text in open_texts(path)
        )
        return lambda path: _each(path, tardis.read)
    if chosen == "okx":
        csv, books = OkxCsvImporter(intake), OkxBookImporter(intake)

        def read_okx(text: Text) -> None:
            (books if is_book_line(text.first_line()) else csv).read(text)

        return lambda path: _each(path, read_okx)
    if chosen == "table":
        return table_importer(intake, *options).read
    raise ConfigError(f"format {chosen!r} is unknown, expected one of {', '.join(FORMATS)}")


def _each(path: Path, read: Callable[[Text], None]) -> None:
    for text in open_texts(path):
        read(text)
