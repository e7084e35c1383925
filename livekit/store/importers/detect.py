"""Which format a file has, by its content; its name is not asked.

Layer 3.
"""

import zipfile
from pathlib import Path
from typing import Final

from livekit.errors import ConfigError
from livekit.store.importers import okx_csv, tardis
from livekit.store.importers.cryptofeed import is_recording
from livekit.store.importers.csvtext import header
from livekit.store.importers.okx_books import is_book_line
from livekit.store.importers.roles import kind_of_roles, roles_of
from livekit.store.importers.source import Text, magic, open_texts

__all__ = ["FORMATS", "format_of"]

FORMATS: Final = {
    "hftbacktest": ".npz or .npy of hftbacktest",
    "tardis": "Tardis.dev CSV: trades, quotes, book_snapshot_5/25, incremental_book_L2",
    "okx": "OKX historical downloads: trades, candles, L2 order books",
    "table": "Parquet or CSV of trades, quotes, books or bars with columns of usual names",
    "cryptofeed-raw": "raw WebSocket recordings of cryptofeed",
}
"""Formats that are imported, and what they are."""


def format_of(path: Path) -> str:
    """Return the format of a file.

    Raises
    ------
    ConfigError
        It is none, or could be several.
    NotFoundError, DataError
        There is no such file; its compression is broken.
    """
    kind = magic(path)
    if kind == "npy" or (kind == "zip" and _has_arrays(path)):
        return "hftbacktest"
    if kind == "parquet":
        return "table"
    for text in open_texts(path):
        found = _format_of_text(text)
        if found is not None:
            return found
        break
    raise ConfigError(
        f"the format of {str(path)!r} is not to be told from its content; say it with --format: "
        + "; ".join(f"{name} ({what})" for name, what in FORMATS.items())
    )


def _has_arrays(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith(".npy") for name in archive.namelist())


def _format_of_text(text: Text) -> str | None:
    line = text.first_line()
    if is_recording(line):
        return "cryptofeed-raw"
    if is_book_line(line):
        return "okx"
    names = header(text)
    if tardis.is_tardis(names):
        return "tardis"
    if okx_csv.kind_of_header(names) is not None:
        return "okx"
    try:
        kind_of_roles(roles_of(names), names)
    except ConfigError:
        return None
    return "table"
