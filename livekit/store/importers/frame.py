"""A DataFrame, or any other table, as recorded data.

Layer 3.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livekit.events import Kind
from livekit.instruments import Instrument
from livekit.store.importers.intake import Intake
from livekit.store.importers.report import ImportReport
from livekit.store.importers.session import Wanted, file_sizes, run_import, table_importer

__all__ = ["import_frame"]


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
    """Import a table of trades, quotes, books or bars into a catalog, whole or not at all.

    Parameters
    ----------
    frame : pandas.DataFrame, pyarrow.Table, or path
        Of a Parquet or CSV file; Polars and others that speak Arrow's streams do as well.
    symbol : str, optional
        Not needed where a column names it.
    kind : str, optional
        ``trade``, ``quote``, ``book`` or ``bar``; told from the columns by default.
    into : path
    columns : mapping, optional
        Role to column where its name is not usual: ``{"time": "when", "size": "contracts"}``.
    unit : str, optional
        Of times that are numbers; told from their digits when all have 10, 13, 16 or 19.
    period : str, optional
        Of bars: ``1m``. Their times are those of opening; events are stamped at the close.
    instrument : Instrument, optional
        The steps; otherwise read off the data, which the report says.
    venue : str
    replace : bool
        Overwrite days that exist.

    Raises
    ------
    ConfigError, DataError, NotFoundError
        See `import_files`. Nothing was imported; `notes` of a result say what was decided.
    """
    known = {instrument.symbol: instrument} if instrument is not None else {}
    if instrument is not None and symbol is None:
        symbol = instrument.symbol
    path = Path(frame) if isinstance(frame, str | Path) else None
    files = [] if path is None else [path]
    report = ImportReport("table", venue, str(into), [str(one) for one in files])
    report.n_bytes = sum(file_sizes(files))

    def read(intake: Intake) -> None:
        table = table_importer(intake, kind, columns, unit, period)
        if path is not None:
            table.read(path)
        else:
            table.read_frame(frame)

    return run_import(report, read, Wanted(symbol, venue, replace=replace), known)
